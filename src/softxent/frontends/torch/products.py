"""The linear loss's matrix products by PyTorch's own libraries, where they are the better choice.

That is with few classes, where our own products have too few blocks to share out and NumPy's BLAS
would be a second set of threads beside PyTorch's; with many rows in a chunk, over which the cost of
arranging the weight is spread; and for bfloat16 on CPUs that multiply it (AMX,
AVX512_BF16), which is up to five times as fast as float32. The logits of a chunk are then
bfloat16, as PyTorch's are, and the weight gradient is summed in float32.

`torch.mm` rounds a product of bfloat16 to bfloat16, and has no `out_dtype` on the CPU (2.13). But
MKL, which PyTorch's x86 wheels contain, has a product of bfloat16 that adds into float32, and its C
symbol is public: 512 x 32000 x 512 takes it 15 ms where `torch.mm` takes 13 (2 cores with AMX).
Without it a tile of classes at a time is multiplied, rounded, and added.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from softxent.contracts import Array
from softxent.frontends.torch.arrays import BFLOAT16, from_numpy
from softxent.kernels.products import OWN_CLASSES, Bytes, Pairs, Products, is_fast

# Rows in a chunk from which MKL multiplies float32 faster than ours: 2048 x 1024 x 32000 takes it
# 1.48 s in chunks of 512 rows (ours 1.54), 1024 x 256 x 131072 0.94 s in chunks of 128 (0.91).
MANY_ROWS = 384


def make(
    dtype: np.dtype[Any], weights: Sequence[Array], weight_sum: Array | None, rows: int
) -> Products | None:
    """Return PyTorch's products where they pay off; `softxent.kernels.products.Maker`."""
    stored, n_classes = weights[0].dtype, weights[0].shape[0]
    if stored == BFLOAT16:
        if not multiplies_bfloat16():
            return None
    elif stored != dtype or (n_classes >= OWN_CLASSES and is_fast() and rows < MANY_ROWS):
        return None
    if not all(is_regular(weight) for weight in weights):
        return None
    if weight_sum is not None and not is_regular(weight_sum):
        return None
    return TorchProducts(stored, weights[0].shape[1])


@cache
def multiplies_bfloat16() -> bool:
    """Say whether this CPU has instructions for products of bfloat16."""
    cpu: Any = torch.cpu
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(cpu, name, bool)()) for name in names)


class TorchProducts:
    """Products of matrices that PyTorch reads as they lie."""

    name = "torch"

    def __init__(self, dtype: np.dtype[Any], n_features: int) -> None:
        self.dtype, self.n_features = dtype, n_features
        # bfloat16: a product adds into float32 by MKL, or else tile by tile.
        self.gemm = mkl_gemm() if dtype == BFLOAT16 else None
        stages = dtype == BFLOAT16 and self.gemm is None
        self.bytes = Bytes(tile=stages * max(n_features, 1) * dtype.itemsize)

    def allocate(self, tile: int) -> None:
        """A tile for products that are rounded before they are added."""
        self._tile = np.empty((tile if self.bytes.tile else 0, self.n_features), self.dtype)

    def reads(self, matrix: Array) -> bool:
        """With one of its sides contiguous."""
        return is_regular(matrix)

    def writes(self, matrix: Array) -> bool:
        """Rows side by side."""
        return matrix.dtype == self.dtype and _is_row_major(matrix)

    def logits(self, z: Array, terms: Pairs, bias: Array | None) -> None:
        """The bias goes in first."""
        out = from_numpy(z)
        if bias is not None:
            out.copy_(from_numpy(bias))
        _add_products(out, [(x, w.T) for x, w in _whole(terms)], add=bias is not None)

    def input_grad(self, dx: Array, terms: Pairs) -> None:
        """One product a term."""
        _add_products(from_numpy(dx), _whole(terms), add=False)

    def weight_grad(self, dw: Array, terms: Pairs, *, add: bool) -> None:
        """One product a term; of bfloat16 into float32."""
        pairs = [(g.T, x) for g, x in _whole(terms)]
        if dw.dtype == self.dtype:
            _add_products(from_numpy(dw), pairs, add=add)
            return
        for g, x in pairs:
            if self.gemm is None or max(*g.strides, *x.strides, *dw.strides) >= 2**31:
                self._by_tiles(from_numpy(dw), g, x, add)
            else:
                self.gemm(g, x, dw, add)
            add = True

    def add_columns(self, sums: Array, g: Array) -> None:
        """By products with 1: of bfloat16 into float32 for all rows, of others 16 rows at a time.

        16, so that float32 rounds little. With few classes those would be many products: there some
        rows more at a time are added in float64.
        """
        n_rows, n_classes = g.shape
        few = n_classes < 4096
        step = n_rows if self.gemm is not None else max(16, 65536 // n_classes) if few else 16
        block_sum = np.empty((1, n_classes), np.float64 if g.itemsize == 8 or few else np.float32)
        if self.gemm is not None:
            block_sum = block_sum.astype(np.float32, copy=False)
        for start in range(0, n_rows, max(step, 1)):
            block = g[start : start + step]
            out = from_numpy(block_sum)
            if self.gemm is not None:
                self.gemm(np.ones((1, len(block)), g.dtype), block, block_sum, False)
            elif few:
                torch.sum(from_numpy(block).double(), 0, keepdim=True, out=out)
            elif g.dtype == BFLOAT16:
                torch.sum(from_numpy(block).float(), 0, keepdim=True, out=out)
            else:
                torch.mm(torch.ones(1, len(block), dtype=out.dtype), from_numpy(block), out=out)
            np.add(sums, block_sum[0], out=sums)

    def store(self, out: Array, sums: Array) -> None:
        """PyTorch rounds, on all threads: NumPy would take as long as a product."""
        from_numpy(out).copy_(from_numpy(sums))

    def _by_tiles(self, dw: Tensor, g: Array, x: Array, add: bool) -> None:
        tile, right = from_numpy(self._tile), from_numpy(x)
        for start in range(0, len(g), max(len(tile), 1)):
            left = from_numpy(g[start : start + len(tile)])
            part = torch.mm(left, right, out=tile[: len(left)])
            here = dw[start : start + len(left)]
            _ = here.add_(part) if add else here.copy_(part)


def _whole(terms: Pairs) -> list[tuple[Array, Array]]:
    return [(a, b) for a, b in terms if a is not None and b is not None]


def _add_products(out: Tensor, pairs: Sequence[tuple[Array, Array]], *, add: bool) -> None:
    """Write the sum of a b over the pairs, or add it."""
    for a, b in pairs:
        left, right = from_numpy(a), from_numpy(b)
        _ = out.addmm_(left, right) if add else torch.mm(left, right, out=out)
        add = True
    if not add:
        out.zero_()


def _is_row_major(matrix: Array) -> bool:
    (rows, columns), (down, right), item = matrix.shape, matrix.strides, matrix.itemsize
    side_by_side = right == item or columns <= 1
    apart = rows <= 1 or (down % item == 0 and down >= max(columns, 1) * item)
    return bool(matrix.flags.aligned and side_by_side and apart)


def is_regular(matrix: Array) -> bool:
    """Say whether one of its sides is contiguous, so that PyTorch can read it as it lies."""
    return _is_row_major(matrix) or _is_row_major(matrix.T)


# Write C = A B, or C += A B: A and B of bfloat16, C of float32 with rows side by side.
Gemm: TypeAlias = Callable[[Array, Array, Array, bool], None]


@cache
def mkl_gemm() -> Gemm | None:
    """Return MKL's product of bfloat16 into float32, if PyTorch brought it and it is right."""
    for path in (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*"):
        try:
            gemm = _cblas(ctypes.CDLL(str(path)).cblas_gemm_bf16bf16f32)
        except (OSError, AttributeError):
            continue
        if _is_right(gemm):
            return gemm
    return None


def _cblas(symbol: Any) -> Gemm:
    size, real, pointer = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
    symbol.argtypes = [size] * 6 + [real, pointer, size, pointer, size, real, pointer, size]
    symbol.restype = None
    row_major, plain, transposed = 101, 111, 112

    def layout(matrix: Array) -> tuple[int, int]:
        if _is_row_major(matrix):
            return plain, _leading(matrix)
        return transposed, _leading(matrix.T)

    def gemm(a: Array, b: Array, c: Array, add: bool) -> None:
        if 0 in c.shape:
            return
        (op_a, lda), (op_b, ldb) = layout(a), layout(b)
        symbol(
            row_major, op_a, op_b, *c.shape, a.shape[1], 1.0, a.ctypes.data, lda,
            b.ctypes.data, ldb, 1.0 if add else 0.0, c.ctypes.data, _leading(c),
        )  # fmt: skip

    return gemm


def _leading(matrix: Array) -> int:
    if matrix.shape[0] > 1:
        return int(matrix.strides[0] // matrix.itemsize)
    return max(1, int(matrix.shape[1]))


def _is_right(gemm: Gemm) -> bool:
    """Multiply small integers both ways round: a symbol of another meaning shows here."""
    a = np.arange(6.0).reshape(2, 3).astype(BFLOAT16)
    b = (np.arange(12.0).reshape(3, 4) - 5).astype(BFLOAT16)
    right = a.astype(np.float32) @ b.astype(np.float32)
    for left in (a, np.asfortranarray(a)):
        for add in (False, True):
            c = np.full((2, 4), 7, np.float32)
            gemm(left, b, c, add)
            if not np.array_equal(c, right + 7 * add):
                return False
    return True
