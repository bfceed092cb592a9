"""The history of a training run: one row for each epoch.

The `Trainer` writes the rows; early stopping, plots and reports read them. Read `state.py` next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpymlp.storage.files import atomic_write, csv_text

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
    """One row for each epoch of training.

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
        """Return the columns as plain lists, for `plots` or a data frame."""
        return {name: self[name] for name in self.rows[0]} if self.rows else {}

    def to_csv(self) -> str:
        """Return the table as CSV, one line an epoch; None is left empty."""
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
