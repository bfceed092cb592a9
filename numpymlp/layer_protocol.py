"""The layer protocol: the base class `Layer`, its declared arrays, and the shapes between layers.

The layers themselves are in `layers.py`; read that first.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpymlp.validation import InputError, as_array, check_list, describe, own_arrays

Shape = tuple[int | EllipsisType, ...] | None  # of one sample; None: not known, or any
MOST_LAYERS = 1_000  # of a network; a model file holds no more


class Declared:
    """An array that a class of layers declares: a parameter, its gradient or a buffer.

    ``layer.W`` reads the array. ``layer.W = a`` keeps ``a``, as with any attribute, until the layer
    belongs to a network; from then on it copies ``a`` into the network's vector, of which
    ``layer.W`` is a view. So a layer may say ``self.dW = x.T @ dy``.
    """

    def __init__(self, kind: str, gradient: Declared | None = None) -> None:
        self.kind, self.gradient = kind, gradient

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        if self.name not in layer.__dict__:
            raise AttributeError(self.name)  # Layer.__getattr__ says what is missing
        return layer.__dict__[self.name]

    def __set__(self, layer: Any, value: Any) -> None:
        if not layer.in_network:
            layer.__dict__[self.name] = array = np.asarray(value)
            if self.gradient and np.shape(vars(layer).get(self.gradient.name)) != array.shape:
                layer.__dict__[self.gradient.name] = np.zeros(array.shape)
            return
        view = layer.__dict__[self.name]
        if np.shape(value) != view.shape:
            raise InputError(
                f"{layer}.{self.name} expected shape {view.shape}, got {np.shape(value)}: arrays "
                f"in a network keep their shape; build a new network for another one"
            )
        if value is not view:
            view[...] = value


def parameter() -> tuple[Any, Any]:
    """Declare a parameter and its gradient in a class of layers: ``W, dW = parameter()``."""
    gradient = Declared("gradient")
    return Declared("parameter", gradient), gradient


def buffer() -> Any:
    """Declare an array that a layer keeps without learning it: ``running_mean = buffer()``."""
    return Declared("buffer")


class Layer:
    """The base class of all layers.

    A custom layer defines `forward` and `backward`, and declares what it learns:

    >>> class Scale(Layer):
    ...     factor, dfactor = parameter()
    ...
    ...     def __init__(self, features):
    ...         self.factor = np.ones(features)
    ...
    ...     def forward(self, x, training=False):
    ...         self.cache = x
    ...         return x * self.factor
    ...
    ...     def backward(self, dy, input_gradient=True):
    ...         self.dfactor = (dy * self.cache).sum(axis=0)
    ...         return dy * self.factor

    `check_layer` proves its gradient; with `shapes` and `config`, `numpymlp.save` can write it.

    Attributes
    ----------
    input_shape : tuple or None
        Shape of one sample that the layer expects: ``(784,)``, ``(..., 8)`` for any shape that ends
        with 8, None for any shape at all.
    minimum_batch : int
        The smallest batch that the layer can be trained on.
    cache
        What `forward` leaves for `backward`.
    in_network : bool
        Whether the layer's arrays are views into a network's vectors.
    """

    input_shape: Shape = None
    minimum_batch = 1
    in_network = False
    cache: Any

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define forward(x, training)")

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        """Set the gradients of the parameters; return dx, or None where it is not asked for."""
        raise NotImplementedError(f"{type(self).__name__} must define backward(dy, input_gradient)")

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the first parameters; a layer that learns nothing has nothing to draw."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter and buffer, also before they are drawn."""
        return {}

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one output sample for one input sample of this shape."""
        return input_shape

    def config(self) -> dict[str, Any]:
        """Return the arguments that build this layer again, as JSON can hold them."""
        return {}

    @classmethod
    def declared(cls, kind: str) -> dict[str, str]:
        """Map each "parameter" of the class to its gradient's name, or each "buffer" to ""."""
        arrays = [value for base in reversed(cls.__mro__) for value in vars(base).values()]
        return {
            each.name: each.gradient.name if each.gradient else ""
            for each in arrays
            if isinstance(each, Declared) and each.kind == kind
        }

    def __repr__(self) -> str:
        return type(self).__name__

    def __getattr__(self, name: str) -> Any:
        if name == "cache":
            raise AttributeError(f"{self}: backward expected a forward pass before it")
        if isinstance(getattr(type(self), name, None), Declared):
            raise AttributeError(
                f"{self} has no {name} yet: give it rng=np.random.default_rng(seed), or put it "
                f"into a Network, which draws its weights"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __copy__(self) -> Layer:
        return copy.deepcopy(self)  # a shallow copy would write into the network of the original

    def __getstate__(self) -> dict[str, Any]:
        # A copy owns its arrays, belongs to no network yet, and has seen no batch.
        return {k: v for k, v in self.__dict__.items() if k not in ("cache", "in_network")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(own_arrays(state))


def check_initial(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return the first values that an initializer drew."""
    array: np.ndarray = as_array(values, name)
    if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        finite = " with NaN or infinity" if array.shape == shape and array.dtype.kind == "f" else ""
        raise InputError(
            f"{name}: expected finite floats of shape {shape} from initializer(shape, rng), got "
            f"{describe(array)}{finite}"
        )
    return array


def check_has_rng(layer: Any) -> np.random.Generator:
    """Return the random generator of a layer that draws in training."""
    if layer.rng is None:
        raise InputError(
            f"{type(layer).__name__} expected a random generator, got none: give it "
            f"rng=np.random.default_rng(seed), or put it into a Network"
        )
    return layer.rng


def check_has_variance(x: np.ndarray) -> None:
    """Raise unless batch norm has at least two rows to train on, or two pixels."""
    if math.prod(x.shape[:-1]) < 2:
        raise InputError(
            f"BatchNorm expected a training batch of at least 2 rows, got {len(x)}: one row has no "
            f"variance; choose a batch size that leaves no single row at the end"
        )


# ---- layers in a row ----


def _refuse_change(*_: Any, **__: Any) -> Any:
    raise InputError(
        "layers expected no change, since they and the network's vectors belong together: build "
        "another network, Network([*network.layers[:-1], Dense(16, 5)]); it copies trained layers"
    )


class Layers(tuple[Layer, ...]):
    """The layers of a network: a tuple that also refuses what a list would do in place."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse_change
    append = extend = insert = pop = remove = clear = reverse = sort = _refuse_change


class FixedLayers:
    """The attribute `layers` of a network: it can be set once."""

    def __get__(self, network: Any, owner: type | None = None) -> Any:
        return self if network is None else vars(network)["layers"]

    def __set__(self, network: Any, layers: Layers) -> None:
        if "layers" in vars(network):
            _refuse_change()
        vars(network)["layers"] = layers

    __delete__ = _refuse_change


def with_own_caches(value: Any) -> Any:
    """Return layers that share the arrays of these; each has its own cache, inner layers too."""
    if not isinstance(value, Layer):
        several = type(value) in (list, tuple, Layers)
        return type(value)(map(with_own_caches, value)) if several else value
    twin = object.__new__(type(value))
    # vars() is copied, since another thread may be training.
    vars(twin).update({k: with_own_caches(v) for k, v in vars(value).copy().items()})
    return twin


def layers_inside(value: Any) -> Iterator[Layer]:
    """Yield the layers that a layer holds, in its attributes or in lists and tuples there."""
    for each in vars(value).values() if isinstance(value, Layer) else value:
        if isinstance(each, Layer):
            yield each
        if isinstance(each, Layer | list | tuple):
            yield from layers_inside(each)


def check_layers(layers: Any) -> Layers:
    """Return the layers of a new network; those that belong to another one as copies."""
    row = check_list(layers, "Network", "[Dense(784, 128), ReLU(), Dense(128, 10)]")
    if not 0 < len(row) <= MOST_LAYERS:
        raise InputError(f"Network expected 1 to {MOST_LAYERS:,} layers, got {len(row):,}")
    for position, layer in enumerate(row):
        if not isinstance(layer, Layer):
            likely = "let its class derive from numpymlp.Layer"
            if isinstance(layer, type) and issubclass(layer, Layer):
                likely = f"add (): {layer.__name__}(...)"
            raise InputError(
                f"Network expected layers, got {layer!r:.80} at position {position}: {likely}"
            )
        if "input_gradient" not in inspect.signature(layer.backward).parameters:
            raise InputError(
                f"{layer} at position {position} expected backward(dy, input_gradient=True), got "
                f"backward{inspect.signature(layer.backward)}: add the argument"
            )
        if any(layer is other for other in row[:position]):
            raise InputError(
                f"Network expected each layer once, got the same {layer} again at position "
                f"{position}: a layer caches its batch for backward; make a second one"
            )
        inside = [each for each in layers_inside(layer) if all(each is not other for other in row)]
        if sum(len(one.declared("parameter")) for one in inside) > len(layer.declared("parameter")):
            raise InputError(
                f"{layer} at position {position} expected to declare its arrays with parameter(), "
                f"got {inside} inside it, which would not be trained: put them beside it"
            )
    return Layers(copy.deepcopy(layer) if layer.in_network else layer for layer in row)


def check_initialized(layer: Layer) -> None:
    """Raise unless a layer has all arrays that its class declares."""
    names = [*layer.declared("parameter"), *layer.declared("buffer")]
    if missing := [name for name in names if name not in vars(layer)]:
        raise InputError(
            f"{layer} expected arrays for all that its class declares, got no "
            f"{', '.join(missing)}: set them in its constructor or in initialize(rng)"
        )


def shapes_between(layers: Sequence[Layer], shape: Shape = None) -> list[Shape]:
    """Return the shape of a sample before the first layer, after it, ..., after the last."""
    # Infer the input's shape from the first layers that declare one, until one changes the shape.
    for layer in () if shape else layers:
        if layer.input_shape is not None and fits(shape, layer.input_shape):
            shape = layer.input_shape
        if (shape and ... not in shape) or type(layer).output_shape is not Layer.output_shape:
            break
    shapes = [shape]
    for position, layer in enumerate(layers):
        expected = layer.input_shape
        if shape is not None and expected is not None and not fits(shape, expected):
            flat = len(shape) > len(expected) == 1
            likely = "put Flatten() before it" if flat else "neighbouring sizes must match"
            raise InputError(
                f"{layer} at position {position} expected samples of shape {shape_text(expected)}, "
                f"got {shape_text(shape)} from the layers before it: {likely}"
            )
        if expected is not None and (shape is None or ... in shape):
            shape = expected
        shape = None if shape is None else layer.output_shape(shape)
        shapes.append(shape)
    return shapes


def fits(shape: Shape, expected: Shape) -> bool:
    """Return whether a sample of this shape can be what is expected; ``...`` is any axes."""
    if shape is None or expected is None or shape == expected:
        return True
    if ... not in shape and ... not in expected:
        return False
    a, b = ([size for size in each if size is not ...] for each in (shape, expected))
    return all(m == n for m, n in zip(reversed(a), reversed(b), strict=False))


def shape_text(shape: Shape, *before: str) -> str:
    """Write a shape: "(N, ..., 8)" for ``shape_text((..., 8), "N")``; "?" if it is not known."""
    sizes = [*before, *("..." if size is ... else str(size) for size in shape or ())]
    text = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
    return "?" if shape is None else text


def check_batch(x: ArrayLike, expected: Shape, who: str, layers: Sequence[Layer]) -> np.ndarray:
    """Return a batch as numbers (N, ...) whose samples fit the layers, of which `who` is first."""
    batch = as_array(x, who)
    if batch.dtype.kind not in "fiub":
        raise InputError(
            f"{who} expected numbers, got dtype {batch.dtype}: convert with x.astype(np.float32); "
            f"an object array often means rows of different lengths"
        )
    if batch.ndim < 2 or not fits(batch.shape[1:], expected):
        shape = "(N, features)" if expected is None else shape_text(expected, "N")
        raise InputError(
            f"{who} expected x of shape {shape}, got {batch.shape}: {_likely(batch, expected)}"
        )
    if expected is None or ... in expected:
        shapes_between(layers, batch.shape[1:])
    if len(batch) == 0:
        raise InputError(f"{who} expected at least one sample, got x of shape {batch.shape}")
    return batch


def check_upstream(dy: np.ndarray, expected: tuple[int, ...] | None) -> np.ndarray:
    """Raise unless the gradient that enters a network has the shape of its last output."""
    if expected is None:
        raise InputError(
            "backward expected a forward pass just before it: call network.forward(x) first"
        )
    gradient = as_array(dy, "dy")
    if gradient.shape != expected or gradient.dtype.kind != "f":
        raise InputError(
            f"backward expected dy as floats of shape {expected}, that of the last output, got "
            f"{describe(gradient)}: pass loss.backward() of the loss that saw this output"
        )
    return gradient


def _likely(batch: np.ndarray, expected: Shape) -> str:
    sizes, sample = [size for size in expected or () if size is not ...], batch.shape[1:]
    features, built = math.prod(sizes), "was the network built for other data?"
    if batch.ndim < 2 or batch.shape == expected:
        return "a single sample needs x[None, :]"
    if sorted(sample) == sorted(sizes) or (batch.ndim == 4 and expected == (..., sample[0])):
        return "are its axes in another order? Images are (N, height, width, channels) here"
    if expected is None or ... in expected:
        return "put Reshape(height, width, 1) first, or use x[..., None]" if sizes == [1] else built
    if batch.ndim > 2 and len(expected) == 1 and math.prod(sample) == features:
        return "images need x.reshape(len(x), -1)"
    if batch.ndim == 2 and batch.shape[1] == features:
        return f"rows of pixels need x.reshape(len(x), {', '.join(map(str, expected))})"
    if batch.ndim == 2 and batch.shape[0] == features:
        return "samples are rows here; x.T turns them round"
    if batch.ndim != len(expected) + 1:
        return f"expected {len(expected) + 1} dimensions, one row for each sample"
    return built


def summary_table(
    layers: Sequence[Layer], shapes: Sequence[Shape], sizes: Sequence[tuple[int, int]]
) -> str:
    """Return a table of layers, output shapes and parameters: a position and a size for each."""
    sums = [sum(size for owner, size in sizes if owner == i) for i in range(len(layers))]
    names = ["layer", "input", *map(str, layers), "total"]
    outputs = ["output", *(shape_text(shape, "N") for shape in shapes), ""]
    counts = ["parameters", "", *map("{:,}".format, [*sums, sum(sums)])]
    a, b, c = (max(map(len, column)) for column in (names, outputs, counts))
    rows = zip(names, outputs, counts, strict=True)
    lines = [f"{name:<{a}}  {output:<{b}}  {count:>{c}}" for name, output, count in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
