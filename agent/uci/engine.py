"""The agent as a UCI engine on standard input and output (protocol of April 2006).

Two threads: the reader answers what must be answered at once (`stop`, `ponderhit`, `isready` while the
engine thinks) and queues the rest; the engine works the queue off in order. This file imports neither
torch nor Numba: `uciok` comes at once, weights are loaded at the first `isready` or `go`.
"""

import contextlib
import gc
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import chess

from agent.engine.limits import Control
from agent.engine.strength import slip
from agent.errors import InputError
from agent.notation import quote
from agent.uci.options import Options
from agent.uci.words import bestmove, info_lines, read_go, read_position

if TYPE_CHECKING:
    from agent.engine.agent import Opponent
    from agent.engine.report import Report

USUAL: Final = 800
"""Simulations of a `go` that names no limit at all, where the option Simulations does not either."""

Loader = Callable[[Path | None, Callable[[str], None]], "Opponent"]
"""Weights file (None: the default) and a place for progress lines, to what plays. Raises InputError."""


class Search:
    """One `go`, with the string on which it hangs."""

    def __init__(self, arguments: str) -> None:
        self.arguments = arguments
        self.control = Control()
        self.done = threading.Event()


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
        self._options = Options()
        self._board = chess.Board()
        self._opponent: Opponent | None = None
        self._stale = True
        self._debug = False
        self._seed = secrets.randbits(31)

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
                    words = line.split(maxsplit=1)
                    command, arguments = ([*words, "", ""])[:2]
                    if command == "quit":
                        self._stop()
                        break
                    self._receive(command, arguments.strip())
        finally:
            # A search with an end of its own comes to it; any other would wait for ever.
            if self._search is not None and {"infinite", "ponder", "mate"} & set(self._search.arguments.split()):
                self._stop()
            self._queue.put(("quit", "", None))

    def _receive(self, command: str, arguments: str) -> None:
        if command == "stop":
            self._stop()
        elif command == "ponderhit":
            if self._search is not None:
                self._search.control.hit()
        elif command == "isready" and self._search is not None and not self._search.done.is_set():
            self._send("readyok")  # at once, though the engine is thinking
        elif command == "go":
            self._stop()  # a program that forgot `stop` must not block itself
            self._search = Search(arguments)
            self._queue.put((command, arguments, self._search))
        else:
            self._queue.put((command, arguments, None))

    def _stop(self) -> None:
        if self._search is not None:
            self._search.control.stop()

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
            self._board, self._seed = chess.Board(), secrets.randbits(31)
        elif command == "position":
            self._set_position(arguments)
        elif command == "debug":
            self._debug = arguments == "on"
        elif self._debug and command not in ("", "register"):
            self._tell(f"unknown command {quote(command)} ignored")

    def _introduce(self) -> None:
        self._send(f"id name ZeroMass {_version()}")
        self._send("id author the ZeroMass authors")
        for line in self._options.declarations():
            self._send(line)
        self._send("uciok")

    def _set_option(self, arguments: str) -> None:
        try:
            name = self._options.set(arguments)
        except InputError as error:
            self._tell(f"{error}; the old value is kept")
            return
        if name is None and self._debug:
            self._tell(f"unknown option {quote(arguments)} ignored")
        elif name == "WeightsFile":
            self._stale = True
        elif name in ("Hash", "Threads") and self._opponent is not None:
            self._resize(self._opponent)

    def _resize(self, opponent: "Opponent") -> None:
        try:
            opponent.resize(self._options.number("Hash"), self._options.number("Threads"), self._tell)
        except MemoryError:
            self._tell(f"there is no memory for a Hash of {self._options.number('Hash')} MB; the old tree is kept")

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
            file = self._options.text("WeightsFile")
            try:
                self._opponent = self._load(Path(file) if file else None, self._tell)
            except InputError as error:
                self._tell(str(error))
                if self._opponent is None:
                    self._opponent = self._load(None, self._tell)
            self._resize(self._opponent)
            for warning in self._opponent.warnings:
                self._tell(warning)
            self._tell(f"playing with {self._opponent.origin}")
            gc.freeze()  # a full collection over all that was loaded takes half a second, of somebody's clock
        return self._opponent

    def _go(self, search: Search) -> None:
        try:
            self._send(self._think(search))
        finally:
            search.done.set()

    def _think(self, search: Search) -> str:
        """Obey a `go`; returns the `bestmove` line once it may be sent."""
        board, options, strength = self._board, self._options, self._options.strength
        limits = read_go(search.arguments, board.turn)
        if not any(board.legal_moves):
            self._send(f"info depth 0 score {'mate 0' if board.is_check() else 'cp 0'}")
            if limits.infinite or limits.ponder:
                search.control.wait(or_hit=not limits.infinite)
            return "bestmove 0000"
        unlimited = not (limits.infinite or limits.depth or limits.mate)
        if not limits.infinite:
            most = strength.simulations
            if unlimited and not most and limits.simulations is None and limits.seconds is None and not limits.clock:
                most = USUAL
            if most:
                limits = replace(limits, simulations=min(limits.simulations or most, most))
        show_wdl, told = options.check("UCI_ShowWDL"), list[int]()

        def watch(report: "Report") -> None:
            told.append(report.simulations)
            for line in info_lines(report, show_wdl=show_wdl):
                self._send(line)

        seed = options.number("Seed") or self._seed
        report = self._ready().think(
            board,
            limits,
            control=search.control,
            watch=watch,
            lines=options.number("MultiPV"),
            temperature=0.0 if limits.infinite else strength.temperature,
            overhead=options.number("Move Overhead") / 1000,
            seed=seed,
        )
        if told[-1:] != [report.simulations]:
            watch(report)
        slipped = None if limits.infinite or limits.moves else slip(board, strength.slips, seed)
        return bestmove(report) if slipped is None else f"bestmove {slipped.uci()}"

    def _tell(self, sentence: str) -> None:
        self._send(f"info string {' '.join(sentence.split())}")


def _version() -> str:
    try:
        return version("zeromass")
    except PackageNotFoundError:  # run from a source tree
        return "(source tree)"


def _load(weights: Path | None, progress: Callable[[str], None]) -> "Opponent":
    from agent.engine.agent import load_opponent  # torch and Numba, a second

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
