"""Reading FENs and moves that people and programs type, with errors that say what is wrong; writing moves."""

import contextlib
import difflib
import re
from collections.abc import Iterable

import chess

from agent.errors import InputError

_COORDINATES = re.compile(r"([a-h][1-8])[-x]?([a-h][1-8])[=/(]?([a-z])?\)?", re.IGNORECASE)
_NUMBER = re.compile(r"^[0-9]{1,4}\s*[.…][.…\s]*")
_MARKS = re.compile(r"([\s!?+#†‡]|e\.?p\.?$|\$[0-9]+$)+$", re.IGNORECASE)
_SIGNS = str.maketrans(
    {symbol: letter.upper().replace("P", "") for letter, symbol in chess.UNICODE_PIECE_SYMBOLS.items()}
    | dict.fromkeys("‐‑‒–—−", "-")
    | {"×": "x", ":": "x", "\ufe0e": "", "\ufe0f": ""}
)
"""Figurines (which a variation selector may follow), dashes and signs of capture, as SAN has them."""
_LONGEST = 40  # characters of a move with all its signs
_SHOWN = 8  # most candidates that an error lists


class MoveError(ValueError):
    """A typed move cannot be played; the message is one sentence that quotes it and lists candidates."""


def read_fen(fen: str) -> chess.Board:
    """Read a FEN. Castling and en passant rights that the pieces cannot have are dropped, as engines do. Raises
    InputError: it cannot be read, or is no possible position of standard chess."""
    try:
        board = chess.Board(fen.strip())
    except ValueError as error:
        reason, good = str(error).partition(":")[0], chess.STARTING_FEN
        raise InputError(f"FEN {quote(fen, 100)} cannot be read ({reason}); it looks like '{good}'") from error
    from agent.rules import from_board, usable_en_passant  # Numba, so not before it is needed

    board.castling_rights = board.clean_castling_rights()
    if not usable_en_passant(board):
        board.ep_square = None
    try:
        from_board(board, fen=fen.strip())
    except ValueError as error:
        raise InputError(f"{error}; correct it") from error
    return board


def read_move(board: chess.Board, text: str, commands: Iterable[str] = ()) -> chess.Move:
    """Read a move in SAN (`Nf3`, `exd5`, `O-O`, `e8=Q`) or by squares (`g1f3`, `e2-e4`, `e7e8q`); `board` must have a
    legal one. A move number, annotation (`!?`), figurines and other signs are forgiven. So is the case of letters,
    where the exact reading is not legal and one legal move alone reads so. `commands` are other words that could have
    been meant, for suggestions. A MoveError where the text is unreadable, illegal here, or ambiguous."""
    if len(text) > _LONGEST:
        raise _unreadable(board, text, commands)
    cleaned = _MARKS.sub("", _NUMBER.sub("", text.strip().translate(_SIGNS)))
    squares = _COORDINATES.fullmatch(cleaned)
    if squares is not None:
        return _by_squares(board, text, squares)
    well_formed = chess.SAN_REGEX.match(cleaned) is not None
    if not cleaned.startswith("bb"):  # a pawn's by python-chess, but more likely a bishop's
        with contextlib.suppress(ValueError):
            if move := board.parse_san(cleaned):  # "--" is python-chess's null move
                return move
    folded = re.sub(r"[-x=()/]", "", cleaned.lower()).replace("0", "o")
    alike = [move for move in board.legal_moves if folded in _spellings(board, move)]
    if well_formed and cleaned[0] == "B":  # no pawn was meant
        alike = [move for move in alike if board.piece_type_at(move.from_square) == chess.BISHOP]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise MoveError(f"{quote(text)} is ambiguous: type {_either(_sans(board, alike))}")
    for san in (cleaned, cleaned[:1].upper() + cleaned[1:].lower(), cleaned.lower()):
        if folded in ("oo", "ooo") or chess.SAN_REGEX.match(san):
            raise _illegal_san(board, text, san)
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
    origins = board.pieces_mask(kind, board.turn) & (chess.BB_FILES[target & 7] if kind == chess.PAWN else chess.BB_ALL)
    to_target = board.generate_legal_moves(to_mask=chess.BB_SQUARES[target])
    alike = {*board.generate_legal_moves(from_mask=origins), *to_target}
    return _illegal(board, text, _sans(board, alike))


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


def _spellings(board: chess.Board, move: chess.Move) -> set[str]:
    """How a legal move may be written: in lower case, castling as `oo`, without signs."""
    if board.is_castling(move):
        return {"oo" if board.is_kingside_castling(move) else "ooo"}
    origin, target = chess.square_name(move.from_square), chess.square_name(move.to_square)
    kind = board.piece_type_at(move.from_square) or chess.PAWN
    if kind != chess.PAWN:
        return {f"{chess.piece_symbol(kind)}{part}{target}" for part in ("", origin[0], origin[1], origin)}
    starts = {origin[0], origin} | (set() if board.is_capture(move) else {""})
    ends = {target} | ({target[0]} if board.is_capture(move) else set())  # exd
    promotion = chess.piece_symbol(move.promotion) if move.promotion else ""
    return {f"{start}{end}{promotion}" for start in starts for end in ends}


def _sans(board: chess.Board, moves: Iterable[chess.Move]) -> list[str]:
    return sorted(board.san(move) for move in moves)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shorten(words: list[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more (moves lists all)" if words[_SHOWN:] else "")


def sans(board: chess.Board, moves: tuple[chess.Move, ...]) -> tuple[str, ...]:
    """A line from `board` in SAN."""
    after, words = board.copy(stack=False), []
    for move in moves:
        words.append(after.san(move))
        after.push(move)
    return tuple(words)


def move_number(board: chess.Board) -> str:
    """`12.` or `12...`: what stands before the next move."""
    return f"{board.fullmove_number}{'.' if board.turn == chess.WHITE else '...'}"


def side_name(color: chess.Color) -> str:
    """`White` or `Black`."""
    return chess.COLOR_NAMES[color].capitalize()
