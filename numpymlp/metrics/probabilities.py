"""Metrics of predicted probabilities: top-k accuracy, log loss, calibration, ranked mistakes.

They take the model's confidence into account, not only its prediction. Next: `regression`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.metrics.checks import as_labels_and_probabilities
from numpymlp.validation import InputError, as_sample_weight, check_positive_integer

Floats = NDArray[np.float64]


def top_k_accuracy(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    k: int = 2,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the share of samples whose true class is among the k most probable ones.

    Among equally probable classes the lower label comes first, as in `argmax`, so k = 1 is the
    accuracy (scikit-learn puts the higher label first).

    Parameters
    ----------
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1.
    k : int
        From 1 to K; with K the result is always 1.
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
    """Return the mean of -log(probability of the true class), in nats: softmax cross-entropy.

    Probabilities are clipped to [eps, 1 - eps], eps the machine precision of their dtype, as in
    scikit-learn: a wrong prediction with probability 1 costs 36.0 in float64 and 15.9 in
    float32, not infinity.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    eps = np.finfo(rows.dtype).eps
    picked = np.clip(rows[np.arange(len(true)), true], eps, 1 - eps).astype(np.float64)
    return float(np.average(-np.log(picked), weights=as_sample_weight(sample_weight, len(true))))


def rank_mistakes(y_true: ArrayLike, probabilities: ArrayLike) -> NDArray[np.intp]:
    """Return the rows (mistakes,) of the misclassified samples, the most confident first."""
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    wrong = np.flatnonzero(rows.argmax(axis=1) != true)
    return wrong[np.argsort(-rows[wrong].max(axis=1), kind="stable")]


@dataclass(frozen=True)
class ReliabilityTable:
    """Samples in bins of confidence, with the mean confidence and the accuracy of each bin.

    Attributes
    ----------
    edges : (B + 1,) floats
        Bin b holds confidences in (edges[b], edges[b + 1]]; the first includes 0.
    count : (B,) integers
        Samples in the bin.
    confidence, accuracy : (B,) floats
        Mean probability of the predicted class, and accuracy; NaN in an empty bin.
    """

    edges: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def expected_calibration_error(self) -> float:
        """Mean of `|accuracy - confidence|` over the bins, weighted by their counts."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gaps, weights=self.count[filled]))


def reliability_table(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> ReliabilityTable:
    """Compare a model's confidence with its accuracy, in bins of equal width.

    Parameters
    ----------
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1. The confidence of a row is its largest entry.
    bins : int
        Number of bins between 0 and 1.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 2.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    bins = check_positive_integer(bins, "bins")
    confidence = rows.max(axis=1).astype(np.float64)
    correct = rows.argmax(axis=1) == true
    edges = np.linspace(0.0, 1.0, bins + 1)
    of_bin = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(of_bin, minlength=bins)
    sums = [np.bincount(of_bin, weights=w, minlength=bins) for w in (confidence, correct)]
    means = [np.divide(s, count, out=np.full(bins, np.nan), where=count > 0) for s in sums]
    return ReliabilityTable(edges, count, *means)


def expected_calibration_error(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> float:
    """Return the mean gap between confidence and accuracy, from 0 (calibrated) to 1.

    The mean of `|accuracy - confidence|` over the bins of `reliability_table`, weighted by their
    counts (Guo et al. 2017, equation 3); parameters as there.
    """
    return reliability_table(y_true, probabilities, bins).expected_calibration_error
