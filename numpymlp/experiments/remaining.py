"""The time that a series of runs still takes: `ladder`, `search` and `benchmark` show it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Remaining:
    """Tell how much of a series of tasks is done, and how long the rest will take.

    Parameters
    ----------
    total : float > 0
        The work of all tasks, in any unit; the time is taken to be in proportion to it.
    guess : float, optional
        Seconds for all of it, for the time before anything is done.
    clock : callable, default time.monotonic
    """

    def __init__(
        self,
        total: float,
        guess: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.guess, self.clock = total, guess, clock
        self.done, self.began = 0.0, clock()

    def add(self, work: float) -> None:
        """Count work as done."""
        self.done += work

    def seconds(self) -> float | None:
        """Return the seconds that are left; None before anything is done, without a guess."""
        if self.done:
            return (self.clock() - self.began) / self.done * max(self.total - self.done, 0.0)
        return self.guess

    def __str__(self) -> str:
        """Return the share that is done and the time left, such as "12 %, 1:05 left"."""
        left = self.seconds()
        share = f"{100 * self.done / self.total:.0f} %"
        return (
            f"{share}, time left not known yet" if left is None else f"{share}, {clock(left)} left"
        )


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, "0:07", or with hours, "2:00:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
