"""Network.load against truncated, altered, foreign and hostile files: an error or a valid network.

The archive itself is tested in test_archive.py; here it is what the header says about layers.
"""

import json
import tracemalloc

import numpy as np
import pytest
from mutations import Bomb, mutated_archive, mutated_bytes, npy_bytes, pack, saved, unpack

from numpymlp import (
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    LeakyReLU,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
)


@pytest.fixture
def path(tmp_path):
    network = Network(
        [Dropout(0.1), Dense(5, 4), BatchNorm(4), LeakyReLU(0.1), Dense(4, 3)],
        rng=np.random.default_rng(0),
    )
    network.loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    file = tmp_path / "model.npz"
    network.save(file)
    return file


def edit(path, change):
    """Change the header of a model; all checksums fit again."""
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
    "a layer as the loss": (lambda h: h.update(loss={"type": "ReLU"}), "holds a 'ReLU', which"),
    "an unknown argument": (lambda h: h["layers"][1].update(x=1), "unexpected keyword argument"),
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
    "a loss that is none": (lambda h: h.update(loss=3), "expected a type with its arguments"),
    "a newer version": (lambda h: h.update(version=9), "was written by a newer numpymlp"),
    "a checkpoint": (lambda h: h.update(format="numpymlp checkpoint"), "is not a numpymlp model"),
}


@pytest.mark.parametrize("fault", ALTERED)
def test_every_alteration_is_named(path, fault):
    change, message = ALTERED[fault]
    edit(path, lambda header: (change(header), header)[1])
    with pytest.raises(InputError) as caught:
        Network.load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_place_of_the_parameters_is_not_run(path, tmp_path):
    mark = tmp_path / "ran"
    hidden = np.array([Bomb(mark)] * 47, dtype=object)
    pack(path, {**unpack(path), "parameters.npy": saved(hidden)})
    with pytest.raises(InputError, match="parameters is not an array of plain numbers"):
        Network.load(path)
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
            Network.load(path)
        assert tracemalloc.get_traced_memory()[1] < bound(path)
    finally:
        tracemalloc.stop()


def fuzz(path, count, seed):
    """Load `count` damaged files; return how many still gave a network."""
    good, rng, valid = path.read_bytes(), np.random.default_rng(seed), 0
    original = Network.load(path)
    x = np.ones((2, 5))
    for _ in range(count):
        packed_again = rng.random() < 0.8
        path.write_bytes((mutated_archive if packed_again else mutated_bytes)(rng, good))
        try:
            network = Network.load(path)
        except InputError as error:
            message = str(error)
            network = None
        if network is None:
            assert str(path) in message
            assert message.isprintable()
            continue
        valid += 1
        assert np.isfinite(network.parameters).all()
        if not packed_again:
            assert repr(network) == repr(original)
            assert network.parameters.tobytes() == original.parameters.tobytes()
        shape = (2, *(network.input_shape or (5,)))
        with np.errstate(over="ignore", invalid="ignore"):
            network.forward(np.ones(shape) if network.input_shape else x)
    return valid


def test_mutated_models_are_refused_or_valid(path):
    assert 0 < fuzz(path, 1_000, seed=0) < 500


@pytest.mark.slow
def test_a_hundred_thousand_mutated_models_are_refused_or_valid_in_bounded_memory(path):
    tracemalloc.start()
    try:
        assert 0 < fuzz(path, 100_000, seed=1) < 50_000
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()


def test_an_interrupted_save_leaves_the_former_model(path, monkeypatch):
    before = path.read_bytes()
    network = Network([Dense(2, 2), ReLU()], rng=np.random.default_rng(0))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        network.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]
