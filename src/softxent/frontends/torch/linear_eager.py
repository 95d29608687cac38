"""The door for plain eager calls of the linear loss: one autograd.Function, three products.

For mean and sum the forward pass makes the gradients at once, while each chunk's logits are there,
as if the upstream factor were the one that came last time (1 at first). With another factor
backward multiplies them by the quotient, or, where that would round bfloat16 or float16 a second
time, walks again. With reduction="none" backward always walks again: each row has a factor of its
own, which has to be inside the sum over rows that is the weight's gradient.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.frontends.torch import linear_native, linear_transforms
from softxent.frontends.torch.batches import is_batched, level_of_batch, unbatched
from softxent.frontends.torch.linear_native import Head, Layer


def linear_cross_entropy(head: Head, layer: Layer) -> Tensor:
    """Return the reduced loss, with gradients where something requires one."""
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in layer):
        loss: Tensor = LinearCrossEntropy.apply(head, *layer)
        return loss
    return linear_native.loss(linear_native.bind(head, layer))


class LinearCrossEntropy(Function):
    """The loss; its gradients are made in the forward pass wherever that can be right."""

    @staticmethod
    def forward(
        ctx: Any, head: Head, input: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor
    ) -> Tensor:
        """One walk over the chunks."""
        layer = Layer(input, weight, bias, target)
        bound = linear_native.bind(head, layer)
        ctx.head, ctx.scale, ctx.grads = head, bound.scale, None
        ctx.n_classes = weight.shape[0]
        ctx.save_for_backward(*layer)
        wants = ctx.needs_input_grad[1:]
        guess = _guess(weight, head)
        if guess is None:
            return linear_native.loss(bound)
        ctx.factor = guess
        loss, ctx.grads = linear_native.loss_and_grads(bound, layer, wants, guess)
        return loss

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        """Hand out the gradients that are there, or make them."""
        head, wants = ctx.head, ctx.needs_input_grad[1:]
        if is_batched(u):
            return _batched(ctx, u)
        if torch.is_grad_enabled():
            layer = Layer(*ctx.saved_tensors)
            return None, *linear_transforms.pull_back(head, ctx.scale, layer, wants, u)
        grads, ctx.grads = ctx.grads, None  # never twice: their new owner may add to them in place
        if head.settings.reduction != "none":
            factor = u.item()
            _remember(ctx.n_classes, factor)
            if grads is not None and _scaled(grads, factor, ctx.factor):
                return None, *grads
        del grads  # before the new ones are made
        layer = Layer(*ctx.saved_tensors)  # raises if one of them was modified in place
        bound = linear_native.bind(head, layer)
        if head.settings.reduction == "none" or layer.weight.dtype is not torch.float64:
            return None, *linear_native.grads(bound, layer, wants, u)
        grads = linear_native.grads(bound, layer, wants, torch.ones_like(u))
        _scaled(grads, factor, 1.0)
        return None, *grads


def _batched(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
    """Take upstream gradients one by one: torch.autograd.grad(is_grads_batched=True) sends many."""
    level = level_of_batch()
    found = [LinearCrossEntropy.backward(ctx, one) for one in unbatched(u, level)]
    return tuple(
        None if grads[0] is None else torch._add_batch_dim(torch.stack(grads), 0, level)
        for grads in zip(*found, strict=True)
    )


class _Seen(NamedTuple):
    """What upstream factors came for one number of classes."""

    factor: float = 1.0
    changes: bool = False
    """Whether it was another one than before."""


def _guess(weight: Tensor, head: Head) -> float | None:
    """Return the upstream factor to expect, or None if gradients made now would be for nothing."""
    if head.settings.reduction == "none":
        return None
    if weight.dtype is torch.float64:
        return 1.0  # and multiplied after: the same bits in every backward, as gradcheck demands
    seen = _factors.get(weight.shape[0], _UNSEEN)
    return None if seen.changes and weight.dtype in _ROUNDED else seen.factor


def _remember(n_classes: int, factor: float) -> None:
    if not isfinite(factor) or factor == 0.0:
        return
    before = _factors.get(n_classes, _UNSEEN)
    if len(_factors) >= 256:
        _factors.clear()
    _factors[n_classes] = _Seen(factor, factor != before.factor)


def _scaled(grads: list[Tensor | None], factor: float, by: float) -> bool:
    """Turn gradients times `by` into gradients times `factor`; False if that loses accuracy."""
    if factor == by:
        return True
    ratio = factor / by
    if any(g is not None and g.dtype in _ROUNDED for g in grads) or not isfinite(ratio):
        return False
    for grad in grads:
        if grad is not None:
            grad.mul_(ratio)
    return True


_UNSEEN = _Seen()
_ROUNDED = (torch.bfloat16, torch.float16)
# By the number of classes: two losses in one step may have different factors.
_factors: dict[int, _Seen] = {}
