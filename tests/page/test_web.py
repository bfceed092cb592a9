"""The page computes what NumPy computes: its modules run under Node."""

import numpy as np
import pytest
from page.browser import in_node

from numpymlp import Network, SoftmaxCrossEntropy, load_mnist, mlp
from numpymlp.convolution import AveragePool2D, Conv2D, Flatten, MaxPool2D, Reshape
from numpymlp.data.images import prepare_digit
from numpymlp.layers import GELU, BatchNorm, Dense, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
from numpymlp.page.contents import page_contents

RATE = 0.05
ARCHITECTURES = {
    "relu": [Dense(784, 24), ReLU(), Dense(24, 10)],
    "linear": [Dense(784, 10)],
    "deep": [Dense(784, 20), Tanh(), Dense(20, 12), Sigmoid(), Dense(12, 10)],
    "gelu": [Dense(784, 16), GELU(), Dense(16, 10)],
    "convolution": [
        Reshape(28, 28, 1),
        Conv2D(1, 3, 5, stride=2),
        ReLU(),
        MaxPool2D(3, 2),
        BatchNorm(3),
        Conv2D(3, 4, 3, padding="same"),
        Tanh(),
        AveragePool2D(2),
        Flatten(),
        Dense(16, 10),
    ],
    "batch norm": [Dense(784, 16), BatchNorm(16), LeakyReLU(0.1), Dropout(0.5), Dense(16, 10)],
}


@pytest.fixture(scope="module")
def digits():
    return load_mnist()[1]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_forward_backward_and_step_equal_numpys(name, digits):
    first = 50 * list(ARCHITECTURES).index(name)  # 200 images in all
    x, y = (part[first : first + 50] for part in digits)
    network = Network(ARCHITECTURES[name], rng=np.random.default_rng(0))
    network.forward(x, training=True)  # batch norm: running statistics that are not 0 and 1
    contents = page_contents(
        network, x, y, image_shape=(28, 28), class_names=list("0123456789"), snapshots=[]
    )
    found = in_node(
        """
        import { Network, floatsOf, crossEntropy, crossEntropyGradient } from "WEB/network.mjs";
        const { contents, x, y, rate } = input;
        output = x.map((row, n) => {
          const start = floatsOf(contents.parameters);
          const network = new Network(contents.layers, start, floatsOf(contents.buffers));
          const logits = network.forward(Float64Array.from(row));
          const dx = network.backward(crossEntropyGradient(logits, y[n]));
          const gradients = network.gradients.slice();
          network.step(rate);
          const after = crossEntropy(network.forward(Float64Array.from(row)), y[n]);
          const sum = gradients.reduce((total, g, i) => total + g * Math.cos(i), 0);
          const full = n < 3 ? gradients : [];
          return { logits, loss: crossEntropy(logits, y[n]), dx, sum, full, after };
        });
        """,
        {"contents": contents, "x": x.tolist(), "y": y.tolist(), "rate": RATE},
    )
    loss = SoftmaxCrossEntropy()
    for n, result in enumerate(found):
        exact = network.copy(np.float64)
        row = x[n : n + 1].astype(np.float64)
        logits = exact.forward(row)
        value = loss.forward(logits, y[n : n + 1])
        dx = exact.backward(loss.backward(), input_gradient=True)
        gradients = exact.gradients.copy()
        exact.parameters -= RATE * gradients
        after = loss.forward(exact.forward(row), y[n : n + 1])
        near = {"rtol": 1e-5, "atol": 1e-9}
        np.testing.assert_allclose(result["logits"], logits[0], **near)
        np.testing.assert_allclose(result["dx"], dx[0], **near)
        np.testing.assert_allclose(result["loss"], value, **near)
        np.testing.assert_allclose(result["after"], after, **near)
        weights = np.cos(np.arange(gradients.size))
        np.testing.assert_allclose(result["sum"], gradients @ weights, rtol=1e-5, atol=1e-7)
        if result["full"]:
            np.testing.assert_allclose(result["full"], gradients, **near)


def test_a_drawing_is_prepared_as_a_photograph_of_it(digits):
    rng = np.random.default_rng(0)
    pictures = []
    for digit in digits[0][:200]:
        # Ink of several sizes on a larger sheet, away from its edges.
        large = np.kron(digit.reshape(28, 28), np.ones((3, 3)))
        sheet = np.zeros((140, 140))
        top, left = rng.integers(5, 50, 2)
        sheet[top : top + 84, left : left + 84] = large * rng.uniform(0.4, 1)
        pictures.append(sheet)
    found = in_node(
        """
        import { prepare } from "WEB/digit.mjs";
        output = input.map((ink) => prepare(Float64Array.from(ink), 140, 140));
        """,
        [sheet.ravel().round(6).tolist() for sheet in pictures],
    )
    for ours, sheet in zip(found, pictures, strict=True):
        np.testing.assert_allclose(ours, prepare_digit(sheet.round(6)), atol=1e-5)


def test_a_blank_drawing_is_no_digit():
    program = """
        import { prepare } from "WEB/digit.mjs";
        output = [prepare(new Float64Array(input ** 2), input, input)];
    """
    assert in_node(program, 140) == [None]


def test_a_distortion_of_nothing_changes_nothing_and_a_shift_moves(digits):
    still = {"right": 0, "down": 0, "turn": 0, "scale": 1, "noise": 0}
    cases = [still, {**still, "right": 3, "down": -2}, {**still, "turn": 90}]
    x = digits[0][0]
    same, moved, turned = in_node(
        """
        import { distort } from "WEB/digit.mjs";
        output = input.cases.map((how) => distort(Float64Array.from(input.x), 28, 28, how));
        """,
        {"x": x.tolist(), "cases": cases},
    )
    np.testing.assert_array_equal(same, x)
    image = x.reshape(28, 28)
    expected = np.zeros((28, 28))
    expected[:-2, 3:] = image[2:, :-3]
    np.testing.assert_allclose(np.reshape(moved, (28, 28)), expected, atol=1e-12)
    np.testing.assert_allclose(np.reshape(turned, (28, 28)), np.rot90(image, -1), atol=1e-9)


def test_a_link_says_the_whole_state():
    state = {
        "strokes": [[22, 0, 255, 128, 7], [9, 1, 1]], "sample": 3, "centre": False, "right": 1.5,
        "down": -2, "turn": 45, "scale": 1.2, "noise": 0.3, "layer": 1, "unit": 7,
        "off": ["0.3", "1.7"], "truth": 4, "rate": -1.5, "steps": 12, "epoch": 2,
    }  # fmt: skip
    program = """
        import { START, fromHash, toHash } from "WEB/state.mjs";
        const there = fromHash(toHash(input));
        output = { there, names: Object.keys(START), start: toHash(START), junk: [
          "#sample=x&unit=&strokes=%%%.&off=a_1.2&what=1", "#", "", "#steps=NaN",
        ].map(fromHash) };
    """
    found = in_node(program, state)
    assert found["there"] == state
    assert sorted(found["names"]) == sorted(state)
    assert found["start"] == ""
    assert found["junk"][0]["off"] == ["1.2"]
    assert [junk["sample"] for junk in found["junk"]] == [0, 0, 0, 0]


def test_the_mean_over_distorted_copies_is_that_of_predict(digits):
    from numpymlp.experiments.reading import answers_of

    network = mlp([784, 16, 10], activation="relu", rng=np.random.default_rng(1))
    x, y = digits[0][:300], digits[1][:300]
    contents = page_contents(
        network, x, y, image_shape=(28, 28), class_names=list("0123456789"), snapshots=[]
    )
    found = in_node(
        """
        import { Lesson } from "WEB/lesson.mjs";
        const lesson = new Lesson(input.contents);
        output = input.x.map((row) => lesson.meanProbabilities(Float64Array.from(row), []));
        """,
        {"contents": contents, "x": x[:5].tolist()},
    )
    for mean, answer in zip(found, answers_of(network, x[:5]), strict=True):
        np.testing.assert_allclose(mean, answer.probabilities, atol=1e-4)


def test_contributions_of_the_last_hidden_layer_add_up_to_the_logit(digits):
    network = mlp([784, 16, 12, 10], activation="relu", rng=np.random.default_rng(1))
    x, y = digits[0][:300], digits[1][:300]
    contents = page_contents(
        network, x, y, image_shape=(28, 28), class_names=list("0123456789"), snapshots=[]
    )
    found = in_node(
        """
        import { Lesson } from "WEB/lesson.mjs";
        import { START } from "WEB/state.mjs";
        const lesson = new Lesson(input);
        const all = lesson.pass({ ...START, layer: 1 });
        const off = lesson.pass({ ...START, layer: 1, off: [`1.${all.order[0]}`] });
        const bias = lesson.network.layers.at(-1).b.slice();
        output = { all, off, bias, stepped: lesson.pass({ ...START, steps: 5 }) };
        """,
        contents,
    )
    both, off = found["all"], found["off"]
    answer = both["answer"]
    total = sum(both["contributions"]) + found["bias"][answer]
    np.testing.assert_allclose(total, both["logits"][answer], rtol=1e-9)
    # Switching a unit off takes away what it contributed: its votes.
    np.testing.assert_allclose(
        np.subtract(both["logits"], both["votes"]), off["logits"], rtol=1e-9, atol=1e-12
    )
    assert found["stepped"]["losses"][-1] < found["stepped"]["losses"][0]
