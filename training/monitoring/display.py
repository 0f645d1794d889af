"""A run as its user sees it: a bar on a terminal, a line now and then elsewhere, a summary at the end."""

import contextlib
import shlex
import time
from typing import IO, TYPE_CHECKING, Any, Final, cast

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agent.program import program
from training.durability.progress_relay import Progress as RunProgress
from training.durability.progress_relay import Screen

if TYPE_CHECKING:
    from training.run import Summary

PLAIN_SECONDS: Final = 15.0  # between lines where there is no terminal


class _Lossy:
    """A text stream whose failures are no error: its reader or terminal goes, its disk is full. The run goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Display(Screen):
    """Progress and summary on `console`, by default standard output; errors on standard error. Both may be lost."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        for one in (self.console, self._errors):
            one.file = cast(IO[str], _Lossy(one.file))
        self._title = ""
        self._bar: Progress | None = None
        self._last_line = 0.0

    def say(self, text: str, *, error: bool = False) -> None:
        """See `Screen`."""
        (self._errors if error else self.console).print(text, markup=False)

    def tick(self, progress: RunProgress | None) -> None:
        """See `Screen`: a bar on a terminal, elsewhere a line at first and then one now and then."""
        begins = progress is not None and progress.title != self._title
        if self._bar is not None and (progress is None or begins):
            self._bar.stop()
            self._bar = None
        self._title = progress.title if progress else ""
        if progress is None:
            return
        if begins and self.console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}")
            times = TimeElapsedColumn(), TimeRemainingColumn()
            self._bar = Progress(SpinnerColumn(), *columns, *times, console=self.console)
            self._bar.add_task(progress.title, total=1.0, note="")
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=progress.done, note=progress.note)
        elif begins or time.monotonic() - self._last_line > PLAIN_SECONDS:
            self._last_line = time.monotonic()
            self.say(f"{progress.title} ..." if begins else progress.note)

    def summary(self, summary: "Summary") -> None:
        """The result, where it is, and what to type next."""
        folder = shlex.quote(str(summary.folder))
        rows = {
            "games": f"{summary.games:,}",
            "positions": f"{summary.positions:,} (plies of finished games)",
            "learner steps": f"{summary.steps:,} in {summary.seconds / 60:.1f} minutes",
            "largest invalid mass": f"{summary.largest_invalid_mass} over {summary.distributions:,} distributions",
            "score before": summary.before and summary.before.sentence(),
            "score after": summary.after and summary.after.sentence(),
            "run folder": str(summary.folder),
            "go on with": f"{program()} train --resume {folder}" if summary.stopped else None,
            "watch it": f"{program()} monitor {folder}",
            "play against it": f"{program()} play --run {folder}",
        }
        table = Table.grid(padding=(0, 2))
        for what, value in rows.items():
            if value:
                table.add_row(what, Text(value))
        ending = f"ended without {summary.missing}; train longer" if summary.missing else "done"
        title = f"{summary.folder.name}: {'stopped, checkpoint saved' if summary.stopped else ending}"
        self.console.print(Panel(table, title=Text(title), expand=False))
