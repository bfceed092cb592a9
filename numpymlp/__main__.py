"""The command line: `numpymlp train`, `evaluate`, `predict`, and the others.

Each command is a function here that reads its options, calls the room that does the work, and
prints. Mistakes of the user end with one line on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from numpymlp import __version__
from numpymlp.experiments import recipes
from numpymlp.experiments.recipes import Recipe
from numpymlp.network import ACTIVATIONS
from numpymlp.storage.files import RunLock, StorageError
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.validation import InputError, check_positive_integer


class Parser(argparse.ArgumentParser):
    """argparse, with its errors on one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def sizes(text: str) -> tuple[int, ...]:
    """Read ``256,128`` as the sizes of hidden layers; ``none`` means no hidden layer."""
    if text == "none":
        return ()
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = (0,)
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(
            f"expected sizes such as 128 or 256,128, or none, got {text!r}"
        )
    return numbers


def train_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `train` can be told."""
    default = Recipe()

    def setting(group: argparse._ActionsContainer, option: str, **how: Any) -> None:
        # What is not given leaves no trace: the recipe decides, or the run that is gone on with.
        group.add_argument(option, default=argparse.SUPPRESS, **how)

    setting(
        parser,
        "--recipe",
        choices=tuple(recipes.RECIPES),
        metavar="NAME",
        help="where all settings come from that are not given here; see: numpymlp recipes "
        "(default: default)",
    )
    network = parser.add_argument_group("the network")
    setting(
        network,
        "--hidden",
        type=sizes,
        metavar="SIZES",
        help="units of the hidden layers, such as 128 or 256,128, or none "
        f"(default: {','.join(map(str, default.hidden))})",
    )
    setting(
        network,
        "--activation",
        choices=tuple(ACTIVATIONS),
        help=f"behind each hidden layer (default: {default.activation})",
    )
    setting(
        network,
        "--batch-norm",
        action=argparse.BooleanOptionalAction,
        help="normalize before activations (default: no)",
    )
    for option, text in (
        ("--dropout", "share of hidden units dropped (default: 0)"),
        ("--input-dropout", "share of pixels dropped (default: 0)"),
    ):
        setting(network, option, type=float, metavar="RATE", help=text)
    training = parser.add_argument_group("the training")
    setting(training, "--epochs", type=int, help=f"(default: {default.epochs})")
    setting(training, "--batch-size", type=int, help=f"(default: {default.batch_size})")
    setting(
        training,
        "--optimizer",
        choices=recipes.OPTIMIZERS,
        help=f"how a gradient becomes a step (default: {default.optimizer})",
    )
    setting(
        training,
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="(default: "
        + ", ".join(f"{rate:g} for {name}" for name, rate in recipes.LEARNING_RATES.items())
        + ")",
    )
    setting(
        training,
        "--schedule",
        choices=tuple(recipes.SCHEDULES),
        help=f"how the learning rate moves (default: {default.schedule})",
    )
    setting(
        training,
        "--label-smoothing",
        type=float,
        metavar="SHARE",
        help="share of the target spread over all classes (default: 0)",
    )
    setting(
        training,
        "--l2",
        type=float,
        metavar="STRENGTH",
        help="price of one unit of squared weight, such as 1e-5 (default: 0)",
    )
    setting(
        training,
        "--weight-decay",
        type=float,
        metavar="RATE",
        help="decoupled decay, for adamw alone (default: 0.01)",
    )
    setting(
        training,
        "--max-norm",
        type=float,
        metavar="LENGTH",
        help="the most that a unit's incoming weights may measure (default: no bound)",
    )
    setting(
        training,
        "--validation",
        type=float,
        metavar="FRACTION",
        help="hold out this share of the training images to judge each epoch by (default: none)",
    )
    setting(
        training,
        "--early-stopping",
        type=int,
        metavar="PATIENCE",
        help="stop after this many epochs without progress; needs --validation",
    )
    distortion = parser.add_argument_group("distortion of the training images, new in every epoch")
    for option, unit, text in (
        ("--shift", "PIXELS", "at most so far down or up, right or left"),
        ("--rotation", "DEGREES", "at most so far either way"),
        ("--scaling", "SHARE", "0.1: height and width by 0.9 to 1.1"),
        ("--shear", "DEGREES", "at most so far either way"),
        ("--elastic", "ALPHA", "strength of the elastic distortion, such as 34"),
        ("--sigma", "PIXELS", f"its smoothness (default: {default.sigma:g})"),
    ):
        setting(distortion, option, type=float, metavar=unit, help=text)
    setting(training, "--seed", type=int, help="decides all that is random (default: 0)")
    run = parser.add_argument_group("the run")
    setting(
        run,
        "--data",
        metavar="FOLDER",
        help="four IDX files like MNIST's (default: MNIST itself)",
    )
    setting(
        run, "--output", metavar="RUN", help="folder of the run (default: runs/<date and time>)"
    )
    setting(run, "--overwrite", action="store_true", help="write into a folder that holds a run")
    setting(
        run,
        "--resume",
        metavar="RUN",
        help="go on with a run that was killed or interrupted; it keeps its own settings, and "
        "nothing but --no-figures and --quiet may stand beside",
    )
    setting(
        run,
        "--checkpoint-minutes",
        type=float,
        metavar="MINUTES",
        help="write a checkpoint after so many minutes (default: after each epoch)",
    )
    run.add_argument("--no-check", action="store_true", help="skip the gradient check")
    run.add_argument("--no-figures", action="store_true", help="draw no pictures at the end")
    run.add_argument("--quiet", action="store_true", help="print nothing but the result")


def train(options: argparse.Namespace) -> None:
    """Train a network on MNIST and keep the run in a folder."""
    from numpymlp.experiments import runs

    show: dict[str, Any] = {
        "figures": not options.no_figures,
        "verbose": 0 if options.quiet else 1,
        "say": _silent if options.quiet else print,
    }
    given = vars(options)
    if "resume" in given:
        _refuse_settings(given)
        folder = Path(options.resume)
        metrics, since = runs.resume(folder, **show), "since it went on"
    else:
        settings = {n: value for n, value in given.items() if n in Recipe.__dataclass_fields__}
        recipe, since = recipes.find(given.get("recipe", "default"), **settings), "in all"
        if "sigma" in settings and not recipe.elastic:
            raise InputError("--sigma expected --elastic beside it, whose smoothness it is")
        overwrite = given.get("overwrite", False)
        with runs.fresh_folder(given.get("output"), overwrite) as folder:
            metrics = runs.train(
                recipe,
                folder=folder,
                seed=given.get("seed", 0),
                data=given.get("data"),
                check=not options.no_check,
                overwrite=overwrite,
                minutes=given.get("checkpoint_minutes"),
                **show,
            )
    print(
        f"test accuracy {metrics['test_accuracy']:.2%} (train {metrics['train_accuracy']:.2%}), "
        f"{metrics['seconds']:.1f} s {since}"
    )
    place = shlex.quote(str(folder))
    print(f"saved to {folder}; look closer with: {runs.called_as()} evaluate {place}")


def _refuse_settings(given: dict[str, Any]) -> None:
    """Raise if --resume stands beside a setting, which the run has already."""
    allowed = {"resume", "no_figures", "no_check", "quiet", "function"}
    if more := [name for name in given if name not in allowed]:
        raise InputError(
            f"--resume keeps the settings that the run was begun with, got "
            f"{', '.join('--' + name.replace('_', '-') for name in more)} too: leave it out"
        )


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `evaluate` can be told."""
    parser.add_argument(
        "run", metavar="RUN", help="folder of a run, or its model.npz; the report goes beside it"
    )
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="four IDX files like MNIST's (default: what the run was trained on, MNIST for a model "
        "alone); the report on other data goes into a folder of its own within the run",
    )


def evaluate(options: argparse.Namespace) -> None:
    """Judge a saved network on the test images: report, confusion matrix, figures."""
    from numpymlp.experiments import runs

    report, folder = runs.evaluate_run(options.run, options.data)
    print(report)
    print(f"report.txt, confusion.csv and the figures are in {folder}")


def predict_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `predict` can be told."""
    parser.add_argument("model", metavar="MODEL", help="folder of a run, or its model.npz")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image file of one digit")


def predict(options: argparse.Namespace) -> None:
    """Read digits from image files of any size, dark on light or light on dark."""
    from numpymlp.data.images import read_digit_image
    from numpymlp.experiments import runs

    network = runs.load_run(options.model)
    for path in options.images:
        probabilities = network.predict_proba(read_digit_image(path)[None, :])[0]
        ranked = probabilities.argsort()[::-1][:3]
        text = ", ".join(f"{digit}: {probabilities[digit]:.1%}" for digit in ranked)
        print(f"{path}: {ranked[0]}  ({text})")


def recipes_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `recipes` can be told."""
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="results of `numpymlp ladder` (default: those of this repository, or package)",
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="tell what was reached on this data (default: MNIST)"
    )


def list_recipes(options: argparse.Namespace) -> None:
    """List the named recipes: network, settings, what each reached, what was published."""
    from numpymlp.experiments import ladder
    from numpymlp.experiments import results as standings

    _check_there(options.results)
    results = options.results or standings.results_file()
    print(standings.listing(standings.read_results(results), ladder.label_of(options.data)))


def _check_there(results: str | None) -> None:
    """Raise if a results file that is to be read is not there."""
    if results is not None and not Path(results).is_file():
        raise InputError(f"--results expected the file of an earlier ladder: there is no {results}")


def ladder_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `ladder` can be told."""
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tuple(recipes.RECIPES),
        default=tuple(recipes.RECIPES),
        metavar="NAME",
        help="these recipes alone (default: all)",
    )
    parser.add_argument(
        "--seeds", type=int, help="runs of each recipe (default: as many as the recipe says)"
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="four IDX files like MNIST's (default: MNIST itself)"
    )
    parser.add_argument(
        "--folder",
        default="runs/ladder",
        help="where the runs lie; keep it to go on in the middle of one (default: runs/ladder)",
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="CSV file of finished runs, which are not made again (default: that of this "
        "repository; without one, ladder.csv in the current folder)",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="train on five sixths of the training images, judge on the last sixth; keep no runs",
    )
    parser.add_argument("--table", action="store_true", help="train nothing, print the table")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the table")


def climb(options: argparse.Namespace) -> None:
    """Train every recipe over its seeds; called again, go on where it stopped."""
    from numpymlp.experiments import ladder
    from numpymlp.experiments import results as standings

    name = standings.VALIDATION if options.validate else standings.TEST
    results = options.results or standings.results_file(name, write=not options.table)
    if options.table:
        _check_there(options.results)
        if options.seeds is not None:
            check_positive_integer(options.seeds, "--seeds")
    else:
        ladder.climb(
            options.only,
            folder=options.folder,
            results=results,
            data=options.data,
            seeds=options.seeds,
            validation=options.validate,
            verbose=0 if options.quiet else 1,
            say=_silent if options.quiet else print,
        )
    label = ladder.label_of(options.data, options.validate)
    rows = standings.read_results(results)
    names = [n for n in options.only if not (options.validate and recipes.RECIPES[n].committee)]
    print(standings.table(rows, label, names, options.seeds))


def check_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `check` can be told."""
    parser.add_argument(
        "--hidden",
        type=sizes,
        default=(5, 4),
        metavar="SIZES",
        help="units of the hidden layers, such as 5,4, or none (default: 5,4)",
    )
    parser.add_argument(
        "--activation",
        choices=tuple(ACTIVATIONS),
        default="relu",
        help="behind each hidden layer (default: relu)",
    )
    parser.add_argument(
        "--loss",
        choices=("softmax", "sigmoid", "squared-error"),
        default="softmax",
        help="what the outputs are trained with (default: softmax)",
    )
    parser.add_argument("--batch-norm", action="store_true", help="normalize before activations")
    for option, metavar, text in (
        ("--dropout", "RATE", "share of hidden units dropped"),
        ("--label-smoothing", "SHARE", "for the softmax"),
        ("--l2", "STRENGTH", "of the L2 penalty"),
    ):
        parser.add_argument(option, type=float, default=0.0, metavar=metavar, help=text)
    for option, number, text in (
        ("--inputs", 6, "features of a sample"),
        ("--outputs", 3, "units of the last layer"),
        ("--rows", 8, "samples in the batch"),
        ("--seed", 0, "decides the weights and the batch"),
    ):
        parser.add_argument(option, type=int, default=number, help=f"{text} (default: {number})")
    parser.add_argument(
        "--mode",
        choices=("entries", "direction"),
        default="entries",
        help="number by number, or all at once in a random direction (default: entries)",
    )


def check(options: argparse.Namespace) -> None:
    """Compare backpropagation with finite differences for an architecture of your choice."""
    from numpymlp.commands.self_check import check_architecture

    settings = {name: value for name, value in vars(options).items() if name != "function"}
    network, loss, report = check_architecture(**settings)
    print(f"{network}, {loss}, {options.rows} random samples\n{report}")
    if not report.passed:
        sys.exit(1)


def search_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `search` can be told."""
    parser.add_argument(
        "--recipe",
        choices=tuple(recipes.RECIPES),
        default="default",
        metavar="NAME",
        help="what is not drawn, and how many epochs the best get (default: default)",
    )
    parser.add_argument("--candidates", type=int, default=27, help="settings drawn (default: 27)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument(
        "--data", metavar="FOLDER", help="four IDX files like MNIST's (default: MNIST itself)"
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="folder of table and picture, new or empty (default: runs/<date and time>)",
    )


def search(options: argparse.Namespace) -> None:
    """Search for better settings by successive halving, with scikit-learn."""
    from numpymlp.experiments import runs

    try:
        from numpymlp.experiments.search import as_options, search, write_search
    except ModuleNotFoundError as error:
        raise InputError(
            f"search needs scikit-learn: in the clone, pip install -e '.[sklearn]' ({error})"
        ) from error
    recipe = recipes.find(options.recipe)
    _, ((x, y), _) = runs.load_data(options.data)
    with runs.fresh_folder(options.output) as folder, RunLock(folder):
        rows = search(
            recipe, x, y, candidates=options.candidates, jobs=options.jobs, seed=options.seed
        )
        write_search(folder, rows)
    best = rows[0]
    print(f"best of {options.candidates}: {best['validation_accuracy']:.2%} on held-out images")
    other = "" if options.recipe == "default" else f"--recipe {options.recipe} "
    data = "" if options.data is None else f"--data {shlex.quote(options.data)} "
    print(f"train with it: {runs.called_as()} train {data}{other}{as_options(best)}")
    print(f"search.csv and search.png are in {folder}")


def benchmark_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `benchmark` can be told."""
    rows = ("epochs", "predictions", "cold", "accuracy")
    parser.add_argument("--quick", action="store_true", help="less of it, in under two minutes")
    parser.add_argument(
        "--only", nargs="+", choices=rows, default=rows, metavar="ROWS", help=", ".join(rows)
    )
    parser.add_argument(
        "--repeats", type=int, help="processes a number (default: 3, or 1 with --quick)"
    )
    parser.add_argument("--threads", type=int, help="cores to use (default: all)")
    parser.add_argument(
        "--output", default="benchmark", metavar="FOLDER", help="(default: benchmark)"
    )


def benchmark(options: argparse.Namespace) -> None:
    """Compare with scikit-learn, and PyTorch and JAX where installed: equal work first, then time.

    The results go to a folder as JSON, as a table in Markdown and as a figure.
    """
    try:
        from numpymlp.benchmark.command import CORES, Plan, run
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from error
    threads = CORES if options.threads is None else options.threads
    plan = Plan(options.only, options.quick, options.repeats, threads)
    if not run(plan, options.output):
        sys.exit(1)


COMMANDS = {
    "train": (train, train_options),
    "evaluate": (evaluate, evaluate_options),
    "predict": (predict, predict_options),
    "check": (check, check_options),
    "recipes": (list_recipes, recipes_options),
    "ladder": (climb, ladder_options),
    "search": (search, search_options),
    "benchmark": (benchmark, benchmark_options),
}


def _silent(line: str) -> None:
    """Take a line and print nothing."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = Parser(prog="numpymlp", description="A multi-layer perceptron in pure NumPy.")
    parser.add_argument("--version", action="version", version=f"numpymlp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (function, options) in COMMANDS.items():
        text = (function.__doc__ or "").strip()
        options(command := commands.add_parser(name, help=text, description=text))
        command.set_defaults(function=function)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands behind ``numpymlp`` on the command line; by default that of this process.

    Returns
    -------
    int
        0 if all went well; 1 if training diverged; 2 for a wrong option or file, and for what the
        system refuses, such as a full disk; after a signal 128 and its number: 130 for Ctrl-C, 143
        for SIGTERM, 141 for a reader that closed the pipe. `check` and `benchmark` leave with
        ``SystemExit(1)`` if what they compare differs.
    """
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where the terminal has no sign for it
    try:
        options.function(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has enough; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except (InputError, StorageError, TrainingDiverged) as error:
        print(f"numpymlp: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingDiverged) else 2
    except (OSError, MemoryError) as error:
        what = "not enough memory" if isinstance(error, MemoryError) else "the system refused"
        print(f"numpymlp: {what}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"numpymlp: {str(error) or 'interrupted'}", file=sys.stderr)
        number: int = getattr(error, "number", signal.SIGINT)
        return 128 + number
    return 0


if __name__ == "__main__":
    sys.exit(main())
