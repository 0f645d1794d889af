"""The board widget: squares to click, or to reach with the arrow keys."""

from typing import ClassVar, Final, NamedTuple

import chess
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

SIZES: Final = ((6, 3), (4, 2), (3, 1))
"""Cells of a square, wide and high: the largest that fits is taken. Cells are about twice as high as wide."""
MARGIN: Final = 2  # cells of the rank numbers on the left


class Theme(NamedTuple):
    """Colours of squares and pieces; marked squares differ in brightness too, not only in hue."""

    light: str
    dark: str
    last: str
    selected: str
    target: str
    check: str
    white: str
    black: str
    figurines: bool = True


PAINTED: Final = {
    "figurines": Theme("#b58863", "#8a5f3f", "#9a9a3a", "#4f8a4f", "#6f9a8f", "#b83a3a", "#ffffff", "#101010"),
    "ascii": Theme("#5a5a5a", "#3a3a3a", "#6a6a30", "#2f6a2f", "#2f5a6a", "#8a2f2f", "#ffffff", "#e0c060", False),
    # Blue against orange, the pair of Okabe and Ito (2008) that all kinds of colour vision tell apart.
    "colour-blind": Theme("#7fa8c9", "#456b8c", "#e69f00", "#f0e442", "#56b4e9", "#d55e00", "#ffffff", "#000000"),
}


class Squares(Widget, can_focus=True):
    """Eight ranks of eight squares, with letters below. Attributes are set by the app, which calls `refresh`: board,
    flipped, theme_name, selected, targets."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(0,1)", show=False),
        Binding("down", "walk(0,-1)", show=False),
        Binding("left", "walk(-1,0)", show=False),
        Binding("right", "walk(1,0)", show=False),
        Binding("enter,space", "choose", show=False),
    ]

    class Chosen(Message):
        """A square was clicked, or chosen by key."""

        def __init__(self, square: chess.Square) -> None:
            super().__init__()
            self.square = square

    def __init__(self, board: chess.Board) -> None:
        super().__init__(id="squares")
        self.board = board
        self.flipped = False
        self.theme_name = "figurines"
        self.selected: chess.Square | None = None
        self.targets: frozenset[chess.Square] = frozenset()
        self.cursor: chess.Square = chess.E2
        self.wide, self.high = SIZES[0]

    @property
    def outer(self) -> tuple[int, int]:
        """Cells of the whole board, wide and high."""
        return MARGIN + 8 * self.wide, 8 * self.high + 1

    def fit(self, width: int, height: int) -> None:
        """Take the largest squares with which the board needs no more cells than these, else the smallest."""
        for self.wide, self.high in SIZES:
            if self.outer[0] <= width and self.outer[1] <= height:
                break
        self.styles.width, self.styles.height = self.outer
        self.refresh(layout=True)

    def square_at(self, x: int, y: int) -> chess.Square | None:
        """The square of a cell; None: beside the board."""
        column, row = (x - MARGIN) // self.wide, y // self.high
        if x < MARGIN or not (0 <= column < 8 and 0 <= row < 8):
            return None
        return chess.square(7 - column, row) if self.flipped else chess.square(column, 7 - row)

    def on_click(self, event: Click) -> None:
        """Choose the square under the mouse."""
        square = self.square_at(event.x, event.y)
        if square is not None:
            self.cursor = square
            self.post_message(self.Chosen(square))

    def action_walk(self, files: int, ranks: int) -> None:
        """Move the cursor as seen on the screen."""
        turn = -1 if self.flipped else 1
        file = min(max(chess.square_file(self.cursor) + turn * files, 0), 7)
        rank = min(max(chess.square_rank(self.cursor) + turn * ranks, 0), 7)
        self.cursor = chess.square(file, rank)
        self.refresh()

    def action_choose(self) -> None:
        """Choose the square under the cursor."""
        self.post_message(self.Chosen(self.cursor))

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        files = range(7, -1, -1) if self.flipped else range(8)
        beside = self.rich_style + Style(dim=True)
        if y >= 8 * self.high:
            letters = "".join("abcdefgh"[file].center(self.wide) for file in files)
            return Strip([Segment(" " * MARGIN + letters, beside)])
        rank = y // self.high if self.flipped else 7 - y // self.high
        middle = y % self.high == self.high // 2
        cells = [Segment(f"{rank + 1} " if middle else "  ", beside)]
        cells += [self._cell(chess.square(file, rank), middle) for file in files]
        return Strip(cells)

    def _cell(self, square: chess.Square, middle: bool) -> Segment:
        theme, piece = PAINTED[self.theme_name], self.board.piece_at(square)
        white = piece is not None and piece.color == chess.WHITE
        style = Style(color=theme.white if white else theme.black, bgcolor=self._ground(square), bold=True)
        letter = " "
        if piece is not None:
            letter = chess.UNICODE_PIECE_SYMBOLS[piece.symbol().lower()] if theme.figurines else piece.symbol()
        elif square in self.targets:
            letter = "•" if theme.figurines else "."
        words = letter.center(self.wide) if middle else " " * self.wide
        if self.has_focus and square == self.cursor:
            words = f"[{words[1:-1]}]"
        elif piece is not None and square in self.targets:
            words = f"‹{words[1:-1]}›" if middle else words
        return Segment(words, style)

    def _ground(self, square: chess.Square) -> str:
        theme = PAINTED[self.theme_name]
        if square == self.selected:
            return theme.selected
        if self.board.is_check() and square == self.board.king(self.board.turn):
            return theme.check
        if self.board.move_stack and square in (self.board.peek().from_square, self.board.peek().to_square):
            return theme.last
        if square in self.targets:
            return theme.target
        return theme.light if (chess.square_file(square) + chess.square_rank(square)) % 2 else theme.dark
