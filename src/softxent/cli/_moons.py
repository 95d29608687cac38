"""Two moons: what a softmax layer cannot tell apart alone, and a network with one hidden layer can.

2000 points of two half circles that reach into each other, with so much noise that they overlap:
one half to learn from, the other to see what was learned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

from softxent.cli._checks import Check
from softxent.learn import NeuralClassifier

POINTS, NOISE, SEED = 2000, 0.2, 0
ACCURACY_BAR = 0.94  # 0.96 is what such points allow; another split may be harder

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Result:
    """What training gave on the held-out half."""

    model: NeuralClassifier
    test_x: Floats
    test_t: Ints
    predicted: Ints
    train_rows: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of held-out points on the right side."""
        return float(np.mean(self.predicted == self.test_t))

    def checks(self) -> list[Check]:
        """The bar of this part."""
        return [
            Check("accuracy on the held-out moons", self.accuracy, ACCURACY_BAR, "%", at_least=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "accuracy": self.accuracy,
            "hidden": list(self.model.hidden),
            "iterations": self.model.n_iter_,
            "seconds": self.seconds,
            "train_rows": self.train_rows,
            "test_rows": len(self.test_t),
            "passed": all(check.passed for check in self.checks()),
        }


def run() -> Result:
    """Train on one half, predict the other."""
    points, moons = make_moons(POINTS, noise=NOISE, random_state=SEED)
    train_x, test_x, train_t, test_t = train_test_split(
        points, moons, test_size=0.5, stratify=moons, random_state=SEED
    )
    model = NeuralClassifier(max_iter=1000, random_state=SEED)
    begin = time.perf_counter()
    model.fit(train_x, train_t)
    seconds = time.perf_counter() - begin
    return Result(model, test_x, test_t, model.predict(test_x), len(train_x), seconds)
