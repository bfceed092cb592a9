"""`mlp`: its layers, its initializers and its messages."""

import numpy as np
import pytest
from checks import random

from numpymlp import (
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
    mlp,
)
from numpymlp.initializers import Normal, glorot_uniform, he_normal
from numpymlp.models import ACTIVATIONS


@pytest.mark.parametrize(
    ("activation", "layer", "power"),
    [
        ("relu", ReLU, 2),
        ("leaky_relu", LeakyReLU, 2),
        ("gelu", GELU, 2),
        ("sigmoid", Sigmoid, 1),
        ("tanh", Tanh, 1),
    ],
)
def test_each_activation_has_its_initializer(activation: str, layer, power: float) -> None:
    network = mlp([400, 400, 400], activation, rng=random())
    assert type(network.layers[1]) is layer
    # he_normal: 2 / 400; glorot_uniform: 2 / 800, always in the output layer
    assert network.layers[0].W.var() == pytest.approx(power / 400, rel=0.03)
    assert network.layers[2].W.var() == pytest.approx(1 / 400, rel=0.03)


def test_mlp_equals_the_same_layers_by_hand() -> None:
    network = mlp([3, 4, 2], dropout=0.25, input_dropout=0.5, batch_norm=True, rng=random())
    by_hand = Network(
        [
            *[Dropout(0.5), Dense(3, 4, he_normal), BatchNorm(4), ReLU(), Dropout(0.25)],
            Dense(4, 2, glorot_uniform),
        ],
        rng=random(),
    )
    assert repr(network) == repr(by_hand)
    np.testing.assert_array_equal(network.parameters, by_hand.parameters)
    x = random(1).normal(size=(5, 3))
    np.testing.assert_array_equal(network.forward(x, True), by_hand.forward(x, True))


def test_every_name_in_activations_is_accepted() -> None:
    for name, make in ACTIVATIONS.items():
        assert type(mlp([3, 4, 2], name).layers[1]) is make


def test_hidden_blocks_are_dense_batch_norm_activation_dropout() -> None:
    network = mlp([3, 5, 4, 2], ["relu", "identity"], batch_norm=True, dropout=0.25, rng=random())
    kinds = [type(layer) for layer in network.layers]
    assert kinds == [
        *[Dense, BatchNorm, ReLU, Dropout],
        *[Dense, BatchNorm, Dropout],
        Dense,
    ]
    assert network.layers[3].rate == 0.25
    assert [type(layer) for layer in mlp([3, 2]).layers] == [Dense]


def test_options_reach_the_network() -> None:
    options = mlp([3, 2], output="identity", dtype=np.float64, initializer=Normal(1e-9))
    assert (options.head.name, options.dtype) == ("identity", np.float64)
    assert abs(options.layers[0].W).max() < 1e-8
    assert mlp([3, 2]).head.name == "softmax"
    with_initializer = mlp([3, 4, 2], initializer=Normal(1e-9)).parameters
    assert abs(with_initializer).max() < 1e-8


def test_dropout_of_inputs_and_of_hidden_units_has_streams_of_its_own() -> None:
    network = mlp([50, 50, 2], dropout=0.5, input_dropout=0.5, rng=random())
    states = [state["state"] for state in network.random_states]
    assert states[0] != states[1]
    plain = mlp([50, 50, 2], rng=random())
    np.testing.assert_array_equal(network.parameters, plain.parameters)


def test_settings_that_build_no_network_are_refused() -> None:
    for arguments, message in [
        (([3],), "at least two sizes"),
        (([3, 0, 2],), "mlp sizes: expected a whole number of at least 1, got 0"),
        (([3, 1],), "at least two outputs for output='softmax'.*use output='sigmoid'"),
        ((784,), r"mlp sizes: expected a list such as \[784, 128, 10\], got 784"),
        (([3, 4, 2], None), "mlp activation: expected a list such as 'relu'"),
        (([3, 4, 2], ["relu", "relu"]), "expected 1 activations, one a hidden layer, got 2"),
        (
            ([3, 4, 2], "swish"),
            "activation: expected one of relu, leaky_relu, gelu, sigmoid, tanh, ident",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            mlp(*arguments)
    for option in ("dropout", "input_dropout"):
        for rate in (1, -0.1):
            with pytest.raises(InputError, match=r"Dropout rate: expected a number in \[0, 1\)"):
                mlp([3, 4, 2], **{option: rate})
    with pytest.raises(InputError, match="activation: expected one of relu"):
        mlp([3, 2], "swish")  # also where no hidden layer would use it


def test_a_custom_class_is_an_activation() -> None:
    class Square(Tanh):
        pass

    network = mlp([4, 3, 3, 2], activation=[Square, "relu"], rng=random())
    assert [type(layer) for layer in network.layers[1::2]] == [Square, ReLU]
    assert isinstance(mlp([4, 3, 2], activation=Square, rng=random()).layers[1], Square)
    with pytest.raises(InputError, match="activation: expected one of relu"):
        mlp([4, 3, 2], activation=int, rng=random())
    with pytest.raises(InputError, match="activation: expected one of relu"):
        mlp([4, 2], activation=dict, rng=random())
