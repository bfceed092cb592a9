"""A warning names the line of the program that called, not one of the package."""

import numpy as np
import pytest

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, evaluate, mlp

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), np.arange(20) % 2


def trainer(**options):
    network = mlp([4, 3, 2], rng=np.random.default_rng(0))
    return Trainer(network, SoftmaxCrossEntropy(), Adam(), verbose=0, **options)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: trainer().fit(X * 1000, Y, 1), "scale|learns badly"),
        (lambda: trainer().fit(X, np.zeros(20, int), 1), "every label is 0"),
        (lambda: trainer(callbacks=[lambda t: 7]).fit(X, Y, 1), "a callback returned 7"),
        (lambda: evaluate(trainer().network, SoftmaxCrossEntropy(), X * 1000, Y), "learns badly"),
        (lambda: trainer().evaluate(X * 1000, Y), "learns badly"),
    ],
)
def test_a_warning_points_to_the_line_of_the_user(call, words):
    with pytest.warns(UserWarning, match=words) as caught:
        call()
    assert {warning.filename for warning in caught} == {__file__}
    assert {warning.lineno for warning in caught} == {call.__code__.co_firstlineno}
