"""Where runs and their checkpoints are, for code that only reads them. Light: no torch."""

import re
from pathlib import Path
from typing import Final

from agent.errors import InputError
from agent.files import typed_path, what_is
from agent.program import program

RUNS: Final = Path("runs")  # where training makes its run folders unless a setting says otherwise


def find_run(name: str, runs: Path = RUNS) -> Path:
    """The folder of run `name`: below `runs`, or a path. An InputError that names those there are."""
    for folder in (runs / name, typed_path(name)):
        if name and what_is(folder) == "folder":
            return folder
    names = sorted(folder.name for folder in runs.glob("*") if folder.is_dir())
    known = f"runs here: {', '.join(names)}" if names else f"none in {runs}/ yet; start one with {program()} train"
    raise InputError(f"run '{name}' does not exist; {known}")


def checkpoint_weights(folder: Path) -> list[Path]:
    """The weights files of a run folder's checkpoints, newest step first. They may be damaged."""
    return [path / "weights.safetensors" for path in reversed(by_step(folder / "checkpoints").values())]


def by_step(folder: Path, ending: str = "") -> dict[int, Path]:
    """The paths `step-N` with this ending in a folder by their numbers, ascending. What is named in any other way, such
    as `step-best`, is not ours."""
    pattern = re.compile(rf"step-([0-9]{{8}}|[1-9][0-9]{{8,17}}){re.escape(ending)}")
    found = ((pattern.fullmatch(path.name), path) for path in folder.glob("step-*"))
    return dict(sorted((int(match[1]), path) for match, path in found if match))
