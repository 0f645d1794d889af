"""Memory of the descendants of this process, over time."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.processes import family

_ROLES = {"ray::Trainer": "trainer", "ray::GameActor": "game actor", "zeromass train": "driver"}
_ROLES |= {"gcs_server": "Ray's gcs_server", "raylet/raylet": "Ray's raylet"}
"""By a part of the command line; the first match counts."""
GONE = 15.0  # seconds without a reading after which a process number means another process


@dataclass
class Life:
    """One process."""

    pid: int
    role: str
    seconds: list[float] = field(default_factory=list)
    occupied: list[float] = field(default_factory=list)  # MiB of private memory at those seconds
    shared: list[float] = field(default_factory=list)  # MiB of shared memory in use, of Ray's object store

    def mean(self, start: float, end: float) -> float:
        """Mean MiB between two times."""
        inside = [mib for at, mib in zip(self.seconds, self.occupied, strict=True) if start <= at <= end]
        assert inside, f"{self.role} {self.pid} was not read from {start:.0f} to {end:.0f} s"
        return float(np.mean(inside))


class Lives:
    """Reads the memory of every process repeatedly."""

    def __init__(self) -> None:
        self._began, self._lives = time.monotonic(), list[Life]()
        self._now: dict[tuple[int, str], Life] = {}

    @property
    def now(self) -> float:
        """Seconds since this began."""
        return time.monotonic() - self._began

    def read(self) -> None:
        """Read each process once."""
        for pid, line in family().items():
            role = next((role for part, role in _ROLES.items() if part in line), None)
            if role is None:
                continue
            try:
                status = Path(f"/proc/{pid}/status").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended this moment
            found = {name: rest for name, _, rest in (row.partition(":") for row in status) if name.startswith("Rss")}
            mib = {name: int(rest.split()[0]) / 1024 for name, rest in found.items()}
            if not mib:
                continue  # it is ending
            life = self._now.get((pid, role))
            if life is None or life.seconds[-1] < self.now - GONE:
                life = self._now[pid, role] = Life(pid, role)
                self._lives.append(life)
            life.seconds.append(self.now)
            life.occupied.append(mib["RssAnon"])
            life.shared.append(mib["RssShmem"])

    def of(self, role: str) -> list[Life]:
        """Every process that had a role, oldest first."""
        return sorted((life for life in self._lives if life.role == role), key=lambda life: life.seconds[0])

    def through(self, start: float, end: float) -> list[Life]:
        """Processes that lived from `start` to `end`, give or take a reading."""
        return [life for life in self._lives if life.seconds[0] <= start + 5 and life.seconds[-1] >= end - 5]
