"""Dialogs over the board: a page of text, and the choice of a promotion piece."""

from typing import ClassVar, Final

import chess
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

_KINDS: Final = (chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT)


class Page(ModalScreen[None]):
    """A text too long for the log, such as the help; the arrow keys scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,enter,space,q,f1", "dismiss", "back")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, which takes the keys."""
        with VerticalScroll(id="page") as page:
            page.border_subtitle = "Esc: back"
            yield Static(Text(self._text))


class Promotion(ModalScreen[int | None]):
    """Which piece a pawn becomes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *((chess.piece_symbol(kind), f"become({kind})", chess.piece_name(kind)) for kind in _KINDS),
        ("escape", "become(0)", "back"),
    ]

    def compose(self) -> ComposeResult:
        """Four buttons."""
        with Horizontal(id="pieces"):
            for kind in _KINDS:
                yield Button(chess.piece_name(kind), id=chess.piece_name(kind))

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """A click."""
        self.dismiss(chess.PIECE_NAMES.index(event.button.id or "queen"))

    def action_become(self, kind: int) -> None:
        """A key."""
        self.dismiss(kind or None)
