"""Bounds of memory, checked before a network is built from settings of the user or of a file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from numpymlp.convolution import Conv2D
from numpymlp.layer_protocol import shapes_between
from numpymlp.models import convolutions
from numpymlp.storage.files import shown
from numpymlp.validation import InputError, check_positive_integer

# Weights, and outputs of the units for a batch, take 4 bytes each, a dozen times over.
MOST_NUMBERS = 10**8


def check_memory(
    sizes: Sequence[int], rows: int, name: str = "batch_size", most: int = MOST_NUMBERS
) -> None:
    """Raise if a network of these sizes, or a batch in it, has more than `most` numbers.

    `name` is the setting that is the number of rows of a batch.
    """
    weights = sum(a * b for a, b in itertools.pairwise(sizes)) + sum(sizes)
    _check_numbers("hidden", weights, sum(sizes), rows, name, most)


def check_convolutions(filters: Sequence[int], shape: tuple[int, int, int], rows: int) -> None:
    """Raise if the convolutions of `lenet` do not fit the images, or take more memory than that.

    `shape` is (height, width, channels) of an image, `rows` the batch size.
    """
    layers = convolutions(filters, shape)
    weights = units = 0
    for layer, output in zip(layers, shapes_between(layers)[1:], strict=True):
        if isinstance(layer, Conv2D):
            pixels: Any = output  # its shape: each pixel gets its window as a row, and its filters
            window = layer.size**2 * layer.channels
            weights += (window + 1) * layer.filters
            units += math.prod(pixels[:2]) * (window + layer.filters)
    _check_numbers("filters", weights, units, rows, "batch_size")


def _check_numbers(
    which: str, weights: int, units: int, rows: int, name: str, most: int = MOST_NUMBERS
) -> None:
    units *= check_positive_integer(rows, name)
    for setting, numbers, what in (
        (which, weights, "weights and biases"),
        (name, units, "outputs of units for a batch"),
    ):
        if numbers > most:
            raise InputError(
                f"{setting}: expected at most {most:,} {what}, got "
                f"{shown(numbers, 60)}: choose smaller sizes"
            )
