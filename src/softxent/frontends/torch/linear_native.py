"""The linear loss on the kernels: tensors in, tensors out, no autograd.

A weight with K dimensions more, (V, d1, ..., dK, D), is so many heads on one input: `bind` makes a
problem of each position, all views of the caller's tensors, with one reduction over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from softxent.contracts import Array, Rows, bind_rows, loss_dtype
from softxent.frontends.steps import Scale, checked_tally
from softxent.frontends.torch import linear_direct, native, products
from softxent.frontends.torch.arrays import empty, from_numpy, to_numpy
from softxent.frontends.torch.settings import Settings
from softxent.kernels import blas, chunks, memory
from softxent.kernels.registry import Kernels
from softxent.kernels.walk import LinearGrads, Problem


class Head(NamedTuple):
    """A call without its layer and target."""

    kernels: Kernels | None
    """None: torch operations."""
    where: str
    settings: Settings
    max_memory: int


class Layer(NamedTuple):
    """What a loss is a function of."""

    input: Tensor
    """lead + (D,)."""
    weight: Tensor
    """(V, d1, ..., dK, D)."""
    bias: Tensor | None
    """(V, d1, ..., dK)."""
    target: Tensor
    """Class indices lead + (d1, ..., dK), or a soft target lead + (V, d1, ..., dK)."""

    @property
    def dims(self) -> tuple[int, ...]:
        """d1, ..., dK."""
        return tuple(self.weight.shape[1:-1])

    @property
    def lead(self) -> tuple[int, ...]:
        """The rows' shape, all positions included."""
        return (*self.input.shape[:-1], *self.dims)

    @property
    def soft(self) -> bool:
        """Whether the target is soft."""
        return self.target.is_floating_point()


Wants: TypeAlias = Sequence[bool]
"""Which gradients, in the order of `Layer`."""
Grads: TypeAlias = list[Tensor | None]
"""In the order of `Layer`; None for what is not wanted."""


class Bound(NamedTuple):
    """A call whose every value is checked."""

    rows: Rows
    """Of all positions: lead + (d1, ..., dK), classes last."""
    scale: Scale
    positions: list[tuple[int, ...]]
    """Indices into d1, ..., dK; one empty one without them."""
    problems: list[Problem]
    """One for each position."""


def bind(head: Head, layer: Layer) -> Bound:
    """Check every class index, and find what the mean divides by."""
    kernels, where, settings, max_memory = head
    if kernels is None:
        raise TypeError("torch operations are in linear_reference")
    x, weight, target = to_numpy(layer.input), to_numpy(layer.weight), to_numpy(layer.target)
    bias = None if layer.bias is None else to_numpy(layer.bias)
    dims = layer.dims
    if layer.soft and dims:
        target = np.moveaxis(target, 1, -1)
    # All that the rules of logits need is a shape and a dtype: one number of stride 0 has both.
    shape = (*layer.lead, len(weight))
    stand_in = np.ndarray(shape, x.dtype, buffer=_ZERO, strides=(0,) * len(shape))
    rows = bind_rows(where, stand_in, target, -1, native.numpy_options(where, settings))
    tally = checked_tally(where, kernels, rows)
    scale = native.scale_of_tally(where, rows, tally, settings)
    positions: list[tuple[int, ...]] = list(np.ndindex(*dims)) if dims else [()]
    problems, library = [], blas.pick()
    for at in positions:
        of, count, w, b = rows, tally.count, weight, bias
        if dims:
            of = _rows_at(rows, at)
            count = kernels.tally(of).count
            w, b = _heads(weight, at), None if bias is None else _heads(bias, at)
        problems.append(
            Problem(where, x, w, b, of, count, kernels, library, max_memory, products.make)
        )
    return Bound(rows, scale, positions, problems)


def loss(bound: Bound) -> Tensor:
    """Return the reduced loss: one product."""
    return _loss(bound, [None] * 4, 1.0)


def loss_and_grads(bound: Bound, layer: Layer, wants: Wants, factor: float) -> tuple[Tensor, Grads]:
    """Return the loss, and `factor` times its gradients: a product, and one for each of two."""
    tensors, arrays = _outputs(layer, wants)
    return _loss(bound, arrays, factor), tensors


def grads(bound: Bound, layer: Layer, wants: Wants, u: Tensor) -> Grads:
    """Return the gradients times the upstream gradient u, of the loss's shape."""
    tensors, arrays = _outputs(layer, wants)
    if bound.rows.options.reduction == "none":
        _walk(with_upstream(bound, to_numpy(u).astype(np.float64)), arrays, 1.0, None)
    else:
        _walk(bound, arrays, u.item(), None)
    return tensors


def with_upstream(bound: Bound, u: Array) -> Bound:
    """Multiply the rows' weights by u, of the rows' shape: it enters before any sum over rows."""
    own = bound.rows.options.row_weight
    if own is not None:
        u = u * own.reshape(bound.rows.lead)
    pairs = zip(bound.positions, bound.problems, strict=True)
    return bound._replace(problems=[with_row_factors(p, _rows(u, at)) for at, p in pairs])


def with_row_factors(problem: Problem, factors: Array) -> Problem:
    """Return the problem with other factors of its rows, of any sign."""
    return replace(problem, rows=native.with_row_factors(problem.rows, factors))


def _loss(bound: Bound, arrays: Sequence[Array | None], factor: float) -> Tensor:
    rows, scale = bound.rows, bound.scale
    dtype = loss_dtype(rows.logits.dtype)
    by_row = None
    if rows.options.reduction == "none":
        n_heads = len(bound.problems)
        by_row = np.zeros((n_heads, prod(rows.lead) // max(n_heads, 1)), dtype)
    ce, z = _walk(bound, arrays, factor, by_row)
    if by_row is not None:  # positions first, and in the loss last
        return from_numpy(np.ascontiguousarray(by_row.T)).view(rows.lead)
    total = ce / scale.weight + z / scale.rows
    if scale.empty:
        total = nan if rows.options.empty == "nan" else 0.0
    return torch.tensor(total, dtype=torch.float64 if dtype.itemsize == 8 else torch.float32)


def _walk(
    bound: Bound, arrays: Sequence[Array | None], factor: float, by_row: Array | None
) -> tuple[float, float]:
    """Add up the losses of all positions, and write the gradients there are arrays for."""
    if bound.scale.empty or not bound.problems:
        for array in arrays:
            if array is not None:
                array.fill(0)
        return 0.0, 0.0
    dx, dw, db, dt = arrays
    part, total = dx, None
    if dx is not None and len(bound.problems) > 1:  # a sum over positions, rounded once
        total = np.zeros(dx.shape, loss_dtype(dx.dtype))
        part = memory.empty(total.shape, total.dtype)
    ce_factor, z_factor = factor / bound.scale.weight, factor / bound.scale.rows
    ce = z = 0.0
    for i, (at, problem) in enumerate(zip(bound.positions, bound.problems, strict=True)):
        here = None if by_row is None else by_row[i]
        heads = (None if array is None else _heads(array, at) for array in (dw, db))
        out, by_target = LinearGrads(part, *heads), None if dt is None else _rows(dt, at)
        if total is None and linear_direct.fits(problem):
            gradients = linear_direct.loss_and_gradients
            sums = gradients(problem, out, here, ce_factor, z_factor, by_target)
        elif out.nothing and by_target is None:
            sums = chunks.loss(problem, here)
        else:
            gradients = chunks.loss_and_gradients
            sums = gradients(problem, out, here, ce_factor, z_factor, by_target)
        if total is not None and part is not None:
            total += part
        ce, z = ce + sums[0], z + sums[1]
    if total is not None and dx is not None:
        from_numpy(dx).copy_(from_numpy(total))
    return ce, z


def _outputs(layer: Layer, wants: Wants) -> tuple[Grads, list[Array | None]]:
    tensors: Grads = [None] * 4
    arrays: list[Array | None] = [None] * 4
    for i, (like, want) in enumerate(zip(layer, wants, strict=True)):
        if want and like is not None:
            tensors[i], arrays[i] = empty(tuple(like.shape), like.dtype)
    return tensors, arrays


def _heads(array: Array, at: tuple[int, ...]) -> Array:
    """Return one position of d1, ..., dK where they are the axes after the first."""
    index: Any = (slice(None), *at)
    part: Array = array[index]
    return part


def _rows(array: Array, at: tuple[int, ...]) -> Array:
    """Return one position of d1, ..., dK where they are the last axes."""
    index: Any = (..., *at)
    part: Array = array[index]
    return part


def _rows_at(rows: Rows, at: tuple[int, ...]) -> Rows:
    """Return the rows of one position, classes last."""

    def pick(flat: Array) -> Array:
        return np.ascontiguousarray(_rows(flat.reshape(rows.lead), at).reshape(-1))

    options = rows.options
    if options.row_weight is not None:
        options = options.with_row_factors(pick(options.row_weight))
    index: Any = (..., *at, slice(None))
    target = None if rows.target is None else pick(rows.target)
    soft = None if rows.soft is None else rows.soft[index]
    return Rows(rows.logits[index], target, soft, options)


_ZERO = bytes(8)
