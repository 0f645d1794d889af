"""What a page asks about positions: the policy, an open search, verdicts on all moves."""

import asyncio
import functools
from collections.abc import Callable
from typing import Final

import chess

from agent.browser.messages import Outbox
from agent.browser.policy import policy_of
from agent.browser.state import report_state
from agent.engine.limits import Control, Limits, ThinkOptions
from agent.engine.report import Report
from agent.errors import InputError
from agent.play.judge import Judged, judge_game
from agent.play.session import Session

EVERY: Final = 0.18  # seconds between two reports of a search
_LONGEST: Final = 120.0  # seconds of an open search
_searches: Final[set[Control]] = set()  # open ones, of all pages
_NODES: Final = 20_000  # of each position whose move is judged, as `zeromass analyse` has them


def stop_searches() -> None:
    """End the open searches of all pages, which share the agent: a move that is due goes first."""
    for control in _searches:
        control.stop()


class Thoughts:
    """Of one page. `in_loop` calls a function in the event loop's thread, from any thread."""

    def __init__(self, session: Session, outbox: Outbox, in_loop: Callable[..., None]) -> None:
        self.session, self.outbox, self.in_loop = session, outbox, in_loop
        self._control: Control | None = None  # of an open search, or of judging
        self._judged: list[Judged] = []

    def stop(self) -> None:
        """End what is going on."""
        if self._control is not None:
            self._control.stop()
            self._control = None

    def judged(self) -> dict[int, Judged]:
        """Verdicts by ply, counted from 1; none once the game is another one."""
        moves = [judged.move for judged in self._judged]
        if moves != self.session.board.move_stack[: len(moves)]:
            self._judged = []
        return {judged.ply: judged for judged in self._judged}

    def report(self, board: chess.Board, report: Report, *, live: bool) -> None:
        """Show what a search of `board` has found; `live`: so far."""
        self.outbox.put("thought", fen=board.fen(), live=live, **report_state(report, board))

    def _position(self, ply: int) -> chess.Board:
        """After `ply` plies; after the last where there are fewer."""
        board = self.session.board.copy()
        for _ in range(len(self.session.game.notes) - ply):
            board.pop()
        return board

    async def look(self, ply: int) -> None:
        """The policy of a position, and what the agent thought there when it chose its move."""
        board, reports, weights = self._position(ply), self.session.game.reports, self.session.agent.weights
        if ply < len(reports) and (report := reports[ply]) is not None:
            self.report(board, report, live=False)
        if weights is not None and any(board.legal_moves):
            self.outbox.put("policy", fen=board.fen(), **await asyncio.to_thread(policy_of, board, weights))

    async def think(self, ply: int) -> None:
        """Search a position until stopped. Raises InputError: it cannot be searched now."""
        board = self._position(ply)
        if self.session.mover is not None:
            raise InputError("the agent is thinking about its move; wait")
        if not any(board.legal_moves):
            raise InputError("the game is over in this position, so there is nothing to search; step back")
        control = self._control = Control(EVERY)

        def watch(report: Report) -> None:
            if self._control is control:
                self.in_loop(lambda: self.report(board, report, live=True))

        think = functools.partial(self.session.agent.think, control=control, watch=watch)
        _searches.add(control)
        report = await asyncio.to_thread(think, board, Limits(seconds=_LONGEST), ThinkOptions(lines=5, keep=1))
        _searches.discard(control)
        if self._control in (control, None) and self.session.mover is None:
            self._control = None
            self.report(board, report, live=False)

    async def judge(self) -> None:
        """Verdicts on all moves. Raises InputError: there are none, or the agent is to move."""
        session, total, done = self.session, len(self.session.game.notes), 0
        if session.mover is not None or not total:
            raise InputError("there is nothing to judge; play or load a game, and let the agent finish its move")
        control = self._control = Control()
        game = session.game.to_pgn(session.names, session.sides)

        def progress(moves: int) -> None:
            nonlocal done
            if control.stopped:
                raise InputError("judging was stopped; press the button again for verdicts")
            done += moves
            self.in_loop(lambda: self.outbox.put("progress", done=done, total=total))

        try:
            self._judged = await asyncio.to_thread(judge_game, game, session.agent, _NODES, progress)
        finally:
            self.outbox.put("progress", done=total, total=total)
        session.show()
