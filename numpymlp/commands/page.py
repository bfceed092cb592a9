"""Make one HTML file of a trained network: draw a digit, look inside, take a step back."""

from __future__ import annotations

import argparse

from numpymlp.commands.options import add_data, data_of, run_or_latest


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="folder of a run, or its model.npz (default: the latest run in runs/)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the HTML file (default: page.html in the run's folder)"
    )
    add_data(parser, "four IDX files like MNIST's (default: the data of the training run)")
    parser.add_argument(
        "--classes",
        dest="class_names",
        metavar="NAMES",
        type=lambda text: text.split(","),
        help="names of the classes, in order, separated by commas",
    )


def run(options: argparse.Namespace) -> None:
    """Write the page and print where it is."""
    from numpymlp.experiments.pages import write_page

    path = write_page(
        run_or_latest(options.run),
        options.output,
        data=data_of(options),
        class_names=options.class_names,
    )
    size = path.stat().st_size / 1e6
    print(f"{path}: {size:.1f} MB; open it in a browser, it needs no network connection")
