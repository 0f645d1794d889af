"""The agent as a UCI engine on standard input and output (protocol of April 2006).

Two threads: the reader handles what cannot wait (`stop`, `ponderhit`, `isready` while the engine thinks) and queues the
rest, which the engine handles in order. This file imports neither NumPy nor Numba, so `uciok` comes at once; weights
are loaded at the first `isready` or `go`."""

import contextlib
import gc
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import chess

from agent.engine.limits import DEFAULT_NODES, Control, ThinkOptions
from agent.errors import InputError
from agent.files import typed_path
from agent.notation import quote
from agent.play.strength import blunder
from agent.uci.options import DECLARED, Options
from agent.uci.words import bestmove, info_lines, read_command, read_go, read_position

if TYPE_CHECKING:
    from agent.engine.agent import Agent
    from agent.engine.report import Report

Loader = Callable[[Path | None, Callable[[str], None]], "Agent"]
"""Loads the agent, given a weights file (None: the default) and a function for progress lines. Raises InputError."""


@dataclass
class Search:
    """One `go` and its cancellation token."""

    arguments: str
    control: Control = field(default_factory=Control)
    done: threading.Event = field(default_factory=threading.Event)


class Engine:
    """A UCI dialogue; `send` writes one line to the program, `load` is called when the agent is first needed."""

    def __init__(self, send: Callable[[str], None], load: Loader) -> None:
        self._send, self._load = send, load
        self._queue: queue.SimpleQueue[tuple[str, str, Search | None]] = queue.SimpleQueue()
        self._search: Search | None = None  # the newest; used by the reader thread
        self._options = Options()
        self._board: chess.Board | None = chess.Board()  # None: the last one was refused
        self._position = ""  # what was read as it
        self._agent: Agent | None = None
        self._stale, self._debug = True, False
        self._seed = secrets.randbits(31)

    def run(self, lines: Iterable[str]) -> None:
        """Run until `quit` or the end of `lines`; everything before the end is answered."""
        threading.Thread(target=self._read, args=(lines,), name="uci-reader", daemon=True).start()
        while True:
            command, arguments, search = self._queue.get()
            if command == "quit":
                return
            if search is None:
                self._handle(command, arguments)
                continue
            try:
                self._send(self._think(search))
            finally:
                search.done.set()

    def _read(self, lines: Iterable[str]) -> None:
        """The reader thread."""
        try:
            with contextlib.suppress(BrokenPipeError):
                for line in lines:
                    command, arguments = read_command(line)
                    if command == "quit":
                        self._stop()
                        break
                    self._receive(command, arguments)
        finally:
            # A search without a limit of its own would wait for ever.
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
        """Everything but `go`; unknown commands are ignored, as the protocol asks."""
        if command == "uci":
            self._send(f"id name ZeroMass {_version()}")
            self._send("id author the ZeroMass authors")
            for name, option in DECLARED.items():
                self._send(f"option name {name} {option.declare()}")
            self._send("uciok")
        elif command == "isready":
            sentences: list[str] = []  # for later: programs do not expect them before the answer
            self._ready(sentences.append)
            self._send("readyok")
            for sentence in sentences:
                self._info(sentence)
        elif command == "setoption":
            self._set_option(arguments)
        elif command == "ucinewgame":
            self._board, self._position, self._seed = chess.Board(), "", secrets.randbits(31)
            if self._agent is not None:
                self._agent.forget()
        elif command == "position":
            try:
                self._board = read_position(arguments, self._position, self._board)
                self._position = arguments
            except InputError as error:
                self._board = None
                self._info(f"{error}; until another position comes, go is answered by bestmove 0000")
        elif command == "debug":
            for word in arguments.split():
                self._debug = {"on": True, "off": False}.get(word, self._debug)
        elif self._debug and command not in ("", "register"):
            self._info(f"unknown command {quote(command)} ignored")

    def _set_option(self, arguments: str) -> None:
        try:
            name = self._options.set(arguments)
        except InputError as error:
            self._info(f"{error}; the old value is kept")
            return
        if name is None and self._debug:
            self._info(f"unknown option {quote(arguments)} ignored")
        elif name == "WeightsFile":
            self._stale = True
        elif name in ("Hash", "Threads") and self._agent is not None:
            self._resize(self._agent, self._info)

    def _resize(self, agent: "Agent", say: Callable[[str], None]) -> None:
        try:
            agent.resize(self._options.number("Hash"), self._options.number("Threads"), say)
        except MemoryError:
            say(f"there is no memory for a Hash of {self._options.number('Hash')} MB; the old table is kept")

    def _ready(self, say: Callable[[str], None]) -> "Agent":
        """Load the agent if necessary; `say` gets sentences about it. With bad weights the agent before stays, or the
        default is loaded."""
        if self._stale or self._agent is None:
            self._stale = False
            file = self._options.values["WeightsFile"]
            try:
                self._agent = self._load(typed_path(str(file)) if file else None, say)
            except InputError as error:
                say(str(error))
                if self._agent is None:
                    self._agent = self._load(None, say)
            self._resize(self._agent, say)
            for warning in self._agent.warnings:
                say(warning)
            say(f"playing with {self._agent.origin}")
            gc.freeze()  # else a full collection of all that was loaded takes half a second in the middle of a game
        return self._agent

    def _think(self, search: Search) -> str:
        """Think for a `go`; returns the `bestmove` line once it may be sent."""
        board, options, strength = self._board, self._options, self._options.strength
        limits = read_go(search.arguments, chess.WHITE if board is None else board.turn)
        if board is None or not any(board.legal_moves):
            if board is None:
                self._info("there is no position to search, for the last one was refused")
            else:
                self._send(f"info depth 0 score {'mate 0' if board.is_check() else 'cp 0'}")
            if limits.infinite or limits.ponder:
                search.control.wait(or_hit=not limits.infinite)
            return "bestmove 0000"
        timed = limits.seconds is not None or limits.clock is not None
        if limits.nodes is None and not timed and limits.depth is None and limits.mate is None:
            limits = replace(limits, nodes=None if limits.infinite else DEFAULT_NODES)
        most = strength.simulations or (DEFAULT_NODES if strength.temperature else 0)
        if most and not limits.infinite:
            limits = replace(limits, simulations=min(limits.nodes or most, most))
        limits = replace(limits, overhead=options.number("Move Overhead") / 1000)
        show_wdl, reported = bool(options.values["UCI_ShowWDL"]), 0

        def watch(report: "Report") -> None:
            nonlocal reported
            reported = report.nodes
            for line in info_lines(report, show_wdl=show_wdl):
                self._send(line)

        seed = options.number("Seed") or self._seed
        asked = ThinkOptions(options.number("MultiPV"), temperature=strength.temperature, seed=seed)
        report = self._ready(self._info).think(board, limits, asked, control=search.control, watch=watch)
        if reported != report.nodes:
            watch(report)
        blundered = None if limits.infinite or limits.moves else blunder(board, strength.blunder_rate, seed)
        return bestmove(report) if blundered is None else f"bestmove {blundered.uci()}"

    def _info(self, sentence: str) -> None:
        self._send(f"info string {' '.join(sentence.split())}")


def _version() -> str:
    try:
        return version("zeromass")
    except PackageNotFoundError:  # run from a source tree
        return "(source tree)"


def _load(weights: Path | None, progress: Callable[[str], None]) -> "Agent":
    from agent.engine.agent import load_agent  # with Numba, half a second

    return load_agent(weights, progress=progress)


def main() -> int:
    """Run the engine on standard input and output; ends with the input, or when the output is closed. Returns the exit
    code: 2 with a sentence on standard error if not even the bundled weights can be loaded."""
    lock = threading.Lock()
    # Not `sys.stdin`: a thread that still reads it makes the interpreter abort at its end.
    commands = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    answers = open(sys.stdout.fileno(), "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115

    def send(line: str) -> None:
        with lock:
            answers.write(f"{line}\n")
            answers.flush()

    try:
        Engine(send, _load).run(commands)
    except BrokenPipeError:
        pass
    except InputError as error:
        print(f"zeromass: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
