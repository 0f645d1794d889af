"""The transposition table, the scores, and what captures win by an exchange that python-chess plays out."""

from typing import NamedTuple

import chess
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import rules, vocabulary
from agent.rules.exchange import wins_exchange
from agent.search.pvs.scores import INFINITE, MATE, PROVEN, mate_of, score_of, value_of
from agent.search.pvs.table import AT_LEAST, AT_MOST, EXACT, NO_MOVE, UNKNOWN, WAYS, Table, find, fullness, make_table
from agent.search.pvs.table import store as store_entry
from tests.agent.positions import PERFT, TRICKY, harvest
from tests.agent.rules.test_games import random_positions


class Entry(NamedTuple):
    key: int
    age: int
    depth: int
    bound: int
    score: int
    static: int
    move: int


def store(table: Table, entry: Entry) -> None:
    store_entry(table, np.uint64(entry.key), *map(np.int64, entry[1:]))


def look(table: Table, key: int) -> Entry | None:
    place = find(table, np.uint64(key))
    if place < 0:
        return None
    row = table[place]
    named = (int(row[name]) for name in ("score", "static", "move"))
    return Entry(int(row["key"]), int(row["mark"]) >> 2, int(row["depth"]), int(row["mark"]) & 3, *named)


# Few keys, which share a place of the smallest table or stand beside it: they replace each other.
KEYS = [place + (high << 40) for place in (0, 4) for high in range(6)] + [2**64 - 4, 2**64 - 1]
ENTRIES = st.builds(
    Entry,
    key=st.sampled_from(KEYS),
    age=st.integers(0, 63),
    depth=st.integers(0, 127),
    bound=st.sampled_from([EXACT, AT_LEAST, AT_MOST]),
    score=st.integers(-INFINITE, INFINITE),
    static=st.sampled_from([UNKNOWN, -8545, 0, 8545]),
    move=st.sampled_from([0, 1, 1879, NO_MOVE]),
)
TABLE = make_table(1)


@settings(max_examples=300, deadline=None)
@given(st.lists(ENTRIES, max_size=40))
def test_a_table_answers_with_what_was_stored_under_the_key(entries: list[Entry]) -> None:
    """And a place loses at most one other position at a time, none that is deeper and of a later search as well."""
    TABLE[:] = 0
    held = dict[int, Entry]()
    for entry in entries:
        store(TABLE, entry)
        before, now = held.get(entry.key), {key: found for key in KEYS if (found := look(TABLE, key))}
        written = entry
        if before and entry.move == NO_MOVE:
            written = entry._replace(move=before.move)
        if before and entry.bound != EXACT and before.age == entry.age and before.depth > entry.depth + 3:
            written = before
        assert now[entry.key] == written
        lost = [held[key] for key in held if key not in now]
        assert {key: now[key] for key in now if key != entry.key} == {
            key: value for key, value in held.items() if key != entry.key and value not in lost
        }
        crowd = [other for key, other in held.items() if key % 2**16 == entry.key % 2**16 and key != entry.key]
        assert len(lost) == int(not before and len(crowd) == WAYS)
        for gone in lost:
            old = [(entry.age - each.age) % 64 for each in (gone, *crowd)]
            assert all(gone.depth <= each.depth or old[0] > age for each, age in zip(crowd, old[1:], strict=True))
        held = now


def test_an_empty_table_knows_nothing_and_fills() -> None:
    table = make_table(2)
    assert table.nbytes == 2 * 2**20
    assert all(look(table, key) is None for key in (0, *KEYS))
    assert fullness(table, 5) == 0
    for key in range(500):
        store(table, Entry(key, 5, 1, AT_MOST, 0, 0, NO_MOVE))
    assert [fullness(table, age) for age in (5, 5 + 64, 6)] == [0.5, 0.5, 0]
    assert make_table(100).nbytes == 64 * 2**20


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_scores_rise_with_the_value_and_lead_back_to_it(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert -PROVEN < score_of(low) <= score_of(high) < PROVEN
    assert score_of(-one) == pytest.approx(-score_of(one), abs=1)
    assert value_of(int(score_of(one))) == pytest.approx(one, abs=1e-3)


def test_every_score_is_that_of_its_value() -> None:
    """But mates, which are all worth 1."""
    highest = int(score_of(1.0))
    assert [score_of(value_of(score)) for score in range(-highest, highest + 1)] == [*range(-highest, highest + 1)]
    for plies in range(1, MATE - PROVEN):
        assert [mate_of(MATE - plies), mate_of(plies - MATE)] == [plies, -plies]
        assert [value_of(MATE - plies), value_of(plies - MATE)] == [1, -1]
    assert [mate_of(score) for score in (0, highest, PROVEN, -PROVEN)] == [0] * 4


WORTH = {
    chess.PAWN: 100, chess.KNIGHT: 320, chess.BISHOP: 330, chess.ROOK: 500, chess.QUEEN: 950, chess.KING: 20_000,
}  # fmt: skip


def wins_back(board: chess.Board, square: int, standing: int, everyone: int, color: chess.Color) -> int:
    """What `color` wins by capturing on `square`, where something worth `standing` stands, or by not doing so."""
    able = chess.SquareSet(board.attackers_mask(color, square, everyone) & everyone)
    if not able:
        return 0
    least = min(able, key=lambda place: (WORTH[board.piece_type_at(place) or 0], place))
    kind, others = board.piece_type_at(least), board.attackers_mask(not color, square, everyone) & everyone
    if kind == chess.KING and others:
        return 0
    left = everyone & ~chess.BB_SQUARES[least]
    return max(0, standing - wins_back(board, square, WORTH[kind or 0], left, not color))


def exchange(board: chess.Board, move: chess.Move) -> int:
    """An en passant capture counts as a quiet move, castling as the king's alone."""
    piece, taken = board.piece_type_at(move.from_square), board.piece_type_at(move.to_square)
    everyone = board.occupied & ~chess.BB_SQUARES[move.from_square]
    lost = wins_back(board, move.to_square, WORTH[piece or 0], everyone, not board.turn)
    return WORTH.get(taken or 0, 0) - lost


def test_exchanges_are_those_of_a_played_out_one() -> None:
    """The worth is met exactly: it is won, and no more than it."""
    captures = quiet = 0
    tricky = [rules.from_fen(fen) for fen in (*PERFT, *TRICKY, *harvest(30, seed=31))]
    for position in (*tricky, *random_positions(360, seed=32)):
        board = rules.to_board(position)
        for move in board.legal_moves:
            index = np.int64(vocabulary.from_uci(move.uci(), black=not board.turn))
            if move.promotion:
                assert wins_exchange(position, index, np.int64(5000))
                continue
            worth = exchange(board, move)
            found = [wins_exchange(position, index, np.int64(worth + more)) for more in (-200, -1, 0, 1, 200)]
            assert found == [True, True, True, False, False], (board.fen(), move.uci(), worth)
            captures, quiet = captures + board.is_capture(move), quiet + (worth < 0)
    assert captures > 1500
    assert quiet > 1000
