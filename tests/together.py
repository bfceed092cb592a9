"""Workers that are threads of this process: a communicator for tests."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from numpymlp.parallel import Communicator


class Threads(Communicator):
    """Each worker lays its array down, and all add them up in the same order."""

    def __init__(self, rank, table, barrier):
        super().__init__(rank, len(table))
        self.table, self.barrier = table, barrier

    def __deepcopy__(self, memo):
        return self

    def sum(self, a):
        self.table[self.rank] = a
        self.barrier.wait()
        total = sum(self.table[1:], self.table[0].copy())
        self.barrier.wait()  # nobody lays the next array down before all have read this one
        return total


def run(workers, program):
    """Return what ``program(comm)`` returns on each of the workers."""
    table, barrier = [None] * workers, threading.Barrier(workers, timeout=60)

    def seat(rank):
        try:
            return program(Threads(rank, table, barrier))
        except BaseException:
            time.sleep(0.2)  # if all raise alike, let them
            barrier.abort()
            raise

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(seat, range(workers)))
