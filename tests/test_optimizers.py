"""The optimizers: worked by hand, against scikit-learn, down to known minima, and their state."""

import copy
import math
import pickle
from typing import Any

import checks
import numpy as np
import pytest
from checks import random
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from numpymlp import (
    SGD,
    Adam,
    AdamW,
    Dense,
    InputError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    mlp,
    optimizers,
)
from numpymlp.optimizers import BLOCK, CLEAR, Optimizer, blocks, clear_tiny


def walk(optimizer: Any, start: float, gradients: list[float]) -> list[float]:
    """Return a single parameter after each step along these gradients."""
    parameters, places = np.array([start]), []
    for gradient in gradients:
        optimizer.step(parameters, np.array([float(gradient)]))
        places.append(float(parameters[0]))
    return places


# ---- worked by hand ----


def test_sgd_by_hand() -> None:
    # 1 - 0.1 * 2 = 0.8; 0.8 - 0.1 * -3 = 1.1
    assert walk(SGD(0.1), 1.0, [2, -3]) == pytest.approx([0.8, 1.1], rel=1e-15)


def test_momentum_by_hand() -> None:
    # v = -0.2, p = 0.8; v = 0.5 * -0.2 - 0.2 = -0.3, p = 0.5; v = -0.15, p = 0.35
    places = walk(SGD(0.1, momentum=0.5), 1.0, [2, 2, 0])
    assert places == pytest.approx([0.8, 0.5, 0.35], rel=1e-14)


def test_nesterov_by_hand() -> None:
    # v = -0.2, p = 1 - 0.1 - 0.2 = 0.7; v = -0.3, p = 0.7 - 0.15 - 0.2 = 0.35;
    # v = -0.15, p = 0.35 - 0.075 = 0.275
    places = walk(SGD(0.1, momentum=0.5, nesterov=True), 1.0, [2, 2, 0])
    assert places == pytest.approx([0.7, 0.35, 0.275], rel=1e-14)


def test_adam_by_hand() -> None:
    # beta1 = 0.5, beta2 = 0.75, a = 0.1, epsilon = 1, gradients 2 and -4.
    # t = 1: m = 1, v = 1, a_1 = 0.1 sqrt(0.25) / 0.5 = 0.1; p = 1 - 0.1 * 1 / (1 + 1) = 0.95
    # t = 2: m = 0.5 - 2 = -1.5, v = 0.75 + 4 = 4.75, a_2 = 0.1 sqrt(1 - 0.5625) / 0.75
    second = 0.95 + 0.1 * math.sqrt(0.4375) / 0.75 * 1.5 / (math.sqrt(4.75) + 1)
    places = walk(Adam(0.1, beta1=0.5, beta2=0.75, epsilon=1.0), 1.0, [2, -4])
    assert places == pytest.approx([0.95, second], rel=1e-14)


def test_first_steps_of_adam_are_as_long_as_the_learning_rate() -> None:
    parameters = np.zeros(3)
    Adam(0.01).step(parameters, np.array([1e-3, -5.0, 1e4]))
    np.testing.assert_allclose(parameters, [-0.01, 0.01, -0.01], rtol=1e-3)


def test_adamw_by_hand() -> None:
    # p = 2 - 0.1 * 0.5 * 2 = 1.9, then Adam's first step of 0.1 (but for epsilon)
    optimizer = AdamW(learning_rate=0.1, weight_decay=0.5)
    assert walk(optimizer, 2.0, [3.0]) == pytest.approx([1.8], rel=1e-6)
    # the schedule's factor counts for both
    parameters = np.array([2.0])
    AdamW(learning_rate=0.1, weight_decay=0.5).step(parameters, np.array([3.0]), 0.5)
    assert parameters[0] == pytest.approx(2 - 0.05 * 0.5 * 2 - 0.05, rel=1e-6)


def test_adamw_without_decay_is_adam() -> None:
    a, b = random(1).normal(size=5), random(1).normal(size=5)
    adam, adamw = Adam(0.1, 0.8, 0.9, 0.1), AdamW(0.1, 0.0, beta1=0.8, beta2=0.9, epsilon=0.1)
    for step in range(5):
        gradients = random(step).normal(size=5)
        adam.step(a, gradients)
        adamw.step(b, gradients)
    np.testing.assert_array_equal(a, b)


def test_adamw_without_a_mask_decays_every_parameter() -> None:
    parameters = np.ones(3)
    AdamW(learning_rate=0.1, weight_decay=0.5).step(parameters, np.zeros(3))
    np.testing.assert_allclose(parameters, 0.95, rtol=1e-15)
    # The oracle is a mask of ones, in a network with biases and batch norm.
    networks = [mlp([3, 4, 2], batch_norm=True, rng=random()) for _ in range(2)]
    mask = np.ones_like(networks[0].parameters)
    for network, optimizer in zip(networks, (AdamW(0.1, 0.5), AdamW(0.1, 0.5, mask)), strict=True):
        for step in range(3):
            network.gradients = random(step).normal(size=mask.size)
            optimizer.step(network.parameters, network.gradients)
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)


def test_adamw_with_the_networks_mask_decays_weights_alone() -> None:
    network = mlp([3, 4, 2], batch_norm=True, rng=random())
    before = network.parameters.copy()
    optimizer = AdamW(0.1, 0.5, network.decay_mask)
    optimizer.step(network.parameters, np.zeros_like(before))
    expected = np.where(network.decay_mask == 1, before * np.float32(0.95), before)
    np.testing.assert_allclose(network.parameters, expected, rtol=1e-6)


# ---- against an oracle ----


def test_the_optimizers_pass_their_named_checks() -> None:
    checks.sgd_follows_scikit_learn(SGD)
    checks.adam_follows_scikit_learn(Adam)
    checks.decay_is_decoupled(AdamW)
    for make in (SGD, lambda a: SGD(a, 0.9), lambda a: SGD(a, 0.9, True), Adam):
        checks.factor_scales_the_step(make)


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"solver": "sgd", "momentum": 0.0}, lambda: SGD(0.1)),
        (
            {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
            lambda: SGD(0.1, momentum=0.9),
        ),
        (
            {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
            lambda: SGD(0.1, momentum=0.9, nesterov=True),
        ),
        ({"solver": "adam"}, lambda: Adam(0.1)),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
def test_sixty_steps_equal_those_of_scikit_learn(settings: dict[str, Any], make) -> None:
    rng = random(1)
    x, y = rng.normal(size=(240, 8)), rng.integers(0, 3, 240)
    oracle = MLPClassifier(
        (7, 5), alpha=0, batch_size=4, shuffle=False, learning_rate_init=0.1, **settings
    )
    oracle.partial_fit(x[:4], y[:4], classes=[0, 1, 2])
    network = Network(
        [Dense(8, 7), ReLU(), Dense(7, 5), ReLU(), Dense(5, 3)], rng=random(), dtype=np.float64
    )
    # Both begin where the oracle is now, it with a fresh optimizer.
    for layer, W, b in zip(network.layers[::2], oracle.coefs_, oracle.intercepts_, strict=True):
        layer.W, layer.b = W, b
    del oracle._optimizer
    oracle.partial_fit(x, y)  # 240 samples in batches of 4, in order: 60 steps
    loss, optimizer = SoftmaxCrossEntropy(), make()
    for start in range(0, 240, 4):
        loss.forward(network.forward(x[start : start + 4], training=True), y[start : start + 4])
        network.backward(loss.backward())
        optimizer.step(network.parameters, network.gradients)
    for layer, W, b in zip(network.layers[::2], oracle.coefs_, oracle.intercepts_, strict=True):
        np.testing.assert_allclose(layer.W, W, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.b, b, rtol=0, atol=1e-12)


# ---- down to known minima ----


def descend(optimizer: Any, gradient, start: list[float], steps: int) -> np.ndarray:
    parameters = np.array(start)
    for _ in range(steps):
        optimizer.step(parameters, gradient(parameters))
    return parameters


def quadratic(p: np.ndarray) -> np.ndarray:
    """Gradient of (p0 - 3)^2 / 2 + 10 (p1 + 1)^2 / 2, least at (3, -1)."""
    return np.array([p[0] - 3, 10 * (p[1] + 1)])


def rosenbrock(p: np.ndarray) -> np.ndarray:
    """Gradient of (1 - p0)^2 + 100 (p1 - p0^2)^2, a bent valley, least at (1, 1)."""
    slope = p[1] - p[0] ** 2
    return np.array([-2 * (1 - p[0]) - 400 * p[0] * slope, 200 * slope])


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [(SGD(0.1), 200), (SGD(0.05, 0.9), 400), (SGD(0.05, 0.9, True), 400), (Adam(0.1), 2000)],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
def test_the_minimum_of_a_quadratic_is_found(optimizer: Any, steps: int) -> None:
    end = descend(optimizer, quadratic, [0.0, 0.0], steps)
    np.testing.assert_allclose(end, [3, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    # Long after the minimum is reached, Adam's v fades and steps grow again, so 5,000 are enough.
    [(SGD(1e-3), 30_000), (SGD(1e-4, 0.99), 30_000), (SGD(1e-4, 0.99, True), 30_000),
     (Adam(0.01), 5000)],
    ids=["sgd", "momentum", "nesterov", "adam"],
)  # fmt: skip
def test_the_minimum_of_rosenbrocks_valley_is_found(optimizer: Any, steps: int) -> None:
    end = descend(optimizer, rosenbrock, [-1.2, 1.0], steps)
    np.testing.assert_allclose(end, [1, 1], atol=1e-4)


# ---- vectors, blocks and state ----


def test_steps_are_in_place_and_keep_the_dtype() -> None:
    for optimizer in (SGD(0.1), SGD(0.1, 0.9), SGD(0.1, 0.9, True), Adam(), AdamW()):
        parameters, gradients = np.ones(3, np.float32), np.ones(3, np.float32)
        optimizer.step(parameters, gradients, 0.5)
        assert parameters.dtype == np.float32
        assert (parameters < 1).all()
        np.testing.assert_array_equal(gradients, 1)
        vectors = [v for v in optimizer.state().values() if isinstance(v, np.ndarray)]
        assert vectors
        assert all(vector.dtype == np.float32 for vector in vectors)


def test_a_vector_of_many_blocks_moves_like_its_parts() -> None:
    size = 2 * BLOCK + 1
    for make in (lambda: SGD(0.1, 0.9, True), Adam):
        whole, part = random(1).normal(size=size), random(1).normal(size=size)[-3:]
        long, short = make(), make()
        for step in range(3):
            gradients = random(step).normal(size=size)
            long.step(whole, gradients)
            short.step(part, gradients[-3:])
        np.testing.assert_array_equal(whole[-3:], part)


@pytest.mark.parametrize(
    "optimizer", [SGD(0.1, 0.9), SGD(0.1, 0.9, True), Adam(), AdamW()], ids=repr
)
def test_a_fading_mean_ends_at_zero_and_never_turns_subnormal(optimizer: Any) -> None:
    parameters, gradients = np.ones(2, np.float32), np.ones(2, np.float32)
    tiny = np.finfo(np.float32).tiny
    for step in range(20 * CLEAR):
        optimizer.step(parameters, gradients)
        gradients[0] = 0  # nonzero once, like a pixel that is almost always black
        for vector in (value for value in optimizer.state().values() if np.ndim(value)):
            assert vector[0] == 0 or abs(vector[0]) >= tiny, (step, vector)
            assert vector[1] != 0
    fading = optimizer.state()["v" if isinstance(optimizer, SGD) else "m"]
    assert fading[0] == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1),
        lambda: SGD(0.1, 0.9),
        lambda: Adam(0.1),
        lambda: AdamW(0.1, 0.2, np.array([1.0, 0, 1, 0])),
    ],
)
def test_a_restored_state_continues_with_the_same_steps(make) -> None:
    def go(optimizer: Any, parameters: np.ndarray, steps: range) -> None:
        for step in steps:
            optimizer.step(parameters, random(step).normal(size=4))

    straight, resumed = np.ones(4), np.ones(4)
    go(make(), straight, range(6))
    first, second = make(), make()
    go(first, resumed, range(3))
    state = first.state()
    ahead, resumed = resumed, resumed.copy()
    go(first, ahead, range(3, 5))  # `state` is a copy: these steps do not change it
    second.restore(state)
    go(second, resumed, range(3, 6))
    np.testing.assert_array_equal(straight, resumed)
    assert set(state) == set(first.state_names)
    # Restoring copies too: two optimizers can continue from the same state.
    third, other = make(), ahead.copy()
    third.restore(state)
    go(third, other, range(1))
    for name, value in first.state().items():
        if isinstance(value, np.ndarray):
            assert state[name] is not value


def test_a_restored_state_is_a_copy() -> None:
    state = {"v": np.ones(2), "t": 1}
    optimizer = SGD(0.1, momentum=0.5)
    optimizer.restore(state)
    optimizer.step(np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(state["v"], 1)


def test_reset_clears_all_but_the_settings() -> None:
    for optimizer in (SGD(0.1, 0.9), Adam(0.1), AdamW(0.1)):
        first = walk(optimizer, 1.0, [1, 2, 3])
        optimizer.reset()
        assert walk(optimizer, 1.0, [1, 2, 3]) == first
    fresh = Adam()
    assert (fresh.m, fresh.v, fresh.t) == (None, None, 0)


def test_defaults_and_repr_are_those_of_the_documentation() -> None:
    assert (SGD().learning_rate, SGD().momentum, SGD().nesterov) == (0.1, 0, False)
    adam = Adam()
    values = adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon
    assert values == (1e-3, 0.9, 0.999, 1e-8)
    adamw = AdamW()
    settings = adamw.learning_rate, adamw.weight_decay, adamw.mask, adamw.beta2
    assert settings == (1e-3, 1e-2, None, 0.999)
    assert repr(SGD(0.5)) == "SGD(0.5)"
    assert repr(SGD(0.5, 0.9)) == "SGD(0.5, momentum=0.9)"
    assert repr(SGD(0.5, 0.9, nesterov=True)) == "SGD(0.5, momentum=0.9, nesterov=True)"
    assert repr(Adam(0.01)) == "Adam(0.01)"
    assert repr(AdamW(0.01)) == "AdamW(0.01)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0), r"SGD learning_rate: expected a number in \(0, inf\)"),
        (lambda: SGD(-1), "SGD learning_rate"),
        (lambda: Adam("fast"), "Adam learning_rate"),
        (lambda: SGD(0.1, 1), r"SGD momentum: expected a number in \[0, 1\)"),
        (lambda: SGD(0.1, -0.1), "SGD momentum"),
        (lambda: Adam(beta1=1), r"Adam beta1: expected a number in \[0, 1\)"),
        (lambda: Adam(beta1=-0.1), "Adam beta1"),
        (lambda: Adam(beta2=1), r"Adam beta2: expected a number in \[0, 1\)"),
        (lambda: Adam(beta2=-0.1), "Adam beta2"),
        (lambda: Adam(epsilon=0), r"Adam epsilon: expected a number in \[1e-30, inf\)"),
        (lambda: Adam(epsilon=math.inf), "Adam epsilon"),
        (
            lambda: AdamW(weight_decay=-1),
            r"AdamW weight_decay: expected a number in \[",
        ),
        (lambda: AdamW(weight_decay=math.inf), "AdamW weight_decay"),
        (
            lambda: AdamW(mask=[1.0, 0.0]),
            r"^AdamW mask: expected a vector .*got list: pass network\.dec",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_the_ends_of_the_ranges_are_allowed() -> None:
    assert Adam(beta1=0, beta2=0).beta1 == 0
    assert SGD(momentum=0).momentum == 0
    assert AdamW(weight_decay=0).weight_decay == 0


def test_vectors_that_do_not_fit_are_refused() -> None:
    for optimizer in (SGD(0.1), Adam(), AdamW(), AdamW(mask=np.ones(3))):
        for parameters, gradients, message in [
            ([1.0, 2.0, 3.0], np.ones(3), "step: parameters: expected a vector .P,. of"),
            (np.ones((3, 1)), np.ones((3, 1)), "step: parameters: expected a vector .P,. of"),
            (np.ones(3, int), np.ones(3), "step: parameters: expected a vector .P,. of"),
            (np.ones(3, np.float16), np.ones(3, np.float16), "parameters: .*of float32 or float64"),
            (np.ones(3), None, "step: gradients: expected a vector .P,. of"),
            (np.ones(3), np.ones(4), "expected gradients like the parameters"),
            (np.ones(3), np.ones(3, np.float32), "expected gradients like the parameters"),
        ]:
            with pytest.raises(InputError, match=message):
                optimizer.step(parameters, gradients)
    for optimizer in (SGD(0.1), SGD(0.1, 0.9), Adam(), AdamW(), AdamW(mask=np.ones(3))):
        optimizer.step(np.ones(3), np.ones(3))
        with pytest.raises(InputError, match="expected the parameters of the network"):
            optimizer.step(np.ones(4), np.ones(4))


EVERY = pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: SGD(0.1, 0.9), Adam, AdamW])


@EVERY
def test_an_optimizer_of_another_network_is_refused_until_it_is_reset(make) -> None:
    # One optimizer for all folds: its moments leaked from each fold into the next.
    optimizer, first = make(), np.ones(3)
    for other in (np.ones(3), np.ones(3, np.float32), np.ones(4)):
        optimizer.step(first, np.ones(3))
        optimizer.step(first[:], np.ones(3))  # another view of the same memory
        before = other.copy(), optimizer.state()
        with pytest.raises(InputError, match=r"of another, .*: call optimizer\.reset\(\), or make"):
            optimizer.step(other, np.ones_like(other))
        np.testing.assert_array_equal(other, before[0])
        np.testing.assert_equal(optimizer.state(), before[1])
        optimizer.step(first, np.ones(3))
        optimizer.reset()
        fresh, own = make(), other.copy()
        optimizer.step(other, np.ones_like(other))
        fresh.step(own, np.ones_like(own))
        np.testing.assert_array_equal(other, own)
        optimizer.reset()


@EVERY
def test_a_restored_or_copied_optimizer_goes_on_with_the_parameters_it_is_given(make) -> None:
    optimizer, parameters = make(), np.ones(3)
    optimizer.step(parameters, np.ones(3))
    restored = make()
    restored.restore(optimizer.state())
    twins = [restored, copy.copy(optimizer), copy.deepcopy(optimizer)]
    twins.append(pickle.loads(pickle.dumps(optimizer)))
    results = []
    for twin in twins:
        results.append(parameters.copy())
        twin.step(results[-1], np.ones(3))
    optimizer.step(parameters, np.ones(3))
    for result in results:
        np.testing.assert_array_equal(result, parameters)
    for other in (np.ones(4), np.ones(3, np.float32)):
        restored.restore(optimizer.state())
        if restored.state().keys() & {"m", "v"}:
            with pytest.raises(InputError, match="expected the parameters of the network"):
                restored.step(other, np.ones_like(other))


@EVERY
@pytest.mark.parametrize(
    ("rate", "factor", "message"),
    [
        (math.nan, 1.0, "learning_rate: expected a number in"),
        (-1.0, 1.0, "learning_rate: expected a number in"),
        ("1", 1.0, "learning_rate: expected .* written without quotes"),
        (0.1, math.nan, "step: factor: expected a number in"),
        (0.1, None, "step: factor: expected a number in"),
    ],
)
def test_a_step_with_a_bad_rate_changes_nothing(make, rate, factor, message) -> None:
    optimizer, parameters = make(), np.ones(3)
    optimizer.step(parameters, np.ones(3))
    before = parameters.copy(), optimizer.state()
    optimizer.learning_rate = rate
    with pytest.raises(InputError, match=message):
        optimizer.step(parameters, np.ones(3), factor)
    np.testing.assert_array_equal(parameters, before[0])
    np.testing.assert_equal(optimizer.state(), before[1])


def test_a_mask_of_another_size_is_refused_before_a_parameter_changes() -> None:
    optimizer, parameters = AdamW(mask=np.ones(2)), np.ones(3)
    with pytest.raises(InputError, match=r"parameters and AdamW mask, .*expected the same shape"):
        optimizer.step(parameters, np.ones(3))
    np.testing.assert_array_equal(parameters, np.ones(3))
    assert optimizer.t == 0


def test_a_custom_optimizer_must_define_step() -> None:
    class Mine(Optimizer):
        pass

    with pytest.raises(NotImplementedError, match="Mine must define step"):
        Mine(0.1).step(np.ones(1), np.ones(1))


# ---- blocks, and numbers that are too small ----


def test_blocks_cover_a_vector_once() -> None:
    size = 2 * BLOCK + 5
    numbers, counts = np.arange(size), np.zeros(size)
    lengths = []
    for n, c, scratch in blocks(numbers, counts):
        np.testing.assert_array_equal(numbers[n], n)
        c += 1
        lengths.append(len(scratch))
        assert scratch.dtype == numbers.dtype
    np.testing.assert_array_equal(counts, 1)
    assert lengths == [BLOCK, BLOCK, 5]
    assert [len(scratch) for _, scratch in blocks(np.zeros(3))] == [3]


@pytest.mark.parametrize(
    ("dtype", "small", "kept"), [(np.float32, 9e-31, 2e-30), (np.float64, 2e-300, 3e-300)]
)
def test_tiny_numbers_are_cleared_where_they_are_negligible(dtype, small, kept) -> None:
    before = np.array([small, -small, kept, -kept, 0, 1], dtype)
    vector = before.copy()
    clear_tiny(vector, 0.0)
    np.testing.assert_array_equal(vector, before)
    clear_tiny(vector, np.array([1, 0.5 * small, 1, 1, 1, 1], dtype))
    np.testing.assert_array_equal(vector, np.array([0, -small, kept, -kept, 0, 1], dtype))
    clear_tiny(vector, 1.0)
    np.testing.assert_array_equal(vector, np.array([0, 0, kept, -kept, 0, 1], dtype))


GRADIENTS = st.one_of(st.just(0.0), st.floats(-30, 30).map(lambda power: 10**power))


def with_and_without_clearing(make: Any, first: float, then: float, dtype: Any) -> Any:
    """Yield parameters, and their last step, of two optimizers; only the first one clears."""
    both = make(), make()
    vectors = [np.zeros(1, dtype) for _ in both]
    for step in range(1, 2 * CLEAR + 10):
        gradient = np.full(1, first if step < CLEAR else then, dtype)
        before = [vector.copy() for vector in vectors]
        with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
            both[0].step(vectors[0], gradient)
            patch.setattr(optimizers, "CLEAR", 10**9)
            both[1].step(vectors[1], gradient)
        yield vectors, [after - start for after, start in zip(vectors, before, strict=True)]


@given(GRADIENTS, GRADIENTS, st.floats(-30, 0), st.sampled_from([np.float32, np.float64]))
@example(1e-16, 0.0, -30, np.float32)
@example(1e-16, 1e-16, -18, np.float32)
def test_clearing_changes_no_step_of_adam_by_more_than_rounding(first, then, power, dtype) -> None:
    def make() -> Adam:
        return Adam(1.0, epsilon=10**power)

    rounding = 8 * np.finfo(dtype).eps
    for vectors, (cleared, right) in with_and_without_clearing(make, first, then, dtype):
        assert abs(cleared - right) <= rounding * (1 + abs(right))
        for vector in vectors:
            vector[:] = 0  # so that the next step is seen without the rounding of a sum


@given(GRADIENTS, GRADIENTS, st.sampled_from([np.float32, np.float64]), st.booleans())
@example(1e-29, 0.0, np.float32, False)
def test_clearing_changes_no_step_of_sgd_by_more_than_rounding(first, then, dtype, nesterov):
    def make() -> SGD:
        return SGD(0.1, 0.9, nesterov)

    rounding, largest = 300 * np.finfo(dtype).eps, 0.0
    for (cleared, right), _ in with_and_without_clearing(make, first, then, dtype):
        largest = max(largest, abs(float(right[0])))
        assert abs(cleared - right) <= rounding * largest


@pytest.mark.parametrize("gradient", [1e-16, 1e-14, 1.0])
def test_adam_with_a_tiny_epsilon_takes_steps_of_the_learning_rate(gradient: float) -> None:
    # Every 100 steps v was cleared and m was not: one step became 2.8e10 times too long.
    for dtype in (np.float32, np.float64):
        for epsilon in (1e-30, 1e-18):
            adam, parameters = Adam(1e-3, epsilon=epsilon), np.zeros(1, dtype)
            for _ in range(CLEAR + 3):
                parameters[:] = 0
                adam.step(parameters, np.full(1, gradient, dtype))
                assert parameters[0] == pytest.approx(-1e-3, rel=0.4)


def test_no_number_turns_subnormal_between_two_clearings() -> None:
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).tiny
        assert 1e8 * tiny * 0.9**CLEAR > tiny
