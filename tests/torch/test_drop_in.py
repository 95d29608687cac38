"""`from softxent.torch import cross_entropy` in place of torch.nn.functional's, and what is more.

Values are compared with softxent.reference, in float64; PyTorch's own only where it must be the
same by definition.
"""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from softxent import reference

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")
functional = torch.nn.functional
softxent = ours.cross_entropy

# ------------------------------------------------------------------ the same as PyTorch's

COMBINATIONS = list(
    itertools.product(
        ("none", "weight"),
        (0.0, 0.2),
        ("mean", "sum", "none"),
        ("index", "index with ignored", "soft"),
    )
)
SHAPES = {"(C)": (7,), "(N, C)": (6, 7), "(N, C, d1, d2)": (2, 7, 3, 2)}


def problem(shape: tuple[int, ...], kind: str) -> tuple[Any, Any]:
    """Logits and a target in PyTorch's layout: the class axis is 1, or 0 of a single row."""
    rng = np.random.default_rng(3)
    axis = min(1, len(shape) - 1)
    logits = 3 * rng.normal(size=shape)
    if kind == "soft":
        return torch.tensor(logits), torch.tensor(rng.uniform(size=shape))  # sums are not 1
    target = rng.integers(shape[axis], size=shape[:axis] + shape[axis + 1 :])
    if kind == "index with ignored" and target.ndim:
        target.reshape(-1)[::3] = 4
    return torch.tensor(logits), torch.tensor(target)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("weighted", "smoothing", "reduction", "kind"), COMBINATIONS)
def test_36_combinations(
    weighted: str, smoothing: float, reduction: str, kind: str, shape: str, implementation: str
) -> None:
    """Loss and gradient are the reference's, and PyTorch's own, in its layout."""
    logits, target = problem(SHAPES[shape], kind)
    weight = torch.linspace(0.2, 2.0, 7, dtype=torch.float64) if weighted == "weight" else None
    options: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
    if kind == "index with ignored":
        options["ignore_index"] = 4
    axis = min(1, logits.ndim - 1)
    z = logits.clone().requires_grad_()
    loss = softxent(z, target, weight, implementation=implementation, **options)
    loss.backward(torch.ones_like(loss))
    last = logits.movedim(axis, -1).numpy()
    aim = target.movedim(axis, -1).numpy() if kind == "soft" else target.numpy()
    right, grad = reference.cross_entropy_with_grad(
        last, aim, weight=None if weight is None else weight.numpy(), **options
    )
    np.testing.assert_allclose(loss.detach().numpy(), right, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(z.grad.movedim(axis, -1).numpy(), grad, rtol=1e-11, atol=1e-15)
    theirs = functional.cross_entropy(logits, target, weight, **options)
    assert loss.shape == theirs.shape
    torch.testing.assert_close(loss.detach(), theirs, rtol=1e-13, atol=1e-15)


def test_there_are_36() -> None:
    assert len(COMBINATIONS) == 36


def parameters(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (parameter.default, parameter.kind)
        for name, parameter in inspect.signature(function).parameters.items()
    }


PAIRS = {
    "cross_entropy": (functional, "cross_entropy"),
    "CrossEntropyLoss": (torch.nn, "CrossEntropyLoss"),
    "linear_cross_entropy": (functional, "linear_cross_entropy"),
    "LinearCrossEntropyLoss": (torch.nn, "LinearCrossEntropyLoss"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_signature(name: str) -> None:
    """PyTorch's parameters come first: names, order, defaults, kinds. Ours are keywords after."""
    owner, theirs_name = PAIRS[name]
    theirs, mine = parameters(getattr(owner, theirs_name)), parameters(getattr(ours, name))
    assert list(mine)[: len(theirs)] == list(theirs)
    assert {key: mine[key] for key in theirs} == theirs
    extra = [mine[key] for key in list(mine)[len(theirs) :]]
    assert extra
    assert {kind for _, kind in extra} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_signature_of_softmax(name: str) -> None:
    """torch.softmax(input, dim, dtype), with a default for dim."""
    assert list(parameters(getattr(ours, name)))[:3] == ["input", "dim", "dtype"]
    z = torch.randn(2, 5, 3, dtype=torch.float32)
    for dim in (0, 1, -1):
        right = getattr(reference, name)(z.movedim(dim, -1).numpy())
        got = getattr(ours, name)(z, dim).movedim(dim, -1)
        np.testing.assert_allclose(got.numpy(), right, rtol=1e-6)
        assert getattr(ours, name)(z, dim, torch.float64).dtype == torch.float64


@pytest.mark.parametrize("size_average", [None, False, True])
@pytest.mark.parametrize("reduce", [None, False, True])
@pytest.mark.filterwarnings("ignore:size_average and reduce args will be deprecated")
def test_size_average_and_reduce(size_average: bool | None, reduce: bool | None) -> None:
    """The deprecated arguments mean what they mean in PyTorch, by position too."""
    logits, target = problem((6, 7), "index")
    got = softxent(logits, target, None, size_average, -100, reduce)
    right = functional.cross_entropy(logits, target, None, size_average, -100, reduce)
    assert got.shape == right.shape
    torch.testing.assert_close(got, right, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_dtypes_of_results(dtype: str, implementation: str) -> None:
    """float64 stays, the rest gives a float32 loss; gradients have the dtype of their input."""
    z = torch.randn(4, 5).to(getattr(torch, dtype)).requires_grad_()
    t = torch.rand(4, 5).requires_grad_()
    for target in (torch.arange(4), t):
        for reduction in ("mean", "none"):
            loss = softxent(z, target, reduction=reduction, implementation=implementation)
            assert loss.dtype == (torch.float64 if dtype == "float64" else torch.float32)
            wrt = [z, target] if target is t else [z]
            for leaf, grad in zip(wrt, torch.autograd.grad(loss.sum(), wrt), strict=True):
                assert grad.dtype == leaf.dtype
                assert grad.shape == leaf.shape


# ------------------------------------------------------------------ layouts


def transposed(x: Any) -> Any:
    return x.t().contiguous().t()


def every_other(x: Any) -> Any:
    wide = torch.full([2 * n for n in x.shape], 7.0, dtype=x.dtype)
    wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
    return wide[tuple(slice(None, None, 2) for _ in x.shape)]


def a_slice(x: Any) -> Any:
    wide = torch.cat([x, x, x], dim=1)
    return wide[:, x.shape[1] : 2 * x.shape[1]]


@pytest.mark.parametrize("layout", [transposed, every_other, a_slice])
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_views(layout: Callable[[Any], Any], kind: str, implementation: str) -> None:
    """Logits of any strides give the gradient of a contiguous copy, through the view too."""
    logits, target = problem((6, 7), kind)
    right = logits.clone().requires_grad_()
    softxent(right, target, implementation=implementation).backward()
    laid = layout(logits).requires_grad_()
    assert not laid.is_contiguous()
    if kind == "soft":
        target = layout(target)
    softxent(laid, target, implementation=implementation).backward()
    torch.testing.assert_close(laid.grad, right.grad, rtol=1e-12, atol=1e-16)
    through = logits.clone().requires_grad_()
    softxent(layout(through * 1.0), target, implementation=implementation).backward()
    torch.testing.assert_close(through.grad, right.grad, rtol=1e-12, atol=1e-16)


def test_broadcast_logits(implementation: str) -> None:
    """An expanded tensor: the gradients of its rows add up."""
    row, target = torch.randn(1, 7, dtype=torch.float64).requires_grad_(), torch.arange(6)
    softxent(row.expand(6, 7), target, implementation=implementation).backward()
    _, grad = reference.cross_entropy_with_grad(row.detach().expand(6, 7).numpy(), target.numpy())
    np.testing.assert_allclose(row.grad.numpy(), grad.sum(axis=0, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_channels_last(memory_format: Any, implementation: str) -> None:
    """Images of either memory format."""
    logits, target = problem((2, 7, 3, 2), "index")
    z = logits.clone(memory_format=memory_format).requires_grad_()
    softxent(z, target, implementation=implementation).backward()
    _, grad = reference.cross_entropy_with_grad(logits.movedim(1, -1).numpy(), target.numpy())
    np.testing.assert_allclose(z.grad.movedim(1, -1).numpy(), grad, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3, None])
def test_axis(axis: int | None, implementation: str) -> None:
    """Any class axis, for class indices and soft targets; None is 1."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 5))
    place = 1 if axis is None else axis
    last = np.moveaxis(logits, place, -1)
    index, soft = rng.integers(3, size=last.shape[:-1]), rng.uniform(size=(3, 4, 5))
    for target, aim in ((index, index), (soft, np.moveaxis(soft, place, -1))):
        z = torch.tensor(logits, requires_grad=True)
        softxent(z, torch.tensor(target), axis=axis, implementation=implementation).backward()
        _, grad = reference.cross_entropy_with_grad(last, aim)
        right = np.moveaxis(grad, -1, place)
        np.testing.assert_allclose(z.grad.numpy(), right, rtol=1e-11, atol=1e-16)


# ------------------------------------------------------------------ what requires grad


def test_nothing_requires_grad(implementation: str) -> None:
    """The loss records nothing, nor under no_grad and inference_mode."""
    logits, target = problem((6, 7), "index")
    right = reference.cross_entropy(logits.numpy(), target.numpy())
    leaf = logits.clone().requires_grad_()

    def check(z: Any, t: Any = target) -> None:
        loss = softxent(z, t, implementation=implementation)
        assert not loss.requires_grad
        assert loss.grad_fn is None
        np.testing.assert_allclose(loss.item(), right, rtol=1e-13)

    check(logits)
    with torch.no_grad():
        check(leaf)
    with torch.inference_mode():
        check(leaf)
        check(leaf * 1.0, target.clone())  # an inference tensor
    inference = _made_in_inference_mode(logits)
    check(inference)


def _made_in_inference_mode(x: Any) -> Any:
    with torch.inference_mode():
        return x * 1.0


@pytest.mark.parametrize("frozen", ["logits", "target", "none"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_frozen_logits_or_target(frozen: str, reduction: str, implementation: str) -> None:
    """Each of logits and soft target gets its gradient exactly if it requires one."""
    logits, target = problem((6, 7), "soft")
    z = logits.clone().requires_grad_(frozen != "logits")
    t = target.clone().requires_grad_(frozen != "target")
    loss = softxent(z, t, reduction=reduction, implementation=implementation)
    loss.sum().backward()
    options = {"reduction": reduction}
    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy(), **options)
    by_target = reference.cross_entropy_target_grad(logits.numpy(), target.numpy(), **options)
    for leaf, right in ((z, grad), (t, by_target)):
        if leaf.requires_grad:
            np.testing.assert_allclose(leaf.grad.numpy(), right, rtol=1e-11, atol=1e-15)
        else:
            assert leaf.grad is None


@pytest.mark.parametrize("trains", list(itertools.product([False, True], repeat=3)))
def test_frozen_parts_of_the_last_layer(trains: tuple[bool, ...], implementation: str) -> None:
    """input, weight, bias: every set of them."""
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape) for shape in ((6, 3), (7, 3), (7,))]
    x, w, b = (
        torch.tensor(array, requires_grad=one) for array, one in zip(arrays, trains, strict=True)
    )
    target = torch.tensor(rng.integers(7, size=6))
    loss = ours.linear_cross_entropy(x, w, target, linear_bias=b, implementation=implementation)
    assert loss.requires_grad == any(trains)
    if any(trains):
        loss.backward()
    z = torch.tensor(arrays[0] @ arrays[1].T + arrays[2])
    _, g = reference.cross_entropy_with_grad(z.numpy(), target.numpy())
    right = (g @ arrays[1], g.T @ arrays[0], g.sum(axis=0))
    for leaf, grad in zip((x, w, b), right, strict=True):
        if leaf.requires_grad:
            np.testing.assert_allclose(leaf.grad.numpy(), grad, rtol=1e-11, atol=1e-15)
        else:
            assert leaf.grad is None


# ------------------------------------------------------------------ gradients as objects


def test_grad_accumulates(implementation: str) -> None:
    """Two backward calls into one .grad add up, and a third loss does not touch the sum."""
    logits, target = problem((6, 7), "index")
    z = logits.clone().requires_grad_()
    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy())
    for times in (1, 2, 3):
        softxent(z, target, implementation=implementation).backward()
        np.testing.assert_allclose(z.grad.numpy(), times * grad, rtol=1e-11, atol=1e-16)


@pytest.mark.parametrize("shape", [(8, 10), (64, 1000), (512, 4099)])
def test_later_calls_leave_a_gradient_alone(shape: tuple[int, int], implementation: str) -> None:
    """Memory that a gradient lives in is not handed out again while it lives."""
    rng = np.random.default_rng(2)
    kept = []
    for _ in range(4):
        z = torch.tensor(rng.normal(size=shape), dtype=torch.float32, requires_grad=True)
        loss = softxent(z, torch.tensor(rng.integers(10, size=shape[0])))
        loss.backward(retain_graph=True)
        again = torch.autograd.grad(loss, z)[0]
        kept.append((z.grad, z.grad.clone(), again, again.clone(), loss, loss.item()))
    for grad, copy, again, again_copy, loss, value in kept:
        assert torch.equal(grad, copy)
        assert torch.equal(again, again_copy)
        assert grad.data_ptr() != again.data_ptr()
        assert loss.item() == value


def test_writing_into_a_gradient_does_not_spoil_the_next(implementation: str) -> None:
    """An optimiser may scale .grad in place between two backward calls of one graph."""
    logits, target = problem((6, 7), "index")
    z = logits.clone().requires_grad_()
    loss = softxent(z, target, implementation=implementation)
    (first,) = torch.autograd.grad(loss, z, retain_graph=True)
    right = first.clone()
    first.mul_(1e6)
    (second,) = torch.autograd.grad(loss, z, retain_graph=True)
    torch.testing.assert_close(second, right, rtol=1e-14, atol=0.0)
    (third,) = torch.autograd.grad(2.0 * loss, z)
    torch.testing.assert_close(third, 2.0 * right, rtol=1e-14, atol=0.0)


def test_modified_logits_raise_in_backward(implementation: str) -> None:
    """Logits written to after the loss: PyTorch's version check speaks, or the gradient is right.

    A gradient that is there already does not depend on what was written.
    """
    logits, target = problem((6, 7), "index")
    z = logits.clone().requires_grad_()
    y = z * 1.0
    loss = softxent(y, target, implementation=implementation)
    with torch.no_grad():
        y.fill_(5.0)
    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy())
    try:
        loss.backward()
    except RuntimeError as reason:
        assert "modified by an inplace operation" in str(reason)
    else:
        np.testing.assert_allclose(z.grad.numpy(), grad, rtol=1e-11, atol=1e-16)


def test_two_threads(implementation: str) -> None:
    """Forward and backward from two Python threads at once: each gets its own right results."""
    rng = np.random.default_rng(0)
    problems = []
    for shape in ((300, 1000), (20_000, 10), (2, 200_000), (64, 4000)):
        z = torch.tensor(rng.normal(size=shape), dtype=torch.float32)
        problems.append((z, torch.tensor(rng.integers(shape[1], size=shape[0]))))

    def solve(n: int) -> tuple[Any, Any]:
        z = problems[n][0].clone().requires_grad_()
        loss = softxent(z, problems[n][1], implementation=implementation)
        (3.0 * loss).backward()
        return loss.detach(), z.grad

    right = [solve(n) for n in range(4)]
    wrong: list[str] = []
    start = threading.Barrier(2)

    def work(first: int) -> None:
        start.wait()
        for n in range(first, first + 8):
            loss, grad = solve(n % 4)
            expected, expected_grad = right[n % 4]
            if not (
                torch.allclose(loss, expected, rtol=1e-6)
                and torch.allclose(grad, expected_grad, rtol=1e-5, atol=1e-12)
            ):
                wrong.append(f"thread {first}, problem {n % 4}")

    workers = [threading.Thread(target=work, args=(first,)) for first in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert not wrong


# ------------------------------------------------------------------ rounding


LEADS = np.array([5.0, 10.0, 17.0, 20.0, 40.0, 60.0, 69.0])  # the last loss is 1e-30


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("factor", [1.0, 0.37])
def test_confident_rows(classes: int, factor: float, implementation: str) -> None:
    """A row sure of its target: the loss is not 0 and the gradient right to 6 ULP, to 1e-30."""
    logits = np.zeros((len(LEADS), classes), np.float32)
    logits[:, -1] = LEADS
    z = torch.tensor(logits, requires_grad=True)
    target = torch.full((len(LEADS),), classes - 1)
    loss = softxent(z, target, reduction="none", implementation=implementation)
    loss.backward(torch.full_like(loss, factor))
    s = (classes - 1) * np.exp(-LEADS)
    right = np.log1p(s)
    assert np.all(np.abs(loss.detach().numpy() - right) <= 4 * np.spacing(right.astype(np.float32)))
    scale = float(np.float32(factor))
    by_target, by_other = -scale * s / (1 + s), scale * np.exp(-LEADS) / (1 + s)
    for got, value in ((z.grad[:, -1], by_target), (z.grad[:, 0], by_other)):
        unit = np.spacing(np.abs(value).astype(np.float32))
        assert np.all(np.abs(got.numpy().astype(np.float64) - value) <= 6 * unit)


def bf16(x: Any) -> Any:
    """Rounded once."""
    return np.asarray(x, np.float64).astype(ml_dtypes.bfloat16).astype(np.float64)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_bfloat16_at_p_0_999_with_a_loss_scale(reduction: str, implementation: str) -> None:
    """One rounding, whatever the upstream factor: 1, a GradScaler's 65536, another after it.

    The gradient at the target, -0.001, is the one that a subtraction in bfloat16 loses whole.
    """
    lead = 6.90625
    logits = torch.zeros(4, 2, dtype=torch.bfloat16)
    logits[:, 0] = lead
    e = np.exp(-lead)
    row = np.array([-e, e]) / (1 + e)
    assert 0.9989 < 1 / (1 + e) < 0.9991
    per_row = {"mean": 0.25, "sum": 1.0, "none": 1.0}[reduction]
    target = torch.zeros(4, dtype=torch.int64)
    for factor in (1.0, 65536.0, 65536.0, 3.0, 1.0 / 3.0, 65536.0):
        z = logits.clone().requires_grad_()
        loss = softxent(z, target, reduction=reduction, implementation=implementation)
        for again in (factor, 0.7 * factor):
            upstream = torch.full_like(loss, again)
            (grad,) = torch.autograd.grad(loss, z, upstream, retain_graph=True)
            right = bf16(float(np.float32(again)) * per_row * row)
            np.testing.assert_array_equal(grad.double().numpy(), np.tile(right, (4, 1)))


def test_float32_factor_is_folded_in(implementation: str) -> None:
    """A factor of any size costs no accuracy: 6 ULP of the largest entry."""
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(50, 9)).astype(np.float32), rng.integers(9, size=50)
    _, grad = reference.cross_entropy_with_grad(logits, target)
    for factor in (0.1, 65536.0, 1.0 / 3.0):
        z = torch.tensor(logits, requires_grad=True)
        (factor * softxent(z, torch.tensor(target), implementation=implementation)).backward()
        right = float(np.float32(factor)) * grad
        unit = np.spacing(np.abs(right).astype(np.float32))
        assert np.abs(z.grad.numpy() - right).max() <= (6 * unit).max()


# ------------------------------------------------------------------ empty batches


@pytest.mark.parametrize("case", ["all ignored", "N = 0", "weights 0", "normalizer 0"])
@pytest.mark.parametrize("empty", ["zero", "nan"])
def test_empty_mean_joins_a_zero(case: str, empty: str, implementation: str) -> None:
    """The value asked for, joined to every parameter with a gradient of exactly 0."""
    layer = torch.nn.Linear(3, 5)
    rows = 0 if case == "N = 0" else 4
    target = torch.full((rows,), -100 if case == "all ignored" else 2)
    options: dict[str, Any] = {"empty": empty, "z_loss": 0.1}
    if case == "weights 0":
        options["weight"] = torch.zeros(5)
    if case == "normalizer 0":
        options["normalizer"] = 0
    loss = softxent(layer(torch.ones(rows, 3)), target, implementation=implementation, **options)
    np.testing.assert_array_equal(loss.item(), 0.0 if empty == "zero" else np.nan)
    assert loss.requires_grad
    loss.backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()
    with pytest.raises(ValueError, match="empty"):
        softxent(
            layer(torch.ones(rows, 3)),
            target,
            implementation=implementation,
            **{**options, "empty": "raise"},
        )


@pytest.mark.parametrize("case", ["all ignored", "N = 0"])
def test_empty_last_layer_joins_a_zero(case: str, implementation: str) -> None:
    """So for the linear loss: every replica of data-parallel training has all gradients."""
    rows = 0 if case == "N = 0" else 4
    x, w, b = torch.ones(rows, 3), torch.randn(5, 3), torch.randn(5)
    leaves = [leaf.requires_grad_() for leaf in (x, w, b)]
    target = torch.full((rows,), -100)
    loss = ours.linear_cross_entropy(x, w, target, linear_bias=b, implementation=implementation)
    assert loss.item() == 0.0
    loss.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.shape == leaf.shape
        assert not leaf.grad.any()


# ------------------------------------------------------------------ normalizer


@pytest.mark.parametrize("kind", ["index with ignored", "soft"])
@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_micro_batches_add_up(kind: str, tensor: bool, dtype: Any, implementation: str) -> None:
    """With the whole batch's count for a normalizer, parts add up to the whole."""
    rng = np.random.default_rng(4)
    z = torch.tensor(rng.normal(size=(12, 7)), dtype=dtype)
    target = torch.tensor(rng.integers(7, size=12))
    if kind == "soft":
        target = torch.tensor(rng.uniform(size=(12, 7)))
    else:
        target[[0, 1, 2, 7]] = -100  # the first part is ignored altogether
    count = 12 if kind == "soft" else int((target != -100).sum())
    options: dict[str, Any] = {"z_loss": 0.1, "temperature": 0.7, "implementation": implementation}
    whole = z.clone().requires_grad_()
    loss = softxent(whole, target, **options)
    loss.backward()
    parts = z.clone().requires_grad_()
    normalizer = torch.tensor(count) if tensor else count
    total = 0.0
    for start in range(0, 12, 3):
        rows = slice(start, start + 3)
        part = softxent(parts[rows], target[rows], normalizer=normalizer, **options)
        part.backward()
        total += part.item()
    assert abs(total - loss.item()) <= 4 * np.spacing(loss.detach().numpy())
    torch.testing.assert_close(parts.grad, whole.grad, rtol=4 * torch.finfo(dtype).eps, atol=1e-20)


def test_normalizer_with_weights(implementation: str) -> None:
    """It stands in place of the sum of the weights, whatever they are."""
    logits, target = problem((6, 7), "index")
    weight, row_weight = torch.rand(7).double(), torch.rand(6).double()
    options = {"weight": weight, "row_weight": row_weight, "implementation": implementation}
    total = softxent(logits, target, reduction="sum", **options)
    got = softxent(logits, target, normalizer=3.5, **options)
    torch.testing.assert_close(got, total / 3.5, rtol=1e-14, atol=0.0)


# ------------------------------------------------------------------ in place


def consumed(options: dict[str, Any]) -> tuple[Any, Any, Any, np.ndarray]:
    """(leaf, logits that an operation returned, target, the right gradient of the sum)."""
    logits, target = problem((6, 7), "index")
    leaf = logits.clone().requires_grad_()
    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy(), **options)
    return leaf, leaf * 1.0, target, grad


@pytest.mark.parametrize("factor", [1.0, 65536.0, -0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_inplace(reduction: str, factor: float) -> None:
    """The gradient is right, and lies where the logits lay."""
    for _ in range(2):  # the second time the factor is foreseen
        leaf, z, target, grad = consumed({"reduction": reduction})
        where, version = z.data_ptr(), z._version
        seen: list[Any] = []
        z.register_hook(lambda g, seen=seen: seen.append(g.data_ptr()))
        loss = softxent(z, target, reduction=reduction, inplace=True, implementation="native")
        assert z._version > version, "other operations must learn of the write"
        right = reference.cross_entropy(leaf.detach().numpy(), target.numpy(), reduction=reduction)
        np.testing.assert_allclose(loss.detach().numpy(), right, rtol=1e-13)
        loss.backward(torch.full_like(loss, factor))
        np.testing.assert_allclose(leaf.grad.numpy(), factor * grad, rtol=1e-11, atol=1e-15)
        assert seen == [where], "no other memory"


@pytest.mark.parametrize("layout", [transposed, every_other])
def test_inplace_in_any_layout(layout: Callable[[Any], Any]) -> None:
    """Strided logits are consumed where they lie."""
    logits, target = problem((6, 7), "index")
    leaf = logits.clone().requires_grad_()
    softxent(layout(leaf * 1.0), target, inplace=True, implementation="native").backward()
    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy())
    np.testing.assert_allclose(leaf.grad.numpy(), grad, rtol=1e-11, atol=1e-15)


def test_inplace_is_seen_by_operations_that_saved_the_logits() -> None:
    """exp keeps its output for its backward, which is gone: PyTorch's version check raises."""
    logits, target = problem((6, 7), "index")
    leaf = logits.clone().requires_grad_()
    loss = softxent(leaf.exp(), target, inplace=True, implementation="native")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("view", [False, True])
def test_inplace_refuses_a_leaf(view: bool) -> None:
    """A parameter's own memory is not given away, nor through a view; nothing is written."""
    logits, target = problem((6, 7), "index")
    leaf = logits.clone().requires_grad_()
    z = leaf.view(6, 7) if view else leaf
    with pytest.raises((ValueError, RuntimeError), match=r"cross_entropy: input .*inplace") as got:
        softxent(z, target, inplace=True, implementation="native")
    assert "leaf" in str(got.value)
    assert torch.equal(leaf.detach(), logits)


def test_inplace_refuses_what_overlaps() -> None:
    """An expanded tensor has no memory for each entry."""
    z = (torch.randn(1, 7).requires_grad_() * 1.0).expand(6, 7)
    with pytest.raises(ValueError, match=r"cross_entropy: input .*overlap.*inplace"):
        softxent(z, torch.arange(6), inplace=True, implementation="native")


def test_inplace_is_of_first_order_and_once() -> None:
    """create_graph and a second backward raise by name, instead of differentiating garbage."""
    _, z, target, _ = consumed({})
    loss = softxent(z, target, inplace=True, implementation="native")
    with pytest.raises(NotImplementedError, match=r"cross_entropy: inplace .*create_graph"):
        torch.autograd.grad(loss, z, create_graph=True)
    _, z, target, _ = consumed({})
    loss = softxent(z, target, inplace=True, implementation="native")
    loss.backward(retain_graph=True)
    with pytest.raises(NotImplementedError, match=r"cross_entropy: inplace .*second backward"):
        loss.backward()


def test_inplace_under_transforms_raises() -> None:
    """torch.func and forward mode need the logits: inplace raises by name, or leaves them be."""
    logits, target = problem((6, 7), "index")

    def f(z: Any) -> Any:
        return softxent(z * 1.0, target, inplace=True, implementation="native")

    _, grad = reference.cross_entropy_with_grad(logits.numpy(), target.numpy())
    for transform in (torch.func.grad(f), torch.func.jacfwd(f)):
        try:
            got = transform(logits)
        except NotImplementedError as reason:
            assert "cross_entropy: inplace" in str(reason)
        else:
            np.testing.assert_allclose(got.numpy(), grad, rtol=1e-11, atol=1e-15)


def test_inplace_without_a_gradient_writes_nothing() -> None:
    """Without a gradient to make, the logits stay."""
    logits, target = problem((6, 7), "index")
    z = logits.clone()
    softxent(z, target, inplace=True, implementation="native")
    leaf = logits.clone().requires_grad_()
    with torch.no_grad():
        y = leaf * 1.0
        softxent(y, target, inplace=True, implementation="native")
    assert torch.equal(z, logits)
    assert torch.equal(y, logits)


@pytest.mark.parametrize("inplace", [False, True])
def test_out_of_range_raises_before_anything_is_written(inplace: bool) -> None:
    """The last row's class is bad: the logits are as they were, and so is their version."""
    logits, target = problem((6, 7), "index")
    leaf = logits.clone().requires_grad_()
    z = leaf * 1.0
    version, target = z._version, target.index_fill(0, torch.tensor([5]), 7)
    with pytest.raises(IndexError, match=r"cross_entropy: target\[5\] is 7"):
        softxent(z, target, inplace=inplace, implementation="native")
    assert torch.equal(z.detach(), logits)
    assert z._version == version


def test_inplace_empty_batch() -> None:
    """Nothing counts: a gradient of 0."""
    _, z, target, _ = consumed({})
    z.retain_grad()
    softxent(z, target.fill_(-100), inplace=True, implementation="native").backward()
    assert not z.grad.any()
