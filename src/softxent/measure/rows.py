"""The rows of logits that accuracy is measured on: what a user meets, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
LEADS = (5, 10, 20, 40, 60)  # nats
# Where the logits share their leading digits: an offset that leaves them a few digits of their own.
OFFSETS = {"float32": (1e4,), "float64": (1e4, 1e8), "bfloat16": (1e2,), "float16": (1e2,)}
# V: rows of each kind. 257 is prime: no vector width divides it.
SIZES = {2: 16, 10: 8, 257: 2, 1000: 1}
QUICK_SIZES = {257: 2}
LONG_ROW = 32_003  # the vocabulary of a small language model; one row of it

Array = np.ndarray[Any, np.dtype[Any]]


class Batch(NamedTuple):
    """Logits (N, V), class indices (N,), and a direction (N, V) for the directional derivatives."""

    logits: Array
    target: Array
    vector: Array


def batches(dtype: str, *, quick: bool = False) -> Iterator[Batch]:
    """Rows of every kind, one batch for each V; at the end the long row, unless `quick`."""
    for classes, count in (QUICK_SIZES if quick else SIZES).items():
        rng = np.random.default_rng(classes)
        made = [row(kind, classes, rng) for kind in kinds(dtype) for _ in range(count)]
        yield _batch(made, dtype, rng)
    if not quick:
        rng = np.random.default_rng(LONG_ROW)
        yield _batch([row("normal 3", LONG_ROW, rng)], dtype, rng)


def kinds(dtype: str) -> list[str]:
    """The kinds of row for a dtype.

    normal x: standard deviation x. ahead x, behind x: the target, or another class, leads the
    largest of the rest by x nats. offset x: N(0, 3^2) + x. logprobs: log-probabilities as logits,
    whose log-sum-exp is about 0.
    """
    return [
        "normal 1",
        "normal 3",
        *(f"ahead {lead}" for lead in LEADS),
        *(f"behind {lead}" for lead in LEADS),
        *(f"offset {offset:g}" for offset in OFFSETS[dtype]),
        "logprobs 3",
    ]


def row(kind: str, classes: int, rng: np.random.Generator) -> tuple[Array, int]:
    """Float64 logits (V,) of a kind, not yet rounded to a dtype, and a class index."""
    name, number = kind.split()
    size = float(number)
    z = rng.standard_normal(classes) * (1.0 if name in ("ahead", "behind") else 3.0)
    target = int(rng.integers(classes))
    if name == "normal":
        z *= size / 3.0
    elif name == "offset":
        z += size
    elif name == "logprobs":
        z -= np.log(np.exp(z).sum())
    else:
        step = 0 if name == "ahead" else 1 + int(rng.integers(classes - 1))
        leader = (target + step) % classes
        z[leader] = np.delete(z, leader).max() + size
    return z, target


def confident(dtype: str, count: int = 1000, classes: int = 10) -> Batch:
    """Rows whose true loss, as rounded to the dtype, lies between 1e-30 and 1e-3, log-uniformly."""
    rng = np.random.default_rng(count)
    draws = 2 * count  # rounding moves a few losses out of the range
    loss = 10.0 ** rng.uniform(-30, -3, draws)
    z = rng.standard_normal((draws, classes))
    target = rng.integers(classes, size=draws)
    at_target = (np.arange(draws), target)
    # C = log(1 + sum_{j != t} e^{z_j - z_t}), solved for z_t
    z[at_target] = -np.inf
    z[at_target] = np.log(np.exp(z).sum(axis=1) / np.expm1(loss))
    z = z.astype(DTYPES[dtype])
    gap = z.astype(np.float64) - z[at_target].astype(np.float64)[:, None]
    gap[at_target] = -np.inf
    true = np.log1p(np.exp(gap).sum(axis=1))
    kept = np.flatnonzero((true >= 1e-30) & (true <= 1e-3))[:count]
    return Batch(z[kept], target[kept], np.zeros_like(z[kept]))


def _batch(made: list[tuple[Array, int]], dtype: str, rng: np.random.Generator) -> Batch:
    logits = np.stack([z for z, _ in made]).astype(DTYPES[dtype])
    vector = rng.standard_normal(logits.shape).astype(DTYPES[dtype])
    return Batch(logits, np.array([target for _, target in made]), vector)
