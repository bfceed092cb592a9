"""Random networks, for Hypothesis: every layer, loss and option, in combination.

A drawn `Case` is plain data, so that a failing one shrinks to a network that is easy to read;
`Case.build` makes the network, the loss and the batch from it.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpymlp import (
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    L2Penalty,
    LeakyReLU,
    MaxPool2D,
    MeanSquaredError,
    Network,
    ReLU,
    Reshape,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
    initializers,
)
from numpymlp.initializers import he_normal
from numpymlp.layer_protocol import shapes_between

ACTIVATIONS = {
    "none": (),
    "relu": (ReLU,),
    "leaky_relu": (LeakyReLU,),
    "leaky_relu 0.3": (lambda: LeakyReLU(0.3),),
    "gelu": (GELU,),
    "sigmoid": (Sigmoid,),
    "tanh": (Tanh,),
}
INITIALIZERS = {
    "he_normal": initializers.he_normal,
    "he_uniform": initializers.he_uniform,
    "glorot_normal": initializers.glorot_normal,
    "glorot_uniform": initializers.glorot_uniform,
    "lecun_normal": initializers.lecun_normal,
    "lecun_uniform": initializers.lecun_uniform,
    "normal 0.5": initializers.Normal(0.5),
}
LOSSES = {
    "softmax": SoftmaxCrossEntropy,
    "sigmoid": SigmoidCrossEntropy,
    "squared error": MeanSquaredError,
}


@dataclass(frozen=True)
class Hidden:
    """One hidden block: Dense, then batch norm, activation and dropout where asked for."""

    units: int
    activation: str
    batch_norm: bool = False
    dropout: float = 0.0

    def layers(self, inputs: int, initializer: Any) -> list[Any]:
        return [
            Dense(inputs, self.units, initializer),
            *([BatchNorm(self.units)] if self.batch_norm else []),
            *(make() for make in ACTIVATIONS[self.activation]),
            *([Dropout(self.dropout)] if self.dropout else []),
        ]


POOLS = {"max": MaxPool2D, "average": AveragePool2D}


@dataclass(frozen=True)
class Filtered:
    """One block of images: Conv2D or a pool, then batch norm, activation and dropout."""

    kind: str  # "conv", "max" or "average"
    size: int
    stride: int
    activation: str
    filters: int = 1
    padding: str = "valid"
    batch_norm: bool = False
    dropout: float = 0.0

    def layers(self, channels: int, initializer: Any) -> list[Any]:
        if self.kind == "conv":
            first = Conv2D(
                channels, self.filters, self.size, self.padding, self.stride, initializer
            )
            channels = self.filters
        else:
            first = POOLS[self.kind](self.size, self.stride)
        return [
            first,
            *([BatchNorm(channels)] if self.batch_norm else []),
            *(make() for make in ACTIVATIONS[self.activation]),
            *([Dropout(self.dropout)] if self.dropout else []),
        ]


@dataclass(frozen=True)
class Case:
    """A network, a loss and a batch; everything random in it comes from the seed."""

    rows: int
    inputs: int
    hidden: tuple[Hidden, ...]
    outputs: int
    loss: str
    soft_targets: bool = False
    label_smoothing: float = 0.0
    sample_weight: str = "none"
    l2: float = 0.0
    initializer: str = "he_normal"
    training: bool = True
    dtype: str = "float64"
    seed: int = 0
    image: tuple[int, int, int] | None = None  # height, width, channels of the inputs
    filtered: tuple[Filtered, ...] = ()

    def build(self) -> tuple[Network, Any, np.ndarray, np.ndarray, dict[str, Any]]:
        """Make (network, loss, x, y, what else `check_gradients` takes)."""
        rng = np.random.default_rng(self.seed)
        layers, size = self.layers_of_images(), self.inputs
        if layers:
            (size,) = shapes_between(layers)[-1]
        for block in self.hidden:
            layers += block.layers(size, INITIALIZERS[self.initializer])
            size = block.units
        layers.append(Dense(size, self.outputs, INITIALIZERS[self.initializer]))
        network = Network(layers, rng=rng, dtype=self.dtype)
        # Biases of 0 and batch norm's 1 and 0 would hide faults, and sit on kinks.
        network.parameters += (1 - network.decay_mask) * rng.normal(0, 0.3, len(network.parameters))
        network.buffers[:] = rng.uniform(0.5, 2.0, len(network.buffers))
        x = rng.normal(size=(self.rows, self.inputs))
        options = {
            "sample_weight": self.weights(rng),
            "penalty": L2Penalty(self.l2) if self.l2 else None,
            "training": self.training,
        }
        return network, self.make_loss(), x, self.targets(rng), options

    def layers_of_images(self) -> list[Any]:
        if self.image is None:
            return []
        layers, channels = [Reshape(*self.image)], self.image[2]
        for block in self.filtered:
            layers += block.layers(channels, INITIALIZERS[self.initializer])
            channels = shapes_between(layers)[-1][2]
        return [*layers, Flatten()]

    def make_loss(self) -> Any:
        if self.loss == "softmax":
            return SoftmaxCrossEntropy(self.label_smoothing)
        return LOSSES[self.loss]()

    def targets(self, rng: np.random.Generator) -> np.ndarray:
        shape = self.rows, self.outputs
        if self.loss == "squared error":
            return rng.normal(size=shape)
        if self.loss == "sigmoid":
            return rng.random(shape) if self.soft_targets else rng.integers(0, 2, shape)
        if self.soft_targets:
            return rng.dirichlet(np.ones(self.outputs), self.rows)
        return rng.integers(0, self.outputs, self.rows)

    def weights(self, rng: np.random.Generator) -> np.ndarray | None:
        if self.sample_weight == "none":
            return None
        weights = rng.uniform(0.1, 3.0, self.rows)
        if self.sample_weight == "some 0":
            weights[1:] *= rng.integers(0, 2, self.rows - 1)
        return weights


def hidden_blocks(batch_norm: bool) -> st.SearchStrategy[Hidden]:
    return st.builds(
        Hidden,
        units=st.integers(1, 6),
        activation=st.sampled_from(sorted(ACTIVATIONS)),
        batch_norm=st.booleans() if batch_norm else st.just(False),
        dropout=st.sampled_from([0.0, 0.2, 0.5]),
    )


@st.composite
def cases(draw: st.DrawFn, batch_norm: bool = True) -> Case:
    """Networks of depth 0 to 4 with everything that they can be combined with."""
    loss = draw(st.sampled_from(sorted(LOSSES)))
    # The batch's variance is well behaved from about four rows on.
    rows = draw(st.integers(1, 7))
    hidden = draw(st.lists(hidden_blocks(batch_norm and rows >= 4), max_size=4))
    return Case(
        rows=rows,
        inputs=draw(st.integers(1, 5)),
        hidden=tuple(hidden),
        outputs=draw(st.integers(2 if loss == "softmax" else 1, 4)),
        loss=loss,
        soft_targets=draw(st.booleans()) if loss != "squared error" else False,
        label_smoothing=draw(st.sampled_from([0.0, 0.1, 0.5])) if loss == "softmax" else 0.0,
        sample_weight=draw(st.sampled_from(["none", "some", "some 0"])),
        l2=draw(st.sampled_from([0.0, 0.01, 1.0])),
        initializer=draw(st.sampled_from(sorted(INITIALIZERS))),
        training=draw(st.booleans()),
        dtype=draw(st.sampled_from(["float64", "float32"])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@st.composite
def image_cases(draw: st.DrawFn) -> Case:
    """Networks with one to three blocks of images in front of a network of `cases`."""
    case = draw(cases())
    shape = image = draw(st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 3)))
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["conv", "conv", "max", "average"]))
        padding = draw(st.sampled_from(["valid", "same"])) if kind == "conv" else "valid"
        block = Filtered(
            kind=kind,
            size=draw(st.integers(1, 4 if padding == "same" else min(4, *shape[:2]))),
            stride=draw(st.integers(1, 3)),
            activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
            filters=draw(st.integers(1, 3)),
            padding=padding,
            batch_norm=case.rows >= 4 and draw(st.booleans()),
            dropout=draw(st.sampled_from([0.0, 0.2, 0.5])),
        )
        blocks.append(block)
        shape = shapes_between([Reshape(*shape), *block.layers(shape[2], he_normal)])[-1]
    return replace(
        case, inputs=prod(image), hidden=case.hidden[:1], image=image, filtered=tuple(blocks)
    )


# ---- difficult networks ----

SCALES = [1e-8, 1e-4, 1.0, 1.0, 1e4, 1e8]


@dataclass(frozen=True)
class Difficulty:
    """What makes a correct network difficult to check."""

    rows: str = "any"
    zero_biases: bool = False
    zero_weights: bool = False
    dead_units: bool = False
    input_scale: float = 1.0
    weight_scale: float = 1.0
    trained: float | None = None  # the margin, or the distance from the targets

    def apply(self, case: Case) -> tuple[Network, Any, np.ndarray, np.ndarray, dict[str, Any]]:
        """Make what `Case.build` makes, with these difficulties."""
        network, loss, x, y, options = case.build()
        x = x * self.input_scale
        if self.rows == "zero":
            x[:: 2 if len(x) > 1 else 1] = 0
        elif self.rows == "identical":
            x[:] = x[0]
        weights = network.decay_mask == 1
        network.parameters[weights] *= self.weight_scale
        if self.zero_biases:
            network.parameters[~weights] = 0
        if self.zero_weights:
            network.layers[0].W = np.zeros_like(network.layers[0].W)
        if self.dead_units:
            network.layers[0].b = np.where(np.arange(len(network.layers[0].b)) % 2, -99.0, 0.1)
        if self.trained is not None:
            y = self._train(network, loss, x, y, case.training)
        return network, loss, x, y, options

    def _train(self, network: Any, loss: Any, x: Any, y: Any, training: bool) -> np.ndarray:
        """Return the targets that the network already has, or set its last bias for them."""
        if isinstance(loss, MeanSquaredError):
            # A loss down to 1e-30: half the square of the distance.
            return network.copy(np.float64).forward(x, training) + self.trained
        margin = 1 / self.trained if self.trained else 800.0
        bias = np.zeros_like(network.layers[-1].b)
        bias[0] = min(margin, 800.0)
        if isinstance(loss, SigmoidCrossEntropy):
            network.layers[-1].b = bias[0] * np.where(np.arange(len(bias)) % 2, 1.0, -1.0)
            return np.tile(np.arange(len(bias)) % 2, (len(x), 1))
        network.layers[-1].b = bias
        return np.zeros(len(x), int)


@st.composite
def difficult_cases(draw: st.DrawFn) -> tuple[Case, Difficulty]:
    """Correct networks with all that has ever made a gradient check cry wolf."""
    case = draw(cases())
    rows = draw(st.sampled_from([case.rows, 2, 2]))
    hidden = tuple(
        replace(
            block,
            batch_norm=rows > 1 and draw(st.booleans()),
            dropout=draw(st.sampled_from([0.0, 0.0, 0.5, 0.9])),
        )
        for block in case.hidden
    )
    difficulty = Difficulty(
        rows=draw(st.sampled_from(["any", "zero", "identical"])),
        zero_biases=draw(st.booleans()),
        zero_weights=draw(st.sampled_from([False, False, False, True])),
        dead_units=draw(st.sampled_from([False, False, False, True])),
        input_scale=draw(st.sampled_from(SCALES)),
        weight_scale=draw(st.sampled_from([*SCALES, 1.0, 1.0, 1.0, 1.0])),
        trained=draw(st.sampled_from([None, None, 1e-15, 1e-8, 1e-3, 0.03, 0.07, 0.2])),
    )
    return replace(case, rows=rows, hidden=hidden, dtype="float64"), difficulty
