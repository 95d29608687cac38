"""Exact derivatives to the third order, by numbers with three infinitesimals: no differences.

A `Jet` is x + Σ x_S e_S over the sets S of {1, 2, 3}, with e_i e_i = 0. Of f(p + e_1 u + e_2 v +
e_3 w) the part of e_1 is Df[u], of e_1 e_2 is D²f[u, v], of all three D³f[u, v, w]. Parts are
float64 arrays that broadcast, so directions of every pair come as leading axes. Sets are bit masks:
3 is {1, 2}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Union

import numpy as np

Array = np.ndarray
Number = Union["Jet", Array, float]


class Jet:
    """A float64 array with its parts along products of three infinitesimals."""

    __array_ufunc__ = None  # array * jet is jet * array

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = {0: np.float64(0.0), **parts}

    @property
    def value(self) -> Array:
        return np.asarray(self.parts[0])

    def map(self, function: Callable[[Array], Any]) -> Jet:
        """A linear function, taken of every part."""
        return Jet({mask: function(part) for mask, part in self.parts.items()})

    def __add__(self, other: Number) -> Jet:
        parts = dict(self.parts)
        for mask, part in jet(other).parts.items():
            parts[mask] = parts[mask] + part if mask in parts else part
        return Jet(parts)

    def __mul__(self, other: Number) -> Jet:
        return product(np.multiply, self, jet(other))

    def __sub__(self, other: Number) -> Jet:
        return self + jet(other) * -1.0

    def __rsub__(self, other: Number) -> Jet:
        return jet(other) - self

    def __truediv__(self, other: Number) -> Jet:
        return self * (other.reciprocal() if isinstance(other, Jet) else 1.0 / np.asarray(other))

    __radd__, __rmul__ = __add__, __mul__

    def sum(self, axis: int = -1, keepdims: bool = False) -> Jet:
        return self.map(lambda x: np.sum(x, axis=axis, keepdims=keepdims))

    def compose(self, *derivatives: Array) -> Jet:
        """f of the jet, from f, f', f'' and f''' at its value."""
        f, first, second, third = derivatives
        rest = Jet({mask: part for mask, part in self.parts.items() if mask})
        square = rest * rest
        return f + rest * first + square * (second / 2) + square * rest * (third / 6)

    def exp(self) -> Jet:
        y = np.exp(self.value)
        return self.compose(y, y, y, y)

    def log(self) -> Jet:
        x = self.value
        return self.compose(np.log(x), 1 / x, -1 / x**2, 2 / x**3)

    def reciprocal(self) -> Jet:
        x = self.value
        return self.compose(1 / x, -1 / x**2, 2 / x**3, -6 / x**4)

    def tanh(self) -> Jet:
        y = np.tanh(self.value)
        slope = 1 - y**2
        return self.compose(y, slope, -2 * y * slope, slope * (6 * y**2 - 2))


def jet(x: Number) -> Jet:
    return x if isinstance(x, Jet) else Jet({0: np.asarray(x, np.float64)})


def product(multiply: Callable[[Any, Any], Any], a: Jet, b: Jet) -> Jet:
    """A bilinear function: parts of sets that share an infinitesimal multiply to 0."""
    parts: dict[int, Any] = {}
    for one, x in a.parts.items():
        for two, y in b.parts.items():
            if not one & two:
                term = multiply(x, y)
                parts[one | two] = parts[one | two] + term if one | two in parts else term
    return Jet(parts)


def derivative(f: Callable[[Jet], Jet], p: Array, order: int) -> Array:
    """D^order f at p (P,), for f from (..., P) to (..., O): shape (O, P, ..., P)."""
    size = len(p)
    axes = np.eye(size)
    parts: dict[int, Any] = {0: p}
    for place in range(order):
        shape = [1] * order + [size]
        shape[place] = size
        parts[1 << place] = axes.reshape(shape)
    part = f(Jet(parts)).parts.get(2**order - 1, 0.0)
    size_out = f(Jet({0: p})).value.shape[-1]
    return np.moveaxis(np.broadcast_to(part, (*[size] * order, size_out)), -1, 0)


# ------------------------------------------------------------------ the functions of the contract


def transform(z: Jet, temperature: float = 1.0, softcap: float | None = None) -> Jet:
    return (z if softcap is None else (z / softcap).tanh() * softcap) / temperature


def logsumexp(a: Jet) -> Jet:
    """Keeps the class axis; the shift is a constant, what it adds it takes away."""
    m = a.value.max(axis=-1, keepdims=True)
    return (a - m).exp().sum(keepdims=True).log() + m


def log_softmax(z: Jet, **options: Any) -> Jet:
    a = transform(z, **options)
    return a - logsumexp(a)


def softmax(z: Jet, **options: Any) -> Jet:
    return log_softmax(z, **options).exp()


def cross_entropy(
    z: Jet,
    t: Number,
    keep: Array | None = None,
    *,
    weight: Number = 1.0,
    row_weight: Number | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    reduction: str = "mean",
    normalizer: float | None = None,
) -> Jet:
    """Of logits (..., N, V) and a dense target (N, V): (..., 1), or (..., N) for "none".

    `keep` (N,) marks the rows that count, and says that the target is one-hot.
    """
    classes, rows = z.value.shape[-1], z.value.shape[-2]
    a = transform(z, temperature, softcap)
    lse = logsumexp(a)
    smoothed = (jet(t) * (1 - label_smoothing) + label_smoothing / classes) * weight
    counted = np.ones(rows) if keep is None else keep
    r = jet(np.ones(rows) if row_weight is None else row_weight) * counted
    ce, z_term = (smoothed * (lse - a)).sum() * r, (lse * lse).sum() * r * z_loss
    if reduction == "none":
        return ce + z_term
    over, over_z = jet(1.0), 1.0
    if normalizer is not None:
        over, over_z = jet(normalizer), normalizer
    elif reduction == "mean":
        over = (r if keep is None else r * (jet(t) * weight).sum()).sum(keepdims=True)
        over_z = counted.sum()
    return ce.sum(keepdims=True) / over + z_term.sum(keepdims=True) / over_z


def stats(z: Jet, t: Number, keep: Array, **options: Any) -> Jet:
    """loss, z_loss, logprob, entropy and lse of every row, side by side: (..., 5 N)."""
    transforms = {name: options.get(name) for name in ("temperature", "softcap") if name in options}
    log_y = log_softmax(z, **transforms)
    lse = logsumexp(transform(z, **transforms)).sum()
    plain = {**options, "z_loss": 0.0, "reduction": "none"}
    r = options.get("row_weight", 1.0)
    parts = [
        cross_entropy(z, t, keep, **plain),
        lse * lse * options.get("z_loss", 0.0) * r,
        (jet(t) * log_y).sum(),
        (log_y.exp() * log_y * -1.0).sum(),
        lse,
    ]
    return concatenated([part * keep for part in parts])


def linear(x: Jet, w: Jet, b: Jet) -> Jet:
    """z_no = Σ_d x_nd W_od + b_o."""
    z = product(np.matmul, x, w.map(lambda part: np.swapaxes(part, -1, -2)))
    return z + b.map(lambda part: part[..., None, :])


def concatenated(jets: Sequence[Jet]) -> Jet:
    """Along the last axis."""
    masks = {mask for each in jets for mask in each.parts}

    def part(mask: int) -> Array:
        shape = np.broadcast_shapes(
            *(np.shape(p)[:-1] for each in jets for m, p in each.parts.items() if m == mask)
        )
        found = []
        for each in jets:
            width = each.value.shape[-1]
            found.append(np.broadcast_to(each.parts.get(mask, 0.0), (*shape, width)))
        return np.concatenate(found, axis=-1)

    return Jet({mask: part(mask) for mask in masks})
