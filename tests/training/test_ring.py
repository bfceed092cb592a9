"""The ring of batches in shared memory."""

import numpy as np
import pytest
import together

from numpymlp.parallel import Communicator
from numpymlp.training.ring import Ring

FLOATS = np.dtype("f4")


def batch(number):
    """Return a batch of four rows, the last of five batches of two."""
    return np.full((4 if number % 5 else 2, 3), number, np.float32)


@pytest.mark.parametrize("workers", [2, 3])
def test_all_workers_read_all_batches_in_order(workers):
    memory = Ring.memory(workers, (4, 3), FLOATS)

    def program(comm):
        ring, found = Ring(comm, memory, (4, 3), FLOATS), []
        for first, last in ((7, 20), (20, 60)):  # two epochs
            own = ((n, batch(n)) for n in range(first, last) if n % workers == comm.rank)
            ring.start(first, own)
            found += [ring.take(number) for number in range(first, last)]
        ring.close()
        return found

    for found in together.run(workers, program):
        assert [a.tobytes() for a in found] == [batch(n).tobytes() for n in range(7, 60)]


def test_an_error_in_the_making_is_raised_where_the_batch_is_missing():
    def broken():
        yield 0, batch(1)
        raise ZeroDivisionError("of augment")

    ring = Ring(Communicator(), Ring.memory(1, (4, 3), FLOATS), (4, 3), FLOATS)
    ring.start(0, broken())
    assert ring.take(0).shape == (4, 3)
    with pytest.raises(ZeroDivisionError, match="of augment"):
        ring.take(1)
    ring.close()


def test_a_ring_can_be_closed_while_its_thread_waits_for_room():
    ring = Ring(Communicator(), Ring.memory(1, (4, 3), FLOATS), (4, 3), FLOATS)
    ring.start(0, ((n, batch(n)) for n in range(1000)))
    assert ring.take(0).tobytes() == batch(0).tobytes()
    ring.close()
    assert not ring.thread.is_alive()
