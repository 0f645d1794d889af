"""A hash of the code that a process runs: processes whose hash differs from the run's are refused."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from agent.errors import InputError

PACKAGES: Final = ("kernels", "agent", "selfplay", "training")  # copied to the nodes of a cluster, and hashed
ROOT: Final = Path(__file__).resolve().parent.parent  # the folder that holds the packages


@cache
def identity() -> str:
    """SHA-256 of this process's sources, the move vocabulary included."""
    return code_hash(ROOT)


def code_hash(root: Path) -> str:
    """SHA-256 of the sources of the packages below `root`, file names included."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            text = hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()}\0{text}\0".encode())
    return digest.hexdigest()


def check_identity(expected: str, who: str) -> None:
    """An InputError where `who`, this process, has another identity than the processes of its run, `expected`."""
    if identity() != expected:
        advice = "install the same ZeroMass on every node, or do not edit it while it trains, then go on with --resume"
        raise InputError(f"{who} runs other code ({identity()[:12]}) than the run ({expected[:12]}); {advice}")
