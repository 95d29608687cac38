"""Is an output what is expected? Bars as in tests/contract/test_accuracy.py.

Half precision and float32 have the contract's bars; float64 has `FLOAT64`, because the reference
is float64 too: the bars there are held against mpmath by tests/contract, here the question is
whether the answer is a wrong one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .expected import Value
from .problem import DTYPES, PRECISION, SMALLEST

BARS = {
    "softmax": 6.0, "log_softmax": 4.0, "logsumexp": 4.0, "loss": 4.0, "grad": 6.0, "jvp": 6.0,
    "jvp_target": 6.0, "jvp_both": 6.0, "hvp": 6.0, "softmax_jvp": 6.0, "softmax_jacobian": 6.0,
    "hessian": 6.0, "hessian_diag": 6.0, "target_grad": 6.0, "stats.loss": 4.0,
    "stats.z_loss": 13.0, "stats.logprob": 4.0, "stats.entropy": 6.0, "stats.lse": 4.0,
    "stats.prediction": 0.0, "stats.rank": 0.0, "one_hot": 0.0,
}  # fmt: skip
# Parts of a linear layer: the products' own bound is in the error.
BARS |= {"input": 1.0, "linear_weight": 1.0, "linear_bias": 1.0}
ROUNDED_ONCE = ("grad", "target_grad", "input", "linear_weight", "linear_bias")
FLOAT64 = 64.0
OF_LOSS = ("logsumexp", "loss", "jvp", "jvp_target", "jvp_both")


def dtype_of(name: str, logits: str, soft: str | None) -> str:
    """The dtype that the contract gives an output."""
    loss = "float64" if logits == "float64" else "float32"
    if name in ("stats.prediction", "stats.rank"):
        return "int64"
    if name in OF_LOSS or name.startswith("stats."):
        return loss
    return soft or loss if name == "target_grad" else logits


def bar_of(name: str, dtype: str) -> float:
    if dtype == "float64":
        return FLOAT64
    half = dtype in ("bfloat16", "float16") and name in ROUNDED_ONCE
    return 0.51 if half else BARS[name]


def disagreement(name: str, got: Any, right: Value, dtype: str, unit: str) -> str | None:
    """Say how `got` differs from what is right; None if it does not.

    `dtype` is what it must be, `unit` the dtype whose last places count.
    """
    got = np.asarray(got)
    if got.dtype != DTYPES.get(dtype, np.dtype(np.int64)):
        return f"{name} is {got.dtype}, not {dtype}"
    if got.shape != np.shape(right.value):
        return f"{name} has shape {got.shape}, not {np.shape(right.value)}"
    wide, value = got.astype(np.float64), np.asarray(right.value, np.float64)
    off = ~_within(wide, value, tolerance(name, value, right, unit), dtype)
    if not off.any():
        return None
    at = np.unravel_index(int(off.argmax()), off.shape)
    scale = np.broadcast_to(right.scale, off.shape)[at]
    error = np.broadcast_to(right.error, off.shape)[at]
    return (
        f"{name}{[int(i) for i in at]} is {wide[at]!r}, the reference says {value[at]!r} "
        f"(scale {scale:.3g}, its own error {error:.3g}; {int(off.sum())} of {off.size} are off)"
    )


def tolerance(name: str, value: np.ndarray, right: Value, unit: str) -> np.ndarray:
    """How far an entry may be from the reference."""
    if unit == "int64":
        return np.zeros(value.shape)
    allowed = bars(name, value, right.scale + right.error, unit) + right.error
    return allowed if right.zero is False else np.where(right.zero, 0.0, allowed)


def bars(name: str, value: np.ndarray, scale: np.ndarray, unit: str) -> np.ndarray:
    """What the contract allows."""
    bar = bar_of(name, unit)
    if bar < 1:  # where terms add up past the largest one's binade, the result's own last place
        scale = np.maximum(scale, np.nan_to_num(np.abs(value), posinf=0.0))
    # Below the smallest normal number: within that.
    least = 0.0 if unit == "float16" else SMALLEST[unit]
    return bar * ulp(scale, unit) + least


def ulp(scale: np.ndarray, unit: str) -> np.ndarray:
    """The spacing of the dtype at `scale`."""
    _, exponent = np.frexp(np.maximum(scale, SMALLEST[unit]))
    return np.ldexp(1.0, exponent - PRECISION[unit])


def _within(got: np.ndarray, value: np.ndarray, allowed: np.ndarray, dtype: str) -> np.ndarray:
    """NaN where NaN, infinity where infinity or past the dtype's largest number."""
    near = np.abs(got - value) <= allowed
    both = (got == value) | (np.isnan(got) & np.isnan(value))
    if dtype == "int64":
        return both
    largest = float(np.finfo(DTYPES[dtype]).max) if dtype != "bfloat16" else 3.3895313892515355e38
    past = np.isinf(got) & (
        np.sign(got) * value + allowed >= largest * (1 - 2.0 ** -PRECISION[dtype])
    )
    return near | both | past
