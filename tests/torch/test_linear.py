"""The linear loss of tensors: values and gradients against the dense float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from softxent import reference, reference_linear

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")
products = pytest.importorskip("softxent.frontends.torch.products")
linear_eager = pytest.importorskip("softxent.frontends.torch.linear_eager")

N, D, V = 11, 5, 7
rng = np.random.default_rng(3)
X, W, B = rng.standard_normal((N, D)), rng.standard_normal((V, D)), rng.standard_normal(V)
INDEX = rng.integers(0, V, N)
INDEX[[2, 8]] = -100
SOFT = rng.dirichlet(np.ones(V), N)
WEIGHT, ROW_WEIGHT = rng.random(V) + 0.1, rng.random(N)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weight": {"weight": WEIGHT},
    "smoothing": {"label_smoothing": 0.2},
    "temperature, softcap": {"temperature": 0.7, "softcap": 2.0},
    "z_loss": {"z_loss": 0.3},
    "row_weight": {"row_weight": ROW_WEIGHT},
    "all": {
        "weight": WEIGHT, "label_smoothing": 0.2, "temperature": 1.3, "softcap": 3.0,
        "z_loss": 0.1, "row_weight": ROW_WEIGHT,
    },
}  # fmt: skip
LOWEST = ("64MiB", 400)  # bytes: one chunk, and several


@pytest.fixture(autouse=True)
def unseen() -> None:
    """No test starts with the upstream factor of another."""
    linear_eager._factors.clear()


def tensors(options: dict[str, Any]) -> dict[str, Any]:
    return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def leaves(*arrays: Any, dtype: Any = None) -> list[Any]:
    return [torch.tensor(a, dtype=dtype).requires_grad_() for a in arrays]


def near(tensor: Any, expected: Any, tolerance: float = 1e-12) -> None:
    actual = tensor.detach().double().numpy()
    scale = max(np.abs(expected).max(initial=0.0), 1e-300)
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * scale


@pytest.mark.parametrize("max_memory", LOWEST)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("options", OPTIONS)
def test_against_the_reference(
    options: str, kind: str, reduction: str, max_memory: Any, implementation: str
) -> None:
    chosen = {**OPTIONS[options], "reduction": reduction}
    target = {"index": INDEX, "soft": SOFT}[kind]
    if implementation == "reference":
        max_memory = 10_000
    x, w, b = leaves(X, W, B)
    t = torch.tensor(target).requires_grad_(kind == "soft")
    loss = ours.linear_cross_entropy(
        x, w, t, linear_bias=b, max_memory=max_memory, implementation=implementation,
        **tensors(chosen),
    )  # fmt: skip
    loss.sum().backward()
    exact, grads = reference_linear.linear_cross_entropy_with_grad(
        X, W, target, linear_bias=B, **chosen
    )
    near(loss, exact)
    for tensor, expected in zip((x, w, b), grads, strict=True):
        near(tensor.grad, expected)
    if kind == "soft":
        z = reference_linear.logits(X, W, B)
        near(t.grad, reference.cross_entropy_target_grad(z, target, **chosen))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_upstream_gradients_of_rows_are_row_weights(dtype: str, implementation: str) -> None:
    """They enter before the sum over rows: the same bits as the kernels' own row factors."""
    u = torch.tensor(ROW_WEIGHT, dtype=getattr(torch, dtype))
    x, w, b = leaves(X, W, B, dtype=u.dtype)
    t = torch.tensor(INDEX)
    options = {"linear_bias": b, "implementation": implementation}
    none = ours.linear_cross_entropy(x, w, t, reduction="none", **options)
    weighted = ours.linear_cross_entropy(x, w, t, reduction="sum", row_weight=u, **options)
    from_rows = torch.autograd.grad(none, (x, w, b), u)
    from_weights = torch.autograd.grad(weighted, (x, w, b))
    for one, other in zip(from_rows, from_weights, strict=True):
        near(one, other.double().numpy(), 4 * torch.finfo(u.dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("factor", [0.25, 3.0, -0.7, 65536.0])
def test_upstream_factor(dtype: str, factor: float) -> None:
    """Inside the one rounding of bfloat16, however often it changes; float32 is multiplied."""
    x, w = leaves(X, W, dtype=getattr(torch, dtype))
    t, few = torch.tensor(INDEX), (INDEX != -100).sum()
    loss = ours.linear_cross_entropy(x, w, t, normalizer=float(few / factor)) if factor > 0 else (
        -ours.linear_cross_entropy(x, w, t, normalizer=float(few / -factor))
    )  # fmt: skip
    expected = torch.autograd.grad(loss, (x, w))
    for _ in range(3):
        loss = ours.linear_cross_entropy(x, w, t)
        for one, other in zip(torch.autograd.grad(factor * loss, (x, w)), expected, strict=True):
            limit = 0.0 if dtype == "bfloat16" else 4e-7
            near(one, other.double().numpy(), limit)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_backward_twice(dtype: str) -> None:
    """A gradient is never handed out twice: autograd may add to it in place."""
    x, w, b = leaves(X, W, B, dtype=getattr(torch, dtype))
    loss = 0.5 * ours.linear_cross_entropy(x, w, torch.tensor(INDEX), linear_bias=b)
    loss.backward(retain_graph=True)
    first = [p.grad.clone() for p in (x, w, b)]
    loss.backward()
    for p, once in zip((x, w, b), first, strict=True):
        near(p.grad, 2 * once.double().numpy(), 2 * torch.finfo(p.dtype).eps)


def test_a_changed_input_is_noticed() -> None:
    """As with any autograd function, where the gradient has to be made from it."""
    x, w = leaves(X, W)
    y = x * 1.0
    loss = ours.linear_cross_entropy(y, w, torch.tensor(INDEX), reduction="sum", softcap=9.0)
    loss.backward(retain_graph=True)
    y.data.zero_()
    y.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_second_derivative_is_that_of_the_reference() -> None:
    x, w, b = leaves(X, W, B)
    v = [rng.standard_normal(p.shape) for p in (X, W, B)]
    loss = ours.linear_cross_entropy(
        x, w, torch.tensor(INDEX), linear_bias=b, z_loss=0.2, softcap=2.0, max_memory=900
    )
    grads = torch.autograd.grad(loss, (x, w, b), create_graph=True)
    inner = sum((g * torch.tensor(d)).sum() for g, d in zip(grads, v, strict=True))
    found = torch.autograd.grad(inner, (x, w, b))
    exact = reference_linear.linear_cross_entropy_hvp(
        X, W, INDEX, tuple(v), linear_bias=B, z_loss=0.2, softcap=2.0
    )
    for one, other in zip(found, exact, strict=True):
        near(one, other)


@pytest.mark.parametrize("part", ["index", "soft"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_heads_on_one_input(part: str, reduction: str, implementation: str) -> None:
    """(V, d1, d2, D): a loss at each position, with one reduction over all of them."""
    dims = (2, 3)
    w, b = rng.standard_normal((V, *dims, D)), rng.standard_normal((V, *dims))
    index, soft = rng.integers(0, V, (N, *dims)), rng.dirichlet(np.ones(V), (N, *dims))
    index[3, 1] = -100
    row_weight = rng.random((N, *dims))
    options = {"reduction": reduction, "weight": WEIGHT, "z_loss": 0.1, "row_weight": row_weight}
    logits = np.einsum("nd,vijd->nijv", X, w) + np.moveaxis(b, 0, -1)
    target = index if part == "index" else soft
    exact, g = reference.cross_entropy_with_grad(logits, target, **options)
    leaf_x, leaf_w, leaf_b = leaves(X, w, b)
    t = torch.tensor(index if part == "index" else np.moveaxis(soft, -1, 1))
    t.requires_grad_(part == "soft")
    loss = ours.linear_cross_entropy(
        leaf_x, leaf_w, t, linear_bias=leaf_b, implementation=implementation, max_memory=10_000,
        **tensors(options),
    )  # fmt: skip
    loss.sum().backward()
    near(loss, exact)
    near(leaf_x.grad, np.einsum("nijv,vijd->nd", g, w))
    near(leaf_w.grad, np.einsum("nijv,nd->vijd", g, X))
    near(leaf_b.grad, np.einsum("nijv->vij", g))
    if part == "soft":
        by_target = reference.cross_entropy_target_grad(logits, target, **options)
        near(t.grad, np.moveaxis(by_target, -1, 1))


@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (0,), (2, 0, 3)])
def test_rows_of_any_shape(lead: tuple[int, ...], implementation: str) -> None:
    x, target = rng.standard_normal((*lead, D)), rng.integers(0, V, lead)
    leaf_x, leaf_w = leaves(x, W)
    loss = ours.linear_cross_entropy(
        leaf_x, leaf_w, torch.tensor(target), reduction="none", implementation=implementation
    )
    assert loss.shape == lead
    loss.sum().backward()
    exact, grads = reference_linear.linear_cross_entropy_with_grad(x, W, target, reduction="none")
    near(loss, exact)
    near(leaf_x.grad, grads.input)
    near(leaf_w.grad, grads.linear_weight)


def test_strided_layers() -> None:
    """Nothing has to be contiguous, and nothing is copied that products can read."""
    x, w = leaves(np.repeat(X, 2, 1), np.asfortranarray(np.repeat(W, 3, 0)))
    loss = ours.linear_cross_entropy(x[:, ::2], w[::3], torch.tensor(INDEX))
    loss.backward()
    exact, grads = reference_linear.linear_cross_entropy_with_grad(X, W, INDEX)
    near(loss, exact)
    near(x.grad[:, ::2], grads.input)
    near(w.grad[::3], grads.linear_weight)


@pytest.mark.parametrize("parts", [1, 3, N])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_normalizer_adds_up_to_the_whole_batch(parts: int, as_tensor: bool) -> None:
    options = {"weight": torch.tensor(WEIGHT), "z_loss": 0.0}
    x, w = leaves(X, W)
    t = torch.tensor(INDEX)
    whole = ours.linear_cross_entropy(x, w, t, **options)
    expected = torch.autograd.grad(whole, (x, w))
    total = float(WEIGHT[INDEX[INDEX != -100]].sum())
    normalizer = torch.tensor(total) if as_tensor else total
    losses = 0.0
    for some_x, some_t in zip(x.chunk(parts), t.chunk(parts), strict=False):
        loss = ours.linear_cross_entropy(some_x, w, some_t, normalizer=normalizer, **options)
        loss.backward()
        losses += loss.item()
    tolerance = 1e-6 if as_tensor else 1e-12  # the tensor is float32
    assert losses == pytest.approx(whole.item(), rel=tolerance)
    for p, grad in zip((x, w), expected, strict=True):
        near(p.grad, grad.numpy(), tolerance)


@pytest.mark.parametrize("empty", ["zero", "nan"])
@pytest.mark.parametrize("rows", ["ignored", "none at all"])
@pytest.mark.parametrize("door", ["eager", "transforms"])
def test_empty_batches_reach_every_parameter(
    rows: str, empty: str, door: str, implementation: str
) -> None:
    """Data-parallel training waits for every gradient: they are 0, never None."""
    n = 4 if rows == "ignored" else 0
    x, w, b = leaves(np.full((n, D), np.nan), W, B)
    row_weight = torch.ones(n, dtype=torch.float64, requires_grad=door == "transforms")
    t = torch.full((n,), -100)
    loss = ours.linear_cross_entropy(
        x, w, t, linear_bias=b, empty=empty, row_weight=row_weight, implementation=implementation
    )
    assert loss.isnan() if empty == "nan" else loss == 0.0
    loss.backward()
    for p in (x, w, b):
        assert p.grad is not None and (p.grad == 0).all()


def bfloat16_case(seed: int = 0) -> tuple[list[Any], Any, Any, Any]:
    """A layer of bfloat16, its target, and its exact loss and gradients."""
    some = np.random.default_rng(seed)
    arrays = (some.standard_normal((300, 64)), 0.2 * some.standard_normal((120, 64)))
    x, w, b = leaves(*arrays, some.standard_normal(120), dtype=torch.bfloat16)
    target = some.integers(0, 120, 300)
    wide = [p.detach().double().numpy() for p in (x, w, b)]
    loss, grads = reference_linear.linear_cross_entropy_with_grad(
        *wide[:2], target, linear_bias=wide[2]
    )
    return [x, w, b], torch.tensor(target), loss, grads


@pytest.mark.parametrize("gemm", ["mkl", "tiles", "none"])
@pytest.mark.parametrize("max_memory", ["64MiB", "8KiB"])
def test_bfloat16(gemm: str, max_memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in bfloat16 (as PyTorch's, if need be with rounded parts), or in float32."""
    if gemm == "none":
        monkeypatch.setattr(products, "multiplies_bfloat16", lambda: False)
    elif not products.multiplies_bfloat16():
        pytest.skip("this CPU multiplies no bfloat16")
    if gemm == "tiles":
        monkeypatch.setattr(products, "mkl_gemm", lambda: None)
    elif gemm == "mkl" and products.mkl_gemm() is None:
        pytest.skip("this PyTorch brought no product of bfloat16 into float32")
    layer, t, exact, grads = bfloat16_case()
    x, w, b = layer
    loss = ours.linear_cross_entropy(x, w, t, linear_bias=b, max_memory=max_memory)
    assert loss.dtype is torch.float32
    assert loss.item() == pytest.approx(float(exact), rel=1e-4)
    loss.backward()
    # Logits of about 3 rounded to bfloat16 are up to 2^-8 off, so are the probabilities.
    for p, expected in zip(layer, grads, strict=True):
        assert p.grad.dtype is torch.bfloat16
        near(p.grad, expected, 0.02)


@pytest.mark.skipif(not products.multiplies_bfloat16(), reason="no products of bfloat16 here")
def test_bfloat16_weight_gradient_is_summed_in_float32() -> None:
    """300 rows whose gradients cancel but for the last: sums in bfloat16 would not show it."""
    if products.mkl_gemm() is None:
        pytest.skip("this PyTorch brought no product of bfloat16 into float32")
    x = torch.ones(301, 1, dtype=torch.bfloat16)
    w = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    t = torch.tensor([0, 1] * 150 + [1])
    for max_memory in (40, "64MiB"):
        loss = ours.linear_cross_entropy(x, w, t, reduction="sum", max_memory=max_memory)
        (grad,) = torch.autograd.grad(loss, w)
        assert grad.tolist() == [[0.5], [-0.5]]


def test_gradients_made_for_nothing_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 under factors that change at every step: no walk is wasted but the first."""
    walks: list[str] = []
    native = linear_eager.linear_native
    for name in ("loss", "loss_and_grads", "grads"):
        real = getattr(native, name)
        monkeypatch.setattr(
            native, name, lambda *a, real=real, name=name: (walks.append(name), real(*a))[1]
        )
    x, w = leaves(X, W, dtype=torch.bfloat16)
    for factor in (3.0, 5.0, 5.0, 5.0):
        (factor * ours.linear_cross_entropy(x, w, torch.tensor(INDEX))).backward()
    expected = ["loss_and_grads", "grads", "loss", "grads", "loss", "grads", "loss_and_grads"]
    assert walks == expected


def test_autocast(implementation: str) -> None:
    """Products in its dtype, the loss in float32, gradients in the parameters' own."""
    x, w, b = leaves(X, W, B, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ours.linear_cross_entropy(
            x, w, torch.tensor(INDEX), linear_bias=b, implementation=implementation
        )
    assert loss.dtype is torch.float32
    loss.backward()
    low = [p.detach().bfloat16().requires_grad_() for p in (x, w, b)]
    other = ours.linear_cross_entropy(
        *low[:2], torch.tensor(INDEX), linear_bias=low[2], implementation=implementation
    )
    other.backward()
    assert loss.item() == other.item()
    for p, q in zip((x, w, b), low, strict=True):
        assert p.grad.dtype is torch.float32
        assert torch.equal(p.grad, q.grad.float())


def test_plan_says_what_the_call_does() -> None:
    plan = ours.linear_cross_entropy_plan
    x, t = torch.zeros(2048, 512), torch.zeros(2048, dtype=torch.long)
    w = torch.zeros(32_000, 512)
    for budget in (2 << 20, 64 << 20):
        found = plan(x, w, t, max_memory=budget)
        assert found.scratch_bytes <= budget
        assert found.rows * found.chunks >= 2048
        assert found.accumulator_bytes == 0
    frozen = plan(x.half(), w.half(), t)
    assert frozen.accumulator_bytes == 0
    trained = plan(x.half(), w.half().requires_grad_(), t)
    assert trained.accumulator_bytes == 4 * w.numel()
    heads = plan(x, torch.zeros(1000, 4, 512), torch.zeros(2048, 4, dtype=torch.long))
    assert heads.chunks % 4 == 0
    assert plan(x, w, t, implementation="reference").blas == "torch"


def test_module_loads_the_state_of_torch_s() -> None:
    options = {"out_features": (2,), "bias": True, "weight": torch.tensor(WEIGHT).float()}
    theirs = torch.nn.LinearCrossEntropyLoss(D, V, **options)
    module = ours.LinearCrossEntropyLoss(D, V, **options, max_memory="1MiB", z_loss=0.0)
    module.load_state_dict(theirs.state_dict())
    x, t = torch.tensor(X).float(), torch.randint(0, V, (N, 2))
    assert isinstance(module, torch.nn.LinearCrossEntropyLoss)
    loss = module(x, t, normalizer=2.0, row_weight=torch.ones(N, 2))
    assert loss.item() == pytest.approx(theirs(x, t).item() * WEIGHT[t].sum() / 2, rel=1e-5)
    loss.backward()
    assert module.linear.weight.grad.shape == (2 * V, D)
    assert "max_memory='1MiB'" in repr(module)
