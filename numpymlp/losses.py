"""The losses: one number that says how wrong a batch of outputs is, and its gradient.

A loss takes the logits, what the last layer puts out before any softmax or sigmoid, because only
there can the logarithm be computed without overflow. `forward` gives the mean loss of the batch,
`backward` the gradient with respect to the logits: the `dy` with which `layers.py` goes on.
Softmax and cross-entropy are derived step by step in `tutorials/03_softmax.py`. Read `network.py`
next.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from numpymlp.layers import sigmoid
from numpymlp.validation import (
    check_class_targets,
    check_kept,
    check_logits,
    check_range,
    check_real_targets,
    check_same_shape,
    check_sample_weight,
    check_unit_interval,
)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Give the logarithm of the softmax, row by row, finite unless logits differ by 1e38.

    log p_k = z_k - log(sum_j exp(z_j)). Subtracting the row's maximum first changes nothing in
    exact arithmetic and keeps every exponential at or below 1 ("log-sum-exp").

    Parameters
    ----------
    logits : ndarray of shape (N, K)

    Returns
    -------
    ndarray of shape (N, K)
        Log probabilities, at most 0.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn each row of logits into probabilities: p_k = exp(z_k) / sum_j exp(z_j).

    Parameters
    ----------
    logits : ndarray of shape (N, K)

    Returns
    -------
    ndarray of shape (N, K)
        Probabilities in [0, 1]; each row sums to 1.
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return p


def one_hot(labels: np.ndarray, classes: int, dtype: Any = np.float64) -> np.ndarray:
    """Write integer labels (N,) as rows (N, classes) with a single 1 each."""
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels] = 1
    return rows


class Loss:
    """What the losses share: the weights of the samples, and a name to save.

    The loss of a batch is ``sum(w_i * l_i) / sum(w_i)``, the plain mean where no weights are
    given. A batch of total weight 0 has loss 0 and gradient 0.
    """

    kept: Any = None

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define forward(logits, targets)")

    def backward(self) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define backward()")

    def for_evaluation(self) -> Loss:
        """Give the loss to report on held-out data: without what only training adds."""
        return self

    def config(self) -> dict[str, Any]:
        """Give the arguments that build this loss again, as JSON can hold them."""
        return {}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class SoftmaxCrossEntropy(Loss):
    """Minus the log probability of the right class, from logits: for one class of K.

    l_i = -sum_k t_ik log p_ik, where t_i is the target as a row of probabilities.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default 0
        Trains towards (1 - e) t + e / K instead of t, so that the network is never asked to be
        infinitely sure. Source: Szegedy et al., "Rethinking the Inception architecture" (2015),
        section 7.

    Notes
    -----
    Targets are integers (N,) from 0 to K - 1, or rows of probabilities (N, K) that sum to 1.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_range(
            label_smoothing, "label_smoothing", 0, 1, right_open=True
        )

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        logits = check_logits(logits)
        t, classes = check_class_targets(targets, logits), logits.shape[1]
        if t.ndim == 1:
            t = one_hot(t, classes, logits.dtype)
        if self.label_smoothing:
            t = (1 - self.label_smoothing) * t + self.label_smoothing / classes
        w = _normalized(check_sample_weight(sample_weight, len(logits)), logits)
        log_p = log_softmax(logits)
        self.kept = log_p, t, w
        # l_i = -sum_k t_ik log p_ik    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ -(t * log_p).sum(axis=1))

    def backward(self) -> np.ndarray:
        log_p, t, w = check_kept(self.kept)
        # dL/dlogits = w_i (p - t)    (N, K): softmax and logarithm together leave a difference
        dlogits: np.ndarray = w[:, None] * (np.exp(log_p) - t)
        return dlogits

    def for_evaluation(self) -> Loss:
        twin = copy.copy(self)
        twin.label_smoothing = 0.0
        return twin if self.label_smoothing else self

    def config(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}


class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy from logits, summed over the outputs: each output is a yes or no.

    l_i = sum_k -t log p - (1 - t) log(1 - p) with p = sigmoid(z). Written with logits z this is
    max(z, 0) - z t + log(1 + exp(-|z|)), which overflows nowhere.

    Notes
    -----
    Targets lie in [0, 1] and have the shape of the logits (N, K); with one output also (N,).
    """

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        logits = check_logits(logits)
        t = check_unit_interval(check_real_targets(targets, logits))
        w = _normalized(check_sample_weight(sample_weight, len(logits)), logits)
        self.kept = logits, t, w
        losses = np.maximum(logits, 0) - logits * t + np.log1p(np.exp(-np.abs(logits)))
        # l_i = sum_k l_ik    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ losses.sum(axis=1))

    def backward(self) -> np.ndarray:
        logits, t, w = check_kept(self.kept)
        # dL/dlogits = w_i (p - t)    (N, K)
        dlogits: np.ndarray = w[:, None] * (sigmoid(logits) - t)
        return dlogits


class MeanSquaredError(Loss):
    """Half the squared distance between output and target: l_i = sum_k (y_ik - t_ik)^2 / 2.

    The half makes the gradient the plain difference. `metrics.mean_squared_error` is the ordinary
    mean over all numbers, without it.

    Notes
    -----
    Targets have the shape of the outputs (N, K); with one output also (N,).
    """

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        outputs = check_logits(logits)
        difference = outputs - check_real_targets(targets, outputs)
        w = _normalized(check_sample_weight(sample_weight, len(outputs)), outputs)
        self.kept = difference, w
        # l_i = sum_k (y - t)^2 / 2    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ (difference * difference).sum(axis=1) / 2)

    def backward(self) -> np.ndarray:
        difference, w = check_kept(self.kept)
        # dL/dy = w_i (y - t)    (N, K)
        dy: np.ndarray = w[:, None] * difference
        return dy


class L2Penalty:
    """A price on large weights, added to the loss: ``strength / 2 * sum(mask * parameters**2)``.

    It does not depend on the batch size. For weight decay that is no gradient, see
    `optimizers.AdamW`.

    Parameters
    ----------
    strength : float >= 0
        Price of one unit of squared weight.

    Notes
    -----
    The mask, `Network.decay_mask`, is 1 for weights and 0 for biases and batch norm. By hand::

        value += penalty.forward(network.parameters, network.decay_mask)
        network.gradients += penalty.backward()
    """

    kept: Any = None

    def __init__(self, strength: float) -> None:
        self.strength = check_range(strength, "L2Penalty strength", 0, np.inf, right_open=True)

    def forward(self, parameters: np.ndarray, mask: np.ndarray) -> float:
        check_same_shape("parameters", parameters, "mask", mask)
        decayed = mask * parameters
        self.kept = decayed
        return float(0.5 * self.strength * (decayed @ parameters))

    def backward(self) -> np.ndarray:
        decayed = check_kept(self.kept)
        # dL/dparameters = strength mask parameters
        gradient: np.ndarray = self.strength * decayed
        return gradient

    def __repr__(self) -> str:
        return f"L2Penalty({self.strength:g})"


def _normalized(sample_weight: np.ndarray | None, logits: np.ndarray) -> np.ndarray:
    """Scale the weights of a batch so that they sum to 1; all zeros stay zeros.    (N,)."""
    if sample_weight is None:
        return np.full(len(logits), 1 / len(logits), logits.dtype)
    w = sample_weight / (sample_weight.max() or 1.0)  # first, so that the sum cannot overflow
    return (w / (w.sum() or 1.0)).astype(logits.dtype)
