"""Checks the exercises of 01_one_neuron: `pytest tutorials/exercises -k 01`."""

import math

from diagnosis import expect, fail


def cube(z):
    return z**3


def test_slope(exercise):
    h = 0.1
    # The central difference of z^3 is 3 z^2 + h^2.
    got = exercise.slope(cube, 2.0, h)
    causes = [
        ((cube(2 + h) - cube(2)) / h, "this is the one-sided difference; step to both sides."),
        ((cube(2 + h) - cube(2 - h)) / h, "the whole way is 2 * h; you divide by h."),
        ((cube(2 - h) - cube(2 + h)) / (2 * h), "your difference has the wrong sign."),
        (12.0, "this is the derivative of z^3 itself; use only values of f."),
    ]
    expect("slope of z^3 at 2 with h = 0.1", got, 12.01, causes)
    expect("slope of sin at 0", exercise.slope(math.sin, 0.0), 1.0, tolerance=1e-7)


def test_sigmoid_neuron_gradient(exercise):
    x, w, b, t = 3.0, 0.5, -1.0, 1.0

    def loss(w, b):
        return (1 / (1 + math.exp(-(x * w + b))) - t) ** 2 / 2

    h = 1e-5
    right = [
        (loss(w + h, b) - loss(w - h, b)) / (2 * h),
        (loss(w, b + h) - loss(w, b - h)) / (2 * h),
    ]
    y = 1 / (1 + math.exp(-(x * w + b)))
    dz = (y - t) * y * (1 - y)
    z = x * w + b
    causes = [
        ([(y - t) * x, y - t], "the sigmoid's own derivative, y * (1 - y), is missing."),
        ([dz, dz], "dw lacks its last factor: z = x * w + b changes with w as fast as x says."),
        ([dz * w, dz], "dw ends in x, not in w: the derivative of x * w with respect to w is x."),
        ([dz, dz * x], "the two are swapped: the order is (dw, db)."),
        ([-dz * x, -dz], "the sign is wrong: dy is y - t."),
        (
            [(y - t) * z * (1 - z) * x, (y - t) * z * (1 - z)],
            "y * (1 - y) takes the output y, after the sigmoid, not z before it.",
        ),
    ]
    got = exercise.sigmoid_neuron_gradient(x, w, b, t)
    expect("(dw, db)", got, right, causes, tolerance=1e-7)


def test_descend(exercise):
    def gradient(w, b):
        return 2 * w, b - 3

    got = exercise.descend(gradient, 1.0, 0.0, 0.1, 3)
    w, b = 1.0, 0.0
    for _ in range(3):
        w, b = w - 0.1 * 2 * w, b - 0.1 * (b - 3)
    causes = [
        ((1.2**3, 3 - 3 * 1.1**3), "you walk uphill: the step goes against the slope."),
        ((0.8, 0.3), "you took one step; the task asks for `steps` of them."),
        (
            (1 - 3 * 0.2, 3 * 0.3),
            "you took the gradient once, at the start; every step needs it where it begins.",
        ),
    ]
    expect("(w, b) after 3 steps", got, (w, b), causes)
    if tuple(exercise.descend(gradient, 1.0, 0.0, 0.1, 0)) != (1.0, 0.0):
        fail("descend: with 0 steps, w and b stay where they are.")
