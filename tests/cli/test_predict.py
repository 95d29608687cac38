"""`softxent predict`: one line a row, in every format, and what a file must have."""

from __future__ import annotations

import csv
import io
import json
import os

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from pyarrow import csv as arrow_csv  # noqa: E402
from pyarrow import feather, parquet  # noqa: E402

ROWS = [(k % 7 / 2, "ab"[k % 2], f"class {k % 2}") for k in range(60)]


@pytest.fixture
def folder(tmp_path, monkeypatch, call):
    """The current folder, with a table and a model fitted to it."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{x},{c},{y},extra" for x, c, y in ROWS]
    (tmp_path / "a.csv").write_text("x,c,y,left\n" + "\n".join(lines) + "\n")
    assert call("fit", "a.csv", "--target", "y", "--drop", "left").code == 0
    return tmp_path


def test_labels_to_stdout(call, folder):
    code, out, err = call("predict", "a.softxent", "a.csv")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["prediction", *(y for _, _, y in ROWS)]


def test_probabilities(call, folder):
    (folder / "new.csv").write_text("c,x\na,1.5\nb,0.5\n")  # in another order, without the target
    code, out, err = call("predict", "a.softxent", "new.csv", "--proba")
    assert (code, err) == (0, "")
    header, *rows = csv.reader(io.StringIO(out))
    assert header == ["prediction", "p(class 0)", "p(class 1)"]
    assert [row[0] for row in rows] == ["class 0", "class 1"]
    probabilities = np.array([row[1:] for row in rows], float)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == [0, 1]).all()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "feather"])
def test_files_by_suffix(call, folder, suffix):
    name = f"out.{suffix}"
    code, out, err = call("predict", "a.softxent", "a.csv", "--proba", "-o", name)
    assert (code, out, err) == (0, "", f"{name}: 60 rows\n")
    readers = {"csv": arrow_csv.read_csv, "parquet": parquet.read_table}
    table = readers.get(suffix, feather.read_table)(name)
    assert table.column_names == ["prediction", "p(class 0)", "p(class 1)"]
    assert table["prediction"].to_pylist() == [y for _, _, y in ROWS]


def test_json_goes_with_a_file(call, folder):
    code, out, _ = call("predict", "a.softxent", "a.csv", "-o", "out.csv", "--json")
    done = json.loads(out)
    assert code == 0 and done["rows"] == 60 and done["notes"] == []
    assert "--json goes with --output" in call("predict", "a.softxent", "a.csv", "--json").err


def test_labels_that_need_quotes(call, folder):
    labels = ['a, "b"', "c\nd"]
    table = pa.table({"x": [0.0, 1.0] * 10, "y": labels * 10})
    parquet.write_table(table, "q.parquet")
    assert call("fit", "q.parquet", "--target", "y").code == 0
    out = call("predict", "q.softxent", "q.parquet").out
    assert [row[0] for row in csv.reader(io.StringIO(out))] == ["prediction", *labels * 10]


def test_what_training_had_not_seen_is_counted(call, folder):
    (folder / "new.csv").write_text("c,x,more\nz,1\n,,\n".replace("z,1\n", "z,1,2\n"))
    code, out, err = call("predict", "a.softxent", "new.csv")
    assert code == 0 and len(out.splitlines()) == 3
    assert "note: columns that the model does not know, passed over: 'more'\n" in err
    assert "note: column 'c': 2 rows with a value that training had not seen; none of" in err
    assert "note: column 'x': 1 row without a value, of which training had none; the mean" in err
    code, out, err = call("predict", "a.softxent", "new.csv", "--strict", "-o", "out.csv")
    assert (code, out) == (2, "") and "(--strict)" in err and not os.path.exists("out.csv")
    (folder / "new.csv").write_text("c,x\nz,1\n")
    code, out, err = call("predict", "a.softxent", "new.csv", "--strict")
    assert (code, out) == (2, "") and "column 'c': 1 row with a value" in err


def test_the_model_remembers_how_missing_values_are_spelled(call, folder):
    rows = "".join(f"{'?' if k % 5 == 0 else k % 2},{k % 2}\n" for k in range(50))
    (folder / "q.csv").write_text("x,y\n" + rows)
    assert call("fit", "q.csv", "--target=y", "--missing=?").code == 0
    code, out, err = call("predict", "q.softxent", "q.csv")
    assert (code, err) == (0, "") and len(out.splitlines()) == 51
    assert call("evaluate", "q.softxent", "q.csv").code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("c,X\na,1\n", "header is without 'x', and with 'X', which the model does not know;"),
        ("c\na\n", "header is without 'x'; expected the columns of training: 'x', 'c'."),
        ("c,x\na,1\nb,two\n", "column 'x' in line 3 is 'two'; expected a number"),
        ("c,x\na,1\nb,inf\n", "column 'x' in row 2 is inf; expected a finite number"),
        ("c,x\na,1\nb\n", "line 3 is of 1 field"),
        ("c,x\n", "a header and no rows"),
        (b"\x00\x01\x02", "file is binary data"),
    ],
)
def test_wrong_tables_leave_what_was_there(call, folder, content, said):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "new.csv").write_bytes(data)
    (folder / "out.csv").write_text("old")
    before = sorted(os.listdir())
    code, out, err = call("predict", "a.softxent", "new.csv", "-o", "out.csv")
    assert (code, out) == (2, "") and said in err and "Traceback" not in err
    assert (folder / "out.csv").read_text() == "old" and sorted(os.listdir()) == before


def test_a_fault_far_down_leaves_no_file(call, folder):
    rows = "a,1\n" * 300_000
    (folder / "new.csv").write_text("c,x\n" + rows + "b,inf\n")
    code, out, err = call("predict", "a.softxent", "new.csv", "-o", "out.parquet")
    assert (code, out) == (2, "") and "in row 300001 is inf" in err
    assert not os.path.exists("out.parquet") and not list(folder.glob(".out*"))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("none.softxent", "none.softxent: the model cannot be read: No such file"),
        (".", "the model cannot be read: Is a directory"),
        ("a.csv", "that do not begin as a model does"),
        ("cut.softxent", "[model-file]"),
    ],
)
def test_models_that_are_none(call, folder, model, said):
    (folder / "cut.softxent").write_bytes((folder / "a.softxent").read_bytes()[:-10])
    code, out, err = call("predict", model, "a.csv")
    assert (code, out) == (2, "") and said in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("out.xls", "has none of the suffixes .csv, .parquet, .arrow, .feather"),
        ("none/out.csv", "--output: the folder"),
        ("a.csv", "--output: a.csv is also a.csv"),
    ],
)
def test_outputs_are_looked_at_first(call, folder, output, said):
    code, out, err = call("predict", "a.softxent", "a.csv", "-o", output)
    assert (code, out) == (2, "") and said in err
