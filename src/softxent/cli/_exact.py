"""The equations of one row in high precision (mpmath), to measure our own results against."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

DIGITS = 60  # the results measured have at most 17
_FORMATS = {"float32": (24, -149), "float64": (53, -1074)}  # precision, exponent of the smallest


def loss_and_gradient(logits: Any, target: int) -> tuple[Any, list[Any]]:
    """C and dC/dz of one row of logits, exact to about DIGITS digits."""
    with mpmath.workdps(DIGITS):
        z = [mpmath.mpf(float(value)) for value in logits]
        # C = log(sum_j e^{z_j}) - z_t = log1p(sum_{j != t} e^{z_j - z_t})
        others = mpmath.fsum(mpmath.exp(x - z[target]) for j, x in enumerate(z) if j != target)
        loss = mpmath.log1p(others)
        # y_i = e^{z_i - z_t} / (1 + others);  y_t - 1 = -others / (1 + others), nothing cancels
        gradient = [mpmath.exp(x - z[target]) / (1 + others) for x in z]
        gradient[target] = -others / (1 + others)
    return loss, gradient


def ulps(value: Any, exact: Any) -> float:
    """Error of a NumPy float in units in the last place of the exact value, in its own dtype."""
    precision, smallest = _FORMATS[np.asarray(value).dtype.name]
    if not np.isfinite(value):
        return float("inf")
    with mpmath.workdps(DIGITS):
        exponent = mpmath.frexp(exact)[1]
        ulp = mpmath.ldexp(1, max(exponent - precision, smallest))
        return float(abs(mpmath.mpf(float(value)) - exact) / ulp)
