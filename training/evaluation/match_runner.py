"""Plays the games of a match: all in one batch, or as concurrent games of players that keep state.

Most players see positions only, so any number of games advances in one batch, ply by ply. An engine, or the agent under
time control, keeps what it found for its next move and uses a core of its own. Such players come as
`ConcurrentPlayers`: each plays one whole game at a time, in a thread.

An exception from a player or a hook ends every game within a ply and reaches the caller. Ctrl-C and a failing engine
come as a `MatchStop`, which holds what was played."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.errors import InputError
from agent.players.player import Choice, Player
from agent.rules import Games, Termination


@dataclass(frozen=True)
class Hooks:
    """What a match reports, on one thread at a time."""

    ended: Callable[[int], None] = lambda games: None  # called with the number of games that just ended
    moved: Callable[[NDArray[np.int64], NDArray[np.uint16]], None] = lambda rows, moves: None
    """Called with rows [R] of games and the legal moves [R] just played in them, those of openings too."""

    def shifted(self, rows: int) -> Self:
        """The same hooks for games of which row 0 is row `rows` here."""
        return replace(self, moved=lambda found, moves: self.moved(found + rows, moves))


NO_HOOKS: Final = Hooks()


class Played(NamedTuple):
    """Finished games, from the first player's side."""

    points: NDArray[np.int8]  # [B]: 1 won, 0 drawn, -1 lost
    plies: NDArray[np.int32]  # [B]: length after the start position
    illegal_moves: int  # of the first player; each loses its game at once


class MatchStop(BaseException):
    """Concurrent games that were stopped. `games` [G] are the rows that had ended, `played` their results."""

    def __init__(self, reason: str, games: NDArray[np.int64], played: Played) -> None:
        super().__init__(reason)
        self.games, self.played = games, played


class MatchInterrupt(MatchStop, KeyboardInterrupt):
    """Ctrl-C."""


class MatchError(MatchStop, InputError):
    """An engine failed; the message says how."""


class ConcurrentPlayers:
    """Equal, independent players, each of which plays one game at a time: as many as there are concurrent games."""

    def __init__(self, players: Sequence[Player]) -> None:
        self.players = list(players)
        self.name = self.players[0].name

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game with the first player."""
        return self.players[0].choose(games)

    def total(self, attribute: str) -> int:
        """Sum of a counter of the players."""
        return sum(int(getattr(player, attribute)) for player in self.players)

    def close(self) -> None:
        """Close the players that have processes."""
        for player in self.players:
            getattr(player, "close", lambda: None)()


class _Shared:
    """One player in several concurrent games; calls are serialised."""

    def __init__(self, player: Player) -> None:
        self._player, self._lock = player, threading.Lock()
        self.name = player.name

    def choose(self, games: Games) -> Choice:
        with self._lock:
            return self._player.choose(games)


class _StopError(Exception):
    """Ends the remaining concurrent games."""


def concurrent_pairs(player: Player, opponent: Player) -> list[tuple[Player, Player]]:
    """The players of each concurrent game; empty where neither side is `ConcurrentPlayers`."""
    both = player, opponent
    groups = [one.players for one in both if isinstance(one, ConcurrentPlayers)]
    if not groups:
        return []
    number = min(map(len, groups))
    sides = [one.players if isinstance(one, ConcurrentPlayers) else [_Shared(one)] * number for one in both]
    return list(zip(*sides, strict=False))


def run_games(
    player: Player, opponent: Player, boards: Games, black: NDArray[np.bool_], *, ply_cap: int, hooks: Hooks = NO_HOOKS
) -> Played:
    """Play `boards` to their ends, in a batch or as concurrent games, and count the points of `player`. `boards` are B
    unfinished games, undefined afterwards; `black` [B] says whether `player` has the black pieces. Games of `ply_cap`
    plies are draws. A MatchStop for Ctrl-C during concurrent games, or where an engine failed."""
    pairs = concurrent_pairs(player, opponent)
    if not pairs:
        return _run_batch(player, opponent, boards, black, ply_cap, hooks)
    free: SimpleQueue[tuple[Player, Player]] = SimpleQueue()
    for pair in pairs:
        free.put(pair)
    stopped, lock = threading.Event(), threading.Lock()

    def play(row: int) -> Played:
        def moved(rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
            if stopped.is_set():
                raise _StopError
            with lock:
                hooks.moved(rows + row, moves)

        pair = free.get()
        try:
            return _run_batch(*pair, boards.take([row]), black[[row]], ply_cap, Hooks(moved=moved))
        finally:
            free.put(pair)

    finished: dict[int, Played] = {}
    with ThreadPoolExecutor(len(pairs)) as threads:
        waiting: dict[Future[Played], int] = {threads.submit(play, row): row for row in range(len(boards))}
        try:
            for done in as_completed(waiting):
                finished[waiting[done]] = done.result()
                hooks.ended(1)
        except BaseException as error:
            stopped.set()
            threads.shutdown(wait=False, cancel_futures=True)
            for kind, stop in ((KeyboardInterrupt, MatchInterrupt), (InputError, MatchError)):
                if isinstance(error, kind):
                    raise stop(str(error), np.array(sorted(finished), np.int64), _joined(finished)) from error
            raise
    return _joined(finished)


def _run_batch(
    player: Player, opponent: Player, boards: Games, black: NDArray[np.bool_], ply_cap: int, hooks: Hooks
) -> Played:
    points, ended = np.zeros(len(boards), np.int8), np.zeros(len(boards), np.bool_)
    illegal_moves = reported = 0
    while True:
        codes = boards.outcome(claim_draws=True)
        mated = ~ended & (codes == Termination.CHECKMATE)
        points[mated] = np.where(rules.is_black(boards.positions[mated]) == black[mated], -1, 1)
        ended |= (codes != Termination.NONE) | (boards.ply >= ply_cap)
        if (count := int(ended.sum())) > reported:
            hooks.ended(count - reported)
            reported = count
        if ended.all():
            return Played(points, boards.ply.copy(), illegal_moves)
        own = rules.is_black(boards.positions) == black
        for mover, rows in ((player, np.flatnonzero(~ended & own)), (opponent, np.flatnonzero(~ended & ~own))):
            if not len(rows):
                continue
            moves = mover.choose(boards.take(rows)).moves
            known = moves < vocabulary.SIZE
            legal = known & rules.is_legal(boards.positions[rows], np.where(known, moves, 0))
            boards.play(moves[legal], rows[legal])
            hooks.moved(rows[legal], moves[legal])
            lost = rows[~legal]
            points[lost], ended[lost] = (-1 if mover is player else 1), True
            illegal_moves += len(lost) if mover is player else 0


def _joined(finished: Mapping[int, Played]) -> Played:
    """Single games, in the order of their rows."""
    ordered = [finished[row] for row in sorted(finished)]
    points = np.array([played.points[0] for played in ordered], np.int8)
    plies = np.array([played.plies[0] for played in ordered], np.int32)
    return Played(points, plies, sum(played.illegal_moves for played in ordered))
