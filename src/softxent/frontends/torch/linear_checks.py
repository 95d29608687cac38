"""The shapes, dtypes and devices of a linear layer and its target: checked by looking at them."""

from __future__ import annotations

from torch import Tensor

from softxent.errors import describe, error
from softxent.frontends.torch.linear_native import Layer
from softxent.frontends.torch.settings import (
    Layout,
    Settings,
    check_floats,
    check_target,
    check_weights,
)


def check_layer(where: str, layer: Layer, settings: Settings) -> Layout:
    """Check a layer, its target and the options against each other."""
    x, weight, bias, target = layer
    parts = [("input", x), ("linear_weight", weight)]
    if bias is not None:
        parts.append(("linear_bias", bias))
    for name, tensor in parts:
        check_floats(where, name, tensor)
        if tensor.dtype is not x.dtype:
            raise error(
                TypeError,
                "linear-dtype",
                where,
                name,
                describe(tensor),
                f"{str(x.dtype).removeprefix('torch.')}, the dtype of input, which is "
                f"{describe(x)}",
                f"Convert one of them, for example {name}.to(input.dtype).",
            )
    _check_shapes(where, x, weight, bias)
    lead, n_classes = layer.lead, weight.shape[0]
    whole = (*lead, n_classes) if weight.ndim == 2 else (len(x), n_classes, *layer.dims)
    soft = check_target(where, target, lead, whole, settings.scalars.ignore_index)
    check_weights(where, settings, lead, n_classes)
    parts.append(("target", target))
    if settings.weight is not None:
        parts.append(("weight", settings.weight))
    if settings.row_weight is not None:
        parts.append(("row_weight", settings.row_weight))
    device = x.device
    for name, tensor in parts[1:]:
        if tensor.device != device:
            raise error(
                ValueError,
                "device",
                where,
                name,
                f"{describe(tensor)} on {tensor.device}",
                f"a tensor on {device}, where input is",
                f"Move it: {name}.to(input.device).",
            )
    return Layout(x.ndim - 1, lead, n_classes, soft)


def _check_shapes(where: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    name, tensor, expected = "linear_weight", weight, ""
    if weight.ndim < 2 or weight.shape[0] == 0:
        expected = "(V, D), or (V, d1, ..., dK, D), with at least one class"
    elif x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        name, tensor = "input", x
        expected = f"shape (..., {weight.shape[-1]}), linear_weight being {describe(weight)}"
    elif weight.ndim > 2 and x.ndim != 2:
        name, tensor = "input", x
        expected = f"shape (N, {weight.shape[-1]}), linear_weight being {describe(weight)}"
    elif bias is not None and bias.shape != weight.shape[:-1]:
        name, tensor = "linear_bias", bias
        expected = f"shape {tuple(weight.shape[:-1])}, linear_weight being {describe(weight)}"
    if expected:
        fix = "The logits are input @ linear_weight.T + linear_bias."
        raise error(ValueError, "linear-shape", where, name, describe(tensor), expected, fix)
