"""Checks 09_train_and_look_inside: `.venv/bin/pytest tutorials/exercises -k 09`."""

import numpy as np
from diagnosis import expect, expect_all, expect_dict, fail

from numpymlp import metrics


def test_confusion_matrix(exercise):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 3, size=(2, 60))
    right = metrics.confusion_matrix(y_true, y_pred, 4)  # class 3 never occurs
    once = np.zeros((4, 4), dtype=int)
    once[y_true, y_pred] += 1
    causes = [
        (once, "`matrix[a, b] += 1` with arrays counts each pair once; see np.add.at."),
        (right.T, "rows are the true classes, columns the predicted ones."),
        (right[:3, :3], "a class that never occurs has a row and a column too."),
        (right / len(y_true), "count samples; do not divide."),
    ]
    expect("confusion_matrix", exercise.confusion_matrix(y_true, y_pred, 4), right, causes)


def test_when_to_stop(exercise):
    for losses, patience, right, why in (
        ([5, 4, 3, 2, 1], 2, (5, 5), "the loss falls until the end: train until the end"),
        (
            [3, 2, 4, 5, 1],
            2,
            (4, 2),
            "epochs 3 and 4 bring no lower loss: stop before epoch 5",
        ),
        ([3, 2, 4, 5, 1], 3, (5, 5), "with a patience of 3, training reaches epoch 5, the best"),
        (
            [3, 2, 2, 2, 2],
            3,
            (5, 2),
            "an equal loss is not lower; the earlier epoch is the best",
        ),
        ([4, 3, 5, 2, 5, 5, 5], 2, (6, 4), "after a lower loss, the count starts again"),
        ([2, 3], 1, (2, 1), "a patience of 1 stops after the first epoch that is no better"),
    ):
        got = exercise.when_to_stop(losses, patience)
        if not isinstance(got, tuple | list) or len(got) != 2:
            fail("when_to_stop: return two epochs, separated by a comma.")
        name = f"when_to_stop({losses}, patience={patience})"
        counted_from_0 = (np.array(right) - 1, "epochs count from 1.")
        swapped = (right[::-1], "return the last epoch that is trained first, then the best.")
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
    confidence = probabilities.max(axis=1)
    right_answers = probabilities.argmax(axis=1) == y_true
    causes = [
        (abs(gaps).mean(), "weight each bin by its number of samples."),
        (abs(gaps @ weights), "take the absolute value in each bin before you average."),
        (abs(confidence - right_answers).mean(), "compute the means within each bin first."),
        (100 * (abs(gaps) @ weights), "return a number from 0 to 1, not a percentage."),
    ]
    got = exercise.calibration_error(y_true, probabilities, 5)
    expect("calibration_error", got, abs(gaps) @ weights, causes)


def test_calibration_error_at_the_edges(exercise):
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    # Confidence 1 belongs to the last bin, 0.5 to the lower of two: gaps of 0 and 0.5.
    got = exercise.calibration_error(np.array([0, 1]), probabilities, 2)
    causes = [
        (0.0, "is a bin empty that should not be? A confidence of 1 belongs to the last."),
    ]
    expect("calibration_error with confidence 1 and 0.5 in two bins", got, 0.25, causes)


def test_spread_of_the_accuracy(exercise):
    got = exercise.spread_of_the_accuracy()
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail("spread_of_the_accuracy: return the standard deviation and a number of images.")
    causes = [
        (14.0, "divide the number of right answers by 10,000."),
        (0.14, "return a number from 0 to 1, not a percentage."),
        (0.0014**2, "this is the variance; take its root."),
    ]
    of_images = [(20_000, "it falls as 1 / sqrt(N): twice as many make it 0.71 times as large.")]
    first = ("standard deviation", got[0], 0.0014, causes)
    expect_all([first, ("images", got[1], 40_000, of_images)], tolerance=0.02)


def test_read_the_matrix(exercise):
    right = {"accuracy": 23 / 30, "recall of 2": 0.6, "precision of 0": 8 / 12}
    right["most frequent mistake"] = (2, 0)
    causes = {
        "recall of 2": [(6 / 8, "this is the precision: recall goes along the row.")],
        "precision of 0": [(8 / 10, "this is the recall: precision goes along the column.")],
        "most frequent mistake": [((0, 2), "rows are the true classes.")],
    }
    expect_dict(exercise.read_the_matrix(), right, causes)
