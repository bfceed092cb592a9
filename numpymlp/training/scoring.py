"""Scoring: the mean loss and the accuracy of a network on data.

The Trainer scores each epoch with this module, and `evaluate` scores a network in one call: in
evaluation mode, without label smoothing, in bounded memory. Confusion matrices and all other
figures are in `metrics`. Read `history.py` next.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from numpymlp.losses import Loss
from numpymlp.network import BATCH, Network, Pass, loss_value
from numpymlp.training.checks import check_finite_loss, check_takes_weights, check_training_data
from numpymlp.training.samples import Samples, in_batches
from numpymlp.validation import as_sample_weight


class Evaluation(NamedTuple):
    """Mean loss and accuracy of a network on data; the accuracy is None for regression."""

    loss: float
    accuracy: float | None


class Mean:
    """A weighted mean that grows batch by batch."""

    def __init__(self, total: float = 0.0, weight: float = 0.0) -> None:
        self.total, self.weight = total, weight

    def add(self, value: float, weight: float) -> None:
        self.total += value * weight
        self.weight += weight

    @property
    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


class Running(NamedTuple):
    """Weighted means of loss and accuracy over the batches so far."""

    losses: Mean
    accuracies: Mean

    @classmethod
    def empty(cls) -> Running:
        return cls(Mean(), Mean())

    def add(self, network: Network, batch: Pass, y: np.ndarray, w: np.ndarray | None) -> None:
        """Add a batch: its loss and its weighted accuracy."""
        weight = len(y) if w is None else float(w.sum())
        self.losses.add(batch.loss, weight)
        correct = network.head.correct(batch.logits, y)
        if correct is None:
            return
        if w is None:
            share = float(np.count_nonzero(correct)) / len(correct)
        else:
            share = float(w @ correct / (w.sum() or 1.0))
        self.accuracies.add(share, weight)

    def evaluation(self, network: Network) -> Evaluation:
        """Return the means; the accuracy is None for regression."""
        values = network.head.name == "identity"
        return Evaluation(self.losses.value, None if values else self.accuracies.value)


def evaluate(
    network: Network,
    loss: Loss,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Evaluation:
    """Compute the mean loss and accuracy in evaluation mode, without label smoothing.

    Parameters
    ----------
    x : ndarray of shape (N, in)
    y : ndarray of shape (N,) or (N, out)
    sample_weight : ndarray of shape (N,), optional

    Returns
    -------
    Evaluation
        ``loss`` and ``accuracy``, means over all samples.
    """
    x, y = check_training_data(network, x, y, name="evaluation")
    weight = as_sample_weight(sample_weight, len(x))
    check_takes_weights(loss, weight)
    result = evaluate_samples(network, loss, Samples(x, y, weight, np.arange(len(x))))
    check_finite_loss(result.loss)
    return result


class Scoring:
    """What a Trainer does with its network after training."""

    network: Network
    loss: Loss

    def evaluate(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> Evaluation:
        """Return the mean loss and accuracy on data; see `evaluate`."""
        return evaluate(self.network, self.loss, x, y, sample_weight)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the network's predictions; see `Network.predict`."""
        return self.network.predict(x)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Return the network's probabilities; see `Network.predict_proba`."""
        return self.network.predict_proba(x)


def evaluate_samples(network: Network, loss: Loss, samples: Samples) -> Evaluation:
    """Evaluate samples that are already checked."""
    # Both keep caches of their own: an evaluation disturbs no training in another thread.
    network = network.for_evaluation()
    clean = copy.copy(loss.for_evaluation() if hasattr(loss, "for_evaluation") else loss)
    means = Running.empty()
    with np.errstate(over="ignore", invalid="ignore"):
        for x, y, w in in_batches(samples, np.arange(len(samples.rows)), BATCH):
            logits = network.forward(x)
            means.add(network, Pass(loss_value(clean, logits, y, w), 0.0, logits), y, w)
    return means.evaluation(network)
