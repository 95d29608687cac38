"""Edges that only tensors have: batches of other shapes, autocast, subclasses, hooks, checkpoints.

The contract's own table of edges runs through PyTorch in tests/contract/test_edges.py.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest

from softxent import reference

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")

Z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = torch.tensor([0, 4, -100, 2, 1, 1])


def right_gradient(z: Any = Z, t: Any = T, **options: Any) -> np.ndarray:
    return reference.cross_entropy_with_grad(z.detach().numpy(), t.numpy(), **options)[1]


# ------------------------------------------------------------------ bad rows


@pytest.mark.parametrize("upstream", [0.0, 1.0])
@pytest.mark.parametrize("bad", [nan, inf])
def test_a_bad_row_stays_in_its_row(bad: float, upstream: float, implementation: str) -> None:
    """NaN in one row: its gradient row is NaN whole, the others' are as without it."""
    z = Z.clone()
    z[1, 3] = bad
    z.requires_grad_()
    loss = ours.cross_entropy(z, T, reduction="none", implementation=implementation)
    loss.backward(torch.full_like(loss, upstream))
    assert loss.isnan().tolist() == [False, True, False, False, False, False]
    assert z.grad[1].isnan().all()
    others = [0, 2, 3, 4, 5]
    right = upstream * right_gradient(reduction="none")[others]
    np.testing.assert_allclose(z.grad[others].numpy(), right, rtol=1e-11, atol=1e-16)


def test_an_ignored_row_does_not_leak(implementation: str) -> None:
    """NaN logits in an ignored row, upstream NaN or infinite there too: its gradient is 0."""
    z = Z.clone()
    z[2] = nan
    for factor in (1.0, nan, inf):
        leaf = z.clone().requires_grad_()
        loss = ours.cross_entropy(leaf, T, reduction="none", implementation=implementation)
        upstream = torch.ones(6, dtype=torch.float64)
        upstream[2] = factor
        loss.backward(upstream)
        assert loss[2] == 0.0
        assert not leaf.grad[2].any()
        assert leaf.grad[[0, 1, 3, 4, 5]].isfinite().all()


def test_masked_classes_in_second_derivatives(implementation: str) -> None:
    """-inf at another class: 0 in the HVP, and nothing is NaN."""
    z = Z.clone()
    z[:, 3] = -inf
    z[3, 3] = 0.5  # the target of row 3
    leaf = z.clone().requires_grad_()
    loss = ours.cross_entropy(leaf, T, implementation=implementation)
    (grad,) = torch.autograd.grad(loss, leaf, create_graph=True)
    v = torch.ones_like(z).cumsum(1)
    (hvp,) = torch.autograd.grad(grad, leaf, v)
    right = reference.cross_entropy_hvp(z.numpy(), T.numpy(), v.numpy())
    assert not hvp[[0, 1, 2, 4, 5], 3].any()
    np.testing.assert_allclose(hvp.numpy(), right, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("factor", [0.0, nan, inf, -2.0])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_upstream_factors(reduction: str, factor: float, implementation: str) -> None:
    """0, negative, NaN and infinite factors multiply; the next call is none the worse for them."""
    for upstream in (factor, 1.0):
        z = Z.clone().requires_grad_()
        loss = ours.cross_entropy(z, T, reduction=reduction, implementation=implementation)
        loss.backward(torch.full_like(loss, upstream))
        right = right_gradient(reduction=reduction)
        if np.isfinite(upstream):
            np.testing.assert_allclose(z.grad.numpy(), upstream * right, rtol=1e-11, atol=1e-16)
        else:  # as a loss scaler finds out that it overflowed
            assert not z.grad[[0, 1, 3, 4, 5]].isfinite().any()


# ------------------------------------------------------------------ shapes


@pytest.mark.parametrize(
    "shape", [(1,), (5,), (0, 5), (1, 5), (5, 1), (3, 5, 0), (2, 5, 1), (2, 5, 2, 1, 3)], ids=str
)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_shapes(shape: tuple[int, ...], soft: bool, reduction: str, implementation: str) -> None:
    """One row, no row, one class, many axes: value, gradient and the shapes of both."""
    rng = np.random.default_rng(0)
    axis = min(1, len(shape) - 1)
    z = torch.tensor(rng.normal(size=shape), requires_grad=True)
    lead = shape[:axis] + shape[axis + 1 :]
    target = (
        torch.tensor(rng.uniform(size=shape))
        if soft
        else torch.tensor(rng.integers(shape[axis], size=lead))
    )
    loss = ours.cross_entropy(z, target, reduction=reduction, implementation=implementation)
    assert tuple(loss.shape) == (lead if reduction == "none" else ())
    loss.sum().backward()
    aim = target.movedim(axis, -1) if soft else target
    right, grad = reference.cross_entropy_with_grad(
        z.detach().movedim(axis, -1).numpy(), aim.numpy(), reduction=reduction
    )
    np.testing.assert_allclose(loss.detach().numpy(), right, rtol=1e-13, atol=1e-15)
    assert z.grad.shape == z.shape
    np.testing.assert_allclose(z.grad.movedim(axis, -1).numpy(), grad, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_integer_targets(dtype: str, implementation: str) -> None:
    """Any integer dtype; -100 where it can be held."""
    target = T.clone() if not dtype.startswith("u") else T.abs() % 5
    z = Z.clone().requires_grad_()
    loss = ours.cross_entropy(z, target.to(getattr(torch, dtype)), implementation=implementation)
    loss.backward()
    np.testing.assert_allclose(z.grad.numpy(), right_gradient(t=target), rtol=1e-11, atol=1e-16)


def test_strided_targets(implementation: str) -> None:
    """Class indices and row weights that are every other entry of something, or expanded."""
    wide = torch.stack([T, torch.full_like(T, 99)], dim=1).reshape(-1)[::2]
    r = torch.tensor(2.0, dtype=torch.float64).expand(6)
    z = Z.clone().requires_grad_()
    ours.cross_entropy(
        z, wide, row_weight=r, reduction="sum", implementation=implementation
    ).backward()
    right = 2.0 * right_gradient(reduction="sum")
    np.testing.assert_allclose(z.grad.numpy(), right, rtol=1e-11, atol=1e-16)
    ours.cross_entropy(Z, torch.tensor(1).expand(6), implementation=implementation)


# ------------------------------------------------------------------ what PyTorch does around it


def test_autocast_takes_what_comes(implementation: str) -> None:
    """Under autocast cross_entropy neither rounds float64 logits nor widens bfloat16's gradient."""
    with torch.autocast("cpu", torch.bfloat16):
        z = Z.clone().requires_grad_()
        loss = ours.cross_entropy(z, T, implementation=implementation)
        assert loss.dtype == torch.float64
        layer = torch.nn.Linear(5, 5)
        logits = layer(Z.float())
        assert logits.dtype == torch.bfloat16
        narrow = ours.cross_entropy(logits, T, implementation=implementation)
        assert narrow.dtype == torch.float32
    loss.backward()
    narrow.backward()
    np.testing.assert_allclose(z.grad.numpy(), right_gradient(), rtol=1e-11, atol=1e-16)
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_of_the_last_layer(dtype: Any, implementation: str) -> None:
    """The products run in the autocast dtype, the loss is float32, gradients are the leaves'."""
    g = torch.Generator().manual_seed(1)
    x, w, b = (torch.randn(*s, generator=g) for s in ((6, 8), (5, 8), (5,)))
    leaves = [leaf.requires_grad_() for leaf in (x, w, b)]
    with torch.autocast("cpu", dtype):
        loss = ours.linear_cross_entropy(x, w, T, linear_bias=b, implementation=implementation)
    assert loss.dtype == torch.float32
    loss.backward()
    rounded = [leaf.detach().to(dtype).double().numpy() for leaf in leaves]
    z = rounded[0] @ rounded[1].T + rounded[2]
    right, grad = reference.cross_entropy_with_grad(z, T.numpy())
    assert abs(loss.item() - right) < 2e-2 * right
    expected = (grad @ rounded[1], grad.T @ rounded[0], grad.sum(axis=0))
    for leaf, value in zip(leaves, expected, strict=True):
        assert leaf.grad.dtype == torch.float32
        np.testing.assert_allclose(leaf.grad.numpy(), value, rtol=0.1, atol=0.02 * abs(value).max())


def test_hooks_and_retained_gradients(implementation: str) -> None:
    """A tensor hook sees the gradient and may replace it; retain_grad keeps it."""
    leaf = Z.clone().requires_grad_()
    z = leaf * 1.0
    z.retain_grad()
    z.register_hook(lambda grad: 2.0 * grad)
    ours.cross_entropy(z, T, implementation=implementation).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 2.0 * right_gradient(), rtol=1e-11, atol=1e-16)
    torch.testing.assert_close(z.grad, leaf.grad)


def test_checkpoint(implementation: str) -> None:
    """torch.utils.checkpoint recomputes the loss in the backward pass."""
    from torch.utils.checkpoint import checkpoint

    z = Z.clone().requires_grad_()
    checkpoint(
        lambda z: ours.cross_entropy(3.0 * z, T, implementation=implementation),
        z,
        use_reentrant=False,
    ).backward()
    np.testing.assert_allclose(z.grad.numpy(), 3 * right_gradient(3 * Z), rtol=1e-11, atol=1e-16)


def test_saved_tensor_hooks(implementation: str) -> None:
    """What is saved for the backward pass goes through the hooks that offload it."""
    sizes: list[int] = []

    def pack(x: Any) -> Any:
        sizes.append(x.numel())
        return x.clone()

    z = Z.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = ours.cross_entropy(1.0 * z, T, reduction="none", implementation=implementation)
    loss.sum().backward()
    right = right_gradient(reduction="none")
    np.testing.assert_allclose(z.grad.numpy(), right, rtol=1e-11, atol=1e-16)


def test_detect_anomaly(implementation: str) -> None:
    """Anomaly mode finds nothing to say of a finite gradient."""
    with torch.autograd.detect_anomaly(check_nan=True):
        z = Z.clone().requires_grad_()
        ours.cross_entropy(z, T, implementation=implementation).backward()
    np.testing.assert_allclose(z.grad.numpy(), right_gradient(), rtol=1e-11, atol=1e-16)


def test_parameter_and_subclass(implementation: str) -> None:
    """nn.Parameter is a tensor; a subclass comes back as itself where it says so."""
    parameter = torch.nn.Parameter(Z.clone())
    ours.cross_entropy(parameter, T, implementation=implementation).backward()
    np.testing.assert_allclose(parameter.grad.numpy(), right_gradient(), rtol=1e-11, atol=1e-16)

    class Tagged(torch.Tensor):
        pass

    loss = ours.cross_entropy(Z.as_subclass(Tagged), T, implementation=implementation)
    assert isinstance(loss, Tagged)
    assert abs(float(loss) - reference.cross_entropy(Z.numpy(), T.numpy())) < 1e-14


def test_conjugate_and_negative_bits(implementation: str) -> None:
    """A lazily negated view (the imaginary part of a conjugate) is read with its sign."""
    z = torch.complex(torch.zeros_like(Z), -Z).conj().imag
    assert z.is_neg()
    got = ours.cross_entropy(z, T, implementation=implementation)
    assert abs(got.item() - reference.cross_entropy(Z.numpy(), T.numpy())) < 1e-14


def test_graph_is_freed(implementation: str) -> None:
    """What a loss keeps goes with its graph, backward or not; a freed graph says so."""
    import gc
    import weakref

    z = Z.clone().requires_grad_()
    logits = 1.0 * z
    kept = weakref.ref(logits)
    loss = ours.cross_entropy(logits, T, implementation=implementation)
    del logits, loss
    gc.collect()
    assert kept() is None
    loss = ours.cross_entropy(1.0 * z, T, implementation=implementation)
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_import_softxent_imports_no_torch() -> None:
    """`import softxent` stays light; softxent.torch brings PyTorch."""
    import subprocess
    import sys

    script = "import softxent, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", ["cross_entropy", "softmax", "log_softmax"])
def test_out_of_the_pool(name: str, implementation: str) -> None:
    """Results are plain tensors: they can be resized, pickled, and outlive everything else."""
    import pickle

    z = torch.randn(40, 5000).requires_grad_()
    if name == "cross_entropy":
        loss = ours.cross_entropy(z, torch.arange(40), implementation=implementation)
        (made,) = torch.autograd.grad(loss, z)
    else:
        made = getattr(ours, name)(z, implementation=implementation).detach()
    twin = pickle.loads(pickle.dumps(made))
    assert torch.equal(twin, made)
    flat = made.view(-1)
    del made
    assert torch.equal(flat, twin.view(-1))
    flat.mul_(2.0)
    assert torch.equal(flat, 2.0 * twin.view(-1))
