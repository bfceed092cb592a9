"""What both estimators share: how a call of `fit` becomes a training of the package's network.

Checks of data and parameters are scikit-learn's own, so that errors read as its users know them.
A fit builds a `Network` (or takes the one from before), an optimizer and a `Trainer`, and hands
them the pieces from `solvers.py`; there is no loop over batches here. `estimators.py` adds what
sets classes and values apart.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from numpymlp.layers import BatchNorm, Dense, Dropout
from numpymlp.losses import L2Penalty, Loss
from numpymlp.network import ACTIVATIONS, BATCH, Network
from numpymlp.optimizers import SGD, Adam, Optimizer
from numpymlp.schedules import Schedule
from numpymlp.sklearn.epochs import Convergence, Epochs
from numpymlp.sklearn.solvers import (
    SCHEDULES,
    InverseScaling,
    Objective,
    Planned,
    RandomOrder,
    SparseSamples,
    given_order,
    minimize_lbfgs,
)
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.samples import Samples
from numpymlp.training.trainer import Trainer
from numpymlp.validation import check_answers

LAYERS = {**ACTIVATIONS, "logistic": ACTIVATIONS["sigmoid"]}
ACTIVATION_NAMES = {*LAYERS, "identity"}


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Leave the weights to `_draw`, which takes them from scikit-learn's random stream."""
    return np.zeros(shape)


class Views(list[np.ndarray]):
    """Views into a network: putting another array in the place of one writes into it."""

    def __setitem__(self, place: Any, value: Any) -> None:
        self[place][...] = value


@contextlib.contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """Should the block raise, give the estimator the attributes back that it had before."""
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


class BaseMLP(BaseEstimator):
    """The parameters, the fitted attributes and the training that both estimators share."""

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
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
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

    def _keep_parameters(self, arguments: dict[str, Any]) -> None:
        """Keep what `__init__` was called with, as it came: scikit-learn checks it in `fit`.

        A subclass may have other parameters of its own, so its list of names is not asked.
        """
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    # ---- the network, seen as scikit-learn shows it ----

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights between each two layers, as views into the network."""
        return Views(layer.W for layer in self._dense_layers())

    @coefs_.setter
    def coefs_(self, arrays: list[np.ndarray]) -> None:
        for layer, array in zip(self._dense_layers(), arrays, strict=True):
            layer.W = array

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer but the first, as views into the network."""
        return Views(layer.b for layer in self._dense_layers())

    @intercepts_.setter
    def intercepts_(self, arrays: list[np.ndarray]) -> None:
        for layer, array in zip(self._dense_layers(), arrays, strict=True):
            layer.b = array

    def _dense_layers(self) -> list[Dense]:
        if "network_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        return [layer for layer in self.network_.layers if isinstance(layer, Dense)]

    def _logits(self, X: Any) -> Iterator[np.ndarray]:
        """Yield what the last layer puts out, in bounded memory also for sparse rows."""
        check_is_fitted(self, "network_")
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        if not scipy.sparse.issparse(X):
            yield from self.network_.logits_in_batches(X)
            return
        samples = self._samples(X, np.empty(X.shape[0]), None)
        for number, (batch, logits) in enumerate(self._outputs(samples)):
            yield check_answers(logits, batch, number * BATCH)

    def _outputs(self, samples: Samples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield batches with what the last layer puts out for them."""
        for start in range(0, len(samples.rows), BATCH):
            rows = np.arange(start, min(start + BATCH, len(samples.rows)))
            batch = samples.take(rows)[0]
            yield batch, self.network_.forward(batch)

    # ---- what the two estimators differ in ----

    def _check_data(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        raise NotImplementedError

    def _targets(self, y: Any) -> np.ndarray:
        """Write the targets as the loss wants them."""
        raise NotImplementedError

    def _head(self) -> tuple[Loss, str, str]:
        """Give the loss, the network's output and scikit-learn's name for it."""
        raise NotImplementedError

    def _validation_score(self, held_out: Samples, accuracy: float | None) -> float | None:
        raise NotImplementedError

    def _sample_weight(self, sample_weight: Any, X: Any, y: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weight: np.ndarray = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return weight

    # ---- fitting ----

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
    ) -> tuple[Samples, Samples | None]:
        """Check all that came, build the network if there is none to go on with, split the data."""
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, y = self._check_data(X, y, incremental, reset=first)
        weight = self._sample_weight(sample_weight, X, y)
        targets = self._targets(y)
        plan = self._plan(X.shape[1], 1 if y.ndim == 1 else y.shape[1])
        if first:
            self._begin(plan, X.dtype)
        elif plan != self._built_as:
            raise ValueError(
                f"the network was built with {self._built_as}, got {plan}: what it is made of and "
                f"for cannot change between calls; use fit with warm_start=False"
            )
        samples = self._samples(X, targets, weight)
        if self.solver == "lbfgs":
            return samples, None
        X_val, y_val, sample_weight_val = validation
        if X_val is not None:
            return samples, self._own_validation(*validation)
        if y_val is not None or sample_weight_val is not None:
            raise ValueError("y_val and sample_weight_val expected X_val beside them, got none")
        if not self.early_stopping:
            return samples, None
        samples, held_out = self._split(samples)
        # The weights of classes steer training; the score is of the samples as they come.
        own_weight = BaseMLP._sample_weight(self, sample_weight, X, y)
        return samples, held_out._replace(weight=own_weight)

    def _train(self, samples: Samples, held_out: Samples | None, incremental: bool = False) -> None:
        if self.solver == "lbfgs":
            self._fit_lbfgs(samples)
        else:
            self._fit_stochastic(samples, held_out, incremental)

    def _plan(self, inputs: int, outputs: int) -> dict[str, Any]:
        """Say of which layers the network has to be, in the parameters' own words."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()
        if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        single = isinstance(self.activation, str) or callable(self.activation)
        activations = [self.activation] * len(sizes) if single else list(self.activation)
        known = all(callable(name) or name in ACTIVATION_NAMES for name in activations)
        if len(activations) != len(sizes) or not known:
            raise ValueError(
                f"activation expected one of {sorted(ACTIVATION_NAMES)} (or a class of layers) for "
                f"each of the {len(sizes)} hidden layers, got {self.activation!r}"
            )
        if self.solver == "lbfgs" and (self.dropout or self.batch_norm):
            raise ValueError("dropout and batch_norm need solver='sgd' or 'adam', not 'lbfgs'")
        return {
            "sizes": [inputs, *map(int, sizes), outputs],
            "activations": activations,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
            "dtype": self.dtype,
            "loss": getattr(self, "loss", None),
        }

    def _begin(self, plan: dict[str, Any], dtype: Any) -> None:
        """Build the network with its first weights, and forget all earlier training."""
        self._random_state = check_random_state(self.random_state)
        self._built_as, sizes = plan, plan["sizes"]
        self.n_layers_, self.n_outputs_ = len(sizes), sizes[-1]
        loss, output, self.out_activation_ = self._head()
        layers: list[Any] = []
        for inputs, outputs, name in zip(sizes[:-2], sizes[1:-1], plan["activations"], strict=True):
            layers.append(Dense(inputs, outputs, zeros))
            if self.batch_norm:
                layers.append(BatchNorm(outputs))
            if name != "identity":
                layers.append(name() if callable(name) else LAYERS[name]())
            if self.dropout:
                layers.append(Dropout(self.dropout))
        layers.append(Dense(sizes[-2], sizes[-1], zeros))
        self.network_ = Network(layers, output=output, dtype=dtype)
        self.network_.loss = loss
        self._draw(plan["activations"])
        self._steps, self._convergence = 0, Convergence()
        self._optimizer: Optimizer | None = None
        self._order: Any = RandomOrder(self._random_state)
        self._planned: Planned | None = None
        self.n_iter_ = self.t_ = 0
        names = ("loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_")
        for name in (*names, "validation_loss_curve_"):
            self.__dict__.pop(name, None)

    def _draw(self, activations: list[Any]) -> None:
        """Draw weights and biases in scikit-learn's order, uniform as Glorot and Bengio proposed.

        The last layer follows the activation before it; a logistic layer begins smaller.
        """
        last = activations[-1] if activations else self.activation
        names = [*activations, last]
        for layer, name in zip(self._dense_layers(), names, strict=True):
            logistic = isinstance(name, str) and name in ("logistic", "sigmoid")
            factor = 2.0 if logistic else 6.0
            bound = np.sqrt(factor / (layer.inputs + layer.outputs))
            layer.W = self._random_state.uniform(-bound, bound, layer.W.shape)
            layer.b = self._random_state.uniform(-bound, bound, layer.b.shape)
        for layer in self.network_.layers:
            if isinstance(layer, Dropout):
                layer.rng = np.random.default_rng(self._random_state.randint(2**31))

    def _samples(self, X: Any, targets: np.ndarray, weight: np.ndarray | None) -> Samples:
        kind = SparseSamples if scipy.sparse.issparse(X) else Samples
        return kind(X, targets, weight, np.arange(X.shape[0]))

    def _own_validation(self, X: Any, y: Any, sample_weight: Any) -> Samples:
        X, y = self._check_data(X, y, incremental=True, reset=False)
        weight = BaseMLP._sample_weight(self, sample_weight, X, y)
        return self._samples(X, self._targets(y), weight)

    def _split(self, samples: Samples) -> tuple[Samples, Samples]:
        """Hold out rows for validation, the same ones at each call with the same data."""
        if "_split_state" not in self.__dict__ or self._steps == 0:
            self._split_state = self._random_state.get_state()
            random_state = self._random_state
        else:
            random_state = np.random.RandomState()
            random_state.set_state(self._split_state)
        one_class_each = self.out_activation_ == "softmax" or self.n_outputs_ == 1
        stratify = samples.y.ravel() if is_classifier(self) and one_class_each else None
        if stratify is not None:
            counts = np.unique(stratify, return_counts=True)[1]
            held = math.ceil(self.validation_fraction * len(samples.rows))
            if counts.min() < 2 or min(held, len(samples.rows) - held) < len(counts):
                stratify = None  # there are too few rows for one of each class on both sides
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

    def _fit_lbfgs(self, samples: Samples) -> None:
        rows = len(samples.rows)
        weight = rows if samples.weight is None else float(samples.weight.sum())
        strength = self.alpha if self.l2_scaling == "none" else self.alpha / (weight or 1.0)
        result = minimize_lbfgs(
            self.network_,
            self._head()[0],
            samples,
            L2Penalty(strength),
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            tol=self.tol,
            verbose=bool(self.verbose),
        )
        self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = float(result.fun)
        if not np.isfinite(self.network_.parameters).all():
            raise ValueError(NOT_FINITE)

    def _fit_stochastic(
        self, samples: Samples, held_out: Samples | None, incremental: bool
    ) -> None:
        rows = len(samples.rows)
        batch_size = min(200, rows) if self.batch_size == "auto" else self.batch_size
        if batch_size > rows:
            warnings.warn(
                f"Got `batch_size` {batch_size} larger than sample size {rows}. It is going to be "
                f"clipped",
                stacklevel=5,
            )
            batch_size = rows
        objective = Objective(self._head()[0], self.alpha, self.l2_scaling)
        watch = Epochs(self, objective, held_out, rows)
        trainer = Trainer(
            self.network_,
            objective,
            self._next_optimizer(),
            schedule=self._next_schedule(-(-rows // batch_size), incremental),
            batch_size=batch_size,
            penalty=objective.penalty,
            order=self._order if self.shuffle else given_order,
            callbacks=[watch, *(() if self.callbacks is None else self.callbacks)],
            verbose=int(self.progress_bar),
        )
        trainer.step = self._steps
        try:
            trainer.run(samples, held_out, 1 if incremental else self.max_iter)
        except TrainingDiverged as error:
            raise ValueError(f"{NOT_FINITE} {error}") from error
        finally:
            self.network_.loss = objective.loss
            self._steps = trainer.step
        if trainer.stop_signal is not None:  # also where it came with the last step
            warnings.warn("Training interrupted by user.", stacklevel=5)
        elif trainer.stopped == "epochs" and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                f"optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if watch.best_weights is not None and not incremental:
            self.network_.parameters, self.network_.buffers = watch.best_weights

    def _next_optimizer(self) -> Optimizer:
        """Make the optimizer by today's parameters; it goes on with what the last one knew."""
        optimizer: Optimizer
        if self.solver == "sgd":
            optimizer = SGD(self.learning_rate_init, nesterov=self.nesterovs_momentum)
            optimizer.momentum = float(self.momentum)  # 1, no friction at all, is allowed here
        else:
            optimizer = Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        if self._optimizer is not None and _same_kind(self._optimizer, optimizer):
            optimizer.restore(self._optimizer.state())
        self._optimizer = optimizer
        return optimizer

    def _next_schedule(self, steps_per_epoch: int, incremental: bool) -> Schedule | None:
        if not incremental:
            self._planned, self._convergence.factor = None, 1.0
        asked = (self.schedule, self.max_iter)
        if self._planned is not None and self._planned.asked != asked:
            self._planned = None
        if self.schedule is not None:
            if self.solver == "sgd" and self.learning_rate != "constant":
                raise ValueError(
                    f"schedule and learning_rate={self.learning_rate!r} both move the learning "
                    f"rate: leave one of them"
                )
            own = SCHEDULES[self.schedule]() if isinstance(self.schedule, str) else self.schedule
            # Each fit has a plan of its own; the calls of partial_fit after it share one, of
            # max_iter passes as long as the first.
            steps = self.max_iter * steps_per_epoch
            plan = self._planned or Planned(own, self._steps, steps, asked)
            self._planned = plan if incremental else None
            return plan
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            return InverseScaling(self.power_t)
        if self.solver == "sgd" and self.learning_rate == "adaptive":
            return self._convergence
        return None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _same_kind(before: Optimizer, now: Optimizer) -> bool:
    """Tell whether one optimizer can go on with what another knew: Adam's sums are its betas'."""
    betas = [(each.beta1, each.beta2) for each in (before, now) if isinstance(each, Adam)]
    return type(before) is type(now) and len(set(betas)) < 2


NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)
