"""Checks the exercises of 03_softmax: `pytest tutorials/exercises -k 03`."""

import numpy as np
from diagnosis import expect, fail, numeric_gradient

from numpymlp import log_softmax, softmax


def pair_of(got):
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected a pair, the loss and its gradient, got {type(got).__name__}")
    return got


def quietly(f, *arguments):
    """Overflow is judged by what comes out, not by NumPy's warning on the way."""
    with np.errstate(all="ignore"):
        return f(*arguments)


def test_log_sum_exp(exercise):
    logits = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [-5.0, 0.5, 2.0]])
    right = np.log(np.exp(logits).sum(axis=1))
    top = logits.max(axis=1)
    causes = [
        (right - top, "you subtracted the largest logit; it must be added again at the end."),
        (right[:, None], "one number for each row: the shape is (N,), without the kept axis."),
        (np.log(np.exp(logits).sum()), "sum along each row (axis=1), not over the whole batch."),
        (np.log(np.exp(logits).sum(axis=0)), "this sums over the samples; a row has axis=1."),
    ]
    expect("log_sum_exp", quietly(exercise.log_sum_exp, logits), right, causes)


def test_log_sum_exp_of_large_logits(exercise):
    logits = np.array([[1000.0, 0.0], [-1000.0, -1000.0], [1000.0, 1000.0]])
    got = quietly(exercise.log_sum_exp, logits)
    if np.shape(got) == (3,) and not np.isfinite(got).all():
        fail(
            "log_sum_exp: e^1000 overflowed, or all powers of a row became 0. Subtract the row's "
            "own largest logit first; the largest of the whole batch will not do."
        )
    expect("log_sum_exp", got, [1000, -1000 + np.log(2), 1000 + np.log(2)])


def test_soft_cross_entropy(exercise):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3))
    targets = softmax(rng.normal(size=(4, 3)))

    def loss():
        return -(targets * log_softmax(logits)).sum(axis=1).mean()

    got_loss, got = pair_of(exercise.soft_cross_entropy(logits, targets))
    p = softmax(logits)
    hard = -log_softmax(logits)[np.arange(4), targets.argmax(axis=1)].mean()
    binary = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum(axis=1).mean()
    expect(
        "L",
        got_loss,
        loss(),
        [
            (4 * loss(), "this is the sum over the batch; the loss is the mean."),
            (loss() / 3, "this is a mean over the classes too; sum over them."),
            (-loss(), "the sign is wrong: logarithms of probabilities are negative."),
            (hard, "you took only the likeliest class of each target; all of them count."),
            (binary, "the part with 1 - t belongs to yes-or-no answers, not to a softmax."),
        ],
    )
    expect(
        "dlogits",
        got,
        numeric_gradient(loss, logits),
        [
            (p - targets, "1/N is missing: the loss is the mean over the batch."),
            ((targets - p) / 4, "the sign is wrong: it is p - t."),
            (-targets / p / 4, "this is dL/dp; go on through the softmax to the logits."),
            ((log_softmax(logits) - targets) / 4, "that is ln p - t; the gradient has p itself."),
        ],
        tolerance=1e-7,
    )


def test_soft_cross_entropy_of_large_logits(exercise):
    logits, targets = np.array([[1000.0, -1000.0]]), np.array([[0.5, 0.5]])
    got_loss, got = pair_of(quietly(exercise.soft_cross_entropy, logits, targets))
    if not np.isfinite(got_loss):
        fail("L: not finite for logits of 1000. Take the logarithm of the softmax in one step.")
    expect("L for logits of 1000", got_loss, 1000.0)
    expect("dlogits for logits of 1000", got, [[0.5, -0.5]])


def test_binary_cross_entropy(exercise):
    z, t = np.array([-2.0, -0.5, 0.3, 1.0, 4.0]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])

    def loss():
        p = 1 / (1 + np.exp(-z))
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    got_loss, got = pair_of(exercise.binary_cross_entropy(z, t))
    p = 1 / (1 + np.exp(-z))
    causes = [
        (5 * loss(), "this is the sum; the loss is the mean."),
        (-loss(), "the sign is wrong."),
        (-(t * np.log(p)).mean(), "the second part is missing: a no counts as much as a yes."),
    ]
    expect("L", got_loss, loss(), causes)
    causes = [
        (p - t, "1/N is missing: the loss is a mean."),
        ((t - p) / 5, "the sign is wrong: it is p - t."),
        ((p - t) / (p * (1 - p)) / 5, "this is dL/dp; dp/dz = p (1 - p) cancels the denominator."),
        ((p - t) * p * (1 - p) / 5, "p (1 - p) is in there once too often; it cancels."),
    ]
    expect("dz", got, numeric_gradient(loss, z), causes, tolerance=1e-7)


def test_binary_cross_entropy_of_large_logits(exercise):
    z, t = np.array([1000.0, -1000.0]), np.array([0.0, 1.0])
    got_loss, got = pair_of(quietly(exercise.binary_cross_entropy, z, t))
    if not np.isfinite(got_loss):
        fail("L: not finite for z = 1000. Compute ln p and ln(1 - p) from z, not from p.")
    expect("L for z of 1000", got_loss, 1000.0)
    expect("dz for z of 1000", got, [0.5, -0.5])
