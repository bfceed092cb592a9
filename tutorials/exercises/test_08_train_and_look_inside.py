"""Checks the exercises of 08_train_and_look_inside: `pytest tutorials/exercises -k 08`."""

import numpy as np
from diagnosis import expect, fail

from numpymlp import metrics


def test_confusion_matrix(exercise):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 3, size=(2, 60))
    right = metrics.confusion_matrix(y_true, y_pred, 4)  # class 3 never occurs
    once = np.zeros((4, 4), dtype=int)
    once[y_true, y_pred] += 1
    causes = [
        (once, "`matrix[a, b] += 1` with arrays counts each pair once; see np.add.at."),
        (right.T, "rows are the truth, columns the answers."),
        (right[:3, :3], "a class that never occurs has a row and a column too."),
        (right / len(y_true), "count samples; do not divide."),
    ]
    expect("confusion_matrix", exercise.confusion_matrix(y_true, y_pred, 4), right, causes)


def test_when_to_stop(exercise):
    for losses, patience, right, why in (
        ([5, 4, 3, 2, 1], 2, (5, 5), "the loss falls to the end: train to the end"),
        ([3, 2, 4, 5, 1], 2, (4, 2), "epochs 3 and 4 bring nothing new, so epoch 5 is not reached"),
        ([3, 2, 4, 5, 1], 3, (5, 5), "with a patience of 3, epoch 5 is reached, and the best"),
        ([3, 2, 2, 2, 2], 3, (5, 2), "an equal loss is no progress, and the earlier epoch is best"),
        ([4, 3, 5, 2, 5, 5, 5], 2, (6, 4), "after progress, the count begins anew"),
        ([2, 3], 1, (2, 1), "a patience of 1 ends with the first epoch that is no better"),
    ):
        got = exercise.when_to_stop(losses, patience)
        if not isinstance(got, tuple | list) or len(got) != 2:
            fail("when_to_stop: return two epochs, separated by a comma.")
        name = f"when_to_stop({losses}, patience={patience})"
        counted_from_0 = (np.array(right) - 1, "epochs count from 1.")
        swapped = (right[::-1], "first the last epoch that is trained, then the best.")
        causes = [counted_from_0]
        if right[0] != right[1]:
            causes.append(swapped)
        expect(f"{name}; {why}", got, right, causes)


def test_calibration_error(exercise):
    rng = np.random.default_rng(1)
    logits = 2 * rng.normal(size=(400, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y_true = rng.integers(0, 4, 400)
    y_true[:200] = probabilities[:200].argmax(axis=1)
    table = metrics.reliability_table(y_true, probabilities, 5)
    filled = table.count > 0
    gaps = (table.confidence - table.accuracy)[filled]
    weights = table.count[filled] / 400
    sureness = probabilities.max(axis=1)
    right_answers = probabilities.argmax(axis=1) == y_true
    causes = [
        (abs(gaps).mean(), "each bin counts as often as it has samples."),
        (abs(gaps @ weights), "take the distance in each bin before you average."),
        (abs(sureness - right_answers).mean(), "take the means within each bin first."),
        (100 * (abs(gaps) @ weights), "the answer lies between 0 and 1, not in percent."),
    ]
    got = exercise.calibration_error(y_true, probabilities, 5)
    expect("calibration_error", got, abs(gaps) @ weights, causes)


def test_calibration_error_at_the_edges(exercise):
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    # Sureness 1 belongs to the last bin, 0.5 to the lower of two: gaps of 0 and 0.5.
    got = exercise.calibration_error(np.array([0, 1]), probabilities, 2)
    causes = [
        (0.0, "is a bin empty that should not be? A sureness of 1 belongs to the last one."),
    ]
    expect("calibration_error with sureness 1 and 0.5 in two bins", got, 0.25, causes)
