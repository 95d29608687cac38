"""The products of a linear layer, for some rows of it: X W^T + b, G W, G^T X, column sums of G.

Two ways to make them stand here, and a front end may bring a third (`Maker`). `NativeProducts` are
ours (native/products.h): they read the weight as it lies, whatever its dtype and strides, and run
on the row kernels' threads. `BlasProducts` call the library that NumPy uses. A BLAS rearranges the
weight for every product, which at 128 rows a chunk costs as much as a third of the arithmetic, and
its threads spin for milliseconds afterwards while the row kernel wants their core; on the other
hand it is at home on every machine, and better where there are few classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from softxent.contracts import Array
from softxent.kernels import blas

try:
    from softxent import _native
except ImportError:
    _native = None  # type: ignore[assignment]

# Ours cut a product into blocks of 96 classes for the threads: fewer classes are too few blocks.
OWN_CLASSES = 1024
# Where ours were measured to keep up with OpenBLAS; on arm64 they have not been.
OWN_INSTRUCTION_SETS = ("avx2", "avx512")
_LOGITS, _INPUT, _WEIGHT = range(3)
_UINT16 = np.dtype(np.uint16)

Pairs: TypeAlias = Sequence[tuple[Array | None, Array | None]]
"""Terms of a sum of products, at most two; one with a None in it is zero."""


class Bytes(NamedTuple):
    """What products allocate beside their operands."""

    row: int = 0
    """For each row of a chunk."""
    tile: int = 0
    """For each class of a tile."""
    fixed: int = 0
    """Once."""


class Products(Protocol):
    """Products with the weight of one problem and its direction, inside one walk."""

    name: str
    """For `LinearPlan.blas`."""
    dtype: np.dtype[Any]
    """Of the operands that are made for them: the logits and G, what is converted of X."""
    bytes: Bytes

    def allocate(self, tile: int) -> None:
        """Make the scratch, for tiles of that many classes."""

    def reads(self, matrix: Array) -> bool:
        """Say whether X, being of `dtype`, can be this matrix as it lies."""

    def writes(self, matrix: Array) -> bool:
        """Say whether `input_grad` can write this matrix as it lies."""

    def logits(self, z: Array, terms: Pairs, bias: Array | None) -> None:
        """Write z = b + the sum of X W^T over the terms (X, W)."""

    def input_grad(self, dx: Array, terms: Pairs) -> None:
        """Write dX = the sum of G W over the terms (G, W)."""

    def weight_grad(self, dw: Array, terms: Pairs, *, add: bool) -> None:
        """Write dW = the sum of G^T X over the terms (G, X), or add it."""

    def add_columns(self, sums: Array, g: Array) -> None:
        """Add the column sums of G into `sums`, float64."""

    def store(self, out: Array, sums: Array) -> None:
        """Write a sum, rounded, to the gradient it becomes."""


class Maker(Protocol):
    """Makes the products of a walk, or declines: None."""

    def __call__(
        self, dtype: np.dtype[Any], weights: Sequence[Array], weight_sum: Array | None, rows: int
    ) -> Products | None:
        """As `choose` takes them; `rows` go into a chunk, about."""


def choose(
    library: blas.Blas,
    *,
    native: bool,
    dtype: np.dtype[Any],
    weights: Sequence[Array],
    weight_sum: Array | None,
    max_memory: int,
    rows: int = 0,
    maker: Maker | None = None,
) -> Products:
    """Return the maker's, or ours where they run and pay off, else those of the BLAS.

    weights: the weight, and its direction if it has one. weight_sum: what `weight_grad` writes.
    Ours need the row kernels (`native`), many classes, and a budget that does not notice their
    scratch. rows: how many there are. ``SOFTXENT_BLAS`` names a BLAS, which is then taken, or
    "native", ours at any size.
    """
    asked = os.environ.get("SOFTXENT_BLAS")
    if maker is not None and not asked:
        at_once = max_memory // (len(weights[0]) * weights[0].itemsize)
        made = maker(dtype, weights, weight_sum, min(rows, at_once))
        if made is not None:
            return made
    wanted = asked == "native" or (not asked and len(weights[0]) >= OWN_CLASSES and is_fast())
    if native and wanted and (weight_sum is None or _is_plain(weight_sum, dtype)):
        own = NativeProducts(dtype, weights)
        if own.bytes.fixed <= max_memory // 8:
            return own
    return BlasProducts(library, dtype, weights, weight_sum)


@cache
def is_fast() -> bool:
    """Say whether our own products are worth taking on this machine."""
    return _native is not None and _native.info()["isa"] in OWN_INSTRUCTION_SETS


def road() -> str:
    """Say in one line who makes the products here, and why."""
    library = blas.road()
    asked = os.environ.get("SOFTXENT_BLAS")
    if asked != "native" and (asked or not is_fast()):
        return library
    classes = "" if asked else f" from {OWN_CLASSES} classes on"
    return f"native: softxent's own{classes}; else {library}"


class NativeProducts:
    """Ours; every operand is read as it lies."""

    name = "native"

    def __init__(self, dtype: np.dtype[Any], weights: Sequence[Array]) -> None:
        self.dtype = dtype
        self.threads: int = _native.get_num_threads()
        n_classes, n_features = weights[0].shape
        row, fixed = _native.product_bytes(
            dtype == np.float64, n_classes, n_features, 2, self.threads
        )
        self.bytes = Bytes(row=row, fixed=fixed)

    def allocate(self, tile: int) -> None:
        """Nothing to do: each product takes its scratch from the pool of freed blocks."""

    def reads(self, matrix: Array) -> bool:
        """Any."""
        return True

    def writes(self, matrix: Array) -> bool:
        """Side by side only."""
        return _is_plain(matrix, self.dtype)

    def logits(self, z: Array, terms: Pairs, bias: Array | None) -> None:
        """All terms and the bias in one pass over z."""
        if bias is not None:
            bias = bias[None]
        self._run(_LOGITS, ("x", "w"), terms, out=z, bias=_bits(bias))

    def input_grad(self, dx: Array, terms: Pairs) -> None:
        """The classes are cut into a slice a thread, whose sums come together at the end."""
        self._run(_INPUT, ("g", "w"), terms, out=dx)

    def weight_grad(self, dw: Array, terms: Pairs, *, add: bool) -> None:
        """Written where it stands: no temporary of V x D."""
        self._run(_WEIGHT, ("g", "x"), terms, out=dw, add=add)

    def add_columns(self, sums: Array, g: Array) -> None:
        """In float64, row by row."""
        _native.product(_WEIGHT, g=g, column_sums=sums, threads=self.threads)

    def store(self, out: Array, sums: Array) -> None:
        """NumPy rounds."""
        out[...] = sums

    def _run(self, kind: int, names: tuple[str, str], terms: Pairs, **rest: Any) -> None:
        """Hand the terms over as x, w, g and x2, w2, g2."""
        whole = [(a, b) for a, b in terms if a is not None and b is not None]
        operands: dict[str, Any] = {
            name + suffix: _bits(array)
            for suffix, term in zip(("", "2"), whole, strict=False)
            for name, array in zip(names, term, strict=True)
        }
        _native.product(kind, **operands, **rest, threads=self.threads)


class BlasProducts:
    """A BLAS's; what it cannot read as it lies is converted tile by tile of classes."""

    def __init__(
        self,
        library: blas.Blas,
        dtype: np.dtype[Any],
        weights: Sequence[Array],
        weight_sum: Array | None,
    ) -> None:
        self.name, self.blas, self.dtype = library.name, library, dtype
        self.n_classes, self.n_features = weights[0].shape
        converts = not all(self._is_ready(weight) for weight in weights)
        # Whether some product has to add, or write, where this BLAS cannot.
        if library.gemm:
            stages = weight_sum is not None and not library.takes(weight_sum)
        else:
            stages = weight_sum is not None or len(weights) > 1 or converts
        self.converts, self.stages = converts, stages
        row = max(self.n_features * dtype.itemsize, 1)  # of no features, too, there are tiles
        self.bytes = Bytes(tile=(converts + stages) * row)

    def allocate(self, tile: int) -> None:
        """A tile for the converted weight, one for a product that cannot add."""
        shape = (tile, self.n_features)
        self._converted = np.empty(shape if self.converts else (0, self.n_features), self.dtype)
        self._tile = np.empty(shape, self.dtype) if self.stages else None

    def reads(self, matrix: Array) -> bool:
        """With one of its sides contiguous."""
        return self.blas.takes(matrix)

    def writes(self, matrix: Array) -> bool:
        """In any layout that it reads."""
        return self.blas.takes(matrix)

    def logits(self, z: Array, terms: Pairs, bias: Array | None) -> None:
        """The bias goes in first if products can add to it: that saves reading z once more."""
        first = bias is not None and bool(self.blas.gemm)
        if first:
            np.copyto(z, bias)  # type: ignore[arg-type]
        add = first
        for x, weight in terms:
            if x is not None and weight is not None:
                for classes, part in self._parts(weight):
                    self.blas.product(x, part.T, z[:, classes], add=add, tile=self._tile)
                add = True
        if bias is not None and not first:
            if add:
                np.add(z, bias, out=z)
            else:
                np.copyto(z, bias)

    def input_grad(self, dx: Array, terms: Pairs) -> None:
        """One product a term and a tile of classes."""
        add = False
        for g, weight in terms:
            if g is not None and weight is not None:
                for classes, part in self._parts(weight):
                    self.blas.product(g[:, classes], part, dx, add=add, tile=self._tile)
                    add = True

    def weight_grad(self, dw: Array, terms: Pairs, *, add: bool) -> None:
        """One product a term."""
        for g, x in terms:
            if g is not None and x is not None:
                self.blas.product(g.T, x, dw, add=add, tile=self._tile)
                add = True

    def add_columns(self, sums: Array, g: Array) -> None:
        """By products with 1, of 16 rows at a time so that float32 rounds little.

        3.6 ms for 128 x 131072; np.add.reduce in float64 takes 10.9, in float32 4.3.
        """
        ones, block_sum = np.ones(16, g.dtype), np.empty(g.shape[1], g.dtype)
        for start in range(0, len(g), 16):
            block = g[start : start + 16]
            np.matmul(ones[: len(block)], block, out=block_sum)
            np.add(sums, block_sum, out=sums)

    def store(self, out: Array, sums: Array) -> None:
        """NumPy rounds."""
        out[...] = sums

    def _parts(self, weight: Array) -> Iterator[tuple[slice, Array]]:
        """Yield (classes, their rows of the weight): all of them, or converted tile by tile."""
        if self._is_ready(weight):
            yield slice(None), weight
            return
        step = len(self._converted)
        for start in range(0, len(weight), step):
            part = weight[start : start + step]
            tile = self._converted[: len(part)]
            np.copyto(tile, part)
            yield slice(start, start + len(part)), tile

    def _is_ready(self, matrix: Array) -> bool:
        return matrix.dtype == self.dtype and self.blas.takes(matrix)


def _is_plain(matrix: Array, dtype: np.dtype[Any]) -> bool:
    """Whether ours can write it: items side by side, rows a whole number of items apart."""
    side_by_side = matrix.strides[1] == dtype.itemsize or matrix.shape[1] <= 1
    regular = matrix.strides[0] % dtype.itemsize == 0 and matrix.strides[0] >= 0
    return matrix.dtype == dtype and matrix.flags.aligned and side_by_side and regular


def _bits(array: Array | None) -> Array | None:
    """bfloat16 has no buffer format: the native side takes it as uint16."""
    return array.view(_UINT16) if array is not None and array.dtype.kind == "V" else array
