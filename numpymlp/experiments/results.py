"""The results of the ladder: their CSV file, and the tables made from it.

The file has one line for each finished run, written by `ladder.py`. It is committed, so every
number in the README and in `numpymlp recipes` comes from a run that can be repeated.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from numpymlp.experiments.named_recipes import RECIPES, NamedRecipe
from numpymlp.experiments.recipes import LEARNING_RATES, Recipe
from numpymlp.storage.files import RunLock, write_csv
from numpymlp.storage.reading import number, or_empty, read_csv, text, written

COLUMNS = (
    "recipe", "seed", "data", "test_accuracy", "train_accuracy", "epochs", "seconds",
    "settings", "numpymlp", "numpy", "blas", "threads", "finished",
    "processor", "averaged_accuracy", "workers",
)  # fmt: skip
LATER = 3  # the last columns, which files of earlier versions lack
FIELDS = {
    **dict.fromkeys(COLUMNS, text()),
    **dict.fromkeys(("test_accuracy", "train_accuracy"), written(number(0, 1))),
    "seconds": written(number(0, 1e9)),
    "averaged_accuracy": or_empty(written(number(0, 1))),
}
LONGEST = 2**20  # bytes of the file: thousands of runs
TEST, VALIDATION = "ladder.csv", "ladder_validation.csv"
VALIDATED = ", validation"  # ends the label of data whose accuracy is on held-out images

Row = dict[str, str]


def results_file(name: str = TEST, write: bool = False) -> Path:
    """Return the path of the results file in this repository.

    Without a repository, it is the file in the current folder, if there is one or it is to be
    written, else the one that comes with the package.
    """
    package = Path(__file__).parent
    repository = package.parent.parent / "tutorials" / "results"
    if repository.is_dir():
        return repository / name
    return Path(name) if write or Path(name).is_file() else package / name


def describe(recipe: Recipe) -> str:
    """Return all active settings as one line; equivalent recipes have equal lines."""
    settings = dataclasses.asdict(recipe)
    settings["average"] = 0  # it changes no weight: the run is the same
    settings["model"] = None if recipe.model == "mlp" else recipe.model
    settings["filters"] = "-".join(map(str, recipe.filters))
    settings["hidden"] = "-".join(map(str, recipe.hidden)) or "none"
    settings["learning_rate"] = recipe.learning_rate or LEARNING_RATES[recipe.optimizer]
    if not recipe.elastic:
        settings["sigma"] = None
    if recipe.weight_decay is not None:
        settings["weight_decay"] = str(recipe.weight_decay)  # for AdamW 0 is a setting too
    return " ".join(f"{name}={value}" for name, value in settings.items() if value)


def as_options(recipe: Recipe) -> str:
    """Return the settings that differ from the default recipe's as options of `numpymlp train`."""
    words, plain = [], Recipe()
    for name, value in dataclasses.asdict(recipe).items():
        if value == getattr(plain, name) or (name == "sigma" and not recipe.elastic):
            continue
        option = "--" + name.replace("_", "-")
        if isinstance(value, tuple):
            value = ",".join(map(str, value)) or "none"
        words += [option] if value is True else [option, str(value)]
    return " ".join(words)


def read_results(path: str | os.PathLike[str]) -> list[Row]:
    """Read the finished runs; return an empty list if there is no file.

    Raises
    ------
    InputError
        If the file is not one that `run_ladder` wrote.
    """
    try:
        return read_csv(path, "a results file of the ladder", FIELDS, LONGEST, LATER)
    except FileNotFoundError:
        return []


def append_result(path: str | os.PathLike[str], row: Row) -> None:
    """Add one finished run, unless the file has it; the file is written whole or not at all.

    Several processes may write to one file.
    """
    with RunLock(Path(path).absolute().parent, f".{Path(path).name}.lock", wait=True):
        rows = read_results(path)
        if key(row) in map(key, rows):
            return
        lines = [[r[column] for column in COLUMNS] for r in [*rows, row]]
        write_csv(path, COLUMNS, lines, LONGEST)


def key(row: Row) -> tuple[str, str, str, str]:
    """Return what identifies a run: recipe, settings, data and seed."""
    return row["recipe"], row["settings"], row["data"], row["seed"]


def settings_of(named: NamedRecipe, seeds: int | None = None) -> str:
    """Describe a named recipe; for a committee, all its members."""
    if not named.committee:
        return describe(named.recipe)
    return "; ".join(f"{n} x {describe(member.recipe)}" for member, n in members_of(named, seeds))


def members_of(named: NamedRecipe, seeds: int | None = None) -> list[tuple[NamedRecipe, int]]:
    """Return the recipes whose runs a committee averages, each with its number of runs."""
    return [(member, seeds or member.seeds) for member in named.members]


@dataclasses.dataclass(frozen=True)
class Result:
    """Mean and standard deviation of a recipe's test accuracy over its finished seeds.

    Attributes
    ----------
    accuracy, spread : float
        In percent; the spread is nan for a single run.
    seeds : int
    seconds : float
        Training time of a run, the median.
    averaged : float or None
        Accuracy in percent with test-time averaging; None unless all runs have it.
    """

    accuracy: float
    spread: float
    seeds: int
    seconds: float
    averaged: float | None = None

    def __str__(self) -> str:
        if self.seeds == 1:
            return f"{self.accuracy:.2f} %"
        return f"{self.accuracy:.2f} ± {self.spread:.2f} %"


def result_of(
    named: NamedRecipe, rows: Iterable[Row], label: str = "MNIST", seeds: int | None = None
) -> Result | None:
    """Summarize the finished runs of a recipe with its present settings; None if there are none.

    `seeds` is the number of runs of each member of a committee; None takes the members' own.
    """
    wanted = (named.name, settings_of(named, seeds), label)
    # The dict drops duplicate rows, which a merge of two branches can leave.
    mine = list({row["seed"]: row for row in rows if key(row)[:3] == wanted}.values())
    if not mine:
        return None
    averaged = [row["averaged_accuracy"] for row in mine]
    accuracies = [100 * float(row["test_accuracy"]) for row in mine]
    return Result(
        statistics.mean(accuracies),
        statistics.stdev(accuracies) if len(mine) > 1 else float("nan"),
        len(mine),
        statistics.median(float(row["seconds"]) for row in mine),
        100 * statistics.mean(map(float, averaged)) if all(averaged) else None,
    )


def shape(named: NamedRecipe, seeds: int | None = None) -> str:
    """Return a network on MNIST as "784-800-10", "5 x 784-800-10" or "lenet 8-16-128-10"."""
    if named.committee:
        return ", ".join(f"{n} x {shape(member)}" for member, n in members_of(named, seeds))
    recipe = named.recipe
    sizes = "-".join(map(str, (*(recipe.filters or [784]), *recipe.hidden, 10)))
    return sizes if recipe.model == "mlp" else f"{recipe.model} {sizes}"


def duration(seconds: float) -> str:
    """Return a time as "7 s" or "12 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def table(
    rows: Sequence[Row],
    label: str = "MNIST",
    names: Sequence[str] | None = None,
    seeds: int | None = None,
) -> str:
    """Return the Markdown table of the README: our results next to the published ones.

    The published results are on the test images of MNIST; tables for other labels leave them out.
    """
    published, images = label == "MNIST", "held-out" if label.endswith(VALIDATED) else "test"
    chosen = [RECIPES[name] for name in names or RECIPES]
    found = {named.name: result_of(named, rows, label, seeds) for named in chosen}
    averaged = any(here is not None and here.averaged is not None for here in found.values())
    head = ["recipe", "network" if published else "hidden", "what it adds"]
    head += ["published test error"] * published
    head += [f"{images} error here", f"{images} accuracy", *["averaged"] * averaged]
    head += ["seeds", "time of a run"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for named in chosen:
        here, numbers = found[named.name], [""] * (4 + averaged)
        if here is not None:
            error = f"{100 - here.accuracy:.2f} %"
            mean = "" if here.averaged is None else f"{here.averaged:.2f} %"
            numbers = [error, str(here), *[mean] * averaged]
            numbers += [str(here.seeds), duration(here.seconds)]
        hidden = ", ".join(
            "-".join(map(str, (*one.recipe.filters, *one.recipe.hidden))) or "none"
            for one in named.members or [named]
        )
        cells = [f"`{named.name}`", shape(named, seeds) if published else hidden, named.adds]
        cells += [f"{named.published}, {named.source}"] * published + numbers
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _command(named: NamedRecipe) -> str:
    if named.committee:
        return f"same as: numpymlp ladder --only {named.name}"
    return f"same as: numpymlp train {as_options(named.recipe)}".rstrip()


def listing(rows: Sequence[Row], label: str = "MNIST") -> str:
    """Return the description of every recipe for the terminal, with its result."""
    blocks, width = [], max(map(len, RECIPES)) + 2
    for named in RECIPES.values():
        here = result_of(named, rows, label)
        reached = f"not measured yet; do it with: numpymlp ladder --only {named.name}"
        if here is not None:
            count = "1 run" if here.seeds == 1 else f"{here.seeds} seeds"
            reached = (
                f"{here} on the test images of {label} ({count}, {duration(here.seconds)} each)"
            )
        blocks.append(
            f"{named.name:<{width}}{shape(named)}: {named.adds}\n"
            f"{'':<{width}}accuracy: {reached}\n"
            f"{'':<{width}}published error on MNIST: {named.published}, {named.source}\n"
            f"{'':<{width}}{_command(named)}"
        )
    return "\n".join(blocks)
