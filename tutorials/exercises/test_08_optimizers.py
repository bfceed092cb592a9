"""Checks the exercises of 08_optimizers: `.venv/bin/pytest tutorials/exercises -k 08`."""

import numpy as np
from diagnosis import expect, expect_all, expect_dict, fail


def test_corrected_average(exercise):
    numbers, beta, t = np.random.default_rng(0).normal(2.0, 1.0, 12), 0.8, np.arange(1, 13)
    right = np.array([np.average(numbers[:n], weights=beta ** np.arange(n)[::-1]) for n in t])
    swapped = np.array([(1 - beta) ** np.arange(n)[::-1] @ numbers[:n] * beta for n in t])
    try:
        # An answer whose t begins with 0 divides by 0, which must not end in a warning.
        with np.errstate(divide="ignore", invalid="ignore"):
            got = exercise.corrected_average(numbers, beta)
    except ZeroDivisionError:
        fail(f"corrected_average: {_FROM_0}")
    if np.shape(got) == right.shape and not np.isfinite(got[0]):
        fail(f"corrected_average: {_FROM_0}")
    causes = [
        (right * (1 - beta**t), "the average is not corrected: divide it by 1 - beta**t."),
        (
            right * (1 - beta**t) / (1 - beta),
            "you divide by 1 - beta; the sum of the weights is 1 - beta**t.",
        ),
        (swapped, "beta multiplies the old average, 1 - beta the new number."),
        (swapped / (1 - (1 - beta) ** t), "you used beta where 1 - beta belongs."),
    ]
    expect("corrected_average", got, right, causes)


_FROM_0 = "your t begins with 0; the first number is number 1."


def test_momentum_step(exercise):
    rng = np.random.default_rng(1)
    p, g, v = rng.normal(size=(3, 6))
    before = p.copy(), v.copy()
    a, mu = 0.05, 0.9  # a differs from 1 - mu, so that the wrong forms below differ too
    new_v = mu * v - a * g
    answer = _several(exercise.momentum_step(p, g, v, a, mu), "momentum_step", ("p", "v"))
    expect("the p passed to momentum_step (do not change it)", p, before[0])
    expect("the v passed to momentum_step (do not change it)", v, before[1])
    causes = [
        (mu * v + a * g, "the step goes against the gradient: a minus sign."),
        (mu * v - g, "the gradient is not multiplied by the learning rate."),
        (mu * v - (1 - mu) * a * g, "there is no factor 1 - momentum before the gradient here."),
        (a * (mu * v - g), "the learning rate multiplies the gradient, not the old step."),
        (
            mu * v + g,
            "this is PyTorch's form, v = mu v + g and p - a v. Here v is the step itself: "
            "v = mu v - a g and p + v.",
        ),
        (
            mu * v + (1 - mu) * g,
            "this is a moving average of gradients. Here v is the step itself: v = mu v - a g and "
            "p + v.",
        ),
    ]
    of_p = [
        (p + v, "you added the old v; add the new one."),
        (p - new_v, "v already points downhill: add it to p."),
        (p - a * g, "this is the step without momentum."),
        (p + mu * new_v - a * g, "this is Nesterov's step; plain momentum adds v."),
    ]
    expect_all([("the new v", answer[1], new_v, causes), ("the new p", answer[0], p + new_v, of_p)])


def test_adam_step(exercise):
    # Two parameters and ten steps: with one of either, known faults would pass.
    gradients = np.random.default_rng(2).normal(1.0, 1.0, (10, 2))
    gradients[:, 1] *= 1e-3
    answer = np.zeros((3, 2))
    for t, g in enumerate(gradients, start=1):
        p, m, v = answer
        before = p.copy(), m.copy(), v.copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            got = exercise.adam_step(p, g, m, v, t, 0.1)
        for name, given, original in zip("pmv", (p, m, v), before, strict=True):
            expect(f"the {name} passed to adam_step (do not change it)", given, original)
        got = _several(got, "adam_step", ("p", "m", "v"))
        expect(f"step {t}: the new m", got[1], *_averages(gradients[:t], 0.9, 1, m, g))
        expect(f"step {t}: the new v", got[2], *_averages(gradients[:t], 0.999, 2, v, g))
        if np.shape(got[0]) == p.shape and not np.isfinite(got[0]).all():
            fail(f"step {t}: the new p: you divide by 0. The argument t already counts from 1.")
        expect(f"step {t}: the new p", got[0], *_positions(p, got[1], got[2], t))
        answer = np.array(got)


def test_adam_step_with_other_settings(exercise):
    p, g = np.array([1.0, -2.0]), np.array([3.0, 0.0])
    zeros = np.zeros(2)
    answer = exercise.adam_step(p, g, zeros, zeros, 1, 0.5, beta1=0.5, beta2=0.5, epsilon=1.0)
    answer = _several(answer, "adam_step", ("p", "m", "v"))
    # Corrected, the averages after one step are 3 and 9: a step of 0.5 * 3 / (3 + 1).
    right = [1.0 - 0.375, -2.0]
    causes = [
        ([1.0 - 0.5 * 3 / np.sqrt(10), -2.0], "epsilon is added to the root, not under it."),
        ([0.5, -2.0], "epsilon is missing."),
    ]
    expect("the new p for epsilon = 1", answer[0], right, causes)


def _several(answer, name, parts):
    if not isinstance(answer, tuple | list) or len(answer) != len(parts):
        fail(f"{name}: return {' and '.join(parts)}, separated by commas.")
    return answer


def _averages(gradients, beta, power, old, g):
    """Return the right average of g or of its square, without recursion, and known mistakes."""
    age = np.arange(len(gradients))[::-1]
    right = (1 - beta) * (beta**age @ gradients**power)
    causes = [
        (right / (1 - beta ** len(gradients)), "return it without the correction."),
        ((1 - beta) * old + beta * g**power, "you used beta where 1 - beta belongs."),
        (beta * old + g**power, "the factor 1 - beta before the new number is missing."),
    ]
    if power == 2:
        causes.append((beta * old + (1 - beta) * g, "v is the average of the squares g**2."))
    return right, causes


def _positions(p, m, v, t, a=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Return where Adam must be, and where known mistakes lead."""

    def step(mean, mean_square, sign=-1):
        return p + sign * a * np.asarray(mean) / (np.sqrt(mean_square) + epsilon)

    mean, mean_square = m / (1 - beta1**t), v / (1 - beta2**t)
    causes = [
        (step(m, v), "neither average is corrected."),
        (step(mean, v), "the average of the squares is not corrected."),
        (step(m, mean_square), "the average of the gradients is not corrected."),
        (
            step(m / (1 - beta1), v / (1 - beta2)),
            "you divide by 1 - beta at every step; the sum of the weights is 1 - beta**t.",
        ),
        (
            step(m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))),
            "your t is too large by 1: the argument already counts from 1.",
        ),
        (step(mean, mean_square, sign=1), "the step goes against the gradient: a minus sign."),
        (step(mean, mean_square**2), "divide by the root of the corrected v."),
    ]
    return step(mean, mean_square), causes


def test_largest_rate_with_momentum(exercise):
    causes = [
        (2.0, "this is the limit without momentum."),
        (1.9, "this is the limit without momentum."),
        (0.2, "the last step points to the other side of the valley and slows this one down."),
        (3.8, "at 3.8 |p| no longer shrinks; take the multiple of 0.1 below."),
        (0.1, "steps add up along the valley, but across it they turn at every step."),
    ]
    got = exercise.largest_rate_with_momentum()
    expect("largest_rate_with_momentum", got, 3.7, causes, tolerance=1e-6)


def test_steps_by_hand(exercise):
    right = {"SGD, 50": 5.0, "SGD, 0.5": 0.05, "Adam, 50": 0.1, "Adam, 0.5": 0.1, "momentum": 1.0}
    adam = "corrected, the averages are g and g^2: what is g / sqrt(g^2)?"
    causes = {
        "Adam, 50": [(5.0, adam), (0.1 * 0.1 / 0.001**0.5, "correct both averages first.")],
        "Adam, 0.5": [(0.05, adam), (0.1 * 0.1 / 0.001**0.5, "correct both averages first.")],
        "momentum": [
            (0.1, "this is the first step; the old ones add up."),
            (10.0, "this is how often the step is repeated; it is 0.1 long."),
            (0.19, "this is the second step; go on: v = 0.9 v + 0.1."),
        ],
    }
    expect_dict(exercise.steps_by_hand(), right, causes)
