"""Concurrent games: the same games as in a batch, one at a time for each player, and all ended together."""

import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules
from agent.players.player import Choice
from agent.rules import Games
from training.evaluation.match import play_match
from training.evaluation.match_runner import ConcurrentPlayers, Hooks, MatchInterrupt, run_games
from training.evaluation.openings import Openings


class Arithmetic:
    """Deterministic; fails if two threads call it at once; notes the plies at which it is asked."""

    def __init__(self, factor: int = 7, pause: float = 0.0) -> None:
        self.name = f"arithmetic:{factor}"
        self.calls, self.plies = 0, list[int]()
        self._factor, self._pause, self._busy = factor, pause, False

    def choose(self, games: Games) -> Choice:
        assert not self._busy
        self._busy = True
        self.calls += 1
        self.plies += games.ply.tolist()
        time.sleep(self._pause)
        indices, counts = rules.legal_moves(games.positions)
        places = (self._factor * (games.ply + 3)) % counts
        self._busy = False
        return Choice(indices[np.arange(len(games)), places], np.zeros(len(games), np.float32))


class Notes:
    """Moves by game."""

    def __init__(self) -> None:
        self.moves: dict[int, list[int]] = {}

    def __call__(self, rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
        for row, move in zip(rows.tolist(), moves.tolist(), strict=True):
            self.moves.setdefault(row, []).append(move)


def interrupt_after(games: int) -> Callable[[int], None]:
    """Hears of games that end, and presses Ctrl-C when so many have."""
    left = [games]

    def ended(games: int) -> None:
        left[0] -= games
        if not left[0]:
            raise KeyboardInterrupt

    return ended


@pytest.mark.parametrize("first", [0, 3])
def test_concurrent_games_are_those_of_a_batch(first: int) -> None:
    in_batch, concurrent, ended = Notes(), Notes(), list[int]()
    play = partial(play_match, openings=Openings(2), games=9, first=first, ply_cap=80)
    usual = play(Arithmetic(7), Arithmetic(5), hooks=Hooks(moved=in_batch))
    sides = (ConcurrentPlayers([Arithmetic(factor) for _ in range(number)]) for factor, number in ((7, 3), (5, 4)))
    other = play(*sides, hooks=Hooks(ended.append, concurrent))
    assert (concurrent.moves, len(in_batch.moves), other) == (in_batch.moves, 9, usual)
    assert (other.illegal_moves, ended) == (0, [1] * 9)


def test_a_match_in_parts_is_the_whole_match() -> None:
    whole, part = Notes(), Notes()
    play_match(Arithmetic(7), Arithmetic(5), Openings(1), games=4, ply_cap=30, hooks=Hooks(moved=whole))
    play_match(Arithmetic(7), Arithmetic(5), Openings(1), games=1, first=3, ply_cap=30, hooks=Hooks(moved=part))
    assert part.moves[0] == whole.moves[3]
    assert len({tuple(moves[:8]) for moves in whole.moves.values()}) == 2  # openings


def test_a_concurrent_player_plays_one_game_at_a_time() -> None:
    players = [Arithmetic() for _ in range(2)]
    play_match(ConcurrentPlayers(players), Arithmetic(5, pause=0.001), Openings(4, 4), games=10, ply_cap=40)
    begun = [1 + int((np.diff(player.plies) != 2).sum()) for player in players]
    assert sum(begun) == 10
    assert min(begun) > 1


def test_ctrl_c_ends_all_concurrent_games_within_a_ply() -> None:
    players = [Arithmetic(7, pause=0.002) for _ in range(3)]
    then: list[int] = []

    def interrupt(_games: int) -> None:
        then.append(sum(player.calls for player in players))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_match(ConcurrentPlayers(players), Arithmetic(5), Openings(0), games=30, ply_cap=60, hooks=Hooks(interrupt))
    after = sum(player.calls for player in players)
    assert after - then[0] <= 2 * len(players)  # a game has some thirty calls
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_ctrl_c_keeps_the_games_that_had_ended() -> None:
    def boards() -> tuple[Games, NDArray[np.bool_]]:
        return Openings(0).boards(range(30), Hooks()), np.arange(30) % 2 == 1

    whole = run_games(Arithmetic(7), Arithmetic(5), *boards(), ply_cap=60)
    players = ConcurrentPlayers([Arithmetic(7), Arithmetic(7)])
    with pytest.raises(MatchInterrupt) as stopped:
        run_games(players, Arithmetic(5), *boards(), ply_cap=60, hooks=Hooks(interrupt_after(5)))
    games, played = stopped.value.games, stopped.value.played
    assert len(games) == len(set(games.tolist())) == 5
    assert played.points.tolist() == whole.points[games].tolist()
    assert played.plies.tolist() == whole.plies[games].tolist()
    assert played.illegal_moves == 0


def test_an_error_in_one_game_ends_the_match() -> None:
    class Broken(Arithmetic):
        def choose(self, games: Games) -> Choice:
            if self.calls > 20:
                raise RuntimeError("the engine is gone")
            return super().choose(games)

    with pytest.raises(RuntimeError, match="the engine is gone"):
        play_match(ConcurrentPlayers([Arithmetic(), Broken()]), Arithmetic(5), Openings(0), games=40, ply_cap=60)
