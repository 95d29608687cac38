"""Fixtures: the BLAS roads, and kernels that remember what they were given."""

from typing import Any

import numpy as np
import pytest

from softxent.frontends import linear_steps
from softxent.kernels import blas, registry


@pytest.fixture(params=blas.ROADS)
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each BLAS road in turn, taken by every linear function; a closed one is skipped."""
    name: str = request.param
    try:
        chosen = blas.pick(name)
    except RuntimeError as reason:
        pytest.skip(str(reason))
    monkeypatch.setattr(blas, "pick", lambda name=None: chosen)
    return name


class Spy:
    """Kernels that keep a copy of each chunk's logits, and of its gradient."""

    def __init__(self, kernels: registry.Kernels) -> None:
        self.kernels = kernels
        self.logits: list[np.ndarray] = []
        self.grads: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernels, name)

    def loss(self, rows: Any, *, grad: Any = None, **rest: Any) -> Any:
        self.logits.append(rows.logits.copy())
        sums = self.kernels.loss(rows, grad=grad, **rest)
        if grad is not None:
            self.grads.append(grad.copy())
        return sums


@pytest.fixture
def spies(monkeypatch: pytest.MonkeyPatch) -> list[Spy]:
    """Filled with the kernels of each linear call to come."""
    made: list[Spy] = []

    def pick(implementation: str | None) -> Spy:
        made.append(Spy(registry.pick(implementation)))
        return made[-1]

    monkeypatch.setattr(linear_steps, "pick", pick)
    return made
