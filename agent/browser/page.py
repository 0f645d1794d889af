"""One page and its game. All happens in the event loop's thread; searches and loading have threads of their own."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from agent.browser.learning import NEWEST, Learning
from agent.browser.messages import Message, Outbox, read_message
from agent.browser.state import game_state
from agent.browser.thoughts import EVERY, Thoughts, stop_searches
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


class Page(Session):
    """The game of one page; `options` are those of a `Session`. `run`: what it may play against."""

    def __init__(self, run: Learning | None, *arguments: Any, **options: Any) -> None:
        self.outbox, self._learning, self._loop = Outbox(), run, asyncio.get_running_loop()
        self.connected, self.left_at = False, time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._control: Control | None = None  # of the search for a move
        self._busy = ""  # the slow command that is running
        self._newest = run is not None  # whether to play against the newest weights, as they change
        super().__init__(*arguments, **options)
        self._thoughts = Thoughts(self, self.outbox, self.in_loop)
        self.game.settle()

    def say(self, text: str) -> None:
        """A sentence for the log."""
        self.in_loop(lambda: self.outbox.put("said", text=text))

    def show(self) -> None:
        """Send the game."""
        self.in_loop(self._show)

    def interrupt(self) -> None:
        """Cancel the search for a move; its result is not wanted any more."""
        self.in_loop(self._cancel)

    def attach(self) -> None:
        """The page is there, for the first time or again."""
        self.connected = True
        self.say(f"You play against {self.agent.origin}.")
        if self._learning is not None:
            self._spawn(self._tell_run())
        self._ticker = asyncio.create_task(self._tick())
        self._go_on()

    def detach(self) -> None:
        """The page has gone, perhaps to come back: nothing is computed meanwhile."""
        self.connected, self.left_at = False, time.monotonic()
        self._cancel()
        self._thoughts.stop()
        self._ticker.cancel()
        self.hint_control.stop()

    def in_loop(self, task: Callable[[], None]) -> None:
        """Call `task` in the loop's thread, from any thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop.call_soon_threadsafe(task)
        else:
            task()

    def _show(self) -> None:
        state = game_state(self, self._thoughts.judged())
        self.outbox.put("game", thinking=self.mover is not None, busy=self._busy, **state)

    def _cancel(self) -> None:
        if self._control is not None:
            self._control.stop()
            self._control = None

    def receive(self, text: str) -> None:
        """Do what the page says, or say why not."""
        try:
            self._do(read_message(text))
        except InputError as error:
            self.refuse(error)

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
            self._spawn(self._slowly(line, asyncio.to_thread(obey, self, line)))
        else:
            obey(self, line)
            self._go_on()

    def _load(self, games: Any, name: str) -> None:
        """People play both sides: nothing is answered before the user chooses one."""
        load_into(self, games, name)
        obey(self, "side both")
        self._go_on()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        async def guarded() -> None:
            try:
                await work
            except InputError as error:
                self.refuse(error)
            except Exception as error:
                self.say(f"Something went wrong in the server ({type(error).__name__}); start it again.")
                raise

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slowly(self, what: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Refuse other commands until `work` is done."""
        self._busy = what
        self._show()
        try:
            return await work
        finally:
            self._busy = ""
            self._go_on()

    async def _tick(self) -> None:
        """End the game when a clock has run out."""
        while True:
            await asyncio.sleep(_TICK)
            self.flag()

    def _go_on(self) -> None:
        """Draw, and let a program whose turn it is begin to think."""
        self.game.run_clock()
        self._show()
        side = self.mover
        if side is not None and self._control is None and self.connected:
            stop_searches()
            control = self._control = Control(EVERY)
            self._spawn(self._choose(side, control))

    async def _choose(self, side: Side, control: Control) -> None:
        board = self.board.copy()
        if self._newest:
            with contextlib.suppress(InputError):  # being written: the one before plays
                agent = await asyncio.to_thread(self._run.agent, NEWEST)
                if self._control is control and agent is not self.agent:
                    play_with(self, agent)
                    side = self.sides[board.turn] or side

        def watch(report: Report) -> None:
            if self._control is control:
                self.in_loop(lambda: self._thoughts.report(board, report, live=True))

        chosen = await asyncio.to_thread(self.choose, side, control, watch)
        if self._control is not control:
            return  # cancelled meanwhile
        self._control = None
        if chosen.report is not None:
            self._thoughts.report(board, chosen.report, live=False)
        self.apply(chosen)
        self._go_on()

    async def _change_opponent(self, name: str) -> None:
        agent = await self._slowly(f"loading {name}", asyncio.to_thread(self._run.agent, name))
        self._newest = name == NEWEST
        self._cancel()
        play_with(self, agent)
        self._go_on()

    async def _tell_run(self) -> None:
        self.outbox.put("run", **await asyncio.to_thread(self._run.state))
