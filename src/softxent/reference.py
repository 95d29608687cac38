"""Every equation in float64 NumPy, dense and plain: read it first; tests hold all else to it.

The class axis comes last. Nothing is clever beyond shifting by the largest logit, so expect 1e-15
absolute, not the last place of small results; the kernels keep that. The options are those of the
public functions, and `bind` is where they are listed and turned into numbers. The equations as text
are in formula.py, the last layer (`linear_cross_entropy`) is in reference_linear.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# ------------------------------------------------------------------ softmax


def softmax(logits: ArrayLike, *, temperature: float = 1.0, softcap: float | None = None) -> Array:
    """Return y_k = e^{a_k} / Σ_j e^{a_j}; NaN for a row of only −inf, or with +inf or NaN."""
    a = transform(logits, temperature, softcap)
    with np.errstate(invalid="ignore", over="ignore"):
        # y_k = e^{a_k − m} / Σ_j e^{a_j − m}
        e = np.exp(a - _max(a))
        return e / _sum(e)


def log_softmax(
    logits: ArrayLike, *, temperature: float = 1.0, softcap: float | None = None
) -> Array:
    """Return log y_k = (a_k − m) − log Σ_j e^{a_j − m}."""
    return -_surprisal(transform(logits, temperature, softcap))


def logsumexp(
    logits: ArrayLike, *, temperature: float = 1.0, softcap: float | None = None
) -> Array:
    """Return lse = log Σ_j e^{a_j}, without the class axis."""
    return _logsumexp(transform(logits, temperature, softcap))[..., 0]


def softmax_jacobian(logits: ArrayLike) -> Array:
    """Return ∂y_k/∂z_i = y_k (δ_ki − y_i) at [..., k, i]."""
    y = softmax(logits)
    return y[..., :, None] * (np.eye(y.shape[-1]) - y[..., None, :])


def softmax_jvp(logits: ArrayLike, tangent: ArrayLike) -> Array:
    """Return y_k (v_k − Σ_j y_j v_j)."""
    y, v = softmax(logits), np.asarray(tangent, np.float64)
    return y * (v - _sum(y * v))


def softmax_vjp(logits: ArrayLike, cotangent: ArrayLike) -> Array:
    """Return Σ_k v_k ∂y_k/∂z_i: the Jacobian is symmetric, so this is `softmax_jvp`."""
    return softmax_jvp(logits, cotangent)


def one_hot(target: ArrayLike, num_classes: int) -> Array:
    """Return t_k = δ_{k, target}; IndexError outside [0, num_classes)."""
    target = np.asarray(target)
    bad = (target < 0) | (target >= num_classes)
    if bad.any():
        raise IndexError(f"one_hot: target {target[bad][0]} is outside [0, {num_classes})")
    return np.where(target[..., None] == np.arange(num_classes), 1.0, 0.0)


# ------------------------------------------------------------------ cross-entropy and derivatives


def cross_entropy(logits: ArrayLike, target: ArrayLike, **options: Any) -> Array:
    """Return the reduced loss, or one per row with reduction="none"."""
    p = bind(logits, target, **options)
    # r C = −r Σ_k w̃_k log y_k + r λ lse²
    loss = _cross_entropy(p) + p.z * _logsumexp(p.a) ** 2
    return p.reduce(loss[:, 0], if_empty=p.if_empty)


def cross_entropy_with_grad(
    logits: ArrayLike, target: ArrayLike, **options: Any
) -> tuple[Array, Array]:
    """Return (loss, ∂loss/∂z); with reduction="none", row n of the gradient is ∂C_n/∂z_n."""
    p = bind(logits, target, **options)
    # ∂C/∂z_i = J_i ∂C/∂a_i
    return cross_entropy(logits, target, **options), p.spread(p.slope * _gradient(p))


def cross_entropy_target_grad(logits: ArrayLike, target: ArrayLike, **options: Any) -> Array:
    """Return ∂loss/∂t_k = −(1−ε) w_k log y_k, of the logits' shape for class indices too."""
    p = bind(logits, target, **options)
    return p.spread(_times(p.ce * p.target_slope, _surprisal(p.a)))


def cross_entropy_jvp(
    logits: ArrayLike,
    target: ArrayLike,
    tangent: ArrayLike | None,
    *,
    target_tangent: ArrayLike | None = None,
    **options: Any,
) -> Array:
    """Return Σ_i ∂C/∂z_i v_i + Σ_k ∂C/∂t_k τ_k, reduced like the loss; no tangent is a zero one."""
    p = bind(logits, target, **options)
    rate = np.zeros(len(p.a))
    if tangent is not None:
        rate += (p.slope * _gradient(p) * p.take(tangent)).sum(axis=-1)
    if target_tangent is not None:
        coefficient = p.ce * p.target_slope * p.take(target_tangent)
        rate += _inner(coefficient, _surprisal(p.a))[:, 0]
    return p.reduce(rate)


def cross_entropy_hvp(
    logits: ArrayLike, target: ArrayLike, vector: ArrayLike, **options: Any
) -> Array:
    """Return H v = J ⊙ [u y ⊙ (v' − ⟨y,v'⟩) + 2λ⟨y,v'⟩ y] + J' ⊙ ∂C/∂a ⊙ v with v' = J ⊙ v."""
    p = bind(logits, target, **options)
    y, v = softmax(p.a), p.take(vector)
    turned = p.slope * v
    mean = _sum(y * turned)
    straight = _bend(p) * y * (turned - mean) + 2 * p.z * mean * y
    return p.spread(p.slope * straight + p.slope_slope * _gradient(p) * v)


def cross_entropy_hessian(logits: ArrayLike, target: ArrayLike, **options: Any) -> Array:
    """Return ∂²C/∂z_i∂z_j at [..., i, j], V × V a row; across rows the Hessian is 0."""
    p = bind(logits, target, **options)
    y, eye = softmax(p.a), np.eye(p.a.shape[1])
    y_i, y_j = y[:, :, None], y[:, None, :]
    u, z = _bend(p)[:, :, None], p.z[:, :, None]
    # J_i J_j (u y_i (δ_ij − y_j) + 2λ y_i y_j) + δ_ij J'_i ∂C/∂a_i
    straight = u * y_i * (eye - y_j) + 2 * z * y_i * y_j
    bent = p.slope_slope * _gradient(p)
    return p.spread(p.slope[:, :, None] * p.slope[:, None, :] * straight + eye * bent[:, :, None])


def cross_entropy_hessian_diag(logits: ArrayLike, target: ArrayLike, **options: Any) -> Array:
    """Return ∂²C/∂z_i² = J_i² (u y_i (1 − y_i) + 2λ y_i²) + J'_i ∂C/∂a_i."""
    p = bind(logits, target, **options)
    y = softmax(p.a)
    straight = _bend(p) * y * (1 - y) + 2 * p.z * y**2
    return p.spread(p.slope**2 * straight + p.slope_slope * _gradient(p))


class Stats(NamedTuple):
    """Per row, unreduced. Ignored row: floats 0, integers −1; NaN row: floats NaN, integers −1."""

    loss: Array
    z_loss: Array
    logprob: Array
    entropy: Array
    lse: Array
    prediction: NDArray[np.int64]
    rank: NDArray[np.int64]


def cross_entropy_stats(logits: ArrayLike, target: ArrayLike, **options: Any) -> Stats:
    """Return loss without z-loss, z-loss, Σ t log y, −Σ y log y, lse, arg-max, #{k: a_k > a_t}."""
    p = bind(logits, target, **{**options, "reduction": "none"})
    y, surprisal, lse = softmax(p.a), _surprisal(p.a), _logsumexp(p.a)
    # The transform is strictly increasing, so the logits decide even where the soft cap saturates.
    prediction = p.logits.argmax(axis=-1)
    rank = np.full(len(y), -1)
    if p.is_index:
        rank = (p.logits > p.logits[p.plain_target == 1][:, None]).sum(axis=-1)
    poisoned = np.isnan(y[:, 0])
    return Stats(
        loss=p.spread(_cross_entropy(p)[:, 0]),
        z_loss=p.spread((p.z * lse**2)[:, 0]),
        logprob=p.spread(_inner(p.plain_target, -surprisal)[:, 0]),
        entropy=p.spread(_inner(y, surprisal)[:, 0]),
        lse=p.spread(lse[:, 0]),
        prediction=p.spread_index(np.where(poisoned, -1, prediction)),
        rank=p.spread_index(np.where(poisoned, -1, rank)),
    )


# ------------------------------------------------------------------ options


@dataclass(frozen=True)
class Problem:
    """The n rows that count, with every option turned into an array. Ignored rows are not in it."""

    logits: Array  # (n, V) z
    a: Array  # (n, V) transformed logits
    slope: Array  # (n, V) J = da/dz
    slope_slope: Array  # (n, V) J' = d²a/dz²
    target: Array  # (n, V) w̃
    target_slope: Array  # (V,) ∂w̃_k/∂t_k = (1−ε) w_k
    plain_target: Array  # (n, V) t
    is_index: bool  # the target came as class indices
    ce: Array  # (n, 1) what the reduction makes of the cross-entropy of a row
    z: Array  # (n, 1) the same for lse², so with λ in it
    keep: NDArray[np.bool_]  # the rows' shape: which ones count
    reduction: str
    if_empty: float  # the value of a mean over nothing

    def take(self, x: ArrayLike) -> Array:
        """Select the rows that count."""
        return np.asarray(x, np.float64)[self.keep]

    def spread(self, x: Array) -> Array:
        """Put rows back where they came from; the others are exactly 0."""
        out = np.zeros(self.keep.shape + x.shape[1:])
        out[self.keep] = x
        return out[()]

    def spread_index(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Like `spread` for integers; the others are −1."""
        out = np.full(self.keep.shape, -1, np.int64)
        out[self.keep] = x
        return out[()]

    def reduce(self, per_row: Array, if_empty: float = 0.0) -> Array:
        """Sum over rows (the mean's denominator is in `ce` and `z` already), or put them back."""
        if self.reduction == "none":
            return self.spread(per_row)
        total: Array = np.asarray(per_row.sum() if len(per_row) else if_empty)
        return total[()]


def bind(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: ArrayLike | None = None,
    empty: str = "zero",
) -> Problem:
    """Turn logits (..., V), class indices (...) or soft target (..., V) and options into arrays."""
    z, target = np.asarray(logits, np.float64), np.asarray(target)
    rows, classes = z.shape[:-1], z.shape[-1]
    if classes == 0:
        raise ValueError("cross_entropy: logits need at least one class")
    w = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
    r = np.ones(rows) if row_weight is None else np.asarray(row_weight, np.float64)

    is_index = target.dtype.kind in "iu"
    if is_index:
        keep = np.asarray(target != (-100 if ignore_index is None else ignore_index))
        t = one_hot(target[keep], classes)
        mass = r[keep] * (t @ w)  # r_n w_{t_n}
    else:
        keep = np.ones(rows, bool)
        t = np.asarray(target, np.float64)[keep]
        mass = r[keep]

    # mean: the cross-entropy is divided by Σ r_n w_{t_n} (soft targets: Σ r_n), the z-loss by the
    # number of rows that count
    ce_denominator, z_denominator = 1.0, 1.0
    if reduction == "mean":
        ce_denominator, z_denominator = mass.sum(), float(keep.sum())
        if ce_denominator == 0:
            if empty == "raise":
                raise ValueError("cross_entropy: the mean is over no rows, or its weights sum to 0")
            ce_denominator = z_denominator = 1.0
            t, keep = t[:0], np.zeros_like(keep)

    # w̃_k = w_k ((1−ε) t_k + ε/V)
    w_tilde = w * ((1 - label_smoothing) * t + label_smoothing / classes)
    z = z[keep]
    return Problem(
        logits=z,
        a=transform(z, temperature, softcap),
        slope=transform_slope(z, temperature, softcap),
        slope_slope=transform_slope_slope(z, temperature, softcap),
        target=w_tilde,
        target_slope=(1 - label_smoothing) * w,
        plain_target=t,
        is_index=is_index,
        ce=r[keep][:, None] / ce_denominator,
        z=z_loss * r[keep][:, None] / z_denominator,
        keep=keep,
        reduction=reduction,
        if_empty=np.nan if reduction == "mean" and empty == "nan" else 0.0,
    )


def transform(logits: ArrayLike, temperature: float = 1.0, softcap: float | None = None) -> Array:
    """Return a = softcap tanh(z/softcap) / temperature; ±inf and NaN pass the cap unchanged."""
    z = np.asarray(logits, np.float64)
    if softcap is None:
        return z / temperature
    return np.where(np.isfinite(z), softcap * np.tanh(z / softcap) / temperature, z)


def transform_slope(z: Array, temperature: float = 1.0, softcap: float | None = None) -> Array:
    """Return J = da/dz = sech²(z/softcap) / temperature."""
    if softcap is None:
        return np.full_like(z, 1 / temperature)
    with np.errstate(over="ignore"):
        return 1 / np.cosh(z / softcap) ** 2 / temperature


def transform_slope_slope(
    z: Array, temperature: float = 1.0, softcap: float | None = None
) -> Array:
    """Return J' = d²a/dz² = −(2/softcap) tanh(z/softcap) J."""
    if softcap is None:
        return np.zeros_like(z)
    return -2 / softcap * np.tanh(z / softcap) * transform_slope(z, temperature, softcap)


# ------------------------------------------------------------------ pieces, on rows (n, V)


def _cross_entropy(p: Problem) -> Array:
    # r after the sum: a weight of 0 does not hide NaN, which is ∞ − ∞ where a target is negative
    return _times(p.ce, _inner(p.target, _surprisal(p.a)))


def _gradient(p: Problem) -> Array:
    y = softmax(p.a)
    # ∂C/∂a_i = y_i Σ_k w̃_k − w̃_i + 2λ lse y_i
    return p.ce * (y * _sum(p.target) - p.target) + 2 * p.z * _logsumexp(p.a) * y


def _bend(p: Problem) -> Array:
    # u = Σ_k w̃_k + 2λ lse
    return p.ce * _sum(p.target) + 2 * p.z * _logsumexp(p.a)


def _surprisal(a: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        # −log y_k = (m − a_k) + log Σ_j e^{a_j − m}
        gap = _max(a) - a
        return gap + np.log(_sum(np.exp(-gap)))


def _logsumexp(a: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        # lse = m + log Σ_j e^{a_j − m}
        m = _max(a)
        return m + np.log(_sum(np.exp(a - m)))


def _times(coefficient: Array, x: Array) -> Array:
    # 0 · inf = 0 class by class: a masked class (log y = −inf) counts only where it is asked for
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where((coefficient == 0) & np.isinf(x), 0.0, coefficient * x)


def _inner(coefficient: Array, x: Array) -> Array:
    # Σ_k c_k x_k; ∞ − ∞ is NaN
    with np.errstate(invalid="ignore"):
        return _sum(_times(coefficient, x))


def _sum(x: Array) -> Array:
    return np.add.reduce(x, axis=-1, keepdims=True)


def _max(x: Array) -> Array:
    return np.maximum.reduce(x, axis=-1, keepdims=True)
