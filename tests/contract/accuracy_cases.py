"""The problems that the accuracy tests measure: rows of every kind, under every pair of options.

A case holds one row of each kind (offsets, dominating classes, near ties, ...), so a batch of about
20 rows meets every hard input at once. `PAIRS` covers every pair of values of `FACTORS`; `SINGLES`
turns on one option at a time, `ALL` everything at once.
"""

from __future__ import annotations

import itertools
import random
import zlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from contract.frontends import DTYPES, dtype_of
from oracle import KINDS, kinds, make_row, make_soft

SOFT = ("soft", "soft scaled", "soft signed", "soft sharp")


@dataclass(frozen=True)
class Case:
    """One batch and its options; the defaults are the plain loss."""

    dtype: str = "float32"
    classes: int = 257
    target: str = "index"  # "index", "ignoring" or one of SOFT
    weight: str = "none"  # "none", "random", "some 0"
    label_smoothing: float = 0.0
    temperature: float = 1.0
    softcap: float | None = None
    z_loss: float = 0.0
    row_weight: str = "none"  # "none" or "random": the upstream factor
    reduction: str = "none"  # the upstream factor is 1, 1 or 1/N
    rows: tuple[str, ...] = ()  # kinds of row; () is all of them

    def __str__(self) -> str:
        """What differs from the defaults."""
        changed = [self.dtype, f"V={self.classes}"]
        for field in fields(self)[2:]:
            value = getattr(self, field.name)
            if value != field.default:
                text = "+".join(value) if isinstance(value, tuple) else value
                changed.append(f"{field.name}={text}")
        return ",".join(changed)


FACTORS: dict[str, tuple[Any, ...]] = {
    "dtype": DTYPES,
    "classes": (2, 10, 257, 1000),
    "target": ("index", "ignoring", *SOFT),
    "weight": ("none", "random", "some 0"),
    "label_smoothing": (0.0, 0.1, 0.001, 1.0),
    "temperature": (1.0, 0.7, 3.0),
    "softcap": (None, 30.0, 5.0),
    "z_loss": (0.0, 1e-4, 0.5),
    "row_weight": ("none", "random"),
    "reduction": ("none", "sum", "mean"),
}


def pairwise(factors: dict[str, tuple[Any, ...]], seed: int = 0) -> list[dict[str, Any]]:
    """A short list of choices in which every pair of values of two factors occurs (greedy)."""
    rng = random.Random(seed)
    names = list(factors)
    missing = {
        ((a, x), (b, y))
        for a, b in itertools.combinations(names, 2)
        for x in factors[a]
        for y in factors[b]
    }
    chosen = []
    while missing:
        first = min(missing, key=repr)  # so that each round covers at least one
        best: tuple[int, dict[str, Any]] | None = None
        for _ in range(60):
            row = {name: rng.choice(factors[name]) for name in names}
            row.update(dict(first))
            gain = sum(pair in missing for pair in itertools.combinations(row.items(), 2))
            if best is None or gain > best[0]:
                best = (gain, row)
        assert best is not None
        chosen.append(best[1])
        missing -= set(itertools.combinations(best[1].items(), 2))
    return chosen


EVERYTHING: dict[str, Any] = {
    "weight": "random",
    "label_smoothing": 0.1,
    "temperature": 0.7,
    "softcap": 30.0,
    "z_loss": 1e-4,
    "row_weight": "random",
    "reduction": "mean",
}
PLAIN = [Case(dtype, classes) for dtype in DTYPES for classes in FACTORS["classes"]]
SINGLES = [
    Case(dtype, **{name: value})
    for dtype in DTYPES
    for name, values in FACTORS.items()
    if name not in ("dtype", "classes")
    for value in values[1:]
]
PAIRS = [Case(**choice) for choice in pairwise(FACTORS)]
ALL = [
    Case(dtype, classes, target, **EVERYTHING)
    for dtype in DTYPES
    for classes, target in ((2, "index"), (10, "soft scaled"), (257, "soft"), (1000, "ignoring"))
]
SUM = {**EVERYTHING, "reduction": "sum"}
# Few rows where a row is long; the last ones are for the native kernels alone.
LONG_ROWS = [
    *(Case(dtype, 131_072, rows=("wide", "lead 5 other")) for dtype in DTYPES),
    Case("float32", 131_072, rows=("lead 30 target", "near tie"), **SUM),
    Case("float64", 131_072, "soft", rows=("wide", "lead 2 other"), **SUM),
    Case("bfloat16", 131_072, "soft sharp", rows=("lead 30 target", "offset 1e4"), **SUM),
    Case("float16", 131_072, rows=("lead 5 other", "lse near 0"), **SUM),
]
LONGEST_ROWS = [
    *(Case(dtype, 2**20, rows=("normal",)) for dtype in DTYPES),
    Case("float32", 2**20, rows=("lead 17 target",)),
    Case("float64", 2**20, rows=("lead 17 target",)),
    Case("float32", 2**20, "soft sharp", rows=("lead 10 other",), **SUM),
    Case("float64", 2**20, "soft", rows=("offset 1e8",), **SUM),
]


# What a random search over the options found beyond a bar, in one implementation or both.
SHORTFALLS = [
    # gradient, z_loss on a row whose lse is near 0: 12.7 and 23 ULP
    Case("float64", 16, "soft sharp", "random", z_loss=0.6233908997616848, row_weight="random",
         reduction="mean"),
    Case("float64", 1000, "soft sharp", "random", softcap=34.41374119712185,
         z_loss=0.8669206882466393, row_weight="random", reduction="sum"),
    # loss with z_loss: 5.7 and 4.5 ULP
    Case("float64", 257, "ignoring", "some 0", 0.019985395052250218, 1.1478278138129034,
         67.19955150995264, 0.036457650293357645, "random"),
    Case("float64", 11, "soft", "random", 1.2518480199056425e-05, 3.377925362042521, None,
         0.26656070155068656, "random", "mean"),
    # loss 4.01 ULP; gradient 6.13 ULP
    Case("float64", 100, "index", "random", 0.13746413462483575, row_weight="random",
         reduction="mean"),
    Case("float64", 700, "ignoring", "random", 0.0, 0.20764440012030677, 72.68802810192429,
         0.004582763412878194, "none", "mean"),
]  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """The arrays of a case."""

    logits: np.ndarray
    target: np.ndarray
    tangent: np.ndarray
    target_tangent: np.ndarray | None  # for soft targets
    options: dict[str, Any]  # without the reduction
    names: tuple[str, ...]  # the kind of each row


def row_kinds(dtype: str) -> tuple[str, ...]:
    """The oracle's kinds that the dtype can hold, and two of our own."""
    return (*kinds(dtype_of(dtype)), "equal", "lse near 0")


def build(case: Case) -> Batch:
    """Draw the arrays of a case; the same every time."""
    seed = zlib.crc32(repr(case).encode())
    rng = np.random.default_rng(seed)
    names = case.rows or row_kinds(case.dtype)
    made = [_row(name, case.classes, case.dtype, seed) for name in names]
    logits = np.stack([row for row, _ in made])
    target = np.array([index for _, index in made])
    options: dict[str, Any] = {
        "label_smoothing": case.label_smoothing,
        "temperature": case.temperature,
        "softcap": case.softcap,
        "z_loss": case.z_loss,
    }
    if case.weight != "none":
        weight = rng.uniform(0.1, 3.0, case.classes)
        if case.weight == "some 0":
            weight[rng.random(case.classes) < 0.3] = 0.0
            weight[target[0]] = 1.5  # the mean is not empty
        options["weight"] = weight
    if case.row_weight == "random":
        options["row_weight"] = rng.uniform(0.1, 3.0, len(names))
    moved = None
    if case.target == "ignoring":
        target[1::4] = -100
    elif case.target != "index":
        target = np.stack([_soft(case, t, seed + n) for n, t in enumerate(target)])
        moved = rng.standard_normal(target.shape).astype(target.dtype)
    tangent = rng.standard_normal(logits.shape).astype(logits.dtype)
    return Batch(logits, target, tangent, moved, options, names)


def _row(name: str, classes: int, dtype: str, seed: int) -> tuple[np.ndarray, int]:
    if name in KINDS:
        return make_row(name, classes, dtype_of(dtype), seed)
    rng = np.random.default_rng([seed, classes])
    if name == "equal":
        return np.full(classes, 1.7, dtype_of(dtype)), int(rng.integers(classes))
    z = rng.standard_normal(classes)  # lse near 0: the largest logit and log1p(s) cancel
    return (z - np.log(np.exp(z).sum())).astype(dtype_of(dtype)), int(rng.integers(classes))


def _soft(case: Case, index: int, seed: int) -> np.ndarray:
    """One soft target: in the logits' dtype, or in one of its own."""
    dtype, classes = dtype_of(case.dtype), case.classes
    if case.target == "soft":
        return make_soft(classes, dtype, seed)
    if case.target == "soft scaled":  # zeros, and a sum that is not 1
        return make_soft(classes, np.float64, seed, total=3.7)
    rng = np.random.default_rng([seed, classes])
    if case.target == "soft signed":
        return rng.standard_normal(classes).astype(np.float32)
    t = 10.0 ** rng.uniform(-9, -3, classes) / classes  # soft sharp: nearly one-hot
    t[index] = 0.0
    t[index] = 1.0 - t.sum()
    return t.astype(dtype)
