"""`MLPRegressor`; `MLPClassifier` explains the parameters that both share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions

from numpymlp.losses import Loss
from numpymlp.schedules import Schedule
from numpymlp.sklearn.base import BaseMLP
from numpymlp.sklearn.objective import REGRESSION_LOSSES
from numpymlp.training.samples import Samples


class MLPRegressor(RegressorMixin, BaseMLP):
    """Predict one or several values for each sample with a multi-layer perceptron.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default "squared_error"
        Half the squared distance, or half the Poisson deviance for counts (y at least 0). With
        "poisson" the network predicts the logarithm of the mean.
    hidden_layer_sizes, activation, ..., progress_bar
        As for `MLPClassifier`, without `class_weight`. The validation score is R squared.

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_, ..., feature_names_in_
        As for `MLPClassifier`, without `classes_`.
    out_activation_ : {"identity", "exp"}
        "exp" with the Poisson loss.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=100, n_features=5, random_state=1)
    >>> MLPRegressor(solver="lbfgs", max_iter=500, random_state=1).fit(X, y).score(X, y) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        batch_norm: bool = False,
        schedule: str | Schedule | None = None,
        l2_scaling: str = "batch",
        keep_best: bool = False,
        dtype: str | None = None,
        callbacks: Sequence[Callable[[Any], Any]] | None = None,
        progress_bar: bool = False,
    ) -> None:
        self._store_parameters(locals())

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted values, (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        return self._values(np.concatenate(list(self._logits(X))))

    def _values(self, logits: np.ndarray) -> np.ndarray:
        values = np.exp(logits) if self.out_activation_ == "exp" else logits
        return values[:, 0] if values.shape[1] == 1 else values

    # ---- called by BaseMLP ----

    def _head(self) -> tuple[Loss, str, str]:
        name = "exp" if self.loss == "poisson" else "identity"
        return REGRESSION_LOSSES[self.loss](), "identity", name

    def _check_data(
        self, X: Any, y: Any, incremental: bool, reset: bool, **options: Any
    ) -> tuple[Any, Any]:
        given = np.asarray(y)
        if given.dtype.kind in "USO" and any(isinstance(each, str | bytes) for each in given.flat):
            raise ValueError(
                f"MLPRegressor expected numbers as y, got strings such as '{given.flat[0]}': use "
                f"MLPClassifier for classes, or convert them with y.astype(float)"
            )
        X, y = super()._check_data(X, y, incremental, reset, y_numeric=True, **options)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(
                f"loss='poisson' expected y of at least 0, got {y.min():g}: use "
                f"loss='squared_error'"
            )
        return X, y

    def _targets(self, y: Any) -> np.ndarray:
        return y.reshape(len(y), -1)

    def _validation_score(self, held_out: Samples, accuracy: Any) -> float:
        logits = np.concatenate([logits for _, logits in self._outputs(held_out)])
        if not np.isfinite(logits).all():
            return np.nan
        y = held_out.y[held_out.rows]
        weight = None if held_out.weight is None else held_out.weight[held_out.rows]
        return r2_score(y, self._values(logits), sample_weight=weight)
