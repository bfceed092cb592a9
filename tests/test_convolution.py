"""Layers of images: equal to loops and to PyTorch, gradients proven, errors with their fix."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from checks import (
    correlates_with_its_filters,
    image_gradient,
    image_gradient_at_the_bottom,
    images_keep_their_pixels,
    max_pool_by_loop,
    random,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory import peak_below
from strategies import Case, image_cases

from numpymlp import (
    Adam,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    InputError,
    MaxNorm,
    MaxPool2D,
    Network,
    ReLU,
    Reshape,
    SoftmaxCrossEntropy,
    Trainer,
    check_gradients,
    lenet,
    load,
    load_mnist,
    save,
)
from numpymlp.convolution import BLOCK
from numpymlp.initializers import he_normal

EXAMPLES = settings().max_examples


def small(**options: Any) -> Network:
    layers = [
        *[Conv2D(2, 3, 3, "same"), BatchNorm(3), MaxPool2D(), ReLU(), Dropout(0.2)],
        *[Conv2D(3, 2, 2), AveragePool2D(2, 1), Flatten(), Dense(8, 3)],
    ]
    return Network(layers, rng=random(), **options)


def images(rows: int = 4) -> np.ndarray:
    return random(5).normal(size=(rows, 8, 8, 2))


# ---- forward ----


def test_a_convolution_is_a_sum_over_windows() -> None:
    correlates_with_its_filters(Conv2D)


def test_max_pooling_takes_the_largest_and_pays_it_alone() -> None:
    max_pool_by_loop(MaxPool2D)


@pytest.mark.parametrize(("size", "stride"), [(1, None), (2, None), (3, 1), (2, 3)])
def test_average_pooling_is_the_mean_of_each_window(size: int, stride: int | None) -> None:
    layer, x, s = AveragePool2D(size, stride), random(1).normal(size=(2, 7, 6, 3)), stride or size
    y = layer.forward(x)
    assert y.shape == (2, (7 - size) // s + 1, (6 - size) // s + 1, 3)
    for n, r, c, f in np.ndindex(y.shape):
        window = x[n, s * r : s * r + size, s * c : s * c + size, f]
        assert y[n, r, c, f] == pytest.approx(window.mean(), rel=1e-12)


def test_reshape_and_flatten_keep_every_pixel_in_its_place() -> None:
    images_keep_their_pixels(Reshape)
    x = random().normal(size=(3, 24))
    np.testing.assert_array_equal(Flatten().forward(Reshape(4, 3, 2).forward(x)), x)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4))
def test_same_padding_gives_the_length_over_the_stride_rounded_up(n: int, k: int, s: int) -> None:
    layer = Conv2D(1, 1, k, "same", s, rng=random())
    assert layer.forward(np.ones((1, n, n, 1))).shape == (1, -(-n // s), -(-n // s), 1)
    assert layer.output_shape((n, n, 1)) == (-(-n // s), -(-n // s), 1)


@settings(max_examples=EXAMPLES)
@given(image_cases())
def test_the_shapes_between_layers_are_those_of_the_arrays(case: Case) -> None:
    network, _, x, _, _ = case.build()
    outputs = [output.shape[1:] for output in network.activations(x)]
    assert outputs == network.shapes[1:]


def test_float32_stays_float32() -> None:
    network = small()
    outputs = network.activations(images())
    assert {output.dtype for output in outputs} == {np.dtype(np.float32)}
    for layer in (*network.layers, AveragePool2D(3, 2), Reshape(8, 8, 2)):
        x = images().astype(np.float32)
        if isinstance(layer, Reshape):
            x = x.reshape(4, -1)
        if isinstance(layer, AveragePool2D | MaxPool2D | Flatten | Reshape):
            y = layer.forward(x)
            assert layer.backward(y).dtype == y.dtype == np.float32


def test_evaluation_runs_in_blocks_with_the_same_numbers_and_gradients() -> None:
    layer, x = Conv2D(2, 3, 3, "same", 2, rng=random()), random(1).normal(size=(BLOCK + 7, 6, 5, 2))
    found = []
    for training in (True, False):
        y = layer.forward(x, training)
        found.append([y, layer.backward(np.cos(y)), layer.dW, layer.db])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_prediction_does_not_hold_the_windows_of_all_images() -> None:
    network, x = lenet(rng=random()), np.zeros((1000, 784), np.float32)
    with peak_below(70e6):  # the windows alone would take 110 MB
        network.predict(x)


# ---- backward ----


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_gradients_of_a_convolution_are_right(size: int, padding: str, stride: int) -> None:
    image_gradient(lambda: Conv2D(3, 2, size, padding, stride, rng=random()))


@pytest.mark.parametrize("pool", [MaxPool2D, AveragePool2D])
@pytest.mark.parametrize(("size", "stride"), [(1, None), (2, None), (3, 1), (2, 3)])
def test_the_gradients_of_a_pool_are_right(pool: Any, size: int, stride: int | None) -> None:
    image_gradient(lambda: pool(size, stride))


def test_the_gradients_of_flatten_are_right() -> None:
    image_gradient(Flatten)


def test_a_convolution_at_the_bottom_is_right_and_computes_no_input_gradient() -> None:
    image_gradient_at_the_bottom(lambda: Conv2D(3, 2, 3, rng=random()))
    layer = Conv2D(3, 2, 3, rng=random())
    dy = layer.forward(random(1).normal(size=(2, 5, 5, 3)))
    assert layer.backward(dy, input_gradient=False) is None


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(image_cases())
def test_random_networks_of_images_have_right_gradients(case: Case) -> None:
    network, loss, x, y, options = case.build()
    report = check_gradients(network, loss, x, y, max_entries=6, **options)
    assert report.passed, str(report)
    assert report.limit == 1e-7


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(image_cases())
def test_the_slope_through_random_networks_of_images_is_right(case: Case) -> None:
    network, loss, x, y, options = case.build()
    report = check_gradients(network, loss, x, y, mode="direction", **options)
    assert report.passed, str(report)


@pytest.mark.slow
@settings(max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])
@given(image_cases())
def test_two_thousand_random_networks_of_images_are_right(case: Case) -> None:
    network, loss, x, y, options = case.build()
    report = check_gradients(network, loss, x, y, max_entries=None, **options)
    assert report.passed, str(report)


def test_ties_of_max_pooling_are_kinks_for_the_gradient_check() -> None:
    # A step either way changes the winner: there is no slope to compare with.
    x = np.zeros((2, 4, 4, 1))
    network = Network([MaxPool2D(), Flatten()], dtype=np.float64)
    y = np.array([0, 1])
    report = check_gradients(network, SoftmaxCrossEntropy(), x, y)
    assert report.passed, str(report)
    assert report.rows[0].beside
    layer = MaxPool2D()
    layer.forward(np.array([[1.0, 3], [3, 2]]).reshape(1, 2, 2, 1))
    assert layer.kink_side().tolist() == [[[[1]]]]  # the first of the two largest


def test_lenet_is_right_on_digits() -> None:
    (x, y), _ = load_mnist()
    network = lenet((2, 3), 6, dropout=0.2, batch_norm=True, rng=random())
    report = check_gradients(network, SoftmaxCrossEntropy(), x[:5], y[:5], mode="direction")
    assert report.passed, str(report)
    little = lenet((2,), 4, size=3, image_shape=(8, 7, 2), classes=3, rng=random())
    pixels, labels = random(1).normal(size=(3, 112)), np.array([0, 2, 1])
    report = check_gradients(little, SoftmaxCrossEntropy(), pixels, labels, max_entries=20)
    assert report.passed, str(report)


# ---- PyTorch ----


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (4, 1), (3, 2), (2, 3), (5, 4)])
def test_a_convolution_equals_pytorch(size: int, padding: str, stride: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, rng = Conv2D(3, 4, size, padding, stride, rng=random()), random(1)
    layer.b = rng.normal(size=4)
    x = rng.normal(size=(5, 11, 9, 3))
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    dx = layer.backward(dy)
    # PyTorch has the channels in front.
    x_, W, b = (torch.tensor(a, requires_grad=True) for a in (x, layer.W, layer.b))
    (top, bottom), (left, right) = layer.zeros(11), layer.zeros(9)
    framed = torch.nn.functional.pad(x_.permute(0, 3, 1, 2), (left, right, top, bottom))
    y_ = torch.nn.functional.conv2d(framed, W.permute(3, 2, 0, 1), b, stride).permute(0, 2, 3, 1)
    y_.backward(torch.tensor(dy))
    pairs = ((y, y_.detach()), (dx, x_.grad), (layer.dW, W.grad), (layer.db, b.grad))
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, None), (3, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_a_pool_equals_pytorch(kind: str, size: int, stride: int | None) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, rng = {"max": MaxPool2D, "avg": AveragePool2D}[kind](size, stride), random(1)
    x = rng.integers(0, 5, (3, 11, 9, 2)).astype(float)  # with ties: PyTorch takes the first too
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    x_ = torch.tensor(x, requires_grad=True)
    pool = getattr(torch.nn.functional, f"{kind}_pool2d")
    y_ = pool(x_.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)
    y_.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, y_.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.backward(dy), x_.grad.numpy(), rtol=0, atol=1e-12)


# ---- with the rest of the package ----


def test_filters_are_initialized_by_the_inputs_of_their_window() -> None:
    network = Network([Conv2D(40, 60, 5)], rng=random())
    assert network.layers[0].W.var() == pytest.approx(2 / (5 * 5 * 40), rel=0.03)
    np.testing.assert_array_equal(network.layers[0].b, 0)
    alone = Conv2D(2, 3, 4, rng=random())
    np.testing.assert_array_equal(alone.W, he_normal((4, 4, 2, 3), random()))


def test_decay_takes_filters_and_spares_their_biases() -> None:
    named = small().named_parameters()
    network = small()
    network.parameters = network.decay_mask
    for name, array in network.named_parameters().items():
        assert array.shape == named[name].shape
        np.testing.assert_array_equal(array, float(name.endswith("W")), err_msg=name)


def test_max_norm_limits_the_weights_of_each_filter() -> None:
    network = Network([Conv2D(2, 3, 3), Flatten()], rng=random())
    conv = network.layers[0]
    conv.W *= np.array([0.01, 1, 5], np.float32)
    before = conv.W.copy()
    lengths = np.sqrt((before**2).sum(axis=(0, 1, 2)))
    MaxNorm(0.5)(network)
    np.testing.assert_array_equal(conv.W[..., 0], before[..., 0])
    after = np.sqrt((conv.W**2).sum(axis=(0, 1, 2)))
    np.testing.assert_allclose(after, np.minimum(lengths, 0.5), rtol=1e-6)


def test_copies_pickles_and_files_compute_the_same(tmp_path: Any) -> None:
    network, x = small(), images()
    network.parameters += 0.1
    expected = network.forward(x)
    save(network, tmp_path / "model.npz")
    twins = [network.copy(), copy.deepcopy(network), pickle.loads(pickle.dumps(network))]
    for twin in [*twins, load(tmp_path / "model.npz")]:
        np.testing.assert_array_equal(twin.forward(x), expected)
        assert repr(twin) == repr(network)
        assert np.shares_memory(twin.layers[0].W, twin.parameters)
    np.testing.assert_allclose(network.copy(np.float64).forward(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(2, 3, 4, "same", 2),
        Conv2D(2, 3, 4),
        MaxPool2D(3, 1),
        AveragePool2D(),
        Reshape(400, 300, 2),
        Flatten(),
    ],
    ids=str,
)
def test_a_saved_layer_comes_back_with_its_settings(layer: Any, tmp_path: Any) -> None:
    save(Network([layer], rng=random()), tmp_path / "model.npz")
    (again,) = load(tmp_path / "model.npz").layers
    assert (type(again), again.config(), repr(again)) == (type(layer), layer.config(), repr(layer))


def test_a_small_lenet_learns_twenty_digits_by_heart() -> None:
    (x, y), _ = load_mnist()
    network = lenet((4, 8), 32, rng=random())
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(5e-3), batch_size=20, verbose=0)
    trainer.fit(x[:20], y[:20], epochs=40)
    np.testing.assert_array_equal(network.predict(x[:20]), y[:20])


# ---- errors ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(0, 8, 5), "Conv2D channels: expected a whole number of at least 1, got 0"),
        (lambda: Conv2D(1, 8, (5, 5)), "Conv2D size: expected a whole number of at least 1, got"),
        (lambda: Conv2D(1, 8, 5, 2), "Conv2D padding: expected one of valid, same, got 2"),
        (lambda: Conv2D(1, 8, 5, stride=0), "Conv2D stride: expected a whole number of at least 1"),
        (lambda: MaxPool2D(2.0), "MaxPool2D size: expected a whole number of at least 1, got 2.0"),
        (lambda: AveragePool2D(2, 0), "AveragePool2D stride: expected a whole number of at least"),
        (lambda: Reshape(28, 28, 0), "Reshape channels: expected a whole number of at least 1"),
        (
            lambda: Network([Reshape(4, 4, 1), Conv2D(1, 2, 5)]),
            "Conv2D(1 -> 2, 5 x 5) expected images of at least 5 x 5 pixels, got 4 x 4: choose a "
            "smaller window, or fewer layers before it",
        ),
        (
            lambda: Network([Reshape(4, 4, 1), MaxPool2D(5)]),
            "MaxPool2D(5 x 5) expected images of at least 5 x 5 pixels, got 4 x 4",
        ),
        (
            lambda: Network([Dense(784, 784), Conv2D(784, 2, 5)]),
            "Conv2D(784 -> 2, 5 x 5) expected images of shape (N, height, width, channels), got "
            "(N, 784): put Reshape(28, 28, 1) before it, or the like",
        ),
        (
            lambda: Network([Reshape(8, 8, 1), Conv2D(1, 2, 5), Dense(32, 10)]),
            "Dense(32 -> 10) at position 2 expected samples of shape (32,), got (4, 4, 2) from the "
            "layers before it: put Flatten() before it",
        ),
        (
            lambda: Network([Conv2D(1, 2, 5), Dense(32, 10)]),
            "(32,), got (..., 2) from the layers before it: put Flatten() before it",
        ),
        (
            lambda: Network([Conv2D(1, 2, 5), Conv2D(3, 2, 5)]),
            "Conv2D(3 -> 2, 5 x 5) at position 1 expected samples of shape (..., 3), got (..., 2)",
        ),
        (lambda: lenet(image_shape=(28, 28)), "lenet image_shape: expected (height, width, chan"),
        (lambda: lenet(8), "lenet filters: expected a list such as [8, 16], got 8"),
        (
            lambda: lenet((8, 16, 32)),
            "Conv2D(16 -> 32, 5 x 5) expected images of at least 5 x 5 pixels, got 4 x 4",
        ),
    ],
)
def test_layers_that_do_not_fit_get_one_line_with_the_likely_fix(make: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pool_at_the_front_checks_its_images_too() -> None:
    for shape in ((5, 1, 4, 1), (5, 4)):
        with pytest.raises(InputError, match=r"MaxPool2D\(2 x 2\) expected images of"):
            Network([MaxPool2D()]).forward(np.ones(shape))


@pytest.mark.parametrize(
    ("channels", "shape", "message"),
    [
        (3, (5, 3, 8, 8), "are its axes in another order? Images are (N, height, width, channels)"),
        (3, (8, 8, 3), "got (N, 8, 3): put Reshape(28, 28, 1) before it, or the like"),
        (3, (5, 8, 8, 4), "expected x of shape (N, ..., 3), got (5, 8, 8, 4): was the network"),
        (1, (5, 64), "got (5, 64): put Reshape(height, width, 1) first, or use x[..., None]"),
        (1, (5, 8, 8), "got (5, 8, 8): put Reshape(height, width, 1) first, or use x[..., None]"),
        (1, (5, 1, 8, 8), "are its axes in another order? Images are (N, height, width, channels)"),
        (1, (5, 4, 4, 1), "expected images of at least 5 x 5 pixels, got 4 x 4"),
        (
            1,
            (5, 9, 9, 1),
            "expected samples of shape (32,), got (50,) from the layers before it",
        ),
    ],
)
def test_images_that_do_not_fit_get_one_line_with_the_likely_fix(
    channels: int, shape: tuple[int, ...], message: str
) -> None:
    network = Network([Conv2D(channels, 2, 5), Flatten(), Dense(32, 10)], rng=random())
    network.forward(np.ones((2, 8, 8, channels)))
    for call in (network.forward, network.predict):
        with pytest.raises(InputError) as error:
            call(np.ones(shape))
        assert message in str(error.value)
        assert "\n" not in str(error.value)
