"""Games in PGN files as people have them: in any encoding, many in a file, broken ones and variants among them."""

import codecs
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import chess
import chess.pgn

from agent.errors import InputError
from agent.notation import move_number, read_fen

# The error handler "ansi": bytes that are no UTF-8 are Windows-1252, which is Latin-1 and more; each stays a letter.
_ANSI = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}
codecs.register_error("ansi", lambda e: (e.object[e.start : e.end].decode("latin-1").translate(_ANSI), e.end))  # type: ignore[attr-defined]
chess.pgn.LOGGER.setLevel(logging.CRITICAL)  # what it finds wrong is said in our sentence


class PastedText(NamedTuple):
    """A game where a file of games is expected."""

    text: str

    def open(self, _mode: str) -> io.BufferedReader:
        """As a file."""
        return io.BufferedReader(io.BytesIO(self.text.encode(errors="replace")))

    def __str__(self) -> str:
        return "the pasted text"


class FoundGame(NamedTuple):
    """One game of a file: its text as it stands there, and one sentence why it cannot be used, empty if it can."""

    number: int
    text: str
    game: chess.pgn.Game
    fault: str


def read_games(path: Path | PastedText, say: Callable[[str], None] = lambda sentence: None) -> Iterator[chess.pgn.Game]:
    """The games of a PGN file that can be used; `say` gets a sentence for each that is skipped. Raises InputError: the
    file cannot be read, or holds no game that can be used."""
    faults, usable = list[str](), False
    for found in find_games(path):
        if found.fault:
            faults.append(found.fault)
            continue
        usable = True
        while faults:
            say(f"skipped: {faults.pop(0)}")
        yield found.game
    if not usable:
        raise InputError(faults[0])
    for fault in faults:
        say(f"skipped: {fault}")


def find_games(path: Path | PastedText) -> Iterator[FoundGame]:
    """Every game of a PGN file in UTF-8, UTF-16 or Latin-1. Raises InputError: it cannot be read or holds none."""
    number = 0
    try:
        with path.open("rb") as file:
            start = file.peek(2)[:2]
            encoding = {0: "utf-16-be", 1: "utf-16-le"}.get(start.find(b"\0"), "utf-8-sig")
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                encoding = "utf-16"
            lines = _Lines(file, encoding=encoding, errors="ansi")
            while (game := lines.next_game()) is not None:
                number, text = number + 1, "".join(lines.found)
                fault = _fault(game, text)
                fault = fault and f"game {number} of '{path}' cannot be read ({fault}); correct it"
                yield FoundGame(number, text, game, fault)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{path}' cannot be read ({reason}); name a PGN file") from error
    if number == 0:
        raise InputError(f"'{path}' holds no game; name a PGN file")


class _Lines(io.TextIOWrapper):
    """The lines of a PGN file; `found` are those of the last game."""

    found: list[str]

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        self.found.append(super().readline(size))
        return self.found[-1]

    def next_game(self) -> chess.pgn.Game | None:
        """The next game, with its errors; None at the end."""
        self.found, builder = [], chess.pgn.GameBuilder()
        try:
            return chess.pgn.read_game(self, Visitor=lambda: builder)
        except (ValueError, IndexError, AssertionError) as error:  # where python-chess gives up, as at $999...
            builder.game.errors.append(error)
            while self.readline().strip():
                pass
            return builder.game


def _fault(game: chess.pgn.Game, text: str) -> str:
    """Why a game's moves cannot be used; empty if they can. Rights that its first position cannot have are dropped."""
    if game.errors:
        return str(game.errors[0])[:200]
    if not game.variations and "[" not in text:
        return "it has neither tags nor moves"
    board = game.board()
    if type(board) is not chess.Board or board.chess960:
        return f"its variant is {game.headers.get('Variant', 'Chess960')}, not standard chess"
    try:
        if "FEN" in game.headers:
            board = read_fen(game.headers["FEN"])
            game.headers["FEN"] = board.fen(en_passant="fen")
    except InputError as error:
        return str(error).removesuffix("; correct it")
    for move in game.mainline_moves():
        if not board.is_legal(move):
            return f"{move_number(board)} {move.uci() if move else '--'} is no legal move"
        board.push(move)
    return "" if board.fullmove_number < 1 << 24 else "a clock is too high"
