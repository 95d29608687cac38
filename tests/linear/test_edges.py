"""Empty and ignored rows, masks, odd layouts, outputs of the caller's, threads."""

from __future__ import annotations

import threading
from math import inf, isnan
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from linear.problems import PARTS, Layer, make_layer

import softxent

DTYPES = ("float32", "float64", "bfloat16", "float16")


def with_grad(layer: Layer, **options: Any) -> tuple[Any, softxent.LinearGrads]:
    return softxent.linear_cross_entropy_with_grad(
        layer.x, layer.w, layer.target, linear_bias=layer.b, **options
    )


def assert_zero(grads: softxent.LinearGrads) -> None:
    for part in grads:
        assert part is not None
        values = part.astype(np.float64)
        assert (values == 0).all() and not np.signbit(values).any()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [0, 4])
def test_no_row_counts(rows: int, dtype: str, reduction: str, implementation: str) -> None:
    layer = make_layer(dtype, (rows,), ignored=rows)
    options = {"reduction": reduction, "implementation": implementation}
    loss, grads = with_grad(layer, **options)
    assert np.shape(loss) == ((rows,) if reduction == "none" else ())
    assert (np.asarray(loss) == 0).all()
    assert_zero(grads)
    rest = layer.x, layer.w, layer.target
    assert (np.asarray(softxent.linear_cross_entropy(*rest, **options)) == 0).all()
    directions = (layer.x, layer.w, None)
    assert (softxent.linear_cross_entropy_jvp(*rest, directions, **options) == np.float32(0)).all()
    assert_zero(
        softxent.linear_cross_entropy_hvp(*rest, directions, linear_bias=layer.b, **options)
    )
    stats = softxent.linear_cross_entropy_stats(*rest, implementation=implementation)
    assert (stats.loss == 0).all() and (stats.rank == -1).all() and stats.rank.shape == (rows,)


def test_what_an_empty_mean_is() -> None:
    layer = make_layer(lead=(3,), ignored=3)
    loss, grads = with_grad(layer, empty="nan")
    assert isnan(loss)
    assert_zero(grads)
    with pytest.raises(ValueError, match=r"no row that counts \(of 3\)"):
        with_grad(layer, empty="raise")
    stats = softxent.linear_cross_entropy_stats(*layer[:2], layer.target, empty="raise")
    assert (stats.loss == 0).all()  # nothing is averaged


def test_weights_that_sum_to_zero() -> None:
    layer = make_layer(lead=(3,), ignored=0)
    loss, grads = with_grad(layer, weight=np.zeros(7))
    assert loss == 0
    assert_zero(grads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_ignored_row_reaches_nothing(road: str, dtype: str) -> None:
    """NaN in its input, in its direction: every result is that of the other rows alone."""
    layer = make_layer(dtype, (10,), ignored=4)
    assert np.isnan(layer.x.astype(np.float64)).any()
    keep = layer.keep
    alone = layer._replace(x=layer.x[keep], target=layer.target[keep])
    loss, grads = with_grad(layer)
    other_loss, other = with_grad(alone)
    assert loss == other_loss
    assert (grads.input[keep] == other.input).all()
    assert (grads.linear_weight == other.linear_weight).all()
    assert (grads.linear_bias == other.linear_bias).all()
    assert (grads.input[~keep].astype(np.float64) == 0).all()


def test_a_masked_class(implementation: str) -> None:
    layer = make_layer("float64", (6,), ignored=0)
    bias = layer.b.copy()
    bias[3] = -inf
    target = np.where(layer.target == 3, 0, layer.target)
    loss, grads = with_grad(layer._replace(b=bias, target=target), implementation=implementation)
    small = np.delete(np.arange(7), 3)
    small_target = np.searchsorted(small, target)
    expected, fewer = with_grad(Layer(layer.x, layer.w[small], layer.b[small], small_target))
    np.testing.assert_allclose(loss, expected, rtol=1e-14)
    assert (grads.linear_weight[3] == 0).all() and grads.linear_bias[3] == 0
    np.testing.assert_allclose(grads.linear_weight[small], fewer.linear_weight, rtol=1e-12)


def test_a_masked_target_is_infinite_and_its_gradient_is_not(implementation: str) -> None:
    layer = make_layer("float64", (6,), ignored=0)
    bias = layer.b.copy()
    bias[layer.target[0]] = -inf
    loss, grads = with_grad(layer._replace(b=bias), implementation=implementation)
    assert loss == inf
    assert all(np.isfinite(part).all() for part in grads)


def test_one_class_and_no_features(road: str) -> None:
    one = make_layer("float64", (4,), v=1, ignored=0)
    loss, grads = with_grad(one)
    assert loss == 0 and not np.signbit(loss)
    assert_zero(grads)
    flat = make_layer("float64", (4,), d=0, v=3, ignored=0)
    loss, grads = with_grad(flat)
    expected, g = softxent.cross_entropy_with_grad(
        np.broadcast_to(flat.b, (4, 3)).copy(), flat.target
    )
    assert loss == expected
    assert grads.input.shape == (4, 0) and grads.linear_weight.shape == (3, 0)
    np.testing.assert_allclose(grads.linear_bias, g.sum(0), rtol=1e-14)
    no_bias, _ = softxent.linear_cross_entropy_with_grad(flat.x, flat.w, flat.target)
    np.testing.assert_allclose(no_bias, np.log(3), rtol=1e-15)


def misaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    out = raw.view(array.dtype).reshape(array.shape)
    out[...] = array
    return out


def spread(array: np.ndarray) -> np.ndarray:
    out = np.repeat(array, 2, axis=-1)
    return out[..., ::2]


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "columns reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "columns apart": spread,
    "rows apart": lambda a: np.repeat(a, 2, axis=0)[::2],
    "misaligned": misaligned,
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(road: str, layout: str, dtype: str) -> None:
    if layout == "big-endian" and dtype == "bfloat16":
        pytest.skip("ml_dtypes has no byte-swapped bfloat16")
    change = LAYOUTS[layout]
    for ignored in (0, 3):
        layer = make_layer(dtype, (4, 5), ignored=ignored)
        loss, grads = with_grad(layer, max_memory="2kB")
        moved = Layer(*(change(part) for part in layer))
        moved_loss, moved_grads = with_grad(moved, max_memory="2kB")
        unit = {"float64": 1e-15, "float32": 1e-6, "bfloat16": 1e-2, "float16": 1e-3}[dtype]
        np.testing.assert_allclose(moved_loss, loss, rtol=8 * min(unit, 1e-6))
        for part, other in zip(grads, moved_grads, strict=True):
            a, b = part.astype(np.float64), other.astype(np.float64)
            np.testing.assert_allclose(b, a, rtol=0, atol=8 * unit * np.abs(a).max())


def test_broadcast_rows_are_repeated_rows() -> None:
    x = np.broadcast_to(np.array([0.5, -1.0, 2.0]), (6, 3))
    layer = make_layer("float64", (6,), d=3, ignored=0)._replace(x=x)
    loss, grads = with_grad(layer)
    same_loss, same = with_grad(layer._replace(x=x.copy()))
    np.testing.assert_allclose(loss, same_loss, rtol=1e-15)
    np.testing.assert_allclose(grads.linear_weight, same.linear_weight, rtol=1e-13)


def test_inputs_are_not_modified() -> None:
    layer = make_layer("float32", (4, 5), ignored=2)
    before = [part.tobytes() for part in layer]
    with_grad(layer, max_memory="2kB")
    softxent.linear_cross_entropy_hvp(*layer[:2], layer.target, (layer.x, layer.w, None))
    assert [part.tobytes() for part in layer] == before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["C", "Fortran", "reversed", "columns apart", "misaligned"])
def test_outputs_of_the_callers(road: str, layout: str, dtype: str) -> None:
    change = LAYOUTS.get(layout, np.copy)
    for lead, ignored in (((10,), 0), ((2, 5), 0), ((2, 5), 3)):
        layer = make_layer(dtype, lead, ignored=ignored)
        loss, grads = with_grad(layer, max_memory="2kB")
        out = softxent.LinearGrads(*(change(np.full_like(part, 7.0)) for part in layer[:3]))
        same_loss, written = with_grad(layer, max_memory="2kB", out=out)
        for part, other, mine in zip(grads, written, out, strict=True):
            assert other is mine
            scale = np.abs(part.astype(np.float64)).max()
            unit = {"float64": 1e-15, "float32": 1e-6, "bfloat16": 1e-2, "float16": 1e-3}[dtype]
            np.testing.assert_allclose(
                other.astype(np.float64), part.astype(np.float64), rtol=0, atol=8 * unit * scale
            )
        assert abs(loss - same_loss) <= 1e-6


def test_some_outputs_of_the_callers() -> None:
    layer = make_layer()
    mine = np.empty_like(layer.w)
    _, grads = with_grad(layer, out=(None, mine, None))
    assert grads.linear_weight is mine
    assert grads.input is not None and grads.linear_bias is not None
    _, grads = with_grad(layer, out=[None, mine, None], grads=["linear_weight"])
    assert grads.linear_weight is mine and grads.input is None


def test_a_bad_target_is_found_before_anything_is_written() -> None:
    layer = make_layer(ignored=0)
    layer.target[5] = 7
    out = softxent.LinearGrads(*(np.full_like(part, 7.0) for part in layer[:3]))
    with pytest.raises(IndexError, match=r"target\[5\] is 7; expected a class index in \[0, 7\)"):
        with_grad(layer, out=out)
    assert all((part == 7.0).all() for part in out)


def test_a_weight_gradient_beyond_float16_is_infinite_without_a_warning() -> None:
    x = np.full((4, 1), 60000.0, np.float16)
    w = np.zeros((2, 1), np.float16)
    _, grads = softxent.linear_cross_entropy_with_grad(x, w, [0, 0, 0, 0], reduction="sum")
    np.testing.assert_array_equal(grads.linear_weight, np.array([[-inf], [inf]], np.float16))


def test_two_threads_at_once(road: str, implementation: str) -> None:
    layers = [make_layer("float32", (64,), d=32, v=300, seed=seed) for seed in range(2)]
    expected = [with_grad(layer, implementation=implementation) for layer in layers]
    wrong = []

    def work(i: int) -> None:
        for _ in range(10):
            loss, grads = with_grad(layers[i], implementation=implementation)
            same = [(a == b).all() for a, b in zip(grads, expected[i][1], strict=True)]
            if loss != expected[i][0] or not all(same):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_lists_and_other_arrays_come_in() -> None:
    torch = pytest.importorskip("torch")
    layer = make_layer("float32", (5,), ignored=1)
    loss, _ = with_grad(layer)
    assert softxent.linear_cross_entropy(
        torch.from_numpy(layer.x), torch.from_numpy(layer.w), layer.target.tolist(),
        linear_bias=torch.from_numpy(layer.b),
    ) == loss  # fmt: skip
    assert set(PARTS) == set(softxent.LinearGrads._fields)
    assert np.dtype(ml_dtypes.bfloat16).itemsize == 2
