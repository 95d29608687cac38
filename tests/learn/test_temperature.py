"""The temperature that mends probabilities: exact, robust, for any classifier."""

import pickle
import warnings

import mpmath
import numpy as np
import pytest
from learn.logits import noisy
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from softxent.learn import (
    NeuralClassifier,
    SoftmaxRegression,
    TemperatureScaled,
    expected_calibration_error,
    temperature_scale,
)
from softxent.learn.targets import Targets
from softxent.learn.temperature import _best, _Loss


class Given(ClassifierMixin, BaseEstimator):
    """A "fitted classifier" whose logits are the rows it is given."""

    def __init__(self, n_classes):
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def fit(self, X, y):
        return self

    def decision_function(self, X):
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X):
        return np.argmax(X, axis=1)


def temperature(z, y, **given):
    n_classes = max(2, z.shape[1])
    return temperature_scale(Given(n_classes), z, y, **given).temperature_


def exact_temperature(z, t, s=None):
    """The root of L' by mpmath, 40 digits."""
    s = np.ones(len(z)) if s is None else s

    def slope(u):
        total = mpmath.mpf(0)
        for row, target, weight in zip(z.tolist(), t.tolist(), s.tolist(), strict=True):
            e = [mpmath.exp(u * mpmath.mpf(v)) for v in row]
            whole = mpmath.fsum(e)
            total += weight * mpmath.fsum(
                (a / whole - b) * v for a, b, v in zip(e, target, row, strict=True)
            )
        return total

    with mpmath.workdps(40):
        return float(1 / mpmath.findroot(slope, (0.01, 10), solver="anderson", tol=1e-30))


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_temperature_is_the_exact_one(n_classes, soft, weighted):
    z, y = noisy(40, n_classes)
    random = np.random.default_rng(1)
    t = np.eye(n_classes)[y]
    if soft:
        t = 0.5 * t + 0.5 * random.dirichlet(np.ones(n_classes), len(z))
    s = random.uniform(0, 2, len(z)) if weighted else None
    found = temperature(z, t if soft else y, sample_weight=s)
    assert found == pytest.approx(exact_temperature(z, t, s), rel=1e-11)


def test_two_classes_of_one_logit():
    z, y = noisy(40, 2)
    apart = z[:, 1:] - z[:, :1]
    assert temperature(apart, y) == pytest.approx(temperature(z, y), rel=1e-12)


def test_float32_logits_are_summed_in_float64():
    z, y = noisy(2000, 5)
    rounded = z.astype(np.float32)
    assert temperature(rounded, y) == pytest.approx(temperature(rounded.astype(float), y), 1e-6)


def test_temperature_recovers_what_was_done():
    z, y = noisy(20_000, 4, sharpness=3.0)
    assert temperature(z, y) == pytest.approx(3.0, rel=0.05)
    # and it goes with the logits
    assert temperature(1000 * z, y) == pytest.approx(1000 * temperature(z, y), rel=1e-10)
    assert temperature(z / 1000, y) == pytest.approx(temperature(z, y) / 1000, rel=1e-10)


@pytest.mark.parametrize("shift", [1e3, -1e6])
def test_a_shift_of_a_row_changes_nothing(shift):
    z, y = noisy()
    assert temperature(z + shift, y) == pytest.approx(temperature(z, y), rel=1e-7)


def test_a_weight_counts_rows():
    z, y = noisy(60)
    s = np.arange(60) % 3
    by_weight = temperature(z, y, sample_weight=s)
    assert by_weight == pytest.approx(temperature(np.repeat(z, s, 0), np.repeat(y, s)), rel=1e-12)


def test_derivatives_are_those_of_the_loss():
    z, y = noisy(50, 3)
    loss = _Loss(z, Targets(np.arange(3), y), None)

    def mean(u):
        return log_loss(y, np.exp(u * z) / np.exp(u * z).sum(1, keepdims=True))

    h = 1e-4
    for u in (0.1, 1.0, 2.5):
        slope, curvature = loss.slope(u), loss.curvature(u)
        assert slope == pytest.approx((mean(u + h) - mean(u - h)) / (2 * h), rel=1e-5)
        second = (mean(u + h) - 2 * mean(u) + mean(u - h)) / h**2
        assert curvature == pytest.approx(second, rel=1e-4)
        assert curvature >= 0


def test_rows_in_pieces(monkeypatch):
    z, y = noisy()
    whole = temperature(z, y)
    monkeypatch.setattr("softxent.learn.temperature.CHUNK", 7 * 8 * 4)
    assert temperature(z, y) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_never_worse_than_a_search(seed):
    """From 3 rows to 300, with logits of size 1e-3 to 1e3, some rows far more so than others."""
    random = np.random.default_rng(seed)
    z, y = noisy(int(random.choice([3, 30, 300])), int(random.integers(2, 6)), seed=seed)
    z *= 10 ** random.uniform(-3, 3)
    z *= 10 ** random.uniform(-2, 2, (len(z), 1))
    y[0] = np.argmin(z[0])  # one row wrong: not separable
    z -= z.max(axis=1, keepdims=True)
    loss = _Loss(z, Targets(np.arange(z.shape[1]), y), None)
    u = _best(loss)
    assert loss.passes <= 40

    def mean(v):
        a = np.exp(v) * z
        return float(np.mean(np.log(np.exp(a).sum(1)) - a[np.arange(len(z)), y]))

    other = minimize_scalar(mean, bounds=np.log([1e-4, 1e4]), options={"xatol": 1e-9})
    assert mean(np.log(u)) <= other.fun * (1 + 1e-12)


@pytest.mark.parametrize("sharpness", [0.1, 1, 3, 30])
def test_few_passes_over_ordinary_rows(sharpness):
    z, y = noisy(1000, 5, sharpness)
    loss = _Loss(z, Targets(np.arange(5), y), None)
    assert 1 / _best(loss) == pytest.approx(sharpness, rel=0.3)
    assert loss.passes <= 20


def test_rows_all_right_end_at_the_bound():
    z, _ = noisy()
    with pytest.warns(ConvergenceWarning, match="T = 0.0001.*some that it predicts wrongly"):
        assert temperature(z, np.argmax(z, axis=1)) == pytest.approx(1e-4, rel=1e-12)


def test_rows_worse_than_chance_end_at_the_other_bound():
    z, _ = noisy()
    with pytest.warns(ConvergenceWarning, match="T = 10000.*the more unsure"):
        assert temperature(z, np.argmin(z, axis=1)) == pytest.approx(1e4, rel=1e-12)


def test_equal_logits_leave_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert temperature(np.full((5, 3), 7.0), np.array([0, 1, 2, 0, 1])) == 1
        assert temperature(np.zeros((4, 1)), np.array([0, 1, 1, 1])) == 1


@pytest.mark.parametrize("size", [1e-300, 1e100, 1e300])
def test_logits_of_any_size_do_not_break(size):
    z, y = noisy(20, 3)
    z *= size / np.abs(z).max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = temperature_scale(Given(3), z, y)
    assert np.isfinite(model.predict_proba(z)).all()


CLASSIFIERS = [
    SoftmaxRegression(alpha=1e-6),
    NeuralClassifier(hidden=(16,), random_state=0),
    LogisticRegression(C=1e3, max_iter=1000),
    RandomForestClassifier(20, random_state=0),
    GaussianNB(),
    MLPClassifier((16,), random_state=0, max_iter=100),
    RidgeClassifier(),
    SVC(random_state=0),
    make_pipeline(StandardScaler(), Perceptron(random_state=0)),
]


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_classifier_gets_better(estimator, n_classes):
    x, y = make_classification(
        900, 8, n_informative=5, n_classes=n_classes, flip_y=0.2, random_state=0
    )
    labels = np.array(["ant", "bee", "cat", "dog"])[y]
    model = clone(estimator).fit(x[:300], labels[:300])
    scaled = temperature_scale(model, x[300:600], labels[300:600])
    seen, new = (x[300:600], labels[300:600]), (x[600:], labels[600:])
    proba = scaled.predict_proba(new[0])
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(scaled.predict(new[0]), model.predict(new[0]))
    np.testing.assert_array_equal(scaled.classes_, model.classes_)
    np.testing.assert_allclose(np.log(proba), scaled.predict_log_proba(new[0]), atol=1e-9)
    z = scaled.decision_function(new[0])
    assert z.shape == ((300,) if n_classes == 2 else (300, n_classes))
    found = scaled.classes_[(z > 0).astype(int) if n_classes == 2 else np.argmax(z, axis=1)]
    np.testing.assert_array_equal(found, scaled.predict(new[0]))
    if hasattr(model, "predict_proba"):
        before = log_loss(seen[1], np.maximum(model.predict_proba(seen[0]), 1e-300))
        assert log_loss(seen[1], scaled.predict_proba(seen[0])) <= before + 1e-12
    assert log_loss(new[1], proba) < np.log(n_classes)


def test_an_overfitted_network_is_no_longer_too_sure():
    x, y = make_classification(1500, 10, n_informative=6, n_classes=3, flip_y=0.2, random_state=0)
    model = NeuralClassifier(hidden=(64,), alpha=0, max_iter=500, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[:300], y[:300])
    scaled = temperature_scale(model, x[300:900], y[300:900])
    assert scaled.temperature_ > 2
    before, after = (
        expected_calibration_error(y[900:], m.predict_proba(x[900:])) for m in (model, scaled)
    )
    assert after < before / 3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_as_scikit_learn(n_classes):
    """Its own, since 1.8, searches log 1/T; its two-class logits are (-z, z), which is the same."""
    x, y = make_classification(
        600, 8, n_informative=5, n_classes=n_classes, flip_y=0.2, random_state=0
    )
    model = LogisticRegression(C=100).fit(x[:300], y[:300])
    try:
        theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature", cv=2)
        theirs.fit(x[300:], y[300:])
    except ValueError:
        pytest.skip("this scikit-learn has no temperature scaling")
    ours = [temperature_scale(model, x[300:], y[300:])]
    for one in theirs.calibrated_classifiers_:
        np.testing.assert_allclose(
            one.predict_proba(x), ours[0].predict_proba(x), atol=0.05
        )  # fitted on other rows, the folds
    z = model.decision_function(x[300:])
    scaling = type(theirs.calibrated_classifiers_[0].calibrators[0])().fit(z, y[300:])
    np.testing.assert_allclose(scaling.predict(z), ours[0].predict_proba(x[300:]), rtol=1e-6)


def test_it_is_a_scikit_learn_classifier():
    x, y = load_digits(return_X_y=True)
    model = SoftmaxRegression(alpha=1e-2).fit(x[:600], y[:600])
    before = model.coef_.copy()
    scaled = temperature_scale(model, x[600:1200], y[600:1200])
    np.testing.assert_array_equal(model.coef_, before)
    assert scaled.n_features_in_ == 64
    assert not hasattr(scaled, "feature_names_in_")
    assert scaled.score(x[1200:], y[1200:]) == model.score(x[1200:], y[1200:])
    again = pickle.loads(pickle.dumps(scaled))
    np.testing.assert_array_equal(again.predict_proba(x), scaled.predict_proba(x))
    fresh = clone(scaled)
    assert not hasattr(fresh, "temperature_")
    with pytest.raises(NotFittedError):
        fresh.predict_proba(x)
    assert fresh.fit(x[600:1200], y[600:1200]).temperature_ == scaled.temperature_
    folds = cross_val_predict(scaled, x[600:1200], y[600:1200], cv=2, method="predict_proba")
    assert folds.shape == (600, 10)


def test_sparse_rows_reach_the_estimator():
    from scipy.sparse import csr_matrix

    x, y = load_digits(return_X_y=True)
    model = SoftmaxRegression(alpha=1e-2).fit(csr_matrix(x[:600]), y[:600])
    dense = temperature_scale(model, x[600:1200], y[600:1200])
    sparse = temperature_scale(model, csr_matrix(x[600:1200]), y[600:1200])
    assert sparse.temperature_ == pytest.approx(dense.temperature_, rel=1e-9)
    assert sparse.__sklearn_tags__().input_tags.sparse


def test_estimators_that_cannot_be_scaled():
    z, y = noisy()
    with pytest.raises(NotFittedError):
        temperature_scale(SoftmaxRegression(), z, y)
    with pytest.raises(NotFittedError):
        TemperatureScaled(Given(4)).predict_proba(z)

    class Silent(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.arange(4)
            return self

    with pytest.raises(TypeError, match=r"predict_log_proba.*\[array-type\]"):
        temperature_scale(Silent().fit(z, y), z, y)
    with pytest.raises(ValueError, match=r"\(N, 6\).*\[logits-shape\]"):
        temperature_scale(Given(6), z, y)
    z[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"finite logits.*\[logits-shape\]"):
        temperature_scale(Given(4), z, y)


def test_rows_that_do_not_fit():
    z, y = noisy()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        temperature_scale(Given(4), z, y[:-1])
    with pytest.raises(ValueError, match=r"9 in row 5.*\[classes\]"):
        temperature_scale(Given(4), z, np.where(np.arange(len(y)) == 5, 9, y))
    with pytest.raises(ValueError, match=r"\[sample-weight\]"):
        temperature_scale(Given(4), z, y, sample_weight=-np.ones(len(y)))
