"""The network: layers in a row over one vector of parameters.

`Network` moves what its layers learn into a single vector, `parameters`, beside a twin,
`gradients`, and leaves each layer views into them. To all that comes after it, optimizers,
gradient checks and files, a network is a function of one vector. The idea is built step by step in
`tutorials/05_layers_as_classes.py`. Read `gradient_check.py` next, or `optimizers.py` to see the
vector move.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from numpymlp.initializers import glorot_uniform, he_normal
from numpymlp.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Initializer,
    Layer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
    sigmoid,
)
from numpymlp.losses import Loss, softmax
from numpymlp.storage import models as architecture
from numpymlp.validation import (
    InputError,
    check_answers,
    check_batch,
    check_choice,
    check_dtype,
    check_list,
    check_positive_integer,
    check_range,
    check_rng,
    check_upstream,
)

BATCH = 1000  # rows at a time where no gradient is needed: bounds the memory of a prediction


class Slot(NamedTuple):
    """Where one array of one layer lies in the network's vectors."""

    layer: int
    name: str
    start: int
    stop: int
    shape: tuple[int, ...]


class Network:
    """Layers in a row, whose parameters are one vector.

    Parameters
    ----------
    layers : sequence of layers
        Objects with `forward(x, training)` and `backward(dy)`; see `layers.Layer`. Each may
        appear once.
    output : {"softmax", "sigmoid", "identity"}, default "softmax"
        How the last layer's logits become predictions.
    rng : numpy.random.Generator, optional
        Draws the weights of the layers that have none yet, and seeds dropout's own stream.
        Without it, every network is another: pass ``np.random.default_rng(seed)``.
    dtype : {numpy.float32, numpy.float64}, default numpy.float32
        float32 to train, float64 to check gradients.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (P,)
        All that is learned, layer by layer, and the gradient of the last backward pass.
    buffers : ndarray of shape (B,)
        What is kept without being learned: batch norm's running means and variances.
    input_shape, output_shape : tuple of int or None
        Shape of one sample on its way in and out; None where no layer tells.
    reader : str
        The layer that decides the input's shape, as messages name it.
    loss : Loss or None
        The loss it was trained with; the Trainer sets it, files remember it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Network([Dense(784, 128), ReLU(), Dense(128, 10)], rng=rng)
    Network(Dense(784 -> 128), ReLU, Dense(128 -> 10); 101,770 parameters, float32)
    """

    def __init__(
        self,
        layers: Sequence[Any],
        *,
        output: str = "softmax",
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.layers = check_list(layers, "Network", "[Dense(784, 128), ReLU(), Dense(128, 10)]")
        self.output = check_choice(output, "output", architecture.OUTPUTS)
        self.loss: Loss | None = None
        architecture.check_row(self.layers)
        self.input_shape, self.reader = architecture.input_shape(self.layers)
        self.output_shape = architecture.row_output_shape(self.layers)
        self._logits_shape: tuple[int, ...] | None = None
        self._draw(np.random.default_rng() if rng is None else check_rng(rng))
        self._allocate(dtype)

    # ---- the way through: forward, backward, predictions ----

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Send a batch through all layers.

        Parameters
        ----------
        x : ndarray of shape (N, in)
            Any numbers; they are cast to the network's dtype.
        training : bool, default False
            Whether dropout drops and batch norm uses the batch's own statistics.

        Returns
        -------
        ndarray of shape (N, out)
            The logits: what the last layer puts out.
        """
        x = check_batch(x, self.input_shape, self.reader).astype(self.dtype, copy=False)
        self._gather()
        self.forget()
        for layer in self.layers:
            x = layer.forward(x, training)
        self._logits_shape = x.shape
        return x

    def backward(self, dy: np.ndarray, input_gradient: bool = False) -> np.ndarray | None:
        """Send the gradient of the loss back through all layers, filling `gradients`.

        Parameters
        ----------
        dy : ndarray of shape (N, out)
            dL/dlogits for the last forward pass: what `loss.backward()` returns.
        input_gradient : bool, default False
            Go on to the input and return dL/dx. Training needs none: the pass then ends at the
            first layer that has parameters.

        Returns
        -------
        ndarray of shape (N, in), or None
        """
        dy = check_upstream(dy, self._logits_shape).astype(self.dtype, copy=False)
        stop = -1 if input_gradient else self._first_learner
        for layer in reversed(self.layers[stop + 1 :]):
            dy = layer.backward(dy)
        if not input_gradient and stop < len(self.layers):
            _last_step_back(self.layers[stop])(dy)
        self._gather()
        return dy if input_gradient else None

    def forget(self) -> None:
        """Refuse `backward` until the next forward pass: what the layers keep is of no batch.

        Predictions do so, since they replace what a forward pass before them has kept.
        """
        self._logits_shape = None

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Give probabilities: (N, K), or (N, 1) for a single sigmoid output, in bounded memory."""
        if self.output == "identity":
            raise InputError(
                "predict_proba expected output='softmax' or 'sigmoid', got 'identity': a "
                "regression has values, no probabilities; use predict"
            )
        squash = softmax if self.output == "softmax" else sigmoid
        return np.concatenate([squash(logits) for logits in self.logits_in_batches(x)])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Give the answer for each sample, in bounded memory.

        Returns
        -------
        ndarray
            softmax: integers (N,), the likeliest class. sigmoid: 0 or 1, (N,) for one output, else
            (N, K). identity: values, (N,) for one output, else (N, K).
        """
        return np.concatenate([self.decide(logits) for logits in self.logits_in_batches(x)])

    def decide(self, logits: np.ndarray) -> np.ndarray:
        """Turn logits (N, out) into the answers that `predict` gives."""
        answers: np.ndarray
        if self.output == "softmax":
            answers = logits.argmax(axis=1)
            return answers
        answers = (logits > 0).astype(np.int64) if self.output == "sigmoid" else logits
        return answers[:, 0] if answers.shape[1] == 1 else answers

    def logits_in_batches(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of `x` in evaluation mode, 1,000 rows at a time."""
        x = check_batch(x, self.input_shape, self.reader)
        for start in range(0, len(x), BATCH):
            logits = self.forward(x[start : start + BATCH])
            self.forget()
            yield check_answers(logits, x[start : start + BATCH], start)

    def activations(self, x: np.ndarray, training: bool = False) -> list[np.ndarray]:
        """Give the output of every layer for a batch, to look inside.

        Like a prediction, this replaces what the layers keep for `backward`.
        """
        outputs = []
        x = check_batch(x, self.input_shape, self.reader).astype(self.dtype, copy=False)
        self.forget()
        for layer in self.layers:
            x = layer.forward(x, training)
            outputs.append(x)
        return outputs

    # ---- one vector ----

    @property
    def parameters(self) -> np.ndarray:
        """All that is learned, as one vector (P,); write into it to change the layers."""
        self._gather()
        return self._parameters

    @parameters.setter
    def parameters(self, values: np.ndarray) -> None:
        self._gather()
        _fill(self._parameters, values, "parameters")

    @property
    def gradients(self) -> np.ndarray:
        """The gradient of the last backward pass, in the order of `parameters`."""
        self._gather()
        return self._gradients

    @gradients.setter
    def gradients(self, values: np.ndarray) -> None:
        self._gather()
        _fill(self._gradients, values, "gradients")

    @property
    def buffers(self) -> np.ndarray:
        """What is kept without being learned, as one vector (B,)."""
        self._gather()
        return self._buffers

    @buffers.setter
    def buffers(self, values: np.ndarray) -> None:
        self._gather()
        _fill(self._buffers, values, "buffers")

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, the same for all that the network holds and computes."""
        return self._parameters.dtype

    @cached_property
    def decay_mask(self) -> np.ndarray:
        """1 for each weight, 0 for each bias and each parameter of batch norm, shape (P,)."""
        mask = np.zeros_like(self._parameters)
        for slot in self._slots:
            # Weights connect inputs with outputs and so have two axes or more.
            mask[slot.start : slot.stop] = len(slot.shape) > 1
        return mask

    def named_parameters(self) -> dict[str, np.ndarray]:
        """Give each parameter as a view under the name "layer.name": "0.W", "0.b", "2.W", ..."""
        return self._views(self.parameters)

    def named_gradients(self) -> dict[str, np.ndarray]:
        """Give each gradient as a view, under the name of its parameter."""
        return self._views(self.gradients)

    def _views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        return {
            f"{slot.layer}.{slot.name}": vector[slot.start : slot.stop].reshape(slot.shape)
            for slot in self._slots
        }

    @property
    def random_states(self) -> list[dict[str, Any]]:
        """The states of the layers' random generators: what dropout will draw next."""
        return [layer.rng.bit_generator.state for layer in self._random_layers()]

    @random_states.setter
    def random_states(self, states: Sequence[dict[str, Any]]) -> None:
        for layer, state in zip(self._random_layers(), states, strict=True):
            layer.rng.bit_generator.state = state

    def copy(self, dtype: Any = None) -> Network:
        """Make an independent network with the same layers, values and random states.

        Parameters
        ----------
        dtype : {numpy.float32, numpy.float64}, optional
            The copy's dtype, if another: gradients are checked in a float64 copy.
        """
        twin = copy.deepcopy(self)
        if dtype is not None and np.dtype(dtype) != self.dtype:
            twin._allocate(dtype)
        return twin

    # ---- to look at, to keep ----

    def summary(self) -> str:
        """Give a table of the layers with the shape of their outputs and their parameters."""
        counts = [0] * len(self.layers)
        for slot in self._slots:
            counts[slot.layer] += slot.stop - slot.start
        return architecture.summary(self.layers, counts)

    def __repr__(self) -> str:
        inside = ", ".join(architecture.label(layer) for layer in self.layers)
        return f"Network({inside}; {self._parameters.size:,} parameters, {self.dtype})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to an .npz file, whole or not at all; no pickle is inside.

        The file holds the architecture as JSON, how the output is read, the loss it was trained
        with, the dtype, and the vectors `parameters` and `buffers`.
        """
        architecture.write_model(
            path, self.layers, self.output, self.loss, self.parameters, self.buffers
        )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        rng: np.random.Generator | None = None,
        classes: architecture.Classes | None = None,
    ) -> Network:
        """Read a network that `save` wrote.

        Parameters
        ----------
        path : path of the .npz file
        rng : numpy.random.Generator, optional
            For dropout, if training is to go on.
        classes : mapping of str to class, optional
            Layers and losses of one's own, by name.

        Raises
        ------
        InputError
            If the file is no whole, unaltered model of this version; it says what is wrong.
        """
        layers, output, dtype, loss = architecture.read_model(path, classes)
        network = cls(layers, output=output, rng=rng, dtype=dtype)
        network.loss = loss
        return network

    # ---- how layers and vectors hang together ----

    @cached_property
    def _first_learner(self) -> int:
        """Position of the first layer with parameters; behind the end if none has any."""
        return min((slot.layer for slot in self._slots), default=len(self.layers))

    def _random_layers(self) -> list[Any]:
        return [layer for layer in self.layers if getattr(layer, "rng", None) is not None]

    def _draw(self, rng: np.random.Generator) -> None:
        """Let the layers that have no weights yet draw them; give dropout its own stream."""
        dropouts = [each for each in self.layers if isinstance(each, Dropout) and each.rng is None]
        if dropouts:
            # Apart from the stream of the weights: one dropout layer more changes no weight.
            seeds = rng.spawn(1)[0].integers(2**63, size=len(dropouts))
            for layer, seed in zip(dropouts, seeds, strict=True):
                layer.rng = np.random.default_rng(seed)
        for layer in self.layers:
            if not all(
                hasattr(layer, name) for name in architecture.names(layer, "parameter_names")
            ):
                if not hasattr(layer, "initialize"):
                    raise InputError(
                        f"{architecture.label(layer)} names {layer.parameter_names} as its "
                        f"parameters, but has none of that name: set them in its constructor"
                    )
                layer.initialize(rng)

    def _allocate(self, dtype: Any) -> None:
        """Move all parameters and buffers into vectors of this dtype, and bind views to them."""
        dtype = check_dtype(dtype)
        self._slots = self._lay_out("parameter_names")
        self._buffer_slots = self._lay_out("buffer_names")
        self._gradient_slots = [slot._replace(name="d" + slot.name) for slot in self._slots]
        self._parameters = self._pack(self._slots, dtype)
        self._buffers = self._pack(self._buffer_slots, dtype)
        self._gradients = np.zeros_like(self._parameters)
        self.__dict__.pop("decay_mask", None)
        self._bind()

    def _lay_out(self, names: str) -> list[Slot]:
        slots, start = [], 0
        for position, layer in enumerate(self.layers):
            for name in architecture.names(layer, names):
                shape = np.shape(getattr(layer, name))
                stop = start + int(np.prod(shape))
                slots.append(Slot(position, name, start, stop, shape))
                start = stop
        return slots

    def _pack(self, slots: list[Slot], dtype: Any) -> np.ndarray:
        vector = np.empty(slots[-1].stop if slots else 0, dtype)
        for slot in slots:
            vector[slot.start : slot.stop] = np.ravel(getattr(self.layers[slot.layer], slot.name))
        return vector

    def _bind(self) -> None:
        """Make every array of every layer a view into the network's vectors."""
        self._foreign = []
        for slots, vector in (
            (self._slots, self._parameters),
            (self._gradient_slots, self._gradients),
            (self._buffer_slots, self._buffers),
        ):
            for slot in slots:
                layer, name = self.layers[slot.layer], slot.name
                view = vector[slot.start : slot.stop].reshape(slot.shape)
                if isinstance(layer, Layer):
                    layer.bind(name, view)
                else:
                    setattr(layer, name, view)
                    self._foreign.append((layer, name, view))

    def _gather(self) -> None:
        """Bring home what layers without the base class have put in place of their views.

        Such a layer may say ``self.dW = x.T @ dy``, which makes a new array.
        """
        for layer, name, view in self._foreign:
            array = getattr(layer, name)
            if array is not view:
                if np.shape(array) != view.shape:
                    raise InputError(
                        f"{architecture.label(layer)}.{name} expected shape {view.shape}, that of "
                        f"the parameter, got {np.shape(array)}"
                    )
                view[...] = array
                setattr(layer, name, view)

    def __getstate__(self) -> dict[str, Any]:
        self._gather()
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy or a pickle holds the vectors and the layers' arrays apart: tie them again.
        self.__dict__.update(state)
        self._bind()

    def __copy__(self) -> Network:
        # A shallow copy would share the layers and steal their views.
        return self.copy()


def _last_step_back(layer: Any) -> Any:
    """Find the cheapest backward that fills the gradients of the first layer that learns."""
    for base in type(layer).__mro__:
        # A subclass with a `backward` of its own means that one, not its parent's shortcut.
        if "backward" in vars(base):
            return getattr(
                layer, "backward_parameters" if "backward_parameters" in vars(base) else "backward"
            )
    return layer.backward


def _fill(vector: np.ndarray, values: np.ndarray, name: str) -> None:
    if np.shape(values) != vector.shape:
        raise InputError(f"{name} expected shape {vector.shape}, got {np.shape(values)}")
    if values is not vector:  # as it is after `network.gradients += more`
        vector[...] = values


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
    last is Dense alone and puts out logits.

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
