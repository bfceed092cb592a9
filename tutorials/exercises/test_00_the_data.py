"""Check the exercises of 00_the_data: `.venv/bin/pytest tutorials/exercises -k 00`."""

import numpy as np
from diagnosis import expect, expect_dict, fail

from numpymlp import load_mnist


def test_recentre(exercise):
    image = np.zeros((12, 10))
    image[1, 5], image[3, 7] = 3, 7  # centre of mass at 2.4 and 6.4
    before = image.copy()
    middle = np.roll(image, (3, -2), axis=(0, 1))
    causes = [
        (np.roll(image, (-3, 2), axis=(0, 1)), "you move away from the middle: middle - centre."),
        (np.roll(image, (-2, 3), axis=(0, 1)), "rows and columns are swapped."),
        (np.roll(image, (4, -1), axis=(0, 1)), "the middle of H rows is (H - 1) / 2."),
        (np.roll(image, (4, -2), axis=(0, 1)), "weigh the rows by their ink: the centre of mass."),
        (image, "nothing has moved."),
    ]
    got = exercise.recentre(image)
    expect("the image passed to recentre (do not change it)", image, before)
    expect("recentre", got, middle, causes)
    expect("recentre of a centred image", exercise.recentre(middle), middle)


def test_brighten(exercise):
    images = np.array([[0, 100], [200, 255]], dtype=np.uint8)
    before = images.copy()
    # Computed before the call, because an answer may change the array in place.
    wrapped = before + np.uint8(100)
    causes = [
        (wrapped, "your pixels wrap around at 255. Add in a wider type, then limit to 255."),
        (before, "nothing has changed: return the brighter images."),
    ]
    brighter = exercise.brighten(images, 100)
    right = np.array([[100, 200], [255, 255]], dtype=np.uint8)
    expect("brighten", brighter, right, causes)
    if np.asarray(brighter).dtype != np.uint8:
        fail(f"brighten: expected dtype uint8, got {np.asarray(brighter).dtype}")
    if not np.array_equal(images, before):
        fail("brighten: you changed the array that you were given; return a new one.")


def test_nearest_average(exercise):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 5))
    y = np.array([2, 0, 1, 1, 0, 2, 2, 1, 0])
    x = centres[y] + 0.8 * rng.normal(size=(9, 5))
    x_new = np.repeat(centres, 8, axis=0) + 0.8 * rng.normal(size=(24, 5))
    averages = np.stack([x[y == k].mean(axis=0) for k in range(3)])
    differences = x_new[:, None, :] - averages
    nearest_sample = y[((x_new[:, None, :] - x) ** 2).sum(axis=2).argmin(axis=1)]
    causes = [
        ((differences**2).sum(axis=2).argmax(axis=1), "you take the farthest average."),
        (np.abs(differences.sum(axis=2)).argmin(axis=1), "square before you sum."),
        (nearest_sample, "you take the label of the nearest sample; compute the averages first."),
    ]
    right = (differences**2).sum(axis=2).argmin(axis=1)
    try:
        got = exercise.nearest_average(x, y, x_new)
    except RuntimeWarning as warning:
        fail(
            f"nearest_average: {warning}. Here the labels are 0, 1 and 2; with range(10) some "
            "classes have no samples. Take the number of classes from y."
        )
    expect("nearest_average", got, right, causes)


def test_scrambled(exercise):
    (x, y), (x_new, y_new) = load_mnist()
    x, y, x_new, y_new = x[:2000], y[:2000], x_new[:500], y_new[:500]
    averages = np.stack([x[y == k].mean(axis=0) for k in range(10)])

    def right(images):
        distances = [((images - average) ** 2).sum(axis=1) for average in averages]
        return (np.argmin(distances, axis=0) == y_new).sum()

    order = np.random.default_rng(0).permutation(784)
    both = right(x_new), right(x_new)
    causes = [
        ((both[0], right(x_new[:, order])), "move the pixels of the training images too."),
        (np.array(both) / 500, "return how many are right, not their share."),
    ]
    expect("scrambled", exercise.scrambled(), both, causes, tolerance=0.003)


def test_bytes_by_hand(exercise):
    right = {"200 + 100": 44, "5 - 10": 251, "2 * 255": 254}
    plain = {"200 + 100": 300, "5 - 10": -5, "2 * 255": 510}
    modulo = {"200 + 100": 45, "5 - 10": 250, "2 * 255": 255}
    causes = {
        name: [
            (plain[name], "a byte cannot hold this number: it wraps around."),
            (modulo[name], "there are 256 bytes, not 255: count modulo 256."),
            (np.clip(plain[name], 0, 255), "a byte does not stop at its limit; it wraps around."),
        ]
        for name in right
    }
    expect_dict(exercise.bytes_by_hand(), right, causes)
