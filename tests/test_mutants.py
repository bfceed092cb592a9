"""Each deliberate fault of `mutants.py` must fail its named check."""

import numpy as np
import pytest
from checks import random
from mutants import MUTANTS, Mutant, SoftmaxWithoutFactor


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_check_rejects_the_fault_and_accepts_the_correct_code(mutant: Mutant) -> None:
    mutant.check(mutant.right)
    with pytest.raises(AssertionError):
        mutant.check(mutant.wrong)


def test_an_upstream_gradient_of_ones_misses_the_wrong_softmax() -> None:
    # This is why check_layer sends a random gradient: this backward is wrong, but 0 for ones.
    layer = SoftmaxWithoutFactor()
    layer.forward(random().normal(size=(3, 4)))
    np.testing.assert_allclose(layer.backward(np.ones((3, 4))), 0, atol=1e-15)
