"""SoftmaxRegression: the optimum is scikit-learn's, and what its parameters mean."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import softxent
from softxent.learn import SoftmaxRegression
from softxent.reference import cross_entropy

# tol below what rounding lets L-BFGS see: it then stops, at the optimum for all that is asked here
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)


def twenty():
    return make_classification(
        1500, 20, n_informative=15, n_classes=20, class_sep=2.0, random_state=0
    )


def loss(model, x, y, alpha, s=None, label_smoothing=0.0):
    """F in float64 from the reference: of V >= 3 classes, or two with logits (0, z)."""
    w, b = model.coef_.astype(float), model.intercept_.astype(float)
    z = x @ w.T + b
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    s = np.ones(len(x)) if s is None else np.asarray(s, float)
    rows = cross_entropy(z, y, reduction="none", label_smoothing=label_smoothing)
    return s @ rows / s.sum() + alpha / 2 * np.sum(w * w)


def theirs(x, y, alpha, s=None, **parameters):
    """LogisticRegression at its optimum, alpha as C."""
    total = len(x) if s is None else np.sum(s)
    solver = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000} | parameters
    return LogisticRegression(C=1 / (alpha * total), **solver).fit(x, y, sample_weight=s)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: IRIS, id="iris"),
        pytest.param(lambda: load_wine(return_X_y=True), id="wine"),
        pytest.param(lambda: load_breast_cancer(return_X_y=True), id="breast cancer"),
        pytest.param(lambda: load_digits(return_X_y=True), id="digits"),
        pytest.param(twenty, id="20 classes"),
    ],
)
def test_the_optimum_is_scikit_learns(data, solver):
    x, y = data()
    alpha = 1 / len(x)  # C = 1
    found = SoftmaxRegression(alpha, solver=solver, tol=1e-9, max_iter=3000).fit(x, y)
    expected = theirs(x, y, alpha)
    least = loss(expected, x, y, alpha)
    assert abs(loss(found, x, y, alpha) - least) <= 1e-8 * least
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-4)
    centred = found.intercept_, expected.intercept_
    if len(found.classes_) > 2:  # nothing holds the intercepts' mean
        centred = [b - b.mean() for b in centred]
    np.testing.assert_allclose(*centred, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.predict_proba(x), expected.predict_proba(x), atol=1e-5)
    assert (found.predict(x) == expected.predict(x)).all()


def test_two_classes_share_one_vector():
    x, y = load_breast_cancer(return_X_y=True)
    found = SoftmaxRegression(1e-3, tol=1e-8).fit(x, y)
    assert found.coef_.shape == (1, 30) and found.intercept_.shape == (1,)
    z = found.decision_function(x)
    assert z.shape == (569,)
    np.testing.assert_allclose(z, x @ found.coef_[0] + found.intercept_[0], rtol=1e-10)
    np.testing.assert_allclose(found.predict_proba(x)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-12)
    np.testing.assert_array_equal(found.predict(x), z > 0)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.5}])
def test_alpha_is_c_with_weights_too(classes, class_weight):
    x, y = IRIS[0][: 50 * classes - 20], IRIS[1][: 50 * classes - 20]
    s = np.random.default_rng(0).uniform(0, 3, len(x))
    alpha, by_class = 0.02, np.ones(classes)
    if class_weight == "balanced":
        by_class = s.sum() / (classes * np.bincount(y, s))
    elif class_weight:
        by_class[:2] = 3.0, 0.5
    total = np.sum(s * by_class[y])
    found = SoftmaxRegression(alpha, class_weight=class_weight, tol=1e-9).fit(x, y, s)
    expected = LogisticRegression(
        C=1 / (alpha * total),
        class_weight=class_weight,
        solver="newton-cholesky",
        tol=1e-10,
        max_iter=500,
    ).fit(x, y, s)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-6)
    assert found.loss_curve_[-1] == pytest.approx(loss(found, x, y, alpha, s * by_class[y]))


def test_without_an_intercept():
    x, y = IRIS
    found = SoftmaxRegression(0.01, fit_intercept=False, tol=1e-9).fit(x, y)
    expected = theirs(x, y, 0.01, fit_intercept=False, solver="lbfgs", max_iter=5000)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-4)
    assert not found.intercept_.any()


@pytest.mark.parametrize("eps", [0.1, 1.0])
def test_label_smoothing_is_a_soft_target(eps):
    """Its target is (1 - eps) t + eps / V: with those as soft labels the optimum is the same."""
    x, y = IRIS
    found = SoftmaxRegression(1e-3, label_smoothing=eps, tol=1e-9).fit(x, y)
    soft = (1 - eps) * np.eye(3)[y] + eps / 3
    same = SoftmaxRegression(1e-3, tol=1e-9).fit(x, soft)
    np.testing.assert_allclose(found.coef_, same.coef_, atol=1e-6)
    assert found.loss_curve_[-1] == pytest.approx(loss(found, x, y, 1e-3, None, eps), rel=1e-10)
    if eps == 1.0:  # nothing to learn: all classes alike
        np.testing.assert_allclose(found.predict_proba(x), 1 / 3, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_soft_labels_are_weighted_rows(classes):
    x = IRIS[0][: 50 * classes]
    soft = np.random.default_rng(0).dirichlet(np.ones(classes), len(x))
    found = SoftmaxRegression(1e-2, tol=1e-9).fit(x, soft)
    again = np.tile(np.arange(classes), len(x))
    same = SoftmaxRegression(1e-2, tol=1e-9).fit(np.repeat(x, classes, axis=0), again, soft.ravel())
    np.testing.assert_allclose(found.coef_, same.coef_, atol=1e-6)
    np.testing.assert_allclose(found.intercept_, same.intercept_, atol=1e-6)


def test_balanced_soft_labels_count_their_sums():
    x, y = IRIS[0][:120], IRIS[1][:120]
    found = SoftmaxRegression(1e-2, class_weight="balanced", tol=1e-9).fit(x, np.eye(3)[y])
    hard = SoftmaxRegression(1e-2, class_weight="balanced", tol=1e-9).fit(x, y)
    np.testing.assert_allclose(found.coef_, hard.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_warm_start_goes_on_where_it_was(solver):
    x, y = load_wine(return_X_y=True)
    cold = SoftmaxRegression(1e-3, solver=solver, tol=1e-8, max_iter=1000).fit(x, y)
    model = SoftmaxRegression(1e-3, solver=solver, tol=1e-8, max_iter=1000, warm_start=True)
    model.fit(x, y).fit(x, y)
    assert model.n_iter_[0] <= 2 < cold.n_iter_[0]
    np.testing.assert_allclose(model.coef_, cold.coef_, atol=1e-5)
    model.fit(x[:, :5], y)  # other features: from the start
    assert model.coef_.shape == (3, 5)
    model.fit(x[y < 2][:, :5], y[y < 2])  # other classes too
    assert model.coef_.shape == (1, 5)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_never_rises(solver, dtype):
    x, y = load_digits(return_X_y=True)
    model = SoftmaxRegression(1e-4, solver=solver, dtype=dtype, tol=1e-5, max_iter=60)
    model.fit(x, y)
    curve = model.loss_curve_
    assert len(curve) == model.n_iter_[0] + 1
    assert curve[0] == pytest.approx(np.log(10))
    rounding = 0 if dtype == "float64" else 1e-7
    assert np.all(np.diff(curve) <= rounding)


def test_float32_is_computed_in_float32_and_as_good():
    x, y = load_digits(return_X_y=True)
    single = SoftmaxRegression(1e-3).fit(x.astype(np.float32), y)
    double = SoftmaxRegression(1e-3).fit(x, y)
    assert single.coef_.dtype == single.predict_proba(x.astype(np.float32)).dtype == np.float32
    assert double.coef_.dtype == double.predict_proba(x).dtype == np.float64
    assert loss(single, x, y, 1e-3) == pytest.approx(loss(double, x, y, 1e-3), rel=1e-4)
    asked = SoftmaxRegression(1e-3, dtype="float32").fit(x, y)
    np.testing.assert_array_equal(asked.coef_, single.coef_)
    assert SoftmaxRegression(1e-3).fit(x.astype(int), y).coef_.dtype == np.float64


def test_far_from_the_origin_and_badly_scaled():
    """Coordinates are scaled by the curvature: neither offsets nor units cost iterations."""
    x, y = IRIS
    plain = SoftmaxRegression(0, tol=1e-4, max_iter=200)
    shifted = x * [1e-4, 1, 1e3, 1e5] + [0, 100, -1e5, 1e6]
    plain.fit(shifted, y)  # without a penalty there is no optimum, only better and better
    assert plain.score(shifted, y) >= 0.97


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_constant_repeated_and_empty_features(solver):
    x, y = IRIS
    more = np.c_[x, x[:, 0], np.zeros(150), np.full(150, 3.0), 2 * x[:, 1]]
    found = SoftmaxRegression(0.01, solver=solver, tol=1e-8).fit(more, y)
    least = theirs(more, y, 0.01, solver="lbfgs", max_iter=5000)
    assert loss(found, more, y, 0.01) <= loss(least, more, y, 0.01) * (1 + 1e-8)
    assert not found.coef_[:, 5].any()


def test_a_class_without_weight_and_rows_without_weight():
    x, y = IRIS
    s = (y != 1).astype(float)
    found = SoftmaxRegression(0.01, tol=1e-8).fit(x, y, s)
    assert found.classes_.tolist() == [0, 1, 2]
    assert found.predict_proba(x)[:, 1].max() < 1e-3
    kept = np.arange(150) % 3 > 0
    np.testing.assert_allclose(
        SoftmaxRegression(0.01, tol=1e-9).fit(x, y, kept).coef_,
        SoftmaxRegression(0.01, tol=1e-9).fit(x[kept], y[kept]).coef_,
        atol=1e-6,
    )


def test_more_classes_and_features_than_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 100)), np.arange(30) % 25
    found = SoftmaxRegression(1e-3).fit(x, y)
    assert found.coef_.shape == (25, 100)
    assert found.score(x, y) == 1
    wide = sparse.random(30, 5000, 0.01, "csr", random_state=1)
    wide = SoftmaxRegression(1e-3).fit(wide, y)  # features past `WHOLE`: a diagonal
    assert wide.coef_.shape == (25, 5000)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
def test_the_budget_changes_nothing(stored):
    x, y = stored(IRIS[0]), IRIS[1]
    whole = SoftmaxRegression(0.01, tol=1e-8).fit(x, y)
    small = SoftmaxRegression(0.01, tol=1e-8, max_memory="1kB").fit(x, y)
    np.testing.assert_allclose(small.coef_, whole.coef_, atol=1e-7)
    small.set_params(max_memory=24)  # one row of logits
    np.testing.assert_array_equal(small.predict(x), whole.predict(x))


def test_more_iterations_are_asked_for():
    x, y = IRIS
    with pytest.warns(
        ConvergenceWarning, match="max_iter=2: the largest.*Raise max_iter"
    ) as caught:
        SoftmaxRegression(1e-4, max_iter=2).fit(x, y)
    assert caught[0].filename == __file__  # the user's line, not one of ours
    for parameters, advice in [
        ({"dtype": "float32"}, ", or fit in dtype='float64'."),
        ({}, "."),
        ({"solver": "newton-cg"}, "."),
    ]:
        with pytest.warns(ConvergenceWarning, match=f"nothing to gain.*Raise tol{advice}$"):
            SoftmaxRegression(1e-4, tol=0, **parameters).fit(x, y)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.filterwarnings("ignore:.*nothing to gain:sklearn.exceptions.ConvergenceWarning")
def test_the_gradient_falls_where_the_loss_cannot_fall_further(load, dtype):
    """A gradient of 1e-9 lowers F by 1e-18 and less: no line search sees that."""
    x, y = load(return_X_y=True)
    found = SoftmaxRegression(1e-3, tol=1e-11, dtype=dtype).fit(x, y)
    y_minus_t = found.predict_proba(x)
    if len(found.classes_) == 2:
        y_minus_t = y_minus_t[:, 1:]
        y_minus_t[y == 1] -= 1
    else:
        y_minus_t[np.arange(len(y)), y] -= 1
    gradient = y_minus_t.T @ x / len(y) + 1e-3 * found.coef_
    # of the rounding of weights and logits, not of F
    bound = 1e-9 if dtype == "float64" else 1e-5
    assert np.max(np.abs(gradient)) < bound * np.max(np.abs(x))


def test_classes_met_as_often_as_words_are():
    """Rare classes beside common ones: without shares of the curvature it takes 190 iterations."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(20_000, 50)), rng.normal(size=(300, 50)) / 2
    z = x @ w.T - 3 * np.log(np.arange(1, 301))
    y = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    y[:300] = np.arange(300)
    found = SoftmaxRegression(1 / len(x), tol=1e-5).fit(x, y)
    assert found.loss_curve_[-1] < 0.84381 * (1 + 1e-4)
    assert found.n_iter_[0] < 90


def test_threads_are_given_back_when_the_fit_fails(monkeypatch):
    import threadpoolctl

    def state():
        return softxent.get_num_threads(), [
            pool["num_threads"] for pool in threadpoolctl.threadpool_info()
        ]

    before, seen = state(), []

    def fails(*_):
        seen.append(softxent.get_num_threads())
        raise OSError("a disk that went away")

    monkeypatch.setattr(SoftmaxRegression, "_fit_part", fails)
    for wanted in (2, None):
        with pytest.raises(OSError, match="went away"):
            SoftmaxRegression(n_threads=wanted).fit(*IRIS)
        assert state() == before
    assert seen == [2, 1]  # None: one, for so little work


def test_progress_is_shown_on_request(capsys):
    pytest.importorskip("tqdm")
    SoftmaxRegression(0.1, verbose=True).fit(*IRIS)
    assert "largest gradient" in capsys.readouterr().err
    SoftmaxRegression(0.1).fit(*IRIS)
    assert capsys.readouterr() == ("", "")
