r"""Statistics of each row for PyTorch, for reinforcement learning and distillation.

Values come from the kernels where they run. Derivatives, of every order, are those of `reference`
some rows at a time (`chunked`), so that the linear layer never holds N x V numbers either way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from softxent.contracts import IGNORE, Array, bind_rows, loss_dtype
from softxent.errors import error
from softxent.frontends.steps import checked_tally
from softxent.frontends.torch import linear_native, native, reference
from softxent.frontends.torch.arrays import LOSS_DTYPES, from_numpy, to_numpy
from softxent.frontends.torch.by_reference import check_class_indices
from softxent.frontends.torch.chunked import Outputs, chunked, chunked_rows
from softxent.frontends.torch.implementations import pick
from softxent.frontends.torch.linear import autocast_layer
from softxent.frontends.torch.linear_checks import check_layer
from softxent.frontends.torch.linear_native import Head, Layer
from softxent.frontends.torch.linear_pieces import Given
from softxent.frontends.torch.linear_transforms import join, split, split_rows
from softxent.frontends.torch.reference_linear import linear_logits, rows_for
from softxent.frontends.torch.settings import MAX_MEMORY, Scalars, Settings, bind_settings, layout
from softxent.kernels import chunks
from softxent.kernels.budget import parse_memory
from softxent.kernels.registry import Kernels

F = TypeVar("F", bound=Callable[..., Any])


class CrossEntropyStats(NamedTuple):
    """Statistics of each row, not reduced; the floats are differentiable, the integers are not.

    Of an ignored row the floats are 0 and the integers -1; of a row with NaN, with +inf or all -inf
    in its logits they are NaN and -1.
    """

    loss: Tensor
    """The row's cross-entropy, weighted and smoothed, without the z-loss."""
    z_loss: Tensor
    """lambda lse^2."""
    logprob: Tensor
    """log y_t; for a soft target the sum of t_k log y_k; neither weighted nor smoothed."""
    entropy: Tensor
    """The entropy of the probabilities, in nats."""
    lse: Tensor
    """The log-sum-exp of the logits, after softcap and temperature."""
    prediction: Tensor
    """The first class of the largest logit, int64."""
    rank: Tensor
    """How many classes have a larger logit than the target's (0 is best), int64; -1 for a soft
    target."""


def cross_entropy_stats(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int | None = IGNORE,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: Tensor | None = None,
    axis: int | None = None,
    check_targets: bool = False,
    implementation: str | None = None,
) -> CrossEntropyStats:
    r"""Loss, log-probability, entropy, log-sum-exp, prediction and rank of each row, in one call.

    .. math:: H = -\sum_{k} y_k \log y_k

    Arguments, errors: as `softxent.torch.cross_entropy`. row_weight multiplies loss and z_loss.

    Returns:
        CrossEntropyStats: tensors of the rows' shape, the floats in the loss's dtype. These have
        derivatives of every order, by a soft target and row_weight too.

    Accuracy and memory: the values are those of `softxent.cross_entropy_stats`, 7 numbers a row;
    the derivatives are torch operations in float64, some rows at a time.

    Source: `softxent.formula`, "entropy".

    >>> import torch
    >>> from softxent.torch import cross_entropy_stats
    >>> logits = torch.tensor([[2.0, 1.0, 0.1], [0.0, 3.0, 0.0]], requires_grad=True)
    >>> stats = cross_entropy_stats(logits, torch.tensor([0, 2]))
    >>> stats.prediction, stats.rank
    (tensor([0, 1]), tensor([0, 1]))
    >>> (stats.entropy.sum() - stats.logprob.sum()).backward()
    >>> logits.grad
    tensor([[-0.6242,  0.3807,  0.2435],
            [ 0.1688,  0.6624, -0.8312]])
    """
    where = "cross_entropy_stats"
    if type(input) is not Tensor and has_torch_function_variadic(input, target):
        return handle_torch_function(
            cross_entropy_stats,
            (input, target),
            input,
            target,
            weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            row_weight=row_weight,
            axis=axis,
            check_targets=check_targets,
            implementation=implementation,
        )
    settings = bind_settings(
        where,
        weight=weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        temperature=temperature,
        softcap=softcap,
        z_loss=z_loss,
        row_weight=row_weight,
        check_targets=check_targets,
    )
    shape = layout(where, input, target, axis, settings)
    check_class_indices(where, target, shape, settings)
    z = input.movedim(shape.axis, -1)
    hard, soft = (None, target.movedim(shape.axis, -1)) if shape.soft else (target, None)
    s, dtype = settings.scalars, LOSS_DTYPES[input.dtype]
    rows = (hard, soft, row_weight)
    if torch.compiler.is_compiling():
        return CrossEntropyStats(*_by_operations(s, dtype, z, *rows, weight))
    kernels = pick(where, implementation, input)
    values = None if kernels is None else partial(_by_kernels, kernels, where, s)
    outputs = chunked_rows(partial(_by_operations, s, dtype), z, rows, (weight,), values=values)
    return CrossEntropyStats(*outputs)


def linear_cross_entropy_stats(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: Tensor | None = None,
    max_memory: int | str = MAX_MEMORY,
    check_targets: bool = False,
    implementation: str | None = None,
) -> CrossEntropyStats:
    r"""`cross_entropy_stats` of the logits of a linear layer, without ever holding N x V of them.

    .. math:: z_{no} = \sum_{d} x_{nd} W_{od} + b_o

    Arguments, errors: as `softxent.torch.linear_cross_entropy`, without `reduction`. row_weight
    multiplies loss and z_loss.

    Returns:
        CrossEntropyStats: tensors of the rows' shape, the floats in the loss's dtype. These have
        derivatives of every order by input, weight, bias, soft target and row_weight.

    Raises:
        NotImplementedError: inside torch.compile with fullgraph=True.

    Accuracy and memory: given the logits that the product returned, the values are those of
    `softxent.linear_cross_entropy_stats`, inside `max_memory`. Derivatives walk through the rows
    again, in torch operations: inside `max_memory`, but at least one row at a time, and for
    bfloat16 and float16 a float32 copy of the weight.

    Source: `softxent.formula`, "output-neuron", "entropy".

    >>> import torch
    >>> from softxent.torch import linear_cross_entropy_stats
    >>> x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> stats = linear_cross_entropy_stats(x, w, torch.tensor([2]))
    >>> stats.logprob, stats.prediction
    (tensor([-0.4076]), tensor([2]))
    """
    where = "linear_cross_entropy_stats"
    if has_torch_function_variadic(input, linear_weight, target):
        return handle_torch_function(
            linear_cross_entropy_stats,
            (input, linear_weight, target),
            input,
            linear_weight,
            target,
            linear_bias=linear_bias,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            row_weight=row_weight,
            max_memory=max_memory,
            check_targets=check_targets,
            implementation=implementation,
        )
    settings = bind_settings(
        where,
        weight=weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        temperature=temperature,
        softcap=softcap,
        z_loss=z_loss,
        row_weight=row_weight,
        check_targets=check_targets,
    )
    if torch.compiler.is_compiling():
        raise error(
            NotImplementedError,
            "transform",
            where,
            "a call",
            "inside torch.compile(fullgraph=True)",
            "a call outside of compiled functions",
            "Leave fullgraph out, and the compiler calls it as it is.",
        )
    layer = Layer(input, linear_weight, linear_bias, target)
    return _outside_of_the_compiler(_of_layer)(where, layer, settings, max_memory, implementation)


def _of_layer(
    where: str, layer: Layer, settings: Settings, max_memory: object, implementation: str | None
) -> CrossEntropyStats:
    layer = autocast_layer(layer)
    shape = check_layer(where, layer, settings)
    budget = parse_memory(where, max_memory)
    check_class_indices(where, layer.target, shape, settings)
    head = Head(pick(where, implementation, layer.input), where, settings, budget)
    heads = split(layer, settings.weight)
    factors: Sequence[Tensor | None] = [None] * len(heads)
    if settings.row_weight is not None:
        factors = split_rows(settings.row_weight, layer)
    pairs = zip(heads, factors, strict=True)
    parts = [_of_one_head(head, given, factor) for given, factor in pairs]
    return CrossEntropyStats(*(join(of_heads, layer) for of_heads in zip(*parts, strict=True)))


def _by_operations(
    s: Scalars,
    dtype: torch.dtype,
    z: Tensor,
    target: Tensor | None,
    soft: Tensor | None,
    row_weight: Tensor | None,
    weight: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the statistics in torch operations, rounded to the loss's dtype."""
    stats = reference.row_stats(z, target, soft, weight, s)
    return _rounded(stats, target, row_weight, s, dtype)


def _by_kernels(
    kernels: Kernels,
    where: str,
    s: Scalars,
    z: Tensor,
    target: Tensor | None,
    soft: Tensor | None,
    row_weight: Tensor | None,
    weight: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the statistics by the kernels."""
    options = native.numpy_options(where, Settings(s, "none", weight=weight, row_weight=row_weight))
    chosen = soft if target is None else target
    if chosen is None:
        raise TypeError("a problem has a target")
    rows = bind_rows(where, to_numpy(z), to_numpy(chosen), -1, options)
    checked_tally(where, kernels, rows)
    floats, ints = _empty(rows.n_rows, loss_dtype(rows.logits.dtype))
    kernels.stats(rows, floats, ints)
    return tuple(from_numpy(x).view(rows.lead) for x in (*floats, *ints))


def _of_one_head(head: Head, given: Given, row_weight: Tensor | None) -> tuple[Tensor, ...]:
    """Return the statistics of one position of d1, ..., dK, of shape (N,)."""
    s, dtype = head.settings.scalars, LOSS_DTYPES[given.input.dtype]
    hard, soft = (None, given.target) if given.soft else (given.target, None)

    def operations(
        x: Tensor,
        target: Tensor | None,
        soft: Tensor | None,
        row_weight: Tensor | None,
        w: Tensor,
        b: Tensor | None,
        weight: Tensor | None,
    ) -> Outputs:
        z = linear_logits(x, target, w, b, s)
        return _by_operations(s, dtype, z, target, soft, row_weight, weight), ()

    def kernels(
        x: Tensor,
        target: Tensor | None,
        soft: Tensor | None,
        row_weight: Tensor | None,
        w: Tensor,
        b: Tensor | None,
        weight: Tensor | None,
    ) -> Outputs:
        settings = Settings(s, "none", weight=weight, row_weight=row_weight)
        chosen = soft if target is None else target
        layer = Layer(x, w, b, given.target if chosen is None else chosen)
        problem = linear_native.bind(head._replace(settings=settings), layer).problems[0]
        floats, ints = _empty(problem.rows.n_rows, loss_dtype(problem.input.dtype))
        floats[...], ints[...] = 0.0, -1  # what ignored rows keep
        chunks.stats(problem, floats, ints)
        return tuple(from_numpy(row) for row in (*floats, *ints)), ()

    n_classes, n_features = given.weight.shape
    rows = rows_for(
        head.max_memory,
        n_classes,
        n_features,
        given.input.dtype,
        dense=given.soft or s.label_smoothing != 0.0,
        capped=s.softcap is not None,
        walk="stats",
    )
    outputs, _ = chunked(
        operations,
        (given.input, hard, soft, row_weight),
        (given.weight, given.bias, given.class_weight),
        rows,
        values=None if head.kernels is None else kernels,
    )
    return outputs


def _rounded(
    stats: reference.RowStats,
    target: Tensor | None,
    row_weight: Tensor | None,
    s: Scalars,
    dtype: torch.dtype,
) -> tuple[Tensor, ...]:
    """Multiply loss and z-loss by the rows' weights, and round the floats once."""
    loss, z_loss, *rest = stats
    if row_weight is not None:
        r = row_weight.to(loss.dtype)
        if target is not None:
            r = torch.where(target == s.ignore_index, 0.0, r)
        # 0 times infinity is 0
        loss, z_loss = (r * torch.where((r == 0) & x.isinf(), 0.0, x) for x in (loss, z_loss))
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in (loss, z_loss, *rest))


def _outside_of_the_compiler(function: F) -> F:
    """After a graph break torch.compile looks into all that is called, but not into this one."""
    if "torch._dynamo" not in sys.modules:  # importing it takes seconds
        return function
    disabled: F = torch.compiler.disable(function)
    return disabled


def _empty(n_rows: int, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
    return np.empty((5, n_rows), dtype), np.empty((2, n_rows), np.int64)
