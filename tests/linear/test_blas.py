"""The matrix product that adds: every road, every layout, and which road is taken why."""

import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from softxent.kernels import blas


def views(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """The same matrix as it may lie in memory, each of which a BLAS can take."""
    rows, columns = matrix.shape
    padded = np.zeros((rows, columns + 3), matrix.dtype)
    padded[:, :columns] = matrix
    return {
        "C": matrix.copy(),
        "F": matrix.copy(order="F"),
        "rows apart": padded[:, :columns],
        "columns apart": np.ascontiguousarray(np.vstack([matrix, matrix[:1]]).T).T[:rows],
    }


def matrices(dtype: Any, m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integers, so that every sum is exact in any order."""
    rng = np.random.default_rng([m, k, n])
    shapes = (m, k), (k, n), (m, n)
    a, b, c = (rng.integers(-4, 5, shape).astype(dtype) for shape in shapes)
    return a, b, c


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes", [(4, 3, 5), (5, 7, 2), (1, 3, 4), (4, 1, 3), (3, 4, 1), (1, 1, 1)]
)
@pytest.mark.parametrize("add", [False, True])
def test_product_in_every_layout(
    road: str, dtype: Any, sizes: tuple[int, int, int], add: bool
) -> None:
    chosen = blas.pick()
    a, b, c = matrices(dtype, *sizes)
    expected = a @ b + add * c
    for name_a, left in views(a).items():
        for name_b, right in views(b).items():
            for name_c, out in views(c).items():
                assert chosen.takes(left) and chosen.takes(right) and chosen.takes(out)
                chosen.product(left, right, out, add=add, tile=np.empty(7, dtype))
                message = f"{name_a} times {name_b} into {name_c}"
                np.testing.assert_array_equal(out, expected, err_msg=message)


@pytest.mark.parametrize("size", [1, 2, 5, 12, 1000])
@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_a_tile_of_any_size_is_enough(road: str, size: int, shape: tuple[int, int]) -> None:
    a, b, c = matrices(np.float64, shape[0], 3, shape[1])
    spread = np.zeros((shape[0], 2 * shape[1]))[:, ::2]  # no unit stride: every road needs the tile
    for out in (c, spread):
        out[...] = c
        expected = out + a @ b
        blas.pick().product(a, b, out, add=True, tile=np.empty(size))
        np.testing.assert_array_equal(out, expected)


def test_what_lies_beside_the_output_stays(road: str) -> None:
    a, b, _ = matrices(np.float32, 4, 3, 5)
    whole = np.full((4, 8), 9.0, np.float32)
    for add in (False, True):
        blas.pick().product(a, b, whole[:, :5], add=add, tile=np.empty(5, np.float32))
    np.testing.assert_array_equal(whole[:, :5], 2 * (a @ b))
    np.testing.assert_array_equal(whole[:, 5:], 9.0)


def test_without_add_the_output_is_not_read(road: str) -> None:
    a, b, c = matrices(np.float32, 4, 3, 5)
    c[...] = np.nan
    blas.pick().product(a, b, c)
    np.testing.assert_array_equal(c, a @ b)


def test_empty_sizes(road: str) -> None:
    def product(m: int, k: int, n: int, *, add: bool) -> np.ndarray:
        out = np.full((m, n), 2.0)
        blas.pick().product(np.ones((m, k)), np.ones((k, n)), out, add=add, tile=np.empty(1))
        return out

    np.testing.assert_array_equal(product(2, 0, 3, add=False), 0.0)
    np.testing.assert_array_equal(product(2, 0, 3, add=True), 2.0)
    assert product(0, 2, 3, add=True).shape == (0, 3)
    assert product(2, 2, 0, add=False).shape == (2, 0)


def test_strides_that_no_blas_takes(road: str) -> None:
    takes = blas.pick().takes
    matrix = np.ones((6, 8), np.float32)
    assert takes(matrix) and takes(matrix.T) and takes(matrix[:, :3]) and takes(matrix[::2])
    assert takes(matrix[:1, ::2].T[:1]) and takes(matrix[:0])
    assert not takes(matrix[:, ::2])
    assert not takes(matrix[::-1])
    assert not takes(matrix[:, ::-1])
    assert not takes(np.broadcast_to(matrix[0], (6, 8)))
    assert not takes(np.broadcast_to(matrix[:, :1], (6, 8)))
    assert not takes(matrix.astype(np.float16))
    assert not takes(matrix.astype(">f4"))
    misaligned = np.frombuffer(bytearray(6 * 8 * 4 + 1), np.uint8)[1:].view(np.float32)
    assert not takes(misaligned.reshape(6, 8))


def test_sizes_beyond_the_integers_of_the_library() -> None:
    small = blas.pick("matmul")._replace(limit=8)
    assert small.takes(np.ones((8, 8)))
    assert not small.takes(np.ones((9, 2)))
    assert not small.takes(np.ones((2, 9))[:, :2])


def test_a_missing_tile_is_an_error() -> None:
    a, b, c = matrices(np.float64, 2, 2, 2)
    with pytest.raises(ValueError, match="'matmul' needs a tile"):
        blas.pick("matmul").product(a, b, c, add=True)


def test_a_product_lets_other_threads_run(road: str) -> None:
    a = np.ones((1200, 1200), np.float32)
    out, tile = np.zeros_like(a), np.empty(a.size, np.float32)
    ticks, done = [0], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0)

    other = threading.Thread(target=tick)
    other.start()
    try:
        seen = 0
        for _ in range(20):  # on a busy machine the other thread may miss one product
            before = ticks[0]
            blas.pick().product(a, a, out, add=True, tile=tile)
            seen += ticks[0] - before
    finally:
        done.set()
        other.join()
    assert seen > 20


def test_road_says_which_and_with_what() -> None:
    name, _, why = blas.road().partition(": ")
    assert name == blas.pick().name
    assert why


def test_unknown_road() -> None:
    with pytest.raises(
        ValueError, match=r"road is 'numpi'; expected one of .* Did you mean 'numpy'"
    ):
        blas.pick("numpi")


def fresh_python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter, with `blas` imported, and return what it prints."""
    code = f"import os, sys\nos.environ.update({environment!r})\n{code}"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return run.stdout.strip()


HIDE_NUMPY = "from softxent.kernels import blas; blas._CBLAS_NAMES = ();"
HIDE_SCIPY = "import sys; sys.modules['scipy'] = sys.modules['scipy.linalg'] = None;"
ROAD = "from softxent.kernels import blas; print(blas.road())"


def test_a_road_that_is_open_keeps_scipy_unloaded() -> None:
    code = ROAD + "; print('scipy' in sys.modules or blas.pick().name == 'scipy')"
    name, loaded = fresh_python(code).splitlines()
    assert loaded == str(name.startswith("scipy"))


def test_without_numpys_symbol_scipy_is_next_and_says_why() -> None:
    pytest.importorskip("scipy")
    said = fresh_python(HIDE_NUMPY + ROAD)
    assert said.startswith("scipy: ")
    assert "not 'numpy': NumPy" in said and "shows no cblas_sgemm" in said


def test_without_any_blas_matmul_is_last_and_says_why() -> None:
    said = fresh_python(HIDE_NUMPY + HIDE_SCIPY + ROAD)
    assert said.startswith("matmul: ")
    assert "not 'numpy': " in said and "not 'scipy': SciPy does not load" in said


def test_a_closed_road_asked_for_by_name() -> None:
    code = "\ntry: blas.pick('numpy')\nexcept RuntimeError as error: print(error)"
    said = fresh_python(HIDE_NUMPY + code)
    assert "road is 'numpy', which is closed here" in said and "shows no cblas_sgemm" in said


@pytest.mark.parametrize("name", blas.ROADS)
def test_the_environment_names_the_default(name: str) -> None:
    try:
        blas.pick(name)
    except RuntimeError as reason:
        pytest.skip(str(reason))
    assert fresh_python(ROAD, SOFTXENT_BLAS=name).startswith(f"{name}: ")


def test_an_unknown_road_in_the_environment() -> None:
    code = "from softxent.kernels import blas\ntry: blas.pick()\nexcept ValueError as e: print(e)"
    assert "SOFTXENT_BLAS is 'mkl'; expected one of" in fresh_python(code, SOFTXENT_BLAS="mkl")


def test_a_library_that_multiplies_wrongly_is_found_out() -> None:
    right = next(iter(blas.pick("scipy").gemm.values())) if has_scipy() else None
    if right is None:
        pytest.skip("needs a gemm to spoil")

    def never_adds(*args: Any) -> None:
        right(*args[:7], 0.0, *args[8:])

    dtype = np.dtype(np.float32)
    assert blas._is_right(right, dtype)
    assert not blas._is_right(never_adds, dtype)


def has_scipy() -> bool:
    try:
        return bool(blas.pick("scipy"))
    except RuntimeError:
        return False
