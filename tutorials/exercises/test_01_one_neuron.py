"""Check the exercises of 01_one_neuron: `.venv/bin/pytest tutorials/exercises -k 01`."""

import math

import numpy as np
from diagnosis import expect, expect_all, expect_dict, fail


def cube(u):
    return u**3


def test_slope(exercise):
    h = 0.1
    # The central difference of u^3 is 3 u^2 + h^2.
    got = exercise.slope(cube, 2.0, h)
    causes = [
        ((cube(2 + h) - cube(2)) / h, "this is the one-sided difference; step to both sides."),
        ((cube(2 + h) - cube(2 - h)) / h, "the whole distance is 2 * h; you divide by h."),
        ((cube(2 - h) - cube(2 + h)) / (2 * h), "your difference has the wrong sign."),
        (12.0, "this is the derivative of u^3 itself; use only values of f."),
    ]
    expect("slope of u^3 at 2 with h = 0.1", got, 12.01, causes)
    expect("slope of sin at 0", exercise.slope(math.sin, 0.0), 1.0, tolerance=1e-7)


def test_sigmoid_neuron_gradient(exercise):
    x, w, b, y = 3.0, 0.5, -1.0, 1.0

    def loss(w, b):
        return (1 / (1 + math.exp(-(x * w + b))) - y) ** 2 / 2

    h = 1e-5
    right = [
        (loss(w + h, b) - loss(w - h, b)) / (2 * h),
        (loss(w, b + h) - loss(w, b - h)) / (2 * h),
    ]
    z = x * w + b
    s = 1 / (1 + math.exp(-z))
    dz = (s - y) * s * (1 - s)
    causes = [
        ([(s - y) * x, s - y], "the sigmoid's own derivative, s * (1 - s), is missing."),
        ([dz, dz], "dw lacks its last factor: the derivative of z = x * w + b by w is x."),
        ([dz * w, dz], "dw ends in x, not in w: the derivative of x * w by w is x."),
        ([dz, dz * x], "the two are swapped: the order is (dw, db)."),
        ([-dz * x, -dz], "the sign is wrong: the derivative of the loss by s is s - y."),
        (
            [(s - y) * z * (1 - z) * x, (s - y) * z * (1 - z)],
            "s * (1 - s) needs the output s of the sigmoid, not its input z.",
        ),
    ]
    got = exercise.sigmoid_neuron_gradient(x, w, b, y)
    if np.shape(got) == (2,):
        parts = [
            (name, got[i], right[i], [(wrong[i], text) for wrong, text in causes])
            for i, name in enumerate(("dw", "db"))
        ]
        for wrong, text in causes:  # both together, where one mistake explains both
            if np.allclose(got, wrong, rtol=1e-6) and not np.allclose(got, right, rtol=1e-6):
                fail(f"(dw, db): {text}")
        expect_all(parts, tolerance=1e-7)
    expect("(dw, db)", got, right, causes, tolerance=1e-7)


def test_descend(exercise):
    # Each slope depends on both numbers, so the order of the updates matters.
    def gradient(w, b):
        return 2 * w + b, w + b - 3

    def walk(steps=3, sign=-1):
        w, b = 1.0, 0.0
        for _ in range(steps):
            dw, db = gradient(w, b)
            w, b = w + sign * 0.1 * dw, b + sign * 0.1 * db
        return w, b

    def one_after_the_other(w_first):
        w, b = 1.0, 0.0
        for _ in range(3):
            if w_first:
                w -= 0.1 * gradient(w, b)[0]
            b -= 0.1 * gradient(w, b)[1]
            if not w_first:
                w -= 0.1 * gradient(w, b)[0]
        return w, b

    dw, db = gradient(1.0, 0.0)
    causes = [
        (walk(sign=1), "you walk uphill: the step goes against the slope."),
        (walk(steps=1), "you took one step; the task asks for `steps` of them."),
        (
            (1 - 3 * 0.1 * dw, -3 * 0.1 * db),
            "you computed the gradient once, at the start; compute it again before every step.",
        ),
        (
            one_after_the_other(w_first=True),
            "you changed w before you computed db; compute both slopes at the same point.",
        ),
        (
            one_after_the_other(w_first=False),
            "you changed b before you computed dw; compute both slopes at the same point.",
        ),
    ]
    got = exercise.descend(gradient, 1.0, 0.0, 0.1, 3)
    expect("(w, b) after 3 steps", got, walk(), causes)
    if tuple(exercise.descend(gradient, 1.0, 0.0, 0.1, 0)) != (1.0, 0.0):
        fail("descend: with 0 steps, w and b must not change.")


def test_largest_learning_rate(exercise):
    causes = [
        (0.111, "this one ends at once in the minimum; larger ones still come back."),
        (0.223, "with this one, |w| grows: each step multiplies w by 1 - 9 * 0.223."),
        (0.445, "each step multiplies w by 1 - 9 a, not by 1 - 4.5 a."),
    ]
    got = exercise.largest_learning_rate()
    expect("largest_learning_rate", got, 0.222, causes, tolerance=1e-6)


def test_one_step_by_hand(exercise):
    right = {"z": 2.5, "dz": 1.0, "dw": 2.0, "db": 1.0, "new w": 0.8, "new b": 0.4}
    causes = {
        "dz": [(-1.0, "the slope is z - y; here the output is too large."), (0.5, "this is L.")],
        "dw": [(1.0, "multiply dz by x, the factor of w.")],
        "db": [(0.5, "the slope of z along b is 1: db = dz."), (2.0, "x is no factor of b.")],
        "new w": [(1.2, "the step goes against the slope."), (-1.0, "times the learning rate.")],
        "new b": [(0.6, "the step goes against the slope."), (-0.5, "times the learning rate.")],
    }
    expect_dict(exercise.one_step_by_hand(), right, causes)
