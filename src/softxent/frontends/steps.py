"""The steps that every loss function shares: bind, scale, output, reduce. Written once.

A call goes: `bind` (options, shapes, implementation, class indices in range, what the mean divides
by) -> `output` (a new array, or the caller's, checked) -> a kernel -> `reduced`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isinf
from typing import Any, NamedTuple, TypedDict

import numpy as np

from softxent.contracts import (
    Array,
    Rows,
    bind_rows,
    class_index_error,
    float_array,
    loss_dtype,
    options_from,
)
from softxent.errors import describe, error
from softxent.kernels import memory
from softxent.kernels.registry import Kernels, Tally, pick

Loss = np.floating[Any] | Array  # a NumPy scalar, or one entry per row with "none"


class Factors(TypedDict):
    """The kernels' two factors: of the cross-entropy's derivatives, and of the z-loss's."""

    ce_factor: float
    z_factor: float


class Scale(NamedTuple):
    """What the reduction divides by; `empty` says that it would divide by nothing."""

    weight: float = 1.0
    rows: float = 1.0
    empty: bool = False

    @property
    def factors(self) -> Factors:
        """What the kernels multiply derivatives by, before their one rounding."""
        return {"ce_factor": 1.0 / self.weight, "z_factor": 1.0 / self.rows}


NO_SCALE = Scale()


def bind(
    where: str,
    logits: object,
    target: object,
    axis: int,
    implementation: str | None,
    options: Mapping[str, Any],
) -> tuple[Kernels, Rows, Scale]:
    """Check everything there is to check before any output is touched."""
    rows = bind_rows(where, logits, target, axis, options_from(where, options))
    kernels = pick(implementation)
    return kernels, rows, scale_of(where, rows, checked_tally(where, kernels, rows))


def checked_tally(where: str, kernels: Kernels, rows: Rows) -> Tally:
    """Add up the targets; a class index out of range is an IndexError naming its row."""
    tally = kernels.tally(rows)
    if tally.bad_row >= 0 and rows.target is not None:
        value = int(rows.target[tally.bad_row])
        raise class_index_error(
            where, rows.lead, tally.bad_row, value, rows.n_classes, rows.options.ignore_index
        )
    return tally


def scale_of(where: str, rows: Rows, tally: Tally) -> Scale:
    """Find what the reduction divides by: under "mean" the weights, and for z-loss the rows."""
    options = rows.options
    if options.reduction != "mean":
        return NO_SCALE
    # No row counts, or weights that sum to 0: the mean is empty, and `empty` says what it is.
    if tally.weight != 0.0:
        return Scale(tally.weight, tally.count)
    if options.empty == "raise":
        counted = "rows whose weights sum to 0" if tally.count else "no row that counts"
        raise error(
            ValueError,
            "empty",
            where,
            "target",
            f"{counted} (of {rows.n_rows})",
            'a mean over some weight, as empty="raise" demands',
            'empty="zero" makes it 0, empty="nan" NaN.',
        )
    return Scale(empty=True)


def output(
    where: str,
    logits: Array,
    axis: int,
    out: Array | None = None,
    dtype: np.dtype[Any] | None = None,
    inputs: Iterable[Array | None] = (),
) -> tuple[Array, Array]:
    """Return the output in the caller's layout, and its view with the class axis last.

    `logits` has the class axis last already. `out` may be the logits themselves (in place).
    """
    whole = logits if axis == -1 else np.moveaxis(logits, -1, axis)
    dtype = logits.dtype if dtype is None else dtype
    if out is None:
        out = memory.empty(whole.shape, dtype)
    else:
        checked_out(where, "out", out, whole.shape, dtype, inputs=inputs, in_place=whole)
    return out, (out if axis == -1 else np.moveaxis(out, axis, -1))


def checked_out(
    where: str,
    argument: str,
    out: object,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    inputs: Iterable[Array | None] = (),
    in_place: Array | None = None,
) -> None:
    """Check that `out` can be written: type, shape, and no memory shared but all of `in_place`."""
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape:
        swapped = isinstance(out, np.ndarray) and not out.dtype.isnative
        right_type = isinstance(out, np.ndarray) and out.dtype == dtype
        raise error(
            ValueError if right_type else TypeError,
            "out-shape" if right_type else "out-type",
            where,
            argument,
            ("byte-swapped " if swapped else "") + describe(out),
            f"a NumPy array {dtype.name}[{', '.join(str(n) for n in shape)}]",
            f"Make it with np.empty({shape}, {dtype.name!r}), or leave it out.",
        )
    if not out.flags.writeable:
        came, fix = "read-only", "Pass a writable array."
    elif overlaps_itself(out):
        came, fix = f"an array of strides {out.strides}, whose entries may overlap", "Pass a copy."
    else:
        shared = next((x for x in inputs if x is not None and overlap(out, x)), None)
        if shared is None and in_place is not None and overlap(out, in_place):
            shared = None if _same_memory(out, in_place) else in_place
        if shared is None:
            return
        came = f"an array that shares memory with an input, {describe(shared)}"
        fix = "Pass another array, or the very logits to work in place."
    expected = "writable memory of its own, or the logits themselves where that is offered"
    raise error(ValueError, "out-memory", where, argument, came, expected, fix)


def direction(where: str, argument: str, value: object, logits: Array, axis: int) -> Array:
    """Check a tangent or vector, which has the logits' shape, and move its class axis last."""
    array = float_array(where, argument, value)
    shape = logits.shape if axis == -1 else np.moveaxis(logits, -1, axis).shape
    if array.shape != shape:
        raise error(
            ValueError,
            "direction-shape",
            where,
            argument,
            describe(array),
            f"the shape of what it moves, {shape}",
            "A direction has an entry for every logit.",
        )
    return array if axis == -1 else np.moveaxis(array, axis, -1)


def per_row(rows: Rows) -> Array | None:
    """Return where a kernel writes one number per row, for reduction="none" only."""
    if rows.options.reduction != "none":
        return None
    return np.empty(rows.n_rows, loss_dtype(rows.logits.dtype))


def reduced(rows: Rows, scale: Scale, sums: tuple[float, float], by_row: Array | None) -> Loss:
    """Put the loss together: mean or sum in float64 with one rounding, or the rows' losses."""
    if by_row is not None:
        return by_row.reshape(rows.lead)
    return rounded(rows, sums[0] / scale.weight + sums[1] / scale.rows)


def empty_loss(rows: Rows) -> Loss:
    """Return what `empty` says a mean over nothing is: 0 or NaN."""
    return rounded(rows, float("nan") if rows.options.empty == "nan" else 0.0)


def rounded(rows: Rows, value: float) -> np.floating[Any]:
    """Round to the loss's dtype, to infinity without NumPy's overflow warning."""
    if loss_dtype(rows.logits.dtype).itemsize == 8:
        return np.float64(value)
    # float32's largest number plus half a step rounds to infinity.
    if abs(value) >= 3.4028235677973366e38 and not isinf(value):
        value = inf if value > 0 else -inf
    return np.float32(value)


def overlap(a: Array, b: Array) -> bool:
    """Say whether two arrays share memory; what is too hard to tell counts as sharing."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # any int will do
    except np.exceptions.TooHardError:
        return True


def overlaps_itself(array: Array) -> bool:
    """Say whether entries of one array may share memory: exact for any slice of an array."""
    if array.flags.c_contiguous or array.size < 2:
        return False
    extent = array.itemsize
    for stride, n in sorted(
        (abs(stride), n) for stride, n in zip(array.strides, array.shape, strict=True) if n > 1
    ):
        if stride < extent:
            return True
        extent += stride * (n - 1)
    return False


def _same_memory(a: Array, b: Array) -> bool:
    return a is b or (
        a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
        and a.shape == b.shape
        and a.strides == b.strides
        and a.dtype == b.dtype
    )
