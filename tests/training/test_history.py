import csv
import io
import math
import sys

import pytest
from trainers import make

from numpymlp import EarlyStopping, History, OneCycle, evaluate
from numpymlp.training.history import COLUMNS


def test_history_has_a_row_for_each_epoch_and_clean_validation_numbers(blobs):
    x, y = blobs
    trainer = make(schedule=OneCycle())
    history = trainer.fit(x, y, 4, validation=(x[::3], y[::3]))
    assert history is trainer.history is trainer.state.history
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["running_train_loss"] == sorted(history["running_train_loss"], reverse=True)
    clean = evaluate(trainer.network, trainer.loss, x[::3], y[::3])
    assert (history["validation_loss"][-1], history["validation_accuracy"][-1]) == clean
    assert clean.loss < math.log(3) / 2
    # the last of 40 steps: (40 - 39) / 36 of 0.02
    assert history["learning_rate"][-1] == pytest.approx(0.02 / 36)
    assert all(seconds > 0 for seconds in history["seconds"])


def test_history_becomes_csv_and_plain_dicts(tmp_path, blobs):
    history = make().fit(*blobs, 2)
    history.save_csv(tmp_path / "history.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "history.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["running_train_loss"]) == history["running_train_loss"][1]
    assert rows[0]["validation_loss"] == ""
    assert tuple(history.to_dict()) == tuple(rows[0]) == COLUMNS
    assert repr(history) == "History(2 epochs)"


def test_an_empty_history_gives_an_empty_table():
    assert (History().to_dict(), History().to_csv(), len(History())) == ({}, "", 0)


def test_a_history_owns_copies_of_its_rows():
    row = {"epoch": 1}
    history = History([row])
    row["epoch"] = 2
    assert history["epoch"] == [1]


@pytest.mark.parametrize("early_stopping", [None, EarlyStopping(10**6)])
def test_an_epoch_reads_no_more_rows_after_many_epochs(early_stopping, blobs, monkeypatch):
    # The whole history was read after every epoch: 12,000 epochs made one of 0.7 ms take 5 ms.
    class Rows(list):
        reads = 0

        def __getitem__(self, index):
            Rows.reads += 1 if isinstance(index, int) else len(self)
            return super().__getitem__(index)

        def __iter__(self):
            Rows.reads += len(self)
            return super().__iter__()

    trainer = make(batch_size=300, early_stopping=early_stopping, verbose=1)
    trainer.history.rows = Rows()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    trainer.fit(*blobs, 300, validation=blobs)
    assert len(trainer.history) == 300
    assert Rows.reads <= 300 * 2
