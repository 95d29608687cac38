"""Adam (Kingma and Ba 2015): steps of the gradient's mean over the root of its square's mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from softxent.learn.layer import Array, Layer

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of the paper


@dataclass(slots=True)
class Adam:
    """Its state; the parameters are changed in place."""

    rate: float
    steps: int = 0
    means: list[Array] = field(default_factory=list)
    squares: list[Array] = field(default_factory=list)

    def step(self, layers: Sequence[Layer], gradients: Sequence[Layer]) -> None:
        """Change the layers by one step."""
        parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        slopes = [part for layer in gradients for part in (layer.weight, layer.bias)]
        if not self.means:
            self.means = [np.zeros_like(p) for p in parameters]
            self.squares = [np.zeros_like(p) for p in parameters]
        self.steps += 1
        # Both means start at 0: divided by the weight that they have seen so far
        rate = self.rate * np.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        for p, g, m, v in zip(parameters, slopes, self.means, self.squares, strict=True):
            m += (1 - BETA_1) * (g - m)
            v += (1 - BETA_2) * (g * g - v)
            p -= (rate * m / (np.sqrt(v) + EPSILON)).astype(p.dtype)
