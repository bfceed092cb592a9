"""Mini-batches for a loop written by hand: one epoch in a fresh random order.

The `Trainer` draws its own order, which depends on seed and epoch alone; see `trainer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from numpymlp.validation import check_pair, check_positive_integer, check_rng


def minibatches(
    x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield one epoch: every sample once, in a fresh random order, `batch_size` at a time.

    Parameters
    ----------
    x, y : ndarray of shape (N, ...)
        Samples and targets, one a row.
    batch_size : int
        The last batch holds the rest.
    rng : numpy.random.Generator
        Draws the order; the next epoch gets another.

    Yields
    ------
    x, y : ndarray of shape (batch_size, ...)
    """
    x, y = check_pair(x, y)
    starts = range(0, len(x), check_positive_integer(batch_size, "batch_size"))
    order = check_rng(rng).permutation(len(x))
    batches = (order[start : start + batch_size] for start in starts)
    return ((x[rows], y[rows]) for rows in batches)
