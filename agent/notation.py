"""Reading FENs and moves that people and programs type, with errors that say what is wrong."""

import difflib
import re
from collections.abc import Iterable

import chess

from agent.errors import InputError

_COORDINATES = re.compile(r"([a-h][1-8])[-x]?([a-h][1-8])=?([a-z])?", re.IGNORECASE)
_SHOWN = 8  # most candidates that an error lists


class MoveError(ValueError):
    """A typed move cannot be played; the message is one sentence that quotes it and lists candidates."""


def read_fen(fen: str) -> chess.Board:
    """Read a FEN. Castling and en passant rights that the pieces cannot have are dropped, as engines do.

    Raises:
        InputError: it cannot be read, or is no possible position of standard chess.
    """
    try:
        board = chess.Board(fen.strip())
    except ValueError as error:
        reason = str(error).partition(":")[0]
        raise InputError(
            f"FEN {quote(fen, 100)} cannot be read ({reason}); it looks like '{chess.STARTING_FEN}'"
        ) from error
    board.castling_rights = board.clean_castling_rights()
    if board.status() & chess.STATUS_INVALID_EP_SQUARE:
        board.ep_square = None
    from agent.rules import from_board  # Numba, so not before it is needed

    try:
        from_board(board, fen=fen.strip())
    except ValueError as error:
        raise InputError(f"{error}; correct it") from error
    return board


def read_move(board: chess.Board, text: str, commands: Iterable[str] = ()) -> chess.Move:
    """Read a move in SAN (`Nf3`, `exd5`, `O-O`, `e8=Q`) or by squares (`g1f3`, `e2-e4`, `e7e8q`).

    Args:
        board: it must have a legal move.
        text: what was typed; case and annotation (`!?`) are forgiven where that leaves one reading.
        commands: other words that could have been meant, for suggestions.

    Raises:
        MoveError: it is unreadable, illegal here, or ambiguous; the sentence says which.
    """
    cleaned = text.strip().rstrip("!?")
    squares = _COORDINATES.fullmatch(cleaned)
    if squares is not None:
        return _by_squares(board, text, squares)
    if re.fullmatch(r"[0oO]-[0oO](-[0oO])?[+#]?", cleaned):
        cleaned = cleaned.upper().replace("0", "O")
    # "nf3" can only be a knight's move; "bc4" may be a pawn's and stays as typed.
    spellings = [cleaned, cleaned[:1].upper() + cleaned[1:]] if cleaned[:1] in tuple("nrqk") else [cleaned]
    for spelling in spellings:
        try:
            move = board.parse_san(spelling)
        except chess.InvalidMoveError:
            continue
        except chess.AmbiguousMoveError as error:
            raise MoveError(f"{quote(text)} is ambiguous: type {_either(_readings(board, spelling))}") from error
        except chess.IllegalMoveError as error:
            raise _illegal_san(board, text, spelling) from error
        if move:  # "--" is python-chess's null move
            return move
    raise _unreadable(board, text, commands)


def quote(text: str, most: int = 40) -> str:
    """`text` in quotes, shortened, control characters escaped."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def _by_squares(board: chess.Board, text: str, squares: re.Match[str]) -> chess.Move:
    origin, target = chess.parse_square(squares[1].lower()), chess.parse_square(squares[2].lower())
    piece = (squares[3] or "").lower()
    from_origin = [move for move in board.legal_moves if move.from_square == origin]
    moves = [move for move in from_origin if move.to_square == target]
    exact = [move for move in moves if (chess.piece_symbol(move.promotion) if move.promotion else "") == piece]
    if exact:
        return exact[0]
    if moves and not piece:
        raise MoveError(f"{quote(text)} is ambiguous: type {_either([move.uci() for move in moves])}")
    if moves:
        raise _illegal(board, text, [move.uci() for move in moves])
    try:
        return board.parse_uci(squares[0].lower())  # castling as king takes rook
    except ValueError:
        to_target = [move for move in board.legal_moves if move.to_square == target]
        raise _illegal(board, text, _sans(board, from_origin or to_target)) from None


def _illegal_san(board: chess.Board, text: str, san: str) -> MoveError:
    match = chess.SAN_REGEX.match(san)
    if match is None:  # castling
        return _illegal(board, text, _sans(board, (move for move in board.legal_moves if board.is_castling(move))))
    promotions = [word for word in _sans(board, board.legal_moves) if word.startswith(f"{san}=")]
    if promotions:
        return MoveError(f"{quote(text)} is ambiguous: type {_either(promotions)}")
    kind, target = chess.Piece.from_symbol(match[1] or "P").piece_type, chess.parse_square(match[4])
    file = chess.square_file(target)

    def is_like_it(move: chess.Move) -> bool:
        same_kind = board.piece_type_at(move.from_square) == kind
        return move.to_square == target or (
            same_kind and (kind != chess.PAWN or chess.square_file(move.from_square) == file)
        )

    return _illegal(board, text, _sans(board, filter(is_like_it, board.legal_moves)))


def _illegal(board: chess.Board, text: str, candidates: list[str]) -> MoveError:
    check = ", where you are in check" if board.is_check() else ""
    like_it = " like it" if candidates else ""
    listed = _shorten(candidates or _sans(board, board.legal_moves))
    return MoveError(f"{quote(text)} is illegal here{check}; legal moves{like_it}: {listed}")


def _unreadable(board: chess.Board, text: str, commands: Iterable[str]) -> MoveError:
    sans = _sans(board, board.legal_moves)
    near = difflib.get_close_matches(text.strip(), [*sans, *commands], n=3, cutoff=0.6)
    hint = f"did you mean {_either(near)}?" if near else f"type a move such as {sans[0]}, or help"
    return MoveError(f"{quote(text)} cannot be read as a move or a command; {hint}")


def _readings(board: chess.Board, san: str) -> list[str]:
    """SANs of the legal moves that an ambiguous `san` could mean."""
    match = chess.SAN_REGEX.match(san)
    assert match is not None
    kind, target = chess.Piece.from_symbol(match[1] or "P").piece_type, chess.parse_square(match[4])
    given = (match[2] or "") + (match[3] or "")  # file or rank that was typed, and did not suffice

    def fits(move: chess.Move) -> bool:
        origin = chess.square_name(move.from_square)
        same_kind = board.piece_type_at(move.from_square) == kind
        return move.to_square == target and same_kind and all(letter in origin for letter in given)

    return _sans(board, filter(fits, board.legal_moves))


def _sans(board: chess.Board, moves: Iterable[chess.Move]) -> list[str]:
    return sorted(board.san(move) for move in moves)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shorten(words: list[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more (moves lists all)" if words[_SHOWN:] else "")
