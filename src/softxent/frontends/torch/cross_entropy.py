r"""Softmax cross-entropy for PyTorch: `torch.nn.functional.cross_entropy`'s signature, and more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from softxent.contracts import IGNORE
from softxent.frontends.torch import by_reference, compiled, eager, transforms
from softxent.frontends.torch.forward_mode import any_dual
from softxent.frontends.torch.implementations import REFERENCE, pick
from softxent.frontends.torch.settings import bind_settings, layout


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int | None = IGNORE,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: Tensor | None = None,
    empty: str = "zero",
    normalizer: float | Tensor | None = None,
    axis: int | None = None,
    inplace: bool = False,
    check_targets: bool = False,
    implementation: str | None = None,
) -> Tensor:
    r"""Softmax cross-entropy of logits and a target, differentiable to every order.

    .. math:: C = -\sum_{k} t_k \log y_k

    The arguments up to `label_smoothing` are those of `torch.nn.functional.cross_entropy`, in its
    order.

    Arguments:
        input: logits (C), (N, C) or (N, C, d1, ...), in nats: float32, float64, bfloat16 or
            float16, of any strides. A logit of -inf is a mask; a row that is all -inf or holds
            +inf or NaN has the loss NaN.
        target: class indices in [0, C), of the input's shape without the class axis and any integer
            dtype; or floats of the input's shape, a soft target t, which need not sum to 1 and may
            require grad. A row of class `ignore_index` counts nothing and is not read.
        weight: (C,) class weights >= 0.
        size_average, reduce: deprecated in PyTorch, and read as PyTorch reads them.
        ignore_index: None means -100.
        reduction: "mean", "sum" or "none" (a loss for each row).
        label_smoothing: eps in [0, 1].
        temperature: T > 0 divides the logits.
        softcap: c > 0: the logits become c tanh(z / c), before the temperature.
        z_loss: lambda >= 0 adds lambda lse^2 to each row that counts.
        row_weight: one factor >= 0 for each row, of the rows' shape; may require grad.
        empty: what a mean over nothing is: "zero" (joined to the graph), "nan" or "raise".
        normalizer: a number or a tensor of one, which the mean divides by instead of the weights
            and the number of rows: with the count of a whole batch, the losses and gradients of its
            parts add up to those of the whole. 0 makes the mean empty.
        axis: the class axis; None is PyTorch's rule, 1 or for one row 0. -1 suits (B, T, V).
        inplace: the gradient overwrites the logits, which must be the result of an operation and
            are gone: one backward, of first order. The fastest and leanest; without a gradient to
            make nothing is overwritten.
        check_targets: on an accelerator, raise for a class index out of range (which waits for the
            device) instead of making its row NaN. The CPU always raises.
        implementation: "native" (CPU), "reference" (torch operations, any device), or None for the
            best that can run.

    Returns:
        The loss in nats: float64 for float64 logits, float32 otherwise. Of no axes, or with
        reduction="none" of the rows' shape.

    Raises:
        TypeError: a tensor of a dtype that is not accepted, an option of the wrong type.
        ValueError: shapes that do not fit, an option outside its range.
        IndexError: a class index outside [0, C), on the CPU or with check_targets; names its row.
        NotImplementedError: `weight` requires grad; a second derivative with `inplace`.

    Accuracy and memory: that of `softxent.cross_entropy` and `softxent.cross_entropy_with_grad`;
    bfloat16 and float16 gradients are rounded once, an upstream factor inside. Beside the gradient,
    one row for each thread. Derivatives of third and higher order are torch operations in float64.

    Source: `softxent.formula`, "cross-entropy", "gradient".

    >>> import torch
    >>> from softxent.torch import cross_entropy
    >>> logits = torch.tensor([[2.0, 1.0, 0.1]], requires_grad=True)
    >>> loss = cross_entropy(logits, torch.tensor([0]))
    >>> loss.backward()
    >>> loss, logits.grad
    (tensor(0.4170, grad_fn=<CrossEntropyBackward>), tensor([[-0.3410,  0.2424,  0.0986]]))
    """
    where = "cross_entropy"
    if type(input) is not Tensor and has_torch_function_variadic(input, target):
        return handle_torch_function(
            cross_entropy,
            (input, target),
            input,
            target,
            weight,
            size_average,
            ignore_index,
            reduce,
            reduction,
            label_smoothing,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            row_weight=row_weight,
            empty=empty,
            normalizer=normalizer,
            axis=axis,
            inplace=inplace,
            check_targets=check_targets,
            implementation=implementation,
        )
    settings = bind_settings(
        where,
        weight=weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        temperature=temperature,
        softcap=softcap,
        z_loss=z_loss,
        row_weight=row_weight,
        empty=empty,
        normalizer=normalizer,
        check_targets=check_targets,
        size_average=size_average,
        reduce=reduce,
    )
    shape = layout(where, input, target, axis, settings)
    if torch.compiler.is_compiling():
        if implementation == REFERENCE or input.device.type != "cpu":
            return by_reference.cross_entropy(where, input, target, shape, settings)
        return compiled.cross_entropy(input, target, shape, settings, implementation)
    kernels = pick(where, implementation, input)
    if kernels is None:
        return by_reference.cross_entropy(where, input, target, shape, settings)
    if is_transformed(input, target, row_weight) or compiled.follows(row_weight):
        if compiled.is_single_grad(input, target) and not compiled.follows(row_weight):
            return compiled.cross_entropy(input, target, shape, settings, implementation)
        z = input.movedim(shape.axis, -1)
        t = target.movedim(shape.axis, -1) if shape.soft else target
        return transforms.cross_entropy(kernels, where, z, t, shape.soft, settings)
    return eager.cross_entropy(kernels, where, input, target, shape, settings, inplace)


def is_transformed(*tensors: Tensor | None) -> bool:
    """Say whether torch.func or forward-mode differentiation looks at these tensors."""
    return torch._C._are_functorch_transforms_active() or any_dual(*tensors)
