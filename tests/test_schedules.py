"""The schedules: values worked by hand, where they begin and end, plain floats, messages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import Constant, Cosine, InputError, OneCycle, StepDecay

SCHEDULES = [
    Constant(),
    StepDecay(),
    StepDecay(0.5, 0.1),
    Cosine(),
    Cosine(0.1),
    OneCycle(),
    OneCycle(0.3),
]


def factors(schedule, total: int) -> list[float]:
    return [schedule(step, total) for step in range(total)]


@given(st.sampled_from(SCHEDULES), st.integers(1, 300))
def test_factors_are_plain_floats_above_0_and_up_to_1(schedule, total: int) -> None:
    # A NumPy scalar would turn float32 parameters into float64.
    for factor in factors(schedule, total):
        assert type(factor) is float
        assert 0 < factor <= 1


def test_constant_is_1_at_every_step() -> None:
    assert factors(Constant(), 3) == [1, 1, 1]


def test_step_decay_by_hand() -> None:
    # Every fifth of 10 steps: two steps each, times 0.3 after each pair.
    expected = [1, 1, 0.3, 0.3, 0.09, 0.09, 0.027, 0.027, 0.0081, 0.0081]
    assert factors(StepDecay(), 10) == pytest.approx(expected, rel=1e-14)
    assert factors(StepDecay(0.5, 0.5), 4) == [1, 1, 0.5, 0.5]
    assert factors(StepDecay(0.5, 1), 4) == [1] * 4


@given(st.integers(1, 50), st.integers(1, 20))
def test_step_decay_drops_exactly_on_the_step(drops: int, steps: int) -> None:
    # 1 / drops is rarely a binary fraction: rounding must not shift a drop by a step.
    values = factors(StepDecay(0.5, 1 / drops), drops * steps)
    assert values == [0.5 ** (step // steps) for step in range(drops * steps)]


def test_cosine_by_hand() -> None:
    # At a quarter (1 + cos 45 degrees) / 2, at half 1/2, at three quarters (1 - cos 45 degrees) / 2
    root = math.sqrt(0.5)
    assert factors(Cosine(), 4) == pytest.approx([1, (1 + root) / 2, 0.5, (1 - root) / 2])
    assert factors(Cosine(0.2), 2) == pytest.approx([1, 0.6])
    assert Cosine(0.2)(10, 10) == pytest.approx(0.2)
    assert factors(Cosine(1.0), 3) == [1, 1, 1]


def test_one_cycle_by_hand() -> None:
    # A tenth of 20 steps rises: 1/2, 1; then 18 steps fall from 18/18 to 1/18.
    values = factors(OneCycle(), 20)
    assert values == pytest.approx([0.5, 1.0, *(n / 18 for n in range(18, 0, -1))])
    assert factors(OneCycle(0.5), 4) == pytest.approx([0.5, 1, 1, 0.5])
    # Few steps: no division by 0, no factor above 1
    assert factors(OneCycle(), 1) == [1.0]
    assert factors(OneCycle(0.9), 1) == [1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(factor=0), r"StepDecay factor: expected a number in \(0, 1\]"),
        (lambda: StepDecay(factor=1.5), "StepDecay factor"),
        (lambda: StepDecay(every=0), r"StepDecay every: expected a number in \(0, 1\]"),
        (lambda: StepDecay(every=2), "StepDecay every"),
        (lambda: Cosine(-0.1), r"Cosine final: expected a number in \[0, 1\]"),
        (lambda: Cosine(1.1), "Cosine final"),
        (lambda: OneCycle(0), r"OneCycle warmup: expected a number in \(0, 1\)"),
        (lambda: OneCycle(1), "OneCycle warmup"),
    ],
)
def test_settings_out_of_range_are_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_the_ends_of_the_ranges_are_allowed() -> None:
    assert StepDecay(1, 1) == StepDecay(1.0, 1.0)
    assert Cosine(0).final == 0
    assert Cosine(1)(5, 10) == 1


def test_factors_are_plain_floats_whatever_a_schedule_was_built_with() -> None:
    for schedule in (
        Cosine(np.float64(0.1)),
        OneCycle(np.float64(0.3)),
        StepDecay(np.float32(0.5)),
    ):
        assert {type(schedule(step, 10)) for step in range(10)} == {float}
