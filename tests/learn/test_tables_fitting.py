"""From a table to a model: in memory and streamed, and back from the file it was saved in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from pyarrow import csv, parquet  # noqa: E402
from sklearn import datasets  # noqa: E402

from softxent.learn import NeuralClassifier, SoftmaxRegression  # noqa: E402
from softxent.learn.tables import (  # noqa: E402
    How,
    Plan,
    Sample,
    Scores,
    TableError,
    fit_table,
    load_model,
    open_table,
)
from softxent.learn.tables.fitting import score  # noqa: E402


def bundled(name, path):
    """A data set that scikit-learn bundles, as CSV; its labels as text where it has names."""
    data = getattr(datasets, f"load_{name}")()
    table = {str(n): data.data[:, k] for k, n in enumerate(data.feature_names)}
    csv.write_csv(pa.table(table | {"label": data.target_names[data.target]}), path)
    return path


def gauss(path, n=3000, classes=3, seed=0, order=None):
    """Rows around the corners of a triangle, with a category that tells a little."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    y = np.sort(y) if order == "sorted" else y
    x = random.normal(size=(n, 4)) + 2 * np.eye(4)[y % 4]
    table = {f"x{k}": x[:, k] for k in range(4)}
    table |= {"c": np.where(random.random(n) < 0.7, y, 0).astype(str), "label": y}
    parquet.write_table(pa.table(table), path)
    return path


@pytest.mark.parametrize(
    ("name", "least"), [("iris", 0.9), ("wine", 0.94), ("digits", 0.95), ("breast_cancer", 0.95)]
)
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_bundled_data(tmp_path, name, least, hidden):
    source = open_table(bundled(name, tmp_path / "a.csv"))
    fitted = fit_table(source, Plan("label", hidden=hidden))
    assert fitted.scores.accuracy >= least
    assert fitted.held_out and not fitted.streamed
    assert fitted.rows == fitted.learned_from + fitted.scores.rows
    assert fitted.scores.rows == pytest.approx(0.2 * fitted.rows, abs=10)
    expected = NeuralClassifier if hidden else SoftmaxRegression
    assert type(fitted.model.model) is expected


def test_in_memory_it_is_the_fit_of_the_estimator(tmp_path):
    source = open_table(bundled("iris", tmp_path / "a.csv"))
    fitted = fit_table(source, Plan("label", test_size=0.0, alpha=1e-2))
    assert not fitted.held_out and fitted.scores.rows == 150
    x, y = datasets.load_iris(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    model = SoftmaxRegression(alpha=1e-2).fit(x, y)
    np.testing.assert_allclose(fitted.model.model.coef_, model.coef_, atol=1e-3)
    assert fitted.scores.accuracy == model.score(x, y)
    assert fitted.model.classes.tolist() == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_streamed_it_is_nearly_as_good(tmp_path, hidden):
    source = open_table(gauss(tmp_path / "a.parquet"))
    held = fit_table(source, Plan("label", hidden=hidden))
    streamed = fit_table(source, Plan("label", hidden=hidden, memory=20_000, epochs=30))
    assert streamed.streamed and streamed.epochs == 30
    assert streamed.visited == 30 * streamed.learned_from
    assert len(streamed.model.model.loss_curve_) == 30
    assert streamed.scores.rows == held.scores.rows
    assert streamed.scores.accuracy >= held.scores.accuracy - 0.02
    assert streamed.notes == []


def test_the_seed_decides(tmp_path):
    source = open_table(gauss(tmp_path / "a.parquet"))
    for memory in (1 << 20, 20_000):
        plan = {"target": "label", "hidden": (4,), "epochs": 2, "memory": memory}
        first, again = (fit_table(source, Plan(**plan, seed=3)) for _ in "ab")
        np.testing.assert_array_equal(first.model.model.coefs_[0], again.model.model.coefs_[0])
        other = fit_table(source, Plan(**plan, seed=4))
        assert not np.array_equal(first.model.model.coefs_[0], other.model.model.coefs_[0])


def test_rows_in_the_order_of_their_label_are_told(tmp_path):
    source = open_table(gauss(tmp_path / "a.parquet", order="sorted"))
    assert fit_table(source, Plan("label")).notes == []
    (note,) = fit_table(source, Plan("label", memory=20_000)).notes
    assert note.startswith("Rows stand in the order of their label.")


def test_what_was_done_is_in_the_file(tmp_path):
    path = gauss(tmp_path / "a.parquet")
    fitted = fit_table(open_table(path), Plan("label", drop=["x3"]))
    fitted.model.save(tmp_path / "m.softxent")
    again = load_model(tmp_path / "m.softxent")
    assert (again.columns, again.target, again.ignored) == (fitted.model.columns, "label", ("x3",))
    np.testing.assert_array_equal(again.classes, [0, 1, 2])
    source, new = open_table(path), Counter()
    assert again.check(source, with_target=True) == []
    scores, sample = Scores(again.classes.tolist()), Sample()
    for x, truth, rows in again.rows(source, with_target=True, new=new):
        score(again.model, x, truth, rows, scores, sample)
    assert scores.rows == 3000 and scores.accuracy > 0.8 and not new
    assert sample.numbers.tolist() == list(range(1, 3001))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a"], ["a", "b"]),
        ([2, 10], [2, 10]),
        ([0.5, 0.25], [0.25, 0.5]),
        ([True, False], [False, True]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_labels_of_any_kind(tmp_path, labels, classes, form):
    table = pa.table({"x": [0.0, 1.0] * 10, "y": labels * 10})
    path = tmp_path / "a"
    (csv.write_csv if form == "csv" else parquet.write_table)(table, path)
    fitted = fit_table(open_table(path), Plan("y"))
    fitted.model.save(tmp_path / "m")
    model = load_model(tmp_path / "m")
    assert model.classes.tolist() == classes and fitted.scores.accuracy == 1
    found = [model.model.predict(x) for x, _, _ in model.rows(open_table(path), False, Counter())]
    assert np.concatenate(found).tolist() == labels * 10
    truths = [truth for _, truth, _ in model.rows(open_table(path), True, Counter())]
    np.testing.assert_array_equal(
        model.classes[np.concatenate(truths)], np.array(labels * 10, model.classes.dtype)
    )


def test_many_categories_train_sparse(tmp_path):
    random = np.random.default_rng(0)
    word = random.integers(0, 500, 4000)
    table = pa.table({"word": [f"w{w}" for w in word], "x": word * 0.0 + 1, "y": word % 2})
    parquet.write_table(table, tmp_path / "a")
    source = open_table(tmp_path / "a")
    for memory in (1 << 20, 10_000):
        fitted = fit_table(source, Plan("y", max_categories=1000, memory=memory, epochs=50))
        assert fitted.model.columns.sparse and fitted.scores.accuracy > 0.95


def fault(path, **plan):
    with pytest.raises(TableError) as caught:
        fit_table(open_table(path, How()), Plan(**plan))
    return str(caught.value)


def test_targets_that_cannot_be_learned(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "a,b,one,gap,id\n" + "".join(f"{k},{k % 3},x,{k or ''},{k}\n" for k in range(60))
    )
    said = fault(path, target="one")
    assert "target column 'one' is of one class, 'x'; expected at least two classes" in said
    assert said.endswith("[classes]")
    assert "target column 'gap' in row 1 is missing" in fault(path, target="gap")
    said = fault(path, target="id")
    assert "target column 'id' is 60 different values in 60 rows; expected labels that" in said
    said = fault(path, target="B")
    assert "target column is 'B'; expected a column of the file: 'a', 'b', 'one', 'gap'" in said
    assert "Did you mean" not in said or said.endswith("[table-columns]")
    assert "Did you mean 'gap'?" in fault(path, target="gaps")
    assert "--drop is 'z'" in fault(path, target="b", drop=["z"])
    assert "beside the target is none; expected" in fault(path, target="b", columns=["b"])


def test_rows_without_a_label_can_be_skipped(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "a,y\n" + "".join(f"{k % 2},{'NA' if k % 10 == 3 else k % 2}\n" for k in range(99))
    )
    fitted = fit_table(open_table(path), Plan("y", skip_unlabelled=True, sample=True))
    assert (fitted.rows, fitted.skipped, fitted.scores.accuracy) == (89, 10, 1.0)
    assert not np.any(fitted.sample.numbers % 10 == 4)  # rows of the file, counted from 1


def test_a_model_of_another_kind(tmp_path):
    x, y = datasets.load_iris(return_X_y=True)
    path = tmp_path / "iris.softxent"
    SoftmaxRegression().fit(x, y).save(path)
    with pytest.raises(TableError, match="a model that was not fitted on a table"):
        load_model(path)


@pytest.mark.parametrize(
    "change", ["newer", "no columns", "other width", "no name", "bytes", "no scale", "labels"]
)
def test_damaged_columns(tmp_path, change):
    from softxent.learn import files

    fitted = fit_table(open_table(gauss(tmp_path / "a")), Plan("label"))
    path = tmp_path / "m"
    fitted.model.save(path)
    saved = files.read(path)
    table = saved.extra["table"]
    if change == "newer":
        table["schema_version"] += 1
    elif change == "no columns":
        del table["columns"]
    elif change == "other width":
        del table["columns"][0]
    elif change == "no name":
        del table["columns"][0]["name"]
    elif change == "number":
        table["columns"][4]["categories"][0] = 7
    elif change == "no scale":
        table["columns"][0]["scale"] = 0.0
    else:
        table["target_kind"] = "boolean"
    files.write(path, saved.model, extra=saved.extra)
    said = "newer one wrote it" if change == "newer" else "do not go with its weights"
    with pytest.raises(TableError, match=rf"{said}.*\[table-file\]"):
        load_model(path)


def test_thousands_of_columns(tmp_path):
    path, n = tmp_path / "a.csv", 9000
    header = ",".join(f"a column with a long name {k}" for k in range(n))
    rows = [",".join([str(k % 3), *(["0", "1"] * (n // 2 - 1)), str(k % 2)]) for k in range(40)]
    path.write_text("\n".join([header, *rows]))
    fitted = fit_table(open_table(path), Plan(f"a column with a long name {n - 1}"))
    assert fitted.model.columns.features == ["a column with a long name 0"]


def test_a_column_without_a_name(tmp_path):
    """As pandas writes its index."""
    path = tmp_path / "a.csv"
    path.write_text(",x,y\n" + "".join(f"{k},{k % 2},{k % 2}\n" for k in range(20)))
    fitted = fit_table(open_table(path), Plan("y", drop=[""]))
    assert fitted.model.columns.features == ["x"] and fitted.scores.accuracy == 1


def test_names_twice_in_the_plan(tmp_path):
    fitted = fit_table(open_table(gauss(tmp_path / "a")), Plan("label", columns=["x0", "x0"]))
    assert fitted.model.columns.features == ["x0"]


def test_a_report_keeps_rows_evenly(monkeypatch):
    from softxent.learn.tables import sample

    monkeypatch.setattr(sample, "KEPT", 300)
    kept = Sample()
    for start in range(0, 1000, 70):
        rows = np.arange(start, min(start + 70, 1000))
        logs = np.log(np.full((len(rows), 2), 0.5))
        kept.see(np.zeros((len(rows), 2)), rows % 2, logs, rows)
    assert kept.numbers.tolist() == list(range(0, 1000, kept.stride)) and kept.stride == 8


PROGRAM = """
import json, sys
from softxent.learn.tables import Plan, fit_table, open_table
fitted = fit_table(open_table(sys.argv[1]), Plan("label", memory=int(sys.argv[2]), epochs=1))
# Not ru_maxrss: there a process inherits its parent's, and the parent runs many tests.
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps([fitted.rows, fitted.streamed, peak, fitted.scores.accuracy]))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells the peak there")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """50 000 rows of 20 columns, and four times as many; bench/learn.py does a million."""
    path, peaks = tmp_path / "a.csv", []
    for repeats in (1, 4):
        random = np.random.default_rng(0)
        y = random.integers(0, 3, 50_000)
        columns = {f"x{k}": random.normal(size=50_000).round(4) for k in range(19)}
        columns["x0"] = columns["x0"] + y
        csv.write_csv(pa.table(columns | {"label": y}), path)
        if repeats > 1:
            rows = path.read_bytes().partition(b"\n")[2]
            with open(path, "ab") as file:
                file.writelines([rows] * (repeats - 1))
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(path), "2000000"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        n, streamed, peak, accuracy = json.loads(done.stdout)
        assert n == 50_000 * repeats and streamed and accuracy > 0.5
        peaks.append(peak / 1024)
    assert max(peaks) < 600, peaks
    assert peaks[1] < peaks[0] + 100, peaks
