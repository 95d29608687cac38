r"""Softmax and log-softmax of tensors, with derivatives of every order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.contracts import checked_number
from softxent.frontends.torch import reference
from softxent.frontends.torch.arrays import empty, to_numpy
from softxent.frontends.torch.batches import call
from softxent.frontends.torch.forward_mode import nestable, primals
from softxent.frontends.torch.implementations import pick
from softxent.frontends.torch.reduction import wide_dtype
from softxent.frontends.torch.settings import check_floats, class_axis, slope
from softxent.kernels.registry import Kernels


def softmax(
    input: Tensor,
    dim: int = -1,
    dtype: torch.dtype | None = None,
    *,
    temperature: float = 1.0,
    softcap: float | None = None,
    implementation: str | None = None,
) -> Tensor:
    r"""Softmax of a tensor of logits.

    .. math:: y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}

    The first three arguments are those of `torch.softmax`.

    Arguments:
        input: logits in nats, float32, float64, bfloat16 or float16.
        dim: the class axis.
        dtype: what the logits are converted to first.
        temperature: T > 0 divides the logits.
        softcap: c > 0: the logits become c tanh(z / c), before the temperature.
        implementation: "native" (CPU), "reference" (torch operations, any device), or None.

    Returns:
        Probabilities, of the input's shape and dtype.

    Raises:
        TypeError: an input of a dtype that is not accepted.
        ValueError: no classes, a `dim` that the input does not have, an option outside its range.

    Accuracy and memory: at most 6 ULP. The output, and one row for each thread.

    Source: `softxent.formula`, "softmax".

    >>> import torch
    >>> from softxent.torch import softmax
    >>> softmax(torch.tensor([2.0, 1.0, 0.1]))
    tensor([0.6590, 0.2424, 0.0986])
    """
    return _softmax("softmax", False, input, dim, dtype, temperature, softcap, implementation)


def log_softmax(
    input: Tensor,
    dim: int = -1,
    dtype: torch.dtype | None = None,
    *,
    temperature: float = 1.0,
    softcap: float | None = None,
    implementation: str | None = None,
) -> Tensor:
    r"""Logarithm of the softmax of a tensor of logits.

    .. math:: \log y_k = z_k - \log \sum_{j} e^{z_j}

    Arguments, errors, memory: as `softmax`.

    Returns:
        Log-probabilities in nats, of the input's shape and dtype, at most 4 ULP off.

    Source: `softxent.formula`, "log-softmax".

    >>> import torch
    >>> from softxent.torch import log_softmax
    >>> log_softmax(torch.tensor([2.0, 1.0, 0.1]))
    tensor([-0.4170, -1.4170, -2.3170])
    """
    return _softmax("log_softmax", True, input, dim, dtype, temperature, softcap, implementation)


def _softmax(
    where: str,
    log: bool,
    input: Tensor,
    dim: int,
    dtype: torch.dtype | None,
    temperature: float,
    softcap: float | None,
    implementation: str | None,
) -> Tensor:
    check_floats(where, "input", input)
    axis = class_axis(where, input, dim, "dim")
    temperature = checked_number(where, "temperature", temperature)
    softcap = None if softcap is None else checked_number(where, "softcap", softcap)
    z = (input if dtype is None else input.to(dtype)).movedim(axis, -1)
    if torch.compiler.is_compiling() or (kernels := pick(where, implementation, input)) is None:
        function = reference.log_softmax if log else reference.softmax
        y = function(z.to(wide_dtype(z.device)), temperature, softcap).to(z.dtype)
    else:
        y = call(Softmax, kernels, log, temperature, softcap, z)
    return y.movedim(-1, axis)


class Softmax(Function):
    """Softmax or log-softmax along the last axis."""

    @staticmethod
    def forward(
        kernels: Kernels, log: bool, temperature: float, softcap: float | None, z: Tensor
    ) -> Tensor:
        """Run the kernel."""
        y, array = empty(tuple(z.shape), z.dtype)
        kernels.softmax(to_numpy(z), array, log=log, temperature=temperature, softcap=softcap)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the output, and the logits where the soft cap needs them."""
        _, ctx.log, ctx.temperature, ctx.softcap, z = inputs
        kept = (output,) if ctx.softcap is None else (output, z)
        ctx.save_for_backward(*kept)
        ctx.save_for_forward(*kept)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        """u times the Jacobian; in blocks of rows unless it is differentiated again."""
        kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return None, None, None, None, _pull(ctx, u, *kept)
        grad = torch.empty_like(u, memory_format=torch.contiguous_format)
        for rows in _blocks(u):
            grad[rows] = _pull(ctx, u[rows], *(x[rows] for x in kept))
        return None, None, None, None, grad

    @staticmethod
    @nestable
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        """The Jacobian times a tangent."""
        out, *z = primals(ctx)
        wide = wide_dtype(out.device)
        y, v = out.to(wide), tangents[4].to(wide)
        v = v * _slope(ctx, *z)
        if ctx.log:
            # v - <y, v>
            return (v - (y.exp() * v).sum(-1, keepdim=True)).to(out.dtype)
        # y (v - <y, v>)
        return (y * (v - (y * v).sum(-1, keepdim=True))).to(out.dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        """A batch is more rows."""
        return call(Softmax, *args[:4], args[4].movedim(in_dims[4], 0)), 0


def _pull(ctx: Any, u: Tensor, out: Tensor, *z: Tensor) -> Tensor:
    wide = wide_dtype(out.device)
    y, u = out.to(wide), u.to(wide)
    if ctx.log:
        # J (u - y sum u)
        bent = u - y.exp() * u.sum(-1, keepdim=True)
    else:
        # J y (u - <y, u>)
        bent = y * (u - (y * u).sum(-1, keepdim=True))
    return (bent * _slope(ctx, *z)).to(out.dtype)


def _slope(ctx: Any, *z: Tensor) -> Tensor | float:
    if not z:
        return 1.0 / ctx.temperature
    return slope(z[0].to(wide_dtype(z[0].device)), ctx.temperature, ctx.softcap)


def _blocks(x: Tensor) -> Iterator[Any]:
    """Index rows along the first axis, about a million numbers at a time."""
    if x.ndim == 1:
        yield slice(None)
        return
    step = max(1, (1 << 20) * x.shape[0] // max(x.numel(), 1))
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)
