"""Rows in partitions: the fit is that of one machine, also when a worker dies in the middle."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_classification

import softxent
from softxent.learn import SoftmaxRegression
from softxent.learn import dask as partitions
from softxent.learn.layer import Layer
from softxent.learn.parts import DensePart

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
ORDER = np.random.default_rng(0).permutation(len(X))


def same(model, one, tolerance=1e-6):
    np.testing.assert_array_equal(model.classes_, one.classes_)
    np.testing.assert_allclose(model.coef_, one.coef_, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(model.intercept_, one.intercept_, rtol=tolerance, atol=tolerance)
    assert model.loss_curve_[-1] == pytest.approx(one.loss_curve_[-1], rel=tolerance / 100)
    assert model.coef_.dtype == one.coef_.dtype
    assert model.n_features_in_ == one.n_features_in_


def model(**parameters):
    return SoftmaxRegression(**({"alpha": 1e-2, "tol": 1e-9} | parameters))


# In threads of this process


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "newton-cg"},
        {"label_smoothing": 0.1, "fit_intercept": False},
        {"class_weight": "balanced"},
        {"class_weight": {"setosa": 2, "virginica": 0.5}},
        {"max_memory": 2000},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_fit_is_that_of_one_machine(parameters, weighted, classes):
    x, y = X[Y < classes], NAMES[Y[Y < classes]]
    if classes == 2 and isinstance(parameters.get("class_weight"), dict):
        parameters = {"class_weight": {"setosa": 2}}
    s = np.random.default_rng(0).uniform(0, 2, len(x)) if weighted else None
    one = model(**parameters).fit(x, y, s)
    # in the order of the classes: most partitions have one of them only
    found = model(**parameters).fit(
        da.from_array(x, chunks=(17, 3)),
        da.from_array(y, chunks=40),
        s if s is None else da.from_array(s, chunks=7),
    )
    same(found, one)
    np.testing.assert_array_equal(found.predict(x), one.predict(x))


def test_targets_and_weights_in_memory():
    s = np.arange(150) % 3
    one = model().fit(X, Y, s)
    same(model().fit(da.from_array(X, chunks=(40, 4)), Y, s), one)
    same(model().fit(da.from_array(X, chunks=(40, 4)), Y.tolist(), s.tolist()), one)


def test_a_partition_without_weight():
    s = np.where((np.arange(150) < 40) | (np.arange(150) >= 80), 1.0, 0.0)
    same(model().fit(da.from_array(X, chunks=(40, 4)), Y, s), model().fit(X, Y, s))


def test_probabilities():
    soft = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    for weight in (None, "balanced"):
        one = model(class_weight=weight).fit(X, soft)
        found = model(class_weight=weight).fit(
            da.from_array(X, chunks=(40, 4)), da.from_array(soft, chunks=(50, 2))
        )
        same(found, one)


def test_sparse_blocks():
    x = np.where(np.random.default_rng(0).random(X.shape) < 0.5, X, 0)
    blocks = da.from_array(x, chunks=(40, 4)).map_blocks(sparse.csr_matrix)
    same(model().fit(blocks, Y), model().fit(sparse.csr_matrix(x), Y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype):
    x = da.from_array(X.astype(dtype), chunks=(40, 4))
    one = model(tol=1e-4).fit(X.astype(dtype), Y)
    same(model(tol=1e-4).fit(x, Y), one, 1e-2)
    same(model(tol=1e-4, dtype=dtype).fit(da.from_array(X, chunks=(40, 4)), Y), one, 1e-2)


def test_integers_are_computed_in_float64():
    whole = (10 * X).astype(np.int64)
    same(model().fit(da.from_array(whole, chunks=(40, 4)), Y), model().fit(whole, Y))


def test_partitions_without_rows_and_of_unknown_length():
    x, y = da.from_array(X, chunks=(30, 4)), da.from_array(Y, chunks=30)
    kept = y > 0  # the first partition has none of them
    found = model().fit(x[kept], y[kept])
    assert np.isnan(x[kept].chunks[0]).all()
    same(found, model().fit(X[Y > 0], Y[Y > 0]))


def test_the_result_does_not_depend_on_who_is_first():
    x, y = da.from_array(X[ORDER], chunks=(9, 4)), Y[ORDER]
    first = model().fit(x, y)
    with dask.config.set(scheduler="sync"):
        again = model().fit(x, y)
    np.testing.assert_array_equal(first.coef_, again.coef_)


def test_warm_start_and_partial_fit_go_on():
    found = model(warm_start=True, tol=1e-4).fit(da.from_array(X, chunks=(40, 4)), Y)
    assert found.fit(da.from_array(X, chunks=(30, 4)), Y).n_iter_[0] <= 1
    found.partial_fit(X, Y)


def test_names_of_a_fit_before_are_forgotten():
    before = model().fit(X, Y)
    before.feature_names_in_ = np.array(list("abcd"), object)
    before.fit(da.from_array(X[:, :3], chunks=(40, 3)), Y)
    assert before.n_features_in_ == 3
    assert not hasattr(before, "feature_names_in_")


def test_predictions_stay_in_partitions_too():
    found = model().fit(GOOD, NAMES[Y])
    labels = GOOD.map_blocks(found.predict, drop_axis=1, dtype=NAMES.dtype)
    np.testing.assert_array_equal(labels.compute(), found.predict(X))


def test_threads_are_as_before():
    before = softxent.get_num_threads()
    model(n_threads=3).fit(da.from_array(X, chunks=(40, 4)), Y)
    assert softxent.get_num_threads() == before


def test_a_part_of_parts_is_their_sum():
    random = np.random.default_rng(0)
    layer, direction = (Layer(random.normal(size=(3, 4)), random.normal(size=3)) for _ in "ab")
    whole = DensePart(X, Y, None)
    pieces = [DensePart(X[i::9], Y[i::9], None) for i in range(9)]
    parts = partitions.Partitions(
        [dask.delayed(one, traverse=False) for one in pieces], X.shape, X.dtype, 150.0
    )
    losses = [part.loss_and_gradient(layer).loss for part in (parts, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    np.testing.assert_allclose(parts.class_totals(3), [50, 50, 50])
    for found, wanted in (
        (parts.loss_and_gradient(layer).gradient, whole.loss_and_gradient(layer).gradient),
        (parts.hessian_vector(layer, direction), whole.hessian_vector(layer, direction)),
    ):
        np.testing.assert_allclose(found.weight, wanted.weight, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.bias, wanted.bias, rtol=1e-9, atol=1e-12)
    for full in (True, False):
        for at in (None, layer):
            np.testing.assert_allclose(
                parts.second_moments(full, at), whole.second_moments(full, at), rtol=1e-10
            )


def bad(where=100, value=np.nan):
    x = X.copy()
    x[where, 1] = value
    return da.from_array(x, chunks=(40, 4))


GOOD = da.from_array(X, chunks=(40, 4))


@pytest.mark.parametrize(
    ("x", "y", "s", "words"),
    [
        (bad(), Y, None, r"in partition 2: Input X contains NaN"),
        (bad(0, np.inf), Y, None, r"in partition 0: Input X contains infinity"),
        (
            bad(0, -1e200),
            Y,
            None,
            r"in partition 0: .*entry of X is 1e\+200.*feature-range",
        ),
        (GOOD, np.zeros(150), None, r"one class.*\[classes\]"),
        (GOOD, X[:, :2], None, r"in partition \d: .*\[probabilities\]"),
        (GOOD, np.where(Y == 2, np.nan, Y), None, r"in partition [23]: .*NaN"),
        (GOOD, X[:, 0], None, r"in partition \d: .*continuous"),
        (GOOD, Y[:-1], None, r"y is int64\[149\]; expected as many rows.*\[target-shape\]"),
        (GOOD, Y, np.ones(3), r"sample_weight is float64\[3\].*\[target-shape\]"),
        (GOOD, Y, -np.ones(150), r"-1 in some row.*\[sample-weight\]"),
        (GOOD, Y, np.zeros(150), r"0 in every row.*\[sample-weight\]"),
        (GOOD, Y, np.where(Y > 0, 1, np.nan), r"in partition \d: Input sample_weight contains NaN"),
        (GOOD[:0], Y[:0], None, r"without a row.*\[empty\]"),
        (GOOD[GOOD[:, 0] > 99], da.from_array(Y, chunks=40)[GOOD[:, 0] > 99], None, r"\[empty\]"),
        (GOOD[GOOD[:, 0] > 5], Y, None, r"y is .*lengths are unknown.*\[target-shape\]"),
        (GOOD[GOOD[:, 0] > 5], da.from_array(Y, chunks=40), None, r"X has \d+ rows, y has \d+"),
    ],
)
def test_wrong_rows(x, y, s, words):
    with pytest.raises(ValueError, match=words):
        model().fit(x, y, s)


def test_class_weights_that_leave_nothing():
    with pytest.raises(ValueError, match=r"times class_weight.*\[sample-weight\]"):
        model(class_weight={0: 0, 1: 0, 2: 0}).fit(GOOD, Y)
    with pytest.raises(ValueError, match=r"label 'a'.*\[parameter\]"):
        model(class_weight={"a": 1}).fit(GOOD, Y)


def test_what_is_no_matrix():
    with pytest.raises(TypeError, match=r"to_dask_array.*\[array-type\]"):
        model().fit(GOOD[:, 0], Y)
    with pytest.raises(TypeError, match=r"\[array-type\]"):
        model().fit(dask.delayed(X), Y)


def test_partitions_of_other_widths():
    blocks = [da.from_delayed(dask.delayed(X[:, :n]), (np.nan, 4), float) for n in (4, 3)]
    y = da.concatenate([da.from_array(Y, chunks=150)] * 2)
    with pytest.raises(ValueError, match=r"partition 1 is of 3 features.*\[linear-shape\]"):
        model().fit(da.concatenate(blocks), y)


def test_parameters_are_checked_before_anything_is_computed():
    def never(block):
        raise AssertionError

    x = da.map_blocks(never, GOOD, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(ValueError, match=r"alpha.*\[parameter\]"):
        model(alpha=-1).fit(x, Y)


def test_dask_is_not_imported_without_need():
    code = (
        "import sys; from softxent.learn import SoftmaxRegression;"
        "SoftmaxRegression().fit([[0.0], [1.0]], [0, 1]);"
        "print([m for m in ('dask', 'distributed') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


# On workers


@pytest.fixture
def client():
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.mark.timeout(180)
def test_two_workers(client):
    x, y = da.from_array(X, chunks=(40, 4)), da.from_array(NAMES[Y], chunks=30)
    before = softxent.get_num_threads()
    same(model().fit(x, y), model().fit(X, NAMES[Y]))
    assert softxent.get_num_threads() == before
    assert set(client.run(softxent.get_num_threads).values()) == {1}
    deadline = time.monotonic() + 30  # nothing of the fit stays on the workers
    while any(client.has_what().values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(client.has_what().values())
    with pytest.raises(ValueError, match="in partition 2: Input X contains NaN"):
        model().fit(bad(), Y)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("delay", [None, 0.01])
def test_a_worker_killed_in_the_middle(client, monkeypatch, tmp_path, delay):
    """One of two is killed before the tenth step, or while it runs; the result stays the same."""
    log = tmp_path / "loaded"

    def load(block):
        with open(log, "a") as file:
            file.write("x")
        return block

    x, y = make_classification(
        2000, 12, n_informative=8, n_classes=4, n_clusters_per_class=1, random_state=0
    )
    one = model(alpha=1e-3).fit(x, y)
    assert one.n_iter_[0] > 15
    workers = client.run(os.getpid)
    steps, killed, alone = [], [], []
    ask = partitions.Partitions.loss_and_gradient

    def kill(address):
        os.kill(workers[address], signal.SIGKILL)
        killed.append(len(steps))

    def step(parts, layer):
        steps.append(time.monotonic())
        if len(steps) == 10:
            has = client.has_what()
            address = max(has, key=lambda one: len(has[one]))  # the one with the most to lose
            who_has = client.who_has()
            alone.extend(p.key for p in parts.parts if tuple(who_has.get(p.key, ())) == (address,))
            assert has[address]
            if delay is None:
                kill(address)
            else:
                threading.Timer(delay, kill, [address]).start()
        return ask(parts, layer)

    monkeypatch.setattr(partitions.Partitions, "loss_and_gradient", step)
    rows = da.from_array(x, chunks=(125, 12)).map_blocks(load, meta=np.empty((0, 0)))
    found = model(alpha=1e-3).fit(rows, y)
    same(found, one)
    assert 10 <= killed[0] < len(steps)
    # Dask may have copied so small partitions to the other worker; what was not is loaded anew
    assert len(log.read_text()) >= 16 + len(alone)
