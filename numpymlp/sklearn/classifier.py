"""`MLPClassifier`, and what each parameter of both estimators means.

The parameters up to `max_fun` are scikit-learn's, with its defaults; the others are extensions.
Read `base.py` for the steps of a fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from numpymlp.layers import sigmoid
from numpymlp.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy, log_softmax, softmax
from numpymlp.schedules import Schedule
from numpymlp.sklearn.base import BaseMLP, is_stochastic
from numpymlp.training.samples import Samples


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Classify samples with a multi-layer perceptron: binary, multiclass or multilabel.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : {"identity", "logistic", "sigmoid", "tanh", "relu", "leaky_relu", "gelu"}, a \
layer class, or a list with one of these for each hidden layer, default "relu"
        "sigmoid" is the same as "logistic". A class is called without arguments and must return a
        layer; see `numpymlp.Layer`.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        "lbfgs" uses all samples at each step: for small data.
    alpha : float >= 0, default 0.0001
        Strength of the L2 term, ``alpha / 2 * sum(weights ** 2)``; see `l2_scaling`.
    batch_size : int or "auto", default "auto"
        "auto" is ``min(200, n_samples)``; with `batch_norm`, the next larger size that leaves no
        single row in the last batch: 201 for 201 or 401 rows.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        With "sgd". "invscaling" divides by ``t ** power_t`` at update t = 1, 2, ...; "adaptive"
        divides by 5 whenever two epochs in a row improve by less than `tol`, and stops once the
        learning rate is at most 1e-6.
    learning_rate_init : float > 0, default 0.001
    power_t : float >= 0, default 0.5
    max_iter : int, default 200
        Maximum number of epochs; with "lbfgs", of iterations.
    shuffle : bool, default True
        Whether each epoch has a new random order.
    random_state : int, RandomState instance or None, default None
        Determines weights, biases, orders, dropout and the validation split.
    tol : float >= 0, default 1e-4
        An epoch is progress if the loss (with `early_stopping`, the validation score) improves on
        the best so far by at least this. With "lbfgs", the search ends when no entry of the
        gradient is larger.
    verbose : bool or int, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` continues with the network, the optimizer state and the curves of the
        previous call.
    momentum : float in [0, 1], default 0.9
        With "sgd".
    nesterovs_momentum : bool, default True
        With "sgd".
    early_stopping : bool, default False
        Whether the validation score decides when to stop, and the weights of its best epoch are
        kept, also if training diverges later. If `fit` gets no validation data, a share of the
        samples is held out.
    validation_fraction : float in [0, 1), default 0.1
        Share of the samples to hold out.
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
        With "adam".
    epsilon : float > 0, default 1e-8
        With "adam".
    n_iter_no_change : int or numpy.inf, default 10
        Training stops after this many epochs in a row without progress.
    max_fun : int, default 15000
        With "lbfgs": maximum number of loss evaluations.
    class_weight : dict, list of dict, "balanced" or None, default None
        Weight of each class, 1 where a dict has none, multiplied by `sample_weight`. If every class
        has one, there may be more, for classes that a fold of a cross-validation lacks. "balanced"
        is for `fit` only.
    dropout : float in [0, 1), default 0
        Share of the hidden units dropped at each step. Not with "lbfgs".
    batch_norm : bool, default False
        Whether to normalize before each activation. Not with "lbfgs".
    schedule : {"cosine", "one_cycle", "step_decay"}, callable or None, default None
        ``schedule(step, total_steps)`` returns the factor on `learning_rate_init` over `max_iter`
        epochs; with "sgd" and "adam". See `numpymlp.schedules`.
    l2_scaling : {"batch", "none"}, default "batch"
        "batch" divides alpha by the number of samples in the batch (the sum of their weights), as
        scikit-learn does; "none" makes the strength independent of the batch.
    keep_best : bool, default False
        Whether `fit` keeps the weights of the best epoch even without `early_stopping`: by the
        validation score if there is validation data, else by the training loss.
    dtype : {"float32", "float64"} or None, default None
        Dtype of the network. None means float32 for float32 data and float64 for all other.
    callbacks : sequence of callables or None, default None
        ``callback(trainer)`` after each epoch; returning True stops. See `numpymlp.Trainer`.
    progress_bar : bool, default False
        Whether to show a progress bar, or a line for each epoch if the output is not a terminal.

    Attributes
    ----------
    network_ : numpymlp.Network
        The trained network.
    classes_ : ndarray of shape (n_classes,)
    coefs_, intercepts_ : lists of ndarray, of length n_layers_ - 1
        Weights (in, out) and biases (out,), as views into the network: writing into them, or
        assigning a whole list, changes the network.
    loss_ : float
        Mean loss over the last epoch, measured while training, L2 term included; with "lbfgs", the
        final loss.
    loss_curve_ : list of float
        `loss_` of each epoch. Not with "lbfgs".
    best_loss_ : float or None
        Smallest `loss_` of the last `fit` and the calls of `partial_fit` since; None with
        `early_stopping`.
    validation_scores_, validation_loss_curve_ : list of float or None
        Accuracy and loss (without L2 term) on the validation data after each epoch; None without
        validation data.
    best_validation_score_ : float or None
        Of the last `fit`.
    n_iter_ : int
        Epochs or iterations of the last call.
    t_ : int
        Samples seen in all calls.
    n_features_in_, n_layers_, n_outputs_ : int
    feature_names_in_ : ndarray of str
        Only if X has column names.
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
        self._store_parameters(locals())

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch over these samples, continuing from the previous call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes that any call will pass; required at the first call.

        Returns
        -------
        self
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which does not see all "
                "samples: pass the weights that "
                "sklearn.utils.class_weight.compute_class_weight returns"
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class, (n_samples,); for multilabel, rows of 0 and 1.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        p = self._probabilities(X)
        return self._label_binarizer.inverse_transform(p[:, 0] if p.shape[1] == 1 else p)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n_samples, n_classes), ordered as `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        p = self._probabilities(X)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`, finite even where a probability underflows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        z = np.concatenate(list(self._logits(X)))
        if self.out_activation_ == "softmax":
            return log_softmax(z)
        # log sigmoid(z) = -log(1 + exp(-z))
        log_p = -np.logaddexp(0, -z)
        return np.hstack([-np.logaddexp(0, z), log_p]) if z.shape[1] == 1 else log_p

    def _probabilities(self, X: Any) -> np.ndarray:
        batches = list(self._logits(X))
        squash = softmax if self.out_activation_ == "softmax" else sigmoid
        return np.concatenate([squash(logits) for logits in batches])

    # ---- called by BaseMLP ----

    def _head(self) -> tuple[Loss, str, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return SoftmaxCrossEntropy(), "softmax", "softmax"
        return SigmoidCrossEntropy(), "sigmoid", "logistic"

    def _declare_classes(self, y: Any, classes: Any) -> None:
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)

    def _check_data(
        self, X: Any, y: Any, incremental: bool, reset: bool, **options: Any
    ) -> tuple[Any, Any]:
        X, y = super()._check_data(X, y, incremental, reset, **options)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return X, self._encode(y)
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
        return X, self._encode(y)

    def _encode(self, y: Any) -> np.ndarray:
        """Return classes as integers (N,), two as a column (N, 1), multilabel rows as they are."""
        if self._head()[1] == "softmax":
            return np.searchsorted(self.classes_, y)
        rows = self._label_binarizer.transform(y)
        return rows.toarray() if scipy.sparse.issparse(rows) else rows

    def _count_outputs(self, y: Any) -> int:
        return len(self.classes_) if y.ndim == 1 else y.shape[1]

    def _targets(self, y: Any) -> np.ndarray:
        return y

    def _sample_weight(
        self, sample_weight: Any, X: Any, y: Any, incremental: bool
    ) -> np.ndarray | None:
        weight = super()._sample_weight(sample_weight, X, y, incremental)
        if self.class_weight is None:
            return weight
        labels = y if self._label_binarizer.y_type_.startswith("multilabel") else y.ravel()
        if isinstance(self.class_weight, dict) and labels.ndim == 1:
            # Look up all classes, because a batch of partial_fit need not contain each of them.
            by_class = weight_of_each_class(self.class_weight, self.classes_)[labels]
        else:
            if isinstance(self.class_weight, list):
                for mapping in self.class_weight:
                    check_weights(mapping)
            by_class = compute_sample_weight(self.class_weight, labels)
        weight = by_class if weight is None else weight * by_class
        if not incremental and not weight.any():
            raise ValueError(
                f"class_weight expected a sample with a weight above 0, got only 0 from "
                f"{self.class_weight}: nothing would be learned"
            )
        return weight

    def _validation_score(self, held_out: Samples, accuracy: Any) -> float:
        return accuracy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def weight_of_each_class(class_weight: dict[Any, Any], classes: np.ndarray) -> np.ndarray:
    """Return the weight of each class, 1 where the dict has none, as scikit-learn does.

    Keys that are no class are accepted if every class has a weight: in cross-validation, a rare
    class may be absent from a fold. Otherwise such a key is taken for a mistake.
    """
    check_weights(class_weight)
    names = classes.tolist()
    missing, unknown = set(names) - set(class_weight), set(class_weight) - set(names)
    strange = {key for key in unknown if isinstance(key, str) != isinstance(names[0], str)}
    if strange or (unknown and missing):
        raise ValueError(
            f"class_weight expected keys among the classes {names}, got "
            f"{', '.join(map(repr, strange or unknown))} too: correct or remove it"
        )
    return np.array([float(class_weight.get(name, 1)) for name in names])


def check_weights(class_weight: Any) -> None:
    """Raise unless all weights of a dict are finite numbers of at least 0, and one is above 0."""
    values = [*class_weight.values()] if isinstance(class_weight, dict) else []
    right = all(isinstance(value, Real) and 0 <= float(value) < math.inf for value in values)
    if not right or not any(values):
        raise ValueError(
            f"class_weight expected a dict of classes to finite weights of at least 0, and one "
            f"above 0, got {class_weight!r}"
        )
