"""How far probabilities can be trusted: definitions, row by row and as scikit-learn has them."""

import numpy as np
import pytest
from learn.logits import noisy
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from softxent.learn import brier_score, expected_calibration_error, reliability_curve


def by_hand(y, proba, n_bins):
    """The definition, row by row."""
    bins = [[] for _ in range(n_bins)]
    for label, p in zip(y, proba, strict=True):
        best = max(range(len(p)), key=lambda k: p[k])
        m = next(m for m in range(n_bins) if p[best] <= (m + 1) / n_bins or m == n_bins - 1)
        bins[m].append((p[best], float(best == label)))
    return bins


def some(rows=500, n_classes=4, seed=0):
    z, y = noisy(rows, n_classes, seed=seed)
    e = np.exp(z)
    return y, e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_bins", [1, 7, 15, 1000])
def test_curve_and_error_are_their_definitions(n_bins):
    y, proba = some()
    bins = by_hand(y, proba, n_bins)
    curve = reliability_curve(y, proba, n_bins)
    assert curve.count.tolist() == [len(b) for b in bins]
    assert curve.edges.tolist() == np.linspace(0, 1, n_bins + 1).tolist()
    for m, rows in enumerate(bins):
        if rows:
            confidence, accuracy = np.mean(rows, axis=0)
            assert curve.confidence[m] == pytest.approx(confidence, rel=1e-13)
            assert curve.accuracy[m] == pytest.approx(accuracy, rel=1e-13)
        else:
            assert np.isnan([curve.confidence[m], curve.accuracy[m]]).all()
    error = sum(abs(sum(a - c for c, a in b)) for b in bins) / len(y)
    assert expected_calibration_error(y, proba, n_bins) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_curve_as_scikit_learn(strategy):
    y, proba = some()
    curve = reliability_curve(y, proba, 10, strategy)
    right = np.argmax(proba, axis=1) == y
    accuracy, confidence = calibration_curve(right, proba.max(axis=1), n_bins=10, strategy=strategy)
    np.testing.assert_allclose(curve.accuracy[curve.count > 0], accuracy)
    np.testing.assert_allclose(curve.confidence[curve.count > 0], confidence)


def test_quantile_bins_hold_as_many_rows():
    y, proba = some(600)
    curve = reliability_curve(y, proba, 6, "quantile")
    assert curve.count.tolist() == [100] * 6
    assert curve.edges[-1] == proba.max()
    same = reliability_curve([0] * 5, [[0.75, 0.25]] * 5, 4, "quantile")
    assert same.count.sum() == 5
    assert same.count.max() == 5


def test_edges_belong_to_the_bin_below():
    curve = reliability_curve([0, 0, 0], [[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]], 4)
    assert curve.count.tolist() == [0, 1, 1, 1]


def test_certain_and_right_has_no_error():
    y, _ = some()
    sure = np.eye(4)[y]
    assert expected_calibration_error(y, sure) == 0
    assert brier_score(y, sure) == 0
    wrong = np.eye(4)[(y + 1) % 4]
    assert expected_calibration_error(y, wrong) == 1
    assert brier_score(y, wrong) == 2


def test_soft_labels_count_by_their_share():
    soft = np.array([[0.7, 0.3], [0.2, 0.8]])
    proba = np.array([[0.9, 0.1], [0.9, 0.1]])
    curve = reliability_curve(soft, proba, 1)
    assert curve.accuracy[0] == pytest.approx(0.45)
    assert brier_score(soft, proba) == pytest.approx((2 * 0.2**2 + 2 * 0.7**2) / 2, rel=1e-14)
    assert brier_score(np.eye(2), proba) == brier_score([0, 1], proba)
    assert expected_calibration_error(soft, soft) == pytest.approx(0, abs=1e-15)


def test_brier_score_as_scikit_learn():
    y, proba = some()
    assert brier_score(y, proba) == pytest.approx(
        brier_score_loss(y, proba, scale_by_half=False), rel=1e-13
    )
    y, proba = some(n_classes=2)
    assert brier_score(y, proba) == pytest.approx(2 * brier_score_loss(y, proba[:, 1]), rel=1e-13)


def test_brier_score_keeps_its_digits():
    proba = np.array([[1 - 2.0**-40, 2.0**-40]])
    assert brier_score([0], proba) == 2 * 2.0**-80


def test_labels_of_any_kind():
    y, proba = some()
    names = np.array(["d", "a", "c", "b"])  # in any order
    for measure in (brier_score, expected_calibration_error):
        assert measure(names[y], proba, classes=names) == measure(y, proba)
        assert measure(y.tolist(), proba.tolist()) == measure(y, proba)
    float32 = proba.astype(np.float32)
    assert brier_score(y, float32) == pytest.approx(brier_score(y, proba), rel=1e-5)


@pytest.mark.parametrize("measure", [brier_score, expected_calibration_error, reliability_curve])
@pytest.mark.parametrize(
    ("y", "proba", "given", "words"),
    [
        ([0], [[0.5, 0.6]], {}, r"proba is .* in row 0.*\[probabilities\]"),
        ([0], [[1.5, -0.5]], {}, r"proba is .* in row 0.*\[probabilities\]"),
        ([0], [[np.nan, 1]], {}, r"\[probabilities\]"),
        ([0], [0.5], {}, r"proba is float64\[1\].*\[probabilities\]"),
        ([], np.zeros((0, 2)), {}, r"at least one row.*\[probabilities\]"),
        ([0, 1], [[0.5, 0.5]], {}, r"y is of 2 rows; expected 1.*\[target-shape\]"),
        ([2], [[0.5, 0.5]], {}, r"2 in row 0.*\[classes\]"),
        (["a"], [[0.5, 0.5]], {"classes": ["a", "b", "c"]}, r"2 columns of proba.*\[classes\]"),
        (["c"], [[0.5, 0.5]], {"classes": ["a", "b"]}, r"'c' in row 0.*\[classes\]"),
        ([[0.5, 0.4]], [[0.5, 0.5]], {}, r"y is .* in row 0.*\[probabilities\]"),
        ([[0.5, 0.4, 0.1]], [[0.5, 0.5]], {}, r"\[classes\]"),
    ],
)
def test_what_is_no_probability(measure, y, proba, given, words):
    with pytest.raises(ValueError, match=words):
        measure(y, proba, **given)


def test_bins_that_cannot_be():
    y, proba = some()
    for n_bins in (0, -1):
        with pytest.raises(ValueError, match=r"n_bins.*\[parameter\]"):
            reliability_curve(y, proba, n_bins)
    with pytest.raises(TypeError, match=r"n_bins.*\[parameter\]"):
        reliability_curve(y, proba, 2.5)
    with pytest.raises(ValueError, match=r"Did you mean 'uniform'.*\[parameter\]"):
        expected_calibration_error(y, proba, strategy="uniforn")
