"""The board in the terminal: its layout and everything that is drawn there."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import chess
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key, Paste, Resize
from textual.suggester import SuggestFromList
from textual.widgets import Footer, Input, Label, Static

from agent.engine.report import Report
from agent.play.commands import COMMANDS
from agent.play.session import Session
from agent.terminal.dialogs import Page
from agent.terminal.panels import move_list, player_line, report_table, score_bar
from agent.terminal.squares import PAINTED, Squares

_SHORT: Final = 3  # lines that are no page, however low the log is: the moves of the agent among them
_WIDE: Final = 70  # columns from which there is a right half


class BoardSession(Session):
    """A session drawn by an app."""

    app: "BoardView"

    def say(self, text: str) -> None:
        """Into the log, or on a page of its own."""
        self.app.in_app_thread(self.app.tell, text)

    def show(self) -> None:
        """Redraw everything."""
        self.app.in_app_thread(self.app.draw)

    def interrupt(self) -> None:
        """Cancel the search in progress and discard its result."""
        self.app.in_app_thread(self.app.cancel)


class _Newest(VerticalScroll, can_focus=False):
    """Shows its end, also once its size has changed."""

    def on_resize(self) -> None:
        self.scroll_end(animate=False)


class _Growing(Static):
    """Text in a `_Newest`, which shows the text's end once it has grown."""

    def on_resize(self) -> None:
        self.query_ancestor(_Newest).scroll_end(animate=False)


class BoardView(App[None]):
    """The screen of a session. `BoardApp` adds what happens on it."""

    TITLE = "ZeroMass"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-lowest"), (14, "-low"), (30, "-high")]  # noqa: RUF012

    def __init__(self, session: BoardSession) -> None:
        super().__init__()
        self.session = session
        session.app = self
        self.said: list[str] = []  # the lines of the log
        self.report: tuple[Report, chess.Board] | None = None  # newest of the search in progress, and its position
        self._columns = 0  # of the left half
        self._thread = threading.get_ident()

    def compose(self) -> ComposeResult:
        """Board and input on the left, report and moves on the right."""
        with Horizontal():
            with Vertical(id="left"):
                yield Static(id="above", classes="player")
                yield Squares(self.session.board)
                yield Static(id="below", classes="player")
                yield Input(placeholder="a move (e4, e7e8q) or help", id="line", compact=True, select_on_focus=False)
                yield Label(id="legal")
                with _Newest(id="log"):
                    yield _Growing(id="said")
            with Vertical(id="right"):
                yield Static(id="bar")
                yield Static(id="report")
                with _Newest(id="moves-box"):
                    yield _Growing(id="moves")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin."""
        self._thread = threading.get_ident()
        self.query_one("#line", Input).focus()
        for warning in self.session.agent.warnings:
            self.say(f"{warning}.")
        self.say(f"You play against {self.session.agent.origin}. Click, or type a move or help.")
        self.begin()

    def on_resize(self, event: Resize) -> None:
        """Squares as large as the terminal allows."""
        (width, height), squares = event.size, self.query_one(Squares)
        wide = width >= _WIDE
        squares.fit(width - (46 if wide else 2), height - (7 if height >= 14 else 3))
        self._columns = max(squares.outer[0], 34) if wide else width - 2
        self.query_one("#left").styles.width = self._columns + 2
        self.call_after_refresh(self._draw_sized)

    def _draw_sized(self) -> None:
        """Redraw what depends on the size; a selected piece stays selected."""
        self.draw_players()
        self.draw_report()
        self._draw_legal(self.query_one("#line", Input).value)
        self._show_end("#log")

    def in_app_thread(self, task: Callable[..., None], *arguments: object) -> None:
        """Call `task` in the app's own thread, from any thread; nothing happens once the app has ended."""
        if threading.get_ident() == self._thread:
            task(*arguments)
        elif self.is_running:
            self.call_from_thread(task, *arguments)

    def begin(self) -> None:
        """Start the game."""

    def cancel(self) -> None:
        """Cancel the search in progress."""

    def say(self, text: str) -> None:
        """Add to the log."""
        self.said = [*self.said, text][-100:]
        self.query_one("#said", Static).update(Text("\n".join(self.said)))
        self._show_end("#log")

    def tell(self, text: str) -> None:
        """Add to the log, or show a page where the log could not show all of it."""
        size = self.query_one("#log").size
        if len(Text(text).wrap(self.console, max(size.width, 30))) > max(size.height, _SHORT):
            self.push_screen(Page(text))
        else:
            self.say(text)

    @on(Key)
    @on(Paste)
    def _type_anywhere(self, event: Key | Paste) -> None:
        """What nothing else took is typed on the line, wherever the focus is; a space chooses a square."""
        line = self.query_one("#line", Input)
        text = event.text if isinstance(event, Paste) else event.character if event.is_printable else None
        if text and text != " " and not line.has_focus and len(self.screen_stack) == 1:
            line.focus()
            line.insert_text_at_cursor(text.splitlines()[0])
            event.stop()

    def action_scroll_log(self, lines: int) -> None:
        """Show what was said before, or after."""
        self.query_one("#log").scroll_relative(y=lines)

    def _show_end(self, place: str) -> None:
        """Scroll to the end, wherever the user has scrolled."""
        self.query_one(place, _Newest).scroll_end(animate=False)

    def draw(self) -> None:
        """Redraw everything."""
        session, squares = self.session, self.query_one(Squares)
        squares.board, squares.flipped, squares.theme_name = session.board, session.flipped, session.theme
        squares.selected, squares.targets = None, frozenset()
        squares.refresh()
        self.draw_players()
        self.query_one("#moves", Static).update(move_list(session.game))
        self._show_end("#moves-box")
        self.draw_report()
        ucis = [move.uci() for move in session.board.legal_moves]
        line = self.query_one("#line", Input)
        line.suggester = SuggestFromList([*self._legal_sans(), *ucis, *COMMANDS, "quit"], case_sensitive=True)
        self._draw_legal(line.value)

    def draw_players(self) -> None:
        """Names, clocks and captured pieces."""
        session, figurines = self.session, PAINTED[self.session.theme].figurines
        above = chess.WHITE if session.flipped else chess.BLACK
        for place, color in (("#above", above), ("#below", not above)):
            line = player_line(session.game, color, session.label(color), self._columns, figurines=figurines)
            self.query_one(place, Static).update(line)

    def draw_report(self) -> None:
        """What the agent thinks."""
        report, board = self.report or self.session.thought or (None, self.session.board)
        bar = self.query_one("#bar", Static)
        bar.update(score_bar(report, board.turn, bar.size.width))
        self.query_one("#report", Static).update(report_table(report, board))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._draw_legal(event.value)

    def _legal_sans(self) -> list[str]:
        board = self.session.board
        sans = () if self.session.game.over else map(board.san, board.legal_moves)
        return sorted(sans, key=lambda san: san.replace("=Q", "=A"))  # what completes g1 first

    def _draw_legal(self, typed: str) -> None:
        """The legal moves that begin with what was typed."""
        fits = [san for san in self._legal_sans() if san.lower().startswith(typed.strip().lower())]
        shown = ""
        for number, san in enumerate(fits):
            more = f" and {len(fits) - number - 1} more" if number + 1 < len(fits) else ""
            if len(f"{shown} {san}{more}") > self._columns + 1:
                shown += f" and {len(fits) - number} more"
                break
            shown += f" {san}"
        self.query_one("#legal", Label).update(Text(shown[1:]))
