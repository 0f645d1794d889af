"""Opponents of a match by name: built-in players, UCI engines, and other weights.

| name | plays |
|---|---|
| `random`, `greedy` | any legal move; the most material at once |
| `alphabeta:N` | the most material N plies deep |
| `stockfish:ELO` | Stockfish held to ELO on its own scale (UCI_LimitStrength, UCI_Elo) |
| `engine:COMMAND` | any UCI engine at full strength |
| `PATH` | a weights file, searched like the agent |
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import chess
import chess.engine
import numpy as np

from agent import rules, vocabulary
from agent.errors import InputError
from agent.players.alphabeta import AlphaBetaPlayer
from agent.players.external import BoardSync, close_engine, start_engine
from agent.players.player import Choice, Player
from agent.players.simple import GreedyPlayer, RandomPlayer
from agent.rules import Games
from training.evaluation.match_runner import ConcurrentPlayers

ENGINE_SECONDS: Final = 0.1
"""Default time a move of a UCI engine."""


def make_opponent(
    name: str,
    seed: int,
    *,
    seconds: float = ENGINE_SECONDS,
    side_by_side: int = 1,
    of_weights: Callable[[Path], Player] | None = None,
) -> Player:
    """The opponent called `name`; see the table above.

    Args:
        name: of the opponent.
        seed: of its random choices.
        seconds: an engine's time a move.
        side_by_side: concurrent games of an engine, each on one core.
        of_weights: makes a player of a weights file; None: weights files are refused.

    The caller must close `ConcurrentPlayers`: an engine's thread keeps the interpreter alive.

    Raises:
        InputError: there is no such opponent, or its engine is missing or refuses its options.
    """
    kind, _, detail = name.partition(":")
    if name == "random":
        return RandomPlayer(seed)
    if name == "greedy":
        return GreedyPlayer(seed)
    if kind == "alphabeta":
        if not detail.isdecimal():
            raise InputError(f"opponent {name!r} lacks its depth; write alphabeta:2, say")
        try:
            return AlphaBetaPlayer(int(detail), seed)
        except ValueError as error:
            raise InputError(f"opponent {name!r} is refused: {error}") from error
    if kind == "stockfish":
        if detail and not detail.isdecimal():
            raise InputError(f"opponent {name!r} has no Elo that could be read; write stockfish:1350, say")
        options = {"UCI_LimitStrength": True, "UCI_Elo": int(detail)} if detail else {}
        return concurrent_engines(name, ["stockfish"], options, seconds, side_by_side)
    if kind == "engine":
        try:
            command = shlex.split(detail)
        except ValueError as error:
            raise InputError(f"opponent {name!r} cannot be read ({error}); close its quotes") from error
        if not command:
            raise InputError(f"opponent {name!r} names no command; write engine:/path/to/engine")
        return concurrent_engines(name, command, {}, seconds, side_by_side)
    if of_weights is not None and (Path(name).suffix or Path(name).exists()):
        return of_weights(Path(name))
    raise InputError(
        f"there is no opponent {name!r}; use random, greedy, alphabeta:2, stockfish:1350, engine:COMMAND, or the path "
        "of a weights file"
    )


def anchor_of(name: str) -> float | None:
    """The UCI_Elo that limits the opponent called `name`; None: its strength is not limited."""
    kind, _, elo = name.partition(":")
    return float(elo) if kind == "stockfish" and elo.isdecimal() else None


class EnginePlayer:
    """A UCI engine on one core with a fixed time a move.

    It gets the moves of its game from the opening on, so it keeps its hash tables until the game ends. Where several
    games alternate, each position counts as a new game.

    Args:
        name: for tables.
        command: of the engine, with arguments.
        options: by UCI name; Threads is 1 unless given.
        seconds: time a move.
        nodes: a move, instead of seconds: independent of the machine's load.

    Raises:
        InputError: the engine does not start, does not speak UCI, or refuses an option.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
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
        """Choose a move in every game.

        Raises:
            InputError: the engine died or gave no move.
        """
        moves = np.zeros(len(games), np.uint16)
        for row, position in enumerate(games.positions):
            board = self._board_sync.update(chess.Board(rules.to_fen(position)))
            try:
                move = self._engine.play(board, self._limit, game=self._board_sync.game).move
                if move is None:
                    raise chess.engine.EngineError("no move")
            except chess.engine.EngineError as error:
                raise InputError(
                    f"engine '{self.name}' failed in the middle of a match ({error}); try another"
                ) from error
            moves[row] = vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK)
            self._board_sync.play(move)
        return Choice(moves, np.full(len(games), np.nan, np.float32))

    def close(self) -> None:
        """Stop the engine."""
        close_engine(self._engine)


def concurrent_engines(
    name: str, command: Sequence[str], options: Mapping[str, bool | int | str], seconds: float, number: int
) -> ConcurrentPlayers:
    """`number` processes of one engine; for errors see `EnginePlayer`."""
    engines: list[EnginePlayer] = []
    try:
        for _ in range(number):
            engines.append(EnginePlayer(name, command, options, seconds=seconds))
    except InputError:
        for engine in engines:
            engine.close()
        raise
    return ConcurrentPlayers(engines)
