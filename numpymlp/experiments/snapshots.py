"""Snapshots of a training run: the weights after some of its epochs, for the page.

The callback `Snapshots` keeps at most six of them in `snapshots.npz`, with 8 bits for each weight.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpymlp.network import Network
from numpymlp.storage.archive import open_archive, write_archive
from numpymlp.training.callbacks import Callback
from numpymlp.validation import InputError

SNAPSHOTS = "snapshots.npz"
MOST_SNAPSHOTS = 6
LARGEST = float(np.finfo(np.float32).max)
MOST_PARAMETERS = 2_000_000  # a page shows no larger network


class Snapshot(NamedTuple):
    """All parameters after an epoch, with 256 levels for each array.

    Attributes
    ----------
    epoch : int
        0 for the start.
    ranges : list of (float, float)
        Lowest and highest number of each array: level 0 and level 255.
    levels : ndarray of uint8 (P,)
    """

    epoch: int
    ranges: list[tuple[float, float]]
    levels: NDArray[np.uint8]

    @classmethod
    def of(cls, network: Network, epoch: int) -> Snapshot:
        """Return the present parameters of a network in 8 bits."""
        ranges, levels = [], []
        for values in network.named_parameters().values():
            low, high = float(values.min()), float(values.max())
            ranges.append((low, high))
            levels.append(np.rint((values.ravel() - low) * (255 / ((high - low) or 1))))
        return cls(epoch, ranges, np.concatenate(levels).astype(np.uint8))


class Snapshots(Callback):
    """Keep snapshots of the start and of up to five epochs before the last.

    Parameters
    ----------
    path : path
        The file; a resumed run adds to its own.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.kept: list[Snapshot] = []

    def begin(self, trainer: Any) -> None:
        self.kept = []
        state, network = trainer.state, trainer.network
        if state.epoch or state.batch:
            wanted = epochs_to_keep(state.last_epoch)  # fewer early ones, if the run is longer now
            with contextlib.suppress(InputError):  # if damaged, only later epochs are kept
                found = read_snapshots(self.path, network)
                self.kept = [s for s in found if s.epoch < state.epoch and s.epoch in wanted]
        else:
            self._keep(trainer)

    def epoch_end(self, trainer: Any) -> None:
        if trainer.state.epoch in epochs_to_keep(trainer.state.last_epoch):
            self._keep(trainer)

    def _keep(self, trainer: Any) -> None:
        network = trainer.network
        if not 0 < network.parameters.size <= MOST_PARAMETERS:
            return
        self.kept.append(Snapshot.of(network, trainer.state.epoch))
        header = {"epochs": [s.epoch for s in self.kept], "ranges": [s.ranges for s in self.kept]}
        write_archive(
            self.path, "snapshots", header, {f"epoch{s.epoch}": s.levels for s in self.kept}
        )


def epochs_to_keep(last: int) -> set[int]:
    """Return at most six epochs, spread over a run of `last` epochs; the last is not among them.

    The network changes most at the beginning, so the start and the first epoch are kept.
    """
    spread = {round(1 + (last - 1) * n / (MOST_SNAPSHOTS - 1)) for n in range(MOST_SNAPSHOTS - 1)}
    return ({0} | spread) - {last}


def read_snapshots(path: str | os.PathLike[str], network: Network) -> list[Snapshot]:
    """Return the snapshots in a file; none if there is no file.

    Raises
    ------
    InputError
        If the file is damaged, or is of another network.
    """
    if not os.path.lexists(path):
        return []
    with open_archive(path, "snapshots") as archive:
        header: dict[str, Any] = archive.header
        epochs, ranges = header.get("epochs", 0), header.get("ranges", 0)
        arrays = len(network.named_parameters())
        if not (_are_epochs(epochs) and _are_ranges(ranges, len(epochs), arrays)):
            raise InputError(
                f"{path} is altered: expected up to {MOST_SNAPSHOTS} epochs with the ranges of "
                f"{arrays} arrays each, got epochs {epochs!r:.80}"
            )
        shape = network.parameters.shape
        levels = archive.read({f"epoch{epoch}": (shape, "uint8") for epoch in epochs})
    return [
        Snapshot(
            epoch, [(float(low), float(high)) for low, high in of_arrays], levels[f"epoch{epoch}"]
        )
        for epoch, of_arrays in zip(epochs, ranges, strict=True)
    ]


def _are_epochs(values: Any) -> bool:
    return (
        isinstance(values, list)
        and 0 < len(values) <= MOST_SNAPSHOTS
        and all(type(epoch) is int and 0 <= epoch < 10**6 for epoch in values)
        and values == sorted(set(values))
    )


def _are_ranges(values: Any, epochs: int, arrays: int) -> bool:
    def is_range(pair: Any) -> bool:
        return (
            isinstance(pair, list)
            and len(pair) == 2
            and all(type(end) in (int, float) and abs(end) <= LARGEST for end in pair)
            and pair[0] <= pair[1]
        )

    def are_of_network(row: Any) -> bool:
        return isinstance(row, Sequence) and len(row) == arrays and all(map(is_range, row))

    return isinstance(values, list) and len(values) == epochs and all(map(are_of_network, values))
