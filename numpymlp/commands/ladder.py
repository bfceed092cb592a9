"""Train every recipe over its seeds, and print the table; finished runs are not repeated."""

from __future__ import annotations

import argparse

from numpymlp.commands.options import (
    add_data,
    add_jobs,
    check_results,
    data_of,
    jobs_of,
    reporting,
    whole,
    workers,
)
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.validation import check_positive_integer


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tuple(RECIPES),
        default=tuple(RECIPES),
        metavar="NAME",
        help="these recipes only (default: all)",
    )
    parser.add_argument(
        "--seeds", type=whole(1000), help="runs of each recipe (default: the recipe's number)"
    )
    add_jobs(parser)
    parser.add_argument(
        "--workers",
        type=workers("auto"),
        help="number of processes that share the network of each run; auto measures which is "
        "faster (default: 1)",
    )
    add_data(parser)
    parser.add_argument(
        "--folder",
        default="runs/ladder",
        help="folder of the runs; keep it to resume an interrupted run (default: %(default)s)",
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="CSV file of the finished runs (default: that of this repository; without a "
        "repository, ladder.csv in the current folder)",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="train on five sixths of the training images, evaluate on the last sixth; "
        "save no runs",
    )
    parser.add_argument("--table", action="store_true", help="train nothing, print the table")
    parser.add_argument("--quiet", action="store_true", help="print only the table")


def run(options: argparse.Namespace) -> None:
    """Train the missing runs, and print the table."""
    from numpymlp.experiments.jobs import on_dask
    from numpymlp.experiments.ladder import label_of, run_ladder
    from numpymlp.experiments.results import TEST, VALIDATION, read_results, results_file, table

    if options.seeds is not None:
        check_positive_integer(options.seeds, "--seeds")
    data, jobs = data_of(options), jobs_of(options)
    name = VALIDATION if options.validate else TEST
    results = options.results or results_file(name, write=not options.table)
    if options.table:
        check_results(options.results)
    else:
        with on_dask(options.dask):
            run_ladder(
                options.only,
                folder=options.folder,
                results=results,
                data=data,
                seeds=options.seeds,
                validation=options.validate,
                jobs=jobs,
                workers=options.workers,
                **reporting(options.quiet),
            )
    label = label_of(data, options.validate)
    names = [n for n in options.only if not (options.validate and RECIPES[n].committee)]
    print(table(read_results(results), label, names, options.seeds))
