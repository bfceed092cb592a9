"""Hold out part of the data: shuffled, and with every class in its share.

`split_indices` returns row numbers, which cost next to nothing, where two halves of MNIST would
be a second copy of it; `train_validation_split` returns the rows themselves. Next: `images.py`.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.validation import InputError


def split_indices(
    labels_or_n: ArrayLike, fraction: float, rng: np.random.Generator, stratify: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose at random which rows to train on and which to hold out.

    Parameters
    ----------
    labels_or_n : array_like (N, ...) or int
        The targets, or just how many rows there are. Integer labels (N,) are split class by
        class; anything else (values, one-hot rows, a number of rows) is split as one whole.
    fraction : float
        The share to hold out, between 0 and 1.
    rng : numpy.random.Generator
        Decides; the same state gives the same split.
    stratify : bool
        Whether to split integer labels class by class.

    Returns
    -------
    train, held_out : ndarray of int64
        Every row is in exactly one of them, each in random order. `held_out` has ``fraction * N``
        rows, rounded. Each class gives its exact share rounded up or down; those with the largest
        remainders are rounded up until the total is right (equal remainders: at random).

    Raises
    ------
    InputError
        If `fraction` is not between 0 and 1, `rng` is no Generator, or one side would be empty.
    """
    if not isinstance(rng, np.random.Generator):
        raise InputError(
            f"expected rng to be a numpy.random.Generator, got {rng!r}: np.random.default_rng(0) "
            "makes one"
        )
    fraction = _checked_fraction(fraction)
    n, labels = _rows_and_labels(labels_or_n)
    held_out_size = round(n * fraction)
    if not 0 < held_out_size < n:
        raise InputError(
            f"expected at least one row on each side of the split, got {n - held_out_size} to "
            f"train on and {held_out_size} held out, from {n} rows and fraction={fraction:g}: "
            "there are too few rows"
        )
    order = rng.permutation(n)
    if labels is None or not stratify:
        return order[held_out_size:], order[:held_out_size]

    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quota = _shares(counts, held_out_size, rng)
    # Within each class, rows come in the random order of `order`; the first quota[k] are held out.
    by_class = np.argsort(classes[order], kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    is_held_out = rank < quota[classes[order]]
    return order[~is_held_out], order[is_held_out]


def train_validation_split(
    x: NDArray[Any],
    y: NDArray[Any],
    fraction: float,
    rng: np.random.Generator,
    stratify: bool = True,
) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
    """Split samples and their targets; see `split_indices` for how the rows are chosen.

    Parameters
    ----------
    x, y : ndarray
        N samples and their N targets, one per row.
    fraction, rng, stratify
        As in `split_indices`.

    Returns
    -------
    (x_train, y_train), (x_held_out, y_held_out)
        Copies of the rows.

    Raises
    ------
    InputError
        As in `split_indices`, and if `x` and `y` differ in length.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise InputError(
            f"expected x and y with one row for each sample, got shapes {x.shape} and {y.shape}: "
            "are they from the same data set?"
        )
    train, held_out = split_indices(y, fraction, rng, stratify)
    return (x[train], y[train]), (x[held_out], y[held_out])


def _shares(counts: NDArray[Any], total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Divide `total` among classes in proportion to `counts`, by largest remainders."""
    # Integers throughout: counts * total / N in floating point would break ties by its error.
    quota, remainder = np.divmod(counts * total, counts.sum())
    shuffled = rng.permutation(len(counts))
    largest_first = shuffled[np.argsort(-remainder[shuffled], kind="stable")]
    quota[largest_first[: total - quota.sum()]] += 1
    return quota


def _rows_and_labels(labels_or_n: ArrayLike) -> tuple[int, NDArray[Any] | None]:
    """Return the number of rows, and the labels if they are classes."""
    y = np.asarray(labels_or_n)
    if y.ndim > 0:
        return len(y), y if y.ndim == 1 and y.dtype.kind in "iub" else None
    if y.dtype.kind not in "iu" or y < 0:
        raise InputError(f"expected the targets (N, ...) or a number of rows, got {labels_or_n!r}")
    return int(y), None


def _checked_fraction(fraction: float) -> float:
    """Return `fraction`, which must leave something on both sides."""
    if not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise InputError(
            f"expected fraction between 0 and 1, both excluded, got {fraction!r}: 0.1 holds out "
            "one row in ten"
        )
    return float(fraction)


def five_sixths(y: NDArray[Any]) -> int:
    """Give the number of rows that come before the last sixth, which judges settings.

    On MNIST these are 50,000 and 10,000, as Simard et al. have it.

    Parameters
    ----------
    y : ndarray of int (N,)
        Labels, in the order of the data set.

    Raises
    ------
    InputError
        If the two parts have not the same classes, as in data that are sorted.
    """
    first = len(y) * 5 // 6
    if set(y[:first].tolist()) != set(y[first:].tolist()):
        raise InputError(
            f"expected all {len(np.unique(y))} classes in the first five sixths and in the last "
            f"sixth of the training data, which judges: are they sorted by class? Shuffle them once"
        )
    return first
