"""The benchmark of strength, with a small engine that gives known scores."""

import json
import math
import random
import shutil
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chess
import pytest

import zeromass
from agent.engine.limits import Limits, ThinkOptions
from agent.errors import InputError
from benchmarks import strength
from benchmarks.measuring import value_of
from benchmarks.strength.positions import MOST, game, is_open, make_positions, positions
from benchmarks.strength.reference import Reference
from tests.processes import install_stockfish
from tests.test_command_line import refused


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in is `stockfish`; it notes what it is told and reads `scores` here, where judgements lie too."""
    install_stockfish(tmp_path, monkeypatch)
    monkeypatch.setattr("benchmarks.strength.reference.base_folder", lambda: tmp_path)
    give(tmp_path, {"e2e4": "cp 100", "d2d4": "cp 20", "a2a3": "mate -2", "h2h3": "cp -9000"})
    return tmp_path


def give(folder: Path, scores: dict[str, str] | None) -> None:
    (folder / "scores").write_text(json.dumps(scores))


def log(folder: Path) -> list[str]:
    """The searches and new games asked for since the last call."""
    told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
    (folder / "told").write_text("")
    return [line for line in told if line.startswith(("go", "ucinewgame"))]


def win(centipawns: float) -> float:
    """Lichess: win % = 50 + 50 (2 / (1 + exp(-0.00368208 centipawns)) - 1)."""
    return (50 + 50 * (2 / (1 + math.exp(-0.00368208 * centipawns)) - 1)) / 100


def regrets(reference: Reference, *moves: str, fen: str = chess.STARTING_FEN) -> list[float]:
    return [reference.regret(chess.Board(fen), chess.Move.from_uci(move)) for move in moves]


def test_regret_is_the_loss_of_winning_chances(told: Path) -> None:
    with Reference(nodes=50) as reference:
        assert reference.name == "Stand-in 1.0"
        found = regrets(reference, "e2e4", "d2d4", "a2a3", "h2h3", "d2d4")
        asked = ["go nodes 100", *(f"go nodes 50 searchmoves {move}" for move in ("d2d4", "a2a3", "h2h3"))]
        assert log(told) == [line for go in asked for line in ("ucinewgame", go)]
        mated, lost = win(-1998), win(-2000)
        assert found == pytest.approx([win(100) - x for x in (win(100), win(20), mated, lost, win(20))])
        give(told, {"g1f3": "cp 500"})
        assert regrets(reference, "c2c4", "g1f3") == pytest.approx([win(100) - win(0), 0])  # alone better than the best


def test_judgements_are_kept_for_the_next_time(told: Path) -> None:
    with Reference(nodes=50) as reference:
        first = regrets(reference, "d2d4", "a2a3")
    assert len(log(told)) == 6
    with Reference(nodes=50) as one, Reference(nodes=50) as other:
        assert (regrets(one, "d2d4", "e2e4", "a2a3"), log(told)) == ([first[0], 0, first[1]], [])
        regrets(one, "h2h3")
        regrets(other, "h2h4")
    log(told)
    with Reference(nodes=50) as reference:
        regrets(reference, "h2h3", "h2h4")
        assert log(told) == []
    with Reference(nodes=60) as reference:
        regrets(reference, "d2d4")
        assert log(told)[1::2] == ["go nodes 120", "go nodes 60 searchmoves d2d4"]
    files = sorted(told.glob("judgements-*"))
    assert [file.name for file in files] == ["judgements-stand-in-1-0-50.json", "judgements-stand-in-1-0-60.json"]
    files[0].write_text('{"cut')
    with Reference(nodes=50) as reference:
        assert (regrets(reference, "d2d4", "a2a3"), len(log(told))) == (first, 6)


class Player:
    """Plays the first move given, with few nodes, the second, with more."""

    origin = "a stand-in"

    def __init__(self, moves: dict[str, list[str]]) -> None:
        self.moves, self.asked = moves, list[tuple[str, Limits, ThinkOptions]]()

    def think(self, board: chess.Board, limits: Limits, options: ThinkOptions) -> Any:
        self.asked.append((board.fen(), limits, options))
        few = (limits.nodes or limits.simulations) == 5
        move = chess.Move.from_uci(self.moves[board.fen()][0 if few else 1])
        return SimpleNamespace(best=SimpleNamespace(move=move), depth=3.0 if few else 4.5, nodes=7)


FENS = ["4k3/8/8/8/8/8/PPPP4/4K3 w - - 0 9", "4k3/8/8/8/8/8/PPPP4/4K3 w - - 1 9", "4k3/8/8/8/8/8/PPPP4/4K3 w - - 2 9"]


def test_the_whole_benchmark(told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(told, {"a2a4": "cp 200", "b2b4": "cp 170", "c2c4": "cp 0"})
    player = Player(dict(zip(FENS, (["c2c4", "a2a4"], ["b2b4", "a2a4"], ["a2a4", "b2b4"]), strict=True)))
    monkeypatch.setattr(strength, "load_agent", lambda weights, progress: player)
    monkeypatch.setattr(strength, "positions", lambda: [*FENS, "never reached"])
    monkeypatch.setattr(strength, "_EVERY", 2)
    words = ["benchmark", "strength", "nodes=9,5", "positions=3", "reference=50"]
    assert zeromass.main([*words, "--json"]) == 0
    printed, said = capsys.readouterr()
    found = json.loads(printed)
    assert player.asked[0] == (FENS[0], Limits(nodes=5), ThinkOptions(fresh=True))
    assert [limits.nodes for _, limits, _ in player.asked] == [5, 9] * 3
    much, little = win(200) - win(0), win(200) - win(170)
    assert f"2 of 3 positions, regret x 1000: {1000 * (much + little) / 2:.1f}, 0.0\n" in said
    losses = {"5 nodes": [much, little, 0.0], "9 nodes": [0.0, 0.0, little]}
    losses["9 nodes less 5 nodes"] = [b - a for a, b in zip(*losses.values(), strict=True)]
    rows = {row["case"]: row for row in found["results"] if row["contender"] == "regret"}
    assert list(rows) == list(losses)
    for case, values in losses.items():
        mean = sum(values) / 3
        error = math.sqrt(sum((value - mean) ** 2 for value in values) / 2) / math.sqrt(3)
        expected = [1000 * x for x in (mean, mean - 1.96 * error, mean + 1.96 * error)]
        assert [rows[case][key] for key in ("value", "low", "high")] == pytest.approx(expected)
    assert value_of(found, "5 nodes", "> 0.05") == value_of(found, "5 nodes", "> 0.15") == pytest.approx(1 / 3)
    assert [value_of(found, "9 nodes", name) for name in ("> 0.05", "depth")] == [0, 4.5]
    assert value_of(found, "9 nodes", "nodes/s of CPU") > 0
    assert found["ratios"] == []
    log(told)
    assert zeromass.main([*words, "search=gumbel"]) == 0
    shown = capsys.readouterr().out
    assert log(told) == []
    assert player.asked[-1][1] == Limits(simulations=9)
    assert f"9 simulations less 5 simulations: {rows['9 nodes less 5 nodes']['value']:.1f} ± " in shown


def test_what_fails_is_named(told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = "benchmark", "strength", "weights=missing.safetensors"
    assert "weights file 'missing.safetensors' does not exist" in refused(capsys, *words)
    give(told, None)
    with Reference() as reference, pytest.raises(InputError, match="engine 'stockfish' stopped"):
        regrets(reference, "e2e4")
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    assert "engine 'stockfish' is not on PATH; install it" in refused(capsys, "benchmark", "strength")


def test_positions_are_open_and_offer_a_choice() -> None:
    boards = [chess.Board(fen) for fen in positions()]
    assert len(boards) == len({board.fen() for board in boards}) == MOST
    assert all(board.is_valid() and board.legal_moves.count() > 4 and board.ply() > 12 for board in boards)


class Mixed:
    """Plays some move, the same in the same position."""

    def think(self, board: chess.Board, limits: Limits) -> Any:
        assert limits == Limits(simulations=100)
        move = min(board.legal_moves, key=lambda move: zlib.crc32(f"{board.fen()} {move}".encode()))
        return SimpleNamespace(best=SimpleNamespace(move=move))


def test_positions_repeat_with_their_seed(told: Path) -> None:
    give(told, {})
    with Reference() as reference:
        made: list[list[str]] = [make_positions(Mixed(), reference, 10, seed) for seed in (1, 1, 2)]  # type: ignore[arg-type]
        assert made[0] == made[1] != made[2]
        assert {len(set(fens)) for fens in made} == {10}
        seen = [chess.Board(fen) for seed in range(5) for fen in game(Mixed(), random.Random(seed))]  # type: ignore[arg-type]
        assert min(board.ply() for board in seen) == 13
        assert min(board.legal_moves.count() for board in seen) > 4
        assert set(log(told)) == {"ucinewgame", "go nodes 6000"}
        for score, expected in {"cp 349": 1, "cp -349": 1, "cp 350": 0, "cp -350": 0, "mate 3": 0}.items():
            give(told, {"any": score})
            assert is_open(reference, chess.STARTING_FEN) == expected
