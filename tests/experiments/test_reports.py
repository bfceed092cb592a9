import csv
import io
from dataclasses import is_dataclass
from functools import partial

import numpy as np
import pytest
from PIL import Image

from numpymlp import metrics, plots
from numpymlp.experiments.reports import (
    FILES,
    evaluation_report,
    write_evaluation,
    write_training_figures,
)
from numpymlp.layers import BatchNorm, Dense, ReLU
from numpymlp.models import mlp
from numpymlp.network import Network
from numpymlp.storage.files import StorageError
from numpymlp.validation import InputError

FIGURES = {
    "predictions.png",
    "mistakes.png",
    "confused-pairs.png",
    "confusion.png",
    "scores.png",
    "reliability.png",
    "first-layer-weights.png",
    "activations.png",
}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Draw 20 pixels an inch instead of 150, which takes less time."""
    monkeypatch.setattr("numpymlp.plots.style.DPI", 20)


def classifier(inputs=16, classes=3, output="softmax"):
    rng = np.random.default_rng(0)
    layers = [Dense(inputs, 6), BatchNorm(6), ReLU(), Dense(6, classes)]
    return Network(layers, output=output, rng=rng)


def samples(count=30, inputs=16, classes=3):
    rng = np.random.default_rng(1)
    return rng.random((count, inputs), dtype=np.float32), rng.integers(0, classes, count)


def names(folder):
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_report_confusion_matrix_and_figures_are_written(tmp_path):
    x, y_true = samples()
    network = classifier()
    report = write_evaluation(tmp_path, network, x, y_true, data_name="toy")
    assert names(tmp_path) == FIGURES | {"report.txt", "confusion.csv"}
    assert (tmp_path / "report.txt").read_text() == report

    pred = network.predict(x)
    table = metrics.classification_report(y_true, pred, 3, digits=4)
    assert report.startswith(f"toy: 30 samples, {(pred != y_true).sum()} mistakes\n")
    assert f"accuracy           {table.accuracy:8.2%}" in report
    assert str(table) in report
    head, *rows = csv.reader(io.StringIO((tmp_path / "confusion.csv").read_text()))
    assert head == ["true class", "predicted 0", "predicted 1", "predicted 2"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    np.testing.assert_array_equal(
        [[int(cell) for cell in row[1:]] for row in rows],
        metrics.confusion_matrix(y_true, pred, 3),
    )
    for name in FIGURES:
        with Image.open(tmp_path / name) as image:
            image.load()
            assert image.width == 160


def test_the_report_does_not_round_a_mistake_away():
    y_true = np.arange(30_000) % 2
    rows = np.eye(2)[y_true]
    assert "accuracy            100.00%" in evaluation_report(y_true, rows)
    rows[0] = rows[0, ::-1]
    report = evaluation_report(y_true, rows)
    assert report.startswith("test data: 30,000 samples, 1 mistake\n\naccuracy           > 99.99%")


def test_report_names_the_worst_confusion():
    y_true = np.array([0, 0, 0, 1, 2])
    rows = np.eye(3)[[1, 1, 0, 1, 2]] * 0.7 + 0.1
    report = evaluation_report(y_true, rows, class_names=["cat", "dog", "owl"])
    assert report.endswith("most confused: cat called dog (2)\n")
    assert f"log loss           {metrics.log_loss(y_true, rows):8.4f}" in report
    assert "top-2 accuracy      100.00%" in report
    faultless = evaluation_report(rows.argmax(axis=1), rows)
    assert "0 mistakes" in faultless
    assert "most confused" not in faultless


def test_the_same_figures_are_the_same_bytes(tmp_path):
    x, y_true = samples()
    history = {"epoch": [1, 2], "running_train_loss": [1.0, 0.5]}
    contents = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        write_training_figures(tmp_path / run, history, x, y_true, classifier().predict_proba(x))
        contents.append({p.name: p.read_bytes() for p in (tmp_path / run).iterdir()})
    assert contents[0] == contents[1]


def test_figures_of_mistakes_are_deleted_when_there_are_none(tmp_path):
    x, y_true = samples()
    network = classifier()
    write_evaluation(tmp_path, network, x, y_true)
    write_evaluation(tmp_path, network, x, network.predict(x))
    assert names(tmp_path) == FIGURES - {"mistakes.png", "confused-pairs.png"} | {
        "report.txt",
        "confusion.csv",
    }


def test_samples_that_are_not_square_are_counted_but_not_drawn(tmp_path):
    x, y_true = samples(inputs=12)
    write_evaluation(tmp_path, classifier(inputs=12), x, y_true)
    scores = {"confusion.png", "scores.png", "reliability.png", "report.txt", "confusion.csv"}
    assert names(tmp_path) == scores
    write_evaluation(tmp_path, classifier(inputs=12), x, y_true, image_shape=(3, 4))
    assert names(tmp_path) == FIGURES | scores


def test_a_wrong_image_shape_deletes_no_figure(tmp_path):
    x, y_true = samples(inputs=12)
    write_evaluation(tmp_path, classifier(inputs=12), x, y_true, image_shape=(3, 4))
    before = names(tmp_path)
    for wrong in ((3, 5), (-3, -4)):
        with pytest.raises(InputError, match="image_shape"):
            write_evaluation(tmp_path, classifier(inputs=12), x, y_true, image_shape=wrong)
    assert names(tmp_path) == before


def test_each_figure_gets_the_predictions_and_the_images(tmp_path, monkeypatch):
    x, y_true = samples()
    network = classifier()
    rows = network.predict_proba(x)
    pred, images = rows.argmax(axis=1), x.reshape(-1, 4, 4)
    matrix = metrics.confusion_matrix(y_true, pred, 3)
    drawn = {}

    def record(name):
        def draw(*arguments, **options):
            drawn[name] = arguments
            return original()

        original = partial(plots.first_layer_weights, network.layers[0].W)
        monkeypatch.setattr(f"numpymlp.experiments.reports.plots.{name}", draw)

    expected = {
        "confusion_matrix": [matrix],
        "class_scores": [metrics.precision_recall_f1(y_true, pred, 3)],
        "reliability_diagram": [metrics.reliability_table(y_true, rows)],
        "prediction_grid": [images, y_true, pred],
        "mistakes": [images, y_true, rows],
        "confused_pairs": [images, y_true, rows],
    }
    for name in expected:
        record(name)
    write_evaluation(tmp_path, network, x, y_true)
    for name, arguments in expected.items():
        np.testing.assert_equal(plain(drawn.pop(name)), plain(arguments), err_msg=name)
    record("learning_curves")
    history = {"epoch": [1, 2], "running_train_loss": [1.0, 0.5]}
    write_training_figures(tmp_path, history, x, y_true, rows)
    assert set(drawn) == {"learning_curves", "confusion_matrix", "prediction_grid"}
    for name in ("confusion_matrix", "prediction_grid"):
        np.testing.assert_equal(plain(drawn[name]), plain(expected[name]), err_msg=name)
    assert drawn["learning_curves"] == (history,)


def plain(arguments):
    """Turn records into dicts, which NumPy knows how to compare."""
    return [vars(each) if is_dataclass(each) else each for each in arguments]


def test_the_activations_drawn_are_the_inputs_of_the_next_layer(tmp_path, monkeypatch):
    x, y_true = samples()
    network = classifier()
    drawn = {}

    def record(image, hidden, probabilities, **options):
        drawn.update(image=image, hidden=hidden, probabilities=probabilities, **options)
        return plots.first_layer_weights(network.layers[0].W)

    monkeypatch.setattr("numpymlp.experiments.reports.plots.activations", record)
    write_evaluation(tmp_path, network, x, y_true)
    mistake = int(np.flatnonzero(network.predict(x) != y_true)[0])
    np.testing.assert_array_equal(drawn["image"], x[mistake].reshape(4, 4))
    (hidden,) = drawn["hidden"]
    # Dense, BatchNorm, ReLU: the last Dense layer reads what ReLU gives.
    np.testing.assert_array_equal(hidden, network.activations(x[mistake : mistake + 1])[2][0])
    assert hidden.min() == 0
    assert drawn["truth"] == y_true[mistake]


def test_one_sigmoid_unit_is_a_classifier_of_two_classes(tmp_path):
    x, y_true = samples(classes=2)
    report = write_evaluation(tmp_path, classifier(classes=1, output="sigmoid"), x, y_true)
    assert "predicted 1" in (tmp_path / "confusion.csv").read_text()
    assert "weighted avg" in report
    assert "top-2" not in report


@pytest.mark.parametrize(
    ("network", "data", "message"),
    [
        (classifier(inputs=20), samples(), "20"),
        (classifier(classes=2), samples(), r"y_true: expected labels from 0 to 1 \(2 classes\)"),
        (classifier(output="identity"), samples(), "predict_proba expected output='softmax'"),
        (classifier(), (samples()[0], samples()[1][:-1]), "y_true and probabilities.*29 and 30"),
        (classifier(), (np.full((2, 16), np.nan), [0, 1]), "NaN"),
    ],
)
def test_wrong_arguments_raise_an_error_and_leave_the_folder_unchanged(
    tmp_path, network, data, message
):
    (tmp_path / "report.txt").write_text("an older report")
    with pytest.raises(InputError, match=message):
        write_evaluation(tmp_path, network, *data)
    assert names(tmp_path) == {"report.txt"}
    assert (tmp_path / "report.txt").read_text() == "an older report"


def test_training_ends_with_three_figures(tmp_path):
    x, y_true = samples()
    history = {"epoch": [1, 2], "running_train_loss": [1.0, 0.5], "validation_loss": [None, None]}
    write_training_figures(tmp_path, history, x, y_true, classifier().predict_proba(x))
    assert names(tmp_path) == {"predictions.png", "learning-curves.png", "confusion.png"}


def test_input_dropout_is_not_a_hidden_layer(tmp_path, monkeypatch):
    network = mlp([16, 6, 3], input_dropout=0.2, dropout=0.5, rng=np.random.default_rng(0))
    x, y_true = samples()
    shown = []
    draw = plots.activations

    def look(image, hidden, answer, **options):
        shown.append(hidden)
        return draw(image, hidden, answer, **options)

    monkeypatch.setattr("numpymlp.plots.activations", look)
    write_evaluation(tmp_path, network, x, y_true)
    assert [len(units) for units in shown[0]] == [6]
    assert "first-layer-weights.png" in names(tmp_path)


def test_figures_of_samples_are_deleted_when_samples_cannot_be_drawn(tmp_path):
    write_evaluation(tmp_path, classifier(), *samples())
    write_evaluation(tmp_path, classifier(inputs=12), *samples(inputs=12))
    kept = {"confusion.png", "scores.png", "reliability.png", "report.txt", "confusion.csv"}
    assert names(tmp_path) == kept


def test_files_names_every_file_that_is_written(tmp_path):
    x, y_true = samples()
    write_evaluation(tmp_path, classifier(), x, y_true, class_names=np.array(["a", "b", "c"]))
    history = {"epoch": [1, 2], "running_train_loss": [1.0, 0.5]}
    write_training_figures(tmp_path, history, x, y_true, classifier().predict_proba(x))
    assert names(tmp_path) == set(FILES)


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match="could not be created"):
        write_evaluation(tmp_path / "taken", classifier(), *samples())
