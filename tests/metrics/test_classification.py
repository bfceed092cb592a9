import re
import warnings

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from messages import one_clear_error

from numpymlp import metrics
from numpymlp.validation import InputError

EXACT = {"rel": 1e-12, "abs": 1e-12}


@st.composite
def label_pairs(draw):
    """Number of classes, truth and prediction; some classes absent from one or both."""
    classes = draw(st.integers(1, 6))
    size = draw(st.integers(1, 40))
    true_label = st.sampled_from(sorted(draw(st.sets(st.integers(0, classes - 1), min_size=1))))
    pred_label = st.sampled_from(sorted(draw(st.sets(st.integers(0, classes - 1), min_size=1))))
    return (
        classes,
        np.array(draw(st.lists(true_label, min_size=size, max_size=size))),
        np.array(draw(st.lists(pred_label, min_size=size, max_size=size))),
    )


@st.composite
def label_pairs_with_weights(draw):
    classes, y_true, y_pred = draw(label_pairs())
    weight = draw(st.none() | arrays(float, len(y_true), elements=st.floats(0.01, 10.0)))
    return classes, y_true, y_pred, weight


def sklearn_per_class(y_true, y_pred, labels, weight, **options):
    return oracle.precision_recall_fscore_support(
        y_true, y_pred, labels=labels, sample_weight=weight, zero_division=0.0, **options
    )


@given(label_pairs_with_weights())
@example((4, np.array([0, 0, 1]), np.array([2, 0, 2]), None))
def test_label_metrics_equal_scikit_learn(case):
    classes, y_true, y_pred, weight = case
    labels = np.arange(classes)
    assert metrics.accuracy(y_true, y_pred, weight) == pytest.approx(
        oracle.accuracy_score(y_true, y_pred, sample_weight=weight), **EXACT
    )
    matrix = metrics.confusion_matrix(y_true, y_pred, classes, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns if there is one class only
        expected = oracle.confusion_matrix(y_true, y_pred, labels=labels, sample_weight=weight)
    assert matrix.shape == (classes, classes)
    assert np.issubdtype(matrix.dtype, np.integer) == (weight is None)
    np.testing.assert_allclose(matrix, expected, rtol=1e-12, atol=1e-12)

    scores = metrics.precision_recall_f1(y_true, y_pred, classes, weight)
    ours = (scores.precision, scores.recall, scores.f1, scores.support)
    for mine, theirs in zip(ours, sklearn_per_class(y_true, y_pred, labels, weight), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)
    for average in ("macro", "weighted"):
        # scikit-learn averages over the labels that occur, unless it is told others.
        theirs = sklearn_per_class(y_true, y_pred, None, weight, average=average)
        assert getattr(scores, average)[:3] == pytest.approx(theirs[:3], **EXACT)


@given(label_pairs())
def test_without_a_class_count_the_classes_are_those_that_occur(case):
    _, y_true, y_pred = case
    shifted = y_true * 3 - 4, y_pred * 3 - 4  # negative labels and gaps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns if there is one class only
        expected = oracle.confusion_matrix(*shifted)
    np.testing.assert_array_equal(metrics.confusion_matrix(*shifted), expected)
    occurring = np.union1d(*shifted)
    np.testing.assert_array_equal(metrics.precision_recall_f1(*shifted).classes, occurring)


@given(label_pairs(), st.integers(1, 4), st.booleans())
def test_report_prints_what_scikit_learn_prints(case, digits, named):
    classes, y_true, y_pred = case
    names = [f"class number {k}" for k in range(classes)] if named else None
    ours = metrics.classification_report(y_true, y_pred, classes, class_names=names, digits=digits)
    theirs = oracle.classification_report(
        y_true,
        y_pred,
        target_names=names and [names[k] for k in np.union1d(y_true, y_pred)],
        digits=digits,
        zero_division=0.0,
    )
    # Where nothing at all is right, scikit-learn prints the support as 3.0 instead of 3.
    assert str(ours) == re.sub(r" (\d+)\.0$", r"   \1", theirs, flags=re.MULTILINE)


def test_a_class_that_never_occurs_does_not_lower_the_macro_average():
    # Labels from 1 gave a class 0 without samples, whose recall of 0 was averaged in.
    y_true, y_pred = [1, 2, 2, 1], [1, 2, 2, 2]
    scores = metrics.precision_recall_f1(y_true, y_pred, classes=4)
    assert scores.macro.recall == pytest.approx(0.75)
    assert scores.occurs.tolist() == [False, True, True, False]
    assert len(scores.recall) == 4
    predicted_only = metrics.precision_recall_f1([1, 1], [1, 3], classes=4)
    assert predicted_only.macro.recall == pytest.approx(0.25)
    # A sample of weight 0 still makes its class occur, as in scikit-learn.
    weighted = metrics.precision_recall_f1([1, 2], [1, 2], 3, sample_weight=[1, 0])
    assert weighted.macro.recall == 0.5


def test_weighted_support_keeps_to_its_column():
    report = metrics.classification_report([0, 1, 1], [0, 1, 0], sample_weight=[0.1, 0.1, 0.2])
    table = str(report)
    assert len({len(line) for line in table.splitlines() if line}) == 1
    assert [line.split()[-1] for line in table.splitlines() if "avg" in line] == ["0.40", "0.40"]


def test_report_can_be_read_by_class():
    report = metrics.classification_report([5, 5, 5, 7], [5, 5, 7, 7])
    # Of three fives two were found; of two called seven one is.
    assert report.scores[5] == metrics.Score(1.0, 2 / 3, 0.8, 3)
    assert report.scores[7] == metrics.Score(0.5, 1.0, 2 / 3, 1)
    assert report.accuracy == 0.75
    assert report.scores.macro.recall == pytest.approx(5 / 6)
    assert report.scores.weighted.recall == pytest.approx(0.75)
    with pytest.raises(InputError, match=r"one of the classes \[5, 7\], got 6"):
        report.scores[6]


def test_rows_are_the_truth():
    np.testing.assert_array_equal(
        metrics.confusion_matrix([0, 0, 0, 1], [1, 1, 0, 1], classes=3),
        [[1, 2, 0], [0, 1, 0], [0, 0, 0]],
    )


def test_most_confused_pairs_are_ranked_and_never_right_answers():
    matrix = [[90, 0, 3], [7, 80, 0], [1, 7, 99]]
    pairs = metrics.most_confused(matrix, limit=3)
    assert pairs == [(1, 0, 7), (2, 1, 7), (0, 2, 3)]
    assert len(metrics.most_confused(matrix)) == 4
    assert metrics.most_confused(np.diag([3, 4])) == []
    assert matrix[0][0] == 90


def test_confusions_are_found_in_unsigned_counts_and_in_square_tables_alone():
    counts = np.zeros((10, 10), np.uint32)
    counts[3, 5], counts[8, 1] = 4, 9
    found = metrics.most_confused(counts, limit=5)
    assert [(c.true, c.predicted, c.times) for c in found] == [(8, 1, 9), (3, 5, 4)]
    for wrong, limit in ((np.ones((2, 3)), 5), (np.ones(4), 5), (counts, -1)):
        with pytest.raises(InputError):
            metrics.most_confused(wrong, limit=limit)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([], []), "y_true: expected at least one label, got none"),
        (lambda: metrics.accuracy([1, 2], [1, 2, 3]), "got 2 and 3: do they come from the same"),
        (lambda: metrics.accuracy([0, 1], np.eye(2)), r"y_pred.*got \(2, 2\).*argmax\(axis=1\)"),
        (lambda: metrics.accuracy([[0], [1]], [0, 1]), r"y_true.*got \(2, 1\).*reshape\(-1\)"),
        (lambda: metrics.accuracy([0.5, 1], [0, 1]), "y_true: expected integer labels, got float"),
        (lambda: metrics.accuracy(["a"], ["b"]), "return_inverse=True"),
        (
            lambda: metrics.confusion_matrix([0, 10], [0, 1], classes=10),
            r"y_true: expected labels from 0 to 9 \(10 classes\), got labels from 0 to 10",
        ),
        (lambda: metrics.confusion_matrix([0], [-1], classes=2), "y_pred.*got labels from -1"),
        (
            lambda: metrics.confusion_matrix([0], [0], classes=2.5),
            "classes: expected a whole number of at least 1, got 2.5",
        ),
        (lambda: metrics.accuracy([0, 1], [0, 1], [1.0]), r"expected 2 numbers.* got shape \(1,\)"),
        (lambda: metrics.accuracy([0, 1], [0, 1], ["a", "b"]), "sample_weight: expected 2 numbers"),
        (lambda: metrics.accuracy([[0], [1, 2]], [0, 1]), "rows of different lengths"),
        (lambda: metrics.accuracy(np.ma.array([0, 1], mask=[0, 1]), [0, 0]), "masked values"),
        (lambda: metrics.accuracy([0, 1], [0, 1], [0, 0]), "sample_weight.*got only 0"),
        (
            lambda: metrics.accuracy([0, 1], [0, 1], [2, -1]),
            "of at least 0, got -1 to 2",
        ),
        (
            lambda: metrics.classification_report([0, 1], [0, 1], class_names=["a"]),
            r"class_names: expected a name for each of the 2 classes \[0, 1\], got 1",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
