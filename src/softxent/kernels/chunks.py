"""A linear layer and the loss on it, chunk by chunk of rows: never N x V numbers at once.

    logits = X W^T + b  ->  G = dC/dlogits, in place  ->  dX = G W,  dW += G^T X,  db += column sums

One walk (`walk.Walk`) serves the loss, its gradients, the statistics, the JVP and the HVP, which
are the functions below. Ignored rows are in no chunk: they cost no product, and a NaN in their
input reaches no gradient. What is written by row is left as it is for them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from softxent.contracts import Array, loss_dtype
from softxent.kernels import memory
from softxent.kernels.rows_of import flat_rows
from softxent.kernels.walk import Chunk, LinearGrads, Problem, Walk

Term: TypeAlias = tuple[Array, Array | None, Array | None]
"""(G, W or its direction, X or its direction); None is zero."""

_quiet = np.errstate(all="ignore")  # infinities and NaN are legal data


@_quiet
def loss(problem: Problem, per_row: Array | None) -> tuple[float, float]:
    """Return the two sums of `Kernels.loss`, and fill `per_row` as it does."""
    ce_sum = z_sum = 0.0
    for chunk in Walk(problem).chunks():
        with chunk.part_of(per_row) as by_row:
            ce, z = problem.kernels.loss(chunk.rows, per_row=by_row)
        ce_sum, z_sum = ce_sum + ce, z_sum + z
    return ce_sum, z_sum


@_quiet
def loss_and_gradients(
    problem: Problem,
    out: LinearGrads,
    per_row: Array | None,
    ce_factor: float,
    z_factor: float,
    by_target: Array | None = None,
) -> tuple[float, float]:
    """Do as `loss`, and write the gradients that `out` has an array for.

    by_target: where the gradient by the soft target goes; its rows lie a fixed stride apart.
    """
    walk = Walk(problem, out)
    gradients = Gradients(walk)
    target_rows = None if by_target is None else flat_rows(by_target)
    ce_sum = z_sum = 0.0
    for chunk in walk.chunks():
        g = chunk.rows.logits
        if target_rows is not None:  # while the logits are still there
            some = target_rows[chunk.index]  # a view: rows of soft targets are never picked
            problem.kernels.target_grad(chunk.rows, some, ce_factor=ce_factor)
        with chunk.part_of(per_row) as by_row:
            ce, z = problem.kernels.loss(
                chunk.rows, per_row=by_row, grad=g, ce_factor=ce_factor, z_factor=z_factor
            )
        gradients.add(chunk, (g, problem.weight, chunk.input))
        ce_sum, z_sum = ce_sum + ce, z_sum + z
    gradients.finish()
    return ce_sum, z_sum


@_quiet
def stats(problem: Problem, floats: Array, ints: Array) -> None:
    """Fill (5, N) floats and (2, N) integers as `Kernels.stats` does."""
    for chunk in stats_walk(problem).chunks():
        some_floats = np.empty((5, chunk.size), floats.dtype)
        some_ints = np.empty((2, chunk.size), ints.dtype)
        problem.kernels.stats(chunk.rows, some_floats, some_ints)
        floats[:, chunk.index], ints[:, chunk.index] = some_floats, some_ints


def stats_walk(problem: Problem) -> Walk:
    """Return the walk of `stats`, which keeps five floats and two integers for each row."""
    return Walk(problem, row_bytes=5 * loss_dtype(problem.input.dtype).itemsize + 16)


@_quiet
def jvp(
    problem: Problem, along: LinearGrads, per_row: Array | None, ce_factor: float, z_factor: float
) -> float:
    """Return the sum over rows of the derivative along a direction, and fill `per_row`."""
    total = 0.0
    for chunk in Walk(problem, along=along).chunks():
        with chunk.part_of(per_row) as by_row:
            total += problem.kernels.jvp(
                chunk.rows,
                chunk.tangent,
                None,
                per_row=by_row,
                ce_factor=ce_factor,
                z_factor=z_factor,
            )
    return total


@_quiet
def hvp(
    problem: Problem, along: LinearGrads, out: LinearGrads, ce_factor: float, z_factor: float
) -> None:
    """Write the Hessian times a direction, for the parts that `out` has an array for.

    With z' = X' W^T + X W'^T + b' the direction of the logits, G' = (d^2 C / dz^2) z', G = dC/dz:
    dX' = G' W + G W',  dW' = G'^T X + G^T X',  db' = column sums of G'.
    """
    walk = Walk(problem, out, along)
    gradients = Gradients(walk)
    bilinear = (out.input is not None and along.linear_weight is not None) or (
        out.linear_weight is not None and along.input is not None
    )
    for chunk in walk.chunks():
        z, g_along = chunk.rows.logits, chunk.tangent
        problem.kernels.hvp(chunk.rows, g_along, g_along, ce_factor=ce_factor, z_factor=z_factor)
        terms: list[Term] = [(g_along, problem.weight, chunk.input)]
        if bilinear:
            problem.kernels.loss(chunk.rows, grad=z, ce_factor=ce_factor, z_factor=z_factor)
            terms.append((z, along.linear_weight, chunk.input_along))
        gradients.add(chunk, *terms)
    gradients.finish()


class Gradients:
    """The gradients of a walk: dX row by row, dW and db as sums over its chunks."""

    def __init__(self, walk: Walk) -> None:
        self.walk, out = walk, walk.out
        self.weight_sum = out.linear_weight
        if walk.accumulates and out.linear_weight is not None:
            self.weight_sum = memory.empty(out.linear_weight.shape, walk.sum_dtype)
        n_classes = 0 if out.linear_bias is None else len(out.linear_bias)
        self.bias_sum = np.zeros(n_classes)
        self.started = False

    def add(self, chunk: Chunk, *terms: Term) -> None:
        """Take in a chunk: G W, G^T X and the sums of the first G, over terms (G, W, X)."""
        walk, products = self.walk, self.walk.products
        if walk.input_grads is not None:
            dx = walk.input_grads.writable(chunk.index, chunk.size)
            products.input_grad(dx, [(g, weight) for g, weight, _ in terms])
            walk.input_grads.put(chunk.index, dx)
        if self.weight_sum is not None:
            pairs = [(g, x) for g, _, x in terms]
            products.weight_grad(self.weight_sum, pairs, add=self.started)
            self.started = True
        if walk.out.linear_bias is not None:
            products.add_columns(self.bias_sum, terms[0][0])

    def finish(self) -> None:
        """Round the sums once; what no chunk has written is 0."""
        out, walk = self.walk.out, self.walk
        if out.input is not None and walk.ignored is not None:
            out.input[walk.ignored.reshape(out.input.shape[:-1])] = 0.0
        if out.linear_weight is not None:
            if not self.started:
                out.linear_weight[...] = 0.0
            elif self.weight_sum is not None and out.linear_weight is not self.weight_sum:
                walk.products.store(out.linear_weight, self.weight_sum)
        if out.linear_bias is not None:
            out.linear_bias[...] = self.bias_sum
