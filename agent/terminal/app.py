"""`zeromass play` in a terminal: a board to click or type on, and the agent's report beside it."""

from typing import ClassVar, Final

import chess
from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from agent.engine.limits import Control
from agent.engine.report import Report
from agent.errors import InputError
from agent.notation import quote
from agent.play.commands import obey
from agent.play.sides import ChosenMove, Side
from agent.terminal.dialogs import Promotion
from agent.terminal.squares import Squares
from agent.terminal.view import BoardSession, BoardView

_KEYS: Final = ("help", "new", "hint", "undo", "flip", "theme", "draw", "resign")  # commands on F1 to F8
_SLOW: Final = ("hint", "engine", "run")  # commands that take a while: they run in a thread of their own, one at a time


class BoardApp(BoardView):
    """The game of a session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *((f"f{number}", f"obey('{word}')", word) for number, word in enumerate(_KEYS, 1)),
        ("f10", "quit", "quit"),
        Binding("pageup", "scroll_log(-2)", show=False),
        Binding("pagedown", "scroll_log(2)", show=False),
    ]

    def __init__(self, session: BoardSession) -> None:
        super().__init__(session)
        self._control: Control | None = None  # of the search for a move
        self._busy = ""  # the slow command that is running

    def begin(self) -> None:
        """Start the game."""
        self.session.game.settle()
        self.set_interval(0.25, self._tick)
        self._go_on()

    def on_unmount(self) -> None:
        """Cancel searches and end engines."""
        self.session.close()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        line = event.value.strip()
        event.input.clear()
        if line:
            self.action_obey(line)

    def action_obey(self, line: str) -> None:
        """Carry out a command or play a move."""
        word = line.split()[0].lower()
        if self._busy and word not in ("quit", "exit", "q"):
            self.say(f"Still busy with {quote(self._busy)}; wait, or quit.")
        elif word in _SLOW:
            self._busy = line
            self.run_worker(lambda: self._obey_slowly(line), thread=True, group="command", exit_on_error=True)
        elif obey(self.session, line):
            self._go_on()
        else:
            self.exit()

    def _obey_slowly(self, line: str) -> None:
        """In a thread of its own."""
        obey(self.session, line)
        self.in_app_thread(self._obeyed)

    def _obeyed(self) -> None:
        self._busy = ""
        self._go_on()

    @on(Squares.Chosen)
    def _chosen(self, event: Squares.Chosen) -> None:
        """First the piece, then its target."""
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
        game = self.session.game
        if self.is_running and game.minutes is not None and not game.over:  # not while the board closes
            self.session.flag()
            self.draw_players()

    def _go_on(self) -> None:
        """Draw, and let a program whose turn it is begin to think."""
        session = self.session
        session.game.run_clock()
        self.draw()
        side = session.mover
        if side is not None and self._control is None:
            control = self._control = Control()
            self.run_worker(lambda: self._choose(side, control), thread=True, group="search", exit_on_error=True)

    def cancel(self) -> None:
        """Cancel the search in progress; its move will not be played."""
        if self._control is not None:
            self._control.stop()
            self._control = self.report = None

    def _choose(self, side: Side, control: Control) -> None:
        """In a thread of its own."""
        board = self.session.board.copy()

        def watch(report: Report) -> None:
            self.in_app_thread(self._look, control, report, board)

        try:
            chosen = self.session.choose(side, control, watch)
        except InputError as error:
            self.in_app_thread(self._give_up, control, str(error))
            return
        self.in_app_thread(self._apply, control, chosen)

    def _look(self, control: Control, report: Report, board: chess.Board) -> None:
        if self._control is control:
            self.report = (report, board)
            self.draw_report()

    def _apply(self, control: Control, chosen: ChosenMove) -> None:
        if self._control is control:  # else it was cancelled
            self._control = self.report = None
            self.session.apply(chosen)
            self._go_on()

    def _give_up(self, control: Control, why: str) -> None:
        if self._control is control:
            self._control = self.report = None
            self.say(f"{why}.")
            self.action_obey("engine off")
