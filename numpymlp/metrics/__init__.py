"""How good predictions are, counted: accuracy, confusion matrix, report, calibration, R2.

Every score is a few lines on arrays, equal to scikit-learn's, and knows nothing of networks: give
it the truth and what a model said. Read `classification` first, then `probabilities` and
`regression`; the room `plots` draws these numbers.
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
