"""The usual networks, from a few numbers.

`mlp` builds a multi-layer perceptron: a plain `Network` whose initializers fit its activations.
`lenet` builds a small convolutional network for images.
Read `gradient_check.py` next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpymlp.convolution import Conv2D, Flatten, MaxPool2D, Reshape
from numpymlp.initializers import glorot_uniform, he_normal
from numpymlp.layer_protocol import Layer, shapes_between
from numpymlp.layers import (
    GELU,
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
    "gelu": GELU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
}

Activation = str | type[Layer]


def mlp(
    sizes: Sequence[int],
    activation: Activation | Sequence[Activation] = "relu",
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
    activation : {"relu", "leaky_relu", "gelu", "sigmoid", "tanh", "identity"} or a class of layers
        Or a list with one for each hidden layer. A class, such as a custom one, is called without
        arguments for each of its layers.
    dropout, input_dropout : float in [0, 1), default 0
        Share of the hidden units, and of the inputs, dropped in training.
    batch_norm : bool, default False
    initializer : callable, optional
        For all weights. By default `he_normal` before ReLU, leaky ReLU and GELU, and
        `glorot_uniform` elsewhere.
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
        if isinstance(activation, str | type)
        else check_list(activation, "mlp activation", "'relu', or one name for each hidden layer")
    )
    if len(names) != hidden:
        raise InputError(f"mlp expected {hidden} activations, one a hidden layer, got {len(names)}")
    for name in [*names, *([activation] if isinstance(activation, str | type) else [])]:
        if not (isinstance(name, type) and issubclass(name, Layer)):
            check_choice(name, "activation", (*ACTIVATIONS, "identity"))
    check_range(dropout, "Dropout rate", 0, 1, right_open=True)
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    for inputs, outputs, name in zip(sizes[:-2], sizes[1:-1], names, strict=True):
        rectifies = name in ("relu", "leaky_relu", "gelu", ReLU, LeakyReLU, GELU)
        default = he_normal if rectifies else glorot_uniform
        layers.append(Dense(inputs, outputs, initializer or default))
        if batch_norm:
            layers.append(BatchNorm(outputs))
        if name != "identity":
            layers.append(ACTIVATIONS[name]() if isinstance(name, str) else name())
        if dropout:
            layers.append(Dropout(dropout))
    layers.append(Dense(sizes[-2], sizes[-1], initializer or glorot_uniform))
    return Network(layers, output=output, rng=rng, dtype=dtype)


def lenet(
    filters: Sequence[int] = (8, 16),
    hidden: int = 128,
    *,
    size: int = 5,
    image_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    dropout: float = 0.0,
    batch_norm: bool = False,
    rng: np.random.Generator | None = None,
    dtype: Any = np.float32,
) -> Network:
    """Build a small convolutional network in the manner of LeNet-5.

    For each number of filters there are Conv2D, MaxPool2D, BatchNorm (if asked for) and ReLU. Then
    follow a hidden Dense layer and the last one, whose outputs are the logits. ReLU after the pool
    gives the same as before it, at a quarter of the work. Source: LeCun, Bottou, Bengio, Haffner,
    "Gradient-based learning applied to document recognition" (1998), with ReLU and max pooling as
    is usual today.

    Parameters
    ----------
    filters : sequence of int, default (8, 16)
        Filters of each convolution.
    hidden : int, default 128
        Units of the hidden Dense layer.
    size : int, default 5
        Rows and columns of a filter.
    image_shape : (height, width, channels), default (28, 28, 1)
        The network takes the pixels of such images as rows (N, height * width * channels), as
        `load_mnist` gives them.
    classes : int, default 10
    dropout : float in [0, 1), default 0
        Share of the inputs of each Dense layer dropped in training.
    batch_norm : bool, default False
    rng, dtype
        As for `Network`.

    Examples
    --------
    >>> print(lenet(rng=np.random.default_rng(0)).summary())
    layer                   output          parameters
    --------------------------------------------------
    input                   (N, 784)
    Reshape(28, 28, 1)      (N, 28, 28, 1)           0
    Conv2D(1 -> 8, 5 x 5)   (N, 24, 24, 8)         208
    MaxPool2D(2 x 2)        (N, 12, 12, 8)           0
    ReLU                    (N, 12, 12, 8)           0
    Conv2D(8 -> 16, 5 x 5)  (N, 8, 8, 16)        3,216
    MaxPool2D(2 x 2)        (N, 4, 4, 16)            0
    ReLU                    (N, 4, 4, 16)            0
    Flatten                 (N, 256)                 0
    Dense(256 -> 128)       (N, 128)            32,896
    ReLU                    (N, 128)                 0
    Dense(128 -> 10)        (N, 10)              1,290
    --------------------------------------------------
    total                                       37,610
    """
    layers = convolutions(filters, image_shape, size, batch_norm=batch_norm)
    features: Any = shapes_between(layers)[-1]
    layers += [Dropout(dropout)] if dropout else []
    layers += [Dense(features[0], hidden), ReLU()]
    layers += [Dropout(dropout)] if dropout else []
    layers.append(Dense(hidden, classes, glorot_uniform))
    return Network(layers, rng=rng, dtype=dtype)


def convolutions(
    filters: Sequence[int],
    image_shape: Sequence[int],
    size: int = 5,
    *,
    batch_norm: bool = False,
) -> list[Layer]:
    """Return the layers of `lenet` up to the first Dense layer; parameters as there."""
    filters = check_list(filters, "lenet filters", "[8, 16]")
    shape = check_list(image_shape, "lenet image_shape", "(28, 28, 1)")
    if len(shape) != 3:
        raise InputError(f"lenet image_shape: expected (height, width, channels), got {shape}")
    layers: list[Layer] = [Reshape(*shape)]
    for channels, outputs in itertools.pairwise([shape[2], *filters]):
        layers += [Conv2D(channels, outputs, size), MaxPool2D(2)]
        layers += [BatchNorm(outputs), ReLU()] if batch_norm else [ReLU()]
    return [*layers, Flatten()]
