"""The last layer and its loss in float64 NumPy: z = x Wᵀ + b, then reference.py on z.

input x (..., D) · linear_weight W (V, D) · linear_bias b (V,) or None. Dense: it holds all N × V
logits, which the real `linear_cross_entropy` never does.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from softxent.reference import (
    Array,
    Stats,
    cross_entropy,
    cross_entropy_hvp,
    cross_entropy_jvp,
    cross_entropy_stats,
    cross_entropy_with_grad,
)


class LinearGrads(NamedTuple):
    """Gradients (or Hessian-vector products) of the shapes of what they belong to."""

    input: Array
    linear_weight: Array
    linear_bias: Array


def linear_cross_entropy(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    **options: Any,
) -> Array:
    """Return the reduced loss of z_o = Σ_d x_d W_od + b_o."""
    return cross_entropy(logits(input, linear_weight, linear_bias), target, **options)


def linear_cross_entropy_with_grad(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    **options: Any,
) -> tuple[Array, LinearGrads]:
    """Return the loss and its gradients; reduction="none": those of the sum of the losses."""
    z = logits(input, linear_weight, linear_bias)
    loss, g = cross_entropy_with_grad(z, target, **options)
    x, w = np.asarray(input, np.float64), np.asarray(linear_weight, np.float64)
    # ∂L/∂x = g W, ∂L/∂W = gᵀ x, ∂L/∂b = Σ_n g_n
    return loss, LinearGrads(g @ w, _rows(g).T @ _rows(x), _rows(g).sum(axis=0))


def linear_cross_entropy_stats(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    **options: Any,
) -> Stats:
    """Return the statistics of `reference.cross_entropy_stats` for z."""
    return cross_entropy_stats(logits(input, linear_weight, linear_bias), target, **options)


def linear_cross_entropy_jvp(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    tangents: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    *,
    linear_bias: ArrayLike | None = None,
    **options: Any,
) -> Array:
    """Return the directional derivative along (v_input, v_weight, v_bias); None is zero."""
    z_dot = logits_tangent(input, linear_weight, tangents)
    return cross_entropy_jvp(logits(input, linear_weight, linear_bias), target, z_dot, **options)


def linear_cross_entropy_hvp(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    vectors: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    *,
    linear_bias: ArrayLike | None = None,
    **options: Any,
) -> LinearGrads:
    """Return the derivative of the gradients along (v_input, v_weight, v_bias); None is zero."""
    x, w = np.asarray(input, np.float64), np.asarray(linear_weight, np.float64)
    z = logits(input, linear_weight, linear_bias)
    x_dot, w_dot, _ = _directions(x, w, vectors)
    _, g = cross_entropy_with_grad(z, target, **options)
    # ġ = (∂²L/∂z²) ż
    g_dot = cross_entropy_hvp(z, target, logits_tangent(x, w, vectors), **options)
    # d(g W) = ġ W + g Ẇ,  d(gᵀ x) = ġᵀ x + gᵀ ẋ,  d(Σ g_n) = Σ ġ_n
    return LinearGrads(
        g_dot @ w + g @ w_dot,
        _rows(g_dot).T @ _rows(x) + _rows(g).T @ _rows(x_dot),
        _rows(g_dot).sum(axis=0),
    )


def logits(input: ArrayLike, linear_weight: ArrayLike, linear_bias: ArrayLike | None) -> Array:
    """Return z_no = Σ_d x_nd W_od + b_o."""
    x, w = np.asarray(input, np.float64), np.asarray(linear_weight, np.float64)
    z: Array = x @ w.T
    return z if linear_bias is None else z + np.asarray(linear_bias, np.float64)


def logits_tangent(
    input: ArrayLike,
    linear_weight: ArrayLike,
    tangents: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
) -> Array:
    """Return ż_no = Σ_d (ẋ_nd W_od + x_nd Ẇ_od) + ḃ_o."""
    x, w = np.asarray(input, np.float64), np.asarray(linear_weight, np.float64)
    x_dot, w_dot, b_dot = _directions(x, w, tangents)
    z_dot: Array = x_dot @ w.T + x @ w_dot.T + b_dot
    return z_dot


def _directions(
    x: Array, w: Array, given: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None]
) -> tuple[Array, ...]:
    shapes = (x.shape, w.shape, w.shape[:1])
    return tuple(
        np.zeros(shape) if v is None else np.asarray(v, np.float64)
        for v, shape in zip(given, shapes, strict=True)
    )


def _rows(x: Array) -> Array:
    return x.reshape(prod(x.shape[:-1]), x.shape[-1])
