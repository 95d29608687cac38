"""Pieces of the linear loss for the transforms: losses of rows and their derivatives, by walks.

All of one position: input (N, D), weight (V, D), bias (V,) or None, target (N,) class indices or a
soft (N, V); `class_weight` (V,) or None. The losses C_n and the z-losses lambda lse_n^2 stay apart,
each with row factors u of its own. No autograd here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from softxent.contracts import Array, loss_dtype
from softxent.frontends.torch import linear_native
from softxent.frontends.torch.arrays import empty, from_numpy, to_numpy
from softxent.frontends.torch.linear_native import Head, Layer, Wants
from softxent.frontends.torch.settings import Settings
from softxent.kernels import chunks
from softxent.kernels.walk import LinearGrads, Problem


class Given(NamedTuple):
    """The tensors of a problem."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    target: Tensor
    class_weight: Tensor | None

    @property
    def soft(self) -> bool:
        """Whether the target is soft."""
        return self.target.is_floating_point()


class Factors(NamedTuple):
    """What C_n, and what lambda lse_n^2, is multiplied by: (N,) float64; None is 0."""

    ce: Tensor | None
    z: Tensor | None


_Write: TypeAlias = Callable[[Problem, list[Array | None], float, float], None]


def rows(head: Head, given: Given) -> tuple[Tensor, ...]:
    """Return C_n, and lambda lse_n^2 where lambda is not 0, in float64."""
    problem = _problem(head, given)
    n_rows, dtype = problem.rows.n_rows, loss_dtype(problem.input.dtype)
    if head.settings.scalars.z_loss == 0.0:
        by_row = np.zeros(n_rows, dtype)
        chunks.loss(problem, by_row)
        return (from_numpy(by_row).double(),)
    floats, ints = np.zeros((5, n_rows), dtype), np.empty((2, n_rows), np.int64)
    chunks.stats(problem, floats, ints)
    return from_numpy(floats[0]).double(), from_numpy(floats[1]).double()


def grads(head: Head, given: Given, u: Factors, wants: Wants) -> list[Tensor]:
    """Return the wanted gradients of sum u_n C_n + u'_n lambda lse_n^2."""
    problem = _problem(head, given)

    def write(problem: Problem, out: list[Array | None], ce: float, z: float) -> None:
        by_target = out[3]
        chunks.loss_and_gradients(problem, LinearGrads(*out[:3]), None, ce, z, by_target)

    return _summed(problem, given, u, wants, write)


def hvp(head: Head, given: Given, u: Factors, along: LinearGrads, wants: Wants) -> list[Tensor]:
    """Return the wanted gradients' derivative along a direction of input, weight and bias."""
    problem = _problem(head, given)

    def write(problem: Problem, out: list[Array | None], ce: float, z: float) -> None:
        chunks.hvp(problem, along, LinearGrads(*out[:3]), ce, z)

    return _summed(problem, given, u, wants, write)


def jvp(head: Head, given: Given, along: LinearGrads) -> tuple[Tensor, ...]:
    """Return the directional derivatives of C_n, and of lambda lse_n^2 where lambda is not 0."""
    problem = _problem(head, given)
    rates = []
    for ce, z in [(1.0, 0.0), (0.0, 1.0)][: 1 + (head.settings.scalars.z_loss != 0.0)]:
        by_row = np.zeros(problem.rows.n_rows, loss_dtype(problem.input.dtype))
        chunks.jvp(problem, along, by_row, ce, z)
        rates.append(from_numpy(by_row).double())
    return tuple(rates)


def direction(*tensors: Tensor | None) -> LinearGrads:
    """Return a direction as the walk takes it."""
    return LinearGrads(*(_array(x) for x in tensors))


def _array(x: Tensor | None) -> Array | None:
    """Return None for zeros too that autograd makes without memory."""
    return None if x is None or x._is_zerotensor() else to_numpy(x)


def _problem(head: Head, given: Given) -> Problem:
    # Row by row and unweighted: what rows are multiplied by, and how they are added, comes later.
    settings = Settings(head.settings.scalars, "none", weight=given.class_weight)
    layer = Layer(given.input, given.weight, given.bias, given.target)
    return linear_native.bind(head._replace(settings=settings), layer).problems[0]


def _summed(
    problem: Problem, given: Given, u: Factors, wants: Wants, write: _Write
) -> list[Tensor]:
    """Return the sums over the walks that the factors take."""
    likes = (given.input, given.weight, given.bias, given.target)
    chosen = [x for x, want in zip(likes, wants, strict=True) if want and x is not None]
    total: list[Tensor] = []
    for factors, ce, z in _walks(u):
        pairs = [empty(tuple(x.shape), x.dtype) for x in chosen]
        found = iter(pairs)
        out = [next(found)[1] if want else None for want in wants]
        write(linear_native.with_row_factors(problem, factors), out, ce, z)
        if total:
            for t, (more, _) in zip(total, pairs, strict=True):
                t += more
        else:
            total = [tensor for tensor, _ in pairs]
    return total or [torch.zeros_like(x) for x in chosen]


def _walks(u: Factors) -> Iterator[tuple[Array, float, float]]:
    """Yield (row factors, factor of C, factor of the z-loss): one walk if they are proportional."""
    ce, z = (None if x is None else x.astype(np.float64) for x in map(_array, u))
    if ce is not None and z is not None and ce.any():
        largest = int(np.abs(ce).argmax())
        ratio = float(z[largest] / ce[largest])
        if np.allclose(z, ratio * ce, rtol=1e-14, atol=0.0):
            yield ce, 1.0, ratio
            return
    if ce is not None:
        yield ce, 1.0, 0.0
    if z is not None:
        yield z, 0.0, 1.0
