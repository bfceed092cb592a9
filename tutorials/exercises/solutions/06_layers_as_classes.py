"""Solutions of the exercises for 06_layers_as_classes: one way among several, and why."""

import numpy as np

# ---- fill ----


class LeakyReLU:
    """A ReLU that is not 0 below zero: y = x where x > 0, else slope * x."""

    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        self.cache = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy):
        x = self.cache  # its sign, not that of dy, says which slope was used
        return np.where(x > 0, dy, self.slope * dy)


class Scale:
    """Multiply each feature by its own factor and add its own shift: y = factor * x + shift."""

    def __init__(self, features):
        self.factor, self.shift = np.ones(features), np.zeros(features)
        self.dfactor, self.dshift = np.zeros(features), np.zeros(features)

    def forward(self, x):
        self.cache = x
        return self.factor * x + self.shift

    def backward(self, dy):
        x = self.cache
        # One factor serves all samples, so its gradient is a sum over them.
        self.dfactor[...] = (dy * x).sum(axis=0)
        self.dshift[...] = dy.sum(axis=0)
        return dy * self.factor


class MeanSquaredError:
    """A loss: the mean over the samples of sum over the outputs of (output - target)^2 / 2."""

    def forward(self, outputs, y):
        """Return the loss for the targets y; leave in self.cache what `backward` needs."""
        self.cache = outputs - y
        return (self.cache**2).sum(axis=1).mean() / 2

    def backward(self):
        """Return the gradient of the loss with respect to the outputs."""
        difference = self.cache
        # The 2 of the square cancels the half.
        return difference / len(difference)


# ---- explore * ----


def one_object_twice():
    """Find out what goes wrong if one ReLU object stands at two places of a network."""
    # The second forward overwrites the cache of the first. On the way back, the ReLU behind the
    # first Dense therefore masks with the units of the other place: only the first dW is wrong.
    from numpymlp import Dense, ReLU

    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    dense = [Dense(i, o, rng=rng) for i, o in ((3, 4), (4, 4), (4, 2))]
    found = []
    for first, second in ((ReLU(), ReLU()), (ReLU(),) * 2):
        chain = [dense[0], first, dense[1], second, dense[2]]
        signal, gradient = x, dy
        for layer in chain:
            signal = layer.forward(signal)
        for layer in reversed(chain):
            gradient = layer.backward(gradient)
        found.append([layer.dW.copy() for layer in dense])
    return {i + 1 for i in range(3) if not np.allclose(found[0][i], found[1][i])}


# ---- paper ----


def numbers_by_hand():
    """Count by hand the numbers that a network 784-128-10 of two Dense layers holds."""
    # Parameters do not depend on the batch, caches do: for large batches they need more memory.
    parameters = 784 * 128 + 128 + 128 * 10 + 10
    return {"parameters": parameters, "gradients": parameters, "caches": 100 * 784 + 100 * 128}
