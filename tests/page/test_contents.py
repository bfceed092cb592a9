"""The numbers of a page: which networks it takes, which samples it shows, how large it is."""

import base64

import numpy as np
import pytest

from numpymlp import InputError, Layer, Network, mlp
from numpymlp.experiments.snapshots import Snapshot
from numpymlp.layers import Dense, ReLU
from numpymlp.page.contents import LAYERS, SAMPLES, page_contents, samples_to_show

RNG = np.random.default_rng(0)
X, Y = RNG.random((200, 9)).astype(np.float32), RNG.integers(0, 3, 200)


def contents_of(network, snapshots=()):
    return page_contents(
        network, X, Y, image_shape=(3, 3), class_names=["a", "b", "c"], snapshots=snapshots
    )


def network_of(*sizes, **how):
    return mlp([9, *sizes, 3], activation="relu", rng=np.random.default_rng(1), **how)


def test_weights_and_pixels_come_back_from_their_text():
    network = network_of(5)
    contents = contents_of(network)
    weights = np.frombuffer(base64.b64decode(contents["parameters"]), "<f4")
    np.testing.assert_array_equal(weights, network.parameters)
    chosen = samples_to_show(network.predict_proba(X), Y)
    samples = contents["samples"]
    pixels = np.frombuffer(base64.b64decode(samples["pixels"]), np.uint8).reshape(-1, 9)
    low, high = samples["range"]
    np.testing.assert_allclose(low + pixels / 255 * (high - low), X[chosen], atol=1 / 500)
    assert samples["labels"] == Y[chosen].tolist()


def test_the_first_sample_is_the_most_confident_mistake():
    probabilities = np.full((9, 3), 0.2)
    y = np.array([0, 1, 2] * 3)
    probabilities[np.arange(9), y] = 0.6
    probabilities[4] = [0.9, 0.05, 0.05]
    probabilities[8] = [0.95, 0.05, 0.0]
    assert samples_to_show(probabilities, y).tolist() == [8, 0, 1, 2, 3, 7, 5, 6, 4]
    assert len(samples_to_show(np.eye(3)[np.zeros(500, int)], np.zeros(500, int))) == SAMPLES


def test_snapshots_are_left_out_of_a_page_that_would_grow_too_large():
    small, large = network_of(5), network_of(60_000)
    for network, count in ((small, 2), (large, 0)):
        snapshots = [Snapshot.of(network, epoch) for epoch in (0, 1)]
        assert len(contents_of(network, snapshots)["snapshots"]) == count


class Custom(Layer):
    def forward(self, x, training=False):
        return x

    def backward(self, dy, input_gradient=True):
        return dy


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (network_of(5, output="sigmoid"), "softmax head, got the head 'sigmoid'"),
        (Network([Dense(9, 5), Custom(), Dense(5, 3)]), f"expected layers of {LAYERS[0]}"),
        (network_of(160_000), "expected at most 2,000,000 parameters, got 2,080,003"),
    ],
)
def test_a_network_that_the_page_cannot_compute_is_refused(network, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        contents_of(network)


def test_layers_of_the_package_that_the_page_lacks_are_known():
    # A new layer has to be written in JavaScript too, or is refused: this list decides.
    known = {kind.__name__ for kind in Layer.__subclasses__() if kind.__module__ == ReLU.__module__}
    known |= {"Conv2D", "MaxPool2D", "AveragePool2D", "Flatten", "Reshape"}
    assert known <= set(LAYERS)
