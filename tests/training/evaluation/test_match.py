"""Matches: counts, colours and openings, and intervals that agree with published figures."""

from dataclasses import replace
from pathlib import Path

import chess.pgn
import numpy as np
import pytest

from agent.play.provenance import OPENING
from agent.players.player import Choice, RandomPlayer
from agent.rules import Games
from tests.agent.rules.oracle import expected_material, push
from tests.training.evaluation.test_match_runner import Notes
from training.evaluation.match import MatchRecorder, elo, play_match, wilson_interval
from training.evaluation.match_runner import Hooks
from training.evaluation.openings import PLIES, Openings, book


def test_wilson_interval_equals_newcombes_table_and_elo() -> None:
    """Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29."""
    table = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (wins, games), interval in table.items():
        assert wilson_interval(wins / games, games) == pytest.approx(interval, abs=1e-4)
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
    assert (elo(0.0), elo(0.5), elo(1.0)) == (None, 0, None)
    assert elo(0.64) == pytest.approx(100, abs=0.1)
    assert elo(0.76) == pytest.approx(200, abs=0.3)


def test_every_line_of_the_book_is_legal_and_ends_in_a_position_of_its_own_about_even() -> None:
    ends = set()
    for line in book():
        board = chess.Board()
        for index in line:
            push(board, index)
        assert len(line) == PLIES
        assert abs(expected_material(board)) <= 3, "at most a piece that is taken back with the next move"
        ends.add(board.epd())
    assert len(ends) == len(book()) >= 50


class _Watcher(RandomPlayer):
    """Notes the positions after the opening."""

    def __init__(self, ply: int) -> None:
        super().__init__(0)
        self._ply, self.first = ply, list[bytes]()

    def choose(self, games: Games) -> Choice:
        self.first += [games.positions[row].tobytes() for row in range(len(games)) if games.ply[row] == self._ply]
        return super().choose(games)


@pytest.mark.parametrize(("openings", "ply"), [(Openings(1, 4), 4), (Openings(1), 8)], ids=["random", "book"])
def test_each_opening_is_played_with_both_colours(openings: Openings, ply: int) -> None:
    def first(chosen: Openings) -> list[bytes]:
        one, two = _Watcher(ply), _Watcher(ply)
        play_match(one, two, chosen, games=40, ply_cap=ply + 1)
        assert sorted(one.first) == sorted(two.first)
        return one.first

    found = first(openings)
    assert len(set(found)) == len(found) == 20
    assert first(openings) == found
    assert first(replace(openings, seed=2)) != found


class _Cheat(RandomPlayer):
    """Plays illegal moves."""

    def choose(self, games: Games) -> Choice:
        moves = np.full(len(games), 1879, np.uint16)
        moves[::2] = 65535
        return Choice(moves, np.zeros(len(moves), np.float32))


def test_an_illegal_move_is_counted_and_loses() -> None:
    for one, other, expected in ((_Cheat(0), RandomPlayer(1), (0, 10, 10)), (RandomPlayer(1), _Cheat(0), (10, 0, 0))):
        result = play_match(one, other, Openings(1, 4), games=10)
        assert (result.wins, result.losses, result.illegal_moves) == expected


def test_once_the_book_is_played_its_lines_come_back_longer_and_none_is_played_again() -> None:
    lines = len(book())
    games = 6 * lines
    chosen, done, notes = Openings(3), list[int](), Notes()
    play_match(RandomPlayer(0), RandomPlayer(1), chosen, games=games, ply_cap=11, hooks=Hooks(done.append, notes))
    assert sum(done) == games
    assert [chosen.length(game) for game in (0, 2 * lines - 1, 2 * lines, games)] == [8, 8, 10, 10]
    openings = [tuple(line[: chosen.length(game)]) for game, line in sorted(notes.moves.items())]
    assert openings[::2] == openings[1::2]
    assert len(set(openings)) == games // 2
    for first in range(0, games, 2 * lines):
        assert {opening[:8] for opening in openings[first : first + 2 * lines]} == {tuple(line) for line in book()}


def test_games_with_openings_behind_the_book_are_recorded_with_their_length(tmp_path: Path) -> None:
    games = 2 * len(book()) + 2
    recorder = MatchRecorder(games, "one", "other", None, Openings(1))
    play_match(RandomPlayer(0), RandomPlayer(1), Openings(1), games=games, ply_cap=11, hooks=Hooks(moved=recorder))
    recorder.write(tmp_path / "games.pgn")
    with (tmp_path / "games.pgn").open() as file:
        given = [headers[OPENING] for headers in iter(lambda: chess.pgn.read_headers(file), None)]
    assert given == ["8"] * (games - 2) + ["10"] * 2
