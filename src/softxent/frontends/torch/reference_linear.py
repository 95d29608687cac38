"""A linear layer and its loss in torch operations, some rows at a time: never N x V numbers.

    z = x W^T + b  ->  C_n, lambda lse_n^2  ->  G = dC/dz  ->  dx = G W,  dW += G^T x,  db += sums

`linear_row_losses` is differentiable to every order; `linear_loss_and_grads` makes the values and
the first derivatives in one walk, by the formulas as they are. Both run on any device. bfloat16 and
float16 operands multiply in float32, exactly, so that logits and dW are not rounded to them on the
way: on CUDA by products that return float32, elsewhere converted, the weight tile by tile.

x (N, D) · W (V, D) · b (V,) or None · target (N,) or soft (N, V) · weight (V,) or None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from softxent.frontends.torch.chunked import Outputs, chunked
from softxent.frontends.torch.reduction import wide_dtype
from softxent.frontends.torch.reference import row_gradients, row_losses
from softxent.frontends.torch.settings import Scalars
from softxent.kernels.budget import TILE_BYTES


class LinearResult(NamedTuple):
    """What `linear_loss_and_grads` returns; None for what was not asked for, or is not there."""

    loss: Tensor
    """(N,) C_n, in the wide dtype, without factors."""
    z_loss: Tensor | None
    """(N,) lambda lse_n^2, likewise."""
    input: Tensor | None
    linear_weight: Tensor | None
    linear_bias: Tensor | None
    soft: Tensor | None


def linear_row_losses(
    x: Tensor,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    target: Tensor | None,
    soft: Tensor | None,
    weight: Tensor | None,
    s: Scalars,
    chunk_rows: int,
) -> tuple[Tensor, Tensor | None]:
    """Return C_n and lambda lse_n^2 (None where lambda is 0) of each row, in the wide dtype."""

    def losses(
        x: Tensor,
        target: Tensor | None,
        soft: Tensor | None,
        w: Tensor,
        b: Tensor | None,
        weight: Tensor | None,
    ) -> Outputs:
        ce, z_loss = row_losses(linear_logits(x, target, w, b, s), target, soft, weight, s)
        return (ce,) if z_loss is None else (ce, z_loss), ()

    shared = (linear_weight, linear_bias, weight)
    (ce, *rest), _ = chunked(losses, (x, target, soft), shared, chunk_rows)
    return ce, rest[0] if rest else None


@torch.no_grad()
def linear_loss_and_grads(
    x: Tensor,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    target: Tensor | None,
    soft: Tensor | None,
    weight: Tensor | None,
    s: Scalars,
    u_ce: Tensor | None,
    u_z: Tensor | None,
    chunk_rows: int,
    wants: Sequence[bool] = (True, True, True, True),
) -> LinearResult:
    """Return the losses of the rows, and gradients of sum_n u_ce_n C_n + u_z_n lambda lse_n^2.

    u_ce, u_z: (N,), None is 1. wants: which gradients, of (x, linear_weight, linear_bias, soft).
    """
    want_x, want_w = wants[0], wants[1]
    want_b, want_soft = wants[2] and linear_bias is not None, wants[3] and soft is not None
    products = _Products(x.dtype, x.device)
    count, wide = len(x), wide_dtype(x.device)
    ce = x.new_empty(count, dtype=wide)
    z_loss = None if s.z_loss == 0.0 else torch.empty_like(ce)
    dx = torch.empty_like(x) if want_x else None
    dw = torch.zeros_like(linear_weight, dtype=products.dtype) if want_w else None
    db = x.new_zeros(len(linear_weight), dtype=wide) if want_b else None
    d_soft = torch.empty_like(soft) if want_soft and soft is not None else None
    for start in range(0, count, chunk_rows):
        rows = slice(start, start + chunk_rows)
        target_part = None if target is None else target[rows]
        x_part = _counting(x[rows], target_part, s)
        g = row_gradients(
            products.logits(x_part, linear_weight, linear_bias),
            target_part,
            None if soft is None else soft[rows],
            weight,
            s,
            None if u_ce is None else u_ce[rows],
            None if u_z is None else u_z[rows],
            (want_x or want_w or want_b, want_soft),
        )
        ce[rows] = g.loss
        if z_loss is not None and g.z_loss is not None:
            z_loss[rows] = g.z_loss
        if d_soft is not None and g.soft is not None:
            d_soft[rows] = g.soft
        if g.logits is None:
            continue
        if db is not None:
            db += g.logits.sum(0, dtype=wide)
        if dx is not None:
            dx[rows] = _counting(products.input_grad(g.logits, linear_weight), target_part, s)
        if dw is not None:
            products.add_weight_grad(dw, g.logits, x_part)
    return LinearResult(
        ce,
        z_loss,
        dx,
        None if dw is None else dw.to(x.dtype),
        None if db is None else db.to(x.dtype),
        d_soft,
    )


def rows_for(
    budget_bytes: int,
    n_classes: int,
    n_features: int,
    dtype: torch.dtype,
    *,
    dense: bool = True,
    capped: bool = True,
    walk: str = "formulas",
) -> int:
    """Return how many rows a chunk may have within the budget, at least 1.

    dense: soft targets, or smoothing. capped: with a softcap. walk: "formulas", of
    `linear_loss_and_grads`; "losses" and "stats", by autograd, of `linear_row_losses` and of the
    statistics: first derivatives (`chunked` halves the rows for each further one), with a float32
    copy of a bfloat16 or float16 weight on top.
    """
    product = 8 if dtype == torch.float64 else 4
    room = budget_bytes
    if product != dtype.itemsize and walk == "formulas":
        room -= min(TILE_BYTES, n_classes * n_features * product)
    each = BYTES[walk, product][2 * dense + capped]
    return max(1, room // (n_classes * each + 4 * n_features * product))


# The most bytes that live at once for each logit of a chunk: with class indices, the same and a
# softcap, with soft targets, the same and a softcap; by the walk and the bytes of a product's
# number. Measured (tests/torch/test_reference_linear.py, test_stats.py).
BYTES = {
    ("formulas", 4): (42, 83, 70, 87),
    ("formulas", 8): (50, 91, 82, 99),
    ("losses", 4): (42, 133, 67, 142),
    ("losses", 8): (42, 133, 73, 142),
    ("stats", 4): (75, 163, 93, 176),
    ("stats", 8): (75, 163, 93, 176),
}


class _Products:
    """The products of a layer in float32 (float64 for float64), whatever the operands' dtype."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.small = dtype in (torch.bfloat16, torch.float16)
        self.dtype = torch.float32 if self.small else dtype
        # CUDA multiplies bfloat16 and float16 on its matrix units and can hand out the float32 sum.
        self.returns_float32 = self.small and device.type == "cuda" and torch.version.hip is None

    def logits(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        """X W^T + b."""
        if not self.small:
            return torch.mm(x, w.T) if b is None else torch.addmm(b, x, w.T)
        if self.returns_float32:
            z = torch.mm(x, w.T, out_dtype=torch.float32)
        else:
            z, x = x.new_empty((len(x), len(w)), dtype=self.dtype), x.to(self.dtype)
            for classes in self._tiles(w):
                torch.mm(x, w[classes].to(self.dtype).T, out=z[:, classes])
        return z if b is None else z.add_(b)

    def input_grad(self, g: Tensor, w: Tensor) -> Tensor:
        """G W, in the dtype of the sums."""
        if not self.small:
            return torch.mm(g, w)
        if self.returns_float32:
            return torch.mm(g.to(w.dtype), w, out_dtype=torch.float32)
        dx = g.new_zeros((len(g), w.shape[1]))
        for classes in self._tiles(w):
            dx.addmm_(g[:, classes], w[classes].to(self.dtype))
        return dx

    def add_weight_grad(self, dw: Tensor, g: Tensor, x: Tensor) -> None:
        """DW += G^T X."""
        if self.returns_float32:
            dw += torch.mm(g.to(x.dtype).T, x, out_dtype=torch.float32)
        else:
            dw.addmm_(g.T, x.to(self.dtype))

    def _tiles(self, w: Tensor) -> Iterator[slice]:
        step = max(1, TILE_BYTES // max(w.shape[1] * 4, 1))
        for start in range(0, len(w), step):
            yield slice(start, start + step)


def linear_logits(
    x: Tensor, target: Tensor | None, w: Tensor, b: Tensor | None, s: Scalars
) -> Tensor:
    """Return z = x W^T + b inside `chunked`, which has made w and b float32 if they were narrower.

    Ignored rows count as x = 0: a NaN in them reaches nothing.
    """
    z = torch.mm(_counting(x, target, s).to(w.dtype), w.T)
    return z if b is None else z + b


def _counting(x: Tensor, target: Tensor | None, s: Scalars) -> Tensor:
    """Return x (R, D) with 0 in ignored rows: their NaN would reach dW, as 0 times NaN."""
    if target is None:
        return x
    return torch.where((target != s.ignore_index)[:, None], x, 0.0)
