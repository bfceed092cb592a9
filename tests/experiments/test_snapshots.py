"""Snapshots of a training run: which epochs, how exactly, and after a kill."""

import json

import numpy as np
import pytest
from attack import attack
from mutations import mutated_archive, mutated_bytes

from numpymlp import InputError, SoftmaxCrossEntropy, Trainer, mlp
from numpymlp.experiments.snapshots import (
    MOST_PARAMETERS,
    MOST_SNAPSHOTS,
    Snapshot,
    Snapshots,
    epochs_to_keep,
    read_snapshots,
)
from numpymlp.optimizers import SGD
from numpymlp.storage.archive import write_archive

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 5)).astype(np.float32), RNG.integers(0, 3, 40)


def network_of(*hidden):
    return mlp([5, *hidden, 3], activation="relu", rng=np.random.default_rng(1))


def values_of(snapshot, network):
    """Return the parameters that a page makes of a snapshot."""
    sizes = [view.size for view in network.named_parameters().values()]
    low, high = (np.repeat(ends, sizes) for ends in np.transpose(snapshot.ranges))
    return low + (high - low) * snapshot.levels / 255


@pytest.mark.parametrize("last", [1, 2, 3, 5, 6, 7, 20, 280])
def test_at_most_six_epochs_are_kept_the_start_among_them_and_not_the_last(last):
    epochs = epochs_to_keep(last)
    assert 0 in epochs
    assert last not in epochs
    assert len(epochs) == min(last, MOST_SNAPSHOTS)
    assert max(epochs) < last


def test_weights_come_back_to_half_a_level(tmp_path):
    network = network_of(8)
    snapshot = Snapshot.of(network, 0)
    widths = [(high - low) / 255 for low, high in snapshot.ranges]
    sizes = [view.size for view in network.named_parameters().values()]
    error = np.abs(values_of(snapshot, network) - network.parameters)
    assert (error <= np.repeat(widths, sizes) * 0.5001 + 1e-7).all()


def test_a_run_keeps_the_weights_of_its_epochs(tmp_path):
    path, seen = tmp_path / "snapshots.npz", {}
    network = network_of(8)
    seen[0] = network.parameters.copy()

    def note(trainer):
        seen[trainer.state.epoch] = trainer.network.parameters.copy()

    trainer = Trainer(
        network, SoftmaxCrossEntropy(), SGD(0.5), callbacks=[note, Snapshots(path)], verbose=0
    )
    trainer.fit(X, Y, epochs=4)
    kept = read_snapshots(path, network)
    assert [each.epoch for each in kept] == [0, 1, 2, 3]
    for each in kept:
        expected = Snapshot(each.epoch, *Snapshot.of(with_values(seen[each.epoch]), 0)[1:])
        assert each.ranges == expected.ranges
        np.testing.assert_array_equal(each.levels, expected.levels)


def with_values(parameters):
    network = network_of(8)
    network.parameters = parameters
    return network


def test_a_resumed_run_goes_on_with_its_snapshots_and_a_new_run_does_not(tmp_path):
    path, network = tmp_path / "snapshots.npz", network_of(8)
    trainer = Trainer(
        network, SoftmaxCrossEntropy(), SGD(0.5), callbacks=[Snapshots(path)], verbose=0
    )
    trainer.fit(X, Y, epochs=2)
    trainer.callbacks = [Snapshots(path)]  # as in another process
    trainer.fit(X, Y, epochs=2)
    assert [each.epoch for each in read_snapshots(path, network)] == [0, 1, 3]
    again = Trainer(
        network_of(8), SoftmaxCrossEntropy(), SGD(0.5), callbacks=[Snapshots(path)], verbose=0
    )
    again.fit(X, Y, epochs=1)
    assert [each.epoch for each in read_snapshots(path, network)] == [0]


def test_a_network_too_large_for_a_page_keeps_none(tmp_path):
    path, network = tmp_path / "snapshots.npz", network_of(MOST_PARAMETERS // 8)
    trainer = Trainer(
        network, SoftmaxCrossEntropy(), SGD(0.5), callbacks=[Snapshots(path)], verbose=0
    )
    trainer.fit(X, Y, epochs=1)
    assert read_snapshots(path, network) == []


@pytest.mark.parametrize(
    ("epochs", "ranges"),
    [
        ([], []),
        ([1, 0], [[[0, 1]] * 4] * 2),
        ([0, 0], [[[0, 1]] * 4] * 2),
        ([True], [[[0, 1]] * 4]),
        (list(range(7)), [[[0, 1]] * 4] * 7),
        ([0], [[[0, 1]] * 3]),
        ([0], [[[1, 0]] * 4]),
        ([0], [[["0", 1]] * 4]),
        ([0], [[[0]] * 4]),
        ([0], None),
        (0, 0),
        ([-1], [[[0, 1]] * 4]),
    ],
)
def test_an_altered_file_is_refused(tmp_path, epochs, ranges):
    path, network = tmp_path / "snapshots.npz", network_of(8)
    names = epochs if isinstance(epochs, list) else [0]
    arrays = {f"epoch{n}": np.zeros(network.parameters.size, np.uint8) for n in names}
    write_archive(path, "snapshots", {"epochs": epochs, "ranges": ranges}, arrays)
    with pytest.raises(InputError, match="is altered: expected up to 6 epochs"):
        read_snapshots(path, network)
    assert json.dumps(epochs)  # the header itself was valid


def test_the_file_of_another_network_is_refused(tmp_path):
    path = tmp_path / "snapshots.npz"
    trainer = Trainer(
        network_of(8), SoftmaxCrossEntropy(), SGD(0.5), callbacks=[Snapshots(path)], verbose=0
    )
    trainer.fit(X, Y, epochs=1)
    with pytest.raises(InputError, match="epoch0"):
        read_snapshots(path, network_of(9))


def mutants_are_refused_or_valid(folder, count, seed):
    """Attack `read_snapshots`; what it accepts must be what a page can show."""
    folder.mkdir()
    path, network, rng = folder / "snapshots.npz", network_of(8), np.random.default_rng(seed)
    trainer = Trainer(
        network, SoftmaxCrossEntropy(), SGD(0.5), callbacks=[Snapshots(path)], verbose=0
    )
    trainer.fit(X, Y, epochs=3)
    good = path.read_bytes()

    def read():
        for each in read_snapshots(path, network):
            assert np.isfinite(values_of(each, network)).all()

    mutants = (
        (mutated_archive if rng.random() < 0.8 else mutated_bytes)(rng, good) for _ in range(count)
    )
    _, accepted = attack("snapshots.npz", path, mutants, read)
    assert 0 < accepted < count / 2


def test_a_thousand_mutated_files_are_refused_or_valid(tmp_path):
    mutants_are_refused_or_valid(tmp_path / "run", 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_files_are_refused_or_valid(tmp_path):
    mutants_are_refused_or_valid(tmp_path / "run", 100_000, seed=1)
