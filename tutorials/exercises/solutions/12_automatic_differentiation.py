"""Solutions of the exercises for 12_automatic_differentiation: one way among several, and why."""

import itertools
import math

import numpy as np


class Value:
    """A number that remembers from which numbers it was computed."""

    made = itertools.count()

    def __init__(self, value, *edges):
        self.value = value
        self.edges = edges  # pairs (operand, slope)
        self.order = next(Value.made)
        self.gradient = 0.0


class Tensor:
    """An array that remembers from which arrays it was computed."""

    def __init__(self, value, *edges):
        self.value = np.asarray(value, dtype=np.float64)
        self.edges = edges  # pairs (operand, function from dy to the operand's share)
        self.order = next(Value.made)
        self.gradient = None


# ---- paper ----


def by_pencil():
    """Walk back through a graph by hand."""
    # v = -6, u = -3. The slope of result = u * v is v for u, and u for v.
    du = -6
    # v acts directly, with the slope u, and through u, with the slope 1.
    dv = -3 + du * 1
    # a acts through v, with the slope b, and through u, with the slope 1.
    return {"u": du, "v": dv, "a": dv * -2 + du * 1, "b": dv * 3}


# ---- fill ----


def tanh(a):
    """Compute tanh for a Value."""
    value = math.tanh(a.value)  # computed once, used for the slope too
    return Value(value, (a, 1 - value**2))


def divide(a, b):
    """Compute a / b for two Values."""
    # With b fixed this is a times 1/b. With a fixed, 1/b has the derivative -1/b^2.
    return Value(a.value / b.value, (a, 1 / b.value), (b, -a.value / b.value**2))


def mean_of_rows(a):
    """Compute the mean over the rows of a Tensor, (N, F) -> (F,)."""
    n = len(a.value)
    # Every row gets the same share: a mean uses each number once, with the slope 1/N.
    return Tensor(a.value.mean(axis=0), (a, lambda dy: np.ones((n, 1)) * dy / n))


# ---- explore ----


def first_broken_logit(dtype):
    """Find the logit from which on the loss without the shift breaks."""
    # The largest float64 is about e^709.8, the largest float32 about e^88.7.
    return next(z for z in itertools.count() if np.isinf(np.exp(dtype(z))))


# ---- fill * ----


def take_rows(table, indices):
    """Take rows of a Tensor by their numbers, as `table[indices]` does."""

    def share(dy):
        total = np.zeros_like(table.value)
        # total[indices] += dy would keep only the last of several additions to a row.
        np.add.at(total, indices, dy)
        return total

    return Tensor(table.value[indices], (table, share))
