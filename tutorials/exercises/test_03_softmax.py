"""Check the exercises of 03_softmax: `.venv/bin/pytest tutorials/exercises -k 03`."""

import numpy as np
from diagnosis import expect, expect_all, expect_dict, fail, numeric_gradient

from numpymlp import log_softmax, softmax


def pair_of(got):
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected a pair, the loss and its gradient, got {type(got).__name__}")
    return got


def quietly(f, *arguments):
    """Call f without NumPy's warnings: only its result is checked for overflow."""
    with np.errstate(all="ignore"):
        return f(*arguments)


def test_log_sum_exp(exercise):
    logits = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [-5.0, 0.5, 2.0]])
    right = np.log(np.exp(logits).sum(axis=1))
    top = logits.max(axis=1)
    causes = [
        (right - top, "you subtracted the largest logit; it must be added again at the end."),
        (right[:, None], "one number for each row: the shape is (N,), so drop the kept axis."),
        (np.log(np.exp(logits).sum()), "sum along each row (axis=1), not over the whole batch."),
        (np.log(np.exp(logits).sum(axis=0)), "you sum over the samples; sum along axis=1."),
    ]
    expect("log_sum_exp", quietly(exercise.log_sum_exp, logits), right, causes)


def test_log_sum_exp_of_large_logits(exercise):
    logits = np.array([[1000.0, 0.0], [-1000.0, -1000.0], [1000.0, 1000.0]])
    got = quietly(exercise.log_sum_exp, logits)
    if np.shape(got) == (3,) and not np.isfinite(got).all():
        fail(
            "log_sum_exp: e^1000 overflowed, or all powers of a row became 0. Subtract the largest "
            "logit of each row first; the largest of the whole batch is not enough."
        )
    expect("log_sum_exp", got, [1000, -1000 + np.log(2), 1000 + np.log(2)])


def test_soft_cross_entropy(exercise):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3))
    y = softmax(rng.normal(size=(4, 3)))

    def loss():
        return -(y * log_softmax(logits)).sum(axis=1).mean()

    got_loss, got = pair_of(exercise.soft_cross_entropy(logits, y))
    probabilities = softmax(logits)
    hard = -log_softmax(logits)[np.arange(4), y.argmax(axis=1)].mean()
    other = (1 - y) * np.log(1 - probabilities)
    binary = -(y * np.log(probabilities) + other).sum(axis=1).mean()
    of_loss = [
        (4 * loss(), "this is the sum over the batch; the loss is the mean."),
        (loss() / 3, "this is a mean over the classes too; sum over them."),
        (-loss(), "the sign is wrong: logarithms of probabilities are negative."),
        (hard, "you used only the most probable class of each target; all of them count."),
        (binary, "the part with 1 - y belongs to yes-or-no targets, not to a softmax."),
    ]
    of_gradient = [
        (probabilities - y, "1/N is missing: the loss is the mean over the batch."),
        ((y - probabilities) / 4, "the sign is wrong: it is p - y."),
        (-y / probabilities / 4, "this is dL/dp; continue through the softmax to the logits."),
        ((log_softmax(logits) - y) / 4, "this is ln p - y; the gradient has p itself."),
    ]
    slope = numeric_gradient(loss, logits)
    expect_all(
        [("L", got_loss, loss(), of_loss), ("dlogits", got, slope, of_gradient)], tolerance=1e-7
    )


def test_soft_cross_entropy_of_large_logits(exercise):
    logits, y = np.array([[1000.0, -1000.0]]), np.array([[0.5, 0.5]])
    got_loss, got = pair_of(quietly(exercise.soft_cross_entropy, logits, y))
    if not np.isfinite(got_loss):
        fail("L: not finite for logits of 1000. Compute the logarithm of the softmax in one step.")
    expect("L for logits of 1000", got_loss, 1000.0)
    expect("dlogits for logits of 1000", got, [[0.5, -0.5]])


def test_binary_cross_entropy(exercise):
    z, y = np.array([-2.0, -0.5, 0.3, 1.0, 4.0]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])

    def loss():
        p = 1 / (1 + np.exp(-z))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    got_loss, got = pair_of(exercise.binary_cross_entropy(z, y))
    p = 1 / (1 + np.exp(-z))
    swapped = -(y * np.log(1 - p) + (1 - y) * np.log(p)).mean()
    same = "both parts are equal; a yes needs logaddexp(0, -z), a no logaddexp(0, z)."
    causes = [
        (5 * loss(), "this is the sum; the loss is the mean."),
        (-loss(), "the sign is wrong."),
        (-(y * np.log(p)).mean(), "the second part is missing: a no counts as much as a yes."),
        (swapped, "z and -z are swapped: -ln p is logaddexp(0, -z)."),
        (np.log(1 + np.exp(z)).mean(), same),
        (np.log(1 + np.exp(-z)).mean(), same),
    ]
    of_gradient = [
        (p - y, "1/N is missing: the loss is a mean."),
        ((y - p) / 5, "the sign is wrong: it is p - y."),
        (((1 - p) - y) / 5, "you have 1 - p in place of p: p = 1 / (1 + e^(-z))."),
        ((p - y) / (p * (1 - p)) / 5, "this is dL/dp; dp/dz = p (1 - p) cancels the denominator."),
        ((p - y) * p * (1 - p) / 5, "you multiply by p (1 - p) once too often; it cancels."),
    ]
    slope = numeric_gradient(loss, z)
    expect_all([("L", got_loss, loss(), causes), ("dz", got, slope, of_gradient)], tolerance=1e-7)


def test_binary_cross_entropy_of_large_logits(exercise):
    z, y = np.array([1000.0, -1000.0]), np.array([0.0, 1.0])
    got_loss, got = pair_of(quietly(exercise.binary_cross_entropy, z, y))
    if not np.isfinite(got_loss):
        fail("L: not finite for z = 1000. Compute ln p and ln(1 - p) from z, not from p.")
    expect("L for z of 1000", got_loss, 1000.0)
    expect("dz for z of 1000", got, [0.5, -0.5])


def test_temperature(exercise):
    u = (-1 + np.sqrt(1 + 4 * (1 / 0.9 - 1))) / 2  # 1 + u + u^2 = 1 / 0.9 with u = e^(-1/T)
    right = -1 / np.log(u)
    causes = [
        (1 / right, "this is 1 / T: divide the logits by T."),
        (1.0, "at T = 1 the largest probability is 0.67."),
    ]
    got = exercise.temperature()
    expect("temperature", got, right, causes, tolerance=0.02)


def test_softmax_by_hand(exercise):
    p = np.array([1, 2, 5]) / 8
    right = {"probabilities": p, "L": -np.log(5 / 8), "dlogits": p - [0, 0, 1]}
    causes = {
        "probabilities": [
            (np.log([1, 2, 5]) / np.log([1, 2, 5]).sum(), "divide the powers e^z, not the logits.")
        ],
        "L": [(np.log(5 / 8), "minus the logarithm."), (5 / 8, "this is p; take -ln p.")],
        "dlogits": [
            ([0, 0, 1] - p, "the sign is wrong: p - y."),
            ([0, 0, -8 / 5], "this is dL/dp; continue through the softmax: p - y."),
            ([0, 0, p[2] - 1], "the wrong classes have a gradient too: their p."),
        ],
    }
    expect_dict(exercise.softmax_by_hand(), right, causes)
