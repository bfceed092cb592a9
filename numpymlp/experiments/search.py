"""Search for good settings by successive halving, with scikit-learn's own tools.

Random settings are trained for a few epochs; the better third is trained again for three times as
long, and so on. They are compared on the last sixth of the training images, never on the test
images. This module needs scikit-learn: the search is its `HalvingRandomSearchCV`, applied to
`numpymlp.sklearn`.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.base
from scipy.stats import loguniform, uniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it enables by its import
from sklearn.model_selection import HalvingRandomSearchCV, ParameterGrid

from numpymlp.data import five_sixths
from numpymlp.experiments.environment import cores
from numpymlp.experiments.jobs import check_jobs, ended_together
from numpymlp.experiments.recipes import LEARNING_RATES, Recipe
from numpymlp.experiments.remaining import Remaining
from numpymlp.sklearn import MLPClassifier
from numpymlp.storage.files import atomic_write, counted, write_csv
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.validation import InputError, check_positive_integer, check_seed

# What is drawn, by the names of the parameters of `numpymlp.sklearn.MLPClassifier`.
SETTINGS: dict[str, Any] = {
    "learning_rate_init": loguniform(5e-4, 5e-2),
    "batch_size": [32, 64, 128, 256, 512],
    "hidden_layer_sizes": [(64,), (128,), (192,), (256,), (384,), (128, 64), (256, 128)],
    "dropout": uniform(0, 0.4),
    "alpha": loguniform(1e-7, 1e-3),
}
# The same settings as options of `numpymlp train`. With l2_scaling="none", alpha is --l2.
OPTIONS = {
    "learning_rate_init": "--learning-rate", "batch_size": "--batch-size",
    "hidden_layer_sizes": "--hidden", "dropout": "--dropout", "alpha": "--l2",
}  # fmt: skip
# Settings of a recipe that the estimator has no parameter for.
UNSUPPORTED = (
    "validation", "input_dropout", "label_smoothing", "max_norm", "weight_decay", "early_stopping",
    "shift", "rotation", "scaling", "shear", "elastic",
)  # fmt: skip
MOST_CANDIDATES = 100_000
INTERVAL = 5.0  # seconds between two lines of a round
FACTOR = 3  # one in three settings is trained again, for three times as long

Row = dict[str, Any]


class Candidate(MLPClassifier):
    """The estimator, but if training diverges, it keeps its last finite weights.

    So one setting that diverges gets a low score and does not end the search.
    """

    def _train(self, *arguments: Any) -> None:
        try:
            super()._train(*arguments)
        except ValueError as error:
            if not isinstance(error.__cause__, TrainingDiverged):
                raise


class Count:
    """A callback that appends a byte to a file after each epoch, from any process on this machine.

    On another machine, as of a Dask cluster, the folder is missing and nothing is counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, trainer: Any) -> None:
        # After Ctrl-C, other processes may still train when the folder is gone.
        with contextlib.suppress(OSError), self.path.open("ab") as file:
            file.write(b".")


class Report:
    """Say how far a search is.

    Parameters
    ----------
    say : callable
        Called with each line.
    rounds : list of (int, int)
        The settings of each round, and the epochs that each is trained for.
    guess : float
        Seconds for all of it.
    counted_in : Path
        The file of `Count`.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        rounds: list[tuple[int, int]],
        guess: float,
        counted_in: Path,
    ) -> None:
        self.say, self.rounds, self.round, self.file = say, rounds, 0, counted_in
        self.left = Remaining(sum(settings * epochs for settings, epochs in rounds), guess)

    def begin_round(self) -> None:
        """Say that the next round begins, or that all are done."""
        before = sum(n * epochs for n, epochs in self.rounds[: self.round])
        self.left.done = float(before)
        self.file.write_bytes(b"." * before)  # also those of a run that ended early
        if self.round == len(self.rounds):
            return self.say(f"  {self.left}")
        settings, epochs = self.rounds[self.round]
        self.round += 1
        return self.say(
            f"round {self.round} of {len(self.rounds)}: {counted(settings, 'setting')} for "
            f"{counted(epochs, 'epoch')} ({self.left})"
        )

    @contextlib.contextmanager
    def every(self, seconds: float) -> Iterator[None]:
        """Say in a ``with`` block, every so many seconds, what is done."""
        ended = threading.Event()

        def watch() -> None:
            with contextlib.suppress(OSError):  # nobody reads: the main thread will meet it too
                while not ended.wait(seconds):
                    if (done := self.file.stat().st_size) > self.left.done:
                        self.left.done = float(done)
                        self.say(f"  {self.left}")

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Search(HalvingRandomSearchCV):  # type: ignore[misc]
    """The search of scikit-learn, which reports its rounds."""

    report: Report

    def _format_results(self, *arguments: Any) -> Any:
        self.report.begin_round()  # scikit-learn calls this at the end of each round
        return super()._format_results(*arguments)


def estimator(recipe: Recipe, seed: int = 0) -> Candidate:
    """Build the scikit-learn estimator that trains a recipe.

    Its initial weights are those that scikit-learn draws, not the recipe's.

    Raises
    ------
    InputError
        If the recipe has settings that the estimator has no parameter for.
    """
    plain = Recipe()
    unknown = [name for name in UNSUPPORTED if getattr(recipe, name) != getattr(plain, name)]
    if unknown or recipe.optimizer != "adam":
        raise InputError(
            f"search expected a recipe that numpymlp.sklearn can express, got one with "
            f"{', '.join(unknown) or 'optimizer ' + recipe.optimizer}: try classic or default"
        )
    schedules = {"constant": None, "step": "step_decay", "cosine": "cosine"}
    return Candidate(
        recipe.hidden,
        recipe.activation,
        alpha=recipe.l2,
        l2_scaling="none",
        batch_size=recipe.batch_size,
        learning_rate_init=recipe.learning_rate or LEARNING_RATES["adam"],
        schedule=schedules.get(recipe.schedule, "one_cycle"),
        max_iter=recipe.epochs,
        dropout=recipe.dropout,
        batch_norm=recipe.batch_norm,
        # No early end: the learning rate schedule is laid out for all epochs.
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def _seconds_an_epoch(model: Candidate, x: np.ndarray, y: np.ndarray) -> float:
    """Train for one epoch on a few rows; return how long an epoch on all would take."""
    few = np.random.default_rng(0).permutation(len(x))[:2000]
    began = time.perf_counter()
    sklearn.base.clone(model).set_params(max_iter=1, callbacks=None).fit(x[few], y[few])
    return (time.perf_counter() - began) * len(x) / len(few)


def search(
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray,
    *,
    candidates: int = 27,
    jobs: int = 1,
    seed: int = 0,
    settings: dict[str, Any] = SETTINGS,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Draw settings, and train the better ones again for longer, each time from new weights.

    Parameters
    ----------
    recipe : Recipe
        All settings that are not drawn. Its epochs are the maximum; the last round may have a
        few less, since each round has three times the epochs of the one before.
    x : ndarray (N, in)
    y : ndarray (N,)
        Training data: the first five sixths train, the last sixth evaluates.
    candidates : int, default 27
        How many different settings are drawn; at most as many as there are.
    jobs : int, default 1
        Training runs at a time; -1: as many as joblib's active backend has (`jobs.py`).
    seed : int, default 0
        Seed of the drawn settings and of every training run.
    settings : dict, default SETTINGS
        Parameters of `numpymlp.sklearn.MLPClassifier`, each with a list or a distribution.
    say : callable, optional
        Called with a line before each round, and every five seconds: what is done, and the time
        left. The first is a guess, from an epoch on a few rows.

    Returns
    -------
    list of dict
        One row for each training run: round, epochs, the settings, accuracy on the last sixth.
        The best of the last round comes first.
    """
    if check_positive_integer(candidates, "candidates") > MOST_CANDIDATES:
        raise InputError(
            f"candidates: expected at most {MOST_CANDIDATES:,}, got {candidates}: each is trained"
        )
    check_seed(seed)
    check_jobs(jobs)
    last = five_sixths(y)
    if all(isinstance(values, list) for values in settings.values()):
        candidates = min(candidates, len(ParameterGrid(settings)))
    # As scikit-learn computes it, rounding included.
    rounds = 1 + math.floor(math.log(min(candidates, recipe.epochs), FACTOR))
    first = max(1, recipe.epochs // FACTOR ** (rounds - 1))
    plan = [(-(-candidates // FACTOR**n), first * FACTOR**n) for n in range(rounds)]
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # Successive halving ends most training runs before they converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Got `batch_size`")  # of a few rows
        # Ctrl-C ends an estimator's fit with a warning; here it must end the search.
        warnings.filterwarnings("error", message="Training interrupted")
        model, count = estimator(recipe, seed), Count(Path(folder) / "epochs")
        seconds = sum(settings * epochs for settings, epochs in plan) * _seconds_an_epoch(
            model, x[:last], y[:last]
        )
        found = Search(
            model.set_params(callbacks=[count]),
            settings,
            n_candidates=candidates,
            factor=FACTOR,
            resource="max_iter",
            min_resources=first,
            max_resources=recipe.epochs,
            # Lists: of an array, joblib gives one worker of a Dask cluster the only copy.
            cv=[(list(range(last)), list(range(last, len(x))))],
            refit=False,
            n_jobs=jobs,
            random_state=seed,
            error_score="raise",
            return_train_score=False,
        )
        workers = min(jobs if jobs > 0 else cores(), cores(), candidates)
        found.report = Report(say, plan, seconds / workers, count.path)
        found.report.begin_round()
        try:
            with ended_together(), found.report.every(INTERVAL):
                found.fit(x, y)
        except UserWarning as warning:
            if "Training interrupted" not in str(warning):
                raise
            raise KeyboardInterrupt from warning
    results = found.cv_results_
    rows = [
        {
            "round": int(results["iter"][i]) + 1,
            "epochs": int(results["n_resources"][i]),
            **{name: results["params"][i][name] for name in settings},
            "validation_accuracy": float(results["mean_test_score"][i]),
        }
        for i in range(len(results["iter"]))
    ]
    return sorted(rows, key=lambda row: (-row["round"], -row["validation_accuracy"]))


def as_options(row: Row) -> str:
    """Return the settings of a row as options of ``numpymlp train``."""
    return " ".join(f"{OPTIONS[n]} {_text(v, ',')}" for n, v in row.items() if n in OPTIONS)


def write_search(folder: Path, rows: list[Row]) -> None:
    """Write the rows as a table, `search.csv`, and as a figure, `search.png`."""
    from numpymlp import plots

    write_csv(
        folder / "search.csv", rows[0], [[_text(v, "-") for v in row.values()] for row in rows]
    )
    with atomic_write(folder / "search.png") as file:
        plots.search_results(rows).savefig(file, format="png")


def _text(value: Any, separator: str) -> str:
    if isinstance(value, tuple):
        return separator.join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
