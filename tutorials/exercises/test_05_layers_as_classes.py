"""Checks the exercises of 05_layers_as_classes: `pytest tutorials/exercises -k 05`."""

import numpy as np
from diagnosis import expect, fail, numeric_gradient


def test_leaky_relu(exercise):
    layer = exercise.LeakyReLU(0.25)
    x, dy = np.array([[2.0, -2.0], [-0.5, 4.0]]), np.array([[1.0, -3.0], [5.0, 7.0]])
    before = x.copy()
    causes = [
        (np.maximum(x, 0), "this is ReLU; below zero, slope * x passes."),
        (np.where(x > 0, x, -0.25 * x), "below zero, y = slope * x keeps the sign of x."),
        (np.where(x > 0, x, 0.1 * x), "use self.slope; here it is 0.25, not the default 0.1."),
    ]
    expect("y", layer.forward(x), np.where(x > 0, x, 0.25 * x), causes)
    expect("x (your forward changed its input)", x, before)
    causes = [
        (np.where(x > 0, dy, 0), "this is ReLU's gradient; below zero it is slope * dy."),
        (np.where(dy > 0, dy, 0.25 * dy), "you asked whether dy is positive; ask x, as kept."),
        (np.where(x > 0, 1, 0.25), "this is dy/dx; multiply it by the dy that arrives."),
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

    mean = "sum over the batch; whatever mean there is, is in dy already."
    causes = [
        (dy, "x is multiplied by the factor on the way forward, and so is dy on the way back.")
    ]
    expect("dx", dx, numeric_gradient(f, x), causes, tolerance=1e-7)
    causes = [
        ((dy * x).mean(axis=0), mean),
        (dy.sum(axis=0), "each dy counts as much as the x that the factor was multiplied by."),
        ((dy * x * layer.factor).sum(axis=0), "the factor itself is not part of its slope."),
        (np.zeros(3), "it is still 0: write the gradient into self.dfactor[...]."),
    ]
    expect("dfactor", layer.dfactor, numeric_gradient(f, layer.factor), causes, tolerance=1e-7)
    causes = [
        (dy.mean(axis=0), mean),
        (np.zeros(3), "it is still 0: write the gradient into self.dshift[...]."),
    ]
    expect("dshift", layer.dshift, numeric_gradient(f, layer.shift), causes, tolerance=1e-7)


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
    causes = [(2 * right, "the gradients of two batches were added up; each batch begins anew.")]
    expect("the vector of gradients after two batches", vector, right, causes)


def test_mean_squared_error(exercise):
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    loss = exercise.MeanSquaredError()

    def right():
        return ((y - t) ** 2).sum(axis=1).mean() / 2

    causes = [
        (2 * right(), "the half is missing."),
        (right() / 3, "sum over the outputs; the mean is over the samples alone."),
        (4 * right(), "this is the sum over the samples; the loss is their mean."),
    ]
    expect("loss", loss.forward(y, t), right(), causes)
    causes = [
        (y - t, "1/N is missing: the loss is a mean over the samples."),
        ((t - y) / 4, "the sign is wrong: y - t."),
        ((y - t) / 12, "you divide by the number of outputs too; the loss sums over them."),
        (2 * (y - t) / 4, "a factor 2 too much: the half in the loss cancels it."),
    ]
    expect("dy", loss.backward(), numeric_gradient(right, y), causes, tolerance=1e-7)
