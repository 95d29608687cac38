"""Softmax cross-entropy: the loss, the loss with its gradient, the statistics of each row.

The keywords of every function here are those of `softxent.Options`, described there once.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from softxent.contracts import Array, OptionsDict, Rows, bind_rows, loss_dtype, options_from
from softxent.frontends.steps import (
    Loss,
    Scale,
    bind,
    checked_tally,
    empty_loss,
    output,
    overlap,
    per_row,
    reduced,
)
from softxent.kernels.registry import Kernels, pick

if TYPE_CHECKING:
    from typing_extensions import Unpack


def cross_entropy(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Loss:
    r"""Softmax cross-entropy of logits and a target.

    .. math:: C = -\sum_{k} t_k \log y_k

    Arguments:
        logits: (..., V) float32, float64, bfloat16 or float16, in nats; V >= 1. A logit of -inf is
            a mask; a row that is all -inf or holds +inf or NaN has the loss NaN.
        target: (...) class indices in [0, V) of any integer dtype, or (..., V) floats, a soft
            target t, which need not sum to 1. A row of class `ignore_index` counts nothing.
        axis: the class axis of the logits, and of a soft target.
        implementation: "native", "numpy", or None for the best that runs here.
        **options: see `softxent.Options`.

    Returns:
        The loss in nats: float64 for float64 logits, float32 otherwise. A NumPy scalar, or for
        reduction="none" an array of the rows' shape. It contains the z-loss. A mean over no rows
        is 0 unless `empty` says otherwise.

    Raises:
        TypeError: logits or target of a dtype that is not accepted, an unknown option.
        ValueError: shapes that do not fit, V = 0, an option outside its range.
        IndexError: a class index outside [0, V); its row is named.
        NotImplementedError: a tensor that requires grad.

    Accuracy and memory: at most 4 ULP for t >= 0, at least +0 then; sums over rows in float64 with
    one rounding. N numbers for reduction="none" and one row per thread.

    Source: `softxent.formula`, "cross-entropy".

    >>> from softxent import cross_entropy
    >>> round(float(cross_entropy([[2.0, 1.0, 0.1]], [0])), 6)
    0.41703
    >>> cross_entropy([[2.0, 1.0, 0.1], [0.0, 0.0, 0.0]], [0, -100], reduction="none").round(4)
    array([0.417, 0.   ])
    """
    kernels, rows, scale = bind("cross_entropy", logits, target, axis, implementation, options)
    if scale.empty:
        return empty_loss(rows)
    by_row = per_row(rows)
    loss = reduced(rows, scale, kernels.loss(rows, per_row=by_row), by_row)
    return _mean_past_overflow(kernels, rows, scale, loss)


def cross_entropy_with_grad(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    out: Array | None = None,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> tuple[Loss, Array]:
    r"""Softmax cross-entropy and its gradient by the logits, in one pass.

    .. math:: \frac{\partial C}{\partial z_i} = y_i \sum_{k} t_k - t_i

    of :math:`C = -\sum_{k} t_k \log y_k` and :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors: as `cross_entropy`, and
        out: where to write the gradient, of the logits' shape and dtype, any strides; the logits
            themselves work in place. After an exception its content (in place: the logits') is
            undefined; errors of the arguments come before anything is written.

    Returns:
        (loss, gradient): the loss of `cross_entropy`, and the gradient of the reduced loss, of the
        logits' shape and dtype; with reduction="none" row n of it is the gradient of loss n.
        Rows that are ignored have a gradient of exactly 0.

    Accuracy and memory: each entry is a difference a_i - b_i, a_i = y_i times the target's sum over
    the other classes, b_i = t_i times the probability of the others; at most 6 ULP of the larger,
    which for class indices without smoothing is 6 ULP of the entry itself. float16 and
    bfloat16: one rounding. Beside the outputs, one row per thread.

    Source: `softxent.formula`, "gradient".

    >>> from softxent import cross_entropy_with_grad
    >>> loss, grad = cross_entropy_with_grad([[2.0, 1.0, 0.1]], [0])
    >>> grad.round(4)
    array([[-0.341 ,  0.2424,  0.0986]])
    """
    where = "cross_entropy_with_grad"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    grad, view = output(where, rows.logits, axis, out, inputs=(rows.target, rows.soft))
    if scale.empty:
        grad.fill(0)
        return empty_loss(rows), grad
    by_row = per_row(rows)
    sums = kernels.loss(rows, per_row=by_row, grad=view, **scale.factors)
    loss = reduced(rows, scale, sums, by_row)
    return _mean_past_overflow(kernels, rows, scale, loss, grad=view), grad


class CrossEntropyStats(NamedTuple):
    """Statistics of each row, not reduced; `cross_entropy_stats` returns it.

    Of an ignored row the floats are 0 and the integers -1; of a row with NaN, with +inf or all -inf
    in its logits they are NaN and -1.
    """

    loss: Array
    """The row's cross-entropy, weighted and smoothed, without the z-loss."""
    z_loss: Array
    """lambda lse^2."""
    logprob: Array
    """log y_t; for a soft target the sum of t_k log y_k; neither weighted nor smoothed."""
    entropy: Array
    """The entropy of the probabilities, in nats."""
    lse: Array
    """The log-sum-exp of the logits, after softcap and temperature."""
    prediction: Array
    """The first class of the largest logit, int64."""
    rank: Array
    """How many classes have a larger logit than the target's (0 is best), int64; -1 for a soft
    target."""


def cross_entropy_stats(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> CrossEntropyStats:
    r"""Loss, log-probability, entropy, log-sum-exp, prediction and rank of each row, in one call.

    .. math:: H = -\sum_{k} y_k \log y_k

    Arguments, errors: as `cross_entropy`; `reduction` and `empty` change nothing here.

    Returns:
        CrossEntropyStats: arrays of the rows' shape, its floats in the loss's dtype.

    Accuracy and memory: the loss, the log-probability of a class index and the log-sum-exp as
    `cross_entropy` and `logsumexp`; 7 numbers per row.

    Source: `softxent.formula`, "entropy".

    >>> from softxent import cross_entropy_stats
    >>> stats = cross_entropy_stats([[2.0, 1.0, 0.1], [0.0, 3.0, 0.0]], [0, 2])
    >>> stats.prediction, stats.rank
    (array([0, 1]), array([0, 1]))
    >>> stats.entropy.round(4)
    array([0.8467, 0.3666])
    """
    where = "cross_entropy_stats"
    rows = bind_rows(where, logits, target, axis, options_from(where, options))
    kernels = pick(implementation)
    checked_tally(where, kernels, rows)
    floats, ints = _stats(kernels, rows)
    return CrossEntropyStats(*floats.reshape(5, *rows.lead), *ints.reshape(2, *rows.lead))


def _stats(kernels: Kernels, rows: Rows) -> tuple[Array, Array]:
    floats = np.empty((5, rows.n_rows), loss_dtype(rows.logits.dtype))
    ints = np.empty((2, rows.n_rows), np.int64)
    kernels.stats(rows, floats, ints)
    return floats, ints


def _mean_past_overflow(
    kernels: Kernels, rows: Rows, scale: Scale, loss: Loss, grad: Array | None = None
) -> Loss:
    """Take an infinite float64 mean again, row by row: its sum may overflow where it does not."""
    if type(loss) is not np.float64 or not isinf(loss) or rows.options.reduction != "mean":
        return loss
    if grad is not None and overlap(grad, rows.logits):
        return loss  # worked in place: the logits are gone
    floats, _ = _stats(kernels, rows)
    with np.errstate(over="ignore"):
        mean: np.float64 = np.sum(floats[0] / scale.weight) + np.sum(floats[1] / scale.rows)
    return mean
