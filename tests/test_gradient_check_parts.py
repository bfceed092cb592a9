"""The gradient check besides slopes: the pass elsewhere, faults of behaviour, further checks."""

from typing import Any

import mutants
import numpy as np
import pytest
from checks import random

from numpymlp import (
    BatchNorm,
    Dense,
    L2Penalty,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    check_layer,
    mlp,
    parameter,
)
from numpymlp.gradient_report import IN_PLACE

LOSS = SoftmaxCrossEntropy()
ALONE = "the loss alone, at random logits"


def batch(rows: int = 6, inputs: int = 5, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return random(3).normal(size=(rows, inputs)), np.arange(rows) % classes


class Scaled(SoftmaxCrossEntropy):
    """The cross-entropy times a number."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, *arguments: Any) -> float:
        return self.scale * super().forward(*arguments)

    def backward(self) -> np.ndarray:
        return self.scale * super().backward()


# ---- the pass before each gradient, and the points nearby ----


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("input_gradient", [True, False])
def test_before_each_gradient_comes_a_pass_with_other_rows_and_weights(
    training: bool, input_gradient: bool
) -> None:
    calls: list[tuple] = []

    class Noting(Dense):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            calls.append((x.copy(), self.W.copy(), training))
            return super().forward(x, training)

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            calls.append((dy.copy(), input_gradient))
            return super().backward(dy, input_gradient)

    network = Network([Noting(5, 3)], rng=random(), dtype=np.float64)
    x, y = batch()
    options = {"sample_weight": np.arange(1.0, 7), "input_gradient": input_gradient}
    check_gradients(network, LOSS, x, y, training=training, **options)
    (rows, W, mode), (dy, asked) = calls[:2]
    assert (mode, asked) == (training, input_gradient)
    shrunk = [W / network.layers[0].W, *([rows[::-1] / x] if input_gradient else [])]
    for factors in shrunk:
        assert 0.5 <= factors.min() < factors.max() - 0.1 <= 0.9
    assert input_gradient or (rows == x[::-1]).all()
    # Another upstream gradient too, so that one kept from here shows.
    LOSS.forward(rows @ W, y, options["sample_weight"])
    np.testing.assert_allclose(dy, 0.7 * LOSS.backward())
    np.testing.assert_array_equal(calls[2][0], x)
    before = calls[:]
    calls.clear()
    check_gradients(network, LOSS, x, y, training=training, **options)
    np.testing.assert_array_equal(calls[0][1], before[0][1])


def test_points_nearby_are_as_far_as_rounding_and_always_the_same(compared: list[dict]) -> None:
    network = mlp([5, 8, 3], activation="tanh", rng=random())
    for _ in range(2):
        check_gradients(network, LOSS, *batch(), max_entries=1)
    first, again = (compared[i]["f"] for i in (0, -1))
    for (point, gradient), (same, _) in zip(first.rounded(), again.rounded(), strict=True):
        np.testing.assert_array_equal(point, same)
        np.testing.assert_array_equal(gradient, first.backpropagate(point))
        used = first.point != 0
        moves = point[used] / first.point[used] - 1
        assert 0.8e-12 < np.sqrt((moves**2).mean()) < 1.2e-12
        assert np.abs(moves).max() < 1e-11
    assert len({point.tobytes() for point, _ in first.rounded()}) == 4


def test_a_slope_can_be_measured_at_another_point(compared: list[dict]) -> None:
    check_gradients(mlp([5, 4, 3], activation="tanh", rng=random()), LOSS, *batch())
    f = compared[0]["f"]
    elsewhere, direction = f.point + 0.3, np.eye(f.point.size)[0]
    assert f.slope(direction, 1e-5) == pytest.approx(f.gradient[0], rel=1e-6)
    there = f.backpropagate(elsewhere)[0]
    assert f.slope(direction, 1e-5, elsewhere) == pytest.approx(there, rel=1e-6)
    assert there != pytest.approx(f.gradient[0], rel=1e-2)


def test_rounding_is_relative_to_the_loss_here_or_at_logits_of_0(compared: list[dict]) -> None:
    network = mlp([5, 4, 2], output="identity", rng=random(), dtype=np.float64)
    loss, x, weight = MeanSquaredError(), batch()[0], np.arange(6.0)
    for target in (network.forward(x), network.forward(x) * -1e3):
        compared.clear()
        check_gradients(network, loss, x, target, sample_weight=weight, max_entries=1)
        values = [
            loss.forward(logits, target, weight) for logits in (network.forward(x), 0 * target)
        ]
        assert compared[0]["f"].size == pytest.approx(max(values))


def test_a_number_is_moved_as_far_as_its_array_and_a_zero_as_what_it_meets_allows(
    compared: list[dict],
) -> None:
    for numbers, scales in (([0.0, 0.01], [1, 0.01]), ([0.0, 1e3], [1e-3, 1e3])):
        compared.clear()
        check_layer(Tanh(), np.array([numbers]), training=True)
        assert [call["scale"] for call in compared[:2]] == scales


def test_points_beside_a_kink_are_a_hundredth_of_their_array_away(compared: list[dict]) -> None:
    x = np.zeros((40, 40))
    for largest, distance in ((0.0, 1e-2), (1e3, 10.0)):
        compared.clear()
        x[0, 0] = largest
        check_layer(LeakyReLU(), x, max_entries=1, rng=random(1), training=True)
        moved = compared[1]["point"] - x.ravel()
        assert np.sqrt((moved**2).mean()) == pytest.approx(distance, rel=0.05)


# ---- the same again ----


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(("difference", "differ"), [(1e-3, True), (1e-9, False)])
def test_modes_differ_by_more_than_rounding_of_the_loss(
    difference: float, differ: bool, scale: float
) -> None:
    class Shifted(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return x if training else x + scale * difference

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return dy

    report = check_layer(Shifted(), scale * batch()[0])
    assert ("in evaluation mode" in report.parts) == differ


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_gradient_that_is_wrong_in_evaluation_alone_is_found(scale: float) -> None:
    class Slope(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.cache = training
            return scale * x

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            return scale * dy if self.cache else 1.001 * scale * dy

    report = check_layer(Slope(), batch()[0])
    assert [title for title, part in report.parts.items() if not part.passed] == [
        "in evaluation mode"
    ]


@pytest.mark.parametrize("input_gradient", [True, False])
@pytest.mark.parametrize("scale", [1e-14, 1.0])
def test_a_second_backward_that_differs_is_found(scale: float, input_gradient: bool) -> None:
    class Counts(Dense):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.calls = 0
            return super().forward(x, training)

        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            self.calls += 1
            dx = super().backward(dy, input_gradient)
            self.dW = self.calls * self.dW
            return dx

    network = Network([Counts(5, 4), Tanh(), Dense(4, 3)], rng=random())
    report = check_gradients(network, Scaled(scale), *batch(), input_gradient=input_gradient)
    assert report.faults == ["backward gives another gradient when it is called twice"]


def test_numbers_that_are_not_finite_are_not_called_different() -> None:
    class Forgets(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            old = self.dW[0, 0]
            dx = super().backward(dy, input_gradient)
            self.dW[0, 0] = old
            return dx

    class Lost(Tanh):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return np.nan * super().forward(x)

    for layer in (Forgets(1, 2), Lost()):
        report = check_layer(layer, np.ones((1, 1)))
        assert not report.passed
        assert report.faults == []
        assert report.parts == {}


# ---- damage ----


class Damages(MeanSquaredError):
    """Doubles its logits or, where samples are weighted, its targets."""

    def __init__(self, what: str, when: str = "forward") -> None:
        super().__init__()
        self.what, self.when = what, when

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> float:
        value, self.logits = super().forward(logits, y, sample_weight), logits
        if self.when == "forward" and self.what == "logits":
            logits *= 2
        if self.what == "targets" and sample_weight is not None:
            y *= 2
        return value

    def backward(self) -> np.ndarray:
        if self.when == "backward":
            self.logits *= 2
        return super().backward()


@pytest.mark.parametrize(
    ("loss", "fault"),
    [
        (Damages("logits"), "the loss's forward changes the logits in place: work on a copy"),
        (
            Damages("logits", "backward"),
            "the loss's backward changes the logits in place: work on a copy",
        ),
        (Damages("targets"), "the loss's forward changes the targets in place: work on a copy"),
    ],
)
def test_a_loss_that_damages_what_it_is_given_is_named(loss: Any, fault: str) -> None:
    network = mlp([5, 4, 3], output="identity", rng=random())
    x, y = random(1).normal(size=(6, 5)), random(2).normal(size=(6, 3))
    report = check_gradients(network, loss, x, y, sample_weight=np.arange(6.0))
    assert fault in report.faults
    np.testing.assert_array_equal(y, random(2).normal(size=(6, 3)))


def test_a_layer_that_damages_its_parameters_in_training_is_named() -> None:
    class Decays(Dense):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            y = super().forward(x, training)
            if training:
                self.W *= 0.9
            return y

    report = check_layer(Decays(5, 3), batch()[0])
    fault = "0 Dense(5 -> 3).forward changes the parameters in place: work on a copy"
    assert fault in report.faults


class Gain(Layer):
    """One parameter; with `damages`, backward doubles its upstream gradient."""

    gain, dgain = parameter()

    def __init__(self, damages: bool) -> None:
        self.gain, self.damages = np.ones(5), damages

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        return x * self.gain

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        self.dgain, dx = (dy * self.cache).sum(axis=0), dy * self.gain
        if self.damages:
            dy *= 2
        return dx


@pytest.mark.parametrize("input_gradient", [True, False])
def test_damage_in_the_first_layer_is_found(input_gradient: bool) -> None:
    network = Network([Gain(damages=True), Tanh(), Dense(5, 3)], rng=random())
    report = check_gradients(network, LOSS, *batch(), input_gradient=input_gradient)
    fault = "0 Gain.backward changes its upstream gradient in place: work on a copy"
    assert report.faults == [fault]
    first = mutants.TanhUsesTheUpstreamGradient()
    report = check_gradients(Network([first, Dense(5, 3)], rng=random()), LOSS, *batch())
    assert [fault.partition(" changes")[0] for fault in report.faults] == [f"0 {first}.backward"]


def test_without_input_gradient_backward_ends_at_the_first_layer_that_learns() -> None:
    class Silent(Tanh):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
            raise AssertionError("training does not call this")

    class First(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            assert not input_gradient
            return super().backward(dy, input_gradient)

    network = Network([Silent(), First(5, 4), Tanh(), Dense(4, 3)], rng=random())
    assert check_gradients(network, LOSS, *batch(), input_gradient=False).passed


def test_nothing_inside_loss_and_penalty_is_changed() -> None:
    class NotingLoss(SoftmaxCrossEntropy):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def forward(self, *arguments: Any) -> float:
            self.seen.append(1)
            return super().forward(*arguments)

    class NotingPenalty(L2Penalty):
        def __init__(self) -> None:
            super().__init__(0.1)
            self.seen: list[int] = []

        def forward(self, *arguments: Any) -> float:
            self.seen.append(1)
            return super().forward(*arguments)

    loss, penalty = NotingLoss(), NotingPenalty()
    network = mlp([5, 4, 3], activation="tanh", rng=random())
    assert check_gradients(network, loss, *batch(), penalty=penalty, max_entries=2).passed
    assert (loss.seen, penalty.seen) == ([], [])


def test_a_layer_alone_is_not_rounded_to_float32() -> None:
    seen: set[float] = set()

    class Third(Dense):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            seen.add(float(self.W[0, 0]))
            return super().forward(x, training)

    layer = Third(5, 3)
    layer.W = np.full((5, 3), 1 / 3)
    before = float(layer.W[0, 0])
    assert check_layer(layer, batch()[0], max_entries=2).passed
    assert before in seen


def test_the_seed_decides_which_entries_of_a_layer_are_checked(compared: list[dict]) -> None:
    places = []
    for seed in (1, 1, 2):
        compared.clear()
        check_layer(Dense(5, 4, rng=random()), batch()[0], max_entries=3, rng=random(seed))
        places.append([call["where"] for call in compared])
    assert places[0] == places[1] != places[2]


# ---- in place of slopes that cannot be measured ----


@pytest.mark.parametrize(
    ("number", "far"), [(0.9e-3, True), (1e-3, True), (1.1e-3, False), (999, False), (1000, True)]
)
def test_numbers_beyond_a_thousandth_and_a_thousand_are_far(number: float, far: bool) -> None:
    report = check_layer(ReLU(), np.full((1, 1), float(number)))
    assert report.passed
    assert [*report.parts] == [IN_PLACE] * far


def test_nothing_sleeps_behind_gradients_that_are_a_thousand_million_times_larger() -> None:
    class WrongBias(Dense):
        def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            dx = super().backward(dy, input_gradient)
            self.db = 1.001 * self.db
            return dx

    network = Network([WrongBias(5, 4), Dense(4, 3)], rng=random())
    x = 1e11 * batch()[0]
    report = check_gradients(network, MeanSquaredError(), x, np.ones((6, 3)))
    assert all(row.passed for row in report.rows)
    assert not report.parts[IN_PLACE].passed


def test_arrays_far_from_1_are_checked_at_the_size_of_fresh_weights(compared: list[dict]) -> None:
    network = Network([Dense(16, 2)], rng=random())
    network.parameters = 1e9 * random().normal(size=network.parameters.size)
    x = random(1).normal(size=(4, 16))
    check_gradients(network, MeanSquaredError(), x, np.ones((4, 2)), max_entries=1)
    weights, biases, rest = np.split(np.abs(compared[-1]["point"]), [32, 34])
    assert weights.mean() == pytest.approx(1 / 4)  # 1 / sqrt(16)
    assert biases.mean() == pytest.approx(1)
    np.testing.assert_allclose(rest, np.abs(x).ravel())


@pytest.mark.parametrize(("mode", "entries"), [("direction", 5), ("entries", 7)])
def test_further_checks_are_in_the_same_mode_and_of_few_entries(
    mode: str, entries: int, compared: list[dict]
) -> None:
    layers = [Dense(5, 4), BatchNorm(4), Tanh(), Dense(4, 3)]
    x, y = batch()
    network = Network(layers, rng=random())
    options: dict[str, Any] = {"mode": mode, "training": True, "max_entries": 7}
    report = check_gradients(network, LOSS, 1e6 * x, y, **options)
    counts = {row.name: row.compared for row in report.parts[IN_PLACE].rows}
    assert [counts[name] for name in ("0.W", "3.W", "x")] == [entries] * 3
    assert {call["f"].training for call in compared} == {True}
    assert report.parts[IN_PLACE].dead == 0


def test_damage_at_ordinary_sizes_is_found_behind_numbers_far_from_1() -> None:
    class InPlaceWhereSmall(Tanh):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            y = super().forward(x)
            if np.abs(x).max() < 1e3:
                x *= 2
            return y

    report = check_layer(InPlaceWhereSmall(), 1e6 * batch()[0])
    assert report.faults == []
    assert len(report.parts[IN_PLACE].faults) == 1
    assert not report.passed


def certain(rows: int, classes: int) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network that is sure of the last class, which is the right one: all slopes are 1e-18."""
    network = Network([Dense(1, classes)], rng=random(), dtype=np.float64)
    network.layers[0].W = np.zeros((1, classes))
    network.layers[0].b = np.where(np.arange(classes) == classes - 1, 40.0, 0.0)
    return network, np.ones((rows, 1)), np.full(rows, classes - 1)


def test_random_logits_are_about_1_or_the_size_of_the_targets(compared: list[dict]) -> None:
    network, x, y = certain(60, 10)
    assert ALONE in check_gradients(network, LOSS, x, y, max_entries=1).parts
    logits = compared[-1]["point"]
    assert logits.size == 600
    assert np.sqrt((logits**2).mean()) == pytest.approx(1, rel=0.1)
    for target, size in ((0.5, 1.0), (1e3, 1e3)):
        network.layers[0].b = np.full(10, target)
        report = check_gradients(network, MeanSquaredError(), x, np.full((60, 10), target))
        assert ALONE in report.parts
        logits = compared[-1]["point"]
        assert np.sqrt((logits**2).mean()) == pytest.approx(size, rel=0.1)


def test_the_loss_alone_is_checked_with_the_weights_of_samples() -> None:
    class IgnoresWeights(SoftmaxCrossEntropy):
        def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> float:
            value = super().forward(logits, y, sample_weight)
            super().forward(logits, y)  # what backward will use
            return value

    network, x, y = certain(4, 3)
    for weight, passed in ((None, True), (np.array([1.0, 2, 3, 4]), False)):
        report = check_gradients(network, IgnoresWeights(), x, y, sample_weight=weight)
        assert report.parts[ALONE].passed == passed
        assert report.passed == passed
