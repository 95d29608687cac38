"""The walk over chunks of rows: their logits in one scratch that stays within a memory budget.

Nothing is copied that the products can read as it lies. What they cannot (rows of bfloat16 and
float16, odd strides) is converted chunk by chunk, inside the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from softxent.contracts import Array, Rows, loss_dtype
from softxent.kernels import memory
from softxent.kernels.blas import Blas
from softxent.kernels.budget import LinearPlan, Needs, make_plan
from softxent.kernels.products import Maker, choose
from softxent.kernels.registry import Kernels
from softxent.kernels.rows_of import Index, RowsOf


class LinearGrads(NamedTuple):
    """Something for each part of a linear layer: its gradients, or a direction.

    A gradient that was not asked for, and a direction that is zero, is None.
    """

    input: Array | None = None
    """(..., D), of the input's shape."""
    linear_weight: Array | None = None
    """(V, D), of the weight's shape."""
    linear_bias: Array | None = None
    """(V,), of the bias's shape."""

    @property
    def nothing(self) -> bool:
        """Whether all of it is None."""
        return all(part is None for part in self)


NONE = LinearGrads()


@dataclass(frozen=True, slots=True)
class Problem:
    """A linear layer and the loss on it, checked: all shapes fit, all dtypes are the same."""

    where: str
    """The public function, for errors."""
    input: Array
    """lead + (D,), any strides."""
    weight: Array
    """(V, D), any strides."""
    bias: Array | None
    """(V,), any stride."""
    rows: Rows
    """Target and options. Its logits only stand for a shape: nobody reads them."""
    count: int
    """Rows that count, as `Tally` has it."""
    kernels: Kernels
    blas: Blas
    max_memory: int
    maker: Maker | None = None
    """Asked first for the products of a walk: those of another library, say."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, all of which count, with their logits."""

    index: Index
    """Which rows these are."""
    size: int
    rows: Rows
    """Their logits, in scratch, with their targets and options."""
    input: Array
    """(R, D), ready for the BLAS."""
    input_along: Array | None
    """(R, D), the direction of the input."""
    tangent: Array
    """(R, V), the direction of the logits, in scratch; no rows where there is none."""

    @contextmanager
    def part_of(self, per_row: Array | None) -> Iterator[Array | None]:
        """Lend a contiguous array for one number per row of this chunk, and store it after."""
        if per_row is None or isinstance(self.index, slice):
            yield None if per_row is None else per_row[self.index]
        else:
            some = np.empty(self.size, per_row.dtype)
            yield some
            per_row[self.index] = some


class Walk:
    """The chunks of a problem: for the gradients in `out`, along the direction `along`.

    `row_bytes`: what the caller allocates for each row of a chunk.
    """

    def __init__(
        self,
        problem: Problem,
        out: LinearGrads = NONE,
        along: LinearGrads = NONE,
        row_bytes: int = 0,
    ) -> None:
        self.problem, self.out, self.along, self.row_bytes = problem, out, along, row_bytes
        self.ignored: Array | None = None  # a mask of the rows, if there are any
        if problem.rows.target is not None and problem.count < problem.rows.n_rows:
            self.ignored = problem.rows.target == problem.rows.options.ignore_index
        self.planes = 1 if along.nothing else 2  # the logits, and their direction
        # bfloat16 and float16: chunks add into float32, and the sum is rounded once.
        self.sum_dtype = loss_dtype(problem.input.dtype)
        weight_out = out.linear_weight
        self.accumulates = weight_out is not None and self.sum_dtype != weight_out.dtype
        weights = (problem.weight, along.linear_weight)
        self.products = choose(
            problem.blas,
            native=problem.kernels.name == "native",
            dtype=self.sum_dtype,
            weights=[weight for weight in weights if weight is not None],
            weight_sum=None if self.accumulates else weight_out,
            max_memory=problem.max_memory,
            rows=problem.count,
            maker=problem.maker if self.planes == 1 else None,
        )
        self.dtype = self.products.dtype  # of the logits in scratch, of all operands
        self.inputs = self._rows_of(problem.input)
        self.inputs_along = None if along.input is None else self._rows_of(along.input)
        soft = problem.rows.soft
        self.soft = None if soft is None else self._rows_of(soft)
        self.input_grads: RowsOf | None = None
        if out.input is not None:
            self.input_grads = self._rows_of(out.input, self.products.writes)
        self.plan, self._stride = self._make_plan()
        one = self.plan.chunks == 1
        if self.accumulates and weight_out is not None and one and self.products.writes(weight_out):
            # A single product makes the whole sum, and rounds it.
            self.accumulates = False
            self.plan = self.plan._replace(accumulator_bytes=0)

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk, its logits computed; they share one scratch."""
        problem, plan = self.problem, self.plan
        if not plan.chunks:
            return
        whole = memory.empty((self.planes, plan.rows, self._stride), self.dtype)
        scratch = whole[:, :, : len(problem.weight)]
        self.products.allocate(plan.tile)
        for index, size in self._indices():
            z, tangent = scratch[0, :size], scratch[-1, : size if self.planes == 2 else 0]
            x = self.inputs.read(index)
            x_along = None if self.inputs_along is None else self.inputs_along.read(index)
            self.products.logits(z, [(x, problem.weight)], problem.bias)
            if self.planes == 2:
                terms = [(x_along, problem.weight), (x, self.along.linear_weight)]
                self.products.logits(tangent, terms, self.along.linear_bias)
            yield Chunk(index, size, self._rows(index, z), x, x_along, tangent)

    def _indices(self) -> Iterator[tuple[Index, int]]:
        numbers = None if self.ignored is None else np.flatnonzero(~self.ignored)
        count, step = self.problem.count, self.plan.rows
        for start in range(0, count, step):
            stop = min(start + step, count)
            yield slice(start, stop) if numbers is None else numbers[start:stop], stop - start

    def _rows(self, index: Index, logits: Array) -> Rows:
        rows = self.problem.rows
        options = rows.options
        if options.row_weight is not None:
            options = options.with_row_factors(options.row_weight[index])
        target = None if rows.target is None else rows.target[index]
        return Rows(logits, target, None if self.soft is None else self.soft.take(index), options)

    def _rows_of(self, array: Array, takes: Callable[[Array], bool] | None = None) -> RowsOf:
        picked = self.ignored is not None
        return RowsOf(array, self.dtype, takes or self.products.reads, picked=picked)

    def _make_plan(self) -> tuple[LinearPlan, int]:
        """Return the plan, and the items from one row of logits to the next."""
        problem, item, wide = self.problem, self.dtype.itemsize, self.sum_dtype.itemsize
        n_classes, n_features = problem.weight.shape
        products = self.products.bytes
        row = products.row + self.row_bytes + self.inputs.bytes_to_read()
        row += 0 if self.inputs_along is None else self.inputs_along.bytes_to_read()
        row += 0 if self.soft is None else self.soft.bytes_to_take()
        row += 0 if self.input_grads is None else self.input_grads.bytes_to_write()
        needs = Needs(
            row=self.planes * n_classes * item + row,
            tile=products.tile,
            # The bias gradient's sum in float64, and the sum of one block of rows.
            fixed=products.fixed + (0 if self.out.linear_bias is None else n_classes * (8 + wide)),
            accumulator=n_classes * n_features * wide if self.accumulates else 0,
        )
        plan = make_plan(
            problem.where, problem.max_memory, problem.count, n_classes, needs, self.products.name
        )
        # Rows a multiple of 4 KiB apart fall into the same cache sets: 64 bytes between them made
        # the product for dW 9 % faster (131072 classes). They are not worth a chunk more.
        padding = self.planes * plan.rows * 64
        if n_classes * item % 4096 or plan.scratch_bytes + padding > problem.max_memory:
            return plan, n_classes
        return plan._replace(scratch_bytes=plan.scratch_bytes + padding), n_classes + 64 // item
