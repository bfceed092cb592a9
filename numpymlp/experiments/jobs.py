"""Jobs: training runs that do not need each other, side by side.

`search` and the ladder give them to joblib. Its active backend runs them: processes of this
machine, the workers of a Dask cluster (`on_dask`), or what ``joblib.parallel_config`` names. Every
job trains with one process.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from numpymlp.experiments.environment import cores
from numpymlp.experiments.parallel_runs import STOP_SIGNALS
from numpymlp.storage.files import pip_install, shown
from numpymlp.training.interrupts import StopBetweenSteps, TrainingInterrupted, WorkerLost
from numpymlp.validation import InputError

PATIENCE = 5.0  # seconds in which a scheduler of Dask must answer


def check_jobs(jobs: int) -> int:
    """Return a number of jobs at a time; raise InputError for none, or more than cores."""
    if not isinstance(jobs, int) or (jobs != -1 and not 1 <= jobs <= cores()):
        raise InputError(
            f"jobs: expected a number of processes from 1 to {cores()}, the cores that this one "
            f"may use, or -1 for all, got {jobs}"
        )
    return jobs


def side_by_side(function: Callable[..., Any], calls: Iterable[Any], jobs: int) -> Iterator[Any]:
    """Yield ``function(*call)`` for each call, in any order; -1: as many jobs as the backend has.

    Raises
    ------
    InputError
        If joblib is not installed.
    WorkerLost, TrainingInterrupted
        As in `ended_together`.
    """
    with missing("jobs", "joblib"):
        import joblib
    backend = joblib.parallel.get_active_backend()[0]
    as_ready = "generator_unordered" if backend.supports_return_generator else "list"
    with ended_together("; the same command continues"):
        yield from joblib.Parallel(jobs, return_as=as_ready)(
            joblib.delayed(function)(*call) for call in calls
        )


@contextmanager
def ended_together(then: str = "") -> Iterator[None]:
    """Let no job of a ``with`` block outlive it: SIGTERM ends all of them, as Ctrl-C does.

    Parameters
    ----------
    then : str, default ""
        What the messages say after "interrupted" and the like.

    Raises
    ------
    WorkerLost
        If the process of a job was killed.
    TrainingInterrupted
        After a signal that ends programs.
    """

    def stop(number: int) -> None:
        raise TrainingInterrupted(f"interrupted{then}", number)

    try:
        with StopBetweenSteps(STOP_SIGNALS, stop):
            yield
    except BrokenExecutor as error:
        raise WorkerLost(f"jobs: a process was killed, perhaps for want of memory{then}") from error


@contextmanager
def on_dask(address: str | None, *arrays: Any) -> Iterator[None]:
    """Run the jobs of a ``with`` block on a Dask cluster.

    Dask gives the jobs of a worker that is lost to another one.

    Parameters
    ----------
    address : str or None
        Of the cluster's scheduler, such as ``tcp://127.0.0.1:8786``; None: no cluster. Its workers
        need this package, and for a ladder the same folders.
    *arrays
        What all jobs read. Every worker gets them first, so that none is lost with a worker.

    Raises
    ------
    InputError
        If Dask is not installed, nothing answers at the address, or a worker has several threads,
        which would share one number of BLAS threads.
    WorkerLost
        If one job was running on several workers while they were lost.
    """
    if address is None:
        yield
        return
    with missing("dask", "distributed joblib"):
        import joblib
        from distributed import Client, KilledWorker
    connect: Any = Client  # without types
    try:
        place = urlsplit(address)
        if not place.hostname or not place.port:
            raise ValueError("no host and port")
        # A Client that nobody answers would leave a thread behind.
        socket.create_connection((place.hostname, place.port), PATIENCE).close()
        client = connect(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"dask: expected the address of a scheduler that answers, got {shown(address, 80)} "
            f"({shown(error, 80)}): start one with: dask scheduler"
        ) from error
    try:
        with client, copies_kept(client), joblib.parallel_config("dask", scatter=list(arrays)):
            if any(threads > 1 for threads in client.nthreads().values()):
                raise InputError(
                    f"dask: expected workers of one thread each, got more: start them with: dask "
                    f"worker {address} --nthreads 1"
                )
            yield
    except KilledWorker as error:
        raise WorkerLost(f"dask: {error}") from error


@contextmanager
def copies_kept(client: Any) -> Iterator[None]:
    """Stop Dask's active memory manager for a while: it deletes all copies of an array but one."""
    running = client.amm.running()
    client.amm.stop()
    try:
        yield
    finally:
        if running:
            client.amm.start()


@contextmanager
def missing(what: str, packages: str) -> Iterator[None]:
    """Say how to install packages that a block cannot import."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what}: expected packages that are not installed ({error}): {pip_install(packages)}"
        ) from error
