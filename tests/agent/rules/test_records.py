"""Packed positions: conversion both ways, and what is refused at the boundary."""

import contextlib

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules
from agent.rules import WORDS, from_board, from_fen, to_board, to_fen
from agent.rules.layout import KINGS, OWN, QUEENS, STATE
from agent.vocabulary import MAX_LEGAL
from tests.agent.positions import PERFT, START, TRICKY
from tests.tables import table

ALL = [*PERFT, *TRICKY, "k7/8/8/8/8/8/8/K6R w - - 0 1", "4k3/8/8/8/8/8/8/4K3 w - e6 0 1"]


@pytest.mark.parametrize("fen", ALL)
def test_fen_and_back_and_mirrored(fen: str) -> None:
    assert to_fen(from_fen(fen)) == chess.Board(fen).fen()
    assert to_board(from_fen(fen)) == chess.Board(chess.Board(fen).fen())
    # A mirrored position differs in its side alone.
    ours, theirs = from_board(chess.Board(fen)), from_board(chess.Board(fen).mirror())
    assert (ours ^ theirs).tolist() == [0] * STATE + [16]
    assert rules.legal_moves(ours[None])[0].tolist() == rules.legal_moves(theirs[None])[0].tolist()
    assert rules.keys(ours[None])[0] != rules.keys(theirs[None])[0]
    image = chess.Board(fen).transform(chess.flip_horizontal)
    if chess.Board(fen).clean_castling_rights():
        with pytest.raises(ValueError, match="castling rights"):
            rules.flip_horizontal(ours[None])
    else:
        assert rules.flip_horizontal(np.stack([ours, theirs]))[0].tolist() == from_board(image).tolist()


def test_the_record_is_as_documented() -> None:
    position = from_fen("rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQq f6 3 7")
    assert (position.shape, position.dtype.name) == ((WORDS,), "uint64")
    assert (position[KINGS], position[OWN]) == ((1 << 4) | (1 << 60), 0x00_00_00_10_00_00_EF_FF)
    state = int(position[STATE])
    assert (state & 15, state >> 4 & 1, state >> 8 & 0xFF) == (0b1011, 0, 1 << 5)  # own both, opponent's queen side
    assert (state >> 16 & 0xFF, state >> 24 & 0xFFFF, state >> 40) == (0, 3, 7)


@pytest.mark.parametrize(("fen", "fault"), [*table("impossible"), ("", "cannot be read")])
def test_impossible_fens_are_refused_and_quoted(fen: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        from_fen(fen)
    assert repr(fen) in str(caught.value)


def test_chess960_boards_are_refused() -> None:
    with pytest.raises(ValueError, match="Chess960"):
        from_board(chess.Board.from_chess960_pos(5))


def broken(word: int, value: int) -> NDArray[np.uint64]:
    position = from_fen(START)
    position[word] = np.uint64(value)
    return position


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (np.full(WORDS, 2**64 - 1, np.uint64), "share a square"),
        (broken(OWN, 0xFFFFFF), "empty squares"),
        (broken(STATE, 0x20 | 1 << 40), "unused bits"),
        (broken(STATE, 0x050000 | 1 << 40), "repetitions"),
        (broken(STATE, 0x0300 | 1 << 40), "two en-passant"),
    ],
)
def test_malformed_records_are_refused(position: NDArray[np.uint64], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        to_board(position)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, WORDS), np.int64), np.zeros((2, WORDS + 1), np.uint64), np.zeros(WORDS, np.uint64), [[0] * WORDS]],
)
def test_other_arrays_are_refused(array: NDArray[np.uint64]) -> None:
    with pytest.raises(ValueError, match="positions must"):
        rules.legal_moves(array)


def test_garbage_neither_crashes_nor_writes_outside() -> None:
    rng = np.random.default_rng(0)
    for density in (1, 2, 3):
        positions = rng.integers(0, 2**64, (500, WORDS), np.uint64)
        for _ in range(density):
            positions &= rng.integers(0, 2**64, (500, WORDS), np.uint64)
        guarded = np.full((502, MAX_LEGAL), 7, np.uint16)
        counts, codes = np.zeros(502, np.int32), np.full(502, 99, np.uint8)
        with contextlib.suppress(ValueError):  # more than 218 moves
            rules.observe(positions, claim_draws=True, out=(guarded[1:-1], counts[1:-1], codes[1:-1]))
        for array, value in ((guarded, 7), (counts, 0), (codes, 99)):
            assert (array[[0, -1]] == value).all()
        rules.outcome(positions, claim_draws=True)
        rules.is_legal(positions, rng.integers(0, 1880, 500))


def test_more_moves_than_218_are_refused() -> None:
    position = from_fen("k7/8/8/8/8/8/8/7K w - - 0 1")
    queens = sum(1 << square for square in range(64) if ((square & 7) + 2 * (square >> 3)) % 5 == 0 and square != 7)
    position[QUEENS] = np.uint64(queens)
    position[OWN] |= np.uint64(queens)
    with pytest.raises(ValueError, match="position 1 of the batch has more than 218"):
        rules.legal_moves(np.stack([from_fen(START), position]))
