"""The processes of one machine that share a network: start them, and add up their arrays.

``run(workers, program, *args)`` calls ``program(comm, *args)`` on every worker. This process is
worker 0; the others are started afresh and end with it. `SharedMemory` is their communicator: each
writes its array into memory that all see, and adds up the arrays there. Read `split_trainer.py`
next, which trains in such a program.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import RawArray
from typing import Any, NamedTuple

import numpy as np

from numpymlp.data.pixels import Pixels
from numpymlp.parallel import Communicator
from numpymlp.training.interrupts import WorkerLost
from numpymlp.validation import InputError, check_positive_integer

CAPACITY = 1 << 18  # bytes of an array that are added up at a time
LINE = 8  # numbers of 8 bytes in a line of the processor's cache: each worker writes its own
# A worker that waits longer than this sleeps; a step of a small network takes less.
SPIN = 2e-3
DOZE = 0.05  # seconds after which a sleeping worker looks by itself
WAKE = b"\0"
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")  # worker 0 decides what they mean

_lock = threading.Lock()


def fence() -> None:
    """Make earlier writes visible before later ones, on any processor: a memory barrier."""
    for _ in range(2):
        with _lock:
            pass


class SharedMemory(Communicator):
    """The communicator of processes that share memory.

    A sum synchronizes the workers once. A worker writes its array into its slot, says that it has
    arrived, waits until all have, and adds up the slots in the order of the workers, so all get the
    same bits. The slots alternate between two halves: a worker at the next sum writes into the
    other half, and no worker gets two sums ahead.

    A waiting worker polls for `SPIN` seconds, and then sleeps on a pipe from the worker
    that is late. Its end-of-file tells that this worker is dead.
    """

    def __init__(self, rank: int, size: int, memory: Any, pipes: dict[int, Any]) -> None:
        super().__init__(rank, size)
        self.pipes, self.turn, self.spin = pipes, 0, SPIN
        self.processes: list[Any] = []  # of the other workers, on worker 0
        counters = memoryview(memory).cast("B")[: 8 * 2 * size * LINE].cast("q")
        self.arrived, self.asleep = counters[: size * LINE], counters[size * LINE :]
        slots = np.frombuffer(memory, np.uint8, offset=8 * 2 * size * LINE)
        self.halves = slots.reshape(2, size, CAPACITY)

    @staticmethod
    def bytes(size: int) -> int:
        """Return how much memory so many workers share."""
        return 8 * 2 * size * LINE + 2 * size * CAPACITY

    def __deepcopy__(self, memo: Any) -> SharedMemory:
        return self

    def sum(self, a: np.ndarray) -> np.ndarray:
        total = np.empty(a.shape, a.dtype)
        source, target, step = a.reshape(-1), total.reshape(-1), CAPACITY // a.itemsize
        for start in range(0, a.size, step):
            self._add_up(source[start : start + step], target[start : start + step])
        return total

    def _add_up(self, part: np.ndarray, total: np.ndarray) -> None:
        slots = self.meet(part)
        np.add(slots[0], slots[1], out=total)
        for other in slots[2:]:
            total += other

    def meet(self, part: np.ndarray) -> np.ndarray:
        """Return the arrays (n,) of all workers, (size, n), once all are there.

        They may be read until the next meeting. An array has at most `CAPACITY` bytes.
        """
        slots = self.halves[self.turn % 2, :, : part.nbytes].view(part.dtype)
        slots[self.rank] = part
        self.turn += 1
        fence()
        self.arrived[self.rank * LINE] = self.turn
        fence()
        for rank, pipe in self.pipes.items():
            if self.asleep[rank * LINE]:
                with contextlib.suppress(OSError):  # the wait below finds a dead worker
                    pipe.send_bytes(WAKE)
        for rank in self.pipes:
            self._wait(rank)
        fence()
        return slots

    def _wait(self, rank: int) -> None:
        """Wait until another worker has arrived at this turn."""
        place, turn = rank * LINE, self.turn
        if self.arrived[place] >= turn:
            return
        end = time.perf_counter() + self.spin
        while self.arrived[place] < turn:
            if time.perf_counter() < end:
                time.sleep(0)  # another thread may work
                if hasattr(os, "sched_yield"):
                    os.sched_yield()  # and another process
            else:
                self._sleep(rank)

    def _sleep(self, rank: int) -> None:
        """Sleep until the pipe from another worker has news, or a moment has passed."""
        self.asleep[self.rank * LINE] = 1
        fence()
        try:
            pipe = self.pipes[rank]
            if self.arrived[rank * LINE] < self.turn and pipe.poll(DOZE):
                news = pipe.recv_bytes()
                if news != WAKE:
                    raise WorkerLost(f"worker {rank + 1} of {self.size} failed: {news.decode()}")
        except (EOFError, OSError) as error:
            raise WorkerLost(f"worker {rank + 1} of {self.size} is gone") from error
        finally:
            self.asleep[self.rank * LINE] = 0

    def check_alive(self) -> None:
        """Raise WorkerLost if another worker has ended: for threads that wait in another way."""
        parent = multiprocessing.parent_process()
        others = self.processes or ([parent] if parent is not None else [])
        for process in others:
            if not process.is_alive():
                raise WorkerLost("a worker is gone")


# ---- arrays that all workers see ----


class Shared(NamedTuple):
    """An array, or `Pixels`, in shared memory, as it is sent to a process that is being started."""

    memory: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixels: bool = False

    @classmethod
    def of(cls, array: np.ndarray | Pixels) -> Shared:
        """Return a whole array as shared memory: its own if it lies there, else a copy."""
        if isinstance(array, Pixels):
            return cls.of(array.values)._replace(pixels=True)
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        owner = owner.obj if isinstance(owner, memoryview) else owner
        if getattr(owner, "_wrapper", None) is None or np.shape(owner) != (array.nbytes,):
            owner = RawArray("b", max(array.nbytes, 1))
            cls(owner, array.shape, array.dtype).view()[...] = array
        return cls(owner, array.shape, array.dtype)

    def view(self) -> Any:
        """Return the array; it keeps the memory alive."""
        count = int(np.prod(self.shape))
        array = np.frombuffer(self.memory, self.dtype, count).reshape(self.shape)
        return Pixels(array) if self.pixels else array


# ---- processes ----


def run(workers: int, program: Callable[..., Any], *args: Any) -> Any:
    """Run a program on several workers, of which this process is the first.

    Parameters
    ----------
    workers : int
        1 calls the program here, without any other process.
    program : callable
        ``program(comm, *args)``, a function at the top of a module. All workers must make the same
        calls of ``comm.sum``.
    *args
        Sent to the other workers by pickle.

    Returns
    -------
    What the program returns here.

    Raises
    ------
    WorkerLost
        If another worker was killed or failed; all are ended.

    Notes
    -----
    Each worker has one BLAS thread. A module that is run as a script needs
    ``if __name__ == "__main__":``, as for `multiprocessing`.
    """
    if check_positive_integer(workers, "workers") == 1:
        return program(Communicator(), *args)
    context = multiprocessing.get_context("spawn")
    memory = RawArray("b", SharedMemory.bytes(workers))
    pipes: list[dict[int, Any]] = [{} for _ in range(workers)]
    for a in range(workers):
        for b in range(a):
            pipes[a][b], pipes[b][a] = context.Pipe()
    comm = SharedMemory(0, workers, memory, pipes[0])
    try:
        with one_thread():
            parcels = [Parcel.of((program, args))]
            for rank in range(1, workers):
                start = (rank, workers, memory, pipes[rank], parcels)
                process = context.Process(target=_work, args=start, daemon=True)
                with main_hidden(unless=parcels[0].needs_main):
                    process.start()
                comm.processes.append(process)
                for pipe in pipes[rank].values():
                    pipe.close()  # so that the death of the worker is the end of the pipe
            parcels.clear()  # free its memory
            result = program(comm, *args)
        for process in comm.processes:
            process.join(5)
        return result
    except WorkerLost as error:
        raise WorkerLost(_what_happened(comm.processes, str(error))) from error
    finally:
        for pipe in pipes[0].values():
            pipe.close()
        for process in comm.processes:
            process.kill()
            process.join()


def keep_memory() -> None:
    """Let this process reuse the memory of freed arrays of up to 30 MiB.

    glibc returns an array above 128 KiB to the system when it is freed, and the next one takes a
    page fault for every 4 KiB: a fifth of the time of a step of 784-512-512-10. Freeing one larger
    array, as here, raises the limit. Nothing is written into it, so it takes no memory.
    """
    np.empty(30 << 20, np.uint8)


def trim_memory() -> None:
    """Return the memory of freed arrays to the system, where the C library is glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class Parcel(NamedTuple):
    """A program and its arguments, pickled into shared memory.

    Sent through a pipe, more than the pipe holds would make this process wait for ever if the other
    one were killed while it starts.
    """

    pickled: Any
    arrays: list[Any]  # can be sent only to a process that is being started
    needs_main: bool  # whether something in it is defined in the script of this process

    @classmethod
    def of(cls, content: Any) -> Parcel:
        """Pickle the content once; any number of processes can open it."""
        pickler = _Pickler(file := io.BytesIO())
        try:
            pickler.dump(content)
        except (pickle.PicklingError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"workers: expected parts that can be sent to another process, got one that cannot "
                f"be pickled: {error}: define functions and classes at the top of a module"
            ) from error
        pickled = file.getbuffer()
        memory = RawArray("b", len(pickled))
        memoryview(memory).cast("B")[:] = pickled
        return cls(memory, pickler.arrays, b"__main__" in file.getvalue())

    def open(self) -> Any:
        """Return the content."""
        unpickler: Any = _Unpickler(io.BytesIO(memoryview(self.pickled).cast("B")))
        unpickler.arrays = self.arrays
        return unpickler.load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.arrays: list[Any] = []

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, ctypes.Array):
            return None
        self.arrays.append(obj)
        return len(self.arrays) - 1


class _Unpickler(pickle.Unpickler):
    arrays: list[Any]

    def persistent_load(self, pid: int) -> Any:
        return self.arrays[pid]


@contextlib.contextmanager
def main_hidden(unless: bool) -> Iterator[None]:
    """Let a process that is started in this block not import the script of this one.

    It would import all commands of `numpymlp`, of which it needs none.
    """
    main = sys.modules["__main__"]
    hidden = {} if unless else {"__file__": vars(main).pop("__file__", None)}
    try:
        yield
    finally:
        vars(main).update({name: value for name, value in hidden.items() if value is not None})


def _work(rank: int, size: int, memory: Any, pipes: dict[int, Any], parcels: list[Parcel]) -> None:
    """Run the program on another worker than the first."""
    for name in IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        program, args = parcels.pop().open()
        program(SharedMemory(rank, size, memory, pipes), *args)
    except WorkerLost:  # the first worker reports it
        os._exit(1)
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipes[0].send_bytes(f"{type(error).__name__}: {error}".encode())
        os._exit(1)


def _what_happened(processes: list[Any], message: str) -> str:
    """Say which worker ended, and how: those that were killed ended first."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        for rank, process in enumerate(processes, start=2):
            if (process.exitcode or 0) < 0:
                name = signal.Signals(-process.exitcode).name
                return f"worker {rank} of {len(processes) + 1} was killed ({name})"
        if all(process.exitcode is not None for process in processes):
            break
        time.sleep(0.01)
    return message


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS use one thread, here and in the processes that are started meanwhile.

    Threads of BLAS spin while they wait, so more of them than cores slow each other down.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
