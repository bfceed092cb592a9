"""Constraints: projections of the weights after every step.

The Trainer calls ``constraint(network)`` after `optimizer.step`; it changes the parameters in
place, and neither loss nor gradient depends on it: ``Trainer(..., constraint=MaxNorm(3))``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numpymlp.network import Network
from numpymlp.parallel import RowDense
from numpymlp.validation import check_range


@dataclass(frozen=True)
class MaxNorm:
    """Scale the incoming weights of a unit back to length `limit` where they are longer.

    With dropout, it allows a large learning rate without large weights. Biases and batch norm are
    left alone. Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
    "Dropout: a simple way to prevent neural networks from overfitting" (2014), section 5.1, with
    limits between 3 and 4.

    Parameters
    ----------
    limit : float in (0, 1e18], default 3
        The squares of larger lengths do not fit into float32.
    """

    limit: float = 3.0

    def __post_init__(self) -> None:
        check_range(self.limit, "MaxNorm limit", 0, 1e18, left_open=True)

    def __call__(self, network: Network) -> None:
        """Project the network's weights, in place."""
        for name, W in network.named_parameters().items():
            if W.ndim > 1:
                # One column for each unit, whatever shape its inputs have: (..., out) -> (in, out)
                columns = W.reshape(-1, W.shape[-1])
                squares = np.einsum("io,io->o", columns, columns)
                layer = network.layers[int(name.split(".")[0])]
                if isinstance(layer, RowDense):  # the other workers have the rest of each column
                    squares = layer.comm.sum(squares)
                lengths = np.sqrt(squares)
                # Lengths that overflow stay as they are: the Trainer reports the divergence.
                lengths[~np.isfinite(lengths)] = self.limit
                # W_o = W_o limit / max(|W_o|, limit): exactly W_o where it is short enough
                columns *= self.limit / np.maximum(lengths, self.limit)
