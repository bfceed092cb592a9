"""The network: one vector and its views, both passes, predictions, heads, images, summary."""

import copy
import operator
import pickle

import checks
import numpy as np
import pytest
import scipy.special
from checks import random
from hypothesis import given, settings
from scipy.special import expit
from sklearn.metrics import accuracy_score
from strategies import Case, cases

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    L2Penalty,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Network,
    ReLU,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    check_layer,
    loss_and_gradient,
    mlp,
    parameter,
    softmax,
)
from numpymlp.losses import HEADS

EXAMPLES = settings().max_examples


class Scale(Layer):
    """A custom layer; its gradient is a new array each time."""

    factor, dfactor = parameter()

    def __init__(self, features: int) -> None:
        self.factor = np.linspace(0.5, 1.5, features)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        return x * self.factor

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        self.dfactor = (dy * self.cache).sum(axis=0)
        return dy * self.factor


def small(**options) -> Network:
    return Network([Dense(3, 4), Tanh(), Dense(4, 2)], rng=random(), **options)


def train(network: Network, steps: int = 5) -> float:
    """Run a few steps of the four-line loop; return the last loss."""
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
    with pytest.raises(InputError, match=r"Dense\(3 -> 4\).W expected shape \(3, 4\), got \(4"):
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


def test_buffers_hold_the_running_statistics() -> None:
    network = Network([Dense(3, 2), BatchNorm(2), Dense(2, 2), BatchNorm(2)], rng=random())
    np.testing.assert_array_equal(network.buffers, [0, 0, 1, 1, 0, 0, 1, 1])
    network.forward(random().normal(size=(6, 3)), training=True)
    assert (network.buffers[:2] == network.layers[1].running_mean).all()
    assert (network.buffers[:2] != 0).all()
    before = network.buffers.copy()
    network.forward(random().normal(size=(6, 3)))
    np.testing.assert_array_equal(network.buffers, before)
    assert small().buffers.shape == (0,)


def test_parameters_and_gradients_have_names() -> None:
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


def test_a_layer_with_some_of_its_weights_keeps_them_and_draws_the_others() -> None:
    # The weights that were set by hand were once drawn anew, because the bias was missing.
    layer = Dense(3, 2)
    layer.W = np.arange(6).reshape(3, 2)
    network = Network([layer], rng=random())
    np.testing.assert_array_equal(network.parameters, [*range(6), 0, 0])


def test_dropout_has_its_own_stream() -> None:
    plain = Network([Dense(3, 4), Dense(4, 2)], rng=random())
    dropping = Network([Dense(3, 4), Dropout(0.5), Dense(4, 2), Dropout(0.5)], rng=random())
    np.testing.assert_array_equal(plain.parameters, dropping.parameters)
    first, second = dropping.random_states
    assert first != second
    own = random(9)
    assert Network([Dropout(0.5, rng=own)], rng=random()).layers[0].rng is own


def test_random_states_can_be_restored() -> None:
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
def test_a_copy_and_its_original_train_on_alike_and_apart(clone) -> None:
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
    np.testing.assert_array_equal(network.parameters, before)  # the original is unchanged
    assert (twin.parameters != before).any()
    train(network)
    train(straight, 10)  # the oracle: a network that was never copied
    np.testing.assert_allclose(twin.parameters, network.parameters, rtol=1e-6)
    np.testing.assert_array_equal(network.parameters, straight.parameters)
    np.testing.assert_array_equal(network.buffers, straight.buffers)


def test_a_copy_can_have_another_dtype() -> None:
    network = Network([Dense(3, 2), BatchNorm(2)], rng=random())
    twin = network.copy(np.float64)
    np.testing.assert_array_equal(twin.parameters, network.parameters.astype(np.float64))
    assert twin.buffers.dtype == twin.gradients.dtype == twin.layers[0].W.dtype == np.float64
    assert network.dtype == network.copy().dtype == np.float32


# ---- forward and backward ----


def test_forward_and_backward_by_hand() -> None:
    network = Network([Dense(2, 2), ReLU(), Dense(2, 1)], rng=random(), dtype=np.float64)
    network.layers[0].W, network.layers[0].b = [[1, -1], [2, 1]], [0, 1]
    network.layers[2].W, network.layers[2].b = [[3], [5]], [-1]
    # x = (1, 1): (3, 1), both units pass, 9 + 5 - 1 = 13; x = (1, -1): (-1, -1), none passes, -1
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


class CountingTanh(Tanh):
    """Notes how `backward` is called."""

    def __init__(self) -> None:
        self.calls: list[bool] = []

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        self.calls.append(input_gradient)
        return super().backward(dy, input_gradient)


class CountingDense(Dense):
    calls: tuple[bool, ...] = ()

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        self.calls += (input_gradient,)
        return super().backward(dy, input_gradient)


def test_the_backward_pass_ends_at_the_first_trainable_layer_without_its_dx() -> None:
    network = Network(
        [CountingTanh(), CountingDense(3, 4), CountingTanh(), CountingDense(4, 2), CountingTanh()],
        rng=random(),
    )
    network.forward(np.ones((2, 3)))
    assert network.backward(np.ones((2, 2))) is None
    assert [list(layer.calls) for layer in network.layers] == [[], [False], *[[True]] * 3]
    dx = network.backward(np.ones((2, 2)), input_gradient=True)
    assert dx.shape == (2, 3)
    calls = [[True], [False, True], *[[True, True]] * 3]
    assert [list(layer.calls) for layer in network.layers] == calls


def test_dense_does_not_compute_the_dx_that_is_not_asked_for() -> None:
    network = small()
    layer, dy = network.layers[0], np.ones((5, 2))
    network.forward(np.ones((5, 3)))
    network.backward(dy)
    gradients = network.gradients.copy()
    del vars(layer)["W"]  # dx = dy W^T cannot be computed any more
    network.gradients[:] = 0
    assert network.backward(dy) is None
    np.testing.assert_array_equal(network.gradients, gradients)
    with pytest.raises(AttributeError, match="has no W"):
        network.backward(dy, input_gradient=True)
    assert layer.backward(np.ones((5, 4)), input_gradient=False) is None


def test_a_network_without_parameters_has_an_input_gradient_only() -> None:
    network = Network([Tanh(), LeakyReLU()])
    network.forward(np.ones((2, 3)))
    assert network.backward(np.ones((2, 3))) is None
    assert network.backward(np.ones((2, 3)), input_gradient=True).shape == (2, 3)
    assert network.parameters.size == 0


def test_forward_is_in_evaluation_mode_by_default() -> None:
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


def everything(**options) -> Network:
    layers = [Dense(3, 4), BatchNorm(4), Scale(4), ReLU(), Dropout(0.3), Dense(4, 2)]
    return Network(layers, rng=random(), **options)


@pytest.mark.parametrize("training", [False, True])
def test_walk_activations_and_forward_agree(training: bool) -> None:
    network, x = everything(), random(1).normal(size=(5, 3))
    walked, inside, forward = network.copy(), network.copy(), network.copy()
    steps = list(walked.walk(x, training))
    assert [layer for layer, _ in steps] == list(walked.layers)
    outputs = inside.activations(x, training)
    for (_, one), other in zip(steps, outputs, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(outputs[-1], forward.forward(x, training))
    # The oracle: layer by layer by hand.
    for layer, output in zip(network.layers, outputs, strict=True):
        x = layer.forward(x.astype(np.float32), training)
        np.testing.assert_array_equal(x, output)
    for other in (walked, inside, forward):
        np.testing.assert_array_equal(other.buffers, network.buffers)
        assert other.random_states == network.random_states


@pytest.mark.parametrize(
    "look",
    [
        lambda network, x: list(network.walk(x)),
        lambda network, x: next(network.walk(x)),
        lambda network, x: network.clear_cache(),
    ],
    ids=["walk", "half a walk", "clear_cache"],
)
def test_backward_is_refused_after_another_look_at_the_layers(look) -> None:
    network, x = everything(), random(1).normal(size=(5, 3))
    network.forward(x)
    look(network, x)
    with pytest.raises(InputError, match="expected a forward pass just before it: call"):
        network.backward(np.ones((5, 2)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 2, 0, 0.5, 3])])
@pytest.mark.parametrize("penalty", [None, L2Penalty(0.3)])
def test_loss_and_gradient_equals_the_lines_by_hand(training, weights, penalty) -> None:
    network, loss = everything(), SoftmaxCrossEntropy(0.1)
    by_hand, x, y = network.copy(), random(1).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    result = loss_and_gradient(network, loss, x, y, weights, penalty, training)

    logits = by_hand.forward(x, training)
    value = loss.forward(logits, y, weights)
    by_hand.backward(loss.backward())
    price = 0.0
    if penalty is not None:
        price = penalty.forward(by_hand.parameters, by_hand.decay_mask)
        by_hand.gradients += penalty.backward()

    assert (result.loss, result.penalty) == (value, price)
    np.testing.assert_array_equal(result.logits, logits)
    assert network.gradients.tobytes() == by_hand.gradients.tobytes()
    assert network.buffers.tobytes() == by_hand.buffers.tobytes()
    assert network.random_states == by_hand.random_states


def test_loss_and_gradient_takes_a_loss_without_sample_weights() -> None:
    class Sum:
        def forward(self, logits: np.ndarray, y: np.ndarray) -> float:
            self.cache = np.ones_like(logits)
            return float(logits.sum())

        def backward(self) -> np.ndarray:
            return self.cache

    network, x = small(), random(1).normal(size=(5, 3))
    result = loss_and_gradient(network, Sum(), x, np.zeros(5))
    assert result.loss == float(network.forward(x).sum())
    np.testing.assert_array_equal(network.layers[2].db, [5, 5])


def test_activations_are_the_outputs_of_all_layers() -> None:
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


# ---- predictions and heads ----


def test_classes_are_predicted_by_the_largest_logit() -> None:
    checks.probabilities_follow_logits(Network.predict_proba)
    network = small()
    x = random().normal(size=(9, 3))
    logits = network.forward(x)
    probabilities = network.predict_proba(x)
    np.testing.assert_array_equal(probabilities, softmax(logits))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(network.predict(x), logits.argmax(axis=1))
    assert network.predict(x).dtype.kind == "i"


def test_yes_or_no_is_predicted_by_the_sign_of_the_logit() -> None:
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


def test_values_are_predicted_as_they_are() -> None:
    x = random().normal(size=(4, 3))
    one = Network([Dense(3, 1)], output="identity", rng=random())
    np.testing.assert_array_equal(one.predict(x), one.forward(x)[:, 0])
    several = Network([Dense(3, 2)], output="identity", rng=random())
    np.testing.assert_array_equal(several.predict(x), several.forward(x))
    with pytest.raises(InputError, match="a regression has values, no probabilities; use predict"):
        one.predict_proba(x)


def test_predictions_run_in_batches_of_1000(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", ["softmax", "sigmoid", "identity"])
def test_heads_agree_with_scipy_and_scikit_learn(name: str, outputs: int) -> None:
    head, rng = HEADS[name], random(1)
    logits = rng.normal(size=(40, outputs)) * 3
    assert Network([Tanh()], output=name).head is head
    assert head.name == name
    answers = head.decide(logits)
    if name == "identity":
        np.testing.assert_array_equal(answers, logits[:, 0] if outputs == 1 else logits)
        assert head.correct(logits, logits) is None
        with pytest.raises(InputError, match="a regression has values, no probabilities"):
            head.probabilities(logits)
        return
    oracle = scipy.special.softmax(logits, axis=1) if name == "softmax" else expit(logits)
    np.testing.assert_allclose(head.probabilities(logits), oracle, rtol=1e-12)
    assert answers.dtype.kind == "i"
    if name == "softmax":
        np.testing.assert_array_equal(answers, oracle.argmax(axis=1))
        y = rng.integers(0, outputs, 40)
        soft = 0.4 / outputs + 0.6 * np.eye(outputs)[y]
        np.testing.assert_array_equal(head.correct(logits, soft), head.correct(logits, y))
    else:
        expected = oracle > 0.5
        np.testing.assert_array_equal(answers, expected[:, 0] if outputs == 1 else expected)
        y = rng.integers(0, 2, answers.shape)
    right = head.correct(logits, y)
    assert right.shape == (40,)
    # Of several labels for a sample, accuracy_score counts those samples where all are right.
    assert right.mean() == accuracy_score(y, answers)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("softmax", SoftmaxCrossEntropy()),
        ("sigmoid", SigmoidCrossEntropy()),
        ("identity", MeanSquaredError()),
    ],
)
def test_a_head_accepts_the_targets_that_its_loss_accepts(name: str, loss) -> None:
    def accepts(check, *arguments) -> bool:
        try:
            check(*arguments)
        except InputError:
            return False
        return True

    logits = random().normal(size=(4, 3))
    accepted = []
    for y in (
        np.array([0, 1, 2, 1]),
        np.array([0, 1, 3, 1]),
        np.array([0.0, 1, 2, 1]),
        np.eye(3)[[0, 1, 2, 1]],
        np.full((4, 3), 0.25),
        np.full((4, 3), 1.5),
        np.zeros((4, 2)),
        np.array(["a", "b", "c", "b"]),
    ):
        accepted.append(accepts(HEADS[name].check_targets, y, logits))
        assert accepted[-1] == accepts(loss.forward, logits, y), y
    assert True in accepted
    assert False in accepted


# ---- layers of images ----


class Flatten(Layer):
    """Give each sample as one vector."""

    def __init__(self, *shape: int) -> None:
        self.input_shape = shape or None

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy.reshape(self.cache)

    def output_shape(self, input_shape):
        return None if ... in input_shape else (int(np.prod(input_shape)),)


def of_images(**options) -> Network:
    """Images of 5 x 4 with 2 channels; four rows of them are `images()`."""
    layers = [BatchNorm(2), ReLU(), Dropout(0.2), Flatten(5, 4, 2), Dense(40, 3)]
    return Network(layers, rng=random(), **options)


def images(rows: int = 4) -> np.ndarray:
    return random(5).normal(size=(rows, 5, 4, 2))


def test_images_pass_through_activation_dropout_and_batch_norm_as_rows_of_pixels_do() -> None:
    # The oracle: the same numbers as a batch of N H W rows with C features, then Dense.
    network, x = of_images(dtype=np.float64), images()
    norm, relu, dropout, _, dense = copy.deepcopy(network.layers)
    rows = norm.forward(x.reshape(-1, 2), training=True)
    rows = relu.forward(rows, training=True)
    rows = dropout.forward(rows, training=True)
    expected = dense.forward(rows.reshape(4, 40), training=True)
    logits = network.forward(x, training=True)
    np.testing.assert_array_equal(logits, expected)
    dy = random(6).normal(size=(4, 3))
    d_rows = dense.backward(dy).reshape(-1, 2)
    for layer in (dropout, relu, norm):
        d_rows = layer.backward(d_rows)
    dx = network.backward(dy, input_gradient=True)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dx.reshape(-1, 2), d_rows)
    gradients = [norm.dgamma, norm.dbeta, dense.dW.ravel(), dense.db]
    np.testing.assert_array_equal(network.gradients, np.concatenate(gradients))
    assert [output.shape for output in network.activations(x)] == [*[x.shape] * 3, (4, 40), (4, 3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_images_is_batch_norm_of_their_pixels(dtype, training: bool) -> None:
    pair = [Network([BatchNorm(2)], dtype=dtype) for _ in range(2)]
    x, dy = images(), random(6).normal(size=(4, 5, 4, 2))
    for one in pair:
        one.parameters, one.buffers = [2.0, 3.0, -1.0, 0.5], [0.1, 0.2, 1.5, 0.7]
    of_whole, of_rows = (
        (one.forward(a, training), one.backward(b, input_gradient=True), one.gradients, one.buffers)
        for one, a, b in (
            (pair[0], x, dy),
            (pair[1], x.reshape(-1, 2), dy.reshape(-1, 2)),
        )
    )
    for whole, rows in zip(of_whole, of_rows, strict=True):
        np.testing.assert_array_equal(whole, rows.reshape(whole.shape))


@pytest.mark.parametrize("mode", ["entries", "direction"])
@pytest.mark.parametrize("training", [True, False])
def test_the_gradients_of_a_network_of_images_are_right(mode: str, training: bool) -> None:
    network = of_images()
    network.parameters[:4] = [1.5, 0.5, 0.3, -0.2]
    network.buffers[:] = [0.1, 0.2, 1.5, 0.7]
    y = np.array([0, 2, 1, 1])
    report = check_gradients(
        network, SoftmaxCrossEntropy(), images(), y, mode=mode, training=training, max_entries=None
    )
    assert report.passed, str(report)
    if mode == "entries":
        shapes = {row.name: row.shape for row in report.rows}
        assert shapes["x"] == (4, 5, 4, 2)


def test_the_float32_and_the_float64_network_of_images_agree() -> None:
    network = of_images()
    exact = network.copy(np.float64).forward(images(), training=True)
    logits = network.forward(images(), training=True)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, exact, rtol=1e-4, atol=1e-5)


def test_a_layer_of_images_can_be_checked_alone() -> None:
    for layer in (BatchNorm(2), ReLU(), Tanh(), Dropout(0.3), Flatten()):
        report = check_layer(layer, images(3))
        assert report.passed, f"{layer}\n{report}"


def test_the_summary_of_images_shows_their_shape() -> None:
    assert of_images().summary().splitlines() == [
        "layer           output        parameters",
        "----------------------------------------",
        "input           (N, 5, 4, 2)            ",
        "BatchNorm(2)    (N, 5, 4, 2)           4",
        "ReLU            (N, 5, 4, 2)           0",
        "Dropout(0.2)    (N, 5, 4, 2)           0",
        "Flatten         (N, 40)                0",
        "Dense(40 -> 3)  (N, 3)               123",
        "----------------------------------------",
        "total                                127",
    ]


def test_a_network_of_images_of_any_size_names_what_it_knows() -> None:
    network = Network([BatchNorm(2), ReLU(), Flatten(), Dense(40, 3)], rng=random())
    assert network.shapes == [(..., 2), (..., 2), (..., 2), None, (3,)]
    text = network.summary()
    assert "(N, ..., 2)" in text
    assert "Flatten         ?" in text
    assert network.forward(images()).shape == (4, 3)


@pytest.mark.parametrize("shape", [(4, 5, 4, 3), (4, 3), (8,), (4, 2, 5, 4)])
def test_the_error_for_another_last_axis_says_which_it_must_be(shape) -> None:
    network = Network([BatchNorm(8), ReLU()])
    with pytest.raises(InputError) as error:
        network.forward(np.ones(shape))
    start = f"BatchNorm(8) expected x of shape (N, ..., 8), got {shape}"
    assert str(error.value).startswith(start)
    single = "a single sample needs x[None, :]"
    cause = single if shape == (8,) else "was the network built for other data?"
    assert str(error.value) == f"{start}: {cause}"


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        ((5, 4, 2), "a single sample needs x[None, :]"),
        ((4, 40), "rows of pixels need x.reshape(len(x), 5, 4, 2)"),
        ((4, 39), "expected 4 dimensions, one row for each sample"),
        ((4, 2, 5, 4), "are its axes in another order? Images are (N, height, width, channels)"),
        ((4, 5, 4, 3), "was the network built for other data?"),
    ],
)
def test_images_of_another_shape_are_refused(shape, cause: str) -> None:
    with pytest.raises(InputError) as error:
        of_images().forward(np.ones(shape))
    expected = f"expected x of shape (N, 5, 4, 2), got {shape}: "
    assert expected in str(error.value)
    assert cause in str(error.value)


def test_images_that_a_later_layer_cannot_take_are_refused_when_the_network_is_built() -> None:
    with pytest.raises(InputError, match=r"Dense\(39 -> 3\) at position 1 .* \(39,\), got \(40,\)"):
        Network([Flatten(5, 4, 2), Dense(39, 3)])
    with pytest.raises(InputError, match=r"Flatten at position 1 .*4, 2\), got \(\.\.\., 3\)"):
        Network([BatchNorm(3), Flatten(5, 4, 2)])


def test_a_network_that_ends_with_images_makes_no_predictions() -> None:
    network = Network([BatchNorm(2), ReLU()])
    assert network.forward(images()).shape == (4, 5, 4, 2)
    for answer in (network.predict, network.predict_proba):
        with pytest.raises(InputError, match=r"outputs of shape \(N, K\).*got \(4, 5, 4, 2\): let"):
            answer(images())
    with pytest.raises(InputError, match=r"logits as a float array of shape \(N, K\), got"):
        loss_and_gradient(network, SoftmaxCrossEntropy(), images(), np.zeros(4, int))


def test_predictions_of_images_run_in_batches_too() -> None:
    network = of_images()
    x = images(1001)
    np.testing.assert_allclose(network.predict_proba(x), softmax(network.forward(x)), rtol=1e-5)
    assert network.predict(x).shape == (1001,)


# ---- building and printing ----


def test_batches_and_gradients_that_do_not_fit_are_refused() -> None:
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


def test_the_layer_that_names_the_shape_is_the_one_in_the_message() -> None:
    network = Network([Dropout(0.1), Tanh(), Dense(3, 4), Dense(4, 2)], rng=random())
    assert network.shapes == [(3,), (3,), (3,), (4,), (2,)]
    with pytest.raises(InputError, match=r"^x_test: Dense\(3 -> 4\) expected x of shape \(N, 3\)"):
        network.check_batch(np.ones((5, 4)), "x_test: ")
    open_ended = Network([Scale(3)])
    assert open_ended.shapes == [None, None]
    with pytest.raises(InputError, match=r"^Scale expected x of shape \(N, features\), got \(3,\)"):
        open_ended.forward(np.ones(3))


def test_the_layers_of_a_network_cannot_be_changed_in_place() -> None:
    network = small()
    assert isinstance(network.layers, tuple)
    before, layers = network.layers, network.layers
    for change in (
        lambda: operator.setitem(layers, -1, Dense(4, 5)),
        lambda: operator.delitem(layers, 0),
        lambda: operator.iadd(layers, [Dense(4, 5)]),
        lambda: setattr(network, "layers", [*layers[:-1], Dense(4, 5)]),
        lambda: delattr(network, "layers"),
        lambda: layers.pop(),
        lambda: layers.append(Dense(4, 5)),
        lambda: layers.insert(0, Dense(3, 3)),
        lambda: layers.sort(key=str),
    ):
        with pytest.raises(InputError, match=r"layers expected no change.* build another network"):
            change()
        assert network.layers is before
    for twin in (network.copy(), pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        with pytest.raises(InputError, match="layers expected no change"):
            twin.layers.pop()
    row = [Dense(3, 4), Tanh()]
    network = Network(row, rng=random())
    row.append(ReLU())
    assert len(network.layers) == 2


def test_summary_and_repr_count_the_parameters() -> None:
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


# ---- custom layers, and what must not go wrong silently ----


def test_a_custom_layer_is_trained_named_and_checked_like_the_others() -> None:
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


def test_assigned_parameters_reach_every_view_copy_and_pickle() -> None:
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


def test_the_fault_of_a_subclass_is_found_although_its_base_is_right() -> None:
    class Wrong(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            dx = super().backward(dy, input_gradient)
            self.dW *= 3
            return dx

    network = Network([Wrong(3, 2)], rng=random())
    x, y = random().normal(size=(4, 3)), np.array([0, 1, 0, 1])
    assert not check_gradients(network, SoftmaxCrossEntropy(), x, y).passed


def test_a_float64_gradient_is_cast_to_the_dtype_of_the_network() -> None:
    class Watch(Tanh):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            self.seen = dy.dtype
            return super().backward(dy)

    network = Network([Dense(3, 2), Watch()], rng=random())
    network.backward(np.ones_like(network.forward(np.ones((4, 3))), dtype=np.float64))
    assert network.layers[1].seen == np.float32


def test_dtype_none_is_refused_although_numpy_reads_it_as_float64() -> None:
    with pytest.raises(InputError, match=r"dtype: expected numpy.float32 .* got None"):
        Network([Dense(3, 2)], dtype=None)


def with_read_only_arrays(value):
    """Unpickle a value with arrays that cannot be written, as joblib hands out large ones."""
    buffers = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    assert buffers
    return pickle.loads(pickled, buffers=[bytes(buffer) for buffer in buffers])


def test_a_network_that_lies_in_read_only_memory_can_be_trained() -> None:
    # Networks above 1 MB failed in joblib's workers: "output array is read-only".
    network, optimizer = everything(), Adam()
    train(network)
    optimizer.step(network.parameters, network.gradients)
    twin, its_optimizer = with_read_only_arrays((network, optimizer))
    for one, step in ((network, optimizer), (twin, its_optimizer)):
        train(one)
        step.step(one.parameters, one.gradients)
    np.testing.assert_array_equal(twin.parameters, network.parameters)
    np.testing.assert_array_equal(twin.buffers, network.buffers)
    layer, x = Dense(3, 2, rng=random()), random(1).normal(size=(4, 3))
    twin_layer = with_read_only_arrays(layer)
    for each in (layer, twin_layer):
        each.forward(x)
        each.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(twin_layer.dW, layer.dW)


@pytest.mark.parametrize("fault", ["huge weights", "negative variances", "huge inputs", "float64"])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_prediction_that_is_not_finite_is_an_error_without_warnings(fault, method):
    network = Network([Dense(3, 4), BatchNorm(4), Dense(4, 2)], rng=np.random.default_rng(0))
    x = np.ones((2, 3))
    if fault == "huge weights":
        network.parameters += np.float32(3e38)
    elif fault == "negative variances":
        network.buffers -= 5
    else:
        x *= 3e38 if fault == "huge inputs" else 1e300
    with pytest.raises(InputError, match="expected finite outputs, got NaN or infinity"):
        getattr(network, method)(x)
