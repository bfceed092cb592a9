"""List the named recipes: network, settings, accuracy here, and published accuracy."""

from __future__ import annotations

import argparse

from numpymlp.commands.options import add_data, check_results, data_of


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="results of `numpymlp ladder` (default: those of this repository or package)",
    )
    add_data(parser)


def run(options: argparse.Namespace) -> None:
    """Print every recipe with the accuracy on these data."""
    from numpymlp.experiments.ladder import label_of
    from numpymlp.experiments.results import listing, read_results, results_file

    check_results(options.results)
    rows = read_results(options.results or results_file())
    print(listing(rows, label_of(data_of(options))))
