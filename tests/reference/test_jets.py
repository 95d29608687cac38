"""The truth of the PyTorch matrix, tests/jets.py, against the reference and against differences."""

from __future__ import annotations

from typing import Any

import jets
import numpy as np
import pytest
from jets import Jet

from softxent import reference, reference_linear

N, V, D = 3, 4, 2
RNG = np.random.default_rng(8)
Z, VECTOR, SOFT = RNG.normal(size=(3, N, V))
X, W, B = RNG.normal(size=(N, D)), RNG.normal(size=(V, D)), RNG.normal(size=V)
INDEX, KEEP = np.array([3, -100, 0]), np.array([1.0, 0.0, 1.0])
ONE_HOT = np.eye(V)[[3, 0, 0]]
OPTIONS: dict[str, Any] = {
    "weight": RNG.random(V) + 0.2,
    "label_smoothing": 0.1,
    "temperature": 0.8,
    "softcap": 2.5,
    "z_loss": 0.2,
    "row_weight": np.array([0.5, 2.0, 1.5]),
}
TARGETS = {"index": (INDEX, ONE_HOT, KEEP), "soft": (SOFT, SOFT, None)}


def close(got: Any, right: Any) -> None:
    np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "all"])
def test_cross_entropy(options: dict[str, Any], kind: str, reduction: str) -> None:
    """Value, gradient and Hessian are those of the reference."""
    target, dense, keep = TARGETS[kind]
    chosen = {**options, "reduction": reduction}

    def f(p: Jet) -> Jet:
        z = p.map(lambda part: np.reshape(part, (*np.shape(part)[:-1], N, V)))
        return jets.cross_entropy(z, dense, keep, **chosen)

    value, first, second = (jets.derivative(f, Z.ravel(), order) for order in range(3))
    loss, grad = reference.cross_entropy_with_grad(Z, target, **chosen)
    close(value if reduction == "none" else value[0], loss)
    close(first.sum(axis=0).reshape(N, V), grad)
    hessian = second.sum(axis=0).reshape(N, V, N, V)
    right = reference.cross_entropy_hessian(Z, target, **chosen)
    close(hessian[np.arange(N), :, np.arange(N)], right)
    assert not hessian[0, :, 1].any()


def test_target_and_row_weight() -> None:
    """The derivative by a soft target, and by the row weights, which the mean divides by."""
    by_target = jets.derivative(
        lambda p: jets.cross_entropy(jets.jet(Z), shaped(p, N, V), **OPTIONS), SOFT.ravel(), 1
    )
    close(by_target.reshape(N, V), reference.cross_entropy_target_grad(Z, SOFT, **OPTIONS))
    rest = {name: value for name, value in OPTIONS.items() if name != "row_weight"}
    r, step = OPTIONS["row_weight"], 1e-5
    by_row = jets.derivative(
        lambda p: jets.cross_entropy(jets.jet(Z), ONE_HOT, KEEP, row_weight=p, **rest), r, 1
    )
    for n, axis in enumerate(np.eye(N)):
        ends = [
            reference.cross_entropy(Z, INDEX, row_weight=r + sign * step * axis, **rest)
            for sign in (1, -1)
        ]
        np.testing.assert_allclose(by_row[0, n], (ends[0] - ends[1]) / (2 * step), atol=1e-9)


def shaped(p: Jet, *shape: int) -> Jet:
    return p.map(lambda part: np.reshape(part, (*np.shape(part)[:-1], *shape)))


def test_linear() -> None:
    """Gradients and HVP of the last layer."""

    def f(p: Jet) -> Jet:
        x, w = p.map(lambda part: part[..., : N * D]), p.map(lambda part: part[..., N * D : -V])
        b = p.map(lambda part: part[..., -V:])
        z = jets.linear(shaped(x, N, D), shaped(w, V, D), b)
        return jets.cross_entropy(z, ONE_HOT, KEEP, **OPTIONS)

    p = np.concatenate([X.ravel(), W.ravel(), B])
    first, second = (jets.derivative(f, p, order)[0] for order in (1, 2))
    _, grads = reference_linear.linear_cross_entropy_with_grad(
        X, W, INDEX, linear_bias=B, **OPTIONS
    )
    close(first, np.concatenate([np.ravel(grad) for grad in grads]))
    v = RNG.normal(size=p.size)
    vectors = v[: N * D].reshape(N, D), v[N * D : -V].reshape(V, D), v[-V:]
    hvp = reference_linear.linear_cross_entropy_hvp(X, W, INDEX, vectors, linear_bias=B, **OPTIONS)
    close(second @ v, np.concatenate([np.ravel(part) for part in hvp]))


def test_stats_and_softmax() -> None:
    """The values of the five statistics, and of the softmax and its logarithm."""
    right = reference.cross_entropy_stats(Z, INDEX, **OPTIONS)
    close(jets.stats(jets.jet(Z), ONE_HOT, KEEP, **OPTIONS).value, np.concatenate(right[:5]))
    for name in ("softmax", "log_softmax"):
        options = {"temperature": 0.7, "softcap": 2.0}
        close(
            getattr(jets, name)(jets.jet(Z), **options).value,
            getattr(reference, name)(Z, **options),
        )


def test_third_order() -> None:
    """D³ of products and compositions, against what paper says, and against differences of D²."""
    x = np.array([0.3, -0.7])
    cube = jets.derivative(lambda p: (p * p * p).sum(keepdims=True), x, 3)[0]
    right = np.zeros((2, 2, 2))
    right[[0, 1], [0, 1], [0, 1]] = 6.0
    close(cube, right)

    def f(p: Jet) -> Jet:
        return ((p.tanh() * p.exp()).sum(keepdims=True) + 3.0).log() / p.exp().sum(keepdims=True)

    third, step = jets.derivative(f, x, 3)[0], 1e-4
    for i, axis in enumerate(np.eye(2)):
        ends = [jets.derivative(f, x + sign * step * axis, 2)[0] for sign in (1, -1)]
        np.testing.assert_allclose(third[i], (ends[0] - ends[1]) / (2 * step), atol=1e-6)
    close(third, np.moveaxis(third, 0, 2))
