"""Solutions of the exercises for 01_one_neuron: one way among several, and why."""

import math

# ---- fill ----


def slope(f, at, h=1e-5):
    """Return the central difference of `f`, a function of one number, at the point `at`."""
    # Both sides: the curvature, which spoils the one-sided difference, cancels.
    return (f(at + h) - f(at - h)) / (2 * h)


def sigmoid_neuron_gradient(x, w, b, y):
    """Return the derivatives of the loss of a neuron whose output lies between 0 and 1."""
    s = 1 / (1 + math.exp(-(x * w + b)))
    ds = s - y
    dz = ds * s * (1 - s)  # one more link of the chain: from s to z
    return dz * x, dz


def descend(gradient, w, b, learning_rate, steps):
    """Run gradient descent."""
    for _ in range(steps):
        # Both slopes at the same point, before anything moves.
        dw, db = gradient(w, b)
        w -= learning_rate * dw
        b -= learning_rate * db
    return w, b


# ---- explore ----


def largest_learning_rate():
    """Find the largest learning rate, to three decimals, that does not leave the valley."""
    # Each step multiplies w by 1 - 9 a. That stays between -1 and 1 up to a = 2 / 9 = 0.222...
    rates = [i / 1000 for i in range(1, 1000)]
    ends = [descend(lambda w, b: (9 * w, 0.0), 1.0, 0.0, rate, 200)[0] for rate in rates]
    return max(rate for rate, w in zip(rates, ends, strict=True) if abs(w) < 1)


# ---- paper ----


def one_step_by_hand():
    """Take one step by hand: forward, backward, and down. Write down numbers."""
    # z = 2 * 1 + 0.5. dz = z - y = 1; dw = dz * x; db = dz. Each parameter moves by -0.1 * slope.
    return {"z": 2.5, "dz": 1.0, "dw": 2.0, "db": 1.0, "new w": 0.8, "new b": 0.4}
