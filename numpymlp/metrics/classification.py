"""Metrics of predicted labels: accuracy, confusion matrix, precision, recall, F1, report.

The confusion matrix holds almost everything that can be said about predicted labels; the other
scores are computed from it. Next: `probabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.metrics.checks import (
    as_confusion_matrix,
    as_labels,
    check_label_range,
    check_same_length,
)
from numpymlp.validation import (
    InputError,
    as_sample_weight,
    check_positive_integer,
)

Floats = NDArray[np.float64]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the share of samples whose predicted label is the true one, from 0 to 1.

    Parameters
    ----------
    y_true, y_pred : (N,) integers
        True and predicted labels.
    sample_weight : (N,) numbers, optional
        Weight of each sample, at least 0.

    Raises
    ------
    InputError
        If the labels are not integers of one length, or there are none.
    """
    true, pred = _label_pair(y_true, y_pred)
    return float(np.average(true == pred, weights=as_sample_weight(sample_weight, len(true))))


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> NDArray[Any]:
    """Count how often each true class (row) was predicted as each class (column).

    Parameters
    ----------
    y_true, y_pred : (N,) integers
        True and predicted labels.
    classes : int, optional
        Number of classes K: row and column k then belong to label k, even if it never occurs.
        By default, rows and columns belong to the sorted labels that occur in either argument.
    sample_weight : (N,) numbers, optional
        Weight of each sample, at least 0.

    Returns
    -------
    (K, K) integers, or floats if weights are given
        Correct predictions lie on the diagonal; a row sums to the support of its class.

    Raises
    ------
    InputError
        If the labels are not integers of one length, or not among the classes.
    """
    return _count_pairs(y_true, y_pred, classes, sample_weight)[1]


class Score(NamedTuple):
    """Precision, recall and F1 of one class (or an average), and its number of samples."""

    precision: float
    recall: float
    f1: float
    support: float


@dataclass(frozen=True)
class ClassScores:
    """Scores of every class: entry k of each array belongs to the label `classes[k]`.

    Attributes
    ----------
    classes : (K,) integers
        The labels.
    precision : (K,) floats
        TP / (TP + FP): the share of this class among the samples predicted as it; 0 if none are.
    recall : (K,) floats
        TP / (TP + FN): the share predicted correctly among the samples of this class; 0 if none.
    f1 : (K,) floats
        Harmonic mean of the two, 2 TP / (2 TP + FP + FN); 0 if all three counts are 0.
    support : (K,) integers, or floats if weights were given
        Number of samples of this class.
    occurs : (K,) bools
        Whether the class occurs, in the true or in the predicted labels.
    """

    classes: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    support: NDArray[Any]
    occurs: NDArray[np.bool_]

    def __getitem__(self, label: int) -> Score:
        """Return the scores of one class, by its label."""
        where = np.flatnonzero(self.classes == label)
        if len(where) == 0:
            raise InputError(f"expected one of the classes {self.classes.tolist()}, got {label!r}")
        k = int(where[0])
        return self._score(lambda column: float(column[k]), self.support[k])

    @property
    def macro(self) -> Score:
        """The unweighted mean over classes: a rare class counts as much as a common one.

        A class that occurs neither in the true nor in the predicted labels does not count, as in
        scikit-learn: of EMNIST's letters, which are labelled 1 to 26, there is no class 0.
        """
        return self._score(lambda column: float(column[self.occurs].mean()), self.support.sum())

    @property
    def weighted(self) -> Score:
        """The mean over classes, each weighted by its support."""
        return self._score(
            lambda column: float(np.average(column, weights=self.support)), self.support.sum()
        )

    def _score(self, pick: Callable[[Floats], float], support: Any) -> Score:
        return Score(pick(self.precision), pick(self.recall), pick(self.f1), support.item())


def precision_recall_f1(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> ClassScores:
    """Compute precision, recall, F1 and support; parameters as in `confusion_matrix`.

    Averages are over the classes that occur in either argument, whatever `classes` is.
    """
    labels, matrix = _count_pairs(y_true, y_pred, classes, sample_weight)
    correct = np.diag(matrix)
    predicted, support = matrix.sum(axis=0), matrix.sum(axis=1)
    return ClassScores(
        classes=labels,
        precision=_divide(correct, predicted),
        recall=_divide(correct, support),
        f1=_divide(2 * correct, predicted + support),
        support=support,
        occurs=np.isin(labels, np.concatenate(_label_pair(y_true, y_pred))),
    )


@dataclass(frozen=True)
class ClassificationReport:
    """The scores of every class, their averages and the accuracy.

    `report.scores[3].recall` is one number; `print(report)` shows the classes that occur, in
    scikit-learn's layout.
    """

    scores: ClassScores
    accuracy: float
    class_names: tuple[str, ...]
    digits: int = 2

    def __str__(self) -> str:
        """Return the table: one line for each class that occurs, then the averages."""
        named = zip(self.class_names, self.scores.classes.tolist(), strict=True)
        shown = [pair for pair, occurs in zip(named, self.scores.occurs, strict=True) if occurs]
        width = max(len("weighted avg"), self.digits, *(len(name) for name, _ in shown))
        # scikit-learn's layout: names aligned right, then two blanks, then the numbers.
        head = "".join(f" {title:>9}" for title in ("precision", "recall", "f1-score", "support"))
        lines = [" " * width + " " + head, ""]

        def line(name: str, score: Score) -> str:
            numbers = "".join(f" {number:>9.{self.digits}f}" for number in score[:3])
            return f"{name:>{width}} {numbers} {_count(score.support):>9}"

        lines += [line(name, self.scores[label]) for name, label in shown]
        total = self.scores.macro.support
        lines += [
            "",
            f"{'accuracy':>{width}} {'':>20} {self.accuracy:>9.{self.digits}f} {_count(total):>9}",
            line("macro avg", self.scores.macro),
            line("weighted avg", self.scores.weighted),
            "",
        ]
        return "\n".join(lines)


def _count(support: float) -> str:
    """Format a number of samples; a sum of weights is rounded."""
    return str(support) if isinstance(support, int) else f"{support:.2f}"


def classification_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: int | None = None,
    sample_weight: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    digits: int = 2,
) -> ClassificationReport:
    """Compute precision, recall, F1 and support of every class, averages, and the accuracy.

    Parameters
    ----------
    y_true, y_pred, classes, sample_weight
        As in `confusion_matrix`; the averages are over the classes that occur in either.
    class_names : K strings, optional
        Names to print instead of the labels.
    digits : int
        Decimals to print.

    Raises
    ------
    InputError
        As in `confusion_matrix`, and if there is not one name for each class.
    """
    scores = precision_recall_f1(y_true, y_pred, classes, sample_weight)
    names = tuple(map(str, scores.classes if class_names is None else class_names))
    if len(names) != len(scores.classes):
        raise InputError(
            f"class_names: expected a name for each of the {len(scores.classes)} classes "
            f"{scores.classes.tolist()}, got {len(names)}: pass classes={len(names)} if some do "
            "not occur"
        )
    return ClassificationReport(scores, accuracy(y_true, y_pred, sample_weight), names, digits)


class Confusion(NamedTuple):
    """A kind of mistake: `times` samples of class `true` were predicted as `predicted`."""

    true: int
    predicted: int
    times: int


def most_confused(matrix: ArrayLike, limit: int = 10) -> list[Confusion]:
    """List the most frequent mistakes of a confusion matrix, largest count first.

    Labels are row and column numbers; pairs that never occur are left out.

    Parameters
    ----------
    matrix : (K, K) counts or weights
        As `confusion_matrix` returns.
    limit : int >= 1, default 10
        Maximum number of pairs.
    """
    counts = as_confusion_matrix(matrix).copy()
    np.fill_diagonal(counts, 0)
    # As floats, because negated unsigned integers wrap around.
    order = np.argsort(-counts.astype(float), axis=None, kind="stable")
    order = order[: check_positive_integer(limit, "limit")]
    pairs = [Confusion(*divmod(int(i), len(counts)), counts.flat[i].item()) for i in order]
    return [pair for pair in pairs if pair.times > 0]


def _label_pair(
    y_true: ArrayLike, y_pred: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true, pred = as_labels("y_true", y_true), as_labels("y_pred", y_pred)
    check_same_length("y_true", true, "y_pred", pred)
    return true, pred


def _count_pairs(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: int | None,
    sample_weight: ArrayLike | None,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the labels (K,) of rows and columns, and the confusion matrix (K, K)."""
    true, pred = _label_pair(y_true, y_pred)
    weight = as_sample_weight(sample_weight, len(true))
    if classes is None:
        labels, numbers = np.unique(np.concatenate([true, pred]), return_inverse=True)
        true, pred = np.split(numbers, 2)
    else:
        labels = np.arange(check_positive_integer(classes, "classes"))
        check_label_range("y_true", true, len(labels))
        check_label_range("y_pred", pred, len(labels))
    size = len(labels)
    # The pair (t, p) is coded as t K + p, so one bincount fills the whole table.
    counts = np.bincount(true * size + pred, weights=weight, minlength=size * size)
    return labels, counts.reshape(size, size)


def _divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Return the quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
