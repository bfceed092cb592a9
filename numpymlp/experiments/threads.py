"""The number of threads in which BLAS computes the matrix products of a command.

Two threads gain little: on two free cores, a step of 784-800-10 takes 0.79 of its time with one
thread, and a step of 784-128-10 takes 1.13. On a busy machine they lose much: the threads spin
while they wait for each other, and a step takes two to nine times as long
(`tutorials/results/machine.md` has the measurements). So a command computes in one thread unless
each thread has much to do. The library changes nothing: `Trainer` uses the threads that BLAS has,
as ``OPENBLAS_NUM_THREADS`` or threadpoolctl set them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from numpymlp.experiments.environment import blas_threads, cores, threads_variable
from numpymlp.validation import InputError, check_positive_integer

# Multiply-adds of a forward pass for which a thread pays: the default recipe, 784-192-10 in batches
# of 256, has 39 million; 784-800-10 in batches of 128 has 81 million, enough for two.
PER_THREAD = 40_000_000


class Threads(NamedTuple):
    """A number of BLAS threads, and what decided it."""

    number: int
    reason: str

    def __str__(self) -> str:
        """Return a line for the report of a command."""
        text = f"BLAS threads: {self.number} of {cores()} cores, {self.reason}"
        if self.number > 1 and (load := machine_load()) + self.number > cores() + 0.5:
            text += f"; the machine is busy (load {load:.1f}), so 1 may be much faster"
        return text


def choose_threads(
    given: int | None = None, multiply_adds: int = 0, *, prefetch: bool = False
) -> Threads:
    """Choose the number of BLAS threads for a network.

    It does not depend on the load of the machine, so that the same command gives the same bits.

    Parameters
    ----------
    given : int, optional
        This number, if it is not None.
    multiply_adds : int
        Weights of the network times rows of a batch. It decides, unless a variable such as
        ``OPENBLAS_NUM_THREADS`` is set: then BLAS keeps the number it has.
    prefetch : bool, default False
        Whether a thread that distorts images needs a core too.

    Raises
    ------
    InputError
        If `given` is no whole number from 1 to the number of cores.
    """
    if given is not None:
        return Threads(check_threads(given), "as given")
    if name := threads_variable():
        return Threads(blas_threads(), f"as {name} says")
    most = max(cores() - prefetch, 1)
    number = min(max(multiply_adds // PER_THREAD, 1), most)
    return Threads(number, "chosen by the size of the network")


def check_threads(threads: int) -> int:
    """Return `threads`; raise InputError unless this process has as many cores."""
    if check_positive_integer(threads, "threads") > cores():
        raise InputError(
            f"threads: expected 1 to {cores()}, the cores that this process may use, got {threads}"
        )
    return threads


@contextmanager
def blas_limited_to(threads: int) -> Iterator[None]:
    """Compute the matrix products of a ``with`` block in so many threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def machine_load() -> float:
    """Return the number of processes that ran or waited in the last minute, on average."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
