"""The losses: one number that says how wrong a batch of outputs is, and its gradient.

A loss takes the logits, the outputs of the last layer before any softmax or sigmoid, because only
there can the logarithm be computed without overflow. `forward` returns the mean loss of the batch,
`backward` the gradient with respect to the logits: the `dy` that enters the last layer. An output
head turns the same logits into probabilities and decisions. `tutorials/03_softmax.py` derives
softmax and cross-entropy. Read `network.py` next.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from numpymlp import validation
from numpymlp.layers import sigmoid

Weights = np.ndarray | None  # (N,): weight of each sample; None: equal weights


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Compute the logarithm of the softmax, row by row, finite unless logits differ by 1e38.

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
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


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
    return powers / powers.sum(axis=1, keepdims=True)


# ---- output heads: from logits to probabilities, decisions and right or wrong ----


class SoftmaxHead:
    """One class of K: the largest logit decides."""

    name = "softmax"
    check_targets = staticmethod(validation.check_class_targets)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits)

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return logits.argmax(axis=1)

    def correct(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        """Return which decisions (N,) are right; soft targets count as their likeliest class."""
        return logits.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))


class SigmoidHead:
    """K answers of yes or no: 1 where the logit is above 0."""

    name = "sigmoid"
    check_targets = staticmethod(validation.check_binary_targets)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return sigmoid(logits)

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return _flat_if_single((logits > 0).astype(np.int64))

    def correct(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        """Return for which samples (N,) all K answers are right."""
        return ((logits > 0) == (y.reshape(logits.shape) > 0.5)).all(axis=1)


class IdentityHead:
    """K real values: a regression has no probabilities and no accuracy."""

    name = "identity"
    check_targets = staticmethod(validation.check_real_targets)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return validation.refuse_probabilities()

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return _flat_if_single(logits)

    def correct(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        return None


Head = SoftmaxHead | SigmoidHead | IdentityHead
HEADS: dict[str, Head] = {h.name: h for h in (SoftmaxHead(), SigmoidHead(), IdentityHead())}


def _flat_if_single(answers: np.ndarray) -> np.ndarray:
    return answers[:, 0] if answers.shape[1] == 1 else answers


# ---- losses ----


class Loss:
    """The base class of all losses.

    The loss of a batch is ``sum(w_i * l_i) / sum(w_i)``, the plain mean where no sample weights
    are given. A batch of total weight 0 has loss 0 and gradient 0.

    Attributes
    ----------
    heads : tuple of str
        Names of the output heads that the loss can train.
    """

    heads: tuple[str, ...] = tuple(HEADS)
    cache: Any = None

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define forward(logits, y)")

    def backward(self) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define backward()")

    def for_evaluation(self) -> Loss:
        """Return the loss to report on held-out data, without what only training adds."""
        return self

    def config(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON can hold them."""
        return {}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class SoftmaxCrossEntropy(Loss):
    """Minus the log probability of the right class, from logits, for one class of K.

    l_i = -sum_k y_ik log p_ik, where y_i is the target as a row of probabilities.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default 0
        Train towards (1 - e) y + e / K instead of y, so that the network is never asked for a
        probability of 1. Source: Szegedy et al., "Rethinking the Inception architecture" (2015),
        section 7.

    Notes
    -----
    Targets are integers (N,) from 0 to K - 1, or rows of probabilities (N, K) that sum to 1.

    With label smoothing, the weight of a sample, class weight included, counts for its whole loss.
    PyTorch's ``CrossEntropyLoss(weight, label_smoothing=e)`` weights the term e / K of each class
    by the weight of that class instead, so the two differ where both options are used.
    """

    heads = ("softmax",)

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = validation.check_range(
            label_smoothing, "label_smoothing", 0, 1, right_open=True
        )

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        logits = validation.check_logits(logits)
        y, e = validation.check_class_targets(y, logits), self.label_smoothing
        w = normalized_weight(sample_weight, logits)
        # A class lies together in memory: NumPy's loops run along the samples, not the few classes.
        z = np.asfortranarray(logits)
        z = z - z.max(axis=1, keepdims=True)  # as in `softmax`
        powers = np.exp(z)
        sums = powers.sum(axis=1)
        self.cache = powers / sums[:, None], y, w
        # l_i = log(sum_k exp(z_ik)) - sum_k y_ik z_ik    (N, K) -> (N,)
        target = z[np.arange(len(y)), y] if y.ndim == 1 else (y * z).sum(axis=1)
        if e:
            target = (1 - e) * target + e * z.mean(axis=1)
        return float(w @ (np.log(sums) - target))  # L = sum_i w_i l_i

    def backward(self) -> np.ndarray:
        (p, y, w), e = validation.check_cache(self.cache), self.label_smoothing
        # dL/dlogits = w_i (p - (1 - e) y - e / K)    (N, K): the logarithm undoes the softmax
        dlogits = p - e / p.shape[1]
        if y.ndim == 1:
            dlogits[np.arange(len(y)), y] -= 1 - e
        else:
            dlogits -= (1 - e) * y
        dlogits *= w[:, None]
        return dlogits

    def for_evaluation(self) -> Loss:
        twin = copy.copy(self)
        twin.label_smoothing = 0.0
        return twin if self.label_smoothing else self

    def config(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}


class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy from logits, summed over the outputs: each output is a yes or no.

    l_i = sum_k -y log p - (1 - y) log(1 - p) with p = sigmoid(z). Written with logits z this is
    `max(z, 0) - z y + log(1 + exp(-|z|))`, which never overflows.

    Notes
    -----
    Targets lie in [0, 1] and have the shape of the logits (N, K); with one output also (N,).
    """

    heads = ("sigmoid",)

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        logits = validation.check_logits(logits)
        y = validation.check_binary_targets(y, logits)
        w = normalized_weight(sample_weight, logits)
        self.cache = logits, y, w
        # l_ik = max(z, 0) - z y + log(1 + exp(-|z|))    (N, K)
        losses = np.maximum(logits, 0) - logits * y + np.log1p(np.exp(-np.abs(logits)))
        # l_i = sum_k l_ik    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ losses.sum(axis=1))

    def backward(self) -> np.ndarray:
        logits, y, w = validation.check_cache(self.cache)
        # dL/dlogits = w_i (p - y)    (N, K)
        return w[:, None] * (sigmoid(logits) - y)


class MeanSquaredError(Loss):
    """Half the squared distance between output and target: l_i = sum_k (z_ik - y_ik)^2 / 2.

    The half makes the gradient the plain difference. `metrics.mean_squared_error` is the ordinary
    mean over all numbers, without it.

    Notes
    -----
    Targets have the shape of the outputs (N, K); with one output also (N,). With
    ``output="softmax"`` the targets are one-hot rows and the largest output decides.
    """

    heads = ("identity", "softmax")
    # The check of softmax's head would take integers too.
    check_targets = staticmethod(validation.check_real_targets)

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        outputs = validation.check_logits(logits)
        difference = outputs - self.check_targets(y, outputs)
        w = normalized_weight(sample_weight, outputs)
        self.cache = difference, w
        # l_i = sum_k (z_ik - y_ik)^2 / 2    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ (difference * difference).sum(axis=1) / 2)

    def backward(self) -> np.ndarray:
        difference, w = validation.check_cache(self.cache)
        # dL/dz = w_i (z - y)    (N, K)
        return w[:, None] * difference


class L2Penalty:
    """L2 regularization, added to the loss: ``strength / 2 * sum(mask * parameters**2)``.

    It does not depend on the batch size. For decoupled weight decay, use
    `optimizers.AdamW`.

    Parameters
    ----------
    strength : float >= 0
        Factor of half the sum of the squared weights.

    Notes
    -----
    The mask, `Network.decay_mask`, is 1 for weights and 0 for biases and batch norm. By hand::

        value += penalty.forward(network.parameters, network.decay_mask)
        network.gradients += penalty.backward()
    """

    cache: Any = None

    def __init__(self, strength: float) -> None:
        self.strength = validation.check_range(
            strength, "L2Penalty strength", 0, np.inf, right_open=True
        )

    def forward(self, parameters: np.ndarray, mask: np.ndarray) -> float:
        validation.check_same_shape("parameters", parameters, "mask", mask)
        # L = strength / 2 sum(mask parameters^2)
        self.cache = decayed = mask * parameters
        return float(0.5 * self.strength * (decayed @ parameters))

    def backward(self) -> np.ndarray:
        # dL/dparameters = strength mask parameters
        return self.strength * validation.check_cache(self.cache)

    def __repr__(self) -> str:
        return f"L2Penalty({self.strength:g})"


def normalized_weight(sample_weight: np.ndarray | None, logits: np.ndarray) -> np.ndarray:
    """Scale the weights of a batch (N,) so that they sum to 1; all zeros stay zeros."""
    if sample_weight is None:
        return np.full(len(logits), 1 / len(logits), logits.dtype)
    weight = validation.check_sample_weight(sample_weight, len(logits))
    w = weight / (weight.max() or 1.0)  # by the maximum first: the sum cannot overflow
    return (w / (w.sum() or 1.0)).astype(logits.dtype)
