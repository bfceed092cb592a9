"""A bound on the memory that a test may take."""

import tracemalloc
from contextlib import contextmanager


@contextmanager
def peak_below(limit: float):
    """Fail if the code inside holds `limit` bytes or more at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
