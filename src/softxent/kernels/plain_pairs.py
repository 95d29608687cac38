"""Arithmetic beyond float64: a number as an unevaluated sum high + low of two float64, vectorised.

NumPy has no fused multiply-add and its long double is float64 on some machines, so this is Dekker's
and Knuth's arithmetic throughout: the same bits wherever float64 is IEEE's. A pair carries about
104 bits; `low` is 0 where `high` is not finite.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache
from typing import NamedTuple

import numpy as np

from softxent.contracts import Array


class Pair(NamedTuple):
    """high + low, with |low| at most half a unit in the last place of high."""

    high: Array
    low: Array


def single(x: Array | float) -> Pair:
    """Make a pair of one float64."""
    return Pair(np.asarray(x, dtype=np.float64), np.zeros(1))


def total(x: Array) -> Pair:
    """Sum each row of `x` (R, V) into a pair (R, 1): TwoSum up a binary tree over the columns.

    The tree depends on V alone. Error of high + low: 2^-53 of high for the one rounding, and about
    2^-105 log2(V) of the sum of magnitudes; only infinities lose their low part.
    """
    low = np.zeros((len(x), 1))
    while (width := x.shape[1]) > 1:
        half = (width + 1) // 2
        paired = width - half  # an odd column is left over, in the middle
        high, error = two_sum(x[:, :paired], x[:, half:])
        low += error.sum(axis=1, keepdims=True)
        x = high if paired == half else np.concatenate([high, x[:, paired:half]], axis=1)
    return _pair(*two_sum(x, finite(low)))


def difference_over(a: Array, b: Array, divisor: float) -> Pair:
    """(a - b) / divisor, with a - b exact; it overflows only where the quotient does."""
    d, error = two_sum(a, -b)
    quotient = over(Pair(d, finite(error)), divisor)
    overflows = np.isinf(d) & np.isfinite(a) & np.isfinite(b)
    if overflows.any():  # logits around +-1.7e308: from the halves
        d, error = two_sum(a / 2, -b / 2)
        half = over(Pair(d, finite(error)), divisor)
        return Pair(*(np.where(overflows, 2 * h, q) for h, q in zip(half, quotient, strict=True)))
    return quotient


def over(a: Pair, divisor: float) -> Pair:
    """Divide a pair by a float64 of any size."""
    if divisor == 1.0:
        return a
    # divisor = mantissa 2^k, so that the splitting of the product cannot overflow.
    mantissa, k = math.frexp(divisor)
    high, low = np.ldexp(a.high, -k), np.ldexp(a.low, -k)
    quotient = high / mantissa
    product, error = two_product(quotient, mantissa)
    return _pair(quotient, (((high - product) - error) + low) / mantissa)


def scaled(a: Pair, power: float) -> Pair:
    """Multiply a pair by plus or minus a power of 2."""
    return Pair(a.high * power, a.low * power)


def times(a: Pair, b: Pair) -> Pair:
    """Multiply two pairs."""
    product, error = two_product(a.high, b.high)
    return _pair(product, error + (a.high * b.low + a.low * b.high))


def add(a: Pair, b: Pair) -> Pair:
    """Add two pairs."""
    high, error = two_sum(a.high, b.high)
    return _pair(high, error + (a.low + b.low))


def minus(a: Pair, b: Pair) -> Pair:
    """Subtract two pairs."""
    return add(a, scaled(b, -1.0))


def divided(a: Pair, b: Pair) -> Pair:
    """Divide two pairs."""
    quotient = a.high / b.high
    product, error = two_product(quotient, b.high)
    rest = ((a.high - product) - error) + (a.low - quotient * b.low)
    return _pair(quotient, rest / b.high)


def exp(a: Pair) -> Pair:
    """e^a for a <= 0, relative error below 2^-75 while the result is far from underflow."""
    power, k, growth = _reduced(a)
    high, low = times(power, plus(1.0, growth))
    return Pair(np.ldexp(high, k), np.ldexp(low, k))


def expm1(a: Pair) -> Pair:
    """e^a - 1 for a <= 0, relative error below 2^-66."""
    power, k, growth = _reduced(a)
    high, low = times(power, plus(1.0, growth))
    far = plus(-1.0, Pair(np.ldexp(high, k), np.ldexp(low, k)))
    near = np.abs(a.high) < _LN2 / 128  # there k = 0 and the power is 1: nothing cancels
    return Pair(np.where(near, growth.high, far.high), np.where(near, growth.low, far.low))


def plus(constant: float, a: Pair) -> Pair:
    """Add a pair to a constant that is not smaller."""
    high = constant + a.high
    return _pair(high, (a.high - (high - constant)) + a.low)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b and its rounding error, exactly (Knuth); the error is NaN where the sum is infinite."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Array, b: Array | float) -> tuple[Array, Array]:
    """a * b and its rounding error, exactly (Dekker); for factors below 2^996."""
    product = a * b
    a1, a2 = _split(a)
    b1, b2 = _split(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def finite(low: Array) -> Array:
    """Return `low` with 0 where it is not finite: beside an infinity nothing is left to correct."""
    return np.where(np.isfinite(low), low, 0.0)


_LN2 = math.log(2.0)


def _pair(high: Array, low: Array) -> Pair:
    s = high + low
    return Pair(np.where(np.isfinite(s), s, high), finite(low - (s - high)))


def _split(a: Array | float) -> tuple[Array, Array]:
    """26 leading bits of a, and the rest."""
    big = np.multiply(134217729.0, a)  # 2^27 + 1
    top = big - (big - a)
    return top, a - top


def _reduced(a: Pair) -> tuple[Pair, Array, Pair]:
    """Reduce e^a = 2^k power (1 + growth), with power = 2^(j/64) from a table."""
    powers, powers_low, steps = _table()
    high = np.maximum(a.high, -1100.0)  # 0 from -746 on; NaN stays
    a_low = np.where(a.high < -1100.0, 0.0, a.low)  # that of 1e130 is 1e113
    n = np.rint(high * (64 / _LN2))
    # r = a - n ln2 / 64: the first two parts of ln2 / 64 have 35 bits, n has 17.
    r, error1 = two_sum(high, -n * steps[0])
    r, error2 = two_sum(r, -n * steps[1])
    r, low = _pair(r, error1 + error2 + (a_low - n * steps[2]))
    # e^r - 1 = r + r^2/2 + ...; |r| <= 0.0055 and r^8/8! < 2^-75. Only r and r^2/2 need pairs.
    square, error = two_product(r, r)
    tail = 1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040)))
    s = r + square / 2
    error = error / 2 + (square / 2 - (s - r)) + low + r * low
    index = n.astype(np.int64)
    j = index & 63
    growth = _pair(s, error + square * r * tail)
    return Pair(powers[j], powers_low[j]), (index >> 6).astype(np.int32), growth


@cache
def _table() -> tuple[Array, Array, tuple[float, float, float]]:
    """2^(j/64) for j < 64 as pairs, and ln2 / 64 in three parts; from 50 decimals, in 1 ms."""
    with localcontext() as context:
        context.prec = 50
        powers = [Decimal(2) ** (Decimal(j) / 64) for j in range(64)]
        high = [float(p) for p in powers]
        low = [float(p - Decimal(h)) for p, h in zip(powers, high, strict=True)]
        step = Decimal(2).ln() / 64
        first = int(step * 2**41) / 2**41
        second = int((step - Decimal(first)) * 2**76) / 2**76
        third = float(step - Decimal(first) - Decimal(second))
    return np.array(high), np.array(low), (first, second, third)
