"""Hashes of a process's code and move vocabulary: actors whose hashes differ from the run's are refused."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from agent import vocabulary
from agent.errors import InputError

PACKAGES: Final = ("kernels", "agent", "selfplay", "training")
"""Copied to the nodes of a cluster, and hashed."""
ROOT: Final = Path(vocabulary.__file__).resolve().parent.parent
"""The folder that holds the packages."""


@dataclass(frozen=True)
class Identity:
    """Hashes of what must be the same in all processes of a run."""

    code: str
    """SHA-256 of the sources of the four packages, names included."""
    vocabulary: str
    """SHA-256 of the moves in their order."""


@cache
def identity() -> Identity:
    """Of this process."""
    return Identity(
        code_hash(ROOT), _digest("\n".join(vocabulary.to_uci(move, black=False) for move in range(vocabulary.SIZE)))
    )


def code_hash(root: Path) -> str:
    """Of the sources of the packages below `root`."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(
                f"{path.relative_to(root).as_posix()}\0{_digest(path.read_text(encoding='utf-8'))}\0".encode()
            )
    return digest.hexdigest()


def check_identity(expected: Identity, who: str) -> None:
    """Refuse to take part in a run of other code or moves.

    Args:
        expected: of the process that asks.
        who: this process, for the message.

    Raises:
        InputError: they differ.
    """
    own = identity()
    for what, mine, theirs in (
        ("code", own.code, expected.code),
        ("move vocabulary", own.vocabulary, expected.vocabulary),
    ):
        if mine != theirs:
            raise InputError(
                f"{who} runs other {what} ({mine[:12]}) than the run ({theirs[:12]}); "
                "install the same ZeroMass on every node, or do not edit it while it trains, then go on with --resume"
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
