"""Compare backpropagation with finite differences for an architecture of your choice."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from numpymlp.commands.options import SEED, add_settings, whole
from numpymlp.experiments.sizes import MOST_NUMBERS, check_memory
from numpymlp.gradient_check import check_gradients
from numpymlp.gradient_report import GradientReport
from numpymlp.losses import (
    L2Penalty,
    Loss,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from numpymlp.models import mlp
from numpymlp.network import Network
from numpymlp.validation import InputError, check_choice, check_positive_integer, check_seed

LOSSES = {
    "softmax": SoftmaxCrossEntropy,
    "sigmoid": SigmoidCrossEntropy,
    "squared-error": MeanSquaredError,
}
# Limits that keep a check in float64 within a few minutes, and one or two gigabytes.
MOST_CHECKED = {"entries": 10**6, "direction": 10**7}
OUTPUTS = {"softmax": "softmax", "sigmoid": "sigmoid", "squared-error": "identity"}


def check_architecture(
    hidden: Sequence[int] = (5, 4),
    *,
    inputs: int = 6,
    outputs: int = 3,
    activation: str = "relu",
    loss: str = "softmax",
    batch_norm: bool = False,
    dropout: float = 0.0,
    label_smoothing: float = 0.0,
    l2: float = 0.0,
    rows: int = 8,
    mode: str = "entries",
    seed: int = 0,
) -> tuple[Network, Loss, GradientReport]:
    """Check the gradients of a network on a random batch.

    Parameters
    ----------
    hidden : sequence of int, default (5, 4)
        Units of the hidden layers.
    inputs, outputs, rows : int
        Sizes of the batch: x is (rows, inputs).
    activation, batch_norm, dropout
        As for `mlp`.
    loss : {"softmax", "sigmoid", "squared-error"}, default "softmax"
    label_smoothing : float in [0, 1), default 0
        For the loss softmax only.
    l2 : float >= 0, default 0
        Strength of the L2 penalty.
    mode : {"entries", "direction"}, default "entries"
        As for `check_gradients`.
    seed : int, default 0
        Seed of the weights and of the batch.

    Returns
    -------
    network, loss, report

    Raises
    ------
    InputError
        If a setting is out of its range, or label smoothing comes with another loss.
    """
    rng = np.random.default_rng(check_seed(seed))
    check_choice(loss, "loss", tuple(LOSSES))
    if label_smoothing and loss != "softmax":
        raise InputError(f"label_smoothing: expected loss='softmax', got {loss!r}")
    if outputs == 1 and loss == "softmax":
        raise InputError(
            "outputs: expected at least two for loss='softmax', one for each class, got one: "
            "loss='sigmoid' takes one, for yes or no"
        )
    made = SoftmaxCrossEntropy(label_smoothing) if loss == "softmax" else LOSSES[loss]()
    shape = check_positive_integer(rows, "rows"), check_positive_integer(outputs, "outputs")
    for name, size in (("inputs", inputs), *(("hidden", size) for size in hidden)):
        check_positive_integer(size, name)
    most = MOST_CHECKED.get(mode, MOST_NUMBERS)
    check_memory([inputs, *hidden, outputs], rows, "rows", most)
    network = mlp(
        [inputs, *hidden, outputs],
        activation,
        dropout=dropout,
        batch_norm=batch_norm,
        output=OUTPUTS[loss],
        rng=rng,
    )
    # The initial biases of 0 would hide a forward pass that does not add them.
    network.parameters += (1 - network.decay_mask) * rng.normal(0, 0.1, network.parameters.size)
    x = rng.normal(size=(rows, inputs))
    y = rng.integers(0, outputs, rows) if loss == "softmax" else rng.random(shape)
    penalty = L2Penalty(l2) if l2 else None
    return network, made, check_gradients(network, made, x, y, penalty=penalty, mode=mode, rng=rng)


DEFAULTS = {n: p.default for n, p in inspect.signature(check_architecture).parameters.items()}


def options(parser: argparse.ArgumentParser) -> None:
    """Add one option for each argument of `check_architecture`."""
    add_settings(parser, DEFAULTS)
    kinds: dict[str, Any] = {
        "loss": {"choices": tuple(LOSSES)},
        "mode": {"choices": ("entries", "direction")},
        **{name: {"type": whole(MOST_NUMBERS)} for name in ("inputs", "outputs", "rows")},
        "seed": {"type": whole(SEED)},
    }
    for name, text in (
        ("loss", "loss function"),
        ("mode", "check every entry, or one random direction"),
        ("inputs", "features of a sample"),
        ("outputs", "units of the last layer"),
        ("rows", "samples in the batch"),
        ("seed", "seed of the weights and of the batch"),
    ):
        parser.add_argument(
            f"--{name}",
            **kinds[name],
            default=DEFAULTS[name],
            help=f"{text} (default: %(default)s)",
        )


def run(options: argparse.Namespace) -> None:
    """Print the network and the report; exit with status 1 if the check fails."""
    settings = {name: value for name, value in vars(options).items() if name in DEFAULTS}
    network, loss, report = check_architecture(**settings)
    print(f"{network}, {loss}, {options.rows} random samples\n{report}")
    if not report.passed:
        sys.exit(1)
