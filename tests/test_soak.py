"""Soak test: train, resume, evaluate, save and load in a loop; memory and files do not grow.

pytest -m slow tests/test_soak.py                     (ten minutes)
SOAK_SECONDS=120 pytest -m slow tests/test_soak.py    (any other time)
"""

import gc
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from numpymlp import (
    Adam,
    BatchNorm,
    Checkpoint,
    Dense,
    Dropout,
    EarlyStopping,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    load,
    save,
)
from numpymlp.storage.files import RunLock

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
MEMORY = Path("/proc/self/statm")


def memory():
    """Resident memory of this process in bytes."""
    return int(MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def one_round(folder, x, y):
    """Train, interrupt, resume, save, load and evaluate once."""
    rng = np.random.default_rng(0)

    def build():
        network = Network(
            [Dense(20, 64), BatchNorm(64), ReLU(), Dropout(0.2), Dense(64, 4)],
            rng=np.random.default_rng(1),
        )
        return Trainer(
            network,
            SoftmaxCrossEntropy(),
            Adam(0.01),
            augment=lambda x, rng: x + rng.normal(0, 0.1, x.shape),
            early_stopping=EarlyStopping(5),
            checkpoint=Checkpoint(folder / "checkpoint.npz"),
            batch_size=64,
            verbose=0,
        )

    with RunLock(folder):
        first = build()
        first.callbacks.append(lambda trainer: setattr(trainer, "stop_requested", True))
        first.fit(x, y, 3, validation=0.2)
        second = build()
        second.checkpoint.load(second)
        second.fit(x, y, validation=0.2)
        save(second.network, folder / "model.npz", second.loss)
        second.history.save_csv(folder / "history.csv")
    network = load(folder / "model.npz", rng=rng)
    result = evaluate(network, second.loss, x, y)
    network.copy().predict(x)
    return result


@pytest.mark.slow
@pytest.mark.skipif(not MEMORY.exists(), reason="reads memory and open files from /proc")
def test_memory_files_and_threads_do_not_grow(tmp_path):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 2000)
    x = (rng.normal(0, 1, (2000, 20)) + y[:, None]).astype(np.float32)
    began, rounds, expected, record = time.monotonic(), 0, None, []
    while time.monotonic() - began < SECONDS:
        result = one_round(tmp_path, x, y)
        expected = expected or result
        assert result == expected, "the same seed gave another result"
        rounds += 1
        if time.monotonic() - began > len(record) * SECONDS / 40:
            gc.collect()
            record.append(
                (memory(), len(os.listdir("/proc/self/fd")), threading.active_count(),
                 len(gc.get_objects()))
            )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        "checkpoint.npz",
        "history.csv",
        "model.npz",
    ]
    assert len(record) >= 8, "too short to see anything grow"
    early, late = record[len(record) // 4], record[-1]
    print(f"{rounds} rounds; memory, files, threads, objects: {early} -> {late}", file=sys.stderr)
    assert late[0] - early[0] < 4 * 2**20
    assert late[1:3] == early[1:3]
    # pytest and the record keep a few objects; a leak of one object per round would fail.
    assert late[3] - early[3] < rounds / 4
