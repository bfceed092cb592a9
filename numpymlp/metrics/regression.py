"""Metrics of predicted values: mean squared error, mean absolute error, R2.

Both arguments have the same shape, (N,) or (N, outputs); (N,) against (N, 1) is an error, since
NumPy would broadcast it to (N, N).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.validation import InputError, as_array, as_sample_weight


def mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of (y_true - y_pred)^2 over samples and outputs, in squared units of y.

    The loss `losses.MeanSquaredError` differs: it is half of this, summed over outputs.
    """
    true, pred = _value_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    return float(np.average((true - pred) ** 2, axis=0, weights=weight).mean())


def mean_absolute_error(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of `|y_true - y_pred|` over samples and outputs, in units of y."""
    true, pred = _value_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    return float(np.average(np.abs(true - pred), axis=0, weights=weight).mean())


def r2_score(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the predicted share of the variance of y: 1 is perfect, 0 no better than the mean.

    1 - (squared error) / (squared distance from the mean), averaged over outputs. A constant
    output scores 1 if it is predicted exactly and 0 otherwise, as in scikit-learn, even where
    the rounding of its mean gives scikit-learn a huge negative score.

    Raises
    ------
    InputError
        If the shapes differ, or there are fewer than two samples.
    """
    true, pred = _value_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    if len(true) < 2:
        raise InputError("y_true: expected at least two samples, got one: R2 compares variances")
    error = np.average((true - pred) ** 2, axis=0, weights=weight)
    mean = np.average(true, axis=0, weights=weight)
    spread = np.average((true - mean) ** 2, axis=0, weights=weight)
    unexplained = np.where(error == 0, 0.0, 1.0)
    counted = true if weight is None else true[weight > 0]
    varies = counted.max(axis=0) > counted.min(axis=0)
    np.divide(error, spread, out=unexplained, where=varies & (spread > 0))
    return float(1 - unexplained.mean())


def _value_pair(
    y_true: ArrayLike, y_pred: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and predicted values of one shape, (N,) or (N, outputs), finite."""
    true, pred = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    for name, values in (("y_true", true), ("y_pred", pred)):
        if values.dtype.kind not in "iufb":
            raise InputError(
                f"{name}: expected numbers, got {values.dtype}: use {name}.astype(float)"
            )
        if not np.isfinite(values).all():
            raise InputError(
                f"{name}: expected finite numbers, got NaN or infinity: has training diverged?"
            )
    if true.ndim not in (1, 2) or true.size == 0:
        raise InputError(
            f"y_true: expected values of shape (N,) or (N, outputs), not empty, got {true.shape}"
        )
    if true.shape != pred.shape:
        raise InputError(
            f"y_true and y_pred: expected the same shape, got {true.shape} and {pred.shape}: "
            "(N,) against (N, 1) would compare every sample with every other; use reshape(-1)"
        )
    return true.astype(np.float64), pred.astype(np.float64)
