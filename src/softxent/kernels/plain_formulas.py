"""The losses of a block of rows, their derivatives and statistics, in float64.

Factors of a row stand in `r`: its row weight, and whatever came from upstream. `ce_factor` and
`z_factor` multiply the derivatives of C and of lambda lse^2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from softxent.contracts import Array, Options, Rows
from softxent.kernels import plain_pairs as pairs
from softxent.kernels.plain_pairs import Pair, single
from softxent.kernels.plain_rows import Index, column, take
from softxent.kernels.plain_softmax import Softmax, centred, product
from softxent.kernels.plain_target import Dense, Hard, target_of


class Block(NamedTuple):
    """Some rows of a problem."""

    options: Options
    p: Softmax
    t: Dense | Hard
    r: Pair


def block_of(
    rows: Rows, index: Index, *, s: Array | None = None, upstream: Array | None = None
) -> Block:
    """Gather the rows at `index`; `s` as an earlier call found it."""
    o = rows.options
    wide = rows.logits.dtype == np.float64 or (
        rows.soft is not None and rows.soft.dtype == np.float64  # its gradient is float64 too
    )
    p = Softmax(take(rows.logits, index), o.temperature, o.softcap, wide=wide, s=s)
    r = pairs.times(single(column(o.row_weight, index)), single(column(upstream, index)))
    return Block(o, p, target_of(rows, index, wide=wide), r)


def losses(b: Block) -> tuple[Array, Array]:
    """Return r C and r lambda lse^2, each (R,)."""
    ce = product(b.r.high, b.t.cross_entropy(b.p, b.p.gap, b.p.log1p_s)) + 0.0  # + 0: -0 becomes +0
    if np.isinf(ce).any():
        ce = np.where(np.isinf(ce), _loss_past_overflow(b), ce)
    if not b.options.z_loss:
        return ce[:, 0], np.zeros(len(ce))
    lse = b.p.exact_lse.high
    z = product(b.r.high, (b.options.z_loss * lse) * lse)
    return ce[:, 0], z[:, 0]


def _loss_past_overflow(b: Block) -> Array:
    """r C where C is past 1.8e308 (logits +-1.7e308 in float64), which small weights may undo."""
    by = 2.0**-1000
    small = b.t.cross_entropy(b.p, b.p.small_gap(by), b.p.log1p_s * by)
    return product(b.r.high, small) / by


def gradient(b: Block, ce_factor: float, z_factor: float) -> Array:
    """The gradient of the loss by the logits: dC/dz = dC/da sech(z/c)^2 / T."""
    g = _gradient_by_a(b, ce_factor, z_factor)
    if b.p.slope is not None:
        g *= b.p.slope.high
    return g


def target_gradient(b: Block, ce_factor: float) -> Array:
    """dC/dt_k = -(1 - eps) w_k log y_k, whether t is soft or stands for a class index."""
    factor = b.r.high * ce_factor * (1.0 - b.options.label_smoothing)
    if b.options.weight is not None:
        factor = factor * b.options.weight
    return product(factor, b.p.minus_log)


def hessian_times(b: Block, v: Array, ce_factor: float, z_factor: float) -> Array:
    """The Hessian of the loss by the logits, times v."""
    # J e (u (v' - <y, v'>) + 2 lambda <y, v'>) / (1 + s), with v' = J v and J = sech(z/c)^2 / T
    direction, mean, v_m = centred(b.p, v)
    of_s, of_z = _curvatures(b, ce_factor, z_factor)
    h = pairs.times(pairs.minus(direction, mean), of_s)
    if of_z is not None:
        h = pairs.add(h, pairs.times(pairs.add(v_m, mean), of_z))
    straight = h.high * b.p.e * _sloped(b.p, _over_sum(b, power=2))
    result: Array = straight - _bent(b, ce_factor, z_factor) * v
    return result


def hessian_diagonal(b: Block, ce_factor: float, z_factor: float) -> Array:
    """The diagonal of the Hessian: `hessian_times` at the unit vectors."""
    # J^2 (u y_i (1 - y_i) + 2 lambda y_i^2) = J^2 e_i (u sum_{j!=i} e_j + 2 lambda e_i) / (1 + s)^2
    of_s, of_z = _curvatures(b, ce_factor, z_factor)
    h = pairs.times(single(b.p.rest), of_s)
    if of_z is not None:
        h = pairs.add(h, pairs.times(single(b.p.e), of_z))
    straight = h.high * b.p.e * _sloped(b.p, _over_sum(b, sums=2, power=2), 2)
    return straight - _bent(b, ce_factor, z_factor)


def _curvatures(b: Block, ce_factor: float, z_factor: float) -> tuple[Pair, Pair | None]:
    """Return u = S + 2 lambda lse and 2 lambda, factors in; None without z_loss."""
    of_s = pairs.times(single(ce_factor), single(b.t.sum))
    if not b.options.z_loss:
        return of_s, None
    of_z = pairs.times(single(2.0 * z_factor), single(b.options.z_loss))
    return pairs.add(of_s, pairs.times(of_z, b.p.exact_lse)), of_z


def _bent(b: Block, ce_factor: float, z_factor: float) -> Array | float:
    """-dJ_i/dz_i dC/da_i = (2/c) tanh(z/c) sech(z/c)^2 / T dC/da_i; 0 without softcap."""
    if b.p.bend is None or b.options.softcap is None:
        return 0.0
    g = _gradient_by_a(b, ce_factor, z_factor)
    bent: Array = pairs.over(pairs.scaled(b.p.bend, 2.0), b.options.softcap).high * g
    return bent


def log_probability(b: Block, rows: Rows, index: Index) -> Array:
    """log y_t, or sum_k t_k log y_k: without weights and smoothing. (R,)."""
    if rows.target is not None:
        return 0.0 - b.p.minus_log[b.p.leader[0], rows.target[index]]
    assert rows.soft is not None, "`Rows` has one of the two"
    return 0.0 - b.p.total(product(take(rows.soft, index), b.p.minus_log))[:, 0]


def entropy(p: Softmax) -> Array:
    """-sum_k y_k log y_k = log1p(s) + <y, a_max - a>, whose terms are all >= 0. (R,)."""
    return (p.log1p_s + p.total(product(p.e, p.gap)) / p.one_plus_s.high)[:, 0]


def prediction(p: Softmax) -> Array:
    """The first largest class; -1 in NaN rows. (R,)."""
    return np.where(np.isnan(p.s[:, 0]), -1, p.leader[1])


def rank(p: Softmax, target: Array) -> Array:
    """How many classes are above the target (all transforms increase); -1 in NaN rows. (R,)."""
    above = np.count_nonzero(p.z > p.z[p.leader[0], target][:, np.newaxis], axis=1)
    return np.where(np.isnan(p.s[:, 0]), -1, above)


def _gradient_by_a(b: Block, ce_factor: float, z_factor: float) -> Array:
    """dC/da_i / T."""
    # (e_i sum_{j!=i} w~_j - w~_i sum_{j!=i} e_j + 2 lambda lse e_i) / (1 + s)
    z_loss = b.options.z_loss
    of_z = _over_sum(b, 2.0 * z_factor, z_loss, b.p.exact_lse.high) if z_loss else None
    return b.t.gradient(b.p, _over_sum(b, ce_factor), of_z)


def _over_sum(b: Block, *factors: Array | float, sums: int = 1, power: int = 1) -> Pair:
    """r times the factors, over (1 + s)^sums T^power: a column."""
    column = b.r
    for factor in factors:
        column = pairs.times(column, single(factor))
    for _ in range(sums):
        column = pairs.divided(column, b.p.one_plus_s)
    for _ in range(power):
        column = pairs.over(column, b.options.temperature)
    return column


def _sloped(p: Softmax, column: Pair, power: int = 1) -> Array:
    """Multiply a column by sech(z/c)^2 to a power."""
    if p.slope is not None:
        for _ in range(power):
            column = pairs.times(column, p.slope)
    return column.high
