"""Solutions of the exercises for 08_train_and_look_inside: one way among several."""

import numpy as np


def confusion_matrix(y_true, y_pred, classes):
    """Count how often each true class was predicted as each class.

    Parameters: y_true and y_pred (N,); classes, the number of classes; some may never occur.
    Returns: (classes, classes) integers: a row for each true class, a column for each prediction.
    """
    matrix = np.zeros((classes, classes), dtype=int)
    np.add.at(matrix, (y_true, y_pred), 1)
    return matrix


def when_to_stop(validation_losses, patience):
    """Find where early stopping ends a training run.

    Training stops as soon as `patience` epochs in a row brought no new lowest validation loss. The
    weights of the best epoch so far are then restored.

    Parameters: validation_losses, one for each epoch of a run without early stopping; patience, at
    least 1.
    Returns: the last epoch that is trained, and the best epoch up to it; both count from 1. Of
    equal losses, the earlier epoch is the best.
    """
    best_loss, best_epoch = np.inf, 0
    for epoch, loss in enumerate(validation_losses, start=1):
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
        elif epoch - best_epoch == patience:
            break
    return epoch, best_epoch


def calibration_error(y_true, probabilities, bins):
    """Compute the expected calibration error: the mean gap between confidence and accuracy.

    The confidence of a sample is its largest probability. Sort the samples by it into bins of equal
    width: bin b, from 0, takes the confidence in (b / bins, (b + 1) / bins]. In each bin that is
    not empty, take the absolute difference between the mean confidence and the accuracy. Average
    these differences, each weighted by the number of samples in its bin.

    Returns: a number from 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    bin_of = np.ceil(confidence * bins) - 1
    error = 0.0
    for b in range(bins):
        inside = bin_of == b
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            error += gap * inside.mean()
    return error
