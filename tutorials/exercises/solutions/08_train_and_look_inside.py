"""Solutions of the exercises for 08_train_and_look_inside: one way among several."""

import numpy as np


def confusion_matrix(y_true, y_pred, classes):
    """Count how often each true class was called each class.

    Parameters: y_true and y_pred (N,); classes, how many there are: some may never occur.
    Returns: (classes, classes) integers, a row for each true class, a column for each answer.
    """
    matrix = np.zeros((classes, classes), dtype=int)
    np.add.at(matrix, (y_true, y_pred), 1)
    return matrix


def when_to_stop(validation_losses, patience):
    """Decide on early stopping.

    Training ends after the first epoch that completes `patience` epochs in a row without a new
    lowest validation loss. The weights of the best epoch so far are then put back.

    Parameters: validation_losses, one for each epoch that training would have; patience, at least
    1.
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
    """Measure how far a network's sureness is from how often it is right.

    The sureness of a sample is its largest probability. Sort the samples by it into bins of equal
    width: bin b, from 0, takes the sureness in (b / bins, (b + 1) / bins]. In each bin that is not
    empty, take the distance between the mean sureness and the share of right answers. Average these
    distances, each counted as often as its bin has samples.

    Returns: a number from 0 to 1.
    """
    sureness = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    bin_of = np.ceil(sureness * bins) - 1
    error = 0.0
    for b in range(bins):
        inside = bin_of == b
        if inside.any():
            gap = abs(sureness[inside].mean() - right[inside].mean())
            error += gap * inside.mean()
    return error
