"""One page and its game. All of it happens in the event loop's thread, but for searches and loading, which have threads
of their own."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from agent.browser.learning import NEWEST, Learning
from agent.browser.messages import Message, Outbox, read_message
from agent.browser.state import game_state
from agent.browser.thoughts import EVERY, Thoughts
from agent.engine.limits import Control
from agent.engine.report import Report
from agent.errors import InputError
from agent.notation import quote
from agent.play.commands import COMMANDS, load_into, obey, play_with
from agent.play.saved import PastedText
from agent.play.session import Session
from agent.play.sides import Side

ALLOWED: Final = frozenset("moves undo hint resign draw fen flip new side strength clock".split())  # noqa: SIM905
"""Commands a page may give: those that reach neither files nor programs."""
_LONGEST: Final = 200  # characters of a move or command
_TICK: Final = 0.25  # seconds between two looks at the clocks


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


class Page:
    """The game of one page. `learning`: the run it may play against."""

    def __init__(self, session: PageSession, learning: Learning | None) -> None:
        self.session, self.outbox = session, Outbox()
        session.page = self
        self.connected, self.left_at = False, time.monotonic()
        self._learning, self._loop = learning, asyncio.get_running_loop()
        self._thoughts = Thoughts(session, self.outbox, self.in_loop)
        self._tasks: set[asyncio.Task[None]] = set()
        self._control: Control | None = None  # of the search for a move
        self._busy = ""  # the slow command that is running
        self._newest = learning is not None  # whether to play against the newest weights, as they change
        session.game.settle()

    def attach(self) -> None:
        """The page is there, for the first time or again."""
        self.connected = True
        self.tell(f"You play against {self.session.agent.origin}.")
        if self._learning is not None:
            self._spawn(self._tell_run())
        self._ticker = asyncio.create_task(self._tick())
        self._go_on()

    def detach(self) -> None:
        """The page has gone, perhaps to come back: nothing is computed meanwhile."""
        self.connected, self.left_at = False, time.monotonic()
        self.cancel()
        self._thoughts.stop()
        self._ticker.cancel()
        if self.session.hint_control is not None:
            self.session.hint_control.stop()

    def in_loop(self, task: Callable[..., None], *arguments: object) -> None:
        """Call `task` in the loop's thread, from any thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop.call_soon_threadsafe(task, *arguments)
        else:
            task(*arguments)

    def tell(self, text: str) -> None:
        """A sentence for the log."""
        self.outbox.put("said", text=text)

    def draw(self) -> None:
        """Send the game."""
        state = game_state(self.session, self._thoughts.judged())
        self.outbox.put("game", thinking=self.session.mover is not None, busy=self._busy, **state)

    def cancel(self) -> None:
        """Cancel the search for a move."""
        if self._control is not None:
            self._control.stop()
            self._control = None

    def receive(self, text: str) -> None:
        """Do what the page says, or say why not."""
        try:
            self._do(read_message(text))
        except InputError as error:
            self._refuse(error)

    def _refuse(self, error: InputError) -> None:
        self.tell(f"{str(error)[:1].upper()}{str(error)[1:]}.")

    def _do(self, message: Message) -> None:
        if self._busy and message.kind in ("line", "pgn", "sample", "opponent"):
            raise InputError(f"still busy with {quote(self._busy)}; wait")
        if message.kind in ("think", "judge"):
            self._thoughts.stop()
        match message.kind:
            case "line":
                self._obey(message.text)
            case "pgn":
                self._load(PastedText(message.text), "the pasted game")
            case "sample":
                path = self._run.game(message.text)
                self._load(path, path.stem)
            case "opponent":
                self._spawn(self._change_opponent(message.text))
            case "run":
                self._spawn(self._tell_run())
            case "look":
                self._spawn(self._thoughts.look(message.ply))
            case "judge":
                self._spawn(self._thoughts.judge())
            case "think" if message.on:
                self._spawn(self._thoughts.think(message.ply))

    @property
    def _run(self) -> Learning:
        if self._learning is None:
            raise InputError("no run is shown; start the board with --run RUN")
        return self._learning

    def _obey(self, line: str) -> None:
        word = line[:_LONGEST].strip().partition(" ")[0].lower()
        if not word or len(line) > _LONGEST:
            raise InputError(f"{quote(line)} is no move or command; give one of at most {_LONGEST} characters")
        if word in {*COMMANDS, "quit", "exit", "q"} - ALLOWED:
            raise InputError(f"{quote(word)} is a command of the terminal; here use the page's buttons")
        if word == "hint":
            self._thoughts.stop()
            self._spawn(self._slowly(line, asyncio.to_thread(obey, self.session, line)))
        else:
            obey(self.session, line)
            self._go_on()

    def _load(self, games: Any, name: str) -> None:
        """People play both sides: nothing is answered before the user chooses one."""
        load_into(self.session, games, name)
        obey(self.session, "side both")
        self._go_on()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        async def guarded() -> None:
            try:
                await work
            except InputError as error:
                self._refuse(error)
            except Exception as error:
                self.tell(f"Something went wrong in the server ({type(error).__name__}); start it again.")
                raise

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slowly(self, what: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Refuse other commands until `work` is done."""
        self._busy = what
        self.draw()
        try:
            return await work
        finally:
            self._busy = ""
            self._go_on()

    async def _tick(self) -> None:
        """End the game when a clock has run out."""
        while True:
            await asyncio.sleep(_TICK)
            if self.session.game.flag():
                self.cancel()
                self.session.announce()

    def _go_on(self) -> None:
        """Draw, and let a program whose turn it is begin to think."""
        self.session.game.run_clock()
        self.draw()
        side = self.session.mover
        if side is not None and self._control is None and self.connected:
            self._thoughts.stop()
            control = self._control = Control(EVERY)
            self._spawn(self._choose(side, control))

    async def _choose(self, side: Side, control: Control) -> None:
        session, board = self.session, self.session.board.copy()
        if self._newest:
            with contextlib.suppress(InputError):  # being written: the one before plays
                agent = await asyncio.to_thread(self._run.agent, NEWEST)
                if self._control is control and agent is not session.agent:
                    play_with(session, agent)
                    side = session.sides[board.turn] or side

        def watch(report: Report) -> None:
            if self._control is control:
                self.in_loop(lambda: self._thoughts.report(board, report, live=True))

        chosen = await asyncio.to_thread(session.choose, side, control, watch)
        if self._control is not control:
            return  # cancelled meanwhile
        self._control = None
        if chosen.report is not None:
            self._thoughts.report(board, chosen.report, live=False)
        if session.game.flag():
            session.announce()
        else:
            session.apply(chosen)
        self._go_on()

    async def _change_opponent(self, name: str) -> None:
        agent = await self._slowly(f"loading {name}", asyncio.to_thread(self._run.agent, name))
        self._newest = name == NEWEST
        self.cancel()
        play_with(self.session, agent)
        self._go_on()

    async def _tell_run(self) -> None:
        self.outbox.put("run", **await asyncio.to_thread(self._run.state))
