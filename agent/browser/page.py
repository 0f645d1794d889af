"""One page: its game, the searches that it asks for, and what it is told. All of it happens in the event loop's thread,
but for searches and loading, which have threads of their own."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import chess

from agent.browser import messages
from agent.browser.learning import NEWEST, Learning
from agent.browser.state import game_state, report_state
from agent.engine.agent import Agent
from agent.engine.limits import Control, Limits, ThinkOptions
from agent.engine.report import Report
from agent.errors import InputError
from agent.notation import quote
from agent.play.commands import COMMANDS, load_into, obey
from agent.play.judge import Judged, judge_game
from agent.play.saved import PastedText
from agent.play.session import Session
from agent.play.sides import AgentSide, ChosenMove, Side

ALLOWED: Final = frozenset("moves undo hint resign draw fen flip new side strength clock".split())  # noqa: SIM905
"""Commands a page may give: those that reach neither files nor programs."""
EVERY: Final = 0.18  # seconds between two reports of a search
_LONGEST_SEARCH: Final = 120.0  # seconds of an open search
_SAID: Final = 50  # sentences that wait for a slow page
_TICK: Final = 0.25


@dataclass
class PageSession(Session):
    """A session drawn by a page."""

    page: "Page" = field(init=False)

    def say(self, text: str) -> None:
        """Into the page's log."""
        self.page.in_loop(self.page.tell, text)

    def show(self) -> None:
        """Send the game."""
        self.page.in_loop(self.page.draw)

    def interrupt(self) -> None:
        """Cancel the search for a move; its result is not wanted any more."""
        self.page.in_loop(self.page.cancel)


class _StoppedError(Exception):
    """The page does not want the result any more."""


class Outbox:
    """What a page is still to be told. Of everything but sentences only the newest counts, so it never grows."""

    def __init__(self) -> None:
        self._newest: dict[str, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []
        self._filled = asyncio.Event()

    def put(self, kind: str, content: dict[str, Any]) -> None:
        """Add a message."""
        if kind == "said":
            self._said = [*self._said, {"kind": kind, **content}][-_SAID:]
        else:
            self._newest[kind] = {"kind": kind, **content}
        self._filled.set()

    async def take(self) -> list[dict[str, Any]]:
        """Wait for messages, and take them."""
        await self._filled.wait()
        self._filled.clear()
        taken = [*self._newest.values(), *self._said]
        self._newest, self._said = {}, []
        return taken


class Page:
    """The game of one page. `learning`: the run it may play against."""

    def __init__(self, session: PageSession, learning: Learning | None) -> None:
        self.session, self.learning, self.outbox = session, learning, Outbox()
        session.page = self
        self.connected, self.left_at = False, time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._thread_tasks: set[asyncio.Task[None]] = set()
        self._control: Control | None = None  # of the search for a move
        self._open: Control | None = None  # of an open search, or of judging
        self._busy = ""  # the slow command that is running
        self._judged: list[Judged] = []
        self._newest = False  # whether to play against the newest weights, as they change
        session.game.settle()

    def attach(self) -> None:
        """The page is there, for the first time or again."""
        self.connected, self.outbox = True, Outbox()
        self.tell(f"You play against {self.session.agent.origin}.")
        if self.learning is not None:
            self._spawn(self._tell_run())
        self._spawn(self._tick())
        self._go_on()

    def detach(self) -> None:
        """The page has gone, perhaps to come back: nothing is computed meanwhile."""
        self.connected, self.left_at = False, time.monotonic()
        self.cancel()
        self._stop_open()
        if self.session.hint_control is not None:
            self.session.hint_control.stop()

    def close(self) -> None:
        """End the game."""
        self.detach()
        self.session.close()

    def in_loop(self, task: Callable[..., None], *arguments: object) -> None:
        """Call `task` in the loop's thread, from any thread."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            self._loop.call_soon_threadsafe(task, *arguments)
        else:
            assert running is self._loop
            task(*arguments)

    def tell(self, text: str) -> None:
        """A sentence for the log."""
        self.outbox.put("said", {"text": text})

    def draw(self) -> None:
        """Send the game."""
        session = self.session
        moves = session.board.move_stack
        if [judged.move for judged in self._judged] != moves[: len(self._judged)]:
            self._judged = []
        state = game_state(session, {judged.ply: judged for judged in self._judged})
        self.outbox.put("game", {**state, "thinking": session.mover is not None, "busy": self._busy})

    def cancel(self) -> None:
        """Cancel the search for a move."""
        if self._control is not None:
            self._control.stop()
            self._control = None

    def receive(self, text: str) -> None:
        """Do what the page says. Raises InputError: it cannot be done."""
        match messages.read_message(text):
            case messages.Line(text=line):
                self._obey(line)
            case messages.Pasted(text=pgn):
                self._load(PastedText(pgn), "the pasted game")
            case messages.Look(ply=ply):
                self._spawn(self._look(ply))
            case messages.Think(on=on, ply=ply):
                self._stop_open()
                if on:
                    self._spawn(self._think(ply))
            case messages.Judge(nodes=nodes):
                self._stop_open()
                self._spawn(self._judge(nodes))
            case messages.Opponent(name=name):
                self._check_idle()
                self._spawn(self._change_opponent(name))
            case messages.Sample(name=name):
                self._load(self._run().game(name), f"game {name}")
            case messages.Refresh():
                self._run()
                self._spawn(self._tell_run())

    def _run(self) -> Learning:
        if self.learning is None:
            raise InputError("no run is shown; start the board with --run RUN")
        return self.learning

    def _check_idle(self) -> None:
        if self._busy:
            raise InputError(f"still busy with {quote(self._busy)}; wait")

    def _obey(self, line: str) -> None:
        word = line.split()[0].lower() if line.strip() else ""
        if word in {*COMMANDS, "quit", "exit", "q"} and word not in ALLOWED:
            raise InputError(f"{quote(word)} is a command of the terminal; here use the page's buttons")
        self._check_idle()
        if word == "hint":
            self._spawn(self._hint(line))
        else:
            obey(self.session, line)
            self._go_on()

    def _load(self, games: Any, name: str) -> None:
        """Two people play on: nothing is answered before the user chooses a side."""
        self._check_idle()
        load_into(self.session, games, name)
        obey(self.session, "side both")
        self._go_on()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except InputError as error:
                self.tell(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            except _StoppedError:
                pass
            except Exception as error:
                self.tell(f"Something went wrong on the server ({type(error).__name__}); start it again.")
                raise

        task = asyncio.create_task(guarded())
        self._thread_tasks.add(task)
        task.add_done_callback(self._thread_tasks.discard)

    async def _tick(self) -> None:
        """End the game when a clock has run out."""
        outbox = self.outbox
        while self.connected and self.outbox is outbox:
            await asyncio.sleep(_TICK)
            if self.session.game.flag():
                self.cancel()
                self.session.announce()

    def _go_on(self) -> None:
        """Draw, and let a program whose turn it is begin to think."""
        session = self.session
        session.game.run_clock()
        self.draw()
        side = session.mover
        if side is not None and self._control is None and self.connected:
            self._stop_open()
            control = self._control = Control(EVERY)
            self._spawn(self._choose(side, control))

    async def _choose(self, side: Side, control: Control) -> None:
        if self._newest and self.learning is not None:
            await self._take_newest(self.learning)
            if self._control is not control:
                return
            side = self.session.sides[self.session.board.turn] or side
        watch = functools.partial(self.in_loop, self._watched, control, self.session.board.copy())
        chosen = await asyncio.to_thread(self.session.choose, side, control, watch)
        if self._control is not control:
            return  # cancelled meanwhile
        self._control = None
        if chosen.report is not None:
            self._report(self.session.board, chosen.report, live=False)
        self._finish(chosen)
        self._go_on()

    def _finish(self, chosen: ChosenMove) -> None:
        if self.session.game.flag():
            self.session.announce()
        else:
            self.session.apply(chosen)

    def _watched(self, control: Control, board: chess.Board, report: Report) -> None:
        """A report of a search that is still wanted."""
        if control in (self._control, self._open):
            self._report(board, report, live=True)

    def _report(self, board: chess.Board, report: Report, *, live: bool) -> None:
        self.outbox.put("thought", {"fen": board.fen(), "live": live, **report_state(report, board)})

    async def _hint(self, line: str) -> None:
        self._stop_open()
        self._busy = line
        self.draw()
        try:
            await asyncio.to_thread(obey, self.session, line)
        finally:
            self._busy = ""
            self._go_on()

    def _position(self, ply: int) -> chess.Board:
        """After `ply` plies; after the last where there are fewer."""
        board = self.session.board.copy()
        for _ in range(len(self.session.game.notes) - ply):
            board.pop()
        return board

    async def _look(self, ply: int) -> None:
        """The policy of a position, and what the agent thought there when it chose its move."""
        board, reports, weights = self._position(ply), self.session.game.reports, self.session.agent.weights
        if ply < len(reports) and (report := reports[ply]) is not None:
            self._report(board, report, live=False)
        if weights is not None and any(board.legal_moves):
            from agent.browser.policy import policy_of  # with torch

            policy = await asyncio.to_thread(policy_of, board, weights)
            self.outbox.put("policy", {"fen": board.fen(), **policy})

    def _stop_open(self) -> None:
        if self._open is not None:
            self._open.stop()
            self._open = None

    async def _think(self, ply: int) -> None:
        if self.session.mover is not None:
            raise InputError("the agent is thinking about its move; wait")
        board = self._position(ply)
        if not any(board.legal_moves):
            raise InputError("the game is over in this position, so there is nothing to search; step back")
        control = self._open = Control(EVERY)
        watch = functools.partial(self.in_loop, self._watched, control, board)
        limits, options = Limits(seconds=_LONGEST_SEARCH), ThinkOptions(lines=5, keep=1)
        think = functools.partial(self.session.agent.think, board, limits, options, control=control, watch=watch)
        report = await asyncio.to_thread(think)
        if self._open in (control, None) and self._control is None:
            self._open = None
            self._report(board, report, live=False)

    async def _judge(self, nodes: int) -> None:
        """Verdicts on all moves, as `zeromass analyse` gives them."""
        session, total, done = self.session, len(self.session.game.notes), 0
        if session.mover is not None or not total:
            raise InputError("there is nothing to judge; play or load a game, and let the agent finish its move")
        control, game = Control(), session.game.to_pgn(session.names, session.sides)
        self._open = control

        def progress(moves: int) -> None:
            nonlocal done
            if control.stopped:
                raise _StoppedError
            done += moves
            self.in_loop(self.outbox.put, "progress", {"done": done, "total": total})

        try:
            self._judged = await asyncio.to_thread(judge_game, game, session.agent, nodes, progress)
        finally:
            self.outbox.put("progress", {"done": total, "total": total})
        self.draw()

    async def _change_opponent(self, name: str) -> None:
        learning = self._run()
        self._busy = f"loading {name}"
        try:
            agent = await asyncio.to_thread(learning.agent, name)
            self._newest = name == NEWEST
            self._take_agent(agent)
        finally:
            self._busy = ""
            self._go_on()

    async def _take_newest(self, learning: Learning) -> None:
        agent = await asyncio.to_thread(learning.agent, NEWEST)
        if agent is not self.session.agent:
            self._play_with(agent)

    def _take_agent(self, agent: Agent) -> None:
        self.session.interrupt()
        self._play_with(agent)

    def _play_with(self, agent: Agent) -> None:
        self.session.agent = agent
        for color, side in self.session.sides.items():
            if isinstance(side, AgentSide):
                self.session.sides[color] = AgentSide(agent, self.session.level)
                self.session.game.mark_foreign(color)
        self.tell(f"You play against {agent.origin}.")

    async def _tell_run(self) -> None:
        state = await asyncio.to_thread(self._run().state)
        self.outbox.put("run", state)
