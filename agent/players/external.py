"""Other UCI engines: finding and starting them, and a player that gives them a game's moves. An engine must be ended
with `close_engine`: its thread keeps the interpreter from ending."""

import logging
import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import chess
import chess.engine
import numpy as np

from agent import rules, vocabulary
from agent.errors import InputError
from agent.files import typed_path, what_is
from agent.players.player import Choice
from agent.rules import Games

ENGINE_SECONDS: Final = 0.1  # default time a move
_FOLDERS: Final = ("/usr/games", "/usr/local/games")  # where Debian puts games, often not on PATH
_FAILURES: Final = (chess.engine.EngineError, OSError, ValueError)  # TimeoutError is an OSError
_TIMEOUT: Final = 30.0  # seconds for an answer, beside the time of a move


class _Engine(chess.engine.SimpleEngine):
    """Waits for a move under a clock no longer than that runs, python-chess for ever; under nodes ten minutes."""

    def _timeout_for(self, limit: chess.engine.Limit | None) -> float | None:
        clock = limit and (limit.time or max(limit.white_clock or 0, limit.black_clock or 0))
        return self.timeout and self.timeout + (clock or 600)


def find_engine(program: str) -> str:
    """Path of an engine. Raises InputError: it is not on PATH, nor where Debian keeps games."""
    program = str(typed_path(program)) if program.startswith("~") else program
    found = shutil.which(program) or shutil.which(program, path=os.pathsep.join(_FOLDERS))
    if found is None and what_is(program):
        raise InputError(f"engine '{program}' cannot be executed; name a program, or allow it with chmod +x")
    if found is None:
        advice = "install it (Debian: apt-get install stockfish)" if program == "stockfish" else "give its full path"
        raise InputError(f"engine '{program}' is not on PATH; {advice}")
    return found


def start_engine(command: str, options: Mapping[str, bool | int | str] | None = None) -> chess.engine.SimpleEngine:
    """Start an engine by a `command` as typed in a shell, with `options` by UCI name; Threads is 1 unless given. Raises
    InputError: it is not there, does not start, does not speak UCI, or refuses an option."""
    try:
        program, *words = shlex.split(command) or [""]
    except ValueError as error:
        raise InputError(f"engine {command!r} cannot be read ({error}); close its quotes") from error
    if not program:
        raise InputError("engine '' names no command; give one such as stockfish")
    found = find_engine(program)
    chess.engine.LOGGER.setLevel(logging.CRITICAL)  # what an engine says besides UCI would land on our board
    try:
        engine = _Engine.popen_uci([found, *words], timeout=_TIMEOUT)
    except _FAILURES as error:
        fault = f"does not start as a UCI engine ({_reason(error)}); try another"
        raise InputError(f"engine '{program}' {fault}") from error
    try:
        single = {"Threads": 1} if "Threads" in engine.options else {}
        engine.configure({**single, **(options or {})})
    except _FAILURES as error:
        close_engine(engine)
        fault = f"refuses its options {dict(options or {})}: {_reason(error)}"
        raise InputError(f"engine '{program}' {fault}") from error
    return engine


def engine_move(
    engine: chess.engine.SimpleEngine, name: str, board: chess.Board, limit: chess.engine.Limit, game: object = None
) -> chess.Move:
    """The legal move that an engine, called `name` to the user, plays on `board`; for `game` see `BoardSync`. Raises
    InputError: it died, did not answer in time, or gave no such move; it is closed then."""
    try:
        move = engine.play(board, limit, game=game).move
    except _FAILURES as error:
        close_engine(engine)  # asked again, python-chess would write a traceback to the user's screen
        raise InputError(f"engine '{name}' stopped playing ({_reason(error)}); try another") from error
    if not move or not board.is_legal(move):
        close_engine(engine)
        raise InputError(f"engine '{name}' gave no legal move in {board.fen()}; try another")
    return move


def _reason(error: Exception) -> str:
    return f"no answer within {_TIMEOUT:g} s" if isinstance(error, TimeoutError) else " ".join(str(error).split())


def close_engine(engine: chess.engine.SimpleEngine) -> None:
    """End an engine's process in any state."""
    with suppress(*_FAILURES):
        engine.close()


class BoardSync:
    """A board with all moves of one game, updated from the positions in which its player is to move. Matches give
    positions only; an engine needs the moves too, for repetition and for its hash table."""

    def __init__(self) -> None:
        self._board: chess.Board | None = None
        self.game = object()
        """Another object for each game: python-chess compares it to announce a new game to the engine."""

    def update(self, position: chess.Board) -> chess.Board:
        """The position with the known moves that led to it. A position that does not follow starts a new game."""
        board, key = self._board, _key(position)
        if board is not None:
            for reply in list(board.legal_moves):
                board.push(reply)
                if _key(board) == key:
                    return board
                board.pop()
        self.game = object()
        self._board = position.copy(stack=False)
        return self._board

    def play(self, move: chess.Move) -> None:
        """Play the move that was chosen in the last position. Raises ValueError: it is not legal there."""
        if self._board is None or not self._board.is_legal(move):
            raise ValueError(f"{move} is not legal in {self._board.fen() if self._board else 'no position'}")
        self._board.push(move)


def _key(board: chess.Board) -> tuple[str, int]:
    return board.epd(en_passant="legal"), board.halfmove_clock


class EnginePlayer:
    """A UCI engine on one core with a fixed time a move, or `nodes` instead, which do not depend on the machine's load.
    It gets the moves of its game from the opening on, so it keeps its hash tables until the game ends. Where several
    games alternate, each position counts as a new game. For `command`, `options` and errors see `start_engine`."""

    def __init__(
        self,
        name: str,
        command: str,
        options: Mapping[str, bool | int | str],
        *,
        seconds: float = ENGINE_SECONDS,
        nodes: int | None = None,
    ) -> None:
        self.name = name
        self._limit = chess.engine.Limit(time=seconds) if nodes is None else chess.engine.Limit(nodes=nodes)
        self._engine = start_engine(command, options)
        self._board_sync = BoardSync()

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game. Raises InputError: see `engine_move`."""
        moves = np.zeros(len(games), np.uint16)
        for row, position in enumerate(games.positions):
            board = self._board_sync.update(chess.Board(rules.to_fen(position)))
            move = engine_move(self._engine, self.name, board, self._limit, self._board_sync.game)
            moves[row] = vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK)
            self._board_sync.play(move)
        return Choice(moves, np.full(len(games), np.nan, np.float32))

    def close(self) -> None:
        """Stop the engine."""
        close_engine(self._engine)
