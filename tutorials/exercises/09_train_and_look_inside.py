"""Exercises for 09_train_and_look_inside. Check them with:

    .venv/bin/pytest tutorials/exercises -k 09

Replace each line that raises NotImplementedError with your own code. `y_true` (N,) are the true
labels, `y_pred` (N,) the predicted ones, integers from 0 to K - 1; `probabilities` is (N, K).

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def confusion_matrix(y_true, y_pred, classes):
    """Count how often each true class was predicted as each class.

    Parameters: y_true and y_pred (N,); classes, the number of classes; some may never occur.
    Returns: (classes, classes) integers: a row for each true class, a column for each prediction.
    """
    raise NotImplementedError("confusion_matrix")


def when_to_stop(validation_losses, patience):
    """Find where early stopping ends a training run.

    Training stops as soon as `patience` epochs in a row brought no new lowest validation loss. The
    weights of the best epoch so far are then restored.

    Parameters: validation_losses, one for each epoch of a run without early stopping; patience, at
    least 1.
    Returns: the last epoch that is trained, and the best epoch up to it; both count from 1. Of
    equal losses, the earlier epoch is the best.
    """
    raise NotImplementedError("when_to_stop")


# ---- fill * ----


def calibration_error(y_true, probabilities, bins):
    """Compute the expected calibration error: the mean gap between confidence and accuracy.

    The confidence of a sample is its largest probability. Sort the samples by it into bins of equal
    width: bin b, from 0, takes the confidence in (b / bins, (b + 1) / bins]. In each bin that is
    not empty, take the absolute difference between the mean confidence and the accuracy. Average
    these differences, each weighted by the number of samples in its bin.

    Returns: a number from 0 to 1.
    """
    raise NotImplementedError("calibration_error")


# ---- explore ----


def spread_of_the_accuracy():
    """Find out how far a measured accuracy lies from the true one by chance.

    A network gets 98 % of all digits right, and is tested on 10,000 of them. Simulate it with
    `rng.binomial(10_000, 0.98, size=100_000)`: what is the standard deviation of the measured
    accuracy? And how many test images would halve it?

    Returns: the pair (standard deviation as a number from 0 to 1, number of images).
    """
    raise NotImplementedError("spread_of_the_accuracy")


# ---- paper ----


def read_the_matrix():
    """Read a confusion matrix by hand: rows are the true classes, columns the predictions.

              predicted 0  1  2
    true 0              8  1  1
    true 1              0  9  1
    true 2              4  0  6

    Recall of a class: the share of its samples that were found. Precision: the share of the
    samples predicted as it that are right.

    Returns: the dict {"accuracy": ..., "recall of 2": ..., "precision of 0": ...,
    "most frequent mistake": (true class, predicted class)}.
    """
    raise NotImplementedError("read_the_matrix")
