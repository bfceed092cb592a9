"""What a network is worth on data: its mean loss, and the share of right answers.

The Trainer judges each epoch with this room, and anybody may judge a network with `evaluate`:
in evaluation mode, without what only training adds, in bounded memory. Confusion matrices and
all other figures are the business of `metrics`. Read `history.py` next, then `training.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpymlp.losses import Loss
from numpymlp.network import BATCH, Network
from numpymlp.training.samples import Samples
from numpymlp.validation import as_sample_weight, check_finite_loss, check_training_data


class Evaluation(NamedTuple):
    """What a network is worth on data: mean loss, share of right answers (None for values)."""

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
    """Loss and accuracy of an epoch so far, in training mode, while the weights move."""

    losses: Mean
    accuracies: Mean

    def add(
        self,
        value: float,
        network: Network,
        logits: np.ndarray,
        y: np.ndarray,
        w: np.ndarray | None,
    ) -> None:
        """Take a batch in: its loss, and what came out for its targets."""
        weight = total_weight(logits, w)
        self.losses.add(value, weight)
        right = right_answers(network, logits, y)
        if right is not None:
            self.accuracies.add(weighted_share(right, w), weight)

    def columns(self, network: Network) -> dict[str, float | None]:
        """Give the means as columns of the history; values have no accuracy."""
        return {
            "running_train_loss": self.losses.value,
            "running_train_accuracy": (
                None if network.output == "identity" else self.accuracies.value
            ),
        }


def right_answers(network: Network, logits: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Tell for each sample whether the answer is right: (N,) booleans, None for values.

    Soft targets count as their likeliest class; of several sigmoid outputs all must be right.
    """
    right: np.ndarray
    if network.output == "identity":
        return None
    if network.output == "softmax":
        right = logits.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    else:
        right = ((logits > 0) == (y.reshape(logits.shape) > 0.5)).all(axis=1)
    return right


def evaluate(
    network: Network,
    loss: Loss,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Evaluation:
    """Judge a network as it is: evaluation mode, no label smoothing, bounded memory.

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
    result = evaluate_samples(network, loss, Samples(x, y, weight, np.arange(len(x))))
    check_finite_loss(result.loss)
    return result


def evaluate_samples(network: Network, loss: Loss, samples: Samples) -> Evaluation:
    """Do what `evaluate` does, on samples that are checked already."""
    clean = loss.for_evaluation() if hasattr(loss, "for_evaluation") else loss
    losses, accuracies = Mean(), Mean()
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(samples.rows), BATCH):
            x, y, w = samples.take(np.arange(start, min(start + BATCH, len(samples.rows))))
            logits = network.forward(x)
            value = clean.forward(logits, *([y] if w is None else [y, w]))
            losses.add(value, total_weight(x, w))
            right = right_answers(network, logits, y)
            if right is not None:
                accuracies.add(weighted_share(right, w), total_weight(x, w))
    network.forget()
    return Evaluation(losses.value, accuracies.value if network.output != "identity" else None)


def total_weight(x: np.ndarray, w: np.ndarray | None) -> float:
    """Give the sum of the weights of a batch; each sample weighs 1 where none are given."""
    return len(x) if w is None else float(w.sum())


def weighted_share(right: np.ndarray, w: np.ndarray | None) -> float:
    """Give the share of the weight of a batch that lies on right answers."""
    if w is None:
        return float(np.count_nonzero(right)) / len(right)
    return float(w @ right / (w.sum() or 1.0))
