"""Every layer alone: values worked by hand, its gradient, its settings and its messages."""

import copy
import math

import checks
import numpy as np
import pytest
from checks import random
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import (
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    Layer,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
    check_layer,
)
from numpymlp.layers import sigmoid

X = np.array([[-2.0, 0.0, 3.0], [1.0, -1.0, 0.5]])


def layers() -> list[Layer]:
    return [
        Dense(3, 2, rng=random()),
        ReLU(),
        LeakyReLU(),
        LeakyReLU(0.3),
        LeakyReLU(0),
        GELU(),
        Sigmoid(),
        Tanh(),
        Dropout(0.0),
        Dropout(0.4, rng=random()),
        BatchNorm(3),
        BatchNorm(3, momentum=0, epsilon=0.1),
    ]


# ---- the gradient ----


@pytest.mark.parametrize("layer", layers(), ids=repr)
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_agrees_with_finite_differences(layer: Layer, training: bool) -> None:
    layer = copy.deepcopy(layer)
    rng = random(1)
    for name in (*layer.declared("parameter"), *layer.declared("buffer")):
        setattr(layer, name, rng.uniform(0.5, 2, np.shape(getattr(layer, name))))
    report = check_layer(layer, rng.normal(size=(6, 3)), training=training, max_entries=None)
    assert report.passed, str(report)


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_gradients_are_right_for_any_number_of_rows_and_features(
    rows: int, features: int, seed: int
) -> None:
    rng = random(seed)
    x = rng.normal(size=(rows, features))
    for layer in (Dense(features, 1 + seed % 4, rng=rng), LeakyReLU(), GELU(), Tanh()):
        report = check_layer(layer, x, max_entries=None)
        assert report.passed, str(report)


def test_dropout_batch_norm_and_dense_pass_their_named_checks() -> None:
    checks.dropout_drops_in_training_only(Dropout)
    checks.batch_norm_normalizes(BatchNorm)
    checks.network_gradient(lambda: Dense(3, 3, rng=random()))


# ---- values worked by hand ----


def test_dense_by_hand() -> None:
    layer = Dense(3, 2, rng=random())
    layer.W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    layer.b = np.array([10.0, 20.0])
    # row 1: -2*1 + 0*3 + 3*5 + 10 = 23; -2*2 + 0*4 + 3*6 + 20 = 34
    # row 2:  1*1 - 1*3 + 0.5*5 + 10 = 10.5; 1*2 - 1*4 + 0.5*6 + 20 = 21
    np.testing.assert_array_equal(layer.forward(X), [[23, 34], [10.5, 21]])
    dx = layer.backward(np.array([[1.0, 0.0], [0.0, 2.0]]))
    # dx: row 1 is 1 times the first column of W, row 2 is 2 times the second
    np.testing.assert_array_equal(dx, [[1, 3, 5], [4, 8, 12]])
    # dW: column 1 is row 1 of x, column 2 is 2 times row 2; db sums the columns of dy
    np.testing.assert_array_equal(layer.dW, [[-2, 2], [0, -2], [3, 1]])
    np.testing.assert_array_equal(layer.db, [1, 2])


def test_relu_by_hand() -> None:
    layer = ReLU()
    np.testing.assert_array_equal(layer.forward(X), [[0, 0, 3], [1, 0, 0.5]])
    # At 0 the slope is taken as 0.
    np.testing.assert_array_equal(layer.backward(np.full((2, 3), 2.0)), [[0, 0, 2], [2, 0, 2]])
    np.testing.assert_array_equal(layer.kink_side(), [[False, False, True], [True, False, True]])


def test_leaky_relu_by_hand() -> None:
    layer = LeakyReLU(0.1)
    np.testing.assert_allclose(layer.forward(X), [[-0.2, 0, 3], [1, -0.1, 0.5]])
    dx = layer.backward(np.full((2, 3), 2.0))
    np.testing.assert_allclose(dx, [[0.2, 0.2, 2], [2, 0.2, 2]])
    np.testing.assert_array_equal(layer.kink_side(), [[False, False, True], [True, False, True]])
    assert LeakyReLU().slope == 0.01


def test_sigmoid_by_hand() -> None:
    # 1 / (1 + e^-x) is 1/2 at 0 and 3/4 at ln 3, with slopes 1/4 and 3/16.
    layer, x = Sigmoid(), np.array([[0.0, np.log(3), -np.log(3)]])
    np.testing.assert_allclose(layer.forward(x), [[0.5, 0.75, 0.25]], rtol=1e-15)
    dx = layer.backward(np.array([[4.0, 16.0, 16.0]]))
    np.testing.assert_allclose(dx, [[1, 3, 3]], rtol=1e-15)


def test_tanh_by_hand() -> None:
    # tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 0.6, with slope 1 - 0.36.
    layer = Tanh()
    np.testing.assert_allclose(layer.forward(np.array([[0.0, np.log(2)]])), [[0, 0.6]], rtol=1e-15)
    np.testing.assert_allclose(layer.backward(np.array([[3.0, 1.0]])), [[3, 0.64]], rtol=1e-15)


def test_gelu_is_the_tanh_form_of_its_paper_and_near_the_exact_one() -> None:
    layer, x = GELU(), np.linspace(-8, 8, 1601)
    y = layer.forward(x[:, None])[:, 0]
    slope = layer.backward(np.ones((1601, 1)))[:, 0]
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(y, x * (1 + np.tanh(u)) / 2, rtol=1e-12, atol=1e-15)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x]
    assert 4e-4 < abs(y - exact).max() < 5e-4
    # Its lowest point is near -0.75, where the slope changes its sign.
    assert x[y.argmin()] == pytest.approx(-0.75, abs=0.01)
    assert slope[x == 0] == 0.5
    assert ((slope > 0) == (x > x[y.argmin()])).mean() > 0.999


def test_gelu_ends_as_0_and_as_x_whatever_the_size_of_x() -> None:
    for dtype in (np.float32, np.float64):
        layer, most = GELU(), np.finfo(dtype).max
        x = np.array([[-most, -1e30, -40, 0, 40, 1e30, most]], dtype)
        np.testing.assert_array_equal(layer.forward(x), np.maximum(x, 0))
        np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [[0, 0, 0, 0.5, 1, 1, 1]])
    # In float32 the tail keeps its digits, where 1 + tanh(u) would lose them.
    x = np.linspace(-5, -2, 50)[None]
    single = GELU().forward(x.astype(np.float32))
    np.testing.assert_allclose(single, GELU().forward(x), rtol=1e-5)


def test_gelu_equals_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x = random().normal(0, 3, (50, 4))
    theirs = torch.tensor(x, requires_grad=True)
    y = torch.nn.GELU(approximate="tanh")(theirs)
    y.sum().backward()
    layer = GELU()
    np.testing.assert_allclose(layer.forward(x), y.detach().numpy(), rtol=1e-12, atol=1e-14)
    slope = layer.backward(np.ones_like(x))
    np.testing.assert_allclose(slope, theirs.grad.numpy(), rtol=1e-11, atol=1e-14)


def test_activations_are_finite_at_huge_inputs() -> None:
    x = np.array([[-1e4, -1e3, 0, 1e3, 1e4]])
    for dtype in (np.float32, np.float64):
        for layer in (ReLU(), LeakyReLU(), GELU(), Sigmoid(), Tanh()):
            assert np.isfinite(layer.forward(x.astype(dtype))).all()
            assert np.isfinite(layer.backward(np.ones((1, 5), dtype))).all()
    np.testing.assert_allclose(sigmoid(x), [[0, 0, 0.5, 1, 1]], atol=1e-37)
    # The tail keeps its digits: sigmoid(-20) = exp(-20) but for one part in 5e8.
    tail = sigmoid(np.array([[-20.0]], np.float32))
    np.testing.assert_allclose(tail, np.exp(-20.0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_keep_the_dtype_of_their_network(dtype) -> None:
    for layer in layers():
        network = Network([layer], rng=random(), dtype=dtype)
        for training in (True, False):
            y = network.forward(X, training)
            dx = network.backward(np.ones_like(y), input_gradient=True)
            assert y.dtype == dx.dtype == dtype, layer


def test_dropout_scales_what_it_leaves_and_its_gradient_alike() -> None:
    layer = Dropout(0.75, rng=random())
    x = np.arange(1.0, 2001).reshape(20, 100)
    y = layer.forward(x, training=True)
    # The units that stay are multiplied by 1 / (1 - 0.75) = 4.
    np.testing.assert_array_equal(y[y != 0], 4 * x[y != 0])
    assert (y == 0).mean() == pytest.approx(0.75, abs=0.05)
    # The gradient passes through the same units, with the same factor.
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), 4.0 * (y != 0))
    # Each batch has its own mask; evaluation has none, also for the gradient.
    assert ((layer.forward(x, training=True) == 0) != (y == 0)).any()
    assert layer.forward(x) is x
    assert layer.backward(x) is x


def test_dropout_with_rate_0_draws_no_random_numbers() -> None:
    layer = Dropout(0.0, rng=random())
    before = layer.rng.bit_generator.state
    assert layer.forward(X, training=True) is X
    assert layer.backward(X) is X
    assert layer.rng.bit_generator.state == before


def test_dropout_drops_the_same_units_in_both_dtypes() -> None:
    dropped = [
        Dropout(0.5, rng=random(5)).forward(np.ones((50, 50), dtype), training=True)
        for dtype in (np.float32, np.float64)
    ]
    np.testing.assert_array_equal(*dropped)
    assert [y.dtype for y in dropped] == [np.float32, np.float64]
    # A seed keeps its masks from version to version.
    draws = random(5).random((50, 50), dtype=np.float32)
    np.testing.assert_array_equal(dropped[0] > 0, draws >= 0.5)


def test_batch_norm_in_training_by_hand() -> None:
    layer = BatchNorm(2, momentum=0.75, epsilon=1.0)
    layer.gamma, layer.beta = np.array([10.0, 1.0]), np.array([5.0, 0.0])
    x = np.array([[1.0, 4.0], [3.0, 4.0], [1.0, 4.0], [3.0, 4.0]])
    # First feature: mean 2, biased variance 1; x_hat = -+1 / sqrt(1 + 1). Second: constant, 0.
    y = layer.forward(x, training=True)
    step = 10 / np.sqrt(2)
    np.testing.assert_allclose(y[:, 0], [5 - step, 5 + step, 5 - step, 5 + step], rtol=1e-14)
    np.testing.assert_array_equal(y[:, 1], 0)
    # A quarter of the way from (0, 0) to the means, from (1, 1) to the variances (1, 0).
    np.testing.assert_allclose(layer.running_mean, [0.5, 1.0], rtol=1e-14)
    np.testing.assert_allclose(layer.running_variance, [1.0, 0.75], rtol=1e-14)
    twin = copy.deepcopy(layer)
    twin.forward(x, training=True)  # a quarter further: 0.5 + 1.5 / 4, 1 + 3 / 4; 0.75 - 0.75 / 4
    np.testing.assert_allclose(twin.running_mean, [0.875, 1.75], rtol=1e-14)
    np.testing.assert_allclose(twin.running_variance, [1.0, 0.5625], rtol=1e-14)
    layer.backward(np.array([[1.0, 2], [0, 0], [0, 0], [1, 0]]))
    # dgamma = sum dy x_hat = -1/sqrt 2 + 1/sqrt 2 = 0; dbeta = sum dy
    np.testing.assert_allclose(layer.dgamma, [0, 0], atol=1e-15)
    np.testing.assert_array_equal(layer.dbeta, [2, 2])


def test_batch_norm_in_evaluation_by_hand() -> None:
    layer = BatchNorm(2, epsilon=1e-5)
    layer.running_mean, layer.running_variance = np.array([1.0, 0.0]), np.array([4.0, 1.0]) - 1e-5
    layer.gamma, layer.beta = np.array([3.0, 1.0]), np.array([0.0, 7.0])
    # (5 - 1) / 2 * 3 = 6;  -2 / 1 * 1 + 7 = 5; a single row is enough
    np.testing.assert_allclose(layer.forward(np.array([[5.0, -2.0]])), [[6, 5]], rtol=1e-14)
    # dx = dy gamma / std: no gradient through the mean and variance of the batch
    np.testing.assert_allclose(layer.backward(np.array([[2.0, 2.0]])), [[3, 2]], rtol=1e-14)
    np.testing.assert_array_equal(layer.running_mean, [1, 0])  # unchanged


def test_batch_norm_of_one_row_is_an_error_in_training() -> None:
    with pytest.raises(InputError, match="at least 2 rows, got 1: one row has no variance"):
        BatchNorm(3).forward(X[:1], training=True)
    assert BatchNorm(3).forward(X, training=True).shape == (2, 3)
    assert BatchNorm.minimum_batch == 2
    assert Layer.minimum_batch == 1


# ---- first weights, shapes, config, messages ----


def test_dense_draws_its_weights_and_starts_with_biases_of_zero() -> None:
    layer = Dense(400, 50, rng=random())
    assert layer.W.std() == pytest.approx(np.sqrt(2 / 400), rel=0.05)  # he_normal
    np.testing.assert_array_equal(layer.b, np.zeros(50))
    assert layer.dW.shape == (400, 50)
    assert layer.db.shape == (50,)
    np.testing.assert_array_equal(layer.W, Dense(400, 50, rng=random()).W)
    ones = Dense(2, 3, initializer=lambda shape, rng: np.ones(shape), rng=random())
    np.testing.assert_array_equal(ones.W, np.ones((2, 3)))


def test_layers_know_their_shapes_before_they_have_arrays() -> None:
    assert Dense(3, 2).shapes() == {"W": (3, 2), "b": (2,)}
    assert Dense(3, 2).output_shape((3,)) == (2,)
    assert Dense(3, 2).input_shape == (3,)
    norm = {"gamma": (4,), "beta": (4,), "running_mean": (4,), "running_variance": (4,)}
    assert BatchNorm(4).shapes() == norm
    assert BatchNorm(4).input_shape == (..., 4)
    assert BatchNorm(4).output_shape((4,)) == (4,)
    assert ReLU().shapes() == {}
    assert ReLU().input_shape is None
    assert Dropout(0.5).output_shape((7, 7)) == (7, 7)


@pytest.mark.parametrize("layer", layers(), ids=repr)
def test_config_builds_the_same_layer_again(layer: Layer) -> None:
    again = type(layer)(**layer.config())
    assert again.config() == layer.config()
    assert repr(again) == repr(layer)


def test_config_holds_the_arguments_and_repr_the_sizes() -> None:
    assert Dense(3, 2).config() == {"inputs": 3, "outputs": 2}
    assert LeakyReLU(0.25).config() == {"slope": 0.25}
    assert Dropout(0.5).config() == {"rate": 0.5}
    assert BatchNorm(3, 0.5, 0.1).config() == {"features": 3, "momentum": 0.5, "epsilon": 0.1}
    assert BatchNorm(3).config() == {"features": 3, "momentum": 0.9, "epsilon": 1e-5}
    assert ReLU().config() == {}
    names = [repr(layer) for layer in layers()]
    assert names[:4] == ["Dense(3 -> 2)", "ReLU", "LeakyReLU(0.01)", "LeakyReLU(0.3)"]
    assert names[5:] == [
        *["GELU", "Sigmoid", "Tanh", "Dropout(0)", "Dropout(0.4)", "BatchNorm(3)", "BatchNorm(3)"]
    ]


def test_settings_out_of_range_are_refused() -> None:
    for make, message in [
        (lambda: Dense(0, 3), "Dense inputs: expected a whole number of at least 1, got 0"),
        (lambda: Dense(3, 2.5), "Dense outputs: expected a whole number"),
        (lambda: Dense(3, 2, "he"), "^Dense initializer: .*he_normal or the like"),
        (lambda: Dense(3, 2, lambda shape, rng: 0.0, random()), r"^Dense\(3 -> 2\) weights"),
        (lambda: LeakyReLU(1), r"LeakyReLU slope: expected a number in \[0, 1\), got 1"),
        (lambda: LeakyReLU(-0.1), "LeakyReLU slope"),
        (lambda: Dropout(1.0), r"Dropout rate: expected a number in \[0, 1\), got 1.0"),
        (lambda: Dropout(-0.1), "Dropout rate"),
        (lambda: BatchNorm(True), "BatchNorm features: expected a whole number"),
        (lambda: BatchNorm(3, momentum=1), r"BatchNorm momentum: expected a number in \[0, 1\)"),
        (lambda: BatchNorm(3, momentum=-1), "BatchNorm momentum"),
        (lambda: BatchNorm(3, epsilon=0), r"BatchNorm epsilon: expected .* in \[1e-30, inf\)"),
        (lambda: BatchNorm(3, epsilon=float("inf")), "BatchNorm epsilon"),
    ]:
        with pytest.raises(InputError, match=message):
            make()


def test_a_call_that_comes_too_early_says_what_is_missing() -> None:
    with pytest.raises(AttributeError, match=r"Dense\(3 -> 2\) has no W yet: give it rng="):
        Dense(3, 2).forward(X)
    with pytest.raises(AttributeError, match="'Dense' object has no attribute 'weights'"):
        _ = Dense(3, 2, rng=random()).weights
    for layer in layers():
        with pytest.raises(AttributeError, match="backward expected a forward pass before it"):
            layer.backward(X)
    with pytest.raises(
        InputError, match="Dropout expected a random generator, got none: give it rng="
    ):
        Dropout(0.5).forward(X, training=True)
    with pytest.raises(NotImplementedError, match="Mine must define forward"):
        type("Mine", (Layer,), {})().forward(X)
    with pytest.raises(NotImplementedError, match="Mine must define backward"):
        type("Mine", (Layer,), {})().backward(X)
