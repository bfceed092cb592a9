"""Check the exercises of 06_layers_as_classes: `.venv/bin/pytest tutorials/exercises -k 06`."""

import numpy as np
from diagnosis import expect, expect_all, expect_dict, fail, numeric_gradient


def test_leaky_relu(exercise):
    layer = exercise.LeakyReLU(0.25)
    x, dy = np.array([[2.0, -2.0], [-0.5, 4.0]]), np.array([[1.0, -3.0], [5.0, 7.0]])
    before = x.copy()
    causes = [
        (np.maximum(x, 0), "this is ReLU; below zero, y is slope * x."),
        (np.where(x > 0, x, -0.25 * x), "below zero, y = slope * x is negative."),
        (np.where(x > 0, x, 0.1 * x), "use self.slope; here it is 0.25, not the default 0.1."),
    ]
    expect("y", layer.forward(x), np.where(x > 0, x, 0.25 * x), causes)
    expect("x (your forward changed its input)", x, before)
    causes = [
        (np.where(x > 0, dy, 0), "this is ReLU's gradient; below zero it is slope * dy."),
        (np.where(dy > 0, dy, 0.25 * dy), "use the sign of x, from the cache, not that of dy."),
        (np.where(x > 0, 1, 0.25), "this is the derivative of y by x; multiply it by dy."),
        (np.where(x > 0, dy, 0.1 * dy), "use self.slope; here it is 0.25, not the default 0.1."),
    ]
    expect("dx", layer.backward(dy), np.where(x > 0, dy, 0.25 * dy), causes)


def scale(exercise):
    rng = np.random.default_rng(0)
    layer = exercise.Scale(3)
    layer.factor[...], layer.shift[...] = rng.normal(size=3), rng.normal(size=3)
    return layer, rng.normal(size=(5, 3)), rng.normal(size=(5, 3))


def test_scale(exercise):
    layer, x, dy = scale(exercise)
    expect("y", layer.forward(x), layer.factor * x + layer.shift)
    dx = layer.backward(dy)

    def f():
        return (dy * (layer.factor * x + layer.shift)).sum()

    mean = "sum over the batch; dy contains the mean already."
    zero = np.zeros(3)
    of_x = [(dy, "forward multiplies x by the factor, so backward multiplies dy by it.")]
    of_factor = [
        ((dy * x).mean(axis=0), mean),
        (dy.sum(axis=0), "x is missing: forward multiplies the factor by x, so sum dy * x."),
        (
            (dy * x * layer.factor).sum(axis=0),
            "the gradient of the factor is the sum of dy * x only.",
        ),
        (zero, "it is still 0: write the gradient into self.dfactor[...]."),
    ]
    of_shift = [
        (dy.mean(axis=0), mean),
        (zero, "it is still 0: write the gradient into self.dshift[...]."),
    ]
    expect_all(
        [
            ("dx", dx, numeric_gradient(f, x), of_x),
            ("dfactor", layer.dfactor, numeric_gradient(f, layer.factor), of_factor),
            ("dshift", layer.dshift, numeric_gradient(f, layer.shift), of_shift),
        ],
        tolerance=1e-7,
    )


def test_scale_writes_into_its_arrays(exercise):
    layer, x, dy = scale(exercise)
    vector = np.zeros(6)
    layer.dfactor, layer.dshift = vector[:3], vector[3:]
    for _ in range(2):
        layer.forward(x)
        layer.backward(dy)
    for name in ("dfactor", "dshift"):
        if not np.shares_memory(getattr(layer, name), vector):
            fail(f"{name} was replaced by a new array: write into it with self.{name}[...] = ...")
    right = np.concatenate([(dy * x).sum(axis=0), dy.sum(axis=0)])
    causes = [(2 * right, "backward must overwrite old gradients, not add to them.")]
    expect("the vector of gradients after two batches", vector, right, causes)


def test_mean_squared_error(exercise):
    rng = np.random.default_rng(0)
    outputs, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    loss = exercise.MeanSquaredError()

    def right():
        return ((outputs - y) ** 2).sum(axis=1).mean() / 2

    causes = [
        (2 * right(), "the half is missing."),
        (right() / 3, "sum over the outputs; the mean is over the samples only."),
        (4 * right(), "this is the sum over the samples; the loss is their mean."),
    ]
    expect("loss", loss.forward(outputs, y), right(), causes)
    difference = outputs - y
    causes = [
        (difference, "1/N is missing: the loss is a mean over the samples."),
        (-difference / 4, "the sign is wrong: it is outputs - y."),
        (difference / 12, "you divide by the number of outputs too; the loss sums over them."),
        (2 * difference / 4, "a factor 2 too much: the half in the loss cancels it."),
        (difference / 8, "a factor 1/2 is left: the 2 of the square cancels the half in the loss."),
    ]
    expect(
        "the gradient", loss.backward(), numeric_gradient(right, outputs), causes, tolerance=1e-7
    )


def test_one_object_twice(exercise):
    got = exercise.one_object_twice()
    if not isinstance(got, set):
        fail("one_object_twice: return a set, such as {2, 3}.")
    if 3 in got:
        fail("one_object_twice: dW of the last layer needs only its own input and dy.")
    if 2 in got:
        fail(
            "one_object_twice: between the second Dense and the loss, relu's cache is its last one."
        )
    if got != {1}:
        fail("one_object_twice: one is wrong: which cache does relu have when it is used last?")


def test_numbers_by_hand(exercise):
    right = {"parameters": 101_770, "gradients": 101_770, "caches": 91_200}
    causes = {
        "parameters": [
            (784 * 128 + 128 * 10, "each unit has a bias too."),
            (101_632, "the 10 units of the last layer have a bias, and the 128 too."),
        ],
        "gradients": [(100 * 101_770, "gradients are summed over the batch.")],
        "caches": [
            (912, "this is for one sample; the batch has 100."),
            (100 * 138, "a Dense layer keeps its input, not its output."),
            (100 * 922, "the output of the network is no input of a layer."),
        ],
    }
    expect_dict(exercise.numbers_by_hand(), right, causes)
