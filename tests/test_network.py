"""The network: one vector and its views, copies, the way through, predictions, `mlp`, summary."""

import copy
import pickle

import checks
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
    LeakyReLU,
    MeanSquaredError,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    mlp,
    softmax,
)
from numpymlp.initializers import Normal
from numpymlp.losses import Loss

EXAMPLES = settings().max_examples


class Scale:
    """A learner's layer without the base class; its gradient is a new array each time."""

    parameter_names = ("factor",)

    def __init__(self, features: int) -> None:
        self.factor = np.linspace(0.5, 1.5, features)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.x = x
        return x * self.factor

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dfactor = (dy * self.x).sum(axis=0)
        return dy * self.factor


def small(**options) -> Network:
    return Network([Dense(3, 4), Tanh(), Dense(4, 2)], rng=random(), **options)


def train(network: Network, steps: int = 5) -> float:
    """A few steps of the loop by hand; the last loss."""
    x, y = random(3).normal(size=(8, 3)), random(4).integers(0, 2, 8)
    loss, optimizer, value = SoftmaxCrossEntropy(), SGD(0.5), np.inf
    for _ in range(steps):
        value = loss.forward(network.forward(x, training=True), y)
        network.backward(loss.backward())
        optimizer.step(network.parameters, network.gradients)
    return value


# ---- one vector ----


def test_the_vector_holds_all_layers_in_order() -> None:
    network = small(dtype=np.float64)
    first, second = network.layers[0], network.layers[2]
    parts = [first.W.ravel(), first.b, second.W.ravel(), second.b]
    np.testing.assert_array_equal(network.parameters, np.concatenate(parts))
    assert network.parameters.shape == network.gradients.shape == (3 * 4 + 4 + 4 * 2 + 2,)
    assert network.parameters.flags.c_contiguous


def test_vector_and_layers_are_the_same_memory() -> None:
    network = small()
    layer = network.layers[0]
    network.parameters[:] = np.arange(26)
    np.testing.assert_array_equal(layer.W, np.arange(12).reshape(3, 4))
    layer.b[2] = 99
    assert network.parameters[14] == 99
    train(network, 1)
    np.testing.assert_array_equal(network.gradients[:12], layer.dW.ravel())
    np.testing.assert_array_equal(network.gradients[-2:], network.layers[2].db)


def test_assigning_to_a_layer_writes_into_the_vector() -> None:
    network = small()
    vector = network.parameters
    network.layers[0].W = np.full((3, 4), 7.0)
    network.layers[2].b += 1
    assert (vector[:12] == 7).all()
    assert (vector[-2:] == 1).all()
    assert network.parameters is vector
    assert vector.dtype == np.float32
    with pytest.raises(InputError, match=r"Dense\(3 -> 4\).W has shape \(3, 4\), got \(4, 3\)"):
        network.layers[0].W = np.zeros((4, 3))


def test_assigning_vectors_copies_into_them() -> None:
    network = Network([Dense(3, 4), BatchNorm(4)], rng=random())
    for name in ("parameters", "gradients", "buffers"):
        vector = getattr(network, name)
        setattr(network, name, np.arange(vector.size))
        assert getattr(network, name) is vector
        np.testing.assert_array_equal(vector, np.arange(vector.size))
        with pytest.raises(
            InputError, match=rf"{name} expected shape \({vector.size},\), got \(2,"
        ):
            setattr(network, name, np.zeros(2))
    network.gradients += 1
    np.testing.assert_array_equal(network.layers[0].db, network.gradients[12:16])


def test_buffers() -> None:
    network = Network([Dense(3, 2), BatchNorm(2), Dense(2, 2), BatchNorm(2)], rng=random())
    np.testing.assert_array_equal(network.buffers, [0, 0, 1, 1, 0, 0, 1, 1])
    network.forward(random().normal(size=(6, 3)), training=True)
    assert (network.buffers[:2] == network.layers[1].running_mean).all()
    assert (network.buffers[:2] != 0).all()
    before = network.buffers.copy()
    network.forward(random().normal(size=(6, 3)))
    np.testing.assert_array_equal(network.buffers, before)
    assert small().buffers.shape == (0,)


def test_names() -> None:
    network = Network([Dense(3, 2), BatchNorm(2), ReLU(), Dense(2, 2)], rng=random())
    names = ["0.W", "0.b", "1.gamma", "1.beta", "3.W", "3.b"]
    assert list(network.named_parameters()) == list(network.named_gradients()) == names
    assert network.named_parameters()["3.W"].shape == (2, 2)
    network.named_parameters()["0.b"][:] = 5
    network.named_gradients()["0.b"][:] = 6
    np.testing.assert_array_equal(network.layers[0].b, [5, 5])
    np.testing.assert_array_equal(network.layers[0].db, [6, 6])


def test_decay_spares_biases_and_batch_norm() -> None:
    network = Network([Dense(2, 2), BatchNorm(2), Dense(2, 1)], rng=random())
    np.testing.assert_array_equal(network.decay_mask, [1] * 4 + [0] * 2 + [0] * 4 + [1] * 2 + [0])
    assert network.decay_mask.dtype == np.float32
    assert network.copy(np.float64).decay_mask.dtype == np.float64


def test_dtype_is_one_throughout() -> None:
    x = random().normal(size=(4, 3))
    for dtype in (np.float32, np.float64, "float32"):
        network = small(dtype=dtype)
        assert network.dtype == dtype
        logits = network.forward(x)
        network.backward(np.ones_like(logits))
        arrays = [logits, network.parameters, network.gradients, network.layers[0].dW]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert small().dtype == np.float32
    for bad in (np.float16, int, "double precision"):
        with pytest.raises(InputError, match="dtype"):
            small(dtype=bad)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (mlp([3, 4, 2], rng=random(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.parameters, again.parameters)
    assert (first.parameters != other.parameters).any()
    unseeded = Network([Dense(3, 4)]), Network([Dense(3, 4)])
    assert (unseeded[0].parameters != unseeded[1].parameters).any()
    with pytest.raises(InputError, match=r"rng: expected a .*Generator, got int"):
        Network([Dense(3, 4)], rng=3)


def test_layers_with_weights_keep_them() -> None:
    layer = Dense(3, 2, rng=random(5))
    weights = layer.W.copy()
    network = Network([layer], rng=random(6), dtype=np.float64)
    np.testing.assert_array_equal(network.parameters[:6], weights.ravel())


def test_dropout_has_a_stream_of_its_own() -> None:
    plain = Network([Dense(3, 4), Dense(4, 2)], rng=random())
    dropping = Network([Dense(3, 4), Dropout(0.5), Dense(4, 2), Dropout(0.5)], rng=random())
    np.testing.assert_array_equal(plain.parameters, dropping.parameters)
    first, second = dropping.random_states
    assert first != second
    own = random(9)
    assert Network([Dropout(0.5, rng=own)], rng=random()).layers[0].rng is own


def test_random_states_can_be_put_back() -> None:
    network = Network([Dropout(0.5), Dense(3, 2), Dropout(0.5)], rng=random())
    x, states = np.ones((5, 3)), network.random_states
    first = network.forward(x, training=True)
    assert (network.forward(x, training=True) != first).any()
    network.random_states = states
    np.testing.assert_array_equal(network.forward(x, training=True), first)
    with pytest.raises(ValueError, match="zip"):
        network.random_states = states[:1]


# ---- copies ----


@pytest.mark.parametrize(
    "clone",
    [
        Network.copy,
        copy.copy,
        copy.deepcopy,
        lambda network: pickle.loads(pickle.dumps(network)),
        lambda network: network.copy(np.float64).copy(np.float32),
    ],
    ids=["copy", "copy.copy", "deepcopy", "pickle", "float64 and back"],
)
def test_training_goes_on_after_a_copy(clone) -> None:
    def build() -> Network:
        return Network(
            [Dense(3, 4), Scale(4), BatchNorm(4), Dropout(0.2), ReLU(), Dense(4, 2)], rng=random()
        )

    network, straight = build(), build()
    train(network)
    before = network.parameters.copy()
    twin = clone(network)
    for one in (network, twin):
        for layer, name in ((0, "W"), (1, "factor"), (2, "gamma"), (2, "running_mean"), (5, "db")):
            assert np.shares_memory(
                getattr(one.layers[layer], name),
                {"running_mean": one.buffers, "db": one.gradients}.get(name, one.parameters),
            )
    train(twin)
    np.testing.assert_array_equal(network.parameters, before)  # the original stays
    assert (twin.parameters != before).any()
    train(network)
    train(straight, 10)  # copying took nothing away from either
    np.testing.assert_allclose(twin.parameters, network.parameters, rtol=1e-6)
    np.testing.assert_array_equal(network.parameters, straight.parameters)
    np.testing.assert_array_equal(network.buffers, straight.buffers)


def test_a_copy_in_another_dtype() -> None:
    network = Network([Dense(3, 2), BatchNorm(2)], rng=random())
    twin = network.copy(np.float64)
    np.testing.assert_array_equal(twin.parameters, network.parameters.astype(np.float64))
    assert twin.buffers.dtype == twin.gradients.dtype == twin.layers[0].W.dtype == np.float64
    assert network.dtype == network.copy().dtype == np.float32


# ---- the way through ----


def test_forward_and_backward_by_hand() -> None:
    network = Network([Dense(2, 2), ReLU(), Dense(2, 1)], rng=random(), dtype=np.float64)
    network.layers[0].W, network.layers[0].b = [[1, -1], [2, 1]], [0, 1]
    network.layers[2].W, network.layers[2].b = [[3], [5]], [-1]
    # x = (1, 1): (3, 1), both pass, 9 + 5 - 1 = 13; x = (1, -1): (-1, -1), none passes, -1
    logits = network.forward(np.array([[1, 1], [1, -1]]))
    np.testing.assert_array_equal(logits, [[13], [-1]])
    # dy = 1 for both rows: row 1 sends (3, 5) back through both units, row 2 nothing
    assert network.backward(np.ones((2, 1))) is None
    np.testing.assert_array_equal(network.layers[0].dW, [[3, 5], [3, 5]])
    np.testing.assert_array_equal(network.layers[0].db, [3, 5])
    np.testing.assert_array_equal(network.layers[2].dW, [[3], [1]])
    np.testing.assert_array_equal(network.layers[2].db, [2])
    dx = network.backward(np.ones((2, 1)), input_gradient=True)
    np.testing.assert_array_equal(dx, [[3 - 5, 6 + 5], [0, 0]])


@settings(max_examples=EXAMPLES // 2)
@given(cases())
def test_both_passes_give_the_same_gradients(case: Case) -> None:
    network, loss, x, y, options = case.build()
    loss.forward(network.forward(x, case.training), y, options["sample_weight"])
    dy = loss.backward()
    network.backward(dy)
    short = network.gradients.copy()
    dx = network.backward(dy, input_gradient=True)
    assert dx.shape == x.shape
    np.testing.assert_allclose(network.gradients, short, rtol=1e-12)


def test_training_stops_at_the_first_layer_that_learns() -> None:
    class Counting(Tanh):
        calls = 0

        def backward(self, dy: np.ndarray) -> np.ndarray:
            Counting.calls += 1
            return super().backward(dy)

    network = Network([Counting(), Counting(), Dense(3, 2), Tanh()], rng=random())
    network.forward(np.ones((2, 3)))
    network.backward(np.ones((2, 2)))
    assert Counting.calls == 0
    network.backward(np.ones((2, 2)), input_gradient=True)
    assert Counting.calls == 2


def test_a_network_without_parameters() -> None:
    network = Network([Tanh(), LeakyReLU()])
    network.forward(np.ones((2, 3)))
    assert network.backward(np.ones((2, 3))) is None
    assert network.backward(np.ones((2, 3)), input_gradient=True).shape == (2, 3)
    assert network.parameters.size == 0


def test_evaluation_is_the_default() -> None:
    network = Network([Dropout(0.5), Dense(3, 2)], rng=random())
    x = random().normal(size=(4, 3))
    np.testing.assert_array_equal(network.forward(x), network.forward(x, training=False))
    assert (network.forward(x, training=True) != network.forward(x)).any()


def test_any_numbers_are_cast_to_the_dtype_of_the_network() -> None:
    network = small()
    x = random().integers(0, 5, (4, 3))
    expected = network.forward(x.astype(np.float32))
    for dtype in (np.uint8, np.int64, np.float64):
        np.testing.assert_array_equal(network.forward(x.astype(dtype)), expected)
    np.testing.assert_array_equal(network.forward(x.tolist()), expected)


def test_activations() -> None:
    network = Network([Dense(3, 4), ReLU(), Dropout(0.5), Dense(4, 2)], rng=random())
    x = random().normal(size=(5, 3))
    inside = network.activations(x)
    assert [output.shape for output in inside] == [(5, 4), (5, 4), (5, 4), (5, 2)]
    np.testing.assert_array_equal(inside[1], np.maximum(inside[0], 0))
    np.testing.assert_array_equal(inside[2], inside[1])
    np.testing.assert_array_equal(inside[3], network.forward(x))
    dropped = network.activations(x, training=True)
    assert (dropped[2] != dropped[1]).any()
    with pytest.raises(InputError, match="a single sample"):
        network.activations(x[0])


# ---- predictions ----


def test_predictions_of_classes() -> None:
    checks.probabilities_follow_logits(Network.predict_proba)
    network = small()
    x = random().normal(size=(9, 3))
    logits = network.forward(x)
    probabilities = network.predict_proba(x)
    np.testing.assert_array_equal(probabilities, softmax(logits))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(network.predict(x), logits.argmax(axis=1))
    assert network.predict(x).dtype.kind == "i"


def test_predictions_of_yes_or_no() -> None:
    x = np.array([[-1.0], [0.0], [2.0]])
    one = Network([Dense(1, 1)], output="sigmoid", rng=random(), dtype=np.float64)
    one.layers[0].W = [[1.0]]
    np.testing.assert_allclose(one.predict_proba(x), 1 / (1 + np.exp(-x)), rtol=1e-14)
    np.testing.assert_array_equal(one.predict(x), [0, 0, 1])
    assert one.predict(x).dtype.kind == "i"
    two = Network([Dense(1, 2)], output="sigmoid", rng=random())
    two.layers[0].W = [[1.0, -1.0]]
    assert two.predict_proba(x).shape == (3, 2)
    np.testing.assert_array_equal(two.predict(x), [[0, 1], [0, 0], [1, 0]])


def test_predictions_of_values() -> None:
    x = random().normal(size=(4, 3))
    one = Network([Dense(3, 1)], output="identity", rng=random())
    np.testing.assert_array_equal(one.predict(x), one.forward(x)[:, 0])
    several = Network([Dense(3, 2)], output="identity", rng=random())
    np.testing.assert_array_equal(several.predict(x), several.forward(x))
    with pytest.raises(InputError, match="a regression has values, no probabilities; use predict"):
        one.predict_proba(x)


def test_predictions_come_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network, sizes = small(), []
    forward = network.forward

    def noting(x: np.ndarray, training: bool = False) -> np.ndarray:
        sizes.append(len(x))
        return forward(x, training)

    monkeypatch.setattr(network, "forward", noting)
    x = random().normal(size=(2500, 3))
    assert network.predict(x).shape == (2500,)
    assert sizes == [1000, 1000, 500]
    np.testing.assert_allclose(network.predict_proba(x), softmax(forward(x)), rtol=1e-5)


# ---- layers of one's own ----


def test_a_layer_without_the_base_class_is_a_full_citizen(tmp_path) -> None:
    network = Network([Dense(3, 4), Scale(4), Dense(4, 2)], rng=random())
    scale = network.layers[1]
    before = scale.factor.copy()
    first = train(network.copy(), 1)
    assert train(network, 30) < first / 2
    assert (scale.factor != before).all()
    assert np.shares_memory(scale.factor, network.parameters)
    np.testing.assert_array_equal(network.named_gradients()["1.factor"], scale.dfactor)
    x, y = random().normal(size=(5, 3)), random().integers(0, 2, 5)
    assert check_gradients(network, SoftmaxCrossEntropy(), x, y).passed
    # A new array for the parameter itself is brought home too.
    scale.factor = np.zeros(4)
    np.testing.assert_array_equal(network.parameters[16:20], 0)
    scale.factor = np.ones(4)
    network.forward(x)
    np.testing.assert_array_equal(network._parameters[16:20], 1)
    scale.factor = np.ones(5)
    with pytest.raises(InputError, match=r"Scale.factor expected shape \(4,\), that of the param"):
        network.forward(np.ones((2, 3)))
    scale.factor = np.ones(4)
    with pytest.raises(InputError, match="Scale cannot be saved: let its class derive from"):
        network.save(tmp_path / "model.npz")


def test_a_gradient_of_the_wrong_shape_is_told() -> None:
    class Careless(Scale):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            dx = super().backward(dy)
            self.dfactor = dy * self.x
            return dx

    network = Network([Careless(3)])
    network.forward(np.ones((2, 3)))
    with pytest.raises(InputError, match=r"Careless.dfactor expected shape \(3,\).* got \(2, 3\)"):
        network.backward(np.ones((2, 3)))


def test_a_layer_that_names_what_it_does_not_have_is_told() -> None:
    class Forgetful(Scale):
        def __init__(self) -> None:
            pass

    with pytest.raises(InputError, match=r"Forgetful names .* but has none of that name"):
        Network([Forgetful()])


def test_a_subclass_is_saved_by_name(tmp_path) -> None:
    class Cube(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.kept = x
            return x**3

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return 3 * self.kept**2 * dy

    network = Network([Dense(3, 2), Cube()], rng=random())
    path = tmp_path / "model.npz"
    network.save(path)
    again = Network.load(path, classes={"Cube": Cube})
    x = random().normal(size=(4, 3))
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    with pytest.raises(InputError, match="holds a 'Cube', which this package does not have"):
        Network.load(path)


# ---- building, printing ----


def test_rows_that_do_not_fit() -> None:
    layer = Dense(3, 3)
    for layers, message in [
        ([], "expected at least one layer, got none"),
        (
            [Dense(3, 4), ReLU(), Dense(5, 2)],
            r"Dense\(5 -> 2\) at position 2 expected samples of s",
        ),
        (
            [Dense(3, 4), BatchNorm(3)],
            r"BatchNorm\(3\) at position 1 expected samples of shape \(3",
        ),
        ([layer, ReLU(), layer], "each layer once, got the same .* again at position 2"),
        ([Dense(3, 4), ReLU], "at position 1: was a class passed instead of an object"),
        ([Dense(3, 4), "relu"], "got 'relu' at position 1"),
    ]:
        with pytest.raises(InputError, match=message):
            Network(layers)


def test_mistakes_on_the_way() -> None:
    network = small()
    x = random().normal(size=(5, 3))
    with pytest.raises(InputError, match="expected a forward pass just before it"):
        network.backward(np.ones((5, 2)))
    network.forward(x)
    with pytest.raises(
        InputError, match=r"dy as floats of shape \(5, 2\), that of the last output"
    ):
        network.backward(np.ones(2))
    for bad, message in [
        (x[0], r"Dense\(3 -> 4\) expected x of shape \(N, 3\), got \(3,\): a single sample needs"),
        (x.T, r"samples are rows here; x.T turns them round"),
        (x[:, :2], "was the network built for other data"),
        (x.reshape(5, 3, 1), r"images need x.reshape\(len\(x\), -1\)"),
        (x[:0], "at least one sample"),
        (x.astype(str), "expected numbers, got dtype"),
    ]:
        with pytest.raises(InputError, match=message):
            network.forward(bad)
    with pytest.raises(InputError, match="output: expected one of softmax, sigmoid, identity"):
        Network([Dense(3, 2)], output="probabilities")


def test_shapes_and_reader() -> None:
    network = Network([Dropout(0.1), Tanh(), Dense(3, 4), Dense(4, 2)], rng=random())
    assert (network.input_shape, network.output_shape) == ((3,), (2,))
    assert network.reader == "Dense(3 -> 4)"
    open_ended = Network([Scale(3)])
    assert (open_ended.input_shape, open_ended.output_shape) == (None, None)


def test_summary_and_repr() -> None:
    network = mlp([784, 128, 10], rng=random())
    text = network.summary().splitlines()
    assert text[0].split() == ["layer", "output", "parameters"]
    assert [line.split("  ")[0] for line in text[2:-2]] == [
        *["input", "Dense(784 -> 128)", "ReLU", "Dense(128 -> 10)"]
    ]
    assert text[3].split()[-1] == "100,480"
    assert "(N, 784)" in text[2]
    assert text[-1].split() == ["total", "101,770"]
    assert repr(network) == (
        "Network(Dense(784 -> 128), ReLU, Dense(128 -> 10); 101,770 parameters, float32)"
    )
    assert "Scale" in Network([Dense(3, 2), Scale(2)], rng=random()).summary()


@pytest.mark.parametrize(
    ("activation", "layer", "power"),
    [("relu", ReLU, 2), ("leaky_relu", LeakyReLU, 2), ("sigmoid", Sigmoid, 1), ("tanh", Tanh, 1)],
)
def test_mlp_activations_with_their_initializers(activation: str, layer, power: float) -> None:
    network = mlp([400, 400, 400], activation, rng=random())
    assert type(network.layers[1]) is layer
    # he_normal: 2 / 400; glorot_uniform: 2 / 800; the output layer is Glorot's always
    assert network.layers[0].W.var() == pytest.approx(power / 400, rel=0.03)
    assert network.layers[2].W.var() == pytest.approx(1 / 400, rel=0.03)


def test_mlp() -> None:
    network = mlp([3, 5, 4, 2], ["relu", "identity"], batch_norm=True, dropout=0.25, rng=random())
    kinds = [type(layer) for layer in network.layers]
    assert kinds == [
        *[Dense, BatchNorm, ReLU, Dropout],
        *[Dense, BatchNorm, Dropout],
        Dense,
    ]
    assert network.layers[3].rate == 0.25
    assert [type(layer) for layer in mlp([3, 2]).layers] == [Dense]
    options = mlp([3, 2], output="identity", dtype=np.float64, initializer=Normal(1e-9))
    assert (options.output, options.dtype) == ("identity", np.float64)
    assert abs(options.layers[0].W).max() < 1e-8
    assert mlp([3, 2]).output == "softmax"
    with_initializer = mlp([3, 4, 2], initializer=Normal(1e-9)).parameters
    assert abs(with_initializer).max() < 1e-8


def test_mistakes_in_mlp() -> None:
    for arguments, message in [
        (([3],), "at least two sizes"),
        (([3, 0, 2],), "mlp sizes: expected a whole number of at least 1, got 0"),
        (([3, 4, 2], ["relu", "relu"]), "expected 1 activations, one a hidden layer, got 2"),
        (
            ([3, 4, 2], "swish"),
            "activation: expected one of relu, leaky_relu, sigmoid, tanh, ident",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            mlp(*arguments)


# ---- save, load ----


@settings(max_examples=EXAMPLES // 2)
@given(case=cases())
def test_save_then_load_is_identity(tmp_path_factory, case: Case) -> None:
    network, loss, x, _, _ = case.build()
    network.loss = loss
    path = tmp_path_factory.mktemp("model") / "model.npz"
    network.save(path)
    again = Network.load(path)
    np.testing.assert_array_equal(again.parameters, network.parameters)
    np.testing.assert_array_equal(again.buffers, network.buffers)
    np.testing.assert_array_equal(again.forward(x), network.forward(x))
    assert (again.dtype, again.output, repr(again)) == (
        *(network.dtype, network.output, repr(network)),
    )
    assert repr(again.loss) == repr(loss)


def test_a_loaded_network_trains_on(tmp_path) -> None:
    network = Network([Dense(3, 4), Dropout(0.3), Dense(4, 2)], output="identity", rng=random())
    path = tmp_path / "model.npz"
    network.save(path)
    again = Network.load(path, rng=random(1))
    assert again.output == "identity"
    assert again.loss is None
    train(again)
    assert (again.parameters != network.parameters).any()
    assert np.shares_memory(again.layers[0].W, again.parameters)
    same = [Network.load(path, rng=random(1)).random_states for _ in range(2)]
    assert same[0] == same[1]


def test_the_loss_is_remembered(tmp_path) -> None:
    network = small(output="identity")
    for loss in (MeanSquaredError(), SoftmaxCrossEntropy(0.25), None):
        network.loss = loss
        network.save(tmp_path / "model.npz")
        assert repr(Network.load(tmp_path / "model.npz").loss) == repr(loss)


# ---- what must not go wrong silently ----


def test_a_layer_belongs_to_one_network_and_a_copy_of_it_to_none() -> None:
    network = mlp([3, 4, 2], rng=random())
    with pytest.raises(InputError, match=r"Dense\(3 -> 4\) at position 0 is in a network already"):
        Network(network.layers[:2], output="identity")
    twin = Network([copy.copy(layer) for layer in network.layers])
    network.layers[0].W = np.zeros((3, 4))
    assert (network.parameters[:12] == 0).all()
    assert (twin.parameters[:12] != 0).any()


def test_a_subclass_with_a_backward_of_its_own_is_not_passed_over() -> None:
    class Wrong(Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dW *= 3
            return dx

    network = Network([Wrong(3, 2)], rng=random())
    x, y = random().normal(size=(4, 3)), np.array([0, 1, 0, 1])
    assert not check_gradients(network, SoftmaxCrossEntropy(), x, y).passed


def test_dropout_of_inputs_and_of_hidden_units_do_not_go_together() -> None:
    network = mlp([50, 50, 2], dropout=0.5, input_dropout=0.5, rng=random())
    states = [layer.rng.bit_generator.state["state"] for layer in network._random_layers()]
    assert states[0] != states[1]
    plain = mlp([50, 50, 2], rng=random())
    np.testing.assert_array_equal(network.parameters, plain.parameters)


def test_a_float64_gradient_is_taken_in_the_networks_dtype() -> None:
    seen = []

    class Watch:
        def forward(self, x, training):
            return x

        def backward(self, dy):
            seen.append(dy.dtype)
            return dy

    network = Network([Dense(3, 2), Watch()], rng=random())
    network.backward(np.ones_like(network.forward(np.ones((4, 3))), dtype=np.float64))
    assert seen == [np.float32]


class Noise(Layer):
    """A layer of one's own whose integer argument is no size."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def forward(self, x, training=False):
        return x

    def config(self):
        return {"seed": self.seed}


class Named(Noise):
    """It learns, but does not tell the shape of what it learns."""

    parameter_names = ("factor",)
    factor = np.ones(3)


class Huber:
    """A loss of one's own that does not tell how it is built."""

    def forward(self, logits, targets, sample_weight=None):
        return 0.0

    def backward(self):
        return None


def test_saving_layers_and_losses_of_ones_own(tmp_path) -> None:
    network = Network([Noise(20240101), Dense(3, 2)], rng=random())
    network.loss = Huber()
    network.save(tmp_path / "n.npz")
    loaded = Network.load(tmp_path / "n.npz", classes={"Noise": Noise})
    assert loaded.layers[0].seed == 20240101
    assert loaded.loss is None
    with pytest.raises(InputError, match=r"shapes\(\) for all that it keeps"):
        Network([Named(1), Dense(3, 2)], rng=random()).save(tmp_path / "m.npz")


def lookalike(base, name, **members):
    return type(name, (base,), {"forward": Noise.forward, **members})


def wrong_config(value):
    def config(self):
        return {"value": value}

    return config


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (lookalike(Layer, "ReLU"), "called ReLU like one of numpymlp's.*rename it"),
        (
            lookalike(Layer, "Power", __init__=lambda self, p=3: None),
            r"takes arguments, so it needs a config\(\)",
        ),
        (lookalike(Layer, "Function", config=wrong_config(np.sin)), "hold what JSON can"),
        (lookalike(Layer, "NotANumber", config=wrong_config(np.nan)), "hold what JSON can"),
        (lookalike(object, "Bare", config=lambda self: {}), "derive from numpymlp.Layer"),
        (
            lookalike(
                Layer,
                "Misshapen",
                parameter_names=("factor",),
                factor=np.ones(3),
                shapes=lambda self: {"factor": (4,)},
            ),
            r"shapes\(\) gives \(4,\) for factor, which has shape \(3,\)",
        ),
    ],
)
def test_a_layer_that_would_not_come_back_as_it_is_cannot_be_saved(kind, message, tmp_path) -> None:
    if not hasattr(kind, "backward"):
        kind.backward = lambda self, dy: dy
    network = Network([kind(), Dense(3, 2)], rng=random())
    with pytest.raises(InputError, match=message):
        network.save(tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_a_loss_that_would_come_back_as_another_cannot_be_saved(tmp_path) -> None:
    network = Network([Dense(3, 2)], rng=random())
    network.loss = type("MeanSquaredError", (Loss,), {})()
    with pytest.raises(InputError, match="called MeanSquaredError like one of numpymlp's"):
        network.save(tmp_path / "m.npz")
    network.loss = type("Scaled", (Loss,), {"__init__": lambda self, factor=2.0: None})()
    network.save(tmp_path / "m.npz")
    assert Network.load(tmp_path / "m.npz").loss is None


def test_what_a_layer_without_the_base_class_was_given_is_not_lost() -> None:
    new = np.array([3.0, 4.0, 5.0, 6.0])
    for look in (
        lambda network: network.copy().layers[1].factor,
        lambda network: pickle.loads(pickle.dumps(network)).layers[1].factor,
        lambda network: network.parameters[16:20],
        lambda network: network.named_parameters()["1.factor"],
    ):
        network = Network([Dense(3, 4), Scale(4), Dense(4, 2)], rng=random())
        network.layers[1].factor = new
        np.testing.assert_array_equal(look(network), new)
    saved = np.arange(30.0)
    network.layers[1].factor = -new
    network.parameters = saved
    network.forward(np.ones((2, 3)))
    np.testing.assert_array_equal(network.parameters, saved)


def test_buffers_of_a_layer_without_the_base_class_can_be_read_and_put_back() -> None:
    class Counting:
        buffer_names = ("seen",)

        def __init__(self) -> None:
            self.seen = np.zeros(1)

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.seen = self.seen + len(x)  # a new array, in place of the view
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    network = Network([Dense(3, 4), Counting(), Dense(4, 2)], rng=random())
    network.forward(np.ones((5, 3)), training=True)
    assert network.buffers.tolist() == [5]
    network.layers[1].seen = np.full(1, 9.0)
    network.buffers = np.zeros(1)
    network.forward(np.ones((5, 3)), training=True)
    assert network.buffers.tolist() == [5]


def test_a_shallow_copy_of_a_layer_does_not_write_into_its_network() -> None:
    network = small()
    twin = copy.copy(network.layers[0])
    before = network.gradients.copy()
    twin.forward(np.ones((2, 3)))
    twin.backward(np.ones((2, 4)))
    twin.W += 1
    np.testing.assert_array_equal(network.gradients, before)
    np.testing.assert_array_equal(twin.W, network.layers[0].W + 1)


def test_a_layer_with_slots_is_a_layer() -> None:
    class Half:
        __slots__ = ()

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return x / 2

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy / 2

    network = Network([Dense(3, 2), Half()], rng=random())
    x = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(network.forward(x), network.layers[0].forward(x) / 2)


def test_no_dtype_is_not_taken_for_float64() -> None:
    with pytest.raises(InputError, match=r"dtype: expected numpy.float32 .* got None"):
        Network([Dense(3, 2)], dtype=None)
