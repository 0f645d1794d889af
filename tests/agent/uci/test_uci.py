"""The UCI dialogue, line by line against a scripted program."""

import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import chess
import pytest

from agent.engine.agent import Agent
from agent.engine.limits import DEFAULT_NODES, Clock, Limits, ThinkOptions
from agent.errors import InputError
from agent.play.strength import STRONGEST, WEAKEST, strength_of
from agent.uci.engine import Engine
from tests.agent.standin import PATIENCE, Scripted
from tests.tables import table


class Program:
    """The other end: sends lines, expects answers."""

    def __init__(self, load: Callable[[Path | None, Callable[[str], None]], Agent]) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.answers: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=Engine(self.answers.put, load).run, args=(self._typed(),), daemon=True)
        self._thread.start()

    def _typed(self) -> Iterator[str]:
        while (line := self._lines.get()) is not None:
            yield f"{line}\n"

    def talk(self, sent: str | None, *patterns: str) -> None:
        """Send lines, parted by `; `, or (None) close the input; expect answers that match `patterns` in order."""
        for line in [None] if sent is None else sent.split("; "):
            self._lines.put(line)
        self.expect(*patterns)

    def expect(self, *patterns: str) -> None:
        for pattern in patterns:
            answer = self.answers.get(timeout=PATIENCE)
            assert re.fullmatch(pattern, answer), f"{answer!r} is not {pattern!r}"

    def end(self) -> None:
        """Leave, unless the input is closed already; nothing more is said."""
        self._lines.put("quit")
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self.answers.empty()


class Loader:
    """Loads a scripted thinker for any file but those that begin with `bad`; notes what was asked for."""

    def __init__(self) -> None:
        self.thinker = Scripted()
        self.asked: list[str | None] = []

    def __call__(self, weights: Path | None, progress: Callable[[str], None]) -> Agent:
        self.asked.append(None if weights is None else str(weights))
        if weights is not None and weights.name.startswith("bad"):
            raise InputError(f"weights file '{weights}' is damaged;\nuse another")
        progress("compiling rules ...")
        return Agent(self.thinker, f"weights {weights}", ("skipped: an old one",))


READY = ("info string compiling rules ...", "info string skipped: an old one", "info string playing with weights None")
INFO = r"info depth 1 seldepth 1 multipv 1 score cp 139 nodes 20 nps 2000 hashfull 1 time 10 pv \w{4,5}"
MOVE = r"bestmove \w+"
WEIGHTS = "setoption name WeightsFile value"


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def fresh(loader: Loader) -> Iterator[Program]:
    """Before anything was said."""
    program = Program(loader)
    yield program
    program.end()


@pytest.fixture
def program(fresh: Program) -> Program:
    """Past `isready`."""
    fresh.talk("isready", "readyok", *READY)
    return fresh


def test_handshake_before_anything_is_loaded(loader: Loader, fresh: Program) -> None:
    answers = (row[0].format(weakest=WEAKEST, strongest=STRONGEST) for row in table("uci"))
    fresh.talk("uci", *answers)
    assert loader.asked == []
    fresh.talk("isready; isready", "readyok", *READY, "readyok")  # no program expects a sentence before the answer
    assert loader.asked == [None]


@pytest.mark.parametrize(
    ("go", "limits"),
    [
        *((go, Limits(nodes=DEFAULT_NODES)) for go in ("", "whatever x", "movetime x", f"nodes {'9' * 23}")),
        ("movetime 100", Limits(seconds=0.1)),
        ("wtime 9 btime 1000 winc 1 binc 10 movestogo 3", Limits(clock=Clock(1.0, 0.01, 3))),
        ("wtime 9 btime -5", Limits(clock=Clock(0.0))),
        ("wtime 9", Limits(nodes=DEFAULT_NODES)),  # no clock of ours
        ("depth 5", Limits(depth=5)),
        ("nodes 9", Limits(nodes=9)),
        ("nodes 0", Limits(nodes=1)),
        ("mate 2", Limits(mate=2)),
        ("searchmoves e7e5 xyz 0000 b8c6 nodes 7", Limits(nodes=7, moves=("e7e5", "b8c6"))),
    ],
)
def test_go_is_read_for_the_side_to_move(loader: Loader, program: Program, go: str, limits: Limits) -> None:
    program.talk(f"position startpos moves e2e4; go {go}", INFO, "bestmove a7a5")
    (fen, asked, options), *_ = loader.thinker.asked
    assert fen.split()[1] == "b"
    assert asked == replace(limits, overhead=0.01)
    assert (options.lines, options.temperature) == (1, 0.0)


def test_options_reach_the_search(loader: Loader, program: Program) -> None:
    program.talk("setoption name multipv value 3; setoption name Move Overhead value 100")
    program.talk("setoption name Temperature value 50; setoption name Seed value 9; setoption name Hash value 32")
    program.talk("setoption name UCI_ShowWDL value true; setoption name Simulations value 300; go movetime 1000")
    program.expect(r"info .* score cp 139 wdl 500 250 250 nodes .*", "bestmove a2a3")
    _, asked, thinking = loader.thinker.asked[-1]
    assert asked == Limits(simulations=300, seconds=1.0, overhead=0.1)
    assert thinking == ThinkOptions(lines=3, temperature=0.5, seed=9)
    assert loader.thinker.sizes == [32]
    program.talk("go nodes 20; go nodes 400; go infinite; stop", *("info .*", MOVE) * 3)
    program.talk(
        "setoption name Simulations value 0; go depth 3; setoption name Temperature value 0; go", *("info .*", MOVE) * 2
    )
    # Noise needs a number of simulations too.
    wanted = [20, 300, None, DEFAULT_NODES, None]
    assert [limits.simulations for _, limits, _ in loader.thinker.asked[-5:]] == wanted


def test_a_hash_too_large_is_told_and_the_old_one_kept(
    loader: Loader, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader.thinker, "resize", Mock(side_effect=MemoryError))
    program.talk("setoption name Hash value 65536", "info string there is no memory for a Hash of 65536 MB; .*")
    program.talk("go", INFO, MOVE)


def test_limited_strength_means_fewer_simulations_noise_and_blunders(loader: Loader, program: Program) -> None:
    """The script always finds the same move; at the weakest level most moves are others, but legal, and by chance."""
    program.talk("setoption name UCI_LimitStrength value true; setoption name Seed value 5")
    best = {}
    for elo in (WEAKEST, (WEAKEST + STRONGEST) // 2, STRONGEST):
        program.talk(f"setoption name UCI_Elo value {elo}")
        played = []
        for opening in chess.Board().legal_moves:
            program.talk(f"position startpos moves {opening}; go wtime 60000 btime 60000", INFO)
            played.append(program.answers.get(timeout=PATIENCE).split()[1])
            board = chess.Board()
            board.push(opening)
            assert chess.Move.from_uci(played[-1]) in board.legal_moves
        best[elo] = played.count("a7a5")
        _, limits, options = loader.thinker.asked[-1]
        assert (limits.simulations, options.temperature) == strength_of(elo)[:2]
    assert best[WEAKEST] < 12
    assert best[STRONGEST] == 20


@pytest.mark.parametrize(("sent", "sentences"), table("uci_ignored"))
def test_a_line_that_cannot_be_heeded_is_ignored_or_told(program: Program, sent: str, sentences: str) -> None:
    lines = sent.format(nines="9" * 6000, odd="\x00\ufffd")
    program.talk(f"{lines}; isready", *filter(None, sentences.split(" & ")), "readyok")


@pytest.mark.parametrize(
    ("go", "release"), [("infinite", "stop"), ("ponder wtime 9 btime 9", "ponderhit"), ("ponder", "stop")]
)
def test_infinite_and_ponder_wait_for_the_program(program: Program, go: str, release: str) -> None:
    program.talk(f"go {go}", INFO)
    program.talk("isready", "readyok")  # answered while it thinks; no bestmove yet
    program.talk(release, MOVE)
    program.talk("stop; ponderhit; isready", "readyok")  # too late: ignored


@pytest.mark.parametrize(
    ("sent", "searches"), [("; ".join(50 * ["go infinite; stop"]), 50), ("go infinite; go infinite; stop", 2)]
)
def test_stop_and_go_right_behind_go_are_not_lost(program: Program, sent: str, searches: int) -> None:
    program.talk(sent, *searches * (INFO, MOVE))


@pytest.mark.parametrize("end", ["quit", None])
def test_what_was_asked_before_the_end_is_answered(fresh: Program, end: str | None) -> None:
    fresh.talk("go infinite")
    fresh.talk(end, *READY, INFO, MOVE)


@pytest.mark.parametrize(
    ("fen", "score"), [("7k/6Q1/5K2/8/8/8/8/8 b - - 0 1", "mate 0"), ("7k/5Q2/5K2/8/8/8/8/8 b - - 0 1", "cp 0")]
)
def test_no_legal_move(program: Program, fen: str, score: str) -> None:
    score = f"info depth 0 score {score}"
    program.talk(f"position fen {fen}; go; go infinite", score, "bestmove 0000", score)
    program.talk("isready", "readyok")
    program.talk("stop", "bestmove 0000")


@pytest.mark.parametrize(
    ("position", "sentence"), [*table("uci_positions"), ("", "position '' has neither startpos nor fen")]
)
def test_after_a_bad_position_nothing_is_played_until_a_good_one(
    program: Program, position: str, sentence: str
) -> None:
    sentence = f"info string {sentence}.*; until another position comes, go is answered by bestmove 0000"
    missing = "info string there is no position to search.*"
    program.talk(f"position startpos moves e2e4; position {position}; go", sentence, missing, "bestmove 0000")
    program.talk("go infinite", missing)
    program.talk("isready", "readyok")
    program.talk("stop; position startpos moves e2e4; go", "bestmove 0000", INFO, "bestmove a7a5")


def test_ucinewgame_waits_for_the_search_starts_over_and_draws_another_seed(loader: Loader, program: Program) -> None:
    program.talk("position startpos moves e2e4; go infinite", INFO)
    program.talk("ucinewgame; isready", "readyok")
    assert loader.thinker.sizes == []
    program.talk("stop; go", "bestmove a7a5", INFO, "bestmove a2a3")
    first, second = (options.seed for _, _, options in loader.thinker.asked)
    assert first != second
    assert loader.thinker.sizes == [0]


@pytest.mark.parametrize(
    ("line", "fen"),
    [
        ("joho position startpos moves e2e4", "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"),
        ("position joho startpos", chess.STARTING_FEN),
        ("position joho fen 4k3/8/8/8/8/8/8/4K2R w - - 0 1 moves h1h2", "4k3/8/8/8/8/8/7R/4K3 b - - 1 1"),
    ],
)
def test_unknown_words_are_skipped_and_the_rest_is_tried(loader: Loader, program: Program, line: str, fen: str) -> None:
    program.talk(f"x y setoption joho name Seed value 7; {line}; joho  go nodes 20", INFO, MOVE)
    (asked, limits, options), *_ = loader.thinker.asked
    assert (asked, limits.nodes, options.seed) == (fen, 20, 7)


def test_weights_are_set_and_unset(loader: Loader, program: Program) -> None:
    playing = "info string playing with weights some folder/a.safetensors"
    program.talk("setoption name weightsfile value some folder/a.safetensors; isready", "readyok", *READY[:2], playing)
    program.talk(f"{WEIGHTS} <empty>; isready; {WEIGHTS} ; isready", *(2 * ("readyok", *READY)))
    assert loader.asked == [None, "some folder/a.safetensors", None, None]


@pytest.mark.parametrize("loaded", [True, False])
def test_bad_weights_are_told_and_what_played_before_or_the_default_plays(
    loader: Loader, fresh: Program, loaded: bool
) -> None:
    if loaded:
        fresh.talk("isready", "readyok", *READY)
    fault = "info string weights file 'bad.safetensors' is damaged; use another"
    asked = f"{WEIGHTS} bad.safetensors; {loaded * 'isready; '}go"
    fresh.talk(asked, *loaded * ("readyok",), fault, *READY[loaded:], INFO, MOVE)
    assert loader.asked == ([None, "bad.safetensors"] if loaded else ["bad.safetensors", None])
