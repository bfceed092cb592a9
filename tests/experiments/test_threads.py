"""Tests of the number of BLAS threads: who decides it, its bounds, and what it changes."""

import pytest

from numpymlp.experiments import threads
from numpymlp.experiments.environment import THREAD_VARIABLES, blas_threads
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.threads import blas_limited_to, choose_threads
from numpymlp.validation import InputError


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 4)


def chosen_for(recipe):
    return recipe.choose_threads(784, 10).number


def test_small_networks_get_one_thread_and_large_ones_more():
    assert chosen_for(Recipe()) == 1
    assert chosen_for(Recipe(hidden=(128,), batch_size=128)) == 1
    assert chosen_for(RECIPES["softmax"].recipe) == 1
    assert chosen_for(RECIPES["dropout"].recipe) == 4
    assert chosen_for(Recipe(hidden=(800,), batch_size=128)) == 2


def test_the_number_grows_with_the_network_up_to_the_number_of_cores():
    numbers = [choose_threads(None, 10**6 * work).number for work in range(0, 400, 10)]
    assert numbers == sorted(numbers)
    assert set(numbers) == {1, 2, 3, 4}


def test_distorting_images_leaves_a_core_to_the_thread_that_does_it(monkeypatch):
    assert choose_threads(None, 10**9, prefetch=True).number == 3
    assert chosen_for(RECIPES["record"].recipe) == 3
    monkeypatch.setattr(threads, "cores", lambda: 1)
    assert choose_threads(None, 10**9, prefetch=True).number == 1


def test_a_given_number_comes_before_the_variable_and_the_variable_before_the_size(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with blas_limited_to(1):
        assert choose_threads(None, 10**9) == (1, "as OMP_NUM_THREADS says")
    assert choose_threads(3, 10**9) == (3, "as given")
    monkeypatch.setenv("OMP_NUM_THREADS", "0")  # BLAS does not take it
    assert choose_threads(None, 10**9).number == 4


@pytest.mark.parametrize("number", [0, -1, 5, 1.5, True, "2"])
def test_a_number_without_as_many_cores_is_refused(number):
    with pytest.raises(InputError, match=r"^threads: expected"):
        choose_threads(number)


def test_a_block_computes_in_so_many_threads_and_leaves_the_number_as_it_was():
    before = blas_threads()
    for number in (1, 2):
        with blas_limited_to(number):
            assert blas_threads() == number
        assert blas_threads() == before


def test_several_threads_on_a_busy_machine_come_with_a_hint(monkeypatch):
    monkeypatch.setattr(threads, "machine_load", lambda: 3.2)
    assert "the machine is busy (load 3.2)" in str(choose_threads(2))
    assert "busy" not in str(choose_threads(1))
    monkeypatch.setattr(threads, "machine_load", lambda: 0.2)
    assert str(choose_threads(4)) == "BLAS threads: 4 of 4 cores, as given"
