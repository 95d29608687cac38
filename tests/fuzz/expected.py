"""What the reference says of a problem, and how far a right answer may be from it.

Every output is (value, scale, error). `value` comes from softxent.reference. The contract counts in
units in the last place of `scale`: the value itself, or the largest of the terms whose sum it is.
`error` bounds what the reference, which is float64 throughout, may itself be off: that of the
probabilities (softmax.py), carried to first order through each equation, term by term. So the
float32 bars stay at about 6 ULP unless a reference of 1e-16 cannot see that far: differences that
all but cancel (confident rows), and logits of 1e8 with a temperature.
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from softxent import reference

from .problem import Problem
from .softmax import Softmax, U, total

# 1 / cosh^2 is 0 for the reference where it is below the smallest normal number.
LOST = 1e-307


class Value(NamedTuple):
    """One output, over lead or lead + (V,) or reduced."""

    value: Any
    scale: Any
    error: Any
    zero: Any = False  # where it is exactly 0


def known(right: Value) -> Value:
    """Of rows that are NaN there is no scale, and the error may be anything."""
    error = np.nan_to_num(right.error, nan=np.inf, posinf=np.inf)
    return right._replace(scale=np.nan_to_num(right.scale), error=error)


class Expected:
    """Every output of a problem by name, computed when it is first asked for."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.z = problem.logits.astype(np.float64)
        self.rows = self.z.reshape(prod(problem.lead), self.z.shape[-1])
        self.options = problem.options
        self._kept: dict[str, Value] = {}
        try:
            self.bound = reference.bind(self.z, problem.target, **self.options)
            self.raises = False
        except ValueError:  # an empty mean that is to raise; nothing else can be wrong
            self.raises = True

    def __call__(self, name: str) -> Value:
        if name not in self._kept:
            method = getattr(self, "_" + name.replace(".", "_"))
            self._kept[name] = known(method())
        return self._kept[name]

    # ---- functions of the logits alone ----

    @cached_property
    def transformed(self) -> dict[str, Any]:
        return {k: self.options[k] for k in ("temperature", "softcap") if k in self.options}

    @cached_property
    def plain(self) -> Softmax:
        return self.all if not self.transformed else Softmax(self.rows)

    @cached_property
    def all(self) -> Softmax:
        return Softmax(self.rows, **self.transformed)

    def _softmax(self) -> Value:
        s, masked = self.all, self.z == -np.inf
        return Value(reference.softmax(self.z, **self.transformed), *self._like(s.y, s.dy), masked)

    def _log_softmax(self) -> Value:
        s = self.all
        return Value(reference.log_softmax(self.z, **self.transformed), *self._like(s.q, s.dq))

    def _logsumexp(self) -> Value:
        s = self.all
        value = reference.logsumexp(self.z, **self.transformed)
        return Value(value, *self._like(s.lse_scale[:, 0], s.dlse[:, 0]))

    def _softmax_jvp(self) -> Value:
        s, v = self.plain, self._flat(self.problem.tangent)
        size = np.abs(v)
        centred = np.abs(v - v[np.arange(len(v)), s.y.argmax(axis=-1)][:, None])
        scale = s.y * (centred + total(s.y * centred))
        largest = size.max(axis=-1, keepdims=True, initial=0.0)
        error = s.dy * (size + total(s.y * size)) + s.y * (total(s.dy * size) + 32 * U * largest)
        value = reference.softmax_jvp(self.z, self.problem.tangent)
        return Value(value, *self._like(scale, error), self.z == -np.inf)

    def _softmax_jacobian(self) -> Value:
        s, eye = self.plain, np.eye(self.z.shape[-1])
        y, dy = s.y[:, :, None], s.dy[:, :, None]
        unit = eye + s.y[:, None, :]
        error = dy * unit + y * (s.dy[:, None, :] + 16 * U * unit)
        return Value(reference.softmax_jacobian(self.z), *self._like(y * unit, error))

    def _one_hot(self) -> Value:
        t, classes = self.problem.target, self.z.shape[-1]
        if self.problem.soft:
            t = np.zeros(self.problem.lead, int)
        value = reference.one_hot(np.where((t >= 0) & (t < classes), t, 0), classes)
        return Value(value, 0.0, 0.0, True)

    # ---- the loss ----

    @cached_property
    def kept(self) -> Softmax:
        """The rows that count."""
        rows = self.bound.logits
        return self.all if len(rows) == len(self.rows) else Softmax(rows, **self.transformed)

    @cached_property
    def target_size(self) -> np.ndarray:
        """|w~_k| with the size of what may cancel in it."""
        b = self.bound
        w = self.options.get("weight", np.ones(b.target.shape[-1]))
        return np.abs(b.target) + 2 * w * self.options.get("label_smoothing", 0.0) / len(w)

    def _loss(self) -> Value:
        b = self.bound
        scale, error = self._cross_entropy(b.ce * np.abs(b.target), b.ce * self.target_size)
        z_scale, z_error = self._squared()
        error = error + z_error + 32 * U * (scale + z_scale)
        value = reference.cross_entropy(self.z, self.problem.target, **self.options)
        return Value(value, b.reduce(scale + z_scale), b.reduce(error))

    def _cross_entropy(self, size: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s = self.kept
        scale = np.where(size == 0, 0.0, size * s.q).sum(axis=-1)
        return scale, (wide * s.dq).sum(axis=-1) + 32 * U * scale

    def _squared(self) -> tuple[np.ndarray, np.ndarray]:
        s, z = self.kept, self.bound.z
        if not z.any():
            return np.zeros(len(z)), np.zeros(len(z))
        error = z * s.dlse * (2 * np.abs(s.lse) + s.dlse)
        return (z * s.lse**2)[:, 0], error[:, 0]

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(largest, sum, error) of the terms of dC/da."""
        b, s = self.bound, self.kept
        w, weight = b.target, total(b.target)
        a = b.ce * s.y * np.abs(weight - w)
        pull = b.ce * np.abs(w) * s.others
        c = 2 * b.z * np.abs(s.lse) * s.y
        wide = total(self.target_size)
        error = b.ce * (s.dy * np.abs(weight) + 32 * U * (s.y * wide + self.target_size))
        if b.z.any():
            error = error + 2 * b.z * (np.abs(s.lse) * s.dy + s.y * s.dlse) + 8 * U * c
        return np.maximum(np.maximum(a, pull), c), a + pull + c, error

    @cached_property
    def _slope(self) -> tuple[np.ndarray, np.ndarray]:
        """J, and the relative error of what the reference makes of it."""
        b, cap = self.bound, self.options.get("softcap")
        if cap is None:
            return b.slope, np.full(1, 4 * U)
        j = b.slope + LOST / self.options.get("temperature", 1.0)
        with_cosh = U * (8 + 8 * np.minimum(np.abs(b.logits) / cap, 800.0))
        return j, with_cosh + 2 * (j - b.slope) / j

    @cached_property
    def _slope_slope(self) -> np.ndarray:
        """The size of J'."""
        b, cap = self.bound, self.options["softcap"]
        lost = 2 / cap * LOST / self.options.get("temperature", 1.0)
        size: np.ndarray = np.abs(b.slope_slope) + lost
        return size

    @cached_property
    def masked(self) -> np.ndarray:
        """Rows that count nothing, and classes that are masked and not asked for."""
        zero = self.bound.logits == -np.inf
        whole = np.ones(self.z.shape, bool)
        whole[self.bound.keep] = zero & (self.bound.target == 0)
        return whole

    def _grad(self) -> Value:
        largest, _, error = self._terms
        j, dj = self._slope
        _, value = reference.cross_entropy_with_grad(self.z, self.problem.target, **self.options)
        error = j * (error + 2 * dj * largest)
        return self._spread(value, j * largest, error)

    def _jvp(self) -> Value:
        return self._rate(self.problem.tangent, None)

    def _jvp_target(self) -> Value:
        return self._rate(None, self.problem.target_tangent)

    def _jvp_both(self) -> Value:
        return self._rate(self.problem.tangent, self.problem.target_tangent)

    def _rate(self, tangent: Any, along: Any) -> Value:
        b = self.bound
        scale = error = np.zeros(len(b.a))
        if tangent is not None:
            _, terms, off = self._terms
            j, dj = self._slope
            v = j * np.abs(b.take(tangent))
            scale = scale + (terms * v).sum(axis=-1)
            error = error + ((off + (2 * dj + 32 * U) * terms) * v).sum(axis=-1)
        if along is not None:
            size = b.ce * b.target_slope * np.abs(b.take(along))
            more, off = self._cross_entropy(size, size)
            scale, error = scale + more, error + off
        value = reference.cross_entropy_jvp(
            self.z, self.problem.target, tangent, target_tangent=along, **self.options
        )
        return Value(value, b.reduce(scale), b.reduce(error + 32 * U * scale))

    # ---- second derivatives ----

    @cached_property
    def _bend(self) -> tuple[np.ndarray, np.ndarray]:
        """Size and error of u = S + 2 lambda lse."""
        b, s = self.bound, self.kept
        size = b.ce * total(self.target_size) + 2 * b.z * s.lse_scale
        return size, 2 * b.z * s.dlse + 32 * U * size

    def _second(self, v: np.ndarray, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(scale, error) of H v, for |v| and for |v - v_m|."""
        b, s = self.bound, self.kept
        j, dj = self._slope
        u, du = self._bend
        straight = self.options.get("softcap") is None and self.options.get("temperature", 1) == 1
        moved = j * v
        size = centred if straight else moved
        mean, dmean = total(s.y * moved), total((s.dy + (dj + 32 * U) * s.y) * moved)
        of_z = 2 * b.z
        jy, jdy = j * s.y, j * s.dy  # first, because dy may be subnormal
        scale = jy * (u * (size + total(s.y * size)) + of_z * mean)
        error = (
            (jy * du + jdy * u) * (moved + mean)
            + jy * u * ((2 * dj + 32 * U) * (moved + mean) + dmean)
            + of_z * (jdy * mean + jy * dmean)
        )
        if self.options.get("softcap") is not None:
            _, terms, off = self._terms
            bent = self._slope_slope * v
            scale = scale + bent * terms
            error = error + bent * (off + (4 * dj + 16 * U) * terms)
        return scale, error + 16 * U * scale

    def _hvp(self) -> Value:
        b, s = self.bound, self.kept
        v = b.take(self.problem.tangent)
        centred = np.abs(v - v[np.arange(len(v)), s.y.argmax(axis=-1)][:, None])
        value = reference.cross_entropy_hvp(
            self.z, self.problem.target, self.problem.tangent, **self.options
        )
        return self._spread(value, *self._second(np.abs(v), centred))

    def _hessian(self) -> Value:
        b, shape = self.bound, (len(self.bound.a), *[self.z.shape[-1]] * 2)
        scale, error = np.zeros(shape), np.zeros(shape)
        for i, unit in enumerate(np.eye(shape[-1])):
            v = np.broadcast_to(unit, b.a.shape)
            scale[:, i], error[:, i] = self._second(v, v)
        # Either of i and j is the direction to the implementation: the matrix is symmetric.
        scale, error = (np.maximum(x, x.swapaxes(1, 2)) for x in (scale, error))
        value = reference.cross_entropy_hessian(self.z, self.problem.target, **self.options)
        return Value(value, b.spread(scale), b.spread(error))

    def _hessian_diag(self) -> Value:
        b, s = self.bound, self.kept
        j, dj = self._slope
        u, du = self._bend
        of_z = 2 * b.z
        scale = j**2 * (u * s.y * s.others + of_z * s.y**2)
        jy, jdy = j**2 * s.y, j**2 * s.dy
        error = du * jy * s.others + u * (jdy + 8 * U * jy) + 4 * of_z * jy * s.dy
        error = error + (4 * dj + 32 * U) * scale
        if self.options.get("softcap") is not None:
            _, terms, off = self._terms
            bent = self._slope_slope
            scale = scale + bent * terms
            error = error + bent * (off + (4 * dj + 16 * U) * terms)
        value = reference.cross_entropy_hessian_diag(self.z, self.problem.target, **self.options)
        return self._spread(value, scale, error)

    def _target_grad(self) -> Value:
        b, s = self.bound, self.kept
        size = np.broadcast_to(b.ce * b.target_slope, s.q.shape)
        scale = np.where(size == 0, 0.0, size * s.q)
        value = reference.cross_entropy_target_grad(self.z, self.problem.target, **self.options)
        return Value(value, b.spread(scale), b.spread(size * s.dq + 16 * U * scale))

    # ---- statistics ----

    @cached_property
    def _each(self) -> Expected:
        """The same problem, unreduced."""
        p, options = self.problem, {**self.options, "reduction": "none"}
        return Expected(Problem(p.dtype, p.logits, p.target, p.tangent, p.target_tangent, options))

    @cached_property
    def _stats(self) -> reference.Stats:
        return reference.cross_entropy_stats(self.z, self.problem.target, **self.options)

    def _stats_loss(self) -> Value:
        e, b = self._each, self._each.bound
        scale, error = e._cross_entropy(b.ce * np.abs(b.target), b.ce * e.target_size)
        return Value(self._stats.loss, b.spread(scale), b.spread(error))

    def _stats_z_loss(self) -> Value:
        e, b = self._each, self._each.bound
        _, error = e._squared()
        scale = (b.z * e.kept.lse_scale**2)[:, 0]
        return Value(self._stats.z_loss, b.spread(scale), b.spread(error + 8 * U * scale))

    def _stats_logprob(self) -> Value:
        e, b = self._each, self._each.bound
        scale, error = e._cross_entropy(np.abs(b.plain_target), np.abs(b.plain_target))
        return Value(self._stats.logprob, b.spread(scale), b.spread(error))

    def _stats_entropy(self) -> Value:
        e, s = self._each, self._each.kept
        q = np.where(np.isinf(s.q), 0.0, s.q)
        error = (s.dy * q + s.y * s.dq + 32 * U * s.y * q).sum(axis=-1)
        scale = (s.y * q).sum(axis=-1)
        return Value(self._stats.entropy, e.bound.spread(scale), e.bound.spread(error))

    def _stats_lse(self) -> Value:
        b, s = self._each.bound, self._each.kept
        return Value(self._stats.lse, b.spread(s.lse_scale[:, 0]), b.spread(s.dlse[:, 0]))

    def _stats_prediction(self) -> Value:
        return Value(self._stats.prediction, 0.0, 0.0, True)

    def _stats_rank(self) -> Value:
        return Value(self._stats.rank, 0.0, 0.0, True)

    # ---- shapes ----

    def _flat(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float64).reshape(self.rows.shape)

    def _like(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(x.reshape(self.problem.lead + x.shape[1:]) for x in arrays)

    def _spread(self, value: np.ndarray, scale: np.ndarray, error: np.ndarray) -> Value:
        return Value(value, self.bound.spread(scale), self.bound.spread(error), self.masked)
