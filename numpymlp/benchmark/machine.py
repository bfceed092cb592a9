"""The machine that is measured on: its processor, and how much of it other programs use.

The load average cannot tell the benchmark from other programs. The system's clock of busy cores
can: what this process and its children did not use, others did.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

BUSY = 0.5  # load average before the benchmark; it counts where the next cannot be measured
OTHERS = 0.1  # cores that other programs use during the benchmark: above, they disturb it

STAT = Path("/proc/stat")


def load_average() -> float:
    """Return the number of programs that ran or waited in the last minute; 0 if unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


class Others:
    """Count what other programs use of the machine from now on."""

    def __init__(self) -> None:
        self.before = time.perf_counter(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Return the number of cores that they used on average; None if the system does not say."""
        started, busy, own = self.before
        now = _busy_seconds()
        if busy is None or now is None:
            return None
        used = (now - busy) - (_own_seconds() - own)
        return max(0.0, used / max(time.perf_counter() - started, 1e-9))


def _busy_seconds() -> float | None:
    """Return the seconds that all cores together were busy since the start of the system."""
    if not STAT.exists():
        return None
    _, *ticks = STAT.read_text().splitlines()[0].split()
    user, nice, system, _idle, _waiting, *interrupts = map(int, ticks[:8])  # the rest is in user
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def busy(load: float, others: float | None) -> bool:
    """Return whether other programs disturbed the times; the load counts if nothing else is known.

    A benchmark that ended a minute ago is still in the load average.
    """
    return load > BUSY if others is None else others > OTHERS
