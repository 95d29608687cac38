"""The two exact arithmetics under the oracle, and the formats whose last places it counts in.

``MPMATH``: object arrays of 256-bit `mpf`, the formulas as they are written.
``LONG``: NumPy's long double, vectorised; shifts and quotients carry their rounding error along,
because the exponential turns an absolute error of its argument into a relative one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath
import numpy as np

MP = (
    mpmath.MPContext()
)  # a context of our own: mpmath's global precision stays as the caller has it
MP.prec = 256
DTYPES = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
# name: (bits of precision, exponent of the smallest normal, exponent of the largest binade)
FORMATS = {
    "float64": (53, -1022, 1023),
    "float32": (24, -126, 127),
    "bfloat16": (8, -126, 127),
    "float16": (11, -14, 15),
}
LONG_PRECISION = np.finfo(np.longdouble).nmant + 1


class _Mpmath:
    """Object arrays of 256-bit `mpf`; the formulas as they are written."""

    name = "mpmath"
    exp = staticmethod(np.frompyfunc(MP.exp, 1, 1))
    tanh = staticmethod(np.frompyfunc(MP.tanh, 1, 1))

    def array(self, x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype != object:
            x = x.astype(np.float64)
        out = np.empty(x.shape, object)
        out.flat = [self.number(v) for v in x.ravel().tolist()]
        return out

    def number(self, x: Any) -> Any:
        if isinstance(x, Fraction):
            return MP.mpf(x.numerator) / x.denominator
        if isinstance(x, np.longdouble):  # two float64 hold its 64 bits
            high = float(x)
            low = float(x - np.longdouble(high)) if np.isfinite(high) else 0.0
            return MP.mpf(high) + MP.mpf(low)
        return MP.mpf(x if isinstance(x, mpmath.ctx_mp_python._mpf) else float(x))

    def log1p(self, x: Any) -> Any:
        return MP.log1p(x)

    def sum(self, x: np.ndarray) -> Any:
        return sum(x.tolist(), MP.mpf(0))

    def sech2(self, z: np.ndarray, c: Any) -> np.ndarray:
        """1 - tanh(z / c)^2."""
        return np.frompyfunc(lambda x: 1 / MP.cosh(x) ** 2, 1, 1)(z / c)

    def gap(self, z: np.ndarray, m: Any, temperature: Any, softcap: Any) -> tuple[Any, Any]:
        """(a_max - a_k, exp(a_k - a_max)), a = softcap * tanh(z / softcap) / temperature."""
        if softcap is None:
            g = (m - z) / temperature
        else:
            capped = softcap * (self.tanh(m / softcap) - self.tanh(z / softcap)) / temperature
            g = np.where(z == MP.ninf, MP.inf, capped)
        return g, self.exp(-g)


class _Long:
    """Long double arrays, with the rounding error of every shift and quotient carried along."""

    name = "long"

    def array(self, x: Any) -> np.ndarray:
        x = np.asarray(x)
        return (x if x.dtype == np.longdouble else x.astype(np.float64)).astype(np.longdouble)

    def number(self, x: Any) -> Any:
        if isinstance(x, Fraction):
            return np.longdouble(x.numerator) / np.longdouble(x.denominator)
        return x if isinstance(x, np.longdouble) else np.longdouble(float(x))

    def log1p(self, x: Any) -> Any:
        return np.log1p(x)

    def sum(self, x: np.ndarray) -> Any:
        return np.sum(np.ascontiguousarray(x))  # pairwise

    def exp(self, high: Any, low: Any = 0) -> Any:
        e = np.exp(high)
        return np.where(e == 0, 0, e * (1 + low))

    def tanh(self, x: Any) -> Any:
        return np.tanh(x)

    def sech2(self, z: np.ndarray, c: Any) -> np.ndarray:
        x, low = _divide(z, 0, c)
        e = self.exp(-2 * np.abs(x), -2 * np.sign(x) * low)
        return 4 * e / (1 + e) ** 2

    def gap(self, z: np.ndarray, m: Any, temperature: Any, softcap: Any) -> tuple[Any, Any]:
        d, d_low = _two_difference(m, z)
        if softcap is None:
            g, g_low = _divide(d, d_low, temperature)
            return g, self.exp(-g, -g_low)
        # For x >= y, with p = max(y, -x, 0):
        # tanh x - tanh y = 2 e^(-2p) (1 - e^(-2(x-y))) / ((1 + e^(-2|x|)) (1 + e^(-2|y|)))
        delta, _ = _divide(d, d_low, softcap)
        x, x_low = _divide(m, 0, softcap)
        y, y_low = _divide(z, 0, softcap)
        p = np.maximum(np.maximum(y, -x), 0)
        p_low = np.where(p == 0, 0, np.where(y >= -x, y_low, -x_low))
        below = (1 + np.exp(-2 * np.abs(x))) * (1 + np.exp(-2 * np.abs(y)))
        capped = 2 * self.exp(-2 * p, -2 * p_low) * -np.expm1(-2 * delta) / below
        g = np.where(z == -np.inf, np.inf, softcap * capped / temperature)
        return g, np.exp(-g)


def _two_difference(a: Any, b: Any) -> tuple[Any, Any]:
    """a - b as rounded value and exact rounding error (0 where the value is not finite)."""
    d = a - b
    t = d - a
    low = (a - (d - t)) - (b + t)
    return d, np.where(np.isfinite(d), low, 0)


def _divide(high: Any, low: Any, q: Any) -> tuple[Any, Any]:
    """(high + low) / q as rounded value and remainder."""
    if q == 1:
        return high, low
    value = high / q
    half = (LONG_PRECISION + 1) // 2
    split = np.longdouble(2) ** half + 1

    def parts(x: Any) -> tuple[Any, Any]:
        big = split * x
        top = big - (big - x)
        return top, x - top

    (v1, v2), (q1, q2) = parts(value), parts(np.longdouble(q))
    product = value * q
    error = ((v1 * q1 - product) + v1 * q2 + v2 * q1) + v2 * q2  # value * q == product + error
    rest = (((high - product) - error) + low) / q
    return value, np.where(np.isfinite(rest), rest, 0)


MPMATH, LONG = _Mpmath(), _Long()


# ---------------------------------------------------------------------------- error in ULP


def ulp_error(got: Any, exact: Any, dtype: Any, scale: Any = None) -> Any:
    """|got - exact| in units of the last place that `scale` (default |exact|) has in `dtype`.

    Vectorised, float64. Below the smallest normal the contract asks for an absolute error of at
    most that normal: there 0.0 is returned when it holds (else units of the normal's last place).
    float16 keeps its subnormal spacing as the unit, so 0.51 stays the bar. Equal infinities, and
    NaN for NaN, count 0; a lone one counts inf; inf for what rounds to inf counts 0.
    """
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    precision, low, high = FORMATS[name]
    got, exact = np.asarray(got), np.asarray(exact)
    got = got if got.dtype in (object, np.longdouble) else got.astype(np.float64)
    scale = np.asarray(abs(exact if scale is None else np.asarray(scale)))
    if object in (got.dtype, exact.dtype, scale.dtype):
        f = np.frompyfunc(lambda g, x, s: _ulp_error_mp(g, x, s, name), 3, 1)
        with np.errstate(invalid="ignore"):
            return np.asarray(f(got, exact, scale)).astype(np.float64)[()]
    got, exact, scale = (np.asarray(x).astype(np.longdouble) for x in (got, exact, scale))
    got, exact, scale = np.broadcast_arrays(got, exact, scale)
    one = np.longdouble(1)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(got - exact)
        exponent = np.frexp(np.where(np.isfinite(scale), scale, 0))[1] - 1
        small = scale < np.ldexp(one, low)
        unit = np.ldexp(one, np.where(small, low, exponent) - (precision - 1))
        result = np.where(error == 0, 0, error / unit)
    if name != "float16":
        result = np.where(small & (error <= np.ldexp(one, low)), 0, result)
    overflow = np.ldexp(one, high) * (2 - np.ldexp(one, -precision))
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    same |= np.isinf(got) & (np.abs(exact) >= overflow) & (np.sign(got) == np.sign(exact))
    bad = ~np.isfinite(got) | ~np.isfinite(exact)
    return np.where(same, 0, np.where(bad, np.inf, result)).astype(np.float64)[()]


def _ulp_error_mp(got: Any, exact: Any, scale: Any, name: str) -> float:
    precision, low, high = FORMATS[name]
    got, exact, scale = MPMATH.number(got), MPMATH.number(exact), MPMATH.number(scale)
    if MP.isnan(got) or MP.isnan(exact):
        return 0.0 if MP.isnan(got) and MP.isnan(exact) else float("inf")
    if got == exact:
        return 0.0
    if (
        MP.isinf(got)
        and abs(exact) >= MP.ldexp(2 - MP.ldexp(1, -precision), high)
        and (got > 0) == (exact > 0)
    ):
        return 0.0
    if MP.isinf(got) or MP.isinf(exact):
        return float("inf")
    error, normal = abs(got - exact), MP.ldexp(1, low)
    if scale < normal:
        if name != "float16" and error <= normal:
            return 0.0
        exponent = low
    else:
        exponent = MP.mag(scale) - 1
    return float(error / MP.ldexp(1, exponent - (precision - 1)))
