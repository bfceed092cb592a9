"""Recipes: what a recipe accepts, and that it survives JSON."""

import json

import numpy as np
import pytest

from numpymlp import InputError
from numpymlp.experiments.recipes import Recipe


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


def test_dropout_on_the_input_leaves_the_first_weights_as_they_were():
    plain = Recipe().build_network(784, 10, seed=3)
    dropping = Recipe(input_dropout=0.2).build_network(784, 10, seed=3)
    np.testing.assert_array_equal(plain.parameters, dropping.parameters)


@pytest.mark.parametrize("name", ["activation", "optimizer", "schedule"])
def test_a_choice_is_checked(name):
    with pytest.raises(InputError, match=f"^{name}: expected one of .*, got 'other'"):
        Recipe(**{name: "other"})
