"""Features and kinds of moves, found again by python-chess square by square."""

import itertools
import random
from collections import Counter

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.batch import sparse_batch
from agent.networks.sparse.features import FEATURES, MAPS, MAX_FEATURES, STATE_AT, active_features
from agent.networks.sparse.moves import MATE, MOVE_KINDS, STALEMATE
from agent.rules.layout import STATE
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions
from tests.agent.search.pvs.test_fuzz import scattered
from tests.tables import table

RANK = {chess.PAWN: 1, chess.KNIGHT: 2, chess.BISHOP: 2, chess.ROOK: 3, chess.QUEEN: 4, chess.KING: 5}
FENS = [*PERFT, *TRICKY]
POSITIONS = np.concatenate([np.stack([rules.from_fen(fen) for fen in FENS]), random_positions(200)])
for occurred in (1, 2, 4):
    POSITIONS[occurred::5, STATE] |= np.uint64(occurred << 16)


def least_attacker(board: chess.Board, colour: chess.Color, square: int) -> int:
    return min([RANK[board.piece_type_at(origin) or 0] for origin in board.attackers(colour, square)], default=0)


def threat(board: chess.Board, square: int) -> int:
    piece = board.piece_at(square)
    assert piece is not None
    rank, attacker = RANK[piece.piece_type], least_attacker(board, not piece.color, square)
    defended = least_attacker(board, piece.color, square) > 0
    if not attacker:
        return int(defended)
    if attacker < rank:
        return 2 + defended
    if not defended:
        return 4
    return 5 if attacker == rank else 6


def seen_by_mover(fen: str) -> chess.Board:
    board = chess.Board(fen)
    return board if board.turn else board.mirror()


def expected_features(board: chess.Board) -> set[int]:
    """Of a board with White to move; without repetitions, which a board without its moves does not know."""
    found = set()
    for square, piece in board.piece_map().items():
        number = 64 * (piece.piece_type - 1 + (0 if piece.color else 6)) + square
        found.add(768 * threat(board, square) + number)
    for right, rook in enumerate((chess.BB_H1, chess.BB_A1, chess.BB_H8, chess.BB_A8)):
        if board.castling_rights & rook:
            found.add(STATE_AT + right)
    if board.ep_square is not None and board.has_legal_en_passant():
        found.add(STATE_AT + 4 + chess.square_file(board.ep_square))
    found.add(STATE_AT + 14 + min(board.halfmove_clock * 8 // 100, 7))
    if board.is_check():
        found.add(STATE_AT + 22)
    return found


def expected_kind(board: chess.Board, move: chess.Move) -> int:
    """Of a board with White to move."""
    moved = board.piece_type_at(move.from_square)
    assert moved is not None
    captured = chess.PAWN if board.is_en_passant(move) else board.piece_type_at(move.to_square) or 0
    guard = least_attacker(board, chess.BLACK, move.to_square)
    attacked = board.is_attacked_by(chess.BLACK, move.from_square)
    king = board.king(chess.BLACK)
    assert king is not None
    # A piece of Black's on the king's square attacks what a White piece would have to stand on.
    shown, alone = move.promotion or moved, board.copy(stack=False)
    alone.set_piece_at(king, chess.Piece(shown, chess.BLACK))
    check = shown != chess.KING and move.to_square in alone.attacks(king)
    pawns, others = board.pieces(chess.PAWN, chess.BLACK), board.occupied_co[chess.BLACK]
    if others == board.kings & others | int(pawns) and all(board.piece_at(pawn - 8) for pawn in pawns):
        after = board.copy(stack=False)
        after.push(move)
        if not any(after.legal_moves):
            return MATE if after.is_check() else STALEMATE
    return (((6 * (moved - 1) + captured) * 6 + guard) * 2 + int(attacked)) * 2 + int(check)


def test_features_are_as_documented() -> None:
    batch = sparse_batch(POSITIONS)
    for position, (low, high) in zip(POSITIONS, itertools.pairwise(batch.offsets.tolist()), strict=True):
        rows = batch.features[low:high].tolist()
        found, fen = [row for row in rows if row < FEATURES], rules.to_fen(position)
        assert len(found) == len(set(found)), fen
        occurred = int(position[STATE]) >> 16 & 0xFF
        repeated = {STATE_AT + 11 + min(occurred, 2)} if occurred else set()
        assert set(found) == expected_features(seen_by_mover(fen)) | repeated, fen
        pieces = sorted(row % 768 for row in found if row < STATE_AT)
        assert sorted(row - FEATURES for row in rows if row not in found) == pieces, fen


def checked_kinds(positions: NDArray[np.uint64]) -> Counter[int]:
    """How many moves are of each kind, all of them as expected."""
    batch, kinds = sparse_batch(positions), Counter[int]()
    for row, position in enumerate(positions):
        board = seen_by_mover(rules.to_fen(position))
        for entry in range(int(batch.move_offsets[row]), int(batch.move_offsets[row + 1])):
            move = chess.Move.from_uci(vocabulary.to_uci(int(batch.moves[entry]), black=False))
            kind = int(batch.kinds[entry])
            assert kind == expected_kind(board, move), (board.fen(), move.uci())
            kinds[kind] += 1
    return kinds


def test_kinds_of_moves_are_as_documented() -> None:
    seen = checked_kinds(POSITIONS)
    assert len(seen) > 250
    assert max(seen) < MOVE_KINDS


def lone_kings(number: int, seed: int) -> list[chess.Board]:
    """Boards of a black king, often in a corner, with pawns at most, and White to move with a few pieces."""
    chance, boards = random.Random(seed), list[chess.Board]()
    while len(boards) < number:
        corner = chance.choice([0, 1, 6, 7, 8, 15, 48, 55, 56, 57, 62, 63])
        king = corner if chance.random() < 0.8 else chance.randrange(64)
        others = chance.choices("QQRRBNP", k=chance.randint(1, 5))
        board = chess.Board(None)
        board.set_piece_at(king, chess.Piece.from_symbol("k"))
        board = scattered(chance, "".join(["K", *others, "p" * chance.randrange(3)]), board)
        board.turn = chess.WHITE
        if board.is_valid() and not board.is_game_over():
            boards.append(board)
    return boards


@pytest.mark.parametrize("number", [pytest.param(600), pytest.param(20_000, marks=pytest.mark.slow)])
def test_moves_that_leave_a_lone_king_no_reply_have_kinds_of_their_own(number: int) -> None:
    boards = [*(chess.Board(fen) for fen, _ in table("lone_kings")), *lone_kings(number, 1)]
    boards += [board.mirror() for board in boards[:100]]
    found = checked_kinds(np.stack([rules.from_board(board) for board in boards]))
    assert min(found[MATE], found[STALEMATE]) > number / 20


def test_no_record_at_all_has_too_many_features() -> None:
    """Compiled code checks no bounds: words that are no position must not write outside either."""
    rng = np.random.default_rng(0)
    wild = rng.integers(0, 2**64, (200, rules.WORDS), np.uint64)
    for kind in range(1, 6):  # boards of kinds are disjoint in every record
        wild[:, kind] &= ~np.bitwise_or.reduce(wild[:, :kind], axis=1)
    maps, rows = np.zeros(MAPS, np.uint64), np.zeros(MAX_FEATURES, np.int32)
    for position in wild:
        count = active_features(position, maps, rows)
        assert count + int((rows[:count] < STATE_AT).sum()) <= MAX_FEATURES  # with a shared row for each piece


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="uint64"):
        sparse_batch(np.zeros((1, rules.WORDS)))  # type: ignore[arg-type]
    assert sparse_batch(rules.start(0)).offsets.tolist() == [0]
    for name, value in (("width", 100), ("hidden", 48), ("hidden", 0)):
        with pytest.raises(ValueError, match=name):
            SparseArchitecture(**{name: value})
