"""Solutions of the exercises for 01_one_neuron: one way among several."""

import math


def slope(f, at, h=1e-5):
    """Return the central difference of `f`, a function of one number, at the point `at`."""
    return (f(at + h) - f(at - h)) / (2 * h)


def sigmoid_neuron_gradient(x, w, b, y):
    """Return the derivatives of the loss of a neuron whose output lies between 0 and 1."""
    s = 1 / (1 + math.exp(-(x * w + b)))
    ds = s - y
    dz = ds * s * (1 - s)
    return dz * x, dz


def descend(gradient, w, b, learning_rate, steps):
    """Run gradient descent."""
    for _ in range(steps):
        dw, db = gradient(w, b)
        w -= learning_rate * dw
        b -= learning_rate * db
    return w, b
