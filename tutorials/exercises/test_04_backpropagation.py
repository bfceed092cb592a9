"""Checks the exercises of 04_backpropagation: `pytest tutorials/exercises -k 04`.

The gradient that arrives, dy, is random: one of equal numbers would let wrong answers pass.
"""

import numpy as np
from diagnosis import expect, fail, numeric_gradient


def compare(got, names, f, arrays, causes):
    """Compare a dict of gradients with finite differences of f(), each with its own diagnoses."""
    if not isinstance(got, dict) or set(got) != set(names):
        keys = sorted(got) if isinstance(got, dict) else type(got).__name__
        fail(f"expected a dict with the keys {', '.join(names)}, got {keys}")
    for name, array in zip(names, arrays, strict=True):
        right = numeric_gradient(f, array)
        scaled = [
            (right / 5, "you divide by N; dy has the mean in it already."),
            (-right, "the sign is wrong; nothing here turns a sign round."),
        ]
        expect(name, got[name], right, [*causes.get(name, []), *scaled], tolerance=1e-7)


def test_two_layers(exercise):
    rng = np.random.default_rng(0)
    shapes = (5, 3), (3, 4), (4,), (4, 2), (2,)
    x, W1, b1, W2, b2 = arrays = [rng.normal(size=shape) for shape in shapes]
    dy = rng.normal(size=(5, 2))
    a = x @ W1 + b1
    h, dh = np.tanh(a), dy @ W2.T
    no_tanh = "the derivative of tanh, 1 - h^2, is missing on the way to the first layer."
    of_h = "1 - tanh^2 takes tanh of the layer's output once: 1 - h**2, not 1 - np.tanh(h)**2."
    relu = "this is the rule of ReLU; tanh has the derivative 1 - h**2."
    outside = "1 - a**2 takes the number before tanh; use the number after it: 1 - h**2."
    wrong = [
        (dh, no_tanh),
        (dh * (1 - np.tanh(h) ** 2), of_h),
        (dh * (a > 0), relu),
        (dh * (1 - a**2), outside),
    ]
    causes = {
        "dW1": [(x.T @ da, diagnosis) for da, diagnosis in wrong],
        "db1": [(da.sum(axis=0), diagnosis) for da, diagnosis in wrong],
        "dx": [(da @ W1.T, diagnosis) for da, diagnosis in wrong],
        "dW2": [(a.T @ dy, "the second layer's input is h, after tanh, not what was before it.")],
        "db2": [(dy.mean(axis=0), "sum over the batch; the mean is in dy already.")],
    }
    got = exercise.two_layers(x, W1, b1, W2, b2, dy)
    names = ["dx", "dW1", "db1", "dW2", "db2"]
    compare(got, names, lambda: (dy * (np.tanh(x @ W1 + b1) @ W2 + b2)).sum(), arrays, causes)


def test_shortcut(exercise):
    rng = np.random.default_rng(1)
    x, W, b = arrays = [rng.normal(size=shape) for shape in ((5, 3), (3, 3), (3,))]
    dy = rng.normal(size=(5, 3))
    on = x @ W + b > 0
    y = x + np.maximum(x @ W + b, 0)
    causes = {
        "dx": [
            ((dy * on) @ W.T, "the direct way is missing: x also reaches y without the layer."),
            (dy, "this is the direct way alone; x acts through the layer too."),
            (dy + dy @ W.T, "ReLU is missing: a slope passes only where x @ W + b is positive."),
            (((dy + dy) * on) @ W.T, "the direct way does not go through W and ReLU."),
            (dy * ((dy * on) @ W.T), "the slopes of two ways are added, not multiplied."),
        ],
        "dW": [
            (x.T @ dy, "ReLU is missing: a slope passes only where x @ W + b is positive."),
            (x.T @ (dy * (y > 0)), "you asked whether y is positive; ReLU saw x @ W + b."),
        ],
    }
    got = exercise.shortcut(x, W, b, dy)
    names = ["dx", "dW", "db"]
    compare(got, names, lambda: (dy * (x + np.maximum(x @ W + b, 0))).sum(), arrays, causes)


def test_used_twice(exercise):
    rng = np.random.default_rng(2)
    x, W, dy = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    a = x @ W
    h = np.maximum(a, 0)
    first, second = x.T @ ((dy @ W.T) * (a > 0)), h.T @ dy
    causes = [
        (second, "this is the second use of W alone; the first one moves the loss too."),
        (first, "this is the first use of W alone; the second one moves the loss too."),
        ((first + second) / 2, "the slopes of two uses are added, not averaged."),
        (x.T @ (dy @ W.T) + second, "ReLU is missing between the two uses."),
    ]
    right = numeric_gradient(lambda: (dy * (np.maximum(x @ W, 0) @ W)).sum(), W)
    expect("dW", exercise.used_twice(x, W, dy), right, causes, tolerance=1e-7)
