"""The equations in 60 digits (mpmath), and errors counted in units in the last place.

Written once more on purpose, from the equations and not from our code: a yardstick must not be the
thing measured. Two arithmetics stand behind the same lines:

MPMATH   60 digits, for any dtype; about 60 microseconds a class, all results together.
FLOAT64  NumPy, 100 times faster, for float32, bfloat16 and float16: what it loses is less than
         1e-5 ULP of float32, which a test holds it to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import mpmath
import numpy as np

DIGITS = 60  # the results measured have at most 17
MP = mpmath.MPContext()  # our own: mpmath's global precision stays as the caller has it
MP.dps = DIGITS

# dtype: bits of precision, exponent of the smallest normal number
FORMATS = {
    "float32": (24, -126),
    "float64": (53, -1022),
    "bfloat16": (8, -126),
    "float16": (11, -14),
}

Array = np.ndarray[Any, np.dtype[Any]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


class Arithmetic(NamedTuple):
    """Arrays of numbers, made from floats without rounding, and the functions that act on them."""

    array: Callable[[Any], Array]
    exp: Callable[[Any], Any]
    log1p: Callable[[Any], Any]


def _mpf(values: Any) -> Array:
    wide = np.asarray(values).astype(np.float64)
    return np.asarray(_to_mpf(wide.astype(object)), object)  # a lone number becomes 0-d


def _float64(values: Any) -> Array:
    return np.asarray(values).astype(np.float64)


_to_mpf = np.frompyfunc(MP.mpf, 1, 1)
MPMATH = Arithmetic(_mpf, np.frompyfunc(MP.exp, 1, 1), np.frompyfunc(MP.log1p, 1, 1))
FLOAT64 = Arithmetic(_float64, np.exp, np.log1p)


class Truth(NamedTuple):
    """Exact numbers as sums of two float64, and the magnitude in whose last places errors count."""

    high: Floats
    low: Floats
    scale: Floats


class Rows:
    """All results for logits (N, V) and class indices (N,).

    The sum over "the others" is a sum of its own, never 1 - y, so no digit cancels. A `*_scale` is
    the magnitude that an accuracy bound is relative to, where it is not that of the value.
    """

    def __init__(self, logits: Any, target: Any, arithmetic: Arithmetic = MPMATH) -> None:
        self.arithmetic = arithmetic
        self.target = np.asarray(target)
        self.z = arithmetic.array(logits)
        self.each = np.arange(len(self.z))
        self.top, self.e, self.s = _shifted(self.z, arithmetic)
        self.total = 1 + self.s

    @cached_property
    def softmax(self) -> Array:
        """y_k = e_k / (1 + s)."""
        y: Array = self.e / self.total[:, None]
        return y

    @cached_property
    def log_softmax(self) -> Array:
        """log y_k = -((m - z_k) + log(1 + s)), two terms of one sign."""
        m = self.z[self.each, self.top]
        log_y: Array = -((m[:, None] - self.z) + self.arithmetic.log1p(self.s)[:, None])
        return log_y

    @property
    def logsumexp(self) -> Array:
        """lse = m + log(1 + s)."""
        lse: Array = self.z[self.each, self.top] + self.arithmetic.log1p(self.s)
        return lse

    @property
    def logsumexp_scale(self) -> Array:
        """The larger of the two terms: they cancel where the logits are log-probabilities."""
        m = self.z[self.each, self.top]
        return np.asarray(np.maximum(abs(m), self.arithmetic.log1p(self.s)))

    @property
    def loss(self) -> Array:
        """C = -log y_t."""
        loss: Array = -self.log_softmax[self.each, self.target]
        return loss

    @cached_property
    def gradient(self) -> Array:
        """dC/dz_i = y_i - t_i, at the target as -(sum of the other y)."""
        gradient = self.softmax.copy()
        gradient[self.each, self.target] = -_sum_without(self.e, self.target) / self.total
        return gradient

    def jvp(self, tangent: Any) -> tuple[Array, Array]:
        """sum_i dC/dz_i v_i, and the sum of its terms' magnitudes."""
        terms = self.gradient * self.arithmetic.array(tangent)
        return terms.sum(axis=1), abs(terms).sum(axis=1)

    def hvp(self, vector: Any) -> tuple[Array, Array]:
        """y_i (v_i - <y, v>), and y_i (|v_i| + <y, |v|>), with v relative to its arg-max entry."""
        v = self.arithmetic.array(vector)
        v = v - v[self.each, self.top][:, None]
        terms = self.softmax * v
        mean, size = terms.sum(axis=1)[:, None], abs(terms).sum(axis=1)[:, None]
        return terms - self.softmax * mean, abs(terms) + self.softmax * size

    def gradient_with_options(
        self,
        *,
        weight: Any,
        label_smoothing: float,
        temperature: float,
        softcap: float,
        z_loss: float,
    ) -> tuple[Array, Array]:
        """dC/dz_i = J_i (p_i - q_i + r_i), every option in it, and J_i max(|p_i|, |q_i|, |r_i|).

        p_i = y_i sum_{j != i} w_j    q_i = w_i sum_{j != i} y_j    r_i = 2 z_loss lse y_i
        """
        number = self.arithmetic.array
        c, t, smoothing = number(softcap), number(temperature), number(label_smoothing)
        # a = c tanh(z/c) / T and J = sech^2(z/c) / T by x = e^{-2|z|/c}: nothing cancels in J
        x = self.arithmetic.exp(-2 * abs(self.z) / c)
        a = np.where(self.z < 0, -1, 1) * (c * (1 - x) / (1 + x) / t)
        slope = 4 * x / (1 + x) ** 2 / t
        top, e, s = _shifted(a, self.arithmetic)
        y = e / (1 + s)[:, None]
        lse = (a[self.each, top] + self.arithmetic.log1p(s))[:, None]
        others = (1 + s)[:, None] - e  # loses nothing but at the arg-max, where it is s
        others[self.each, top] = s
        w = number(weight) * (smoothing / self.z.shape[1]) + 0 * self.z
        w[self.each, self.target] += number(weight)[self.target] * (1 - smoothing)
        p = y * (w.sum(axis=1)[:, None] - w)
        q = w * others / (1 + s)[:, None]
        r = 2 * number(z_loss) * lse * y
        return slope * (p - q + r), slope * np.maximum(np.maximum(p, q), abs(r))


def worst(got: Any, exact: Array, dtype: str) -> float:
    """Return the largest error of `got` in units of the last place of its exact value."""
    return float(ulps(got, split(exact), dtype).max())


def split(values: Array, scale: Array | None = None) -> Truth:
    """Round numbers of either arithmetic to two float64 each; `scale` is |value| unless given."""
    high = values.astype(np.float64)
    low = (values - high).astype(np.float64)
    return Truth(high, low, np.abs(high) if scale is None else scale.astype(np.float64))


def ulps(got: Any, truth: Truth, dtype: str) -> Floats:
    """Count |got - exact| in units of the last place that the scale has in `dtype`.

    Below the smallest normal number an absolute error of at most that number counts 0; float16,
    whose range ends early, keeps the spacing of its subnormals as the unit. NaN and infinities
    count as infinitely wrong: no exact result here is one.
    """
    precision, smallest = FORMATS[dtype]
    got = np.asarray(got).astype(np.float64)
    if got.shape != truth.high.shape:
        raise ValueError(
            f"softxent.measure.truth.ulps: got has the shape {got.shape}; expected "
            f"{truth.high.shape}, that of the exact values"
        )
    with np.errstate(all="ignore"):
        # got - high is exact where the two are close, so what is lost is 2^-53 of the error itself
        error = np.abs((got - truth.high) - truth.low)
        exponent = np.where(truth.scale > 0, np.frexp(truth.scale)[1] - 1, smallest)
        count = np.ldexp(error, precision - 1 - np.maximum(exponent, smallest))
    if dtype != "float16":
        count = np.where((truth.scale < 2.0**smallest) & (error <= 2.0**smallest), 0.0, count)
    return np.where(np.isfinite(got), count, np.inf)


def _shifted(a: Array, arithmetic: Arithmetic) -> tuple[Array, Array, Array]:
    """The arg-max of each row, e^{a_k - a_max}, and s, their sum without the arg-max's own 1."""
    top = np.argmax(a, axis=1)
    e = np.asarray(arithmetic.exp(a - a[np.arange(len(a)), top][:, None]))
    return top, e, _sum_without(e, top)


def _sum_without(values: Array, index: Array) -> Array:
    """Sum each row but for one entry."""
    rest = values.copy()
    rest[np.arange(len(rest)), index] *= 0
    return np.asarray(rest.sum(axis=1))
