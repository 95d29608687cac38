"""Rows of a training set, and the sums over them that an optimiser asks for.

s_n is the weight of row n, C_n the cross-entropy of z_n = W x_n + b. All are sums, not means, so
those of several parts (files, machines) add up to those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

import softxent
from softxent.learn.layer import Array, Layer

PARAMETERS = ("linear_weight", "linear_bias")
MOMENT_ROWS = 4096  # rows of second moments at a time: a float64 copy of so many, no more
MOMENT_SAMPLE = 8192  # rows that tell the curvature well enough to scale coordinates by


class Sums(NamedTuple):
    """The loss of some rows, and its gradient by the layer."""

    loss: float
    gradient: Layer


class Part(Protocol):
    """Some rows, wherever they are."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """In which the products are computed."""

    @property
    def total_weight(self) -> float:
        """sum_n s_n."""

    def class_totals(self, n_classes: int) -> Array:
        """(V,) sum_n s_n t_nk: how much each class has of the targets."""

    def loss_and_gradient(self, layer: Layer) -> Sums:
        """sum_n s_n C_n, and its gradient by W and b."""

    def hessian_vector(self, layer: Layer, direction: Layer) -> Layer:
        """The Hessian of sum_n s_n C_n by W and b together, times a direction."""

    def second_moments(self, whole: bool, layer: Layer | None) -> Array:
        """sum_n s_n c_n (x_n, 1)(x_n, 1)ᵀ, (D + 1, D + 1) float64; not `whole`: its diagonal.

        c_n is the curvature of row n, 1 - sum_k y_nk^2; without a layer 1.
        """


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What rows in this process have in common, dense or not."""

    x: Any  # (N, D)
    target: Array  # (N,) class indices, or (N, V) soft targets
    weight: Array | None  # (N,) s_n; None is all ones
    label_smoothing: float = 0.0
    budget: int = 64 << 20  # bytes of logits at a time

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of x."""
        dtype: np.dtype[Any] = self.x.dtype
        return dtype

    @property
    def total_weight(self) -> float:
        """sum_n s_n."""
        return _total(self.weight, self.x.shape[0])

    def class_totals(self, n_classes: int) -> Array:
        """(V,) sum_n s_n t_nk."""
        if self.target.ndim == 1:
            return np.bincount(self.target, self.weight, n_classes).astype(np.float64)
        s = np.ones(len(self.target)) if self.weight is None else self.weight
        totals: Array = s @ self.target
        return totals

    def second_moments(self, whole: bool, layer: Layer | None) -> Array:
        """sum_n s_n c_n (x_n, 1)(x_n, 1)ᵀ, a few thousand rows at a time."""
        return _second_moments(self.x, self.weight, layer, whole, self.budget)


@dataclass(frozen=True, slots=True, eq=False)
class DensePart(_Rows):
    """Rows in memory or memory-mapped, an array; the N x V logits are never held."""

    def loss_and_gradient(self, layer: Layer) -> Sums:
        """sum_n s_n C_n, and its gradient by W and b: (y - t)ᵀ x and the sum of y - t."""
        losses, grads = softxent.linear_cross_entropy_with_grad(
            self.x,
            layer.weight,
            self.target,
            linear_bias=layer.bias,
            grads=PARAMETERS,
            **self._options(),
        )
        return Sums(float(np.sum(losses, dtype=np.float64)), _layer(grads))

    def hessian_vector(self, layer: Layer, direction: Layer) -> Layer:
        """The Hessian by W and b together, times a direction."""
        return _layer(
            softxent.linear_cross_entropy_hvp(
                self.x,
                layer.weight,
                self.target,
                (None, direction.weight, direction.bias),
                linear_bias=layer.bias,
                grads=PARAMETERS,
                **self._options(),
            )
        )

    def _options(self) -> dict[str, Any]:
        # "none": the sum over rows is then ours to take, in float64 for float32 rows too
        return {
            "reduction": "none",
            "row_weight": self.weight,
            "label_smoothing": self.label_smoothing,
            "max_memory": self.budget,
        }


@dataclass(frozen=True, slots=True, eq=False)
class SparsePart(_Rows):
    """Rows in CSR (scipy.sparse): as many at a time as the budget has room for their logits."""

    def loss_and_gradient(self, layer: Layer) -> Sums:
        """sum_n s_n C_n, and its gradient by W and b: (y - t)ᵀ x and the sum of y - t."""
        by_feature = np.ascontiguousarray(layer.weight.T)
        total = 0.0
        weight = np.zeros(by_feature.shape, self.dtype)
        bias = np.zeros(len(layer.bias))
        for rows in chunks(self.x, self.budget, len(layer.bias)):
            x = self.x[rows]
            z = x @ by_feature
            z += layer.bias
            losses, gradient = softxent.cross_entropy_with_grad(
                z, self.target[rows], out=z, **self._options(rows)
            )
            total += float(np.sum(losses, dtype=np.float64))
            weight += x.T @ gradient
            bias += gradient.sum(axis=0, dtype=np.float64)
        return Sums(total, Layer(weight.T, bias.astype(self.dtype)))

    def hessian_vector(self, layer: Layer, direction: Layer) -> Layer:
        """The Hessian by W and b together, times a direction."""
        by_feature = np.ascontiguousarray(layer.weight.T)
        along = np.ascontiguousarray(direction.weight.T)
        weight = np.zeros(by_feature.shape, self.dtype)
        bias = np.zeros(len(layer.bias))
        for rows in chunks(self.x, self.budget // 3, len(layer.bias)):
            x = self.x[rows]
            curved = softxent.cross_entropy_hvp(
                x @ by_feature + layer.bias,
                self.target[rows],
                x @ along + direction.bias,
                **self._options(rows),
            )
            weight += x.T @ curved
            bias += curved.sum(axis=0, dtype=np.float64)
        return Layer(weight.T, bias.astype(self.dtype))

    def _options(self, rows: slice) -> dict[str, Any]:
        return {
            "reduction": "none",
            "row_weight": None if self.weight is None else self.weight[rows],
            "label_smoothing": self.label_smoothing,
        }


def chunks(x: Any, budget: int, n_classes: int) -> Iterator[slice]:
    """Yield as many rows of x at a time as the budget, in bytes, has room for their logits."""
    at_once: Iterator[slice] = gen_batches(
        x.shape[0], max(1, budget // (n_classes * x.dtype.itemsize))
    )
    return at_once


def _total(weight: Array | None, rows: int) -> float:
    return float(rows if weight is None else np.sum(weight, dtype=np.float64))


def _layer(grads: softxent.LinearGrads) -> Layer:
    if grads.linear_weight is None or grads.linear_bias is None:
        raise TypeError("both parts of the layer were asked for")
    return Layer(grads.linear_weight, grads.linear_bias)


def _curvatures(x: Any, weight: Array | None, layer: Layer | None, budget: int) -> Array | None:
    """(N,) s_n (1 - sum_k y_nk^2); s_n without a layer."""
    if layer is None:
        return weight
    by_feature = np.ascontiguousarray(layer.weight.T)
    c = np.empty(x.shape[0])
    for rows in chunks(x, budget, len(layer.bias)):
        z = x[rows] @ by_feature
        z += layer.bias
        y = softxent.softmax(z, out=z)
        c[rows] = 1 - np.einsum("nk,nk->n", y, y)
    np.maximum(c, 0, out=c)
    return c if weight is None else c * weight


def _second_moments(
    x: Any, weight: Array | None, layer: Layer | None, whole: bool, budget: int
) -> Array:
    """sum_n s_n c_n (x_n, 1)(x_n, 1)ᵀ, from every so manyth row where they are many."""
    total = _total(weight, x.shape[0])
    step = max(1, x.shape[0] // (MOMENT_SAMPLE + 4 * x.shape[1]))
    if step > 1:
        x, weight = x[::step], None if weight is None else weight[::step]
    seen = _total(weight, x.shape[0])
    weight = _curvatures(x, weight, layer, budget)
    features = x.shape[1]
    moments = np.zeros((features + 1, features + 1) if whole else features + 1)
    for rows in gen_batches(x.shape[0], MOMENT_ROWS):
        s = np.ones(x[rows].shape[0]) if weight is None else np.asarray(weight[rows], np.float64)
        chunk = x[rows].astype(np.float64)
        weighted = chunk.multiply(s[:, None]).tocsr() if sparse.issparse(x) else chunk * s[:, None]
        ones = np.asarray(weighted.sum(axis=0)).ravel()  # sum_n s_n x_n
        if whole:
            square = chunk.T @ weighted
            moments[:-1, :-1] += square.toarray() if sparse.issparse(x) else square
            moments[-1, :-1] += ones
            moments[:-1, -1] += ones
            moments[-1, -1] += s.sum()
        else:
            squares = chunk.multiply(weighted) if sparse.issparse(x) else chunk * weighted
            moments[:-1] += np.asarray(squares.sum(axis=0)).ravel()
            moments[-1] += s.sum()
    return moments * (total / seen if seen else 1.0)
