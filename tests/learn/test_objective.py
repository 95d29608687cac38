"""The objective's value, gradient and Hessian-vector product are those of its formula."""

import numpy as np
import pytest
from scipy import sparse

import softxent
from softxent.learn.objective import Objective
from softxent.learn.parts import DensePart, SparsePart
from softxent.reference import cross_entropy, softmax

N, D = 23, 4
RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(N, D)) * (RNG.random((N, D)) < 0.6) * [1, 10, 0.1, 3]
WEIGHT = RNG.uniform(0, 2, N) * (np.arange(N) % 5 > 0)


def exact(theta, target, s, alpha, eps, fit_intercept):
    """F, its gradient and its Hessian by (W, b), float64 and dense, from the reference."""
    x = np.c_[DENSE, np.ones(N)] if fit_intercept else DENSE
    free = slice(1, None) if len(theta) == 1 else slice(None)  # of two classes one is learned
    whole = np.concatenate([0 * theta, theta]) if len(theta) == 1 else theta
    z, total = x @ whole.T, s.sum()
    w = theta[:, :D]
    value = s @ cross_entropy(z, target, reduction="none", label_smoothing=eps) / total
    value += alpha / 2 * np.sum(w * w)
    y, classes = softmax(z), len(whole)
    t = np.eye(classes)[target] if target.ndim == 1 else target
    t = (1 - eps) * t + eps / classes
    gradient = ((y - t) * s[:, None]).T @ x / total
    curved = np.einsum("n,nk,kl->nkl", s, y, np.eye(classes)) - np.einsum("n,nk,nl->nkl", s, y, y)
    hessian = np.einsum("nkl,ni,nj->kilj", curved, x, x)[free, :, free] / total
    gradient = gradient[free]
    gradient[:, :D] += alpha * w
    for k in range(len(theta)):
        for d in range(D):
            hessian[k, d, k, d] += alpha
    return value, gradient, hessian


def part_of(kind, target, weight, eps, dtype, budget):
    x = DENSE.astype(dtype)
    target = target.astype(dtype) if target.ndim == 2 else target
    if kind == "sparse":
        return SparsePart(sparse.csr_array(x), target, weight, eps, budget)
    return DensePart(x, target, weight, eps, budget)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_gradient_and_hessian(kind, classes, soft, weighted, fit_intercept, dtype):
    rng = np.random.default_rng(1)
    target = rng.dirichlet(np.ones(classes), N) if soft else np.arange(N) % classes
    s, eps, alpha = WEIGHT if weighted else np.ones(N), 0.1, 0.03
    part = part_of(kind, target, WEIGHT if weighted else None, eps, dtype, 5 * classes * 8)
    objective = Objective(part, classes, alpha, fit_intercept)
    theta, along = rng.normal(size=(2, *objective.shape)) / 10
    if classes > 2:  # as the coordinates keep them
        theta, along = theta - theta.mean(axis=0), along - along.mean(axis=0)
    value, gradient, hessian = exact(theta, target, s, alpha, eps, fit_intercept)
    tolerance = (
        {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 1e-5}
    )
    for scaled in range(2):  # in the first coordinates, and in those for theta
        scaling = objective.scaling
        u, v = scaling.from_layer(theta).ravel(), scaling.from_layer(along).ravel()
        found, by_u = objective.value_and_gradient(u)
        assert (
            found
            == objective.value
            == pytest.approx(value, rel=1e-12 if dtype == "float64" else 1e-5)
        )
        np.testing.assert_allclose(by_u, scaling.gradient(gradient).ravel(), **tolerance)
        assert objective.gradient_norm == pytest.approx(np.abs(gradient).max(), rel=1e-4)
        product = np.einsum("kilj,lj->ki", hessian, along)
        np.testing.assert_allclose(
            objective.hessian_vector(u, v), scaling.gradient(product).ravel(), **tolerance
        )
        if not scaled:
            objective.rescale(theta)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_central_differences(kind):
    part = part_of(kind, np.arange(N) % 3, WEIGHT, 0.1, "float64", 1 << 20)
    objective = Objective(part, 3, 0.05)
    u, v = np.random.default_rng(2).normal(size=(2, objective.shape[0] * objective.shape[1]))
    h = 1e-5
    (above, slope_above), (below, slope_below) = (
        objective.value_and_gradient(u + e * v) for e in (h, -h)
    )
    _, gradient = objective.value_and_gradient(u)
    assert gradient @ v == pytest.approx((above - below) / (2 * h), rel=1e-7)
    np.testing.assert_allclose(
        objective.hessian_vector(u, v), (slope_above - slope_below) / (2 * h), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("whole", [True, False])
def test_second_moments(kind, whole):
    part = part_of(kind, np.arange(N) % 3, WEIGHT, 0.0, "float64", 7 * 3 * 8)
    x = np.c_[DENSE, np.ones(N)]
    found = part.second_moments(whole, None)
    expected = (x * WEIGHT[:, None]).T @ x
    np.testing.assert_allclose(found, expected if whole else expected.diagonal(), atol=1e-12)
    layer = Objective(part, 3, 0.0).layer(np.random.default_rng(3).normal(size=(3, D + 1)))
    y = softmax(DENSE @ layer.weight.T + layer.bias)
    c = WEIGHT * (1 - (y * y).sum(axis=1))
    expected = (x * c[:, None]).T @ x
    found = part.second_moments(whole, layer)
    np.testing.assert_allclose(found, expected if whole else expected.diagonal(), atol=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("features", [D, 2000])
def test_coordinates_there_and_back(classes, features):
    x = np.random.default_rng(0).normal(size=(N, features))
    objective = Objective(DensePart(x, np.arange(N) % classes, None), classes, 1e-3)
    theta = np.random.default_rng(1).normal(size=objective.shape)
    theta -= theta.mean(axis=0) if classes > 2 else 0
    scaling = objective.scaling
    np.testing.assert_allclose(scaling.to_layer(scaling.from_layer(theta)), theta, atol=1e-8)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_class_totals(kind, weighted, soft):
    target = np.random.default_rng(0).dirichlet(np.ones(5), N) if soft else np.arange(N) % 4
    part = part_of(kind, target, WEIGHT if weighted else None, 0.1, "float64", 1 << 20)
    t = target if soft else np.eye(5)[target]  # of the fifth class there are no labels
    expected = (WEIGHT if weighted else np.ones(N)) @ t
    np.testing.assert_allclose(part.class_totals(5), expected, rtol=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 0.01, 100.0])
def test_the_share_of_each_class(alpha):
    """sqrt(r_k) of the docstring, worked out with loops; classes are met 12, 6, 4 and 1 times."""
    target = np.repeat(np.arange(4), [12, 6, 4, 1])
    objective = Objective(DensePart(DENSE, target, None), 4, alpha)
    m = (1 - 1 / 4) * np.mean(DENSE**2)
    for k, count in enumerate([12, 6, 4, 1]):
        f = count / N
        c = (f * (1 - f) + 1 / 4 * (1 - 1 / 4)) / 2
        r = (c * m + alpha) / (m / 4 + alpha)
        assert objective.scaling.by_class[k, 0] == pytest.approx(r**0.5, rel=1e-12)


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_sums_over_parts_add_up(eps):
    whole = part_of("dense", np.arange(N) % 3, WEIGHT, eps, "float64", 1 << 20)
    layer = Objective(whole, 3, 0.0).layer(np.random.default_rng(3).normal(size=(3, D + 1)))
    halves = [
        DensePart(whole.x[rows], whole.target[rows], WEIGHT[rows], eps)
        for rows in (slice(9), slice(9, None))
    ]
    a, b = (part.loss_and_gradient(layer) for part in halves)
    sums = whole.loss_and_gradient(layer)
    losses = softxent.linear_cross_entropy(
        whole.x,
        layer.weight,
        whole.target,
        linear_bias=layer.bias,
        reduction="none",
        row_weight=WEIGHT,
        label_smoothing=eps,
    )
    assert losses.sum() == pytest.approx(sums.loss, rel=1e-14)
    assert a.loss + b.loss == pytest.approx(sums.loss, rel=1e-13)
    added = a.gradient + b.gradient
    np.testing.assert_allclose(added.weight, sums.gradient.weight, atol=1e-12)
    np.testing.assert_allclose(added.bias, sums.gradient.bias, atol=1e-12)
    assert sum(part.total_weight for part in halves) == pytest.approx(whole.total_weight)
