"""Frozen parts cost no product, and what is not frozen misses no gradient."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")
products = pytest.importorskip("softxent.frontends.torch.products")
linear_direct = pytest.importorskip("softxent.frontends.torch.linear_direct")

N, D, V = 6, 4, 5
generator = torch.Generator().manual_seed(1)
PARTS = ("input", "weight", "bias")
NEEDS = list(product([False, True], repeat=3))


@pytest.fixture(params=["direct", "walk"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each product was made, of all logits at once or chunk by chunk."""
    counts: Counter[str] = Counter()
    if request.param == "walk":
        monkeypatch.setattr(linear_direct, "fits", lambda problem: False)

    class Counting(products.TorchProducts):
        def logits(self, *args: Any) -> None:
            counts["logits"] += 1
            super().logits(*args)

        def input_grad(self, *args: Any) -> None:
            counts["input"] += 1
            super().input_grad(*args)

        def weight_grad(self, *args: Any, **rest: Any) -> None:
            counts["weight"] += 1
            super().weight_grad(*args, **rest)

        def add_columns(self, *args: Any) -> None:
            counts["bias"] += 1
            super().add_columns(*args)

    monkeypatch.setattr(products, "TorchProducts", Counting)
    return counts


def layer(needs: tuple[bool, ...]) -> list[Any]:
    shapes = ((N, D), (V, D), (V,))
    return [
        torch.randn(shape, generator=generator).requires_grad_(need)
        for shape, need in zip(shapes, needs, strict=True)
    ]


def target(kind: str) -> Any:
    if kind == "index":
        return torch.randint(0, V, (N,), generator=generator)
    return torch.rand(N, V, generator=generator).requires_grad_(kind == "soft, learnt")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", ["index", "soft", "soft, learnt"])
@pytest.mark.parametrize("needs", NEEDS, ids=str)
def test_products(needs: tuple[bool, ...], kind: str, reduction: str, made: Counter[str]) -> None:
    x, w, b = layer(needs)
    t = target(kind)
    loss = ours.linear_cross_entropy(x, w, t, linear_bias=b, reduction=reduction)
    anything = any(needs) or t.requires_grad
    assert loss.requires_grad == anything
    if anything:
        loss.sum().backward()
    walks = 2 if reduction == "none" and anything else 1  # the rows' factors come with backward
    expected = {"logits": walks} | {p: 1 for p, need in zip(PARTS, needs, strict=True) if need}
    assert made == expected
    for p, need in zip((x, w, b, t), (*needs, t.requires_grad), strict=True):
        assert (p.grad is not None) == need


@pytest.mark.parametrize("context", ["no_grad", "inference_mode"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_nothing_to_differentiate(context: str, reduction: str, made: Counter[str]) -> None:
    x, w, b = layer((True, True, True))
    with getattr(torch, context)():
        loss = ours.linear_cross_entropy(x, w, target("soft, learnt"), linear_bias=b)
    assert not loss.requires_grad
    assert made == {"logits": 1}


def test_inference_tensors_are_read() -> None:
    with torch.inference_mode():
        x, w = torch.randn(N, D, generator=generator), torch.randn(V, D, generator=generator)
        t = target("index")
        inside = ours.linear_cross_entropy(x, w, t)
    x, w, t = x.clone(), w.clone(), t.clone()
    assert ours.linear_cross_entropy(x, w, t) == inside


@pytest.mark.parametrize("needs", NEEDS[1:], ids=str)
@pytest.mark.parametrize("door", ["torch.func", "create_graph"])
def test_transforms_leave_frozen_parts_out(
    needs: tuple[bool, ...], door: str, made: Counter[str]
) -> None:
    """The tower's first derivative makes the products that are asked for, and no other."""
    parts, t = layer(needs), target("index")
    chosen = tuple(i for i, need in enumerate(needs) if need)

    def loss(*some: Any) -> Any:
        whole = list(parts)
        for i, p in zip(chosen, some, strict=True):
            whole[i] = p
        return ours.linear_cross_entropy(whole[0], whole[1], t, linear_bias=whole[2])

    leaves = [parts[i] for i in chosen]
    expected = torch.autograd.grad(loss(*leaves), leaves)
    made.clear()
    if door == "torch.func":
        plain = [p.detach() for p in leaves]
        parts = [p.detach() for p in parts]
        found = torch.func.grad(loss, tuple(range(len(chosen))))(*plain)
        logits = 2
    else:
        found = torch.autograd.grad(loss(*leaves), leaves, create_graph=True)
        made.subtract({PARTS[i]: 1 for i in chosen})  # those of the forward pass, unused here
        logits = 2
    wanted = {"logits": logits} | {PARTS[i]: 1 for i in chosen}
    assert made == wanted
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-7)
