"""The layer protocol: declared arrays, views into a network, copies, rows of layers, messages."""

import copy
import doctest
import pickle

import numpy as np
import pytest
from checks import random

from numpymlp import (
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    Layer,
    Network,
    ReLU,
    Tanh,
    buffer,
    check_gradients,
    check_layer,
    parameter,
)
from numpymlp.layer_protocol import fits, shape_text, shapes_between
from numpymlp.losses import SoftmaxCrossEntropy

X = random(3).normal(size=(6, 3))
Y = np.arange(6) % 2


class Scale(Layer):
    """A custom layer that assigns a new array to its gradient at each batch."""

    factor, dfactor = parameter()

    def __init__(self, features: int) -> None:
        self.factor = np.linspace(0.5, 1.5, features)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        return x * self.factor

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        self.dfactor = (dy * self.cache).sum(axis=0)
        return dy * self.factor


class Counting(Layer):
    """A custom layer that counts the samples that it has seen."""

    seen = buffer()

    def __init__(self) -> None:
        self.seen = np.zeros(1)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.seen = self.seen + len(x)
        return x

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy


def with_scale(**options) -> Network:
    return Network([Dense(3, 4), Scale(4), Dense(4, 2)], rng=random(), **options)


def backpropagate(network: Network) -> None:
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(X, training=True), Y)
    network.backward(loss.backward())


# ---- declared arrays ----


def test_the_example_of_the_docstring_is_a_correct_layer() -> None:
    parser = doctest.DocTestParser()
    names = {"Layer": Layer, "parameter": parameter, "np": np}
    example = parser.get_doctest(Layer.__doc__, names, "Layer", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(example, clear_globs=False)
    assert (runner.failures, runner.tries) == (0, 1)
    assert check_layer(example.globs["Scale"](3), X).passed


def test_a_class_knows_what_it_declares_in_order_with_that_of_its_base() -> None:
    class Shifted(BatchNorm):
        shift, dshift = parameter()
        count = buffer()

    assert Dense.declared("parameter") == {"W": "dW", "b": "db"}
    assert ReLU.declared("parameter") == Dense.declared("buffer") == {}
    parameters = {"gamma": "dgamma", "beta": "dbeta", "shift": "dshift"}
    assert Shifted.declared("parameter") == parameters
    assert list(Shifted.declared("parameter")) == list(parameters)
    buffers = {"running_mean": "", "running_variance": "", "count": ""}
    assert Shifted.declared("buffer") == buffers
    assert list(Shifted.declared("buffer")) == list(buffers)


def test_a_layer_alone_keeps_the_arrays_that_are_assigned_to_it() -> None:
    layer = Scale(3)
    layer.factor = new = np.ones(5)
    assert layer.factor is new
    layer.factor = [1, 2]
    np.testing.assert_array_equal(layer.factor, [1, 2])
    assert not layer.in_network


def test_an_array_that_is_not_set_is_missing_as_any_attribute() -> None:
    layer = Dense(3, 2)
    assert not hasattr(layer, "W")
    with pytest.raises(AttributeError, match=r"Dense\(3 -> 2\) has no W yet: give it rng="):
        _ = layer.W
    with pytest.raises(AttributeError, match="'Dense' object has no attribute 'weights'"):
        _ = layer.weights


def test_assigning_to_a_layer_in_a_network_writes_into_the_vector() -> None:
    network = with_scale()
    scale, vector = network.layers[1], network.parameters
    scale.factor = [3, 4, 5, 6]
    np.testing.assert_array_equal(vector[16:20], [3, 4, 5, 6])
    scale.factor *= 2
    np.testing.assert_array_equal(vector[16:20], [6, 8, 10, 12])
    scale.dfactor = np.arange(4)
    np.testing.assert_array_equal(network.gradients[16:20], np.arange(4))
    assert vector.dtype == scale.factor.dtype == np.float32
    scale.remark = np.ones(7)  # what is not declared is an attribute as any other
    assert scale.remark.shape == (7,)


@pytest.mark.parametrize("shape", [(5,), (1, 4), (4, 1), ()])
def test_an_array_of_another_shape_is_refused_and_never_broadcast(shape) -> None:
    network = with_scale()
    before = network.parameters.copy()
    for name in ("factor", "dfactor"):
        with pytest.raises(InputError) as error:
            setattr(network.layers[1], name, np.zeros(shape))
        assert str(error.value) == (
            f"Scale.{name} expected shape (4,), got {shape}: arrays in a network keep their "
            "shape; build a new network for another one"
        )
    np.testing.assert_array_equal(network.parameters, before)


def test_a_gradient_that_a_custom_layer_assigns_ends_up_in_the_vector() -> None:
    class Matrix(Layer):
        W, dW = parameter()

        def __init__(self) -> None:
            self.W = np.linspace(-1, 1, 6).reshape(3, 2)

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.cache = x
            return x @ self.W

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            self.dW = self.cache.T @ dy
            return dy @ self.W.T

    network = Network([Matrix()], dtype=np.float64)
    backpropagate(network)
    dense = Network([Dense(3, 2)], rng=random(), dtype=np.float64)
    dense.layers[0].W = network.layers[0].W
    backpropagate(dense)
    np.testing.assert_array_equal(network.gradients, dense.gradients[:6])
    assert np.shares_memory(network.layers[0].dW, network.gradients)
    assert check_gradients(network, SoftmaxCrossEntropy(), X, Y).passed


def test_a_gradient_that_a_custom_layer_adds_to_is_added_up_in_the_vector() -> None:
    class Adding(Scale):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            self.dfactor += (dy * self.cache).sum(axis=0)
            return dy * self.factor

    plain, adding = (Network([kind(3)], dtype=np.float64) for kind in (Scale, Adding))
    dy = random(1).normal(size=X.shape)
    for network in (plain, adding):
        for _ in range(3):
            network.forward(X)
            network.backward(dy)
    np.testing.assert_allclose(adding.gradients, 3 * plain.gradients, rtol=1e-14)
    assert np.shares_memory(adding.layers[0].dfactor, adding.gradients)


def test_a_gradient_of_the_wrong_shape_is_refused_in_the_backward_pass() -> None:
    class Careless(Scale):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            self.dfactor = dy * self.cache
            return dy * self.factor

    network = Network([Careless(3)])
    network.forward(np.ones((2, 3)))
    with pytest.raises(InputError, match=r"Careless.dfactor expected shape \(3,\), got \(2, 3\)"):
        network.backward(np.ones((2, 3)))


def test_a_buffer_that_a_custom_layer_assigns_ends_up_in_the_vector() -> None:
    network = Network([Dense(3, 4), Counting(), Dense(4, 2)], rng=random())
    network.forward(X)
    assert network.buffers.tolist() == [6]
    network.buffers = np.zeros(1)
    network.forward(X)
    network.forward(X)
    assert network.layers[1].seen.tolist() == network.buffers.tolist() == [12]


def test_arrays_that_a_subclass_declares_are_trained_with_those_of_its_base() -> None:
    class Tempered(Dense):
        heat, dheat = parameter()

        def initialize(self, rng: np.random.Generator) -> None:
            super().initialize(rng)
            self.heat = np.full(1, 1.5)

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.y = super().forward(x, training)
            return self.y * self.heat

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            self.dheat = (dy * self.y).sum(keepdims=True)[0]
            return super().backward(dy * self.heat, input_gradient)

    network = Network([Tempered(3, 2)], rng=random())
    assert list(network.named_parameters()) == ["0.W", "0.b", "0.heat"]
    report = check_gradients(network, SoftmaxCrossEntropy(), X, Y)
    assert report.passed, str(report)


# ---- copies: a layer belongs to one network at most ----


def test_a_layer_of_another_network_is_copied_with_its_values() -> None:
    old = Network([Dense(3, 4), BatchNorm(4), Scale(4), Dense(4, 2)], rng=random())
    old.forward(X, training=True)
    before = {name: getattr(old, name).copy() for name in ("parameters", "buffers")}
    new = Network([*old.layers[:3], Dense(4, 5)], rng=random(1))
    assert not any(layer in old.layers for layer in new.layers)
    for name, array in before.items():
        values = getattr(new, name)[: 28 if name == "parameters" else None]
        np.testing.assert_array_equal(values, array[: len(values)])
        assert not np.shares_memory(getattr(new, name), getattr(old, name))
    new.parameters += 1
    new.forward(X, training=True)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(old, name), array)
    # The layers of the old network are views into its vector as before.
    for position, name in ((0, "W"), (1, "gamma"), (2, "factor")):
        assert np.shares_memory(getattr(old.layers[position], name), old.parameters)
        assert np.shares_memory(getattr(new.layers[position], name), new.parameters)
    assert np.shares_memory(old.layers[1].running_mean, old.buffers)


def test_a_layer_is_free_until_its_first_network() -> None:
    layer = Dense(3, 2)
    first, second = Network([layer], rng=random()), Network([layer], rng=random(1))
    assert first.layers[0] is layer
    assert second.layers[0] is not layer
    np.testing.assert_array_equal(second.parameters, first.parameters)
    first.parameters[:] = 0
    assert (second.parameters[:6] != 0).any()


def test_a_network_that_cannot_be_built_takes_no_layer() -> None:
    layer = Dense(3, 4)
    with pytest.raises(InputError):
        Network([layer, Dense(5, 2)])
    assert not layer.in_network
    assert Network([layer, Dense(4, 2)], rng=random()).layers[0] is layer


def test_dropout_of_another_network_is_copied_with_its_stream() -> None:
    old = Network([Dropout(0.5), Dense(3, 2), Dropout(0.5)], rng=random())
    states = old.random_states
    new = Network(old.layers, rng=random(1))
    assert new.random_states == states
    new.forward(X, training=True)
    assert new.random_states != states
    assert old.random_states == states
    x = np.ones((50, 3))
    new.random_states = states
    np.testing.assert_array_equal(old.forward(x, training=True), new.forward(x, training=True))


@pytest.mark.parametrize(
    ("old_dtype", "new_dtype"), [("float32", "float64"), ("float64", "float32")]
)
def test_a_copied_layer_takes_the_dtype_of_its_new_network(old_dtype, new_dtype) -> None:
    old = Network([Dense(3, 4), BatchNorm(4)], rng=random(), dtype=old_dtype)
    new = Network(old.layers, dtype=new_dtype)
    np.testing.assert_array_equal(new.parameters, old.parameters.astype(new_dtype))
    arrays = {
        name: [getattr(network.layers[at], name).dtype for network in (old, new)]
        for at, name in ((0, "W"), (0, "db"), (1, "gamma"), (1, "running_mean"))
    }
    assert set(map(tuple, arrays.values())) == {(np.dtype(old_dtype), np.dtype(new_dtype))}


CLONES = pytest.mark.parametrize(
    "clone",
    [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))],
    ids=["copy", "deepcopy", "pickle"],
)


@CLONES
def test_the_copy_of_a_layer_owns_its_arrays_and_has_seen_no_batch(clone) -> None:
    network = Network([Dense(3, 4), BatchNorm(4), Dense(4, 2)], rng=random())
    backpropagate(network)
    vectors = "parameters", "gradients", "buffers"
    before = {name: getattr(network, name).copy() for name in vectors}
    for layer in network.layers[:2]:
        twin = clone(layer)
        assert not twin.in_network
        assert not hasattr(twin, "cache")
        for name in (*twin.declared("parameter"), *twin.declared("buffer")):
            np.testing.assert_array_equal(getattr(twin, name), getattr(layer, name))
            setattr(twin, name, getattr(twin, name) + 1)
        x = random().normal(size=(5, twin.input_shape[-1]))
        twin.backward(twin.forward(x, training=True))
    for name, vector in before.items():
        np.testing.assert_array_equal(getattr(network, name), vector)


@CLONES
def test_the_layers_of_a_copied_network_are_views_into_its_own_vectors(clone) -> None:
    network = Network([Dense(3, 4), Scale(4), Counting(), Dense(4, 2)], rng=random())
    twin = clone(network)
    for one in (network, twin):
        assert all(layer.in_network for layer in one.layers)
        one.layers[1].factor = [1, 2, 3, 4]
        np.testing.assert_array_equal(one.parameters[16:20], [1, 2, 3, 4])
        backpropagate(one)
        np.testing.assert_array_equal(one.gradients[16:20], one.layers[1].dfactor)
        assert one.buffers.tolist() == one.layers[2].seen.tolist() == [6]
    np.testing.assert_array_equal(twin.gradients, network.gradients)
    twin.layers[1].factor = np.zeros(4)
    assert network.parameters[16:20].all()


# ---- what is no layer, or not a whole one ----


class Plain:
    """A class without the base class."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy


class OldBackward(Tanh):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return super().backward(dy)


class Forgetful(Scale):
    def __init__(self) -> None:
        pass


class ForgetsBuffer(Counting):
    def __init__(self) -> None:
        pass


TWICE = Dense(3, 3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "Network expected 1 to 1,000 layers, got 0"),
        (Dense(3, 2), "Network: expected a list such as [Dense(784, 128), ReLU(), Dense(128, 10)]"),
        (
            [Dense(3, 4), Plain()],
            "Network expected layers, got <test_layer_protocol.Plain object at",
        ),
        ([Dense(3, 4), Plain()], "at position 1: let its class derive from numpymlp.Layer"),
        ([Dense(3, 4), "relu"], "got 'relu' at position 1: let its class derive from"),
        ([Dense(3, 4), ReLU], "at position 1: add (): ReLU(...)"),
        (
            [Dense(3, 4), OldBackward()],
            "OldBackward at position 1 expected backward(dy, input_gradient=True), got "
            "backward(dy: numpy.ndarray) -> numpy.ndarray: add the argument",
        ),
        (
            [TWICE, ReLU(), TWICE],
            "Network expected each layer once, got the same Dense(3 -> 3) again at position 2: a "
            "layer caches its batch for backward; make a second one",
        ),
        (
            [Dense(3, 4), Forgetful()],
            "Forgetful expected arrays for all that its class declares, got no factor: set them "
            "in its constructor or in initialize(rng)",
        ),
        ([ForgetsBuffer()], "ForgetsBuffer expected arrays for all that its class declares, got "),
        (
            [Dense(3, 4), ReLU(), Dense(5, 2)],
            "Dense(5 -> 2) at position 2 expected samples of shape (5,), got (4,) from the layers "
            "before it: neighbouring sizes must match",
        ),
        (
            [Dense(3, 4), BatchNorm(3)],
            "BatchNorm(3) at position 1 expected samples of shape (..., 3), got (4,)",
        ),
    ],
)
def test_what_is_no_row_of_layers_gets_one_clear_line(layers, message: str) -> None:
    with pytest.raises(InputError) as error:
        Network(layers, rng=random())
    assert message in str(error.value).replace(f"{__name__}.", "test_layer_protocol.")
    assert "\n" not in str(error.value)


def test_a_layer_that_assigns_only_its_parameter_has_a_gradient_of_zeros() -> None:
    scale = Scale(3)
    np.testing.assert_array_equal(scale.dfactor, np.zeros(3))
    network = Network([scale])
    np.testing.assert_array_equal(scale.dfactor, np.zeros(3))
    assert np.shares_memory(scale.dfactor, network.gradients)


def test_a_custom_layer_must_define_forward_and_backward() -> None:
    bare = type("Bare", (Layer,), {})()
    with pytest.raises(NotImplementedError, match="Bare must define forward"):
        bare.forward(X)
    with pytest.raises(NotImplementedError, match="Bare must define backward"):
        bare.backward(X)


def test_weights_that_are_assigned_to_a_layer_alone_get_their_gradients() -> None:
    layer, whole = Dense(3, 2), Dense(3, 2, rng=random())
    layer.W, layer.b = whole.W, np.zeros(2, int)
    for each in (layer, whole):
        each.forward(X)
        each.backward(np.ones((6, 2)))
    np.testing.assert_array_equal(layer.dW, whole.dW)
    np.testing.assert_array_equal(layer.db, whole.db)
    layer.W = layer.W + 1
    np.testing.assert_array_equal(layer.dW, whole.dW)  # as long as the shape is the same


class Composite(Layer):
    """A custom layer that holds other layers; nobody declares what they learn."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        for part in self.parts:
            x = part.forward(x, training)
        return x

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        for part in reversed(self.parts):
            dy = part.backward(dy)
        return dy


@pytest.mark.parametrize(
    "wrap", [lambda a: (a,), lambda a: ([Tanh(), a],), lambda a: (Composite(a),)]
)
def test_a_layer_whose_inner_layers_would_never_be_trained_is_refused(wrap) -> None:
    dense = Dense(3, 3, rng=random())
    with pytest.raises(
        InputError, match=r"Composite at position 0 .*Dense\(3 -> 3\).*not be trained"
    ):
        Network([Composite(*wrap(dense)), Dense(3, 2)])
    assert not dense.in_network


def test_a_layer_may_refer_to_another_layer_of_its_network() -> None:
    dense = Dense(3, 3)
    network = Network([dense, Composite(dense), Dense(3, 2)], rng=random())
    assert network.layers[1].parts[0] is network.layers[0]


def test_a_prediction_does_not_disturb_the_inner_layers_of_a_layer_in_training() -> None:
    network = Network(
        [Dense(3, 4), Composite(Tanh(), Composite(Tanh())), Dense(4, 2)], rng=random()
    )
    backpropagate(network)
    expected = network.gradients.copy()
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(X, training=True), Y)
    network.predict(2 * X[:4])
    network.backward(loss.backward())
    np.testing.assert_array_equal(network.gradients, expected)


# ---- shapes ----


@pytest.mark.parametrize(
    ("shape", "expected", "answer"),
    [
        (None, (3,), True),
        ((3,), None, True),
        ((3,), (3,), True),
        ((3,), (4,), False),
        ((5, 3), (3,), False),
        ((5, 4, 3), (..., 3), True),
        ((3,), (..., 3), True),
        ((5, 4, 3), (..., 4), False),
        ((..., 3), (5, 4, 3), True),
        ((..., 3), (..., 4), False),
    ],
)
def test_an_ellipsis_stands_for_any_axes(shape, expected, answer: bool) -> None:
    assert fits(shape, expected) is answer


def test_shapes_are_written_as_tuples() -> None:
    assert shape_text((3,)) == "(3,)"
    assert shape_text((28, 28, 1), "N") == "(N, 28, 28, 1)"
    assert shape_text((..., 8), "N") == "(N, ..., 8)"
    assert shape_text((), "N") == "(N,)"
    assert shape_text(None) == "?"


def test_the_first_layer_that_names_a_shape_decides_that_of_the_input() -> None:
    for layers, shapes in [
        ([Tanh()], [None, None]),
        ([Tanh(), Dense(3, 4)], [(3,), (3,), (4,)]),
        ([BatchNorm(3)], [(..., 3), (..., 3)]),
        ([BatchNorm(3), Tanh(), Dense(3, 4)], [(3,), (3,), (3,), (4,)]),
    ]:
        assert shapes_between(layers) == shapes
