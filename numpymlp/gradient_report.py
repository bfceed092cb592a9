"""How a gradient check measures and judges one slope, and how it reports what it found.

The error is `|backprop - difference|` relative to the larger of the two, or a thousandth of the
largest gradient (FLOOR) if that is more: relative to itself, an entry whose true value is 0, such
as a bias before batch norm, would be wrong by 100 % in correct code.

A central difference errs by truncation, c h^2, and by rounding, about eps L / h. The first step is
1e-5, where the two meet. If it disagrees, each of STEPS and SHORT_STEPS is taken whole and half,
which together cancel c h^2 (Richardson extrapolation). Steps grow with numbers above 1.

The doubt of a slope is measured as well: what extrapolation changed; the rounding of the loss,
ROUNDING times its value here or at logits of 0, whichever is larger, because log-sum-exp rounds
absolutely; and how far slope and gradient move if steps are shorter (SHARES) and every number
moves by about its rounding (NEAR). The slope of least doubt decides, of those that shorter steps
do not contradict. It says WRONG if backprop differs by more than the limit and DOUBTS times the
doubt, unless the gradient bends within the step (BEND). Otherwise LONG_STEPS are taken, which suit
linear functions; where none agrees, the slope is not measurable here.

The figures beside the constants are those of ``python tutorials/results/gradient_check.py``, of
100 correct networks. `gradient_check.py` makes these reports; go on with `optimizers.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

ENTRY_LIMIT, DIRECTION_LIMIT = 1e-7, 1e-6  # the best step errs by up to 3e-9, along all by 1e-9
FLOOR = 1e-3  # an entry counts as at least this share of the largest gradient
DRAWS = 20  # at most so many directions, or points beside a kink; XOR needs one point
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of the loss; a difference errs by up to 3 eps
DOUBTS = 10  # the error of a slope is up to 0.7 of its doubt, 3 at tiny inputs
STEPS = 1e-3, 1e-4, 1e-5, 1e-6  # in the median they err by 4e-12, 4e-11, 4e-10, 4e-9
SHORT_STEPS = 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-14, 1e-16  # 0.3 % of 1e-3 cross a kink
LONG_STEPS = 1e-1, 1e1, 1e3, 1e5, 1e8, 1e12, 1e16, 1e20  # beside a bias of 1e8, 1e5 errs by 3e-14
NEAR = 1e-12  # relative to a number; it moves the gradient by up to 4e-11
SHARES = 0.5, 0.43, 0.36, 0.29  # of the step; without them errors at tiny inputs are 400 doubts
BEND = 0.02  # relative to the slope: without a kink up to 1e-3, with one at least 0.04
IN_PLACE = "with a random upstream gradient in place of the loss, at ordinary sizes"


class Comparison(NamedTuple):
    """One slope by backpropagation (`analytic`) and by finite difference (`numeric`)."""

    where: str
    analytic: float
    numeric: float
    error: float
    measurable: bool = True


Found = Sequence[Comparison | None]  # None: each step crosses a kink


def judge(
    f: Any, where: str, direction: np.ndarray, floor: float, limit: float, scale: float = 1.0
) -> Comparison | None:
    """Compare gradient and slope along a direction of length 1; None if all steps cross a kink.

    `f` has ``point``, ``gradient``, ``slope(direction, step, at)``, ``rounded()`` and ``size``, the
    value that its rounding is relative to; `scale` is that of the numbers to be moved.
    """
    size = max(1.0, scale)
    analytic = _along(f.gradient, direction)
    best = Comparison(where, analytic, math.nan, math.inf)

    def agrees(numeric: float) -> bool:
        nonlocal best
        error = _relative_error(analytic, numeric, floor)
        if math.isnan(best.numeric) or error < best.error:
            best = Comparison(where, analytic, numeric, error)
        return best.error <= limit / 10

    plain = f.slope(direction, 1e-5 * size)
    if plain is not None and (agrees(plain) or not math.isfinite(analytic)):
        at_rest = not (analytic or plain or floor > ROUNDING * f.size / STEPS[0])
        return best._replace(measurable=not at_rest)
    slopes: list[_Slope] = []
    for h in (*STEPS, *SHORT_STEPS):
        # A step must move the number by far more than its rounding.
        slope = _extrapolate(f, direction, h * size) if h * size >= NEAR * scale else None
        if slope is not None:
            # Shorter steps that do not change the loss at all are lost in rounding.
            lost = not slope.value and any(longer.value for longer in slopes)
            slopes.append(slope)
            if not lost and agrees(slope.value):
                return best
    if best.error <= limit or not math.isfinite(analytic):
        return best
    finest = _finest([slope for slope in slopes if slope.step <= STEPS[0] * scale])
    if finest is not None:
        off, allowed = abs(analytic - finest.value), limit * max(abs(finest.value), floor)
        if off > allowed + DOUBTS * (finest.doubt + _moved(f, direction, finest, analytic)):
            error = _relative_error(analytic, finest.value, floor)
            return Comparison(where, analytic, finest.value, error)
    for h in LONG_STEPS:
        slope = _extrapolate(f, direction, h * size)
        if slope is not None and agrees(slope.value):
            return best
    if best.error <= limit:
        return best
    if finest is None or not any(slope.step >= STEPS[-1] * size for slope in slopes):
        return None
    return Comparison(where, analytic, finest.value, math.nan, measurable=False)


class _Slope(NamedTuple):
    step: float
    value: float
    doubt: float  # what truncation and rounding may have changed


def _extrapolate(f: Any, direction: np.ndarray, h: float) -> _Slope | None:
    """Return the slope by Richardson; None if it crosses a kink or is not finite."""
    at_h, at_half = f.slope(direction, h), f.slope(direction, h / 2)
    # Steps near the rounding of the point are not as long as they should be.
    moved = ((f.point + h * direction) - (f.point - h * direction)) / (2 * h) - direction
    uneven = float(np.linalg.norm(moved))
    if at_h is None or at_half is None or uneven > 0.01:
        return None
    # The error c h^2 of the one is four times that of the other.
    value = (4 * at_half - at_h) / 3
    doubt = abs(value - at_half) + ROUNDING * f.size / h + 4 * uneven * abs(value)
    return _Slope(h, value, doubt) if math.isfinite(value) else None


def _finest(slopes: list[_Slope]) -> _Slope | None:
    """Return the slope of least doubt among those that agree with all of shorter steps.

    A step far longer than the width of a bend sees a straight line on either side of it, and so has
    little doubt of its own; slopes of shorter steps contradict it (Lepski's principle).
    """
    kept: list[_Slope] = []
    for slope in sorted(slopes):
        if slope.value and not any(k.value for k in kept):
            kept = []  # shorter steps are lost in rounding: they did not change the loss at all
        if any(abs(slope.value - k.value) > DOUBTS * (slope.doubt + k.doubt) for k in kept):
            break
        kept.append(slope)
    return min(kept, key=lambda slope: slope.doubt, default=None)


def _moved(f: Any, direction: np.ndarray, finest: _Slope, analytic: float) -> float:
    """Return how far slope and gradient move nearby; infinity if the step sees a bend."""
    steps = -NEAR, NEAR, -finest.step, finest.step
    ends = [f.backpropagate(f.point + h * direction) for h in steps]
    below, above, *far = (_along(gradient, direction) - analytic for gradient in ends)
    # A difference is the mean gradient within its step.
    if abs(sum(far)) > BEND * max(abs(analytic), abs(finest.value)):
        return math.inf
    moved = max(abs(below), abs(above))
    for (point, gradient), share in zip(f.rounded(), SHARES, strict=True):
        slope = f.slope(direction, share * finest.step, point)
        if slope is None:
            return math.inf
        change = abs(slope - finest.value) + abs(_along(gradient, direction) - analytic)
        moved = max(moved, change)
    return moved


def _along(gradient: np.ndarray, direction: np.ndarray) -> float:
    moved = direction.nonzero()  # a NaN elsewhere is not this slope's
    return float(gradient[moved] @ direction[moved])


def _relative_error(analytic: float, numeric: float, floor: float) -> float:
    if not (math.isfinite(analytic) and math.isfinite(numeric)):
        return math.inf
    scale = max(abs(analytic), abs(numeric), floor)
    return abs(analytic - numeric) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class Row:
    """What the check found out about one array, or about a direction through all of them.

    Attributes
    ----------
    name : str
        "0.W" is W of the first layer, "x" the input.
    shape : tuple of int
    compared, crossed, unmeasured : int
        Slopes that were compared, that were left out because each step crossed a kink, and that
        cannot be measured here: rounding alone explains the difference.
    error : float
        The largest error; infinite if every step crossed a kink, NaN if nothing was measurable.
    norm_error : float
        `||backprop - difference|| / ||difference||` over all slopes together; NaN where they are
        below a thousandth of the largest in the whole check, and so are mostly rounding.
    worst : Comparison or None
        The slope with the largest error.
    passed : bool
        Whether nothing is wrong; False also if every step crossed a kink.
    beside : int
        Slopes compared at a point beside a kink, because at the given one every step crosses it.
    """

    name: str
    shape: tuple[int, ...]
    compared: int
    crossed: int
    unmeasured: int
    error: float
    norm_error: float
    worst: Comparison | None
    passed: bool
    beside: int = 0

    @classmethod
    def of(
        cls, name: str, shape: Any, found: Found, floor: float, limit: float, beside: int = 0
    ) -> Row:
        """Sum up comparisons; None stands for one that crossed a kink."""
        some = [comparison for comparison in found if comparison is not None]
        measured = [comparison for comparison in some if comparison.measurable]
        counts = len(measured), len(found) - len(some), len(some) - len(measured)
        if not measured:
            error, worst = (math.nan, some[0]) if some else (math.inf, None)
            return cls(name, shape, *counts, error, math.nan, worst, bool(some), beside)
        worst = max(measured, key=lambda comparison: comparison.error)
        analytic, numeric = np.array([comparison[1:3] for comparison in measured]).T
        norm = float(np.linalg.norm(numeric))
        norm_error = float(np.linalg.norm(analytic - numeric)) / norm if norm > floor else math.nan
        passed = worst.error <= limit
        return cls(name, shape, *counts, worst.error, norm_error, worst, passed, beside)

    def verdict(self) -> str:
        """Return the word at the end of the row."""
        if self.worst is None:
            return "NOT COMPARED"
        if not self.passed:
            return "WRONG"
        if not self.compared:
            return "not measurable here"
        ok = f"ok, {self.beside:,} beside a kink" if self.beside else "ok"
        return f"{ok}, {self.unmeasured:,} not measurable here" if self.unmeasured else ok

    def complaint(self) -> str:
        """Say in one line what is wrong."""
        if self.worst is None:
            said = "every step crossed a kink, so nothing was compared"
            return f"{self.name}: {said}: move the point, for example by small random biases"
        where, analytic, numeric, *_ = self.worst
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
    faults : list of str
        What forward and backward do that they should not: damage, memory, global random states.
    parts : dict of str to GradientReport
        Further checks: of the other mode, and in place of slopes that are not measurable.
    """

    rows: list[Row]
    limit: float
    dead: int
    faults: list[str] = field(default_factory=list)
    parts: dict[str, GradientReport] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, and something could be measured: here, or in its place."""
        return (
            not self.faults
            and all(row.passed for row in self.rows)
            and all(part.passed for part in self.parts.values())
            and (any(row.compared for row in self.rows) or IN_PLACE in self.parts)
        )

    @property
    def max_error(self) -> float:
        """The largest error that was measured; infinite if a row compared nothing."""
        errors = [row.error for row in self.rows if not math.isnan(row.error)]
        return max(errors + [part.max_error for part in self.parts.values()], default=math.inf)

    def __str__(self) -> str:
        wrong = [row.complaint() for row in self.rows if not row.passed]
        lines = [*self._table(), *wrong, *self.faults]
        if wrong:
            lines.append("next: check_layer checks one layer alone, check_loss the loss")
        if unmeasured := sum(row.unmeasured for row in self.rows):
            lines.append(
                f"{unmeasured:,} not measurable here: the slope is so small that the rounding of "
                f"the loss hides it, which proves nothing and is no fault"
            )
            if IN_PLACE not in self.parts:
                lines.append("next: check another point, such as x of standard normal numbers")
        for title, part in self.parts.items():
            if part.passed:
                found = f"passed, {sum(row.compared for row in part.rows):,} compared"
                lines.append(f"{title}: {found}, largest error {part.max_error:.1e}")
            else:
                lines += [f"{title}:", str(part)]
        verdict = "passed" if self.passed else "FAILED"
        units = "unit is" if self.dead == 1 else "units are"
        dead = f"; {self.dead:,} {units} 0 for the whole batch (dead)" if self.dead else ""
        lines.append(f"{verdict}: largest error {self.max_error:.1e}, limit {self.limit:.0e}{dead}")
        return "\n".join(lines)

    def _table(self) -> list[str]:
        cells = [("parameter", "shape", "compared", "at kinks", "error", "norm-wise", "")]
        for row in self.rows:
            norm_wise = "-" if math.isnan(row.norm_error) else f"{row.norm_error:.1e}"
            error = "-" if math.isnan(row.error) else f"{row.error:.1e}"
            counts = f"{row.compared:,}", f"{row.crossed:,}"
            cells.append((row.name, str(row.shape), *counts, error, norm_wise, row.verdict()))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for line in cells:
            name, shape, *numbers, verdict = map(str.ljust, line, widths)
            right = [number.strip().rjust(len(number)) for number in numbers]
            lines.append("  ".join([name, shape, *right, verdict]).rstrip())
        return lines


# ---- the slopes of one function of a vector ----


class Part(NamedTuple):
    """Where one array lies in the vector that is checked."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


def entry_by_entry(f: Any, rng: np.random.Generator, max_entries: int | None) -> list[Row]:
    """Move one number at a time; return a row for each array."""
    floor, places = _floor(f), {}
    for part in f.parts:
        inside = np.arange(part.start, part.stop)
        if max_entries is not None and len(inside) > max_entries:
            inside = np.sort(rng.choice(inside, max_entries, replace=False))
        places[part] = inside
    found = {i: _check_entry(f, part, i) for part in f.parts for i in places[part]}
    beside = dict.fromkeys(f.parts, 0)
    # A point may lie on a kink, as a sample of zeros with zero biases does: go beside it.
    for _ in range(DRAWS):
        lost = [(part, i) for part in f.parts for i in places[part] if found[i] is None]
        if not lost:
            break
        sizes = [np.full(p.stop - p.start, max(1.0, _size(f, p))) for p in f.parts]
        aside = np.concatenate(sizes) * rng.standard_normal(f.point.size)
        f.move_to(f.point + 10 * STEPS[0] * aside)
        for part, i in lost:
            found[i] = _check_entry(f, part, i)
            beside[part] += found[i] is not None
    return [
        Row.of(p.name, p.shape, [found[i] for i in each], floor, ENTRY_LIMIT, beside[p])
        for p, each in places.items()
    ]


def _check_entry(f: Any, part: Part, place: int) -> Comparison | None:
    direction = np.zeros_like(f.point)
    direction[place] = 1
    # A zero has no size of its own: what it is multiplied with bounds the steps.
    scale = _size(f, part) if f.point[place] else 1 / max(1.0, float(np.abs(f.point).max()))
    index = ", ".join(str(i) for i in np.unravel_index(place - part.start, part.shape))
    return judge(f, f"{part.name}[{index}]", direction, _floor(f), ENTRY_LIMIT, scale)


def _size(f: Any, part: Part) -> float:
    return float(np.abs(f.point[part.start : part.stop]).max(initial=0.0))


def _floor(f: Any) -> float:
    return FLOOR * float(np.abs(f.gradient[np.isfinite(f.gradient)]).max(initial=0.0))


def along_a_direction(f: Any, rng: np.random.Generator) -> Row:
    """Move everything at once, along a random direction that crosses no kink."""
    size, direction = f.point.size, np.zeros_like(f.point)
    for moved in range(DRAWS):
        if moved:  # The point itself may lie on a kink: go beside it.
            f.move_to(f.point + STEPS[0] * direction)
        direction = rng.standard_normal(size)
        direction /= np.linalg.norm(direction)
        floor = float(np.linalg.norm(f.gradient)) / math.sqrt(size)
        found = judge(f, "direction", direction, floor, DIRECTION_LIMIT)
        if found is not None:
            break
    return Row.of("direction", (size,), [found], floor, DIRECTION_LIMIT, int(moved > 0))
