"""How far features reach, from the rows seen so far; and how curved the loss of a mini-batch is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from softxent.errors import error
from softxent.learn.layer import Array

LARGEST = 1e140  # of a feature: sums of squares stay finite in float64
POWER_STEPS = 8  # of power iteration: an estimate from below, some per cent under the truth
MARGIN = 1.2  # for that
# A feature that reaches no further than so many roundings of its mean is constant.
ROUNDINGS = 100


def check_features(where: str, x: Any) -> None:
    """Raise where features are so large that sums of their squares overflow."""
    values = x.data if sparse.issparse(x) else x
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if largest > LARGEST:
        raise error(
            ValueError,
            "feature-range",
            where,
            "the largest entry of X",
            f"{largest:.3g}",
            f"at most {LARGEST:g}",
            "Scale the features, say by sklearn.preprocessing.MaxAbsScaler.",
        )


@dataclass(slots=True)
class Scales:
    """Mean and variance of each feature over the rows seen; without `centred` the mean stays 0."""

    n_features: int
    centred: bool
    mean: Array = field(init=False)
    squares: Array = field(init=False)  # sums of (x - mean)^2
    counts: Array = field(init=False)  # rows, or for sparse ones entries that are not 0
    rounding: float = 0.0  # of the coarsest rows seen

    def __post_init__(self) -> None:
        """Begin with no rows seen."""
        self.mean, self.squares, self.counts = np.zeros((3, self.n_features))

    def see(self, x: Any, weight: Array | None = None) -> None:
        """Count these rows in, each `weight` times."""
        w = np.ones(x.shape[0]) if weight is None else weight
        self.rounding = max(self.rounding, float(np.finfo(x.dtype).eps))
        if sparse.issparse(x):
            if not x.has_canonical_format:  # entries that are there twice: their sum counts
                x = x.copy()
                x.sum_duplicates()
            w_entry = np.repeat(w, np.diff(x.indptr))
            data = x.data.astype(np.float64)
            self.squares += np.bincount(x.indices, w_entry * data**2, self.n_features)
            self.counts += np.bincount(x.indices, w_entry, self.n_features)
            return
        x, total = x.astype(np.float64), w.sum()
        new = self.counts + total
        if total == 0:
            return
        if self.centred:
            # of the rows seen and these together (Chan, Golub and LeVeque 1979)
            mean = w @ x / total
            apart = mean - self.mean
            self.squares += w @ (x - mean) ** 2 + apart**2 * self.counts * total / new
            self.mean += apart * total / new
        else:
            self.squares += w @ x**2
        self.counts = new

    def inverse_variance(self) -> Array:
        """1 / h (D,); 0 for a feature that has been constant so far."""
        varies = self.squares > (ROUNDINGS * self.rounding * self.mean) ** 2 * self.counts
        return np.divide(self.counts, self.squares, out=np.zeros(self.n_features), where=varies)


def curvature(x: Any, mean: Array, inverse: Array, fit_intercept: bool) -> float:
    """Return a bound of the largest eigenvalue of the Hessian of the rows' mean loss by U and c.

    The Hessian of C by z is at most 1/2, so that by (U, c) is at most half of the largest
    eigenvalue of the mean of (x~, 1)(x~, 1)ᵀ. Steps up to 2 / that do not overshoot.
    """
    root = np.sqrt(inverse)
    # Not from (1, ..., 1): X~ᵀ 1 = 0 where mu is the mean of these very rows.
    along = np.random.default_rng(0).standard_normal(x.shape[0])
    along /= np.linalg.norm(along)
    largest = 0.0
    for _ in range(POWER_STEPS):
        # v <- X~ X~ᵀ v / N, with X~ = (X - mu) h^-1/2
        by_feature = (np.asarray(x.T @ along).ravel() - mean * along.sum()) * root
        scaled = by_feature * root
        along = np.asarray(x @ scaled).ravel() - mean @ scaled + fit_intercept * along.sum()
        along /= x.shape[0]
        largest = float(np.linalg.norm(along))
        if largest == 0:
            break
        along /= largest
    return max(0.5 * MARGIN * largest, float(np.finfo(np.float32).tiny))
