"""What the Trainer draws its batches from: sparse samples, and the order of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from numpymlp.training.samples import Samples


class SparseSamples(Samples):
    """Samples whose `x` is a sparse CSR matrix; only one batch at a time is made dense."""

    x: Any

    def take(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Copy the rows at these positions into a dense batch."""
        rows, csr = self.rows[chosen], self.x
        weight = None if self.weight is None else self.weight[rows]
        return csr[rows].toarray(), self.y[rows], weight


def make_samples(X: Any, targets: np.ndarray, weight: np.ndarray | None) -> Samples:
    """Wrap dense or sparse rows (N, in), targets and weights; every row counts."""
    kind = SparseSamples if scipy.sparse.issparse(X) else Samples
    return kind(X, targets, weight, np.arange(X.shape[0]))


class RandomOrder:
    """Draw the order of each epoch of a call as scikit-learn does.

    The first is a shuffle of 0, 1, 2, ..., each later one a shuffle of the order before it.
    """

    def __init__(self, random_state: np.random.RandomState) -> None:
        self.random_state = random_state
        self.positions = np.arange(0)

    def __call__(self, epoch: int, rows: int) -> np.ndarray:
        if len(self.positions) != rows:
            self.positions = np.arange(rows)
        self.positions = self.positions[self.random_state.permutation(rows)]
        return self.positions


def given_order(epoch: int, rows: int) -> np.ndarray:
    """Keep the samples in the order in which they were passed (`shuffle=False`)."""
    return np.arange(rows)
