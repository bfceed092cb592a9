"""Checks the exercises of 11_against_scikit_learn: `.venv/bin/pytest tutorials/exercises -k 11`."""

import tracemalloc

import numpy as np
from diagnosis import expect, expect_dict, fail

import numpymlp


def test_parameters_from_sklearn(exercise):
    network = numpymlp.mlp([5, 4, 3, 2], rng=np.random.default_rng(0), dtype=np.float64)
    layers = network.layers[::2]
    for layer in layers:
        layer.b = np.random.default_rng(1).normal(size=layer.b.shape)
    coefs, intercepts = [layer.W.copy() for layer in layers], [layer.b.copy() for layer in layers]
    by_columns = [part for layer in layers for part in (layer.W.T.ravel(), layer.b)]
    all_weights_first = [W.ravel() for W in coefs] + intercepts
    bias_first = [part for layer in layers for part in (layer.b, layer.W.ravel())]
    causes = [
        (
            np.concatenate(all_weights_first),
            "each b comes directly after its own W.",
        ),
        (np.concatenate(bias_first), "W comes first, then b."),
        (np.concatenate(by_columns), "row after row: plain ravel(), without a transpose."),
    ]
    got = exercise.parameters_from_sklearn(coefs, intercepts)
    expect("parameters_from_sklearn", got, network.parameters, causes)


def test_multiplications(exercise):
    # 4 x 3 = 12 and 3 x 2 = 6 weights: 2 * 12 + 3 * 6 = 42 for each of 10 samples.
    causes = [
        (540, "the first layer needs no dx: two products, not three."),
        (360, "only the first layer leaves out dx; the others have three products."),
        (180, "this is the forward pass alone."),
        (480, "it is the first layer that needs no dx, not the last."),
        (42, "this is for one sample."),
        (840, "count only multiplications, not additions."),
    ]
    expect("multiplications([4, 3, 2], 10)", exercise.multiplications([4, 3, 2], 10), 420, causes)
    expect("multiplications([7, 5], 3): one layer", exercise.multiplications([7, 5], 3), 210)
    expect(
        "multiplications([784, 128, 10], 60000)",
        exercise.multiplications([784, 128, 10], 60_000),
        60_000 * (2 * 784 * 128 + 3 * 1280),
    )


def test_adam_in_place_is_right(exercise):
    rng = np.random.default_rng(2)
    p, m, v, scratch = (np.zeros(6) for _ in range(4))
    right, right_m, right_v, package = np.zeros(6), np.zeros(6), np.zeros(6), numpymlp.Adam(0.1)
    for t in range(1, 6):
        g = rng.normal(1.0, 1.0, 6)
        before, before_g = p.copy(), g.copy()
        exercise.adam_in_place(p, g, m, v, t, scratch, learning_rate=0.1)
        package.step(right, g)
        expect("the g passed to adam_in_place (do not change it)", g, before_g)
        right_m = 0.9 * right_m + (1 - 0.9) * g
        right_v = 0.999 * right_v + (1 - 0.999) * g**2
        expect(f"m after step {t}", m, right_m, [(m * 0, "m was not changed in place.")])
        expect(f"v after step {t}", v, right_v, [(v * 0, "v was not changed in place.")])
        plain = before - 0.1 * m / (np.sqrt(v) + 1e-8)
        causes = [
            (before, "p was not changed in place: `p -= ...`, not `p = p - ...`."),
            (plain, "the step size lacks the corrections."),
            (2 * before - right, "the step goes against the gradient: a minus sign."),
        ]
        expect(f"p after step {t}", p, right, causes)


def test_adam_in_place_makes_no_array(exercise):
    size = 100_000
    p, m, v, scratch = (np.zeros(size) for _ in range(4))
    g = np.ones(size)
    tracemalloc.start()
    try:
        exercise.adam_in_place(p, g, m, v, 1, scratch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > g.nbytes / 2:
        fail(
            f"adam_in_place: something allocates a new array (peak {peak:,} bytes; one array has "
            f"{g.nbytes:,}). An operator such as a * b allocates one; use out=scratch."
        )


def test_order_matters(exercise):
    got = exercise.order_matters()
    if not isinstance(got, tuple | list) or len(got) != 3:
        fail("order_matters: return three numbers.")
    a, b, c = np.array(got, dtype=np.float32)
    with np.errstate(all="ignore"):
        first, second = (a + b) + c, a + (b + c)
    if not np.isfinite([first, second]).all():
        fail("order_matters: the sums must be finite.")
    if first == second:
        fail(f"order_matters: both orders give {first:g}. Let two large numbers cancel.")


def test_speedup_by_hand(exercise):
    right = {"no time": 1 / 0.55, "two cores": 1 / 0.775, "two workers": 1 / 0.6}
    causes = {
        "no time": [(0.55, "this is the time that is left; the speed is 1 over it.")],
        "two cores": [(0.775, "this is the time; the speed is 1 over it."), (2.0, _REST)],
        "two workers": [(0.6, "this is the time; the speed is 1 over it."), (2.0, _WAITING)],
    }
    expect_dict(exercise.speedup_by_hand(), right, causes, tolerance=0.01)


_REST = "only the products are halved; the other 55 % of the step stay."
_WAITING = "the waiting is added: 10 % of the old step."
