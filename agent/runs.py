"""Where runs and their checkpoints are, for code that only reads them. Light: no torch."""

from pathlib import Path
from typing import Final

from agent.errors import InputError
from agent.files import typed_path, what_is
from agent.program import program

RUNS: Final = Path("runs")  # where training makes its run folders unless a setting says otherwise


def find_run(name: str, runs: Path = RUNS) -> Path:
    """The folder of run `name`: below `runs`, or a path. An InputError where there is none; the message names those
    that exist."""
    for folder in (runs / name, typed_path(name)):
        if name and what_is(folder) == "folder":
            return folder
    names = sorted(folder.name for folder in runs.glob("*") if folder.is_dir())
    known = f"runs here: {', '.join(names)}" if names else f"none in {runs}/ yet; start one with {program()} train"
    raise InputError(f"run '{name}' does not exist; {known}")


def checkpoint_weights(folder: Path) -> list[Path]:
    """The weights files of a run folder's checkpoints, newest step first. They may be damaged."""
    files = [
        (int(number), file)
        for file in folder.glob("checkpoints/step-*/weights.safetensors")
        if (number := file.parent.name.removeprefix("step-")).isdecimal()
    ]
    return [file for _, file in sorted(files, reverse=True)]
