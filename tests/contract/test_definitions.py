"""The definitions agree with PyTorch's, in float64, on all 36 combinations and beyond."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from contract.frontends import TARGET_GRAD, FrontEnd

torch = pytest.importorskip("torch")
functional = torch.nn.functional

COMBINATIONS = list(
    itertools.product(
        ("none", "weight"),
        (0.0, 0.2),
        ("mean", "sum", "none"),
        ("index", "index with ignored", "soft"),
    )
)


def problem(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    logits = 3 * rng.normal(size=(12, 7))
    if kind == "soft":
        return logits, rng.uniform(size=(12, 7))  # sums are not 1
    target = rng.integers(7, size=12)
    if kind == "index with ignored":
        target[[2, 5, 11]] = 4
    return logits, target


def test_there_are_36() -> None:
    assert len(COMBINATIONS) == 36


@pytest.mark.parametrize(("weighted", "smoothing", "reduction", "kind"), COMBINATIONS)
def test_as_torch(
    front: FrontEnd, weighted: str, smoothing: float, reduction: str, kind: str
) -> None:
    """Loss and gradient of the plain options are torch.nn.functional.cross_entropy's."""
    front.needs("float64")
    logits, target = problem(kind)
    options: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
    ours: dict[str, Any] = {}
    if kind == "index with ignored":
        options["ignore_index"] = 4
    weight = np.random.default_rng(2).uniform(0.2, 2.0, 7) if weighted == "weight" else None
    if weight is not None:
        ours["weight"] = weight
    loss, grad = front("cross_entropy_with_grad", logits, target, **options, **ours)
    z = torch.tensor(logits, requires_grad=True)
    expected = functional.cross_entropy(
        z, torch.tensor(target), weight=None if weight is None else torch.tensor(weight), **options
    )
    expected.sum().backward()
    np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(grad, z.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_images_as_torch(front: FrontEnd, reduction: str) -> None:
    """The class axis is torch's axis 1 with axis=1, for class indices and soft targets."""
    front.needs("float64")
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(2, 5, 3, 4))
    for target in (rng.integers(5, size=(2, 3, 4)), rng.uniform(size=(2, 5, 3, 4))):
        loss, grad = front("cross_entropy_with_grad", logits, target, axis=1, reduction=reduction)
        z = torch.tensor(logits, requires_grad=True)
        expected = functional.cross_entropy(z, torch.tensor(target), reduction=reduction)
        expected.sum().backward()
        np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-14)
        np.testing.assert_allclose(grad, z.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("soft", [False, True], ids=["index", "soft"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_option_as_autograd(front: FrontEnd, reduction: str, soft: bool) -> None:
    """The definition with all options, written with torch's operations, and its derivatives."""
    front.needs("float64")
    logits, target = problem("soft" if soft else "index with ignored")
    rng = np.random.default_rng(4)
    weight, row_weight = rng.uniform(0.2, 2.0, 7), rng.uniform(0.2, 2.0, 12)
    eps, cap, temperature, lam = 0.2, 4.0, 0.7, 0.03
    keep = np.ones(12) if soft else (target != 4).astype(float)
    dense = target if soft else np.eye(7)[target]
    w, r, k = (torch.tensor(x) for x in (weight, row_weight, keep))

    def definition(z: Any, t: Any) -> Any:
        a = cap * torch.tanh(z / cap) / temperature
        lse = torch.logsumexp(a, dim=1)
        smoothed = (1 - eps) * t + eps / 7
        ce = (w * smoothed * (lse[:, None] - a)).sum(dim=1)
        if reduction == "sum":
            return (k * r * (ce + lam * lse**2)).sum()
        total = r.sum() if soft else (k * r * w[torch.tensor(target)]).sum()
        return (k * r * ce).sum() / total + (k * r * lam * lse**2).sum() / k.sum()

    z, t = torch.tensor(logits, requires_grad=True), torch.tensor(dense, requires_grad=True)
    value = definition(z, t)
    by_logits, by_target = torch.autograd.grad(value, (z, t), create_graph=True)
    v, moved = rng.normal(size=(12, 7)), rng.normal(size=(12, 7))
    curved = torch.autograd.grad((by_logits * torch.tensor(v)).sum(), z)[0].numpy()
    hessian = torch.autograd.functional.hessian(lambda x: definition(x, t), z).detach().numpy()
    options: dict[str, Any] = {
        "weight": weight, "row_weight": row_weight, "label_smoothing": eps, "softcap": cap,
        "temperature": temperature, "z_loss": lam, "reduction": reduction,
    }  # fmt: skip
    if not soft:
        options["ignore_index"] = 4
    first, second, close = by_logits.detach().numpy(), by_target.detach().numpy(), 1e-12
    loss, grad = front("cross_entropy_with_grad", logits, target, **options)
    np.testing.assert_allclose(loss, value.item(), rtol=1e-14)
    np.testing.assert_allclose(grad, first, rtol=close, atol=1e-15)
    hvp = front("cross_entropy_hvp", logits, target, v, **options)
    np.testing.assert_allclose(hvp, curved, rtol=close, atol=1e-14)
    jvp = front("cross_entropy_jvp", logits, target, v, **options)
    np.testing.assert_allclose(jvp, (first * v).sum(), rtol=close)
    if soft:  # class indices do not move
        both = front("cross_entropy_jvp", logits, target, v, target_tangent=moved, **options)
        np.testing.assert_allclose(both, (first * v).sum() + (second * moved).sum(), rtol=close)
    if soft or front.has(TARGET_GRAD):
        by_target = front("cross_entropy_target_grad", logits, target, **options)
        np.testing.assert_allclose(by_target, second, rtol=close)
    own = hessian[np.arange(12), :, np.arange(12)]  # (12, 7, 7): rows do not meet each other
    dense_hessian = front("cross_entropy_hessian", logits, target, **options)
    np.testing.assert_allclose(dense_hessian, own, rtol=close, atol=1e-14)
    if front.has("cross_entropy_hessian_diag"):
        diagonal = front("cross_entropy_hessian_diag", logits, target, **options)
        np.testing.assert_allclose(diagonal, np.diagonal(own, axis1=1, axis2=2), close, 1e-14)


def test_softmax_as_autograd(front: FrontEnd) -> None:
    """Softmax, its Jacobian, JVP and VJP are those of torch."""
    front.needs("float64")
    logits, vector = problem("soft")
    z = torch.tensor(logits)
    for name in ("softmax", "log_softmax"):
        right = getattr(torch, name)(z / 0.7, dim=1).numpy()
        np.testing.assert_allclose(front(name, logits, temperature=0.7), right, rtol=1e-13)
    if front.has("logsumexp"):
        np.testing.assert_allclose(front("logsumexp", logits), torch.logsumexp(z, 1), rtol=1e-15)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: torch.softmax(x, 0)))(z).numpy()
    np.testing.assert_allclose(front("softmax_jacobian", logits), jacobian, 1e-12, 1e-16)
    product = np.einsum("nij,nj->ni", jacobian, vector)
    for name in ("softmax_jvp", "softmax_vjp"):
        np.testing.assert_allclose(front(name, logits, vector), product, 1e-12, 1e-15)
