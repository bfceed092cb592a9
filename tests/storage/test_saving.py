"""Saving and loading: a network comes back as it was, and what could not is refused beforehand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checks import random
from hypothesis import given, settings
from strategies import Case, cases

from numpymlp import (
    SGD,
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    Layer,
    MeanSquaredError,
    Network,
    PoissonDeviance,
    ReLU,
    SoftmaxCrossEntropy,
    lenet,
    load,
    load_loss,
    loss_and_gradient,
    parameter,
    save,
)
from numpymlp.losses import Loss

ROOT = Path(__file__).parents[2]
EXAMPLES = settings().max_examples


@settings(max_examples=EXAMPLES // 2)
@given(case=cases())
def test_save_then_load_is_identity(tmp_path_factory, case: Case) -> None:
    network, loss, x, _, _ = case.build()
    path = tmp_path_factory.mktemp("model") / "model.npz"
    save(network, path, loss)
    again = load(path)
    np.testing.assert_array_equal(again.parameters, network.parameters)
    np.testing.assert_array_equal(again.buffers, network.buffers)
    np.testing.assert_array_equal(again.forward(x), network.forward(x))
    assert (again.dtype, again.head.name, repr(again)) == (
        *(network.dtype, network.head.name, repr(network)),
    )
    assert repr(load_loss(path)) == repr(loss)


def test_a_loaded_network_can_be_trained_further(tmp_path) -> None:
    network = Network([Dense(3, 4), Dropout(0.3), Dense(4, 2)], output="identity", rng=random())
    path = tmp_path / "model.npz"
    save(network, path)
    again = load(path, rng=random(1))
    assert again.head.name == "identity"
    assert load_loss(path) is None
    x, y = random(3).normal(size=(8, 3)), random(4).normal(size=(8, 2))
    loss_and_gradient(again, MeanSquaredError(), x, y)
    SGD(0.5).step(again.parameters, again.gradients)
    assert (again.parameters != network.parameters).any()
    assert np.shares_memory(again.layers[0].W, again.parameters)
    same = [load(path, rng=random(1)).random_states for _ in range(2)]
    assert same[0] == same[1]


@pytest.mark.parametrize("loss", [MeanSquaredError(), SoftmaxCrossEntropy(0.25), None], ids=repr)
def test_the_loss_is_saved_with_its_arguments(tmp_path, loss) -> None:
    save(Network([Dense(3, 2)], rng=random()), tmp_path / "model.npz", loss)
    again = load_loss(tmp_path / "model.npz")
    assert repr(again) == repr(loss)
    assert type(again) is type(loss)


# ---- custom layers and losses ----


class Cube(Layer):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        return x**3

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return 3 * self.cache**2 * dy


class Noise(Cube):
    """A custom layer whose integer argument is no size."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def config(self):
        return {"seed": self.seed}


class Unshaped(Cube):
    """A custom layer that learns, but does not tell the shape of its parameter."""

    factor, dfactor = parameter()

    def __init__(self) -> None:
        self.factor = np.ones(3)


class Shaped(Unshaped):
    """A custom layer that tells all."""

    def shapes(self):
        return {"factor": (3,)}


class Huber:
    """A custom loss that does not tell its arguments."""

    def forward(self, logits, y, sample_weight=None):
        return 0.0

    def backward(self):
        return None


class Rows(Layer):
    """Turn images of 5 x 4 with 2 channels into rows."""

    input_shape = (5, 4, 2)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy.reshape(self.cache)

    def output_shape(self, input_shape):
        return (40,)


def test_a_custom_layer_is_saved_by_name_and_loaded_from_classes(tmp_path) -> None:
    network = Network([Noise(20240101), Shaped(), Dense(3, 2), Cube()], rng=random())
    network.layers[1].factor = [1, 2, 3]
    path = tmp_path / "model.npz"
    save(network, path)
    again = load(path, classes={"Cube": Cube, "Noise": Noise, "Shaped": Shaped})
    assert again.layers[0].seed == 20240101
    np.testing.assert_array_equal(again.layers[1].factor, [1, 2, 3])
    x = random().normal(size=(4, 3))
    np.testing.assert_array_equal(again.forward(x), network.forward(x))
    with pytest.raises(InputError, match="holds a 'Shaped', which this package does not have"):
        load(path, classes={"Noise": Noise})


def test_a_network_of_images_is_saved_with_the_shapes_between_its_layers(tmp_path) -> None:
    layers = [BatchNorm(2), ReLU(), Dropout(0.2), Rows(), Dense(40, 3)]
    network, x = Network(layers, rng=random()), random(5).normal(size=(4, 5, 4, 2))
    network.forward(x, training=True)  # so that the running statistics are not the first ones
    save(network, tmp_path / "images.npz")
    again = load(tmp_path / "images.npz", classes={"Rows": Rows})
    assert again.shapes == network.shapes
    np.testing.assert_array_equal(again.forward(x), network.forward(x))


def test_a_loss_that_does_not_tell_its_arguments_is_not_saved(tmp_path) -> None:
    network, path = Network([Dense(3, 2)], rng=random()), tmp_path / "model.npz"
    scaled = type("Scaled", (Loss,), {"__init__": lambda self, factor=2.0: None})()
    for loss in (Huber(), scaled):
        save(network, path, loss)
        assert load_loss(path) is None


def test_a_loss_that_would_come_back_as_another_is_refused(tmp_path) -> None:
    network, path = Network([Dense(3, 2)], rng=random()), tmp_path / "model.npz"
    with pytest.raises(InputError, match="called MeanSquaredError like one of numpymlp's"):
        save(network, path, type("MeanSquaredError", (Loss,), {})())
    assert not path.exists()


def custom(name: str, **members) -> Layer:
    return type(name, (Cube,), members)()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: custom("ReLU"), "called ReLU like one of numpymlp's.*rename it"),
        (
            lambda: custom("Power", __init__=lambda self, p=3: None),
            r"takes arguments, so it needs a config\(\)",
        ),
        (
            lambda: custom("Function", config=lambda self: {"value": np.sin}),
            "hold what JSON can",
        ),
        (
            lambda: custom("NotANumber", config=lambda self: {"value": np.nan}),
            "hold what JSON can",
        ),
        (Unshaped, r"Unshaped cannot be saved: let its class define shapes\(\) for factor"),
        (
            type("Misshapen", (Unshaped,), {"shapes": lambda self: {"factor": (4,)}}),
            r"shapes\(\) gives \(4,\) for factor, which has shape \(3,\)",
        ),
    ],
)
def test_a_layer_that_could_not_be_loaded_as_it_is_cannot_be_saved(make, message, tmp_path) -> None:
    network = Network([make(), Dense(3, 2)], rng=random())
    with pytest.raises(InputError, match=message):
        save(network, tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_images_and_counts_are_loaded_by_a_fresh_process_that_imports_load_alone(tmp_path) -> None:
    """Modules are imported at the first use of a name: a file's own names must be found too."""
    save(lenet((2,), 8, rng=random()), tmp_path / "model.npz", PoissonDeviance())
    code = "from numpymlp import load, load_loss; print(load('model.npz'), load_loss('model.npz'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "Conv2D(1 -> 2, 5 x 5)" in done.stdout, done.stderr
    assert "PoissonDeviance()" in done.stdout
