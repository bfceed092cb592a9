"""Divergence: where the numbers first became infinite or NaN, and the likely cause.

The Trainer finds it in the loss or in the gradient, before a step is taken with them, and asks here
for place and cause. Nothing of this runs while training goes well.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numpymlp.network import Network
from numpymlp.training.checks import LARGE


class TrainingDiverged(ArithmeticError):
    """A number became infinite or NaN; the network has its last good weights back."""


def all_finite(trainer: Any, value: float) -> bool:
    """Return whether the loss and every number of the gradient are finite."""
    gradients = trainer.network.gradients
    # The sum of squares is the cheapest look at every number of the gradient.
    finite = math.isfinite(value + gradients @ gradients)
    return finite if trainer.split is None else trainer.split.agree(finite)


def first_nonfinite(network: Network, x: np.ndarray | None, value: float) -> str | None:
    """Return where the numbers first became infinite or NaN: forward first, then backward.

    Parameters
    ----------
    network : Network
        As it was after the backward pass of the step that failed.
    x : ndarray of shape (N, in), or None
        The batch of this step; None after an epoch.
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
    layers = network.layers
    for name, array in network.named_parameters().items():
        if not np.isfinite(array).all():
            return f"the last update broke parameter {name} of {layers[int(name.split('.')[0])]}"
    if not np.isfinite(network.buffers).all():
        return "the running mean or variance of a batch norm broke"
    if x is not None:
        if not np.isfinite(x).all():
            return "the inputs broke, in the augmentation"
        for position, (layer, output) in enumerate(network.walk(x, training=True)):
            if not np.isfinite(output).all():
                return (
                    f"the numbers first broke in the output of {layer}, layer {position + 1} of "
                    f"{len(layers)}"
                )
    if not math.isfinite(value):
        return f"the loss itself broke, behind {layers[-1]}: it became {value}"
    for name, array in reversed(network.named_gradients().items()):
        if not np.isfinite(array).all():
            return f"the gradient first broke in {name} of {layers[int(name.split('.')[0])]}"
    return None


def broken_optimizer(optimizer: Any) -> str | None:
    """Return which vector of the optimizer's state holds infinity or NaN; None if none does.

    The square of a finite gradient can be too large for its dtype; steps divided by it are 0.
    """
    for name in optimizer.state_names if hasattr(optimizer, "state_names") else ():
        vector = getattr(optimizer, name)
        if isinstance(vector, np.ndarray) and not np.isfinite(vector).all():
            return f"the optimizer's {name} broke: gradients are too large for it"
    return None


def likely_cause(
    network: Network, x: np.ndarray | None, y: np.ndarray | None, rate: float, first_step: bool
) -> str:
    """Name the likely cause with the number that shows it, and the fix."""
    if x is not None and not np.isfinite(x).all():
        return "an augment(x, rng) that returns NaN or infinity: look at what it returns"
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
            f"use he_normal or glorot_uniform"
        )
    if first_step and not causes:
        causes.append(
            "a layer or a loss that divides by 0 or takes its logarithm: no step has been taken "
            "yet, so it is not the learning rate"
        )
    if not first_step:
        causes.append(f"a learning rate that is too high (it is {rate:.3g}): try {rate / 10:.3g}")
    return "; or ".join(causes)


def stop_if_diverged(
    trainer: Any,
    value: float,
    rate: float,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
) -> None:
    """Where a number is infinite or NaN, restore the last good weights and raise.

    Parameters
    ----------
    trainer : Trainer
    value : float
        The loss of a batch, or of the validation data.
    rate : float
        The learning rate.
    x, y : ndarray, optional
        The batch; None after an epoch.

    Raises
    ------
    TrainingDiverged
    """
    if trainer.split is not None:
        if not trainer.split.any_broken(value):
            return
        trainer = trainer.split.gather_broken()
    state, network = trainer.state, trainer.network
    where = first_nonfinite(network, x, value) or broken_optimizer(trainer.optimizer)
    if where is None:
        return
    cause = likely_cause(network, x, y, rate, first_step=state.step == 0)
    step = state.step + (x is not None)
    good = state.repeat_epoch(network)
    if hasattr(trainer.optimizer, "reset"):
        trainer.optimizer.reset()
    kept = "before training" if good.epoch == 0 else f"of epoch {good.epoch}"
    raise TrainingDiverged(
        f"training diverged at step {step} (epoch {state.epoch + 1}): {where}. Likely cause: "
        f"{cause}. The network has its weights {kept} back."
    )


def _largest(array: np.ndarray) -> float:
    """Return the largest magnitude."""
    return float(np.abs(array.astype(np.float64)).max(initial=0.0))
