"""Test-time averaging: the mean over an image and its views, and the commands that use it."""

import dataclasses

import numpy as np
import pytest

from numpymlp import mlp
from numpymlp.data import Distortion, load_mnist
from numpymlp.experiments.averaging import averaged_accuracy, mean_probabilities
from numpymlp.experiments.recipes import GENTLE, Recipe
from numpymlp.validation import InputError


@pytest.fixture(scope="module")
def digits():
    _, (x, y) = load_mnist()
    return x[:40], y[:40]


@pytest.fixture(scope="module")
def network():
    return mlp([784, 16, 10], rng=np.random.default_rng(0))


def test_the_mean_is_that_over_the_image_and_its_distortions(digits, network):
    x, _ = digits
    elastic = dataclasses.replace(GENTLE, alpha=20.0)
    means = mean_probabilities(network, x, elastic, 40)  # more than one block of views
    for i in (0, 39):
        copies = elastic(np.repeat(x[i : i + 1], 40, axis=0), np.random.default_rng(0))
        expected = network.predict_proba(np.concatenate([x[i : i + 1], copies])).mean(axis=0)
        np.testing.assert_allclose(means[i], expected, rtol=1e-5)
    np.testing.assert_allclose(means.sum(axis=1), 1, rtol=1e-5)


def test_without_views_it_is_the_answer_for_the_image(digits, network):
    x, _ = digits
    np.testing.assert_array_equal(
        mean_probabilities(network, x, GENTLE, 0), network.predict_proba(x)
    )


def test_an_answer_depends_on_no_other_image(digits, network):
    x, _ = digits
    together = mean_probabilities(network, x, GENTLE, 5)
    np.testing.assert_allclose(
        mean_probabilities(network, x[7:8], GENTLE, 5), together[7:8], rtol=1e-5
    )


def test_the_accuracy_of_a_recipe_with_views_is_that_of_the_means(digits, network):
    x, y = digits
    recipe = Recipe(average=6, rotation=30.0, elastic=40.0)
    views = recipe.build_views()
    assert views == Distortion(rotation=15.0, alpha=20.0, sigma=4.0)  # half of the strengths
    p = mean_probabilities(network, x, views, 6)
    found = averaged_accuracy(recipe, network, x, y, None)
    assert found == {"average": 6, "averaged_test_accuracy": (p.argmax(axis=1) == y).mean()}
    assert averaged_accuracy(Recipe(rotation=30.0), network, x, y, None) == {}


def test_a_recipe_without_distortion_has_gentle_views():
    assert Recipe().build_views((28, 28)) == dataclasses.replace(
        GENTLE.scaled(0.5), image_shape=(28, 28)
    )


@pytest.mark.parametrize("wrong", [-1, 10_001, 2.5, "many", True, None])
def test_a_wrong_number_of_views_is_refused(wrong):
    with pytest.raises(InputError, match="average"):
        Recipe(average=wrong)
