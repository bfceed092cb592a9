"""`numpymlp explain`: the network for pencil and paper, a test image of a run, and its errors."""

import re
from pathlib import Path

import numpy as np
import pytest

from numpymlp import MeanSquaredError, SoftmaxCrossEntropy, load_mnist, mlp, save
from numpymlp.__main__ import main
from numpymlp.explain import trace


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    network = mlp([784, 8, 10], rng=np.random.default_rng(0))
    path = tmp_path_factory.mktemp("run") / "model.npz"
    save(network, path, SoftmaxCrossEntropy())
    return network, str(path)


def out(capsys, *words):
    assert main(["explain", *words]) == 0
    return capsys.readouterr().out


def error(capsys, *words):
    assert main(["explain", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_a_run_every_line_of_the_arithmetic_and_its_function_are_printed(capsys):
    text = out(capsys, "--hidden", "3")
    for part in (
        "0.y[0, 0] = 1 * 0.5 + 2 * 0.5 + 0.5 = 2",
        "layers.Dense.backward",
        "optimizers.SGD.step",
        "new 2.b[1] = ",
    ):
        assert part in text
    assert text == out(capsys)


def test_the_output_in_the_documents_is_the_output(capsys):
    page = (Path(__file__).parents[2] / "tutorials" / "results" / "explain.md").read_text()
    blocks = re.findall(r"<!-- pencil -->\n```text\n(.*?)\n```", page, re.DOTALL)
    assert len(blocks) == 2
    text = out(capsys, "--hidden", "3")
    assert all(block in text for block in blocks)


def test_options_change_the_network_the_loss_and_the_optimizer(capsys):
    text = out(capsys, "--hidden", "2,2", "--activation", "tanh", "--loss", "squared-error",
               "--outputs", "1", "--optimizer", "momentum", "--learning-rate", "0.5")  # fmt: skip
    for part in ("Tanh", "MeanSquaredError()", "SGD(0.5, momentum=0.9)", "Dense(2 -> 1)"):
        assert part in text


def test_the_pass_of_a_test_image_is_that_of_the_saved_network(model, capsys):
    network, path = model
    (_, (x, y)) = load_mnist()
    text = out(capsys, path, "--image", "7")
    assert text.startswith("test image 7 of MNIST: a 9; the network answers ")
    recorded = trace(network, SoftmaxCrossEntropy(), x[7:8], y[7:8], training=False)
    assert text.split("\n", 1)[1] == f"{recorded}\n"


def test_markdown_and_a_picture_can_be_asked_for(model, capsys, tmp_path):
    picture = tmp_path / "pass.svg"
    text = out(capsys, model[1], "--markdown", "--picture", str(picture))
    assert "| `0.dW` |" in text
    assert picture.read_bytes()[:5] == b"<?xml"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["MODEL", "--image", "10000"], "--image: expected 0 to 9,999, got 10,000"),
        (["MODEL", "--image", "-1"], "--image: expected 0 to 9,999, got -1"),
        (["MODEL", "--hidden", "3"], "--hidden: expected no RUN, which takes the network of a run"),
        (["--image", "7", "--hidden", "3"], "--hidden: expected no --image, which takes"),
        (["--image", "3"], "there is no finished one in runs/"),
        (["--inputs", "0"], "--inputs"),
        (["--hidden", "100000,100000"], "--hidden: expected at most"),
        (["--outputs", "1"], "at least two outputs"),
        (["no-such-run"], "no-such-run"),
        (["MODEL", "--picture", "pass.gif"], ".png, .svg or .pdf, got pass.gif"),
        (["REGRESSION"], "expected a classifier, output='softmax', got output='identity'"),
    ],
)
def test_wrong_options_get_one_line_with_the_fix(
    words, message, model, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    regression = mlp([784, 1], output="identity")
    save(regression, tmp_path / "regression.npz", MeanSquaredError())
    places = {"MODEL": model[1], "REGRESSION": str(tmp_path / "regression.npz")}
    assert message in error(capsys, *(places.get(word, word) for word in words))


def test_a_network_for_other_images_is_named(capsys, tmp_path):
    save(mlp([100, 10]), tmp_path / "model.npz")
    assert "expected x of shape (N, 100), got (1, 784)" in error(capsys, str(tmp_path))
