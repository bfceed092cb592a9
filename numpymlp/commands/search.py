"""Search for better settings by successive halving, with scikit-learn."""

from __future__ import annotations

import argparse

import numpy as np

from numpymlp.commands.options import add_data, add_jobs, data_of, jobs_of, whole
from numpymlp.experiments.named_recipes import RECIPES, find
from numpymlp.validation import InputError


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default="default",
        metavar="NAME",
        help="the settings that are not drawn, and the epochs of the last round "
        "(default: %(default)s)",
    )
    for name, default, most, text in (
        ("candidates", 27, 10_000, "number of settings drawn"),
        ("seed", 0, 2**32 - 1, "seed of all random numbers"),
    ):
        parser.add_argument(
            f"--{name}", type=whole(most), default=default, help=f"{text} (default: %(default)s)"
        )
    add_jobs(parser)
    add_data(parser)
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="folder of table and figure, new or empty (default: runs/<date and time>)",
    )


def run(options: argparse.Namespace) -> None:
    """Search, save the table and the figure, and print the command that trains the best."""
    from numpymlp.experiments.folders import called_as, fresh_folder, training_data
    from numpymlp.experiments.jobs import on_dask
    from numpymlp.storage.files import RunLock, pip_install, quoted

    try:
        from numpymlp.experiments.search import as_options, search, write_search
    except ModuleNotFoundError as error:
        raise InputError(
            f"search expected scikit-learn, which is not installed ({error}): "
            f"{pip_install('scikit-learn')}"
        ) from error
    recipe = find(options.recipe)
    place = data_of(options)
    data = training_data(place)
    x, y, jobs = np.asarray(data.x), data.y, jobs_of(options)
    settings = {"candidates": options.candidates, "seed": options.seed, "jobs": jobs}
    with fresh_folder(options.output) as folder, RunLock(folder):
        with on_dask(options.dask, x, y):
            rows = search(recipe, x, y, **settings, say=print)
        write_search(folder, rows)
    best = rows[0]
    print(f"best of {options.candidates}: {best['validation_accuracy']:.2%} on held-out images")
    other = "" if options.recipe == "default" else f"--recipe {options.recipe} "
    folder_option = "" if place is None else f"--data {quoted(place)} "
    print(f"train with it: {called_as()} train {folder_option}{other}{as_options(best)}")
    print(f"search.csv and search.png are in {folder}")
