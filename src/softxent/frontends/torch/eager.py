"""The door for plain eager calls: one autograd.Function around one pass of the kernel.

The forward pass writes the gradient at once, as if the upstream factor were the one that came last
time (1 at first; under gradient accumulation, or a loss scale, another): then backward has nothing
left to do. With another factor it runs the kernel again, so that the factor is always inside the
one rounding. The older ctx form costs half of what the setup_context form does.
"""

from __future__ import annotations

from math import isfinite, isinf, nan
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from softxent.contracts import Array, Rows
from softxent.errors import describe, error
from softxent.frontends.steps import Scale, overlaps_itself
from softxent.frontends.torch import native, transforms
from softxent.frontends.torch.arrays import LOSS_DTYPES, empty, scalar, to_numpy
from softxent.frontends.torch.batches import is_batched
from softxent.frontends.torch.settings import Layout, Settings
from softxent.kernels.registry import Kernels


def cross_entropy(
    kernels: Kernels,
    where: str,
    logits: Tensor,
    target: Tensor,
    layout: Layout,
    settings: Settings,
    inplace: bool,
) -> Tensor:
    """Return the reduced loss, with a gradient where something requires one."""
    call = Call(kernels, where, logits, target, layout, settings)
    if not torch.is_grad_enabled() or not (
        logits.requires_grad or (layout.soft and target.requires_grad)
    ):
        return call.loss(logits, target)
    if inplace and logits.requires_grad:
        check_inplace(where, logits)
        loss: Tensor = InPlace.apply(logits, target, call)
    else:
        loss = _apply(logits, target, call)
    return loss


class Call:
    """One problem on the kernels, its values checked."""

    __slots__ = ("_bound", "kernels", "layout", "loss_dtype", "plain", "settings", "where")

    def __init__(
        self,
        kernels: Kernels,
        where: str,
        logits: Tensor,
        target: Tensor,
        layout: Layout,
        settings: Settings,
    ) -> None:
        self.kernels, self.where, self.loss_dtype = kernels, where, LOSS_DTYPES[logits.dtype]
        self.layout, self.settings = layout, settings
        self.plain = native.is_plain(kernels, logits, target, layout, settings)
        self._bound: tuple[Rows, Scale] | None = None
        if not self.plain:
            self.problem(logits, target)

    def problem(self, logits: Tensor, target: Tensor) -> tuple[Rows, Scale]:
        """Return the rows, and what their mean divides by."""
        if self._bound is None:
            self._bound = native.bind(
                self.where, self.kernels, logits, target, self.layout, self.settings
            )
        return self._bound

    def loss(
        self, logits: Tensor, target: Tensor, grad: Tensor | None = None, factor: float = 1.0
    ) -> Tensor:
        """Return the loss, and write `factor` times the gradient by the logits."""
        if self.plain:
            mean = native.plain_loss(
                self.kernels, self.where, logits, target, self.layout, grad, factor
            )
            if isinf(mean) and grad is not logits:
                mean = native.mean_past_overflow(self.kernels, *self.problem(logits, target), mean)
            return scalar(mean, self.loss_dtype)
        rows, (weight, count, is_empty) = self.problem(logits, target)
        if is_empty:
            if grad is not None:
                grad.zero_()
            return scalar(nan if self.settings.empty == "nan" else 0.0, self.loss_dtype)
        by_row = None
        if self.settings.reduction == "none":
            losses, by_row = empty((rows.n_rows,), self.loss_dtype)
        ce, z = self.kernels.loss(
            rows,
            per_row=by_row,
            grad=None if grad is None else self.class_axis_last(grad),
            ce_factor=factor / weight,
            z_factor=factor / count,
        )
        if by_row is not None:
            return losses.view(rows.lead)
        mean = ce / weight + z / count
        if isinf(mean) and grad is not logits:
            scale = self.problem(logits, target)[1]
            mean = native.mean_past_overflow(self.kernels, rows, scale, mean)
        return scalar(mean, self.loss_dtype)

    def class_axis_last(self, tensor: Tensor) -> Array:
        """Return a tensor of the logits' shape as the kernels see it."""
        array, axis = to_numpy(tensor), self.layout.axis
        return array if axis == array.ndim - 1 else np.moveaxis(array, axis, -1)

    def with_upstream(self, rows: Rows, u: Tensor) -> tuple[Rows, float]:
        """Return the rows and the one factor that an upstream gradient makes."""
        if self.settings.reduction != "none":
            return rows, u.item()
        factors = to_numpy(u).astype(np.float64).reshape(rows.lead)
        own = rows.options.row_weight
        if own is not None:
            factors = factors * own.reshape(rows.lead)
        return native.with_row_factors(rows, factors), 1.0

    def grad(self, logits: Tensor, target: Tensor, u: Tensor) -> Tensor:
        """Return the gradient by the logits, the upstream factor inside its one rounding."""
        grad, _ = empty(tuple(logits.shape), logits.dtype)
        rows, scale = self.problem(logits, target)
        if scale.empty:
            return grad.zero_()
        rows, factor = self.with_upstream(rows, u)
        ce, z = factor / scale.weight, factor / scale.rows
        self.kernels.loss(rows, grad=self.class_axis_last(grad), ce_factor=ce, z_factor=z)
        return grad

    def target_grad(self, logits: Tensor, target: Tensor, u: Tensor) -> Tensor:
        """Return the gradient by the soft target."""
        grad, _ = empty(tuple(target.shape), target.dtype)
        rows, scale = self.problem(logits, target)
        if scale.empty:
            return grad.zero_()
        rows, factor = self.with_upstream(rows, u)
        view = self.class_axis_last(grad)
        self.kernels.target_grad(rows, view, ce_factor=factor / scale.weight)
        return grad

    def pull_back(
        self, logits: Tensor, target: Tensor, u: Tensor, wants: tuple[bool, bool]
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients as differentiable functions, for derivatives of higher order."""
        axis, soft = self.layout.axis, self.layout.soft
        _, scale = self.problem(logits, target)
        z = logits.movedim(axis, -1)
        t = target.movedim(axis, -1) if soft else target
        u = u.to(torch.float64).expand(self.layout.lead)
        if scale.empty:
            u = u * 0.0
        if self.settings.row_weight is not None:
            u = u * self.settings.row_weight
        factors = u / scale.weight, u / scale.rows
        dz, dt = transforms.pull_back(self.kernels, self.where, z, t, self.settings, factors, wants)
        return tuple(None if g is None else g.movedim(-1, axis) for g in (dz, dt))


class CrossEntropy(Function):
    """The loss; its gradient is made in the forward pass wherever the reduction allows."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, call: Call) -> Tensor:
        """One pass: the loss and, for mean and sum, the gradient by the logits."""
        ctx.call = call
        ctx.save_for_backward(logits, target)
        ctx.grad = None
        if not ctx.needs_input_grad[0] or call.settings.reduction == "none":
            return call.loss(logits, target)
        ctx.grad, _ = empty(tuple(logits.shape), logits.dtype)
        ctx.factor = expected(call)
        return call.loss(logits, target, ctx.grad, ctx.factor)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Hand out the gradient that is there, or make it."""
        call, wants = ctx.call, ctx.needs_input_grad[:2]
        if is_batched(u):
            # is_grads_batched=True: gradients are linear in u, whose values cannot be read
            one = torch.ones((), dtype=torch.float64).expand(u.shape)
            dz, dt, _ = CrossEntropy.backward(ctx, one)
            if call.settings.reduction == "none":
                u = u.unsqueeze(call.layout.axis)
            return None if dz is None else dz * u, None if dt is None else dt * u, None
        if torch.is_grad_enabled():
            logits, target = ctx.saved_tensors
            return (*call.pull_back(logits, target, u, wants), None)
        grad, ctx.grad = ctx.grad, None  # never twice: its new owner may add to it in place
        if grad is not None and not wants[1] and foreseen(ctx, u):
            return grad, None, None
        logits, target = ctx.saved_tensors  # raises if either was modified in place
        by_logits = by_target = None
        if wants[0]:
            by_logits = call.grad(logits, target, u)
        if wants[1]:
            by_target = call.target_grad(logits, target, u)
        return by_logits, by_target, None


class InPlace(Function):
    """The loss, its gradient written over the logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, call: Call) -> Tensor:
        """One pass over the logits, which are gone after it."""
        ctx.call, ctx.used = call, False
        ctx.factor = 1.0 if call.settings.reduction == "none" else expected(call)
        ctx.by_target = None
        if ctx.needs_input_grad[1]:
            one = torch.tensor(ctx.factor, dtype=torch.float64).expand(
                call.layout.lead if call.settings.reduction == "none" else ()
            )
            ctx.by_target = call.target_grad(logits, target, one)
        loss = call.loss(logits, target, logits, ctx.factor)
        torch.autograd.graph.increment_version(logits)
        ctx.by_logits = logits.detach()
        return loss

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Hand out the logits' memory; a factor that was not foreseen costs one more rounding."""
        call = ctx.call
        batched = is_batched(u)
        if torch.is_grad_enabled() or batched or ctx.used:
            came = "create_graph=True" if torch.is_grad_enabled() else "a second backward"
            came = "is_grads_batched=True" if batched else came
            raise error(
                NotImplementedError,
                "inplace",
                call.where,
                "inplace",
                f"True with {came}",
                "one backward of first order, the logits being gone after it",
                "Leave inplace out.",
            )
        ctx.used = True
        grads = [ctx.by_logits, ctx.by_target]
        ctx.by_logits = ctx.by_target = None
        if call.settings.reduction == "none":
            for grad in grads:
                if grad is not None:
                    grad.mul_(u.unsqueeze(call.layout.axis).to(grad.dtype))
        elif not foreseen(ctx, u):
            ratio = u.item() / ctx.factor
            for grad in grads:
                if grad is not None:
                    grad.mul_(ratio)
        return grads[0], grads[1], None


# Function.apply without what it does for torch.func, which never comes here: 4 us less.
_apply = super(Function, CrossEntropy).apply


def check_inplace(where: str, logits: Tensor) -> None:
    """Check that the logits' memory can be given away."""
    came = ""
    if logits.is_leaf or (logits._base is not None and logits._base.is_leaf):
        came = "a leaf that requires grad, or a view of one"
    elif overlaps_itself(to_numpy(logits)):
        came = f"a tensor of strides {logits.stride()}, whose entries may overlap"
    if came:
        raise error(
            ValueError,
            "inplace",
            where,
            "input",
            f"{describe(logits)}, {came}, with inplace=True",
            "the result of an operation, in memory of its own",
            "Leave inplace out, or pass what a layer returned.",
        )


def expected(call: Call) -> float:
    """Return the upstream factor that came last for losses over so many classes; 1 at first."""
    return _factors.get(call.layout.n_classes, 1.0)


def foreseen(ctx: Any, u: Tensor) -> bool:
    """Say whether the upstream factor is the one the forward pass took; remember it if not."""
    factor: float = u.item()
    if factor == ctx.factor:
        return True
    if isfinite(factor) and factor != 0.0:
        if len(_factors) >= 256:
            _factors.clear()
        _factors[ctx.call.layout.n_classes] = factor
    return False


# By the number of classes: two losses in one step may have different factors.
_factors: dict[int, float] = {}
