"""Loss and gradients against the dense float64 reference, given the logits the product returned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from linear.conftest import Spy
from linear.problems import PARTS, REDUCTIONS, UNIT, Layer, budget_for, make_layer, make_options

import softxent
from softxent import reference

DTYPES = ("float32", "float64", "bfloat16", "float16")


def computed(dtype: str) -> str:
    """The dtype of the logits and of all products."""
    return "float64" if dtype == "float64" else "float32"


def spread(layer: Layer, rows: list[np.ndarray]) -> np.ndarray:
    """Chunks of the rows that count, as float64 (N, V) with 0 for the others."""
    whole = np.zeros((layer.keep.size, len(layer.w)))
    whole[layer.keep.reshape(-1)] = np.concatenate(rows)
    return whole


def near(actual: Any, expected: np.ndarray, scale: np.ndarray, unit: float, terms: int) -> None:
    """A sum of `terms` products rounded at `unit`, against the sum of their magnitudes."""
    error = np.abs(np.asarray(actual, np.float64) - expected)
    allowed = 2 * (terms + 2) * unit * scale + 1e-300
    assert (error <= allowed).all(), float((error / allowed).max())


def check(layer: Layer, spy: Spy, loss: Any, grads: Any, options: dict[str, Any]) -> None:
    """Compare one call's results, and what its kernels saw, with the reference."""
    dtype = layer.x.dtype.name
    unit = UNIT[computed(dtype)]
    x, w, b = layer.wide
    x = x.reshape(-1, x.shape[-1])
    target = layer.target.reshape(x.shape[0], *layer.target.shape[layer.x.ndim - 1 :])
    if "row_weight" in options:
        options = {**options, "row_weight": options["row_weight"].reshape(-1)}
    logits, g = spread(layer, spy.logits), spread(layer, spy.grads)

    keep = layer.keep.reshape(-1)
    exact, scale = x @ w.T + b, np.abs(x) @ np.abs(w).T + np.abs(b)
    near(logits[keep], exact[keep], scale[keep], unit, w.shape[1] + 1)

    # The float64 reference of these logits; its own error is far below float32.
    soft = target.astype(np.float64) if target.ndim == 2 else target
    expected, gradient = reference.cross_entropy_with_grad(logits, soft, **options)
    assert loss.dtype.name == computed(dtype)
    shape = layer.x.shape[:-1] if options["reduction"] == "none" else ()
    assert np.shape(loss) == shape
    np.testing.assert_allclose(
        np.asarray(loss, np.float64).reshape(-1), np.ravel(expected), rtol=16 * unit, atol=1e-12
    )
    np.testing.assert_allclose(g, gradient, rtol=16 * unit, atol=16 * unit * np.abs(gradient).max())

    rounding = 0.0 if dtype == computed(dtype) else UNIT[dtype]
    sums = (
        (grads.input.reshape(x.shape), g @ w, np.abs(g) @ np.abs(w), w.shape[0]),
        (grads.linear_weight, g.T @ x, np.abs(g).T @ np.abs(x), x.shape[0]),
        (grads.linear_bias, g.sum(0), np.abs(g).sum(0), 16),
    )
    for actual, sum_, size, terms in sums:
        assert actual.dtype.name == dtype
        tiny = 2.0**-25 if dtype == "float16" else 0.0  # half its subnormal spacing
        near(actual, sum_, size + (rounding / unit) * np.abs(sum_) + tiny / unit, unit, terms)
    assert (grads.input.reshape(x.shape)[~keep] == 0).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ["indices", "soft"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_options_combined(
    dtype: str, kind: str, reduction: str, implementation: str, spies: list[Spy]
) -> None:
    rng = np.random.default_rng(list(f"{dtype}{kind}{reduction}".encode()))
    for seed in range(12):
        layer = make_layer(dtype, (11,), soft=kind == "soft", seed=seed)
        options = make_options(rng, layer) | {"reduction": reduction}
        budget = budget_for(layer, int(rng.integers(1, 12)))
        loss, grads = softxent.linear_cross_entropy_with_grad(
            layer.x,
            layer.w,
            layer.target,
            linear_bias=layer.b,
            max_memory=budget,
            implementation=implementation,
            **options,
        )
        check(layer, spies[-1], loss, grads, options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["indices", "soft"])
@pytest.mark.parametrize("lead", [(), (3, 5), (2, 3, 4)])
def test_any_number_of_row_axes(
    road: str, lead: tuple[int, ...], kind: str, dtype: str, spies: list[Spy]
) -> None:
    for reduction in REDUCTIONS:
        layer = make_layer(dtype, lead, soft=kind == "soft", ignored=2 if lead else 0)
        options = {"reduction": reduction, "row_weight": np.linspace(0.5, 2.0, layer.keep.size)}
        options["row_weight"] = options["row_weight"].reshape(lead)
        loss, grads = softxent.linear_cross_entropy_with_grad(
            layer.x,
            layer.w,
            layer.target,
            linear_bias=layer.b,
            max_memory=budget_for(layer, 4),
            **options,
        )
        check(layer, spies[-1], loss, grads, options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_budgets_change_no_more_than_the_order_of_sums(road: str, dtype: str) -> None:
    layer = make_layer(dtype, (40,), d=33, v=70, ignored=7)
    results = []
    for budget in (budget_for(layer, 1), budget_for(layer, 7), "64MiB"):
        loss, grads = softxent.linear_cross_entropy_with_grad(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory=budget
        )
        alone = softxent.linear_cross_entropy(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory=budget
        )
        np.testing.assert_allclose(alone, loss, rtol=8 * UNIT[computed(dtype)])
        results.append((loss, *(np.asarray(part, np.float64) for part in grads)))
    unit = max(UNIT[dtype], UNIT[computed(dtype)] * 40)
    for result in results[1:]:
        for first, other in zip(results[0], result, strict=True):
            np.testing.assert_allclose(other, first, rtol=0, atol=4 * unit * np.abs(first).max())


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_from_run_to_run(road: str, dtype: str) -> None:
    layer = make_layer(dtype, (300,), d=64, v=500, ignored=40)

    def run() -> list[np.ndarray]:
        loss, grads = softxent.linear_cross_entropy_with_grad(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory="200KiB"
        )
        return [np.asarray(loss), *grads]

    first = run()
    for _ in range(3):
        for a, b in zip(first, run(), strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_costs_no_product_and_changes_nothing(
    part: str, road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each subset of the gradients that has `part`: the same bits, and one product each."""
    from softxent.kernels import blas

    products = [0]
    original = blas.Blas.product

    def counted(self: Any, *args: Any, **rest: Any) -> None:
        products[0] += 1
        original(self, *args, **rest)

    monkeypatch.setattr(blas.Blas, "product", counted)
    layer = make_layer(lead=(20,), ignored=0)
    size = 4 * 7 * 10 + 4 * 7 * 3 + 100

    def run(grads: Any) -> Any:
        products[0] = 0
        return softxent.linear_cross_entropy_with_grad(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory=size, grads=grads
        )

    loss, everything = run(PARTS)
    others = [p for p in PARTS if p != part]
    for grads in ([part], [part, others[0]], [part, others[1]]):
        other_loss, some = run(grads)
        plan = softxent.linear_cross_entropy_plan(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory=size, grads=grads
        )
        per_chunk = 1 + ("input" in grads) + ("linear_weight" in grads)
        assert products[0] == per_chunk * plan.chunks
        assert other_loss == loss
        for name in PARTS:
            if name not in grads:
                assert getattr(some, name) is None
            elif plan.chunks == 3:  # the chunks of the full call: the same order of sums
                assert (getattr(some, name) == getattr(everything, name)).all()
            else:
                np.testing.assert_allclose(
                    getattr(some, name), getattr(everything, name), rtol=1e-4, atol=1e-6
                )


def test_nothing_asked_for_is_the_loss_alone() -> None:
    layer = make_layer()
    loss, grads = softxent.linear_cross_entropy_with_grad(*layer[:2], layer.target, grads=())
    assert grads == softxent.LinearGrads(None, None, None)
    assert loss == softxent.linear_cross_entropy(*layer[:2], layer.target)


def test_without_a_bias_there_is_no_gradient_of_it() -> None:
    layer = make_layer("float64", ignored=0)
    loss, grads = softxent.linear_cross_entropy_with_grad(*layer[:2], layer.target)
    x, w, _ = layer.wide
    expected, g = reference.cross_entropy_with_grad(x @ w.T, layer.target)
    assert grads.linear_bias is None
    np.testing.assert_allclose(loss, expected, rtol=1e-14)
    np.testing.assert_allclose(grads.input, g @ w, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["indices", "soft"])
def test_stats_are_those_of_the_logits(
    road: str, kind: str, dtype: str, implementation: str
) -> None:
    layer = make_layer(dtype, (3, 5), soft=kind == "soft", ignored=4)
    options = {"z_loss": 0.1, "temperature": 0.5, "row_weight": np.full((3, 5), 2.0)}
    stats = softxent.linear_cross_entropy_stats(
        layer.x,
        layer.w,
        layer.target,
        linear_bias=layer.b,
        max_memory=budget_for(layer, 3),
        implementation=implementation,
        **options,
    )
    x, w, b = layer.wide
    target = layer.target.astype(np.float64) if kind == "soft" else layer.target
    expected = reference.cross_entropy_stats(x @ w.T + b, target, **options)
    for name in expected._fields:
        actual, wanted = getattr(stats, name), getattr(expected, name)
        assert actual.shape == (3, 5)
        if wanted.dtype.kind == "f":
            assert actual.dtype.name == computed(dtype)
            np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(actual, wanted)


def test_a_large_bias_gradient_loses_nothing() -> None:
    """20000 rows of nearly the same gradient: one running float32 sum would lose 1e-4 of it."""
    n, v = 20_000, 3
    x, w = np.zeros((n, 1), np.float32), np.zeros((v, 1), np.float32)
    _, grads = softxent.linear_cross_entropy_with_grad(
        x,
        w,
        np.zeros(n, int),
        linear_bias=np.zeros(v, np.float32),
        max_memory="30kB",
        reduction="sum",
    )
    third = float(np.float32(1 / 3))
    np.testing.assert_allclose(grads.linear_bias[1:], n * third, rtol=2e-7)
