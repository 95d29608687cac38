"""The report of a classifier: sound, offline, readable from 2 to thousands of classes."""

from __future__ import annotations

import dataclasses
import os
import re
from datetime import datetime

import numpy as np
import pytest
from html_page import (
    Page,
    assert_loads_nothing,
    assert_reads_out,
    assert_references_lead_somewhere,
)
from sklearn.datasets import load_digits, make_moons
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from softxent.cli.report import classifier_plots, classifier_tables
from softxent.cli.report.classifier import Points, Results, render, write
from softxent.learn import NeuralClassifier, SoftmaxRegression, expected_calibration_error

NOW = datetime(2026, 2, 3, 4, 5)
EVIL = '<script>alert("1")</script> & co'


def of(classes, rows=300, features=5, **more):
    """A model that is right most of the time, on made-up rows."""
    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) * 2
    logits[np.arange(rows), truth] += 4
    y = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Results(
        title="a.csv",
        classes=[f"class {k}" for k in range(classes)],
        y_true=truth,
        probabilities=y / y.sum(axis=1, keepdims=True),
        loss_curve=[2.0, 1.0, 0.5],
        columns=[(f"x{d}", "number") for d in range(features)],
        weights=([f"x{d}" for d in range(features)], rng.normal(size=(classes, features))),
        **more,
    )


def page_of(results):
    return Page(render(results, NOW))


def text_of(page):
    return re.sub(r"\s+", " ", "".join(page.text))


def sound(results):
    source = render(results, NOW)
    page = Page(source)
    assert source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert_loads_nothing(source, page)
    assert_references_lead_somewhere(page)
    assert_reads_out(page)
    links = [value[1:] for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    labelled = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert links == labelled
    pictures = "".join(re.findall(r"<svg.*?</svg>", source, re.S))
    assert not re.search(r"#[0-9a-f]{6}\b", pictures)
    style = source.partition("<style>")[2].partition("</style>")[0]
    assert all(f"--{name}:" in style for name in re.findall(r"var\(--([a-z]+)\)", pictures))
    return source, page


# Any number of classes --------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 12, 13, 40, 41, 100, 400])
def test_it_is_sound_and_small(classes):
    source, page = sound(of(classes, rows=max(300, 10 * classes)))
    assert len(source.encode()) < 1_000_000
    headings = ["Learning", "What it confuses", "Class by class", "How sure, and how right"]
    headings += ["Most confident mistakes", "What it learned", "What was done with each column"]
    assert page.headings == headings


def test_more_classes_than_a_picture_holds(monkeypatch):
    monkeypatch.setattr(classifier_tables, "IN_PICTURE", 60)
    source, page = sound(of(100, rows=1000))
    assert "100 classes are too many for a picture" in text_of(page)
    assert ["it was", "taken for", "rows", "of its class"] in page.rows
    assert len(source.encode()) < 1_000_000


def test_of_many_classes_the_worst_are_listed():
    results = of(200, rows=2000)
    lines = classifier_tables.per_class(
        results.y_true, np.argmax(results.probabilities, axis=1), results.classes
    )
    f1 = [line["scores"][2] or 0.0 for line in lines["lines"]]
    assert len(f1) == 150 and lines["left_out"] == 50
    assert f1 == sorted(f1)


# The numbers ------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn():
    results = of(3)
    page = page_of(results)
    said = np.argmax(results.probabilities, axis=1)
    scores = precision_recall_fscore_support(results.y_true, said)
    for k, line in enumerate(zip(*scores, strict=True)):
        assert [f"class {k}", *(f"{100 * x:.2f} %" for x in line[:3]), str(line[3])] in page.rows
    for average, name in (("macro", "mean of the classes"), ("weighted", "mean of the rows")):
        means = precision_recall_fscore_support(results.y_true, said, average=average)[:3]
        assert [name, *(f"{100 * x:.2f} %" for x in means), "300"] in page.rows
    counts = confusion_matrix(results.y_true, said).tolist()
    for k, line in enumerate(counts):
        assert [f"class {k}", *map(str, line)] in page.rows
    text = text_of(page)
    assert f"{100 * np.mean(said == results.y_true):.2f} %" in text
    error = expected_calibration_error(results.y_true, results.probabilities, n_bins=10)
    assert f"calibration error: {100 * error:.2f} %" in text
    loss = -np.log(results.probabilities[np.arange(300), results.y_true]).mean()
    assert f"{loss:.4f}" in text


def test_a_class_without_rows_or_predictions_has_no_score():
    results = dataclasses.replace(of(3), y_true=np.zeros(300, np.int64))
    page = page_of(results)
    rows = {row[0]: row for row in page.rows if row}
    assert rows["class 1"][2] == "–" and rows["class 1"][4] == "0"
    never = np.tile([0.9, 0.1, 0.0], (300, 1))
    page = page_of(dataclasses.replace(of(3), probabilities=never))
    assert {row[0]: row for row in page.rows if row}["class 2"][1] == "–"


def test_the_most_confident_mistakes_come_first():
    results = of(5, rows=400)
    found = classifier_tables.mistakes(
        results.y_true, results.probabilities, results.classes, [f"r{n}" for n in range(400)]
    )
    sure = [mistake["sure"] for mistake in found]
    said = np.argmax(results.probabilities, axis=1)
    wrong = said != results.y_true
    assert len(found) == 15 and sure == sorted(sure, reverse=True)
    assert sure[0] == results.probabilities[wrong].max()
    n = int(found[0]["row"][1:])
    assert (found[0]["true"], found[0]["said"]) == (
        f"class {results.y_true[n]}",
        f"class {said[n]}",
    )
    assert found[0]["given"] == results.probabilities[n, results.y_true[n]]


def test_a_model_that_is_always_right():
    results = of(3)
    exact = np.eye(3)[results.y_true]
    page = page_of(dataclasses.replace(results, probabilities=exact))
    text = text_of(page)
    assert "No row is wrong." in text and "No row was taken for another class." in text
    assert "100.00 %" in text


def test_a_probability_of_zero_is_no_infinite_loss():
    wrong = np.eye(3)[(of(3).y_true + 1) % 3]
    text = text_of(page_of(dataclasses.replace(of(3), probabilities=wrong)))
    assert "inf" not in text and "708.3964" in text  # -log of the smallest float64


def test_the_worst_pairs():
    truth = np.array([0] * 10 + [1] * 10 + [2] * 10)
    said = truth.copy()
    said[:4] = 1
    said[10:12] = 2
    found = classifier_tables.confusion(truth, said, ["a", "b", "c"])
    pairs = [(p["true"], p["said"], p["rows"], p["share"]) for p in found["pairs"]]
    assert pairs == [("a", "b", 4, 0.4), ("b", "c", 2, 0.2)]
    assert [[n for n, _ in line] for line in found["table"]] == [[6, 4, 0], [0, 8, 2], [0, 0, 10]]


# Weights ----------------------------------------------------------------------------------------


def test_weights_of_few_classes_are_a_table_sorted_by_size():
    weights = np.array([[0.1, -3.0, 1.0], [0.2, 2.0, -1.5]])
    results = dataclasses.replace(of(2), weights=(["a", "b", "c"], weights))
    rows = page_of(results).rows
    at = rows.index(["feature", "class 0", "class 1"])
    assert [row[0] for row in rows[at + 1 : at + 4]] == ["b", "c", "a"]
    assert rows[at + 1] == ["b", "−3.000", "2.000"]


def test_one_vector_of_two_classes_speaks_for_the_second():
    results = dataclasses.replace(of(2), weights=(["a", "b"], np.array([[1.0, -2.0]])))
    page = page_of(results)
    assert ["feature", "class 1"] in page.rows and ["b", "−2.000"] in page.rows
    assert "one weight says it all, for class 1" in text_of(page)


def test_of_many_classes_the_largest_weights():
    weights = np.zeros((20, 6))
    weights[3] = [5, 4, 3, 2, -1, 0]
    found = classifier_tables.weights(([*"abcdef"], weights), [str(k) for k in range(20)])
    name, lists = found["classes"][3]
    assert name == "3"
    assert lists["for"] == [("a", 5.0), ("b", 4.0), ("c", 3.0)]
    assert lists["against"] == [("e", -1.0)]


def test_weights_of_pictures_are_pictures():
    x, y = load_digits(return_X_y=True)
    model = SoftmaxRegression(1e-2).fit(x, y)
    results = Results(
        title="digits",
        classes=[str(k) for k in range(10)],
        y_true=y,
        probabilities=model.predict_proba(x),
        weights=([f"pixel_{k // 8}_{k % 8}" for k in range(64)], model.coef_),
    )
    _, page = sound(results)
    assert "The weights as pictures" in text_of(page)


# Decision regions -------------------------------------------------------------------------------


def test_the_regions_of_two_features():
    x, y = make_moons(200, noise=0.2, random_state=0)
    model = NeuralClassifier((8,), random_state=0).fit(x, y)
    results = Results(
        title="moons",
        classes=["upper", EVIL],
        y_true=y,
        probabilities=model.predict_proba(x),
        points=Points(("x", "$y$"), x, model.predict_proba),
    )
    source, page = sound(results)
    assert page.headings[0] == "Decision regions"
    assert "$y$" in page.text  # as it is, not as a formula
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    wrong = int(np.sum(model.predict(x) != y))
    assert labels[0] == (
        f"Scatter plot of 200 rows over the model's decision regions; {wrong} wrong."
    )
    assert "<script" not in source


@pytest.mark.parametrize("classes", [2, 7, 30])
def test_regions_of_points_that_all_lie_on_each_other(classes):
    results = of(classes)

    def predict(points):
        return np.tile(results.probabilities[0], (len(points), 1))

    points = np.zeros((300, 2))
    points[0] = [np.nan, 1.0]
    sound(dataclasses.replace(results, points=Points(("a", "b"), points, predict)))


def test_sure_regions_are_strong_and_unsure_ones_faint():
    rgba = classifier_plots._sureness(np.array([[[0.5, 0.5], [0.0, 1.0]]]))
    assert rgba[0, 0, 3] == pytest.approx(0.05) and rgba[0, 1, 3] == pytest.approx(0.38)


# What it is told --------------------------------------------------------------------------------


def test_what_it_is_told_is_text_and_never_markup():
    few = of(
        3, features=2, rows=300, summary=[(EVIL, EVIL)], notes=[EVIL], validation_loss_curve=[1, 2]
    )
    few = dataclasses.replace(
        few,
        title=EVIL,
        classes=[EVIL] * 3,
        columns=[(EVIL, EVIL)] * 2,
        weights=([EVIL] * 2, few.weights[1]),
        rows=[EVIL] * 300,
        loss_step=EVIL,
    )
    many = dataclasses.replace(of(20), classes=[f"{EVIL} {k}" for k in range(20)])
    for results in (few, many):
        source, _ = sound(results)
        assert "<script" not in source
        assert source.count("&lt;script&gt;") > 20


@pytest.mark.parametrize(
    "name", ["", " ", "a\x00b", "\ud800", "x" * 10_000, "#010101", 'id="a', "$\\frac$", "日本語"]
)
def test_any_name_makes_a_sound_page(name, tmp_path):
    many = dataclasses.replace(of(15), classes=[name] * 15)
    two = dataclasses.replace(of(2), classes=[name] * 2, title=name, columns=[(name, name)])
    for results in (many, two):
        write(tmp_path / "a.html", results)
        page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
        shown = classifier_tables.readable(name)
        assert any(shown in row for row in page.rows)


def test_no_warning_of_letters_that_the_measuring_font_lacks(recwarn):
    render(dataclasses.replace(of(15), classes=["日本語"] * 15), NOW)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_more_columns_than_are_told():
    results = dataclasses.replace(of(2), columns=[(f"x{d}", "number") for d in range(310)])
    assert "And 10 more columns." in text_of(page_of(results))


# What there is not ------------------------------------------------------------------------------


def test_no_row_was_scored():
    empty = dataclasses.replace(of(3), y_true=np.zeros(0, np.int64), probabilities=np.zeros((0, 3)))
    _, page = sound(empty)
    assert page.headings == ["Learning", "What it learned", "What was done with each column"]
    assert "No rows were scored" in text_of(page)


def test_nothing_but_predictions():
    results = of(3)
    bare = Results("bare", results.classes, results.y_true, results.probabilities)
    _, page = sound(bare)
    assert page.headings[0] == "What it confuses" and len(page.headings) == 4


def test_a_single_row():
    sound(Results("one", ["a", "b"], np.array([1]), np.array([[0.25, 0.75]])))


@pytest.mark.parametrize("curve", [[1.0], [1e3, 1e-3], [0.0, 0.0], [-1.0, 2.0], [2.0] * 500])
def test_any_loss_curve_is_drawn(curve):
    _, page = sound(dataclasses.replace(of(2), loss_curve=curve))
    assert ("Learning" in page.headings) == (len(curve) > 1)


# The file ---------------------------------------------------------------------------------------


def test_the_same_results_make_the_same_page():
    assert render(of(3), NOW) == render(of(3), NOW)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OSError):
        write(tmp_path / "no" / "a.html", of(2))
    assert os.listdir(tmp_path) == []
