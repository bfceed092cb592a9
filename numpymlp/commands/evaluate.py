"""Evaluate a saved network on the test images: report, confusion matrix, figures."""

from __future__ import annotations

import argparse

from numpymlp.commands.options import (
    add_average,
    add_data,
    average_of,
    data_of,
    run_or_latest,
)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="folder of a run, or its model.npz; the report is saved there (default: the latest "
        "run in runs/)",
    )
    add_data(
        parser,
        "four IDX files like MNIST's (default: the data of the training run, MNIST for a "
        "model file alone); the report on other data is saved in a subfolder of the run",
    )
    add_average(
        parser, "its probabilities are averaged (default: as many as the recipe names, or none)"
    )
    parser.add_argument(
        "--output", metavar="FOLDER", help="save the report here instead of in the run's folder"
    )


def run(options: argparse.Namespace) -> None:
    """Print the report and save it with the figures."""
    from numpymlp.experiments.reports import evaluate_run

    report, folder = evaluate_run(
        run_or_latest(options.run), data_of(options), options.output, average_of(options)
    )
    print(report)
    print(f"report.txt, confusion.csv and the figures are in {folder}")
