"""The proof of equality, faults that it must detect, and whole fits compared."""

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_digits, make_regression

from numpymlp import sklearn as ours
from numpymlp.benchmark import equality
from numpymlp.benchmark.equality import NotEqualError, prove_equality


def test_every_solver_and_activation_takes_sixty_equal_steps() -> None:
    cases = prove_equality(steps=60, tolerance=1e-12)
    seen = {(case.solver, case.activation, case.alpha > 0) for case in cases}
    assert len(seen) == 4 * 4 * 2
    assert max(case.difference for case in cases) <= 1e-12


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("alpha", 0.1 + 1e-9),
        ("learning_rate_init", 0.01 * (1 + 1e-9)),
        ("beta_2", 0.9990001),
        ("epsilon", 1e-7),
        ("activation", "relu"),
    ],
)
def test_the_proof_fails_for_a_small_fault(setting, wrong, monkeypatch) -> None:
    class Faulty(ours.MLPClassifier):
        def _prepare(self, *arguments, **keywords):
            setattr(self, setting, wrong)
            return super()._prepare(*arguments, **keywords)

    monkeypatch.setattr(equality, "MLPClassifier", Faulty)
    with pytest.raises(NotEqualError, match=r"Adam, tanh, alpha=0\.1: after step"):
        equality._run("Adam", "tanh", 0.1, 60, 1e-12)


def test_a_nan_does_not_pass_for_equal(monkeypatch) -> None:
    class Faulty(ours.MLPClassifier):
        def partial_fit(self, *arguments, **keywords):
            super().partial_fit(*arguments, **keywords)
            self.intercepts_[0][0] = np.nan  # neither the first array compared nor the last
            return self

    monkeypatch.setattr(equality, "MLPClassifier", Faulty)
    with pytest.raises(NotEqualError, match="differ from scikit-learn's by up to nan"):
        equality._run("SGD", "relu", 0.0, 3, 1e-12)


def difference(a, b) -> float:
    pairs = zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True)
    return max(float(np.abs(x - y).max()) for x, y in pairs)


# Whole fits, shuffled, with the same random_state.

DIGITS = load_digits(return_X_y=True)
TWO_TAGS = np.stack([DIGITS[1] > 4, DIGITS[1] % 2 == 0], axis=1).astype(int)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "y", [DIGITS[1], DIGITS[1] % 2, TWO_TAGS], ids=["multiclass", "binary", "multilabel"]
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"solver": "sgd", "batch_size": 64, "activation": "logistic", "alpha": 0.5},
        {"solver": "lbfgs", "hidden_layer_sizes": (20, 10), "activation": "tanh"},
        {"shuffle": False, "hidden_layer_sizes": 30, "batch_size": 70},
    ],
    ids=["defaults", "sgd", "lbfgs", "in order"],
)
def test_a_fit_gives_the_same_model(settings, y) -> None:
    x = DIGITS[0] / 16
    weight = np.random.default_rng(0).uniform(0.5, 2, len(x))
    settings = {"random_state": 3, "max_iter": 6, **settings}
    mine = ours.MLPClassifier(**settings).fit(x, y, sample_weight=weight)
    peer = neural_network.MLPClassifier(**settings).fit(x, y, sample_weight=weight)
    # L-BFGS's line search lets rounding grow.
    assert difference(mine, peer) < (1e-9 if mine.solver == "lbfgs" else 1e-12)
    np.testing.assert_array_equal(mine.predict(x), peer.predict(x))
    np.testing.assert_allclose(mine.predict_proba(x), peer.predict_proba(x), atol=1e-9)
    assert mine.loss_ == pytest.approx(peer.loss_, rel=1e-9)
    names = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_")
    for name in names:
        assert getattr(mine, name) == getattr(peer, name)
    np.testing.assert_array_equal(mine.classes_, peer.classes_)
    if mine.solver != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, peer.loss_curve_, rtol=1e-9)
        assert mine.best_loss_ == pytest.approx(peer.best_loss_)
        assert (mine.validation_scores_, mine.best_validation_score_) == (None, None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_regression_gives_the_same_model(loss, outputs) -> None:
    x, y = make_regression(300, 5, n_targets=outputs, random_state=0)
    y = np.abs(y) / 50
    # alpha=0, for the factor below is on the loss without L2 term.
    settings = {"loss": loss, "random_state": 1, "max_iter": 10, "alpha": 0}
    mine = ours.MLPRegressor(**settings).fit(x, y)
    peer = neural_network.MLPRegressor(**settings).fit(x, y)
    assert difference(mine, peer) < 1e-12
    np.testing.assert_allclose(mine.predict(x), peer.predict(x), rtol=1e-9)
    # Its squared error is the mean over the outputs, but it follows the gradient of the sum.
    factor = outputs if loss == "squared_error" else 1
    np.testing.assert_allclose(mine.loss_curve_, np.array(peer.loss_curve_) * factor, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_early_stopping_holds_out_the_same_rows_for_two_classes_and_for_values() -> None:
    x, y = DIGITS[0] / 16, DIGITS[1]
    settings = {"early_stopping": True, "random_state": 0, "max_iter": 12}
    for kind, target in (("MLPClassifier", y % 2), ("MLPRegressor", y / 4)):
        mine = getattr(ours, kind)(**settings).fit(x, target)
        peer = getattr(neural_network, kind)(**settings).fit(x, target)
        np.testing.assert_allclose(mine.validation_scores_, peer.validation_scores_, rtol=1e-9)
        assert mine.best_validation_score_ == pytest.approx(peer.best_validation_score_)
        assert difference(mine, peer) < 1e-12  # both have the weights of the best epoch
        assert mine.best_loss_ is peer.best_loss_ is None
