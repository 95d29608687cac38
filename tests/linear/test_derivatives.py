"""JVP and HVP of the linear loss: against the reference, and against differences of the loss."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from linear.problems import PARTS, REDUCTIONS, Layer, budget_for, make_layer, make_options

import softxent
from softxent import reference_linear

SUBSETS = [
    [part for part, wanted in zip(PARTS, chosen, strict=True) if wanted]
    for chosen in product((False, True), repeat=3)
]


def make_directions(layer: Layer, along: list[str], seed: int = 1) -> softxent.LinearGrads:
    """A random direction of each part in `along`; None of the others."""
    rng = np.random.default_rng(seed)
    return softxent.LinearGrads(
        *(
            rng.standard_normal(part.shape).astype(part.dtype) if name in along else None
            for name, part in zip(PARTS, layer[:3], strict=True)
        )
    )


def call(name: str, layer: Layer, *rest: Any, **options: Any) -> Any:
    """Call a linear function with the layer and a budget of a few rows."""
    options = {"max_memory": budget_for(layer, 3), **options}
    return getattr(softxent, f"linear_cross_entropy_{name}")(
        layer.x, layer.w, layer.target, *rest, linear_bias=layer.b, **options
    )


def dense(name: str, layer: Layer, directions: Any, **options: Any) -> Any:
    """The same from the reference."""
    x, w, b = layer.wide
    v = [None if d is None else np.asarray(d, np.float64) for d in directions]
    if layer.target.ndim == layer.x.ndim:
        options["target"] = layer.target.astype(np.float64)
    target = options.pop("target", layer.target)
    function = getattr(reference_linear, f"linear_cross_entropy_{name}")
    return function(x, w, target, tuple(v), linear_bias=b, **options)


TOLERANCE = {"float64": 1e-12, "float32": 3e-5, "bfloat16": 1e-2, "float16": 2e-3}


def close(actual: Any, expected: Any, dtype: str) -> None:
    expected = np.asarray(expected)
    size = max(1e-3, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(
        np.asarray(actual, np.float64), expected, rtol=0, atol=TOLERANCE[dtype] * size
    )


@pytest.mark.parametrize("along", SUBSETS, ids=lambda s: "+".join(s) or "nothing")
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_along_each_subset_of_the_parts(road: str, dtype: str, along: list[str]) -> None:
    layer = make_layer(dtype, (2, 6), ignored=3)
    directions = make_directions(layer, along)
    for reduction in REDUCTIONS:
        slope = call("jvp", layer, directions, reduction=reduction)
        wanted = dense("jvp", layer, directions, reduction=reduction)
        assert slope.shape == wanted.shape
        close(slope, wanted, "float64" if dtype == "float64" else "float32")
        hvp = call("hvp", layer, directions, reduction=reduction)
        for actual, expected in zip(
            hvp, dense("hvp", layer, directions, reduction=reduction), strict=True
        ):
            assert actual.dtype == layer.x.dtype
            close(actual, expected, dtype)


@pytest.mark.parametrize("grads", SUBSETS, ids=lambda s: "+".join(s) or "nothing")
def test_parts_of_the_hvp(road: str, grads: list[str]) -> None:
    layer = make_layer("float64", (9,))
    for along in SUBSETS:
        directions = make_directions(layer, along)
        expected = dense("hvp", layer, directions)
        hvp = call("hvp", layer, directions, grads=grads)
        for name in PARTS:
            if name in grads:
                close(getattr(hvp, name), getattr(expected, name), "float64")
            else:
                assert getattr(hvp, name) is None


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ["indices", "soft"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_options_combined(dtype: str, kind: str, reduction: str, implementation: str) -> None:
    rng = np.random.default_rng(list(f"{dtype}{kind}{reduction}".encode()))
    for seed in range(12):
        layer = make_layer(dtype, (11,), soft=kind == "soft", seed=seed)
        options = make_options(rng, layer) | {"reduction": reduction}
        directions = make_directions(layer, list(PARTS), seed)
        run = {**options, "implementation": implementation}
        close(
            call("jvp", layer, directions, **run), dense("jvp", layer, directions, **options), dtype
        )
        hvp = call("hvp", layer, directions, **run)
        for actual, expected in zip(hvp, dense("hvp", layer, directions, **options), strict=True):
            close(actual, expected, dtype)


@pytest.mark.parametrize("kind", ["indices", "soft"])
def test_differences(road: str, kind: str) -> None:
    """The JVP is the slope of the loss along the direction, the HVP that of the gradient."""
    rng = np.random.default_rng(5)
    for seed in range(6):
        layer = make_layer("float64", (7,), soft=kind == "soft", ignored=1, seed=seed)
        layer = layer._replace(x=layer.wide[0])  # NaN would be no neighbour of itself
        options = make_options(rng, layer)
        directions = make_directions(layer, list(PARTS), seed)

        def moved(
            step: float, layer: Layer = layer, v: Any = directions, options: Any = options
        ) -> tuple[Any, Any]:
            parts = [p + step * d for p, d in zip(layer[:3], v, strict=True)]
            return call("with_grad", Layer(*parts, layer.target), **options)

        h = 1e-3
        points = [(k, moved(k * h)) for k in (-2, -1, 1, 2)]
        weights = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}  # fourth order
        slope = sum(weights[k] * loss for k, (loss, _) in points) / h
        np.testing.assert_allclose(call("jvp", layer, directions, **options), slope, rtol=1e-8)
        hvp = call("hvp", layer, directions, **options)
        for i in range(3):
            change = sum(weights[k] * grads[i] for k, (_, grads) in points) / h
            np.testing.assert_allclose(hvp[i], change, rtol=1e-7, atol=1e-9)


def test_the_jvp_is_the_gradient_times_the_direction() -> None:
    layer = make_layer("float64", (9,))
    directions = make_directions(layer, list(PARTS))
    _, grads = call("with_grad", layer)
    directions.input[layer.target == -100] = np.nan  # not read: the row is ignored
    slope = call("jvp", layer, directions)
    directions.input[layer.target == -100] = 0.0
    expected = sum(np.vdot(g, v) for g, v in zip(grads, directions, strict=True))
    np.testing.assert_allclose(slope, expected, rtol=1e-13)


def test_the_hessian_is_symmetric() -> None:
    layer = make_layer("float64", (9,))
    u, v = make_directions(layer, list(PARTS), 1), make_directions(layer, list(PARTS), 2)

    def inner(a: Any, b: Any) -> float:
        return sum(float(np.vdot(p, q)) for p, q in zip(a, b, strict=True))

    np.testing.assert_allclose(
        inner(u, call("hvp", layer, v)), inner(v, call("hvp", layer, u)), rtol=1e-12
    )
