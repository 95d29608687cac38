"""How good predictions are, counted batch by batch: accuracy, loss, precision, recall, confusion.

>>> scores = Scores(["no", "yes"])
>>> scores.see(np.array([0, 1, 1]), np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
>>> round(scores.accuracy, 3), round(scores.loss, 3), scores.confusion.tolist()
(0.667, 0.415, [[1, 0], [1, 1]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from softxent.learn.layer import Array

CONFUSION = 1000  # classes up to which all pairs are counted


class OfClass(NamedTuple):
    """One class: precision is NaN where it was never predicted, recall where it never came."""

    label: Any
    rows: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """Of the rows that were taken for this class, how many are of it."""
        return self.right / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Of the rows of this class, how many were taken for it."""
        return self.right / self.rows if self.rows else float("nan")


@dataclass
class Scores:
    """Give it all rows; the counts do not depend on how they are cut into batches."""

    classes: Sequence[Any]
    rows: int = 0
    total_loss: float = 0.0
    counts: Array = field(init=False)  # (3, V) rows, predicted, right
    confusion: Array | None = field(init=False)  # (V, V) rows of a class by what they are taken for

    def __post_init__(self) -> None:
        """Begin with no rows."""
        n = len(self.classes)
        self.counts = np.zeros((3, n), np.int64)
        self.confusion = np.zeros((n, n), np.int64) if n <= CONFUSION else None

    def see(self, truth: Array, log_probabilities: Array) -> None:
        """Count in rows with their class numbers (N,) and the logarithms (N, V) predicted."""
        n = len(self.classes)
        predicted = np.argmax(log_probabilities, axis=1)
        right = truth[truth == predicted]
        for at, found in enumerate((truth, predicted, right)):
            self.counts[at] += np.bincount(found, minlength=n)
        if self.confusion is not None:
            self.confusion += np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n)
        losses = log_probabilities[np.arange(len(truth)), truth]
        self.total_loss -= float(losses.sum(dtype=np.float64))
        self.rows += len(truth)

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is theirs."""
        return float(self.counts[2].sum()) / self.rows

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return self.total_loss / self.rows

    @property
    def most_frequent(self) -> float:
        """Accuracy of always naming the class that is most frequent here."""
        return float(self.counts[0].max()) / self.rows

    def of_classes(self) -> list[OfClass]:
        """Each class, in order."""
        table = self.counts.T.tolist()
        return [OfClass(label, *row) for label, row in zip(self.classes, table, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; NaN becomes null."""

        def number(value: float) -> float | None:
            return None if np.isnan(value) else value

        return {
            "rows": self.rows,
            "accuracy": self.accuracy,
            "accuracy_of_most_frequent_class": self.most_frequent,
            "loss": self.loss,
            "classes": [
                {
                    "label": c.label,
                    "rows": c.rows,
                    "predicted": c.predicted,
                    "precision": number(c.precision),
                    "recall": number(c.recall),
                }
                for c in self.of_classes()
            ],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
        }
