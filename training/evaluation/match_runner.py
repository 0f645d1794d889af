"""Matches of players that remember a game from move to move: whole games, one after the other at each table.

Most players see positions and may play any number of games in step. An engine keeps what it found for its next
move, and thinks on a core of its own: it has a seat at each table, and games are played there side by side.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.players.player import Choice, Player
from agent.rules import Games

Recorder = Callable[[NDArray[np.int64], NDArray[np.uint16]], None]
"""Hears of every move: rows [R] and vocabulary indices [R]."""
PlayOne = Callable[[Player, Player, int, Recorder], tuple[int, int]]
"""Plays one game of two players, by its number: the first one's points and illegal moves."""


class Seats:
    """One player at several tables.

    Args:
        players: one a table, alike and independent of each other.
    """

    def __init__(self, players: Sequence[Player]) -> None:
        self.players = list(players)
        self.name = self.players[0].name

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game, all at the first table."""
        return self.players[0].choose(games)

    def total(self, attribute: str) -> int:
        """Sum of what each keeps count of."""
        return sum(int(getattr(player, attribute)) for player in self.players)

    def close(self) -> None:
        """End those that are programs of their own."""
        for player in self.players:
            end: Any = getattr(player, "close", None)
            if end is not None:
                end()


class _InTurn:
    """A player that all tables share, one at a time."""

    def __init__(self, player: Player) -> None:
        self._player, self._alone = player, threading.Lock()
        self.name = player.name

    def choose(self, games: Games) -> Choice:
        with self._alone:
            return self._player.choose(games)


class MatchInterrupt(KeyboardInterrupt):
    """Ctrl-C during a match at tables; holds the games that had ended."""

    def __init__(self, games: NDArray[np.int64], points: NDArray[np.int8], illegal_moves: int) -> None:
        super().__init__(f"after {len(games)} games")
        self.games, self.points, self.illegal_moves = games, points, illegal_moves


class _EndedError(Exception):
    """The match is over."""


def tables_of(player: Player, opponent: Player) -> list[tuple[Player, Player]]:
    """Who sits at each table; none where neither has `Seats`: such games are played in step."""
    seats = [one.players for one in (player, opponent) if isinstance(one, Seats)]
    if not seats:
        return []
    number = min(map(len, seats))
    sides = [one.players if isinstance(one, Seats) else [_InTurn(one)] * number for one in (player, opponent)]
    return list(zip(*sides, strict=False))


def play_at_tables(
    tables: Sequence[tuple[Player, Player]],
    play: PlayOne,
    *,
    games: int,
    progress: Callable[[int], None] | None = None,
    record: Recorder | None = None,
) -> tuple[NDArray[np.int8], int]:
    """Play `games` games, each at the first table that is free, in a thread.

    What ends the match, Ctrl-C or a player's error, ends all games within a ply.

    Returns:
        points [games] of 1, 0 and -1, and the first players' illegal moves.

    Raises:
        MatchInterrupt: Ctrl-C.
    """
    free: SimpleQueue[tuple[Player, Player]] = SimpleQueue()
    for table in tables:
        free.put(table)
    ended, one_at_a_time = threading.Event(), threading.Lock()

    def sit_down(game: int) -> tuple[int, int]:
        def hear(rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
            if ended.is_set():
                raise _EndedError
            if record is not None:
                with one_at_a_time:
                    record(rows + game, moves)

        table = free.get()
        try:
            return play(*table, game, hear)
        finally:
            free.put(table)

    finished: dict[int, tuple[int, int]] = {}
    with ThreadPoolExecutor(len(tables)) as threads:
        waiting: dict[Future[tuple[int, int]], int] = {threads.submit(sit_down, game): game for game in range(games)}
        try:
            for done in as_completed(waiting):
                finished[waiting[done]] = done.result()
                if progress is not None:
                    progress(1)
        except BaseException as error:
            ended.set()
            threads.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                raise MatchInterrupt(np.array(sorted(finished), np.int64), *_summed(finished)) from error
            raise
    return _summed(finished)


def _summed(finished: Mapping[int, tuple[int, int]]) -> tuple[NDArray[np.int8], int]:
    """Points in the order of the games, and all illegal moves."""
    ordered = [finished[game] for game in sorted(finished)]
    return np.array([points for points, _ in ordered], np.int8), sum(illegal for _, illegal in ordered)
