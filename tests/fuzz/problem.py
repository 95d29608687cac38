"""A random problem: logits, target, directions and options, from a seed and a number alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

DTYPES = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
# Largest numbers drawn. float64 stops where the reference, itself float64, can still square.
LARGEST = {"float32": 3.4e38, "float64": 1e130, "bfloat16": 3.38e38, "float16": 65504.0}
PRECISION = {"float32": 24, "float64": 53, "bfloat16": 8, "float16": 11}
SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022, "bfloat16": 2.0**-126, "float16": 2.0**-14}

# Around the widths of vectors and tiles, the 24 where a row's road turns, and a block's 4096.
EDGES = (*(k * 8 + d for k in (1, 2, 3, 4, 6, 8, 16) for d in (-1, 0, 1)), 97, 251)
LONG = (509, 1000, 1021, 2039, 4095, 4096, 4097, 8191, 8192, 8193)
LONGEST = (12289, 20011, 32768, 40009, 65537)
KINDS = (
    *("ordinary", "ordinary", "ordinary", "wide", "offset", "confident", "confident", "equal"),
    *("near tie", "huge", "denormal", "grid", "any size"),
)


@dataclass
class Problem:
    """What a call is made of, in one canonical form: class axis last, C order."""

    dtype: str
    logits: np.ndarray  # lead + (V,)
    target: np.ndarray  # int64 of shape lead, or one of the four dtypes of shape lead + (V,)
    tangent: np.ndarray
    target_tangent: np.ndarray  # for soft targets
    options: dict[str, Any]  # only those that are not at their default

    @property
    def soft(self) -> bool:
        return self.target.dtype.kind != "i"

    @property
    def lead(self) -> tuple[int, ...]:
        return self.logits.shape[:-1]


def draw_problem(r: random.Random, rng: np.random.Generator) -> Problem:
    """Everything drawn from the two generators, in a fixed order."""
    dtype = r.choices(tuple(DTYPES), (40, 24, 18, 18))[0]
    shape = draw_shape(r)
    logits = draw_logits(r, rng, shape, dtype)
    target, keep = draw_target(r, rng, shape)
    options = {**keep, **draw_options(r, rng, shape)}
    tangent = draw_direction(r, rng, shape)
    return Problem(dtype, logits, target, tangent, draw_direction(r, rng, shape), options)


def draw_shape(r: random.Random) -> tuple[int, ...]:
    """Lead + (V,), mostly a few hundred numbers."""
    chance = r.random()
    if chance < 0.55:
        classes = r.randint(1, 12)
    elif chance < 0.9:
        classes = r.choice(EDGES) if r.random() < 0.7 else r.randint(10, 140)
    elif chance < 0.998:
        classes = r.choice(LONG[:4] if r.random() < 0.8 else LONG)
    else:
        classes = r.choice(LONGEST)
    if classes > 300:
        return r.choice([(classes,), (1, classes), (2, classes), (3, classes)])
    if r.random() < 0.003:  # several blocks of rows, and threads
        return (r.randint(3000, 9000) // max(1, classes // 8), classes)
    rows = r.randint(1, 12) if classes > 12 else r.randint(1, 40)
    if r.random() < 0.03:
        rows = 0
    lead = r.choice([(rows,)] * 6 + [()] + [(rows // 2, 2), (2, rows // 2), (3, 1, rows // 3)])
    return (*lead, classes)


def draw_logits(
    r: random.Random, rng: np.random.Generator, shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    """Ordinary rows and all kinds of hard ones, with infinities and NaN sprinkled in."""
    x = rng.standard_normal(shape)
    kind = r.choice(KINDS)
    if kind == "wide":
        x *= r.choice((5.0, 30.0, 300.0))
    elif kind == "offset":
        x = r.choice((1.0, 1.0, 8.0)) * x + r.choice((100.0, -100.0, 1e4, -1e4, 1e8))
    elif kind == "confident":
        x[..., r.randrange(shape[-1])] += 10 ** r.uniform(0.0, 2.5)
    elif kind == "equal":
        x[...] = r.choice((0.0, -0.0, 1.7, -60000.0))
    elif kind == "near tie":
        x = 3.0 + rng.integers(-4, 5, shape) * 2.0 ** (2 - PRECISION[dtype])
    elif kind == "huge":
        x = np.sign(x) * LARGEST[dtype] * (1.0 if r.random() < 0.5 else rng.random(shape))
    elif kind == "denormal":
        x *= SMALLEST[dtype] * r.choice((0.01, 1.0))
    elif kind == "grid":
        x = np.round(2.0 * x) / 2.0
    elif kind == "any size":
        top = np.log10(LARGEST[dtype])
        x = np.sign(x) * 10.0 ** rng.uniform(-top, top, shape)
    x = np.clip(x, -LARGEST[dtype], LARGEST[dtype])
    sprinkle(r, rng, x)
    return x.astype(DTYPES[dtype])


def sprinkle(r: random.Random, rng: np.random.Generator, x: np.ndarray) -> None:
    """Write -inf, and more rarely NaN, +inf or a row of -inf, into some of `x`."""
    if not x.size:
        return
    if r.random() < 0.25:
        x[rng.random(x.shape) < r.choice((0.05, 0.5))] = -np.inf
    if r.random() < 0.12:
        x.reshape(-1)[r.randrange(x.size)] = r.choice((np.nan, np.inf))
    if r.random() < 0.05:
        x.reshape(-1, x.shape[-1])[r.randrange(x.size // x.shape[-1])] = -np.inf


def draw_target(
    r: random.Random, rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[np.ndarray, dict[str, Any]]:
    """(target, options that go with it)."""
    options: dict[str, Any] = {}
    if r.random() < 0.35:
        if r.random() < 0.1:
            options["ignore_index"] = None
        return draw_soft(r, rng, shape), options
    target = rng.integers(shape[-1], size=shape[:-1])
    ignore = -100
    if r.random() < 0.15:
        ignore = r.choice((-1, 0, shape[-1] - 1, shape[-1], 255, -(2**62), 2**63 - 1))
        options["ignore_index"] = ignore
    if r.random() < 0.25:
        target = np.where(rng.random(shape[:-1]) < r.choice((0.2, 1.0)), ignore, target)
    return np.asarray(target, np.int64), options


def draw_soft(r: random.Random, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A soft target in a dtype of its own; it need not sum to 1."""
    kind = r.choice(("dense", "dense", "sparse", "one-hot", "zero", "signed", "sharp"))
    t = rng.exponential(size=shape)
    if kind == "sparse":
        t *= rng.random(shape) < 0.3
    elif kind == "one-hot":
        t = (np.arange(shape[-1]) == rng.integers(shape[-1], size=(*shape[:-1], 1))) * 1.0
    elif kind == "zero":
        t *= r.choice((0.0, -0.0))
    elif kind == "signed":
        t = rng.standard_normal(shape)
    elif kind == "sharp":
        t *= 10.0 ** rng.uniform(-9, 0, shape)
    if r.random() < 0.5:
        t /= np.maximum(np.abs(t).sum(axis=-1, keepdims=True), 1e-300)
    elif r.random() < 0.2:
        t *= r.choice((1e-3, 1e3))
    if t.size and r.random() < 0.03:
        t.reshape(-1)[r.randrange(t.size)] = np.nan
    return t.astype(r.choice(tuple(DTYPES.values())))


def draw_direction(
    r: random.Random, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
    """A finite direction in any of the four dtypes."""
    v = rng.standard_normal(shape)
    if r.random() < 0.3:
        v = v * r.choice((0.0, 1e-3, 1e3, 1.0)) + r.choice((0.0, 100.0))
    return v.astype(r.choice(tuple(DTYPES.values())))


def draw_options(
    r: random.Random, rng: np.random.Generator, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Each option by itself, all together, or none, edges of their ranges among them."""
    options: dict[str, Any] = {}
    likely = r.choice((0.0, 0.15, 0.15, 0.5))

    def maybe(name: str, *values: Any) -> None:
        if r.random() < likely:
            options[name] = r.choice(values)

    maybe("label_smoothing", 0.0, 0.1, 0.1, 1e-3, 1e-12, 1.0, 0.5)
    maybe("temperature", 0.7, 3.0, 2.0, 1e-3, 1e3, 1e-20, 1e20, 1)
    maybe("softcap", None, 30.0, 5.0, 1.0, 1e-3, 1e4, 1e20, 50)
    maybe("z_loss", 0.0, 1e-4, 1e-4, 0.5, 10.0, 1e-30)
    maybe("empty", "zero", "nan", "nan", "raise")
    for name, size in (("weight", shape[-1:]), ("row_weight", shape[:-1])):
        if r.random() < likely:
            options[name] = draw_weights(r, rng, size)
    options["reduction"] = r.choice(("mean", "sum", "none"))
    if options["reduction"] == "mean" and r.random() < 0.5:
        del options["reduction"]
    return options


def draw_weights(r: random.Random, rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    weights = np.asarray(rng.uniform(0.1, 3.0, size))
    chance = r.random()
    if chance < 0.4:
        weights = np.asarray(weights * (rng.random(size) < 0.7))
    elif chance < 0.47:
        weights = np.zeros(size)
    elif chance < 0.55:
        weights = np.asarray(weights * r.choice((1e-12, 1e12)))
    return weights
