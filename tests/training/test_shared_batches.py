"""Batches in shared memory: every worker makes its share, and reads all in order."""

import time

import numpy as np
import pytest
import together

from numpymlp.training.shared_batches import SharedBatches

FLOATS = np.dtype("f4")
STEPS = 7  # of an epoch; the last batch has two rows


def rows_of(batch):
    return 0 if batch >= STEPS else 2 if batch == STEPS - 1 else 4


def content(epoch, batch):
    return np.full((rows_of(batch), 3), 100 * epoch + batch, np.float32)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("first", [0, 1, 5])
def test_all_workers_read_all_batches_and_each_makes_its_share(workers, first):
    memory = SharedBatches.memory(workers, (4, 3), FLOATS)

    def program(comm):
        shared, found, made = SharedBatches(comm, memory, (4, 3), FLOATS), [], []
        for epoch, begin in ((0, first), (1, 0)):  # the first may be continued

            def make(batch, epoch=epoch):
                made.append((epoch, batch))
                time.sleep(0.005 * comm.rank)  # who does not wait reads what is not there yet
                return content(epoch, batch)

            for batch in range(begin, STEPS):
                found.append(shared.take(batch, rows_of(batch), make).copy())
                comm.sum(np.zeros(1))  # as every step does
        return found, made

    expected = [content(0, b) for b in range(first, STEPS)] + [content(1, b) for b in range(STEPS)]
    all_made = []
    for rank, (found, made) in enumerate(together.run(workers, program)):
        assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
        assert all(batch % workers == rank for _, batch in made)
        all_made += made
    assert len(set(all_made)) == len(all_made)  # no batch is made twice
