import numpy as np
import pytest

from numpymlp import Dense, Network, mlp
from numpymlp.data import load_mnist
from numpymlp.data.pixels import Pixels
from numpymlp.experiments.reading import LEAST_LIKENESS, WEAK, Answer, answers_of, likeness


@pytest.fixture(scope="module")
def digits():
    return load_mnist()[1][0][:300]


def test_an_image_is_most_like_itself_whatever_its_brightness(digits):
    np.testing.assert_allclose(likeness(0.3 * digits[:20], digits), 1, rtol=1e-5)
    bright = np.eye(784, dtype=np.float32)[:1]  # ink where no digit has any
    assert likeness(bright, digits)[0] < 0.1


def test_likeness_is_the_cosine_of_blurred_images_to_the_nearest(digits):
    # The blur as one matrix: what a pixel gives to another falls with their distance.
    rows, columns = np.divmod(np.arange(784), 28)
    squares = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    blur = np.exp(-squares / (2 * 0.7**2))
    blur /= blur.sum(axis=1, keepdims=True)
    x, training = digits[:5].astype(float) @ blur.T, digits[5:].astype(float) @ blur.T
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(training, axis=1)
    expected = (x @ training.T / lengths).max(axis=1)
    np.testing.assert_allclose(likeness(digits[:5], digits[5:]), expected, rtol=1e-5)
    as_bytes = Pixels(np.round(digits[5:] * 255).astype(np.uint8))
    np.testing.assert_allclose(likeness(digits[:5], as_bytes), expected, rtol=1e-5)


def test_an_answer_is_the_same_in_any_company(digits):
    network = mlp([784, 16, 10], rng=np.random.default_rng(0))
    together = answers_of(network, digits[:3], digits[3:])
    (alone,) = answers_of(network, digits[2:3], digits[3:])
    np.testing.assert_array_equal(together[2].probabilities, alone.probabilities)
    assert together[2].likeness == pytest.approx(alone.likeness)
    assert answers_of(network, digits[:1])[0].likeness is None
    assert answers_of(network, digits[:0], digits) == []


def test_what_changes_with_a_small_distortion_is_less_certain(digits):
    # The network looks at one pixel at the edge of a stroke.
    image = np.zeros((28, 28), np.float32)
    image[8:20, 13:14] = 1
    network = Network([Dense(784, 2)], output="softmax", rng=np.random.default_rng(0))
    network.layers[0].W[:] = 0
    network.layers[0].W[14 * 28 + 13, 0] = 20
    network.layers[0].b[:] = [-10, 0]
    row = image.reshape(1, -1)
    assert network.predict_proba(row).max() > 0.999
    assert answers_of(network, row)[0].probabilities.max() < 0.95


def test_answers_are_weak_or_unlike_below_the_limits():
    p = np.array([WEAK + 0.01, 0.99 - WEAK])
    assert not Answer(p).weak
    assert Answer(p - 0.02).weak
    assert not Answer(p).unlike
    assert Answer(p, LEAST_LIKENESS - 0.01).unlike
    assert not Answer(p, LEAST_LIKENESS).unlike
