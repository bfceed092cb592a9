"""Habits from Keras, PyTorch and scikit-learn are answered with the name used here."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from numpymlp import (
    SGD,
    Adam,
    AdamW,
    Dense,
    Dropout,
    LeakyReLU,
    Network,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    mlp,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), np.arange(20) % 2


def network():
    return mlp([4, 3, 2], rng=np.random.default_rng(0))


def trainer(**options):
    return Trainer(network(), SoftmaxCrossEntropy(), Adam(), verbose=0, **options)


@pytest.mark.parametrize(
    ("call", "here"),
    [
        (lambda: Adam(lr=1e-3), "Adam has no argument 'lr': here it is learning_rate"),
        (lambda: SGD(0.1, momemtum=0.9), "here it is momentum"),
        (lambda: Adam(betas=(0.9, 0.99)), "here it is beta1 and beta2"),
        (lambda: Adam(weight_decay=0.1), "here it is AdamW(weight_decay=...)"),
        (lambda: AdamW(eps=1e-8), "here it is epsilon"),
        (lambda: mlp([2, 2], seed=0), "here it is rng=np.random.default_rng(seed)"),
        (lambda: mlp(hidden_layer_sizes=(9,)), "here it is sizes=[inputs, hidden, ..., outputs]"),
        (lambda: Network([Dense(2, 2)], random_state=0), "rng=np.random.default_rng(seed)"),
        (lambda: Dense(2, 3, activation="relu"), "here it is a layer of its own after it"),
        (lambda: Dense(in_features=2, out_features=3), "here it is inputs"),
        (lambda: Dropout(p=0.5), "here it is rate"),
        (lambda: LeakyReLU(negative_slope=0.1), "here it is slope"),
        (
            lambda: trainer(random_state=0),
            "argument 'random_state': here it is seed",
        ),
        (lambda: trainer(epochs=3), "here it is fit(x, y, epochs=...)"),
        (lambda: trainer().fit(X, Y, 1, validation_data=(X, Y)), "here it is validation=(x, y)"),
        (lambda: trainer().fit(X, Y, 1, batch_size=4), "here it is Trainer(..., batch_size=...)"),
        (lambda: trainer().fit(X, Y, epoch=1), "here it is epochs"),
        (lambda: trainer().fit(X, Y, n_epochs=1), "here it is epochs"),
        (lambda: trainer(zzz=1), "has no argument 'zzz': expected one of network, loss, optimizer"),
    ],
)
def test_an_unknown_keyword_is_answered_with_the_name_here(call, here):
    with pytest.raises(TypeError, match="has no argument") as error:
        call()
    assert here in str(error.value)
    assert isinstance(error.value, ValueError)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [lambda n: n.parameters, lambda n: n, lambda n: [n.parameters]])
def test_the_parameters_in_place_of_the_learning_rate_are_answered(given):
    with pytest.raises(ValueError, match="got the parameters of a network: pass them to"):
        Adam(given(network()))


@pytest.mark.parametrize(
    ("call", "here"),
    [
        (lambda: network().compile(), r"no attribute 'compile'; here it is Trainer\(network, loss"),
        (lambda: network().fit(X, Y), r"here it is Trainer\(network, loss, optimizer\).fit"),
        (lambda: AdamW().zero_grad(), "here it is not needed, backward writes new gradients"),
        (lambda: trainer().score(X, Y), r"here it is evaluate\(x, y\).accuracy"),
        (lambda: network().nothing, "object has no attribute 'nothing'$"),
    ],
)
def test_a_method_of_another_library_is_answered_and_is_no_attribute(call, here):
    with pytest.raises(AttributeError, match=here):
        call()
    assert not hasattr(network(), "compile")


def test_what_is_explained_keeps_signature_copies_and_pickles():
    assert next(iter(inspect.signature(Adam).parameters)) == "learning_rate"
    assert "sizes" in inspect.signature(mlp).parameters
    trained = trainer()
    trained.fit(X, Y, 2)
    for again in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        np.testing.assert_array_equal(again.network.parameters, trained.network.parameters)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        Dropout()


def test_a_trainer_evaluates_and_predicts_with_its_network():
    trained = trainer()
    trained.fit(X, Y, 2)
    assert trained.evaluate(X, Y) == evaluate(trained.network, trained.loss, X, Y)
    np.testing.assert_array_equal(trained.predict(X), trained.network.predict(X))
    np.testing.assert_array_equal(trained.predict_proba(X), trained.network.predict_proba(X))


def test_a_column_of_the_history_that_is_not_there_names_those_that_are():
    trained = trainer()
    for when in ("before", "after"):
        with pytest.raises(ValueError, match="did you mean running_train_loss") as error:
            trained.history["loss"]
        assert "validation_loss" in str(error.value), when
        trained.fit(X, Y, 1)
