"""The linear loss of a few rows, all logits at once: the steps of `kernels.chunks` without a walk.

A walk costs 100 us of Python, which is as long as the arithmetic for 1e5 logits takes.
"""

from __future__ import annotations

import os

import numpy as np

from softxent.contracts import Array, Rows
from softxent.frontends.torch import products
from softxent.frontends.torch.arrays import BFLOAT16
from softxent.kernels import memory
from softxent.kernels.walk import LinearGrads, Problem

# Beyond 4 MiB of logits a walk's cost does not show, and its products are the better ones.
MOST_BYTES = 4 << 20


def fits(problem: Problem) -> bool:
    """Say whether the problem is small, and made of what PyTorch's products can read."""
    x, weight, n_rows = problem.input, problem.weight, problem.rows.n_rows
    n_bytes = n_rows * (len(weight) * x.itemsize)
    return (
        0 < n_bytes <= min(MOST_BYTES, problem.max_memory // 2)
        and problem.count == n_rows  # ignored rows are in no product
        and x.ndim == 2
        and (x.itemsize > 2 or (x.dtype == BFLOAT16 and products.multiplies_bfloat16()))
        and products.is_regular(x)
        and products.is_regular(weight)
        and not os.environ.get("SOFTXENT_BLAS")
    )


def loss_and_gradients(
    problem: Problem,
    out: LinearGrads,
    per_row: Array | None,
    ce_factor: float,
    z_factor: float,
    by_target: Array | None,
) -> tuple[float, float]:
    """Do as `chunks.loss_and_gradients`, which may be asked for no gradient here."""
    x, weight, kernels, rows = problem.input, problem.weight, problem.kernels, problem.rows
    made = products.TorchProducts(x.dtype, x.shape[1])
    z = memory.empty((len(x), len(weight)), x.dtype)
    made.logits(z, [(x, weight)], problem.bias)
    rows = Rows(z, rows.target, rows.soft, rows.options)
    if by_target is not None:
        kernels.target_grad(rows, by_target, ce_factor=ce_factor)
    if out.nothing:
        return kernels.loss(rows, per_row=per_row)
    sums = kernels.loss(rows, per_row=per_row, grad=z, ce_factor=ce_factor, z_factor=z_factor)
    if out.input is not None:
        made.input_grad(out.input, [(z, weight)])
    if out.linear_weight is not None:
        made.weight_grad(out.linear_weight, [(z, x)], add=False)
    if out.linear_bias is not None:
        column_sums = np.zeros(len(weight))
        made.add_columns(column_sums, z)
        with np.errstate(over="ignore"):
            out.linear_bias[...] = column_sums
    return sums
