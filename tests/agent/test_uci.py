"""The UCI dialogue, line by line against a scripted program."""

import queue
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import chess
import numpy as np
import pytest
import torch

from agent import rules
from agent.errors import InputError
from agent.evaluators import make_evaluator
from agent.network import Architecture
from agent.networks import make_network
from agent.opponent import Opponent
from agent.player import Choice, SearchPlayer
from agent.rules import Games
from agent.search import SearchSettings
from agent.uci import Engine, centipawns, read_position

PATIENCE = 60.0
"""Seconds until a missing answer fails a test; no test waits this long when all is well."""


class FirstMove:
    """Plays the first legal move in vocabulary order, or mates; waits for `go_on` first."""

    name = "first"

    def __init__(self, value: float = 0.5) -> None:
        self.value = value
        self.go_on = threading.Event()
        self.go_on.set()

    def choose(self, games: Games) -> Choice:
        assert self.go_on.wait(PATIENCE)
        successors, moves, _ = games.successors()
        mates = rules.outcome(successors, claim_draws=False) == rules.Termination.CHECKMATE
        best = int(np.argmax(mates)) if mates.any() else int(np.argmin(moves))
        return Choice(moves[[best]], np.array([self.value], np.float32))


class Program:
    """The other end: sends lines, expects answers."""

    def __init__(self, load: Callable[[Path | None, Callable[[str], None]], Opponent]) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.answers: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=Engine(self.answers.put, load).run, args=(self._typed(),), daemon=True)
        self._thread.start()

    def _typed(self) -> Iterator[str]:
        while (line := self._lines.get()) is not None:
            yield f"{line}\n"

    def send(self, *lines: str) -> None:
        for line in lines:
            self._lines.put(line)

    def expect(self, *patterns: str) -> str:
        """The next answers match `patterns` in order; returns the last."""
        answer = ""
        for pattern in patterns:
            answer = self.answers.get(timeout=PATIENCE)
            assert re.fullmatch(pattern, answer), f"{answer!r} is not {pattern!r}"
        return answer

    def silent(self) -> None:
        """Nothing but `readyok` answers what was sent so far."""
        self.send("isready")
        self.expect("readyok")

    def end(self, line: str | None = "quit") -> None:
        """Leave, by `quit` or (None) by closing the input; nothing more is said."""
        self._lines.put(line)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self.answers.empty()


class Loader:
    """Loads FirstMove for any file but those that begin with `bad`; notes what was asked for."""

    def __init__(self) -> None:
        self.player = FirstMove()
        self.asked: list[str | None] = []

    def __call__(self, weights: Path | None, progress: Callable[[str], None]) -> Opponent:
        self.asked.append(None if weights is None else str(weights))
        if weights is not None and weights.name.startswith("bad"):
            raise InputError(f"weights file '{weights}' is damaged;\nuse another")
        progress("compiling rules ...")
        return Opponent(self.player, f"weights {weights}", ("skipped: an old one",))


READY = ("info string compiling rules ...", "info string skipped: an old one", "info string playing with weights None")


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def program(loader: Loader) -> Program:
    """Past `isready`."""
    program = Program(loader)
    program.send("isready")
    program.expect(*READY, "readyok")
    return program


def test_handshake_before_anything_is_loaded(loader: Loader) -> None:
    program = Program(loader)
    program.send("uci")
    program.expect(
        r"id name ZeroMass .+", r"id author .+", r"option name WeightsFile type string default <empty>", "uciok"
    )
    assert loader.asked == []
    program.send("isready", "isready")
    program.expect(*READY, "readyok", "readyok")
    assert loader.asked == [None]
    program.end()


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "movetime 100",
        "wtime 1000 btime 1000 winc 10 binc 10 movestogo 3",
        "depth 5",
        "nodes 9",
        "mate 2",
        "whatever x",
    ],
)
def test_go_answers_at_once_whatever_its_arguments(program: Program, arguments: str) -> None:
    program.send("position startpos moves e2e4", f"go {arguments}")
    program.expect(r"info depth 1 multipv 1 score cp 298 time \d+ nodes 20 nps \d+ pv b8a6", "bestmove b8a6")
    program.end()


@pytest.mark.parametrize(("go", "wanted"), [("", 64), ("nodes 9", 9), ("nodes 0", 1), ("nodes x", 64)])
def test_go_nodes_sets_the_simulations(go: str, wanted: int) -> None:
    """The search itself, with a material evaluator: the nodes it tells are those that were asked for."""

    def searcher(simulations: int) -> SearchPlayer:
        torch.manual_seed(0)
        evaluator = make_evaluator(make_network(Architecture(blocks=0, channels=8)))
        return SearchPlayer(evaluator, SearchSettings(simulations=simulations, gumbel_scale=0))

    program = Program(lambda weights, progress: Opponent(searcher(64), "a search", (), 64, searcher))
    program.send("position startpos", f"go {go}")
    program.expect("info string playing with a search", rf"info depth \d+ .* nodes {wanted} nps \d+ pv( \w{{4,5}})+")
    program.expect(r"bestmove \w+")
    program.end()


def test_go_before_isready_loads(loader: Loader) -> None:
    program = Program(loader)
    program.send("go")
    program.expect(*READY, r"info depth 1 .*", "bestmove b1a3")
    program.end()


@pytest.mark.parametrize(
    ("go", "release"), [("infinite", "stop"), ("ponder wtime 9 btime 9", "ponderhit"), ("ponder", "stop")]
)
def test_infinite_and_ponder_wait_for_the_program(program: Program, go: str, release: str) -> None:
    program.send(f"go {go}")
    program.expect(r"info depth 1 .* pv \w+")
    program.silent()  # isready is answered while it thinks; no bestmove yet
    program.send(release)
    program.expect(r"bestmove \w+")
    program.send("stop", "ponderhit")  # too late: ignored
    program.silent()
    program.end()


def test_isready_is_answered_while_the_engine_thinks(loader: Loader, program: Program) -> None:
    loader.player.go_on.clear()
    program.send("go", "isready")
    program.expect("readyok")
    program.send("stop")
    loader.player.go_on.set()
    program.expect(r"info depth 1 .*", r"bestmove \w+")
    program.end()


def test_stop_right_behind_go_is_not_lost(program: Program) -> None:
    for _ in range(50):
        program.send("go infinite", "stop")
    for _ in range(50):
        program.expect(r"info depth 1 .*", r"bestmove \w+")
    program.end()


def test_a_second_go_frees_the_first(program: Program) -> None:
    program.send("go infinite", "go infinite", "stop")
    program.expect(r"info .*", r"bestmove \w+", r"info .*", r"bestmove \w+")
    program.end()


@pytest.mark.parametrize("end", ["quit", None])
def test_end_during_an_infinite_search_still_answers(program: Program, end: str | None) -> None:
    program.send("go infinite")
    program.expect(r"info depth 1 .*")
    program._lines.put(end)
    program.expect(r"bestmove \w+")
    program.end(None)


def test_mate_is_announced(program: Program) -> None:
    program.send("position fen 7k/8/5KQ1/8/8/8/8/8 w - - 0 1", "go")
    program.expect(r"info depth 1 multipv 1 score mate 1 time \d+ nodes \d+ nps \d+ pv g6\w\w", r"bestmove g6\w\w")
    program.end()


@pytest.mark.parametrize(
    ("fen", "score"), [("7k/6Q1/5K2/8/8/8/8/8 b - - 0 1", "mate 0"), ("7k/5Q2/5K2/8/8/8/8/8 b - - 0 1", "cp 0")]
)
def test_no_legal_move(program: Program, fen: str, score: str) -> None:
    program.send(f"position fen {fen}", "go")
    program.expect(f"info depth 0 score {score}", "bestmove 0000")
    program.end()


@pytest.mark.parametrize(
    ("position", "sentence"),
    [
        ("fen not a fen", r"FEN 'not a fen' cannot be read \(.+\)"),
        ("fen", r"FEN '' cannot be read \(.+\)"),
        ("fen 8/8/8/8/8/8/8/8 w - - 0 1", "FEN '.+' is impossible: White has no king"),
        ("fen 4k2R/8/8/8/8/8/8/4K3 w - - 0 1", "FEN '.+' is impossible: the side not to move is in check"),
        ("fen 4k3/8/8/8/8/8/8/4K2R w - - 99999 99999", "FEN '.+' is impossible: a clock is too high"),
        ("fen bnrkrnqb/8/8/8/8/8/8/BNRKRNQB w ECec - 0 1", "FEN '.+' is impossible: castling rights 'ECec' .*"),
        ("startpos moves e2e4 e2e4", r"move 2 'e2e4' is not legal in 'rnbqkbnr/.* b KQkq - 0 1'"),
        ("startpos moves e2e4 0000", r"move 2 '0000' is no move"),
        ("startpos moves Nf3", r"move 1 'Nf3' is not legal in .*"),
        ("e2e4", r"position 'e2e4' has neither startpos nor fen"),
        ("", r"position '' has neither startpos nor fen"),
    ],
)
def test_bad_position_is_told_and_the_old_one_kept(program: Program, position: str, sentence: str) -> None:
    program.send("position startpos moves e2e4", f"position {position}", "go")
    program.expect(
        rf"info string {sentence}.*; the position before is kept", r"info depth 1 .* pv b8a6", "bestmove b8a6"
    )
    program.end()


def test_positions_are_read() -> None:
    assert read_position("startpos") == chess.Board()
    board = read_position("fen 4k3/8/8/8/8/8/8/4K2R w K - 3 9 moves e1g1 e8d8")
    assert board.fen() == "3k4/8/8/8/8/8/8/5RK1 w - - 5 10"
    assert len(board.move_stack) == 2  # history for repetition
    # Castling as king takes rook, which some programs send.
    assert read_position("fen 4k3/8/8/8/8/8/8/4K2R w K - 3 9 moves e1h1").piece_at(chess.G1) is not None


def test_ucinewgame_starts_over(program: Program) -> None:
    program.send("position startpos moves e2e4", "ucinewgame", "go")
    program.expect(r"info .*", "bestmove b1a3")
    program.end()


def test_garbage_and_unknown_options_are_ignored(program: Program) -> None:
    program.send("", "   ", "xyzzy", "go2", "\x00\ufffd", "setoption", "setoption name Hash value 64", "setoption name")
    program.send("register later", "debug", "joho debug on", "isready now")
    program.expect("readyok")
    program.send("debug on", "xyzzy", "setoption name Hash value 64", "debug off", "xyzzy")
    program.expect("info string unknown command 'xyzzy' ignored", "info string unknown option 'Hash' ignored")
    program.silent()
    program.end()


def test_weights_are_set_and_unset(loader: Loader, program: Program) -> None:
    program.send("setoption name weightsfile value some folder/a.safetensors", "isready")
    program.expect(*READY[:2], "info string playing with weights some folder/a.safetensors", "readyok")
    program.send("setoption name WeightsFile value <empty>", "isready", "setoption name WeightsFile value ", "isready")
    program.expect(*READY, "readyok", *READY, "readyok")
    assert loader.asked == [None, "some folder/a.safetensors", None, None]
    program.end()


def test_bad_weights_are_told_and_what_played_before_plays_on(loader: Loader, program: Program) -> None:
    program.send("setoption name WeightsFile value bad.safetensors", "isready", "go")
    program.expect(
        "info string weights file 'bad.safetensors' is damaged; use another",
        r"info string skipped.*",
        r"info string playing with weights None",
        "readyok",
        r"info depth 1 .*",
        r"bestmove \w+",
    )
    assert loader.asked == [None, "bad.safetensors"]
    program.end()


def test_bad_weights_from_the_start_leave_the_default(loader: Loader) -> None:
    program = Program(loader)
    program.send("setoption name WeightsFile value bad.safetensors", "go")
    program.expect(r"info string weights file .*", *READY, r"info depth 1 .*", r"bestmove \w+")
    assert loader.asked == ["bad.safetensors", None]
    program.end()


def test_what_was_asked_before_the_input_ends_is_answered(loader: Loader) -> None:
    program = Program(loader)
    program.send("position startpos", "go")
    program._lines.put(None)
    program.expect(*READY, r"info depth 1 .*", r"bestmove \w+")
    program.end(None)


def test_centipawns_invert_the_curve_of_lichess() -> None:
    for score in (-0.9, -0.3, 0.0, 0.01, 0.5, 0.99):
        assert np.tanh(0.00368208 / 2 * centipawns(score)) == pytest.approx(score, abs=0.001)
    assert [centipawns(score) for score in (-1.0, 1.0, 0.0)] == [-2000, 2000, 0]
