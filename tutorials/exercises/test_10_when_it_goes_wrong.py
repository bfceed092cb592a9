"""Checks the exercises of 10_when_it_goes_wrong: `.venv/bin/pytest tutorials/exercises -k 10`."""

import numpy as np
from diagnosis import expect, fail


def test_standardize(exercise):
    rng = np.random.default_rng(0)
    x_train = rng.normal(size=(20, 4)) * [1, 10, 100, 0.1] + [0, 5, -5, 1]
    x_new = rng.normal(size=(8, 4)) * [2, 10, 50, 0.1] + [1, 5, 5, 1]
    before = x_train.copy(), x_new.copy()
    got = _both(exercise.standardize(x_train, x_new))
    expect("the x_train passed to standardize (do not change it)", x_train, before[0])
    expect("the x_new passed to standardize (do not change it)", x_new, before[1])
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    together = np.concatenate([x_train, x_new])
    causes = [
        ((x_train - mean) / std**2, "divide by the standard deviation, not by the variance."),
        (x_train - mean, "the mean is subtracted; the division is missing."),
        ((x_train - x_train.mean()) / x_train.std(), "each feature has its own mean: axis=0."),
        ((x_train - mean) / x_train.std(axis=0, ddof=1), "divide by N, not N - 1: plain std()."),
        (
            (x_train - together.mean(axis=0)) / together.std(axis=0),
            "measure mean and deviation on the training set alone, without the new samples.",
        ),
        ((x_train - mean) / (std + 1e-8), _EPSILON),
    ]
    expect("x_train, standardized", got[0], (x_train - mean) / std, causes)
    causes = [
        (
            (x_new - x_new.mean(axis=0)) / x_new.std(axis=0),
            "use the training set's mean and deviation; with others, the same x gets other values.",
        ),
        ((x_new - mean) / x_new.std(axis=0), "use the training set's deviation here too."),
        ((x_new - x_new.mean(axis=0)) / std, "use the training set's mean here too."),
        (x_new, "scale the new samples too, with the training set's mean and deviation."),
    ]
    expect("x_new, standardized", got[1], (x_new - mean) / std, causes)


_EPSILON = "you add a small number to the deviation; replace it only where it is 0."


def test_standardize_a_constant_feature(exercise):
    x_train, x_new = np.array([[1.0, 3.0], [3.0, 3.0]]), np.array([[2.0, 3.5]])
    with np.errstate(divide="ignore", invalid="ignore"):
        got = _both(exercise.standardize(x_train, x_new))
    name = "with a constant feature"
    expect(f"x_train {name}", got[0], [[-1, 0], [1, 0]])
    constant = "where the training set is constant, subtract the mean and do not divide."
    if np.shape(got[1]) == x_new.shape and np.abs(got[1]).max() > 1e3:
        fail(f"x_new {name}: {constant}")
    expect(f"x_new {name}", got[1], [[0, 0.5]], [([[0, 0]], constant)])


def test_dead_share(exercise):
    hidden = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.5]])
    causes = [
        (8 / 12, "this is the share of zeros; a unit is dead only if all samples give 0."),
        (0.75, "this is the share of units that are alive."),
        (0.0, "test all samples of a unit (axis=0), not all units of a sample."),
        (1, "this is the number of dead units; divide it by the number of units."),
    ]
    expect("dead_share", exercise.dead_share(hidden), 0.25, causes)


def test_dropout_in_training(exercise):
    x, dy = np.random.default_rng(1).normal(size=(2, 50, 20))
    layer = exercise.Dropout(0.2, np.random.default_rng(2))
    y = layer.forward(x, training=True)
    draw = np.random.default_rng(2).random(x.shape)
    alive = draw >= 0.2
    causes = [
        (x * alive, "divide the numbers that stay by 1 - rate."),
        (x * ~alive / 0.8, "drop where the number is below the rate; you keep those."),
        (x * ~alive / 0.2, "drop where the number is below the rate; you keep those."),
        (x * (draw < 0.8) / 0.8, "drop where the number is below the rate, not from 1 - rate on."),
        (x * alive * 0.8, "divide by 1 - rate; you multiplied."),
        (x * alive / 0.2, "divide by 1 - rate, the share that stays, not by the rate."),
        (x, "nothing was dropped, although training=True."),
    ]
    if np.shape(y) == x.shape and not any(np.allclose(y, known) for known, _ in causes):
        stays = np.asarray(y) != 0
        if (stays != alive).any() and np.allclose(y, x * stays / 0.8):
            fail(
                "forward in training: other units are dropped than self.rng.random(x.shape) says; "
                "draw from self.rng, and only once in each forward."
            )
    expect("forward in training", y, x * alive / 0.8, causes)
    causes = [
        (dy * alive, "forward scales by 1 / (1 - rate), so backward must do it too."),
        (dy, "the gradient of a dropped number is 0."),
    ]
    expect("backward after training", layer.backward(dy), dy * alive / 0.8, causes)
    if np.array_equal(layer.forward(x, training=True), y):
        fail("Dropout: two passes dropped the same units; draw new numbers in each forward.")


def test_dropout_in_evaluation(exercise):
    x, dy = np.random.default_rng(3).normal(size=(2, 5, 4))
    layer = exercise.Dropout(0.5, np.random.default_rng(4))
    layer.forward(x, training=True)
    expect("forward in evaluation: x unchanged", layer.forward(x, training=False), x)
    name = "backward after evaluation: dy unchanged (the mask belongs to an earlier forward)"
    expect(name, layer.backward(dy), dy)


def _both(answer):
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        fail("standardize: return both arrays, separated by a comma.")
    return answer


def test_gradient_through_sigmoids(exercise):
    causes = [(1.0, "the weights keep the gradient's size, but the sigmoid's derivative does not.")]
    got = exercise.gradient_through_sigmoids()
    if np.shape(got) == () and 0 < got < 1e-4:
        fail("gradient_through_sigmoids: this is for ten layers; take the power 1/10.")
    expect("gradient_through_sigmoids", got, 0.235, causes, tolerance=0.1)


def test_read_the_curves(exercise):
    right = {"A": "dead units", "B": "learning rate too large"}
    right |= {"C": "overfitting", "D": "shuffled labels"}
    hints = {
        "A": "not the last digit moves: no gradient arrives.",
        "B": "the training loss itself grows.",
        "C": "new images are recognized at first: 0.33 is far below ln 10.",
        "D": "new images are never better than ln 10 = 2.303, a guess, while training improves.",
    }
    got = exercise.read_the_curves()
    if not isinstance(got, dict) or set(got) != set(right):
        fail("read_the_curves: expected a dict with the keys A, B, C, D.")
    for name, word in got.items():
        if word not in right.values():
            fail(f"{name}: {word!r} is none of the four faults.")
    wrong = [name for name in right if got[name] != right[name]]
    if wrong:
        lines = [f"  {n}  " + (f"wrong: {hints[n]}" if n in wrong else "right") for n in right]
        fail("\n".join(["read_the_curves:", *lines]))
