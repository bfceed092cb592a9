"""Check the exercises of 00_the_data: `.venv/bin/pytest tutorials/exercises -k 00`."""

import numpy as np
from diagnosis import expect, fail

from numpymlp import read_idx


def test_write_idx(exercise, tmp_path):
    array = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    content = exercise.write_idx(array)
    if not isinstance(content, bytes):
        fail(f"write_idx: expected bytes, got {type(content).__name__}")
    if content[:4] != b"\0\0\x08\x03":
        fail(
            "write_idx: expected 00 00 08 03 at the start for three dimensions, got "
            f"{content[:4].hex(' ')}"
        )
    if content[4:8] == b"\2\0\0\0":
        fail("write_idx: your lengths have their little end first; IDX needs the big end first.")
    if len(content) != 4 + 3 * 4 + array.size:
        fail(
            f"write_idx: expected 4 + 3 * 4 + {array.size} bytes for shape {array.shape}, got "
            f"{len(content)}: each length takes four bytes, each value one"
        )
    path = tmp_path / "array"
    path.write_bytes(content)
    expect("write_idx, read again", read_idx(path), array)


def test_write_idx_of_labels(exercise):
    labels = np.array([5, 0, 4], dtype=np.uint8)
    expect(
        "write_idx of three labels, as bytes",
        list(exercise.write_idx(labels)),
        [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4],
    )


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
