"""How much memory this process needed."""

import resource
import sys


def peak_memory() -> float:
    """MiB that this process held at most so far (POSIX)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
