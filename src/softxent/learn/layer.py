"""The last layer, z_o = sum_d W_od x_d + b_o: what is learned, and what its gradients look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """W (V, D) and b (V,); a gradient or a direction of them has the same two parts."""

    weight: Array
    bias: Array

    def __add__(self, other: Layer) -> Layer:
        return Layer(self.weight + other.weight, self.bias + other.bias)
