"""Fit a classifier to a table: look, hold rows out, learn, score.

The file is read from start to end several times, each time in batches: for what its columns are
(CSV only), for means, categories and classes, and then for the rows themselves. Encoded rows that
fit in `memory` are held and learned to the optimum; others are read again in every epoch.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from softxent.learn.layer import Array
from softxent.learn.neural import NeuralClassifier
from softxent.learn.regression import SoftmaxRegression
from softxent.learn.tables.faults import nothing_to_learn
from softxent.learn.tables.model import TableModel, batches_of
from softxent.learn.tables.reader import Source, require
from softxent.learn.tables.rows import Plan, Rows, Seen, look
from softxent.learn.tables.sample import Sample
from softxent.learn.tables.scores import Scores
from softxent.learn.training import SMALL_NETWORK, SMALL_ROWS

STREAMED_EPOCHS = 5
VISITS = 10_000_000  # rows that a network sees at most, unless told otherwise


@dataclass
class Fitted:
    """What came of it."""

    model: TableModel
    scores: Scores
    sample: Sample | None
    held_out: bool  # whether the scores are those of rows held out, not of those learned from
    rows: int
    learned_from: int
    skipped: int  # rows without a label
    streamed: bool
    adam: bool  # whether trained by Adam rather than L-BFGS
    visited: int  # rows that were learned from, counted as often as they came
    epochs: int  # or iterations
    seconds: dict[str, float]
    notes: list[str]


def fit_table(source: Source, plan: Plan) -> Fitted:
    """Fit a model to a table; see `Plan`."""
    clock = _Clock()
    names = chosen(source, plan)
    plan.stage("looking what the columns are")
    kinds = source.kinds([*names, plan.target])
    clock.lap("types")
    plan.stage("counting classes, means and categories")
    seen = look(source, plan, kinds)
    clock.lap("statistics")
    rows = Rows(source, plan, kinds, seen)
    model = _new_model(plan, seen)
    streamed = rows.bytes > plan.memory
    scores, sample = Scores(seen.classes.tolist()), Sample() if plan.sample else None
    notes = _doubts(source) + seen.notes(streamed)
    if streamed:
        visited = _epochs(model, rows, plan)
        clock.lap("training")
        plan.stage("scoring")
        for x, y, numbers, held in rows.batches():
            which = held if seen.n_held else ~held
            score(model, x[which], y[which], numbers[which], scores, sample)
    else:
        plan.stage("encoding rows")
        learn, test = rows.load()
        clock.lap("encoding")
        plan.stage("")  # the estimator shows a bar of its own
        notes += _fit(model, learn.x, learn.y, plan)
        visited = len(learn.y) * len(model.loss_curve_)
        clock.lap("training")
        plan.stage("scoring")
        score(model, *(test if seen.n_held else learn), scores, sample)
    clock.lap("scoring")
    model.classes_ = seen.classes
    dropped = [n for n in source.names if n not in names and n != plan.target]
    found = TableModel(
        model,
        seen.columns,
        plan.target,
        kinds[plan.target],
        ignored=tuple(dropped),
        missing=tuple(plan.missing),
    )
    return Fitted(
        model=found,
        scores=scores,
        sample=sample,
        held_out=bool(seen.n_held),
        rows=seen.rows,
        learned_from=seen.rows - seen.n_held,
        skipped=seen.skipped,
        streamed=streamed,
        adam=bool(plan.hidden) and (streamed or not all_at_once(model, seen.rows - seen.n_held)),
        visited=visited,
        epochs=plan.epochs or STREAMED_EPOCHS if streamed else int(np.max(model.n_iter_)),
        seconds=clock.laps,
        notes=notes,
    )


def chosen(source: Source, plan: Plan) -> list[str]:
    """Names of the columns to learn from; an unknown name is an error that lists the known."""
    require(source, [plan.target], "target column")
    require(source, plan.columns or [], "--columns")
    require(source, plan.drop, "--drop")
    require(source, plan.categories, "--as-category")
    names = source.names if plan.columns is None else list(plan.columns)
    left = [n for n in dict.fromkeys(names) if n != plan.target and n not in plan.drop]
    if not left:
        raise nothing_to_learn(str(source.path), "none")
    return left


def _new_model(plan: Plan, seen: Seen) -> Any:
    given: dict[str, Any] = {} if plan.alpha is None else {"alpha": plan.alpha}
    if plan.hidden:
        epochs = plan.epochs or int(np.clip(VISITS // seen.rows, STREAMED_EPOCHS, 200))
        return NeuralClassifier(
            tuple(plan.hidden), max_iter=epochs, random_state=plan.seed, **given
        )
    if plan.epochs is not None:
        given["max_iter"] = plan.epochs
    return SoftmaxRegression(**given)


def _fit(model: Any, x: Any, y: Array, plan: Plan) -> list[str]:
    """Learn from all rows at once; return what there is to say about it."""
    model.verbose = plan.verbose
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(x, y)
    model.verbose = False
    notes = []
    for one in caught:
        if not issubclass(one.category, ConvergenceWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif model.max_iter <= np.max(model.n_iter_):
            notes.append(
                f"The loss was still falling after {np.max(model.n_iter_)} "
                f"{'epochs' if plan.hidden else 'iterations'}: raise --epochs"
                + (", or --alpha." if not plan.hidden else ".")
            )
    return notes


def all_at_once(model: NeuralClassifier, rows: int) -> bool:
    """Whether a network with solver "auto" was trained by L-BFGS."""
    size = sum(part.size for part in (*model.coefs_, *model.intercepts_))
    return rows <= SMALL_ROWS and size <= SMALL_NETWORK


def _epochs(model: Any, rows: Rows, plan: Plan) -> int:
    """Learn from rows as they come, several times over; return how many came."""
    classes = np.arange(len(rows.seen.classes))
    random = np.random.default_rng(plan.seed)
    visited, epochs = 0, plan.epochs or STREAMED_EPOCHS
    curve: list[float] = []
    for epoch in range(epochs):
        plan.stage(f"epoch {epoch + 1} of {epochs}" + (f", loss {curve[-1]:.4f}" if curve else ""))
        total = count = 0.0
        for x, y in rows.shuffled(random):
            model.partial_fit(x, y, classes=classes)
            total += model.loss_curve_[-1] * len(y)
            count += len(y)
            visited += len(y)
        curve.append(total / count)
    model.loss_curve_ = curve
    return visited


def score(
    model: Any, x: Any, y: Array, numbers: Array, scores: Scores, sample: Sample | None = None
) -> None:
    """Count rows with their class numbers in, some thousand at a time."""
    for part in batches_of(model, x):
        log_probabilities = model.predict_log_proba(x[part])
        scores.see(y[part], log_probabilities)
        if sample is not None:
            sample.see(x[part], y[part], log_probabilities, numbers[part])


def _doubts(source: Source) -> list[str]:
    return [
        f"Column {name!r} is taken for text because of {value!r} in row {row}, where most values "
        f"are numbers; if that stands for a missing value, pass --missing."
        for name, (row, value) in source.doubts.items()
    ]


class _Clock:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self.last = now - self.last, now
