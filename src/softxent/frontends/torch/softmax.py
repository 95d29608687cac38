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
from softxent.frontends.torch.settings import check_floats, class_axis, no_classes, slope
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

    where :math:`y = \operatorname{softmax}(z)`.

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
    if input.shape[axis] == 0:
        raise no_classes(where, input)
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
        """Keep the output; the logits where the soft cap needs them, or 16 bits say too little."""
        ctx.kernels, ctx.log, ctx.temperature, ctx.softcap, z = inputs
        kept = (output,) if ctx.softcap is None and z.itemsize > 2 else (output, z)
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
        y, v = _values(ctx, out, *z), tangents[4].to(wide_dtype(out.device))
        v = v * _slope(ctx, *z)
        # From the arg-max on, so that nothing cancels there: v - <y, v> does not change.
        v = v - v.gather(-1, y.argmax(-1, keepdim=True))
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
    y, u = _values(ctx, out, *z), u.to(wide_dtype(out.device))
    top = y.argmax(-1, keepdim=True)
    if ctx.log:
        # u - y sum u; at the arg-max u (1 - y) - y (the others' u), with 1 - y the others' sum
        y, total = y.exp(), u.sum(-1, keepdim=True)
        rest = y.scatter(-1, top, 0.0).sum(-1, keepdim=True)
        is_top = torch.arange(y.shape[-1], device=y.device) == top
        bent = torch.where(is_top, u * rest - y * (total - u), u - y * total)
    else:
        # y (u - <y, u>), from the arg-max on, so that nothing cancels there
        u = u - u.gather(-1, top)
        bent = y * (u - (y * u).sum(-1, keepdim=True))
    return (bent * _slope(ctx, *z)).to(out.dtype)


def _values(ctx: Any, out: Tensor, *z: Tensor) -> Tensor:
    """Return the output in the wide dtype, of 16-bit logits made again."""
    if out.itemsize > 2:
        return out.to(wide_dtype(out.device))
    return call(Softmax, ctx.kernels, ctx.log, ctx.temperature, ctx.softcap, _wide(z[0]))


def _wide(x: Tensor) -> Tensor:
    return x.to(wide_dtype(x.device))


def _slope(ctx: Any, *z: Tensor) -> Tensor | float:
    if ctx.softcap is None:
        return 1.0 / ctx.temperature
    return slope(_wide(z[0]), ctx.temperature, ctx.softcap)


def _blocks(x: Tensor) -> Iterator[Any]:
    """Index rows along the first axis, about a million numbers at a time."""
    if x.ndim == 1:
        yield slice(None)
        return
    step = max(1, (1 << 20) * x.shape[0] // max(x.numel(), 1))
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)
