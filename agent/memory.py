"""How much memory this process uses."""

import os
from pathlib import Path


def resident_bytes() -> int:
    """Bytes of memory that this process occupies and does not share with files; 0 where the system does not say."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
