"""Values against values: squared error, absolute error, R2.

Arguments have shape (N,) or (N, outputs), the same for both; (N,) against (N, 1) is an error, since
NumPy would compare every sample with every other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpymlp.validation import InputError, as_sample_weight, as_value_pair


def mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of (y_true - y_pred)^2 over samples and outputs, in squared units of y.

    The loss `losses.MeanSquaredError` differs: half of it, and summed over outputs.
    """
    true, pred = as_value_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    return float(np.average((true - pred) ** 2, axis=0, weights=weight).mean())


def mean_absolute_error(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of |y_true - y_pred| over samples and outputs, in units of y."""
    true, pred = as_value_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    return float(np.average(np.abs(true - pred), axis=0, weights=weight).mean())


def r2_score(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Share of the variance of y that is predicted: 1 is perfect, 0 as good as the mean of y.

    1 - (squared error) / (squared distance from the mean), averaged over outputs. A constant
    output counts as 1 if it is predicted exactly and as 0 otherwise, as in scikit-learn, but
    also where the rounding of its mean gives scikit-learn a huge negative number.

    Raises
    ------
    InputError
        If the shapes differ, or there are fewer than two samples.
    """
    true, pred = as_value_pair(y_true, y_pred)
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
