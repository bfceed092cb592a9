"""Random splits into training and held-out data, stratified by class.

`split_indices` returns row numbers, which need little memory; `train_validation_split` copies the
rows. Next: `augmentation`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.validation import InputError, as_array, check_pair, check_range, check_rng


def split_indices(
    labels_or_n: ArrayLike, fraction: float, rng: np.random.Generator, stratify: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose at random which rows to train on and which to hold out.

    Parameters
    ----------
    labels_or_n : array_like (N, ...) or int
        The targets, or the number of rows. Integer labels (N,) are split class by class;
        anything else (values, one-hot rows, a number of rows) is split as a whole.
    fraction : float
        The share to hold out, between 0 and 1.
    rng : numpy.random.Generator
        Draws the split; the same state gives the same split.
    stratify : bool
        Whether to split integer labels class by class.

    Returns
    -------
    train, held_out : ndarray of int64
        Row numbers in random order; every row is in exactly one of the two. `held_out` has
        ``fraction * N`` rows, rounded. Each class gives its share rounded up or down: the largest
        remainders are rounded up until the total is reached (equal remainders: at random).

    Raises
    ------
    InputError
        If `fraction` is not between 0 and 1, `rng` is no Generator, or one side would be empty.
    """
    check_rng(rng)
    name = "fraction, the share to hold out"
    fraction = check_range(fraction, name, 0, 1, left_open=True, right_open=True)
    n, labels = _rows_and_labels(labels_or_n)
    held_out_size = round(n * fraction)
    if not 0 < held_out_size < n:
        raise InputError(
            f"expected at least one row on each side of the split, got {n - held_out_size} for "
            f"training and {held_out_size} held out, a share of {fraction:g} of {n} rows: "
            "there are too few rows"
        )
    order = rng.permutation(n)
    if labels is None or not stratify:
        return order[held_out_size:], order[:held_out_size]

    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quota = _shares(counts, held_out_size, rng)
    # Within each class, rows keep the random order of `order`; the first quota[k] are held out.
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
        N samples and N targets, one per row.
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
    x, y = check_pair(x, y)
    train, held_out = split_indices(y, fraction, rng, stratify)
    return (x[train], y[train]), (x[held_out], y[held_out])


def _shares(counts: NDArray[Any], total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Divide `total` among classes in proportion to `counts`, by largest remainders."""
    # Integers throughout: in floating point, rounding errors would break ties.
    quota, remainder = np.divmod(counts * total, counts.sum())
    shuffled = rng.permutation(len(counts))
    largest_first = shuffled[np.argsort(-remainder[shuffled], kind="stable")]
    quota[largest_first[: total - quota.sum()]] += 1
    return quota


def _rows_and_labels(labels_or_n: ArrayLike) -> tuple[int, NDArray[Any] | None]:
    """Return the number of rows, and the labels if they are classes."""
    y = as_array(labels_or_n, "labels")
    if y.ndim > 0:
        return len(y), y if y.ndim == 1 and y.dtype.kind in "iub" else None
    if y.dtype.kind not in "iu" or y < 0:
        raise InputError(f"expected targets (N, ...) or a number of rows, got {labels_or_n!r:.80}")
    return int(y), None


def five_sixths(y: NDArray[Any]) -> int:
    """Return the number of rows before the last sixth, which serves for validation.

    On MNIST: 50,000 rows for training, 10,000 for validation, as in Simard et al. (2003).

    Parameters
    ----------
    y : ndarray of int (N,)
        Labels, in the order of the data set.

    Raises
    ------
    InputError
        If the two parts differ in their classes, as in sorted data.
    """
    first = len(y) * 5 // 6
    if unshared := set(y[:first].tolist()) ^ set(y[first:].tolist()):
        raise InputError(
            f"expected all {len(np.unique(y))} classes in the first five sixths and in the last "
            f"sixth of the training data, got {sorted(unshared)!s:.60} in only one: are they "
            "sorted by class? shuffle them once"
        )
    return first
