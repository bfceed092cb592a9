"""Prove equal results, then compare the speed with scikit-learn, PyTorch and JAX."""

from __future__ import annotations

import argparse
import sys

from numpymlp.commands.options import whole
from numpymlp.validation import InputError


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    # Also ROWS of benchmark.command, which needs scikit-learn to be imported.
    rows = ("epochs", "convolution", "predictions", "cold", "accuracy")
    parser.add_argument("--quick", action="store_true", help="fewer runs, in under two minutes")
    parser.add_argument(
        "--only", nargs="+", choices=rows, default=rows, metavar="ROWS", help=", ".join(rows)
    )
    parser.add_argument(
        "--repeats",
        type=whole(1000),
        help="processes for each number (default: 3, or 1 with --quick)",
    )
    parser.add_argument("--threads", type=whole(1024), help="number of cores (default: all)")
    parser.add_argument(
        "--output",
        default="benchmark",
        metavar="FOLDER",
        help="folder of the results: JSON, Markdown table and figure (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Measure, print and save the results; exit with status 1 if the libraries differ."""
    try:
        from numpymlp.benchmark import command
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from error
    threads = command.CORES if options.threads is None else options.threads
    plan = command.Plan(options.only, options.quick, options.repeats, threads)
    if not command.run(plan, options.output):
        sys.exit(1)
