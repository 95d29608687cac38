"""The linear loss's door for transforms: derivatives of every order, in both modes, under vmap too.

A tower of functions of the rows' losses C_n (and of lambda lse_n^2, kept apart):

    LinearRows: C_n    LinearGrad: sum u_n dC_n    LinearHvp: sum u_n d^2 C_n v
                       LinearJvp: <dC_n, v>

by input, weight and bias, each a walk over the same chunks of rows. What lies above them, and what
mixes with a soft target's derivatives, is made of torch operations in chunks (`linear_reference`).
None of them keeps more than its inputs. vmap runs over its batch in a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.frontends.steps import Scale
from softxent.frontends.torch import linear_pieces, linear_reference
from softxent.frontends.torch.batches import call, one_by_one
from softxent.frontends.torch.forward_mode import nestable, primals
from softxent.frontends.torch.linear_native import Head, Layer, Wants
from softxent.frontends.torch.linear_pieces import Factors, Given
from softxent.frontends.torch.reduction import reduce_rows
from softxent.frontends.torch.settings import Settings


def linear_cross_entropy(head: Head, layer: Layer) -> Tensor:
    """Return the reduced loss."""
    return reduced(head, layer, lambda head, given: call(LinearRows, bare(head), *given))


def reduced(head: Head, layer: Layer, rows: Callable[[Head, Given], tuple[Tensor, ...]]) -> Tensor:
    """Return the loss that the rows' losses make."""
    settings, target = head.settings, layer.target
    parts = [rows(head, given) for given in split(layer, settings.weight)]
    ce, *z = (join(losses, layer) for losses in zip(*parts, strict=True))
    soft = target.is_floating_point()
    return reduce_rows(
        head.where, ce, z[0] if z else None, target, soft, layer.input.dtype, settings
    )


def pull_back(
    head: Head, scale: Scale, layer: Layer, wants: Wants, u: Tensor
) -> tuple[Tensor | None, ...]:
    """Return the gradients times u, as functions that can be differentiated again."""
    settings, weight = head.settings, layer.weight
    lead = (*layer.input.shape[:-1], *weight.shape[1:-1])
    u = u.double().expand(lead)
    if scale.empty:
        u = u * 0.0
    if settings.row_weight is not None:
        u = u * settings.row_weight
    has_z = settings.scalars.z_loss != 0.0
    by_position: list[tuple[Tensor, ...]] = []
    for given, factors in zip(split(layer, settings.weight), split_rows(u, layer), strict=True):
        z = factors / scale.rows if has_z else None
        by_position.append(call(LinearGrad, bare(head), wants, *given, factors / scale.weight, z))
    found = iter(zip(*by_position, strict=True))
    parts = [next(found) if want else None for want in wants]
    dims = weight.shape[1:-1]
    dx, dw, db, dt = parts
    return (
        None if dx is None else sum(dx[1:], dx[0]).view(layer.input.shape),
        None if dw is None else torch.stack(dw, 1).view(weight.shape),
        None if db is None else torch.stack(db, 1).view(weight.shape[:-1]),
        None if dt is None else _together(dt, dims).view(layer.target.shape),
    )


def bare(head: Head) -> Head:
    """Return a head without tensors: torch.func sees only those that are arguments."""
    return head._replace(settings=Settings(head.settings.scalars, "none"))


def split(layer: Layer, class_weight: Tensor | None) -> list[Given]:
    """Return the problem of each position of d1, ..., dK: views."""
    x, weight, bias, target = layer
    n_classes, *dims, n_features = weight.shape
    x = x.reshape(-1, n_features)
    soft = target.is_floating_point()
    if not dims:
        target = target.reshape(-1, n_classes) if soft else target.reshape(-1)
        return [Given(x, weight, bias, target, class_weight)]
    # unbind: its derivative is one stack, that of so many selects as many tensors full of zeros
    weights = weight.flatten(1, -2).unbind(1)
    biases = [None] * len(weights) if bias is None else bias.flatten(1).unbind(1)
    targets = target.flatten(2).unbind(2) if soft else target.flatten(1).unbind(1)
    return [Given(x, *some, class_weight) for some in zip(weights, biases, targets, strict=True)]


def split_rows(u: Tensor, layer: Layer) -> list[Tensor]:
    """Return the part of each position of something of the rows' shape."""
    if layer.weight.ndim == 2:
        return [u.reshape(-1)]
    return list(u.flatten(1).unbind(1))


def join(losses: tuple[Tensor, ...], layer: Layer) -> Tensor:
    """Return the rows of all positions in the rows' shape."""
    dims = layer.weight.shape[1:-1]
    if not dims:
        return losses[0].view(layer.input.shape[:-1])
    return torch.stack(losses, 1).view(*layer.input.shape[:-1], *dims)


class LinearRows(Function):
    """C_n, and lambda lse_n^2 where lambda is not 0, in float64."""

    @staticmethod
    def forward(head: Head, *given: Any) -> tuple[Tensor, ...]:
        """One walk."""
        return linear_pieces.rows(head, Given(*given))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, 1)

    @staticmethod
    def backward(ctx: Any, *u: Tensor | None) -> tuple[Tensor | None, ...]:
        """The sums of u_n dC_n."""
        given, wants = Given(*ctx.saved_tensors), ctx.needs_input_grad[1:5]
        grads = _wanted(wants, LinearGrad, ctx.static[0], wants, *given, *_two(u))
        return None, *grads, None

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, *tangents: Any) -> tuple[Tensor, ...]:
        """<dC_n, v>."""
        given, (head,) = Given(*primals(ctx)), ctx.static
        *along, by_target, _class_weight = tangents
        if by_target is not None and given.soft:
            return linear_reference.jvp(head, given, tuple(tangents[:4]))
        rates: tuple[Tensor, ...] = call(LinearJvp, head, *given, *along)
        return rates

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """A loop."""
        return one_by_one(LinearRows.apply)(info, in_dims, *args)


class LinearGrad(Function):
    """The wanted gradients of sum u_n C_n + u'_n lambda lse_n^2, by input, weight, bias, target."""

    @staticmethod
    def forward(head: Head, wants: Wants, *args: Any) -> tuple[Tensor, ...]:
        """One walk, or two where u and u' are not proportional."""
        return tuple(linear_pieces.grads(head, Given(*args[:5]), Factors(*args[5:]), wants))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, 2)

    @staticmethod
    def backward(ctx: Any, *v: Tensor | None) -> tuple[Tensor | None, ...]:
        """By input, weight and bias the Hessian times v; by u the directional derivatives."""
        head, wants = ctx.static
        given, u = Given(*ctx.saved_tensors[:5]), Factors(*ctx.saved_tensors[5:])
        needs = ctx.needs_input_grad[2:]
        found = iter(v)
        along = [next(found) if want else None for want in wants]
        if all(x is None for x in along):
            return (None,) * (2 + len(needs))
        if given.soft and (needs[3] or along[3] is not None):
            pulled = linear_reference.pull(
                lambda *moved: linear_reference.grads(head, moved, given, wants),
                (*given[:4], *u),
                (*needs[:4], *needs[5:]),
                v,
            )
            return None, None, *pulled[:4], None, *pulled[4:]
        parts = _wanted((*needs[:3], False), LinearHvp, head, needs[:3], *given, *u, *along[:3])
        by_u: list[Tensor | None] = [None, None]
        if needs[5] or needs[6]:
            rates = call(LinearJvp, head, *given, *along[:3])
            by_u = [r if need else None for r, need in zip(_two(rates), needs[5:], strict=True)]
        return None, None, *parts, None, *by_u

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, __: None, *tangents: Any) -> tuple[Tensor, ...]:
        """The Hessian times the tangents, and what the tangents of u add."""
        head, wants = ctx.static
        saved = primals(ctx)
        given, u = Given(*saved[:5]), Factors(*saved[5:])
        *along, by_target, _class_weight, u_ce, u_z = tangents
        if given.soft and (by_target is not None or wants[3]):
            return linear_reference.push(
                lambda *moved: linear_reference.grads(head, moved, given, wants),
                (*given[:4], *u),
                (*tangents[:4], u_ce, u_z),
            )
        rates = [torch.zeros_like(x) for x in compress(given, wants) if x is not None]
        if any(x is not None for x in along):
            parts = call(LinearHvp, head, wants[:3], *given, *u, *along)
            rates = [a + b for a, b in zip(rates, parts, strict=True)]
        if u_ce is not None or u_z is not None:
            parts = call(LinearGrad, head, wants, *given, u_ce, u_z)
            rates = [a + b for a, b in zip(rates, parts, strict=True)]
        return tuple(rates)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """A loop."""
        return one_by_one(LinearGrad.apply)(info, in_dims, *args)


class LinearJvp(Function):
    """<dC_n, v>, and that of lambda lse_n^2, along a direction of input, weight and bias."""

    @staticmethod
    def forward(head: Head, *args: Any) -> tuple[Tensor, ...]:
        """One walk, and one for the z-loss."""
        return linear_pieces.jvp(head, Given(*args[:5]), linear_pieces.direction(*args[5:]))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, 1)

    @staticmethod
    def backward(ctx: Any, *u: Tensor | None) -> tuple[Tensor | None, ...]:
        """By the direction the gradient, by the rest the Hessian times the direction."""
        (head,), needs = ctx.static, ctx.needs_input_grad[1:]
        given, along = Given(*ctx.saved_tensors[:5]), ctx.saved_tensors[5:]
        if given.soft and needs[3]:
            pulled = linear_reference.pull(
                lambda *moved: linear_reference.along(head, moved, given),
                (*given[:4], *along),
                (*needs[:4], *needs[5:]),
                u,
            )
            return None, *pulled[:4], None, *pulled[4:]
        factors = _two(u)
        parts = _wanted((*needs[:3], False), LinearHvp, head, needs[:3], *given, *factors, *along)
        by_direction = (*needs[5:], False)
        grads = _wanted(by_direction, LinearGrad, head, by_direction, *given, *factors)
        return None, *parts, None, *grads[:3]

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, *tangents: Any) -> tuple[Tensor, ...]:
        """Second order in forward mode alone: by torch operations."""
        (head,), saved = ctx.static, primals(ctx)
        given = Given(*saved[:5])
        return linear_reference.push(
            lambda *moved: linear_reference.along(head, moved, given),
            (*given[:4], *saved[5:]),
            (*tangents[:4], *tangents[5:]),
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """A loop."""
        return one_by_one(LinearJvp.apply)(info, in_dims, *args)


class LinearHvp(Function):
    """The derivative of LinearGrad's gradients by input, weight and bias along a direction."""

    @staticmethod
    def forward(head: Head, wants: tuple[bool, ...], *args: Any) -> tuple[Tensor, ...]:
        """One walk, or two where u and u' are not proportional."""
        along = linear_pieces.direction(*args[7:])
        given, u = Given(*args[:5]), Factors(*args[5:7])
        return tuple(linear_pieces.hvp(head, given, u, along, (*wants, False)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the inputs alone."""
        _keep(ctx, inputs, 2)

    @staticmethod
    def backward(ctx: Any, *v: Tensor | None) -> tuple[Tensor | None, ...]:
        """Third order: torch operations."""
        of, points = _hvp_of(ctx, ctx.saved_tensors)
        needs = ctx.needs_input_grad[2:]
        pulled = linear_reference.pull(of, points, (*needs[:4], *needs[5:]), v)
        return None, None, *pulled[:4], None, *pulled[4:]

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, __: None, *tangents: Any) -> tuple[Tensor, ...]:
        """Third order: torch operations."""
        of, points = _hvp_of(ctx, primals(ctx))
        return linear_reference.push(of, points, (*tangents[:4], *tangents[5:]))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """A loop."""
        return one_by_one(LinearHvp.apply)(info, in_dims, *args)


def _hvp_of(
    ctx: Any, saved: Sequence[Any]
) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor | None, ...]]:
    head, wants = ctx.static
    given = Given(*saved[:5])

    def of(*moved: Tensor | None) -> tuple[Tensor, ...]:
        return linear_reference.hvp(head, moved, given, wants)

    return of, (*given[:4], *saved[5:])


def _wanted(
    wants: tuple[bool, ...], function: type[Function], *args: Any
) -> tuple[Tensor | None, ...]:
    """Call for what is wanted, if anything, and put None in the other places."""
    found = iter(call(function, *args) if any(wants) else ())
    return tuple(next(found) if want else None for want in wants)


def _two(parts: tuple[Any, ...]) -> tuple[Any, Any]:
    return (*parts, None)[:2]


def _together(parts: tuple[Tensor, ...], dims: torch.Size) -> Tensor:
    return torch.stack(parts, 2) if dims else parts[0]


def _keep(ctx: Any, inputs: tuple[Any, ...], static: int) -> None:
    ctx.static = inputs[:static]
    ctx.save_for_backward(*inputs[static:])
    ctx.save_for_forward(*inputs[static:])
    ctx.set_materialize_grads(False)
