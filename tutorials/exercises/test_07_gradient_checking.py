"""Checks the exercises of 07_gradient_checking: `.venv/bin/pytest tutorials/exercises -k 07`."""

import numpy as np
from diagnosis import expect, expect_dict, fail

from numpymlp.gradient_check import check_layer


def wave(p):
    """Return the sum of p^3 + sin(p): not linear, and its gradient is known."""
    return float((p**3).sum() + np.sin(p).sum())


def wave_gradient(p):
    return 3 * p**2 + np.cos(p)


def test_central_difference(exercise):
    p = np.array([0.3, -1.2, 2.0, 0.7])
    before = p.copy()
    got = exercise.central_difference(wave, p, 1e-5)
    expect("the p passed to central_difference (restore its values)", p, before)
    right = wave_gradient(p)
    one_sided = np.array([(wave(p + step) - wave(p)) / 1e-5 for step in 1e-5 * np.eye(4)])
    if np.shape(got) == right.shape and 1e-6 < np.abs(got - right).max() / 12 < 1e-4:
        expect("central_difference", got, right, [(one_sided, _ONE_SIDED)], tolerance=1e-8)
    causes = [
        (2 * right, "the two points are 2 h apart: divide by 2 h."),
        (right / 2, "you divide by 2 h, but only one side was moved."),
        (-right, "subtract below from above, not above from below."),
        (
            np.full(4, right.sum()),
            "you moved all numbers together; move one at a time.",
        ),
        (2e-5 * right, "the difference is not divided by 2 h."),
    ]
    expect("central_difference", got, right, causes, tolerance=1e-8)


_ONE_SIDED = "this is the one-sided difference; move p down as well as up: far more accurate."


def test_central_difference_with_a_large_step(exercise):
    # (p + h)^3 - (p - h)^3 = 6 p^2 h + 2 h^3: at p = 1 and h = 0.1 the estimate is 3.01.
    got = exercise.central_difference(lambda p: float((p**3).sum()), np.array([1.0]), 0.1)
    causes = [([3.31], _ONE_SIDED), ([3.0], "use the argument h, not a fixed step.")]
    expect("the estimate for p^3 at 1 with h = 0.1", got, [3.01], causes, tolerance=1e-8)


def test_slopes_along(exercise):
    rng = np.random.default_rng(0)
    p, direction, gradient = rng.normal(size=(3, 5))
    got = exercise.slopes_along(wave, p, gradient, direction)
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail("slopes_along: return two numbers, separated by a comma.")
    right = wave_gradient(p) @ direction
    length = np.linalg.norm(direction)
    causes = [
        (right / length, "use the direction as it is; you made its length 1."),
        (2 * right, "the two points are 2 h apart: divide by 2 h."),
        (gradient @ direction, "the first number comes from f, not from the gradient."),
    ]
    expect("the measured slope", got[0], right, causes, tolerance=1e-8)
    causes = [
        (gradient * direction, "sum the products over all entries."),
        (gradient.sum(), "multiply each entry by the direction's entry before you sum."),
        (gradient @ direction / length, "use the direction as it is; you made its length 1."),
        (right, "compute the second number from the argument `gradient`, right or wrong."),
    ]
    expect("the slope that the gradient predicts", got[1], gradient @ direction, causes)


def test_scale_is_repaired(exercise):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 4))
    layer = exercise.Scale(4)
    expect("y (forward was right)", layer.forward(x), np.tanh(x * np.linspace(0.5, 1.5, 4)))
    report = check_layer(layer, x)
    wrong = [row for row in report.rows if not row.passed]
    if wrong:
        hints = {
            "0.factor": "dfactor is the sum over all samples, not divided by their number",
            "x": "what is the derivative of tanh, and where do its brackets belong?",
        }
        # dx comes first: dfactor is computed from the same dz.
        name, worst = wrong[-1].name, wrong[-1].worst
        fail(
            f"Scale.backward is wrong for {name}: it gives {worst.analytic:.6g} for {worst.where}, "
            f"the finite difference {worst.numeric:.6g}; {hints[name]}"
        )


def test_best_step(exercise):
    got = exercise.best_step()
    if not isinstance(got, dict) or set(got) != set(_BEST):
        fail("best_step: return a dict with the keys float64 and float32.")
    # Rounding differs a little between machines: neighbours of the best power are right too.
    for name, right in _BEST.items():
        if got[name] > 0:
            fail(f"{name}: return the exponent of 10, such as -3.")
        if got[name] not in right:
            side = "small: rounding" if got[name] < min(right) else "large: the formula's error"
            fail(f"{name}: 10^{got[name]} is too {side} is larger than with another step.")


_BEST = {"float64": (-7, -6, -5), "float32": (-3, -2)}  # exponents of 10


def test_errors_by_hand(exercise):
    causes = {
        "one-sided": [(12.61, "subtract the derivative, 12."), (0.6, "h^2 remains as well.")],
        "central": [(12.01, "subtract the derivative, 12."), (0.02, "divide by 2 h, not by h.")],
    }
    expect_dict(exercise.errors_by_hand(), {"one-sided": 0.61, "central": 0.01}, causes)
