"""Explain one pass: every number of forward, loss, backward and step, with formula and function."""

from __future__ import annotations

import argparse
from typing import Any

from numpymlp.commands.options import (
    add_data,
    add_settings,
    data_of,
    option,
    run_or_latest,
    whole,
)
from numpymlp.experiments.pencil import LOSSES, pencil_network, written_out
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.sizes import MOST_NUMBERS
from numpymlp.explain import Trace, trace
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.storage.files import atomic_write
from numpymlp.validation import InputError

STEP = {"optimizer": "sgd", "learning_rate": 0.1}
PICTURES = (".png", ".svg", ".pdf")
PENCIL = {"hidden": (3,), "activation": "relu", "inputs": 2, "outputs": 2, "loss": "softmax"}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="folder of a run, or its model.npz (default: the latest run in runs/ with --image, "
        "else a network for pencil and paper)",
    )
    parser.add_argument(
        "--image", type=whole(MOST_NUMBERS), help="number of a test image (default: 0)"
    )
    add_data(parser, "four IDX files like MNIST's (default: the data of the training run)")
    add_settings(parser, {**PENCIL, **STEP})
    group = parser.add_argument_group("network for pencil and paper")
    group.add_argument(
        "--loss", choices=tuple(LOSSES), help=f"loss function (default: {PENCIL['loss']})"
    )
    for name, text in (
        ("inputs", "features of the sample"),
        ("outputs", "units of the last layer"),
    ):
        size = PENCIL[name]
        group.add_argument(f"--{name}", type=whole(MOST_NUMBERS), help=f"{text} (default: {size})")
    parser.add_argument("--markdown", action="store_true", help="print Markdown with formulas")
    parser.add_argument("--picture", metavar="FILE", help="draw the pass too, as PNG, SVG or PDF")


def run(options: argparse.Namespace) -> None:
    """Print the pass, and draw it where a picture is asked for."""
    given = vars(options)
    if "picture" in given:
        _check_name(given["picture"])
    title, explained, lines, image_shape = (
        _of_run if {"run", "image"} & given.keys() else _pencil
    )(options)
    if "picture" in given:
        _draw(given["picture"], explained, image_shape, title)
    if given.get("markdown"):
        print(f"{title}\n\n{explained._repr_markdown_()}")
    else:
        print(f"{title}\n{explained.text(lines)}")


def _pencil(options: argparse.Namespace) -> tuple[str, Trace, Any, None]:
    given = vars(options)
    if surplus := sorted({"data", "variant"} & given.keys()):
        raise InputError(f"{option(surplus[0])}: expected RUN too, the folder of a run, or --image")
    network, loss, x, y = pencil_network(**{k: given.get(k, v) for k, v in PENCIL.items()})
    step = {name: given.get(name, value) for name, value in STEP.items()}
    optimizer = Recipe(**step).build_optimizer(network)
    explained = trace(network, loss, x, y, optimizer)
    title = "A network for pencil and paper: one sample, forward, backward and one step"
    return title, explained, written_out(explained, network, optimizer), None


def _of_run(options: argparse.Namespace) -> tuple[str, Trace, Any, tuple[int, int]]:
    from numpymlp.experiments.begun import load_with_loss
    from numpymlp.experiments.folders import (
        CONFIG,
        find_model,
        read_config,
        test_image,
    )

    given = vars(options)
    if surplus := sorted({*PENCIL, *STEP} & given.keys()):
        run = "RUN" if "run" in given else "--image"
        raise InputError(
            f"{option(surplus[0])}: expected no {run}, which takes the network of a run: leave one "
            f"of them out"
        )
    run = run_or_latest(given.get("run"))
    model, folder = find_model(run), data_of(options)
    network, loss = load_with_loss(run)
    if network.head.name != "softmax" or network.shapes[-1] == (1,):
        raise InputError(
            f"{run}: expected a classifier, output='softmax', got "
            f"output={network.head.name!r}: numpymlp.explain.trace(network, loss, x, y) explains "
            f"any network"
        )
    if folder is None and (model.parent / CONFIG).is_file():
        folder = read_config(model.parent)["data"]
    number = given.get("image", 0)
    x, y, image_shape = test_image(folder, number)
    explained = trace(network, loss or SoftmaxCrossEntropy(), x, y, training=False)
    p = explained["probabilities"].values[0]
    title = (
        f"test image {number:,} of {folder or 'MNIST'}: a {y[0]}; the network answers "
        f"{p.argmax()} with {p.max():.1%}"
    )
    return title, explained, {}, image_shape


def _check_name(path: str) -> None:
    if not path.lower().endswith(PICTURES):
        raise InputError(
            f"--picture: expected a name that ends with .png, .svg or .pdf, got {path}"
        )


def _draw(path: str, explained: Trace, image_shape: tuple[int, int] | None, title: str) -> None:
    from numpymlp import plots  # imports matplotlib

    title = title[0].upper() + title[1:] if image_shape else title.partition(":")[0]
    figure = plots.pass_through(explained, image_shape=image_shape, title=title)
    with atomic_write(path) as file:
        figure.savefig(file, format=path.lower().rpartition(".")[2])
