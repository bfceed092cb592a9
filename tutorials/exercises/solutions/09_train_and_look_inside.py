"""Solutions of the exercises for 09_train_and_look_inside: one way among several, and why."""

import numpy as np

# ---- fill ----


def confusion_matrix(y_true, y_pred, classes):
    """Count how often each true class was predicted as each class."""
    matrix = np.zeros((classes, classes), dtype=int)
    # np.add.at adds once for each pair, also where a pair occurs several times.
    np.add.at(matrix, (y_true, y_pred), 1)
    return matrix


def when_to_stop(validation_losses, patience):
    """Find where early stopping ends a training run."""
    # The patience counts from the best epoch, so nothing needs to be reset.
    best_loss, best_epoch = np.inf, 0
    for epoch, loss in enumerate(validation_losses, start=1):
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
        elif epoch - best_epoch == patience:
            break
    return epoch, best_epoch


# ---- fill * ----


def calibration_error(y_true, probabilities, bins):
    """Compute the expected calibration error: the mean gap between confidence and accuracy."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    # (b / bins, (b + 1) / bins]: rounding up puts the upper edge into its bin.
    bin_of = np.ceil(confidence * bins) - 1
    error = 0.0
    for b in range(bins):
        inside = bin_of == b
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            error += gap * inside.mean()
    return error


# ---- explore ----


def spread_of_the_accuracy():
    """Find out how far a measured accuracy lies from the true one by chance."""
    # sqrt(0.98 * 0.02 / 10000) = 0.0014. So 98.1 % against 98.0 % on one test set proves nothing.
    rng = np.random.default_rng(0)
    spread = (rng.binomial(10_000, 0.98, size=100_000) / 10_000).std()
    return spread, 4 * 10_000


# ---- paper ----


def read_the_matrix():
    """Read a confusion matrix by hand: rows are the true classes, columns the predictions."""
    # Accuracy: the diagonal over all. Recall goes along a row, precision along a column.
    return {
        "accuracy": 23 / 30,
        "recall of 2": 6 / 10,
        "precision of 0": 8 / 12,
        "most frequent mistake": (2, 0),
    }
