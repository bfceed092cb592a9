"""Samples for training: checked once, split, and read in batches.

`Samples` stores the indices of its rows, so that holding some out copies no data. `prepare` checks
all data before the first step. Read `scoring.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from numpymlp.data.pixels import Pixels
from numpymlp.data.splits import split_indices
from numpymlp.network import Network
from numpymlp.training.checks import (
    check_fit_weights,
    check_training_data,
    check_validation_pair,
)

Batch = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # samples, targets, weights


class Samples(NamedTuple):
    """Samples with targets and weights, and which rows of them count: no copy is made."""

    x: np.ndarray | Pixels
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray

    def take(self, chosen: np.ndarray) -> Batch:
        """Copy a batch: the rows at these positions."""
        rows = self.rows[chosen]
        w = None if self.weight is None else self.weight[rows]
        return self.x.take(rows, axis=0), self.y[rows], w


def in_batches(
    samples: Samples,
    order: np.ndarray,
    batch_size: int,
    first: int = 0,
    augment: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> Iterator[Batch]:
    """Yield the batches of an epoch, from number `first` on.

    Parameters
    ----------
    order : ndarray of shape (rows,)
        Positions of the samples.
    augment : callable, optional
        ``augment(x, batch)`` returns a distorted copy of batch number `batch`.
    """
    for batch in range(first, -(-len(order) // batch_size)):
        x, y, w = samples.take(order[batch * batch_size : (batch + 1) * batch_size])
        yield (x if augment is None else augment(x, batch)), y, w


def prepare(
    network: Network,
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray] | float | None,
    sample_weight: np.ndarray | None,
    class_weight: Mapping[int, float] | str | None,
) -> tuple[Samples, Samples | None]:
    """Check all data that a network is trained on, and split off what validation needs.

    Parameters
    ----------
    network : Network
    rng : numpy.random.Generator
        Draws which samples are held out, where `validation` is a share.
    x, y, validation, sample_weight, class_weight
        As for `Trainer.fit`.

    Returns
    -------
    train, held_out : Samples
        `held_out` is None without validation; its samples all count alike.
    """
    x, y = check_training_data(network, x, y)
    weight = check_fit_weights(sample_weight, class_weight, y)
    rows = np.arange(len(x))
    if isinstance(validation, tuple | list | np.ndarray):
        pair = check_validation_pair(validation)
        x_val, y_val = check_training_data(network, *pair, name="validation")
        return Samples(x, y, weight, rows), Samples(x_val, y_val, None, np.arange(len(x_val)))
    if validation is not None:
        rows, held_rows = split_indices(y, validation, rng)
        return Samples(x, y, weight, rows), Samples(x, y, None, held_rows)
    return Samples(x, y, weight, rows), None
