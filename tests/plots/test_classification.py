import numpy as np
import pytest
from messages import one_clear_error
from pictures import answers

from numpymlp import metrics, plots


def test_confusion_matrix_scales_to_the_mistakes():
    matrix = np.array([[970, 10, 0], [0, 1000, 5], [0, 0, 0]])
    figure = plots.confusion_matrix(matrix)
    assert figure.get_suptitle() == "Confusion matrix: 99.24 % of 1,985 samples are right"
    counts, shares = figure.axes[:2]
    assert (counts.get_xlabel(), counts.get_ylabel()) == ("predicted class", "true class")
    heat = counts.images[0]
    assert heat.get_clim() == (0, 10)
    assert heat.get_array().mask.diagonal().all()
    assert shares.images[0].get_clim() == pytest.approx((0, 1000 / 980))
    assert [text.get_text() for text in counts.texts] == ["970", "10", "", "", "1000", "5"] + [
        ""
    ] * 3
    dash = "\N{EN DASH}"
    in_shares = [text.get_text() for text in shares.texts]
    assert in_shares == ["99.0", "1.0", "", "", "99.5", "0.5", dash, dash, dash]
    marks = [text.get_text() for text in figure.legends[0].get_texts()]
    assert marks == ["✓ right", "✗ mistake"]


def test_confusion_matrix_of_a_faultless_classifier():
    figure = plots.confusion_matrix(np.diag([5, 6]))
    assert figure.get_suptitle() == "Confusion matrix: 100 % of 11 samples are right"


def test_scores_hang_from_one():
    scores = metrics.precision_recall_f1([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1])
    figure = plots.class_scores(scores, class_names=["cat", "dog"])
    axes = figure.axes[0]
    assert len(axes.containers) == 3
    for bars, values in zip(
        axes.containers, (scores.precision, scores.recall, scores.f1), strict=True
    ):
        np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in bars], values)
        assert {bar.get_y() for bar in bars} == {1.0}
    low, high = axes.get_ylim()
    assert high == 1.0
    assert 0.6 < low < 2 / 3
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat\n(4)", "dog\n(2)"]
    names = [text.get_text().split()[0] for text in figure.legends[0].get_texts()]
    assert names == ["precision", "recall", "F1"]


def test_a_class_that_never_occurs_has_no_bars_and_no_effect_on_the_scale():
    scores = metrics.precision_recall_f1([1, 1, 1, 1, 2], [1, 1, 1, 2, 2], classes=3)
    axes = plots.class_scores(scores).axes[0]
    assert [bars[0].get_height() for bars in axes.containers] == [0, 0, 0]
    assert 0.4 < axes.get_ylim()[0] < 0.5  # below the precision of class 2, 1 / 2


def test_reliability_diagram_shows_the_numbers_of_the_table():
    _, y_true, rows = answers()
    table = metrics.reliability_table(y_true, rows, bins=8)
    figure = plots.reliability_diagram(table)
    upper, lower = figure.axes
    filled = table.count > 0
    error = 100 * metrics.expected_calibration_error(y_true, rows, bins=8)
    assert figure.get_suptitle() == f"Reliability: expected calibration error {error:.2f} %"
    dots = upper.lines[-1].get_xydata()
    np.testing.assert_allclose(dots[:, 0], 100 * table.confidence[filled])
    np.testing.assert_allclose(dots[:, 1], 100 * table.accuracy[filled])
    assert [text.get_text() for text in lower.texts] == [str(c) for c in table.count[filled]]
    assert lower.get_yscale() == "log"
    gap = 100 * (rows.max(axis=1).mean() - metrics.accuracy(y_true, rows.argmax(axis=1)))
    side = "above" if gap > 0 else "below"
    expected = f"mean confidence is {abs(gap):.2f} percentage points {side} accuracy"
    assert lower.get_title(loc="right") == expected


def test_reliability_of_a_calibrated_model():
    rows = np.array([[0.75, 0.25]] * 4)
    figure = plots.reliability_diagram(metrics.reliability_table([0, 0, 0, 1], rows))
    assert figure.get_suptitle() == "Reliability: expected calibration error 0.00 %"
    assert figure.axes[1].get_title(loc="right") == "mean confidence equals accuracy"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plots.confusion_matrix([[1, 2], [3, 4]], class_names=["a", "b", "c"]),
            "class_names: expected length 2, .*, got 3",
        ),
        (lambda: plots.confusion_matrix([[1, 2, 3]]), r"shape \(K, K\).*\(1, 3\)"),
        (lambda: plots.confusion_matrix([[1, -2], [0, 1]]), "at least 0.*got -2 to 1"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
