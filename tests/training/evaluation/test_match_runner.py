"""Games at tables: the same games as in step, one at a time for each seat, and all ended together."""

import threading
import time

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules
from agent.engine.board_sync import Follower
from agent.players.player import Choice
from agent.rules import Games
from training.evaluation.match import play_games
from training.evaluation.match_runner import MatchInterrupt, Seats, tables_of


class Arithmetic:
    """Plays by a rule, so that its games repeat; says if two call it at once."""

    def __init__(self, factor: int = 7, pause: float = 0.0) -> None:
        self.name = f"arithmetic:{factor}"
        self.calls = 0
        self._factor, self._pause, self._busy = factor, pause, False

    def choose(self, games: Games) -> Choice:
        assert not self._busy
        self._busy = True
        self.calls += 1
        time.sleep(self._pause)
        indices, counts = rules.legal_moves(games.positions)
        places = (self._factor * (games.ply + 3)) % counts
        self._busy = False
        return Choice(indices[np.arange(len(games)), places], np.zeros(len(games), np.float32))


class Following(Arithmetic):
    """Counts the games that it is given one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.games: list[object] = []
        self._follower = Follower()

    def choose(self, games: Games) -> Choice:
        choice = super().choose(games)
        board = self._follower.follow(chess.Board(rules.to_fen(games.positions[0])))
        self._follower.play(next(move for move in board.legal_moves if self._is(board, move, choice)))
        if self._follower.game not in self.games:
            self.games.append(self._follower.game)
        return choice

    def _is(self, board: chess.Board, move: chess.Move, choice: Choice) -> bool:
        after = Games.from_boards([board])
        after.play(choice.moves)
        board.push(move)
        same = chess.Board(rules.to_fen(after.positions[0])).board_fen() == board.board_fen()
        board.pop()
        return same


class Notes:
    """Moves by game."""

    def __init__(self) -> None:
        self.moves: dict[int, list[int]] = {}

    def __call__(self, rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
        for row, move in zip(rows.tolist(), moves.tolist(), strict=True):
            self.moves.setdefault(row, []).append(move)


@pytest.mark.parametrize("first", [0, 3])
def test_games_at_tables_are_those_played_in_step(first: int) -> None:
    in_step, at_tables, told = Notes(), Notes(), list[int]()
    usual = play_games(
        Arithmetic(7), Arithmetic(5), games=9, seed=2, first=first, opening_plies=None, ply_cap=80, record=in_step
    )
    seated = play_games(
        Seats([Arithmetic(7) for _ in range(3)]),
        Seats([Arithmetic(5) for _ in range(4)]),
        games=9,
        seed=2,
        first=first,
        opening_plies=None,
        ply_cap=80,
        progress=told.append,
        record=at_tables,
    )
    assert at_tables.moves == in_step.moves
    assert len(in_step.moves) == 9
    assert seated.points.tolist() == usual.points.tolist()
    assert seated.illegal_moves == usual.illegal_moves == 0
    assert told == [1] * 9


def test_colours_change_from_game_to_game_wherever_a_part_begins() -> None:
    whole, part = Notes(), Notes()
    play_games(Arithmetic(7), Arithmetic(5), games=4, seed=1, ply_cap=30, record=whole)
    play_games(Arithmetic(7), Arithmetic(5), games=1, seed=1, first=3, ply_cap=30, record=part)
    assert part.moves[0] == whole.moves[3]


def test_a_seat_has_one_game_at_a_time_from_its_first_move_to_its_last() -> None:
    seats = [Following() for _ in range(2)]
    play_games(Seats(seats), Arithmetic(5, pause=0.001), games=10, seed=4, ply_cap=40)
    assert sum(len(seat.games) for seat in seats) == 10
    assert all(seat.games for seat in seats)


def test_who_has_no_seats_is_shared_and_asked_by_one_table_at_a_time() -> None:
    shared = Arithmetic(5, pause=0.001)
    tables = tables_of(shared, Seats([Arithmetic() for _ in range(3)]))
    assert [opponent.name for _, opponent in tables] == ["arithmetic:7"] * 3
    assert {player.name for player, _ in tables} == {"arithmetic:5"}
    play_games(shared, Seats([Arithmetic() for _ in range(3)]), games=6, seed=0, ply_cap=20)
    assert shared.calls >= 6 * 8
    assert tables_of(shared, Arithmetic()) == []


def test_ctrl_c_ends_all_tables_within_a_ply() -> None:
    seats = [Arithmetic(7, pause=0.002) for _ in range(3)]

    then: list[int] = []

    def interrupt(_games: int) -> None:
        then.append(sum(seat.calls for seat in seats))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_games(Seats(seats), Arithmetic(5), games=30, seed=0, ply_cap=60, progress=interrupt)
    after = sum(seat.calls for seat in seats)
    assert after - then[0] <= 2 * len(seats)  # a game has some thirty calls
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_ctrl_c_keeps_the_games_that_had_ended() -> None:
    left = [5]

    def interrupt(games: int) -> None:
        left[0] -= games
        if not left[0]:
            raise KeyboardInterrupt

    whole = play_games(Arithmetic(7), Arithmetic(5), games=30, seed=0, ply_cap=60)
    with pytest.raises(MatchInterrupt) as stopped:
        play_games(
            Seats([Arithmetic(7), Arithmetic(7)]), Arithmetic(5), games=30, seed=0, ply_cap=60, progress=interrupt
        )
    found = stopped.value
    assert len(found.games) == len(set(found.games.tolist())) == 5
    assert found.points.tolist() == whole.points[found.games].tolist()
    assert found.illegal_moves == 0


def test_an_error_at_one_table_ends_the_match_with_it() -> None:
    class Broken(Arithmetic):
        def choose(self, games: Games) -> Choice:
            if self.calls > 20:
                raise RuntimeError("the engine is gone")
            return super().choose(games)

    with pytest.raises(RuntimeError, match="the engine is gone"):
        play_games(Seats([Arithmetic(), Broken()]), Arithmetic(5), games=40, seed=0, ply_cap=60)


def test_seats_close_what_can_be_closed() -> None:
    class Program(Arithmetic):
        closed = False

        def close(self) -> None:
            self.closed = True

    program = Program()
    seats = Seats([Arithmetic(), program])
    seats.close()
    assert program.closed
    assert seats.total("calls") == 0
