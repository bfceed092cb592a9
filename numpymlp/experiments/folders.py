"""The run folder: its files, how it is created and found, and the data that a run reads.

`runs.py` trains into such a folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numpymlp.data.mnist import MNIST, image_shape, load_pixels, load_test, variants
from numpymlp.storage.archive import open_archive
from numpymlp.storage.files import is_link, quoted, remove_leftovers, shown
from numpymlp.storage.reading import (
    Field,
    check_fields,
    number,
    or_none,
    or_off,
    read_json,
    text,
    whole,
)
from numpymlp.validation import InputError

MODEL, HISTORY, METRICS, CONFIG = "model.npz", "history.csv", "metrics.json", "config.json"
CHECKPOINT = "checkpoint.npz"
# What `evaluate` and `page` write into the folder of a run.
REPORT, CONFUSION, CURVES, PAGE = "report.txt", "confusion.csv", "learning-curves.png", "page.html"
OF_SCORES = ("confusion.png", "scores.png", "reliability.png")
OF_IMAGES = (
    "predictions.png", "mistakes.png", "confused-pairs.png", "first-layer-weights.png",
    "activations.png",
)  # fmt: skip
FILES = (REPORT, CONFUSION, CURVES, *OF_SCORES, *OF_IMAGES)
OWN_DATA = "MNIST"  # in place of a folder: the data inside the package
MOST_CLASSES = 4096  # a confusion matrix of so many takes 128 MiB
# What is used of the JSON files of a run, apart from the recipe, which checks itself.
CONFIG_FIELDS = {
    "seed": whole(0, 2**128 - 1),
    "data": or_none(text("a folder")),  # or OWN_DATA; older files have null for it
    "data_fingerprint": whole(0, 2**32 - 1),
    "checkpoint_minutes": or_off(number(0)),
}
MOST_WORKERS = 64  # so that no run folder starts more processes
# Fields that runs of earlier versions lack; they are read as None.
_WORKERS = whole(1, MOST_WORKERS)
LATER_FIELDS = {
    "threads": or_none(whole(1, 2**16)),
    "workers": or_none(
        Field(f"{_WORKERS.expected}, or mpi", lambda v: v == "mpi" or _WORKERS.accepts(v))
    ),
    "lengthened_from": or_none(whole(1, 2**63 - 1)),  # epochs, if more were asked for later
}
# Fields of the metrics that are missing without test-time averaging, or in earlier versions.
LATER_METRICS = {
    "workers": LATER_FIELDS["workers"],
    "average": or_none(whole(1)),
    "averaged_test_accuracy": or_none(number(0, 1)),
}
METRICS_FIELDS = {
    **dict.fromkeys(("test_accuracy", "train_accuracy"), number(0, 1)),
    **dict.fromkeys(("training_seconds", "seconds"), number(0, 1e9)),
    **dict.fromkeys(("epochs", "threads"), whole(1)),
    **dict.fromkeys(("numpymlp", "numpy", "blas", "processor"), text()),
}
BLOCK = 256  # images that are scaled at a time for the fingerprint: they stay in the cache
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


class RunData(NamedTuple):
    """Training and test data of a run.

    Attributes
    ----------
    name : str
        For messages: "MNIST" or the folder.
    x, x_test : (N, in) floats, or `Pixels`
    y, y_test : (N,) integers
    image_shape : (rows, columns) or None
        None for square images.
    """

    name: str
    x: Any
    y: np.ndarray
    x_test: Any
    y_test: np.ndarray
    image_shape: tuple[int, int] | None = None

    @property
    def classes(self) -> int:
        """Number of classes in the training data."""
        return int(self.y.max()) + 1

    @property
    def fingerprint(self) -> int:
        """Checksum of every label, every byte of every 97th image, and the sum of each image.

        The sums make it fast: they read each image once, as integers.
        """
        code = 0
        for x, y in ((self.x, self.y), (self.x_test, self.y_test)):
            sums = np.concatenate([_sums(x[i : i + BLOCK]) for i in range(0, len(x), BLOCK)])
            for part in (str(x.shape).encode(), y.tobytes(), sums.tobytes(), x[::97].tobytes()):
                code = zlib.crc32(part, code)
        return code


def _sums(x: np.ndarray) -> np.ndarray:
    """Return the sum of the bits of each row, as integers."""
    return x.view(f"u{x.itemsize}").sum(axis=1, dtype=np.uint64)


def read_data(folder: str | None) -> RunData:
    """Load MNIST (None), or the data set in a folder of four IDX files.

    Of several data sets in a folder, ``folder/emnist-letters`` is that whose files begin so.

    Raises
    ------
    InputError
        If a file is damaged, or a label is larger than these data can need.
    """
    if folder is None:
        (x, y), (x_test, y_test) = load_pixels(MNIST)
        return RunData("MNIST", x, y, x_test, y_test)
    place, variant = _place(folder)
    (x, y), (x_test, y_test) = load_pixels(place, variant)
    most = min(MOST_CLASSES, max(256, len(y)))
    if y.max() >= most:  # a network has one output for each label up to the largest
        raise InputError(
            f"{shown(folder)}: expected labels below {most:,} for {len(y):,} training images, got "
            f"{y.max():,}: number the classes from 0"
        )
    return RunData(shown(folder), x, y, x_test, y_test, image_shape(place, variant))


def _place(folder: str) -> tuple[Path, str | None]:
    """Return the folder of a data set, and its name if the folder holds several."""
    place = Path(folder)
    if not place.exists() and place.name in variants(place.parent):
        return place.parent, place.name
    return place, None


def test_image(folder: str | None, number: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Read one test image of the data that `read_data` loads, without the training images.

    Returns
    -------
    x : (1, in) floats
    y : (1,) integers
    image_shape : (rows, columns)
    """
    place, variant = (MNIST, None) if folder is None else _place(folder)
    x, y = load_test(place, variant)
    if not 0 <= number < len(x):
        raise InputError(f"--image: expected 0 to {len(x) - 1:,}, got {number:,}")
    only = slice(number, number + 1)
    return x[only], y[only], image_shape(place, variant)


def training_data(folder: str | None) -> RunData:
    """Load data as `read_data` does; raise InputError if there is only one class to learn."""
    data = read_data(folder)
    if (data.y == data.y[0]).all():
        raise InputError(
            f"{data.name}: expected at least two classes in the training labels, got {data.y[0]} "
            f"everywhere: is the file of labels the right one?"
        )
    return data


def as_stored(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without None: false for what is off, and the name of the own data."""
    named = {**config, "data": config["data"] or OWN_DATA}
    return {name: False if value is None else value for name, value in named.items()}


def read_config(run: Path) -> dict[str, Any]:
    """Read the configuration of a run and check all of it but the recipe; None is off, or MNIST."""
    found = read_json(run / CONFIG, "the configuration of a run", CONFIG_FIELDS)
    config = {**dict.fromkeys(LATER_FIELDS), **found}
    check_fields(f"{shown(run / CONFIG)} is altered", config, LATER_FIELDS)
    config["data"] = None if config["data"] == OWN_DATA else config["data"]
    return {n: None if v is False and n != "batch_norm" else v for n, v in config.items()}


def read_metrics(run: Path) -> dict[str, Any]:
    """Read the metrics of a run and check what is used of them; without views, those are None."""
    found = read_json(run / METRICS, "the metrics of a run", METRICS_FIELDS)
    metrics = {**dict.fromkeys(LATER_METRICS), **found}
    check_fields(f"{shown(run / METRICS)} is altered", metrics, LATER_METRICS)
    return metrics


def check_room(run: Path, weights: int) -> None:
    """Raise if the checkpoint of a run cannot hold so many weights, before memory is taken."""
    with open_archive(run / CHECKPOINT, "checkpoint"):  # it is whole, so its size tells
        size = os.path.getsize(run / CHECKPOINT)
    if 4 * weights > size:
        raise InputError(
            f"{run / CONFIG} does not fit {CHECKPOINT}, which has no room for the weights of such "
            f"a network: one of the files is altered or is from another training run"
        )


def report_folder(run: Path, data: RunData) -> Path:
    """Return the folder of the report on other data than those of the run."""
    name = re.sub(r"[^\w.-]", "_", Path(data.name).resolve().name)[:40]
    return run / f"{name}-{data.fingerprint:08x}"


def new_run_folder(path: str | os.PathLike[str] | None, overwrite: bool = False) -> Path:
    """Create the folder of a new run; None creates a new ``runs/<date and time>``.

    Raises
    ------
    InputError
        If the folder holds files and `overwrite` is False, or it cannot be created.
    """
    if path is None:
        return _dated_folder()
    folder = Path(path)
    if folder.exists():
        if not folder.is_dir():
            raise InputError(f"{folder} is a file: --output expected a folder, new or empty")
        check_free(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} could not be created: {error.strerror}") from error
    return folder


def _dated_folder() -> Path:
    """Create a folder named by date and time; a second run in the same second gets a number."""
    name = Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder, number = name, 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = Path(f"{name}-{number}")
        except OSError as error:
            raise InputError(f"{folder} could not be created: {error.strerror}") from error
        else:
            return folder


@contextlib.contextmanager
def fresh_folder(path: str | os.PathLike[str] | None, overwrite: bool = False) -> Iterator[Path]:
    """Create the folder of a new run for a ``with`` block; see `new_run_folder`.

    A folder that is named by the date is deleted if the block leaves it empty.
    """
    folder = new_run_folder(path, overwrite)
    try:
        yield folder
    finally:
        if path is None:
            remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Delete a folder that holds nothing but its lock."""
    if all(inside.name == ".lock" for inside in folder.iterdir()):
        (folder / ".lock").unlink(missing_ok=True)
        folder.rmdir()


def remove_reports(run: Path) -> list[str]:
    """Delete the evaluations of a run, also those on other data, and its page.

    They were made from an earlier network. Returns the names of the deleted files.
    """
    removed = []
    # Reports on other data lie in folders of their own: see `report_folder`.
    others = [path.parent for path in run.glob(f"*-{'[0-9a-f]' * 8}/{REPORT}")]
    for place in (run, *(other for other in others if not is_link(other))):
        for path in (place / name for name in (*FILES, PAGE)):
            remove_leftovers(path)
            if path.is_file() or path.is_symlink():
                path.unlink()
                removed.append(path.relative_to(run).as_posix())
        if place != run:
            remove_if_empty(place)
    return removed


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise InputError if a folder holds files, unless they may be overwritten."""
    # Hidden files do not count: the lock, and temporary files of killed writers.
    if not overwrite and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise InputError(
            f"{folder} already holds files: choose another --output, or train with --overwrite"
        )


def latest_run() -> Path:
    """Return the folder in ``runs/`` whose training ended last.

    Raises
    ------
    InputError
        If there is none.
    """
    models = [path for path in Path("runs").glob(f"*/{MODEL}") if path.is_file()]
    if not models:
        raise InputError(
            f"expected RUN, the folder of a run: there is no finished one in runs/; train a "
            f"network with {called_as()} train"
        )
    return max(models, key=os.path.getmtime).parent


def find_model(run: str | os.PathLike[str]) -> Path:
    """Return the model file of a run, given its folder or the file itself.

    Of a run that is not finished, it is the checkpoint; `begun.load_run` loads either.
    """
    path = Path(run)
    if path.is_dir():
        for name in (MODEL, CHECKPOINT):
            if (path / name).is_file():
                return path / name
        advice = "expected the folder of a run"
        if runs := sorted(path.glob(f"*/{MODEL}"), key=os.path.getmtime):
            advice += f", did you mean {shown(runs[-1].parent)}?"
        raise InputError(f"{path} holds no {MODEL}: {advice}")
    if path.suffix.lower() in _IMAGES:
        raise InputError(
            f"{path} is an image: expected the folder of a run, or its {MODEL}, before the images"
        )
    return path


def called_as() -> str:
    """Return the command that runs this program, for a shell."""
    program = sys.argv[0]
    if Path(program).name != "numpymlp":
        found = shutil.which("numpymlp") is not None
        return "numpymlp" if found else f"{quoted(sys.executable)} -m numpymlp"
    if shutil.which("numpymlp") == os.path.abspath(program):
        return "numpymlp"
    try:
        return quoted(os.path.relpath(program))
    except ValueError:  # on another drive of Windows
        return quoted(os.path.abspath(program))


def resume_command(folder: Path) -> str:
    """Return the command that resumes the run in a folder."""
    return f"{called_as()} train --resume {quoted(folder)}"
