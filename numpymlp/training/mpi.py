"""MPI: the workers are ranks that mpiexec has started, on one machine or on many.

Rank 0 runs the command; the others take part in what it trains. They get the Trainer and the data
from it, so that they need no files. Without shared memory, each rank augments all batches itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from numpymlp.parallel import Communicator
from numpymlp.storage.files import pip_install
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.workers import IGNORED, one_thread
from numpymlp.validation import InputError

ADVICE = "start it with: mpiexec -n 2 numpymlp train --workers mpi"
FORWARDED = 1.0  # seconds for mpiexec to pass on what a rank printed: it drops the rest at its end


class Ranks(Communicator):
    """The communicator of the ranks of MPI.

    Parameters
    ----------
    world : mpi4py.MPI.Comm, optional
        Of all ranks that mpiexec has started, by default.
    """

    current: Ranks | None = None  # on rank 0, while `lead` runs

    def __init__(self, world: Any = None) -> None:
        self.world = _world() if world is None else world
        super().__init__(self.world.Get_rank(), self.world.Get_size())
        self.training = False

    def __deepcopy__(self, memo: Any) -> Ranks:
        return self

    def sum(self, a: np.ndarray) -> np.ndarray:
        total = np.empty(a.shape, a.dtype)
        self.world.Allreduce(np.ascontiguousarray(a), total)
        return total

    def run(self, program: Callable[..., Any], *args: Any) -> Any:
        """Run a program on all ranks, called on rank 0; return what it returns here."""
        self.world.bcast((program, args))
        self.training = True
        try:
            result = program(self, *args)
        except TrainingDiverged:  # all ranks raise it
            self.training = False
            raise
        self.training = False
        return result

    def serve(self) -> None:
        """Run the programs that rank 0 sends, until it is done."""
        for name in IGNORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        with one_thread():
            while (sent := self.world.bcast(None)) is not None:
                program, args = sent
                try:
                    program(self, *args)
                except TrainingDiverged:  # rank 0 reports it
                    pass
                except BaseException as error:
                    self.abort(error)

    def abort(self, error: BaseException) -> None:
        """Report an error and end all ranks: the others wait for this one."""
        with contextlib.suppress(OSError, ValueError):
            text = f"{type(error).__name__}: {error}"
            print(f"numpymlp: rank {self.rank} failed: {text}", file=sys.stderr, flush=True)
        time.sleep(FORWARDED)
        self.world.Abort(2)
        os._exit(2)


def lead(function: Callable[[], Any], settings: Any = None) -> Any:
    """Call a function on rank 0, while the other ranks take part in what it trains.

    Parameters
    ----------
    function : callable
        Trains with `Ranks.current`.
    settings : optional
        Compared between the ranks: the options with which each was started.

    Raises
    ------
    InputError
        On rank 0, if the ranks have other settings or versions than it, or it is the only one.
    """
    ranks = Ranks()
    if ranks.size < 2:
        raise InputError(f"workers: expected at least 2 ranks of MPI, got one process: {ADVICE}")
    found = ranks.world.allgather((settings, np.__version__))
    others = [rank for rank, its in enumerate(found) if its != found[0]]
    if ranks.rank > 0:
        return None if others else ranks.serve()
    if others:
        raise InputError(
            f"workers: expected the same options and version of NumPy on all ranks, got others on "
            f"rank {others[0]}: start all ranks with one command"
        )
    Ranks.current = ranks
    try:
        return function()
    except BaseException as error:
        if ranks.training:
            ranks.abort(error)
        raise
    finally:
        Ranks.current = None
        ranks.world.bcast(None)


def _world() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library
        raise InputError(
            f"workers: expected mpi4py and an MPI library for ranks of MPI, got none ({error}): "
            f"{pip_install('mpi4py mpich')}"
        ) from error
    return MPI.COMM_WORLD
