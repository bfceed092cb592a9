"""Checks of labels, probabilities and confusion matrices, shared by metrics, plots and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.validation import InputError, as_array


def check_same_length(name_a: str, a: NDArray[Any], name_b: str, b: NDArray[Any]) -> None:
    """Raise unless `a` and `b` have the same number of rows."""
    if len(a) != len(b):
        raise InputError(
            f"{name_a} and {name_b}: expected one row for each sample in both, got {len(a)} and "
            f"{len(b)}: do they come from the same data set?"
        )


def as_labels(name: str, y: ArrayLike) -> NDArray[np.int64]:
    """Return `y` as integer labels (N,), N at least 1; True and False count as 1 and 0."""
    labels = as_array(y, name)
    if labels.ndim != 1:
        fix = "reshape(-1) flattens a column"
        if labels.ndim == 2 and labels.shape[1] > 1:
            fix = "argmax(axis=1) turns one-hot rows or probabilities into labels"
        raise InputError(f"{name}: expected labels of shape (N,), got {labels.shape}: {name}.{fix}")
    if len(labels) == 0:
        raise InputError(f"{name}: expected at least one label, got none: is the data set empty?")
    if labels.dtype.kind not in "iub":
        raise InputError(
            f"{name}: expected integer labels, got {labels.dtype}: use {name}.astype(int) for "
            "whole numbers, np.unique(..., return_inverse=True)[1] for names"
        )
    return labels.astype(np.int64)


def check_label_range(name: str, labels: NDArray[np.int64], classes: int) -> None:
    """Raise unless every label is one of 0 ... classes - 1."""
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise InputError(
            f"{name}: expected labels from 0 to {classes - 1} ({classes} classes), got labels from "
            f"{low} to {high}: labels count from 0; does the model have other classes?"
        )


def as_probabilities(probabilities: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return class probabilities (N, K), K at least 2; one column (N, 1) is that of class 1."""
    rows = as_array(probabilities, "probabilities")
    if rows.dtype.kind != "f":
        raise InputError(
            f"probabilities: expected floats, got {rows.dtype}: take network.predict_proba(x), not "
            "network.predict(x)"
        )
    if rows.ndim != 2 or rows.size == 0:
        raise InputError(
            f"probabilities: expected shape (N, K), got {rows.shape}: one row for each sample, "
            "one column for each class"
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"probabilities: expected finite numbers, got NaN or infinity, first in row "
            f"{finite.argmin()}: has training diverged? lower the learning rate, scale the inputs"
        )
    # A mean of float32 probabilities may be a little above 1 by rounding.
    if rows.min() < 0 or rows.max() > 1 + 1e-6:
        raise InputError(
            f"probabilities: expected values from 0 to 1, got {rows.min():.4g} to "
            f"{rows.max():.4g}: are these logits? apply softmax, or take network.predict_proba(x)"
        )
    rows = rows.clip(0, 1)
    if rows.shape[1] == 1:
        return np.hstack([1 - rows, rows])
    sums = rows.sum(axis=1)
    worst = np.abs(sums - 1).argmax()
    if abs(sums[worst] - 1) > 1e-3:
        raise InputError(
            f"probabilities: expected rows that sum to 1, got {sums[worst]:.4g} in row {worst}: "
            "independent sigmoid outputs are not a distribution over classes"
        )
    return rows


def as_labels_and_probabilities(
    y_true: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return labels (N,) and probabilities (N, K) of the same samples and classes."""
    labels, rows = as_labels("y_true", y_true), as_probabilities(probabilities)
    check_same_length("y_true", labels, "probabilities", rows)
    check_label_range("y_true", labels, rows.shape[1])
    return labels, rows


def as_confusion_matrix(matrix: ArrayLike) -> NDArray[Any]:
    """Return a confusion matrix (K, K), K at least 2, of counts or weights, not all 0."""
    counts = as_array(matrix, "matrix")
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] >= 2
    if not square or counts.dtype.kind not in "iuf":
        raise InputError(
            f"matrix: expected counts of shape (K, K) for K >= 2 classes, got {counts.dtype} of "
            f"shape {counts.shape}: metrics.confusion_matrix(y_true, y_pred, classes) makes one"
        )
    if not (np.isfinite(counts).all() and counts.min() >= 0 and counts.sum() > 0):
        raise InputError(
            f"matrix: expected finite counts of at least 0, one above 0, got {counts.min()} to "
            f"{counts.max()}"
        )
    return counts


def check_names(
    names: Sequence[str] | None,
    count: int,
    argument: str = "class_names",
    default: Callable[[int], str] = str,
    *,
    exactly: bool = True,
) -> list[str]:
    """Return `count` names, `default(k)` if none are given; `exactly=False` allows more."""
    if names is None:
        return [default(k) for k in range(count)]
    if len(names) < count or (exactly and len(names) > count):
        least = "" if exactly else "at least "
        raise InputError(
            f"{argument}: expected length {least}{count}, one name for each, got {len(names)}"
        )
    return [str(name) for name in names]
