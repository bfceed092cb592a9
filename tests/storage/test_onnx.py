"""A network in ONNX computes what it computes here: onnxruntime is the oracle."""

import sys

import numpy as np
import pytest

from numpymlp import InputError, Layer, Network, SoftmaxCrossEntropy, save
from numpymlp.__main__ import main
from numpymlp.convolution import AveragePool2D, Conv2D, Flatten, MaxPool2D, Reshape
from numpymlp.layers import GELU, BatchNorm, Dense, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
from numpymlp.storage.files import pip_install
from numpymlp.storage.onnx import CONVERTERS, export_onnx

pytest.importorskip("onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NETWORKS = {
    "mlp": [Dense(48, 16), ReLU(), Dropout(0.5), Dense(16, 8), LeakyReLU(0.2), Dense(8, 5)],
    "gelu": [Dense(48, 16), GELU(), Dense(16, 5)],
    "smooth": [Dense(48, 16), BatchNorm(16), Sigmoid(), Dense(16, 8), Tanh(), Dense(8, 5)],
    "valid": [
        *(Reshape(4, 4, 3), Conv2D(3, 4, 2), BatchNorm(4), ReLU(), MaxPool2D(2, 1)),
        *(Flatten(), Dense(16, 5)),
    ],
    "same": [
        *(Reshape(4, 6, 2), Conv2D(2, 3, 4, padding="same", stride=2), GELU()),
        *(AveragePool2D(2), Flatten(), Dense(3, 5)),
    ],
    "odd": [
        *(Reshape(4, 12, 1), Conv2D(1, 2, 3, padding="same", stride=3), MaxPool2D(2)),
        *(Flatten(), Dense(4, 5)),
    ],
}


def network_of(name, output="softmax", dtype=np.float32):
    rng = np.random.default_rng(0)
    network = Network(NETWORKS[name], output=output, rng=rng, dtype=dtype)
    network.parameters += 0.1 * rng.normal(size=network.parameters.shape).astype(dtype)
    network.forward(rng.normal(size=(30, 48)) * 2 + 1, training=True)  # running statistics
    return network


def answers(path, x):
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [answer] = session.run(None, {"x": x})
    return answer, session


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_gives_the_same_answers(name, output, dtype, tmp_path):
    network = network_of(name, output, dtype)
    export_onnx(network, tmp_path / "model.onnx")
    x = np.random.default_rng(1).normal(size=(7, 48)).astype(np.float32)
    found, session = answers(tmp_path / "model.onnx", x)
    expected = network.predict(x) if output == "identity" else network.predict_proba(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert session.get_inputs()[0].shape == ["N", 48]
    assert session.get_outputs()[0].shape == ["N", 5]


def test_every_layer_of_the_package_is_in_a_network_above():
    used = {type(layer).__name__ for layers in NETWORKS.values() for layer in layers}
    assert used == set(CONVERTERS)
    modules = ("numpymlp.layers", "numpymlp.convolution")
    ours = {kind.__name__ for kind in subclasses(Layer) if kind.__module__ in modules}
    assert {name for name in ours if not name.startswith("_")} == set(CONVERTERS)


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


class Custom(Layer):
    def forward(self, x, training=False):
        return x

    def backward(self, dy, input_gradient=True):
        return dy


def test_a_custom_layer_is_refused_before_a_file_is_written(tmp_path):
    network = Network([Dense(4, 3), Custom()], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="has no operator in ONNX: expected layers of Dense"):
        export_onnx(network, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    save(network_of("mlp"), tmp_path / "model.npz", SoftmaxCrossEntropy())
    assert main(["export", str(tmp_path / "model.npz"), str(tmp_path / "m.onnx")]) == 0
    assert "m.onnx: input x, output probabilities" in capsys.readouterr().out


def test_without_the_package_one_line_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    save(network_of("mlp"), tmp_path / "model.npz")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", str(tmp_path / "model.npz"), str(tmp_path / "m.onnx")]) == 2
    error = capsys.readouterr().err
    assert error.endswith(f"{pip_install('onnx')}\n")
    assert error.count("\n") == 1
