"""A run as its user sees it: a bar on a terminal, a line now and then elsewhere, a summary at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from agent.program import program
from training.durability.progress_relay import Progress as RunProgress

if TYPE_CHECKING:
    from training.run import Summary

PLAIN_SECONDS: Final = 15.0
"""Between lines where there is no terminal."""


class Display:
    """Progress and summary on standard error and standard output.

    Args:
        console: for tests; by default the process's own.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._training: Progress | None = None
        self._last_line = 0.0

    def say(self, text: str, *, error: bool = False) -> None:
        """One line."""
        (self._errors if error else self.console).print(text, markup=False)

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar over `total` items; the function that it yields advances it."""
        if self.console.is_terminal:
            with self._bar("{task.completed}/{task.total}") as bar:
                task = bar.add_task(title, total=total)
                yield lambda more: bar.advance(task, more)
            return
        self.say(f"{title} ...")
        self._last_line, done = time.monotonic(), 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if self._line_is_due():
                self.say(f"{done}/{total}")

        yield advance

    @contextmanager
    def training(self) -> Iterator[None]:
        """Around the training loop; `tick` moves the bar."""
        if not self.console.is_terminal:
            yield
            return
        with self._bar("{task.fields[note]}") as bar:
            bar.add_task("training", total=1.0, note="first games ...")
            self._training = bar
            try:
                yield
            finally:
                self._training = None

    def tick(self, progress: RunProgress) -> None:
        """Show how far the run is."""
        if self._training is not None:
            self._training.update(self._training.task_ids[0], completed=progress.done, note=progress.note())
        elif not self.console.is_terminal and self._line_is_due():
            self.say(f"{100 * progress.done:3.0f} %  {progress.note()}")

    def summary(self, summary: "Summary") -> None:
        """The result, where it is, and what to type next."""
        mass = f"{summary.largest_invalid_mass} over {summary.distributions:,} distributions"
        rows = {
            "games": f"{summary.games:,}",
            "positions": f"{summary.positions:,} (plies of finished games)",
            "learner steps": f"{summary.steps:,} in {summary.seconds / 60:.1f} minutes",
            "largest invalid mass": mass,
            "score before": summary.before and summary.before.sentence(),
            "score after": summary.after and summary.after.sentence(),
            "run folder": str(summary.folder),
            "go on with": f"{program()} train --resume {summary.folder}" if summary.stopped else None,
            "watch it": f"{program()} monitor {summary.folder}",
            "play against it": f"{program()} play --run {summary.folder}",
        }
        table = Table.grid(padding=(0, 2))
        for what, value in rows.items():
            if value:
                table.add_row(what, value)
        title = f"{summary.folder.name}: {'stopped, checkpoint saved' if summary.stopped else 'done'}"
        self.console.print(Panel(table, title=title, expand=False))

    def _line_is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last_line <= PLAIN_SECONDS:
            return False
        self._last_line = now
        return True

    def _bar(self, note: str) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn(note),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
