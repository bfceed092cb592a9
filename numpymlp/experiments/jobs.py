"""Jobs: training runs that do not need each other, side by side.

`search` and the ladder give them to joblib. Its active backend runs them: processes of this
machine, the workers of a Dask cluster (`on_dask`), or what ``joblib.parallel_config`` names. Every
job trains with one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from numpymlp.experiments.environment import cores
from numpymlp.storage.files import pip_install
from numpymlp.training.interrupts import WorkerLost
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
    """
    with missing("jobs", "joblib"):
        import joblib
    backend = joblib.parallel.get_active_backend()[0]
    as_ready = "generator_unordered" if backend.supports_return_generator else "list"
    yield from joblib.Parallel(jobs, return_as=as_ready)(
        joblib.delayed(function)(*call) for call in calls
    )


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
        If Dask is not installed, or nothing answers at the address.
    WorkerLost
        If one job was running on several workers while they were lost.
    """
    if address is None:
        yield
        return
    with missing("dask", "distributed joblib"):
        import joblib
        from distributed import Client, KilledWorker
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:  # ValueError: no address
        raise InputError(
            f"dask: expected the address of a scheduler that answers, got {address} ({error}): "
            f"start one with: dask scheduler"
        ) from error
    try:
        with client, copies_kept(client), joblib.parallel_config("dask", scatter=list(arrays)):
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
