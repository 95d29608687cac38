"""Softmax as the reference computes it, with a bound of the error of each of its numbers.

e_k = exp(a_k - m): an error of the difference is a relative error of e_k. The difference is off by
2 of its own ulps, and by those of a = softcap(z) / T, which for logits of 1e8 are much larger.
"""

from __future__ import annotations

import numpy as np

from softxent import reference

U = 2.0**-53


class Softmax:
    """Probabilities of rows (n, V) with their errors; `dx` bounds the error of x."""

    def __init__(self, z: np.ndarray, temperature: float = 1.0, softcap: float | None = None):
        a = reference.transform(z, temperature, softcap)
        self.m = m = a.max(axis=-1, keepdims=True)
        top = z == z.max(axis=-1, keepdims=True)
        da = np.where(np.isinf(a), 0.0, 4 * U * np.abs(a))
        if temperature == 1.0 and softcap is None:
            da = np.zeros_like(a)
        dm = da.max(axis=-1, keepdims=True, where=top, initial=0.0)
        self.gap = gap = m - a
        self.dgap = dgap = np.where(top | np.isinf(gap), 0.0, da + dm + 2 * U * gap)
        e = np.exp(-gap)
        # e^(d - gap) - e^(-d - gap), and exp's own
        de = np.exp(np.minimum(dgap - gap, 0.0)) * -np.expm1(-2 * dgap) + 2 * U * e
        whole = total(e)
        # The sum may be smaller by `spread` of itself; what that is for 1 / sum, and for its log.
        spread = np.minimum(total(de) / whole + 32 * U, 1.0)
        inverse, spread = spread / (1.0 - spread), -np.log1p(-spread)
        self.y = y = e / whole
        self.dy = (de + (e + de) * inverse) / whole
        self.dy[np.isfinite(gap)] += 2.0**-1060  # subnormal e and y are rounded to 2^-1074
        # What the largest class has to itself in a confident row is lost beside its own 1.
        largest = np.arange(len(z)), np.argmax(z, axis=-1)
        without = e.copy()
        without[largest] = 0.0
        s = total(without)
        log = np.log1p(s)
        self.q = q = gap + log
        self.dq = np.where(np.isinf(gap), 0.0, dgap + spread + 4 * U * q)
        self.lse, self.dlse = m + log, dm + spread + 2 * U * (np.abs(m) + log)
        self.others = 1.0 - y
        self.others[largest] = (s / (1.0 + s))[:, 0]
        self.lse_scale = np.maximum(np.abs(m), log)


def total(x: np.ndarray) -> np.ndarray:
    """The sum of each row, as a column."""
    return x.sum(axis=-1, keepdims=True)
