"""The estimators: their interface, each documented difference, and their extensions."""

import contextlib
import copy
import inspect
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from numpymlp import Cosine, LeakyReLU, Network, PoissonDeviance, load, load_loss, save
from numpymlp.sklearn import MLPClassifier, MLPRegressor, base
from numpymlp.sklearn.classifier import weight_of_each_class
from numpymlp.sklearn.samples import SparseSamples
from numpymlp.training.samples import Samples

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
PAIRS = [
    (MLPClassifier, neural_network.MLPClassifier),
    (MLPRegressor, neural_network.MLPRegressor),
]


def weights(model) -> np.ndarray:
    return model.network_.parameters.copy()


# ---- the same interface ----


def allowed(kind, name) -> set:
    constraints = kind._parameter_constraints[name]
    return {frozenset(c.options) if hasattr(c, "options") else str(c) for c in constraints}


@pytest.mark.parametrize(("ours", "peers"), PAIRS)
def test_parameters_stand_in_the_same_order_with_the_same_defaults_and_ranges(ours, peers) -> None:
    mine = inspect.signature(ours).parameters
    expected = inspect.signature(peers).parameters
    assert list(mine)[: len(expected)] == list(expected)
    for name, parameter in expected.items():
        assert (mine[name].default, mine[name].kind) == (parameter.default, parameter.kind)
        if name not in ("activation", "hidden_layer_sizes"):  # ours take more
            assert allowed(ours, name) == allowed(peers, name)


@pytest.mark.parametrize(("ours", "peers"), PAIRS)
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_fitted_attributes_and_methods_have_the_same_names(ours, peers, settings) -> None:
    mine = ours(max_iter=2, **settings).fit(X, Y % 2)
    peer = peers(max_iter=2, **settings).fit(X, Y % 2)
    public = {name for name in dir(peer) if not name.startswith("_") and hasattr(peer, name)}
    if ours is MLPClassifier:
        public.discard("loss")  # an attribute there, but no parameter
    if ours is MLPRegressor:
        public.discard("partial_fit" if settings.get("solver") == "lbfgs" else "")
    assert public <= set(dir(mine))
    for name in public:
        value = getattr(peer, name)
        if name.endswith("_") and not callable(value):
            own = getattr(mine, name)
            assert isinstance(own, type(value)) or isinstance(value, type(own)), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, "'alpha' parameter"),
        ({"solver": "newton"}, "'solver' parameter"),
        ({"activation": "cube"}, "'activation' parameter"),
        ({"activation": ["relu", "cube"], "hidden_layer_sizes": (4, 4)}, "activation expected"),
        ({"activation": ["relu"], "hidden_layer_sizes": (4, 4)}, "each of the 2 hidden layers"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes must be > 0"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"dropout": 0.5, "solver": "lbfgs"}, "need solver='sgd' or 'adam'"),
        ({"batch_norm": True, "solver": "lbfgs"}, "need solver='sgd' or 'adam'"),
        ({"l2_scaling": "rows"}, "'l2_scaling' parameter"),
        ({"schedule": "cosine", "solver": "sgd", "learning_rate": "adaptive"}, "leave one"),
    ],
)
def test_a_wrong_setting_is_named(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**settings).fit(X, Y)


def test_one_row_is_too_little_to_validate_on() -> None:
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPRegressor(early_stopping=True, validation_fraction=0.001).fit(X, Y)


def test_without_scikit_learn_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import numpymlp.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith("-m pip install scikit-learn")


def test_with_an_old_scikit_learn_the_error_names_the_oldest_that_will_do() -> None:
    """Version 1.5 had failed with an ImportError from inside."""
    code = "import sklearn; sklearn.__version__ = '1.6.1'; import numpymlp.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "ImportError: numpymlp.sklearn expected scikit-learn 1.7 or later, got 1.6.1: " in last
    assert last.endswith("-m pip install --upgrade scikit-learn")


def test_it_works_where_estimators_work() -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), learning_rate_init=0.05))
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.8
    grid = GridSearchCV(
        MLPClassifier(max_iter=40, learning_rate_init=0.02, random_state=0),
        {"hidden_layer_sizes": [(4,), (8, 4)], "activation": ["tanh", ["relu", "tanh"]]},
        cv=2,
        error_score=0.0,
    )
    with pytest.warns(Warning, match="fits failed"):  # two activations for one layer
        assert grid.fit(X, Y).best_score_ > 0.8
    assert "MLPClassifier" in grid.best_estimator_._repr_html_()


def test_feature_names_are_kept_and_checked() -> None:
    frame = load_iris(as_frame=True).data
    model = MLPClassifier(max_iter=2).fit(frame, Y)
    assert list(model.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on_training_like_the_original(copied) -> None:
    settings = {"random_state": 0, "dropout": 0.2, "schedule": "cosine", "max_iter": 9}
    model = MLPClassifier(**settings).partial_fit(X, Y, classes=[0, 1, 2])
    twin = copied(model)
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    for _ in range(3):
        model.partial_fit(X, Y)
        twin.partial_fit(X, Y)
    np.testing.assert_array_equal(weights(twin), weights(model))
    assert clone(model).get_params() == model.get_params()


def test_coefs_are_views_into_the_network_and_can_be_assigned() -> None:
    model = MLPClassifier((5,), max_iter=2).fit(X, Y)
    assert [w.shape for w in model.coefs_] == [(4, 5), (5, 3)]
    assert [b.shape for b in model.intercepts_] == [(5,), (3,)]
    model.coefs_ = [np.zeros((4, 5)), np.zeros((5, 3))]
    model.intercepts_[1][:] = [0, 5, 0]
    assert (model.predict(X) == 1).all()
    assert not hasattr(MLPClassifier(), "coefs_")
    assert isinstance(model.network_, Network)
    with pytest.raises(ValueError, match="shape"):
        model.coefs_ = [np.zeros((4, 6)), np.zeros((5, 3))]
    model.coefs_[1] = np.full((5, 3), 2.0)  # as one would prune or average
    assert (model.network_.layers[2].W == 2).all()
    with pytest.raises(ValueError, match="broadcast"):
        model.coefs_[1] = np.zeros((4, 5))


def test_a_subclass_may_have_parameters_of_its_own() -> None:
    class Small(MLPClassifier):
        def __init__(self, units=3, max_iter=2):
            super().__init__((units,), max_iter=max_iter)
            self.units = units

    assert clone(Small(units=4)).fit(X, Y).coefs_[0].shape == (4, 4)


# ---- the table of differences, row by row ----


def test_training_stops_after_n_epochs_without_progress_not_after_one_more() -> None:
    settings = {"tol": 10.0, "n_iter_no_change": 3}
    assert MLPClassifier(**settings).fit(X, Y).n_iter_ == 1 + 3  # the first is progress
    assert neural_network.MLPClassifier(**settings).fit(X, Y).n_iter_ == 1 + 3 + 1


def test_an_adaptive_rate_is_divided_after_two_epochs_without_progress(capsys) -> None:
    model = MLPClassifier(
        solver="sgd", learning_rate="adaptive", tol=10.0, learning_rate_init=1e-5, verbose=True
    ).fit(X, Y)
    said = [line for line in capsys.readouterr().out.splitlines() if "did not improve" in line]
    assert [line.split(" in a row. ")[1] for line in said] == [
        "Setting learning rate to 2e-06",
        "Setting learning rate to 4e-07",
        "Stopping.",
    ]
    assert model.n_iter_ == 1 + 2 + 2 + 2


def test_inverse_scaling_counts_updates() -> None:
    rates = []
    MLPClassifier(
        solver="sgd",
        learning_rate="invscaling",
        learning_rate_init=0.6,
        batch_size=75,
        max_iter=3,
        callbacks=[lambda trainer: rates.append(trainer.history["learning_rate"][-1])],
    ).fit(X, Y)
    # Two updates an epoch; the last of each epoch is update 2, 4, 6.
    np.testing.assert_allclose(rates, 0.6 / np.sqrt([2, 4, 6]))


@pytest.mark.parametrize(("ours", "peers"), PAIRS)
def test_with_a_random_state_instance_partial_fit_draws_scikit_learns_orders(ours, peers) -> None:
    first = {"classes": [0, 1, 2]} if ours is MLPClassifier else {}
    models = [
        kind(random_state=np.random.RandomState(7), batch_size=20) for kind in (ours, peers, ours)
    ]
    models[2].set_params(random_state=7)  # goes on in the stream that begins here, too
    for rows in (slice(None), slice(0, 90), slice(None)):
        for model in models:
            model.partial_fit(X[rows], Y[rows], **first)
        first = {}
    mine, peer, by_number = models
    for a, b in zip(mine.coefs_, peer.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(weights(by_number), weights(mine))
    assert (mine.n_iter_, mine.t_) == (peer.n_iter_, peer.t_) == (1, 390)


@pytest.mark.parametrize(("ours", "peers"), PAIRS)
def test_with_a_random_state_instance_a_warm_start_draws_scikit_learns_orders(ours, peers) -> None:
    settings = {"solver": "sgd", "momentum": 0, "batch_size": 20, "max_iter": 3, "warm_start": True}
    mine, peer = (
        kind(random_state=np.random.RandomState(7), **settings).fit(X, Y).fit(X, Y)
        for kind in (ours, peers)
    )
    for a, b in zip(mine.coefs_, peer.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        (["a", "b", "c"], np.array(["a", "b", "c"], object)[Y]),
        (np.array(["a", "b", "c"], object), np.array(["a", "b", "c"])[Y]),
        ([0, 1, 2], Y.astype(float)),
        ([0.0, 1.0, 2.0], Y),
        ([0, 1, 2], pd.Series(Y)),
        (["a", "b", "c"], pd.Series(np.array(["a", "b", "c"])[Y])),
    ],
)
def test_classes_are_recognized_in_any_dtype(classes, y) -> None:
    plain = MLPClassifier(random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    model = MLPClassifier(random_state=0).partial_fit(X, y, classes=classes)
    np.testing.assert_array_equal(weights(model), weights(plain))
    assert (model.predict(X) == np.asarray(classes)[plain.predict(X)]).all()


@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}])
def test_a_warm_start_goes_on_with_the_optimizers_state(settings) -> None:
    settings = {"random_state": 7, "batch_size": 20, "shuffle": False, **settings}
    whole = MLPClassifier(max_iter=6, **settings).fit(X, Y)
    parts = MLPClassifier(max_iter=2, warm_start=True, **settings)
    for _ in range(3):
        parts.fit(X, Y)
    np.testing.assert_array_equal(weights(parts), weights(whole))
    assert (parts.n_iter_, len(parts.loss_curve_)) == (2, 6)
    parts.set_params(shuffle=True, max_iter=1).fit(X, Y)
    whole.set_params(shuffle=True).partial_fit(X, Y)
    np.testing.assert_array_equal(weights(parts), weights(whole))


def test_a_warm_start_takes_new_settings_but_no_new_layers_or_classes() -> None:
    model = MLPClassifier(max_iter=2, warm_start=True, random_state=0).fit(X, Y)
    before = weights(model)
    model.set_params(learning_rate_init=1e-12).fit(X, Y)
    np.testing.assert_allclose(weights(model), before, atol=1e-9)
    with pytest.raises(ValueError, match="same classes"):
        model.fit(X[Y < 2], Y[Y < 2])
    with pytest.raises(ValueError, match="cannot change between calls"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, Y)
    model.set_params(warm_start=False).fit(X, Y)
    assert len(model.loss_curve_) == 2  # begun anew
    with pytest.raises(ValueError, match="cannot change between calls"):
        MLPRegressor().partial_fit(X, Y).partial_fit(X, np.c_[Y, Y])
    counts = MLPRegressor(max_iter=2, warm_start=True).fit(X, Y).set_params(loss="poisson")
    with pytest.raises(ValueError, match="cannot change between calls"):
        counts.fit(X, Y)  # its outputs would be read as logarithms all at once


def test_a_warm_start_does_not_mix_what_was_monitored_before_with_what_is_now() -> None:
    settings = {"random_state": 0, "warm_start": True, "learning_rate_init": 0.01}
    # Accuracies are above 0.5 and losses below 1 here, so their order would say nothing.
    model = MLPClassifier(early_stopping=True, max_iter=15, **settings).fit(X, Y)
    before, n = weights(model), 12
    model.set_params(early_stopping=False, max_iter=n).fit(X, Y)
    assert model.n_iter_ == n  # minus an accuracy is not taken for the best loss
    assert model.best_loss_ == min(model.loss_curve_[-n:])
    assert np.abs(weights(model) - before).max() > 0.01  # the best weights of before stay there
    assert model.loss_curve_[-1] < model.loss_curve_[-n]


def test_curves_and_bests_are_those_of_the_data_at_hand() -> None:
    model = MLPClassifier((4,), max_iter=3, warm_start=True, random_state=0)
    model.fit(X, Y, X_val=X[:30], y_val=Y[:30])
    assert len(model.validation_scores_) == 3
    model.fit(X, Y)
    assert model.validation_scores_ is model.validation_loss_curve_ is None
    assert model.best_validation_score_ is None
    model.set_params(early_stopping=True).fit(X, Y)
    assert model.best_loss_ is None
    model.loss_curve_[0] = 0.001  # as if it had begun so well
    model.set_params(early_stopping=False).fit(X, Y)
    assert model.best_loss_ == min(model.loss_curve_[-3:])  # only epochs of this call compete
    assert len(model.loss_curve_) == 12
    assert model.partial_fit(X, Y).best_loss_ == min(model.loss_curve_[-4:])


def test_targets_of_validation_data_need_their_samples() -> None:
    for targets in ({"y_val": Y}, {"sample_weight_val": np.ones(len(Y))}):
        with pytest.raises(ValueError, match="expected X_val beside them"):
            MLPClassifier().fit(X, Y, **targets)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_call_that_fails_leaves_the_estimator_as_it_was(kind) -> None:
    model = kind(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    wrong = {"y": np.arange(len(X)) % 5, "sample_weight": -np.ones(len(X))}
    for fit in (model.fit, model.partial_fit):
        names = kind is MLPClassifier and fit == model.partial_fit
        classes = {"classes": range(5)} if names else {}
        with pytest.raises(ValueError, match="Negative values"):
            fit(X, **wrong, **classes)
        with pytest.raises(NotFittedError):
            model.predict(X)
        assert not any(name.endswith("_") for name in vars(model))
    before = model.fit(X, Y).predict(X)
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(X[:, :2], **wrong)
    np.testing.assert_array_equal(model.predict(X), before)
    assert (model.n_features_in_, model.n_iter_) == (4, 3)


def interrupt(trainer) -> None:
    if trainer.state.epoch == 2:
        raise KeyboardInterrupt


# Settings, arguments of fit, and the message of the error: refused at once, or during training.
REFUSED = [
    ({}, {"X": np.full_like(X, np.nan)}, "contains NaN"),
    ({}, {"y": Y[1:]}, "inconsistent numbers of samples"),
    ({}, {"sample_weight": -np.ones(150)}, "Negative values"),
    ({}, {"sample_weight": np.zeros(150)}, "at least one non-zero"),
    ({"solver": "newton"}, {}, "'solver' parameter"),
    ({"activation": np.tanh, "warm_start": False}, {}, "activation expected"),
    ({"activation": lambda: 3, "warm_start": False}, {}, "activation expected"),
    ({"hidden_layer_sizes": (4, 0)}, {}, "must be > 0"),
    ({"solver": "lbfgs"}, {}, "need solver='sgd' or 'adam'"),
    ({"schedule": Cosine}, {}, r"add \(\)"),
    ({"schedule": "cosine", "learning_rate": "adaptive"}, {}, "leave one"),
    ({"schedule": lambda step, total: 1 if step < 3 else None}, {}, "finite factor"),
    ({"solver": "adam", "epsilon": 1e-40}, {}, "Adam epsilon"),
    ({"batch_norm": True, "batch_size": 149, "warm_start": False}, {}, "leave 1 at the end"),
    ({"learning_rate_init": 1e200}, {}, "non-finite parameter weights"),
    ({"callbacks": [interrupt]}, {}, None),
    ({"callbacks": [None]}, {}, None),
    ({"early_stopping": True, "validation_fraction": 0.001}, {}, "too small"),
    ({}, {"y_val": Y}, "expected X_val beside them"),
    ({}, {"X_val": X[:, :2], "y_val": Y}, "features"),
    ({"warm_start": True, "hidden_layer_sizes": (9,)}, {}, "cannot change between calls"),
    ({"warm_start": True, "activation": "tanh"}, {}, "cannot change between calls"),
]  # fmt: skip
REFUSED_BY = {
    MLPClassifier: [
        ({"class_weight": {0: -1}}, {}, "class_weight expected"),
        ({"warm_start": True}, {"y": Y % 2}, "same classes"),
    ],
    MLPRegressor: [
        ({}, {"y": np.array(["a", "b", "c"])[Y]}, "expected numbers as y, got strings such as 'a'"),
        ({}, {"y": np.array(["a", "b", "c"], object)[Y]}, "use MLPClassifier for classes"),
        ({"loss": "poisson", "warm_start": False}, {"y": Y - 1}, "y of at least 0"),
        ({"loss": "poisson", "warm_start": True}, {}, "cannot change between calls"),
    ],
}


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("kind", "settings", "data", "message"),
    [(k, *case) for k, more in REFUSED_BY.items() for case in [*REFUSED, *more]],
)
def test_a_refused_or_failing_fit_changes_nothing(
    kind, settings, data, message, warm_start
) -> None:
    """A refused refit had thrown the trained network away, and a random one answered instead."""
    model = kind(
        (4,), solver="sgd", dropout=0.1, max_iter=5, random_state=np.random.RandomState(0),
        warm_start=warm_start,
    ) if kind is MLPClassifier else kind(
        "squared_error", (4,), solver="sgd", dropout=0.1, max_iter=5, warm_start=warm_start,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    network = model.fit(X, Y, X_val=X, y_val=Y).network_
    model.set_params(**settings)
    before = contents(model)
    with pytest.raises((ValueError, TypeError, KeyboardInterrupt), match=message):
        model.fit(**{"X": X, "y": Y, **data})
    assert contents(model) == before
    assert model.network_ is network
    if set(data) <= {"X", "y", "sample_weight"} and not {"solver", "warm_start"} & set(settings):
        with contextlib.suppress(ValueError, TypeError, KeyboardInterrupt):
            model.partial_fit(**{"X": X, "y": Y, **data})
            return  # what only fit refuses
        assert contents(model) == before


def contents(model) -> bytes:
    """Return all that a model is, bit by bit: its parameters, weights, moments, random streams."""
    model = copy.copy(model)
    model.network_.clear_cache()
    functions = {name: None for name in ("activation", "schedule", "callbacks")}
    return pickle.dumps(model.set_params(**functions))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_lbfgs_loss_that_is_not_finite_is_an_error_and_changes_nothing(kind) -> None:
    model = kind(max_iter=3).fit(X, Y)
    before = contents(model.set_params(solver="lbfgs"))
    with pytest.raises(ValueError, match="lbfgs expected a finite loss, got nan"):
        model.fit(X, Y, np.full(150, 1e-307))
    assert contents(model) == before


@pytest.mark.parametrize(
    ("pair", "activation", "rate", "alpha"),
    [
        (PAIRS[0], "identity", 1e6, 1e-4),
        (PAIRS[1], "identity", 0.1, 1e3),
        (PAIRS[1], "identity", 1.0, 1e-4),
        (PAIRS[1], "relu", 1.0, 1e-4),
        (PAIRS[1], "relu", 100.0, 1e-4),
    ],
)
def test_early_stopping_keeps_the_best_weights_of_a_run_that_diverges(
    pair, activation, rate, alpha
) -> None:
    settings = {
        "hidden_layer_sizes": (4,), "solver": "sgd", "batch_size": 75, "early_stopping": True,
        "activation": activation, "learning_rate_init": rate, "alpha": alpha, "random_state": 0,
    }  # fmt: skip
    with pytest.warns(ConvergenceWarning, match=r"diverged.*try .*\. The best weights are kept"):
        mine = pair[0](**settings).fit(X, Y % 2)
    with np.errstate(all="ignore"):
        peer = pair[1](**settings).fit(X, Y % 2)
    for a, b in zip(mine.coefs_, peer.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    assert np.isnan(mine.loss_)
    assert mine.n_iter_ == len(mine.loss_curve_) == len(mine.validation_scores_)
    mine.set_params(learning_rate_init=1e200)  # no epoch of this run ends
    with pytest.raises(ValueError, match="diverged at step"):
        mine.fit(X, Y % 2)
    np.testing.assert_allclose(mine.coefs_[0], peer.coefs_[0], rtol=1e-10)


def test_a_warm_start_on_other_data_is_stopped_by_its_own_scores() -> None:
    """Epochs of the first data, with higher scores, had ended the second fit at once."""
    settings = {"early_stopping": True, "warm_start": True, "random_state": 0, "max_iter": 60}
    model = MLPClassifier((20,), learning_rate_init=0.02, **settings).fit(X, Y)
    assert model.best_validation_score_ > 0.9
    turned = (Y + 1) % 3
    model.fit(X, turned)
    own = model.validation_scores_[-model.n_iter_ :]
    assert model.n_iter_ > 11
    assert model.best_validation_score_ == max(own) > own[0]
    assert model.score(X, turned) > 0.8


def test_the_best_weights_are_those_of_this_call() -> None:
    settings = {"random_state": 0, "warm_start": True, "n_iter_no_change": np.inf}
    model = MLPClassifier(max_iter=60, learning_rate_init=0.01, keep_best=True, **settings)
    model.fit(X, Y, X_val=X, y_val=Y)
    turned = (Y + 1) % 3  # of what was learned until now, nothing is right any more
    model.fit(X, turned, X_val=X, y_val=turned)
    assert model.score(X, turned) > 0.9


def test_changed_betas_and_an_adaptive_rate_begin_anew_with_each_fit() -> None:
    model = MLPClassifier(max_iter=2, batch_size=50, warm_start=True).fit(X, Y).fit(X, Y)
    assert model._state.optimizer.t == 12
    assert model.set_params(beta_2=0.9).fit(X, Y)._state.optimizer.t == 6
    rates: list[float] = []
    sgd = MLPClassifier(
        solver="sgd", learning_rate="adaptive", learning_rate_init=0.01, tol=10.0, max_iter=20,
        warm_start=True, callbacks=[lambda t: rates.append(t.history["learning_rate"][-1])],
    )  # fmt: skip
    sgd.fit(X, Y)
    assert min(rates) < 1e-4
    rates.clear()
    sgd.fit(X, Y)
    assert rates[0] == 0.01


def test_partial_fit_needs_no_batch_with_all_classes_and_refuses_unknown_ones() -> None:
    model = MLPClassifier(warm_start=True).partial_fit(X, Y, classes=[0, 1, 2, 3])
    model.partial_fit(X[Y == 1], Y[Y == 1])
    assert model.predict_proba(X).shape == (150, 4)
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        model.partial_fit(X, Y + 2)
    with pytest.raises(ValueError, match="classes must be passed"):
        MLPClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_lbfgs_has_no_partial_fit(kind) -> None:
    assert not hasattr(kind(solver="lbfgs"), "partial_fit")
    assert hasattr(kind(), "partial_fit")


@pytest.fixture
def splits(monkeypatch):
    """Record what the estimators hold out."""
    seen = []

    def split(*arrays, **keywords):
        parts = splitter(*arrays, **keywords)
        seen.append(parts[1])
        return parts

    splitter = base.train_test_split
    monkeypatch.setattr(base, "train_test_split", split)
    return seen


def test_early_stopping_stratifies_any_number_of_classes(splits) -> None:
    MLPClassifier(early_stopping=True, max_iter=2, validation_fraction=0.2).fit(X, Y)
    assert np.bincount(Y[splits[0]]).tolist() == [10, 10, 10]
    tags = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    MLPClassifier(early_stopping=True, max_iter=2).fit(X, tags)


def test_a_warm_start_holds_out_the_same_rows(splits) -> None:
    model = MLPClassifier(early_stopping=True, max_iter=2, warm_start=True)
    model.fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(splits[0], splits[1])
    assert len(model.validation_scores_) == 4


def test_squared_error_prints_the_loss_whose_gradient_it_follows() -> None:
    x, y = make_regression(40, 4, n_targets=3, random_state=0)
    model = MLPRegressor(learning_rate_init=1e-12, max_iter=1, alpha=0).fit(x, y)
    half_distance = ((model.predict(x) - y) ** 2).sum(axis=1).mean() / 2
    assert model.loss_ == pytest.approx(half_distance, rel=1e-6)


def test_with_several_values_steps_are_equal_and_tol_sees_the_documented_loss() -> None:
    x = np.array([[1.7, -0.3], [-0.5, -2.7]])
    y = np.array([[0, -0.3, -0.5], [0.3, 0.4, -1.1]])
    settings = {"hidden_layer_sizes": (2,), "solver": "sgd", "random_state": 0, "alpha": 0}
    mine = MLPRegressor(**settings).fit(x, y)
    peer = neural_network.MLPRegressor(**settings).fit(x, y)
    assert mine.n_iter_ > peer.n_iter_
    losses = 3 * np.array(peer.loss_curve_)
    np.testing.assert_allclose(mine.loss_curve_[: peer.n_iter_], losses, rtol=1e-9)


def test_a_batch_without_weight_moves_nothing_of_itself() -> None:
    weight = (np.arange(150) >= 10).astype(float)
    settings = {"batch_size": 10, "shuffle": False, "max_iter": 1, "random_state": 0}
    settings |= {"solver": "sgd", "momentum": 0.0}
    mine = MLPClassifier(**settings).fit(X, Y, weight)
    without = MLPClassifier(**settings).fit(X[10:], Y[10:])
    np.testing.assert_array_equal(weights(mine), weights(without))
    with pytest.raises(ZeroDivisionError):
        neural_network.MLPClassifier(**settings).fit(X, Y, weight)


def test_lbfgs_follows_the_loss_itself_where_scikit_learn_follows_a_clipped_one() -> None:
    x, y = np.array([[4, 1], [6.5, 4.5], [-2.5, -2]]), np.array([0, 1, 1])
    settings = {"hidden_layer_sizes": (2,), "solver": "lbfgs", "alpha": 0, "max_iter": 10}
    apart = 0.0
    for seed in range(20):
        mine = MLPClassifier(random_state=seed, **settings).fit(x, y)
        peer = neural_network.MLPClassifier(random_state=seed, **settings).fit(x, y)
        apart = max(apart, np.abs(mine.coefs_[0] - peer.coefs_[0]).max())
        exact = -mine.predict_log_proba(x)[np.arange(3), y].mean()
        assert mine.loss_ == pytest.approx(exact, rel=1e-9)
    assert apart > 0.1


def test_weights_cannot_be_assigned_before_there_is_a_network() -> None:
    for name in ("coefs_", "intercepts_"):
        with pytest.raises(AttributeError, match=r"expected a fitted MLPRegressor: call fit first"):
            setattr(MLPRegressor(), name, [np.ones((4, 1))])


@pytest.mark.parametrize("y", [Y, Y % 2, np.stack([Y > 0, Y > 1], axis=1).astype(int)])
def test_log_probabilities_are_finite_where_probabilities_underflow(y) -> None:
    model = MLPClassifier(max_iter=200, random_state=0).fit(X, y)
    np.testing.assert_allclose(
        np.exp(model.predict_log_proba(X)), model.predict_proba(X), atol=1e-12
    )
    assert model.predict_proba(1e5 * X).min() < 1e-30
    assert np.isfinite(model.predict_log_proba(1e5 * X)).all()


def test_what_is_set_between_calls_of_partial_fit_counts() -> None:
    moved = {}
    for kind in (MLPClassifier, neural_network.MLPClassifier):
        model = kind(random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
        before = model.coefs_[0].copy()
        model.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
        moved[kind] = np.abs(model.coefs_[0] - before).max()
    assert moved[MLPClassifier] < 1e-10 < 1e-4 < moved[neural_network.MLPClassifier]


def test_the_loss_of_a_hopeless_answer_is_not_clipped() -> None:
    far = (X * 1e4).astype(np.float32)
    assert MLPClassifier(max_iter=1).fit(far, Y).loss_ > 100
    assert neural_network.MLPClassifier(max_iter=1).fit(far, Y).loss_ < 16


def test_weights_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="Negative values"):
        MLPClassifier().fit(X, Y, sample_weight=-np.ones(150))
    neural_network.MLPClassifier(max_iter=2).fit(X, Y, sample_weight=-np.ones(150))


def test_the_answers_have_the_dtype_of_the_network() -> None:
    single = X.astype(np.float32)
    assert MLPClassifier(max_iter=2).fit(single, Y).predict_proba(X).dtype == np.float32
    peer = neural_network.MLPClassifier(max_iter=2).fit(single, Y)
    assert peer.predict_proba(X).dtype == np.float64


def test_a_network_without_hidden_layers_begins_and_trains_as_scikit_learns() -> None:
    settings = {"hidden_layer_sizes": (), "activation": "logistic", "random_state": 0}
    mine = MLPClassifier(max_iter=3, **settings).fit(X, Y)
    peer = neural_network.MLPClassifier(max_iter=3, **settings).fit(X, Y)
    np.testing.assert_allclose(mine.coefs_[0], peer.coefs_[0], rtol=0, atol=1e-13)


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="y of at least 0, got -1"):
        MLPRegressor(loss="poisson").fit(X, Y - 1.0)


def test_a_poisson_model_is_saved_with_its_loss(tmp_path) -> None:
    model = MLPRegressor(loss="poisson", max_iter=2).fit(X, Y)
    save(model.network_, tmp_path / "counts.npz", PoissonDeviance())
    loaded = load(tmp_path / "counts.npz").predict(X)
    np.testing.assert_allclose(np.exp(loaded), model.predict(X), rtol=1e-12)
    assert isinstance(load_loss(tmp_path / "counts.npz"), PoissonDeviance)


# ---- extensions ----


def test_class_weight_is_sample_weight_by_class() -> None:
    by_hand = MLPClassifier(random_state=0, max_iter=5)
    by_hand.fit(X, Y, sample_weight=np.array([1.0, 2.0, 0.5])[Y])
    by_class = MLPClassifier(random_state=0, max_iter=5, class_weight={0: 1, 1: 2, 2: 0.5})
    np.testing.assert_array_equal(weights(by_class.fit(X, Y)), weights(by_hand))
    rows = np.r_[0:50, 50:60]
    balanced = MLPClassifier(random_state=0, max_iter=5, class_weight="balanced")
    by_hand.fit(X[rows], Y[rows], sample_weight=np.array([0.6, 3.0])[Y[rows]])
    np.testing.assert_allclose(weights(balanced.fit(X[rows], Y[rows])), weights(by_hand))
    with pytest.raises(ValueError, match="not supported by partial_fit"):
        balanced.partial_fit(X, Y)
    # a batch need not have all the classes that were given a weight, nor each a weight
    part = MLPClassifier(class_weight={0: 2.0}, random_state=0)
    part.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X[Y > 0], Y[Y > 0])


WEIGHTS = ({0: 1, 1: 2, 2: 9}, {0: 3}, {1: 2, 2: 0}, {0: 2, 7: 1}, {7: 2}, {0: 1, 1: 2, 2: 9, 7: 1})


@pytest.mark.parametrize("names", [(0, 1, 2), ("a", "b", "c"), (False, True)])
@pytest.mark.parametrize("class_weight", WEIGHTS)
def test_class_weights_are_accepted_where_scikit_learn_accepts_them(class_weight, names) -> None:
    """In cross-validation, a fold may lack a rare class that has a weight."""
    class_weight = {dict(enumerate(names)).get(k, names[0] * 9): v for k, v in class_weight.items()}
    if names == (False, True):
        class_weight = {bool(k): v for k, v in class_weight.items()}
    for present in (names[:2], names):
        present = np.array(present)
        try:
            expected = compute_class_weight(class_weight, classes=present, y=present)
        except ValueError:
            with pytest.raises(ValueError, match="class_weight expected keys among the classes"):
                weight_of_each_class(class_weight, present)
        else:
            np.testing.assert_array_equal(weight_of_each_class(class_weight, present), expected)


def test_a_fold_may_lack_a_rare_class_that_has_a_weight() -> None:
    rare = np.where(np.arange(150) < 4, 2, Y % 2)
    model = MLPClassifier((5,), max_iter=2, class_weight={0: 1, 1: 1, 2: 9})
    assert np.isfinite(cross_val_score(model, X, rare, cv=KFold(3), error_score="raise")).all()


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 0, 1: 0, 2: 0}, "class_weight expected .* one above 0, got {0: 0, 1: 0, 2: 0}"),
        ({0: -1}, "class_weight expected .* of at least 0"),
        ({0: None}, "class_weight expected .* got {0: None}"),
        ({0: np.nan}, "class_weight expected .* finite weights"),
        ({0: np.inf}, "class_weight expected .* finite weights"),
        ({0: "2"}, "class_weight expected .* finite weights"),
        ({0: 1, 1: 1, 2: 1, "x": 1}, r"keys among the classes \[0, 1, 2\], got 'x' too"),
        ({7: 2.0}, r"keys among the classes \[0, 1, 2\], got 7 too"),
        ({}, "class_weight expected"),
    ],
)
def test_a_wrong_class_weight_is_named(class_weight, message) -> None:
    for fit in ("fit", "partial_fit"):
        classes = {"classes": [0, 1, 2]} if fit == "partial_fit" else {}
        model = MLPClassifier(class_weight=class_weight)
        with pytest.raises(ValueError, match=message) as caught:
            getattr(model, fit)(X, Y, **classes)
        assert "sample_weight" not in str(caught.value)
    with pytest.raises(ValueError, match="class_weight expected"):
        MLPClassifier(class_weight=[{0: -1}, {}]).fit(X, np.c_[Y > 0, Y > 1].astype(int))


def test_samples_of_classes_without_weight_alone_are_for_partial_fit_only() -> None:
    model = MLPClassifier(class_weight={0: 0, 1: 1}).partial_fit(X, Y, classes=[0, 1, 2])
    model.partial_fit(X[Y == 0], Y[Y == 0])
    with pytest.raises(ValueError, match="expected a sample with a weight above 0"):
        model.set_params(class_weight={0: 0, 1: 1}).fit(X[Y < 2], Y[Y < 2], 1.0 - Y[Y < 2])


def test_class_weights_do_not_change_the_validation_score() -> None:
    stopper = MLPClassifier(early_stopping=True, random_state=0, class_weight={0: 0.0, 1: 1.0})
    seen: list[Samples] = []
    stopper.set_params(max_iter=1)
    original = base.BaseMLP._split

    def split(self, samples):
        train, held = original(self, samples)
        seen.append(held)
        return train, held

    base.BaseMLP._split = split
    try:
        stopper.fit(X, Y)
    finally:
        base.BaseMLP._split = original
    right = stopper.predict(X[seen[0].rows]) == Y[seen[0].rows]
    assert stopper.validation_scores_[-1] == pytest.approx(right.mean())


def test_a_class_too_small_to_be_split_is_no_reason_to_stop() -> None:
    rows = np.r_[0:50, 50:100, 100]  # one flower of the third kind
    model = MLPClassifier(early_stopping=True, max_iter=2).fit(X[rows], Y[rows])
    assert len(model.validation_scores_) == 2


def test_layers_follow_the_parameters() -> None:
    model = MLPClassifier(
        (6, 5, 4, 3),
        activation=["tanh", "leaky_relu", LeakyReLU, "identity"],
        dropout=0.1,
        batch_norm=True,
        max_iter=2,
    ).fit(X, Y)
    assert [repr(layer) for layer in model.network_.layers] == [
        "Dense(4 -> 6)", "BatchNorm(6)", "Tanh", "Dropout(0.1)",
        "Dense(6 -> 5)", "BatchNorm(5)", "LeakyReLU(0.01)", "Dropout(0.1)",
        "Dense(5 -> 4)", "BatchNorm(4)", "LeakyReLU(0.01)", "Dropout(0.1)",
        "Dense(4 -> 3)", "BatchNorm(3)", "Dropout(0.1)",
        "Dense(3 -> 3)",
    ]  # fmt: skip
    assert len(model.coefs_) == model.n_layers_ - 1 == 5
    assert MLPClassifier((), max_iter=2).fit(X, Y).coefs_[0].shape == (4, 3)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_schedule_moves_the_rate_of_every_solver_over_max_iter(solver) -> None:
    rates: list[float] = []
    settings = {"solver": solver, "schedule": lambda step, total: 1 - step / total}
    watch = [lambda trainer: rates.append(trainer.history["learning_rate"][-1])]
    model = MLPClassifier(
        max_iter=4, batch_size=50, learning_rate_init=1.0, callbacks=watch, **settings
    ).fit(X, Y)
    # Twelve steps, three an epoch: the last of each epoch is step 2, 5, 8, 11, counted from 0.
    expected = 1 - np.array([2, 5, 8, 11]) / 12
    np.testing.assert_allclose(rates, expected)
    rates.clear()
    model = clone(model)
    for _ in range(5):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_allclose(rates, [*expected, expected[-1]])
    # after a fit, whose plan is over, partial_fit has one of its own, as the first part's size says
    rates.clear()
    model.fit(X, Y)
    for rows in (slice(None), slice(0, 50)):
        model.partial_fit(X[rows], Y[rows])
    np.testing.assert_allclose(rates, [*expected, 1 - 2 / 12, 1 - 3 / 12])
    assert MLPClassifier(schedule="one_cycle", max_iter=3).fit(X, Y).n_iter_ == 3


def test_no_schedule_is_asked_for_a_step_before_its_first() -> None:
    asked: list[int] = []

    def schedule(step: int, total: int) -> float:
        asked.append(step)
        return 1 / (1 + step)

    model = MLPClassifier(schedule=schedule, warm_start=True, max_iter=2, batch_size=50)
    model.fit(X, Y).fit(X, Y).partial_fit(X, Y)
    assert min(asked) == 0


def test_a_schedule_that_is_set_between_calls_counts_from_the_next_one() -> None:
    rates: list[float] = []
    watch = [lambda trainer: rates.append(trainer.history["learning_rate"][-1])]
    model = MLPClassifier(learning_rate_init=1e-3, callbacks=watch, schedule=lambda s, n: 1.0)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    model.set_params(schedule=lambda s, n: 0.5).partial_fit(X, Y)
    model.set_params(schedule=None).partial_fit(X, Y)
    model.set_params(schedule="one_cycle", max_iter=1).partial_fit(X, Y)
    np.testing.assert_allclose(rates[:3], [1e-3, 5e-4, 1e-3])


def test_custom_validation_data_gives_curves_and_stops() -> None:
    train, held = slice(0, None, 2), slice(1, None, 2)
    model = MLPClassifier(random_state=0, max_iter=15)
    model.fit(X[train], Y[train], X_val=X[held], y_val=Y[held])
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == 15
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[held], Y[held]))
    p = model.predict_proba(X[held])[np.arange(75), Y[held]]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean())
    plain = MLPClassifier(random_state=0, max_iter=15).fit(X[train], Y[train])
    np.testing.assert_array_equal(weights(plain), weights(model))  # it does not affect training
    stopper = MLPClassifier(
        random_state=0, early_stopping=True, n_iter_no_change=4, learning_rate_init=1e-9
    )
    stopper.fit(X[train], Y[train], X_val=X[held], y_val=Y[held])
    # An equal score is no progress of `tol`.
    assert stopper.n_iter_ == 1 + 4
    regressor = MLPRegressor(max_iter=5).fit(X, Y, X_val=X[held], y_val=Y[held])
    assert regressor.validation_scores_[-1] == pytest.approx(regressor.score(X[held], Y[held]))


def test_keep_best_keeps_the_best_weights() -> None:
    # A learning rate that is far too high: the loss goes up and down.
    settings = {"random_state": 1, "learning_rate_init": 0.5, "max_iter": 5}
    last = MLPClassifier(**settings).fit(X, Y, X_val=X, y_val=Y)
    best = MLPClassifier(**settings, keep_best=True).fit(X, Y, X_val=X, y_val=Y)
    assert last.validation_scores_ == best.validation_scores_
    assert max(best.validation_scores_) > last.validation_scores_[-1]
    assert best.score(X, Y) == best.best_validation_score_ == max(best.validation_scores_)
    by_loss = MLPClassifier(**settings, keep_best=True).fit(X, Y)
    assert by_loss.best_loss_ == min(by_loss.loss_curve_) < by_loss.loss_curve_[-1]
    assert not np.array_equal(weights(by_loss), weights(last))


def test_l2_can_be_made_independent_of_the_batch() -> None:
    settings = {"random_state": 0, "batch_size": 50, "max_iter": 3, "shuffle": False}
    scaled = MLPClassifier(alpha=0.5, **settings).fit(X, Y)
    fixed = MLPClassifier(alpha=0.5 / 50, l2_scaling="none", **settings).fit(X, Y)
    np.testing.assert_allclose(weights(fixed), weights(scaled), rtol=1e-12)
    larger = MLPClassifier(alpha=0.5 / 50, l2_scaling="none", **{**settings, "batch_size": 30})
    assert larger.fit(X, Y).loss_curve_[0] == pytest.approx(fixed.loss_curve_[0], rel=0.2)
    for scaling, alpha in (("batch", 0.5), ("none", 0.5 / 150)):
        model = MLPClassifier(solver="lbfgs", alpha=alpha, l2_scaling=scaling, random_state=0)
        penalty = 0.5 * 0.5 / 150 * sum((w**2).sum() for w in model.fit(X, Y).coefs_)
        p = model.predict_proba(X)[np.arange(150), Y]
        assert model.loss_ == pytest.approx(penalty - np.log(p).mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("dtype", "data", "expected"),
    [
        (None, np.float64, np.float64),
        (None, np.float32, np.float32),
        (None, np.uint8, np.float64),
        ("float32", np.uint8, np.float32),
        ("float32", np.float64, np.float32),
        ("float64", np.float32, np.float64),
    ],
)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_the_dtype_is_that_of_the_data_or_of_choice(dtype, data, expected, solver) -> None:
    x = load_iris().data.astype(data)
    model = MLPClassifier(dtype=dtype, solver=solver, max_iter=3).fit(x, Y)
    arrays = [*model.coefs_, *model.intercepts_, model.predict_proba(x)]
    assert {a.dtype for a in arrays} == {np.dtype(expected)}


def test_callbacks_see_the_trainer_and_stop_it() -> None:
    epochs = []
    model = MLPClassifier(
        callbacks=[lambda t: epochs.append(t.state.epoch) or t.state.epoch == 3]
    ).fit(X, Y)
    assert epochs == [1, 2, 3]
    assert model.n_iter_ == 3


def test_ctrl_c_keeps_what_was_learned() -> None:
    def press(trainer) -> None:
        if trainer.state.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted by user"):
        model = MLPClassifier(callbacks=[press]).fit(X, Y)
    assert model.n_iter_ in (2, 3)
    assert model.predict(X).shape == (150,)


def test_progress_is_shown_on_request(capsys) -> None:
    MLPClassifier(max_iter=2).fit(X, Y)
    assert capsys.readouterr() == ("", "")
    MLPClassifier(max_iter=2, progress_bar=True).fit(X, Y)
    assert "epoch 2/2" in capsys.readouterr().out
    MLPClassifier(max_iter=2, verbose=True, early_stopping=True).fit(X, Y)
    out = capsys.readouterr().out
    assert "Iteration 2, loss = " in out
    assert "Validation score: " in out
    MLPClassifier(max_iter=2, verbose=True, solver="lbfgs").fit(X, Y)
    assert "Iteration 2, loss = " in capsys.readouterr().out


# ---- data ----


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy says it too
def test_sparse_rows_too_large_for_float32_are_refused_as_dense_ones_are() -> None:
    model = MLPClassifier(max_iter=2).fit(X.astype(np.float32), Y)
    large = np.zeros((1200, X.shape[1]))
    large[1100, 0] = 1e39
    for rows in (large, scipy.sparse.csr_matrix(large)):
        with pytest.raises(ValueError, match=r"expected finite outputs.* row 1100: x holds"):
            model.predict(rows)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_sparse_rows_give_the_same_model(kind, settings) -> None:
    x, y = load_digits(return_X_y=True)
    x = x[:300] / 16
    settings = {"random_state": 0, "max_iter": 5, "batch_size": 40, **settings}
    dense = MLPClassifier(**settings).fit(x, y[:300])
    sparse = MLPClassifier(**settings).fit(kind(x), y[:300])
    np.testing.assert_allclose(weights(sparse), weights(dense), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sparse.predict_proba(kind(x)), dense.predict_proba(x), atol=1e-12)


def test_only_a_batch_of_sparse_rows_is_made_dense(monkeypatch) -> None:
    sizes, real = [], SparseSamples.take

    def take(self, chosen):
        x, y, w = real(self, chosen)
        sizes.append(len(x))
        return x, y, w

    monkeypatch.setattr(SparseSamples, "take", take)
    x = scipy.sparse.random_array((3000, 50), density=0.05, format="csr", rng=0)
    model = MLPClassifier(max_iter=1).fit(x, np.arange(3000) % 3)
    model.predict(x)
    assert sum(sizes) == 6000
    assert max(sizes) <= 1000


def test_sample_weights_count_as_repetitions_and_zeros_as_absence() -> None:
    counts = np.random.default_rng(0).integers(0, 3, len(X))
    settings = {"random_state": 0, "batch_size": 400, "max_iter": 20}
    weighted, repeated = MLPClassifier(**settings), MLPClassifier(**settings)
    with pytest.warns(UserWarning, match="larger than sample size"):
        weighted.fit(X, Y, sample_weight=counts)
    with pytest.warns(UserWarning, match="larger than sample size"):
        repeated.fit(np.repeat(X, counts, 0), np.repeat(Y, counts))
    np.testing.assert_allclose(weights(weighted), weights(repeated), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="Negative values"):
        MLPClassifier().fit(X, Y, sample_weight=-np.ones(150))


def test_names_are_classes_too_and_multilabel_rows_come_back_as_rows() -> None:
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    model = MLPClassifier(max_iter=300, random_state=0).fit(X, names)
    assert model.score(X, names) > 0.9
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    tags = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    model = MLPClassifier(max_iter=300, random_state=0).fit(X, tags)
    assert model.predict(X).shape == (150, 2)
    assert model.score(X, tags) > 0.9
    sparse = MLPClassifier(max_iter=300, random_state=0).fit(X, scipy.sparse.csr_matrix(tags))
    assert scipy.sparse.issparse(sparse.predict(X))
    np.testing.assert_array_equal(sparse.predict(X).toarray(), model.predict(X))


def test_weights_that_are_no_numbers_are_an_error(monkeypatch) -> None:
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="sgd", max_iter=50).fit(1e160 * X, 1e160 * Y)

    def to_infinity(function, start, **keywords):
        return scipy.optimize.OptimizeResult(
            x=start * np.inf, fun=np.inf, nit=1, status=0, success=True, message=""
        )

    monkeypatch.setattr("scipy.optimize.minimize", to_infinity)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="lbfgs").fit(X, Y)


def test_the_network_can_be_saved_on_its_own(tmp_path) -> None:
    model = MLPClassifier(max_iter=5).fit(X, Y)
    save(model.network_, tmp_path / "iris.npz")
    np.testing.assert_array_equal(load(tmp_path / "iris.npz").predict(X), model.predict(X))


# ---- pickles, memory and data as they come ----


def test_a_pickle_has_no_row_indices_and_no_more_weights_than_scikit_learns() -> None:
    sizes = [len(pickle.dumps(MLPClassifier(max_iter=1).fit(X[::n], Y[::n]))) for n in (1, 2)]
    assert abs(sizes[1] - sizes[0]) < 20  # it had kept the last order, 8 bytes a row
    wide = np.random.default_rng(0).normal(size=(20, 500))
    model = MLPClassifier((300,), max_iter=1).fit(wide, np.arange(20) % 2)
    peer = neural_network.MLPClassifier((300,), max_iter=1).fit(wide, np.arange(20) % 2)
    assert len(pickle.dumps(model)) < len(pickle.dumps(peer))
    assert len(pickle.dumps(model)) < 3.1 * weights(model).nbytes  # weights, and Adam's moments


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_estimator_that_joblib_maps_into_memory_predicts_and_trains(
    kind, solver, tmp_path
) -> None:
    """joblib reads arrays above 1 MB from files: they cannot be written to."""
    settings = {"solver": solver, "max_iter": 2, "random_state": 0, "batch_norm": True}
    model = kind(hidden_layer_sizes=(8,), warm_start=True, **settings).fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))
    for step in (lambda m: m.fit(X, Y), lambda m: m.partial_fit(X, Y)):
        np.testing.assert_array_equal(weights(step(mapped)), weights(step(model)))
    mapped.coefs_[0][:] = 0
    assert not mapped.network_.layers[0].W.any()
    assert clone(mapped).fit(X, Y).n_iter_ == 2


def test_many_classes_stay_integers() -> None:
    """One-hot rows of 2,000 classes had taken 306 MiB for 20,000 samples."""
    rows, classes = 4000, 500
    x, y = np.resize(X, (rows, 4)), np.arange(rows) % classes
    tracemalloc.start()
    MLPClassifier((5,), max_iter=1).fit(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * rows * classes  # half of what one-hot rows of 8 bytes would take


@pytest.mark.parametrize("made_of", [np.asfortranarray, pd.DataFrame, lambda x: x[:, ::-1]])
def test_rows_are_brought_into_order_once(made_of, monkeypatch) -> None:
    """Rows of a data frame lie apart in memory, and gathering a batch took five times as long."""
    seen = []

    def take(self, chosen):
        seen.append(self.x.flags.c_contiguous)
        return original(self, chosen)

    original = Samples.take
    monkeypatch.setattr(Samples, "take", take)
    model = MLPClassifier(max_iter=2, random_state=0).fit(made_of(X), Y, X_val=made_of(X), y_val=Y)
    assert len(seen) > 2
    assert all(seen)
    monkeypatch.undo()
    plain = np.ascontiguousarray(made_of(X))
    in_order = MLPClassifier(max_iter=2, random_state=0).fit(plain, Y, X_val=plain, y_val=Y)
    np.testing.assert_array_equal(weights(model), weights(in_order))


@pytest.mark.parametrize("rows", [1, 2, 199, 200, 201, 202, 401, 601, 40201])
def test_the_automatic_batch_size_leaves_no_single_row_to_batch_norm(rows) -> None:
    x, y = np.resize(X, (rows, 4)), np.resize(np.arange(2), rows)
    sizes: list[int] = []
    watch = [lambda trainer: sizes.append(trainer.batch_size)]
    plain = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, callbacks=watch).fit(x, y)
    if rows > 1:
        plain.set_params(batch_norm=True).fit(x, y)
        assert rows % sizes[1] != 1
        assert sizes[1] - sizes[0] <= 2
    assert sizes[0] == min(200, rows)  # as scikit-learn's, without batch norm


def test_a_batch_size_above_the_number_of_rows_warns_as_scikit_learn_does() -> None:
    said = []
    for kind in (MLPClassifier, neural_network.MLPClassifier):
        with pytest.warns(UserWarning, match="batch_size") as caught:
            kind(batch_size=151, max_iter=1).fit(X, Y)
        said.append([str(w.message) for w in caught if "batch_size" in str(w.message)])
        assert kind is not MLPClassifier or caught[0].filename == __file__
    assert said[0] == said[1]
