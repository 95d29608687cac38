"""The door for transforms: derivatives of every order, in both modes, under vmap too.

A tower of functions of one row's loss C, each a derivative of the one below:

    RowLoss: C      RowGrad: u dC/dz      RowHvp: u (d^2 C / dz^2) v
                    RowJvp: <dC/dz, v>

They run on the kernels; what lies above, and what a soft target's own derivatives need beyond its
gradient, is made of torch operations (`reference`). The setup_context form of autograd.Function,
which torch.func asks for, costs 58 us a small call where the older form costs 28: hence a door of
its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.frontends.torch import native, reference
from softxent.frontends.torch.batches import call
from softxent.frontends.torch.chunked import directional
from softxent.frontends.torch.forward_mode import nestable, primals
from softxent.frontends.torch.native import Piece
from softxent.frontends.torch.reduction import reduce_rows, wide_dtype
from softxent.frontends.torch.settings import Scalars, Settings, slope
from softxent.kernels.registry import Kernels


def cross_entropy(
    kernels: Kernels, where: str, logits: Tensor, target: Tensor, soft: bool, settings: Settings
) -> Tensor:
    """Return the reduced loss; the class axis of logits and soft target is the last."""
    s = settings.scalars
    with torch._C._DisableFuncTorch():
        native.check_values(where, settings)
    dtype = logits.dtype
    if s.z_loss:
        logits = _at_least_float32(logits)
    args = (logits, target, settings.weight)
    ce = call(RowLoss, Piece(kernels, where, "ce", s), *args)
    z = call(RowLoss, Piece(kernels, where, "z", s), *args) if s.z_loss else None
    return reduce_rows(where, ce, z, target, soft, dtype, settings)


def pull_back(
    kernels: Kernels,
    where: str,
    logits: Tensor,
    target: Tensor,
    settings: Settings,
    factors: tuple[Tensor, Tensor],
    wants: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients by logits and soft target as differentiable functions of everything.

    factors: what the losses of the rows, and their z-losses, are multiplied by.
    """
    s, weight = settings.scalars, settings.weight
    dtype = logits.dtype
    if s.z_loss:
        logits = _at_least_float32(logits)
    ce = Piece(kernels, where, "ce", s)
    by_logits = by_target = None
    if wants[0]:
        by_logits = call(RowGrad, ce, logits, target, weight, factors[0])
        if s.z_loss:
            z = Piece(kernels, where, "z", s)
            by_logits = by_logits + call(RowGrad, z, logits, target, weight, factors[1])
        by_logits = by_logits.to(dtype)
    if wants[1]:
        by_target = target_grad(ce, logits, target, weight, factors[0])
    return by_logits, by_target


class RowLoss(Function):
    """C_n, or lambda lse_n^2, of each row."""

    @staticmethod
    def forward(piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Run the kernel."""
        return native.row_loss(piece, logits, target, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, u: Tensor | None) -> tuple[Tensor | None, ...]:
        """dC/dz u and dC/dt u."""
        if u is None:
            return (None,) * len(ctx.needs_input_grad)
        logits, target, weight = ctx.saved_tensors
        piece, (_, by_logits, by_target, _) = ctx.piece, ctx.needs_input_grad
        dz = call(RowGrad, piece, logits, target, weight, u) if by_logits else None
        dt = target_grad(piece, logits, target, weight, u) if by_target else None
        return None, dz, dt, None

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, dz: Tensor | None, dt: Tensor | None, __: None) -> Tensor:
        """<dC/dz, dz> + <dC/dt, dt>."""
        logits, target, weight = primals(ctx)
        dt = dt if target.is_floating_point() else None
        if dz is None and dt is None:
            return torch.zeros_like(logits[..., 0], dtype=ctx.out_dtype)
        return call(RowJvp, ctx.piece, logits, target, weight, dz, dt)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        """A batch is more rows."""
        piece, logits, target, weight = _rows_first(info, in_dims, args)
        return call(RowLoss, piece, logits, target, weight), 0


class RowJvp(Function):
    """<dC/dz, dz> + <dC/dt, dt> of each row; either direction may be None."""

    @staticmethod
    def forward(
        piece: Piece,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None,
        dz: Tensor | None,
        dt: Tensor | None,
    ) -> Tensor:
        """Run the kernel."""
        return native.row_jvp(piece, logits, target, weight, dz, dt)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, u: Tensor | None) -> tuple[Tensor | None, ...]:
        """u (H v + d(dC/dz)/dt dt), u d(dC/dz)/dt v, u dC/dz and u dC/dt."""
        if u is None:
            return (None,) * len(ctx.needs_input_grad)
        logits, target, weight, v, dt = ctx.saved_tensors
        piece, (_, by_logits, by_target, _, by_v, by_dt) = ctx.piece, ctx.needs_input_grad
        at = (piece, logits, target, weight)
        found: list[Tensor | None] = [None, None, None, None]
        if by_logits:
            found[0] = _sum(
                None if v is None else call(RowHvp, *at, u, v),
                None if dt is None else _along_target(piece, logits, weight, u, dt),
            )
        if by_target and v is not None:
            found[1] = _by_target(piece, logits, target, weight, u, v)
        if by_v:
            found[2] = call(RowGrad, *at, u).to(v.dtype)
        if by_dt:
            found[3] = target_grad(*at, u).to(dt.dtype)
        return None, *found[:2], None, *found[2:]

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
        """By all four of them."""
        logits, target, weight, v, dt = primals(ctx)
        moved_z, moved_t, _w, moved_v, moved_dt = tangents
        piece, at = ctx.piece, (ctx.piece, logits, target, weight)
        one = logits.new_ones((), dtype=ctx.out_dtype).expand(logits.shape[:-1])
        rate = torch.zeros_like(one, dtype=wide_dtype(logits.device))
        if v is not None and moved_z is not None:
            rate = rate + _inner(call(RowHvp, *at, one, moved_z), v)
        if v is not None and moved_t is not None and target.is_floating_point():
            rate = rate + _inner(_along_target(piece, logits, weight, one, moved_t), v)
        if moved_v is not None:
            rate = rate + _inner(call(RowGrad, *at, one), moved_v)
        if dt is not None and moved_z is not None:
            rate = rate + _inner(_by_target(piece, logits, target, weight, one, moved_z), dt)
        if moved_dt is not None:
            rate = rate + _inner(target_grad(*at, one), moved_dt)
        return rate.to(ctx.out_dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        """A batch is more rows."""
        return call(RowJvp, *_rows_first(info, in_dims, args)), 0


class RowGrad(Function):
    """u_n times the gradient of row n's part by its logits."""

    @staticmethod
    def forward(
        piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None, u: Tensor
    ) -> Tensor:
        """Run the kernel; u goes in before the one rounding."""
        return native.row_grad(piece, logits, target, weight, u)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, v: Tensor | None) -> tuple[Tensor | None, ...]:
        """u H v; by the target; <dC/dz, v>."""
        if v is None:
            return (None,) * len(ctx.needs_input_grad)
        logits, target, weight, u = ctx.saved_tensors
        piece, (_, by_logits, by_target, _, by_u) = ctx.piece, ctx.needs_input_grad
        dz: Tensor | None = None
        dt: Tensor | None = None
        du: Tensor | None = None
        if by_logits:
            dz = call(RowHvp, piece, logits, target, weight, u, v)
        if by_target:
            dt = _by_target(piece, logits, target, weight, u, v)
        if by_u:
            one = torch.ones_like(u)
            grad = call(RowGrad, piece, logits, target, weight, one)
            du = _inner(grad, v).to(u.dtype)
        return None, dz, dt, None, du

    @staticmethod
    @nestable
    def jvp(
        ctx: Any, _: None, dz: Tensor | None, dt: Tensor | None, __: None, du: Tensor | None
    ) -> Tensor:
        """u H dz, and what dt and du add."""
        logits, target, weight, u = primals(ctx)
        piece = ctx.piece
        result = torch.zeros_like(logits)
        if dz is not None:
            result = call(RowHvp, piece, logits, target, weight, u, dz)
        if du is not None:
            result = result + call(RowGrad, piece, logits, target, weight, du)
        if dt is not None and target.is_floating_point():
            result = result + _along_target(piece, logits, weight, u, dt)
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        """A batch is more rows."""
        return call(RowGrad, *_rows_first(info, in_dims, args)), 0


class RowHvp(Function):
    """u_n times the Hessian of row n's part times v_n."""

    @staticmethod
    def forward(
        piece: Piece,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None,
        u: Tensor,
        v: Tensor,
    ) -> Tensor:
        """Run the kernel."""
        return native.row_hvp(piece, logits, target, weight, u, v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, w: Tensor | None) -> tuple[Tensor | None, ...]:
        """Third order, by torch operations."""
        if w is None:
            return (None,) * len(ctx.needs_input_grad)
        logits, target, weight, u, v = ctx.saved_tensors
        function = _reference_hvp(ctx.piece, target, weight)
        if target.is_floating_point():
            pull = torch.func.vjp(function, logits, target, u, v)[1]
            dz, dt, du, dv = pull(w)
            return None, dz, dt, None, du, dv
        pull = torch.func.vjp(lambda z, u, v: function(z, target, u, v), logits, u, v)[1]
        dz, du, dv = pull(w)
        return None, dz, None, None, du, dv

    @staticmethod
    @nestable
    def jvp(
        ctx: Any,
        _: None,
        dz: Tensor | None,
        dt: Tensor | None,
        __: None,
        du: Tensor | None,
        dv: Tensor | None,
    ) -> Tensor:
        """Third order, by torch operations."""
        logits, target, weight, u, v = primals(ctx)
        function = _reference_hvp(ctx.piece, target, weight)
        moving = [
            (i, x, dx)
            for i, (x, dx) in enumerate(((logits, dz), (target, dt), (u, du), (v, dv)))
            if dx is not None and x.is_floating_point()
        ]

        def along(*moved: Tensor) -> Tensor:
            whole = [logits, target, u, v]
            for (i, _, _), x in zip(moving, moved, strict=True):
                whole[i] = x
            return function(*whole)

        points, tangents = tuple(x for _, x, _ in moving), tuple(dx for _, _, dx in moving)
        (rate,) = directional(lambda *x: (along(*x),), points, tangents)
        return rate

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        """A batch is more rows."""
        return call(RowHvp, *_rows_first(info, in_dims, args)), 0


def target_grad(
    piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None, u: Tensor
) -> Tensor:
    """Return -(1 - eps) w_k log y_k u, in torch operations."""
    if piece.part != "ce":
        return torch.zeros_like(target)
    s, wide = piece.scalars, _wide(logits)
    log_y = reference.log_softmax(wide, s.temperature, s.softcap)
    factor = u[..., None] * _target_slope(s, weight, wide)
    # 0 times infinity is 0, class by class
    grad = -factor * torch.where((factor == 0) & log_y.isinf(), 0.0, log_y)
    return grad.to(target.dtype)


def _by_target(
    piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None, u: Tensor, v: Tensor
) -> Tensor:
    """Return the derivative of <u dC/dz, v> by the soft target."""
    if piece.part != "ce":
        return torch.zeros_like(target)
    s, wide = piece.scalars, _wide(logits)
    y = reference.softmax(wide, s.temperature, s.softcap)
    # u w'_k (<y, J v> - J_k v_k), w'_k = (1 - eps) w_k
    bent = slope(wide, s.temperature, s.softcap) * v
    mean = (y * bent).sum(-1, keepdim=True)
    return (u[..., None] * _target_slope(s, weight, wide) * (mean - bent)).to(target.dtype)


def _along_target(
    piece: Piece, logits: Tensor, weight: Tensor | None, u: Tensor, dt: Tensor
) -> Tensor:
    """Return the derivative of u dC/dz along a direction of the soft target."""
    if piece.part != "ce":
        return torch.zeros_like(logits)
    s, wide = piece.scalars, _wide(logits)
    y = reference.softmax(wide, s.temperature, s.softcap)
    # u J (y sum_k w'_k dt_k - w'_i dt_i)
    moved = _target_slope(s, weight, wide) * dt
    bent = slope(wide, s.temperature, s.softcap) * (y * moved.sum(-1, keepdim=True) - moved)
    return (u[..., None] * bent).to(logits.dtype)


def _reference_hvp(piece: Piece, target: Tensor, weight: Tensor | None) -> Any:
    """Return (logits, target, u, v) -> u H v, in torch operations."""

    def hvp(logits: Tensor, target: Tensor, u: Tensor, v: Tensor) -> Tensor:
        def gradient(z: Tensor) -> Tensor:
            def weighted(z: Tensor) -> Tensor:
                hard, soft = (None, target) if target.is_floating_point() else (target, None)
                ce, lse = reference.row_losses(z, hard, soft, weight, piece.scalars)
                part = ce if piece.part == "ce" or lse is None else lse
                return (u * part).sum()

            return torch.func.grad(weighted)(z)

        # The Hessian is symmetric: H v is the vector-Jacobian product of the gradient too.
        pull = torch.func.vjp(gradient, logits)[1]
        (product,) = pull(v.to(logits.dtype))
        return product

    return hvp


def _target_slope(s: Scalars, weight: Tensor | None, like: Tensor) -> Tensor:
    # w'_k = dw~_k/dt_k = (1 - eps) w_k
    slope = like.new_full((like.shape[-1],), 1.0 - s.label_smoothing)
    return slope if weight is None else slope * weight.to(like.dtype)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _at_least_float32(logits: Tensor) -> Tensor:
    """Widen 16 bits where two parts are added: each would be rounded, and they may cancel."""
    return logits.float() if logits.itemsize == 2 else logits


def _wide(x: Tensor) -> Tensor:
    return x.to(wide_dtype(x.device))


def _inner(a: Tensor, b: Tensor) -> Tensor:
    # 0 times infinity is 0, class by class
    return (torch.where((b == 0) & a.isinf(), 0.0, _wide(a)) * _wide(b)).sum(-1)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.piece, ctx.out_dtype = inputs[0], output.dtype
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs[1:])
    ctx.save_for_forward(*inputs[1:])


def _rows_first(info: Any, in_dims: tuple[Any, ...], args: tuple[Any, ...]) -> list[Any]:
    """Bring the batch to the front of everything that has rows; class weights have none."""
    piece, logits, target, weight, *rest = args
    if in_dims[3] is not None:
        raise NotImplementedError(f"{piece.where}: class weights cannot be batched by vmap")

    def first(x: Tensor | None, dim: int | None) -> Tensor | None:
        if x is None:
            return None
        return x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)

    moved = [first(x, dim) for x, dim in zip(rest, in_dims[4:], strict=True)]
    return [piece, first(logits, in_dims[1]), first(target, in_dims[2]), weight, *moved]
