"""What the processor wants of long vectors: short blocks, and no numbers too small for it.

The formulas of `optimizers.py` pass several times over all parameters. These two helpers make
those passes fast and know nothing of what they compute. Read `optimizers.py` first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Blocks of this many numbers stay in the processor's cache from one pass to the next.
BLOCK = 1 << 16
# Steps from one `clear_tiny` to the next: 0.9**100 is 3e-5, so that what was kept, 1e-30 or more
# in float32, has not become subnormal before it is looked at again.
CLEAR = 100


def blocks(*vectors: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Walk along vectors of one length in blocks, with one scratch block beside them.

    Yields
    ------
    tuple of ndarray
        A view of each vector, and a scratch array of the same length and dtype, whose content
        means nothing.
    """
    length = len(vectors[0])
    scratch = np.empty(min(BLOCK, length), vectors[0].dtype)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        yield (*(vector[start:stop] for vector in vectors), scratch[: stop - start])


def clear_tiny(step: int, *vectors: np.ndarray) -> None:
    """Every `CLEAR` steps, set to 0 in place what is on its way to the subnormal numbers.

    A running sum shrinks step by step where the gradient stays 0, as it does for the weights of a
    pixel that is black in almost every image. Below 1e-38 in float32 its numbers are "subnormal",
    and most processors take many times as long for each: an epoch of 784-128-10 in batches of 32
    took half as long again. Multiplying by 0.9 never brings them to 0, for the smallest of them is
    rounded back to itself. `tutorials/10_against_scikit_learn.py` shows it.

    Parameters
    ----------
    step : int
        The number of the step, counted from 1.
    *vectors : ndarray of shape (P,)
        Cleared below 1e8 times the smallest normal number, 1e-30 in float32: so far below any
        gradient that teaches, and below the square of Adam's usual epsilon, that no
        parameter notices.
    """
    if step % CLEAR == 0:
        for vector in vectors:
            vector[np.abs(vector) < 1e8 * np.finfo(vector.dtype).tiny] = 0
