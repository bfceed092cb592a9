"""A gradient check of an architecture of one's choice, on random data: `numpymlp check`.

The check itself stands in `gradient_check.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numpymlp.gradient_check import check_gradients
from numpymlp.gradient_report import GradientReport
from numpymlp.losses import (
    L2Penalty,
    Loss,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from numpymlp.network import Network, mlp
from numpymlp.validation import (
    InputError,
    check_choice,
    check_positive_integer,
    check_seed,
)

LOSSES = {
    "softmax": SoftmaxCrossEntropy,
    "sigmoid": SigmoidCrossEntropy,
    "squared-error": MeanSquaredError,
}
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
    """Build a network, draw a batch for it, and check its gradients.

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
        For the softmax.
    l2 : float >= 0, default 0
        Strength of the penalty.
    mode : {"entries", "direction"}
    seed : int, default 0
        Decides the weights and the batch.

    Returns
    -------
    network, loss, report
    """
    rng = np.random.default_rng(check_seed(seed))
    check_choice(loss, "loss", tuple(LOSSES))
    if label_smoothing and loss != "softmax":
        raise InputError(f"label smoothing belongs to the loss softmax, got it with {loss}")
    made = SoftmaxCrossEntropy(label_smoothing) if loss == "softmax" else LOSSES[loss]()
    shape = check_positive_integer(rows, "rows"), check_positive_integer(outputs, "outputs")
    network = mlp(
        [inputs, *hidden, outputs],
        activation,
        dropout=dropout,
        batch_norm=batch_norm,
        output=OUTPUTS[loss],
        rng=rng,
    )
    # Biases of 0, with which training begins, would hide a bias that is not added at all.
    network.parameters += (1 - network.decay_mask) * rng.normal(0, 0.1, network.parameters.size)
    x = rng.normal(size=(rows, inputs))
    y = rng.integers(0, outputs, rows) if loss == "softmax" else rng.random(shape)
    penalty = L2Penalty(l2) if l2 else None
    return network, made, check_gradients(network, made, x, y, penalty=penalty, mode=mode, rng=rng)
