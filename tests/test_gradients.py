"""Backpropagation of random networks, in all combinations, agrees with finite differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from mutants import ReLUGateFromOutput
from strategies import ACTIVATIONS, Case, Difficulty, cases, difficult_cases

from numpymlp import check_gradients
from numpymlp.gradient_report import IN_PLACE

EXAMPLES = settings().max_examples


# Each case is checked from three seeds: a fault then shows in most of the networks on the way to a
# smaller one, and Hypothesis can shrink it.
SEEDS = 3


def check(case: Case, **options: Any) -> None:
    for seed in range(case.seed, case.seed + SEEDS):
        network, loss, x, y, more = replace(case, seed=seed).build()
        report = check_gradients(network, loss, x, y, max_entries=None, **more, **options)
        assert report.passed, f"seed {seed}\n{report}"


@settings(max_examples=2 * EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_every_entry_of_random_networks_is_right(case: Case) -> None:
    check(case)


@settings(max_examples=EXAMPLES)
@given(cases())
def test_the_slope_along_a_direction_through_random_networks_is_right(case: Case) -> None:
    check(case, mode="direction")


def check_difficult(case: Case, difficulty: Difficulty, mode: str) -> None:
    """A right network passes; slopes that rounding hides are explained, and checked in its place.

    So nothing is called wrong, and everything on a kink was compared beside it.
    """
    network, loss, x, y, options = difficulty.apply(case)
    report = check_gradients(network, loss, x, y, max_entries=3, mode=mode, **options)
    text = f"{case}\n{difficulty}\n{report}"
    assert report.passed, text
    assert sum(row.crossed for row in report.rows) == 0, text
    if any(row.unmeasured for row in report.rows):
        assert "the rounding of the loss hides it" in text
        assert any(row.compared for row in report.parts[IN_PLACE].rows), text


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(difficult_cases())
def test_difficult_networks_pass(drawn: tuple[Case, Difficulty]) -> None:
    check_difficult(*drawn, "entries")
    check_difficult(*drawn, "direction")


@pytest.mark.slow
@settings(max_examples=1_000, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(difficult_cases())
def test_no_alarm_in_a_thousand_difficult_networks(drawn: tuple[Case, Difficulty]) -> None:
    check_difficult(*drawn, "entries")
    check_difficult(*drawn, "direction")


@pytest.mark.slow
@settings(max_examples=3_400, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(cases())
def test_ten_thousand_random_networks_are_right(case: Case) -> None:
    check(case)
    check(case, mode="direction")


@settings(max_examples=EXAMPLES)
@given(cases(batch_norm=False))
def test_float32_gradients_agree_with_float64(case: Case) -> None:
    # The same network in both dtypes, with the same units dropped; without batch norm, which
    # divides by differences of float32.
    network, loss, x, y, options = case.build()
    x, weight = x.astype(np.float32), options["sample_weight"]
    begun, passed_back = [], []
    for twin in (network.copy(np.float32).copy(np.float64), network.copy(np.float32)):
        logits = twin.forward(x, case.training)
        loss.forward(logits, y, weight)
        begun.append(loss.backward().astype(np.float64))
        # From here on the same gradient for both: where output and target nearly cancel, their
        # difference has a relative error far above rounding.
        twin.backward(begun[0].astype(logits.dtype))
        passed_back.append(twin.gradients.astype(np.float64))
    # The error of the loss is relative to what it subtracts: logits and targets.
    share = np.full(len(x), 1 / len(x)) if weight is None else weight / weight.sum()
    size = 1 + np.abs(logits).max() + np.abs(y).max()
    assert (np.abs(begun[1] - begun[0]).max(axis=1) <= 1e-5 * size * share).all()
    # Norm-wise, because single entries may nearly cancel.
    exact, rounded = passed_back
    assert np.linalg.norm(rounded - exact) <= 1e-4 * np.linalg.norm(exact)


def test_a_fault_shrinks_to_a_network_that_is_easy_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ACTIVATIONS, "relu", (ReLUGateFromOutput,))

    def fails(case: Case) -> bool:
        try:
            check(case, mode="direction")
        except AssertionError:
            return True
        return False

    case = find(cases(), fails, settings=settings(max_examples=500, database=None))
    assert [block.activation for block in case.hidden] == ["relu"]
    assert (case.rows, case.inputs, case.hidden[0].units) == (1, 1, 1)
    assert (case.sample_weight, case.l2, case.hidden[0].dropout) == ("none", 0, 0)
