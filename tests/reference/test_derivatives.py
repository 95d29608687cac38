"""Every derivative of the reference against eighth-order differences, all options combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from softxent import reference
from softxent import reference_linear as linear

N, V, D = 3, 5, 4
RNG = np.random.default_rng(21)
LOGITS, VECTOR, SOFT, SOFT_VECTOR = RNG.normal(size=(4, N, V))
INDEX = np.array([1, -100, 4])
OPTIONS: dict[str, Any] = {
    "weight": RNG.random(V) + 0.2,
    "label_smoothing": 0.1,
    "temperature": 0.8,
    "softcap": 2.5,
    "z_loss": 0.2,
    "row_weight": np.array([0.5, 2.0, 1.5]),
}
case = pytest.mark.parametrize(
    ("target", "reduction"),
    [
        pytest.param(target, reduction, id=f"{kind}-{reduction}")
        for kind, target in (("index", INDEX), ("soft", SOFT))
        for reduction in ("mean", "sum")
    ],
)

# Central differences of order 8: the ninth derivative times h^8 / 630, and rounding of 1e-16 / h.
STEP = 0.006
COEFFICIENTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}


def slope(f: Callable[[float], Any]) -> Any:
    """df(s)/ds at s = 0."""
    return sum(c * (f(k * STEP) - f(-k * STEP)) for k, c in COEFFICIENTS.items()) / STEP


def gradient(f: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """df/dx for a scalar f."""
    out = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[i] = 1.0
        out[i] = slope(lambda s, unit=unit: f(x + s * unit))
    return out


def close(got: Any, want: Any) -> bool:
    return bool(np.allclose(got, want, rtol=0, atol=1e-9))


@case
def test_gradient(target: np.ndarray, reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}
    _, grad = reference.cross_entropy_with_grad(LOGITS, target, **options)
    assert close(grad, gradient(lambda z: reference.cross_entropy(z, target, **options), LOGITS))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_target_gradient(reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}
    got = reference.cross_entropy_target_grad(LOGITS, SOFT, **options)
    assert close(got, gradient(lambda t: reference.cross_entropy(LOGITS, t, **options), SOFT))


@case
def test_jvp(target: np.ndarray, reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}
    soft = target.ndim == 2
    got = reference.cross_entropy_jvp(
        LOGITS, target, VECTOR, target_tangent=SOFT_VECTOR if soft else None, **options
    )
    moved = SOFT_VECTOR if soft else np.zeros_like(INDEX)
    want = slope(
        lambda s: reference.cross_entropy(
            LOGITS + s * VECTOR, target + s * moved if soft else target, **options
        )
    )
    assert close(got, want)


@case
def test_hvp_hessian_and_its_diagonal(target: np.ndarray, reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}

    def grad(z: np.ndarray) -> np.ndarray:
        return reference.cross_entropy_with_grad(z, target, **options)[1]

    hvp = slope(lambda s: grad(LOGITS + s * VECTOR))
    assert close(reference.cross_entropy_hvp(LOGITS, target, VECTOR, **options), hvp)
    hessian = reference.cross_entropy_hessian(LOGITS, target, **options)
    for j in range(V):
        unit = np.broadcast_to(np.eye(V)[j], LOGITS.shape)
        assert close(hessian[:, :, j], slope(lambda s, unit=unit: grad(LOGITS + s * unit)))
    diagonal = reference.cross_entropy_hessian_diag(LOGITS, target, **options)
    assert close(diagonal, np.diagonal(hessian, axis1=1, axis2=2))


def test_per_row_derivatives_with_reduction_none() -> None:
    options = {**OPTIONS, "reduction": "none"}
    _, grad = reference.cross_entropy_with_grad(LOGITS, INDEX, **options)
    for n in range(N):
        want = gradient(lambda z, n=n: reference.cross_entropy(z, INDEX, **options)[n], LOGITS)
        assert close(grad[n], want[n]) and close(np.delete(want, n, axis=0), 0)
    rates = slope(lambda s: reference.cross_entropy(LOGITS + s * VECTOR, INDEX, **options))
    assert close(reference.cross_entropy_jvp(LOGITS, INDEX, VECTOR, **options), rates)


def test_softmax_jacobian() -> None:
    jacobian = reference.softmax_jacobian(LOGITS)
    for i in range(V):
        unit = np.eye(V)[i]
        want = slope(lambda s, unit=unit: reference.softmax(LOGITS + s * unit))
        assert close(jacobian[:, :, i], want)


@pytest.mark.parametrize("softcap", [None, 2.5])
def test_transform(softcap: float | None) -> None:
    z = np.linspace(-6, 6, 13)
    a, b = 0.8, softcap
    first = slope(lambda s: reference.transform(z + s, a, b))
    assert close(reference.transform_slope(z, a, b), first)
    second = slope(lambda s: reference.transform_slope(z + s, a, b))
    assert close(reference.transform_slope_slope(z, a, b), second)


# ------------------------------------------------------------------ the last layer

X, W, BIAS = RNG.normal(size=(N, D)), RNG.normal(size=(V, D)), RNG.normal(size=V)
DIRECTIONS = (RNG.normal(size=(N, D)), RNG.normal(size=(V, D)), RNG.normal(size=V))


@case
def test_linear_gradients(target: np.ndarray, reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}
    loss, grads = linear.linear_cross_entropy_with_grad(X, W, target, linear_bias=BIAS, **options)

    def value(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
        return linear.linear_cross_entropy(x, w, target, linear_bias=b, **options)

    assert loss == value(X, W, BIAS)
    assert close(grads.input, gradient(lambda x: value(x, W, BIAS), X))
    assert close(grads.linear_weight, gradient(lambda w: value(X, w, BIAS), W))
    assert close(grads.linear_bias, gradient(lambda b: value(X, W, b), BIAS))


@case
def test_linear_jvp_and_hvp(target: np.ndarray, reduction: str) -> None:
    options = {**OPTIONS, "reduction": reduction}

    def moved(f: Callable[..., Any], which: int | None) -> Callable[[float], Any]:
        """`f` along all directions, or one alone."""

        def at(s: float) -> Any:
            x, w, b = (
                p + s * v if which in (None, i) else p
                for i, (p, v) in enumerate(zip((X, W, BIAS), DIRECTIONS, strict=True))
            )
            return f(x, w, target, linear_bias=b, **options)

        return at

    def part(which: int) -> Callable[..., Any]:
        return lambda *args, **kw: linear.linear_cross_entropy_with_grad(*args, **kw)[1][which]

    for which in (None, 0, 1, 2):
        vectors = tuple(v if which in (None, i) else None for i, v in enumerate(DIRECTIONS))
        rate = linear.linear_cross_entropy_jvp(X, W, target, vectors, linear_bias=BIAS, **options)
        assert close(rate, slope(moved(linear.linear_cross_entropy, which)))
        hvp = linear.linear_cross_entropy_hvp(X, W, target, vectors, linear_bias=BIAS, **options)
        for i, got in enumerate(hvp):
            assert close(got, slope(moved(part(i), which)))


def test_linear_without_bias_and_with_leading_axes() -> None:
    x, t = RNG.normal(size=(2, 3, D)), RNG.integers(V, size=(2, 3))
    loss, grads = linear.linear_cross_entropy_with_grad(x, W, t, reduction="none")
    flat = x.reshape(-1, D)
    want = linear.linear_cross_entropy(
        flat, W, t.ravel(), linear_bias=np.zeros(V), reduction="none"
    )
    assert np.array_equal(loss, want.reshape(2, 3))
    # reduction="none": gradients of the sum of the losses
    _, of_sum = linear.linear_cross_entropy_with_grad(flat, W, t.ravel(), reduction="sum")
    assert grads.input.shape == x.shape
    assert close(grads.linear_weight, of_sum.linear_weight)
    stats = linear.linear_cross_entropy_stats(x, W, t)
    assert close(stats.loss, loss)
