"""The reference against torch.nn.functional.cross_entropy, on all 36 combinations of options."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from softxent import reference

torch = pytest.importorskip("torch")

N, V = 7, 5
RNG = np.random.default_rng(31)
LOGITS = RNG.normal(size=(N, V)) * 4
WEIGHT = RNG.random(V) + 0.1
INDEX = RNG.integers(V, size=N)
SOFT = RNG.random((N, V))  # sums differ from 1: the mean divides by N all the same
INDEX_IGNORED = np.where(np.arange(N) % 3 == 1, 3, INDEX)
TARGETS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "index": (INDEX, {}),
    "index, some ignored": (INDEX_IGNORED, {"ignore_index": 3}),
    "soft": (SOFT, {}),
}
COMBINATIONS = list(itertools.product((None, WEIGHT), (0.0, 0.1), ("mean", "sum", "none"), TARGETS))


def test_there_are_36() -> None:
    assert len(COMBINATIONS) == 36


@pytest.mark.parametrize(("weight", "smoothing", "reduction", "kind"), COMBINATIONS)
def test_loss_and_gradient(
    weight: np.ndarray | None, smoothing: float, reduction: str, kind: str
) -> None:
    target, more = TARGETS[kind]
    options = {"label_smoothing": smoothing, "reduction": reduction, **more}
    loss, grad = reference.cross_entropy_with_grad(LOGITS, target, weight=weight, **options)

    z = torch.tensor(LOGITS, requires_grad=True)
    w = None if weight is None else torch.tensor(weight)
    theirs = torch.nn.functional.cross_entropy(z, torch.tensor(target), weight=w, **options)
    theirs.sum().backward()
    assert np.allclose(loss, theirs.detach().numpy(), rtol=1e-14, atol=1e-14)
    assert np.allclose(grad, z.grad.numpy(), rtol=1e-13, atol=1e-15)


def test_softmax_relatives() -> None:
    z = torch.tensor(LOGITS)
    assert np.allclose(reference.softmax(LOGITS), torch.softmax(z, -1), rtol=1e-14)
    assert np.allclose(reference.log_softmax(LOGITS), torch.log_softmax(z, -1), rtol=1e-13)
    assert np.allclose(reference.logsumexp(LOGITS), torch.logsumexp(z, -1), rtol=1e-14)
