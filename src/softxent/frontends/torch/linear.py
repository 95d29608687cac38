r"""The linear layer and its softmax cross-entropy for PyTorch, never holding N x V logits.

`torch.nn.functional.linear_cross_entropy`'s signature, with every option and every transform.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from softxent.contracts import IGNORE
from softxent.frontends.torch import (
    by_reference,
    linear_compiled,
    linear_direct,
    linear_eager,
    linear_native,
    linear_reference,
    linear_transforms,
)
from softxent.frontends.torch.chunked import WIDE_BYTES
from softxent.frontends.torch.cross_entropy import is_transformed
from softxent.frontends.torch.implementations import REFERENCE, pick
from softxent.frontends.torch.linear_checks import check_layer
from softxent.frontends.torch.linear_native import Head, Layer
from softxent.frontends.torch.settings import MAX_MEMORY, bind_settings
from softxent.kernels.budget import LinearPlan, parse_memory
from softxent.kernels.walk import LinearGrads, Walk


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: object = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: Tensor | None = None,
    empty: str = "zero",
    normalizer: float | Tensor | None = None,
    max_memory: int | str = MAX_MEMORY,
    check_targets: bool = False,
    implementation: str | None = None,
) -> Tensor:
    r"""Softmax cross-entropy of the logits of a linear layer, differentiable to every order.

    .. math:: z_{no} = \sum_{d} x_{nd} W_{od} + b_o

    .. math:: C = -\sum_{k} t_k \log y_k

    The arguments up to `options` are those of `torch.nn.functional.linear_cross_entropy`.

    Arguments:
        input: (..., D) float32, float64, bfloat16 or float16.
        linear_weight: (V, D), or (V, d1, ..., dK, D) for so many heads on one input (N, D); of the
            input's dtype.
        target: class indices in [0, V) of any integer dtype, of shape (...), or (N, d1, ..., dK);
            or floats (..., V), or (N, V, d1, ..., dK), a soft target, which may require grad. A row
            of class `ignore_index` counts nothing and is not read.
        linear_bias: (V,), or (V, d1, ..., dK); None is zero. -inf masks a class.
        weight: (V,) class weights >= 0.
        reduction: "mean", "sum" or "none" (a loss for each row).
        ignore_index: None means -100.
        label_smoothing: eps in [0, 1].
        options: accepted as PyTorch takes it, and not looked at: `max_memory` does its work.
        temperature, softcap, z_loss, row_weight, empty, normalizer, check_targets: see
            `softxent.torch.cross_entropy`.
        max_memory: how many bytes of scratch at most: an integer, or text such as "256MiB", "1GiB",
            "500MB". More of it is fewer chunks and less time; `linear_cross_entropy_plan` says
            what a call does with it.
        implementation: "native" (CPU), "reference" (torch operations, any device), or None for the
            best that can run.

    Returns:
        The loss in nats: float64 for float64 inputs, float32 otherwise. Of no axes, or with
        reduction="none" of the target's rows' shape. Under autocast input, weight and bias are cast
        to its dtype, and the loss is float32.

    Raises:
        TypeError: a tensor of a dtype that is not accepted, tensors of different dtypes.
        ValueError: shapes that do not fit, an option outside its range, a max_memory that cannot
            hold one row (it says how many bytes would).
        IndexError: a class index outside [0, V), on the CPU or with check_targets; names its row.
        NotImplementedError: `weight` requires grad.

    Accuracy and memory: that of `softxent.linear_cross_entropy_with_grad`; bfloat16 logits are
    rounded to bfloat16 on CPUs that multiply it, and their weight gradient is summed over chunks in
    float32 and rounded once. The gradients are made together with the loss, three products in all,
    and only those that something requires. Beside them `max_memory`, a few numbers per row, and for
    bfloat16 and float16 that sum, 4 V D bytes. Derivatives of third and higher order are torch
    operations. vmap takes its batch one by one.

    Source: `softxent.formula`, "output-neuron", "cross-entropy".

    >>> import torch
    >>> from softxent.torch import linear_cross_entropy
    >>> x = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
    >>> w = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)
    >>> loss = linear_cross_entropy(x, w, torch.tensor([2, 0]))
    >>> loss.backward()
    >>> loss, w.grad
    (tensor(0.4360, grad_fn=<LinearCrossEntropyBackward>), tensor([[-0.0479,  0.2758],
            [ 0.1574,  0.1746],
            [-0.1096, -0.4504]]))
    """
    if has_torch_function_variadic(input, linear_weight, target):
        return handle_torch_function(
            linear_cross_entropy,
            (input, linear_weight, target),
            input,
            linear_weight,
            target,
            linear_bias=linear_bias,
            weight=weight,
            reduction=reduction,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            options=options,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            row_weight=row_weight,
            empty=empty,
            normalizer=normalizer,
            max_memory=max_memory,
            check_targets=check_targets,
            implementation=implementation,
        )
    where = "linear_cross_entropy"
    settings = bind_settings(
        where,
        weight=weight,
        ignore_index=IGNORE if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        temperature=temperature,
        softcap=softcap,
        z_loss=z_loss,
        row_weight=row_weight,
        empty=empty,
        normalizer=normalizer,
        check_targets=check_targets,
    )
    layer = Layer(input, linear_weight, linear_bias, target)
    cast = autocast_layer(layer)
    if cast is not layer:
        with torch.autocast(input.device.type, enabled=False):
            return _loss(where, cast, settings, max_memory, implementation)
    return _loss(where, layer, settings, max_memory, implementation)


def linear_cross_entropy_plan(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    max_memory: int | str = MAX_MEMORY,
    implementation: str | None = None,
    **options: Any,
) -> LinearPlan:
    """Say what `linear_cross_entropy` would do with its memory budget, and who multiplies.

    Arguments, errors: as `linear_cross_entropy`. Gradients are planned for what requires grad,
    unless grad mode is off.

    Returns:
        LinearPlan: rows per chunk, chunks (of all positions of d1, ..., dK), scratch and
        accumulator in bytes, tile, who multiplies.

    Accuracy and memory: the scratch is what the call will allocate; no product is computed.

    >>> import torch
    >>> from softxent.torch import linear_cross_entropy_plan
    >>> x, w = torch.zeros(2048, 512), torch.zeros(32000, 512)
    >>> plan = linear_cross_entropy_plan(x, w, torch.zeros(2048, dtype=torch.long))
    >>> plan.scratch_bytes <= 256 * 2**20
    True
    """
    where = "linear_cross_entropy"
    options.pop("options", None)
    settings = bind_settings(where, **{"ignore_index": None, **options})
    layer = Layer(input, linear_weight, linear_bias, target)
    check_layer(where, layer, settings)
    budget = parse_memory(where, max_memory)
    kernels = pick(where, implementation, input)
    n_rows, n_classes = prod(input.shape[:-1]), linear_weight.shape[0]
    n_heads = prod(linear_weight.shape[1:-1])
    if kernels is None:
        rows = max(1, min(n_rows, budget // (n_classes * WIDE_BYTES)))
        chunks = -(-n_rows // rows) * n_heads
        return LinearPlan(rows, chunks, rows * n_classes * WIDE_BYTES, 0, 0, "torch")
    problem = linear_native.bind(Head(kernels, where, settings, budget), layer).problems[0]
    out = LinearGrads()
    if torch.is_grad_enabled():
        parts = (problem.input, problem.weight, problem.bias)
        out = LinearGrads(
            *(
                np.empty(part.shape, part.dtype)  # never touched, so it takes no memory
                if part is not None and x is not None and x.requires_grad
                else None
                for part, x in zip(parts, layer, strict=False)
            )
        )
    plan = Walk(problem, out).plan
    if linear_direct.fits(problem):
        plan = plan._replace(blas="torch")
    return plan._replace(chunks=plan.chunks * n_heads, accumulator_bytes=plan.accumulator_bytes)


def _loss(
    where: str, layer: Layer, settings: Any, max_memory: object, implementation: str | None
) -> Tensor:
    layout = check_layer(where, layer, settings)
    budget = parse_memory(where, max_memory)
    if torch.compiler.is_compiling() and (
        implementation != REFERENCE and layer.input.device.type == "cpu"
    ):
        return linear_compiled.linear_cross_entropy(layer, settings, budget, implementation)
    kernels = pick(where, implementation, layer.input)
    row_weight = settings.row_weight
    if kernels is None or torch.compiler.is_compiling():
        by_reference.check_class_indices(where, layer.target, layout, settings)
        head = Head(kernels, where, settings, budget)
        return linear_transforms.reduced(head, layer, linear_reference.rows)
    head = Head(kernels, where, settings, budget)
    if is_transformed(*layer, row_weight) or (row_weight is not None and row_weight.requires_grad):
        return linear_transforms.linear_cross_entropy(head, layer)
    return linear_eager.linear_cross_entropy(head, layer)


def autocast_layer(layer: Layer) -> Layer:
    """Return the layer in autocast's dtype where autocast is on, else itself."""
    if not torch._C._is_any_autocast_enabled():
        return layer
    x, weight, bias, target = layer
    device = getattr(getattr(x, "device", None), "type", "cpu")
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return layer
    dtype = torch.get_autocast_dtype(device)
    bias = None if bias is None else _cast(bias, dtype)
    return Layer(_cast(x, dtype), _cast(weight, dtype), bias, target)


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """As autocast does: float64 stays, and what is no float, which is an error."""
    return x.to(dtype) if x.dtype in (torch.float32, torch.bfloat16, torch.float16) else x
