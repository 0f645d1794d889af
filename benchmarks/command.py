"""`zeromass benchmark` and `zeromass verify`: what they print and keep."""

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console, Group

from agent.errors import InputError
from agent.files import what_is, write_atomic


def benchmark_command(what: str, options: dict[str, Any], as_json: bool) -> int:
    """Run the benchmark `what`, a module beside this one, with the options given, and print what it found; returns the
    exit code. An InputError where it takes no such option."""
    module = import_module(f"benchmarks.{what}")
    for name, value in options.items():
        if name not in inspect.signature(module.run).parameters:
            word = f"'{value[0]}'" if isinstance(value, list) else f"--{name.replace('_', '-')} {value}"
            raise InputError(f"{word} has no use here; leave it out of benchmark {what}")
        if name == "peers_python" and what_is(value) != "file":
            raise InputError(f"--peers-python '{value}' does not exist; name a Python interpreter")
    found = module.run(progress=_progress, **options)
    if as_json:
        print(json.dumps(found))
    else:
        Console().print(Group(*module.show(found)))
    return 0


def verify_command(as_json: bool) -> int:
    """Check the GPU, keep what was found in `runs/`, print the verdict; returns the exit code."""
    from benchmarks.gpu import verify

    found = verify(_progress)
    kept = Path("runs", f"verify-gpu-{found['date'].replace(':', '')}.json")
    kept.parent.mkdir(exist_ok=True)
    write_atomic(kept, json.dumps(found, indent=1).encode())
    print(json.dumps(found) if as_json else f"{found['card']}: {'good' if found['passed'] else 'faults'}; {kept}")
    return 0 if found["passed"] else 1


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
