"""Recipes: what a recipe accepts, and that it survives JSON."""

import json

import numpy as np
import pytest

from numpymlp import InputError, lenet
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.results import describe


def test_a_recipe_survives_json():
    recipe = Recipe(hidden=(3, 4), dropout=0.1)
    settings = json.loads(json.dumps(recipe.__dict__))
    assert Recipe.from_dict(settings) == recipe
    with pytest.raises(InputError, match="colour"):
        Recipe.from_dict({**settings, "colour": 1})


@pytest.mark.parametrize("hidden", [128, "12", (0,), (2.5,), (None,)])
def test_hidden_layers_are_a_row_of_sizes(hidden):
    with pytest.raises(InputError, match="hidden"):
        Recipe(hidden=hidden)
    assert Recipe(hidden=[5]) == Recipe(hidden=(5,)) == Recipe.from_dict({"hidden": [5]})


def test_a_lenet_has_filters_and_one_hidden_layer():
    recipe = Recipe(model="lenet", hidden=(7,), dropout=0.1, batch_norm=True)
    assert recipe.filters == (8, 16)
    assert recipe == Recipe.from_dict(json.loads(json.dumps(recipe.__dict__)))
    network = recipe.build_network(20 * 24, 3, 5, image_shape=(20, 24))
    same = lenet(
        (8, 16), 7, image_shape=(20, 24, 1), classes=3, dropout=0.1, batch_norm=True,
        rng=np.random.default_rng(5),
    )  # fmt: skip
    assert repr(network) == repr(same)
    np.testing.assert_array_equal(network.parameters, same.parameters)
    assert describe(recipe).startswith("model=lenet filters=8-16 hidden=7 activation=relu")
    assert describe(Recipe()).startswith("hidden=192 activation=relu")
    weights = sum(W.size for W in network.named_parameters().values() if W.ndim > 1)
    assert 0 < recipe.weights(20 * 24, 3) <= weights


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": (8,)}, "filters: expected model='lenet', got 'mlp'"),
        ({"model": "lenet", "filters": (8, 0)}, "filters, each number: expected a whole number"),
        ({"model": "lenet", "filters": 8}, "filters: expected a list such as"),
        ({"model": "lenet", "hidden": ()}, "hidden: expected one hidden layer for model='lenet'"),
        ({"model": "lenet", "activation": "tanh"}, "activation: expected 'relu' for model='lenet'"),
        ({"model": "lenet", "input_dropout": 0.1}, "input_dropout: expected 0 for model='lenet'"),
    ],
)
def test_settings_that_a_model_does_not_have_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)


def test_a_lenet_needs_images():
    with pytest.raises(InputError, match="expected images for lenet, got samples of 783 numbers"):
        Recipe(model="lenet").build_network(783, 10, 0)


def test_dropout_on_the_input_leaves_the_first_weights_as_they_were():
    plain = Recipe().build_network(784, 10, seed=3)
    dropping = Recipe(input_dropout=0.2).build_network(784, 10, seed=3)
    np.testing.assert_array_equal(plain.parameters, dropping.parameters)


@pytest.mark.parametrize("name", ["activation", "optimizer", "schedule"])
def test_a_choice_is_checked(name):
    with pytest.raises(InputError, match=f"^{name}: expected one of .*, got 'other'"):
        Recipe(**{name: "other"})


@pytest.mark.parametrize(
    ("name", "built"),
    [
        ("sgd", "SGD(1)"),
        ("momentum", "SGD(0.2, momentum=0.9)"),
        ("nesterov", "SGD(0.2, momentum=0.9, nesterov=True)"),
        ("rmsprop", "RMSprop(0.01)"),
        ("adam", "Adam(0.01)"),
        ("adamw", "AdamW(0.01)"),
    ],
)
def test_each_optimizer_is_built_with_the_rate_that_suits_it(name, built):
    recipe = Recipe(optimizer=name)
    assert repr(recipe.build_optimizer(recipe.build_network(4, 2, 0))) == built
    assert describe(recipe).count("learning_rate=") == 1
