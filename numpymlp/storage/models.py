"""Model files: a network with its architecture, its head, its loss and its dtype in one `.npz`.

`save` writes layers and loss as JSON beside the vectors `parameters` and `buffers`; `load` builds
the network again. Nothing in the file is trusted or executed: layers are found by the names of
classes that exist already, and sizes are compared with the file before memory is taken.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from numpymlp.layer_protocol import MOST_LAYERS, Layer, shapes_between
from numpymlp.losses import HEADS, Loss
from numpymlp.network import Network
from numpymlp.storage.archive import open_archive, write_archive
from numpymlp.storage.files import check_path, shown
from numpymlp.validation import InputError, check_choice

DTYPES = ("float32", "float64")

Classes = Mapping[str, Callable[..., Any]]


def save(network: Network, path: str | os.PathLike[str], loss: Loss | None = None) -> None:
    """Write a network to an `.npz` file, whole or not at all; no pickle is inside.

    Parameters
    ----------
    network : Network
    path : path-like
        An existing file is replaced.
    loss : Loss, optional
        The loss that it was trained with, for `load_loss`.

    Raises
    ------
    InputError
        If a layer or the loss could not be built again from the file.
    """
    if not isinstance(network, Network):
        raise InputError(f"save expected a Network, got {network!r:.80}: save(network, path)")
    if isinstance(loss, type):
        raise InputError(f"save expected a loss, got the class {loss.__name__}: add ()")
    header = {
        "layers": [_layer_config(layer) for layer in network.layers],
        "output": network.head.name,
        "dtype": network.dtype.name,
        "loss": _loss_config(loss),
    }
    arrays = {"parameters": network.parameters, "buffers": network.buffers}
    write_archive(path, "model", header, arrays)


def load(
    path: str | os.PathLike[str],
    *,
    rng: np.random.Generator | None = None,
    classes: Classes | None = None,
) -> Network:
    """Read a network that `save` wrote.

    Parameters
    ----------
    path : path of the `.npz` file
    rng : numpy.random.Generator, optional
        For dropout, if training continues.
    classes : mapping of str to class, optional
        Custom layers and losses, by name.

    Raises
    ------
    InputError
        If the file is not a whole, unaltered model of this format; the message says what is wrong.
    """
    name = check_path(path)
    with open_archive(path, "model") as archive:
        header, room = archive.header, os.path.getsize(path) // 4  # float32 numbers in the file
        layers = _build_layers(header.get("layers"), name, room, classes or {})
        output = check_choice(header.get("output"), f"{name}: output", tuple(HEADS))
        dtype = check_choice(header.get("dtype"), f"{name}: dtype", DTYPES)
        arrays = archive.read(
            {f"{kind}s": ((_count(layers, kind),), dtype) for kind in ("parameter", "buffer")}
        )
    for layer in layers:  # so that no weights are drawn: the file's own are filled in below
        for name_of_array in _declared(layer):
            setattr(layer, name_of_array, np.zeros(layer.shapes()[name_of_array], dtype))
    network = Network(layers, output=output, rng=rng, dtype=dtype)
    network.parameters, network.buffers = arrays["parameters"], arrays["buffers"]
    return network


def load_loss(path: str | os.PathLike[str], classes: Classes | None = None) -> Loss | None:
    """Return the loss that a model file was saved with; None if it has none.

    Parameters
    ----------
    path, classes
        As for `load`.
    """
    name = check_path(path)
    with open_archive(path, "model") as archive:
        config, room = archive.header.get("loss"), os.path.getsize(path) // 4
    return None if config is None else _build(config, name, room, Loss, classes or {})


# ---- writing ----


def _layer_config(layer: Layer) -> dict[str, Any]:
    names, shapes = _declared(layer), layer.shapes()
    if not set(names) <= set(shapes):
        raise InputError(
            f"{layer} cannot be saved: let its class define shapes() for {', '.join(names)}, and "
            f"config(); name it to load in classes="
        )
    for name in names:
        if tuple(shapes[name]) != np.shape(getattr(layer, name)):
            raise InputError(
                f"{layer} cannot be saved: its shapes() gives {tuple(shapes[name])} for {name}, "
                f"which has shape {np.shape(getattr(layer, name))}"
            )
    if _hides_arguments(layer, Layer):
        raise InputError(
            f"{layer} cannot be saved: its class takes arguments, so it needs a config() that "
            f"returns them"
        )
    return _config(layer, Layer)


def _declared(layer: Layer) -> list[str]:
    return [*layer.declared("parameter"), *layer.declared("buffer")]


def _loss_config(loss: Loss | None) -> dict[str, Any] | None:
    """Write a loss as its type and arguments; None if it does not tell them."""
    if loss is None or not hasattr(loss, "config") or _hides_arguments(loss, Loss):
        return None
    return _config(loss, Loss)


def _hides_arguments(part: Any, base: Any) -> bool:
    """Return whether a class takes arguments but has only the base's config()."""
    kind = type(part)
    return kind.config is base.config and bool(inspect.signature(kind).parameters)


def _config(part: Any, base: type) -> dict[str, Any]:
    """Write a layer or a loss as its type and the arguments that build it."""
    kind = type(part)
    if _find(kind.__name__, base) not in (None, kind):
        raise InputError(
            f"{part} cannot be saved: its class is called {kind.__name__} like one of numpymlp's, "
            f"and would be read as that; rename it"
        )
    config = part.config()
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{part} cannot be saved: expected config() to hold what JSON can, got {config}: "
            f"{error}"
        ) from error
    return {**config, "type": kind.__name__}


# ---- reading ----


def _build_layers(config: Any, path: str, limit: int, classes: Classes) -> list[Layer]:
    """Build the layers of a file, still without weights.

    All layers together cannot have more than `limit` numbers. A layer is built only if its sizes
    are within what is left, so that a hostile file takes little more memory than its own size.
    """
    if not isinstance(config, list) or not 0 < len(config) <= MOST_LAYERS:
        raise InputError(f"{path} is altered: expected a list of layers, got {config!r:.80}")
    layers: list[Layer] = []
    for entry in config:
        layers.append(layer := _build(entry, path, limit, Layer, classes))
        if not isinstance(layer, Layer):
            raise InputError(
                f"{path} expected a Layer, got {layer!r:.80}: let the class in classes= derive "
                f"from numpymlp.Layer"
            )
        if not set(_declared(layer)) <= set(layer.shapes()):
            raise InputError(
                f"{path} cannot be loaded: let the class {type(layer).__name__} in classes= define "
                f"shapes() for {', '.join(_declared(layer))}"
            )
        limit -= sum(math.prod(shape) for shape in layer.shapes().values())
        if limit < 0:
            raise InputError(
                f"{path} is altered: its layers have more parameters than the file has room for"
            )
    try:
        shapes_between(layers)
    except InputError as error:
        raise InputError(f"{path} is altered: {shown(error)}") from error
    return layers


def _find(name: str, base: type, classes: Classes = MappingProxyType({})) -> Any:
    """Return the layer or loss of this name: a custom one, or a public one of this package."""
    package = sys.modules["numpymlp"]
    ours = getattr(package, name) if name in package.__all__ else None
    fits = isinstance(ours, type) and issubclass(ours, base) and ours is not base
    return classes.get(name, ours if fits else None)


def _build(entry: Any, path: str, limit: int, base: type, classes: Classes) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise InputError(
            f"{path} is altered: expected a type with its arguments, got {entry!r:.80}"
        )
    arguments = {name: value for name, value in entry.items() if name != "type"}
    kind = _find(entry["type"], base, classes)
    if kind is None:
        raise InputError(
            f"{path} holds a {entry['type']!r:.80}, which this package does not have: pass "
            f"classes={{{entry['type']!r:.80}: TheClass}}"
        )
    if not all(name.isidentifier() for name in arguments):
        raise InputError(
            f"{path} is altered: expected names of arguments, got {[*arguments]!r:.80}"
        )
    if not callable(kind):
        raise InputError(f"classes: expected a class for {entry['type']!r:.80}, got {kind!r:.80}")
    # Our own layers are stopped before they take memory, unless they have no arrays; a custom one
    # may mean other things by its numbers.
    plain = getattr(kind, "shapes", None) is Layer.shapes
    ours = kind.__module__.startswith("numpymlp.") and not plain
    sizes = [value for value in arguments.values() if ours and isinstance(value, int)]
    if any(size > limit for size in sizes):
        raise InputError(
            f"{path} is altered: a {entry['type']} of size {max(sizes)} does not fit into the "
            f"{limit:,} numbers that the file has room for beside the layers before it"
        )
    try:
        return kind(**arguments)
    except (TypeError, InputError) as error:
        raise InputError(f"{path} is altered: {entry['type']}: {shown(error)}") from error


def _count(layers: Sequence[Layer], kind: str) -> int:
    """Count the numbers that are declared as parameters or as buffers, from shapes alone."""
    return sum(math.prod(layer.shapes()[name]) for layer in layers for name in layer.declared(kind))
