"""A process and everything below it, as `ps` sees them."""

import os
import subprocess
import time
from collections.abc import Iterable


def family(root: int | None = None) -> dict[int, str]:
    """Command lines of a process (None: this one) and all below it that run, by process number."""
    # Wide: else lines are cut where the environment says how many columns a terminal has.
    listing = ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="]
    found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=3) for line in found.splitlines()]
    members, before = {os.getpid() if root is None else root}, 0
    while len(members) > before:
        before = len(members)
        members |= {int(row[0]) for row in rows if int(row[1]) in members}
    return {int(row[0]): row[3] for row in rows if int(row[0]) in members and row[2][0] not in "ZT" and len(row) > 3}


def descendants(title: str, root: int | None = None) -> list[int]:
    """Those of them whose command line has `title`."""
    return [pid for pid, line in family(root).items() if title in line]


def wait_until_gone(processes: Iterable[int], seconds: float = 120) -> None:
    """Until none of these processes runs any more."""
    left, deadline = set(processes), time.monotonic() + seconds
    while left:
        assert time.monotonic() < deadline, f"{sorted(left)} live on"
        left &= family(1).keys()
        time.sleep(0.1)
