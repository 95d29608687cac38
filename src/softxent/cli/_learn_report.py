"""What `fit` and `evaluate` put into the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softxent.cli._extras import require

if TYPE_CHECKING:
    from softxent.learn.tables import Sample, Scores, TableModel

MANY = 2000  # classes with a place in the report


def needs(command: str) -> None:
    """Raise unless what the report is made with can be imported."""
    require(command, "learn,demo", {"jinja2": "jinja2", "matplotlib": "matplotlib"})


def write(
    path: Path,
    title: str,
    model: TableModel,
    scores: Scores,
    sample: Sample,
    *,
    loss_step: str = "",
    summary: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write the report; with a `loss_step`, the loss of the training is in it."""
    from softxent.cli.report import classifier

    told = list(notes)
    if sample.stride > 1:
        told.append(
            f"{scores.rows:,} rows were scored: accuracy {scores.accuracy:.4f}, loss"
            f" {scores.loss:.4f}. This page shows every {sample.stride:,}th of them."
        )
    estimator = model.model
    coef = getattr(estimator, "coef_", None)
    classifier.write(
        path,
        classifier.Results(
            title=title,
            classes=[str(label) for label in model.classes.tolist()],
            y_true=sample.truth,
            probabilities=sample.probabilities.astype(float),
            loss_curve=list(map(float, estimator.loss_curve_)) if loss_step else (),
            loss_step=loss_step,
            columns=[(c.name, c.describe()) for c in model.columns.columns],
            weights=None if coef is None else (model.columns.features, coef.astype(float)),
            points=_points(model, sample),
            rows=[f"row {n:,}" for n in sample.numbers.tolist()],
            summary=summary,
            notes=told,
        ),
    )


def _points(model: TableModel, sample: Sample) -> Any:
    """Both features in units of the table, where there are two and both are numbers."""
    import numpy as np

    from softxent.cli.report.classifier import Points

    used = [column for column in model.columns.columns if column.use != "left out"]
    if len(used) != 2 or any(c.use != "scaled" for c in used) or not len(sample.points):
        return None
    mean = np.array([column.mean for column in used])
    scale = np.array([column.scale for column in used])

    def predict(values: Any) -> Any:
        return model.model.predict_proba(((values - mean) / scale).astype(np.float32))

    first, second = (column.name for column in used)
    return Points((first, second), sample.points * scale + mean, predict)
