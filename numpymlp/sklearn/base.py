"""What both estimators share: parameters, fitted attributes, and the steps of a fit.

Data and parameters are checked by scikit-learn's own functions, so that users see familiar errors.
A fit checks the data, builds the network (`networks.py`) unless it continues with an earlier one,
holds out validation rows, and calls a solver (`solvers.py`). `classifier.py` and `regressor.py` add
what differs between classes and values.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from numpymlp.layers import Dense
from numpymlp.losses import Loss
from numpymlp.network import BATCH
from numpymlp.sklearn import networks
from numpymlp.sklearn.networks import ACTIVATION_NAMES, Architecture
from numpymlp.sklearn.samples import make_samples
from numpymlp.sklearn.schedules import SCHEDULES
from numpymlp.sklearn.solvers import FitState, fit_lbfgs, fit_stochastic
from numpymlp.training.samples import Samples, in_batches
from numpymlp.training.state import Snapshot
from numpymlp.validation import check_answers

CURVES_AND_BESTS = (
    "loss_curve_", "best_loss_",
    "validation_scores_", "validation_loss_curve_", "best_validation_score_",
)  # fmt: skip


class Views(list[np.ndarray]):
    """Views into a network: assigning an array to an item copies it into the network."""

    def __setitem__(self, place: Any, value: Any) -> None:
        self[place][...] = value


@contextlib.contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """Restore the estimator, its network and its random streams if the block raises."""
    before, undo = vars(estimator).copy(), contextlib.ExitStack()
    network, state = before.get("network_"), before.get("_state")
    if network is not None:
        undo.callback(network.clear_cache)
        undo.callback(Snapshot.of(network, 0).restore, network)
        undo.callback(setattr, network, "random_states", network.random_states)
    for stream in (estimator.random_state, getattr(state, "random_state", None)):
        if isinstance(stream, np.random.RandomState):
            undo.callback(stream.set_state, stream.get_state())
    try:
        yield
    except BaseException:
        undo.close()
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def is_stochastic(estimator: Any) -> bool:
    """Return True, or raise the AttributeError that hides `partial_fit`."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit expected solver='sgd' or 'adam', got 'lbfgs': use fit")
    return True


class BaseMLP(BaseEstimator):
    """The parameters, fitted attributes and methods that both estimators share."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(ACTIVATION_NAMES), "array-like", callable],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "schedule": [StrOptions(set(SCHEDULES)), callable, None],
        "l2_scaling": [StrOptions({"batch", "none"})],
        "keep_best": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "callbacks": ["array-like", None],
        "progress_bar": ["boolean"],
    }

    _state: FitState

    def _store_parameters(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of `__init__` unchanged; scikit-learn checks them in `fit`.

        A subclass may declare other parameters, so its signature is not consulted.
        """
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    # ---- fitted attributes ----

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights (in, out) of each dense layer, as views into the network."""
        return Views(layer.W for layer in self._dense_layers())

    @coefs_.setter
    def coefs_(self, arrays: list[np.ndarray]) -> None:
        for layer, array in zip(self._dense_layers(), arrays, strict=True):
            layer.W = array

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases (out,) of each dense layer, as views into the network."""
        return Views(layer.b for layer in self._dense_layers())

    @intercepts_.setter
    def intercepts_(self, arrays: list[np.ndarray]) -> None:
        for layer, array in zip(self._dense_layers(), arrays, strict=True):
            layer.b = array

    def _dense_layers(self) -> list[Dense]:
        if "network_" not in self.__dict__:
            raise AttributeError(f"expected a fitted {type(self).__name__}: call fit first")
        return networks.dense_layers(self.network_)

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train from new weights, or with `warm_start` from those of the previous call.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes or values; for multilabel targets, rows of 0 and 1.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample, at least 0.
        X_val, y_val, sample_weight_val : like the three above, optional
            Validation data. Not used with "lbfgs".

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch over these samples, continuing from the previous call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool = False,
        validation: tuple[Any, ...] = (None, None, None),
        classes: Any = None,
    ) -> Self:
        with all_or_nothing(self):
            if incremental:
                self._declare_classes(y, classes)
            samples, held_out = self._prepare(X, y, sample_weight, incremental, validation)
            self._train(samples, held_out, incremental)
        return self

    def _train(self, samples: Samples, held_out: Samples | None, incremental: bool) -> None:
        if self.solver == "lbfgs":
            fit_lbfgs(self, samples)
        else:
            fit_stochastic(self, samples, held_out, incremental)

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: tuple[Any, ...]
    ) -> tuple[Samples, Samples | None]:
        """Check all inputs, build the network if needed, split off the validation data."""
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, y = self._check_data(X, y, incremental, reset=first)
        weight = self._sample_weight(sample_weight, X, y, incremental)
        samples = make_samples(X, self._targets(y), weight)
        architecture = networks.architecture_of(self, X.shape[1], self._count_outputs(y))
        if first:
            self._initialize(architecture, X.dtype)
        elif architecture != self._state.architecture:
            raise ValueError(
                f"expected {self._state.architecture} as in the previous call, got {architecture}: "
                f"these cannot change between calls; use fit with warm_start=False"
            )
        else:
            self._state = self._state.copy()  # a call that fails leaves the other as it was
        if self.solver == "lbfgs":
            return samples, None
        X_val, y_val, sample_weight_val = validation
        if X_val is not None:
            X_val, y_val = self._check_data(X_val, y_val, incremental=True, reset=False)
            weight_val = BaseMLP._sample_weight(self, sample_weight_val, X_val, y_val, True)
            return samples, make_samples(X_val, self._targets(y_val), weight_val)
        if y_val is not None or sample_weight_val is not None:
            raise ValueError(
                "y_val and sample_weight_val expected X_val beside them, got none: pass X_val too"
            )
        if not self.early_stopping:
            return samples, None
        samples, held_out = self._split(samples)
        # Class weights affect training only: the score counts each sample by its own weight.
        weight = BaseMLP._sample_weight(self, sample_weight, X, y, incremental)
        return samples, held_out._replace(weight=weight)

    def _initialize(self, architecture: Architecture, dtype: Any) -> None:
        """Build the network with its first weights, and discard all earlier training."""
        _, output, self.out_activation_ = self._head()
        random_state = check_random_state(self.random_state)
        self._state = FitState(architecture, random_state)
        self.network_ = networks.build_network(architecture, output, dtype, random_state)
        self.n_layers_, self.n_outputs_ = len(architecture.sizes), architecture.sizes[-1]
        self.n_iter_ = self.t_ = 0
        for name in CURVES_AND_BESTS:
            self.__dict__.pop(name, None)

    def _split(self, samples: Samples) -> tuple[Samples, Samples]:
        """Hold out validation rows; calls that continue hold out the same rows."""
        random_state = self._state.random_state
        if self._state.split_state is None:
            self._state.split_state = random_state.get_state()
        else:
            random_state = np.random.RandomState()
            random_state.set_state(self._state.split_state)
        one_class_each = self.out_activation_ == "softmax" or self.n_outputs_ == 1
        stratify = samples.y.ravel() if is_classifier(self) and one_class_each else None
        if stratify is not None:
            counts = np.unique(stratify, return_counts=True)[1]
            held = math.ceil(self.validation_fraction * len(samples.rows))
            if counts.min() < 2 or min(held, len(samples.rows) - held) < len(counts):
                stratify = None  # too few rows for each class to be on both sides
        rows, held_rows = train_test_split(
            samples.rows,
            random_state=random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(held_rows) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return samples._replace(rows=rows), samples._replace(rows=held_rows)

    # ---- predictions ----

    def _logits(self, X: Any) -> Iterator[np.ndarray]:
        """Check X and yield logits batch by batch; sparse rows are made dense in batches."""
        check_is_fitted(self, "network_")
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        if not scipy.sparse.issparse(X):
            yield from self.network_.logits_in_batches(X)
            return
        samples = make_samples(X, np.empty(X.shape[0]), None)
        for number, (batch, logits) in enumerate(self._outputs(samples)):
            yield check_answers(logits, batch, number * BATCH)

    def _outputs(self, samples: Samples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each batch with its logits."""
        for batch, _, _ in in_batches(samples, np.arange(len(samples.rows)), BATCH):
            yield batch, self.network_.forward(batch)

    # ---- what differs between the two estimators ----

    def _check_data(
        self, X: Any, y: Any, incremental: bool, reset: bool, **options: Any
    ) -> tuple[Any, Any]:
        """Check X and y with scikit-learn's `validate_data`."""
        dtype = self.dtype or (np.float64, np.float32)
        # In a data frame, the numbers of a row lie apart: in row order, a fit takes half the time.
        options = {"order": "C", "dtype": dtype, "multi_output": True, **options}
        X, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", **options)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _declare_classes(self, y: Any, classes: Any) -> None:
        """Record the classes at the first call of `partial_fit`; a regressor has none."""

    def _targets(self, y: Any) -> np.ndarray:
        """Convert the targets to the form that the loss takes."""
        raise NotImplementedError

    def _count_outputs(self, y: Any) -> int:
        """Return how many outputs the network needs for these targets."""
        return 1 if y.ndim == 1 else y.shape[1]

    def _head(self) -> tuple[Loss, str, str]:
        """Return the loss, the output of the network and its name in scikit-learn."""
        raise NotImplementedError

    def _validation_score(self, held_out: Samples, accuracy: Any) -> float:
        """Return accuracy or R squared, by which early stopping compares epochs."""
        raise NotImplementedError

    def _sample_weight(
        self, sample_weight: Any, X: Any, y: Any, incremental: bool
    ) -> np.ndarray | None:
        """Check the weights; a batch of `partial_fit` may be of classes without weight."""
        if sample_weight is None:
            return None
        weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weight

    # ---- pickles and copies ----

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        if "network_" in state:
            state["network_"] = networks.pack(state["network_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            self.network_ = networks.unpack(state["network_"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
