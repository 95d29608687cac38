"""Walk the rows of an array in blocks: gather a block into contiguous float64, put results back.

Every result of a row is computed from its contiguous copy by steps that do not depend on the other
rows, so it has the same bits in any batch, in any layout and in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from softxent.contracts import Array, Rows

# Classes in a block: 256 KiB in float64, of which about ten stand at once. One row may be more.
BLOCK = 2**15

Index: TypeAlias = slice | Array


def blocks(n_rows: int, n_classes: int) -> Iterator[slice]:
    """Cut the rows into blocks of about `BLOCK` numbers, at least one row each."""
    step = max(1, BLOCK // n_classes)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def counted(rows: Rows) -> Iterator[tuple[Index, Array | None]]:
    """Yield block by block which rows count, and which are ignored (None if all count)."""
    for block in blocks(rows.n_rows, rows.n_classes):
        if rows.target is None:
            yield block, None
            continue
        ignored = rows.target[block] == rows.options.ignore_index
        if not ignored.any():
            yield block, None
        else:
            numbers = np.arange(block.start, block.stop)
            yield numbers[~ignored], numbers[ignored]


def take(array: Array, rows: Index) -> Array:
    """Copy rows of `array` (lead + (V,), any strides) as contiguous float64 (R, V)."""
    view, index = _place(array, rows)
    return np.array(view[index], dtype=np.float64, order="C")


def put(array: Array, rows: Index | None, values: Array | float) -> None:
    """Round float64 `values` (R, V) once, into rows of `array`; None is no rows."""
    if rows is None:
        return
    if isinstance(values, np.ndarray):
        values = rounded(values, array.dtype)
    view, index = _place(array, rows)
    view[index] = values


def column(per_row: Array | None, rows: Index) -> Array:
    """Return one number a row as a column (R, 1), or a single 1 where there is none."""
    return np.ones((1, 1)) if per_row is None else per_row[rows][:, np.newaxis]


def rounded(x: Array, dtype: np.dtype[Any]) -> Array:
    """Round float64 to `dtype`, to nearest even, once."""
    if dtype.name != "bfloat16":
        return x.astype(dtype)
    # ml_dtypes goes by way of float32, and would round twice. So truncate to float32 and make the
    # last bit odd where something was cut off: a halfway case of bfloat16 then keeps its side.
    near = x.astype(np.float32)
    cut = np.where(np.abs(near) > np.abs(x), np.nextafter(near, np.float32(0)), near)
    bits = cut.view(np.uint32)
    bits |= (cut != x) & ~np.isnan(x)
    return cut.astype(dtype)


def _place(array: Array, rows: Index) -> tuple[Array, Index | tuple[Array, ...]]:
    """Return a view of `array` and the index into it of rows counted in C order over its lead."""
    lead = array.shape[:-1]
    if len(lead) == 1:
        return array, rows
    if not lead or array.flags.c_contiguous:
        return array.reshape(-1, array.shape[-1]), rows  # a view
    if isinstance(rows, slice):
        rows = np.arange(rows.start, rows.stop)
    return array, np.unravel_index(rows, lead)
