"""Prepare the next batches in a second thread while this one trains.

NumPy releases the interpreter lock while it works on large arrays, so a second core can distort
images meanwhile. The items and their order are the same as without the thread; only the time
differs. The Trainer uses it where batches are augmented.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from numpymlp.validation import InputError, check_positive_integer

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Iterate over items that another thread prepares: ``with Prefetch(batches) as ready``.

    Leaving the block ends the thread, also after a break or an error.

    Parameters
    ----------
    items : iterable
        Only the thread reads it. Its errors are raised in the loop, in place of the missing item.
    ahead : int, default 2
        How many items may be ready: this bounds the memory.
    """

    def __init__(self, items: Iterable[T], ahead: int = 2) -> None:
        self.items = items
        # A permit for each item that may be prepared; the loop returns one for each that it takes.
        self._permits = threading.Semaphore(check_positive_integer(ahead, "Prefetch ahead"))
        self._ready: queue.SimpleQueue[tuple[T] | BaseException] = queue.SimpleQueue()
        self._closing = False
        # In a copy of this context, so that np.errstate holds in the thread as it does here.
        run: Any = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._prepare,), name="prefetch", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _prepare(self) -> None:
        """Fill the queue; the last thing put there is the error that ended it."""
        try:
            items = iter(self.items)
            while self._permits.acquire() and not self._closing:
                self._ready.put((next(items),))
        except BaseException as error:  # also StopIteration: raised again in the loop
            self._ready.put(error)

    def __iter__(self) -> Iterator[T]:
        if self._thread.ident is None:
            raise InputError("Prefetch expected to be entered: with Prefetch(items) as ready")
        return self

    def __next__(self) -> T:
        item = self._ready.get()
        if isinstance(item, BaseException):
            self._ready.put(item)  # the next call raises the same
            raise item
        self._permits.release()
        return item[0]

    def __exit__(self, *error: object) -> None:
        self._closing = True
        self._permits.release()
        self._thread.join()
        self._ready.put(StopIteration())  # a later read ends at once
