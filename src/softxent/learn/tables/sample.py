"""Rows whose predictions are kept for a report: all of them, or evenly spread ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from softxent.learn.layer import Array

KEPT = 4_000_000  # probabilities


@dataclass
class Sample:
    """Give it all rows; it keeps every first, second, fourth, ... of them."""

    stride: int = 1
    seen: int = 0
    pieces: list[tuple[Array, ...]] = field(default_factory=list)

    def see(self, x: Any, truth: Array, log_probabilities: Array, numbers: Array) -> None:
        """Look at rows: features (kept if there are two), classes, and their numbers in the file.

        Every `stride`-th row is kept; when there are too many, every second one of those.
        """
        rows = slice(-self.seen % self.stride, None, self.stride)
        two = x[rows] if x.shape[1] == 2 and not sparse.issparse(x) else np.zeros((0, 2))
        piece = (truth[rows], np.exp(log_probabilities[rows]), numbers[rows], two)
        self.pieces.append(tuple(part.copy() for part in piece))
        self.seen += len(truth)
        while sum(p.size for _, p, _, _ in self.pieces) > KEPT and len(self.truth) > 1:
            whole = (self.truth, self.probabilities, self.numbers, self.points)
            self.pieces = [tuple(part[::2].copy() for part in whole)]
            self.stride *= 2

    @property
    def truth(self) -> Array:
        """(N,) class numbers."""
        return np.concatenate([piece[0] for piece in self.pieces])

    @property
    def probabilities(self) -> Array:
        """(N, V)."""
        return np.concatenate([piece[1] for piece in self.pieces])

    @property
    def numbers(self) -> Array:
        """(N,) which rows of the file they are, from 1."""
        return np.concatenate([piece[2] for piece in self.pieces])

    @property
    def points(self) -> Array:
        """(N, 2) features, where there are two; otherwise (0, 2)."""
        return np.concatenate([piece[3] for piece in self.pieces])
