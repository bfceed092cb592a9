"""Exercises for 12_automatic_differentiation. Check them with:

    .venv/bin/pytest tutorials/exercises -k 12

Replace each line that raises NotImplementedError with your own code. `Value` and `Tensor` are the
classes of the page.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

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
    """Walk back through a graph by hand.

    With a = 3 and b = -2, compute v = a * b, then u = v + a, then result = u * v. Draw the graph.
    Write the slope at each arrow. Then find the gradient of the result with respect to u, v, a and
    b, in this order. Note that v acts along two paths.

    Returns: the dict {"u": ..., "v": ..., "a": ..., "b": ...}, with numbers in place of the dots.
    """
    raise NotImplementedError("by_pencil")


# ---- fill ----


def tanh(a):
    """Compute tanh for a Value.

    Its derivative at a is 1 - tanh(a)^2. For plain numbers there is `math.tanh`.
    Returns: a Value with one edge.
    """
    raise NotImplementedError("tanh")


def divide(a, b):
    """Compute a / b for two Values.

    Returns: a Value with two edges, first to a, then to b. Find both slopes: first keep b fixed,
    then a.
    """
    raise NotImplementedError("divide")


def mean_of_rows(a):
    """Compute the mean over the rows of a Tensor, (N, F) -> (F,).

    Returns: a Tensor with one edge. Its function turns dy, of shape (F,), into the share of a, of
    shape (N, F).
    """
    raise NotImplementedError("mean_of_rows")


# ---- explore ----


def first_broken_logit(dtype):
    """Find the logit from which on the loss without the shift breaks.

    For the logits z and 0, the page computed ln(e^z + e^0) without the shift, and got infinity for
    z = 800. Find the smallest whole number z >= 0 for which this happens. Guess first. Then search:
    `np.exp(dtype(z))` computes in the given type.

    Parameters: dtype, np.float64 or np.float32.
    Returns: an integer.
    """
    raise NotImplementedError("first_broken_logit")


# ---- fill * ----


def take_rows(table, indices):
    """Take rows of a Tensor by their numbers, as `table[indices]` does.

    Language models look up the vector of each word in this way. The same row may be taken several
    times, so think of "wherever the forward pass repeats". `np.add.at` may help.

    Shapes: table (R, F), indices (N,), a plain array of integers; the result (N, F).
    Returns: a Tensor with one edge, to the table.
    """
    raise NotImplementedError("take_rows")
