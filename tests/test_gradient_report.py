"""How one slope is judged: functions of one number whose differences and gradient are given."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numpymlp.gradient_report import (
    IN_PLACE,
    LONG_STEPS,
    NEAR,
    ROUNDING,
    SHARES,
    SHORT_STEPS,
    STEPS,
    Comparison,
    GradientReport,
    Row,
    judge,
)

Rule = float | Callable[[float], float]


class Known:
    """A function of one number: the difference that each step finds, and the gradient it claims.

    `claimed` is the gradient, or a rule for it at a distance from the point. `slope_nearby` and
    `gradient_nearby` are added where every number has moved by its rounding.
    """

    def __init__(
        self,
        slope: Rule,
        claimed: Rule,
        *,
        size: float = 1.0,
        kink: float = math.inf,
        point: float = 0.0,
        slope_nearby: float = 0.0,
        gradient_nearby: float = 0.0,
        unit: float = 1.0,
    ) -> None:
        self.difference = slope if callable(slope) else lambda step: slope
        self.claimed = claimed if callable(claimed) else lambda distance: claimed
        self.size, self.kink, self.unit = size * unit, kink, unit
        self.point, self.gradient = np.array([point]), unit * np.array([self.claimed(0.0)])
        self.slope_nearby, self.gradient_nearby = unit * slope_nearby, unit * gradient_nearby
        self.steps: list[float] = []

    def slope(self, direction: np.ndarray, step: float, at: Any = None) -> float | None:
        self.steps.append(step)
        if step > self.kink:
            return None
        nearby = 0.0 if at is None else self.slope_nearby
        return self.unit * self.difference(step) * float(direction[0]) + nearby

    def backpropagate(self, point: np.ndarray) -> np.ndarray:
        return self.unit * np.array([self.claimed(float(point[0] - self.point[0]))])

    def rounded(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(self.point, self.gradient + self.gradient_nearby)] * len(SHARES)

    def judged(self, **options: Any) -> Comparison | None:
        options = {"floor": self.unit, "limit": 1e-7, **options}
        return judge(self, "W[0]", np.ones(1), **options)


def is_wrong(found: Comparison | None) -> bool:
    return found is not None and found.measurable and found.error > 1e-7


def is_not_measurable(found: Comparison | None) -> bool:
    return found is not None and found.measurable is False and math.isnan(found.error)


@pytest.fixture(params=[1e-6, 1.0, 1e6])
def unit(request: pytest.FixtureRequest) -> float:
    """In which all values are given: no verdict may depend on it."""
    return request.param


# ---- which steps are taken ----


@pytest.mark.parametrize(
    ("options", "step"), [({}, 1e-5), ({"scale": 0.5}, 1e-5), ({"scale": 100.0}, 1e-3)]
)
def test_one_step_is_enough_where_it_agrees_and_grows_with_numbers_above_1(
    options: dict[str, float], step: float
) -> None:
    f = Known(2.0, 2.0)
    assert f.judged(**options) == Comparison("W[0]", 2.0, 2.0, 0.0, True)
    assert f.steps == pytest.approx([step])


def test_no_more_steps_are_taken_once_the_error_is_a_tenth_of_the_limit() -> None:
    f = Known(0.0, 1e-8)
    assert f.judged().error == 1e-8
    assert f.steps == [1e-5]


@pytest.mark.parametrize("error", [1.1e-8, 1e-7])
def test_an_error_within_the_limit_needs_no_long_steps(error: float) -> None:
    f = Known(0.0, error)
    assert f.judged() == Comparison("W[0]", error, 0.0, error, True)
    assert len(f.steps) > 1
    assert max(f.steps) == STEPS[0]


@pytest.mark.parametrize(("scale", "longest"), [(1.0, 1e-3), (100.0, 0.1), (0.01, 1e-5)])
def test_the_longest_step_decides_where_all_agree_but_none_far_above_the_number(
    scale: float, longest: float
) -> None:
    f, size = Known(1.0, 2.0), max(1.0, scale)
    assert f.judged(scale=scale) == Comparison("W[0]", 2.0, 1.0, 0.5, True)
    # Down to the millionth of a millionth of the number, whole and half, then SHARES of the step.
    steps = [h * size for h in (*STEPS, *SHORT_STEPS) if h * size >= NEAR * scale]
    halves = [step for h in steps for step in (h, h / 2)]
    assert f.steps == pytest.approx([1e-5 * size, *halves, *(longest * share for share in SHARES)])


def test_steps_that_cross_a_kink_are_left_out() -> None:
    f = Known(1.0, 1.0, kink=7e-6)  # the half of 1e-5 does not
    assert f.judged() == Comparison("W[0]", 1.0, 1.0, 0.0, True)
    assert min(f.steps) == STEPS[-1] / 2
    assert Known(1.0, 1.0, kink=0.0).judged() is None


@pytest.mark.parametrize(("scale", "step"), [(1.0, 1e3), (50.0, 500.0)])
def test_long_steps_measure_linear_functions_of_huge_values(
    scale: float, step: float, unit: float
) -> None:
    f = Known(lambda step: 1 + 1e-7 / step, 1.0, size=1e10, unit=unit)
    found = f.judged(scale=scale)
    assert found.measurable
    assert found.error <= 1e-8
    assert f.steps[-2:] == pytest.approx([step, step / 2])


def test_a_long_step_within_the_limit_is_enough() -> None:
    f = Known(lambda step: 1e-3 if step < 0.04 else 0.0, 1e-7, size=1e12)
    assert f.judged() == Comparison("W[0]", 1e-7, 0.0, 1e-7, True)
    assert f.steps[-1] == LONG_STEPS[-1] / 2


# ---- wrong, or not measurable ----


@pytest.mark.parametrize(
    ("claimed", "slope", "error"), [(2, 1, 0.5), (1, 2, 0.5), (1.00001, 1, 1e-5), (-1, 1, 2)]
)
def test_a_wrong_gradient_is_wrong_in_any_unit(
    claimed: float, slope: float, error: float, unit: float
) -> None:
    found = Known(slope, claimed, unit=unit).judged(floor=1e-3 * unit)
    assert found.where == "W[0]"
    assert found[1:4] == pytest.approx((claimed * unit, slope * unit, error), rel=1e-4)
    assert found.measurable is True


def test_small_slopes_count_as_the_floor(unit: float) -> None:
    assert Known(1e-3, 1.001e-3, unit=unit).judged().error == pytest.approx(1e-6)
    assert Known(1e-3, 1.001e-3, unit=unit).judged(floor=1e-6 * unit).error > 9e-4
    assert Known(1e-9, 1.1e-9, unit=unit).judged().error <= 1e-7


def test_what_rounding_of_the_loss_explains_is_not_measurable(unit: float) -> None:
    # Rounding may change the longest step's slope by 4 eps 1e9 / 1e-3 = 9e-4.
    found = Known(1.0, 1.001, size=1e9, unit=unit).judged()
    assert is_not_measurable(found)
    assert found[:3] == ("W[0]", pytest.approx(1.001 * unit), pytest.approx(unit))
    assert is_wrong(Known(1.0, 1.1, size=1e9, unit=unit).judged())
    assert is_wrong(Known(1.0, 1.001, size=1e6, unit=unit).judged())


@pytest.mark.parametrize(
    "moves",
    [
        {"slope_nearby": 0.01},
        {"gradient_nearby": 0.01},
        {"claimed": lambda distance: 1.05 + 0.01 * (distance < 0)},
        {"claimed": lambda distance: 1.05 + 0.01 * (distance > 0)},
    ],
    ids=["slope at rounded points", "gradient at rounded points", "below", "above"],
)
def test_what_moves_with_the_rounding_of_numbers_is_not_measurable(
    moves: dict[str, Any], unit: float
) -> None:
    assert is_not_measurable(Known(1.0, **{"claimed": 1.05, **moves}, unit=unit).judged())
    if "claimed" not in moves:
        assert is_wrong(Known(1.0, 1.2, **moves, unit=unit).judged())


def test_slopes_that_depend_on_the_share_of_the_step_are_not_measurable(unit: float) -> None:
    # All whole and half steps agree; 0.43, 0.36 and 0.29 of them do not.
    def slope(step: float) -> float:
        return (
            1.0 if min(abs(step * 10**k - s) for k in range(13) for s in (1, 0.5)) < 1e-9 else 1.1
        )

    assert is_not_measurable(Known(slope, 1.5, unit=unit).judged())


def test_a_gradient_that_bends_within_the_step_is_not_measurable(unit: float) -> None:
    def bent(distance: float) -> float:
        return 1.5 + 0.1 * (distance > 5e-4)

    assert is_not_measurable(Known(1.0, bent, unit=unit).judged())
    # A straight line has no bend, however steep.
    assert is_wrong(Known(1.0, lambda distance: 1.5 + 150 * distance, unit=unit).judged())


def test_slopes_of_shorter_steps_contradict_those_of_longer_ones(unit: float) -> None:
    f = Known(lambda step: 1.0 if step < 2e-5 else 2.0, 3.0, unit=unit)
    assert f.judged().numeric == pytest.approx(unit)
    assert f.steps[-1] == pytest.approx(SHARES[-1] * 1e-5)


def test_a_shorter_step_can_agree_where_longer_ones_see_a_bend(unit: float) -> None:
    f = Known(lambda step: 1.0 if step < 2e-6 else 1.1, 1.0, unit=unit)
    assert f.judged() == Comparison("W[0]", unit, unit, 0.0, True)
    assert min(f.steps) == STEPS[-1] / 2


def test_steps_that_do_not_change_the_loss_confirm_nothing(unit: float) -> None:
    found = Known(lambda step: 1.0 if step > 1e-9 else 0.0, 0.0, unit=unit).judged()
    assert is_wrong(found)
    assert found.numeric == unit


def test_steps_that_rounding_of_the_number_makes_uneven_are_left_out(unit: float) -> None:
    # Next to 1e5, numbers are 1.5e-11 apart: 1e-10 is uneven by 2 %, 1e-9 by 0.4 %.
    def slope(step: float) -> float:
        return 1.0 if step > 2e-10 else 2.0

    assert is_wrong(Known(slope, 2.0, point=1e5, unit=unit).judged())
    # Behind a kink 1e-9 is the only step, and 0.4 % may be 1.6 %; a tenth is within ten times that.
    close = {"kink": 2e-9, "point": 1e5, "unit": unit}
    assert Known(1.0, 1.1, **close).judged() is None
    assert is_wrong(Known(1.0, 1.18, **close).judged())


@pytest.mark.parametrize(
    ("scale", "kink", "expected"),
    [(1, 5e-6, True), (1, 5e-7, False), (100, 5e-4, True), (100, 5e-5, False)],
)
def test_near_a_kink_a_slope_counts_as_crossing_unless_a_usual_step_is_left(
    scale: float, kink: float, expected: bool, unit: float
) -> None:
    found = Known(1.0, 1.001, size=1e9, kink=kink, unit=unit).judged(scale=scale)
    assert is_not_measurable(found) if expected else found is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_slopes_that_are_not_finite_are_left_out(value: float) -> None:
    assert Known(lambda step: value if step < 1e-11 else 1.0, 2.0).judged().error == 0.5
    assert Known(lambda step: value if step > 1e-4 else 1.0, 2.0).judged().error == 0.5


def test_a_gradient_that_is_not_finite_is_wrong() -> None:
    found = Known(1.0, math.nan).judged()
    assert (found.where, found.numeric, found.error) == ("W[0]", 1.0, math.inf)
    assert found.measurable is True
    crossed = Known(1.0, math.nan, kink=0.0).judged()
    assert (crossed.where, crossed.error) == ("W[0]", math.inf)
    assert math.isnan(crossed.analytic)
    assert math.isnan(crossed.numeric)


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_a_slope_of_0_is_measurable_if_one_of_the_floor_would_be(size: float) -> None:
    hidden = ROUNDING * size / STEPS[0]
    for floor, measurable in (
        (hidden, False),
        (0.9 * hidden, False),
        (1.1 * hidden, True),
        (1, True),
    ):
        found = Known(0.0, 0.0, size=size).judged(floor=floor)
        assert (found.error, found.measurable) == (0.0, measurable)
    assert Known(0.0, 1e-30 * size, size=size).judged(floor=0.9 * hidden).measurable is True
    assert Known(0.0, 0.0, size=size).judged(floor=0.0).error == 0.0


# ---- rows and reports ----


def test_a_row_shows_its_worst_slope_and_passes_up_to_the_limit() -> None:
    right, worst = Comparison("b[1]", 1.0, 1.0, 0.0), Comparison("W[1]", 1.0, 1.0, 1e-7)
    row = Row.of("b", (2,), [right, worst, None], 0.0, 1e-7)
    assert row.worst is worst
    assert (row.error, row.passed, row.compared, row.crossed) == (1e-7, True, 2, 1)
    assert not Row.of("b", (2,), [right, worst], 0.0, 0.9e-7).passed


def test_a_row_of_nothing_measurable_is_neither_passed_nor_wrong() -> None:
    first, second = (Comparison(f"b[{i}]", 0.0, 0.0, math.nan, False) for i in (0, 1))
    row = Row.of("b", (2,), [first, second, None], 1e-3, 1e-7, 1)
    assert row.worst is first
    assert (row.name, row.shape, row.beside) == ("b", (2,), 1)
    assert (row.compared, row.crossed, row.unmeasured, row.passed) == (0, 1, 2, True)
    assert math.isnan(row.error)
    assert math.isnan(row.norm_error)
    report = GradientReport([row], 1e-7, 0, [], {})
    assert not report.passed
    lines = str(report).splitlines()
    assert lines[1].split(maxsplit=6) == ["b", "(2,)", "0", "1", "-", "-", "not measurable here"]
    assert lines[2].startswith("2 not measurable here: ")
    assert lines[3] == "next: check another point, such as x of standard normal numbers"
    assert len(lines) == 5


def test_some_slopes_of_a_row_may_be_not_measurable() -> None:
    found = [Comparison("b[0]", 1.0, 1.0, 0.0), Comparison("b[1]", 0.0, 0.0, math.nan, False)]
    row = Row.of("b", (2,), found, 1e-3, 1e-7)
    assert (row.compared, row.unmeasured, row.error, row.passed) == (1, 1, 0.0, True)
    assert row.verdict() == "ok, 1 not measurable here"


def test_a_failed_part_is_shown_in_full_below_the_table() -> None:
    good = Row.of("b", (1,), [Comparison("b[0]", 1.0, 1.0, 0.0)], 0.0, 1e-7)
    bad = Row.of("W", (1,), [Comparison("W[0]", 2.0, 1.0, 0.5)], 0.0, 1e-7)
    part = GradientReport([bad], 1e-7, 0)
    report = GradientReport([good], 1e-7, 0, [], {IN_PLACE: part})
    assert not report.passed
    assert report.max_error == 0.5
    lines = str(report).splitlines()
    assert lines[:2] == str(GradientReport([good], 1e-7, 0)).splitlines()[:2]
    assert lines[2:-1] == [f"{IN_PLACE}:", *str(part).splitlines()]
    assert lines[-1] == "FAILED: largest error 5.0e-01, limit 1e-07"
