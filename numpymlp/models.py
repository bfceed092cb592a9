"""The usual networks, from a few numbers.

`mlp` builds a multi-layer perceptron: a plain `Network` whose initializers fit its activations.
Read `gradient_check.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpymlp.initializers import glorot_uniform, he_normal
from numpymlp.layer_protocol import Layer
from numpymlp.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Initializer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
)
from numpymlp.network import Network
from numpymlp.validation import (
    InputError,
    check_choice,
    check_list,
    check_positive_integer,
    check_range,
)

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
}


def mlp(
    sizes: Sequence[int],
    activation: str | Sequence[str] = "relu",
    *,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    batch_norm: bool = False,
    initializer: Initializer | None = None,
    output: str = "softmax",
    rng: np.random.Generator | None = None,
    dtype: Any = np.float32,
) -> Network:
    """Build the usual multi-layer perceptron.

    Each hidden layer is Dense, BatchNorm (if asked for), activation, Dropout (if asked for); the
    last is Dense alone, and its outputs are the logits.

    Parameters
    ----------
    sizes : sequence of int
        Features of the input, units of each hidden layer, outputs: ``[784, 128, 10]``. Two sizes
        make a network without hidden layers.
    activation : {"relu", "leaky_relu", "sigmoid", "tanh", "identity"} or one for each hidden layer
    dropout, input_dropout : float in [0, 1), default 0
        Share of the hidden units, and of the inputs, dropped in training.
    batch_norm : bool, default False
    initializer : callable, optional
        For all weights. By default `he_normal` before ReLU and leaky ReLU, and `glorot_uniform`
        elsewhere.
    output, rng, dtype
        As for `Network`.

    Examples
    --------
    >>> mlp([784, 128, 10], activation="relu", rng=np.random.default_rng(0))
    Network(Dense(784 -> 128), ReLU, Dense(128 -> 10); 101,770 parameters, float32)
    """
    sizes = check_list(sizes, "mlp sizes", "[784, 128, 10]")
    sizes = [check_positive_integer(size, "mlp sizes") for size in sizes]
    if len(sizes) < 2:
        raise InputError(f"mlp expected at least two sizes, inputs and outputs, got {sizes}")
    if sizes[-1] == 1 and output == "softmax":
        raise InputError(
            "mlp expected at least two outputs for output='softmax', one for each class, got one: "
            "use output='sigmoid' for yes or no, 'identity' for values"
        )
    hidden = len(sizes) - 2
    names = (
        [activation] * hidden
        if isinstance(activation, str)
        else check_list(activation, "mlp activation", "'relu', or one name for each hidden layer")
    )
    if len(names) != hidden:
        raise InputError(f"mlp expected {hidden} activations, one a hidden layer, got {len(names)}")
    for name in [*names, *([activation] if isinstance(activation, str) else [])]:
        check_choice(name, "activation", (*ACTIVATIONS, "identity"))
    check_range(dropout, "Dropout rate", 0, 1, right_open=True)
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    for inputs, outputs, name in zip(sizes[:-2], sizes[1:-1], names, strict=True):
        rectifies = name in ("relu", "leaky_relu")
        default = he_normal if rectifies else glorot_uniform
        layers.append(Dense(inputs, outputs, initializer or default))
        if batch_norm:
            layers.append(BatchNorm(outputs))
        if name in ACTIVATIONS:
            layers.append(ACTIVATIONS[name]())
        if dropout:
            layers.append(Dropout(dropout))
    layers.append(Dense(sizes[-2], sizes[-1], initializer or glorot_uniform))
    return Network(layers, output=output, rng=rng, dtype=dtype)
