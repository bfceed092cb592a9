"""A loss for counts, such as visitors an hour: the Poisson deviance.

It stands beside the losses of `losses.py` and is used like them. `numpymlp.sklearn.MLPRegressor`
trains with it where ``loss="poisson"``.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numpymlp.losses import Loss, Weights, normalized_weight
from numpymlp.validation import InputError, check_cache, check_logits, check_real_targets


class PoissonDeviance(Loss):
    """Half the Poisson deviance: the logits are logarithms of the predicted means.

    l_i = sum_k y log(y) - y z - y + exp(z), which is 0 where exp(z) = y, with 0 log(0) = 0.

    Notes
    -----
    Targets are at least 0 and have the shape of the logits (N, K); with one output also (N,).
    ``np.exp(network.predict(x))`` gives the predicted means.
    """

    heads = ("identity",)
    formula: ClassVar = {  # for `explain.trace`
        "loss": "L = sum_i w_i l_i with w_i = 1 / N, l_i = sum_k y log(y) - y z - y + exp(z)",
        "dlogits": "dlogits = w_i (exp(z) - y)",
    }

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        logits = check_logits(logits)
        y = check_real_targets(y, logits)
        if not y.min() >= 0:
            raise InputError(
                f"PoissonDeviance expected targets of at least 0, got {y.min():g}: other values "
                f"need MeanSquaredError"
            )
        mean = np.exp(logits)
        w = normalized_weight(sample_weight, logits)
        self.cache = mean, y, w
        # l_ik = y log(y) - y z - y + exp(z)    (N, K)
        losses = y * np.log(np.where(y > 0, y, 1)) - y * logits - y + mean
        # l_i = sum_k l_ik    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ losses.sum(axis=1))

    def backward(self) -> np.ndarray:
        mean, y, w = check_cache(self.cache)
        # dL/dlogits = w_i (exp(z) - y)    (N, K)
        return w[:, None] * (mean - y)
