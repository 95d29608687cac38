"""Statistics of each row: values, derivatives, transforms, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from softxent import reference as truth
from softxent import reference_linear as linear_truth
from softxent.frontends.torch.stats import (
    CrossEntropyStats,
    cross_entropy_stats,
    linear_cross_entropy_stats,
)

IMPLEMENTATIONS = ["native", "numpy", "reference"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.2, "z_loss": 0.3, "row_weight": True},
    {"softcap": 2.0, "temperature": 0.7, "weight": True},
    {
        "label_smoothing": 0.1, "softcap": 3.0, "temperature": 1.7, "z_loss": 0.2,
        "weight": True, "row_weight": True,
    },
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other would take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chosen(options: dict[str, Any], n: int, v: int) -> dict[str, Any]:
    """The options, with tensors where they say True."""
    made = {
        "weight": torch.rand(v, dtype=torch.float64, generator=generator(1)),
        "row_weight": torch.rand(n, dtype=torch.float64, generator=generator(2)),
    }
    return {name: made[name] if value is True else value for name, value in options.items()}


def arrays(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v.numpy() if isinstance(v, Tensor) else v for k, v in options.items()}


def problem(n: int = 6, v: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    z = torch.randn(n, v, dtype=dtype, generator=generator(3)).mul(2)
    target = torch.randint(v, (n,), generator=generator(4))
    target[2 % n] = -100
    return z, target, torch.rand(n, v, dtype=dtype, generator=generator(5))


def layer(n: int = 6, v: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    _, target, soft = problem(n, v, dtype)
    x = torch.randn(n, 3, dtype=dtype, generator=generator(6))
    w = torch.randn(v, 3, dtype=dtype, generator=generator(7))
    return x, w, torch.randn(v, dtype=dtype, generator=generator(8)), target, soft


def same(got: CrossEntropyStats, want: Any, rtol: float = 1e-12) -> None:
    assert got._fields == want._fields
    for name, ours, expected in zip(got._fields, got, want, strict=True):
        np.testing.assert_allclose(
            ours.detach().numpy(), expected, rtol=rtol, atol=1e-14, err_msg=name
        )
    assert got.rank.dtype == got.prediction.dtype == torch.int64


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "plain")
def test_values(options: dict[str, Any], kind: str, implementation: str) -> None:
    z, target, soft = problem()
    z[0, 3], z[1, 2] = -torch.inf, torch.nan
    t = target if kind == "index" else soft
    if kind == "soft" or "label_smoothing" in options:
        z[0, 3] = 0.0
    options = chosen(options, *z.shape)
    got = cross_entropy_stats(z, t, implementation=implementation, **options)
    same(got, truth.cross_entropy_stats(z.numpy(), t.numpy(), **arrays(options)))
    x, w, b, *_ = layer()
    got = linear_cross_entropy_stats(
        x, w, t, linear_bias=b, implementation=implementation, **options
    )
    want = linear_truth.linear_cross_entropy_stats(
        x.numpy(), w.numpy(), t.numpy(), linear_bias=b.numpy(), **arrays(options)
    )
    same(got, want, 1e-11)


@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes(dtype: torch.dtype, implementation: str) -> None:
    z, target, _ = problem(dtype=dtype)
    z.requires_grad_()
    got = cross_entropy_stats(z, target, implementation=implementation)
    assert {x.dtype for x in got[:5]} == {torch.float32}
    want = truth.cross_entropy_stats(z.detach().double().numpy(), target.numpy())
    same(got, want, 3e-7)
    (grad,) = torch.autograd.grad(got.entropy.sum(), z)
    assert grad.dtype == dtype
    exact = z.detach().double().requires_grad_()
    (slope,) = torch.autograd.grad(cross_entropy_stats(exact, target).entropy.sum(), exact)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(grad.double(), slope, rtol=0.51 * eps, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (1, 300), (0,)])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_shapes_and_axes(shape: tuple[int, ...], implementation: str) -> None:
    z = torch.randn(*shape, 5, dtype=torch.float64, generator=generator())
    target = torch.randint(5, shape, generator=generator(1))
    want = truth.cross_entropy_stats(z.numpy(), target.numpy())
    for axis in (None, -1):
        last = z if axis == -1 or len(shape) == 0 else z.movedim(-1, 1)
        last = last.contiguous().requires_grad_()
        got = cross_entropy_stats(last, target, axis=axis, implementation=implementation)
        same(got, want)
        assert got.loss.shape == got.rank.shape == shape
        (grad,) = torch.autograd.grad(got.loss.sum(), last)
        assert grad.shape == last.shape


def test_dimensions_of_a_linear_layer() -> None:
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator())
    w = torch.randn(5, 2, 2, 3, dtype=torch.float64, generator=generator(1)).requires_grad_()
    target = torch.randint(5, (4, 2, 2), generator=generator(2))
    r = torch.rand(4, 2, 2, dtype=torch.float64)
    got = linear_cross_entropy_stats(x, w, target, row_weight=r)
    z = torch.einsum("nd,vabd->nabv", x, w).detach()
    same(got, truth.cross_entropy_stats(z.numpy(), target.numpy(), row_weight=r.numpy()), 1e-11)
    (grad,) = torch.autograd.grad(got.entropy.sum(), w)
    leaf = w.detach().requires_grad_()
    dense = cross_entropy_stats(torch.einsum("nd,vabd->nabv", x, leaf), target, axis=-1)
    torch.testing.assert_close(grad, torch.autograd.grad(dense.entropy.sum(), leaf)[0])


# ------------------------------------------------------------------ derivatives


def floats(function: Callable[..., CrossEntropyStats], *inputs: Tensor, **options: Any) -> Any:
    return function(*inputs, **options)[:5]


@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "plain")
def test_derivatives(options: dict[str, Any], implementation: str) -> None:
    z, target, soft = problem(3, 4)
    options = {**chosen(options, 3, 4), "implementation": implementation}
    z.requires_grad_(), soft.requires_grad_()
    for extra in ((), (soft,)):
        t = target if not extra else None

        def function(z: Tensor, *soft: Tensor, t: Any = t) -> Any:
            return floats(cross_entropy_stats, z, *(soft or (t,)), **options)

        inputs = (z, *extra)
        assert torch.autograd.gradcheck(
            function, inputs, check_forward_ad=True, check_batched_grad=True
        )
        assert torch.autograd.gradgradcheck(function, inputs)


def test_derivatives_by_row_weight() -> None:
    z, target, _ = problem(3, 4)
    r = torch.rand(3, dtype=torch.float64, generator=generator()).requires_grad_()
    z.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z, r: floats(cross_entropy_stats, z, target, row_weight=r, z_loss=0.2), (z, r)
    )


@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("implementation", ["native", "reference"])
def test_derivatives_of_the_linear_form(implementation: str, kind: str) -> None:
    x, w, b, target, soft = layer(3, 4)
    extra = (soft,) if kind == "soft" else ()
    inputs = tuple(p.requires_grad_() for p in (x, w, b, *extra))

    def function(x: Tensor, w: Tensor, b: Tensor, *soft: Tensor) -> Any:
        return linear_cross_entropy_stats(
            x, w, *(soft or (target,)), linear_bias=b, z_loss=0.2, softcap=3.0,
            max_memory=1200, implementation=implementation,
        )[:5]  # fmt: skip

    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, inputs)


def entropy_and_more(stats: CrossEntropyStats) -> Tensor:
    return sum((i + 1.0) * (x * x).sum() for i, x in enumerate(stats[:5]))


@pytest.mark.parametrize("implementation", ["native", "reference"])
def test_transforms(implementation: str) -> None:
    z, target, _ = problem()
    func = torch.func

    def ours(z: Tensor, target: Tensor = target) -> Tensor:
        return entropy_and_more(cross_entropy_stats(z, target, implementation=implementation))

    def plain(z: Tensor, target: Tensor = target) -> Tensor:
        keep = target != -100
        log_y = torch.log_softmax(z, -1)
        logprob = log_y.gather(-1, target.clamp(min=0)[:, None])[:, 0] * keep
        entropy = -(log_y.exp() * log_y).sum(-1) * keep
        lse = torch.logsumexp(z, -1) * keep
        zero = 0.0 * lse
        return entropy_and_more(
            CrossEntropyStats(-logprob, zero, logprob, entropy, lse, target, target)
        )

    for transform in (func.grad, func.hessian, func.jacfwd, lambda f: func.jacrev(func.grad(f))):
        torch.testing.assert_close(transform(ours)(z), transform(plain)(z))
    torch.testing.assert_close(func.jvp(ours, (z,), (z,)), func.jvp(plain, (z,), (z,)))
    zs, targets = torch.stack([z, z * 2]), torch.stack([target, target.flip(0)])
    torch.testing.assert_close(
        func.vmap(func.grad(ours))(zs, targets), func.vmap(func.grad(plain))(zs, targets)
    )
    stats = func.vmap(lambda z, t: cross_entropy_stats(z, t, implementation=implementation))(
        zs, targets
    )
    same(stats, truth.cross_entropy_stats(zs.numpy(), targets.numpy()))
    x, w, b, target, _ = layer()

    def linear(w: Tensor) -> Tensor:
        return entropy_and_more(
            linear_cross_entropy_stats(
                x, w, target, linear_bias=b, implementation=implementation, max_memory=3000
            )
        )

    def linear_plain(w: Tensor) -> Tensor:
        return plain(x @ w.T + b, target)

    for transform in (func.grad, func.hessian, func.jacfwd):
        torch.testing.assert_close(transform(linear)(w), transform(linear_plain)(w))
    ws = torch.stack([w, w * 2])
    torch.testing.assert_close(
        func.vmap(func.grad(linear))(ws), func.vmap(func.grad(linear_plain))(ws)
    )


def test_compile() -> None:
    z, target, _ = problem(dtype=torch.float32)

    def total(z: Tensor) -> Tensor:
        return entropy_and_more(cross_entropy_stats(z, target, z_loss=0.1))

    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    leaf, twin = z.clone().requires_grad_(), z.clone().requires_grad_()
    compiled(leaf).backward()
    total(twin).backward()
    torch.testing.assert_close(leaf.grad, twin.grad)


def test_the_linear_form_does_not_compile_whole_and_says_so() -> None:
    x, w, _, target, _ = layer()
    w.requires_grad_()

    def function(w: Tensor) -> Tensor:
        return linear_cross_entropy_stats(x, w, target).entropy.sum()

    with pytest.raises(Exception, match="linear_cross_entropy_stats"):
        torch.compile(function, fullgraph=True, backend="aot_eager")(w)
    torch._dynamo.reset()
    got = torch.compile(function, backend="aot_eager")(w)
    torch.testing.assert_close(got, function(w))
    torch._dynamo.reset()


def test_integers_record_nothing() -> None:
    z, target, _ = problem()
    stats = cross_entropy_stats(z.requires_grad_(), target)
    assert all(x.requires_grad for x in stats[:5])
    assert not stats.prediction.requires_grad and not stats.rank.requires_grad
    with torch.no_grad():
        assert not cross_entropy_stats(z, target).loss.requires_grad
    with torch.inference_mode():
        assert not linear_cross_entropy_stats(*layer()[:2], target).loss.requires_grad


def test_ignored_rows_are_not_read() -> None:
    x, w, b, target, _ = layer()
    x[2] = torch.nan
    for implementation in ("native", "reference"):
        stats = linear_cross_entropy_stats(
            x.requires_grad_(), w.requires_grad_(), target, linear_bias=b,
            row_weight=torch.ones(6), implementation=implementation,
        )  # fmt: skip
        assert all(s[2] == 0 for s in stats[:5]) and stats.rank[2] == stats.prediction[2] == -1
        grads = torch.autograd.grad(entropy_and_more(stats), (x, w))
        assert all(g.isfinite().all() for g in grads) and not grads[0][2].any()


def test_autocast() -> None:
    x, w, b, target, _ = layer(dtype=torch.float32)
    x.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = linear_cross_entropy_stats(x, w, target, linear_bias=b)
    halves = [p.detach().bfloat16() for p in (x, w, b)]
    want = linear_cross_entropy_stats(*halves[:2], target, linear_bias=halves[2])
    torch.testing.assert_close(got.entropy, want.entropy)
    (grad,) = torch.autograd.grad(got.entropy.sum(), x)
    assert grad.dtype == torch.float32


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_class_index_out_of_range(implementation: str) -> None:
    z, target, _ = problem()
    target[3] = 5
    with pytest.raises(IndexError, match=r"cross_entropy_stats: target\[3\] is 5"):
        cross_entropy_stats(z, target, implementation=implementation)
    x, w, *_ = layer()
    with pytest.raises(IndexError, match=r"linear_cross_entropy_stats: target\[3\] is 5"):
        linear_cross_entropy_stats(x, w, target, implementation=implementation)


def test_settings_are_checked() -> None:
    z, target, _ = problem()
    x, w, *_ = layer()
    with pytest.raises(ValueError, match="cross_entropy_stats: temperature"):
        cross_entropy_stats(z, target, temperature=0.0)
    with pytest.raises(NotImplementedError, match="linear_cross_entropy_stats: weight"):
        linear_cross_entropy_stats(x, w, target, weight=torch.ones(5, requires_grad=True))
    with pytest.raises(ValueError, match="linear_cross_entropy_stats: max_memory"):
        linear_cross_entropy_stats(x, w, target, max_memory="nothing")
    with pytest.raises(ValueError, match="linear_cross_entropy_stats: input"):
        linear_cross_entropy_stats(x[:, :2], w, target)


# ------------------------------------------------------------------ memory


def test_the_linear_form_keeps_and_takes_less_than_n_times_v() -> None:
    n, v = 256, 20_000
    x, w, _, target, _ = layer(n, v, torch.float32)
    w.requires_grad_()

    def backward() -> None:
        stats = linear_cross_entropy_stats(x, w, target, max_memory="8MiB")
        torch.autograd.grad(stats.entropy.sum() + stats.logprob.sum(), w)

    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[cpu], profile_memory=True) as profile:
        backward()
    now = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    assert most <= 8 * 2**20 + 4 * w.nbytes < n * v * 4
