"""`softxent evaluate`: the figures are those of scikit-learn; labels must be known."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from pyarrow import parquet  # noqa: E402
from sklearn import metrics  # noqa: E402

from softxent.learn.tables import load_model, open_table  # noqa: E402


@pytest.fixture
def folder(tmp_path, monkeypatch, call):
    """The current folder, with two tables and a model fitted to the first."""
    monkeypatch.chdir(tmp_path)
    for name, seed in (("train", 0), ("test", 1)):
        random = np.random.default_rng(seed)
        y = random.integers(0, 3, 500)
        x = random.normal(size=(500, 2)) + y[:, None]
        table = {"x0": x[:, 0], "x1": x[:, 1], "y": np.array(["a", "b", "c"])[y]}
        parquet.write_table(pa.table(table), f"{name}.parquet")
    assert call("fit", "train.parquet", "--target", "y").code == 0
    return tmp_path


def test_figures_beside_scikit_learn(call, folder):
    code, out, err = call("evaluate", "train.softxent", "test.parquet", "--json")
    assert (code, err) == (0, "")
    scores = json.loads(out)["scores"]
    model = load_model("train.softxent")
    ((x, truth, _),) = model.rows(open_table("test.parquet"), True, Counter())
    predicted, labels = model.model.predict(x), model.classes
    assert scores["accuracy"] == metrics.accuracy_score(labels[truth], predicted)
    probabilities = model.model.predict_proba(x).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32's, which it warns about
    loss = metrics.log_loss(labels[truth], probabilities)
    assert scores["loss"] == pytest.approx(loss, rel=1e-5)
    assert scores["confusion"] == metrics.confusion_matrix(labels[truth], predicted).tolist()
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        labels[truth], predicted
    )
    for k, of_class in enumerate(scores["classes"]):
        assert of_class["label"] == labels[k] and of_class["rows"] == support[k]
        assert of_class["precision"] == pytest.approx(precision[k])
        assert of_class["recall"] == pytest.approx(recall[k])


def test_text_and_report(call, folder):
    pytest.importorskip("matplotlib")
    code, out, err = call("evaluate", "train.softxent", "test.parquet", "--report", "r.html")
    assert (code, err) == (0, "")
    assert "softxent evaluate · train.softxent on test.parquet" in out
    assert "of 500 rows" in out and "precision" in out and "report  r.html" in out
    assert "train.softxent on test.parquet" in (folder / "r.html").read_text()
    assert max(map(len, out.splitlines())) <= 79


def test_another_column_of_labels(call, folder):
    table = parquet.read_table("test.parquet").rename_columns(["x0", "x1", "truth"])
    parquet.write_table(table, "other.parquet")
    said = call("evaluate", "train.softxent", "other.parquet").err
    assert "header is without 'y', and with 'truth', which the model does not know" in said
    assert call("evaluate", "train.softxent", "other.parquet", "--target", "truth").code == 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,d", "target column 'y' in row 2 is 'd'; expected one of the 3 classes of the model:"),
        ("1,2,", "target column 'y' in row 2 is missing"),
        ("1,two,a", "column 'x1' in line 3 is 'two'"),
        ("1,2", "line 3 is of 2 fields"),
    ],
)
def test_rows_that_cannot_be_judged(call, folder, row, said):
    (folder / "bad.csv").write_text(f"x0,x1,y\n0,0,a\n{row}\n")
    code, out, err = call("evaluate", "train.softxent", "bad.csv")
    assert (code, out) == (2, "") and said in err and "Traceback" not in err


def test_a_class_that_never_comes(call, folder):
    (folder / "few.csv").write_text("x0,x1,y\n0,0,a\n-1,-1,a\n")
    out = call("evaluate", "train.softxent", "few.csv").out
    assert "accuracy  1.0000 of 2 rows" in out
    last = out[out.index("c  ") :].splitlines()[0].split()
    assert last == ["c", "0", "0", "-", "-"]


def test_reports_are_looked_at_first(call, folder):
    code, out, err = call("evaluate", "train.softxent", "test.parquet", "--report", "none/r.html")
    assert (code, out) == (2, "") and "--report: the folder" in err
    said = call("evaluate", "train.softxent", "none.parquet").err
    assert "none.parquet: file is not readable (No such file or directory)" in said
