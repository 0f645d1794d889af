"""Features and kinds of moves, found again by python-chess square by square."""

import itertools
import math

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.rules.record import STATE
from agent.sparse_architecture import MAX_FEATURES, MOVE_KINDS, STATE_ROWS, SparseArchitecture
from agent.sparse_batch import sparse_batch
from tests.agent.positions import PERFT, TRICKY
from tests.agent.test_rules_games import random_positions

RANK = {chess.PAWN: 1, chess.KNIGHT: 2, chess.BISHOP: 2, chess.ROOK: 3, chess.QUEEN: 4, chess.KING: 5}
FENS = [*PERFT, *TRICKY]
EVERYTHING = SparseArchitecture(threats=True, control=True, king_buckets=16, moves=True)
PLAIN = SparseArchitecture(threats=False, moves=False)


def least_attacker(board: chess.Board, colour: chess.Color, square: int) -> int:
    kinds = [board.piece_type_at(origin) for origin in board.attackers(colour, square)]
    return min([RANK[kind] for kind in kinds if kind], default=0)


def threat(board: chess.Board, square: int) -> int:
    piece = board.piece_at(square)
    assert piece is not None
    rank = RANK[piece.piece_type]
    attacker = least_attacker(board, not piece.color, square)
    defended = least_attacker(board, piece.color, square) > 0
    if not attacker:
        return 1 if defended else 0
    if attacker < rank:
        return 3 if defended else 2
    if not defended:
        return 4
    return 5 if attacker == rank else 6


def seen_by_mover(fen: str) -> chess.Board:
    board = chess.Board(fen)
    return board if board.turn else board.mirror()


def expected_features(board: chess.Board, architecture: SparseArchitecture) -> set[int]:
    """Of a board with White to move."""
    found = set()
    state = 768 * (7 if architecture.threats else 1)
    own_king = state + STATE_ROWS
    other_king = own_king + 768 * architecture.king_buckets
    control = other_king + 768 * architecture.king_buckets
    side = math.isqrt(architecture.king_buckets)

    def bucket(colour: chess.Color) -> int:
        square = board.king(colour)
        assert square is not None
        return (square // 8 * side // 8) * side + square % 8 * side // 8

    for square, piece in board.piece_map().items():
        number = 64 * (piece.piece_type - 1 + (0 if piece.color else 6)) + square
        found.add((768 * threat(board, square) if architecture.threats else 0) + number)
        if architecture.king_buckets:
            found.add(own_king + 768 * bucket(chess.WHITE) + number)
            found.add(other_king + 768 * bucket(chess.BLACK) + number)
    for right, rook in enumerate((chess.BB_H1, chess.BB_A1, chess.BB_H8, chess.BB_A8)):
        if board.castling_rights & rook:
            found.add(state + right)
    if board.ep_square is not None and board.has_legal_en_passant():
        found.add(state + 4 + chess.square_file(board.ep_square))
    found.add(state + 14 + min(board.halfmove_clock * 8 // 100, 7))
    if architecture.threats and board.is_check():
        found.add(state + 22)
    if architecture.control:
        for square in set(chess.SQUARES) - board.piece_map().keys():
            own, other = (least_attacker(board, colour, square) for colour in (chess.WHITE, chess.BLACK))
            if own or other:
                found.add(control + 64 * (6 * own + other) + square)
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
    return (((6 * (moved - 1) + captured) * 6 + guard) * 2 + int(attacked)) * 2 + int(check)


def features_of(positions: NDArray[np.uint64], architecture: SparseArchitecture) -> list[list[int]]:
    batch = sparse_batch(positions, architecture)
    cuts = batch.offsets.tolist()
    return [batch.features[low:high].tolist() for low, high in itertools.pairwise(cuts)]


@pytest.mark.parametrize(
    "architecture",
    [
        PLAIN,
        EVERYTHING,
        SparseArchitecture(threats=False, control=True, moves=False, king_buckets=4),
        SparseArchitecture(threats=True, moves=False, king_buckets=64),
    ],
    ids=str,
)
def test_features_are_as_documented(architecture: SparseArchitecture) -> None:
    positions = np.concatenate([np.stack([rules.from_fen(fen) for fen in FENS]), random_positions(200)])
    for position, rows in zip(positions, features_of(positions, architecture), strict=True):
        found = [row for row in rows if row < architecture.features]
        fen = rules.to_fen(position)
        assert len(found) == len(set(found)), fen
        repeated = {row for row in found if row - 768 * (7 if architecture.threats else 1) in (12, 13)}
        assert set(found) - repeated == expected_features(seen_by_mover(fen), architecture), fen
        pieces = sorted(row % 768 for row in found if row < 768 * 7) if architecture.threats else []
        assert sorted(row - architecture.features for row in rows if row not in found) == pieces, fen


@pytest.mark.parametrize("phases", [1, 3, 16])
def test_the_number_of_pieces_chooses_the_phase(phases: int) -> None:
    fens = [chess.STARTING_FEN, "8/8/4k3/8/8/8/8/4K3 w - - 0 1", *FENS]
    batch = sparse_batch(np.stack([rules.from_fen(fen) for fen in fens]), SparseArchitecture(phases=phases))
    expected = [(len(chess.Board(fen).piece_map()) - 1) * phases // 32 for fen in fens]
    assert batch.phases.tolist() == expected
    assert expected[:2] == [phases - 1, 0]


@pytest.mark.parametrize(("occurred", "rows"), [(0, []), (1, [12]), (2, [13]), (4, [13])])
def test_repetitions(occurred: int, rows: list[int]) -> None:
    position = rules.start(1)
    position[0, STATE] |= np.uint64(occurred << 16)
    found = features_of(position, PLAIN)[0]
    assert [row - 768 for row in found if 768 + 12 <= row < 768 + 14] == rows


def test_kinds_of_moves_are_as_documented() -> None:
    positions = np.concatenate([np.stack([rules.from_fen(fen) for fen in FENS]), random_positions(200)])
    batch = sparse_batch(positions, EVERYTHING)
    seen = set()
    for row, position in enumerate(positions):
        board = seen_by_mover(rules.to_fen(position))
        for entry in range(int(batch.move_offsets[row]), int(batch.move_offsets[row + 1])):
            move = chess.Move.from_uci(vocabulary.to_uci(int(batch.moves[entry]), black=False))
            kind = int(batch.kinds[entry])
            assert kind == expected_kind(board, move), (board.fen(), move.uci())
            seen.add(kind)
    assert len(seen) > 250
    assert max(seen) < MOVE_KINDS


def test_no_record_at_all_has_too_many_features() -> None:
    """Compiled code checks no bounds: words that are no position must not write outside either."""
    rng = np.random.default_rng(0)
    wild = rng.integers(0, 2**64, (200, rules.WORDS), np.uint64)
    for kind in range(1, 6):  # boards of kinds are disjoint in every record
        wild[:, kind] &= ~np.bitwise_or.reduce(wild[:, :kind], axis=1)
    legal = np.zeros((200, 1), np.uint16), np.zeros(200, np.int32)
    offsets = sparse_batch(wild, EVERYTHING, legal).offsets
    assert int((offsets[1:] - offsets[:-1]).max()) <= MAX_FEATURES


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="uint64"):
        sparse_batch(np.zeros((1, rules.WORDS)), PLAIN)  # type: ignore[arg-type]
    indices, counts = rules.legal_moves(rules.start(2))
    with pytest.raises(ValueError, match="counts"):
        sparse_batch(rules.start(2), PLAIN, (indices, counts * 20))
    with pytest.raises(ValueError, match="no move"):
        sparse_batch(rules.start(2), PLAIN, (indices, counts + 1))
    assert sparse_batch(rules.start(0), PLAIN).offsets.tolist() == [0]


@pytest.mark.parametrize("wrong", [{"width": 100}, {"hidden": 48}, {"king_buckets": 5}, {"phases": 0}])
def test_architectures_that_cannot_be_built_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SparseArchitecture(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", [PLAIN, EVERYTHING, SparseArchitecture(phases=4)])
def test_metadata_describes_the_architecture(architecture: SparseArchitecture) -> None:
    metadata = architecture.metadata()
    assert metadata["architecture"] == "sparse"
    assert SparseArchitecture.from_metadata(metadata) == architecture
    with pytest.raises(ValueError, match="threats"):
        SparseArchitecture.from_metadata({**metadata, "threats": "maybe"})
