"""The linear loss's door for torch.compile: operators that the compiler keeps whole.

    softxent::linear_cross_entropy            the loss, differentiable once
    softxent::linear_cross_entropy_forward    for mean and sum: the loss and its gradients, one walk
    softxent::linear_cross_entropy_backward   for "none": the gradients, row factors inside
    softxent::linear_cross_entropy_scaled     of 16 bits: gradients times a factor, made
                                              again where that would round

The first becomes one of the others where it is differentiated. Under torch.func inside a compiled
function they raise: torch operations in their place would hold N x V logits. As those of `compiled`
they have autograd kernels of their own, since forward mode would see a tangent of zero otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import frexp
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.errors import error
from softxent.frontends.torch import linear_native
from softxent.frontends.torch.arrays import LOSS_DTYPES
from softxent.frontends.torch.batches import one_by_one
from softxent.frontends.torch.forward_mode import any_dual
from softxent.frontends.torch.linear_native import Head, Layer
from softxent.frontends.torch.settings import Scalars, Settings
from softxent.kernels import registry

WHERE = "linear_cross_entropy"
_library = torch.library.Library("softxent", "FRAGMENT")
_ARGUMENTS = (
    "Tensor input, Tensor linear_weight, Tensor? linear_bias, Tensor target, Tensor? weight, "
    "Tensor? row_weight, Tensor? normalizer, str reduction, str empty, int ignore_index, "
    "float label_smoothing, float temperature, float? softcap, float z_loss, int max_memory, "
    "str? implementation"
)
_GRADS = "Tensor, Tensor, Tensor, Tensor"
_library.define(f"linear_cross_entropy({_ARGUMENTS}) -> Tensor")
_library.define(f"linear_cross_entropy_forward({_ARGUMENTS}, bool[] wants) -> (Tensor, {_GRADS})")
_library.define(
    f"linear_cross_entropy_backward(Tensor u, {_ARGUMENTS}, bool[] wants) -> ({_GRADS})"
)

_library.define(
    f"linear_cross_entropy_scaled(Tensor u, Tensor dx, Tensor dw, Tensor db, Tensor dt, "
    f"{_ARGUMENTS}, bool[] wants) -> ({_GRADS})"
)


def linear_cross_entropy(
    layer: Layer, settings: Settings, max_memory: int, implementation: str | None
) -> Tensor:
    """Return the reduced loss through the operator."""
    s, normalizer = settings.scalars, settings.normalizer
    if normalizer is not None and not isinstance(normalizer, Tensor):
        normalizer = torch.full((), normalizer, dtype=torch.float64, device=layer.input.device)
    loss: Tensor = torch.ops.softxent.linear_cross_entropy(
        *layer,
        settings.weight,
        settings.row_weight,
        normalizer,
        settings.reduction,
        settings.empty,
        *s,
        max_memory,
        implementation,
    )
    return loss


def _loss(*args: Any) -> Tensor:
    return linear_native.loss(_bind(args)[1])


def _forward(*args: Any) -> tuple[Tensor, ...]:
    *args, wants = args  # type: ignore[assignment]
    layer, bound = _bind(args)
    loss, grads = linear_native.loss_and_grads(bound, layer, tuple(wants), 1.0)
    return (loss, *_filled(layer, grads))


def _backward(u: Tensor, *args: Any) -> tuple[Tensor, ...]:
    *args, wants = args  # type: ignore[assignment]
    layer, bound = _bind(args)
    return _filled(layer, linear_native.grads(bound, layer, tuple(wants), u))


def _scaled(u: Tensor, *args: Any) -> tuple[Tensor, ...]:
    grads, args = args[:4], args[4:]
    factor = float(u)
    if frexp(factor)[0] == 0.5:  # a power of two: no rounding
        return tuple(g * factor for g in grads)
    return _backward(u, *args)


def _bind(args: Sequence[Any]) -> tuple[Layer, Any]:
    layer, settings = Layer(*args[:4]), _settings(args)
    max_memory, implementation = args[14:]
    head = Head(registry.pick(implementation), WHERE, settings, max_memory)
    return layer, linear_native.bind(head, layer)


def _settings(args: Sequence[Any]) -> Settings:
    weight, row_weight, normalizer, reduction, empty = args[4:9]
    return Settings(Scalars(*args[9:14]), reduction, empty, weight, row_weight, normalizer)


def _filled(layer: Layer, grads: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    return tuple(layer.input.new_empty(0) if g is None else g for g in grads)


_library.impl("linear_cross_entropy", _loss, "CPU")
_library.impl("linear_cross_entropy_forward", _forward, "CPU")
_library.impl("linear_cross_entropy_backward", _backward, "CPU")
_library.impl("linear_cross_entropy_scaled", _scaled, "CPU")


@torch.library.register_fake("softxent::linear_cross_entropy", lib=_library)
def _fake_loss(*args: Any) -> Tensor:
    x, weight, reduction = args[0], args[1], args[7]
    lead = (*x.shape[:-1], *weight.shape[1:-1]) if reduction == "none" else ()
    return x.new_empty(lead, dtype=LOSS_DTYPES[x.dtype])


@torch.library.register_fake("softxent::linear_cross_entropy_forward", lib=_library)
def _fake_forward(*args: Any) -> tuple[Tensor, ...]:
    return (_fake_loss(*args), *_fake_grads(args))


@torch.library.register_fake("softxent::linear_cross_entropy_backward", lib=_library)
def _fake_backward(u: Tensor, *args: Any) -> tuple[Tensor, ...]:
    return _fake_grads(args)


@torch.library.register_fake("softxent::linear_cross_entropy_scaled", lib=_library)
def _fake_scaled(u: Tensor, *args: Any) -> tuple[Tensor, ...]:
    return _fake_grads(args[4:])


def _fake_grads(args: tuple[Any, ...]) -> tuple[Tensor, ...]:
    x = args[0]
    return tuple(
        x.new_empty(0) if not want or like is None else like.new_empty(like.shape)
        for like, want in zip(args[:4], args[-1], strict=True)
    )


class _Operator(Function):
    """The loss, differentiable once."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        ctx.wants = [bool(need) for need in ctx.needs_input_grad[:4]]
        ctx.options, ctx.made = args[7:], args[7] != "none"
        with torch._C._AutoDispatchBelowAutograd():
            if ctx.made and any(ctx.wants):
                loss, *grads = torch.ops.softxent.linear_cross_entropy_forward(*args, ctx.wants)
                ctx.save_for_backward(*grads, *args[:7])
            else:
                loss = torch.ops.softxent.linear_cross_entropy(*args)
                ctx.save_for_backward(*args[:7])
        return loss

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        grads = ctx.saved_tensors
        if torch.is_grad_enabled() and u.requires_grad:
            raise _unsupported("a second derivative of a compiled loss")
        if ctx.made and grads[4].itemsize > 2:
            grads = [g * u.to(g.dtype) for g in grads[:4]]
        elif ctx.made:
            grads = torch.ops.softxent.linear_cross_entropy_scaled(
                u, *grads, *ctx.options, ctx.wants
            )
        else:
            grads = torch.ops.softxent.linear_cross_entropy_backward(
                u, *ctx.saved_tensors, *ctx.options, ctx.wants
            )
        made = tuple(g if want else None for g, want in zip(grads, ctx.wants, strict=True))
        return (*made, *(None for _ in range(3 + len(ctx.options))))


def _autograd_loss(*args: Any) -> Tensor:
    if torch._C._are_functorch_transforms_active():
        raise _unsupported("torch.func inside a compiled function")
    if any_dual(*args[:7]):
        raise _unsupported("forward-mode differentiation inside a compiled function")
    if args[5] is not None and args[5].requires_grad:
        raise _unsupported("a row_weight that requires grad inside a compiled function")
    loss: Tensor = _apply(*args)
    return loss


def _once(name: str) -> Callable[..., tuple[Tensor, ...]]:
    operator = getattr(torch.ops.softxent, name)

    def autograd(*args: Any) -> tuple[Tensor, ...]:
        if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in args):
            raise _unsupported("a second derivative of a compiled loss")
        with torch._C._AutoDispatchBelowAutograd():
            result: tuple[Tensor, ...] = operator(*args)
        return result

    return autograd


def _unsupported(what: str) -> NotImplementedError:
    return error(
        NotImplementedError,
        "transform",
        WHERE,
        "input",
        f"under {what}",
        "a first derivative by backward",
        "Leave torch.compile out around this call: torch.compiler.disable, or a graph break.",
    )


_library.impl("linear_cross_entropy", _autograd_loss, "Autograd")
for _name in (
    "linear_cross_entropy_forward",
    "linear_cross_entropy_backward",
    "linear_cross_entropy_scaled",
):
    _library.impl(_name, _once(_name), "Autograd")
    torch.library.register_vmap(
        f"softxent::{_name}", one_by_one(getattr(torch.ops.softxent, _name)), lib=_library
    )
torch.library.register_vmap(
    "softxent::linear_cross_entropy",
    one_by_one(torch.ops.softxent.linear_cross_entropy),
    lib=_library,
)
# Function.apply would look for torch.func, which is dealt with above.
_apply = super(Function, _Operator).apply
