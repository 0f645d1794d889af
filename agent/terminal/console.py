"""A game on text streams: prompts, lines of text, and the board."""

from dataclasses import dataclass
from typing import TextIO

import chess

_LETTERS = str.maketrans({symbol: letter for letter, symbol in chess.UNICODE_PIECE_SYMBOLS.items()} | {"·": "."})


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
    squares = board.unicode(empty_square="·", orientation=not flipped)
    ranks, files = ("12345678", "h g f e d c b a") if flipped else ("87654321", "a b c d e f g h")
    rows = [f"{rank} {row}" for rank, row in zip(ranks, squares.splitlines(), strict=True)]
    return "\n".join(["", *(rows if figurines else [row.translate(_LETTERS) for row in rows]), f"  {files}"])
