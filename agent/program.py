"""The program as its user started it: the words for messages that say what to type next, and its streams."""

import contextlib
import errno
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Final

PROGRAM: Final = "ZEROMASS_PROGRAM"
"""Environment variable with what `program` says, for the processes that this one starts, such as Ray's workers."""


def program() -> str:
    """The words that start this program again: `zeromass` where the shell finds it, else with its path. A process that
    `zeromass` started says what the user typed, not how that process was started."""
    return os.environ.get(PROGRAM) or _started_by(sys.argv[0], sys.executable)


def remember_program() -> None:
    """Let the processes that this one starts know `program`. For the command line's entry point."""
    os.environ[PROGRAM] = _started_by(sys.argv[0], sys.executable)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Around a whole program: what a stream cannot take is no error. A character that its encoding lacks becomes `?`. A
    closed stream leads nowhere. What is left at the end is dropped where the reader has gone, as with `| head`, or the
    terminal. An OSError where the disk of an output is full."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  (as long as the program runs)
        if isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="replace")
    outputs = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for output in outputs:
            try:
                output.flush()
            except OSError as error:  # Python would complain once more when it flushes at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
                if error.errno not in (errno.EPIPE, errno.EIO):
                    raise


def _started_by(script: str, python: str) -> str:
    if Path(script).name == "zeromass":
        return "zeromass" if _same(shutil.which("zeromass"), script) else shlex.quote(script)
    if Path(script).name != "zeromass.py":
        return "zeromass"  # inside another program, such as a test
    interpreter = next((name for name in ("python", "python3") if _same(shutil.which(name), python)), python)
    return f"{shlex.quote(_shortened(interpreter))} {shlex.quote(_shortened(script))}"


def _same(found: str | None, path: str) -> bool:
    return found is not None and Path(found).absolute() == Path(path).absolute()


def _shortened(path: str) -> str:
    """An absolute path below the working folder as a relative one."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
