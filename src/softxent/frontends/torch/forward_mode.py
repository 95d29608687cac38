"""Forward mode inside forward mode: what a jvp of an autograd.Function needs to be differentiable.

PyTorch runs the jvp of a Function with forward mode switched off, and hands it saved tensors that
still carry the tangent being pushed. An outer forward mode then sees a derivative of zero, without
a word. Measured on torch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from torch import Tensor
from torch.autograd import forward_ad

F = TypeVar("F", bound=Callable[..., Any])


def nestable(jvp: F) -> F:
    """Decorate the jvp of an autograd.Function so that an outer forward mode sees through it.

    Inside, saved tensors are to be taken from `primals(ctx)`.
    """

    @wraps(jvp)
    def with_forward_mode(*args: Any) -> Any:
        with forward_ad._set_fwd_grad_enabled(True):
            return jvp(*args)

    return with_forward_mode  # type: ignore[return-value]


def primals(ctx: Any) -> list[Any]:
    """Return the saved tensors without the tangents of the level that is at work."""
    return [
        forward_ad.unpack_dual(x).primal if isinstance(x, Tensor) and x.is_floating_point() else x
        for x in ctx.saved_tensors
    ]


def any_dual(*tensors: Tensor | None) -> bool:
    """Say whether one of these carries a tangent of `torch.autograd.forward_ad`."""
    if forward_ad._current_level < 0:
        return False
    return any(
        x is not None and x.is_floating_point() and forward_ad.unpack_dual(x).tangent is not None
        for x in tensors
    )
