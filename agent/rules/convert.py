"""Packed positions from and to FEN and `chess.Board`, refusing impossible ones. python-chess reads FEN."""

import itertools
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent.rules import record
from agent.rules.layout import KINGS, OWN, PAWNS, STATE, WORDS, checked

_CASTLING_ROOKS: Final = (chess.BB_H1, chess.BB_A1, chess.BB_H8, chess.BB_A8)
"""By the bits of castling rights, White to move."""
_FLIPPED: Final = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)
_FAULTS: Final = {
    chess.STATUS_NO_WHITE_KING: "White has no king",
    chess.STATUS_NO_BLACK_KING: "Black has no king",
    chess.STATUS_TOO_MANY_KINGS: "there are too many kings",
    chess.STATUS_TOO_MANY_WHITE_PAWNS: "White has more than 8 pawns",
    chess.STATUS_TOO_MANY_BLACK_PAWNS: "Black has more than 8 pawns",
    chess.STATUS_PAWNS_ON_BACKRANK: "a pawn stands on the first or last rank",
    chess.STATUS_TOO_MANY_WHITE_PIECES: "White has more than 16 pieces",
    chess.STATUS_TOO_MANY_BLACK_PIECES: "Black has more than 16 pieces",
    chess.STATUS_BAD_CASTLING_RIGHTS: (
        "the castling rights do not fit kings on e1, e8 and rooks on a1, h1, a8, h8 (standard chess, not Chess960)"
    ),
    chess.STATUS_OPPOSITE_CHECK: "the side not to move is in check",
    chess.STATUS_EMPTY: "the board is empty",
    chess.STATUS_TOO_MANY_CHECKERS: "more than two pieces give check",
    chess.STATUS_IMPOSSIBLE_CHECK: "no move can have given this check",
}


def from_fen(fen: str) -> NDArray[np.uint64]:
    """Packed position uint64 [WORDS] of a FEN. A ValueError that quotes it where it cannot be read, is no possible
    position of standard chess, or has rights to castle in another way than king e1/e8 with rooks a1/h1/a8/h8."""
    try:
        board = chess.Board(fen)
    except ValueError as error:
        raise ValueError(f"FEN {fen!r} cannot be read: {error}") from error
    return from_board(board, fen=fen)


def from_board(board: chess.Board, *, fen: str | None = None) -> NDArray[np.uint64]:
    """Packed position uint64 [WORDS] of a board; repetitions are counted in its move stack. Raises ValueError: no
    possible position of standard chess; the message quotes `fen` or the board's."""
    en_passant, bare = usable_en_passant(board), board
    if board.ep_square is not None and not en_passant:
        bare = board.copy(stack=False)
        bare.ep_square = None
    if fault := _fault(bare, fen):
        raise ValueError(f"FEN {fen if fen is not None else board.fen()!r} is impossible: {fault}")
    earlier = itertools.takewhile(board.is_repetition, range(2, int(record.MAX_REPETITIONS) + 2))
    return _packed(board, en_passant, len(list(earlier)))


def flip_horizontal(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mirror images left to right, files h to a in place of a to h, of positions [B, WORDS]. A ValueError where one
    has castling rights: no position of chess is its image."""
    if (positions[:, STATE] & record.CASTLING).any():
        raise ValueError("a position with castling rights has no mirror image")
    flipped = positions.view(np.uint8).reshape(-1, WORDS, 8).copy()  # a byte is a rank, or part of the state
    flipped[:, :STATE] = _FLIPPED[flipped[:, :STATE]]
    flipped[:, STATE, 1] = _FLIPPED[flipped[:, STATE, 1]]  # the files of en-passant captures
    return flipped.view(np.uint64).reshape(-1, WORDS)


def from_history(board: chess.Board) -> NDArray[np.uint64]:
    """As `from_board`, quickly, for a board that came before a possible one; its repetitions are not counted."""
    return _packed(board, usable_en_passant(board), 0)


def _packed(board: chess.Board, en_passant: bool, repetitions: int) -> NDArray[np.uint64]:
    pieces = [board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings]
    words, rights = [*pieces, board.occupied_co[board.turn]], board.clean_castling_rights()
    if not board.turn:
        words, rights = [chess.flip_vertical(word) for word in words], chess.flip_vertical(rights)
    state = sum(1 << number for number, rook in enumerate(_CASTLING_ROOKS) if rights & rook)
    state |= 0 if board.turn else int(record.BLACK)
    if board.ep_square is not None and en_passant:
        state |= 1 << (chess.square_file(board.ep_square) + int(record.EN_PASSANT_SHIFT))
    state |= repetitions << int(record.REPETITIONS_SHIFT)
    state |= board.halfmove_clock << int(record.HALFMOVE_SHIFT)
    state |= board.fullmove_number << int(record.FULLMOVE_SHIFT)
    return np.array([*words, state], np.uint64)


def usable_en_passant(board: chess.Board) -> bool:
    """Whether a legal move captures en passant a pawn that can have passed; else an en-passant square says nothing."""
    faults = chess.STATUS_INVALID_EP_SQUARE | chess.STATUS_IMPOSSIBLE_CHECK
    return board.has_legal_en_passant() and not board.status() & faults


def to_board(position: NDArray[np.uint64]) -> chess.Board:
    """`chess.Board` of a packed position [WORDS], without a move stack. Raises ValueError: the words are no board."""
    words = [int(word) for word in checked(np.asarray(position)[None])[0]]
    if fault := _record_fault(words):
        raise ValueError(f"record {' '.join(f'{word:016x}' for word in words)} is malformed: {fault}")
    board = chess.Board(None)
    for kind in chess.PIECE_TYPES:
        for square in chess.scan_forward(words[kind - 1]):
            board.set_piece_at(square, chess.Piece(kind, bool(words[OWN] & chess.BB_SQUARES[square])))
    state = words[STATE]
    board.castling_rights = sum(rook for number, rook in enumerate(_CASTLING_ROOKS) if state >> number & 1)
    if files := (state >> int(record.EN_PASSANT_SHIFT)) & 0xFF:
        board.ep_square = chess.square(files.bit_length() - 1, 5)
    board.halfmove_clock = (state >> int(record.HALFMOVE_SHIFT)) & int(record.MAX_HALFMOVE)
    board.fullmove_number = state >> int(record.FULLMOVE_SHIFT)
    return board.mirror() if state & int(record.BLACK) else board


def check_possible(position: NDArray[np.uint64]) -> None:
    """Before compiled code gets words [WORDS] of a file: a ValueError unless they are a possible position of standard
    chess without repetitions."""
    if not np.array_equal(from_board(to_board(position)), position):
        raise ValueError(f"{describe(position)} has castling rights, en passant or repetitions that are impossible")


def to_fen(position: NDArray[np.uint64]) -> str:
    """FEN of a packed position [WORDS], with an en-passant square only where capturing is legal. Raises ValueError: the
    words are not a board."""
    return to_board(position).fen()


def describe(position: NDArray[np.uint64]) -> str:
    """FEN for an error message, or the words of a record that has none."""
    try:
        return to_fen(position)
    except ValueError as error:
        return str(error)


def _record_fault(words: list[int]) -> str | None:
    """Why the words of a record are not a board, or None."""
    seen, state = 0, words[STATE]
    for pieces in words[PAWNS : KINGS + 1]:
        if seen & pieces:
            return "two pieces share a square"
        seen |= pieces
    if words[OWN] & ~seen:
        return "own pieces stand on empty squares"
    if state & 0xE0:
        return "unused bits are set"
    if (state >> int(record.REPETITIONS_SHIFT)) & 0xFF > record.MAX_REPETITIONS:
        return f"more than {record.MAX_REPETITIONS} repetitions"
    files = (state >> int(record.EN_PASSANT_SHIFT)) & 0xFF
    return "two en-passant squares" if files & (files - 1) else None


def _fault(board: chess.Board, fen: str | None) -> str | None:
    """Why a board is no possible position of standard chess, or None."""
    if board.chess960 or type(board) is not chess.Board:
        return "only standard chess is played here, not Chess960 or variants"
    asked = fen.split()[2] if fen is not None and len(fen.split()) > 2 else ""
    if any(letter not in "KQkq-" for letter in asked):
        return f"castling rights {asked!r} name rooks by file, as in Chess960, which is not played here"
    status = board.status()
    for flag, sentence in _FAULTS.items():
        if status & flag:
            return sentence
    if status != chess.STATUS_VALID:
        return f"python-chess finds {status!r}"
    for color, name in ((chess.WHITE, "White"), (chess.BLACK, "Black")):
        own = board.occupied_co[color]
        usual = ((board.knights, 2), (board.bishops, 2), (board.rooks, 2), (board.queens, 1))
        promoted = sum(max(0, (pieces & own).bit_count() - number) for pieces, number in usual)
        if promoted > 8 - (board.pawns & own).bit_count():
            return f"{name} has more promoted pieces than pawns that are missing"
    if board.halfmove_clock > record.MAX_HALFMOVE or board.fullmove_number > record.MAX_FULLMOVE:
        return "a clock is too high"
    return None
