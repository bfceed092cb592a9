"""The history of a training run: one row for each epoch.

The `Trainer` writes the rows; early stopping, plots and reports read them. Read `state.py` next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpymlp.storage.files import atomic_write, counted, csv_text
from numpymlp.validation import InputError

COLUMNS = (
    "epoch",
    "running_train_loss",
    "running_train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)

# Columns by the names that other libraries give them.
_KERAS = {
    "loss": "running_train_loss",
    "accuracy": "running_train_accuracy",
    "acc": "running_train_accuracy",
    "val_loss": "validation_loss",
    "val_accuracy": "validation_accuracy",
    "val_acc": "validation_accuracy",
    "lr": "learning_rate",
}


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
        known = list(self.rows[0]) if self.rows else list(COLUMNS)
        if column not in known:
            raise InputError(
                f"history: expected one of the columns {', '.join(known)}, got {column!r:.80}"
                f"{_meant(column)}"
            )
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
        return f"History({counted(len(self), 'epoch')})"


def _meant(column: Any) -> str:
    meant = _KERAS.get(str(column))
    return f": did you mean {meant}?" if meant else ""
