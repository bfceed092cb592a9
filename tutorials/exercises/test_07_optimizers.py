"""Checks the exercises of 07_optimizers: `pytest tutorials/exercises -k 07`."""

import numpy as np
from diagnosis import expect, fail


def test_corrected_average(exercise):
    numbers, beta, t = np.random.default_rng(0).normal(2.0, 1.0, 12), 0.8, np.arange(1, 13)
    right = np.array([np.average(numbers[:n], weights=beta ** np.arange(n)[::-1]) for n in t])
    swapped = np.array(
        [(1 - beta) ** np.arange(n)[::-1] @ numbers[:n] * beta for n in t]  # forgets too fast
    )
    causes = [
        (right * (1 - beta**t), "the average is not corrected: divide it by 1 - beta**t."),
        (
            right * (1 - beta**t) / (1 - beta),
            "you divide by 1 - beta; the sum of the weights is 1 - beta**t.",
        ),
        (
            right[1:] * (1 - beta ** t[1:]) / (1 - beta ** t[:-1]),
            "your t begins with 0; the first number is number 1.",
        ),
        (swapped, "the old average keeps the share beta, the new number gets 1 - beta."),
        (swapped / (1 - (1 - beta) ** t), "you took beta for 1 - beta."),
    ]
    expect("corrected_average", exercise.corrected_average(numbers, beta), right, causes)


def test_momentum_step(exercise):
    rng = np.random.default_rng(1)
    p, g, v = rng.normal(size=(3, 6))
    kept = p.copy(), v.copy()
    a, mu = 0.1, 0.9
    new_v = mu * v - a * g
    answer = _several(exercise.momentum_step(p, g, v, a, mu), "momentum_step", ("p", "v"))
    expect("the p that momentum_step was given (you changed it)", p, kept[0])
    expect("the v that momentum_step was given (you changed it)", v, kept[1])
    causes = [
        (mu * v + a * g, "the step goes against the gradient: a minus sign."),
        (mu * v - g, "the gradient is not multiplied by the learning rate."),
        (mu * v - (1 - mu) * a * g, "no factor 1 - momentum stands before the gradient here."),
        (a * (mu * v - g), "the learning rate belongs to the gradient, not to the old step."),
    ]
    expect("the new v", answer[1], new_v, causes)
    causes = [
        (p + v, "you moved by the old v; the new one is the step."),
        (p - new_v, "v already points downhill: add it to p."),
        (p - a * g, "this is the step without momentum."),
        (p + mu * new_v - a * g, "this is Nesterov's step; plain momentum moves by v."),
    ]
    expect("the new p", answer[0], p + new_v, causes)


def test_adam_step(exercise):
    # Two parameters and ten steps: one of either would let known faults pass.
    gradients = np.random.default_rng(2).normal(1.0, 1.0, (10, 2))
    gradients[:, 1] *= 1e-3
    answer = np.zeros((3, 2))
    for t, g in enumerate(gradients, start=1):
        p, m, v = answer
        kept = p.copy(), m.copy(), v.copy()
        got = exercise.adam_step(p, g, m, v, t, 0.1)
        for name, given, before in zip("pmv", (p, m, v), kept, strict=True):
            expect(f"the {name} that adam_step was given (you changed it)", given, before)
        got = _several(got, "adam_step", ("p", "m", "v"))
        expect(f"step {t}: the new m", got[1], *_averages(gradients[:t], 0.9, 1, m, g))
        expect(f"step {t}: the new v", got[2], *_averages(gradients[:t], 0.999, 2, v, g))
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
    """The right average of g or of its square, without recursion, and known mistakes."""
    age = np.arange(len(gradients))[::-1]
    right = (1 - beta) * (beta**age @ gradients**power)
    causes = [
        (right / (1 - beta ** len(gradients)), "return it without the correction."),
        ((1 - beta) * old + beta * g**power, "you took beta for 1 - beta."),
        (beta * old + g**power, "the factor 1 - beta before the new number is missing."),
    ]
    if power == 2:
        causes.append((beta * old + (1 - beta) * g, "v is the average of the squares g**2."))
    return right, causes


def _positions(p, m, v, t, a=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Where Adam must be, and where known mistakes lead."""

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
            "your t runs one step ahead: it is already counted from 1.",
        ),
        (step(mean, mean_square, sign=1), "the step goes against the gradient: a minus sign."),
        (step(mean, mean_square**2), "divide by the root of the corrected v."),
    ]
    return step(mean, mean_square), causes
