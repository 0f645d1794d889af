"""A game on text streams: prompts, lines of text, and the board."""

from dataclasses import dataclass
from typing import TextIO

import chess

FIGURINES = dict(zip("KQRBNPkqrbnp", "♔♕♖♗♘♙♚♛♜♝♞♟", strict=True))


@dataclass
class Streams:
    """Where lines come from and go to.

    Args:
        input: one command or move a line.
        output: all text.
        person: whether the input is a keyboard. Then prompts stay on the line, and another game may follow; else
            prompts end their line, and the program ends with the game.
    """

    input: TextIO
    output: TextIO
    person: bool = False

    def ask(self, prompt: str) -> str | None:
        """One line without its end, or None at the end of input."""
        if self.person:
            try:
                return input(f"{prompt} ")  # with line editing where readline is available
            except EOFError:
                self.say()
                return None
        self.say(prompt)
        line = self.input.readline()
        return line.strip() if line else None

    def say(self, text: str = "") -> None:
        """Write `text` and a line end at once; characters that the encoding lacks become `?`."""
        encoding = self.output.encoding or "utf-8"
        self.output.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self.output.flush()

    @property
    def figurines(self) -> bool:
        """Whether the output can show chess figurines."""
        try:
            "♔♟·".encode(self.output.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True


def draw_board(board: chess.Board, *, flipped: bool = False, figurines: bool = True) -> str:
    """The board as ten lines, White below unless `flipped`; letters (white upper case) without `figurines`."""
    ranks = range(8) if flipped else range(7, -1, -1)
    files = range(7, -1, -1) if flipped else range(8)
    rows = [
        f"{rank + 1} {' '.join(_cell(board, chess.square(file, rank), figurines) for file in files)}" for rank in ranks
    ]
    letters = " ".join("abcdefgh"[file] for file in files)
    return "\n".join(["", *rows, f"  {letters}"])


def _cell(board: chess.Board, square: chess.Square, figurines: bool) -> str:
    piece = board.piece_at(square)
    if piece is None:
        return "·" if figurines else "."
    return FIGURINES[piece.symbol()] if figurines else piece.symbol()
