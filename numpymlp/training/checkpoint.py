"""Checkpoints: the whole state of a training run in one file, so that another process can continue.

A Trainer with a `Checkpoint` writes it before the first step, after every epoch and when it is
interrupted. Loaded into a Trainer that was built in the same way, training continues bit for bit as
if it had not stopped. The file is an archive of `storage`: whole or not at all, no pickle.

    trainer = Trainer(network, loss, optimizer, checkpoint=Checkpoint("checkpoint.npz"))
    trainer.fit(x, y, epochs=10)             # killed in epoch 5

    trainer = Trainer(network, loss, optimizer, checkpoint=Checkpoint("checkpoint.npz"))
    trainer.checkpoint.load(trainer)
    trainer.fit(x, y)                        # the remaining epochs
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
import time
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from numpymlp.storage.archive import open_archive, write_archive
from numpymlp.storage.files import RunLock, StorageError, shown
from numpymlp.storage.reading import Field, number, or_none, text, whole
from numpymlp.training.callbacks import Callback
from numpymlp.training.divergence import stop_if_diverged
from numpymlp.training.history import COLUMNS
from numpymlp.training.scoring import Mean, Running
from numpymlp.training.state import Snapshot
from numpymlp.validation import InputError, check_positive

# The types of array that a checkpoint may hold, by the names that it gives them.
NUMBERS = {np.dtype(code).newbyteorder("<").str: np.dtype(code) for code in "?bBhHiIqQefd"}
# The fields of `TrainingState` that are whole numbers, and those that are a number or None.
COUNTERS = ("epoch", "batch", "step", "last_epoch", "samples", "idle_epochs")
VALUES = ("best_value", "progress_value")


class Checkpoint(Callback):
    """A file with the state of a training run, and how often it is written.

    Parameters
    ----------
    path : path-like
        An existing file is replaced as soon as training begins. While training runs, another run
        with the same path is refused, also in another process.
    minutes : float > 0, optional
        Write at this interval, also in the middle of an epoch, instead of after each epoch.
    """

    argument = "checkpoint"

    def __init__(self, path: str | os.PathLike[str], minutes: float | None = None) -> None:
        self.path = path
        self.seconds = None
        if minutes is not None:
            self.seconds = 60 * check_positive(minutes, "minutes")
        self._written = -np.inf
        self._lock = ExitStack()

    def save(self, trainer: Any) -> None:
        """Write the state of a training run between two steps.

        Raises
        ------
        StorageError
            If the disk is full or the folder is not writable; the former checkpoint is intact.
        """
        header, arrays = state_of(trainer)
        header["setup"] = setup(trainer)
        header["arrays"] = {
            name: [list(array.shape), array.dtype.newbyteorder("<").str]
            for name, array in arrays.items()
        }
        write_archive(self.path, "checkpoint", header, arrays)
        self._written = time.monotonic()

    def begin(self, trainer: Any) -> None:
        path = Path(os.path.realpath(self.path))
        with ExitStack() as stack:
            try:
                stack.enter_context(RunLock(path.parent, f".{path.name}.lock"))
            except InputError as error:
                raise InputError(
                    f"checkpoint: expected a file of this run alone, got {os.fspath(self.path)}, "
                    f"which another run is writing: give each Trainer its own path"
                ) from error
            except StorageError:
                pass  # `save` says what is wrong; some network file systems have no locks
            self.save(trainer)
            self._lock = stack.pop_all()

    def due(self) -> bool:
        """Return whether the interval has passed since the last checkpoint."""
        return self.seconds is not None and time.monotonic() - self._written >= self.seconds

    def step(self, trainer: Any) -> None:
        if self.due():
            stop_if_diverged(trainer, 0.0, trainer.optimizer.learning_rate)
            self.save(trainer)

    def epoch_end(self, trainer: Any) -> None:
        if self.seconds is None:
            self.save(trainer)

    def end(self, trainer: Any) -> None:
        stopped = trainer.state.stopped
        with self._lock:
            if stopped == "interrupted" or (stopped and self.seconds is not None):
                self.save(trainer)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_lock": ExitStack()}  # a copy holds no lock

    def load(self, trainer: Any) -> None:
        """Restore the state into a Trainer; `fit` without a number of epochs continues from it.

        Raises
        ------
        InputError
            If the file is incomplete, or from a run with other settings; the Trainer is then
            unchanged.
        """
        with open_archive(self.path, "checkpoint") as archive:
            header = archive.header
            _check_setup(self.path, header.get("setup"), setup(trainer))
            _check_state(self.path, header, trainer)
            arrays = archive.read(_expected(self.path, header, trainer))
        header_before, arrays_before = state_of(trainer)
        before = copy.deepcopy(header_before), {k: a.copy() for k, a in arrays_before.items()}
        try:
            restore_state(trainer, header, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            restore_state(trainer, *before)
            raise InputError(
                f"{os.fspath(self.path)} is altered: the state in it does not fit: {shown(error)}"
            ) from error


def state_of(trainer: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `restore_state` needs: numbers for a JSON header, and arrays (not copied)."""
    network, state, optimizer = trainer.network, trainer.state, trainer.optimizer.state()
    vectors = {name: value for name, value in optimizer.items() if isinstance(value, np.ndarray)}
    arrays = {"parameters": network.parameters, "buffers": network.buffers}
    arrays |= {f"optimizer.{name}": vector for name, vector in vectors.items()}
    # Between two epochs, the last good weights are the network's own.
    for name, snapshot in (("best", state.best), ("last", state.last if state.batch else None)):
        if snapshot is not None:
            arrays[f"{name}.parameters"] = snapshot.parameters
            arrays[f"{name}.buffers"] = snapshot.buffers
    header = {
        **{name: getattr(state, name) for name in (*COUNTERS, *VALUES, "stopped")},
        "running": [(mean.total, mean.weight) for mean in state.running],
        "history": state.history.rows,
        "random_states": network.random_states,
        "optimizer": {name: optimizer[name] for name in optimizer.keys() - vectors.keys()},
        "learning_rate": float(trainer.optimizer.learning_rate),
        "best_epoch": None if state.best is None else state.best.epoch,
    }
    return header, arrays


def restore_state(
    trainer: Any, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Bring a Trainer that was built in the same way to the state that `state_of` returned."""
    network, state = trainer.network, trainer.state
    for name in (*COUNTERS, *VALUES, "stopped"):
        setattr(state, name, header[name])
    losses, accuracies = header["running"]
    state.running = Running(Mean(*losses), Mean(*accuracies))
    state.history.rows = [dict(row) for row in header["history"]]
    network.parameters, network.buffers = arrays["parameters"], arrays["buffers"]
    network.random_states = header["random_states"]
    vectors = {
        name.removeprefix("optimizer."): array
        for name, array in arrays.items()
        if name.startswith("optimizer.")
    }
    trainer.optimizer.restore({**header["optimizer"], **vectors})
    trainer.optimizer.learning_rate = header["learning_rate"]
    epochs = {"best": header["best_epoch"], "last": state.epoch if state.batch else None}
    state.best, state.last = (
        None
        if epoch is None
        else Snapshot(epoch, arrays[f"{name}.parameters"], arrays[f"{name}.buffers"])
        for name, epoch in epochs.items()
    )


def setup(trainer: Any) -> dict[str, Any]:
    """Describe how a Trainer was built: what must be the same for its bits to be the same."""
    return {
        "network": [_settings(layer) for layer in trainer.network.layers],
        "output": trainer.network.head.name,
        "dtype": trainer.network.dtype.name,
        "loss": _settings(trainer.loss),
        "optimizer": {
            **_settings(trainer.optimizer),
            **_vectors(trainer.optimizer),
            "learning_rate": float(trainer.first_rate),
        },
        "schedule": _settings(trainer.schedule),
        "penalty": _settings(trainer.penalty),
        "constraint": _settings(trainer.constraint),
        "early_stopping": _settings(trainer.early_stopping),
        "augmentation": _settings(trainer.augment),
        "order": _settings(trainer.order),
        "batch_size": trainer.batch_size,
        "seed": trainer.seed,
    }


def _settings(part: Any) -> Any:
    """Describe a part of a Trainer by its type and settings, without what training changes.

    Closure variables of a function cannot be seen.
    """
    if part is None:
        return None
    if isinstance(part, functools.partial):  # its name alone would hide the arguments
        given = {**{str(n): v for n, v in enumerate(part.args)}, **part.keywords}
        settings = _settings(SimpleNamespace(**given))
        return {**settings, "type": "partial", "of": _settings(part.func)}
    changing = {*getattr(part, "state_names", ()), "cache", "in_network"}
    settings = {}
    for name, value in sorted(getattr(part, "__dict__", {}).items()):
        # As JSON returns it: NumPy's numbers become Python's, tuples lists. Tuples count only
        # in dataclasses: a layer may store the shape of its last batch in a tuple.
        plain = value.item() if isinstance(value, np.generic) else value
        several = list(plain) if isinstance(plain, tuple) and dataclasses.is_dataclass(part) else []
        if name in changing:
            continue
        if isinstance(plain, bool | int | float | str):
            settings[name] = plain
        elif several and all(isinstance(each, bool | int | float | str) for each in several):
            settings[name] = several
    return {"type": getattr(part, "__name__", type(part).__name__), **settings}


def _vectors(optimizer: Any) -> dict[str, str]:
    """Describe the arrays that are settings of an optimizer, such as the mask of `AdamW`."""
    changing = {*getattr(optimizer, "state_names", ()), "vector"}
    return {
        name: f"{array.shape}, CRC {zlib.crc32(array.tobytes()):08x}"
        for name, array in getattr(optimizer, "__dict__", {}).items()
        if isinstance(array, np.ndarray) and name not in changing
    }


def _check_setup(path: str | os.PathLike[str], found: Any, expected: dict[str, Any]) -> None:
    if not isinstance(found, dict):
        raise InputError(
            f"{os.fspath(path)} is altered: it does not say how its training was set up"
        )
    for name, value in expected.items():
        if found.get(name) != value:
            raise InputError(
                f"{os.fspath(path)} is from another training run: its {name} is "
                f"{found.get(name)!r:.200}, this one's is {value!r:.200}; build the Trainer as it "
                f"was, or start a new run"
            )


def _check_state(path: str | os.PathLike[str], header: Mapping[str, Any], trainer: Any) -> None:
    """Raise unless the state in a header is made of what `state_of` writes."""
    wrong = [name for name, field in FIELDS.items() if not field.accepts(header.get(name))]
    if not wrong:
        epochs = [row["epoch"] for row in header["history"]]
        # Count the rows, not the epochs, which a file can make any number.
        fits = epochs == list(range(1, len(epochs) + 1)) and len(epochs) == header["epoch"]
        wrong += ["history"] * (not fits)
        wrong += ["last_epoch"] * (header["last_epoch"] < header["epoch"])
        own = trainer.optimizer.state()  # a number is one of its kind; a vector, or None before it
        wrong += [
            f"optimizer {name}"
            for name, value in header["optimizer"].items()
            if not _kind_of(own.get(name)).accepts(value)
        ]
    if wrong:
        raise InputError(
            f"{shown(os.fspath(path))} is altered: the state in it does not fit: "
            f"{shown(', '.join(wrong))}"
        )


def _kind_of(value: Any) -> Field:
    """Expect a number of the kind of an optimizer's own; None in place of a vector."""
    if isinstance(value, int):
        return whole()
    return number() if isinstance(value, float) else Field("null", lambda found: found is None)


def _all_of(field: Field, length: int | None = None) -> Field:
    """Expect a list, of this length, whose entries are what `field` expects."""
    return Field(
        "a list",
        lambda value: (
            isinstance(value, list)
            and len(value) == (len(value) if length is None else length)
            and all(map(field.accepts, value))
        ),
    )


_ROW = {name: or_none(number()) for name in COLUMNS} | {"epoch": whole(1), "seconds": number(0)}
# The state in a header, but for what only the Trainer knows.
FIELDS = {
    **dict.fromkeys(COUNTERS, whole()),
    **dict.fromkeys(VALUES, or_none(number())),
    "stopped": Field("a reason", lambda v: text(longest=80).accepts(v) and v.isprintable()),
    "best_epoch": or_none(whole()),
    "learning_rate": Field("a rate", lambda v: number(0).accepts(v) and v > 0),
    "running": _all_of(_all_of(number(), 2), 2),
    "history": _all_of(
        Field(
            "a row",
            lambda row: (
                isinstance(row, dict)
                and tuple(row) == COLUMNS
                and all(field.accepts(row[name]) for name, field in _ROW.items())
            ),
        )
    ),
    "optimizer": Field("an object", lambda value: isinstance(value, dict)),
}


def _expected(
    path: str | os.PathLike[str], header: Mapping[str, Any], trainer: Any
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Tell which arrays the file must hold: vectors as long as the network's."""
    network = trainer.network
    sizes = {"parameters": network.parameters.size, "buffers": network.buffers.size}
    names = {"parameters", "buffers"}
    if header.get("best_epoch") is not None:
        names |= {"best.parameters", "best.buffers"}
    if header.get("batch"):
        names |= {"last.parameters", "last.buffers"}
    try:
        arrays = {
            name: (tuple(int(n) for n in shape), NUMBERS[dtype])
            for name, (shape, dtype) in dict(header["arrays"]).items()
        }
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{os.fspath(path)} is altered: it does not say what it holds") from error
    own = {name for name in arrays if not name.startswith("optimizer.")}
    fits = own == names and all(
        arrays[name] == ((sizes[name.split(".")[-1]],), network.dtype) for name in names
    )
    if not fits:
        raise InputError(f"{os.fspath(path)} does not hold the vectors of {network!r}")
    return arrays
