"""How the parameters of an estimator become a network with scikit-learn's first weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numpymlp.layer_protocol import Layer
from numpymlp.layers import BatchNorm, Dense, Dropout
from numpymlp.models import ACTIVATIONS
from numpymlp.network import Network

LAYERS = {**ACTIVATIONS, "logistic": ACTIVATIONS["sigmoid"]}
ACTIVATION_NAMES = {*LAYERS, "identity"}


@dataclass(frozen=True)
class Architecture:
    """What must stay the same between calls that continue training."""

    sizes: list[int]  # inputs, units of each hidden layer, outputs
    activations: list[Any]  # one for each hidden layer
    dropout: float
    batch_norm: bool
    dtype: str | None
    loss: str | None  # None for a classifier
    last_activation: Any = field(compare=False, repr=False)  # scales the output layer's weights


def architecture_of(estimator: Any, inputs: int, outputs: int) -> Architecture:
    """Check the parameters that define the network, and return them in one form."""
    e = estimator
    sizes = np.atleast_1d(np.asarray(e.hidden_layer_sizes, dtype=object)).tolist()
    if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    single = isinstance(e.activation, str) or callable(e.activation)
    activations = [e.activation] * len(sizes) if single else list(e.activation)
    known = all(callable(name) or name in ACTIVATION_NAMES for name in activations)
    if len(activations) != len(sizes) or not known:
        raise ValueError(
            f"activation expected one of {sorted(ACTIVATION_NAMES)} or a layer class for each of "
            f"the {len(sizes)} hidden layers, got {e.activation!r}"
        )
    if e.solver == "lbfgs" and (e.dropout or e.batch_norm):
        raise ValueError(
            f"dropout and batch_norm need solver='sgd' or 'adam', got solver='lbfgs' with "
            f"dropout={e.dropout}, batch_norm={e.batch_norm}: use solver='adam'"
        )
    return Architecture(
        sizes=[inputs, *map(int, sizes), outputs],
        activations=activations,
        dropout=e.dropout,
        batch_norm=e.batch_norm,
        dtype=e.dtype,
        loss=getattr(e, "loss", None),
        last_activation=activations[-1] if activations else e.activation,
    )


def build_network(
    architecture: Architecture, output: str, dtype: Any, random_state: np.random.RandomState
) -> Network:
    """Build the network with the first weights that scikit-learn would draw.

    Weights and biases are uniform within ``sqrt(6 / (in + out))``, and within
    ``sqrt(2 / (in + out))`` for a logistic activation. The output layer is scaled by the activation
    before it. Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward
    neural networks" (2010).
    """
    sizes, activations = architecture.sizes, architecture.activations
    layers: list[Layer] = []
    for inputs, outputs, name in zip(sizes[:-2], sizes[1:-1], activations, strict=True):
        layers.append(Dense(inputs, outputs, _zeros))
        if architecture.batch_norm:
            layers.append(BatchNorm(outputs))
        if name != "identity":
            layers.append(_activation_layer(name))
        if architecture.dropout:
            layers.append(Dropout(architecture.dropout))
    network = Network([*layers, Dense(sizes[-2], sizes[-1], _zeros)], output=output, dtype=dtype)
    names = [*activations, architecture.last_activation]
    for layer, name in zip(dense_layers(network), names, strict=True):
        logistic = isinstance(name, str) and name in ("logistic", "sigmoid")
        bound = np.sqrt((2.0 if logistic else 6.0) / (layer.inputs + layer.outputs))
        layer.W = random_state.uniform(-bound, bound, layer.W.shape)
        layer.b = random_state.uniform(-bound, bound, layer.b.shape)
    for each in network.layers:
        if isinstance(each, Dropout):
            each.rng = np.random.default_rng(random_state.randint(2**31))
    return network


def dense_layers(network: Network) -> list[Dense]:
    """Return the layers that hold `coefs_` and `intercepts_`."""
    return [layer for layer in network.layers if isinstance(layer, Dense)]


def pack(network: Network) -> dict[str, Any]:
    """Return the contents of a network for a pickle, each weight once and no gradients."""
    kept = {k: v for k, v in vars(network).items() if k not in ("gradients", "decay_mask")}
    return {**kept, "layers": tuple(_without_arrays(layer) for layer in network.layers)}


def unpack(state: dict[str, Any]) -> Network:
    """Return the network that `pack` took apart, in memory of its own.

    joblib reads the arrays of a pickle from files that nobody can write to.
    """
    own = {name: np.array(state[name]) for name in ("parameters", "buffers")}
    network = object.__new__(Network)
    network.__setstate__({**state, **own, "gradients": np.zeros_like(own["parameters"])})
    return network


def _without_arrays(layer: Layer) -> Layer:
    parameters, buffers = layer.declared("parameter"), layer.declared("buffer")
    arrays = {*parameters, *parameters.values(), *buffers, "cache"}
    bare: Layer = object.__new__(type(layer))
    vars(bare).update({name: each for name, each in vars(layer).items() if name not in arrays})
    return bare


def _activation_layer(name: Any) -> Layer:
    cause = None
    try:
        layer = name() if callable(name) else LAYERS[name]()
    except TypeError as error:  # as of a function of numbers, such as np.tanh
        layer, cause = None, error
    if not isinstance(layer, Layer):
        raise ValueError(
            f"activation expected a layer class, which is called without arguments, got {name!r}: "
            f"choose one of {sorted(ACTIVATION_NAMES)}, or derive a class from numpymlp.Layer"
        ) from cause
    return layer


def _zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Initialize with zeros; `build_network` then draws from scikit-learn's random stream."""
    return np.zeros(shape)
