"""The network: layers in a row over one vector of parameters.

`Network` moves what its layers learn into a single vector, `parameters`, beside a twin,
`gradients`, and leaves each layer views into them. To optimizers, gradient checks and files, a
network is a function of one vector. `loss_and_gradient` is the pass that training repeats.
`tutorials/06_layers_as_classes.py` builds the idea step by step. Read `optimizers.py` next to see
the vector move, or `gradient_check.py` to see the gradient proven.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpymlp import layer_protocol as protocol
from numpymlp import validation
from numpymlp.layer_protocol import FixedLayers, Layer
from numpymlp.losses import HEADS, L2Penalty, Loss

BATCH = 1000  # rows at a time where no gradient is needed: bounds the memory of a prediction


class Vector:
    """One of a network's vectors: assigning to it copies the values in; views stay views."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, network: Any, owner: type | None = None) -> Any:
        return self if network is None else vars(network)[self.name]

    def __set__(self, network: Any, values: np.ndarray) -> None:
        vector = vars(network)[self.name]
        if np.shape(values) != vector.shape:
            raise validation.InputError(
                f"{self.name} expected shape {vector.shape}, got {np.shape(values)}"
            )
        if values is not vector:  # as it is after `network.gradients += more`
            vector[...] = values


class Network:
    """Layers in a row, whose parameters are one vector.

    Parameters
    ----------
    layers : sequence of Layer
        Each may appear once. A layer that already belongs to a network is copied with its values,
        and the other network stays as it is: ``Network([*trained.layers[:-1], Dense(128, 5)])``
        puts a new last layer on trained ones.
    output : {"softmax", "sigmoid", "identity"}, default "softmax"
        The output head: how logits become probabilities and decisions; see `losses.HEADS`.
    rng : numpy.random.Generator, optional
        Draws the weights of the layers that have none yet, and seeds dropout's own stream.
        Without it, weights differ on every run: pass ``np.random.default_rng(seed)``.
    dtype : {numpy.float32, numpy.float64}, default numpy.float32
        float32 to train, float64 to check gradients.

    Attributes
    ----------
    layers : tuple of Layer
        Cannot be changed: another network copies them.
    head : SoftmaxHead, SigmoidHead or IdentityHead
    parameters, gradients : ndarray of shape (P,)
        All learned arrays, layer by layer, and their gradients from the last backward pass.
    buffers : ndarray of shape (B,)
        Arrays that are not learned: batch norm's running means and variances.
    decay_mask : ndarray of shape (P,)
        1 for each weight, 0 for each bias and each parameter of batch norm.
    shapes : list of tuple or None
        Shape of one sample before the first layer and after each layer; None if not known.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Network([Dense(784, 128), ReLU(), Dense(128, 10)], rng=rng)
    Network(Dense(784 -> 128), ReLU, Dense(128 -> 10); 101,770 parameters, float32)
    """

    layers = FixedLayers()

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        output: str = "softmax",
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        dtype, self.layers = validation.check_dtype(dtype), protocol.check_layers(layers)
        self._logits_shape: tuple[int, ...] | None = None
        self.head = HEADS[validation.check_choice(output, "output", tuple(HEADS))]
        self.shapes = protocol.shapes_between(self.layers)
        named = (layer for layer in self.layers if layer.input_shape is not None)
        self._reader = str(self.layers[0] if self.shapes[0] is None else next(named))
        self._initialize(np.random.default_rng() if rng is None else validation.check_rng(rng))
        self._allocate(dtype)

    # ---- forward and backward ----

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
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
            The logits: the output of the last layer.
        """
        for _, output in self.walk(self.check_batch(x), training):
            logits = output
        self._logits_shape = logits.shape
        return logits

    def walk(self, x: np.ndarray, training: bool = False) -> Iterator[tuple[Layer, np.ndarray]]:
        """Yield each layer with its output for a batch; invalidate the caches first."""
        self.clear_cache()
        x = x.astype(self.dtype, copy=False)
        for layer in self.layers:
            x = layer.forward(x, training)
            yield layer, x

    def backward(self, dy: np.ndarray, input_gradient: bool = False) -> np.ndarray | None:
        """Send the gradient of the loss back through all layers, filling `gradients`.

        Parameters
        ----------
        dy : ndarray of shape (N, out)
            dL/dlogits for the last forward pass: what `loss.backward()` returns.
        input_gradient : bool, default False
            Whether to go on to the input and return dL/dx. Training needs none: the pass then ends
            at the first layer that has parameters.

        Returns
        -------
        ndarray of shape (N, in), or None
        """
        gradient: Any = protocol.check_upstream(dy, self._logits_shape)
        gradient = gradient.astype(self.dtype, copy=False)
        first = 0 if input_gradient else self._first_trainable
        for position in range(len(self.layers) - 1, first - 1, -1):
            # Every layer above the first passes its input gradient on.
            gradient = self.layers[position].backward(gradient, input_gradient or position > first)
        return gradient if input_gradient else None

    def clear_cache(self) -> None:
        """Refuse `backward` until the next forward pass: the layer caches are invalid."""
        self._logits_shape = None

    def predict_proba(self, x: ArrayLike) -> np.ndarray:
        """Return probabilities (N, K), or (N, 1) for a single sigmoid output, in bounded memory."""
        return np.concatenate([self.head.probabilities(z) for z in self.logits_in_batches(x)])

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Return the answer for each sample, in bounded memory.

        Returns
        -------
        ndarray
            softmax: integers (N,), the likeliest class. sigmoid: 0 or 1, (N,) for one output, else
            (N, K). identity: values, (N,) for one output, else (N, K).
        """
        return np.concatenate([self.head.decide(z) for z in self.logits_in_batches(x)])

    def logits_in_batches(self, x: ArrayLike) -> Iterator[np.ndarray]:
        """Yield the logits of `x` in evaluation mode, 1,000 rows at a time."""
        x, network = self.check_batch(x), self.for_evaluation()
        forward = np.errstate(all="ignore")(network.forward)  # check_answers says what broke
        for start in range(0, len(x), BATCH):
            logits = forward(x[start : start + BATCH])
            yield validation.check_answers(logits, x[start : start + BATCH], start)

    def activations(self, x: ArrayLike, training: bool = False) -> list[np.ndarray]:
        """Return the output of every layer for a batch; the caches stay as they are."""
        steps = self.for_evaluation().walk(self.check_batch(x), training)
        return [output for _, output in steps]

    def for_evaluation(self) -> Network:
        """Return a network with the same arrays whose layers keep caches of their own.

        Predictions run on it, so they disturb no training, also not one in another thread.
        """
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), layers=protocol.with_own_caches(self.layers))
        return twin

    # ---- one vector ----

    parameters, gradients, buffers = Vector(), Vector(), Vector()

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parameters.dtype

    @cached_property
    def decay_mask(self) -> np.ndarray:
        mask = np.zeros_like(self.parameters)
        for slot in self._slots["parameter"]:
            # Weights connect inputs with outputs and so have two axes or more.
            mask[slot.start : slot.stop] = len(slot.shape) > 1
        return mask

    def named_parameters(self) -> dict[str, np.ndarray]:
        """Return each parameter as a view under the name "layer.name": "0.W", "0.b", "2.W", ..."""
        return self._named(self.parameters)

    def named_gradients(self) -> dict[str, np.ndarray]:
        """Return each gradient as a view, under the name of its parameter."""
        return self._named(self.gradients)

    @property
    def random_states(self) -> list[dict[str, Any]]:
        """The states of the layers' random generators: they decide dropout's next masks."""
        return [layer.rng.bit_generator.state for layer in self._random_layers()]

    @random_states.setter
    def random_states(self, states: Sequence[dict[str, Any]]) -> None:
        for layer, state in list(zip(self._random_layers(), states, strict=True)):
            layer.rng.bit_generator.state = state

    def copy(self, dtype: Any = None) -> Network:
        """Return an independent network with the same layers, values and random states.

        Parameters
        ----------
        dtype : {numpy.float32, numpy.float64}, optional
            The copy's dtype, if another: gradients are checked in a float64 copy.
        """
        twin = copy.deepcopy(self)
        if dtype is not None and np.dtype(dtype) != self.dtype:
            twin._allocate(validation.check_dtype(dtype))
        return twin

    __copy__ = copy  # a shallow copy would share the layers and take their views away

    def summary(self) -> str:
        """Return a table of the layers with the shape of their outputs and their parameters."""
        sizes = [(slot.layer, slot.stop - slot.start) for slot in self._slots["parameter"]]
        return protocol.summary_table(self.layers, self.shapes, sizes)

    def __repr__(self) -> str:
        inside = ", ".join(map(str, self.layers))
        return f"Network({inside}; {self.parameters.size:,} parameters, {self.dtype})"

    # ---- binding layers to vectors ----

    def _initialize(self, rng: np.random.Generator) -> None:
        """Let the layers that have no weights yet draw them; give dropout its own stream."""
        without_rng = [each for each in self.layers if getattr(each, "rng", self) is None]
        if without_rng:
            # A separate stream: adding a dropout layer changes no initial weight.
            seeds = rng.spawn(1)[0].integers(2**63, size=len(without_rng))
            for layer, seed in zip(without_rng, seeds, strict=True):
                layer.rng = np.random.default_rng(seed)
        for layer in self.layers:
            names, given = layer.declared("parameter"), dict(vars(layer))
            if not all(name in given for name in names):
                layer.initialize(rng)
                vars(layer).update({name: given[name] for name in names if name in given})
            protocol.check_initialized(layer)

    def _allocate(self, dtype: Any) -> None:
        """Move all parameters and buffers into vectors of this dtype, and bind views to them."""
        self._slots = {kind: self._lay_out(kind) for kind in ("parameter", "buffer")}
        values, buffers = (self._pack(slots, dtype) for slots in self._slots.values())
        vars(self).update(parameters=values, gradients=np.zeros_like(values), buffers=buffers)
        self.__dict__.pop("decay_mask", None)
        self._bind()

    def _lay_out(self, kind: str) -> list[Slot]:
        slots, start = [], 0
        for position, layer in enumerate(self.layers):
            for name, gradient in layer.declared(kind).items():
                shape = np.shape(getattr(layer, name))
                stop = start + int(np.prod(shape))
                slots.append(Slot(position, name, gradient, start, stop, shape))
                start = stop
        return slots

    def _pack(self, slots: list[Slot], dtype: Any) -> np.ndarray:
        arrays = [np.ravel(getattr(self.layers[slot.layer], slot.name)) for slot in slots]
        return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype, copy=False)

    def _bind(self) -> None:
        """Make every declared array of every layer a view into the network's vectors."""
        for slot in self._slots["parameter"]:
            layer = vars(self.layers[slot.layer])
            layer[slot.name] = slot.view(self.parameters)
            layer[slot.gradient] = slot.view(self.gradients)
        for slot in self._slots["buffer"]:
            vars(self.layers[slot.layer])[slot.name] = slot.view(self.buffers)
        for each in self.layers:
            each.in_network = True

    def _named(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        slots = self._slots["parameter"]
        return {f"{slot.layer}.{slot.name}": slot.view(vector) for slot in slots}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy or a pickle holds the vectors and the layers' arrays apart: bind them again.
        self.__dict__.update(validation.own_arrays(state))
        self._bind()

    @cached_property
    def _first_trainable(self) -> int:
        """Position of the first layer with parameters; `len(self.layers)` if there is none."""
        return min((slot.layer for slot in self._slots["parameter"]), default=len(self.layers))

    def _random_layers(self) -> list[Any]:
        return [layer for layer in self.layers if getattr(layer, "rng", None) is not None]

    def check_batch(self, x: ArrayLike, name: str = "") -> np.ndarray:
        """Return a batch as an array of numbers whose samples fit this network."""
        return protocol.check_batch(x, self.shapes[0], f"{name}{self._reader}", self.layers)


class Slot(NamedTuple):
    """Where one array of one layer lies in one of the network's vectors."""

    layer: int
    name: str
    gradient: str  # name of its gradient; empty for a buffer
    start: int
    stop: int
    shape: tuple[int, ...]

    def view(self, vector: np.ndarray) -> np.ndarray:
        return vector[self.start : self.stop].reshape(self.shape)


class Pass(NamedTuple):
    """Result of one forward and backward pass: loss and penalty of the batch, and its logits."""

    loss: float
    penalty: float
    logits: np.ndarray


def loss_and_gradient(
    network: Network,
    loss: Loss,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
    penalty: L2Penalty | None = None,
    training: bool = True,
) -> Pass:
    """Compute the loss of a batch, and leave the gradient of loss + penalty in the network.

    Parameters
    ----------
    x : ndarray of shape (N, in)
    y : ndarray of shape (N,) or (N, out)
    sample_weight : ndarray of shape (N,), optional
    penalty : L2Penalty, optional
    training : bool, default True
        As for `Network.forward`.
    """
    logits = network.forward(x, training)
    value = loss_value(loss, logits, y, sample_weight)
    network.backward(loss.backward())
    if penalty is None:
        return Pass(value, 0.0, logits)
    price = penalty.forward(network.parameters, network.decay_mask)
    network.gradients += penalty.backward()
    return Pass(value, price, logits)


def loss_value(loss: Any, logits: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> float:
    """Return the loss; without weights, call `loss.forward` with two arguments."""
    return loss.forward(logits, y) if w is None else loss.forward(logits, y, w)
