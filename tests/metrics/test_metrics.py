import re
import warnings

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.calibration import calibration_curve

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


@st.composite
def labels_with_probabilities(draw):
    """Truth and rows that sum to 1; ties and certainties included."""
    classes = draw(st.integers(2, 6))
    size = draw(st.integers(1, 30))
    raw = draw(arrays(float, (size, classes), elements=st.sampled_from([0.0, 1e-9, 0.2, 0.5, 1.0])))
    raw[raw.sum(axis=1) == 0] = 1.0
    rows = raw / raw.sum(axis=1, keepdims=True)
    return draw(arrays(np.int64, size, elements=st.integers(0, classes - 1))), rows


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
        theirs = sklearn_per_class(y_true, y_pred, labels, weight, average=average)
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
        labels=np.arange(classes),
        target_names=names,
        digits=digits,
        zero_division=0.0,
    )
    # Where nothing at all is right, scikit-learn prints the support as 3.0 instead of 3.
    assert str(ours) == re.sub(r" (\d+)\.0$", r"   \1", theirs, flags=re.MULTILINE)


def test_weighted_support_keeps_to_its_column():
    report = metrics.classification_report([0, 1, 1], [0, 1, 0], sample_weight=[0.1, 0.1, 0.2])
    table = str(report)
    assert len({len(line) for line in table.splitlines() if line}) == 1
    assert [line.split()[-1] for line in table.splitlines() if "avg" in line] == ["0.40", "0.40"]


def test_a_mean_of_float32_probabilities_may_exceed_one_by_rounding():
    rows = np.array([[np.float32(1.0000001), 0.0], [0.5, 0.5]], np.float32)
    assert metrics.log_loss([0, 1], rows) == pytest.approx(np.log(2) / 2)
    with pytest.raises(InputError, match="are these logits"):
        metrics.log_loss([0, 1], rows * np.float32(1.00001))


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


@given(labels_with_probabilities(), st.data())
def test_top_k_accuracy_equals_scikit_learn(case, data):
    y_true, rows = case
    classes = rows.shape[1]
    k = data.draw(st.integers(1, classes))
    # scikit-learn prefers the higher label in a tie: counting the labels backwards makes it ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if k is the number of classes
        if classes == 2:
            expected = metrics.accuracy(y_true, rows.argmax(axis=1)) if k == 1 else 1.0
        else:
            expected = oracle.top_k_accuracy_score(
                classes - 1 - y_true, rows[:, ::-1], k=k, labels=np.arange(classes)
            )
    assert metrics.top_k_accuracy(y_true, rows, k) == pytest.approx(expected, **EXACT)
    assert metrics.top_k_accuracy(y_true, rows, 1) == metrics.accuracy(y_true, rows.argmax(axis=1))


@given(labels_with_probabilities(), st.sampled_from([np.float32, np.float64]))
def test_log_loss_equals_scikit_learn(case, dtype):
    y_true, rows = case
    rows = rows.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.log_loss(y_true, rows, labels=np.arange(rows.shape[1]))
    tolerance = EXACT if dtype is np.float64 else {"rel": 1e-5, "abs": 1e-6}
    assert metrics.log_loss(y_true, rows) == pytest.approx(expected, **tolerance)


def test_one_sigmoid_column_is_the_probability_of_class_one():
    column = np.array([[0.9], [0.2]])
    assert metrics.log_loss([1, 0], column) == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    assert metrics.log_loss([1, 0], column, [1.0, 0.0]) == pytest.approx(-np.log(0.9))


def test_certain_and_wrong_costs_what_the_docstring_says():
    for dtype, cost in ((np.float64, 36.0), (np.float32, 15.9)):
        assert metrics.log_loss([0], np.array([[0, 1]], dtype)) == pytest.approx(cost, abs=0.05)


@given(labels_with_probabilities(), st.integers(1, 12))
def test_reliability_table_equals_a_loop_and_scikit_learn(case, bins):
    y_true, rows = case
    table = metrics.reliability_table(y_true, rows, bins)
    confidence, right = rows.max(axis=1), rows.argmax(axis=1) == y_true
    gap = 0.0
    for b in range(bins):
        inside = (confidence > table.edges[b]) & (confidence <= table.edges[b + 1])
        assert table.count[b] == inside.sum()
        if inside.any():
            assert table.confidence[b] == pytest.approx(confidence[inside].mean(), **EXACT)
            assert table.accuracy[b] == pytest.approx(right[inside].mean(), **EXACT)
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        else:
            assert np.isnan([table.confidence[b], table.accuracy[b]]).all()
    assert table.count.sum() == len(y_true)
    assert metrics.expected_calibration_error(y_true, rows, bins) == pytest.approx(gap, **EXACT)
    if 0 < right.sum() < len(right):
        accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=bins)
        filled = table.count > 0
        np.testing.assert_allclose(table.accuracy[filled], accuracy, rtol=1e-12)
        np.testing.assert_allclose(table.confidence[filled], mean_confidence, rtol=1e-12)


def test_mistakes_come_surest_first():
    rows = np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    assert metrics.rank_mistakes([1, 0, 0, 1], rows).tolist() == [1, 0, 2]
    assert metrics.rank_mistakes([0, 1, 2, 1], rows).tolist() == []


finite = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 3))


@given(st.data(), st.integers(2, 20), st.sampled_from([(), (1,), (3,)]))
def test_regression_metrics_equal_scikit_learn(data, size, outputs):
    y_true = data.draw(arrays(float, (size, *outputs), elements=finite))
    y_pred = data.draw(arrays(float, (size, *outputs), elements=finite) | st.just(y_true))
    weight = data.draw(st.none() | arrays(float, size, elements=st.floats(0.1, 5.0)))
    for ours, theirs in (
        (metrics.mean_squared_error, oracle.mean_squared_error),
        (metrics.mean_absolute_error, oracle.mean_absolute_error),
        (metrics.r2_score, oracle.r2_score),
    ):
        expected = theirs(y_true, y_pred, sample_weight=weight)
        assert ours(y_true, y_pred, weight) == pytest.approx(expected, **EXACT)


GOOD = np.array([[0.9, 0.1], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([], []), "y_true: expected at least one label, got none"),
        (lambda: metrics.accuracy([1, 2], [1, 2, 3]), "got 2 and 3: do they come from the same"),
        (lambda: metrics.accuracy([0, 1], GOOD), r"y_pred.*got \(2, 2\).*argmax\(axis=1\)"),
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
        (lambda: metrics.r2_score([1.0, 2.0], [[1.0], [2.0, 3.0]]), "rows of different lengths"),
        (lambda: metrics.accuracy([0, 1], [0, 1], [0, 0]), "sample_weight.*got only 0"),
        (
            lambda: metrics.accuracy([0, 1], [0, 1], [2, -1]),
            "of at least 0, got -1 to 2",
        ),
        (
            lambda: metrics.classification_report([0, 1], [0, 1], class_names=["a"]),
            r"class_names: expected a name for each of the 2 classes \[0, 1\], got 1",
        ),
        (lambda: metrics.log_loss([0, 1], GOOD * np.nan), "NaN or infinity, first in row 0"),
        (lambda: metrics.log_loss([0, 1], GOOD * 5), "from 0 to 1, got 0.5 to 4.5.*softmax"),
        (lambda: metrics.log_loss([0, 1], GOOD / 2), "sum to 1, got 0.5 in row 0"),
        (lambda: metrics.log_loss([0, 1], np.array([0, 1])), "expected floats, got int"),
        (lambda: metrics.log_loss([0, 1], GOOD[0]), r"expected shape \(N, K\).*got \(2,\)"),
        (lambda: metrics.log_loss([0, 2], GOOD), r"labels from 0 to 1 \(2 classes\), got.* 0 to 2"),
        (lambda: metrics.log_loss([0], GOOD), "y_true and probabilities.*got 1 and 2"),
        (lambda: metrics.top_k_accuracy([0, 1], GOOD, k=3), "k: expected 1 to 2.*got 3"),
        (
            lambda: metrics.reliability_table([0, 1], GOOD, bins=0),
            "bins: expected a whole number of at least 1",
        ),
        (
            lambda: metrics.mean_squared_error([1.0, 2.0], [[1.0], [2.0]]),
            r"got \(2,\) and \(2, 1\).*every sample with every other",
        ),
        (lambda: metrics.mean_absolute_error([], []), r"not empty, got \(0,\)"),
        (lambda: metrics.r2_score([1.0, np.inf], [1.0, 2.0]), "y_true: expected finite numbers"),
        (lambda: metrics.r2_score([1.0], [1.0]), "at least two samples"),
        (lambda: metrics.r2_score(["1", "2"], [1, 2]), "y_true: expected numbers, got <U1"),
        (lambda: metrics.top_k_accuracy([0, 1], GOOD, k=0), "k: .* at least 1, got 0"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_confusions_are_found_in_unsigned_counts_and_in_square_tables_alone():
    counts = np.zeros((10, 10), np.uint32)
    counts[3, 5], counts[8, 1] = 4, 9
    found = metrics.most_confused(counts, limit=5)
    assert [(c.true, c.predicted, c.times) for c in found] == [(8, 1, 9), (3, 5, 4)]
    for wrong, limit in ((np.ones((2, 3)), 5), (np.ones(4), 5), (counts, -1)):
        with pytest.raises(InputError):
            metrics.most_confused(wrong, limit=limit)


def test_a_constant_output_has_no_variance_even_if_its_mean_rounds():
    y = np.full(7, 0.1)
    assert metrics.r2_score(y, y) == 1
    assert metrics.r2_score(y, np.append(y[1:], 0.11)) == 0
