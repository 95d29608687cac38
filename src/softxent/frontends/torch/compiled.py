"""The door for torch.compile: operators that the compiler keeps whole.

    softxent::cross_entropy            the loss
    softxent::cross_entropy_backward   its gradients by the logits and by a soft target

An operator under forward mode returns, left to itself, a tangent of zero without a word, and one
under torch.func inside a compiled function fails deep in PyTorch. So each has an autograd kernel of
its own: under torch.func it becomes the torch operations of `reference`, which the compiler sees
through; with dual numbers from `torch.autograd.forward_ad` it raises.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import Function, forward_ad

from softxent.errors import error
from softxent.frontends.torch import eager
from softxent.frontends.torch.arrays import LOSS_DTYPES
from softxent.frontends.torch.batches import one_by_one
from softxent.frontends.torch.by_reference import cross_entropy as by_reference
from softxent.frontends.torch.forward_mode import any_dual
from softxent.frontends.torch.settings import Layout, Scalars, Settings
from softxent.kernels import registry

_library = torch.library.Library("softxent", "FRAGMENT")
_OPTIONS = (
    "Tensor? weight, Tensor? row_weight, Tensor? normalizer, int axis, str reduction, str empty, "
    "int ignore_index, float label_smoothing, float temperature, float? softcap, float z_loss, "
    "str? implementation"
)


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    layout: Layout,
    settings: Settings,
    implementation: str | None,
) -> Tensor:
    """Return the reduced loss through the operator."""
    s, normalizer = settings.scalars, settings.normalizer
    if normalizer is not None and not isinstance(normalizer, Tensor):
        normalizer = torch.full((), normalizer, dtype=torch.float64)
    loss: Tensor = torch.ops.softxent.cross_entropy(
        logits,
        target,
        settings.weight,
        settings.row_weight,
        normalizer,
        layout.axis,
        settings.reduction,
        settings.empty,
        s.ignore_index,
        s.label_smoothing,
        s.temperature,
        s.softcap,
        s.z_loss,
        implementation,
    )
    return loss


_library.define(f"cross_entropy(Tensor logits, Tensor target, {_OPTIONS}) -> Tensor")
_library.define(
    f"cross_entropy_backward(Tensor u, Tensor logits, Tensor target, {_OPTIONS}, bool by_logits, "
    "bool by_target) -> (Tensor, Tensor)"
)


def _call(logits: Tensor, target: Tensor, options: tuple[Any, ...]) -> eager.Call:
    layout, settings = _read(logits, target, options)
    return eager.Call(registry.pick(options[-1]), WHERE, logits, target, layout, settings)


def _read(logits: Tensor, target: Tensor, options: tuple[Any, ...]) -> tuple[Layout, Settings]:
    weight, row_weight, normalizer, axis, reduction, empty, *numbers, _ = options
    shape = tuple(logits.shape)
    soft = target.is_floating_point()
    layout = Layout(axis, shape[:axis] + shape[axis + 1 :], shape[axis], soft)
    scalars = Scalars(*numbers)
    return layout, Settings(scalars, reduction, empty, weight, row_weight, normalizer)


def _forward(logits: Tensor, target: Tensor, *options: Any) -> Tensor:
    return _call(logits, target, options).loss(logits, target)


def _backward(u: Tensor, logits: Tensor, target: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    *some, by_logits, by_target = options
    call = _call(logits, target, tuple(some))
    return (
        call.grad(logits, target, u) if by_logits else logits.new_empty(0),
        call.target_grad(logits, target, u) if by_target else target.new_empty(0),
    )


_library.impl("cross_entropy", _forward, "CPU")
_library.impl("cross_entropy_backward", _backward, "CPU")


@torch.library.register_fake("softxent::cross_entropy", lib=_library)
def _fake_forward(logits: Tensor, target: Tensor, *options: Any) -> Tensor:
    layout, settings = _read(logits, target, options)
    shape = layout.lead if settings.reduction == "none" else ()
    return logits.new_empty(shape, dtype=LOSS_DTYPES[logits.dtype])


@torch.library.register_fake("softxent::cross_entropy_backward", lib=_library)
def _fake_backward(
    u: Tensor, logits: Tensor, target: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    by_logits, by_target = options[-2:]
    return (
        logits.new_empty(logits.shape if by_logits else (0,)),
        target.new_empty(target.shape if by_target else (0,)),
    )


class _Operator(Function):
    """The loss, differentiable once."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, *options: Any) -> Tensor:
        ctx.options = options[3:]
        ctx.save_for_backward(logits, target, *options[:3])
        with torch._C._AutoDispatchBelowAutograd():
            loss: Tensor = torch.ops.softxent.cross_entropy(logits, target, *options)
        return loss

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, *tensors = ctx.saved_tensors
        wants = ctx.needs_input_grad[:2]
        grads = torch.ops.softxent.cross_entropy_backward(
            u, logits, target, *tensors, *ctx.options, *wants
        )
        by_logits, by_target = (g if want else None for g, want in zip(grads, wants, strict=True))
        return (by_logits, by_target, *(None for _ in (*tensors, *ctx.options)))


def _autograd_forward(logits: Tensor, target: Tensor, *options: Any) -> Tensor:
    row_weight = options[1]
    if torch._C._are_functorch_transforms_active():
        if is_single_grad(logits, target) and not follows(row_weight):
            with enable_single_level_autograd_function():
                once: Tensor = _apply(logits, target, *options)
            return once
        return _composite(logits, target, *options)
    if any_dual(logits, target, row_weight):
        raise _no_forward_mode("forward-mode differentiation inside a compiled function")
    if follows(row_weight):
        return _composite(logits, target, *options)
    loss: Tensor = _apply(logits, target, *options)
    return loss


def _autograd_backward(
    u: Tensor, logits: Tensor, target: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    single = torch._C._are_functorch_transforms_active() and is_single_grad(logits, target, u)
    if not single and torch.is_grad_enabled() and any(x.requires_grad for x in (u, logits, target)):
        raise _no_forward_mode("a second derivative of a compiled loss")
    with torch._C._AutoDispatchBelowAutograd():
        grads: tuple[Tensor, Tensor] = torch.ops.softxent.cross_entropy_backward(
            u, logits, target, *options
        )
    return grads


def follows(row_weight: Tensor | None) -> bool:
    """Say whether a derivative by row_weight is wanted, which the operator does not have."""
    return row_weight is not None and (row_weight.requires_grad or _is_wrapped(row_weight))


def is_single_grad(*tensors: Tensor | None) -> bool:
    """Say whether torch.func.grad or vjp alone is at work, and nothing can look at its result.

    Then the operator may differentiate itself by its kernels, which saves the 230 us that each
    autograd.Function costs under torch.func.
    """
    stack = torch._C._functorch.get_interpreter_stack()
    if stack is None or len(stack) != 1 or stack[0].key() != torch._C._functorch.TransformType.Grad:
        return False
    for x in tensors:
        if x is not None:
            inner = torch._C._functorch.get_unwrapped(x) if _is_wrapped(x) else x
            if type(inner) not in (Tensor, torch.nn.Parameter) or inner.requires_grad:
                return False
    return forward_ad._current_level < 0


def _is_wrapped(x: Tensor) -> bool:
    return bool(torch._C._functorch.is_gradtrackingtensor(x))


def _composite(logits: Tensor, target: Tensor, *options: Any) -> Tensor:
    layout, settings = _read(logits, target, options)
    return by_reference(WHERE, logits, target, layout, settings)


def _vmap_backward(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
    operator = torch.ops.softxent.cross_entropy_backward
    u, logits, _, _, _, _, axis, reduction, *_, by_logits, by_target = args
    if any(dim is not None for dim in in_dims[1:]):
        return one_by_one(operator)(info, in_dims, *args)
    # Gradients are linear in u: one of them, times each u.
    u = u.movedim(in_dims[0], 0)
    grads = operator(torch.ones_like(u[0]), *args[1:])
    if reduction == "none":
        u = u.unsqueeze(axis + 1)
    else:
        u = u.reshape(-1, *[1] * logits.ndim)
    wants = (by_logits, by_target)
    return tuple(
        u.to(g.dtype) * g if want else g for g, want in zip(grads, wants, strict=True)
    ), tuple(0 if want else None for want in wants)


def _no_forward_mode(what: str) -> NotImplementedError:
    return error(
        NotImplementedError,
        "transform",
        WHERE,
        "input",
        f"under {what}",
        "a first derivative, or torch.func inside the compiled function",
        'Leave torch.compile out, or pass implementation="reference".',
    )


WHERE = "cross_entropy"
_library.impl("cross_entropy", _autograd_forward, "Autograd")
_library.impl("cross_entropy_backward", _autograd_backward, "Autograd")
torch.library.register_vmap(
    "softxent::cross_entropy", one_by_one(torch.ops.softxent.cross_entropy), lib=_library
)
torch.library.register_vmap("softxent::cross_entropy_backward", _vmap_backward, lib=_library)
# Function.apply would look for torch.func, which is dealt with above.
_apply = super(Function, _Operator).apply
