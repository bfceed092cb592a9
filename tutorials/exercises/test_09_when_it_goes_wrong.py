"""Checks the exercises of 09_when_it_goes_wrong: `pytest tutorials/exercises -k 09`."""

import numpy as np
from diagnosis import expect, fail


def test_standardize(exercise):
    rng = np.random.default_rng(0)
    x_train = rng.normal(size=(20, 4)) * [1, 10, 100, 0.1] + [0, 5, -5, 1]
    x_new = rng.normal(size=(8, 4)) * [2, 10, 50, 0.1] + [1, 5, 5, 1]
    kept = x_train.copy()
    got = _both(exercise.standardize(x_train, x_new))
    expect("the x_train that standardize was given (you changed it)", x_train, kept)
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    causes = [
        ((x_train - mean) / std**2, "divide by the standard deviation, not by the variance."),
        (x_train - mean, "the mean is off; the division is missing."),
        ((x_train - x_train.mean()) / x_train.std(), "each feature has its own mean: axis=0."),
        ((x_train - mean) / x_train.std(axis=0, ddof=1), "divide by N, not N - 1: plain std()."),
    ]
    expect("x_train, standardized", got[0], (x_train - mean) / std, causes)
    causes = [
        (
            (x_new - x_new.mean(axis=0)) / x_new.std(axis=0),
            "use the training set's mean and deviation, or a sample means another thing here.",
        ),
        ((x_new - mean) / x_new.std(axis=0), "use the training set's deviation here, too."),
        ((x_new - x_new.mean(axis=0)) / std, "use the training set's mean here, too."),
        (x_new, "treat the new samples as the training samples."),
    ]
    expect("x_new, standardized", got[1], (x_new - mean) / std, causes)


def test_standardize_a_constant_feature(exercise):
    x_train, x_new = np.array([[1.0, 3.0], [3.0, 3.0]]), np.array([[2.0, 3.5]])
    with np.errstate(divide="ignore", invalid="ignore"):
        got = _both(exercise.standardize(x_train, x_new))
    name = "with a constant feature"
    expect(f"x_train {name}", got[0], [[-1, 0], [1, 0]])
    causes = [([[0, 0]], "where training was constant, only take off the mean.")]
    expect(f"x_new {name}", got[1], [[0, 0.5]], causes)


def test_dead_share(exercise):
    hidden = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.5]])
    causes = [
        (8 / 12, "this is the share of zeros; a unit is dead only if all samples give 0."),
        (0.75, "this is the share of units that are alive."),
        (0.0, "look along the samples (axis=0), not along the units."),
        (1, "this is the number of dead units; divide by how many there are."),
    ]
    expect("dead_share", exercise.dead_share(hidden), 0.25, causes)


def test_dropout_in_training(exercise):
    x, dy = np.random.default_rng(1).normal(size=(2, 50, 20))
    layer = exercise.Dropout(0.2, np.random.default_rng(2))
    y = layer.forward(x, training=True)
    draw = np.random.default_rng(2).random(x.shape)
    alive = draw >= 0.2
    causes = [
        (x * alive, "what is left must be divided by 1 - rate."),
        (x * ~alive / 0.8, "a number below the rate means dropped: you keep those."),
        (x * ~alive / 0.2, "a number below the rate means dropped: you keep those."),
        (x * alive * 0.8, "divide by 1 - rate; you multiplied."),
        (x * alive / 0.2, "divide by 1 - rate, the share that stays, not by the rate."),
        (x, "nothing was dropped, although training=True."),
    ]
    expect("forward in training", y, x * alive / 0.8, causes)
    causes = [
        (dy * alive, "forward scales by 1 / (1 - rate), and so must backward."),
        (dy, "the gradient of a dropped number is 0."),
    ]
    expect("backward after training", layer.backward(dy), dy * alive / 0.8, causes)
    if np.array_equal(layer.forward(x, training=True), y):
        fail("Dropout: two passes dropped the same units; draw anew in each forward.")


def test_dropout_in_evaluation(exercise):
    x, dy = np.random.default_rng(3).normal(size=(2, 5, 4))
    layer = exercise.Dropout(0.5, np.random.default_rng(4))
    layer.forward(x, training=True)
    expect("forward in evaluation: x as it is", layer.forward(x, training=False), x)
    name = "backward after evaluation: dy as it is (the mask of the training pass is out of date)"
    expect(name, layer.backward(dy), dy)


def _both(answer):
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        fail("standardize: return both arrays, separated by a comma.")
    return answer
