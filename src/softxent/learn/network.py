r"""A network with a softmax output, and backpropagation from y - t.

    a_0 = x,  h_l = W_l a_{l-1} + b_l,  a_l = f(h_l),  z = W_L a_{L-1} + b_L,  y = softmax(z)

The cross-entropy's gradient by the logits starts the way back, and each layer passes it on:

    delta_L = y - t,    dC/dW_l = delta_l a_{l-1}ᵀ,    delta_{l-1} = (W_lᵀ delta_l) f'(h_{l-1})
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import softxent
from softxent.learn.layer import Array, Layer

ACTIVATIONS = ("tanh", "relu")


@dataclass(slots=True)
class Network:
    """Layers from the first hidden one to the output; each weight is (out, in)."""

    layers: list[Layer]
    activation: str

    def logits(self, x: Any) -> Array:
        """Z (N, V) for rows X (N, D)."""
        z: Array = self._forward(x)[-1]
        return z

    def loss_and_gradients(
        self, x: Any, target: Array, s: Array, label_smoothing: float = 0.0
    ) -> tuple[float, list[Layer]]:
        """sum_n s_n C_n, and its gradient by every layer."""
        *inputs, z = self._forward(x)
        losses, delta = softxent.cross_entropy_with_grad(
            z, target, out=z, reduction="none", row_weight=s, label_smoothing=label_smoothing
        )  # delta_L = s (y - t)
        gradients = []
        for layer, a in zip(reversed(self.layers), reversed(inputs), strict=True):
            # dC/dW = sum_n delta_n a_nᵀ; xᵀ delta first, since x may be sparse
            gradients.append(Layer(np.asarray(a.T @ delta).T, delta.sum(axis=0)))
            if a is not x:
                delta = (delta @ layer.weight) * self._slope(a)
        return float(np.sum(losses, dtype=np.float64)), gradients[::-1]

    def _forward(self, x: Any) -> list[Any]:
        """x, each hidden layer's a, and z."""
        values = [x]
        for layer in self.layers:
            h = np.asarray(values[-1] @ layer.weight.T) + layer.bias
            last = layer is self.layers[-1]
            values.append(h if last else self._activate(h))
        return values

    def _activate(self, h: Array) -> Array:
        if self.activation == "tanh":
            return np.tanh(h, out=h)
        return np.maximum(h, 0, out=h)

    def _slope(self, a: Array) -> Array:
        """f'(h), from a = f(h): 1 - tanh^2, or 1 where h > 0."""
        if self.activation == "tanh":
            return 1 - a * a
        slope: Array = (a > 0).astype(a.dtype)
        return slope


def new_network(
    sizes: Sequence[int], activation: str, random: np.random.RandomState, dtype: np.dtype[Any]
) -> Network:
    """Uniform weights within (6 / (in + out))^1/2 (Glorot and Bengio 2010); relu: (6 / in)^1/2."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        reach = np.sqrt(6 / (n_in if activation == "relu" else n_in + n_out))
        weight = random.uniform(-reach, reach, (n_out, n_in)).astype(dtype)
        layers.append(Layer(weight, np.zeros(n_out, dtype)))
    return Network(layers, activation)


def flatten(layers: Sequence[Layer]) -> Array:
    """All parameters in one float64 vector, layer by layer, W before b."""
    return np.concatenate(
        [part.ravel() for layer in layers for part in (layer.weight, layer.bias)], dtype=np.float64
    )


def unflatten(flat: Array, like: Sequence[Layer]) -> list[Layer]:
    """Layers of the same shapes and dtype as `like`, from the vector of `flatten`."""
    layers, at = [], 0
    for layer in like:
        parts = []
        for part in (layer.weight, layer.bias):
            parts.append(flat[at : at + part.size].reshape(part.shape).astype(part.dtype))
            at += part.size
        layers.append(Layer(*parts))
    return layers
