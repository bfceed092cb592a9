"""The numbers of a page: layers, weights, test images to start from, snapshots of training."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpymlp.experiments.reading import VIEWS
from numpymlp.experiments.recipes import GENTLE
from numpymlp.experiments.snapshots import MOST_PARAMETERS, Snapshot
from numpymlp.network import Network
from numpymlp.validation import InputError

# The layers that `web/network.mjs` computes.
LAYERS = (
    "Dense", "ReLU", "LeakyReLU", "GELU", "Sigmoid", "Tanh", "Dropout", "BatchNorm", "Conv2D",
    "MaxPool2D", "AveragePool2D", "Flatten", "Reshape",
)  # fmt: skip
SAMPLES = 60
MISTAKES = 12  # of the test images: the most confident mistakes
PAGE_BYTES = 2_500_000  # snapshots are left out beyond it


def page_contents(
    network: Network,
    x_test: NDArray[Any],
    y_test: NDArray[Any],
    *,
    image_shape: tuple[int, int] | None,
    class_names: Sequence[str],
    snapshots: Sequence[Snapshot],
) -> dict[str, Any]:
    """Return what a page needs of a network and its test data, ready for JSON.

    Parameters
    ----------
    network : Network
        With a softmax head.
    x_test : ndarray of shape (N, in)
    y_test : ndarray of shape (N,)
        Classes as integers.
    image_shape : (rows, columns) or None
        None for samples that are not images.
    class_names : sequence of str
        One for each output of the network.
    snapshots : sequence of Snapshot
        Of the training run; left out if the page would grow beyond 2.5 MB.

    Raises
    ------
    InputError
        If the page cannot compute such a network, or the data do not fit it.
    """
    check_network(network)
    chosen = samples_to_show(network.predict_proba(x_test), y_test)
    low, high = float(x_test[chosen].min()), float(x_test[chosen].max())
    pixels = np.rint((x_test[chosen] - low) * (255 / ((high - low) or 1)))
    contents: dict[str, Any] = {
        "layers": [
            {**layer.config(), "type": type(layer).__name__, "shape": _sizes(shape)}
            for layer, shape in zip(network.layers, network.shapes, strict=False)
        ],
        "parameters": _base64(network.parameters.astype("<f4")),
        "buffers": _base64(network.buffers.astype("<f4")),
        "classes": list(class_names),
        "shape": None if image_shape is None else list(image_shape),
        "samples": {
            "inputs": x_test.shape[1],
            "range": [low, high],
            "labels": y_test[chosen].tolist(),
            "pixels": _base64(pixels.astype(np.uint8)),
        },
        "copies": None if image_shape is None else _copies(),
        "snapshots": [],
    }
    used = sum(len(part) for part in (contents["parameters"], contents["buffers"])) + 150_000
    if used + len(snapshots) * network.parameters.size * 4 // 3 <= PAGE_BYTES:
        sizes = [view.size for view in network.named_parameters().values()]
        contents["snapshots"] = [
            {
                "epoch": each.epoch,
                "parts": [
                    {"size": size, "low": low, "high": high}
                    for size, (low, high) in zip(sizes, each.ranges, strict=True)
                ],
                "levels": _base64(each.levels),
            }
            for each in snapshots
        ]
    return contents


def check_network(network: Network) -> None:
    """Raise InputError if `web/network.mjs` cannot compute a network."""
    if network.head.name != "softmax":
        raise InputError(
            f"expected a classifier with a softmax head, got the head {network.head.name!r}: a "
            f"page shows one class of several"
        )
    for layer in network.layers:
        if type(layer).__name__ not in LAYERS or not type(layer).__module__.startswith("numpymlp."):
            raise InputError(f"expected layers of {', '.join(LAYERS)}, got {layer}")
    if network.parameters.size > MOST_PARAMETERS:
        raise InputError(
            f"expected at most {MOST_PARAMETERS:,} parameters, got {network.parameters.size:,}: "
            f"the page would take more than 10 MB; train a smaller network"
        )


def samples_to_show(probabilities: NDArray[Any], y: NDArray[Any]) -> NDArray[np.intp]:
    """Choose test samples: the most confident mistake, right answers class by class, more mistakes.

    A page opens with the first sample: a mistake, which gradient steps can correct.
    """
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != y)
    wrong = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")][:MISTAKES]
    right = np.flatnonzero(answers == y)
    # The n-th sample of its class comes n-th: 0, 1, 2, ..., 9, 0, 1, ...
    rank = np.empty(len(right), int)
    for each in np.unique(y[right]):
        of_class = y[right] == each
        rank[of_class] = np.arange(np.count_nonzero(of_class))
    order = np.lexsort((y[right], rank))
    right = right[order][: SAMPLES - len(wrong)]
    return np.concatenate([wrong[:1], right, wrong[1:]])


def _copies() -> list[list[float]]:
    """Return the maps of the distorted copies over which `reading` averages the answers."""
    matrices, shifts = GENTLE.draw_affine(VIEWS, np.random.default_rng(0))
    maps = np.concatenate([matrices.reshape(VIEWS, 4), shifts], axis=1)
    return maps.round(6).tolist()


def _sizes(shape: Any) -> list[int] | None:
    """Return the shape of a sample before a layer; None if a layer does not tell it."""
    return None if shape is None or ... in shape else list(shape)


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
