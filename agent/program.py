"""How the user started this program: for messages that say what to type next. Light."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

PROGRAM: Final = "ZEROMASS_PROGRAM"
"""Environment variable with what `program` says, for the processes that this one starts, such as Ray's workers."""


def program() -> str:
    """The words that start this program again: `zeromass` where the shell finds it, else with its path.

    A process that `zeromass` started says what the user typed, not how that process was started.
    """
    return os.environ.get(PROGRAM) or _started_by(sys.argv[0], sys.executable)


def remember_program() -> None:
    """Let the processes that this one starts know `program`. For the command line's entry point."""
    os.environ[PROGRAM] = _started_by(sys.argv[0], sys.executable)


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
