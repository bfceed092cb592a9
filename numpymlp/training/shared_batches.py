"""Augmented batches in shared memory: each worker makes some, and all read all.

Worker r of R makes the batches r, r + R, r + 2 R, ... of an epoch, so the work is divided, and the
batches are those of one process. A group of R is made just before its first batch is needed, by all
workers at the same time. A second thread in each worker would not pay: it and the training would
wait for each other's interpreter lock. Only `split_trainer.py` uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from numpymlp.parallel import Communicator


class SharedBatches:
    """The batches of the present group.

    Parameters
    ----------
    comm : Communicator
        Between two groups, the workers must meet in a sum after they have used the last batch.
    memory : RawArray
        From `SharedBatches.memory`; the same on all workers.
    shape : tuple of int
        Of a full batch; the last of an epoch may have fewer rows.
    dtype : dtype
    """

    def __init__(
        self, comm: Communicator, memory: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.comm, self.next = comm, -1
        self.batches = np.frombuffer(memory, dtype).reshape(comm.size, *shape)

    @staticmethod
    def memory(size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Return the memory for so many workers, to be sent to all of them."""
        return RawArray("b", size * math.prod(shape) * dtype.itemsize)

    def take(self, batch: int, rows: int, make: Callable[[int], np.ndarray]) -> np.ndarray:
        """Return a view of a batch, (rows, ...), valid until the next group is made.

        Parameters
        ----------
        batch : int
            Its number in the epoch; all workers take all batches in order.
        rows : int
        make : callable
            ``make(batch)`` returns a batch; of no rows, if the epoch has ended before.
        """
        place = batch % self.comm.size
        if place == 0 or batch != self.next:
            own = make(batch - place + self.comm.rank)
            self.batches[self.comm.rank, : len(own)] = own
            self.comm.sum(np.zeros(1))  # all are made
        self.next = batch + 1
        return self.batches[place, :rows]
