"""Programs that the tests run in several processes; these import them from here."""

import os
import signal
import time
import zlib

import numpy as np


def sums(comm):
    """Return the sums of arrays of many sizes, and the checksums of all workers."""
    results = []
    for size in (1, 3, 1280, 300_000, 700_001):
        for dtype in (np.float32, np.float64, np.int64):
            a = np.arange(size, dtype=dtype) * (comm.rank + 1) / 3
            results.append(comm.sum(a.astype(dtype)))
    results.append(comm.sum(np.full((5, 7), comm.rank + 0.1)))
    code = np.zeros(comm.size, np.int64)
    code[comm.rank] = zlib.crc32(b"".join(r.tobytes() for r in results))
    return results, comm.sum(code)


def late(comm):
    """Let the second worker come late; return how often the first has slept."""
    slept, sleep = [], comm._sleep
    comm._sleep = lambda rank: (slept.append(rank), sleep(rank))
    comm.sum(np.zeros(1))
    slept.clear()
    if comm.rank == 1:
        time.sleep(0.2)
    comm.sum(np.zeros(1))
    return slept


def killed(comm, rank):
    """Kill a worker at its 100th sum; the others would go on."""
    for i in range(10_000):
        if i == 100 and comm.rank == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        comm.sum(np.ones(10))


def failing(comm, rank):
    """Raise on one worker, where the others go on."""
    comm.sum(np.zeros(1))
    if comm.rank == rank:
        raise ZeroDivisionError("of the program")
    for _ in range(10_000):
        comm.sum(np.zeros(1))


def endless(comm):
    """Print the process of the second worker, and never end."""
    number = comm.sum(np.array([os.getpid() * (comm.rank == 1)]))
    if comm.rank == 0:
        print(number[0], flush=True)
    while True:
        comm.sum(np.zeros(1))


def threads_of_blas(comm):
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    table = np.zeros(comm.size, int)
    table[comm.rank] = max(counts)
    return comm.sum(table)


def files_of_shared_memory(comm):
    comm.sum(np.zeros(1))
    folder = "/dev/shm"
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def total(comm, shared):
    """Return the sum of a shared array that each worker reads for itself."""
    return comm.sum(shared.view().sum(axis=0))


def shared_mebibytes(comm, sent):
    """Return how much shared memory all workers have mapped, in MiB."""
    del sent
    with open("/proc/self/maps") as file:
        ranges = [line.split()[0].split("-") for line in file if "pym-" in line]
    return comm.sum(np.array([sum(int(b, 16) - int(a, 16) for a, b in ranges) >> 20]))[0]
