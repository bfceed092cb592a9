"""Metrics: accuracy, confusion matrix, classification report, calibration, regression errors.

Each metric is a few lines on arrays and equals scikit-learn's. Read `classification` first, then
`probabilities` and `regression`; `checks` holds the input checks, `numpymlp.plots` draws the
results.
"""

from numpymlp.metrics.classification import (
    ClassificationReport,
    ClassScores,
    Confusion,
    Score,
    accuracy,
    classification_report,
    confusion_matrix,
    most_confused,
    precision_recall_f1,
)
from numpymlp.metrics.probabilities import (
    ReliabilityTable,
    expected_calibration_error,
    log_loss,
    rank_mistakes,
    reliability_table,
    top_k_accuracy,
)
from numpymlp.metrics.regression import mean_absolute_error, mean_squared_error, r2_score

__all__ = [
    "ClassScores",
    "ClassificationReport",
    "Confusion",
    "ReliabilityTable",
    "Score",
    "accuracy",
    "classification_report",
    "confusion_matrix",
    "expected_calibration_error",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "most_confused",
    "precision_recall_f1",
    "r2_score",
    "rank_mistakes",
    "reliability_table",
    "top_k_accuracy",
]
