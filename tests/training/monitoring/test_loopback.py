"""A local run listens on loopback alone, whatever part of it listens."""

import contextlib
import socket
import struct
from pathlib import Path

from tests.processes import family, start_training
from tests.training.test_run import TINY, finish, has_rows, wait_for


def sockets(processes: set[int]) -> set[str]:
    """Inodes of the sockets that the processes hold."""
    held = set()
    for process in processes:
        with contextlib.suppress(OSError):  # it ended meanwhile
            for entry in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile, as the one that lists the folder
                    link = str(entry.readlink())
                    held |= {link[8:-1]} if link.startswith("socket:[") else set()
    return held


def listening(processes: set[int]) -> list[str]:
    """Addresses on which the processes listen: what `ss -ltn` shows of them."""
    held, addresses = sockets(processes), []
    for table, kind in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in held:
                words = bytes.fromhex(local.split(":")[0])
                host = b"".join(struct.pack(">I", word) for (word,) in struct.iter_unpack("<I", words))
                addresses.append(socket.inet_ntop(kind, host).removeprefix("::ffff:"))
    return addresses


def test_a_local_run_listens_on_loopback_alone(tmp_path: Path) -> None:
    """Ray, trainer, game actors, inference actor and a learner of two processes."""
    more = ["run.steps=100000", "learner.workers=2", "inference.actor=true", "inference.runtime=eager"]
    process = start_training("demo", *TINY, *more, folder=tmp_path)
    wait_for(lambda: has_rows(tmp_path / "runs" / "it"), process, seconds=300)
    found = listening(set(family(process.pid)))
    process.terminate()
    finish(process)
    assert len(found) > 3
    assert {address for address in found if not address.startswith("127.") and address != "::1"} == set(), found
