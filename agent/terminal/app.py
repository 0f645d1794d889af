"""`zeromass play` in a terminal: a board to click or type on, and the agent's thoughts beside it."""

import threading
from collections.abc import Callable
from typing import ClassVar

import chess
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.suggester import SuggestFromList
from textual.widgets import Footer, Input, Label, Static

from agent.engine.agent import Opponent
from agent.engine.limits import Control
from agent.engine.report import Report
from agent.errors import InputError
from agent.notation import quote
from agent.play.seats import AgentSeat, Choice, Seat
from agent.play.session import Session
from agent.terminal.dialogs import Page, Promotion
from agent.terminal.panels import move_list, player_line, score_bar, thought_table
from agent.terminal.squares import PAINTED, Squares


class BoardSession(Session):
    """A session drawn by the app."""

    app: "BoardApp"

    def say(self, text: str) -> None:
        """Into the log, or on a page of its own."""
        self.app.at_home(self.app.open if text.count("\n") >= _LONG else self.app.tell, text)

    def show(self) -> None:
        """Draw everything anew."""
        self.app.at_home(self.app.draw)

    def interrupt(self) -> None:
        """Stop the thought and forget what it comes to."""
        self.app.at_home(self.app.stop_thought)


_SLOW = ("hint", "engine", "run")
"""Commands that take a while: obeyed in a thread of their own, one at a time."""
_LONG = 8
"""Line ends that make a text a page."""
_WIDE = 70
"""Columns from which there is a right half."""


class BoardApp(App[None]):
    """The game.

    Args:
        opponent: the agent.
        start: where games start.
        person: the colour that the person plays.
        rest: see `Session`.
    """

    TITLE = "ZeroMass"
    CSS = """
    #left { height: 1fr; padding: 0 1; }
    #right { width: 1fr; height: 1fr; padding: 0 1; }
    #moves-box { height: 1fr; min-height: 3; border: round $primary; }
    #log { height: 1fr; border-top: solid $primary; }
    #log, #moves-box { scrollbar-size-vertical: 1; scrollbar-background: $background; }
    #line { background: $boost; }
    #bar { height: 2; }
    #thoughts { height: auto; max-height: 8; margin-bottom: 1; }
    #legal { width: 1fr; height: 1; color: $text-muted; }
    .player { height: 1; }
    Screen.-low #log, Screen.-lowest #log { border-top: none; }
    Screen.-lowest #legal, Screen.-lowest .player, Screen.-lowest Footer { display: none; }
    Screen.-narrow #right { display: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-lowest"), (14, "-low"), (30, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        ("f1", "say('help')", "help"),
        ("f2", "say('new')", "new"),
        ("f3", "say('hint')", "hint"),
        ("f4", "say('undo')", "undo"),
        ("f5", "say('flip')", "flip"),
        ("f6", "say('theme')", "theme"),
        ("f7", "say('draw')", "draw"),
        ("f8", "say('resign')", "resign"),
        ("f10", "quit", "quit"),
    ]

    def __init__(self, opponent: Opponent, start: chess.Board, person: chess.Color, **rest: object) -> None:
        super().__init__()
        self.session = BoardSession(opponent, start, person, **rest)  # type: ignore[arg-type]
        self.session.app = self
        self._control: Control | None = None
        self._thought: tuple[Report, chess.Board] | None = None
        self.said: list[str] = []
        """What stands in the log."""
        self._room = 0  # columns of the left half
        self._busy = ""  # with this command
        self._home = threading.get_ident()

    def compose(self) -> ComposeResult:
        """Board and input on the left, thoughts and moves on the right."""
        with Horizontal():
            with Vertical(id="left"):
                yield Static(id="above", classes="player")
                yield Squares(self.session.board)
                yield Static(id="below", classes="player")
                yield Input(placeholder="a move (e4, e7e8q) or help", id="line", compact=True)
                yield Label(id="legal")
                with VerticalScroll(id="log"):
                    yield Static(id="said")
            with Vertical(id="right"):
                yield Static(id="bar")
                yield Static(id="thoughts")
                with VerticalScroll(id="moves-box"):
                    yield Static(id="moves")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin."""
        self._home = threading.get_ident()
        self.query_one("#line", Input).focus()
        for warning in self.session.opponent.warnings:
            self.tell(f"{warning}.")
        self.tell(f"You play against {self.session.opponent.origin}. Click, or type a move or help.")
        self.session.game.settle()
        self.set_interval(0.25, self._tick)
        self._go_on()

    def on_resize(self, event: Resize) -> None:
        """Squares as large as the terminal allows."""
        width, height = event.size
        squares = self.query_one(Squares)
        wide = width >= _WIDE
        squares.fit(width - (46 if wide else 2), height - (7 if height >= 14 else 3))
        self._room = max(squares.outer[0], 34) if wide else width - 2
        self.query_one("#left").styles.width = self._room + 2
        self.call_after_refresh(self._draw_sized)

    def _draw_sized(self) -> None:
        """What depends on the room there is; a piece taken up stays so."""
        self._draw_thought()
        self._draw_legal(self.query_one("#line", Input).value)
        self._show_end("#log")

    def on_unmount(self) -> None:
        """Leave no thought and no engine behind."""
        self.session.close()

    def tell(self, text: str) -> None:
        """Add to the log."""
        self.said = [*self.said, text][-100:]
        self.query_one("#said", Static).update(Text("\n".join(self.said)))
        self._show_end("#log")

    def open(self, text: str) -> None:
        """Show a page."""
        self.push_screen(Page(text))

    def _show_end(self, place: str) -> None:
        """Scroll there once the new text has been laid out."""
        self.call_after_refresh(self.query_one(place, VerticalScroll).scroll_end, animate=False)

    def draw(self) -> None:
        """Everything anew."""
        session = self.session
        squares = self.query_one(Squares)
        squares.board, squares.flipped, squares.theme_name = session.board, session.flipped, session.theme
        squares.selected, squares.targets = None, frozenset()
        squares.refresh()
        self._draw_players()
        self.query_one("#moves", Static).update(move_list(session.game))
        self._show_end("#moves-box")
        self._draw_thought()
        sans = [] if session.game.over else sorted(session.board.san(move) for move in session.board.legal_moves)
        ucis = [move.uci() for move in session.board.legal_moves]
        line = self.query_one("#line", Input)
        line.suggester = SuggestFromList([*sans, *ucis, *session.commands, "quit"], case_sensitive=True)
        self._draw_legal(line.value)

    def _draw_players(self) -> None:
        session, figurines = self.session, PAINTED[self.session.theme].figurines
        above = chess.WHITE if session.flipped else chess.BLACK
        for place, color in (("#above", above), ("#below", not above)):
            seat = session.seats[color]
            name = f"ZeroMass, {seat.level}" if isinstance(seat, AgentSeat) else session.names[color]
            self.query_one(place, Static).update(player_line(session.game, color, name, figurines=figurines))

    def _draw_thought(self) -> None:
        report, board = self._thought or (None, self.session.board)
        bar = self.query_one("#bar", Static)
        bar.update(score_bar(report, board.turn, bar.size.width))
        self.query_one("#thoughts", Static).update(thought_table(report, board))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._draw_legal(event.value)

    def _draw_legal(self, typed: str) -> None:
        """The legal moves that begin as what was typed."""
        board = self.session.board
        sans = [] if self.session.game.over else sorted(board.san(move) for move in board.legal_moves)
        fits = [san for san in sans if san.lower().startswith(typed.strip().lower())]
        room, shown = self._room, ""
        for number, san in enumerate(fits):
            more = f" and {len(fits) - number - 1} more" if number + 1 < len(fits) else ""
            if len(f"{shown} {san}{more}") > room + 1:
                shown += f" and {len(fits) - number} more"
                break
            shown += f" {san}"
        self.query_one("#legal", Label).update(Text(shown[1:]))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        line = event.value.strip()
        event.input.clear()
        if line:
            self.action_say(line)

    def action_say(self, line: str) -> None:
        """Obey a command or play a move."""
        word = line.split()[0].lower()
        if self._busy and word not in ("quit", "exit", "q"):
            self.tell(f"Still busy with {quote(self._busy)}; wait, or quit.")
        elif word in _SLOW:
            self._busy = line
            self.run_worker(lambda: self._obey_slowly(line), thread=True, group="command", exit_on_error=True)
        elif self.session.obey(line):
            self._go_on()
        else:
            self.exit()

    def _obey_slowly(self, line: str) -> None:
        """In a thread of its own."""
        self.session.obey(line)
        self.at_home(self._obeyed)

    def _obeyed(self) -> None:
        self._busy = ""
        self._go_on()

    def at_home(self, task: Callable[..., None], *arguments: object) -> None:
        """Call `task` in the app's own thread, from whatever thread this is; not at all once the app has ended."""
        if threading.get_ident() == self._home:
            task(*arguments)
        elif self.is_running:
            self.call_from_thread(task, *arguments)

    @on(Squares.Chosen)
    def _chosen(self, event: Squares.Chosen) -> None:
        """First the piece, then where it goes."""
        session, squares = self.session, self.query_one(Squares)
        if session.game.over or session.mover is not None or self._busy:
            return
        board, origin = session.board, squares.selected
        moves = [move for move in board.legal_moves if move.from_square == origin and move.to_square == event.square]
        if len(moves) > 1:
            self.push_screen(Promotion(), lambda kind: self._promote(moves, kind))
        elif moves:
            self._play(moves[0])
        else:
            own = board.color_at(event.square) == board.turn and event.square != origin
            squares.selected = event.square if own else None
            targets = (move.to_square for move in board.legal_moves if move.from_square == squares.selected)
            squares.targets = frozenset(targets)
            squares.refresh()

    def _promote(self, moves: list[chess.Move], kind: int | None) -> None:
        chosen = [move for move in moves if move.promotion == kind and move in self.session.board.legal_moves]
        if chosen:
            self._play(chosen[0])
        else:
            self.draw()

    def _play(self, move: chess.Move) -> None:
        self.session.play_move(move)
        self._go_on()

    def _tick(self) -> None:
        """Clocks."""
        game = self.session.game
        if game.minutes is not None and not game.over:
            if game.flag():
                self.stop_thought()
                self.session.announce()
            self._draw_players()

    def _go_on(self) -> None:
        """Draw, and let whoever moves by itself begin to think."""
        session = self.session
        session.game.run_clock()
        self.draw()
        seat = session.mover
        if seat is not None and self._control is None:
            control = self._control = Control()
            self.run_worker(lambda: self._choose(seat, control), thread=True, group="thought", exit_on_error=True)

    def stop_thought(self) -> None:
        """Stop whoever thinks; its move will not be played."""
        if self._control is not None:
            self._control.stop()
            self._control = None

    def _choose(self, seat: Seat, control: Control) -> None:
        """In a thread of its own."""
        board = self.session.board.copy()

        def watch(report: Report) -> None:
            self.at_home(self._look, control, report, board)

        try:
            choice = self.session.choose(seat, control, watch)
        except InputError as error:
            self.at_home(self._give_up, control, str(error))
            return
        self.at_home(self._apply, control, choice, board)

    def _look(self, control: Control, report: Report, board: chess.Board) -> None:
        if self._control is control:
            self._thought = (report, board)
            self._draw_thought()

    def _apply(self, control: Control, choice: Choice, board: chess.Board) -> None:
        if self._control is not control:
            return  # interrupted meanwhile
        self._control = None
        if choice.report is not None:
            self._thought = (choice.report, board)
        if not self.session.game.flag():
            self.session.apply(choice)
        else:
            self.session.announce()
        self._go_on()

    def _give_up(self, control: Control, why: str) -> None:
        if self._control is control:
            self._control = None
            self.tell(f"{why}.")
            self.action_say("engine off")
