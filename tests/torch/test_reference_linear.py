"""The linear loss in torch operations beside the dense truth; what it holds, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from softxent import reference_linear as truth
from softxent.frontends.torch.reference_linear import (
    linear_loss_and_grads,
    linear_row_losses,
    rows_for,
)
from softxent.frontends.torch.settings import Scalars

OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.2, "z_loss": 0.3},
    {"softcap": 2.0, "temperature": 0.7},
    {"label_smoothing": 0.1, "softcap": 3.0, "temperature": 1.7, "z_loss": 0.2},
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other would take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def layer(n: int = 7, v: int = 9, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(n + v)
    x, w = torch.randn(n, 4, generator=g), torch.randn(v, 4, generator=g)
    b = torch.randn(v, generator=g)
    target = torch.randint(v, (n,), generator=g)
    target[2 % n] = -100
    return x.to(dtype), w.to(dtype), b.to(dtype), target, torch.rand(n, v, generator=g).to(dtype)


def exact(
    x: Tensor, w: Tensor, b: Tensor | None, t: Tensor, options: dict[str, Any], u: np.ndarray
) -> tuple[Any, Any]:
    bias = None if b is None else b.double().numpy()
    arrays = (x.double().numpy(), w.double().numpy(), t.double().numpy())
    if not t.is_floating_point():
        arrays = (*arrays[:2], t.numpy())
    loss, grads = truth.linear_cross_entropy_with_grad(
        *arrays, linear_bias=bias, reduction="none", row_weight=u, **options
    )
    return loss, grads


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_values_and_gradients(options: dict[str, Any], kind: str, bias: bool) -> None:
    x, w, b, target, soft = layer()
    b = b if bias else None
    a = (target, None) if kind == "index" else (None, soft)
    u, weight = torch.rand(7, dtype=torch.float64), torch.rand(9, dtype=torch.float64)
    s = Scalars(**options)
    result = linear_loss_and_grads(x, w, b, *a, weight, s, u, u, 3)
    loss, grads = exact(x, w, b, a[0] if a[1] is None else a[1],
                        {**options, "weight": weight.numpy()}, u.numpy())  # fmt: skip
    ours = result.loss if result.z_loss is None else result.loss + result.z_loss
    np.testing.assert_allclose((u * ours).numpy(), loss, rtol=1e-12)
    for got, want in zip(result[2:5], grads, strict=True):
        if got is None:
            assert b is None
        else:
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-11, atol=1e-13)
    # And the way that autograd goes, soft target included.
    parts = [p for p in (x, w, b, a[1]) if p is not None]
    for p in parts:
        p.requires_grad_()
    ce, z_loss = linear_row_losses(x, w, b, *a, weight, s, 3)
    total = (u * (ce if z_loss is None else ce + z_loss)).sum()
    torch.testing.assert_close(
        [g for g in result[2:] if g is not None], list(torch.autograd.grad(total, parts))
    )


def test_only_what_is_wanted() -> None:
    x, w, b, _, soft = layer()
    for wants in product((False, True), repeat=4):
        result = linear_loss_and_grads(x, w, b, None, soft, None, Scalars(), None, None, 4, wants)
        assert [g is not None for g in result[2:]] == list(wants)
        assert result.z_loss is None


def test_ignored_rows_are_not_read() -> None:
    x, w, b, target, _ = layer()
    whole = linear_loss_and_grads(x, w, b, target, None, None, Scalars(), None, None, 3)
    x[2] = torch.nan
    u = torch.ones(7)
    u[2] = torch.nan
    result = linear_loss_and_grads(x, w, b, target, None, None, Scalars(), u, None, 3)
    torch.testing.assert_close(result[2:5], whole[2:5])
    assert result.loss[2] == 0 and (result.input[2] == 0).all()
    x.requires_grad_(), w.requires_grad_()
    ce, _ = linear_row_losses(x, w, b, target, None, None, Scalars(), 3)
    dx, dw = torch.autograd.grad(ce.sum(), (x, w))
    torch.testing.assert_close((dx, dw), (whole.input, whole.linear_weight))


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows(n: int) -> None:
    x, w, b, target, _ = layer(1)
    x, target = x[:n], target[:n]
    target[:] = -100
    result = linear_loss_and_grads(x, w, b, target, None, None, Scalars(), None, None, 3)
    assert all(not g.any() for g in result[2:5])
    w.requires_grad_()
    ce, _ = linear_row_losses(x, w, b, target, None, None, Scalars(), 3)
    (dw,) = torch.autograd.grad(ce.sum(), w)
    assert not dw.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("by_autograd", [False, True])
def test_small_types_multiply_in_float32_and_round_once(
    dtype: torch.dtype, by_autograd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from softxent.frontends.torch import reference_linear

    monkeypatch.setattr(reference_linear, "TILE_BYTES", 5 * 4 * 4)
    x, w, b, target, _ = layer(200, 30, dtype)
    loss, grads = exact(x, w, b, target, {}, np.ones(200))
    if by_autograd:
        parts = [p.requires_grad_() for p in (x, w, b)]
        ce, _ = linear_row_losses(x, w, b, target, None, None, Scalars(), 7)
        got = torch.autograd.grad(ce.sum(), parts)
    else:
        result = linear_loss_and_grads(x, w, b, target, None, None, Scalars(), None, None, 7)
        ce, got = result.loss, result[2:5]
    np.testing.assert_allclose(ce.detach().numpy(), loss, rtol=1e-5, atol=1e-6)
    eps = torch.finfo(dtype).eps
    for g, want in zip(got, grads, strict=True):
        assert g.dtype == dtype
        # Half a last place, and what float32 products of magnitude 1 leave
        np.testing.assert_allclose(g.double().numpy(), want, rtol=0.505 * eps, atol=2e-5)


@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_derivatives(options: dict[str, Any], kind: str) -> None:
    x, w, b, target, soft = layer(3, 4)
    x, w = x[:, :2].contiguous(), w[:, :2].contiguous()
    s = Scalars(**options)
    inputs = [p.requires_grad_() for p in (x, w, b, *([soft] if kind == "soft" else []))]

    def function(*parts: Tensor) -> tuple[Tensor, ...]:
        a = (target, None) if kind == "index" else (None, parts[3])
        ce, z_loss = linear_row_losses(*parts[:3], *a, None, s, 2)
        return (ce,) if z_loss is None else (ce, z_loss)

    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, inputs)


# ------------------------------------------------------------------ memory


def memory(function: Callable[[], Any]) -> tuple[int, int]:
    """The largest number of bytes of tensors at once, beyond those before, and that at the end."""
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[cpu], profile_memory=True) as profile:
        kept = function()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    del kept
    return most, now


def big(dtype: torch.dtype, kind: str) -> tuple[Any, ...]:
    n, v = 64, 20_000
    x, w, b, target, soft = layer(n, v, dtype)
    return x, w, b, *((target, None) if kind == "index" else (None, soft))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_a_chunk_stays_within_its_budget(
    kind: str, softcap: float | None, dtype: torch.dtype
) -> None:
    x, w, b, target, soft = big(dtype, kind)
    n, v = len(x), len(w)
    s = Scalars(softcap=softcap, z_loss=0.1 if softcap else 0.0)
    shape: dict[str, Any] = {"dense": kind == "soft", "capped": softcap is not None}
    budget = 2 * 2**24
    rows = rows_for(budget, v, 4, dtype, **shape)
    assert 2 <= rows < n

    def walk() -> Any:
        return linear_loss_and_grads(x, w, b, target, soft, None, s, None, None, rows)

    wide_db, outputs = v * 8, sum(g.nbytes for g in walk()[2:] if g is not None)
    sums = v * 4 * 4 if dtype is torch.bfloat16 else 0
    most, _ = memory(walk)
    assert most <= budget + outputs + wide_db + sums + n * 100
    assert most >= 0.6 * budget  # the count is not only safe

    rows = rows_for(budget, v, 4, dtype, walk="losses", **shape)
    x.requires_grad_()
    copy = v * 4 * 4 + v * 4 if dtype is torch.bfloat16 else 0

    def derivative(order: int) -> Any:
        ce, z_loss = linear_row_losses(x, w, b, target, soft, None, s, rows)
        total = (ce if z_loss is None else ce + z_loss).sum()
        for _ in range(order):
            (grad,) = torch.autograd.grad(total, x, create_graph=True)
            total = grad.square().sum()
        return total.detach()

    for order in (1, 2):
        most, _ = memory(lambda order=order: derivative(order))
        assert most <= 1.05 * budget + copy + n * 400, order


def test_nothing_of_n_times_v_is_kept_for_derivatives() -> None:
    x, w, b, target, _ = big(torch.float32, "index")
    for p in (x, w, b):
        p.requires_grad_()

    def forward() -> Any:
        ce, _ = linear_row_losses(x, w, b, target, None, None, Scalars(), 4)
        return ce

    _, kept = memory(forward)
    assert kept <= 64 * 8 + 1024  # the losses

    def backward() -> Any:
        return torch.autograd.grad(forward().sum(), x, create_graph=True)

    _, kept = memory(backward)
    assert kept <= 10 * 64 * 8 + 4096
