"""Rows of an array of any shape and strides, as matrices that a BLAS can multiply."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, TypeAlias

import numpy as np

from softxent.contracts import Array

Index: TypeAlias = slice | Array
"""Which rows: a slice of them, or their numbers."""


class RowsOf:
    """An array lead + (K,) as N rows of K, read and written some rows at a time.

    Rows are views wherever the strides allow it. They are copied (`gathers`) where rows are picked
    by number or the lead axes do not merge into one, and converted to `dtype` (`converts`) where
    they are of another, or lie as a product cannot use them (`takes`).
    """

    def __init__(
        self, array: Array, dtype: np.dtype[Any], takes: Callable[[Array], bool], *, picked: bool
    ) -> None:
        self.array, self.dtype = array, dtype
        self.flat = flat_rows(array)
        self.gathers = picked or self.flat is None
        self.converts = array.dtype != dtype or not (
            self.gathers or self.flat is None or takes(self.flat)
        )
        # np.take copies into scratch what is contiguous; anything else comes as a new array, made
        # while the last chunk's is still there.
        self._whole = self.flat is not None and (
            self.flat.flags.c_contiguous and self.flat.flags.aligned
        )
        self._picked = _Scratch(array.shape[-1], array.dtype)
        self._converted = _Scratch(array.shape[-1], dtype)

    def bytes_to_take(self) -> int:
        """Scratch for each row that `take` returns."""
        if not self.gathers:
            return 0
        copies: int = 1 if self._whole else 2
        return copies * int(self.array.shape[-1]) * self.array.itemsize

    def bytes_to_read(self) -> int:
        """Scratch for each row that `read` returns."""
        converted = self.array.shape[-1] * self.dtype.itemsize if self.converts else 0
        return self.bytes_to_take() + converted

    def bytes_to_write(self) -> int:
        """Scratch for each row that `writable` returns."""
        staged = self.gathers or self.converts
        return self.array.shape[-1] * self.dtype.itemsize if staged else 0

    def take(self, index: Index) -> Array:
        """Return rows in their own dtype; valid until the next call."""
        if self.flat is None:
            return self.array[self._place(index)]
        if isinstance(index, slice) or not self._whole:
            return self.flat[index]
        picked = self._picked.rows(len(index))
        return np.take(self.flat, index, axis=0, out=picked, mode="clip")

    def read(self, index: Index) -> Array:
        """Return rows in `dtype`, as a BLAS can read them; valid until the next call."""
        rows = self.take(index)
        if not self.converts:
            return rows
        converted = self._converted.rows(len(rows))
        np.copyto(converted, rows)
        return converted

    def writable(self, index: Index, size: int) -> Array:
        """Return a matrix of `size` rows for a product to write; `put` stores it."""
        if self.flat is not None and not self.gathers and not self.converts:
            return self.flat[index]
        return self._converted.rows(size)

    def put(self, index: Index, rows: Array) -> None:
        """Store what was written, rounded once, if it is not in its place already."""
        if self.flat is None:
            self.array[self._place(index)] = rows
        elif self.gathers or self.converts:
            self.flat[index] = rows

    def _place(self, index: Index) -> tuple[Array, ...]:
        lead = self.array.shape[:-1]
        numbers = np.arange(prod(lead))[index] if isinstance(index, slice) else index
        return np.unravel_index(numbers, lead)


class _Scratch:
    """A matrix of some columns that grows to the rows it is asked for."""

    def __init__(self, columns: int, dtype: np.dtype[Any]) -> None:
        self._array: Array = np.empty((0, columns), dtype)

    def rows(self, n: int) -> Array:
        if n > len(self._array):
            self._array = np.empty((n, self._array.shape[1]), self._array.dtype)
        return self._array[:n]


def flat_rows(array: Array) -> Array | None:
    """Return a view of lead + (K,) as (N, K), or None if the strides of lead do not merge."""
    lead, strides = array.shape[:-1], array.strides[:-1]
    n_rows = prod(lead)
    if n_rows == 0:
        return array.reshape(0, array.shape[-1])
    kept = [(n, stride) for n, stride in zip(lead, strides, strict=True) if n > 1]
    for (_, outer), (n, inner) in pairwise(kept):
        if outer != n * inner:
            return None
    step = kept[-1][1] if kept else 0
    return np.lib.stride_tricks.as_strided(
        array, (n_rows, array.shape[-1]), (step, array.strides[-1])
    )
