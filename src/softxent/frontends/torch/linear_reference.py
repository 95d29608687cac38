"""The linear loss in torch operations, some rows at a time: any device, every order of derivative.

Row losses are `reference.row_losses` of a chunk's logits inside `chunked`, which is closed under
vjp, jvp and vmap. Higher derivatives are taken of that, so they never hold more than one chunk.
The arguments are those of `linear_pieces`: one position, rows on axis 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, TypeAlias

import torch
from torch import Tensor

from softxent.frontends.torch import reference
from softxent.frontends.torch.chunked import WIDE_BYTES, directional
from softxent.frontends.torch.linear_native import Head
from softxent.frontends.torch.linear_pieces import Given
from softxent.frontends.torch.reference_linear import linear_logits, linear_row_losses

Points: TypeAlias = Sequence[Any]
"""Tensors, and None for what is not there."""
Function: TypeAlias = Callable[..., tuple[Tensor, ...]]


def rows(head: Head, given: Given) -> tuple[Tensor, ...]:
    """Return C_n, and lambda lse_n^2 where lambda is not 0, in the wide dtype."""
    s, (x, weight, bias, target, class_weight) = head.settings.scalars, given
    hard, soft = (None, target) if given.soft else (target, None)
    if torch.compiler.is_compiling():
        # It cannot trace the walk (2.13). So it sees all rows at once, and N x V logits.
        z = linear_logits(x, hard, weight, bias, s)
        ce, lse = reference.row_losses(z, hard, soft, class_weight, s)
    else:
        at_once = max(head.max_memory // max(weight.shape[0] * WIDE_BYTES, 1), 1)
        ce, lse = linear_row_losses(x, weight, bias, hard, soft, class_weight, s, at_once)
    return (ce,) if lse is None else (ce, lse)


def grads(head: Head, points: Points, given: Given, wants: Sequence[bool]) -> tuple[Tensor, ...]:
    """Return the wanted gradients of sum u_n C_n + u'_n lambda lse_n^2; points: Layer, u, u'."""
    x, weight, bias, target, u_ce, u_z = points
    parts = (x, weight, bias, target)

    def total(*moved: Tensor) -> tuple[Tensor, ...]:
        x, weight, bias, target = _mixed(parts, wants, moved)
        losses = rows(head, Given(x, weight, bias, target, given.class_weight))
        pairs = zip((u_ce, u_z), losses, strict=False)
        sums = [(u.to(c.dtype) * c).sum() for u, c in pairs if u is not None]
        return (sum(sums[1:], sums[0]),)

    chosen = [x for x in compress(parts, wants) if x is not None]
    (loss,), pull_back, *_ = torch.func.vjp(total, *chosen)
    result: tuple[Tensor, ...] = pull_back((torch.ones_like(loss),))
    return result


def hvp(head: Head, points: Points, given: Given, wants: Sequence[bool]) -> tuple[Tensor, ...]:
    """Return the derivative of `grads` along a direction; points: Layer, u, u', direction."""
    layer, (target, u_ce, u_z) = points[:3], points[3:6]
    moves = [v is not None for v in points[6:]]

    def of(*moved: Tensor) -> tuple[Tensor, ...]:
        here = (*_mixed(layer, moves, moved), target, u_ce, u_z)
        return grads(head, here, given, (*wants, False))

    chosen = tuple(x for x in compress(layer, moves) if x is not None)
    return directional(of, chosen, tuple(v for v in points[6:] if v is not None))


def along(head: Head, points: Points, given: Given) -> tuple[Tensor, ...]:
    """Return the directional derivatives of `rows`; points: Layer, direction of its first three."""
    x, weight, bias, target, *tangents = points
    return jvp(head, Given(x, weight, bias, target, given.class_weight), (*tangents, None))


def jvp(head: Head, given: Given, tangents: Points) -> tuple[Tensor, ...]:
    """Return the directional derivatives of `rows` along tangents of input, ..., target."""

    def of(x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> tuple[Tensor, ...]:
        return rows(head, Given(x, weight, bias, target, given.class_weight))

    return push(of, given[:4], tangents)


def pull(
    of: Function, points: Points, needs: Sequence[bool], v: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Return the derivatives of <of(points), v> by the points that need one."""
    some = [x is not None for x in v]

    def moving(*moved: Tensor) -> tuple[Tensor, ...]:
        return tuple(compress(of(*_mixed(points, needs, moved)), some))

    chosen = [x for x in compress(points, needs) if x is not None]
    if not chosen or not any(some):
        return (None,) * len(needs)
    outputs, pull_back, *_ = torch.func.vjp(moving, *chosen)
    cotangents = (x for x in v if x is not None)
    found = iter(pull_back(tuple(x.to(y.dtype) for x, y in zip(cotangents, outputs, strict=True))))
    return tuple(next(found) if need else None for need in needs)


def push(of: Function, points: Points, tangents: Points) -> tuple[Tensor, ...]:
    """Return the derivative of of(points) along the tangents; None is zero."""
    moves = [
        x is not None and t is not None and x.is_floating_point()
        for x, t in zip(points, tangents, strict=True)
    ]
    chosen = tuple(x for x in compress(points, moves) if x is not None)
    some = tuple(t for t in compress(tangents, moves) if t is not None)
    if not chosen:
        return tuple(torch.zeros_like(x) for x in of(*points))
    return directional(lambda *moved: of(*_mixed(points, moves, moved)), chosen, some)


def _mixed(points: Points, moves: Sequence[bool], moved: Sequence[Tensor]) -> list[Any]:
    found = iter(moved)
    return [next(found) if move else x for x, move in zip(points, moves, strict=True)]
