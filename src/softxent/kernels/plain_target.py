"""The targets of a block of rows, weighted and smoothed: w~_k = w_k ((1 - eps) t_k + eps / V)."""

from __future__ import annotations

import numpy as np

from softxent.contracts import Array, Options, Rows
from softxent.kernels import plain_pairs as pairs
from softxent.kernels.plain_pairs import Pair, single
from softxent.kernels.plain_rows import Index, take
from softxent.kernels.plain_softmax import Softmax, product


class Hard:
    """Class indices without smoothing: w~ is w_t at the target t, 0 elsewhere."""

    def __init__(self, target: Array, weight: Array) -> None:
        self.target = target
        self.place = np.arange(len(target)), target
        self.sum = weight[:, np.newaxis]
        """S, the sum of w~_k, a column."""

    def cross_entropy(self, p: Softmax, gap: Array, log1p_s: Array) -> Array:
        """C = w_t log1p(s) + w_t (a_max - a_t), a column."""
        return self.sum * log1p_s + product(self.sum, gap[self.place][:, np.newaxis])

    def gradient(self, p: Softmax, f: Pair, g: Pair | None) -> Array:
        """e_i (f sum_{j!=i} w~_j + g) - f w~_i sum_{j!=i} e_j, for columns f and g."""
        # e_i (f w_t + g), but e_t g - f w_t sum_{j!=t} e_j at the target
        push = pairs.times(single(self.sum), f)
        at_target = -push.high * p.rest_at(self.target)
        if g is None:
            gradient = p.e * push.high
        else:  # in pairs: the terms may add up to twice the largest, and their errors too
            gradient = pairs.times(single(p.e), pairs.add(push, g)).high
            at_target += p.e[self.place][:, np.newaxis] * g.high
        gradient[self.place] = at_target[:, 0]
        return gradient


class Dense:
    """Any w~ (R, V): soft targets, and class indices with smoothing."""

    def __init__(self, weighted: Array) -> None:
        self.weighted = weighted
        self._sum = pairs.total(weighted)
        self.sum = self._sum.high
        """S, the sum of w~_k, a column."""

    def cross_entropy(self, p: Softmax, gap: Array, log1p_s: Array) -> Array:
        """C = S log1p(s) + sum_k w~_k (a_max - a_k), a column."""
        return self.sum * log1p_s + p.total(product(self.weighted, gap))

    def gradient(self, p: Softmax, f: Pair, g: Pair | None) -> Array:
        """e_i (f sum_{j!=i} w~_j + g) - f w~_i sum_{j!=i} e_j, for columns f and g."""
        # S - w~_i = (high - w~_i) + low: where w~_i is nearly all of S, low still has the rest.
        if not p.wide:
            push = ((self._sum.high - self.weighted) + self._sum.low) * f.high
            if g is not None:
                push += g.high
            narrow: Array = p.e * push - (self.weighted * f.high) * p.rest
            return narrow
        weighted = single(self.weighted)
        exact_push = pairs.times(pairs.minus(self._sum, weighted), f)
        pull = pairs.times(weighted, f)
        if g is None:
            wide: Array = p.e * exact_push.high - pull.high * p.rest
            return wide
        exact_push = pairs.times(single(p.e), pairs.add(exact_push, g))
        return pairs.minus(exact_push, pairs.times(pull, single(p.rest))).high


def target_of(rows: Rows, index: Index, *, wide: bool) -> Hard | Dense:
    """Return the weighted targets of the rows at `index`."""
    o, n_classes = rows.options, rows.n_classes
    if rows.soft is not None:
        return Dense(_weighted(take(rows.soft, index), o.weight, o, n_classes, wide=wide))
    assert rows.target is not None, "`Rows` has one of the two"
    target = rows.target[index]
    of_target = None if o.weight is None else o.weight[target]
    if not o.label_smoothing:
        return Hard(target, np.ones(len(target)) if of_target is None else of_target)
    elsewhere = _weighted(np.zeros(n_classes), o.weight, o, n_classes, wide=wide)
    weighted = np.tile(elsewhere, (len(target), 1))
    at_target = _weighted(np.ones(len(target)), of_target, o, n_classes, wide=wide)
    weighted[np.arange(len(target)), target] = at_target
    return Dense(weighted)


def _weighted(
    t: Array, weight: Array | None, options: Options, n_classes: int, *, wide: bool
) -> Array:
    """Return w ((1 - eps) t + eps / V); rounded once if wide."""
    smoothing = options.label_smoothing
    if not smoothing:
        return t if weight is None else weight * t
    if not wide:
        smooth = (1.0 - smoothing) * t + smoothing / n_classes
        return smooth if weight is None else weight * smooth
    keep = pairs.plus(1.0, single(-smoothing))
    spread = pairs.over(single(smoothing), float(n_classes))
    exact = pairs.add(pairs.times(keep, single(t)), spread)
    return exact.high if weight is None else pairs.times(exact, single(weight)).high
