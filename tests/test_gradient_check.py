"""The gradient check: correct code passes, a single wrong entry is named, nothing is changed."""

import doctest
from itertools import pairwise
from types import ModuleType

import mutants
import numpy as np
import pytest
from checks import random
from strategies import Case, Difficulty, Hidden

import numpymlp.gradient_check
import numpymlp.gradient_report
from numpymlp import (
    BatchNorm,
    Dense,
    Dropout,
    GradientReport,
    InputError,
    L2Penalty,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    check_layer,
    check_loss,
    mlp,
    parameter,
)
from numpymlp.gradient_report import IN_PLACE, Comparison, Row

LOSS = SoftmaxCrossEntropy()
XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def batch(rows: int = 6, inputs: int = 5, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return random(3).normal(size=(rows, inputs)), np.arange(rows) % classes


class Wrong(Dense):
    """A Dense layer with a single wrong entry: dW[1, 2] is one part in 100,000 too large."""

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        dx = super().backward(dy, input_gradient)
        self.dW[1, 2] *= 1 + 1e-5
        return dx


# ---- correct code passes, wrong code fails ----


def test_the_example_of_the_docstring_runs() -> None:
    module: ModuleType = numpymlp.gradient_check
    result = doctest.testmod(module)
    assert result.attempted == 5
    assert result.failed == 0


def test_a_network_for_mnist_passes_along_a_direction(mnist_batch) -> None:
    x, y = mnist_batch
    network = mlp([784, 128, 10], rng=random())
    report = check_gradients(network, LOSS, x, y, mode="direction")
    assert report.passed
    assert report.max_error < 1e-6
    assert report.rows[0].shape == (101_770 + 128 * 784,)
    without = check_gradients(network, LOSS, x, y, mode="direction", input_gradient=False)
    assert without.passed
    assert without.rows[0].shape == (101_770,)


@pytest.fixture(scope="module")
def mnist_batch():
    from numpymlp import load_mnist

    x, y = load_mnist()[0]
    return x[:128], y[:128]


def test_a_direction_finds_a_wrong_network(mnist_batch) -> None:
    class MeanOfBias(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            dx = super().backward(dy, input_gradient)
            self.db = dy.mean(axis=0)
            return dx

    network = Network([MeanOfBias(784, 128), ReLU(), Dense(128, 10)], rng=random())
    report = check_gradients(network, LOSS, *mnist_batch, mode="direction")
    assert not report.passed
    assert "direction: backprop gives" in str(report)


def test_a_wrong_entry_is_named_with_both_values() -> None:
    network = Network([Wrong(5, 4), Tanh(), Dense(4, 3)], rng=random())
    x, y = batch()
    report = check_gradients(network, LOSS, x, y)
    rows = {row.name: row for row in report.rows}
    assert not report.passed
    assert [name for name, row in rows.items() if not row.passed] == ["0.W"]
    worst = rows["0.W"].worst
    assert worst.where == "0.W[1, 2]"
    assert worst.analytic == pytest.approx(worst.numeric * (1 + 1e-5), rel=1e-7)
    assert report.max_error == worst.error == pytest.approx(1e-5, rel=0.5)
    text = str(report)
    assert f"0.W[1, 2]: backprop gives {worst.analytic:.9g}, the finite difference" in text
    assert text.splitlines()[-1].startswith(f"FAILED: largest error {worst.error:.1e}, limit 1e-07")


def test_the_table_has_a_line_for_each_array() -> None:
    network = mlp([5, 4, 3], batch_norm=True, activation="tanh", rng=random())
    lines = str(check_gradients(network, LOSS, *batch())).splitlines()
    assert lines[0].split() == [
        "parameter",
        "shape",
        "compared",
        "at",
        "kinks",
        "error",
        "norm-wise",
    ]
    names = ["0.W", "0.b", "1.gamma", "1.beta", "3.W", "3.b", "x"]
    assert [line.split()[0] for line in lines[1:-2]] == names
    assert all(line.endswith("  ok") for line in lines[1:-2])
    assert lines[1].split()[1:5] == ["(5,", "4)", "20", "0"]
    # The bias before batch norm has the gradient 0: a norm-wise figure would be meaningless.
    assert lines[2].split()[-2:] == ["-", "ok"]
    # 20 + 4 + 4 + 4 + 12 + 3 + 30: batch norm differs in evaluation
    assert lines[-2].startswith("in evaluation mode: passed, 77 compared, largest error ")
    assert lines[-1].startswith("passed: largest error ")
    assert lines[-1].endswith(", limit 1e-07")


def test_the_norm_wise_error_is_relative_to_the_difference() -> None:
    class Scaled(Tanh):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return 1.5 * super().backward(dy)

    # backprop gives 1.5 times the difference: |1.5 d - d| / |d| = 0.5
    (row,) = check_layer(Scaled(), batch()[0]).rows
    assert row.norm_error == pytest.approx(0.5, rel=1e-6)
    # entry by entry the error is relative to the larger of both: 0.5 / 1.5
    assert row.error == pytest.approx(1 / 3, rel=1e-6)


def test_gradients_that_are_not_finite_fail() -> None:
    class Infinite(Tanh):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return super().backward(dy) * np.inf

    for mode in ("entries", "direction"):
        network = Network([Dense(5, 3), Infinite()], rng=random())
        report = check_gradients(network, LOSS, *batch(), mode=mode)
        assert not report.passed
        assert report.max_error == np.inf
        assert ("direction: backprop gives" in str(report)) == (mode == "direction")


def test_an_entry_that_backward_does_not_write_is_the_only_one_named() -> None:
    class Forgets(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            old = self.dW[0, 0]
            dx = super().backward(dy, input_gradient)
            self.dW[0, 0] = old
            return dx

    network = Network([Forgets(5, 4), Tanh(), Dense(4, 3)], rng=random())
    report = check_gradients(network, LOSS, *batch())
    assert [row.name for row in report.rows if not row.passed] == ["0.W"]
    assert "0.W[0, 0]: backprop gives nan" in str(report)


# ---- kinks and dead units ----


def at_the_kink() -> Network:
    """Two units: the first is on its kink in row 0, the second far away."""
    network = Network([Dense(1, 2), ReLU(), Dense(2, 2)], rng=random(), dtype=np.float64)
    network.layers[0].W = [[1.0, 1.0]]
    network.layers[0].b = [-2.0, 5.0]
    return network


def test_entries_on_a_kink_are_compared_beside_it_and_counted() -> None:
    x, y = np.array([[2.0], [3.0]]), np.array([0, 1])
    report = check_gradients(at_the_kink(), LOSS, x, y)
    rows = {row.name: row for row in report.rows}
    assert report.passed
    counts = {name: (row.compared, row.beside, row.crossed) for name, row in rows.items()}
    # x[0] takes the first unit across
    assert counts == {
        "0.W": (2, 1, 0),
        "0.b": (2, 1, 0),
        "2.W": (4, 0, 0),
        "2.b": (2, 0, 0),
        "x": (2, 1, 0),
    }
    line = next(line for line in str(report).splitlines() if line.startswith("0.b"))
    assert line.endswith("  ok, 1 beside a kink")


def test_a_wrong_entry_on_a_kink_is_found() -> None:
    class WrongFirst(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            dx = super().backward(dy, input_gradient)
            self.dW[0, 0] *= 1.001
            return dx

    right = at_the_kink()
    network = Network([WrongFirst(1, 2), *right.layers[1:]], rng=random(), dtype=np.float64)
    network.parameters = right.parameters
    report = check_gradients(network, LOSS, np.array([[2.0], [3.0]]), np.array([0, 1]))
    assert [row.name for row in report.rows if not row.passed] == ["0.W"]
    assert report.rows[0].worst.where == "0.W[0, 0]"


def test_near_a_kink_a_shorter_step_is_taken() -> None:
    network = at_the_kink()
    network.layers[0].b = [7e-6 - 2.0, 5.0]  # a step of 1e-5 crosses, half of it does not
    report = check_gradients(network, LOSS, np.array([[2.0], [3.0]]), np.array([0, 1]))
    assert report.passed
    assert [row.crossed for row in report.rows] == [0] * 5


def test_leaky_relu_has_a_kink_too() -> None:
    x = np.array([[0.0, 1.0], [2.0, -1.0]])
    (row,) = check_layer(LeakyReLU(), x).rows
    assert row.passed
    assert (row.compared, row.beside, row.crossed) == (4, 1, 0)


@pytest.mark.parametrize("size", [1.0, 1e9])
def test_far_enough_beside_a_kink_that_no_step_crosses_it_again(size: float) -> None:
    # Steps grow with the array, so the distance has to grow as well.
    (row,) = check_layer(LeakyReLU(), np.array([[0.0, size]])).rows
    assert (row.passed, row.compared, row.beside) == (True, 2, 1)


class ForgetsOneBias(Dense):
    """db[0] is 0 instead of the sum of dy[:, 0]."""

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        dx = super().backward(dy, input_gradient)
        self.db = np.append(0.0, self.db[1:])
        return dx


def test_a_step_too_short_to_change_the_loss_does_not_confirm_a_gradient_of_0() -> None:
    x, y = batch()
    network = Network([ForgetsOneBias(5, 4), Tanh(), Dense(4, 3)], rng=random())
    for strength in (1e-3, 1.0, 1e3, 1e6):  # a loss up to 1e7, whose rounding hides short steps
        report = check_gradients(network, LOSS, x, y, penalty=L2Penalty(strength))
        assert [row.name for row in report.rows if not row.passed] == ["0.b"]
    # 1e-15 beside a kink all steps but the shortest cross it.
    for dense in (Dense(1, 2), ForgetsOneBias(1, 2)):
        network = Network([dense, LeakyReLU(), Dense(2, 2)], rng=random(), dtype=np.float64)
        network.layers[0].W, network.layers[0].b = [[1.0, 1.0]], [0.0, 5.0]
        report = check_gradients(network, LOSS, np.array([[1e-15], [3.0]]), np.array([0, 1]))
        assert report.passed == (type(dense) is Dense)


def test_a_point_on_a_kink_is_compared_beside_it() -> None:
    (row,) = check_layer(ReLU(), np.zeros((2, 3))).rows
    assert (row.passed, row.beside, row.compared) == (True, 6, 6)
    # A sample of zeros and biases of zero: every unit sits on its kink in that row.
    network = mlp([2, 3, 2], rng=random(), dtype=np.float64)
    for mode in ("entries", "direction"):
        report = check_gradients(network, LOSS, *XOR, mode=mode)
        assert report.passed
        counts = {row.name: row.beside for row in report.rows if row.beside}
        # b moves all units of the zero row; x moves each entry of it.
        assert counts == ({"0.b": 3, "x": 2} if mode == "entries" else {"direction": 1})
        assert "ok, 3 beside a kink" in str(report) or mode == "direction"


@pytest.mark.parametrize("seed", range(50))
def test_xor_passes(seed: int) -> None:
    report = check_gradients(mlp([2, 8, 2], rng=random(seed)), LOSS, *XOR)
    assert report.passed, str(report)
    assert not report.parts


class Sawtooth(Tanh):
    """Claims to change sides at every step."""

    calls = 0

    def kink_side(self) -> np.ndarray:
        Sawtooth.calls += 1
        return np.array([Sawtooth.calls % 2 == 0])


def test_a_check_that_compared_nothing_fails_and_says_what_to_do() -> None:
    report = check_layer(Sawtooth(), np.ones((1, 1)))
    assert not report.passed
    assert report.max_error == np.inf
    assert "NOT COMPARED" in str(report)
    assert "x: every step crossed a kink, so nothing was compared" in str(report)


def test_a_direction_that_only_meets_kinks_fails() -> None:
    network = Network([Dense(5, 3), Sawtooth()], rng=random())
    report = check_gradients(network, LOSS, *batch(), mode="direction")
    assert not report.passed
    assert (report.rows[0].compared, report.rows[0].crossed) == (0, 1)


def test_layers_without_kink_side_count_as_smooth() -> None:
    class Absolute(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.cache = x
            return np.abs(x)

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return dy * np.sign(self.cache)

    assert check_layer(Absolute(), np.array([[1.0, -2.0]])).passed
    # Long steps cross the bend at 0; rounding is all that shorter ones see.
    (row,) = check_layer(Absolute(), np.array([[1e-10, -2.0]])).rows
    assert (row.compared, row.crossed, row.unmeasured) == (1, 0, 1)


def test_dead_units_are_counted() -> None:
    network = mlp([5, 4, 3], rng=random())
    x, y = batch()
    report = check_gradients(network, LOSS, x, y)
    assert report.dead == 0
    assert "dead" not in str(report)
    network.layers[0].b = np.array([-99, 0, -99, 0])
    report = check_gradients(network, LOSS, x, y)
    assert report.passed
    assert report.dead == 2
    assert str(report).endswith("; 2 units are 0 for the whole batch (dead)")
    network.layers[0].b = np.array([-99, 0, 0, 0])
    one = str(check_gradients(network, LOSS, x, y, mode="direction"))
    assert one.endswith("; 1 unit is 0 for the whole batch (dead)")


def test_dead_units_behind_batch_norm_are_counted_in_training_mode() -> None:
    network = mlp([5, 4, 3], batch_norm=True, rng=random())
    network.layers[1].running_mean = np.full(4, 1e3)  # in evaluation all units would be 0
    assert check_gradients(network, LOSS, *batch()).dead == 0
    assert check_gradients(network, LOSS, *batch(), training=False).dead == 4


# ---- options, and what stays unchanged ----


def test_a_check_changes_neither_network_nor_loss_nor_penalty() -> None:
    network = mlp([5, 6, 3], batch_norm=True, dropout=0.5, rng=random())
    x, y = batch()
    loss, penalty, rng = SoftmaxCrossEntropy(0.1), L2Penalty(0.1), random(7)
    network.gradients[:] = 7
    before = [array.copy() for array in (network.parameters, network.gradients, network.buffers, x)]
    states = network.random_states
    for mode in ("entries", "direction"):
        assert check_gradients(network, loss, x, y, penalty=penalty, mode=mode, rng=rng).passed
    after = [network.parameters, network.gradients, network.buffers, x]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert network.random_states == states
    assert loss.cache is None
    assert penalty.cache is None
    assert network.dtype == np.float32


def test_check_layer_does_not_change_the_layer() -> None:
    layer = Dropout(0.5, rng=random(1))
    state = layer.rng.bit_generator.state
    assert check_layer(layer, batch()[0]).passed
    assert layer.rng.bit_generator.state == state
    norm = BatchNorm(5)
    assert check_layer(norm, batch()[0]).passed
    np.testing.assert_array_equal(norm.running_mean, np.zeros(5))
    np.testing.assert_array_equal(norm.dgamma, np.zeros(5))
    assert check_layer(Dropout(0.5), batch()[0]).passed  # without a generator it gets one
    dense = Dense(5, 2, rng=random())
    weights = dense.W.copy()
    assert check_layer(dense, batch()[0]).passed
    np.testing.assert_array_equal(dense.W, weights)


def test_a_layer_inside_a_float32_network_can_be_checked_alone() -> None:
    network = mlp([5, 4, 3], rng=random())
    before = network.parameters.copy()
    assert check_layer(network.layers[0], batch()[0]).passed
    np.testing.assert_array_equal(network.parameters, before)
    network.layers[0].W = np.zeros((5, 4))  # still a view
    np.testing.assert_array_equal(network.parameters[:20], 0)


def test_evaluation_mode_uses_the_running_statistics() -> None:
    network = mlp([5, 4, 3], batch_norm=True, dropout=0.5, activation="tanh", rng=random())
    network.layers[1].running_variance = np.full(4, 3.0)
    x, y = batch(rows=1)  # a single row would be an error in training
    assert check_gradients(network, LOSS, x, y, training=False).passed
    with pytest.raises(InputError, match="at least 2 rows"):
        check_gradients(network, LOSS, x, y)


def test_the_penalty_is_part_of_the_gradient() -> None:
    network = mlp([5, 4, 3], activation="tanh", rng=random(), dtype=np.float64)
    network.parameters += 0.1  # biases too, which have no penalty
    x, y = batch()
    row = check_gradients(network, LOSS, x, y, max_entries=1).rows[0]
    priced = check_gradients(network, LOSS, x, y, max_entries=1, penalty=L2Penalty(2.0)).rows[0]
    # The same entry both times; with the penalty dL/dw is larger by 2 w.
    assert row.worst.where == priced.worst.where
    weight = network.layers[0].W[tuple(map(int, row.worst.where[4:-1].split(",")))]
    assert priced.worst.numeric - row.worst.numeric == pytest.approx(2 * weight, abs=1e-8)
    assert priced.passed
    assert check_gradients(network, LOSS, x, y, penalty=L2Penalty(2.0)).passed


def test_sample_weights_are_part_of_the_gradient() -> None:
    network = mlp([5, 4, 3], activation="tanh", rng=random())
    x, y = batch()
    report = check_gradients(network, LOSS, x, y, sample_weight=np.array([1, 0, 0, 0, 0, 0]))
    rows = {row.name: row for row in report.rows}
    assert report.passed
    assert rows["x"].compared == 30
    assert check_gradients(network, LOSS, x, y, sample_weight=np.zeros(6)).passed  # all is 0


def test_rounding_at_a_minimum_is_no_fault() -> None:
    # Uniform logits and uniform targets: the gradient is 0, the finite difference is rounding.
    assert check_loss(LOSS, np.full((3, 4), 0.3), np.full((3, 4), 0.25)).passed


@pytest.mark.parametrize(
    "case",
    [
        # The second batch norm sees a feature of variance 6e-6: its curve bends sharply.
        Case(
            rows=5,
            inputs=1,
            hidden=(
                Hidden(3, "none", batch_norm=True),
                Hidden(3, "none", batch_norm=True),
                Hidden(3, "tanh"),
                Hidden(5, "relu", batch_norm=True),
            ),
            outputs=4,
            loss="softmax",
            label_smoothing=0.1,
            sample_weight="some 0",
            l2=1.0,
            initializer="glorot_uniform",
            dtype="float32",
            seed=2546,
        ),
        # A gradient of 8e-6 beside a kink: rounding is all that short steps see.
        Case(
            rows=7,
            inputs=4,
            hidden=(
                Hidden(3, "leaky_relu 0.3", dropout=0.5),
                Hidden(3, "leaky_relu 0.3", dropout=0.5),
                Hidden(1, "tanh", dropout=0.5),
                Hidden(2, "leaky_relu", dropout=0.5),
            ),
            outputs=2,
            loss="softmax",
            label_smoothing=0.5,
            sample_weight="some 0",
            initializer="normal 0.5",
            training=False,
            dtype="float32",
            seed=9,
        ),
    ],
    ids=["sharp bend", "beside a kink"],
)
def test_correct_networks_that_once_failed_pass(case: Case) -> None:
    network, loss, x, y, options = case.build()
    report = check_gradients(network, loss, x, y, max_entries=None, **options)
    assert report.passed, str(report)


def test_max_entries_limits_the_entries_of_each_array() -> None:
    network = mlp([30, 20, 3], activation="tanh", rng=random())
    x, y = batch(rows=4, inputs=30)
    for options, counts in (
        ({"max_entries": None}, [600, 20, 60, 3, 120]),
        ({}, [200, 20, 60, 3, 120]),
        ({"max_entries": 50}, [50, 20, 50, 3, 50]),
    ):
        report = check_gradients(network, LOSS, x, y, **options)
        assert [row.compared for row in report.rows] == counts


def test_the_generator_decides_which_entries_are_checked() -> None:
    network = Network([Wrong(5, 4), Tanh(), Dense(4, 3)], rng=random())
    found = [
        check_gradients(network, LOSS, *batch(), max_entries=5, rng=random(seed)).passed
        for seed in range(12)
    ]
    assert True in found  # the wrong entry is one of 20, and 5 are looked at
    assert False in found
    default = str(check_gradients(network, LOSS, *batch(), max_entries=5))
    for rng in (None, random(0)):
        again = check_gradients(network, LOSS, *batch(), max_entries=5, rng=rng)
        assert str(again) == default


def test_a_layer_without_input_gradient_can_be_checked() -> None:
    class Lookup(Layer):
        """Takes whole numbers: there is no gradient for its input."""

        table, dtable = parameter()

        def __init__(self) -> None:
            self.table = random().normal(size=(4, 3))

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.cache = rows = x[:, 0].astype(int)
            return self.table[rows]

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> None:
            self.dtable = np.zeros((4, 3))
            np.add.at(self.dtable, self.cache, dy)

    x, y = np.array([[0], [2], [2]]), np.array([0, 1, 2])
    report = check_gradients(Network([Lookup()]), LOSS, x, y, input_gradient=False)
    assert report.passed
    assert [row.name for row in report.rows] == ["0.table"]


def test_check_loss_accepts_a_custom_loss_and_finds_its_fault() -> None:
    logits = random().normal(size=(4, 2))
    assert check_loss(MeanSquaredError(), logits, np.ones((4, 2)), np.arange(4)).passed

    class Halved:
        """A custom loss without a base class and without sample weights."""

        def forward(self, logits: np.ndarray, y: np.ndarray) -> float:
            self.cache = logits - y
            return float((self.cache**2).sum())

        def backward(self) -> np.ndarray:
            return self.cache

    report = check_loss(Halved(), logits, np.ones((4, 2)))
    assert not report.passed
    assert report.max_error == pytest.approx(0.5, rel=1e-6)


def test_a_layer_that_works_in_place_is_named() -> None:
    class InPlace(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            np.multiply(x, 3, out=x)
            return x

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return 3 * dy

    x = batch()[0]
    report = check_layer(InPlace(), x)
    assert not report.passed
    assert report.rows[0].passed
    fault = "0 InPlace.forward changes the input of layer 0 in place: work on a copy"
    assert report.faults == [fault]
    assert fault in str(report)
    np.testing.assert_array_equal(x, batch()[0])


def test_the_generator_decides_all_that_is_random_in_check_layer_and_check_loss() -> None:
    x, wide = batch()[0], random().normal(size=(4, 30))
    dense = Dense(30, 20, rng=random())
    for limit, expected in (({}, 200), ({"max_entries": 50}, 50), ({"max_entries": None}, 600)):
        assert check_layer(dense, wide, **limit).rows[0].compared == expected
    logits, labels = random().normal(size=(30, 10)), np.arange(30) % 10
    for limit, expected in (({}, 200), ({"max_entries": 50}, 50), ({"max_entries": None}, 300)):
        assert check_loss(LOSS, logits, labels, **limit).rows[0].compared == expected
    assert str(check_layer(Dropout(0.5), x)) == str(check_layer(Dropout(0.5), x))
    by_seed = [str(check_layer(Tanh(), x, rng=random(seed))) for seed in (1, 1, 2)]
    assert by_seed[0] == by_seed[1] != by_seed[2]
    assert str(check_layer(Tanh(), x)) == str(check_layer(Tanh(), x, rng=random(0)))
    losses = [
        str(check_loss(LOSS, logits, labels, max_entries=20, rng=random(seed)))
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]
    with pytest.raises(InputError, match="rng: expected"):
        check_layer(Tanh(), x, rng=3)


def test_check_layer_uses_training_mode_by_default() -> None:
    row = batch(rows=1)[0]
    assert check_layer(BatchNorm(5), row, training=False).passed
    with pytest.raises(InputError, match="at least 2 rows"):
        check_layer(BatchNorm(5), row)


def test_check_loss_passes_the_weights_on() -> None:
    with pytest.raises(InputError, match="sample_weight: expected 2 numbers"):
        check_loss(LOSS, np.zeros((2, 3)), np.array([0, 1]), np.ones(3))


def test_the_measure_does_not_depend_on_the_scale_of_the_loss() -> None:
    class Scaled(SoftmaxCrossEntropy):
        scale = 1e-6

        def forward(self, *arguments) -> float:
            return self.scale * super().forward(*arguments)

        def backward(self) -> np.ndarray:
            return self.scale * super().backward()

    x, y = batch()
    for first, expected in ((Dense(5, 4), True), (Wrong(5, 4), False)):
        network = Network([first, Tanh(), Dense(4, 3)], rng=random())
        assert check_gradients(network, Scaled(), x, y).passed is expected


def test_entries_are_drawn_once_each(compared: list[dict]) -> None:
    network = mlp([5, 4, 3], activation="tanh", rng=random())
    check_gradients(network, LOSS, *batch(), max_entries=15)
    places = [call["where"] for call in compared]
    assert len(places) == len(set(places)) == 15 + 4 + 12 + 3 + 15


def test_a_direction_has_length_1_and_is_measured_against_a_typical_slope(
    compared: list[dict],
) -> None:
    network = mlp([5, 4, 3], activation="tanh", rng=random())
    (row,) = check_gradients(network, LOSS, *batch(), mode="direction").rows
    (call,) = compared
    assert (row.shape, row.compared, row.beside) == (call["f"].point.shape, 1, 0)
    assert np.linalg.norm(call["direction"]) == pytest.approx(1, rel=1e-12)
    gradient = call["f"].gradient
    assert call["floor"] == pytest.approx(np.linalg.norm(gradient) / np.sqrt(gradient.size))


def test_a_point_on_a_kink_is_moved_by_a_thousandth(compared: list[dict]) -> None:
    network = mlp([2, 3, 2], rng=random(), dtype=np.float64)
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    assert check_gradients(network, LOSS, x, y, mode="direction").passed
    assert len(compared) > 1
    for before, after in pairwise(compared):
        moved = np.linalg.norm(after["point"] - before["point"])
        assert moved == pytest.approx(1e-3)


# ---- slopes that are not measurable ----


def certain(layer: Dense, bias: float) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network that is sure of the right class: its loss is about exp(-bias)."""
    network = Network([layer], rng=random(), dtype=np.float64)
    network.layers[0].W = np.zeros((1, 2))
    network.layers[0].b = [bias, 0.0]
    return network, np.ones((1, 1)), np.array([0])


@pytest.mark.parametrize("mode", ["entries", "direction"])
@pytest.mark.parametrize("bias", [14.0, 30.0, 40.0, 800.0])
def test_a_well_trained_network_is_not_wrong(bias: float, mode: str) -> None:
    network, x, y = certain(Dense(1, 2), bias)
    report = check_gradients(network, LOSS, x, y, mode=mode)
    assert report.passed, str(report)
    if bias > 14:
        assert "not measurable here" in str(report)
        assert IN_PLACE in report.parts


class ScaledDense(Dense):
    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        dx = super().backward(dy, input_gradient)
        self.dW = 1.001 * self.dW
        return dx


class ScaledLoss(SoftmaxCrossEntropy):
    def backward(self) -> np.ndarray:
        return 1.001 * super().backward()


def test_nothing_sleeps_behind_slopes_that_are_not_measurable() -> None:
    title = "the loss alone, at random logits"
    for mode in ("entries", "direction"):
        for layer, loss, wrong in (
            (ScaledDense(1, 2), LOSS, IN_PLACE),
            (Dense(1, 2), ScaledLoss(), title),
        ):
            network, x, y = certain(layer, 40.0)
            report = check_gradients(network, loss, x, y, mode=mode)
            assert not report.passed
            assert all(row.passed for row in report.rows)
            assert [name for name, part in report.parts.items() if not part.passed] == [wrong]
            assert f"{wrong}:" in str(report)


def test_a_check_that_could_measure_nothing_fails_and_says_what_to_do() -> None:
    report = check_layer(Sigmoid(), np.full((2, 3), 60.0))  # saturated: every slope is 0
    assert not report.passed
    assert (report.rows[0].compared, report.rows[0].unmeasured) == (0, 6)
    text = str(report)
    assert "6 not measurable here: the slope is so small" in text
    assert "next: check another point, such as x of standard normal numbers" in text
    assert text.endswith("FAILED: largest error inf, limit 1e-07")


def test_weights_of_zero_are_checked_without_the_loss() -> None:
    network = mlp([5, 4, 3], activation="tanh", rng=random())
    report = check_gradients(network, LOSS, *batch(), sample_weight=np.zeros(6))
    assert report.passed
    assert [row.compared for row in report.rows] == [0] * 5
    assert len(report.parts) == 2


def test_the_report_of_a_trained_network_is_short() -> None:
    network, x, y = certain(Dense(1, 2), 30.0)
    lines = str(check_gradients(network, LOSS, x, y)).splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) <= 130
    assert lines[5].startswith(f"{IN_PLACE}: passed, 5 compared")
    assert lines[6].startswith("the loss alone, at random logits: passed, 2 compared")


def test_numbers_far_from_1_are_checked_at_ordinary_sizes_too() -> None:
    network = mlp([5, 8, 2], activation="tanh", output="identity", rng=random())
    x, y = random(1).normal(size=(9, 5)), random(2).normal(size=(9, 2))
    for scale, titles in ((1e-9, [IN_PLACE]), (1.0, []), (1e9, [IN_PLACE])):
        for mode in ("entries", "direction"):
            report = check_gradients(network, MeanSquaredError(), scale * x, y, mode=mode)
            assert report.passed, str(report)
            assert [title for title in report.parts if title == IN_PLACE] == titles
    assert [*check_layer(Dense(5, 2), 1e-9 * x).parts] == [IN_PLACE]
    assert [*check_layer(Dense(5, 2), 0 * x).parts] == []


def test_a_bend_within_the_step_is_not_called_wrong() -> None:
    # Logits of 1e7 make the cross-entropy a bend of width 1e-7, beside a penalty of 1e14: shorter
    # steps see rounding alone, longer ones the slope on the other side.
    case = Case(
        rows=2,
        inputs=1,
        hidden=(Hidden(2, "tanh", batch_norm=True, dropout=0.5),),
        outputs=4,
        loss="softmax",
        label_smoothing=0.1,
        sample_weight="some 0",
        l2=0.01,
        initializer="lecun_uniform",
        training=False,
        seed=289,
    )
    trouble = Difficulty("identical", True, True, True, input_scale=1e-4, weight_scale=1e8)
    network, loss, x, y, options = trouble.apply(case)
    report = check_gradients(network, loss, x, y, mode="direction", **options)
    assert report.passed, str(report)
    assert report.rows[0].unmeasured == 1


@pytest.mark.parametrize(
    ("case", "difficulty"),
    [
        (
            Case(
                rows=2,
                inputs=4,
                hidden=(
                    Hidden(units=3, activation="leaky_relu 0.3", batch_norm=True, dropout=0.0),
                    Hidden(units=4, activation="none", batch_norm=True, dropout=0.0),
                    Hidden(units=4, activation="sigmoid", batch_norm=True, dropout=0.0),
                ),
                outputs=3,
                loss="squared error",
                soft_targets=False,
                label_smoothing=0.0,
                sample_weight="some",
                l2=0.0,
                initializer="normal 0.5",
                training=True,
                dtype="float64",
                seed=141,
                image=None,
                filtered=(),
            ),
            Difficulty(
                rows="zero",
                zero_biases=False,
                zero_weights=True,
                dead_units=False,
                input_scale=1e-08,
                weight_scale=1.0,
                trained=0.2,
            ),
        ),
        (
            Case(
                rows=2,
                inputs=4,
                hidden=(
                    Hidden(units=4, activation="none", batch_norm=True, dropout=0.0),
                    Hidden(units=5, activation="leaky_relu", batch_norm=True, dropout=0.5),
                    Hidden(units=5, activation="leaky_relu", batch_norm=True, dropout=0.0),
                    Hidden(units=2, activation="none", batch_norm=True, dropout=0.0),
                ),
                outputs=1,
                loss="sigmoid",
                soft_targets=False,
                label_smoothing=0.0,
                sample_weight="some",
                l2=0.0,
                initializer="lecun_normal",
                training=False,
                dtype="float64",
                seed=4,
                image=None,
                filtered=(),
            ),
            Difficulty(
                rows="zero",
                zero_biases=False,
                zero_weights=False,
                dead_units=False,
                input_scale=100000000.0,
                weight_scale=100000000.0,
                trained=0.001,
            ),
        ),
    ],
    ids=["steps lost in rounding", "sigmoid far below 0"],
)
def test_difficult_networks_that_once_failed_pass(case: Case, difficulty: Difficulty) -> None:
    network, loss, x, y, options = difficulty.apply(case)
    report = check_gradients(network, loss, x, y, max_entries=3, **options)
    assert report.passed, str(report)


def test_huge_targets_do_not_hide_the_loss() -> None:
    logits, y = np.zeros((2, 1)), np.full((2, 1), 1e40)
    network = Network([Dense(1, 1)], rng=random(), dtype=np.float64)
    report = check_gradients(network, MeanSquaredError(), logits, network.forward(logits) + y)
    assert report.passed, str(report)


@pytest.mark.parametrize("scale", [1e-8, 1e-6, 1e-3, 1e3, 1e8])
def test_inputs_of_any_scale_pass(scale: float) -> None:
    network = mlp([5, 8, 2], output="identity", rng=random())
    x, y = scale * random(1).normal(size=(9, 5)), random(2).normal(size=(9, 2))
    report = check_gradients(network, MeanSquaredError(), x, y)
    assert report.passed, str(report)


# ---- both modes, memory and global random states ----


def test_both_modes_are_checked_where_they_differ() -> None:
    for layer, differ in ((Dropout(0.5), True), (BatchNorm(5), True), (Tanh(), False)):
        for training, titles in ((None, ["in evaluation mode"] * differ), (True, []), (False, [])):
            assert [*check_layer(layer, batch()[0], training=training).parts] == titles


def test_a_layer_that_fails_in_evaluation_is_named() -> None:
    class ForTraining(Tanh):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            if not training:
                raise ValueError("for training only")
            return super().forward(x)

    report = check_layer(ForTraining(), batch()[0])
    assert not report.passed
    fault = "ValueError: for training only; training=True checks training alone"
    assert fault in str(report)
    assert report.parts == {"in evaluation mode": GradientReport([], 0.0, 0, [fault])}
    assert check_layer(ForTraining(), batch()[0], training=True).passed


def test_a_layer_may_drop_its_cache_after_backward() -> None:
    class Frugal(Tanh):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            dx = super().backward(dy)
            del self.cache
            return dx

    assert check_layer(Frugal(), batch()[0]).passed


def test_a_check_leaves_the_global_random_states_alone() -> None:
    import random as python

    before = python.getstate(), str(np.random.get_state())  # noqa: NPY002
    assert check_layer(Dropout(0.5), batch()[0]).passed
    assert (python.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("mutant", "text"),
    [
        (mutants.ReLUInPlace(), "0 ReLUInPlace.forward changes the input of layer 0 in place"),
        (
            mutants.TanhUsesTheUpstreamGradient(),
            "0 TanhUsesTheUpstreamGradient.backward changes its upstream gradient in place",
        ),
        (mutants.TanhUsesUpItsCache(), "backward gives another gradient when it is called twice"),
        (mutants.DropoutSeedsNumPy(0.5), "changes a global random state: draw from the layer's"),
        (mutants.DropoutWithoutASeed(0.5), "the same point gives another loss or gradient"),
    ],
)
def test_a_fault_of_behaviour_is_said_in_plain_words(mutant: Layer, text: str) -> None:
    assert text in str(check_layer(mutant, batch()[0]))


# ---- the report ----


def test_the_text_of_a_report_is_a_table_with_complaints() -> None:
    right = Comparison("0.W[0, 1]", 1.5, 1.5, 3e-9)
    wrong = Comparison("0.b[1]", 0.25, -0.125, 1.5)
    report = GradientReport(
        [
            Row.of("0.W", (1, 2000), [right] * 1234 + [None] * 5, 1e-3, 1e-7),
            Row.of("0.b", (2,), [right, wrong, right], 1e-3, 1e-7),
            Row.of("x", (1, 1), [None], 1e-3, 1e-7),
            Row.of("4.b", (1,), [Comparison("4.b[0]", 1e-5, 0.0, 1e-8)], 1e-3, 1e-7),
        ],
        1e-7,
        dead=1200,
    )
    # 0.b: backprop (1.5, 0.25, 1.5) against (1.5, -0.125, 1.5): 0.375 / sqrt(4.515625)
    assert str(report).splitlines() == [
        "parameter  shape      compared  at kinks    error  norm-wise",
        "0.W        (1, 2000)     1,234         5  3.0e-09    0.0e+00  ok",
        "0.b        (2,)              3         0  1.5e+00    1.8e-01  WRONG",
        "x          (1, 1)            0         1      inf          -  NOT COMPARED",
        "4.b        (1,)              1         0  1.0e-08          -  ok",
        "0.b[1]: backprop gives 0.25, the finite difference -0.125",
        "x: every step crossed a kink, so nothing was compared: move the point, for example by "
        "small random biases",
        "next: check_layer checks one layer alone, check_loss the loss",
        "FAILED: largest error inf, limit 1e-07; 1,200 units are 0 for the whole batch (dead)",
    ]
    first, second, third, _ = report.rows
    assert (first.worst, second.worst, third.worst) == (right, wrong, None)
    assert (third.shape, third.passed, second.passed, first.passed) == ((1, 1), False, False, True)
    assert not report.passed


def test_a_report_of_nothing_has_not_passed() -> None:
    empty = GradientReport([], 1e-7, 0)
    assert not empty.passed
    assert empty.max_error == np.inf


# ---- wrong arguments ----


def test_wrong_arguments_get_the_messages_of_training() -> None:
    network = mlp([5, 4, 3], rng=random())
    x, y = batch()
    bad = np.where(np.arange(5) == 2, np.nan, x)
    cases = [
        ((network, LOSS, x[0], y), r"a single sample needs x\[None, :\]"),
        ((network, LOSS, x[:, :3], y), r"Dense\(5 -> 4\) expected x of shape \(N, 5\)"),
        ((network, LOSS, x.astype(str), y), "expected numbers, got dtype"),
        ((network, LOSS, x, y + 1), "expected labels from 0 to 2, got 1 to 3"),
        ((network, LOSS, x, y.astype(float)), "labels are whole numbers"),
        ((network, LOSS, x, y[:4]), "4 targets for 6 samples"),
        ((network, LOSS, bad, y), "x: expected finite numbers"),
        ((network, MeanSquaredError(), x, np.full((6, 3), np.inf)), "y: expected finite numbers"),
        ((network.layers[0], LOSS, x, y), "expected a Network, got Dense: check_layer"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message):
            check_gradients(*arguments)
    options = [
        ({"mode": "fast"}, "mode: expected one of entries, direction, got 'fast'"),
        ({"max_entries": 0}, "max_entries: expected a whole number of at least 1"),
        ({"rng": 3}, "rng: expected a numpy.random.Generator"),
        ({"sample_weight": [1, 2]}, "sample_weight: expected 6 numbers"),
    ]
    for option, message in options:
        with pytest.raises(InputError, match=message):
            check_gradients(network, LOSS, x, y, **option)
    with pytest.raises(InputError, match="a loss expected logits as a float array"):
        check_loss(LOSS, np.array([1, 2]), y)
    message = ", got a network without parameters: input_gradient=True checks dL/dx$"
    with pytest.raises(InputError, match=message):
        check_gradients(Network([Tanh()]), LOSS, x, y, input_gradient=False)
