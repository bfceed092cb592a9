"""Check the exercises of 13_convolution: `.venv/bin/pytest tutorials/exercises -k 13`.

Images, filters and dy are random and not square, so that a transposed or flipped answer fails.
"""

import numpy as np
from diagnosis import expect, expect_dict, numeric_gradient
from numpy.lib.stride_tricks import sliding_window_view

import numpymlp


def test_lenet_for_colour(exercise):
    answers = exercise.lenet_for_colour()
    tasks = {
        "shape 1": (
            (28, 28, 6),
            [
                ((27, 27, 6), "one more window fits: 32 - 5 + 1."),
                ((28, 28, 18), "a filter adds up over all channels: one output for each filter."),
                ((32, 32, 6), "windows must lie inside the image: 32 - 5 + 1."),
                ((28, 28, 3), "the output has a channel for each filter."),
            ],
        ),
        "parameters 1": (
            456,
            [
                (450, "the biases are missing: one for each filter."),
                (156, "a filter has 5 x 5 weights for each of the three channels."),
                (150, "a filter has 5 x 5 weights for each channel; the biases are missing too."),
                (468, "one bias for each filter, not for each filter and channel."),
            ],
        ),
        "pooled 1": (
            (14, 14, 6),
            [((14, 14, 3), "pooling works channel by channel: six channels remain.")],
        ),
        "parameters 2": (
            2416,
            [
                (2400, "the biases are missing: one for each filter."),
                (1216, "its input has six channels, one for each filter of the first layer."),
                (416, "its input has six channels."),
            ],
        ),
        "flat": (
            400,
            [
                (1600, "the second pooling is missing."),
                (25, "there are 16 channels."),
                (784, "14 - 5 + 1 = 10 before the second pooling."),
            ],
        ),
    }
    right = {name: value for name, (value, _) in tasks.items()}
    expect_dict(answers, right, {name: causes for name, (_, causes) in tasks.items()})


def test_convolve(exercise):
    rng = np.random.default_rng(0)
    image, weights = rng.normal(size=(8, 11)), rng.normal(size=(3, 3))

    def slide(image, weights):
        return np.einsum("hwij,ij->hw", sliding_window_view(image, (3, 3)), weights)

    full = slide(image, weights)
    for stride in (1, 2, 3):
        causes = [
            (slide(image, weights[::-1, ::-1])[::stride, ::stride], "do not flip the filter."),
            (slide(image, weights.T)[::stride, ::stride], "the filter is transposed."),
            (full, "the stride is missing: the next window begins `stride` pixels further."),
            (full[::stride], "the stride counts for columns too."),
            (full[:, ::stride], "the stride counts for rows too."),
            (full[: full[::stride].shape[0], : full[:, ::stride].shape[1]], "windows begin at "
             "row r * stride and column c * stride."),
        ]  # fmt: skip
        got = exercise.convolve(image, weights, stride)
        expect(f"convolve with stride {stride}", got, full[::stride, ::stride], causes)


def test_max_pool_backward(exercise):
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(2, 4, 6, 3)), rng.normal(size=(2, 2, 3, 3))

    def pool():
        return x.reshape(2, 2, 2, 3, 2, 3).max(axis=(2, 4))

    right = numeric_gradient(lambda: (pool() * dy).sum(), x)
    wide = dy.repeat(2, axis=1).repeat(2, axis=2)
    causes = [
        (wide, "all four pixels of a square got dy; only the largest one acts on the output."),
        (wide / 4, "this is the rule of average pooling; here the largest pixel gets it all."),
        (wide * (x > 0), "this is the rule of ReLU; here the largest pixel of a square counts."),
        (right / np.where(wide == 0, 1, wide), "dy is missing: you returned the mask alone."),
    ]
    got = exercise.max_pool_backward(x.copy(), dy.copy())
    expect("dx", got, right, causes, tolerance=1e-7)


def test_receptive_field(exercise):
    rng = np.random.default_rng(2)
    image = rng.normal(size=(1, 40, 40, 1))
    for sizes, strides, right in (
        ([3], [1], 3),
        ([3, 3], [1, 1], 5),
        ([3, 3, 3], [1, 1, 1], 7),
        ([3, 3], [2, 1], 7),
        ([5, 3, 3], [2, 2, 1], 17),
    ):
        layers = [
            numpymlp.Conv2D(1, 1, size, stride=stride, rng=rng)
            for size, stride in zip(sizes, strides, strict=True)
        ]
        causes = [
            (right**2, "count the rows that have a gradient, not all pixels."),
            (sum(sizes), "two windows overlap: the sum of the sizes counts some rows twice."),
            (sum(sizes) - len(sizes) + 1, "the stride counts: a row more below is two above."),
            (40, "dy must be 1 at a single output, and 0 elsewhere."),
        ]
        name = " then ".join(f"{k} x {k}, stride {s}" for k, s in zip(sizes, strides, strict=True))
        expect(f"receptive_field of {name}", exercise.receptive_field(layers, image), right, causes)


def test_as_dense(exercise):
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(3, 3))
    eye = np.eye(5 * 7).reshape(-1, 5, 7)

    def matrix(weights):
        windows = sliding_window_view(eye, (3, 3), axis=(1, 2))
        return np.einsum("nhwij,ij->nhw", windows, weights).reshape(35, -1)

    right = matrix(weights)
    causes = [
        (right.T, "it is transposed: a row for each pixel, a column for each output."),
        (matrix(weights.T), "the filter is transposed."),
        (matrix(weights[::-1, ::-1]), "the filter is flipped."),
        ((right != 0).astype(float), "this marks the right places; put the weights there."),
    ]
    expect("as_dense", exercise.as_dense(weights, 5, 7), right, causes)
