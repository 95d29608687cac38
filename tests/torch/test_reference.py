"""The formulas in torch operations beside exact arithmetic, and right under every transform."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from contract.accuracy_cases import ALL, PAIRS, PLAIN, SINGLES, Batch, Case, build
from contract.edge_cases import EDGES, FINITE, Edge, spread
from torch import Tensor

from softxent import reference as truth
from softxent.frontends.torch import reference
from softxent.frontends.torch.arrays import from_numpy, to_numpy
from softxent.frontends.torch.settings import Scalars

NAMES = ("label_smoothing", "temperature", "softcap", "z_loss", "ignore_index")
CASES = [*PLAIN, *SINGLES, *PAIRS, *ALL]
SMALL = ("bfloat16", "float16")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other would take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Problem:
    """A batch as the functions of `reference` take it."""

    def __init__(self, logits: Any, target: Any, options: dict[str, Any]) -> None:
        given = {name: options[name] for name in NAMES if options.get(name) is not None}
        self.z, t = from_numpy(np.ascontiguousarray(logits)), from_numpy(np.asarray(target))
        soft = t.is_floating_point()
        self.target, self.soft = (None, t) if soft else (t, None)
        weight = options.get("weight")
        self.weight = None if weight is None else torch.as_tensor(np.asarray(weight))
        self.s = Scalars(**given)

    def losses(self, z: Tensor) -> Tensor:
        """The loss of each row."""
        ce, z_loss = reference.row_losses(z, self.target, self.soft, self.weight, self.s)
        return ce if z_loss is None else ce + z_loss

    def gradients(self, wants: tuple[bool, bool] = (True, False)) -> reference.RowGradients:
        """What the formulas give without autograd."""
        u = torch.ones(self.z.shape[:-1], dtype=torch.float64)
        args = (self.target, self.soft, self.weight, self.s, u, u, wants)
        return reference.row_gradients(self.z, *args)

    def total(self, z: Tensor) -> Tensor:
        return self.losses(z).sum()


def exact_rows(batch: Batch) -> list[oracle.Row | None]:
    options = {k: v for k, v in batch.options.items() if k != "row_weight"}
    ignored = batch.target.ndim == 1
    return [
        None if ignored and t == -100 else oracle.Row(z, t, **options)
        for z, t in zip(batch.logits, batch.target, strict=True)
    ]


def worst(got: Any, exact: list[Any], dtype: str, scale: list[Any] | None = None) -> float:
    """The largest error in ULP of the dtype over the rows that count; the others must be 0."""
    largest = 0.0
    for n, value in enumerate(exact):
        if value is None:
            assert not np.asarray(got[n]).astype(np.float64).any()
            continue
        error = oracle.ulp_error(got[n], value, dtype, None if scale is None else scale[n])
        largest = max(largest, float(np.max(error)))
    return largest


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.dtype != "float64"], ids=str)
def test_bounds_of_the_contract_after_one_rounding(case: Case) -> None:
    batch = build(case)
    problem, rows = Problem(batch.logits, batch.target, batch.options), exact_rows(batch)
    z, v = problem.z.requires_grad_(), from_numpy(batch.tangent)
    loss = problem.losses(z)
    (grad,) = torch.autograd.grad(loss.sum(), z, create_graph=True)
    (hvp,) = torch.autograd.grad(grad, z, v)

    def of(attribute: str) -> list[Any]:
        return [None if row is None else getattr(row, attribute) for row in rows]

    assert worst(to_numpy(loss.float()), of("loss"), "float32", of("loss_scale")) <= 4
    bar = 0.51 if case.dtype in SMALL else 6
    # In the last place of the largest term, or of the gradient if that is one binade higher.
    scale = [None if row is None else np.maximum(row.grad_scale, abs(row.grad)) for row in rows]
    assert worst(to_numpy(grad), of("grad"), case.dtype, scale) <= bar
    at_once = problem.gradients((True, case.target.startswith("soft")))
    assert at_once.logits is not None
    assert worst(to_numpy(at_once.logits), of("grad"), case.dtype, scale) <= bar
    if at_once.soft is not None:
        by_soft = to_numpy(at_once.soft)
        assert worst(by_soft, of("target_grad"), case.dtype) <= bar
    products = [None if row is None else row.hvp(batch.tangent[n]) for n, row in enumerate(rows)]
    exact, scale = ([None if p is None else p[i] for p in products] for i in (0, 1))
    if case.target != "soft signed":  # whose sum, a difference, is no term of the product
        assert worst(to_numpy(hvp), exact, case.dtype, scale) <= bar
    ones = [None if row is None else row.jvp(batch.tangent[n]) for n, row in enumerate(rows)]
    _, rate = torch.func.jvp(problem.losses, (problem.z.detach(),), (v,))
    exact, scale = ([None if p is None else p[i] for p in ones] for i in (0, 1))
    assert worst(to_numpy(rate.float()), exact, "float32", scale) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.dtype == "float64"], ids=str)
def test_float64_to_an_ulp_or_two_for_each_nat(case: Case) -> None:
    batch = build(case)
    problem, rows = Problem(batch.logits, batch.target, batch.options), exact_rows(batch)
    z = problem.z.requires_grad_()
    loss = problem.losses(z)
    (grad,) = torch.autograd.grad(loss.sum(), z)

    def of(attribute: str) -> list[Any]:
        return [None if row is None else getattr(row, attribute) for row in rows]

    assert worst(to_numpy(loss), of("loss"), "float64", of("loss_scale")) <= 60
    assert worst(to_numpy(grad), of("grad"), "float64", of("grad_scale")) <= 600


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("width", [3, 40])
@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_edges(edge: Edge, width: int, dtype: str) -> None:
    if edge.fixed_width and width != 3:
        pytest.skip("smoothing reaches the padding")
    made = spread(edge, dtype, width)
    problem = Problem(made.logits, made.target, made.options)
    z, v = problem.z.requires_grad_(), from_numpy(made.tangent)
    loss = problem.losses(z)
    (grad,) = torch.autograd.grad(loss.sum(), z, create_graph=True)
    (hvp,) = torch.autograd.grad(grad, z, v)
    _, jvp = torch.func.jvp(problem.losses, (problem.z.detach(),), (v,))
    close(loss[1], edge.loss)
    close(jvp[1], FINITE if "softcap -inf target" in edge.name else edge.jvp)
    assert not math.copysign(1.0, loss[1].item()) < 0 or edge.loss < 0 or math.isnan(edge.loss)
    at_once = problem.gradients()
    close(at_once.loss[1] + (0.0 if at_once.z_loss is None else at_once.z_loss[1]), edge.loss)
    for got, want in ((grad, edge.grad), (at_once.logits, edge.grad), (hvp, edge.hvp)):
        if isinstance(want, float):
            close(got[1], torch.full_like(got[1], want))
            continue
        for place, value in zip(made.places, want, strict=True):
            close(got[1, place], value)
    others = [0, 2]
    assert loss[others].isfinite().all() and grad[others].isfinite().all()


def close(got: Tensor, want: Any) -> None:
    if want is FINITE:
        assert got.isfinite()
        return
    got = got.detach().double()
    want = torch.as_tensor(want, dtype=torch.float64)
    torch.testing.assert_close(got, want.expand_as(got), rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("bad", [-1, 3, 10**12])
def test_a_class_index_out_of_range_makes_its_row_nan(bad: int) -> None:
    z = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, bad, 2])
    ce, z_loss = reference.row_losses(z, target, None, None, Scalars(z_loss=0.5))
    assert z_loss is not None
    (grad,) = torch.autograd.grad((ce + z_loss).sum(), z)
    for x in (ce, z_loss, grad):
        assert x[1].isnan().all() and x[[0, 2]].isfinite().all()
    stats = reference.row_stats(z, target, None, None, Scalars())
    assert stats.rank.tolist() == [0, -1, 0] and stats.prediction.tolist() == [0, -1, 0]
    assert all(x[1].isnan() for x in stats[:5])


def test_differences_do_not_overflow() -> None:
    big = torch.finfo(torch.float64).max
    z = torch.tensor([[-big, big, 0.0]], dtype=torch.float64, requires_grad=True)
    ce, _ = reference.row_losses(z, torch.tensor([0]), None, None, Scalars(temperature=4.0))
    assert ce.item() == pytest.approx(big / 2)
    (grad,) = torch.autograd.grad(ce, z)
    assert grad.tolist() == [[-0.25, 0.25, 0.0]]
    soft = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    assert reference.row_losses(z, None, soft, None, Scalars())[0].item() == 0.0


def test_softcap_keeps_the_last_places_where_it_saturates() -> None:
    """1 - tanh^2 loses every digit beyond z = 18 c; the gradient there is e^-2z/c."""
    z = np.array([[50.0, 30.0, 0.0, -25.0, -60.0]])
    problem = Problem(z, [1], {"softcap": 1.5, "temperature": 0.5})
    row = oracle.Row(z[0], 1, softcap=1.5, temperature=0.5)
    (grad,) = torch.autograd.grad(problem.total(problem.z.requires_grad_()), problem.z)
    relative = abs(grad.numpy()[0] / row.grad.astype(np.float64) - 1)
    assert relative.max() < 1e-13


def test_gradient_of_the_largest_of_many_equal_classes() -> None:
    """y_top = 1/V is not what is left of 1."""
    n = 100_000
    z = torch.zeros(1, n, dtype=torch.float64, requires_grad=True)
    ce, _ = reference.row_losses(z, torch.tensor([n - 1]), None, None, Scalars())
    (grad,) = torch.autograd.grad(ce, z)
    assert abs(grad[0, 0].item() * n - 1) < 1e-14


@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_softmax_and_its_logarithm(dtype: str, softcap: float | None) -> None:
    batch = build(Case(dtype, 257, softcap=softcap, temperature=0.7))
    z = from_numpy(batch.logits)
    rows = [oracle.Row(x, softcap=softcap, temperature=0.7) for x in batch.logits]
    y, log_y = reference.softmax(z, 0.7, softcap), reference.log_softmax(z, 0.7, softcap)
    assert worst(to_numpy(y.to(z.dtype)), [row.softmax for row in rows], dtype) <= 1
    assert worst(to_numpy(log_y.to(z.dtype)), [row.log_softmax for row in rows], dtype) <= 1


def test_softmax_at_the_edges() -> None:
    inf, nan = math.inf, math.nan
    z = torch.tensor([[0.0, -inf, 0.0], [-inf] * 3, [0.0, inf, 0.0], [nan, 0.0, -inf]])
    y, log_y = reference.softmax(z), reference.log_softmax(z)
    assert y[0].tolist() == [0.5, 0.0, 0.5] and log_y[0, 1] == -inf
    assert y[1:].isnan().all() and log_y[1:].isnan().all()


@pytest.mark.parametrize("function", [reference.softmax, reference.log_softmax])
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_derivatives_of_softmax(function: Any, softcap: float | None) -> None:
    z = torch.randn(2, 4, dtype=torch.float64, generator=generator()).mul(3).requires_grad_()
    check(lambda z: function(z, 0.8, softcap), z)
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)  # y = 0: the cap's two sides
    check(lambda z: function(z, 0.8, softcap), z, finite=softcap is None)
    if softcap is not None:
        second = torch.func.hessian(lambda z: (function(z, 0.8, softcap)[0] ** 2).sum())
        smooth = torch.func.hessian(
            lambda z: (function(softcap * torch.tanh(z / softcap), 0.8)[0] ** 2).sum()
        )
        torch.testing.assert_close(second(z.detach()), smooth(z.detach()))


OPTIONS = [
    {},
    {"label_smoothing": 0.2},
    {"z_loss": 0.3},
    {"softcap": 2.0, "temperature": 0.7},
    {"label_smoothing": 0.2, "softcap": 2.0, "temperature": 1.7, "z_loss": 0.3},
]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def check(function: Any, *inputs: Tensor, finite: bool = True) -> None:
    """First and second derivatives in both modes, batched too, beside finite differences."""
    if finite:
        assert torch.autograd.gradcheck(
            function, inputs, check_forward_ad=True, check_batched_grad=True
        )
        assert torch.autograd.gradgradcheck(
            function, inputs, check_fwd_over_rev=True, check_rev_over_rev=True
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_derivatives(options: dict[str, Any], kind: str, weighted: bool) -> None:
    g = generator()
    s = Scalars(**options)
    z = torch.randn(3, 4, dtype=torch.float64, generator=g).mul(2).requires_grad_()
    weight = torch.rand(4, dtype=torch.float64, generator=g) if weighted else None
    if kind == "index":
        target = torch.tensor([1, -100, 3])
        check(lambda z: joined(z, target, None, weight, s), z)
    else:
        soft = torch.rand(3, 4, dtype=torch.float64, generator=g).requires_grad_()
        check(lambda z, soft: joined(z, None, soft, weight, s), z, soft)


def joined(z: Tensor, target: Any, soft: Any, weight: Any, s: Scalars) -> Tensor:
    ce, z_loss = reference.row_losses(z, target, soft, weight, s)
    return ce if z_loss is None else torch.stack([ce, z_loss])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_third_derivative(options: dict[str, Any]) -> None:
    z = torch.randn(1, 4, dtype=torch.float64, generator=generator())
    target, s = torch.tensor([2]), Scalars(**options)

    def total(z: Tensor) -> Tensor:
        return joined(z, target, None, None, s).sum()

    third = torch.func.jacrev(torch.func.hessian(total))(z)
    h = 1e-5
    for k in range(4):
        step = torch.zeros_like(z)
        step[0, k] = h
        hessian = torch.func.hessian(total)
        slope = (hessian(z + step) - hessian(z - step)) / (2 * h)
        torch.testing.assert_close(third[..., 0, k], slope, rtol=1e-6, atol=1e-8)


def test_vmap_and_compile() -> None:
    s = Scalars(label_smoothing=0.1, softcap=4.0, z_loss=0.2)
    z = torch.randn(3, 5, 7, generator=generator())
    target = torch.randint(7, (3, 5), generator=generator())
    weight = torch.rand(7, generator=generator())

    def total(z: Tensor, target: Tensor) -> Tensor:
        return joined(z, target, None, weight, s).sum()

    one_by_one = torch.stack([torch.func.grad(total)(a, t) for a, t in zip(z, target, strict=True)])
    batched = torch.func.vmap(torch.func.grad(total))(z, target)
    torch.testing.assert_close(batched, one_by_one)
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    leaf = z[0].clone().requires_grad_()
    compiled(leaf, target[0]).backward()
    torch.testing.assert_close(leaf.grad, one_by_one[0])


def test_gradient_of_a_soft_target_at_a_masked_class() -> None:
    """-log y = inf there, and 0 times it is 0: in upstream factors and in tangents."""
    z = torch.tensor([[0.0, -math.inf, 0.0]], dtype=torch.float64)
    soft = torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64, requires_grad=True)

    def losses(soft: Tensor) -> Tensor:
        return reference.row_losses(z, None, soft, None, Scalars())[0]

    half = pytest.approx(0.5 * math.log(2))
    (grad,) = torch.autograd.grad(losses(soft).sum() / 2, soft)
    assert grad.tolist() == [[half, math.inf, half]]
    (grad,) = torch.autograd.grad(losses(soft).sum() * 0.0, soft)
    assert grad.tolist() == [[0.0, 0.0, 0.0]]
    for moved, rate in ((0.0, half), (1.0, math.inf)):
        tangent = torch.tensor([[0.25, moved, 0.25]], dtype=torch.float64)
        assert torch.func.jvp(losses, (soft.detach(),), (tangent,))[1].item() == rate


@pytest.mark.parametrize("kind", ["index", "soft"])
def test_statistics(kind: str) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(6, 9)) * 3
    z[1, 4], z[2, 3], z[3] = -np.inf, np.nan, 0.0
    target: Any = np.array([1, 2, 3, 4, -100, 6])
    if kind == "soft":
        target = rng.random((6, 9))
        target[1, 4] = 0.0
    options = {"label_smoothing": 0.0, "z_loss": 0.1, "softcap": 6.0, "temperature": 0.9}
    weight = rng.random(9)
    expected = truth.cross_entropy_stats(z, target, weight=weight, **options)
    problem = Problem(z, target, {**options, "weight": weight})
    stats = reference.row_stats(problem.z, problem.target, problem.soft, problem.weight, problem.s)
    for name, got, want in zip(stats._fields, stats, expected, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-14, err_msg=name)


def test_derivatives_of_statistics() -> None:
    z = torch.randn(3, 4, dtype=torch.float64, generator=generator()).mul(2).requires_grad_()
    target = torch.tensor([1, -100, 3])
    s = Scalars(softcap=3.0, temperature=0.8, z_loss=0.2)
    check(lambda z: torch.stack(reference.row_stats(z, target, None, None, s)[:5]), z)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (1, 2000), (0,)])
@pytest.mark.parametrize("soft", [False, True])
def test_some_rows_at_a_time(
    shape: tuple[int, ...], soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from softxent.frontends.torch import chunked

    monkeypatch.setattr(chunked, "CHUNK_BYTES", 3 * 7 * chunked.WIDE_BYTES)
    z = torch.randn(7, *shape, generator=generator()).movedim(0, -1).requires_grad_()
    target = torch.randint(7, shape, generator=generator())
    t = torch.rand(*shape, 7, generator=generator())
    args = (None, t) if soft else (target, None)
    s = Scalars(z_loss=0.1)
    whole, chunks = [
        [x for x in f(z, *args, None, s) if x is not None]
        for f in (reference.row_losses, reference.chunked_row_losses)
    ]
    torch.testing.assert_close(chunks, whole)
    (want,) = torch.autograd.grad(sum(x.sum() for x in whole), z)
    (got,) = torch.autograd.grad(sum(x.sum() for x in chunks), z)
    torch.testing.assert_close(got, want)
