"""Recognize digits in image files of any size, dark on light or light on dark."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numpymlp.commands.options import add_average, average_of, run_or_latest
from numpymlp.storage.files import atomic_write, shown
from numpymlp.validation import InputError

if TYPE_CHECKING:
    from numpymlp.data.images import Picture
    from numpymlp.experiments.reading import Answer

FORMATS = (".png", ".svg", ".pdf")
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "paths",
        metavar="[RUN] IMAGE",
        nargs="+",
        help="folder of a run, or its model.npz (default: the latest run in runs/), then image "
        "files of one digit each; the exit status is 1 if one of them gets no answer",
    )
    add_average(parser, "its probabilities are averaged (default: 32)")
    parser.add_argument(
        "--output", metavar="FILE", help="draw what was seen, on one sheet: PNG, SVG or PDF"
    )
    parser.add_argument("--show", action="store_true", help="open the sheet in a window")


def run(options: argparse.Namespace) -> None:
    """Print the three most probable digits of each image; name those that cannot be read last.

    The exit status is 1 if a picture got no answer: it is blank, no digit, or several shapes.
    """
    from numpymlp.data.images import read_picture
    from numpymlp.experiments.begun import load_run
    from numpymlp.experiments.folders import find_model
    from numpymlp.experiments.reading import VIEWS, answers_of

    if options.output is not None and not options.output.lower().endswith(FORMATS):
        raise InputError(
            f"--output: expected a name that ends with .png, .svg or .pdf, got {options.output}"
        )
    average = average_of(options)
    views = VIEWS if average is None else average
    given, images = _run_and_images(options.paths)
    run = run_or_latest(given)
    network = load_run(run)
    pictures: list[tuple[str, Picture]] = []
    faults = []
    for path in images:
        try:
            pictures.append((path, read_picture(path)))
        except InputError as error:
            faults.append(str(error))
    # All at once: the training images are read and compared a single time.
    digits = [picture.digit for _, picture in pictures if picture.digit is not None]
    answers = iter(
        answers_of(network, np.stack(digits), _training_images(find_model(run).parent), views)
        if digits
        else []
    )
    read: list[tuple[str, Picture, Answer | None]] = []
    for path, picture in pictures:
        answer = None if picture.digit is None else next(answers)
        read.append((path, picture, answer))
        print(f"{shown(path)}: {_text(picture, answer)}")
    if read and (options.output is not None or options.show):
        _draw(read, options)
    if faults:
        more = f" (and {len(faults) - 1} more that cannot be read)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}")
    if not all(has_answer(picture, answer) for _, picture, answer in read):
        sys.exit(1)


def _run_and_images(paths: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the run, if the first path is one, and the images."""
    first = Path(paths[0])
    is_image = first.suffix.lower() in IMAGES or (first.is_file() and first.suffix != ".npz")
    if is_image and not first.is_dir():
        return None, paths
    if len(paths) == 1:
        raise InputError(f"{paths[0]}: expected image files after the run")
    return paths[0], paths[1:]


def _training_images(folder: Path) -> Any:
    """Return the images of MNIST if the network was trained on them, else None."""
    from numpymlp.data.mnist import MNIST, load_pixels
    from numpymlp.experiments.folders import CONFIG, read_config

    if (folder / CONFIG).is_file() and read_config(folder)["data"] is None:
        return load_pixels(MNIST)[0][0]
    return None


def note_on(picture: Picture, answer: Answer | None) -> str:
    """Return what a reader of the answer must know: it is blank, unlike a digit, weak; or ""."""
    if answer is None:
        return "blank: nothing differs from the border"
    if picture.parts > 1:
        return f"{picture.parts} separate shapes: crop the picture to one digit"
    if answer.unlike:
        return f"no digit: unlike every training digit (likeness {answer.likeness:.2f})"
    return "weak answer" if answer.weak else ""


def has_answer(picture: Picture, answer: Answer | None) -> bool:
    """Return whether a picture is read: it is one shape, and like some training digit."""
    return answer is not None and not answer.unlike and picture.parts <= 1


def _text(picture: Picture, answer: Answer | None) -> str:
    note = note_on(picture, answer)
    if answer is None or not has_answer(picture, answer):
        return note
    p = [_uncertain(value) for value in answer.probabilities]
    ranked = np.argsort(p)[::-1][:3]
    from numpymlp.plots.style import percent

    text = ", ".join(f"{digit}: {percent(p[digit])}" for digit in ranked)
    return f"{ranked[0]}  ({text})" + (f"; {note}" if note else "")


def _uncertain(value: float) -> float:
    """Return a probability that rounding has not made 0 or 1."""
    return float(np.clip(float(value), 1e-9, 1 - 1e-9))


def _draw(read: Sequence[tuple[str, Picture, Answer | None]], options: argparse.Namespace) -> None:
    from PIL import Image

    from numpymlp import plots  # imports matplotlib

    figure = plots.reading_sheet(
        [picture for _, picture, _ in read],
        [answer and [_uncertain(p) for p in answer.probabilities] for *_, answer in read],
        [shown(Path(path).name, 60) for path, *_ in read],
        [note_on(picture, answer) for _, picture, answer in read],
    )
    if options.output is not None:
        with atomic_write(options.output) as file:
            figure.savefig(file, format=options.output.lower().rpartition(".")[2])
        print(f"{shown(options.output)}: the sheet")
    if options.show:
        figure.savefig(buffer := io.BytesIO(), format="png")
        Image.open(buffer).show()
