"""The implementation "reference": torch operations, some rows at a time, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from softxent.contracts import class_index_error
from softxent.frontends.torch import native, reference
from softxent.frontends.torch.reduction import reduce_rows
from softxent.frontends.torch.settings import Layout, Settings, is_readable


def cross_entropy(
    where: str, logits: Tensor, target: Tensor, layout: Layout, settings: Settings
) -> Tensor:
    """Return the reduced loss."""
    s, weight = settings.scalars, settings.weight
    check_class_indices(where, target, layout, settings)
    z = logits.movedim(layout.axis, -1)
    t = target.movedim(layout.axis, -1) if layout.soft else target
    hard, soft = (None, t) if layout.soft else (t, None)
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        ce, lse = reference.row_losses(z, hard, soft, weight, s)
    else:
        ce, lse = reference.chunked_row_losses(z, hard, soft, weight, s)
    return reduce_rows(where, ce, lse, t, layout.soft, logits.dtype, settings)


def check_class_indices(where: str, target: Tensor, layout: Layout, settings: Settings) -> None:
    """Raise for a class index, a weight or a normalizer out of range.

    Where that costs no waiting, on the CPU, or where it is asked for; where values cannot be read
    (torch.compile, torch.func) the row of a bad index becomes NaN.
    """
    if torch.compiler.is_compiling():
        return
    with torch._C._DisableFuncTorch():
        native.check_values(where, settings)
        asked = settings.check_targets and not _is_hidden(target)
        if not layout.soft and (asked or is_readable(target)):
            _check_range(where, target, layout, settings.scalars.ignore_index)


def _check_range(where: str, target: Tensor, layout: Layout, ignore_index: int) -> None:
    index = target.long()
    ignored = index == ignore_index
    if target.dtype is torch.uint64:
        ignored &= index >= 0  # beyond int64 it has wrapped
    bad = ((index < 0) | (index >= layout.n_classes)) & ~ignored
    if bool(bad.any()):
        row = int(bad.reshape(-1).to(torch.uint8).argmax())
        value = int(target.reshape(-1)[row].cpu().numpy())
        raise class_index_error(where, layout.lead, row, value, layout.n_classes, ignore_index)


def _is_hidden(x: Tensor) -> bool:
    return torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x)
