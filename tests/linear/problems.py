"""Random linear layers, and options for the loss on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

PARTS = ("input", "linear_weight", "linear_bias")
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
REDUCTIONS = ("mean", "sum", "none")


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


class Layer(NamedTuple):
    """A linear layer with a target."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    target: np.ndarray

    @property
    def keep(self) -> np.ndarray:
        """Which rows count."""
        if self.target.ndim == self.x.ndim:
            return np.ones(self.x.shape[:-1], bool)
        return self.target != -100

    @property
    def wide(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, w, b in float64; x of ignored rows is 0."""
        x, w, b = (np.asarray(a, np.float64) for a in self[:3])
        return np.where(self.keep[..., None], x, 0.0), w, b


def make_layer(
    dtype: str = "float32",
    lead: tuple[int, ...] = (11,),
    d: int = 5,
    v: int = 7,
    *,
    soft: bool = False,
    ignored: int = 2,
    seed: int = 0,
) -> Layer:
    """Return a layer whose ignored rows hold NaN."""
    rng = np.random.default_rng(seed)
    kind = dtype_of(dtype)
    x = rng.standard_normal((*lead, d))
    w, b = rng.standard_normal((v, d)), rng.standard_normal(v)
    if soft:
        target = rng.dirichlet(np.ones(v), lead).astype(kind)
    else:
        target = rng.integers(0, v, lead)
        if ignored:
            places = rng.choice(target.size, ignored, replace=False)
            target.reshape(-1)[places] = -100
            x[target == -100] = np.nan
    return Layer(x.astype(kind), w.astype(kind), b.astype(kind), target)


def make_options(rng: np.random.Generator, layer: Layer) -> dict[str, Any]:
    """Switch each option on or off by chance."""
    switches: dict[str, Any] = {
        "weight": rng.uniform(0.0, 2.0, len(layer.w)),
        "row_weight": rng.uniform(0.0, 2.0, layer.x.shape[:-1]),
        "label_smoothing": 0.1,
        "temperature": 0.7,
        "softcap": 3.0,
        "z_loss": 0.01,
    }
    return {name: value for name, value in switches.items() if rng.random() < 0.5}


def budget_for(layer: Layer, rows: int) -> int:
    """Return a budget that holds a few rows and everything beside them."""
    item = 8 if layer.x.dtype == np.float64 else 4
    v, d = layer.w.shape
    return item * (rows * 2 * (v + 2 * d) + 2 * d + 4 * v) + 8 * v
