"""Model files: what `save` writes `load` reads, and hostile files give an error or a valid network.

The archive itself is tested in test_archive.py; here it is what the header says about layers.
"""

import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from attack import attack
from mutations import Bomb, mutated_archive, mutated_bytes, npy_bytes, pack, saved, unpack
from trainers import Pixels

import numpymlp
from numpymlp import (
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    InputError,
    Layer,
    LeakyReLU,
    MaxPool2D,
    Network,
    PoissonDeviance,
    ReLU,
    Reshape,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    load,
    load_loss,
    save,
)
from numpymlp.losses import Loss


@pytest.fixture
def path(tmp_path):
    network = Network(
        [Dropout(0.1), Dense(5, 4), BatchNorm(4), LeakyReLU(0.1), Dense(4, 3)],
        rng=np.random.default_rng(0),
    )
    file = tmp_path / "folder" / "model.npz"
    file.parent.mkdir()
    save(network, file, SoftmaxCrossEntropy(label_smoothing=0.1))
    return file


# ---- what is saved is read ----


def test_a_network_and_its_loss_come_back(path):
    network = load(path)
    assert repr(network) == repr(load(path))
    assert [str(layer) for layer in network.layers] == [
        *("Dropout(0.1)", "Dense(5 -> 4)", "BatchNorm(4)", "LeakyReLU(0.1)", "Dense(4 -> 3)")
    ]
    assert repr(load_loss(path)) == "SoftmaxCrossEntropy(label_smoothing=0.1)"


def test_without_a_loss_load_loss_returns_none(tmp_path):
    save(Network([Dense(2, 3)], rng=np.random.default_rng(0)), tmp_path / "model.npz")
    assert load_loss(tmp_path / "model.npz") is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_head_dtype_parameters_and_buffers_come_back(output, dtype, tmp_path):
    file, x = tmp_path / "model.npz", np.random.default_rng(1).normal(size=(9, 4))
    layers = [Dense(4, 6), BatchNorm(6), ReLU(), Dense(6, 3)]
    network = Network(layers, output=output, rng=np.random.default_rng(0), dtype=dtype)
    network.forward(x, training=True)  # moves the running means
    save(network, file)
    again = load(file)
    assert (again.head.name, again.dtype) == (output, dtype)
    np.testing.assert_array_equal(again.parameters, network.parameters)
    np.testing.assert_array_equal(again.buffers, network.buffers)
    np.testing.assert_array_equal(again.predict(x), network.predict(x))


class Flat(Layer):
    """Make a vector of an image of known size: (N, H, W, C) -> (N, H W C)."""

    def __init__(self, shape):
        self.input_shape = tuple(shape)

    def forward(self, x, training=False):
        return x.reshape(len(x), -1)

    def backward(self, dy, input_gradient=True):
        return dy.reshape(-1, *self.input_shape)

    def output_shape(self, input_shape):
        return (int(np.prod(input_shape)),)

    def config(self):
        return {"shape": list(self.input_shape)}


CLASSES = {"Pixels": Pixels, "Flat": Flat}


def test_a_network_whose_layers_pass_images_is_saved_and_loaded(tmp_path):
    file, x = tmp_path / "model.npz", np.random.default_rng(1).normal(size=(3, 4, 5, 2))
    layers = [Pixels(2, 6), BatchNorm(6), ReLU(), Flat((4, 5, 6)), Dense(120, 3)]
    network = Network(layers, rng=np.random.default_rng(0))
    network.forward(x, training=True)
    save(network, file)
    again = load(file, classes=CLASSES)
    assert again.shapes == network.shapes
    assert again.shapes[0] == (..., 2)
    assert again.shapes[-2:] == [(120,), (3,)]
    np.testing.assert_array_equal(again.forward(x), network.forward(x))
    with pytest.raises(InputError, match=r"holds a 'Pixels', which .*pass classes=\{'Pixels': "):
        load(file)


def test_layers_and_losses_of_every_module_are_found_by_name_in_a_fresh_process(tmp_path):
    layers = [Reshape(4, 4, 1), Conv2D(1, 2, 3), GELU(), AveragePool2D(2), Flatten(), Dense(2, 3)]
    network, file = Network(layers, rng=np.random.default_rng(0)), tmp_path / "model.npz"
    save(network, file, PoissonDeviance())
    code = "import sys, numpymlp as n; print(n.load(sys.argv[1]), n.load_loss(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.stdout == f"{network} PoissonDeviance()\n", done.stderr


def test_losses_given_by_classes_are_found_by_name(tmp_path):
    class Hinge(Loss):
        def __init__(self, margin):
            self.margin = margin

        def config(self):
            return {"margin": self.margin}

    file = tmp_path / "model.npz"
    save(Network([Dense(2, 3)], rng=np.random.default_rng(0)), file, Hinge(2))
    assert load_loss(file, {"Hinge": Hinge}).margin == 2
    with pytest.raises(InputError, match=r"holds a 'Hinge', which this package does not have"):
        load_loss(file)


class NoLayer:
    def __init__(self, channels, kernels):
        pass


class Shapeless(Pixels):
    def shapes(self):
        return {}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoLayer, "expected a Layer, got .*NoLayer.*derive"),
        (Shapeless, r"Shapeless.* shapes\(\).* W"),
        (5, "expected a class for 'Pixels', got 5"),
    ],
)
def test_a_class_that_does_not_fit_the_file_is_refused_with_one_line(kind, message, tmp_path):
    file = tmp_path / "model.npz"
    save(Network([Pixels(2, 6), Flat((4, 5, 6))], rng=np.random.default_rng(0)), file)
    with pytest.raises(InputError, match=message) as caught:
        load(file, classes=CLASSES | {"Pixels": kind})
    assert "\n" not in str(caught.value)


def test_likely_mistakes_with_save_are_refused(tmp_path):
    network = Network([Dense(2, 3)], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match=r"save expected a Network, got .*save\(network, path\)"):
        save(tmp_path / "model.npz", network)
    with pytest.raises(InputError, match=r"got the class SoftmaxCrossEntropy: add \(\)"):
        save(network, tmp_path / "model.npz", SoftmaxCrossEntropy)
    assert list(tmp_path.iterdir()) == []


def test_a_config_cannot_change_the_type_that_is_saved(tmp_path):
    class Disguised(ReLU):
        def config(self):
            return {"type": "Dense"}

    network, file = Network([Disguised(), Dense(2, 3)]), tmp_path / "model.npz"
    save(network, file)
    with pytest.raises(InputError, match="holds a 'Disguised', which"):
        load(file)


# ---- altered and hostile files ----


def edit(path, change):
    """Change the header of a model, with valid checksums."""
    members = unpack(path)
    header = json.loads(members["header.npy"][128:])
    changed = change(header)
    header = header if changed is None else changed
    pack(path, {**members, "header.npy": npy_bytes(json.dumps(header))})


def dense(inputs, outputs):
    return {"type": "Dense", "inputs": inputs, "outputs": outputs}


ALTERED = {
    "no layers": (lambda h: h.pop("layers"), "expected a list of layers, got None"),
    "an empty list": (lambda h: h.update(layers=[]), "expected a list of layers, got []"),
    "a million layers": (
        lambda h: h.update(layers=[{"type": "ReLU"}] * 50_000),
        "expected a list of layers",
    ),
    "a layer that is none": (lambda h: h["layers"].append(5), "expected a type with its arguments"),
    "a layer without type": (lambda h: h["layers"][1].pop("type"), "expected a type with its"),
    "a function as type": (
        lambda h: h["layers"].append({"type": "sigmoid"}),
        "holds a 'sigmoid', which this package does not have",
    ),
    "a name with a dot": (
        lambda h: h["layers"].append({"type": "os.system", "command": "true"}),
        "holds a 'os.system', which this package does not have",
    ),
    "the base class": (lambda h: h["layers"].append({"type": "Layer"}), "holds a 'Layer', which"),
    "a loss as a layer": (
        lambda h: h["layers"].append({"type": "MeanSquaredError"}),
        "holds a 'MeanSquaredError', which",
    ),
    "an unknown argument": (lambda h: h["layers"][1].update(x=1), "has no argument 'x'"),
    "an argument with a control character": (
        lambda h: h["layers"][1].update({"\x7futputs": 1}),
        r"expected names of arguments, got ['inputs', 'outputs', '\x7futputs']",
    ),
    "a missing argument": (lambda h: h["layers"][1].pop("outputs"), "missing 1 required"),
    "an initializer": (
        lambda h: h["layers"][1].update(initializer="he"),
        "Dense initializer: expected",
    ),
    "a generator": (lambda h: h["layers"][0].update(rng=1), "rng: expected a numpy.random.Gen"),
    "negative size": (lambda h: h["layers"][1].update(inputs=-5), "expected a whole number"),
    "size as text": (lambda h: h["layers"][1].update(inputs="5"), "expected a whole number"),
    "a rate of 2": (lambda h: h["layers"][0].update(rate=2), "Dropout rate: expected a number"),
    "a huge layer": (
        lambda h: h["layers"].append(dense(3, 10**18)),
        "a Dense of size 1000000000000000000 does not fit into the",
    ),
    "a huge product": (
        lambda h: h["layers"].extend([dense(3, 100), dense(100, 100)]),
        "its layers have more parameters than the file has room for",
    ),
    "many batch norms": (
        lambda h: h["layers"].extend([{"type": "BatchNorm", "features": 300}] * 900),
        "its layers have more parameters than the file has room for",
    ),
    "sizes that do not match": (
        lambda h: h["layers"][4].update(inputs=5),
        "Dense(5 -> 3) at position 4 expected samples of shape (5,), got (4,)",
    ),
    "another size": (
        lambda h: h["layers"][4].update(outputs=2),
        "parameters does not fit the header: expected shape (42,) of <f4, got (47,) of <f4",
    ),
    "no batch norm": (
        lambda h: h["layers"].pop(2),
        "parameters does not fit the header: expected shape (39,)",
    ),
    "another dtype": (lambda h: h.update(dtype="float64"), "expected shape (47,) of <f8, got"),
    "an object dtype": (lambda h: h.update(dtype="object"), "dtype: expected one of float32, fl"),
    "no dtype": (lambda h: h.pop("dtype"), "dtype: expected one of float32, float64, got None"),
    "an unknown output": (lambda h: h.update(output="x"), "output: expected one of softmax"),
    "a newer version": (lambda h: h.update(version=9), "was written by a newer numpymlp"),
    "version 0.1": (
        lambda h: h.update(version=1),
        "expected format version 2, got 1: it was written by numpymlp 0.1; train again, or use",
    ),
    "a checkpoint": (lambda h: h.update(format="numpymlp checkpoint"), "is not a numpymlp model"),
}


ALTERED_LOSSES = {
    "a layer as the loss": (lambda h: h.update(loss={"type": "ReLU"}), "holds a 'ReLU', which"),
    "a loss that is none": (lambda h: h.update(loss=3), "expected a type with its arguments"),
    "smoothing of 2": (
        lambda h: h["loss"].update(label_smoothing=2.0),
        "label_smoothing: expected a number in [0, 1), got 2.0",
    ),
    "an unknown argument": (lambda h: h["loss"].update(x="y"), "unexpected keyword argument 'x'"),
    "a newer version": (lambda h: h.update(version=9), "was written by a newer numpymlp"),
}


@pytest.mark.parametrize("fault", ALTERED_LOSSES)
def test_every_alteration_of_the_loss_is_named(path, fault):
    change, message = ALTERED_LOSSES[fault]
    edit(path, lambda header: (change(header), header)[1])
    with pytest.raises(InputError) as caught:
        load_loss(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ALTERED)
def test_every_alteration_is_named(path, fault):
    change, message = ALTERED[fault]
    edit(path, lambda header: (change(header), header)[1])
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_place_of_the_parameters_is_not_run(path, tmp_path):
    mark = tmp_path / "ran"
    hidden = np.array([Bomb(mark)] * 47, dtype=object)
    pack(path, {**unpack(path), "parameters.npy": saved(hidden)})
    with pytest.raises(InputError, match="parameters is not an array of plain numbers"):
        load(path)
    assert not mark.exists()


# A stated bound: eight times the file, and 33 MiB for the largest header with its objects.
def bound(path):
    return 8 * path.stat().st_size + 33 * 2**20


@pytest.mark.parametrize(
    "layers",
    [
        [dense(5, 10**9)],
        [{"type": "BatchNorm", "features": 10**9}],
        [{"type": "BatchNorm", "features": 450}] * 1_000,
        [dense(1, 1)] * 1_000,
        [{"type": "ReLU"}] * 1_000,
    ],
)
def test_a_hostile_architecture_takes_little_memory(path, layers):
    edit(path, lambda header: {**header, "layers": layers})
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < bound(path)
    finally:
        tracemalloc.stop()


def mutants_are_refused_or_valid(path, count, seed):
    """Attack `load`; what it accepts must be a network that works."""
    good, rng = path.read_bytes(), np.random.default_rng(seed)

    def read():
        network, loss = load(path), load_loss(path)
        assert np.isfinite(network.parameters).all()
        assert repr(loss).isprintable()
        shape = network.shapes[0]
        known = shape is not None and ... not in shape
        with np.errstate(over="ignore", invalid="ignore"):
            network.forward(np.ones((2, *shape)) if known else np.ones((2, 5)))

    mutants = (
        (mutated_archive if rng.random() < 0.8 else mutated_bytes)(rng, good) for _ in range(count)
    )
    _, accepted = attack("model.npz", path, mutants, read)
    assert 0 < accepted < count / 2


def test_a_thousand_mutated_models_are_refused_or_valid(path):
    mutants_are_refused_or_valid(path, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_models_are_refused_or_valid(path):
    mutants_are_refused_or_valid(path, 100_000, seed=1)


def test_an_interrupted_save_leaves_the_former_model(path, monkeypatch):
    before = path.read_bytes()
    network = Network([Dense(2, 2), ReLU()], rng=np.random.default_rng(0))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        save(network, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_the_document_of_the_format_names_every_layer_with_its_arguments_and_arrays():
    page = Path(__file__).parents[2] / "tutorials" / "results" / "model_file.md"
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| `")]
    layers = [
        Dense(2, 3), Conv2D(1, 2, 3), BatchNorm(2), ReLU(), Sigmoid(), Tanh(), Flatten(),
        LeakyReLU(), GELU(), Dropout(0.1), MaxPool2D(2), AveragePool2D(2), Reshape(2, 2, 1),
    ]  # fmt: skip
    public = [getattr(numpymlp, name) for name in numpymlp.__all__]
    known = {each for each in public if isinstance(each, type) and issubclass(each, Layer)}
    assert set(map(type, layers)) == known - {Layer}
    for layer in layers:
        (row,) = (r for r in rows if f"`{type(layer).__name__}`" in r.split("|")[1])
        _, _, arguments, parameters, buffers, _ = row.split("|")
        assert re.findall(r"`(\w+)`", arguments) == list(layer.config())
        assert re.findall(r"(\w+) \(", parameters) == list(layer.declared("parameter"))
        assert re.findall(r"(\w+) \(", buffers) == list(layer.declared("buffer"))
