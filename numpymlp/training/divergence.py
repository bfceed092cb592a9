"""When the numbers break: where they broke first, and what helps.

A training diverges when a number becomes infinite or NaN; from there on everything is NaN. The
Trainer notices it in the loss or in the gradient, before a step is taken with them, and asks here
for the place and the likely cause. Nothing of this runs while training goes well: go back to
`training.py` for that.
"""

from __future__ import annotations

import math

import numpy as np

from numpymlp.network import Network
from numpymlp.storage.models import label
from numpymlp.validation import LARGE


class TrainingDiverged(ArithmeticError):
    """A number became infinite or NaN; the network has its last good weights back."""


def find_break(network: Network, x: np.ndarray | None, value: float) -> str | None:
    """Tell where the numbers broke, walking the way that they went: forward, then backward.

    Parameters
    ----------
    network : Network
        As it was after the backward pass of the step that failed.
    x : ndarray of shape (N, in), or None
        The batch of this step; None if it happened after an epoch.
    value : float
        The loss.

    Returns
    -------
    str or None
        None if every number is finite.
    """
    vectors = (network.parameters, network.gradients, network.buffers)
    if math.isfinite(value) and all(np.isfinite(vector).all() for vector in vectors):
        return None  # only the sum of the squares was too large for its dtype
    names = [label(layer) for layer in network.layers]
    for name, array in network.named_parameters().items():
        if not np.isfinite(array).all():
            return f"the last update broke parameter {name} of {names[int(name.split('.')[0])]}"
    if not np.isfinite(network.buffers).all():
        return "the running mean or variance of a batch norm broke"
    if x is not None:
        if not np.isfinite(x).all():
            return "the inputs broke, in the augmentation"
        output = x.astype(network.dtype)
        for position, layer in enumerate(network.layers):
            output = layer.forward(output, True)
            if not np.isfinite(output).all():
                return (
                    f"the numbers first broke in the output of {names[position]}, layer "
                    f"{position + 1} of {len(names)}"
                )
    if not math.isfinite(value):
        return f"the loss itself broke, behind {names[-1]}: it became {value}"
    for name, array in reversed(network.named_gradients().items()):
        if not np.isfinite(array).all():
            return f"the gradient first broke in {name} of {names[int(name.split('.')[0])]}"
    return None


def remedy(
    network: Network, x: np.ndarray | None, y: np.ndarray | None, rate: float, first_step: bool
) -> str:
    """Name the likely cause with the number that gives it away, and what to do about it."""
    if x is not None and not np.isfinite(x).all():
        return "an augment(x, rng) that gives NaN or infinity: look at what it returns"
    causes = []
    if x is not None and _largest(x) > LARGE:
        causes.append(
            f"inputs that are not scaled (they reach {_largest(x):.3g}): divide pixels by 255, "
            f"standardize other features"
        )
    if y is not None and y.dtype.kind == "f" and _largest(y) > LARGE:
        causes.append(f"targets that are not scaled (they reach {_largest(y):.3g}): standardize")
    if first_step and _largest(network.parameters) > LARGE:
        causes.append(
            f"initial weights that are too large (they reach {_largest(network.parameters):.3g}): "
            f"take he_normal or glorot_uniform"
        )
    if first_step and not causes:
        causes.append(
            "a layer or a loss that divides by 0 or takes its logarithm: no step has been taken "
            "yet, so it is not the learning rate"
        )
    if not first_step:
        causes.append(f"a learning rate that is too high (it is {rate:.3g}): try {rate / 10:.3g}")
    return "; or ".join(causes)


def _largest(array: np.ndarray) -> float:
    """Give the largest magnitude."""
    return float(np.abs(array.astype(np.float64)).max(initial=0.0))
