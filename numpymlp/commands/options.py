"""Helpers for the options of the commands: shared options, and options made from `Recipe`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from numpymlp.experiments.recipes import MOST_VIEWS, Recipe
from numpymlp.storage.files import shown
from numpymlp.training.habits import MEANT
from numpymlp.validation import InputError, check_range

SEED = 2**128 - 1  # the most that NumPy's generators take in


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports an error in one line, with the name that was likely meant."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        self.exit(2, f"{self.prog}: {shown(message, longest=800)} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is no choice; argparse calls this."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = did_you_mean(value, known)
            raise argparse.ArgumentError(
                action, f"expected one of {', '.join(known)}, got {shown(value, 60)!r}{hint}"
            )

    def refuse_unknown(self, words: Sequence[str]) -> NoReturn:
        """Exit with an error for words of the command line that are no options of this command."""
        known = [name for action in self._actions for name in action.option_strings]
        first = next((word for word in words if word.startswith("-")), "").split("=")[0]
        meant = [option(name) for name in MEANT.get(first.lstrip("-").replace("-", "_"), ())]
        hint = did_you_mean(next((name for name in meant if name in known), first), known)
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")

    def options(self) -> dict[str, str]:
        """Return the option of each setting: ``--batch-size`` for ``batch_size``."""
        return {a.dest: a.option_strings[0] for a in self._actions if a.option_strings}


def did_you_mean(word: Any, known: Sequence[str]) -> str:
    """Return ": did you mean ...?" if one of the names is close to a word, else nothing."""
    close = difflib.get_close_matches(str(word)[:60], known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers written as ``256,128``, or () for ``none``."""
    if text == "none":
        return ()
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = (0,)
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(
            f"expected sizes such as 128 or 256,128, or none, got {shown(text, 60)!r}"
        )
    return numbers


def whole(most: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from -`most` to `most`.

    The code that uses the number checks any narrower range.
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected a whole number, got {shown(text, 60)!r}"
            ) from None
        if abs(value) > most:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at most {most}, got {shown(text, 60)}"
            )
        return value

    return read


# How the text of an option becomes a value, by the annotation of the field.
TYPES = {"int": whole(2**63 - 1), "float": float, "str": str, "tuple[int, ...]": sizes}


def option(name: str) -> str:
    """Return the option of a setting: ``--batch-size`` for ``batch_size``."""
    return "--" + name.replace("_", "-")


def add_settings(parser: argparse.ArgumentParser, defaults: Mapping[str, Any]) -> None:
    """Add an option for each setting of `Recipe` in `defaults`, as the field's metadata says.

    The help text shows the default. An option that is not given is absent from the namespace.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in dataclasses.fields(Recipe):
        if field.name not in defaults:
            continue
        title, text = field.metadata["group"], field.metadata["help"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        how: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if field.type != "bool":
            how = {name: field.metadata[name] for name in ("metavar", "choices")}
            how["type"] = TYPES[str(field.type).removesuffix(" | None")]
        if defaults[field.name] is not None:
            text = f"{text.partition(' (default')[0]} (default: {_shown(defaults[field.name])})"
        groups[title].add_argument(option(field.name), default=argparse.SUPPRESS, help=text, **how)


def _shown(value: Any) -> str:
    """Return a default as it is written on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def settings_as_options(names: Mapping[str, str]) -> Iterator[None]:
    """Name settings as options in the errors of a block, given the option of each setting.

    ``Adam learning_rate: expected ...`` becomes ``--learning-rate: expected ...``,
    ``validation=0.1`` becomes ``--validation 0.1``, and ``batch_norm=True`` ``--batch-norm``.
    """
    try:
        yield
    except InputError as error:
        known = "|".join(names)

        def given(match: re.Match[str]) -> str:
            name, value, word = names[match[1]], match[2], match[3]
            return name if value == "True" else f"{name} {word or ''}"

        text = re.sub(rf"^(?:\w+ )?({known})(?=[:,])", lambda m: names[m[1]], str(error))
        text = re.sub(rf"\b({known})=(True|'([^']*)'|)", given, text)
        # A name with an underscore is no English word.
        compound = "|".join(name for name in names if "_" in name) or "$^"
        text = re.sub(rf"(?<![\w./-])({compound})(?![\w./-])", lambda m: names[m[1]], text)
        raise InputError(text) from error


def add_data(
    parser: argparse._ActionsContainer, text: str = "four IDX files like MNIST's (default: MNIST)"
) -> None:
    """Add the options ``--data`` and ``--variant``, which are the same for several commands."""
    parser.add_argument("--data", metavar="FOLDER", help=text)
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="the data set to take, if the folder holds several, such as emnist-letters",
    )


def add_average(parser: argparse._ActionsContainer, text: str) -> None:
    """Add the option ``--average``."""
    parser.add_argument(
        "--average",
        type=whole(MOST_VIEWS),
        metavar="VIEWS",
        help="distorted views of each image, beside the image itself, over which " + text,
    )


def average_of(options: argparse.Namespace) -> int | None:
    """Return the number of views that ``--average`` names, None if it is not given."""
    if options.average is None:
        return None
    return int(check_range(options.average, "--average", 0, MOST_VIEWS))


def add_jobs(parser: argparse._ActionsContainer) -> None:
    """Add the options ``--jobs`` and ``--dask``."""
    parser.add_argument(
        "--jobs",
        type=whole(1024),
        help="training runs at a time, -1 for one on each core (default: 1)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="scheduler of a Dask cluster whose workers train, such as tcp://127.0.0.1:8786",
    )


def workers(*names: str) -> Callable[[str], int | str]:
    """Return what makes a number of workers, or one of these names, of the text of an option."""
    return lambda text: text if text in names else whole(2**16)(text)


def jobs_of(options: argparse.Namespace) -> int:
    """Return how many training runs there are at a time, -1 for as many as there is room for."""
    if options.dask is not None and options.jobs is not None:
        raise InputError("--jobs: expected none with --dask, whose workers decide: leave it out")
    if options.dask is not None:
        return -1
    return 1 if options.jobs is None else int(options.jobs)


def data_of(options: argparse.Namespace) -> str | None:
    """Return what ``--data`` and ``--variant`` name, as `experiments.folders.read_data` takes it.

    A data set in a folder of several is written as ``FOLDER/NAME``.
    """
    folder, variant = getattr(options, "data", None), getattr(options, "variant", None)
    if variant is None:
        return folder
    if folder is None:
        raise InputError(f"--variant {variant}: expected --data too, the folder of the data sets")
    return os.path.join(folder, variant)


def run_or_latest(run: str | None) -> str:
    """Return the run that is named; if none is, the latest in ``runs/``, and say which it is."""
    from numpymlp.experiments.folders import latest_run

    if run is not None:
        return run
    latest = str(latest_run())
    print(f"the network of {shown(latest)}")
    return latest


def reporting(quiet: bool) -> dict[str, Any]:
    """Return the arguments `verbose` and `say` of a training run."""
    return {"verbose": 0, "say": lambda line: None} if quiet else {"verbose": 1, "say": print}


def check_results(path: str | None) -> None:
    """Raise InputError if ``--results`` names a file that does not exist."""
    if path is not None and not Path(path).is_file():
        raise InputError(f"--results: expected the file of an earlier ladder, there is no {path}")
