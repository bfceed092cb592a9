"""Constraints: what must hold for the weights, put right again after every step.

A constraint is called with the network, behind `optimizer.step`, and changes its parameters in
place; the loss and its gradient know nothing of it. `Trainer(constraint=MaxNorm(3))` does so.
Go back to `training.py`, whose loop calls it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numpymlp.network import Network
from numpymlp.validation import check_range


@dataclass(frozen=True)
class MaxNorm:
    """No unit's incoming weights are longer than `limit`; those that are get scaled back to it.

    With dropout, it lets the learning rate be large without the weights growing large. Biases and
    batch norm are left alone. Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
    "Dropout: a simple way to prevent neural networks from overfitting" (2014), section 5.1, with
    limits between 3 and 4.

    Parameters
    ----------
    limit : float in (0, 1e18], default 3
        The squares of larger ones do not fit into float32.
    """

    limit: float = 3.0

    def __post_init__(self) -> None:
        check_range(self.limit, "MaxNorm limit", 0, 1e18, left_open=True)

    def __call__(self, network: Network) -> None:
        """Project the network's weights, in place."""
        for W in network.named_parameters().values():
            if W.ndim > 1:
                # One column for each unit, whatever shape its inputs have: (..., out) -> (in, out)
                columns = W.reshape(-1, W.shape[-1])
                lengths = np.sqrt(np.einsum("io,io->o", columns, columns))
                # Too long to be measured: left as they are, for the Trainer to see the divergence
                lengths[~np.isfinite(lengths)] = self.limit
                # W_o = W_o limit / max(|W_o|, limit): exactly W_o where it is short enough
                columns *= self.limit / np.maximum(lengths, self.limit)
