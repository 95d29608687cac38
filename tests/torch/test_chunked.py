"""The combinator: the same numbers as the whole, with every derivative, and O(N) state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from softxent.frontends.torch.chunked import chunked

ROWS = [1, 2, 5, 7]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other would take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def layer(x: Tensor, t: Tensor, w: Tensor, b: Tensor | None) -> Any:
    """Something of everything: a matrix and a number a row, integers, sums of two shapes."""
    z = x @ w.T if b is None else x @ w.T + b
    y = torch.softmax(z, -1)
    loss = -torch.log_softmax(z, -1).gather(-1, t[:, None])[:, 0]
    return (y * z.sin(), loss, z.argmax(-1)), (loss.sum(), (y * loss[:, None]).sum(0))


def problem(n: int = 7, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(n)
    x = torch.randn(n, 3, dtype=dtype, generator=g)
    t = torch.randint(4, (n,), generator=g)
    w = torch.randn(4, 3, dtype=dtype, generator=g)
    return x, t, w, torch.randn(4, dtype=dtype, generator=g)


def by_chunks(x: Tensor, t: Tensor, w: Tensor, b: Tensor | None, rows: int) -> Any:
    outputs, sums = chunked(layer, (x, t), (w, b), rows)
    return (*outputs, *sums)


def floats(x: Tensor, t: Tensor, w: Tensor, b: Tensor | None, rows: int) -> tuple[Tensor, ...]:
    y, loss, _, total, mean = by_chunks(x, t, w, b, rows)
    return y, loss, total, mean


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_values(n: int, rows: int) -> None:
    x, t, w, b = problem(n)
    outputs, sums = layer(x, t, w, b)
    for got, want in zip(by_chunks(x, t, w, b, rows), (*outputs, *sums), strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("rows", [2, 3])
def test_gradcheck(rows: int) -> None:
    x, t, w, b = (p.requires_grad_(p.is_floating_point()) for p in problem(3))

    def function(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return floats(x, t, w, b, rows)

    inputs = (x, w, b)
    assert torch.autograd.gradcheck(
        function,
        inputs,
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )
    assert torch.autograd.gradgradcheck(
        function,
        inputs,
        check_fwd_over_rev=True,
        check_rev_over_rev=True,
        check_batched_grad=True,
    )


def scalar(function: Any) -> Any:
    """A function of (x, w, b) with a value that depends on every output, thrice."""

    def total(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return sum((out.sin() * out**2).sum() for out in function(x, w, b))

    return total


def test_every_transform_beside_the_whole() -> None:
    x, t, w, b = problem()

    def whole_floats(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        (y, loss, _), (total, mean) = layer(x, t, w, b)
        return y, loss, total, mean

    ours = scalar(lambda x, w, b: floats(x, t, w, b, 3))
    whole = scalar(whole_floats)
    func, all_of = torch.func, (0, 1, 2)

    def third(f: Any) -> Any:
        along = tuple(torch.ones_like(p) for p in (x, w, b))

        def second(*p: Tensor) -> Tensor:
            gradient = func.grad(lambda *q: func.jvp(f, q, along)[1], all_of)
            return sum((g * g).sum() for g in gradient(*p))

        return func.grad(second, all_of)

    for transform in (
        lambda f: func.grad(f, all_of),
        lambda f: func.jacrev(f, all_of),
        lambda f: func.jacfwd(f, all_of),
        lambda f: func.hessian(f, all_of),
        lambda f: func.jacrev(func.jacrev(f, all_of), all_of),
        lambda f: func.jacfwd(func.jacfwd(f, 1), 1),
        third,
    ):
        got, want = transform(ours)(x, w, b), transform(whole)(x, w, b)
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("in_dims", [(0, 0, 0), (1, None, 1), (None, 1, None), (None, None, 0)])
def test_vmap(in_dims: tuple[int | None, ...]) -> None:
    x, t, w, b = problem()
    batch = 3
    inputs = [
        p if dim is None else torch.stack([p, p.sin(), p * 2], dim)
        for p, dim in zip((x, w, b), in_dims, strict=True)
    ]
    total = scalar(lambda x, w, b: floats(x, t, w, b, 4))
    everything = torch.func.grad_and_value(total, (0, 1, 2))
    (got, values) = torch.func.vmap(everything, in_dims)(*inputs)
    for i in range(batch):
        one = [
            p if dim is None else p.select(dim, i) for p, dim in zip(inputs, in_dims, strict=True)
        ]
        want, value = everything(*one)
        torch.testing.assert_close(values[i], value)
        torch.testing.assert_close([g[i] for g in got], list(want))
    outputs = torch.func.vmap(lambda *p: by_chunks(p[0], t, p[1], p[2], 4), in_dims)(*inputs)
    assert outputs[2].shape == (batch, 7) and outputs[2].dtype == torch.int64


def test_vmap_of_vmap() -> None:
    x, t, w, b = problem()
    xs, ws = torch.stack([x, x * 2]), torch.stack([w, w * 2, w * 3])

    def one(x: Tensor, w: Tensor) -> Tensor:
        return torch.func.grad(lambda w: floats(x, t, w, b, 2)[2])(w)

    got = torch.func.vmap(lambda x: torch.func.vmap(lambda w: one(x, w))(ws))(xs)
    for i, x in enumerate(xs):
        for j, w in enumerate(ws):
            torch.testing.assert_close(got[i, j], one(x, w))


def test_third_order_of_reverse_mode() -> None:
    x, t, w, b = problem()

    def third(f: Any) -> Tensor:
        leaf = w.clone().requires_grad_()
        value = f(leaf)
        for _ in range(3):
            (value,) = torch.autograd.grad((value * value.cos()).sum(), leaf, create_graph=True)
        return value

    got = third(lambda w: floats(x, t, w, b, 2)[0])
    torch.testing.assert_close(got, third(lambda w: layer(x, t, w, b)[0][0]))


def test_reverse_over_forward_in_eager_mode() -> None:
    x, t, w, b = problem()

    def gradient_of_rate(f: Any) -> Tensor:
        leaf = w.clone().requires_grad_()
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(leaf, torch.ones_like(w))
            rate = forward_ad.unpack_dual(f(dual)).tangent
            assert rate is not None
            return torch.autograd.grad(rate, leaf)[0]

    got = gradient_of_rate(lambda w: floats(x, t, w, b, 2)[2])
    want = torch.func.grad(
        lambda w: torch.func.jvp(lambda w: layer(x, t, w, b)[1][0], (w,), (torch.ones_like(w),))[1]
    )
    torch.testing.assert_close(got, want(w))


def test_no_bias() -> None:
    x, t, w, _ = problem()
    w.requires_grad_()
    (got,) = torch.autograd.grad(floats(x, t, w, None, 3)[2], w)
    (want,) = torch.autograd.grad(layer(x, t, w, None)[1][0], w)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_in_float32_rounded_once(dtype: torch.dtype) -> None:
    """1 + 300 * 2^-10, each too small for bfloat16 to add."""
    x = torch.full((301, 1), 2.0**-10, dtype=dtype)
    x[0] = 1.0
    w = torch.ones(1, 1, dtype=dtype, requires_grad=True)

    def fn(x: Tensor, w: Tensor) -> Any:
        assert w.dtype == torch.float32
        return (), ((x.float() * w).sum(),)

    _, (total,) = chunked(fn, (x,), (w,), 10)
    assert total.dtype == torch.float32 and total.item() == 1 + 300 * 2**-10
    (grad,) = torch.autograd.grad(total, w)
    assert grad.dtype == dtype
    assert grad.item() == torch.tensor(1 + 300 * 2**-10, dtype=dtype).item()
    # The rounding is in the derivative of the derivative, too.
    _, (total,) = chunked(lambda x, w: ((), ((x.float() * w * w).sum(),)), (x,), (w,), 10)
    (grad,) = torch.autograd.grad(total, w, create_graph=True)
    (second,) = torch.autograd.grad(grad, w)
    assert second.dtype == dtype and second.item() == 2 * torch.tensor(1.29297, dtype=dtype).item()


class Counting(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts products and notes the dtypes they run in."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in ("mm", "addmm", "bmm", "baddbmm"):
            self.products += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("wanted", "products"), [("x", 4), ("w", 4), ("b", 2), ("xw", 6), ("xwb", 6), ("", 0)]
)
def test_frozen_inputs_cost_nothing(wanted: str, products: int) -> None:
    """In two chunks: the logits again for any gradient, and one product for each of x and w."""
    parts = dict(zip("xtwb", problem(8), strict=True))
    for name in wanted:
        parts[name].requires_grad_()
    out = chunked(lambda *p: ((), layer(*p)[1]), (parts["x"], parts["t"]),
                  (parts["w"], parts["b"]), 4)[1][0]  # fmt: skip
    assert out.requires_grad == bool(wanted)
    if wanted:
        with Counting() as count:
            torch.autograd.grad(out, [parts[name] for name in wanted])
        assert count.products == products


def test_directions_that_are_zero_cost_nothing() -> None:
    x, t, w, b = problem(8)
    with Counting() as bias:
        torch.func.jvp(lambda b: floats(x, t, w, b, 4)[2], (b,), (b,))
    with Counting() as both:
        torch.func.jvp(lambda x, w: floats(x, t, w, b, 4)[2], (x, w), (x, w))
    assert bias.products < both.products


def test_nothing_is_recorded_for_outputs_that_nobody_uses() -> None:
    x, t, w, b = (p.requires_grad_(p.is_floating_point()) for p in problem())
    outputs = by_chunks(x, t, w, b, 3)
    assert not outputs[2].requires_grad
    (g,) = torch.autograd.grad(outputs[1].sum() + 0.0 * outputs[4].sum(), w)
    (want,) = torch.autograd.grad(layer(x, t, w, b)[0][1].sum(), w)
    torch.testing.assert_close(g, want)


def test_values_from_elsewhere() -> None:
    """Values are those of the faster function, derivatives those of the one it stands for."""
    x, t, w, b = problem()
    w.requires_grad_()
    calls = []

    def fast(*inputs: Tensor) -> Any:
        calls.append(len(inputs[0]))
        return layer(*inputs)

    outputs, _ = chunked(layer, (x, t), (w, b), 2, values=fast)
    assert calls == [7]
    (got,) = torch.autograd.grad(outputs[1].sum(), w)
    (want,) = torch.autograd.grad(layer(x, t, w, b)[0][1].sum(), w)
    torch.testing.assert_close(got, want)
    assert calls == [7]
    rate = torch.func.jvp(
        lambda w: chunked(layer, (x, t), (w, b), 2, values=fast)[0][1], (w,), (w,)
    )
    torch.testing.assert_close(rate, torch.func.jvp(lambda w: layer(x, t, w, b)[0][1], (w,), (w,)))


def test_outputs_that_are_inputs() -> None:
    x = torch.randn(4, 2, requires_grad=True)
    w = torch.randn(2, requires_grad=True)
    (y,), (v,) = chunked(lambda x, w: ((x,), (w,)), (x,), (w,), 10)
    assert y is not x
    gx, gw = torch.autograd.grad(y.sum() + v.sum(), (x, w))
    assert (gx == 1).all() and (gw == 1).all()


def test_autocast_does_not_reach_inside() -> None:
    x, t, w, b = problem(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (y, *_), _ = chunked(layer, (x, t), (w, b), 3)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, layer(x, t, w, b)[0][0])
