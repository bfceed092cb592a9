"""The record of one pass: its numbers are those of training, and nothing of the caller changes."""

import copy
import re

import numpy as np
import pytest
from messages import one_clear_error

import numpymlp
from numpymlp import (
    GELU,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Dropout,
    L2Penalty,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Network,
    PoissonDeviance,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
    lenet,
    loss_and_gradient,
    mlp,
    parameter,
)
from numpymlp.explain import FORMULAS, latex, trace
from numpymlp.losses import Loss
from numpymlp.optimizers import Optimizer

MIDDLE = {
    "relu": [ReLU()],
    "leaky": [LeakyReLU(0.1)],
    "gelu": [GELU()],
    "sigmoid": [Sigmoid()],
    "tanh": [Tanh()],
    "dropout": [ReLU(), Dropout(0.5)],
    "batch norm": [BatchNorm(4), Tanh()],
}


def net(middle=(), output="softmax", dtype=np.float32):
    layers = [Dense(3, 4), *copy.deepcopy(list(middle)), Dense(4, 2)]
    return Network(layers, output=output, rng=np.random.default_rng(0), dtype=dtype)


def batch(rows=6):
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 3)), rng.integers(0, 2, rows)


def assert_same(trace_value, value):
    value = np.asarray(value)
    assert trace_value.shape == value.shape
    assert trace_value.tobytes() == np.ascontiguousarray(value).tobytes()


# ---- the numbers ----


@pytest.mark.parametrize("middle", MIDDLE.values(), ids=MIDDLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9, True), Adam(), AdamW()], ids=str)
def test_the_values_are_those_of_training_to_the_last_bit(middle, dtype, optimizer):
    network, loss, penalty, (x, y) = net(middle, dtype=dtype), SoftmaxCrossEntropy(), None, batch()
    optimizer.reset()
    for _ in range(2):  # the second time the optimizer has a state, and dropout has drawn
        recorded = trace(network, loss, x, y, optimizer, penalty=penalty, factor=0.5)
        states = network.random_states
        outputs = network.copy().activations(x, training=True)
        network.random_states = states
        result = loss_and_gradient(network, loss, x, y, None, penalty)
        last = len(network.layers) - 1
        for position, output in enumerate(outputs):
            assert_same(recorded["logits" if position == last else f"{position}.y"].values, output)
        assert_same(recorded["loss"].values, result.loss)
        assert_same(recorded["probabilities"].values, network.head.probabilities(result.logits))
        assert_same(recorded["dlogits"].values, loss.backward())
        for name, gradient in network.named_gradients().items():
            assert_same(recorded[name.replace(".", ".d")].values, gradient)
        optimizer.step(network.parameters, network.gradients, 0.5)
        for name, new in network.named_parameters().items():
            assert_same(recorded[f"new {name}"].values, new)
        named = {step.name: step.values for step in recorded.steps}
        for state in set(optimizer.state_names) - {"t"}:
            if f"{state} of 0.W" in named:
                assert_same(named[f"{state} of 0.W"].ravel(), getattr(optimizer, state)[:12])
    assert optimizer.t == 2


def test_the_gradients_of_the_layers_inputs_are_those_of_backward():
    network, loss, (x, y) = net([Tanh()], dtype=np.float64), SoftmaxCrossEntropy(), batch()
    recorded = trace(network, loss, x, y)
    network.forward(x, training=True)
    dy = (loss.forward(network.forward(x, True), y), loss.backward())[1]
    for position in reversed(range(3)):
        dy = network.layers[position].backward(dy)
        assert_same(recorded[f"{position}.dx"].values, dy)


def test_closed_gates_masks_and_running_means_are_recorded():
    network, (x, y) = net([BatchNorm(4), ReLU(), Dropout(0.5)]), batch()
    recorded = trace(network, SoftmaxCrossEntropy(), x, y)
    z, h = recorded["1.y"].values, recorded["2.y"].values
    np.testing.assert_array_equal(recorded["2.closed"].values, z <= 0)
    np.testing.assert_array_equal(recorded["3.y"].values, h * recorded["3.mask"].values)
    np.testing.assert_allclose(recorded["1.x_hat"].values.mean(axis=0), 0, atol=1e-6)
    network.forward(x, training=True)
    assert_same(recorded["1.running_mean"].values, network.layers[1].running_mean)


def test_without_training_the_pass_is_that_of_prediction():
    network, (x, y) = net([BatchNorm(4), ReLU(), Dropout(0.5)]), batch(1)
    recorded = trace(network, SoftmaxCrossEntropy(), x, y, training=False)
    assert_same(recorded["probabilities"].values, network.predict_proba(x))
    assert recorded["3.y"].formula == "y = x"


def test_penalty_and_weights_of_samples_are_those_of_training():
    network, loss, (x, y) = net([ReLU()]), SoftmaxCrossEntropy(0.1), batch()
    penalty, w = L2Penalty(0.1), np.arange(6.0)
    recorded = trace(network, loss, x, y, SGD(1.0), sample_weight=w, penalty=penalty)
    result = loss_and_gradient(network, loss, x, y, w, penalty)
    assert_same(recorded["loss"].values, result.loss)
    assert_same(recorded["penalty"].values, result.penalty)
    assert_same(recorded["0.dW + penalty"].values, network.layers[0].dW)
    new = network.layers[0].W - network.layers[0].dW
    np.testing.assert_allclose(recorded["new 0.W"].values, new, rtol=1e-6)


def test_nothing_of_the_caller_changes():
    network, (x, y) = net([BatchNorm(4), ReLU(), Dropout(0.5)]), batch()
    loss, optimizer = SoftmaxCrossEntropy(), Adam()
    loss_and_gradient(network, loss, x, y)
    optimizer.step(network.parameters, network.gradients)
    before = copy.deepcopy((network, loss.cache, optimizer.state(), x, y))
    recorded = trace(network, loss, x, y, optimizer, penalty=L2Penalty(1.0))
    for vector in ("parameters", "gradients", "buffers"):
        assert_same(getattr(network, vector), getattr(before[0], vector))
    assert network.random_states == before[0].random_states
    for mine, old in zip(loss.cache, before[1], strict=True):
        assert_same(mine, old)
    for name, value in optimizer.state().items():
        assert_same(np.asarray(value), before[2][name])
    optimizer.step(network.parameters, network.gradients)  # it still belongs to this network
    network.backward(loss.backward())  # and the network to its batch
    for step in recorded.steps:  # no values are views into the caller's
        step.values[...] = 0
    assert network.parameters.any()


# ---- formulas and functions ----


def test_every_layer_loss_and_optimizer_of_the_package_has_formulas():
    named = [getattr(numpymlp, name) for name in numpymlp.__all__]
    found = [each for each in named if isinstance(each, type)]
    for kind in (Layer, Loss, Optimizer):
        for each in found:
            if issubclass(each, kind) and each is not kind:
                known = [base for base in each.__mro__ if base in FORMULAS]
                assert known or hasattr(each, "formula"), each


def test_layers_of_images_are_explained():
    options = {"size": 3, "image_shape": (12, 12, 1), "classes": 3}
    network = lenet((2,), 8, **options, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    x = rng.random((2, *network.shapes[0]))
    recorded = trace(network, SoftmaxCrossEntropy(), x, [0, 1])
    for step in recorded.steps:
        assert step.formula or step.where in ("network.Network.named_parameters",
            "network.Network.walk", "losses.SoftmaxCrossEntropy.forward"), step  # fmt: skip
    assert "1.dW" in str(recorded)


def test_each_array_names_the_function_that_computes_it():
    x, y = batch()
    recorded = trace(net([ReLU()]), SoftmaxCrossEntropy(), x, y, Adam())
    for step in recorded.steps:
        module, *names = step.where.split(".")
        thing = getattr(__import__(f"numpymlp.{module}", fromlist=["x"]), names[0])
        assert callable(getattr(thing, names[1]) if names[1:] else thing)
    assert recorded["2.dW"].where == "layers.Dense.backward"
    assert recorded["probabilities"].where == "losses.softmax"


@pytest.mark.parametrize(
    ("loss", "output", "y"),
    [
        (SoftmaxCrossEntropy(0.1), "softmax", [0, 1]),
        (SigmoidCrossEntropy(), "sigmoid", [[0, 1], [1, 1]]),
        (MeanSquaredError(), "identity", [[0.5, 1], [1, 2]]),
        (PoissonDeviance(), "identity", [[0, 1], [1, 2]]),
    ],
    ids=lambda value: str(value)[:25],
)
def test_every_loss_is_explained(loss, output, y):
    recorded = trace(net([ReLU()], output), loss, batch(2)[0], y)
    assert recorded["loss"].formula
    assert recorded["dlogits"].formula
    names = {step.name for step in recorded.steps}
    assert ("probabilities" in names) == (output != "identity")


class Scale(Layer):
    factor, dfactor = parameter()

    def __init__(self, features):
        self.factor = np.full(features, 2.0)

    def forward(self, x, training=False):
        self.cache = x
        return x * self.factor

    def backward(self, dy, input_gradient=True):
        self.dfactor = (dy * self.cache).sum(axis=0)
        return dy * self.factor


class Stated(Scale):
    formula = {"y": "y = factor x", "dfactor": "dfactor = sum of dy x"}  # noqa: RUF012


class Half(ReLU):
    def forward(self, x, training=False):
        return super().forward(x) / 2

    def backward(self, dy, input_gradient=True):
        return super().backward(dy) / 2


class Named(ReLU):
    """The same numbers under another name."""


class Sign(Optimizer):
    formula = "p = p - a sign(g)"

    def step(self, parameters, gradients, factor=1.0):
        parameters -= self.learning_rate * np.sign(gradients)


def test_custom_layers_have_names_and_shapes_and_the_formulas_that_they_state():
    x, y = batch()
    recorded = trace(net([Scale(4), Stated(4)]), SoftmaxCrossEntropy(), x, y, Sign(0.1))
    assert recorded["1.factor"].shape == recorded["1.dfactor"].shape == (4,)
    assert recorded["1.y"].owner == "layer 1: Scale"
    assert recorded["1.y"].formula == ""
    assert recorded["1.y"].where.endswith("Scale.forward")
    assert recorded["2.y"].formula == "y = factor x"
    assert recorded["2.dfactor"].formula == "dfactor = sum of dy x"
    assert recorded["new 0.W"].formula == "p = p - a sign(g)"
    assert "Scale" in str(recorded)


def test_a_subclass_that_computes_otherwise_does_not_inherit_the_formula():
    x, y = batch()
    recorded = trace(net([Half(), Named()]), SoftmaxCrossEntropy(), x, y)
    assert recorded["1.y"].formula == ""
    assert recorded["2.y"].formula == "y = max(x, 0)"


# ---- text and Markdown ----


def test_small_arrays_are_printed_in_full_and_large_ones_say_what_is_left_out():
    network = mlp([784, 30, 10], rng=np.random.default_rng(0))
    text = str(trace(network, SoftmaxCrossEntropy(), np.ones((1, 784)), [3], training=False))
    (line,) = re.findall(r"  0\.W .*\n +(largest: .*)\n +left out: 23,514; RMS of all 0\.05", text)
    assert len(re.findall(r"\[\d+, \d+\]", line)) == 6
    assert re.search(r"  probabilities .*\n( +\d\.\d{4}){10}\n", text)
    assert max(map(len, text.splitlines())) < 130


def test_columns_of_numbers_are_aligned_and_a_zero_is_exact():
    values = np.array([[1.5, -20.25], [0.0, 1e-9]])
    step = numpymlp.explain.Step("a", "forward", "", "", values, "")
    assert step.lines() == ["  1.50  -20.25", "     0   1e-09"]


def test_markdown_has_a_table_row_for_each_array_with_its_formula():
    x, y = batch(2)
    recorded = trace(net([ReLU()]), SoftmaxCrossEntropy(), x, y, SGD(0.1))
    markdown = recorded._repr_markdown_()
    rows = [line for line in markdown.splitlines() if line.startswith("| `")]
    assert len(rows) == len(recorded.steps)
    assert all(len(row.split(" | ")) == 5 for row in rows)
    assert r"$\mathrm{d}W = x^\top  \mathrm{d}y$" in markdown


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("dW = x^T dy", r"\mathrm{d}W = x^\top  \mathrm{d}y"),
        ("y = gamma x_hat + beta", r"y = \gamma \hat{x} + \beta"),
        ("sum_j exp(z_j)", r"\sum_{j} \exp (z_{j})"),
        ("m / (sqrt(v) + epsilon)", r"m / (\sqrt{v} + \epsilon)"),
        ("y where x <= 0", r"y \text{ where } x \le  0"),
    ],
)
def test_formulas_become_latex(formula, expected):
    assert latex(formula) == expected


# ---- bad input ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n, x, y: trace(n, SoftmaxCrossEntropy(), np.ones((1001, 3)), y), r"x\[:4\]"),
        (lambda n, x, y: trace(n, SoftmaxCrossEntropy(), x[0], y), r"x\[None, :\]"),
        (lambda n, x, y: trace(n, SoftmaxCrossEntropy(), x, y[:2]), "2 targets for 6 samples"),
        (lambda n, x, y: trace(n, SoftmaxCrossEntropy, x, y), "loss: expected an object"),
        (lambda n, x, y: trace(n, SoftmaxCrossEntropy(), x, y, Adam), "optimizer: expected"),
        (lambda n, x, y: trace(n, SigmoidCrossEntropy(), x, y), "output='sigmoid', got 'softmax'"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    x, y = batch()
    one_clear_error(lambda: call(net([ReLU()]), x, y), message)
