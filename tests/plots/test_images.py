import numpy as np
import pytest
from messages import one_clear_error
from pictures import answers

from numpymlp import plots
from numpymlp.plots.style import RIGHT, WRONG

IMAGES, LABELS = np.zeros((2, 4, 4)), [0, 1]
ROWS = np.array([[0.9, 0.1], [0.2, 0.8]])


def test_grid_says_right_in_green_and_wrong_in_red_with_the_truth():
    images = np.arange(3 * 16.0).reshape(3, 16)
    figure = plots.prediction_grid(images, [4, 7, 1], [4, 9, 1])
    title, note, *labels = figure.axes[0].texts
    assert title.get_text() == "Predictions: 2 of 3 right"
    assert "✓ right" in note.get_text()
    assert [label.get_text() for label in labels] == ["✓ 4", "✗ 9, truth 7", "✓ 1"]
    assert [label.get_color() for label in labels] == [RIGHT, WRONG, RIGHT]
    drawn = figure.axes[0].images
    np.testing.assert_array_equal(drawn[1].get_array(), images[1].reshape(4, 4))
    assert {image.get_clim() for image in drawn} == {(0.0, 47.0)}
    assert {image.get_interpolation() for image in drawn} == {"nearest"}


def test_grid_shows_rows_times_columns():
    images, y_true, _ = answers()
    figure = plots.prediction_grid(images, y_true, y_true, rows=2, columns=5, title="Mine")
    assert len(figure.axes[0].images) == 10
    assert figure.axes[0].texts[0].get_text() == "Mine: 10 of 10 right"


def test_mistakes_are_ranked_and_show_both_leading_classes():
    images, y_true, rows = answers()
    figure = plots.mistakes(images, y_true, rows, limit=6)
    wrong = np.flatnonzero(rows.argmax(axis=1) != y_true)
    ranked = wrong[np.argsort(-rows[wrong].max(axis=1))][:6]
    axes = figure.axes[0]
    assert axes.texts[0].get_text() == f"Mistakes, most confident first: 6 of {len(wrong)}"
    assert f"{len(wrong)} of 400 samples" in axes.texts[1].get_text()
    for drawn, i in zip(axes.images, ranked, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), images[i])
    captions = axes.texts[5:]
    bars = axes.patches
    for n, i in enumerate(ranked):
        first, second = np.argsort(-rows[i])[:2]
        truth, top, next_best = captions[3 * n : 3 * n + 3]
        assert truth.get_text() == f"truth: {y_true[i]}"
        assert top.get_text().startswith(f"✗ {first}  {100 * rows[i, first]:.1f} %")
        assert top.get_color() == WRONG
        mark = "✓" if second == y_true[i] else "✗"
        assert next_best.get_text().startswith(f"{mark} {second}  ")
        assert (next_best.get_color() == RIGHT) == (second == y_true[i])
        full, part = bars[4 * n], bars[4 * n + 1]
        assert part.get_width() / full.get_width() == pytest.approx(rows[i, first])


def test_no_percentage_claims_certainty():
    rows = np.array([[0.99999, 0.00001], [0.6, 0.4]])
    figure = plots.mistakes(np.zeros((2, 4)), [1, 1], rows)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert "✗ 0  > 99.9 %" in shown
    assert "✓ 1  < 0.1 %" in shown


def test_confused_pairs_are_counted_and_illustrated():
    y_true = np.array([0] * 10 + [1] * 3 + [2] * 5)
    pred = np.array([1] * 10 + [2] * 3 + [2] * 5)
    rows = 0.05 + 0.85 * np.eye(3)[pred]
    figure = plots.confused_pairs(np.zeros((18, 4, 4)), y_true, rows)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[0] == "The most confused pairs: true → predicted"
    assert shown[1].startswith("These 2 pairs make up 13 of 13 mistakes")
    assert shown[2:] == ["0 → 1", "10 times", "1 → 2", "3"]
    longest, short = figure.axes[0].patches
    assert short.get_width() / longest.get_width() == pytest.approx(0.3)
    left_of_images = min(image.get_extent()[0] for image in figure.axes[0].images)
    assert 1 < longest.get_x() + longest.get_width() < left_of_images - 0.7
    assert len(figure.axes[0].images) == 8 + 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.prediction_grid(np.zeros((2, 6)), LABELS, LABELS), r"got \(2, 6\)"),
        (lambda: plots.prediction_grid(IMAGES[0, 0], LABELS, LABELS), r"image\[None\]"),
        (lambda: plots.prediction_grid(IMAGES[:1], LABELS, LABELS), "images and y_true.*1 and 2"),
        (lambda: plots.prediction_grid(IMAGES * np.nan, LABELS, LABELS), "expected finite numbers"),
        (lambda: plots.prediction_grid(IMAGES[:0], [], []), "expected shape"),
        (lambda: plots.prediction_grid(IMAGES, [0, -1], LABELS), "y_true.*labels from -1 to 0"),
        (
            lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, class_names=["a"]),
            "class_names: expected length at least 2, one name for each, got 1",
        ),
        (
            lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, rows=0),
            "rows: .*at least 1, got 0",
        ),
        (lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, columns=-1), "columns: .*got -1"),
        (lambda: plots.mistakes(IMAGES, LABELS[::-1], ROWS, limit=-1), "limit: .*got -1"),
        (
            lambda: plots.mistakes(IMAGES, LABELS, ROWS),
            "at least one wrong prediction, got 2 right ones",
        ),
        (lambda: plots.mistakes(IMAGES, LABELS, ROWS * np.nan), "NaN or infinity, first in row 0"),
        (lambda: plots.mistakes(IMAGES, [0, 2], ROWS), r"labels from 0 to 1 \(2 classes\)"),
        (lambda: plots.confused_pairs(IMAGES, LABELS, ROWS), "at least one wrong prediction"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)


@pytest.mark.parametrize(
    ("wrong_first", "wrong_later", "first", "title"),
    [
        (0, 10, 28, "Predictions: the first 28, then 4 of all 10 mistakes"),
        (3, 10, 31, "Predictions: the first 31, then 1 of all 13 mistakes"),
        (5, 10, 32, "Predictions: 27 of 32 right"),
        (0, 2, 30, "Predictions: the first 30, then 2 of all 2 mistakes"),
        (0, 0, 32, "Predictions: 32 of 32 right"),
    ],
)
def test_the_grid_shows_some_mistakes_and_its_title_says_which(
    wrong_first, wrong_later, first, title
):
    true = np.zeros(100, int)
    pred = np.zeros(100, int)
    pred[:wrong_first] = pred[40 : 40 + wrong_later] = 1
    images = np.arange(100)[:, None, None] * np.ones((1, 4, 4))
    figure = plots.prediction_grid(images, true, pred, mistakes=4)
    assert figure.axes[0].texts[0].get_text() == title
    shown = [int(image.get_array()[0, 0]) for image in figure.axes[0].images]
    assert shown == [*range(first), *range(40, 40 + 32 - first)]
