"""Opponents by name, with a small UCI engine that can be made to fail."""

import contextlib
import threading
from pathlib import Path

import chess
import pytest
from chess.engine import Limit

from agent import rules
from agent.errors import InputError
from agent.players import external
from agent.players.external import EnginePlayer
from agent.players.player import RandomPlayer
from agent.rules import Games
from tests.processes import STAND_IN, install_stockfish, run_python
from tests.tables import table
from training.evaluation.match import play_match
from training.evaluation.match_runner import ConcurrentPlayers, MatchError
from training.evaluation.openings import Openings
from training.evaluation.opponents import PlayOptions, make_opponent


@pytest.fixture
def engine(tmp_path: Path) -> str:
    return f"engine:{STAND_IN} {tmp_path}"


def test_an_engine_plays_its_own_moves_for_both_colours(engine: str) -> None:
    player = make_opponent(engine, 0, PlayOptions(side_by_side=2))
    assert isinstance(player, ConcurrentPlayers)
    assert len(player.players) == 2
    boards = [chess.Board(), chess.Board("rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1")]
    games = Games.from_boards(boards)
    games.play(player.choose(games).moves)
    for board in boards:
        board.push_uci(min(move.uci() for move in board.legal_moves))
    expected = [board.fen(en_passant="legal") for board in boards]
    assert [chess.Board(rules.to_fen(p)).fen(en_passant="legal") for p in games.positions] == expected
    player.close()


def test_an_engine_gets_the_moves_of_each_game(engine: str, tmp_path: Path) -> None:
    player = make_opponent(engine, 0)
    assert isinstance(player, ConcurrentPlayers)
    result = play_match(RandomPlayer(1), player, Openings(1, 4), games=3, ply_cap=20)
    assert (result.games, result.wins + result.draws + result.losses, result.illegal_moves) == (3, 3, 0)
    player.close()
    lines = (tmp_path / "told").read_text().splitlines()
    assert lines.count("ucinewgame") == 3
    positions = [line.split() for line in lines if line.startswith("position")]
    told = [len(words) - words.index("moves") - 1 if "moves" in words else 0 for words in positions]
    # Eight moves of each game, the engine's and the answers between them; openings come as positions.
    assert told == [0, 2, 4, 6, 8, 10, 12, 14] * 3


def test_stockfish_gets_its_elo_and_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_stockfish(tmp_path, monkeypatch)
    player = make_opponent("stockfish:1400", 0)
    assert isinstance(player, ConcurrentPlayers)
    player.choose(Games(1))
    player.close()
    options = set((tmp_path / "told").read_text().splitlines())
    told = {"UCI_Elo": "1400", "UCI_LimitStrength": "true", "Threads": "1"}
    assert {f"setoption name {name} value {value}" for name, value in told.items()} <= options
    with pytest.raises(InputError, match=r"refuses its options .*900"):
        make_opponent("stockfish:900", 0)


@pytest.mark.parametrize(("fault", "said"), table("engine_failures"))
def test_a_failure(
    engine: str, fault: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(EnginePlayer("x", f"{engine.removeprefix('engine:')} {fault}", {})) as player:
        monkeypatch.setattr(player._engine, "timeout", 2.0 if fault == "silent" else 60.0)
        with pytest.raises(MatchError, match=f"engine 'x' {said}") as stop:
            play_match(RandomPlayer(1), ConcurrentPlayers([player]), Openings(1, 4), games=3, ply_cap=20)
        assert (stop.value.games.tolist(), stop.value.played.points.tolist()) == ([0, 1], [0, 0])
        with pytest.raises(InputError, match="engine 'x' stopped playing"):
            external.engine_move(player._engine, "x", chess.Board(), Limit(time=0.1))
    for thread in threading.enumerate():  # what python-chess has to say, it says before its thread ends
        if thread.name.startswith("_Engine"):
            thread.join(60)
    assert not caplog.records


def test_a_clock_bounds_the_wait(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-chess waits for ever for a move under a clock."""
    clock = Limit(white_clock=0.1, black_clock=0.1)
    with contextlib.closing(EnginePlayer("x", f"{engine.removeprefix('engine:')} silent", {})) as player:
        monkeypatch.setattr(player._engine, "timeout", 2.0)
        moves = (external.engine_move(player._engine, "x", chess.Board(), clock, game) for game in range(3))
        with pytest.raises(InputError, match="no answer within"):
            list(moves)  # it falls silent in the third game


def test_the_command_ends_when_the_match_does(engine: str) -> None:
    """An engine's thread would keep the interpreter from ending."""
    words = ["evaluate", "--opponent", engine, "--games", "2", "--simulations", "2", "--seed", "1"]
    done = run_python("-m", "zeromass", *words)
    assert done.returncode == 0, done.stderr
    assert "in 2 games" in done.stdout


@pytest.mark.parametrize(
    ("name", "sentence"),
    [*table("opponents"), ("engine:echo 'uci\0ok'", "'echo' does not start as a UCI engine .embedded null byte")],
)
def test_an_unknown_opponent_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_opponent(name, 0)
