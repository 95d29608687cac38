"""`softxent fit`: what it prints and writes, and what it refuses before any work."""

from __future__ import annotations

import gzip
import json
import os
import re

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from pyarrow import parquet  # noqa: E402
from sklearn import datasets  # noqa: E402

from softxent.cli import fit as command  # noqa: E402
from softxent.learn.tables import load_model  # noqa: E402
from softxent.learn.tables.expansion import MAX_EXPANSION  # noqa: E402
from softxent.learn.tables.rows import MEMORY  # noqa: E402


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with iris and a table with gaps, categories and names in it."""
    monkeypatch.chdir(tmp_path)
    data = datasets.load_iris()
    lines = [
        ",".join([*map(str, x), data.target_names[y]])
        for x, y in zip(data.data.tolist(), data.target, strict=True)
    ]
    names = ["sepal length", "sepal width", "petal length", "petal width", "species"]
    (tmp_path / "iris.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    (tmp_path / "people.csv").write_text(people())
    return tmp_path


def people(n=400):
    """Who survived, made up: sex tells, age tells a little and lacks at times."""
    random = np.random.default_rng(0)
    rows = ["Id,Survived,Class,Name,Sex,Age,Port,Alone"]
    for k in range(n):
        sex = random.choice(["male", "female"])
        survived = int(random.random() < (0.85 if sex == "female" else 0.15))
        age = "" if random.random() < 0.2 else f"{random.gamma(5, 6):.0f}"
        port = random.choice(["S", "C", "Q", ""], p=[0.6, 0.2, 0.15, 0.05])
        alone = random.choice(["true", "false"])
        rows.append(f'{k},{survived},{k % 3 + 1},"P. {k}, Mr",{sex},{age},{port},{alone}')
    return "\n".join(rows) + "\n"


def test_iris(call, folder):
    code, out, err = call("fit", "iris.csv", "--target", "species")
    assert (code, err) == (0, "")
    assert re.search(r"sepal length +number: mean 5\.\d+, deviation 0\.\d+\n", out)
    assert "species       target: 3 classes: setosa, versicolor, virginica" in out
    assert "rows      150: 121 to learn from, 29 held out" in out
    assert "SoftmaxRegression, 4 > 3, alpha 0.0001" in out
    assert re.search(r"accuracy  0\.9\d+ of 29 rows \(0\.3448 for always naming", out)
    assert re.search(r"setosa +10 +10 +1\.0000 +1\.0000", out)
    assert "true \\ predicted" in out and "model  iris.softxent" in out
    assert max(map(len, out.splitlines())) <= 79
    assert sorted(os.listdir()) == ["iris.csv", "iris.softxent", "people.csv"]
    model = load_model("iris.softxent")
    assert list(model.columns.kinds) == [
        "sepal length", "sepal width", "petal length", "petal width",
    ]  # fmt: skip


def test_gaps_categories_and_names(call, folder):
    ran = call("fit", "people.csv", "--target", "Survived", "--no-model")
    assert (ran.code, ran.out) == (2, "")
    assert "column 'Name' is text with 320 different values in 320 rows" in ran.err
    assert "--drop Name" in ran.err
    options = ["--drop", "Id,Name", "--as-category", "Class", "--hidden", "8", "--seed", "7"]
    code, out, err = call("fit", "people.csv", "--target", "Survived", *options, "--alpha", "0.01")
    assert (code, err) == (0, "")
    assert "Class     category: 3 values: '1', '2', '3'" in out
    assert re.search(r"Age +number: .*missing, filled with the\n? +mean and marked", out)
    assert re.search(r"Port +category: 3 values: 'C', 'Q', 'S'; \d+ missing, a value of its", out)
    assert "not used  Id, Name" in out
    assert "NeuralClassifier, 12 > 8 > 2, alpha 0.01" in out
    assert load_model("people.softxent").ignored == ("Id", "Name")


def test_json(call, folder):
    code, out, err = call("fit", "people.csv", "--target=Survived", "--drop=Name", "--json")
    assert (code, err) == (0, "")
    done = json.loads(out)
    assert done["schema_version"] == 1 and done["classes"] == [0, 1]
    assert done["rows"]["learned_from"] + done["rows"]["held_out"] == done["rows"]["all"] == 400
    assert [column["name"] for column in done["columns"]][:2] == ["Id", "Class"]
    assert done["columns"][2]["categories"] == ["female", "male"]
    scores = done["scores"]
    assert np.sum(scores["confusion"]) == scores["rows"] == done["rows"]["held_out"]
    assert scores["accuracy"] == pytest.approx(np.trace(scores["confusion"]) / scores["rows"])
    assert 0.7 < scores["accuracy"] < 1 and done["rows_per_second"] > 0
    assert done["training"]["streamed"] is False


def test_json_of_a_class_that_is_never_predicted_is_json(call, folder):
    rows = "a,y\n" + "1,x\n" * 50 + "1,z\n2,x\n" * 5
    (folder / "a.csv").write_text(rows)
    done = call("fit", "a.csv", "--target", "y", "--json", "--no-model")
    scores = json.loads(done.out, parse_constant=pytest.fail)["scores"]
    assert scores["classes"][1]["precision"] is None


@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_streamed_and_other_formats(call, folder, form):
    path = folder / f"people.{form}"
    if form == "csv.gz":
        path.write_bytes(gzip.compress((folder / "people.csv").read_bytes()))
    else:
        table = pa.csv.read_csv(folder / "people.csv")
        parquet.write_table(table, path)
    done = call(
        "fit", str(path), "--target=Survived", "--drop=Name,Id", "--memory=5kB", "--epochs=9"
    )
    assert (done.code, done.err) == (0, "")
    assert "9 epochs over the file, in batches; the loss fell from" in done.out
    assert os.path.exists("people.softxent")


def test_report(call, folder):
    pytest.importorskip("matplotlib")
    options = ["--columns", "petal length,petal width", "--report", "iris.html"]
    code, out, err = call("fit", "iris.csv", "--target", "species", *options)
    assert (code, err) == (0, "")
    assert out.endswith("model  iris.softxent\n  report  iris.html\n")
    page = (folder / "iris.html").read_text()
    assert "species in iris.csv" in page and "petal length" in page


def test_many_classes(call, folder):
    rows = [f"{k % 40},{(k * 7) % 5},class {k % 40}" for k in range(2000)]
    (folder / "a.csv").write_text("n,m,y\n" + "\n".join(rows))
    out = call("fit", "a.csv", "--target=y", "--epochs=3", "--no-model", "--as-category=m").out
    assert "Of 40 classes the 30 of least recall:" in out
    assert "Most often confused:" in out and "taken for" in out
    assert "The loss was still falling after 3 iterations: raise --epochs" in out
    assert sorted(os.listdir()) == ["a.csv", "iris.csv", "people.csv"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "none/m"), "--model: the folder"),
        (("--model", "."), "--model: . is a folder; name a file in it"),
        (("--model", "iris.csv"), "--model: iris.csv is also iris.csv; name another file"),
        (("--report", "none/r.html"), "--report: the folder"),
        (("--model", "a", "--report", "a"), "--report: a is also what --model names"),
        (("--delimiter", "ab"), "--delimiter 'ab': it is one character"),
        (("--hidden", "64,x"), "'64,x' is not a list of layer sizes"),
        (("--hidden", "0"), "'0' is not a list of layer sizes"),
        (("--alpha", "-1"), "'-1' is not a finite number >= 0"),
        (("--alpha", "nan"), "'nan' is not a finite number >= 0"),
        (("--epochs", "0"), "'0' is not a whole number >= 1"),
        (("--epochs", "1.5"), "'1.5' is not a whole number >= 1"),
        (("--test-size", "0.6"), "'0.6' is not a number from 0 to 0.5"),
        (("--seed", "-1"), "'-1' is not a whole number"),
        (("--memory", "much"), "'much' is not a number of bytes such as 512MiB"),
        (("--max-expansion", "0"), "'0' is not a number >= 1"),
        (("--model", "a", "--no-model"), "not allowed with"),
        (("--drop", "petal"), "--drop is 'petal'; expected a column of the file: 'sepal length'"),
        (("--columns", "petal widht"), "Did you mean 'petal width'? [table-columns]"),
        (("--as-category", "x"), "--as-category is 'x'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_usage_is_looked_at_before_the_work(call, folder, options, said, monkeypatch):
    from softxent.learn import tables

    if options[0] not in ("--drop", "--columns", "--as-category"):
        monkeypatch.setattr(tables, "fit_table", None)
    code, out, err = call("fit", "iris.csv", "--target", "species", *options)
    assert (code, out) == (2, "") and said in err
    assert "Traceback" not in err
    assert sorted(os.listdir()) == ["iris.csv", "people.csv"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "target column is 'y'; expected a column of the file: 'a', 'b'"),
        ("a,y\n1,x\n2,x\n", "[classes]"),
        ("a,y\n1,x\ninf,z\n", "column 'a' in row 2 is inf; expected a finite number"),
        ("a,y\n1,x\n2,\n", "target column 'y' in row 2 is missing"),
        ("a,y\n1,x\n2\n", "line 3 is of 1 field; expected 2 fields"),
        ("a,y\n", "file is a header and no rows"),
        ("", "file is empty"),
        ("a,a,y\n1,2,x\n", "header is with 'a' more than once"),
        ("a,y\n1,x\n2,é\n".encode("latin1"), "file is not UTF-8 in line 3"),
        (b"\x89PNG\r\n\x1a\n\0", "file is a picture"),
    ],
)
def test_bad_tables_are_2_and_leave_nothing(call, folder, content, said):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "bad.csv").write_bytes(data)
    code, out, err = call("fit", "bad.csv", "--target", "y")
    assert (code, out) == (2, "")
    assert err.startswith("softxent fit: bad.csv: ") and said in err
    assert "Traceback" not in err and not os.path.exists("bad.softxent")


def test_a_failed_write_leaves_the_old_model(call, folder, monkeypatch):
    (folder / "iris.softxent").write_text("the old one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, out, err = call("fit", "iris.csv", "--target", "species")
    assert (code, out) == (2, "") and "No space left on device" in err
    assert (folder / "iris.softxent").read_text() == "the old one"
    assert sorted(os.listdir()) == ["iris.csv", "iris.softxent", "people.csv"]


def test_an_interrupt_leaves_nothing(call, folder, monkeypatch):
    from softxent.learn import SoftmaxRegression

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SoftmaxRegression, "fit", interrupted)
    code, out, err = call("fit", "iris.csv", "--target", "species")
    assert (code, out) == (130, "") and "interrupted" in err
    assert sorted(os.listdir()) == ["iris.csv", "people.csv"]


def test_on_a_terminal_bars_come_and_go(on_terminal, folder):
    code, written = on_terminal(
        "fit", "people.csv", "--target=Survived", "--drop=Name", "--memory=5kB"
    )
    assert code == 0
    assert "counting classes, means and categories" in written and "epoch 5 of 5" in written
    assert "rows" in written and "accuracy" in written


@pytest.mark.parametrize("module, package", command.NEEDS.items())
def test_a_missing_package(spawn, module, package):
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from softxent.cli import main; sys.exit(main(['fit', 'a.csv', '--target', 'y']))"
    )
    code, out, err = spawn("-c", program)
    assert (code, out) == (2, "") and 'pip install "softxent[learn]"' in err and package in err


def test_defaults_are_those_of_the_library():
    from softxent.cli._learn_options import MAX_EXPANSION as OURS
    from softxent.kernels.budget import parse_memory

    assert OURS == MAX_EXPANSION and parse_memory("", command.MEMORY) == MEMORY


def test_names_that_a_terminal_would_obey_and_letters_that_it_lacks(spawn, folder):
    rows = "".join(f"{k % 2},{'é€' if k % 2 else chr(27) + '[2J'}\n" for k in range(40))
    (folder / "a.csv").write_text("größe\x1b[31m,y\n" + rows, encoding="utf-8")
    ran = spawn("-m", "softxent", "fit", "a.csv", "--target", "y", PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "") and "gr??e?[31m" in ran.out and "\x1b" not in ran.out
    ran = spawn("-m", "softxent", "predict", "a.softxent", "a.csv", PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "") and ran.out.splitlines()[2] == "é€"
    (folder / "b.csv").write_text("a\x1b[31m,y\n1,x\ninf,z\n", encoding="utf-8")
    ran = spawn("-m", "softxent", "fit", "b.csv", "--target", "y")
    assert ran.code == 2 and "\x1b" not in ran.err and "--drop $'a\\x1b[31m'" in ran.err
