"""Batches of upstream gradients that come without torch.func.

`torch.autograd.grad(is_grads_batched=True)`, and gradcheck through it, vmap by an older way that
does not ask an autograd.Function for its vmap rule. So `call` looks for it, and asks.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

is_batched = torch._C._functorch.is_legacy_batchedtensor


def call(function: type[Function], *args: Any) -> Any:
    """Return function.apply(*args); a batch among the arguments goes through its vmap rule."""
    some = [i for i, x in enumerate(args) if isinstance(x, Tensor) and is_batched(x)]
    if not some:
        return function.apply(*args)
    level, many = level_of_batch(), list(args)
    for i in some:
        many[i] = unbatched(args[i], level)
    info = SimpleNamespace(batch_size=len(many[some[0]]))
    in_dims = tuple(0 if i in some else None for i in range(len(args)))
    found, _ = function.vmap(info, in_dims, *many)
    if isinstance(found, Tensor):
        return torch._add_batch_dim(found, 0, level)
    return tuple(torch._add_batch_dim(x, 0, level) for x in found)


def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the vmap rule of a function, or an operator, that takes a batch one by one."""

    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        found = []
        for i in range(info.batch_size):
            pairs = zip(args, in_dims, strict=True)
            some = (
                x.select(dim, i) if isinstance(x, Tensor) and dim is not None else x
                for x, dim in pairs
            )
            found.append(function(*some))
        if isinstance(found[0], Tensor):
            return torch.stack(found), 0
        stacked = tuple(torch.stack(parts) for parts in zip(*found, strict=True))
        return stacked, (0,) * len(stacked)

    return rule


def unbatched(x: Tensor, level: int) -> Tensor:
    """Return a batch as a tensor with one axis more, the first."""
    return torch._remove_batch_dim(x, level, 1, 0)


def level_of_batch() -> int:
    """Return the level of the innermost vmap that is not torch.func's."""
    level: int = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    return level
