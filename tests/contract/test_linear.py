"""The last layer and its loss through every front end: values and derivatives are the reference's.

tests/linear has the budgets, the products and the messages of NumPy's functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.frontends import DTYPES, FrontEnd, dtype_of, loss_name

from softxent import reference_linear as reference

N, V, D = 9, 7, 5
RNG = np.random.default_rng(17)
X, W, B = RNG.normal(size=(N, D)), RNG.normal(size=(V, D)), RNG.normal(size=V)
ALONG = tuple(RNG.normal(size=shape) for shape in ((N, D), (V, D), (V,)))
INDEX = RNG.integers(V, size=N)
INDEX[[2, 6]] = -100
TARGETS = {"index": INDEX, "soft": RNG.uniform(size=(N, V))}
EVERYTHING: dict[str, Any] = {
    "weight": RNG.uniform(0.2, 2.0, V),
    "row_weight": RNG.uniform(0.2, 2.0, N),
    "label_smoothing": 0.2,
    "temperature": 0.7,
    "softcap": 3.0,
    "z_loss": 0.1,
}
OPTIONS = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "all": EVERYTHING,
    "all, none": {**EVERYTHING, "reduction": "none"},
}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 2e-2, "float16": 3e-3}


def close(got: Any, right: Any, dtype: str) -> None:
    """Within the dtype, relative to the largest entry: products have no better bound."""
    got, right = np.asarray(got).astype(np.float64), np.asarray(right)
    assert got.shape == right.shape
    np.testing.assert_allclose(got, right, rtol=0.0, atol=TOLERANCE[dtype] * np.abs(right).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("chosen", OPTIONS)
def test_as_the_reference(front: FrontEnd, chosen: str, kind: str, bias: bool, dtype: str) -> None:
    """Loss, gradients, JVP, HVP and statistics; the budget holds two or three rows at a time."""
    kind_of = dtype_of(front.needs(dtype))
    x, w, b, *along = (array.astype(kind_of) for array in (X, W, B, *ALONG))
    target, directions = TARGETS[kind], tuple(along)
    options = {**OPTIONS[chosen], "linear_bias": b if bias else None}
    if not bias:
        directions = (*directions[:2], None)
    wide = [np.asarray(array, np.float64) for array in (x, w, b)]
    right = {**options, "linear_bias": wide[2] if bias else None}
    loss, grads = front("linear_cross_entropy_with_grad", x, w, target, **options, max_memory=4096)
    exact, exact_grads = reference.linear_cross_entropy_with_grad(*wide[:2], target, **right)
    assert loss.dtype == np.dtype(loss_name(dtype))
    close(loss, exact, dtype)
    for part, got, value in zip((x, w, b), grads, exact_grads, strict=True):
        if part is b and not bias:
            assert got is None
            continue
        assert got.dtype == part.dtype
        close(got, value, dtype)
    alone = front("linear_cross_entropy", x, w, target, **options)
    close(alone, exact, dtype)
    if dtype in ("bfloat16", "float16"):
        return  # the products' rounding says little about derivatives of these
    exact_directions = tuple(None if v is None else np.asarray(v, np.float64) for v in directions)
    jvp = front("linear_cross_entropy_jvp", x, w, target, directions, **options)
    close(
        jvp, reference.linear_cross_entropy_jvp(*wide[:2], target, exact_directions, **right), dtype
    )
    hvp = front("linear_cross_entropy_hvp", x, w, target, directions, **options)
    exact_hvp = reference.linear_cross_entropy_hvp(*wide[:2], target, exact_directions, **right)
    for got, value in zip(hvp, exact_hvp, strict=True):
        if got is not None:
            close(got, value, dtype)
    options.pop("reduction", None)
    stats = front("linear_cross_entropy_stats", x, w, target, **options)
    right.pop("reduction", None)
    exact_stats = reference.linear_cross_entropy_stats(*wide[:2], target, **right)
    for name, got, value in zip(stats._fields, stats, exact_stats, strict=True):
        if name in ("prediction", "rank"):
            np.testing.assert_array_equal(got, value)
        else:
            close(got, value, dtype)


@pytest.mark.parametrize("place", range(3), ids=["input", "weight", "bias"])
def test_one_direction_alone(front: FrontEnd, place: int) -> None:
    """A None direction is zero: JVP and HVP along one part."""
    front.needs("float64")
    directions = tuple(v if n == place else None for n, v in enumerate(ALONG))
    for name in ("linear_cross_entropy_jvp", "linear_cross_entropy_hvp"):
        got = front(name, X, W, INDEX, directions, linear_bias=B)
        right = getattr(reference, name)(X, W, INDEX, directions, linear_bias=B)
        if name.endswith("jvp"):
            close(got, right, "float64")
        else:
            for part, value in zip(got, right, strict=True):
                close(part, value, "float64")


def test_ignored_rows_are_not_read(front: FrontEnd) -> None:
    """NaN features of an ignored row leave no trace."""
    front.needs("float64")
    x = X.copy()
    x[[2, 6]] = np.nan
    loss, grads = front("linear_cross_entropy_with_grad", x, W, INDEX, linear_bias=B)
    exact, exact_grads = reference.linear_cross_entropy_with_grad(X, W, INDEX, linear_bias=B)
    close(loss, exact, "float64")
    for got, value in zip(grads, exact_grads, strict=True):
        close(got, value, "float64")
    assert not grads[0][[2, 6]].any()


@pytest.mark.parametrize("empty", ["zero", "nan"])
def test_empty(front: FrontEnd, empty: str) -> None:
    """Nothing counts: the value asked for, gradients of 0."""
    target = np.full(N, -100)
    loss, grads = front("linear_cross_entropy_with_grad", X, W, target, linear_bias=B, empty=empty)
    np.testing.assert_array_equal(loss, 0.0 if empty == "zero" else np.nan)
    for grad in grads:
        assert not grad.any()
    with pytest.raises(ValueError, match=r"linear_cross_entropy.*empty"):
        front("linear_cross_entropy_with_grad", X, W, target, empty="raise")
