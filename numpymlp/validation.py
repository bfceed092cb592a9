"""Every check of what users pass in, with the message that each mistake gets.

A check runs once, at the border where data enters (a loss, `Network`, `Trainer`, the metrics,
the commands); nothing inside the layers' arithmetic checks anything. A message says what was
expected, what came, and the likely cause. The checks of files stand where the files are read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class InputError(ValueError):
    """What a user passed in cannot be used; the message says what was expected and what came.

    Every check of this package raises this one error (a `ValueError`), so that a command can
    turn it into one line and an exit status, and a test can tell it from a fault of our own.
    """


# ---- metrics and plots: labels, probabilities, values, weights ----


def as_labels(name: str, y: ArrayLike) -> NDArray[np.int64]:
    """Return `y` as integer labels (N,), N at least 1; True and False count as 1 and 0."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"{name}: expected labels of shape (N,), got {labels.shape}: one-hot rows or "
            f"probabilities become labels with {name}.argmax(axis=1)"
        )
    if labels.ndim != 1:
        raise InputError(
            f"{name}: expected labels of shape (N,), got {labels.shape}: {name}.reshape(-1) makes "
            "a column flat"
        )
    if len(labels) == 0:
        raise InputError(f"{name}: expected at least one label, got none: is the data set empty?")
    if labels.dtype.kind not in "iub":
        raise InputError(
            f"{name}: expected integer labels, got {labels.dtype}: use {name}.astype(int) if they "
            "are whole numbers, np.unique(..., return_inverse=True) if they are names"
        )
    return labels.astype(np.int64)


def check_label_range(name: str, labels: NDArray[np.int64], classes: int) -> None:
    """Raise unless every label is one of 0 ... classes - 1."""
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise InputError(
            f"{name}: expected labels from 0 to {classes - 1} ({classes} classes), got labels from "
            f"{low} to {high}: labels count from 0; were the data made for a model with other "
            "classes?"
        )


def check_class_count(classes: Any) -> int:
    """Return the number of classes as an int of at least 1."""
    if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)) or classes < 1:
        raise InputError(
            f"classes: expected the number of classes, an integer of at least 1, got {classes!r}"
        )
    return int(classes)


def check_same_length(name_a: str, a: NDArray[Any], name_b: str, b: NDArray[Any]) -> None:
    """Raise unless `a` and `b` have the same number of rows."""
    if len(a) != len(b):
        raise InputError(
            f"{name_a} and {name_b}: expected one row for each sample in both, got {len(a)} and "
            f"{len(b)}: do they come from the same data set?"
        )


def as_probabilities(probabilities: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return rows of class probabilities (N, K), K at least 2; (N, 1) means that of class 1."""
    rows = np.asarray(probabilities)
    if rows.dtype.kind != "f":
        raise InputError(
            f"probabilities: expected floats, got {rows.dtype}: take network.predict_proba(x), not "
            "network.predict(x)"
        )
    if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] == 0:
        raise InputError(
            f"probabilities: expected shape (N, K), one row for each sample and one column for "
            f"each class, got {rows.shape}"
        )
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise InputError(
            f"probabilities: expected finite numbers, got NaN or infinity, first in row {bad}: has "
            "training diverged? lower the learning rate, check the inputs' scale"
        )
    if rows.min() < 0 or rows.max() > 1:
        raise InputError(
            f"probabilities: expected values from 0 to 1, got {rows.min():.4g} to "
            f"{rows.max():.4g}: are these logits? apply softmax, or take network.predict_proba(x)"
        )
    if rows.shape[1] == 1:
        return np.hstack([1 - rows, rows])
    sums = rows.sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3:
        bad = int(np.abs(sums - 1).argmax())
        raise InputError(
            f"probabilities: expected rows that sum to 1, got {sums[bad]:.4g} in row {bad}: "
            "independent sigmoid outputs are not a distribution over classes"
        )
    return rows


def as_labels_and_probabilities(
    y_true: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return labels (N,) and probabilities (N, K) that fit each other."""
    labels, rows = as_labels("y_true", y_true), as_probabilities(probabilities)
    check_same_length("y_true", labels, "probabilities", rows)
    check_label_range("y_true", labels, rows.shape[1])
    return labels, rows


def as_sample_weight(
    sample_weight: ArrayLike | None, samples: int
) -> NDArray[np.floating[Any]] | None:
    """Return one weight of at least 0 for each sample, (N,) floats, or None for equal weights."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape != (samples,):
        raise InputError(
            f"sample_weight: expected one number for each sample, shape ({samples},), got "
            f"{weight.shape}"
        )
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.sum() > 0):
        raise InputError(
            "sample_weight: expected finite weights of at least 0, not all of them 0, got weights "
            f"from {weight.min()} to {weight.max()}"
        )
    return weight


def as_value_pair(
    y_true: ArrayLike, y_pred: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and predicted values of one shape, both (N,) or both (N, outputs), finite."""
    true, pred = np.asarray(y_true, dtype=np.float64), np.asarray(y_pred, dtype=np.float64)
    if true.ndim not in (1, 2) or true.size == 0:
        raise InputError(
            f"y_true: expected values of shape (N,) or (N, outputs), not empty, got {true.shape}"
        )
    if true.shape != pred.shape:
        raise InputError(
            f"y_true and y_pred: expected the same shape, got {true.shape} and {pred.shape}: "
            "(N,) against (N, 1) would compare every sample with every other; use reshape(-1)"
        )
    for name, values in (("y_true", true), ("y_pred", pred)):
        if not np.isfinite(values).all():
            raise InputError(
                f"{name}: expected finite numbers, got NaN or infinity: has training diverged?"
            )
    return true, pred
