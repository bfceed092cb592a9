"""Test-time averaging: the mean of a network's probabilities over several views of an image.

A network that was trained on distorted images has learned that a digit stays the same when it is
shifted, turned or bent a little, but not perfectly: near the border between two classes, a small
distortion changes the answer. The mean over many distortions is steadier than any single answer.
No weight changes, and every view costs one forward pass.

`tutorials/results/averaging.md` measures what it gains, and tells how the number and the strength
of the views were chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.data.augmentation import Distortion
from numpymlp.experiments.recipes import Recipe
from numpymlp.metrics import accuracy
from numpymlp.network import Network
from numpymlp.storage.files import counted


def mean_probabilities(
    network: Network, x: ArrayLike, distortion: Distortion, views: int
) -> NDArray[np.floating]:
    """Return the mean of the probabilities over each image and its distorted views.

    Every image is seen through the same distortions, always drawn from the same seed: its answer
    depends neither on the other images nor on chance.

    Parameters
    ----------
    network : Network
        With softmax or sigmoid output.
    x : array_like (N, pixels)
        Images, scaled as for training.
    distortion : Distortion
        Draws the views.
    views : int
        Number of distorted views, beside the image itself.

    Returns
    -------
    ndarray (N, K)

    References
    ----------
    D. Ciresan, U. Meier, J. Schmidhuber, "Multi-column deep neural networks for image
    classification", CVPR 2012, for the mean over differently prepared copies of an image.
    """
    total = network.predict_proba(x)
    if views == 0:
        return total
    for view in distortion.views(np.asarray(x), views, np.random.default_rng(0)):
        total += network.predict_proba(view)  # (N, K)
    return total / (views + 1)


def saying(views: int) -> str:
    """Return a line for the time that it takes."""
    return f"averaging over {counted(views, 'distorted view')} of each test image"


def averaged_accuracy(
    recipe: Recipe,
    network: Network,
    x: ArrayLike,
    y: NDArray[np.integer],
    image_shape: tuple[int, int] | None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Return what the metrics of a recipe with views have beside others; {} if it has no views."""
    if not recipe.average:
        return {}
    say(saying(recipe.average))
    rows = mean_probabilities(network, x, recipe.build_views(image_shape), recipe.average)
    return {
        "average": recipe.average,
        "averaged_test_accuracy": accuracy(y, rows.argmax(axis=1)),
    }
