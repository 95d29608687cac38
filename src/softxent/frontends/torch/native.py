"""The row kernels on tensors: values and first derivatives, no autograd.

The first two functions serve the eager door, which knows all options of a call at once. The rest
are per-row pieces for the transforms, one part of the loss at a time: "ce", the cross-entropy C_n,
or "z", the z-loss lambda lse_n^2. In them logits are lead + (V,), class axis last, on the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from softxent.contracts import (
    DEFAULTS,
    IGNORE,
    Array,
    Options,
    Rows,
    bind_rows,
    class_index_error,
)
from softxent.frontends.steps import NO_SCALE, Factors, Scale, checked_tally, scale_of
from softxent.frontends.torch.arrays import DTYPE_NAMES, LOSS_DTYPES, empty, to_numpy
from softxent.frontends.torch.settings import (
    PLAIN,
    Layout,
    Scalars,
    Settings,
    check_divisor,
    is_readable,
)
from softxent.kernels.registry import Kernels, Tally


def bind(
    where: str, kernels: Kernels, logits: Tensor, target: Tensor, layout: Layout, settings: Settings
) -> tuple[Rows, Scale]:
    """Return the problem as NumPy sees it, every value checked, and what its mean divides by."""
    z, t = to_numpy(logits), to_numpy(target)
    last = z.ndim - 1
    if layout.axis != last:
        z = np.moveaxis(z, layout.axis, last)
        t = np.moveaxis(t, layout.axis, last) if layout.soft else t
    rows = bind_rows(where, z, t, -1, numpy_options(where, settings))
    return rows, scale(where, kernels, rows, settings)


def scale(where: str, kernels: Kernels, rows: Rows, settings: Settings) -> Scale:
    """Check every class index, and find what the mean divides by."""
    return scale_of_tally(where, rows, checked_tally(where, kernels, rows), settings)


def scale_of_tally(where: str, rows: Rows, tally: Tally, settings: Settings) -> Scale:
    """Find what the mean divides by: its own denominators, or the normalizer."""
    if settings.normalizer is None:
        return scale_of(where, rows, tally)
    if settings.reduction != "mean":
        return NO_SCALE
    divisor = check_divisor(where, settings.normalizer)
    if divisor == 0.0:
        return scale_of(where, rows, Tally(-1, 0, 0.0))
    return Scale(divisor, divisor)


def numpy_options(where: str, settings: Settings) -> Options:
    """Return the options of the kernels; weights are checked value by value."""
    if settings is PLAIN:
        return DEFAULTS
    s, weight, row_weight = settings.scalars, settings.weight, settings.row_weight
    return Options(
        weight=None if weight is None else to_numpy(weight),
        ignore_index=s.ignore_index,
        label_smoothing=s.label_smoothing,
        reduction=settings.reduction,
        temperature=s.temperature,
        softcap=s.softcap,
        z_loss=s.z_loss,
        row_weight=None if row_weight is None else to_numpy(row_weight),
        empty=settings.empty,
        where=where,
    )


def check_values(where: str, settings: Settings) -> None:
    """Raise for a weight or a normalizer out of range, where their values can be read."""
    normalizer = settings.normalizer
    if normalizer is not None and (not isinstance(normalizer, Tensor) or is_readable(normalizer)):
        check_divisor(where, normalizer)
    if is_readable(settings.weight, settings.row_weight):
        numpy_options(where, settings)


def is_plain(
    kernels: Kernels, logits: Tensor, target: Tensor, layout: Layout, settings: Settings
) -> bool:
    """Say whether `plain_loss` can take this problem."""
    return (
        settings is PLAIN
        and target.dtype is torch.int64
        and kernels.name == "native"
        and layout.axis == logits.ndim - 1
        and logits.is_contiguous()
        and target.is_contiguous()
        and not logits.is_neg()
    )


def plain_loss(
    kernels: Kernels,
    where: str,
    logits: Tensor,
    target: Tensor,
    layout: Layout,
    grad: Tensor | None = None,
    factor: float = 1.0,
) -> float:
    """Return the mean loss of a problem that `is_plain`, and write `factor` times its gradient.

    Addresses instead of arrays: 7 us less a call, where PyTorch's own takes 29.
    """
    native: Any = kernels
    bad_row, count, total = native.plain_loss(
        logits.data_ptr(),
        DTYPE_NAMES[logits.dtype],
        target.data_ptr(),
        0 if grad is None else grad.data_ptr(),
        target.numel(),
        layout.n_classes,
        factor,
    )
    if bad_row >= 0:
        value = int(target.reshape(-1)[bad_row])
        raise class_index_error(where, layout.lead, bad_row, value, layout.n_classes, IGNORE)
    mean: float = total / count if count else 0.0
    return mean


def mean_past_overflow(kernels: Kernels, rows: Rows, scale: Scale, mean: float) -> float:
    """Take an infinite float64 mean again, row by row: its sum may overflow where it does not."""
    if rows.logits.dtype != np.float64 or rows.options.reduction != "mean" or scale.empty:
        return mean
    floats, ints = np.empty((5, rows.n_rows)), np.empty((2, rows.n_rows), np.int64)
    kernels.stats(rows, floats, ints)
    with np.errstate(over="ignore"):
        return float(np.sum(floats[0] / scale.weight) + np.sum(floats[1] / scale.rows))


class Piece:
    """One part of a row's loss, "ce" or "z", and the numbers that define it.

    No tuple: torch.func would take one apart at every call, which costs 100 us.
    """

    __slots__ = ("kernels", "part", "scalars", "where")

    def __init__(self, kernels: Kernels, where: str, part: str, scalars: Scalars) -> None:
        self.kernels, self.where, self.part, self.scalars = kernels, where, part, scalars

    @property
    def factors(self) -> Factors:
        """What leaves of the kernels' derivatives this part alone."""
        return {"ce_factor": float(self.part == "ce"), "z_factor": 1.0}

    def rows(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Rows:
        """Bind the kernels' problem; `target` holds class indices or is soft."""
        s = self.scalars._replace(z_loss=0.0) if self.part == "ce" else self.scalars
        options = numpy_options(self.where, Settings(s, reduction="none", weight=weight))
        rows = bind_rows(self.where, to_numpy(logits), to_numpy(target), -1, options)
        checked_tally(self.where, self.kernels, rows)
        return rows


def row_loss(piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Return C_n, or lambda lse_n^2, for each row."""
    rows, s = piece.rows(logits, target, weight), piece.scalars
    per_row, array = empty((rows.n_rows,), LOSS_DTYPES[logits.dtype])
    if piece.part == "ce":
        piece.kernels.loss(rows, per_row=array)
    else:
        piece.kernels.logsumexp(rows.logits, array, temperature=s.temperature, softcap=s.softcap)
        # lambda lse^2, in float64 before its rounding
        array[...] = s.z_loss * np.square(array, dtype=np.float64)
        if rows.target is not None:
            array[rows.target == s.ignore_index] = 0.0
    return per_row.view(rows.lead)


def row_grad(
    piece: Piece, logits: Tensor, target: Tensor, weight: Tensor | None, factor: Tensor
) -> Tensor:
    """Return the gradient of each row's part by its logits, times the row's factor."""
    rows = piece.rows(logits, target, weight)
    grad, array = empty(tuple(logits.shape), logits.dtype)
    piece.kernels.loss(with_row_factors(rows, factor), grad=array, **piece.factors)
    return grad


def row_jvp(
    piece: Piece,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    dz: Tensor | None,
    dt: Tensor | None,
) -> Tensor:
    """Return the derivative of each row's part along directions of logits and soft target."""
    rows = piece.rows(logits, target, weight)
    per_row, array = empty((rows.n_rows,), LOSS_DTYPES[logits.dtype])
    v, dt_array = (None if x is None else to_numpy(x) for x in (dz, dt))
    piece.kernels.jvp(rows, v, dt_array, per_row=array, **piece.factors)
    return per_row.view(rows.lead)


def row_hvp(
    piece: Piece,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    factor: Tensor,
    vector: Tensor,
) -> Tensor:
    """Return the Hessian of each row's part times its vector, times the row's factor."""
    rows = piece.rows(logits, target, weight)
    product, array = empty(tuple(logits.shape), logits.dtype)
    piece.kernels.hvp(with_row_factors(rows, factor), to_numpy(vector), array, **piece.factors)
    return product


def with_row_factors(rows: Rows, factor: Tensor | Array) -> Rows:
    """Return the problem with other row factors, of any sign, instead of its row weights."""
    array = to_numpy(factor) if isinstance(factor, Tensor) else factor
    flat = np.broadcast_to(array, rows.lead).astype(np.float64, order="C").reshape(rows.n_rows)
    return Rows(rows.logits, rows.target, rows.soft, rows.options.with_row_factors(flat))
