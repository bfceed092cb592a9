"""What training recorded, and the rule that reads from the record when to stop.

`Trainer` writes a row after each epoch. Early stopping keeps no count of its own: it looks at the
whole record every time, so that a resumed training decides as an undisturbed one. Read
`training.py` next.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from numpymlp.storage.files import atomic_write, csv_text
from numpymlp.validation import check_choice, check_positive_integer, check_range

if TYPE_CHECKING:
    from numpymlp.training.trainer import Trainer


COLUMNS = (
    "epoch",
    "running_train_loss",
    "running_train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)


class History:
    """What training recorded: one row for each epoch.

    The columns are ``epoch``, ``running_train_loss``, ``running_train_accuracy`` (means over the
    epoch's batches, in training mode, while the weights moved), ``validation_loss``,
    ``validation_accuracy`` (clean, after the epoch; None without validation data),
    ``learning_rate`` (of the epoch's last step) and ``seconds``. Accuracies are None where the
    network gives values.

    Attributes
    ----------
    rows : list of dict
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the columns as plain lists, for `plots` or a data frame."""
        return {name: self[name] for name in self.rows[0]} if self.rows else {}

    def to_csv(self) -> str:
        """Give the table as CSV, one line an epoch; None is left empty."""
        if not self.rows:
            return ""
        columns = list(self.rows[0])
        return csv_text(columns, [[row[column] for column in columns] for row in self.rows])

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_csv` to a file, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self.to_csv().encode())

    def __repr__(self) -> str:
        return f"History({len(self)} epochs)"


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when validation no longer gets better, and go back to the best weights.

    Parameters
    ----------
    patience : int, default 5
        How many epochs in a row may bring no progress. After it has stopped a training, another
        `fit` counts anew.
    monitor : {"validation_loss", "validation_accuracy"}, default "validation_loss"
    min_delta : float >= 0, default 0
        How much better an epoch must be to count as progress.
    """

    patience: int = 5
    monitor: str = "validation_loss"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        check_positive_integer(self.patience, "EarlyStopping patience")
        check_choice(self.monitor, "monitor", ("validation_loss", "validation_accuracy"))
        check_range(self.min_delta, "EarlyStopping min_delta", 0, np.inf, right_open=True)

    def __call__(self, trainer: Trainer) -> bool:
        sign = 1 if self.monitor == "validation_loss" else -1
        best, idle = math.inf, 0
        for value in trainer.history[self.monitor][trainer.first_epoch :]:
            progress = sign * value < best - self.min_delta
            best, idle = (sign * value, 0) if progress else (best, idle + 1)
        return idle >= self.patience
