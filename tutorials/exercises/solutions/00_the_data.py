"""Solutions of the exercises for 00_the_data: one way among several, and why."""

import numpy as np

# ---- fill * ----


def recentre(image):
    """Move a digit so that its centre of mass lies in the middle, as in all images of MNIST."""
    total = image.sum()
    height, width = image.shape
    # The ink of each row, times the number of the row, is a weighted sum of row numbers.
    row = (image.sum(axis=1) * np.arange(height)).sum() / total
    column = (image.sum(axis=0) * np.arange(width)).sum() / total
    move = round((height - 1) / 2 - row), round((width - 1) / 2 - column)
    return np.roll(image, move, axis=(0, 1))


# ---- fill ----


def brighten(images, amount):
    """Make images brighter by `amount`, so that no pixel wraps around."""
    # A wider type first: in bytes, 200 + 100 is 44.
    brighter = images.astype(np.int64) + amount
    return np.minimum(brighter, 255).astype(np.uint8)


def nearest_average(x, y, x_new):
    """Give each new sample the label of the nearest class average."""
    # x[y == k] are the rows whose label is k.
    averages = [x[y == k].mean(axis=0) for k in range(y.max() + 1)]
    distances = [((x_new - average) ** 2).sum(axis=1) for average in averages]
    return np.argmin(distances, axis=0)


# ---- explore ----


def scrambled():
    """Find out how much the nearest average needs the places of the pixels."""
    # A sum of squared differences does not depend on the order of its terms: this program, like a
    # dense layer, does not know which pixels are neighbours.
    from numpymlp import load_mnist

    (x, y), (x_test, y_test) = load_mnist()
    x, y, x_new, y_new = x[:2000], y[:2000], x_test[:500], y_test[:500]
    order = np.random.default_rng(0).permutation(784)
    before = nearest_average(x, y, x_new) == y_new
    after = nearest_average(x[:, order], y, x_new[:, order]) == y_new
    return before.sum(), after.sum()


# ---- paper ----


def bytes_by_hand():
    """Work out by hand what bytes (dtype uint8, from 0 to 255) become. Write down numbers."""
    # A byte counts modulo 256.
    return {"200 + 100": 300 - 256, "5 - 10": -5 + 256, "2 * 255": 510 - 256}
