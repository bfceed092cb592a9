"""Train a network on MNIST and write the run to a folder."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

from numpymlp.commands.options import (
    SEED,
    add_data,
    add_settings,
    data_of,
    option,
    reporting,
    whole,
    workers,
)
from numpymlp.experiments.named_recipes import RECIPES, find
from numpymlp.experiments.recipes import Recipe
from numpymlp.validation import InputError, check_positive, check_seed

SETTINGS = {name: field.default for name, field in Recipe.__dataclass_fields__.items()}

# A run has learned nothing if its test accuracy is below this share of the way from chance to 1.
NOTHING = 0.05


def options(parser: argparse.ArgumentParser) -> None:
    """Add one option for each setting of a recipe, and those of the run.

    An option that is not given is absent from the namespace: the recipe decides, or the run that
    is resumed.
    """
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        metavar="NAME",
        help="the settings that are not given here; see: numpymlp recipes (default: default)",
    )
    add_settings(parser, SETTINGS)
    group = parser.add_argument_group("run")
    group.add_argument("--seed", type=whole(SEED), help="seed of all random numbers (default: 0)")
    group.add_argument(
        "--threads",
        type=whole(2**16),
        help="number of threads of the matrix products (default: by the size of the network)",
    )
    group.add_argument(
        "--workers",
        type=workers("auto", "mpi"),
        help="number of processes that share the network, each with some of the hidden units; auto "
        "measures which is faster; mpi under mpiexec (default: 1)",
    )
    add_data(group)
    group.add_argument(
        "--output", metavar="RUN", help="folder of the run (default: runs/<date and time>)"
    )
    group.add_argument(
        "--overwrite", action="store_true", help="replace the run that the folder holds"
    )
    group.add_argument(
        "--resume",
        metavar="RUN",
        help="continue an interrupted run with its own settings, or lengthen a finished one with "
        "a larger total number of --epochs; besides these, only --threads, --no-check, "
        "--no-figures and --quiet may be given",
    )
    group.add_argument(
        "--checkpoint-minutes",
        type=float,
        metavar="MINUTES",
        help="minutes between checkpoints (default: one checkpoint after each epoch)",
    )
    for flag, text in (("check", "skip the gradient check"), ("figures", "draw no figures")):
        group.add_argument(f"--no-{flag}", dest=flag, action="store_false", help=text)
    group.add_argument("--quiet", action="store_true", help="print only the result")


def run(options: argparse.Namespace) -> None:
    """Train or resume a run, and print its accuracy and its folder."""
    if vars(options).get("workers") != "mpi":
        return _run(options)
    from numpymlp.training.mpi import lead

    settings = {name: str(value) for name, value in vars(options).items() if name != "function"}
    return lead(functools.partial(_run, options), settings)


def _run(options: argparse.Namespace) -> None:
    from numpymlp.experiments import runs
    from numpymlp.experiments.folders import called_as, fresh_folder
    from numpymlp.experiments.parallel_runs import check_workers
    from numpymlp.storage.files import quoted

    given = {name: value for name, value in vars(options).items() if name != "function"}
    show = {"figures": given.pop("figures", True), **reporting(given.pop("quiet", False))}
    show["threads"] = given.pop("threads", None)
    if "resume" in given:
        ranks = {"workers"} if given.get("workers") == "mpi" else set()
        if more := sorted(given.keys() - {"resume", "check", "epochs"} - ranks):
            raise InputError(
                f"--resume keeps all settings of the run but the number of --epochs, got "
                f"{', '.join(map(option, more))} too: leave them out"
            )
        folder = Path(given["resume"])
        metrics = runs.resume(folder, epochs=given.get("epochs"), **show)
        since = "since it was last started"
    else:
        settings = {name: given.pop(name) for name in SETTINGS if name in given}
        check_seed(given.get("seed", 0))
        recipe, since = find(given.pop("recipe", "default"), **settings), "in all"
        given.pop("variant", None)
        given["data"] = data_of(options)
        if "sigma" in settings and not recipe.elastic:
            raise InputError("--sigma: expected --elastic, whose smoothness it is, got none")
        check_workers(given.get("workers"), show["threads"])
        output, minutes = given.pop("output", None), given.pop("checkpoint_minutes", None)
        if minutes is not None:
            check_positive(minutes, "--checkpoint-minutes")
        with fresh_folder(output, given.get("overwrite", False)) as folder:
            metrics = runs.train(recipe, folder=folder, minutes=minutes, **given, **show)
    averaged = metrics.get("averaged_test_accuracy")
    print(
        f"test accuracy {metrics['test_accuracy']:.2%} (train {metrics['train_accuracy']:.2%}"
        + ("" if averaged is None else f"; averaged over views {averaged:.2%}")
        + f"), {metrics['seconds']:.1f} s {since}"
    )
    if doubt := _doubt(metrics):
        print(doubt)
    print(f"saved to {folder}; look closer with: {called_as()} evaluate {quoted(folder)}")


def _doubt(metrics: dict[str, Any]) -> str:
    """Return a line on a network that learned nothing, with what to try; else nothing."""
    chance, guessing = metrics.get("chance_accuracy"), metrics.get("chance_loss")
    if chance is None or guessing is None:  # a run of an earlier version
        return ""
    accuracy, loss = metrics["test_accuracy"], metrics.get("train_loss", 0.0)
    if accuracy - chance < NOTHING * (1 - chance):
        what = f"the network learned nothing: one answer for all test images reaches {chance:.2%}"
    elif loss > guessing:
        what = f"the training loss, {loss:.3g}, is worse than by guessing, {guessing:.3g}"
    else:
        return ""
    return (
        f"{what}; try a --learning-rate ten times lower or higher, then fewer --hidden layers, "
        f"less --dropout or more --epochs"
    )
