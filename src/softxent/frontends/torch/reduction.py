"""From one loss a row to the loss of a call, in torch operations: right under every transform."""

from __future__ import annotations

import torch
from torch import Tensor

from softxent.errors import error
from softxent.frontends.torch.arrays import LOSS_DTYPES
from softxent.frontends.torch.settings import Settings


def reduce_rows(
    where: str,
    ce: Tensor,
    z: Tensor | None,
    target: Tensor,
    soft: bool,
    dtype: torch.dtype,
    settings: Settings,
) -> Tensor:
    """Reduce C_n (`ce`) and lambda lse_n^2 (`z`, or None) as the settings say.

    ce, z: of the rows' shape; 0 for ignored rows. target: class indices of the rows' shape, or a
    soft target. dtype: the logits'. Returns the loss in the loss's dtype.
    """
    loss_dtype, wide = LOSS_DTYPES[dtype], wide_dtype(ce.device)
    row_weight = settings.row_weight
    if row_weight is not None:
        row_weight = row_weight.to(wide)
        if not soft:
            row_weight = torch.where(target == settings.scalars.ignore_index, 0.0, row_weight)
    if settings.reduction != "mean":
        loss = _times(row_weight, ce.to(wide))
        if z is not None:
            loss = loss + _times(row_weight, z.to(wide))
        return (loss if settings.reduction == "none" else loss.sum()).to(loss_dtype)
    # L = sum r_n/D C_n + sum r_n/count lambda lse_n^2: divided first, since the sum may overflow
    # where the mean does not
    divisor, count = divisors(ce, target, soft, settings, row_weight)
    is_empty = divisor == 0
    if settings.empty == "raise":
        _raise_if(where, is_empty)
    one = divisor.new_ones(()) if row_weight is None else row_weight
    loss = _times(one / torch.where(is_empty, 1.0, divisor), ce.to(wide)).sum()
    if z is not None:
        loss = loss + _times(one / torch.where(is_empty, 1.0, count), z.to(wide)).sum()
    fill = float("nan") if settings.empty == "nan" else 0.0
    return torch.where(is_empty, fill, loss).to(loss_dtype)


def divisors(
    ce: Tensor, target: Tensor, soft: bool, settings: Settings, row_weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what a mean divides the sum of the losses by, and that of the z-losses."""
    wide = wide_dtype(ce.device)
    if settings.normalizer is not None:
        divisor = torch.as_tensor(settings.normalizer, dtype=wide, device=ce.device)
        return divisor, divisor
    each = torch.ones_like(ce, dtype=wide)
    if not soft:
        # D = sum r_n w_{t_n} over the rows that count; a bad index poisons its row elsewhere
        each = (target != settings.scalars.ignore_index).to(wide)
        if settings.weight is not None:
            n_classes = settings.weight.shape[0]
            index = target.long().clamp(0, n_classes - 1)
            divisor = each * settings.weight.to(wide)[index]
        else:
            divisor = each
    else:
        divisor = each
    if row_weight is not None:
        divisor = divisor * row_weight
    return divisor.sum(), each.sum()


def wide_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of sums: float64, or float32 on a device that has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _times(factor: Tensor | None, x: Tensor) -> Tensor:
    if factor is None:
        return x
    # 0 times an infinite loss is 0; a weight of 0 does not hide NaN
    return factor * torch.where((factor == 0) & x.isinf(), 0.0, x)


def _raise_if(where: str, is_empty: Tensor) -> None:
    try:
        raises = bool(is_empty)
    except RuntimeError as reason:  # a vmapped or traced value cannot be read
        raise error(
            NotImplementedError,
            "transform",
            where,
            "empty",
            "'raise' under a transform that hides values",
            '"zero" or "nan" under vmap and torch.compile',
            "Look at the target before the call.",
        ) from reason
    if raises:
        raise error(
            ValueError,
            "empty",
            where,
            "target",
            "no row that counts, or rows whose weights sum to 0",
            'a mean over some weight, as empty="raise" demands',
            'empty="zero" makes it 0, empty="nan" NaN.',
        )
