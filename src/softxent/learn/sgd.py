"""Stochastic gradient steps on the layer itself, for rows that come in pieces.

They are steps for features of mean 0 and variance 1, whatever their scale: with the mean mu and the
variance h of the features seen so far, x~ = (x - mu) / h^1/2, the layer is U x~ + c with
U = W h^1/2, c = b + W mu, and

    U <- U - eta ((1/S) sum_n s_n (y_n - t_n) x~_nᵀ + alpha W h^-1/2),    S = sum_n s_n

Sparse rows stay sparse: there mu is 0 and h the mean square of the entries that are not 0.
W is changed where it lies: beside it there are only the logits of one mini-batch. That is what lets
200 000 classes train in little more memory than their weights. It lies feature by feature, so that
sparse rows touch whole lines of it and no product has to copy it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg.blas import dgemm, sgemm
from sklearn.utils import gen_batches

import softxent
from softxent.learn.layer import Array, Layer
from softxent.learn.scales import Scales, curvature

# A sparse product makes about 1 to 2 GFLOP/s, a dense one 50 times as many: rows of which at least
# every 50th entry is there are multiplied as dense ones.
DENSE_FROM = 1 / 50
SMALLEST = 1e-3  # of `kept`, before it goes into W
POWER = 0.25  # eta falls as t^-1/4, as scikit-learn's "invscaling" does


@dataclass(slots=True)
class Descent:
    """The layer that is being learned, and how far it has come."""

    layer: Layer  # its arrays are changed in place; W in Fortran's order
    fit_intercept: bool
    alpha: float
    label_smoothing: float
    batch_size: int
    budget: int  # bytes for the logits of a mini-batch
    scales: Scales
    steps: int = 0
    # (D,) Within a pass the columns of W stand for W times this: to shrink all of W in each step
    # would read and write all of it.
    kept: Array = field(init=False)

    def __post_init__(self) -> None:
        """Lay W out feature by feature."""
        self.layer = Layer(np.asfortranarray(self.layer.weight), self.layer.bias)
        self.kept = np.ones(self.scales.n_features)

    def learn(self, x: Any, target: Array, weight: Array | None) -> float:
        """One pass over these rows; return the mean loss that they had when they came."""
        dense = not sparse.issparse(x) or x.nnz >= DENSE_FROM * np.prod(x.shape)
        total = total_weight = 0.0
        w = self.layer.weight
        at_once = max(1, min(self.batch_size, self.budget // (w.shape[0] * w.itemsize)))
        for rows in gen_batches(x.shape[0], at_once):
            batch = x[rows].toarray() if dense and sparse.issparse(x) else x[rows]
            s = np.ones(batch.shape[0]) if weight is None else weight[rows]
            if (batch_weight := float(s.sum())) > 0:
                total += self._step(batch, target[rows], s) * batch_weight
                total_weight += batch_weight
        self._shrink(self.layer.weight)
        return float(total / total_weight) if total_weight else 0.0

    def _step(self, x: Any, target: Array, s: Array) -> float:
        w, b = self.layer.weight, self.layer.bias
        z = np.asarray(self._times(x, self.kept) @ w.T)
        z += b
        losses, gradient = softxent.cross_entropy_with_grad(
            z,
            target,
            out=z,
            reduction="none",
            row_weight=s / s.sum(),
            label_smoothing=self.label_smoothing,
        )
        if len(w) == 2:  # logits (0, z): only the second class's row is learned
            w, b, gradient = w[1:], b[1:], gradient[:, 1:]
        self._move(w, b, x, gradient)
        return float(np.sum(losses, dtype=np.float64))

    def _times(self, x: Any, factors: Array) -> Any:
        """The features times (D,) factors; of 1, as they are."""
        if (factors == 1).all():
            return x
        factors = factors.astype(x.dtype)
        return x.multiply(factors).tocsr() if sparse.issparse(x) else x * factors

    def _move(self, w: Array, b: Array, x: Any, gradient: Array) -> None:
        """W and b as U and c move; gradient is (y - t) s / S."""
        self.scales.see(x)
        mean, inverse = self.scales.mean, self.scales.inverse_variance()
        self.steps += 1
        rate = 2 / (curvature(x, mean, inverse, self.fit_intercept) * self.steps**POWER)
        if self.alpha:  # the penalty's part of the step, implicit: it cannot overshoot
            self.kept /= 1 + rate * self.alpha * inverse
            if mean.any():
                b += w @ ((1 - self.kept) * mean).astype(w.dtype)
            if mean.any() or self.kept.min() < SMALLEST:
                self._shrink(w)
        inverse = inverse / self.kept
        moved = rate * gradient.sum(axis=0, dtype=np.float64)
        if sparse.issparse(x):
            self._move_sparse(w, x.multiply(inverse).tocsr(), gradient, rate)
        else:
            scaled = np.ascontiguousarray((x - mean) * inverse, w.dtype)  # x~ h^-1/2
            gemm = sgemm if w.dtype == np.float32 else dgemm
            new = gemm(-rate, gradient.T, scaled.T, 1.0, w, trans_b=1, overwrite_c=1)
            if not np.may_share_memory(new, w):  # one of two classes is no whole array
                w[...] = new
            moved -= rate * (scaled @ mean.astype(w.dtype)) @ gradient
        if self.fit_intercept:
            b -= moved.astype(b.dtype)

    def _shrink(self, w: Array) -> None:
        w *= self.kept.astype(w.dtype)
        self.kept[:] = 1

    def _move_sparse(self, w: Array, x: Any, gradient: Array, rate: float) -> None:
        by_feature, used = w.T, np.unique(x.indices)
        rows_of = x.T.tocsr()
        at_once = max(1, self.budget // (w.shape[0] * w.itemsize))
        for some in gen_batches(len(used), at_once):
            features = used[some]
            by_feature[features] -= np.asarray(rate * (rows_of[features] @ gradient), w.dtype)
