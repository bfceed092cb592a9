"""What the ladder has reached: its results file, and the tables made from it.

The file has one line for each finished run. It is committed, so that every number in the README
and in `numpymlp recipes` comes from a run that somebody can repeat. `ladder.py` writes it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from numpymlp.experiments.recipes import LEARNING_RATES, RECIPES, NamedRecipe, Recipe
from numpymlp.storage.files import RunLock, write_csv
from numpymlp.validation import InputError

COLUMNS = (
    "recipe", "seed", "data", "test_accuracy", "train_accuracy", "epochs", "seconds",
    "settings", "numpymlp", "numpy", "blas", "threads", "finished",
)  # fmt: skip
TEST, VALIDATION = "ladder.csv", "ladder_validation.csv"
VALIDATED = ", validation"  # the end of the label of data that were judged on held-out images

Row = dict[str, str]


def results_file(name: str = TEST, write: bool = False) -> Path:
    """Find the results in this repository; where there is none, those that came with the package.

    Those are there to read: without a repository, new results go into the current folder, and are
    found there first.
    """
    package = Path(__file__).parent
    repository = package.parent.parent / "tutorials" / "results"
    if repository.is_dir():
        return repository / name
    return Path(name) if write or Path(name).is_file() else package / name


def describe(recipe: Recipe) -> str:
    """Write all settings that are on as one line, which two recipes share if they do the same."""
    settings = dataclasses.asdict(recipe)
    settings["hidden"] = "-".join(map(str, recipe.hidden)) or "none"
    settings["learning_rate"] = recipe.learning_rate or LEARNING_RATES[recipe.optimizer]
    if not recipe.elastic:
        settings["sigma"] = None
    if recipe.weight_decay is not None:
        settings["weight_decay"] = str(recipe.weight_decay)  # for AdamW 0 is a setting too
    return " ".join(f"{name}={value}" for name, value in settings.items() if value)


def read_results(path: str | os.PathLike[str]) -> list[Row]:
    """Read the finished runs; none where there is no file yet.

    Raises
    ------
    InputError
        If the file is not one that `climb` wrote.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        rows = list(reader)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"expected {len(COLUMNS)} cells in each row, got {row}")
            float(row["test_accuracy"]), float(row["seconds"])
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path} is no results file of the ladder: {error}") from error
    return rows


def append_result(path: str | os.PathLike[str], row: Row) -> None:
    """Add one finished run; the file has it whole or is as it was.

    Several processes may write to one file. A run that is there already is not added again.
    """
    with RunLock(Path(path).absolute().parent, f".{Path(path).name}.lock", wait=True):
        rows = read_results(path)
        if key(row) in map(key, rows):
            return
        write_csv(path, COLUMNS, [[r[column] for column in COLUMNS] for r in [*rows, row]])


def key(row: Row) -> tuple[str, str, str, str]:
    """Give what tells a run from all others: recipe, settings, data and seed."""
    return row["recipe"], row["settings"], row["data"], row["seed"]


def settings_of(named: NamedRecipe, seeds: int | None = None) -> str:
    """Describe a named recipe; of a committee also how many runs it is made of."""
    text = describe(named.recipe)
    return f"members={seeds or members_of(named).seeds} {text}" if named.committee else text


def members_of(named: NamedRecipe) -> NamedRecipe:
    """Give the recipe whose runs a committee is made of."""
    same = [n for n in RECIPES.values() if not n.committee and n.recipe == named.recipe]
    return same[0]


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a recipe reached: mean and standard deviation over its finished seeds.

    Attributes
    ----------
    accuracy, spread : float
        Test accuracy in percent; the spread is nan for a single run.
    seeds : int
    seconds : float
        Training time of one run, the median.
    """

    accuracy: float
    spread: float
    seeds: int
    seconds: float

    def __str__(self) -> str:
        if self.seeds == 1:
            return f"{self.accuracy:.2f} %"
        return f"{self.accuracy:.2f} ± {self.spread:.2f} %"


def standing(
    named: NamedRecipe, rows: Iterable[Row], label: str = "MNIST", seeds: int | None = None
) -> Standing | None:
    """Sum up the finished runs of a recipe as it is now; None if there are none.

    `seeds` is how many runs a committee is made of, if it is not as many as its recipe says.
    """
    wanted = (named.name, settings_of(named, seeds), label)
    mine = list({row["seed"]: row for row in rows if key(row)[:3] == wanted}.values())
    if not mine:
        return None
    accuracies = [100 * float(row["test_accuracy"]) for row in mine]
    return Standing(
        statistics.mean(accuracies),
        statistics.stdev(accuracies) if len(mine) > 1 else float("nan"),
        len(mine),
        statistics.median(float(row["seconds"]) for row in mine),
    )


def shape(named: NamedRecipe, seeds: int | None = None) -> str:
    """Write the sizes of a network on MNIST: "784-800-10"; of a committee, how many there are."""
    sizes = "-".join(map(str, (784, *named.recipe.hidden, 10)))
    return f"{seeds or members_of(named).seeds} x {sizes}" if named.committee else sizes


def duration(seconds: float) -> str:
    """Write a time as people say it: "7 s", "12 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def table(
    rows: Sequence[Row],
    label: str = "MNIST",
    names: Sequence[str] | None = None,
    seeds: int | None = None,
) -> str:
    """Make the Markdown table of the README: the published result on MNIST beside ours.

    On other data, and on images held out, there is nothing published to stand beside.
    """
    published, judge = label == "MNIST", "held-out" if label.endswith(VALIDATED) else "test"
    head = ["recipe", "network" if published else "hidden", "what it adds"]
    head += ["published test error"] * published
    head += [f"{judge} error here", f"{judge} accuracy", "seeds", "time of a run"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for named in (RECIPES[name] for name in names or RECIPES):
        here = standing(named, rows, label, seeds)
        numbers = ["", "", "", ""]
        if here is not None:
            error = f"{100 - here.accuracy:.2f} %"
            numbers = [error, str(here), str(here.seeds), duration(here.seconds)]
        hidden = "-".join(map(str, named.recipe.hidden)) or "none"
        cells = [f"`{named.name}`", shape(named, seeds) if published else hidden, named.adds]
        cells += [f"{named.published}, {named.source}"] * published + numbers
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def listing(rows: Sequence[Row], label: str = "MNIST") -> str:
    """Describe every recipe for the terminal, with what the results file says of it."""
    blocks = []
    for named in RECIPES.values():
        here = standing(named, rows, label)
        reached = "not measured yet"
        if here is not None:
            runs_of = "1 run" if here.seeds == 1 else f"{here.seeds} seeds"
            reached = f"{here} on the test images of {label} ({runs_of}, "
            reached += f"{duration(here.seconds)} each)"
        blocks.append(
            f"{named.name:<10} {shape(named)}: {named.adds}\n"
            f"{'':<11}accuracy: {reached}\n"
            f"{'':<11}published error on MNIST: {named.published}, {named.source}\n"
            f"{'':<11}settings: {settings_of(named)}"
        )
    return "\n".join(blocks)
