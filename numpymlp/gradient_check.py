"""The gradient check: backpropagation against the definition of a derivative.

A loss is a function of one vector p. Its slope along a direction d is
(L(p + h d) - L(p - h d)) / 2h: two forward passes and no calculus. Where the gradient says another
slope, some `backward` is wrong. `check_gradients` compares them for a network, `check_layer` and
`check_loss` for a part alone. `tutorials/07_gradient_checking.py` builds one step by step.

Before each gradient comes a pass with other rows and other weights: a layer that keeps something of
it is found. No call may change its input, the parameters or the upstream gradient, or draw from a
global random state. The same point must give the same loss and gradient again, and a second
backward the same as the first. Where numbers are far from 1, or slopes cannot be measured, the
network is also checked with these numbers brought to about 1, and a random upstream gradient.
`gradient_report.py` explains how a slope is measured and judged. Read `optimizers.py` next.
"""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from numpymlp import gradient_report as reports
from numpymlp.gradient_report import FLOOR, GradientReport
from numpymlp.layer_protocol import Layer
from numpymlp.layers import Dropout
from numpymlp.losses import L2Penalty, Loss
from numpymlp.network import Network, loss_and_gradient, loss_value
from numpymlp.validation import (
    InputError,
    check_choice,
    check_finite,
    check_logits,
    check_positive_integer,
    check_rng,
)

AGAIN = 1e-6  # what rounding may change in the loss and gradient of one point: 4e-11 is measured


def check_gradients(
    network: Network,
    loss: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    penalty: L2Penalty | None = None,
    mode: str = "entries",
    training: bool | None = None,
    input_gradient: bool = True,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Compare backpropagation with central differences, in float64 and on copies.

    The network stays as it is: parameters, gradients, buffers and random states.

    Parameters
    ----------
    network : Network
        Of either dtype: a float64 copy is checked.
    loss : Loss
        Any object with `forward(logits, y)` and `backward()`.
    x : ndarray of shape (N, in)
        A small batch; with batch norm at least four rows.
    y : ndarray of shape (N,) or (N, out)
    sample_weight : ndarray of shape (N,), optional
    penalty : L2Penalty, optional
        Added to the loss, as the Trainer does.
    mode : {"entries", "direction"}, default "entries"
        "entries" moves one number at a time and says which gradient is wrong; "direction" moves
        all at once along a random direction of length 1, in a few evaluations.
    training : bool, optional
        Whether dropout drops and batch norm uses the batch; both sides see the same masks. By
        default both modes are checked where they differ.
    input_gradient : bool, default True
        Whether to check dL/dx as well.
    max_entries : int or None, default 200
        How many entries of each array to check, drawn at random; None checks all.
    rng : numpy.random.Generator, optional
        Draws entries and directions; ``np.random.default_rng(0)`` if not given.

    Returns
    -------
    GradientReport
        ``report.passed``, ``report.max_error``; ``print(report)`` shows a table.

    Notes
    -----
    The limit of an entry's error is 1e-7, of a direction's 1e-6; `gradient_report.py` says how
    errors are measured. At ReLU's kink there is no derivative: where every step takes a unit across
    it (`kink_side` of the layer tells), slopes are compared at a point beside the kink. Layers
    without `kink_side` count as smooth.

    Examples
    --------
    >>> from numpymlp import Dense, ReLU, SoftmaxCrossEntropy
    >>> rng = np.random.default_rng(0)
    >>> network = Network([Dense(4, 8), ReLU(), Dense(8, 3)], rng=rng)
    >>> x, y = rng.normal(size=(5, 4)), rng.integers(0, 3, size=5)
    >>> check_gradients(network, SoftmaxCrossEntropy(), x, y).passed
    True
    """
    check_choice(mode, "mode", ("entries", "direction"))
    rng = np.random.default_rng(0) if rng is None else check_rng(rng)
    if max_entries is not None:
        check_positive_integer(max_entries, "max_entries")
    if not isinstance(network, Network):
        got = f"got {type(network).__name__}: check_layer and check_loss check a part alone"
        raise InputError(f"check_gradients expected a Network, {got}")
    with np.errstate(all="ignore"):  # what is not finite fails, and the report says where
        problem: Any = network, loss, (x, y, sample_weight), penalty, input_gradient
        how, parts = (mode, rng, max_entries), {}
        f = _LossOfOneVector(*problem, training=training is not False)
        if training is None:
            try:
                other = _LossOfOneVector(*problem, training=False)
                if not f.equals(other):
                    parts["in evaluation mode"] = _check(other, how, {})
            except Exception as error:  # of a custom layer: its message belongs to the report
                fault = f"{type(error).__name__}: {error}; training=True checks training alone"
                parts["in evaluation mode"] = GradientReport([], 0.0, 0, [fault])
        return _check(f, how, parts)


def check_layer(
    layer: Layer,
    x: np.ndarray,
    *,
    training: bool | None = None,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Check the gradients of a single layer, for a random upstream gradient.

    Parameters
    ----------
    layer : Layer
    x : ndarray of shape (N, in)
    training, max_entries, rng
        As for `check_gradients`.

    Notes
    -----
    The upstream gradient is random because one of ones hides faults: the outputs of a softmax sum
    to 1, so that the gradient of their plain sum is 0, with a right `backward` or a wrong one.
    """
    rng = np.random.default_rng(0) if rng is None else check_rng(rng)
    network = Network([copy.deepcopy(layer)], rng=rng, dtype=np.float64)
    return check_gradients(
        network, _RandomSum(rng), x, x, training=training, max_entries=max_entries, rng=rng
    )


def check_loss(
    loss: Any,
    logits: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Check the gradient of a loss with respect to the logits ("x" in the table).

    Parameters
    ----------
    loss : Loss, or any object with `forward(logits, y)` and `backward()`
    logits : ndarray of shape (N, K)
    y, sample_weight, max_entries, rng
        As for `check_gradients`.
    """
    network = Network([Dropout(0.0)])  # returns its input
    options: Any = {"sample_weight": sample_weight, "max_entries": max_entries, "rng": rng}
    return check_gradients(network, loss, check_logits(logits), y, **options)


class _LossOfOneVector:
    """The loss as a function of one vector: all parameters, and the input behind them.

    Every evaluation begins from the same random states and buffers: dropout drops the same units.
    """

    def __init__(
        self, network: Network, loss: Any, batch: Any, penalty: Any, with_x: bool, *, training: bool
    ) -> None:
        x, y, self.sample_weight = batch
        self.network, self.training = network.copy(dtype=np.float64), training
        self.loss, self.penalty = copy.deepcopy(loss), copy.deepcopy(penalty)
        self.x = check_finite(network.check_batch(x), "x").astype(np.float64)
        self.targets, self.input_gradient = check_finite(np.asarray(y), "y"), with_x
        self.kinked = [layer for layer in self.network.layers if hasattr(layer, "kink_side")]
        self.random_states = self.network.random_states
        self.buffers = self.network.buffers.copy()
        arrays = {**self.network.named_parameters(), **({"x": self.x} if with_x else {})}
        if not arrays:
            got = "got a network without parameters: input_gradient=True checks dL/dx"
            raise InputError(f"check_gradients expected something to check, {got}")
        self.parts, start = [], 0
        for name, array in arrays.items():
            self.parts.append(reports.Part(name, array.shape, start, start + array.size))
            start += array.size
        self.start = np.concatenate([array.ravel() for array in arrays.values()])
        self.move_to(self.start)

    def move_to(self, point: np.ndarray) -> None:
        """Choose the point to check, and compute there what the checks compare with."""
        self.point = point
        self._rounded: list[tuple[np.ndarray, np.ndarray]] = []
        self.gradient = self.backpropagate(point)
        self.value, self.sides = self.here
        at_0 = loss_value(self.loss, np.zeros_like(self.logits), self.y, self.sample_weight)
        self.size = np.nanmax([abs(self.value), abs(at_0), 0.0])

    def __call__(self, point: np.ndarray) -> tuple[float, bytes]:
        """Return the loss, and for every unit on which side of its kink it is."""
        self.logits = self.network.forward(self._place(point), self.training)
        value = loss_value(self.loss, self.logits, self.y, self.sample_weight)
        if self.penalty is not None:
            value += self.penalty.forward(self.network.parameters, self.network.decay_mask)
        return value, b"".join(layer.kink_side().tobytes() for layer in self.kinked)

    def _place(self, point: np.ndarray) -> np.ndarray:
        """Put a point's parameters into the network, and return its input."""
        network, size, self.y = self.network, self.network.parameters.size, self.targets.copy()
        network.random_states, network.buffers = self.random_states, self.buffers
        network.parameters = point[:size]
        return (point[size:].reshape(self.x.shape) if self.input_gradient else self.x).copy()

    def backpropagate(self, point: np.ndarray) -> np.ndarray:
        """Return the gradient at a point; before each pass comes one elsewhere."""
        network = self.network
        self._pass_elsewhere(point)
        # What backward fails to write, or only adds to, stays NaN and so is found.
        network.gradients[:] = np.nan
        x, more = self._place(point), (self.sample_weight, self.penalty, self.training)
        loss_and_gradient(network, self.loss, x, self.y, *more)
        gradient = network.gradients.copy()
        if self.input_gradient:
            self._pass_elsewhere(point)
        self.here = self(point)
        if not self.input_gradient:
            return gradient
        # The pass above, like training's, ended at the first layer that learns.
        dx = network.backward(self.loss.backward(), input_gradient=True)
        return np.append(gradient, np.asarray(dx))

    def _pass_elsewhere(self, point: np.ndarray) -> None:
        """Send other rows through other weights; what a layer or loss keeps of them will show."""
        factors = np.random.default_rng(0).uniform(0.5, 1, point.size)
        logits = self.network.forward(self._place(factors * point)[::-1], self.training)
        loss_value(self.loss, logits, self.y, self.sample_weight)
        self.network.backward(0.7 * self.loss.backward(), self.input_gradient)

    def slope(self, direction: np.ndarray, step: float, at: Any = None) -> float | None:
        """Return the central difference along a direction; None where it crosses a kink."""
        point = self.point if at is None else at
        above, sides_above = self(point + step * direction)
        below, sides_below = self(point - step * direction)
        crossed = sides_above != self.sides or sides_below != self.sides
        return None if crossed else (above - below) / (2 * step)

    def rounded(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return points hardly farther than rounding from this one, and their gradients."""
        if not self._rounded:
            draws = np.random.default_rng(0).standard_normal((4, self.point.size))
            self._rounded = [
                (p, self.backpropagate(p)) for p in (1 + reports.NEAR * draws) * self.point
            ]
        return self._rounded

    def equals(self, other: _LossOfOneVector) -> bool:
        """Return whether another's loss and gradient are the same, up to rounding."""
        atol = AGAIN * np.abs(self.gradient).max(initial=0.0)
        same = np.allclose(other.value, self.value, AGAIN, AGAIN * self.size, equal_nan=True)
        return same and np.allclose(other.gradient, self.gradient, AGAIN, atol, equal_nan=True)

    def dead_units(self) -> int:
        """Count the units with a kink whose output is 0 for every sample."""
        steps = self.network.walk(self._place(self.point), self.training)
        return int(sum((y == 0).all(axis=0).sum() for layer, y in steps if layer in self.kinked))

    def faults(self) -> list[str]:
        """Say what one pass changes that is not its own, and whether it can be repeated."""
        network, watch = self.network, _Watch()
        numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
        x = self._place(self.point)
        watch.keep("the parameters", network.parameters)
        for position, layer in enumerate(network.layers):
            watch.keep(f"the input of layer {position}", x)
            x = watch.call(f"{position} {layer}.forward", layer.forward, x, self.training)
        watch.keep("the logits", x)
        watch.keep("the targets", self.y)
        watch.call("the loss's forward", loss_value, self.loss, x, self.y, self.sample_weight)
        dy = watch.call("the loss's backward", self.loss.backward)
        last = 0 if self.input_gradient else int(self.parts[0].name.partition(".")[0])
        for position in range(len(network.layers) - 1, last - 1, -1):
            watch.keep("its upstream gradient", dy)
            layer, needed = network.layers[position], self.input_gradient or position > last
            dy = watch.call(f"{position} {layer}.backward", layer.backward, dy, needed)
        first = np.append(network.gradients, dy if self.input_gradient else [])
        with contextlib.suppress(Exception):  # a layer that drops its cache hides nothing
            dx: Any = network.backward(self.loss.backward(), self.input_gradient)
            again = np.append(network.gradients, dx if self.input_gradient else [])
            atol = reports.NEAR * np.abs(first).max(initial=0.0)
            if not np.allclose(again, first, AGAIN, atol, equal_nan=True):
                watch.found.append("backward gives another gradient when it is called twice")
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)
        before = copy.copy(self)
        self.move_to(self.point)
        if not before.equals(self):
            watch.found.append(
                "the same point gives another loss or gradient when asked again: keep nothing from "
                "call to call, and draw from the layer's `rng` alone"
            )
        return watch.found


class _Watch:
    """Calls functions and notes which of the arrays they change that belong to others."""

    def __init__(self) -> None:
        self.arrays: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.found: list[str] = []

    def keep(self, name: str, array: np.ndarray) -> None:
        self.arrays[name] = array, array.copy()

    def call(self, who: str, function: Callable[..., Any], *arguments: Any) -> Any:
        np.random.random(), random.random()  # noqa: NPY002  (a seed that is set again shows)
        states = _global_states()
        result = function(*arguments)
        for name, (array, before) in self.arrays.items():
            if not ((array == before) | (array != array)).all():
                self.found.append(f"{who} changes {name} in place: work on a copy")
                self.keep(name, array)
        if _global_states() != states:
            self.found.append(f"{who} changes a global random state: draw from the layer's `rng`")
        return result


def _global_states() -> tuple[Any, ...]:
    _, keys, *position = cast(Any, np.random.get_state())  # noqa: NPY002
    return keys.tobytes(), position, random.getstate()


def _check(f: _LossOfOneVector, how: Any, parts: dict[str, GradientReport]) -> GradientReport:
    """Check one function; where its slopes cannot be measured, check its parts as well."""
    mode, rng, max_entries = how
    dead = f.dead_units()
    if mode == "direction":
        rows, limit = [reports.along_a_direction(f, rng)], reports.DIRECTION_LIMIT
    else:
        rows, limit = reports.entry_by_entry(f, rng, max_entries), reports.ENTRY_LIMIT
    faults = f.faults()
    f._place(f.start)
    # Numbers this far from 1 make slopes so large that faults in others count for less than FLOOR.
    arrays = (*f.network.named_parameters().values(), f.x)
    far = [a for a in arrays if a.any() and not FLOOR < np.abs(a).mean() < 1 / FLOOR]
    for array in far:
        array /= np.abs(array).mean() * math.sqrt(math.prod(array.shape[:-1]))
    unmeasured = any(row.unmeasured for row in rows) and not isinstance(f.loss, _RandomSum)
    checks: dict[str, Any] = {}
    if far or unmeasured:
        batch = f.x, f.y, None
        checks[reports.IN_PLACE] = f.network, _RandomSum(rng), batch, None, f.input_gradient
    if unmeasured:
        # Targets of a regression have a size; labels and probabilities do not.
        size = max(1.0, np.abs(f.y).max()) if f.y.shape == f.logits.shape else 1.0
        logits, alone = size * rng.standard_normal(f.logits.shape), Network([Dropout(0.0)])
        batch = logits, f.y, f.sample_weight if np.any(f.sample_weight) else None
        checks["the loss alone, at random logits"] = alone, f.loss, batch, None, True
    for title, problem in checks.items():
        g = _LossOfOneVector(*problem, training=f.training)
        found = reports.entry_by_entry(g, rng, 5 if mode == "direction" else max_entries)
        parts[title] = GradientReport(found, reports.ENTRY_LIMIT, 0, g.faults())
    return GradientReport(rows, limit, dead, faults, parts)


class _RandomSum(Loss):
    """The outputs times random numbers, summed: the loss whose `dy` is these numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def forward(self, logits: np.ndarray, y: Any, sample_weight: Any = None) -> float:
        if self.cache is None:
            self.cache = self.rng.standard_normal(logits.shape)
        return float((self.cache * logits).sum())

    def backward(self) -> np.ndarray:
        return self.cache
