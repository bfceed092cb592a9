"""What a row of layers is, weights apart: does it fit together, how is it written down.

`network.py` asks here whether its layers can stand in a row, prints them as a table, and turns
them into JSON and back for `storage.py`. Nothing here computes; read `network.py` for that.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from numpymlp import layers as builtin_layers
from numpymlp import losses as builtin_losses
from numpymlp.layers import Layer
from numpymlp.losses import Loss
from numpymlp.storage.archive import open_archive, write_archive
from numpymlp.validation import InputError, check_choice, check_path

Shape = tuple[int, ...] | None  # of one sample; None where a layer does not tell
OUTPUTS = ("softmax", "sigmoid", "identity")
DTYPES = ("float32", "float64")

Classes = Mapping[str, Callable[..., Any]]
MOST_LAYERS = 1_000  # in a file; each is compared with all others


def label(layer: Any) -> str:
    """Name a layer in messages and tables; a foreign class by its name alone."""
    return repr(layer) if isinstance(layer, Layer) else type(layer).__name__


def check_row(layers: Sequence[Any]) -> None:
    """Raise unless these are layers, each there once, whose sizes fit together."""
    if not layers:
        raise InputError("Network expected at least one layer, got none")
    shape: Shape = None
    for position, layer in enumerate(layers):
        if isinstance(layer, type) or not (
            callable(getattr(layer, "forward", None)) and callable(getattr(layer, "backward", None))
        ):
            raise InputError(
                f"Network expected layers with forward(x, training) and backward(dy), got "
                f"{layer!r} at position {position}: was a class passed instead of an object?"
            )
        if any(layer is other for other in layers[:position]):
            raise InputError(
                f"Network expected each layer once, got the same {label(layer)} again at "
                f"position {position}: a layer keeps its batch for backward; make a second one"
            )
        if isinstance(layer, Layer) and vars(layer).get("views"):
            raise InputError(
                f"{label(layer)} at position {position} is in a network already, and what it "
                f"learns lies there: put copy.deepcopy(layer) into this one"
            )
        expected: Shape = getattr(layer, "input_shape", None)
        if shape is not None and expected is not None and shape != expected:
            raise InputError(
                f"{label(layer)} at position {position} expected samples of shape {expected}, got "
                f"{shape} from the layers before it: neighbouring sizes must match"
            )
        shape = output_shape(layer, shape if expected is None else expected)


def output_shape(layer: Any, shape: Shape) -> Shape:
    """Give the shape of one output sample; None where the layer does not tell."""
    if shape is None or not hasattr(layer, "output_shape"):
        return None
    result: Shape = layer.output_shape(shape)
    return result


def input_shape(layers: Sequence[Any]) -> tuple[Shape, str]:
    """Find the shape of one input sample, and the layer that decides it.

    Returns
    -------
    shape : tuple of int or None
        None if no layer says it, or one before it may change the shape.
    reader : str
        Label of the layer that expects this shape, for messages.
    """
    for layer in layers:
        shape: Shape = getattr(layer, "input_shape", None)
        if shape is not None:
            return shape, label(layer)
        if not isinstance(layer, Layer) or type(layer).output_shape is not Layer.output_shape:
            break
    return None, label(layers[0])


def row_output_shape(layers: Sequence[Any]) -> Shape:
    """Find the shape of one sample of the last layer's output; None where no layer tells."""
    shape: Shape = None
    for layer in layers:
        shape = output_shape(layer, getattr(layer, "input_shape", None) or shape)
    return shape


def summary(layers: Sequence[Any], counts: Sequence[int]) -> str:
    """Draw up the table of the layers: shape of the output, number of parameters."""
    shape = input_shape(layers)[0]
    rows = [("layer", "output", "parameters"), ("input", _shape_text(shape), "")]
    for layer, count in zip(layers, counts, strict=True):
        expected: Shape = getattr(layer, "input_shape", None)
        shape = output_shape(layer, expected or shape)
        rows.append((label(layer), _shape_text(shape), f"{count:,}"))
    rows.append(("total", "", f"{sum(counts):,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _shape_text(shape: Shape) -> str:
    return "?" if shape is None else f"({', '.join(str(size) for size in ('N', *shape))})"


def names(layer: Any, kind: str) -> tuple[str, ...]:
    """Give the names of a layer's parameters or buffers; a foreign class may have none."""
    return tuple(getattr(layer, kind, ()))


def count(layers: Sequence[Any], kind: str) -> int:
    """Count the numbers under these names, from shapes alone."""
    return sum(math.prod(layer.shapes()[name]) for layer in layers for name in names(layer, kind))


def deal_out(layers: Sequence[Any], kind: str, vector: np.ndarray) -> None:
    """Give each layer its arrays from a vector, in the order in which `Network` lays them out."""
    start = 0
    for layer in layers:
        for name in names(layer, kind):
            shape = layer.shapes()[name]
            stop = start + math.prod(shape)
            setattr(layer, name, vector[start:stop].reshape(shape))
            start = stop


# ---- as a file ----


def write_model(
    path: str | os.PathLike[str],
    layers: Sequence[Any],
    output: str,
    loss: Loss | None,
    parameters: np.ndarray,
    buffers: np.ndarray,
) -> None:
    """Write what `read_model` reads: the layers and the loss as JSON, and two vectors."""
    header = {
        "layers": layers_to_config(layers),
        "output": output,
        "dtype": parameters.dtype.name,
        "loss": loss_to_config(loss),
    }
    write_archive(path, "model", header, {"parameters": parameters, "buffers": buffers})


def read_model(
    path: str | os.PathLike[str], classes: Classes | None = None
) -> tuple[list[Any], str, str, Loss | None]:
    """Read a model file; nothing in it is trusted, and little memory taken before it is checked.

    Returns
    -------
    layers : list
        With their parameters and buffers.
    output, dtype : str
    loss : Loss or None
    """
    name = check_path(path)
    with open_archive(path, "model") as archive:
        header = archive.header
        room = os.path.getsize(path) // 4  # float32 numbers that the file can hold
        layers = layers_from_config(header.get("layers"), name, room, classes)
        output = check_choice(header.get("output"), f"{name}: output", OUTPUTS)
        dtype = check_choice(header.get("dtype"), f"{name}: dtype", DTYPES)
        loss = loss_from_config(header.get("loss"), name, classes)
        sizes = {kind: count(layers, f"{kind[:-1]}_names") for kind in ("parameters", "buffers")}
        arrays = archive.read({kind: ((size,), dtype) for kind, size in sizes.items()})
    for kind, vector in arrays.items():
        deal_out(layers, f"{kind[:-1]}_names", vector)
    return layers, output, dtype, loss


def layers_to_config(layers: Sequence[Any]) -> list[dict[str, Any]]:
    """Write each layer as its type and the arguments that build it.

    Raises
    ------
    InputError
        If a layer could not be built again from that, or would come back as another.
    """
    for layer in layers:
        kept = {*names(layer, "parameter_names"), *names(layer, "buffer_names")}
        shapes = layer.shapes() if hasattr(layer, "shapes") else None
        if not hasattr(layer, "config") or shapes is None or not kept <= set(shapes):
            raise InputError(
                f"{label(layer)} cannot be saved: let its class derive from numpymlp.Layer and "
                f"define config(), and shapes() for all that it keeps; name it to Network.load in "
                f"classes="
            )
        for name in kept:
            if tuple(shapes[name]) != np.shape(getattr(layer, name)):
                raise InputError(
                    f"{label(layer)} cannot be saved: its shapes() gives {tuple(shapes[name])} for "
                    f"{name}, which has shape {np.shape(getattr(layer, name))}"
                )
        if _hides_arguments(layer, Layer):
            raise InputError(
                f"{label(layer)} cannot be saved: its class takes arguments, so it needs a "
                f"config() that returns them"
            )
    return [_to_config(layer, builtin_layers, Layer) for layer in layers]


def _hides_arguments(part: Any, base: Any) -> bool:
    """Tell whether a class takes arguments but has only the base's config(), which gives none."""
    kind = type(part)
    return kind.config is base.config and bool(inspect.signature(kind).parameters)


def _to_config(part: Any, module: Any, base: Any) -> dict[str, Any]:
    """Write a layer or a loss as its type and the arguments that build it."""
    kind, what = type(part), label(part)
    ours = _named_classes(module, base).get(kind.__name__, kind)
    if ours is not kind:
        raise InputError(
            f"{what} cannot be saved: its class is called {kind.__name__} like one of numpymlp's, "
            f"and would be read as that; rename it"
        )
    config = part.config()
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} cannot be saved: expected config() to hold what JSON can, got {config}: "
            f"{error}"
        ) from error
    return {"type": kind.__name__, **config}


def layers_from_config(
    config: Any, path: str, limit: int, classes: Classes | None = None
) -> list[Any]:
    """Build the layers that `layers_to_config` wrote, still without weights.

    Parameters
    ----------
    config : list of dict
        From a file, so not to be trusted.
    path : str
        The file, for messages.
    limit : int
        How many numbers the file can hold: all layers together cannot have more. A layer is built
        only if its sizes are within what is left, so that they take no more memory than a few
        times that of the file.
    classes : mapping of str to class, optional
        Layers of one's own.
    """
    if not isinstance(config, list) or not 0 < len(config) <= MOST_LAYERS:
        raise InputError(f"{path} is altered: expected a list of layers, got {config!r:.80}")
    known = {**_named_classes(builtin_layers, Layer), **(classes or {})}
    layers = []
    for entry in config:
        layers.append(layer := _build(entry, path, limit, known))
        limit -= sum(math.prod(shape) for shape in layer.shapes().values())
        if limit < 0:
            raise InputError(
                f"{path} is altered: its layers have more parameters than the file has room for"
            )
    try:
        check_row(layers)
    except InputError as error:
        raise InputError(f"{path} is altered: {error}") from error
    return layers


def loss_to_config(loss: Loss | None) -> dict[str, Any] | None:
    """Write a loss as its type and the arguments that build it; None if it does not tell them."""
    if loss is None or not hasattr(loss, "config") or _hides_arguments(loss, Loss):
        return None
    return _to_config(loss, builtin_losses, Loss)


def loss_from_config(config: Any, path: str, classes: Classes | None = None) -> Loss | None:
    """Build the loss that `loss_to_config` wrote."""
    if config is None:
        return None
    known = {**_named_classes(builtin_losses, Loss), **(classes or {})}
    loss: Loss = _build(config, path, 0, known)
    return loss


def _named_classes(module: Any, base: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }


def _build(entry: Any, path: str, limit: int, known: Classes) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise InputError(
            f"{path} is altered: expected a type with its arguments, got {entry!r:.80}"
        )
    arguments = {name: value for name, value in entry.items() if name != "type"}
    if entry["type"] not in known:
        raise InputError(
            f"{path} holds a {entry['type']!r:.80}, which this package does not have: pass "
            f"classes={{{entry['type']!r:.80}: TheClass}}"
        )
    # Our own layers are stopped before they take memory; one's own may mean other things by it.
    ours = known[entry["type"]].__module__ == builtin_layers.__name__
    sizes = [value for value in arguments.values() if ours and isinstance(value, int)]
    if any(size > limit for size in sizes):
        raise InputError(
            f"{path} is altered: a {entry['type']} of size {max(sizes)} does not fit into the "
            f"{limit:,} numbers that the file has room for beside the layers before it"
        )
    try:
        return known[entry["type"]](**arguments)
    except (TypeError, InputError) as error:
        raise InputError(f"{path} is altered: {entry['type']}: {error}") from error
