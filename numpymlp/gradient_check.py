"""The gradient check: backpropagation against the definition of a derivative.

A loss is a function of one vector p. Its slope along a direction d is
(L(p + h d) - L(p - h d)) / 2h: two forward passes and no calculus. The gradient says what that
slope should be; where the two disagree, some `backward` is wrong. `check_gradients` compares them
for a network, `check_layer` and `check_loss` for a part alone. `tutorials/06_gradient_checking.py`
builds one step by step. Read `optimizers.py` next.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from numpymlp.gradient_report import Comparison, GradientReport, Row
from numpymlp.layer_protocol import Layer
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

ENTRY_LIMIT, DIRECTION_LIMIT = 1e-7, 1e-6
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of a loss of 1, in the difference of two losses
DRAWS = 20  # at most so many directions, until one crosses no kink


def check_gradients(
    network: Network,
    loss: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    penalty: L2Penalty | None = None,
    mode: str = "entries",
    training: bool = True,
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
        "entries" moves one number at a time and says which gradient is wrong. "direction" moves
        all numbers at once along a random direction of length 1: a few evaluations, whatever the
        size of the network.
    training : bool, default True
        Whether dropout drops and batch norm uses the batch; both sides see the same masks.
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

    Raises
    ------
    InputError
        For what training would refuse too: shapes, dtypes, labels, NaN.

    Notes
    -----
    An entry's error is |backprop - difference| relative to the larger of the two, or to a
    thousandth of the largest gradient of the whole check if that is more. Relative to itself alone,
    an entry whose true value is 0, such as a bias before batch norm, would be wrong by 100 % in
    correct code: its finite difference is rounding. The scale is never less than the rounding of
    the loss allows a step to resolve. The limit is 1e-7. A direction's error is relative to the
    slope, or to a typical one, ||gradient|| / sqrt(P); its limit is 1e-6.

    At ReLU's kink there is no derivative to compare with. A step that takes a unit across it
    (`kink_side` of the layer tells) is left out and counted; an array of which nothing could be
    compared fails. Layers without `kink_side` count as smooth.

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
        raise InputError(
            f"check_gradients expected a Network, got {type(network).__name__}: check_layer and "
            f"check_loss check a part alone"
        )
    with np.errstate(all="ignore"):  # what is not finite fails, and the report says where
        f = _LossOfOneVector(network, loss, x, y, sample_weight, penalty, training, input_gradient)
        dead = f.dead_units()
        if mode == "direction":
            return GradientReport([_check_direction(f, rng)], DIRECTION_LIMIT, dead)
        return GradientReport(_check_entries(f, rng, max_entries), ENTRY_LIMIT, dead)


def check_layer(
    layer: Layer,
    x: np.ndarray,
    *,
    training: bool = True,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Check the gradients of a single layer, for a random upstream gradient.

    Parameters
    ----------
    layer : Layer
        With its parameters, if it has any.
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
    y : ndarray of shape (N,) or (N, K)
    sample_weight : ndarray of shape (N,), optional
    max_entries, rng
        As for `check_gradients`.
    """
    network = Network([_Identity()], dtype=np.float64)
    check_logits(logits)
    return check_gradients(
        network,
        loss,
        logits,
        y,
        sample_weight=sample_weight,
        max_entries=max_entries,
        rng=rng,
    )


class _Part(NamedTuple):
    """Where one array lies in the vector that is checked."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


class _LossOfOneVector:
    """The loss as a function of one vector: all parameters, and the input behind them.

    Every evaluation begins from the same random states and buffers, so that dropout drops the same
    units each time.
    """

    def __init__(
        self,
        network: Network,
        loss: Any,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        penalty: L2Penalty | None,
        training: bool,
        input_gradient: bool,
    ) -> None:
        self.network, self.training = network.copy(dtype=np.float64), training
        self.loss, self.penalty = copy.deepcopy(loss), copy.deepcopy(penalty)
        self.x = check_finite(network.check_batch(x), "x").astype(np.float64)
        self.y, self.sample_weight = check_finite(np.asarray(y), "y"), sample_weight
        self.kinked = [layer for layer in self.network.layers if hasattr(layer, "kink_side")]
        self.random_states = self.network.random_states
        self.buffers = self.network.buffers.copy()
        self.input_gradient = input_gradient
        arrays = {**self.network.named_parameters(), **({"x": self.x} if input_gradient else {})}
        if not arrays:
            raise InputError(
                "check_gradients expected something to check, got a network without parameters: "
                "input_gradient=True checks dL/dx"
            )
        self.parts, start = [], 0
        for name, array in arrays.items():
            self.parts.append(_Part(name, array.shape, start, start + array.size))
            start += array.size
        self.move_to(np.concatenate([array.ravel() for array in arrays.values()]))

    def move_to(self, point: np.ndarray) -> None:
        """Choose the point to check, and compute there what the checks compare with."""
        self.point = point
        self.value, self.sides = self(point)
        self.gradient = self._backpropagate()

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss, and for every unit on which side of its kink it is."""
        logits = self.network.forward(self._place(point), self.training)
        value = loss_value(self.loss, logits, self.y, self.sample_weight)
        if self.penalty is not None:
            value += self.penalty.forward(self.network.parameters, self.network.decay_mask)
        sides = [layer.kink_side().ravel() for layer in self.kinked]
        return value, np.concatenate(sides) if sides else np.empty(0, bool)

    def _place(self, point: np.ndarray) -> np.ndarray:
        """Put a point's parameters into the network, and return its input."""
        network, size = self.network, self.network.parameters.size
        network.random_states, network.buffers = self.random_states, self.buffers
        network.parameters = point[:size]
        return (point[size:].reshape(self.x.shape) if self.input_gradient else self.x).copy()

    def _backpropagate(self) -> np.ndarray:
        network = self.network
        # What backward fails to write, or only adds to, stays NaN and so is found.
        network.gradients[:] = np.nan
        x = self._place(self.point)
        loss_and_gradient(
            network, self.loss, x, self.y, self.sample_weight, self.penalty, self.training
        )
        gradient = network.gradients.copy()
        if not self.input_gradient:
            return gradient
        # A second pass: the one above, like training's, ends at the first layer that learns.
        self(self.point)
        dx = network.backward(self.loss.backward(), input_gradient=True)
        return np.append(gradient, np.asarray(dx))

    def slope(self, direction: np.ndarray, step: float) -> float | None:
        """Return the central difference along a direction; None where it crosses a kink."""
        above, sides_above = self(self.point + step * direction)
        below, sides_below = self(self.point - step * direction)
        crossed = (sides_above != self.sides).any() or (sides_below != self.sides).any()
        return None if crossed else (above - below) / (2 * step)

    def dead_units(self) -> int:
        """Count the units with a kink whose output is 0 for every sample."""
        return sum(
            int((output == 0).all(axis=0).sum())
            for layer, output in self.network.walk(self._place(self.point), self.training)
            if layer in self.kinked
        )


def _check_entries(
    f: _LossOfOneVector, rng: np.random.Generator, max_entries: int | None
) -> list[Row]:
    """Move one number at a time; return a row for each array."""
    largest = float(np.abs(f.gradient[np.isfinite(f.gradient)]).max(initial=0.0))
    floor = 1e-3 * largest
    rows = []
    for name, shape, start, stop in f.parts:
        places = np.arange(start, stop)
        if max_entries is not None and len(places) > max_entries:
            places = np.sort(rng.choice(places, max_entries, replace=False))
        found = []
        for place in places:
            direction = np.zeros_like(f.point)
            direction[place] = 1
            index = ", ".join(str(i) for i in np.unravel_index(place - start, shape))
            analytic = float(f.gradient[place])
            found.append(_compare(f, f"{name}[{index}]", direction, analytic, floor, ENTRY_LIMIT))
        rows.append(Row.of(name, shape, found, floor, ENTRY_LIMIT))
    return rows


def _check_direction(f: _LossOfOneVector, rng: np.random.Generator) -> Row:
    """Move everything at once, along a random direction that crosses no kink."""
    size = f.point.size
    found, floor = None, 0.0
    for _ in range(DRAWS):
        direction = rng.standard_normal(size)
        direction /= np.linalg.norm(direction)
        floor = float(np.linalg.norm(f.gradient)) / math.sqrt(size)
        analytic = float(f.gradient @ direction)
        found = _compare(f, "direction", direction, analytic, floor, DIRECTION_LIMIT)
        if found is not None:
            break
        # The point itself may lie on a kink, as a zero sample with zero biases does: go beside it.
        f.move_to(f.point + 1e-3 * direction)
    return Row.of("direction", (size,), [found], floor, DIRECTION_LIMIT)


def _compare(
    f: _LossOfOneVector,
    where: str,
    direction: np.ndarray,
    analytic: float,
    floor: float,
    limit: float,
) -> Comparison | None:
    """Return the finite difference that agrees best; None if every step crosses a kink."""
    best = None
    for numeric, h in _slopes(f, direction):
        if numeric is None:
            continue
        # Below this size, rounding alone can exceed the limit.
        resolved = ROUNDING * abs(f.value) / h / limit
        error = _relative_error(analytic, numeric, max(floor, resolved))
        if best is None or abs(analytic - numeric) < abs(best.analytic - best.numeric):
            best = Comparison(where, analytic, numeric, error)
        if best.error <= limit / 10:
            break
    return best


def _slopes(f: _LossOfOneVector, direction: np.ndarray) -> Iterator[tuple[float | None, float]]:
    """Yield central differences with their steps: the plain one, then finer ones if it disagrees.

    A central difference errs by truncation, c h^2, and by rounding, which grows as 1 / h. Two
    steps together cancel c h^2 (Richardson extrapolation), so that long steps, whose rounding is
    small, are accurate; short ones are for sharp bends and nearby kinks.
    """
    yield f.slope(direction, 1e-5), 1e-5
    for h in (1e-3, 1e-4, 1e-5, 1e-6):
        at_h, at_half = f.slope(direction, h), f.slope(direction, h / 2)
        yield None if at_h is None or at_half is None else (4 * at_half - at_h) / 3, h


def _relative_error(analytic: float, numeric: float, floor: float) -> float:
    if not (math.isfinite(analytic) and math.isfinite(numeric)):
        return math.inf
    scale = max(abs(analytic), abs(numeric), floor)
    return abs(analytic - numeric) / scale if scale > 0 else 0.0


class _Identity(Layer):
    """Returns its input, so that a loss alone is a network."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy


class _RandomSum(Loss):
    """The outputs times random numbers, summed: the loss whose `dy` is these numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def forward(
        self, logits: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        if self.cache is None:
            self.cache = self.rng.standard_normal(logits.shape)
        return float((self.cache * logits).sum())

    def backward(self) -> np.ndarray:
        return self.cache
