"""Our own matrix products: every kind, layout, dtype and number of threads; when they are taken."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from linear.problems import make_layer

import softxent
from softxent.kernels import blas, memory, products

_native = pytest.importorskip("softxent._native")

LOGITS, INPUT, WEIGHT = range(3)
# (rows, classes, features): around the tile's 12, the panel's 32 and 256, the block's 96
SIZES = [(1, 1, 1), (2, 95, 31), (13, 97, 32), (33, 400, 7), (70, 96, 100), (300, 700, 33)]
STORED = {"same": None, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float64": "f8"}


def integers(rng: Any, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Small ones: every sum is exact in any order."""
    return rng.integers(-3, 4, shape).astype(np.float32).astype(dtype)


def lying(array: np.ndarray, how: str) -> np.ndarray:
    """The same matrix with other strides."""
    return {
        "C": lambda: np.ascontiguousarray(array),
        "F": lambda: np.asfortranarray(array),
        "backwards": lambda: array[::-1].copy()[::-1],
        "columns apart": lambda: np.repeat(array, 2, axis=1)[:, ::2],
        "one row for all": lambda: np.broadcast_to(array[:1], array.shape),
    }[how]()


def padded(array: np.ndarray) -> np.ndarray:
    """A view with rows a few items apart, whose surroundings are NaN."""
    whole = np.full((array.shape[0], array.shape[1] + 3), np.nan, array.dtype)
    whole[:, : array.shape[1]] = array
    return whole[:, : array.shape[1]]


def exactly(*terms: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return sum(a.astype(np.float64) @ b.astype(np.float64) for a, b in terms)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("how", ["C", "F", "backwards", "columns apart", "one row for all"])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_product(dtype: str, stored: str, how: str, threads: int) -> None:
    rng = np.random.default_rng([threads, len(how), len(stored)])
    for n, v, d in SIZES:
        kind = STORED[stored] or dtype
        weights = [lying(integers(rng, (v, d), kind), how), integers(rng, (v, d), dtype)]
        inputs = [lying(integers(rng, (n, d), kind), how), integers(rng, (n, d), dtype)]
        slopes = [padded(integers(rng, (n, v), dtype)) for _ in range(2)]
        bias, where = integers(rng, (1, v), kind)[0], f"{n} x {v} x {d}"
        for terms in (1, 2):
            w, x, g = weights[:terms], inputs[:terms], slopes[:terms]
            ours = products.NativeProducts(np.dtype(dtype), weights)
            ours.threads = threads

            z = padded(np.full((n, v), np.nan, dtype))
            ours.logits(z, list(zip(x, w, strict=True)), bias)
            expected = exactly(*((a, b.T) for a, b in zip(x, w, strict=True))) + bias
            np.testing.assert_array_equal(z, expected, where)
            assert np.isnan(z.base[:, v:]).all()

            dx = np.full((n, d), np.nan, dtype)
            ours.input_grad(dx, list(zip(g, w, strict=True)))
            np.testing.assert_array_equal(dx, exactly(*zip(g, w, strict=True)), where)

            expected = exactly(*((a.T, b) for a, b in zip(g, x, strict=True)))
            dw = np.full((v, d), np.nan, dtype)
            for times in (1, 2):
                ours.weight_grad(dw, list(zip(g, x, strict=True)), add=times == 2)
                np.testing.assert_array_equal(dw, times * expected, where)

        sums = np.ones(v)
        ours.add_columns(sums, slopes[0])
        np.testing.assert_array_equal(sums, 1 + slopes[0].sum(axis=0, dtype=np.float64), where)


def test_a_term_with_none_in_it_is_zero() -> None:
    w, x = np.ones((5, 3), np.float32), np.ones((4, 3), np.float32)
    ours = products.NativeProducts(np.dtype(np.float32), [w, w])
    z = np.full((4, 5), np.nan, np.float32)
    ours.logits(z, [(None, w), (x, 2 * w)], None)
    np.testing.assert_array_equal(z, 6.0)
    ours.logits(z, [(None, w), (x, None)], None)
    np.testing.assert_array_equal(z, 0.0)


@pytest.mark.parametrize("rows", [1, 31, 32, 100, 300])
@pytest.mark.parametrize("kind", [LOGITS, INPUT, WEIGHT])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_errors_of_long_sums_stay_small(rows: int, kind: int, threads: int) -> None:
    """Within a panel's length plus the number of panels, times half a unit of the magnitudes."""
    rng = np.random.default_rng(rows)
    v, d = 3000, 700
    w, x, g = (rng.random(s, dtype=np.float32) for s in ((v, d), (rows, d), (rows, v)))
    a, b, operands = [
        (x, w.T, {"x": x, "w": w}),
        (g, w, {"g": g, "w": w}),
        (g.T, x, {"g": g, "x": x}),
    ][kind]
    c = np.empty((a.shape[0], b.shape[1]), np.float32)
    _native.product(kind, **operands, out=c, threads=threads)
    exact = exactly((a, b))
    depth = a.shape[1]
    bound = (min(depth, 512) + depth / 128 + threads) * 2.0**-24
    assert np.max(np.abs(c - exact) / exact) <= bound


@pytest.mark.parametrize(
    "kind, operands, out, words",
    [
        (3, {}, (2, 2), "unknown kind"),
        (LOGITS, {"x": (2, 3), "w": (5, 4)}, (2, 5), "w has the wrong shape"),
        (LOGITS, {"x": (3, 3), "w": (5, 3)}, (2, 5), "x has the wrong shape"),
        (INPUT, {"g": (2, 4), "w": (5, 3)}, (2, 3), "w has the wrong shape"),
        (WEIGHT, {"g": (2, 5), "x": (3, 4)}, (5, 4), "x has the wrong shape"),
        (WEIGHT, {"g": (2, 5)}, (5, 4), "half a term"),
        (INPUT, {"g": (2, 5), "w": (5, 3)}, None, "out is missing"),
    ],
)
def test_wrong_shapes_are_refused(kind: int, operands: Any, out: Any, words: str) -> None:
    """The last line before memory is touched; the front end has said it better before."""
    arrays = {name: np.ones(shape, np.float32) for name, shape in operands.items()}
    result = None if out is None else np.ones(out, np.float32)
    with pytest.raises(ValueError, match=words):
        _native.product(kind, **arrays, out=result, threads=1)


def test_wrong_types_and_layouts_are_refused() -> None:
    g, w, dx = (np.ones(s, np.float32) for s in ((2, 5), (5, 3), (2, 3)))
    for wrong in (g.astype(np.float64), np.repeat(g, 2, axis=1)[:, ::2]):
        with pytest.raises(ValueError, match="g has the wrong type or layout"):
            _native.product(INPUT, g=wrong, w=w, out=dx, threads=1)
    with pytest.raises(ValueError, match="out has the wrong type"):
        _native.product(INPUT, g=g, w=w, out=dx.astype(np.float16), threads=1)
    with pytest.raises(ValueError, match="number of threads"):
        _native.product(INPUT, g=g, w=w, out=dx, threads=0)
    with pytest.raises(ValueError, match="bias has the wrong shape"):
        _native.product(LOGITS, x=dx, w=w, bias=np.ones((1, 4), np.float32), out=g, threads=1)


def plan_of(v: int, **options: Any) -> Any:
    layer = make_layer(lead=(6,), d=3, v=v, ignored=0)
    return softxent.linear_cross_entropy_plan(layer.x, layer.w, layer.target, **options)


@pytest.mark.skipif(not products.is_fast(), reason="no instruction set of ours that is fast")
def test_ours_are_taken_for_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTXENT_BLAS", raising=False)
    few, many = products.OWN_CLASSES - 1, products.OWN_CLASSES
    library = blas.pick().name
    assert plan_of(many).blas == "native"
    assert plan_of(few).blas == library
    assert plan_of(many, implementation="numpy").blas == library
    assert plan_of(many, max_memory="200kB").blas == library  # no room for our scratch
    assert products.road().startswith("native: softxent's own from 1024 classes on; else ")
    monkeypatch.setenv("SOFTXENT_BLAS", "native")
    assert plan_of(few).blas == "native"
    monkeypatch.setenv("SOFTXENT_BLAS", "matmul")
    assert plan_of(many).blas == library  # the default was read before; but ours are not taken


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("soft", [False, True])
def test_whole_losses_agree_with_a_blas(
    dtype: str, soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make_layer(dtype, (70,), d=20, v=1500, soft=soft, ignored=0 if soft else 9)
    along = (layer.x, layer.w, layer.b)
    calls = {
        "with_grad": (),
        "hvp": (along,),
        "jvp": (along,),
        "stats": (),
    }
    results: dict[str, list[Any]] = {}
    for name in ("native", "numpy"):
        monkeypatch.setenv("SOFTXENT_BLAS", name)
        results[name] = [
            getattr(softxent, f"linear_cross_entropy_{call}")(
                layer.x, layer.w, layer.target, *more, linear_bias=layer.b, max_memory="512KiB"
            )
            for call, more in calls.items()
        ]
    tolerance = {"float64": 1e-12, "float32": 2e-4, "bfloat16": 2e-2, "float16": 4e-3}[dtype]
    for ours, theirs in zip(*results.values(), strict=True):
        for a, b in zip(flat(ours), flat(theirs), strict=True):
            scale = float(np.max(np.abs(b.astype(np.float64)), initial=1e-30))
            apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
            assert np.max(apart, initial=0.0) <= tolerance * scale


def flat(result: Any) -> list[np.ndarray]:
    if isinstance(result, tuple):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]


def test_the_scratch_is_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks come from the pool: what it holds after a product is what the product took."""
    n, v, d = 640, 2000, 96
    w, x, g = (np.ones(s, np.float32) for s in ((v, d), (n, d), (n, v)))
    ours = products.NativeProducts(np.dtype(np.float32), [w])
    allowed = ours.bytes.row * n + ours.bytes.fixed
    for run in (
        lambda: ours.logits(g, [(x, w), (x, w)], None),
        lambda: ours.input_grad(x.copy(), [(g, w), (g, w)]),
        lambda: ours.weight_grad(w.copy(), [(g, x), (g, x)], add=False),
    ):
        memory.release_memory()
        run()
        held = _native.info()["pool"]["held_bytes"]
        assert held <= allowed + 2 * 2**21  # blocks are whole huge pages
