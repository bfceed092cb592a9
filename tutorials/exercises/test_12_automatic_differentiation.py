"""Check the exercises of 12_automatic_differentiation: `pytest tutorials/exercises -k 12`.

The operations are checked as the page's `backward` uses them: by the slopes of their edges, or by
the shares that their edges' functions return for a random dy.
"""

import math

import numpy as np
from diagnosis import expect, expect_dict, fail, numeric_gradient


def edges_of(name, got, kind, operands):
    """Return what the edges hold beside the operands, or say what is wrong with the edges."""
    if not isinstance(got, kind):
        fail(f"{name}: expected a {kind.__name__}, got {type(got).__name__}: wrap the result.")
    if len(got.edges) != len(operands):
        fail(f"{name}: expected {len(operands)} edges, got {len(got.edges)}.")
    if not all(isinstance(edge, tuple) and len(edge) == 2 for edge in got.edges):
        fail(f"{name}: expected each edge as a pair (operand, slope or function).")
    for (operand, _), right in zip(got.edges, operands, strict=True):
        if operand is not right:
            fail(f"{name}: an edge begins with the operand itself (a, not a.value), in order.")
    return [held for _, held in got.edges]


def share_of(name, got, exercise, operand, dy):
    """Return the share that the single edge's function gives for dy."""
    (share,) = edges_of(name, got, exercise.Tensor, [operand])
    if not callable(share):
        fail(f"{name}: the edge of a Tensor holds a function of dy, got {type(share).__name__}.")
    return share(dy)


def test_by_pencil(exercise):
    answers = exercise.by_pencil()
    causes = {
        "u": [(-3, "this is u itself; the slope of u * v with respect to u is v.")],
        "v": [
            (-3, "this is the direct path alone; v also acts through u."),
            (-6, "this is the path through u alone; v also acts directly."),
            (18, "the slopes of two paths are added, not multiplied."),
        ],
        "a": [
            (18, "this is the path through v alone; a also acts through u directly."),
            (-6, "this is the path through u alone; a also acts through v."),
            (0, "you used -3 for the gradient of v; it has two paths."),
        ],
        "b": [(-9, "you used -3 for the gradient of v; it has two paths.")],
    }
    expect_dict(answers, {"u": -6, "v": -9, "a": 12, "b": -27}, causes)


def test_tanh(exercise):
    a = exercise.Value(0.7)
    got = exercise.tanh(a)
    (slope,) = edges_of("tanh", got, exercise.Value, [a])
    expect("the value of tanh", got.value, math.tanh(0.7))
    value = math.tanh(0.7)
    causes = [
        (1 - math.tanh(value) ** 2, "you took tanh twice: the slope is 1 - value**2."),
        (1 - 0.7**2, "the slope needs tanh(a), not a: 1 - tanh(a)**2."),
        (1 - value, "the square is missing: 1 - tanh(a)**2."),
    ]
    expect("the slope of tanh", slope, 1 - value**2, causes)


def test_divide(exercise):
    a, b = exercise.Value(3.0), exercise.Value(-2.0)
    got = exercise.divide(a, b)
    to_a, to_b = edges_of("divide", got, exercise.Value, [a, b])
    expect("the value of a / b", got.value, -1.5)
    swapped = "it seems that the slopes belong to the other operand."
    causes_a = [(-2.0, "this is the slope of a * b; of a / b it is 1 / b."), (-0.75, swapped)]
    expect("the slope for a", to_a, -0.5, causes_a)
    causes_b = [
        (0.75, "the sign is wrong: if b grows, 1 / b falls."),
        (-0.25, "the factor a is missing: the slope is -a / b**2."),
        (1.5, "the square is missing: the slope is -a / b**2."),
        (3.0, "this is the slope of a * b; of a / b it is -a / b**2."),
        (-0.5, swapped),
    ]
    expect("the slope for b", to_b, -0.75, causes_b)


def test_mean_of_rows(exercise):
    rng = np.random.default_rng(0)
    a, dy = exercise.Tensor(rng.normal(size=(5, 3))), rng.normal(size=3)
    got = exercise.mean_of_rows(a)
    got_share = share_of("mean_of_rows", got, exercise, a, dy)
    expect("the value", got.value, a.value.mean(axis=0), [(a.value.mean(axis=1), "wrong axis.")])
    right = numeric_gradient(lambda: (a.value.mean(axis=0) * dy).sum(), a.value)
    causes = [
        (dy, "the share has the shape of a: every one of the N rows gets dy / N."),
        (dy / 5, "the share has the shape of a: repeat dy / N for every row."),
        (right * 5, "the slope 1/N of the mean is missing."),
        (right * 5 / 3, "divide by the number of rows, not of columns."),
    ]
    expect("the share of a", got_share, right, causes, tolerance=1e-7)


def test_first_broken_logit(exercise):
    for dtype, right in ((np.float64, 710), (np.float32, 89)):
        with np.errstate(all="ignore"):
            got = exercise.first_broken_logit(dtype)
        causes = [
            (right - 1, "one less: e^z is still finite there."),
            (right + 1, "one more: it breaks earlier."),
            (710, "this is the answer for float64: convert z with dtype(z)."),
            (800, "the page's example; it breaks much earlier."),
        ]
        expect(f"first_broken_logit({dtype.__name__})", got, right, causes)


def test_take_rows(exercise):
    rng = np.random.default_rng(1)
    table, indices = exercise.Tensor(rng.normal(size=(4, 2))), np.array([2, 0, 2, 2, 3])
    dy = rng.normal(size=(5, 2))
    got = exercise.take_rows(table, indices)
    got_share = share_of("take_rows", got, exercise, table, dy)
    expect("the value", got.value, table.value[indices])
    right = numeric_gradient(lambda: (table.value[indices] * dy).sum(), table.value)
    last = np.zeros((4, 2))
    last[indices] = dy
    lost = "row 2 is taken three times, but gets one gradient: all three are added."
    causes = [
        (last, lost),
        (dy, "the share has the shape of the table, not of the result."),
    ]
    expect("the share of the table", got_share, right, causes, tolerance=1e-7)
