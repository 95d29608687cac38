"""SoftmaxRegression.partial_fit: rows in pieces, near the optimum whatever the features' scale."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.preprocessing import StandardScaler

from softxent.learn import SoftmaxRegression
from softxent.learn.scales import Scales, curvature
from softxent.learn.sgd import DENSE_FROM, POWER
from softxent.reference import softmax

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def stream(model, x, y, epochs, pieces=4, **first):
    for epoch in range(epochs):
        for piece in np.array_split(np.random.default_rng(epoch).permutation(x.shape[0]), pieces):
            model.partial_fit(x[piece], y[piece], **first)
    return model


def mean_loss(model, x, y):
    return -np.mean(model.predict_log_proba(x)[np.arange(x.shape[0]), y])


def problem(classes=5, dtype=np.float64):
    x, y = make_classification(
        3000, 12, n_informative=8, n_classes=classes, n_clusters_per_class=1, random_state=0
    )
    return x.astype(dtype), y


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1.0, 0.0), (10.0 ** np.linspace(-5, 5, 12), 0.0), (np.linspace(1, 9, 12), 1e3)],
    ids=["standard", "scales", "offsets"],
)
def test_near_the_optimum(classes, dtype, scale, offset):
    x, y = problem(classes)
    x = (x * scale + offset).astype(dtype)
    best = mean_loss(SoftmaxRegression(1e-4, dtype="float64").fit(x, y), x, y)
    model = SoftmaxRegression(1e-4, batch_size=64)
    stream(model, x, y, 15, classes=range(classes))
    assert model.coef_.dtype == dtype
    assert mean_loss(model, x, y) <= best * 1.05
    assert len(model.loss_curve_) == model.n_iter_[0] == 60
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert all(type(one) is float for one in model.loss_curve_)


def test_features_far_from_zero_in_float64():
    """A mean of a million deviations is no constant: float64 has room for it."""
    x, y = problem()
    best = mean_loss(SoftmaxRegression(1e-4).fit(x, y), x, y)
    model = stream(SoftmaxRegression(1e-4, batch_size=64), x + 1e6, y, 10, classes=range(5))
    assert mean_loss(model, x + 1e6, y) <= best * 1.05


def test_real_data():
    x, y = load_digits(return_X_y=True)
    assert stream(SoftmaxRegression(), x, y, 8, classes=range(10)).score(x, y) > 0.95
    x, y = load_breast_cancer(return_X_y=True)  # raw: some features are 1e5 times others
    model = stream(SoftmaxRegression(batch_size=32), x, y, 8, classes=[0, 1])
    assert model.score(x, y) > 0.97
    assert model.coef_.shape == (1, 30)


@pytest.mark.parametrize("share", [0.3, 0.01])
def test_both_sparse_roads(share):
    """Rows of many entries are multiplied as dense ones; truly sparse ones stay sparse."""
    rng = np.random.default_rng(0)
    x = sparse.random(2000, 400, share, "csr", random_state=1, data_rvs=rng.standard_normal)
    assert (x.nnz >= DENSE_FROM * np.prod(x.shape)) == (share == 0.3)
    x *= 3
    y = np.argmax(x @ rng.normal(size=(400, 4)), axis=1)
    model = stream(SoftmaxRegression(1e-6, batch_size=32), x, y, 20, classes=range(4))
    fitted = SoftmaxRegression(1e-6, tol=1e-3).fit(x, y)
    assert mean_loss(fitted, x, y) <= mean_loss(model, x, y) < 0.5 * np.log(4)
    assert model.score(x, y) > 0.85


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("budget", ["1MiB", 200])
def test_sparse_steps_are_the_formulas(dtype, classes, alpha, budget):
    """One mini-batch after another, written out dense."""
    rng = np.random.default_rng(0)
    x = sparse.random(60, 300, 0.015, "csr", dtype, random_state=1)
    y = rng.integers(0, classes, 60)
    batch = 20 if budget == "1MiB" else min(20, 200 // (classes * x.dtype.itemsize))
    model = SoftmaxRegression(alpha, batch_size=20, max_memory=budget)
    model.partial_fit(x, y, classes=range(classes))
    scales, w, b = Scales(300, centred=False), np.zeros((classes, 300)), np.zeros(classes)
    for step, start in enumerate(range(0, 60, batch), start=1):
        rows = slice(start, start + batch)
        gradient = (softmax(x[rows] @ w.T + b) - np.eye(classes)[y[rows]]) / x[rows].shape[0]
        scales.see(x[rows])
        inverse = scales.inverse_variance()
        rate = 2 / (curvature(x[rows], scales.mean, inverse, True) * step**POWER)
        free = slice(1, None) if classes == 2 else slice(None)
        w[free] /= 1 + rate * alpha * inverse
        w[free] -= rate * (gradient.T @ (x[rows].toarray() * inverse))[free]
        b[free] -= rate * gradient.sum(axis=0)[free]
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(model.coef_, w[free], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(model.intercept_, b[free], rtol=tolerance, atol=tolerance)


def test_classes_that_come_later():
    x, y = problem(3)
    order = np.argsort(y, kind="stable")
    model = SoftmaxRegression(batch_size=32)
    for piece in np.array_split(order, 6):
        model.partial_fit(x[piece], y[piece], classes=[2, 0, 1])
    assert model.classes_.tolist() == [0, 1, 2]
    stream(model, x, y, 8)
    assert model.score(x, y) > SoftmaxRegression().fit(x, y).score(x, y) - 0.02


def test_soft_labels():
    x, y = problem(3)
    soft = 0.8 * np.eye(3)[y] + 0.2 / 3
    model = stream(SoftmaxRegression(1e-4, batch_size=64), x, soft, 10)
    assert model.classes_.tolist() == [0, 1, 2]
    exact = SoftmaxRegression(1e-4).fit(x, soft)
    assert np.abs(model.predict_proba(x) - exact.predict_proba(x)).mean() < 0.02


def test_row_weights_and_label_smoothing():
    x, y = problem(3)
    s = (np.arange(3000) % 3 > 0).astype(float)
    model = SoftmaxRegression(1e-4, batch_size=64, label_smoothing=0.2)
    for _ in range(10):
        model.partial_fit(x, y, classes=[0, 1, 2], sample_weight=s)
    exact = SoftmaxRegression(1e-4, label_smoothing=0.2).fit(x, y, s)
    assert np.abs(model.predict_proba(x) - exact.predict_proba(x)).mean() < 0.02


def test_it_goes_on_from_a_fit():
    x, y = problem(3)
    model = SoftmaxRegression(1e-4).fit(x, y)
    best, curve = mean_loss(model, x, y), len(model.loss_curve_)
    model.partial_fit(x, y)
    assert mean_loss(model, x, y) < best * 1.1
    assert len(model.loss_curve_) == curve + 1


def test_more_classes_than_rows():
    x = np.random.default_rng(0).normal(size=(20, 3))
    model = SoftmaxRegression().partial_fit(x, np.arange(20), classes=range(1000))
    assert model.coef_.shape == (1000, 3)
    assert model.predict_proba(x).shape == (20, 1000)


def test_a_first_call_that_failed_leaves_nothing():
    x, y = problem(3)
    model = SoftmaxRegression()
    with pytest.raises(ValueError, match=r"classes\]$"):
        model.partial_fit(x, y, classes=[0, 1])
    assert not hasattr(model, "classes_")
    model.partial_fit(x, y, classes=[0, 1, 2])


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_curvature_is_a_bound(stored, fit_intercept):
    """Also for the very rows that the mean is of, where (1, ..., 1) says nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1)) + 0.1 * rng.normal(size=(200, 10))  # one direction holds it all
    scales = Scales(10, centred=stored is np.asarray)
    scales.see(stored(x))
    inverse = scales.inverse_variance()
    scaled = (x - scales.mean) * np.sqrt(inverse)
    full = np.c_[scaled, np.ones(200)] if fit_intercept else scaled
    truth = np.linalg.eigvalsh(full.T @ full / 200)[-1] / 2
    found = curvature(stored(x), scales.mean, inverse, fit_intercept)
    assert truth <= found <= 1.25 * truth


def test_scales_of_rows_in_pieces():
    rng = np.random.default_rng(0)
    x, s = rng.normal(5, [1, 0, 100], size=(101, 3)), rng.integers(0, 3, 101).astype(float)
    pieces = Scales(3, centred=True)
    for rows in np.array_split(np.arange(101), 7):
        pieces.see(x[rows], s[rows])
    repeated = np.repeat(x, s.astype(int), axis=0)
    np.testing.assert_allclose(pieces.mean, repeated.mean(axis=0))
    variance = repeated[:, [0, 2]].var(axis=0)
    np.testing.assert_allclose(1 / pieces.inverse_variance()[[0, 2]], variance)
    assert pieces.inverse_variance()[1] == 0  # constant


def test_scales_of_entries_that_stand_twice():
    x = sparse.csr_matrix(([1.0, 2.0, 5.0], [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    scales = Scales(2, centred=False)
    scales.see(x)
    np.testing.assert_allclose(scales.inverse_variance(), [1 / 9, 1 / 25])
    assert x.nnz == 3  # the caller's matrix is as it was


def test_standardising_first_changes_little():
    x, y = problem(3)
    a = stream(SoftmaxRegression(0.0, batch_size=64), x * 1e3 + 5, y, 3, classes=range(3))
    scaled = StandardScaler().fit_transform(x)
    b = stream(SoftmaxRegression(0.0, batch_size=64), scaled, y, 3, classes=range(3))
    np.testing.assert_allclose(a.predict_proba(x * 1e3 + 5), b.predict_proba(scaled), atol=0.02)
