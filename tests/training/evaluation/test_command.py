"""`zeromass evaluate`: sequential tests, Stockfish's scale, won endings, saved games, Ctrl-C."""

import errno
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import chess.pgn
import pytest
from rich.console import Console

import zeromass
from agent import files
from agent.errors import InputError
from agent.players.player import Choice, RandomPlayer
from agent.rules import Games
from tests.training.evaluation.test_match_runner import interrupt_after
from training.evaluation import command
from training.evaluation.command import anchored
from training.evaluation.match import MatchResult
from training.evaluation.match_runner import ConcurrentPlayers
from training.evaluation.openings import PLIES
from training.evaluation.opponents import anchor_of
from training.monitoring.display import Display

pytestmark = pytest.mark.usefixtures("in_empty_folder")


def evaluate(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert zeromass.main(["evaluate", "--simulations", "8", *words]) == 0
    return capsys.readouterr().out


def test_a_decided_match_ends_early_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--opponent", "random", "--games", "400", "--sprt", "0:100"]
    row = json.loads(evaluate(capsys, *words, "--json"))
    keys = ["opponent", "games", "wins", "draws", "losses", "score", "elo", "elo_low", "elo_high", "illegal_moves"]
    assert set(keys) < set(row)
    assert row["games"] == row["wins"] + row["draws"] + row["losses"] < 200
    assert row["sprt"]["verdict"] == "elo1"
    assert row["sprt"]["ratio"] > row["sprt"]["upper"] == pytest.approx(2.944, abs=1e-3)
    told = evaluate(capsys, *words).splitlines()
    assert f"in {row['games']} games" in told[0]
    assert told[1].startswith(f"decided after {row['games']} games: yes to +100 Elo rather than +0")


def test_saved_games_of_a_match_cut_short_are_those_played(capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads(evaluate(capsys, "--games", "60", "--sprt", "0:300", "--pgn", "out.pgn", "--json"))
    with Path("out.pgn").open() as file:
        games = list(iter(lambda: chess.pgn.read_game(file), None))
    assert len(games) == row["games"] < 60
    for number, game in enumerate(games):
        assert game is not None
        assert game.headers["Round"] == str(number + 1)
        assert game.headers["White" if number % 2 == 0 else "Black"] == "search:8"
        assert game.headers["OpeningPlies"] == str(PLIES)  # moves of the book are not replayed


def test_elo_on_stockfishs_scale() -> None:
    assert [anchor_of(name) for name in ("stockfish:1350", "stockfish", "engine:stockfish:1350")] == [1350, None, None]
    even = MatchResult("stockfish:1350", 100, 40, 20, 40, 0)
    low, high = (even.to_json()[f"elo_{end}"] for end in ("low", "high"))
    row, sentence = anchored(even, 1350)
    assert list(row.values()) == [1350, 1350, 1350 + low, 1350 + high]
    assert sentence.startswith("1350 Elo on Stockfish's scale (95 % interval ")
    better, _ = anchored(MatchResult("stockfish:1350", 100, 60, 8, 32, 0), 1350)
    assert better["anchored_elo"] == pytest.approx(1350 + 100, abs=1)
    won, sentence = anchored(MatchResult("stockfish:1350", 20, 20, 0, 0, 0), 1350)
    assert (won["anchored_elo"], sentence[:7]) == (None, "above 1")
    assert anchored(MatchResult("stockfish:1350", 20, 0, 0, 20, 0), 1350)[1].startswith("below 1")


def test_won_endings(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(evaluate(capsys, "--conversion", "--games", "4", "--json"))["conversion"]
    assert [(one["ending"], one["defender"], one["games"]) for one in found] == [
        (ending, defender, 4) for ending in ("kq", "kr", "kbb") for defender in ("king", "random")
    ]
    assert all(one["share"] == one["mated"] / 4 for one in found)
    told = evaluate(capsys, "--conversion", "--games", "4")
    assert f"{found[0]['mated']} of 4" in told
    assert "Won endings, mated within 50 moves" in told


@pytest.mark.parametrize("sprt", [[], ["--sprt", "0:5"]], ids=["match", "sprt"])
def test_ctrl_c_midway(sprt: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def impatient(_display: Display, _title: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield interrupt_after(3)

    monkeypatch.setattr(Display, "counting", impatient)
    words = ["evaluate", "--seconds", "0.01", "--games", "50", "--pgn", "out.pgn", "--json", *sprt]
    assert zeromass.main(words) == 130
    row = json.loads(capsys.readouterr().out)
    assert row["stopped"] is True
    assert row["games"] == row["wins"] + row["draws"] + row["losses"] == 3
    with Path("out.pgn").open() as file:
        results = [headers["Result"] for headers in iter(lambda: chess.pgn.read_headers(file), None)]
    assert (len(results), results.count("1/2-1/2")) == (3, row["draws"])


@pytest.mark.parametrize("fault", ["engine x is gone", "disk full"])
def test_the_result_is_printed_whatever_fails(
    fault: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine(RandomPlayer):
        calls = 0

        def choose(self, games: Games) -> Choice:
            self.calls += 1
            if fault == "engine x is gone" and self.calls > 40:  # more than one game
                raise InputError(fault)
            return super().choose(games)

    monkeypatch.setattr(command, "make_opponent", lambda *_: ConcurrentPlayers([Engine(0)]))
    if fault == "disk full":
        monkeypatch.setattr(files, "write_atomic", Mock(side_effect=OSError(errno.ENOSPC, fault)))
    assert zeromass.main(["evaluate", "--policy", "--games", "4", "--pgn", "out.pgn", "--json"]) == 2
    printed = capsys.readouterr()
    row = json.loads(printed.out)
    assert row["games"] == row["wins"] + row["draws"] + row["losses"] >= 1
    assert fault in printed.err.splitlines()[-1]
    assert (row["games"] == 4) == (fault == "disk full") == ("stopped" not in row) != Path("out.pgn").exists()


def test_a_long_match_without_a_terminal_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = [0.0], io.StringIO()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Display(Console(file=said)).counting("100 games", 100) as advance:
        for second in (1, 20, 35, 40, 90):
            clock[0] = second
            advance(10)
    assert said.getvalue().splitlines() == ["100 games ...", "20/100", "40/100", "50/100"]
