"""A ring of augmented batches in shared memory: each worker makes some, and all read all.

Worker r of R makes the batches r, r + R, r + 2 R, ... in a second thread, ahead of the training, so
the work is divided and the batches are those of one process. Only `split_trainer.py` uses it.
"""

from __future__ import annotations

import contextvars
import functools
import math
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from numpymlp.training.workers import LINE, fence

PAUSE = 2e-4  # seconds between two looks


class Closed(Exception):
    """The training has ended; no batch is needed any more."""


class Ring:
    """Slots for batches, numbered through all epochs.

    Parameters
    ----------
    comm : SharedMemory
        Its sums no longer spin while they wait.
    memory : RawArray
        From `Ring.memory`; the same on all workers.
    shape : tuple of int
        Of a full batch; the last of an epoch may have fewer rows.
    dtype : dtype
    """

    def __init__(
        self, comm: Any, memory: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.comm, self.slots = comm, slots_for(comm.size)
        comm.spin = 0  # who waits for a sum leaves the core to the threads that make batches
        numbers = memoryview(memory).cast("B")[: 8 * self._counters(comm.size)].cast("q")
        # The number of the batch in a slot plus one, and its rows; the next batch a worker reads.
        self.made, self.rows = numbers[: self.slots], numbers[self.slots : 2 * self.slots]
        self.next = numbers[2 * self.slots :]
        data = np.frombuffer(memory, np.uint8, offset=8 * self._counters(comm.size))
        self.batches = data.view(dtype).reshape(self.slots, *shape)
        self.closed = False
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None

    @staticmethod
    def _counters(size: int) -> int:
        return 2 * slots_for(size) + size * LINE

    @classmethod
    def memory(cls, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Return the memory of a ring for so many workers, to be sent to all of them."""
        data = slots_for(size) * math.prod(shape) * dtype.itemsize
        return RawArray("b", 8 * cls._counters(size) + data)

    def start(self, first: int, batches: Iterable[tuple[int, np.ndarray]]) -> None:
        """Begin to make this worker's batches of an epoch: pairs of number and batch.

        `first` is the number of the first batch that will be read.
        """
        self.closed = False
        self.next[self.comm.rank * LINE] = first
        run: Any = contextvars.copy_context().run  # np.errstate holds in the thread as it does here
        self.thread = threading.Thread(target=run, args=(self._make, batches), daemon=True)
        self.thread.start()

    def _make(self, batches: Iterable[tuple[int, np.ndarray]]) -> None:
        try:
            for number, batch in batches:
                slot = number % self.slots
                # The slot is free when all have read the batch that it held.
                self._wait(functools.partial(self._read_by_all, number - self.slots))
                self.batches[slot, : len(batch)] = batch
                self.rows[slot] = len(batch)
                fence()
                self.made[slot] = number + 1
        except Closed:
            pass
        except BaseException as error:  # raised again where the batch is missing
            self.error = error

    def _read_by_all(self, number: int) -> bool:
        return all(self.next[rank * LINE] > number for rank in range(self.comm.size))

    def take(self, number: int) -> np.ndarray:
        """Return a copy of a batch as soon as it is made; they are read in order."""
        slot = number % self.slots
        self._wait(lambda: self.made[slot] == number + 1)
        fence()
        batch = self.batches[slot, : self.rows[slot]].copy()
        fence()
        self.next[self.comm.rank * LINE] = number + 1
        return batch

    def _wait(self, ready: Callable[[], bool]) -> None:
        looks = 0
        while not ready():
            if self.closed:
                raise Closed
            if self.error is not None:
                raise self.error
            looks += 1
            if looks % 1000 == 0:
                self.comm.check_alive()
            time.sleep(PAUSE)

    def close(self) -> None:
        """End the thread."""
        self.closed = True
        if self.thread is not None:
            self.thread.join()


def slots_for(size: int) -> int:
    """Return the number of slots: each worker may be two batches ahead."""
    return 2 * size + 2
