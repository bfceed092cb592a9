"""The gradient check: backpropagation against the definition of a derivative.

To all that comes after the layers, a loss is a function of one vector. Its slope along a direction
d is (L(p + h d) - L(p - h d)) / 2h: two forward passes and no calculus. The gradient says what that
slope should be; where the two disagree, some `backward` is wrong. `check_gradients` compares them
for a network, `check_layer` and `check_loss` for a part alone. Read `optimizers.py` next.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from numpymlp.losses import L2Penalty
from numpymlp.network import Network
from numpymlp.validation import (
    InputError,
    check_batch,
    check_choice,
    check_finite,
    check_logits,
    check_positive_integer,
    check_rng,
)

# Truncation errs in proportion to h^2, rounding to 1 / h; near 1e-5 both are small. What crosses a
# kink or disagrees at the first step is repeated at the next.
STEPS = (1e-4, 1e-5, 1e-6)
ENTRY_LIMIT, DIRECTION_LIMIT = 1e-7, 1e-6
DRAWS = 20  # of a direction at most, until one crosses no kink


class Part(NamedTuple):
    """Where one array lies in the vector that is checked."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


class Comparison(NamedTuple):
    """The slope along one direction by backpropagation and by finite difference."""

    where: str
    analytic: float
    numeric: float
    error: float


@dataclass(frozen=True)
class Row:
    """What the check found out about one array, or about a direction through all of them.

    Attributes
    ----------
    name : str
        "0.W" is W of the first layer, "x" the input.
    shape : tuple of int
    compared, crossed : int
        Numbers that were compared, and that were left out because each step crossed a kink.
    error : float
        The largest error; infinite if nothing was compared.
    norm_error : float
        ||backprop - difference|| / ||difference|| over all that was compared; NaN if that is 0.
    worst : Comparison or None
        The entry with the largest error: `where`, `analytic`, `numeric`, `error`.
    passed : bool
    """

    name: str
    shape: tuple[int, ...]
    compared: int
    crossed: int
    error: float
    norm_error: float
    worst: Comparison | None
    passed: bool

    def complaint(self) -> str:
        """Say in one line what is wrong."""
        if self.worst is None:
            return (
                f"{self.name}: every step crossed a kink, so nothing was compared: move the point, "
                f"for example by small random biases"
            )
        where, analytic, numeric, _ = self.worst
        return f"{where}: backprop gives {analytic:.9g}, the finite difference {numeric:.9g}"


@dataclass(frozen=True)
class GradientReport:
    """The result of a gradient check; printed, it is a table.

    Attributes
    ----------
    rows : list of Row
    limit : float
        What an error may be.
    dead : int
        Units of layers with a kink that put out 0 for the whole batch: no gradient flows through
        them, so they hide faults.
    """

    rows: list[Row]
    limit: float
    dead: int

    @property
    def passed(self) -> bool:
        """Whether something was compared everywhere, and agreed."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def max_error(self) -> float:
        """The largest error of all rows; infinite if one of them compared nothing."""
        return max((row.error for row in self.rows), default=math.inf)

    def __str__(self) -> str:
        lines = [("parameter", "shape", "compared", "at kinks", "error", "norm-wise", "")]
        for row in self.rows:
            verdict = "ok" if row.passed else "WRONG" if row.compared else "NOT COMPARED"
            counts = f"{row.compared:,}", f"{row.crossed:,}"
            errors = f"{row.error:.1e}", f"{row.norm_error:.1e}"
            lines.append((row.name, str(row.shape), *counts, *errors, verdict))
        widths = [max(len(line[column]) for line in lines) for column in range(7)]
        table = [
            "  ".join(
                text.ljust(width) if column in (0, 1, 6) else text.rjust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        failed = [row.complaint() for row in self.rows if not row.passed]
        verdict = "passed" if self.passed else "FAILED"
        dead = f"; {self.dead:,} dead units" if self.dead else ""
        end = f"{verdict}: largest error {self.max_error:.1e}, limit {self.limit:.0e}{dead}"
        return "\n".join([*table, *failed, end])


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

    Nothing that is passed in changes: not parameters, gradients, buffers nor random states.

    Parameters
    ----------
    network : Network
        Of either dtype: a float64 copy is checked.
    loss : Loss
        Any object with `forward(logits, targets)` and `backward()`.
    x : ndarray of shape (N, in)
        A small batch; with batch norm at least four rows.
    y : ndarray of shape (N,) or (N, out)
    sample_weight : ndarray of shape (N,), optional
    penalty : L2Penalty, optional
        Added to the loss, as the Trainer does.
    mode : {"entries", "direction"}, default "entries"
        "entries" moves one number at a time and says which gradient is wrong. "direction" moves
        all at once along a random direction of length 1: two evaluations, whatever the size.
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
        For whatever training would refuse too: shapes, dtypes, labels, NaN.

    Notes
    -----
    An entry's error is |backprop - difference| relative to the larger of the two, or to a
    thousandth of the largest gradient of the whole check if that is more. Relative to itself alone,
    an entry that ought to be 0, such as a bias before batch norm, is wrong by 100 % in correct
    code: its finite difference is pure rounding. The limit is 1e-7. A direction's error is relative
    to the slope, or to a typical one, ||gradient|| / sqrt(P); its limit is 1e-6.

    At ReLU's kink there is no derivative to compare with. A step that takes a unit across it is
    recognised (`kink_side` of the layer tells), left out and counted; an array of which nothing
    could be compared fails. Layers without `kink_side` count as smooth.

    Examples
    --------
    A layer of one's own needs no base class, and is checked as any other:

    >>> class Scale:
    ...     parameter_names = ("factor",)
    ...     def __init__(self, features):
    ...         self.factor = np.ones(features)
    ...     def forward(self, x, training=False):
    ...         self.x = x
    ...         return x * self.factor
    ...     def backward(self, dy):
    ...         self.dfactor = (dy * self.x).sum(axis=0)
    ...         return dy * self.factor
    >>> from numpymlp import Dense, SoftmaxCrossEntropy
    >>> rng = np.random.default_rng(0)
    >>> network = Network([Dense(4, 3), Scale(3)], rng=rng)
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
    f = _LossOfOneVector(network, loss, x, y, sample_weight, penalty, training, input_gradient)
    analytic = f.gradient()
    if mode == "direction":
        return GradientReport([_check_direction(f, analytic, rng)], DIRECTION_LIMIT, f.dead_units())
    rows = _check_entries(f, analytic, rng, max_entries)
    return GradientReport(rows, ENTRY_LIMIT, f.dead_units())


def check_layer(
    layer: Any,
    x: np.ndarray,
    *,
    training: bool = True,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Check the gradients of a single layer, for a random gradient arriving from above.

    Parameters
    ----------
    layer : Layer, or any object with `forward` and `backward`
        With its parameters, if it has any.
    x : ndarray of shape (N, in)
    training, max_entries, rng
        As for `check_gradients`.

    Notes
    -----
    The gradient from above is random because one of ones hides faults: the outputs of a softmax
    sum to 1, so that the gradient of their plain sum is 0, with a right `backward` or a wrong one.
    """
    rng = np.random.default_rng(0) if rng is None else check_rng(rng)
    network = Network([copy.deepcopy(layer)], rng=rng, dtype=np.float64)
    return check_gradients(
        network, _RandomSum(rng), x, x, training=training, max_entries=max_entries, rng=rng
    )


def check_loss(
    loss: Any,
    logits: np.ndarray,
    targets: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_entries: int | None = 200,
    rng: np.random.Generator | None = None,
) -> GradientReport:
    """Check the gradient of a loss with respect to the logits ("x" in the table).

    Parameters
    ----------
    loss : Loss, or any object with `forward(logits, targets)` and `backward()`
    logits : ndarray of shape (N, K)
    targets : ndarray of shape (N,) or (N, K)
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
        targets,
        sample_weight=sample_weight,
        max_entries=max_entries,
        rng=rng,
    )


class _LossOfOneVector:
    """The loss as a function of all parameters and the input, laid out in one vector.

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
        batch = check_batch(x, network.input_shape, network.reader)
        self.x = check_finite(batch, "x").astype(np.float64)
        y = check_finite(np.asarray(y), "y")
        self.targets = (y,) if sample_weight is None else (y, sample_weight)
        self.random_states = self.network.random_states
        self.buffers = self.network.buffers.copy()
        self.input_gradient = input_gradient
        arrays = {**self.network.named_parameters(), **({"x": self.x} if input_gradient else {})}
        self.point = np.concatenate([array.ravel() for array in arrays.values()] or [np.empty(0)])
        self.parts, start = [], 0
        for name, array in arrays.items():
            self.parts.append(Part(name, array.shape, start, start + array.size))
            start += array.size
        self.side = self(self.point)[1]

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the loss, and for every unit on which side of its kink it is."""
        network, size = self.network, self.network.parameters.size
        self._restore()
        network.parameters = point[:size]
        x = point[size:].reshape(self.x.shape) if self.input_gradient else self.x
        value = self.loss.forward(network.forward(x.copy(), self.training), *self.targets)
        if self.penalty is not None:
            value += self.penalty.forward(network.parameters, network.decay_mask)
        kinks = [layer.kink_side().ravel() for layer in network.layers if _has_kink(layer)]
        return value, np.concatenate([np.empty(0, bool), *kinks])

    def gradient(self) -> np.ndarray:
        """Give the gradient by backpropagation, in the order of the vector."""
        network = self.network
        # What backward fails to write, or adds up from batch to batch, stays NaN and is found.
        network.gradients[:] = np.nan
        self(self.point)
        network.backward(self.loss.backward())
        gradient = network.gradients.copy()
        if self.penalty is not None:
            gradient += self.penalty.backward()
        if not self.input_gradient:
            return gradient
        # Apart from the pass above, which ends at the first layer that learns, as in training.
        self(self.point)
        dx = network.backward(self.loss.backward(), input_gradient=True)
        return np.append(gradient, np.asarray(dx))

    def slope(self, direction: np.ndarray, step: float) -> float | None:
        """Give the central difference along a direction; None where it crosses a kink."""
        above, side_above = self(self.point + step * direction)
        below, side_below = self(self.point - step * direction)
        crossed = (side_above != self.side).any() or (side_below != self.side).any()
        return None if crossed else (above - below) / (2 * step)

    def dead_units(self) -> int:
        """Count the units with a kink that put out 0 for every sample."""
        self._restore()
        outputs = self.network.activations(self.x, self.training)
        return sum(
            int((output == 0).all(axis=0).sum())
            for layer, output in zip(self.network.layers, outputs, strict=True)
            if _has_kink(layer)
        )

    def _restore(self) -> None:
        self.network.random_states = self.random_states
        self.network.buffers = self.buffers


def _check_entries(
    f: _LossOfOneVector, analytic: np.ndarray, rng: np.random.Generator, max_entries: int | None
) -> list[Row]:
    """Move one number at a time; a row for each array."""
    floor = 1e-3 * float(np.abs(analytic).max(initial=0.0))
    rows = []
    for part in f.parts:
        places = np.arange(part.start, part.stop)
        if max_entries is not None and len(places) > max_entries:
            places = np.sort(rng.choice(places, max_entries, replace=False))
        found = []
        for place in places:
            direction = np.zeros_like(f.point)
            direction[place] = 1
            index = np.unravel_index(place - part.start, part.shape)
            where = f"{part.name}[{', '.join(str(i) for i in index)}]"
            found.append(_compare(f, where, direction, analytic, floor, ENTRY_LIMIT))
        rows.append(_row(part.name, part.shape, found, ENTRY_LIMIT))
    return rows


def _check_direction(f: _LossOfOneVector, analytic: np.ndarray, rng: np.random.Generator) -> Row:
    """Move everything at once, along a random direction that crosses no kink."""
    typical = float(np.linalg.norm(analytic)) / math.sqrt(max(analytic.size, 1))
    found = None
    for _ in range(DRAWS):
        direction = rng.standard_normal(analytic.size)
        direction /= np.linalg.norm(direction)
        found = _compare(f, "direction", direction, analytic, typical, DIRECTION_LIMIT)
        if found is not None:
            break
    return _row("direction", analytic.shape, [found], DIRECTION_LIMIT)


def _compare(
    f: _LossOfOneVector,
    where: str,
    direction: np.ndarray,
    analytic: np.ndarray,
    floor: float,
    limit: float,
) -> Comparison | None:
    """Compare both slopes along a direction; None if every step crosses a kink."""
    expected, best = float(analytic @ direction), None
    for step in STEPS:
        slope = f.slope(direction, step)
        if slope is None:
            continue
        error = _relative_error(expected, slope, floor)
        if best is None or error < best.error:
            best = Comparison(where, expected, slope, error)
        if error <= limit:
            break
    return best


def _relative_error(analytic: float, numeric: float, floor: float) -> float:
    if not (math.isfinite(analytic) and math.isfinite(numeric)):
        return math.inf
    scale = max(abs(analytic), abs(numeric), floor)
    return abs(analytic - numeric) / scale if scale > 0 else 0.0


def _row(name: str, shape: tuple[int, ...], found: list[Comparison | None], limit: float) -> Row:
    comparisons = [comparison for comparison in found if comparison is not None]
    crossed = len(found) - len(comparisons)
    if not comparisons:
        return Row(name, shape, 0, crossed, math.inf, math.nan, None, False)
    worst = max(comparisons, key=lambda comparison: comparison.error)
    analytic = np.array([comparison.analytic for comparison in comparisons])
    numeric = np.array([comparison.numeric for comparison in comparisons])
    size = float(np.linalg.norm(numeric))
    norm_error = float(np.linalg.norm(analytic - numeric)) / size if size > 0 else math.nan
    return Row(
        name, shape, len(comparisons), crossed, worst.error, norm_error, worst, worst.error <= limit
    )


class _Identity:
    """Passes everything through, so that a loss alone is a network."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class _RandomSum:
    """The outputs times random numbers, summed: the loss whose `dy` is these numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.dy: np.ndarray | None = None

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        if self.dy is None:
            self.dy = self.rng.standard_normal(outputs.shape)
        return float((self.dy * outputs).sum())

    def backward(self) -> np.ndarray:
        assert self.dy is not None  # forward comes first
        return self.dy


def _has_kink(layer: Any) -> bool:
    return hasattr(layer, "kink_side")
