"""Labels against probabilities: is the truth near the top, is 80 % sure right 80 % of the time.

Here the model's sureness counts, not only its answer: top-k accuracy, log loss, calibration, and
the ranking of mistakes that tells where to look first. Next: `regression`, or the `plots`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.validation import (
    InputError,
    as_labels_and_probabilities,
    as_sample_weight,
    check_positive_integer,
)

Floats = NDArray[np.float64]


def top_k_accuracy(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    k: int = 2,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of samples whose true class is among the k most probable ones.

    Of equally probable classes the lower label goes first, as in `argmax`, so k = 1 is the
    accuracy (scikit-learn puts the higher label first).

    Parameters
    ----------
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1.
    k : int
        From 1 to K; at K the answer is always 1.
    sample_weight : (N,) numbers, optional
        Weight of each sample, at least 0.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    if check_positive_integer(k, "k") > rows.shape[1]:
        raise InputError(f"k: expected 1 to {rows.shape[1]}, the number of classes, got {k}")
    best_first = np.argsort(-rows, axis=1, kind="stable")
    hit = (best_first[:, :k] == true[:, None]).any(axis=1)
    return float(np.average(hit, weights=as_sample_weight(sample_weight, len(true))))


def log_loss(
    y_true: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of -log(probability of the true class), in nats: what softmax cross-entropy minimises.

    Probabilities are clipped to [eps, 1 - eps], eps the machine precision of their dtype, as
    scikit-learn does: a wrong answer given with certainty costs 36.0 in float64 and 15.9 in
    float32, not infinity.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    eps = np.finfo(rows.dtype).eps
    picked = np.clip(rows[np.arange(len(true)), true], eps, 1 - eps).astype(np.float64)
    return float(np.average(-np.log(picked), weights=as_sample_weight(sample_weight, len(true))))


def rank_mistakes(y_true: ArrayLike, probabilities: ArrayLike) -> NDArray[np.intp]:
    """Row numbers of the wrongly classified samples, the surest mistake first: (mistakes,)."""
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    wrong = np.flatnonzero(rows.argmax(axis=1) != true)
    return wrong[np.argsort(-rows[wrong].max(axis=1), kind="stable")]


@dataclass(frozen=True)
class ReliabilityTable:
    """Samples sorted into bins by how sure the model was, and how often it was right there.

    Attributes
    ----------
    edges : (B + 1,) floats
        Bin b holds confidences in (edges[b], edges[b + 1]]; the first includes 0.
    count : (B,) integers
        Samples in the bin.
    confidence, accuracy : (B,) floats
        Mean probability of the predicted class and share of right answers; NaN in an empty bin.
    """

    edges: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def expected_calibration_error(self) -> float:
        """Mean of |accuracy - confidence| over the bins, weighted by their counts."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gaps, weights=self.count[filled]))


def reliability_table(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> ReliabilityTable:
    """Compare how sure a model was with how often it was right, in bins of equal width.

    Parameters
    ----------
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1. The confidence is the largest entry of a row.
    bins : int
        Number of bins between 0 and 1.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 2.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    bins = check_positive_integer(bins, "bins")
    confidence = rows.max(axis=1).astype(np.float64)
    right = rows.argmax(axis=1) == true
    edges = np.linspace(0.0, 1.0, bins + 1)
    of_bin = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(of_bin, minlength=bins)
    sums = [np.bincount(of_bin, weights=w, minlength=bins) for w in (confidence, right)]
    means = [np.divide(s, count, out=np.full(bins, np.nan), where=count > 0) for s in sums]
    return ReliabilityTable(edges, count, *means)


def expected_calibration_error(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> float:
    """How far sureness and rightness are apart, from 0 (calibrated) to 1.

    The weighted mean of |accuracy - confidence| over the bins of `reliability_table` (Guo et al.
    2017, equation 3); parameters as there.
    """
    return reliability_table(y_true, probabilities, bins).expected_calibration_error
