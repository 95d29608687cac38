"""The softmax of a block of rows: all of a row that does not depend on its target.

Two ways to take the differences a_max - a_k: in float64, enough for the three narrow dtypes, and
as pairs ("wide", for float64 results). An error in a difference is a relative error in its
exponential, so a difference of 700 rounded to float64 would cost up to 500 ULP there.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from softxent.contracts import Array
from softxent.kernels import plain_pairs as pairs
from softxent.kernels import plain_softcap as capped
from softxent.kernels.plain_pairs import Pair, single


class Softmax:
    """A block of rows z (R, V) in float64.

    Columns (R, 1): `top`, the largest logit m; `s`, the sum of the others' e^(a_k - a_max);
    `log1p_s`. Arrays (R, V): `gap` = a_max - a_k, with its rounding error `gap_low` if wide;
    `e` = exp(-gap). A row with NaN, with +inf or all -inf has s = NaN, which every result inherits.
    """

    def __init__(
        self,
        z: Array,
        temperature: float = 1.0,
        softcap: float | None = None,
        *,
        wide: bool,
        s: Array | None = None,
    ) -> None:
        self.z, self.temperature, self.softcap, self.wide = z, temperature, softcap, wide
        self.leader = np.arange(len(z)), np.argmax(z, axis=1)  # the first largest, or first NaN
        top = z[self.leader][:, np.newaxis]
        self.top = np.where(np.isfinite(top), top, np.nan)
        (self.gap, self.gap_low), self._decay = self._gap(self.top, z)
        # exp(-(gap + low)) = exp(-gap) (1 - low)
        self.e = np.exp(-self.gap)
        if wide:
            self.e -= self.e * self.gap_low
        if s is None:
            # Without the largest's own 1, beside which a confident row would lose the others.
            self.e[self.leader] = 0.0
            s = np.where(np.isnan(self.top), np.nan, self.total(self.e))
        self.e[self.leader] = 1.0
        self.s = s
        self.log1p_s = np.log1p(s)

    @cached_property
    def rest(self) -> Array:
        """Sum over j != i of e_j for each i: s for the leader, and for others at least 1."""
        rest = self._rest_of(self.s, self.e)
        rest[self.leader] = self.s[:, 0]
        return rest

    def rest_at(self, classes: Array) -> Array:
        """`rest` at one class a row, as a column."""
        rows, leader = self.leader
        e = self.e[rows, classes][:, np.newaxis]
        return np.where((classes == leader)[:, np.newaxis], self.s, self._rest_of(self.s, e))

    def _rest_of(self, s: Array, e: Array) -> Array:
        if self.wide:
            return pairs.add(pairs.add(single(s), single(-e)), single(1.0)).high
        rest = s - e
        rest += 1.0
        return rest

    @cached_property
    def minus_log(self) -> Array:
        """-log y_k = gap + log1p(s)."""
        minus_log = self.gap + self.log1p_s
        if self.wide:
            minus_log += self.gap_low
        return minus_log

    @cached_property
    def lse(self) -> Pair:
        """a_max + log1p(s), a column; where the two cancel only log1p(s)'s own rounding is left."""
        # a is odd and increasing: a(m) is the gap between |m| and 0, with the sign of m.
        size = np.abs(self.top)
        (high, low), _ = self._gap(size, np.zeros_like(size))
        sign = np.copysign(1.0, self.top)
        return pairs.add(Pair(sign * high, sign * low), single(self.log1p_s))

    @cached_property
    def exact_lse(self) -> Pair:
        """`lse`, wide, in twice the precision: what is left where its two terms cancel counts.

        z-loss needs it, which squares lse: the rounding of log1p(s) cost 450 ULP of the gradient.
        """
        if not self.wide:
            return self.lse
        high, low = pairs.exp(Pair(-self.gap, -self.gap_low))
        high[self.leader] = low[self.leader] = 0.0
        s = pairs.add(pairs.total(high), pairs.total(low))
        # One Newton step on log: L + ((1 + s) e^-L - 1), with an error of its square.
        first = single(np.log1p(s.high))
        ratio = pairs.times(pairs.add(s, single(1.0)), pairs.exp(pairs.scaled(first, -1.0)))
        rest = pairs.add(ratio, single(-1.0))
        known = np.isfinite(self.s)
        rest = Pair(np.where(known, rest.high, 0.0), np.where(known, rest.low, 0.0))
        log1p_s = pairs.add(Pair(np.where(known, first.high, self.log1p_s), first.low), rest)
        return pairs.add(pairs.add(self.lse, single(-self.log1p_s)), log1p_s)

    @cached_property
    def slope(self) -> Pair | None:
        """T da/dz_k = 1 - tanh(z_k/c)^2; None without softcap."""
        return None if self._decay is None else capped.slope(self._decay)

    @cached_property
    def bend(self) -> Pair | None:
        """-(T/2) c d2a/dz_k2 = tanh(z_k/c) (1 - tanh(z_k/c)^2); None without softcap."""
        if self.softcap is None or self.slope is None:
            return None
        return pairs.times(capped.tanh(self.z, self.softcap, wide=self.wide), self.slope)

    @cached_property
    def one_plus_s(self) -> Pair:
        """1 + s, the sum of e_k."""
        return Pair(*pairs.two_sum(np.ones_like(self.s), self.s))

    def small_gap(self, by: float) -> Array:
        """`gap` times a small power of 2, without overflow; but for a softcap of that size."""
        if self.softcap is not None:
            return self.gap * by
        return pairs.difference_over(self.top * by, self.z * by, self.temperature).high

    def total(self, x: Array) -> Array:
        """Sum each row of (R, V), as a column: pairwise, and compensated too for wide results."""
        if not self.wide:
            pairwise: Array = np.sum(x, axis=1, keepdims=True)
            return pairwise
        high, low = pairs.total(x)
        return high + low

    def _gap(self, top: Array, z: Array) -> tuple[Pair, Pair | None]:
        """Return a(top) - a(z) for top >= z, +inf where z is -inf; with a softcap also e^(-2|z|/c).

        The `low` parts are 0 unless wide.
        """
        if self.softcap is not None:
            capped_gap = capped.capped_gap_wide if self.wide else capped.capped_gap
            (gap, low), decay = capped_gap(top, z, self.softcap, self.temperature)
            # -inf is a mask: looked at before the cap, which would make it -c.
            masked = np.isneginf(z)
            return Pair(np.where(masked, np.inf, gap), np.where(masked, 0.0, low)), decay
        if self.wide:
            return pairs.difference_over(top, z, self.temperature), None
        gap = top - z
        if self.temperature != 1.0:
            gap /= self.temperature
        return single(gap), None


def product(coefficient: Array | float, x: Array) -> Array:
    """Multiply with 0 inf = 0, class by class; NaN is not hidden."""
    result = coefficient * x
    hidden = np.isinf(x)
    if hidden.any():
        result = np.where(hidden & (coefficient == 0.0), 0.0, result)
    return result


def centred(p: Softmax, v: Array) -> tuple[Pair, Pair, Pair]:
    """Return v' - v'_m, its mean <y, v' - v'_m>, and v'_m: v' = T J v, m the largest logit's class.

    The large y_m drops out of the mean, and with it the cancellation of v'_m - <y, v'>. Pairs,
    because slopes and tangents may be so alike that rounded products would leave nothing.
    """
    turned = single(v) if p.slope is None else pairs.times(p.slope, single(v))
    at_m = Pair(*(np.broadcast_to(x, v.shape)[p.leader][:, np.newaxis] for x in turned))
    direction = pairs.add(turned, pairs.scaled(at_m, -1.0))
    return direction, pairs.divided(pairs.total(p.e * direction.high), p.one_plus_s), at_m
