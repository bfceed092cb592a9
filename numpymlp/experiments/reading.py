"""Read digits in pictures with a trained network, and say how far each answer can be trusted.

A softmax network gives high probabilities to many images that are not digits. Two measures reduce
this. The probabilities are the mean over small distortions of the image: an answer that changes
with one degree of rotation is not certain. And an image unlike every training digit gets no answer.
`tutorials/results/reading.md` measures both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpymlp.data.images import SIDE
from numpymlp.experiments.averaging import mean_probabilities
from numpymlp.experiments.recipes import GENTLE
from numpymlp.network import Network

VIEWS = 32  # distorted views of an image, beside the image itself
# 98 of 100 held-out digits of MNIST have a larger likeness to some training digit; see `likeness`.
LEAST_LIKENESS = 0.87
WEAK = 0.7  # answers with less are called weak
BLUR = 0.7  # pixels
BLOCK = 4096  # training images that are compared at a time


class Answer(NamedTuple):
    """What the network says of one picture.

    Attributes
    ----------
    probabilities : ndarray (K,)
        The mean over the image and its distorted views.
    likeness : float or None
        Cosine of the angle between the image and the nearest training image, from 0 to 1.
    """

    probabilities: NDArray[np.floating]
    likeness: float | None = None

    @property
    def unlike(self) -> bool:
        """Whether the image resembles no training image."""
        return self.likeness is not None and self.likeness < LEAST_LIKENESS

    @property
    def weak(self) -> bool:
        """Whether the largest probability is below `WEAK`."""
        return float(self.probabilities.max()) < WEAK


def answers_of(
    network: Network, x: NDArray[np.floating], training_x: Any = None, views: int = VIEWS
) -> list[Answer]:
    """Return the answer for each image.

    Parameters
    ----------
    network : Network
        With softmax output.
    x : ndarray (N, 784)
        Images as `prepare_digit` returns them.
    training_x : (M, 784) floats or Pixels, optional
        The images that the network was trained on; without them, no likeness is measured.
    views : int, default 32
        Number of distorted views of each image.

    References
    ----------
    M. S. Ayhan, P. Berens, "Test-time data augmentation for estimation of heteroscedastic
    aleatoric uncertainty in deep neural networks", MIDL 2018. N. Papernot, P. McDaniel, "Deep
    k-nearest neighbors", 2018, for credibility by the nearest training samples.
    """
    # One by one: products of more rows may round in another way.
    rows = [mean_probabilities(network, row[None], GENTLE, views)[0] for row in x]
    if training_x is None or len(rows) == 0:
        return [Answer(row) for row in rows]
    return [Answer(row, float(c)) for row, c in zip(rows, likeness(x, training_x), strict=True)]


def likeness(x: NDArray[np.floating], training_x: Any) -> NDArray[np.floating]:
    """Return for each image the cosine similarity (N,) to the nearest training image.

    All images are blurred a little first, so that a thin pen is as like a digit as a thick one.
    """
    x = _blurred(x)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    nearest = np.full(len(x), -1, x.dtype)
    for start in range(0, len(training_x), BLOCK):
        block = _blurred(training_x[start : start + BLOCK])
        lengths = np.maximum(np.linalg.norm(block, axis=1), 1e-9)
        # (N, 784) @ (784, B)
        nearest = np.maximum(nearest, (x @ block.T / lengths).max(axis=1))
    return nearest


def _blurred(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Blur images (N, 784) of 28 x 28 pixels by a Gaussian of `BLUR` pixels."""
    places = np.arange(SIDE)
    kernel = np.exp(-((places[:, None] - places) ** 2) / (2 * BLUR**2)).astype(np.float32)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return (kernel @ x.reshape(-1, SIDE, SIDE) @ kernel.T).reshape(len(x), -1)
