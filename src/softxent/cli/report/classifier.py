"""The report of a classifier: how it learned, what it gets right and wrong, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

import softxent
from softxent.cli import _files
from softxent.cli.report import classifier_plots as plots
from softxent.cli.report import classifier_tables as tables
from softxent.cli.report.drawing import Floats, styled
from softxent.cli.report.page import page
from softxent.learn.calibration import expected_calibration_error, reliability_curve

Ints = np.ndarray[Any, np.dtype[np.int64]]

BINS = 10  # of the reliability diagram
LONGEST = 400  # characters of a sentence
MOST_COLUMNS = 300  # whose treatment is told


# Of the page: id, name, and which picture or value it needs.
SECTIONS = (
    ("regions", "Regions", "regions"),
    ("learning", "Learning", "loss"),
    ("confusion", "Confusion", "scores"),
    ("classes", "Classes", "scores"),
    ("reliability", "Reliability", "scores"),
    ("mistakes", "Mistakes", "scores"),
    ("weights", "Weights", "weights"),
    ("columns", "Columns", "columns"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows of two features, and the model's probabilities at any others."""

    names: tuple[str, str]
    values: Floats  # (N, 2), as `predict` takes them
    predict: Callable[[Floats], Floats]  # (M, 2) -> (M, V)


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """What the page shows; N rows that were scored, V classes, D features."""

    title: str
    classes: Sequence[str]  # their V names
    y_true: Ints  # (N,), indices into classes
    probabilities: Floats  # (N, V)
    loss_curve: Sequence[float] = ()
    columns: Sequence[tuple[str, str]] = ()  # a column's name, and what was done with it
    weights: tuple[Sequence[str], Floats] | None = None  # D names; (V, D), or (1, D) of two classes
    validation_loss_curve: Sequence[float] = ()
    loss_step: str = "iteration"  # or "epoch", "pass over the file": what lies between two losses
    points: Points | None = None
    rows: Sequence[str] | None = None  # names of the N rows; None counts them from 1
    summary: Sequence[tuple[str, str]] = ()  # (what, value) of the first screen: rows, seconds, ...
    notes: Sequence[str] = field(default_factory=list)  # under the title


def write(path: Path, results: Results) -> None:
    """Write the page, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    _files.write(path, render(results, datetime.now()))


def render(results: Results, now: datetime) -> str:
    """The page, as text to be written as UTF-8."""
    names = [tables.readable(name) for name in results.classes]
    told = len(results.y_true) > 0
    values: dict[str, Any] = {"scores": None, "reliability": None}
    if told:
        predicted = np.argmax(results.probabilities, axis=1)
        losses = tables.losses(results.y_true, results.probabilities)
        values["scores"] = {
            "accuracy": float(np.mean(predicted == results.y_true)),
            "loss": float(np.mean(losses)),
            "classes": tables.per_class(results.y_true, predicted, names),
            "confusion": tables.confusion(results.y_true, predicted, names),
            "mistakes": tables.mistakes(results.y_true, results.probabilities, names, results.rows),
        }
        values["reliability"] = _reliability(results)
    with styled():
        pictures = _pictures(results, names, values)
    values["weights"] = tables.weights(results.weights, names)
    values["columns"] = _pairs(results.columns[:MOST_COLUMNS])
    shown = pictures.keys() | {name for name, value in values.items() if value}
    return page(
        "classifier.html.j2",
        r=results,
        title=tables.readable(results.title),
        notes=[tables.readable(note, LONGEST) for note in results.notes],
        summary=_pairs(results.summary),
        version=softxent.__version__,
        now=now,
        names=names,
        sections=[(name, title) for name, title, needs in SECTIONS if needs in shown],
        pictures={name: Markup(picture) for name, picture in pictures.items()},
        **values,
    )


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(tables.readable(name), tables.readable(what, LONGEST)) for name, what in pairs]


def _reliability(results: Results) -> dict[str, Any]:
    curve = reliability_curve(results.y_true, results.probabilities, n_bins=BINS)
    bins = zip(
        curve.confidence.tolist(), curve.accuracy.tolist(), curve.count.tolist(), strict=True
    )
    return {
        "error": expected_calibration_error(results.y_true, results.probabilities, n_bins=BINS),
        "bins": [(sure, right, rows) for sure, right, rows in bins if rows],
    }


def _pictures(results: Results, names: list[str], values: dict[str, Any]) -> dict[str, str]:
    """The plots by name; what there is nothing to show of has none."""
    pictures = {}
    if len(results.loss_curve) > 1:
        pictures["loss"] = plots.loss(
            results.loss_curve, results.validation_loss_curve, results.loss_step
        )
    if values["reliability"]:
        pictures["reliability"] = plots.reliability(values["reliability"]["bins"])
    if values["scores"] and values["scores"]["confusion"]["picture"] is not None:
        pictures["confusion"] = plots.confusion(values["scores"]["confusion"]["picture"], names)
    if results.weights is not None and tables.are_pixels(*results.weights):
        pictures["weights"] = plots.weights(results.weights[1], names)
    if results.points is not None and len(results.y_true):
        predicted = np.argmax(results.probabilities, axis=1)
        pictures["regions"] = plots.regions(
            results.points.predict,
            results.points.values,
            results.y_true,
            predicted,
            names,
            (tables.readable(results.points.names[0]), tables.readable(results.points.names[1])),
        )
    return pictures
