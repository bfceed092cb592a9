"""`MLPClassifier` and `MLPRegressor`: what each parameter means, and what is learned from it.

The parameters down to `max_fun` are scikit-learn's, with its defaults; those after it are this
package's own. Read `base.py` for what a fit does with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

from numpymlp.layers import sigmoid
from numpymlp.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy, log_softmax, softmax
from numpymlp.schedules import Schedule
from numpymlp.sklearn.base import BaseMLP, all_or_nothing
from numpymlp.sklearn.solvers import REGRESSION_LOSSES
from numpymlp.training.samples import Samples


def _is_stochastic(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for solver='sgd' and 'adam'")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron that tells classes apart: two, many, or several at once.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : {"identity", "logistic", "sigmoid", "tanh", "relu", "leaky_relu"}, a class of \
layers, or a list with one for each hidden layer, default "relu"
        What follows each hidden layer's weighted sums. "sigmoid" is another name of "logistic".
        A class is called without arguments and must give a layer; see `numpymlp.Layer`.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        "lbfgs" takes all samples at each step: for small data.
    alpha : float >= 0, default 0.0001
        Strength of the L2 term, ``alpha / 2 * sum(weights ** 2)``; see `l2_scaling`.
    batch_size : int or "auto", default "auto"
        "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        With "sgd". "invscaling" divides by ``t ** power_t`` at update t = 1, 2, ...; "adaptive"
        divides by 5 whenever two epochs in a row bring no progress of at least `tol`, and stops
        when it is no longer above 1e-6.
    learning_rate_init : float > 0, default 0.001
    power_t : float >= 0, default 0.5
    max_iter : int, default 200
        Epochs; with "lbfgs", iterations.
    shuffle : bool, default True
        Whether each epoch has an order of its own.
    random_state : int, RandomState instance or None, default None
        Decides weights, biases, orders, dropout and the validation split.
    tol : float >= 0, default 1e-4
        An epoch has brought progress if the loss (with `early_stopping`, the validation score) is
        better than the best before it by at least this. With "lbfgs", the size of the gradient's
        largest entry at which it ends.
    verbose : bool or int, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` goes on with the network, the optimizer's state and the curves of the call
        before.
    momentum : float in [0, 1], default 0.9
        With "sgd".
    nesterovs_momentum : bool, default True
    early_stopping : bool, default False
        Whether the validation score decides when to stop, and the weights of its best epoch are
        kept. Without validation data of your own, a share of the samples is held out.
    validation_fraction : float in [0, 1), default 0.1
        That share.
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
        With "adam".
    epsilon : float > 0, default 1e-8
        With "adam".
    n_iter_no_change : int or numpy.inf, default 10
        Training stops after this many epochs in a row without progress.
    max_fun : int, default 15000
        With "lbfgs": at most so many evaluations of the loss.
    class_weight : dict, list of dict, "balanced" or None, default None
        How much each class counts, times `sample_weight`. "balanced" is for `fit` only.
    dropout : float in [0, 1), default 0
        Share of the hidden units dropped at each step. Not with "lbfgs".
    batch_norm : bool, default False
        Whether batch norm stands before each activation. Not with "lbfgs".
    schedule : {"cosine", "one_cycle", "step_decay"}, callable or None, default None
        ``schedule(step, total_steps)`` gives the factor on `learning_rate_init`, with "sgd" and
        "adam", over `max_iter` epochs; see `numpymlp.schedules`.
    l2_scaling : {"batch", "none"}, default "batch"
        "batch" divides alpha by the number of samples in the batch (the sum of their weights), as
        scikit-learn does; "none" makes the strength independent of the batch.
    keep_best : bool, default False
        Whether `fit` ends with the weights of the best epoch also without `early_stopping`: by
        the validation score if there is validation data, else by the training loss.
    dtype : {"float32", "float64"} or None, default None
        Of the network. None takes float32 for float32 data and float64 for all other.
    callbacks : sequence of callables or None, default None
        ``callback(trainer)`` after each epoch; returning True stops. See `numpymlp.Trainer`.
    progress_bar : bool, default False
        Whether to show a progress bar, or a line for each epoch where there is no terminal.

    Attributes
    ----------
    network_ : numpymlp.Network
        The trained network, with all its methods, such as `save`.
    classes_ : ndarray of shape (n_classes,)
    coefs_, intercepts_ : lists of ndarray, of length n_layers_ - 1
        Weights (in, out) and biases (out,), as views into the network: writing into them changes
        it, and so does assigning a whole list.
    loss_ : float
        The mean loss of the last epoch, measured while the weights moved, L2 term included; with
        "lbfgs", the loss at its end.
    loss_curve_ : list of float
        `loss_` of each epoch. Not with "lbfgs".
    best_loss_ : float or None
        Its minimum; None with `early_stopping`.
    validation_scores_, validation_loss_curve_ : list of float or None
        Accuracy and loss (without L2 term) on the validation data after each epoch; None without
        such data.
    best_validation_score_ : float or None
    n_iter_ : int
        Epochs or iterations of the last call.
    t_ : int
        Samples seen in all.
    n_features_in_, n_layers_, n_outputs_ : int
    feature_names_in_ : ndarray of str
        Only if X had names.
    out_activation_ : {"logistic", "softmax"}
        "logistic" for two classes and for multilabel targets.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> MLPClassifier(solver="lbfgs", random_state=1).fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: float = 0.0,
        batch_norm: bool = False,
        schedule: str | Schedule | None = None,
        l2_scaling: str = "batch",
        keep_best: bool = False,
        dtype: str | None = None,
        callbacks: Sequence[Callable[[Any], Any]] | None = None,
        progress_bar: bool = False,
    ) -> None:
        self._keep_parameters(locals())

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
        """Train from the first weights, or with `warm_start` from those of the call before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes; for multilabel targets, rows of 0 and 1.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts, at least 0.
        X_val, y_val, sample_weight_val : like the three above, optional
            Validation data of your own. Not used with "lbfgs".

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            validation = X_val, y_val, sample_weight_val
            samples, held_out = self._prepare(X, y, sample_weight, validation=validation)
        self._train(samples, held_out)
        return self

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch over these samples, and go on from the call before.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes that will ever come; needed at the first call.

        Returns
        -------
        self
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which does not see all "
                "samples: pass the weights that "
                "sklearn.utils.class_weight.compute_class_weight gives"
            )
        with all_or_nothing(self):
            if _check_partial_fit_first_call(self, classes):
                multilabel = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
            samples, held_out = self._prepare(X, y, sample_weight, incremental=True)
        self._train(samples, held_out, incremental=True)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Give the likeliest class of each sample, (n_samples,); for multilabel, rows of 0 and 1.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        p = self._probabilities(X)
        single = p.shape[1] == 1
        labels: np.ndarray = self._label_binarizer.inverse_transform(p[:, 0] if single else p)
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the probability of each class, (n_samples, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        p = self._probabilities(X)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Give the logarithms of `predict_proba`, finite also where a probability underflows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        z = np.concatenate(list(self._logits(X)))
        if self.out_activation_ == "softmax":
            return log_softmax(z)
        # log sigmoid(z) = -log(1 + exp(-z))
        log_p: np.ndarray = -np.logaddexp(0, -z)
        return np.hstack([-np.logaddexp(0, z), log_p]) if z.shape[1] == 1 else log_p

    def _probabilities(self, X: Any) -> np.ndarray:
        return np.concatenate(
            [
                softmax(logits) if self.out_activation_ == "softmax" else sigmoid(logits)
                for logits in self._logits(X)
            ]
        )

    def _head(self) -> tuple[Loss, str, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return SoftmaxCrossEntropy(), "softmax", "softmax"
        return SigmoidCrossEntropy(), "sigmoid", "logistic"

    def _check_data(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            dtype=self.dtype or (np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return X, self._label_binarizer.transform(y)
        classes = unique_labels(y)
        if self.warm_start and not incremental:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif not np.isin(classes, self.classes_).all():
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )
        return X, self._label_binarizer.transform(y)

    def _targets(self, y: Any) -> np.ndarray:
        rows = y.toarray() if hasattr(y, "toarray") else y
        targets: np.ndarray = rows.argmax(axis=1) if self._head()[1] == "softmax" else rows
        return targets

    def _sample_weight(self, sample_weight: Any, X: Any, y: Any) -> np.ndarray | None:
        weight = super()._sample_weight(sample_weight, X, y)
        if self.class_weight is None:
            return weight
        labels = self._label_binarizer.inverse_transform(y)
        by_class: np.ndarray
        multilabel = self._label_binarizer.y_type_.startswith("multilabel")
        if isinstance(self.class_weight, dict) and not multilabel:
            unknown = set(self.class_weight) - set(self.classes_.tolist())
            if unknown:
                raise ValueError(
                    f"class_weight expected the classes {self.classes_}, got {sorted(unknown)} too"
                )
            # Of all classes, for a batch of partial_fit need not have them all.
            weights = [self.class_weight.get(name, 1.0) for name in self.classes_.tolist()]
            by_class = np.array(weights)[np.searchsorted(self.classes_, labels)]
        else:
            by_class = compute_sample_weight(self.class_weight, labels)
        return by_class if weight is None else weight * by_class

    def _validation_score(self, held_out: Samples, accuracy: float | None) -> float | None:
        return accuracy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron that predicts values, one or several for each sample.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default "squared_error"
        Half the squared distance, or half the Poisson deviance for counts (y at least 0). With
        "poisson" the network predicts the logarithm of the mean.
    hidden_layer_sizes, activation, ..., progress_bar
        As for `MLPClassifier`, which lists them all, without `class_weight`. The validation score
        is R squared.

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
        self._keep_parameters(locals())

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
        """Train from the first weights, or with `warm_start` from those of the call before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts, at least 0.
        X_val, y_val, sample_weight_val : like the three above, optional
            Validation data of your own. Not used with "lbfgs".

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            validation = X_val, y_val, sample_weight_val
            samples, held_out = self._prepare(X, y, sample_weight, validation=validation)
        self._train(samples, held_out)
        return self

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch over these samples, and go on from the call before.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            samples, held_out = self._prepare(X, y, sample_weight, incremental=True)
        self._train(samples, held_out, incremental=True)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Give the value for each sample, (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        return self._values(np.concatenate(list(self._logits(X))))

    def _values(self, outputs: np.ndarray) -> np.ndarray:
        values = np.exp(outputs) if self.out_activation_ == "exp" else outputs
        return values[:, 0] if values.shape[1] == 1 else values

    def _head(self) -> tuple[Loss, str, str]:
        name = "exp" if self.loss == "poisson" else "identity"
        return REGRESSION_LOSSES[self.loss](), "identity", name

    def _check_data(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=self.dtype or (np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"loss='poisson' expected y of at least 0, got {y.min():g}")
        return X, y

    def _targets(self, y: Any) -> np.ndarray:
        targets: np.ndarray = y.reshape(len(y), -1)
        return targets

    def _validation_score(self, held_out: Samples, accuracy: float | None) -> float | None:
        outputs = np.concatenate([logits for _, logits in self._outputs(held_out)])
        if not np.isfinite(outputs).all():
            return np.nan
        y = held_out.y[held_out.rows]
        weight = None if held_out.weight is None else held_out.weight[held_out.rows]
        score: float = r2_score(y, self._values(outputs), sample_weight=weight)
        return score
