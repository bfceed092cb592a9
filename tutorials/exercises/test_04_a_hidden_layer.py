"""Check the exercises of 04_a_hidden_layer: `.venv/bin/pytest tutorials/exercises -k 04`."""

import itertools

import numpy as np
from diagnosis import diagnose, expect, expect_all, expect_dict, fail


def test_forward(exercise):
    rng = np.random.default_rng(0)
    sizes = (4, 6, 5, 3)
    layers = [(rng.normal(size=s), rng.normal(size=s[1])) for s in itertools.pairwise(sizes)]
    x = rng.normal(size=(7, 4))
    before = x.copy()

    def run(*, after=True, last=False, bias=True):
        values = x
        for n, (W, b) in enumerate(layers):
            values = values @ W + b * bias
            if n < 2 or last:
                values = np.maximum(values, 0) if after else values
            values = values + b * (not bias)
        return values

    causes = [
        (run(last=True), "no ReLU after the last layer: it would cut off negative logits."),
        (run(after=False), "ReLU is missing: without it, all layers are one."),
        (run(bias=False), "add the bias before ReLU: it decides where the neuron is on."),
    ]
    got = exercise.forward(x, layers)
    expect("output", got, run(), causes)
    if not np.array_equal(x, before):
        fail("forward: x was changed in place; the caller still needs it.")
    one = exercise.forward(x, layers[:1])
    expect("output of a single layer", one, x @ layers[0][0] + layers[0][1])


def test_merge(exercise):
    rng = np.random.default_rng(1)
    W1, b1, W2, b2 = (rng.normal(size=s) for s in ((4, 3), (3,), (3, 3), (3,)))
    got = exercise.merge(W1, b1, W2, b2)
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected a pair, W and b, got {type(got).__name__}")
    of_b = [
        (b1 + b2, "the first bias passes through the second layer: b1 @ W2."),
        (b2, "the first bias is missing: what does the second layer make of it?"),
        (W2 @ b1 + b2, "b1 is a row: b1 @ W2, not W2 @ b1."),
    ]
    expect_all([("W", got[0], W1 @ W2, []), ("b", got[1], b1 @ W2 + b2, of_b)])


def test_through_points(exercise):
    x, y = np.array([-2.0, -1.0, 1.0, 1.5, 4.0]), np.array([1.0, 3.0, 2.0, 2.0, -1.0])
    got = exercise.through_points(x.copy(), y.copy())
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected a pair, w2 and b2, got {type(got).__name__}")
    rise, slopes = np.diff(y), np.diff(y) / np.diff(x)
    of_w2 = [
        (slopes, "these are the slopes; the neurons before are still on, so take the *changes*."),
        (rise, "divide by the distance of the points, and take the changes of these slopes."),
        (np.diff(rise, prepend=0.0), "the slope between two points is np.diff(y) / np.diff(x)."),
        (np.diff(slopes), "the first neuron is missing: before it, the slope is 0."),
        (-np.diff(slopes, prepend=0.0), "the sign is wrong: a slope that grows needs w2 > 0."),
    ]
    of_b2 = [(0.0, "at x[0] all neurons are 0, so the output there is b2.")]
    right = np.diff(slopes, prepend=0.0)
    expect_all([("w2", got[0], right, of_w2), ("b2", got[1], y[0], of_b2)])


def test_functions_of_one_neuron(exercise):
    causes = {
        "two inputs": [
            (16, "no line gives XOR: see the page."),
            (15, "XOR fails, and one more: what is its opposite?"),
            (13, "one is missing: draw more often, and count 'always no' and 'always yes'."),
            (12, "'always no' and 'always yes' count too: a large bias gives them."),
            (7, "without b, the point (0, 0) is always no: draw a bias as well."),
            (6, "without b, the point (0, 0) is always no: draw a bias as well."),
        ],
        "three inputs": [(n, "nearly: draw more often.") for n in range(80, 104)],
    }
    right = {"two inputs": 14, "three inputs": 104}
    expect_dict(exercise.functions_of_one_neuron(), right, causes)


def test_parity_by_hand(exercise):
    got = exercise.parity_by_hand()
    shapes = {"W1": (3, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}
    if not isinstance(got, dict) or set(got) != set(shapes):
        fail("parity_by_hand: expected a dict with the keys W1, b1, W2, b2")
    arrays = {name: np.asarray(values, float) for name, values in got.items()}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            fail(f"{name}: expected shape {shape}, got {arrays[name].shape}")
    points = np.array(list(itertools.product([0, 1], repeat=3)))
    hidden = np.maximum(points @ arrays["W1"] + arrays["b1"], 0)
    output = (hidden @ arrays["W2"] + arrays["b2"])[:, 0]
    for point, value, right in zip(points, output, points.sum(axis=1) % 2, strict=True):
        if problem := diagnose(f"output for {point}", value, float(right)):
            of_three = point.sum() == 3 and value == -1
            fail(
                "output for [1 1 1]: two neurons are right for up to two ones; the third must "
                "bring the output up again."
                if of_three
                else problem
            )
