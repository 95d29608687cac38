"""The soft cap c tanh(z / c): its differences and its slope, without cancellation.

Subtracting two capped logits near c would leave the rounding errors of two numbers of size c, which
exp turns into relative errors. Instead, for x >= y,

    tanh x - tanh y = 2 (1 - e^(-2(x-y))) f / ((1 + p) (1 + q)),   p = e^(-2|x|), q = e^(-2|y|),

with f the larger of p and q if x and y have one sign, else 1: factors only, no difference.
"""

from __future__ import annotations

import math

import numpy as np

from softxent.contracts import Array
from softxent.kernels import plain_pairs as pairs
from softxent.kernels.plain_pairs import Pair, single
from softxent.kernels.plain_rows import BLOCK


def capped_gap(top: Array, z: Array, softcap: float, temperature: float) -> tuple[Pair, Pair]:
    """Return (c tanh(top/c) - c tanh(z/c)) / T for top >= z, and e^(-2|z|/c).

    Float64 throughout, `low` is 0: a few ULP.
    """
    p, q = np.exp(-2.0 * (np.abs(top) / softcap)), np.exp(-2.0 * (np.abs(z) / softcap))
    f = np.where(z >= 0.0, q, np.where(top <= 0.0, p, 1.0))
    half = -np.expm1(-2.0 * ((top - z) / softcap)) * f / ((0.5 * (1.0 + p)) * (1.0 + q))
    return single(half * softcap / temperature), single(q)


def capped_gap_wide(top: Array, z: Array, softcap: float, temperature: float) -> tuple[Pair, Pair]:
    """As `capped_gap`, to a relative error of 2^-66: even a gap of 745 is right to 2^-56."""
    gap = Pair(np.empty_like(z), np.empty_like(z))
    decay = Pair(np.empty_like(z), np.empty_like(z))
    for start in range(0, z.shape[1], BLOCK):  # keeps the many temporaries of a long row small
        part = slice(start, start + BLOCK)
        results = _capped_gap_wide(top, z[:, part], softcap, temperature)
        for whole, result in zip((gap, decay), results, strict=True):
            whole.high[:, part], whole.low[:, part] = result
    return gap, decay


def slope(decay: Pair) -> Pair:
    """1 - tanh(z/c)^2 from e^(-2|z|/c)."""
    # sech(x)^2 = 4 q / (1 + q)^2
    above = pairs.plus(1.0, decay)
    return pairs.divided(pairs.scaled(decay, 4.0), pairs.times(above, above))


def tanh(z: Array, softcap: float, *, wide: bool) -> Pair:
    """tanh(z/c), relative error 2^-65 if wide."""
    if not wide:
        return single(np.tanh(z / softcap))
    # tanh |x| = -expm1(-2|x|) / (1 + e^(-2|x|)); 1 - e^(-2|x|) would lose a small x
    size, sign = pairs.scaled(pairs.over(single(np.abs(z)), softcap), -2.0), -np.copysign(1.0, z)
    half = pairs.divided(pairs.expm1(size), pairs.plus(1.0, pairs.exp(size)))
    return Pair(sign * half.high, sign * half.low)


def _capped_gap_wide(top: Array, z: Array, softcap: float, temperature: float) -> tuple[Pair, Pair]:
    p, q = _decay(top, softcap), _decay(z, softcap)
    growth = pairs.expm1(pairs.scaled(pairs.difference_over(top, z, softcap), -2.0))
    up, down = z >= 0.0, top <= 0.0
    f = Pair(
        np.where(up, q.high, np.where(down, p.high, 1.0)),
        np.where(up, q.low, np.where(down, p.low, 0.0)),
    )
    below = pairs.times(pairs.scaled(pairs.plus(1.0, p), 0.5), pairs.plus(1.0, q))
    half = pairs.divided(pairs.times(pairs.scaled(growth, -1.0), f), below)
    # half c / T by mantissas, and the powers of 2 last: nothing overflows on the way.
    (c, k), (t, j) = math.frexp(softcap), math.frexp(temperature)
    gap = pairs.over(pairs.times(half, single(c)), t)
    return Pair(np.ldexp(gap.high, k - j), np.ldexp(gap.low, k - j)), q


def _decay(z: Array, softcap: float) -> Pair:
    """e^(-2|z|/c)."""
    return pairs.exp(pairs.scaled(pairs.over(single(np.abs(z)), softcap), -2.0))
