"""Solutions of the exercises for 03_softmax: one way among several, and why."""

import numpy as np

# ---- fill ----


def log_sum_exp(logits):
    """Return ln(sum_k e^(z_k)) of each row."""
    m = logits.max(axis=1, keepdims=True)
    # ln(sum e^z) = m + ln(sum e^(z - m)): no power exceeds 1, and one of each row is 1.
    return m[:, 0] + np.log(np.exp(logits - m).sum(axis=1))


def soft_cross_entropy(logits, y):
    """Return the cross-entropy for targets that are probabilities, and its gradient."""
    log_probabilities = logits - log_sum_exp(logits)[:, None]
    loss = -(y * log_probabilities).sum(axis=1).mean()
    # L = -sum_k y_k z_k + (sum_k y_k) log_sum_exp(z); the derivative of log_sum_exp is the softmax,
    # and sum_k y_k is 1.
    return loss, (np.exp(log_probabilities) - y) / len(logits)


def binary_cross_entropy(z, y):
    """Return the loss for yes-or-no targets, and its gradient with respect to z."""
    loss = (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)).mean()
    # dp/dz = p (1 - p) cancels against dL/dp: p - y is left, as with softmax.
    probability = np.exp(-np.logaddexp(0, -z))
    return loss, (probability - y) / len(z)


# ---- explore * ----


def temperature():
    """Find the temperature, to two decimals, at which softmax is 90 % sure."""
    # Small T: surer. With u = e^(-1/T), 1 / (1 + u + u^2) = 0.9 gives u = 0.1005 and T = 0.4354.
    temperatures = np.arange(0.01, 3, 0.01)
    logits = np.array([2.0, 1.0, 0.0]) / temperatures[:, None]
    largest = np.exp(logits[:, 0] - log_sum_exp(logits))
    return temperatures[np.abs(largest - 0.9).argmin()]


# ---- paper ----


def softmax_by_hand():
    """Go through softmax and cross-entropy by hand. Write down numbers; `np.log` is allowed."""
    # e^(ln 5) = 5, and the sum is 8. L = -ln(5/8). dlogits = p - y with y = (0, 0, 1): sum 0.
    return {
        "probabilities": [1 / 8, 2 / 8, 5 / 8],
        "L": np.log(8 / 5),
        "dlogits": [1 / 8, 2 / 8, -3 / 8],
    }
