"""The network for pencil and paper: round numbers, and terms that give the printed results."""

import math
import re

import numpy as np
import pytest

from numpymlp import SGD
from numpymlp.experiments.pencil import LOSSES, pencil_network, written_out
from numpymlp.explain import trace

FUNCTIONS = {"exp": math.exp, "log": math.log, "max": max, "tanh": math.tanh}


def lines_of(optimizer=None, **settings):
    network, loss, x, y = pencil_network(**settings)
    recorded = trace(network, loss, x, y, optimizer)
    return written_out(recorded, network, optimizer), recorded


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "activation", ["relu", "leaky_relu", "gelu", "sigmoid", "tanh", "identity"]
)
def test_the_written_terms_compute_the_number_after_them(loss, activation):
    # eval is the person with pencil and paper: it knows nothing of the package.
    optimizer = SGD(0.1, 0.9, nesterov=loss == "sigmoid") if activation == "tanh" else SGD(0.1)
    lines, recorded = lines_of(optimizer, hidden=(3, 2), loss=loss, activation=activation)
    checked = 0
    for name, text in lines.items():
        for line, value in zip(text, recorded[name].values.ravel(), strict=True):
            place, *terms, result = line.split(" = ")
            assert place.startswith(name)
            assert float(result) == pytest.approx(value, rel=1e-3)
            for each in terms:
                computed = eval(each.replace("^", "**"), {"__builtins__": {}}, FUNCTIONS)
                assert computed == pytest.approx(value, rel=0.02, abs=0.002), line
                checked += 1
    assert checked > 30


def test_every_computed_number_of_the_default_network_is_written_out():
    lines, recorded = lines_of(SGD(0.1))
    for step in recorded.steps:
        given = step.formula == "" or step.name.endswith("closed")
        assert given or len(lines[step.name]) == step.values.size, step.name


def test_the_default_network_is_small_round_and_has_something_to_learn():
    network, _, x, y = pencil_network()
    np.testing.assert_array_equal(2 * network.parameters, np.round(2 * network.parameters))
    z = network.activations(x)[0]
    assert 0 < (z <= 0).sum() < z.size
    assert network.predict(x) != y


def test_large_arrays_are_not_written_out():
    lines, recorded = lines_of(hidden=(20,))
    assert "0.dW" not in lines
    assert "2.db" in lines
    assert re.match(r"2\.db\[0\] = ", lines["2.db"][0])
    assert recorded["0.dW"].shape == (2, 20)
