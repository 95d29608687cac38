"""A matrix product that can add: C = A B or C += A B, on the best road this machine has.

NumPy's `matmul` cannot add, so a sum over chunks of rows would cost a temporary and one more pass
over C for every chunk. A BLAS called directly adds while it writes (beta = 1). The roads:

    "numpy"   the BLAS that NumPy itself has loaded, by its C symbol
    "scipy"   SciPy's BLAS, by the pointers that scipy.linalg.cython_blas publishes
    "matmul"  np.matmul into a small temporary, tile by tile, and an addition

That order was measured (2 cores, OpenBLAS 0.3.31 and 0.3.30, the three products of a linear layer
with N, D, V = 1024, 256, 131072): 0.84 s and 0.92 s. SciPy's wheel brings an OpenBLAS of its own,
whose threads spin for a while after each product and slow down the caller's `@`; NumPy's is the one
that `@` uses anyway. Both are called through ctypes, which releases the GIL; the functions in
scipy.linalg.blas hold it for the whole product.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from softxent.contracts import Array
from softxent.errors import error, nearest

ROADS = ("numpy", "scipy", "matmul")


class Blas(NamedTuple):
    """One road. `pick` returns it, `product` multiplies."""

    name: str
    """Its name in `ROADS`."""
    why: str
    """The library, and why no better road is taken."""
    gemm: dict[np.dtype[Any], Gemm]
    """Column-major gemm by dtype; empty on the road "matmul"."""
    limit: int
    """The largest size or stride, in items, that the library's integers hold."""

    def takes(self, array: Array) -> bool:
        """Say whether this 2-D array can be multiplied as it lies, without a copy."""
        return (
            array.dtype in _LETTERS
            and array.flags.aligned
            and _layout(array, self.limit) is not None
        )

    def adds_into(self, array: Array) -> bool:
        """Say whether `product` can add into this array without a tile."""
        return bool(self.gemm) and self.takes(array)

    def product(
        self, a: Array, b: Array, c: Array, *, add: bool = False, tile: Array | None = None
    ) -> None:
        """Write C = A B, or C += A B with `add`, for A and B that `takes` accepts.

        tile: scratch of any size and C's dtype, for a C that this road cannot add into.
        """
        if not a.shape[1] and not add:
            c[...] = 0.0  # a sum over nothing
        if 0 in (*a.shape, *c.shape):
            return
        if not add and self.name != "scipy" and self.takes(c):
            np.matmul(a, b, out=c)  # NumPy's BLAS as well, with 12 us less of Python
        elif self.adds_into(c):
            self._direct(a, b, c, add)
        elif tile is None:
            raise ValueError(f"the BLAS road {self.name!r} needs a tile to write or add into C")
        else:
            _by_tiles(a, b, c, add, tile)

    def _direct(self, a: Array, b: Array, c: Array, add: bool) -> None:
        row_major, ldc = _known_layout(c, self.limit)
        if row_major:
            a, b, c = b.T, a.T, c.T  # C^T = B^T A^T, and the transpose is column-major
        trans_a, lda = _known_layout(a, self.limit)
        trans_b, ldb = _known_layout(b, self.limit)
        sizes = (*c.shape, a.shape[1])
        beta = 1.0 if add else 0.0
        self.gemm[c.dtype](
            trans_a, trans_b, sizes, _address(a), lda, _address(b), ldb, beta, _address(c), ldc
        )


# (trans_a, trans_b, (m, n, k), a, lda, b, ldb, beta, c, ldc)
Gemm: TypeAlias = Callable[[bool, bool, tuple[int, ...], int, int, int, int, float, int, int], None]


def pick(name: str | None = None) -> Blas:
    """Return the named road, or fail saying why it is closed; None is the first one open.

    The environment variable ``SOFTXENT_BLAS`` names the default; it is read once.
    """
    asked, where = name, "road"
    if asked is None:
        asked, where = _default(), "SOFTXENT_BLAS"
    if asked is None:
        return _first_open()
    if asked not in ROADS:
        names = ROADS if name is not None else ("native", *ROADS)
        best = "None" if name is not None else "nothing"
        raise error(
            ValueError,
            "implementation",
            "softxent.kernels.blas",
            where,
            repr(asked),
            f"one of {', '.join(names)}, or {best} for the best that is open here",
            nearest(asked, names),
        )
    try:
        return _open(asked)
    except _Closed as reason:
        raise error(
            RuntimeError,
            "implementation",
            "softxent.kernels.blas",
            where,
            f"{asked!r}, which is closed here ({reason})",
            "a road that is open",
            "Use None for the best that is.",
        ) from reason


def road() -> str:
    """Say in one line which road is taken, with which library, and why no better one is."""
    blas = pick()
    return f"{blas.name}: {blas.why}"


class _Closed(Exception):
    """Why a road cannot be taken."""


@cache
def _default() -> str | None:
    name = os.environ.get("SOFTXENT_BLAS") or None
    return None if name == "native" else name  # our own products (products.py), a BLAS beside them


@cache
def _first_open() -> Blas:
    closed = ""
    for name in ROADS:
        try:
            blas = _open(name)
        except _Closed as reason:
            closed += f"; not {name!r}: {reason}"
        else:
            return blas._replace(why=blas.why + closed)
    raise AssertionError("np.matmul is always open")


@cache
def _open(name: str) -> Blas:
    if name == "matmul":
        return Blas(name, "np.matmul, and an addition for each tile", {}, _INT32_MAX)
    gemms, library, limit = _numpy_gemms() if name == "numpy" else _scipy_gemms()
    for dtype, gemm in gemms.items():
        if not _is_right(gemm, dtype):
            raise _Closed(f"{library}: {dtype.name} products are wrong")
    return Blas(name, library, gemms, limit)


def _numpy_gemms() -> tuple[dict[np.dtype[Any], Gemm], str, int]:
    """Find cblas_?gemm among the libraries that NumPy's own extension module brought along."""
    handle = _handle("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")
    for pattern, limit in _CBLAS_NAMES:
        try:
            symbols = {d: getattr(handle, pattern.format(x)) for d, x in _LETTERS.items()}
        except AttributeError:
            continue
        gemms = {dtype: _cblas(symbol, dtype) for dtype, symbol in symbols.items()}
        return gemms, f"{_config(handle)} of NumPy {np.__version__}", limit
    raise _Closed(f"NumPy {np.__version__} shows no cblas_sgemm")


def _scipy_gemms() -> tuple[dict[np.dtype[Any], Gemm], str, int]:
    """Find ?gemm in the table of C pointers that SciPy publishes for other compiled code."""
    try:
        module: Any = importlib.import_module("scipy.linalg.cython_blas")
    except ImportError as reason:
        raise _Closed(f"SciPy does not load ({reason})") from reason
    version = sys.modules["scipy"].__version__
    try:
        capsules = {d: module.__pyx_capi__[f"{x}gemm"] for d, x in _LETTERS.items()}
        gemms = {dtype: _fortran(_pointer(c), dtype) for dtype, c in capsules.items()}
    except (AttributeError, KeyError, ValueError) as reason:
        raise _Closed(f"SciPy {version} publishes no sgemm ({reason})") from reason
    handle = _handle("scipy.linalg.cython_blas")
    return gemms, f"{_config(handle)} of SciPy {version}", _INT32_MAX


def _cblas(symbol: Any, dtype: np.dtype[Any]) -> Gemm:
    real, size, pointer = _REALS[dtype], ctypes.c_int64, ctypes.c_void_p
    # A library with 32-bit integers reads the lower half of each, on every little-endian ABI.
    symbol.argtypes = [ctypes.c_int] * 3 + [size] * 3
    symbol.argtypes += [real, pointer, size, pointer, size, real, pointer, size]
    symbol.restype = None
    column_major, plain, transposed = 102, 111, 112

    def gemm(
        trans_a: bool, trans_b: bool, sizes: tuple[int, ...], a: int, lda: int, b: int, ldb: int,
        beta: float, c: int, ldc: int,
    ) -> None:  # fmt: skip
        ops = (transposed if trans_a else plain, transposed if trans_b else plain)
        symbol(column_major, *ops, *sizes, 1.0, a, lda, b, ldb, beta, c, ldc)

    return gemm


def _fortran(address: int, dtype: np.dtype[Any]) -> Gemm:
    real, size, char = _REALS[dtype], ctypes.c_int64, ctypes.c_char
    symbol = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(address)
    ref = ctypes.byref

    def gemm(
        trans_a: bool, trans_b: bool, sizes: tuple[int, ...], a: int, lda: int, b: int, ldb: int,
        beta: float, c: int, ldc: int,
    ) -> None:  # fmt: skip
        ops = (char(b"T" if trans_a else b"N"), char(b"T" if trans_b else b"N"))
        m, n, k = (size(x) for x in sizes)
        symbol(
            ref(ops[0]), ref(ops[1]), ref(m), ref(n), ref(k), ref(real(1.0)), a, ref(size(lda)),
            b, ref(size(ldb)), ref(real(beta)), c, ref(size(ldc)),
        )  # fmt: skip

    return gemm


def _is_right(gemm: Gemm, dtype: np.dtype[Any]) -> bool:
    """Multiply small integers both ways round: wrong integer sizes or symbols show here."""
    a = np.arange(6.0, dtype=dtype).reshape(2, 3)
    b = np.arange(12.0, dtype=dtype).reshape(3, 4) - 5
    for add in (False, True):
        c = np.full((2, 4), 7, dtype)
        Blas("", "", {dtype: gemm}, _INT32_MAX).product(a, b, c, add=add)
        if not np.array_equal(c, a @ b + 7 * add):
            return False
    return True


def _by_tiles(a: Array, b: Array, c: Array, add: bool, tile: Array) -> None:
    # The longer side of C is cut, so that the shorter operand is what each tile reads again.
    upright = c.shape[0] <= c.shape[1]
    if not upright:
        a, b, c = b.T, a.T, c.T
    rows, columns = c.shape
    height = min(rows, tile.size)
    width = tile.size // height
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            part = c[top : top + height, left : left + width]
            flat = tile.reshape(-1)[: part.size]
            # laid out as C is: adding a transpose would cost several times the addition
            temporary = flat.reshape(part.shape) if upright else flat.reshape(part.T.shape).T
            np.matmul(a[top : top + height], b[:, left : left + width], out=temporary)
            if add:
                np.add(part, temporary, out=part)
            else:
                np.copyto(part, temporary)


def _layout(array: Array, limit: int) -> tuple[bool, int] | None:
    """Return (row-major, leading dimension) of a matrix as BLAS sees it; None if it cannot."""
    rows, columns = array.shape
    down, right = array.strides
    size = array.itemsize
    if not array.size:
        return True, 1  # never read
    for row_major, (inner, unit), (outer, stride) in (
        (False, (rows, down), (columns, right)),
        (True, (columns, right), (rows, down)),
    ):
        if inner > 1 and unit != size:
            continue
        leading = stride // size if outer > 1 else max(1, inner)
        regular = outer <= 1 or (stride % size == 0 and leading >= max(1, inner))
        if regular and max(rows, columns, leading) <= limit:
            return row_major, leading
    return None


def _known_layout(array: Array, limit: int) -> tuple[bool, int]:
    layout = _layout(array, limit)
    if layout is None:
        raise ValueError(f"BLAS cannot take strides {array.strides} of a {array.shape} matrix")
    return layout


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _handle(*modules: str) -> ctypes.CDLL:
    """Open a loaded extension module again: its symbols include those of its own libraries."""
    for module in modules:
        path = getattr(sys.modules.get(module), "__file__", None)
        if path:
            try:
                return ctypes.CDLL(path)
            except OSError as reason:
                raise _Closed(f"{path} does not open ({reason})") from reason
    raise _Closed(f"no file of {modules[0]} is known")


def _config(handle: ctypes.CDLL) -> str:
    """Return OpenBLAS's own description, the kernel it chose included, if it is OpenBLAS."""
    for name in ("{}openblas_get_config64_", "{}openblas_get_config"):
        for prefix in ("scipy_", ""):
            try:
                symbol = getattr(handle, name.format(prefix))
            except AttributeError:
                continue
            symbol.restype, symbol.argtypes = ctypes.c_char_p, []
            return " ".join(str(symbol().decode()).split())
    return "the BLAS"


def _pointer(capsule: object) -> int:
    name, get = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, name(capsule)))


_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1
_LETTERS: dict[np.dtype[Any], str] = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
_REALS: dict[np.dtype[Any], Any] = {
    np.dtype(np.float32): ctypes.c_float,
    np.dtype(np.float64): ctypes.c_double,
}
# What the C symbol is called: in NumPy's wheels (2.x, 1.26), in Accelerate, and anywhere else.
_CBLAS_NAMES = (
    ("scipy_cblas_{}gemm64_", _INT64_MAX),
    ("cblas_{}gemm64_", _INT64_MAX),
    ("cblas_{}gemm$NEWLAPACK$ILP64", _INT64_MAX),
    ("scipy_cblas_{}gemm", _INT32_MAX),
    ("cblas_{}gemm", _INT32_MAX),
)
