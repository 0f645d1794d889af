"""The agent as a UCI engine on standard input and output (protocol of April 2006).

Two threads: the reader answers what must be answered at once (`stop`, `ponderhit`, `isready` while the
engine thinks) and queues the rest; the engine works the queue off in order. This file imports neither
torch nor Numba: `uciok` comes at once, weights are loaded at the first `isready` or `go`.
"""

import contextlib
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import chess

from agent.errors import InputError
from agent.notation import quote, read_fen

if TYPE_CHECKING:
    from agent.opponent import Opponent

WEIGHTS_OPTION = "WeightsFile"
_EMPTY = ("", "<empty>")

MOST_NODES: Final = 100_000
"""Simulations that `go nodes` can ask for: a tree's memory is taken before the search."""

Loader = Callable[[Path | None, Callable[[str], None]], "Opponent"]
"""Weights file (None: the default) and a place for progress lines, to what plays. Raises InputError."""


class Search:
    """One `go`: told by the reader to stop, waited on by the engine."""

    def __init__(self, arguments: str) -> None:
        words = arguments.split()
        self.may_answer = threading.Event()
        """Set when `bestmove` may be sent: at once, but after `infinite` and `ponder` on command only."""
        self.nodes = _number_after(words, "nodes")
        """Simulations asked for, at most `MOST_NODES`; None: as many as usual."""
        self.done = threading.Event()
        if "infinite" not in words and "ponder" not in words:
            self.may_answer.set()


class Engine:
    """A UCI dialogue.

    Args:
        send: writes one line to the program.
        load: gets what plays, when it is first needed.
    """

    def __init__(self, send: Callable[[str], None], load: Loader) -> None:
        self._send, self._load = send, load
        self._queue: queue.SimpleQueue[tuple[str, str, Search | None]] = queue.SimpleQueue()
        self._search: Search | None = None  # the newest, reader's side
        self._board = chess.Board()
        self._weights: Path | None = None
        self._opponent: Opponent | None = None
        self._stale = True
        self._debug = False

    def run(self, lines: Iterable[str]) -> None:
        """Hold the dialogue until `quit` or the end of `lines`; what was asked before the end is answered."""
        threading.Thread(target=self._read, args=(lines,), name="uci-reader", daemon=True).start()
        while True:
            command, arguments, search = self._queue.get()
            if command == "quit":
                return
            if search is not None:
                self._go(search)
            else:
                self._handle(command, arguments)

    def _read(self, lines: Iterable[str]) -> None:
        """The reader thread."""
        try:
            with contextlib.suppress(BrokenPipeError):
                for line in lines:
                    command, _, arguments = line.strip().partition(" ")
                    if command == "quit":
                        break
                    self._receive(command, arguments.strip())
        finally:
            self._release()
            self._queue.put(("quit", "", None))

    def _receive(self, command: str, arguments: str) -> None:
        if command in ("stop", "ponderhit"):
            self._release()
        elif command == "isready" and self._search is not None and not self._search.done.is_set():
            self._send("readyok")  # at once, though the engine is thinking
        elif command == "go":
            self._release()  # a program that forgot `stop` must not block itself
            self._search = Search(arguments)
            self._queue.put((command, arguments, self._search))
        else:
            self._queue.put((command, arguments, None))

    def _release(self) -> None:
        if self._search is not None:
            self._search.may_answer.set()

    def _handle(self, command: str, arguments: str) -> None:
        """The engine's side of everything but `go`; unknown commands are ignored, as the protocol asks."""
        if command == "uci":
            self._introduce()
        elif command == "isready":
            self._ready()
            self._send("readyok")
        elif command == "setoption":
            self._set_option(arguments)
        elif command == "ucinewgame":
            self._board = chess.Board()
        elif command == "position":
            self._set_position(arguments)
        elif command == "debug":
            self._debug = arguments == "on"
        elif self._debug and command not in ("", "register"):
            self._tell(f"unknown command {quote(command)} ignored")

    def _introduce(self) -> None:
        self._send(f"id name ZeroMass {_version()}")
        self._send("id author the ZeroMass authors")
        self._send(f"option name {WEIGHTS_OPTION} type string default <empty>")
        self._send("uciok")

    def _set_option(self, arguments: str) -> None:
        name, _, value = arguments.removeprefix("name").strip().partition(" value")
        if name.strip().lower() == WEIGHTS_OPTION.lower():
            text = value.strip()
            self._weights = None if text in _EMPTY else Path(text)
            self._stale = True
        elif self._debug:
            self._tell(f"unknown option {quote(name)} ignored")

    def _set_position(self, arguments: str) -> None:
        """Take over a position, or say what is wrong with it and keep the old one."""
        try:
            self._board = read_position(arguments)
        except InputError as error:
            self._tell(f"{error}; the position before is kept")

    def _ready(self) -> "Opponent":
        """Load what plays if that has not been done; bad weights leave what played before, else the default."""
        if self._stale or self._opponent is None:
            self._stale = False
            try:
                self._opponent = self._load(self._weights, self._tell)
            except InputError as error:
                self._tell(str(error))
                if self._opponent is None:
                    self._opponent = self._load(None, self._tell)
            for warning in self._opponent.warnings:
                self._tell(warning)
            self._tell(f"playing with {self._opponent.origin}")
        return self._opponent

    def _go(self, search: Search) -> None:
        board = self._board
        if any(board.legal_moves):
            opponent, started = self._ready(), time.perf_counter()
            thought = opponent.think(board, search.nodes)
            seconds = time.perf_counter() - started
            speed = (
                f"time {round(1000 * seconds)} nodes {thought.nodes} nps {round(thought.nodes / max(seconds, 1e-6))}"
            )
            line = " ".join(move.uci() for move in thought.line)
            # `multipv 1`: some programs show numbered lines only.
            score = _score(board, thought.move, thought.score)
            self._send(f"info depth {len(thought.line)} multipv 1{score} {speed} pv {line}")
            answer = thought.move.uci()
        else:
            self._send(f"info depth 0 score {'mate 0' if board.is_check() else 'cp 0'}")
            answer = "0000"
        search.may_answer.wait()
        self._send(f"bestmove {answer}")
        search.done.set()

    def _tell(self, sentence: str) -> None:
        self._send(f"info string {' '.join(sentence.split())}")


def _number_after(words: list[str], word: str) -> int | None:
    """The number behind `word`, 1..MOST_NODES; None if there is none."""
    behind = words[words.index(word) + 1 :][:1] if word in words else []
    return min(max(int(behind[0]), 1), MOST_NODES) if behind and behind[0].isdecimal() else None


def read_position(arguments: str) -> chess.Board:
    """What follows `position`: `startpos` or `fen FEN`, then perhaps `moves ...`.

    Raises:
        InputError: the FEN is unreadable or a move is illegal, quoted.
    """
    words = arguments.split()
    cut = words.index("moves") if "moves" in words else len(words)
    kind, fen, moves = words[:1], " ".join(words[1:cut]), words[cut + 1 :]
    if kind == ["startpos"]:
        board = chess.Board()
    elif kind == ["fen"]:
        board = read_fen(fen)
    else:
        raise InputError(f"position {quote(arguments)} has neither startpos nor fen")
    for number, text in enumerate(moves, 1):
        try:
            move = board.parse_uci(text)
        except ValueError as error:
            raise InputError(f"move {number} {quote(text)} is not legal in '{board.fen()}'") from error
        if not move:
            raise InputError(f"move {number} {quote(text)} is no move")
        board.push(move)
    return board


def centipawns(score: float) -> int:
    """Expected score -1..1 as centipawns: 2 / 0.00368208 * artanh(score), at most 2,000 either way.

    The inverse of the curve by which Lichess turns centipawns into winning chances, so a program that uses
    that curve shows our expected score again.
    """
    bounded = min(max(score, -0.9999), 0.9999)  # artanh(1) is infinite
    return min(max(round(2 / 0.00368208 * math.atanh(bounded)), -2000), 2000)


def _score(board: chess.Board, move: chess.Move, score: float | None) -> str:
    after = board.copy(stack=False)
    after.push(move)
    if after.is_checkmate():
        return " score mate 1"
    return "" if score is None else f" score cp {centipawns(score)}"


def _version() -> str:
    try:
        return version("zeromass")
    except PackageNotFoundError:  # run from a source tree
        return "(source tree)"


def _load(weights: Path | None, progress: Callable[[str], None]) -> "Opponent":
    import torch  # seconds, as is what follows

    from agent.opponent import load_opponent

    torch.set_num_threads(1)  # a move is a few dozen positions: threads would only wait for each other
    return load_opponent(weights, progress=progress)


def main() -> int:
    """Run the engine on standard input and output; ends with the input or when nobody reads the output."""
    lock = threading.Lock()
    # A file of our own: a thread that still waits on `sys.stdin` makes the interpreter abort at its end.
    commands = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115

    def send(line: str) -> None:
        with lock:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    with contextlib.suppress(BrokenPipeError):
        Engine(send, _load).run(commands)
    return 0
