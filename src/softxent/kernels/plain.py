"""The implementation "numpy": vectorised NumPy, for machines without the compiled kernels.

The accuracy and the edges are those of the compiled kernels. This file walks blocks of rows; the
mathematics is in `plain_softmax` (read it first), `plain_target` and `plain_formulas`. `plain_rows`
gathers and rounds, `plain_pairs` is arithmetic beyond float64, `plain_softcap` the cap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import ParamSpec, TypeVar

import numpy as np

from softxent.contracts import Array, Rows
from softxent.kernels import plain_formulas as formulas
from softxent.kernels import plain_pairs as pairs
from softxent.kernels.plain_rows import blocks, counted, put, take
from softxent.kernels.plain_softmax import Softmax, centred, product
from softxent.kernels.registry import Kernels, Tally

Args = ParamSpec("Args")
Result = TypeVar("Result")


def _quiet(kernel: Callable[Args, Result]) -> Callable[Args, Result]:
    """Keep NumPy's warnings inside: -inf, NaN and overflow are legal input."""

    @wraps(kernel)
    def quiet(*args: Args.args, **kwargs: Args.kwargs) -> Result:
        # A new errstate each time: before NumPy 2 one object cannot serve two threads at once.
        with np.errstate(all="ignore"):
            return kernel(*args, **kwargs)

    return quiet


class Plain:
    """The kernels of `registry.Kernels`, which says what each method writes."""

    name = "numpy"

    @_quiet
    def softmax(
        self, logits: Array, out: Array, *, log: bool, temperature: float, softcap: float | None
    ) -> None:
        """Write y_k = e_k / (1 + s), or log y_k."""
        for index in blocks(*_sizes(logits)):
            p = Softmax(take(logits, index), temperature, softcap, wide=_wide(logits))
            # 0 - x, not -x, so that log 1 is +0.
            put(out, index, 0.0 - p.minus_log if log else p.e / p.one_plus_s.high)

    @_quiet
    def logsumexp(
        self, logits: Array, out: Array, *, temperature: float, softcap: float | None
    ) -> None:
        """Write lse of each row."""
        for index in blocks(*_sizes(logits)):
            p = Softmax(take(logits, index), temperature, softcap, wide=_wide(logits))
            out[index] = p.lse.high[:, 0]

    @_quiet
    def softmax_jvp(self, logits: Array, tangent: Array, out: Array) -> None:
        """Write y * (v - <y, v>)."""
        for index in blocks(*_sizes(logits)):
            p = Softmax(take(logits, index), wide=_wide(logits))
            direction, mean, _ = centred(p, take(tangent, index))
            put(out, index, pairs.minus(direction, mean).high * p.e / p.one_plus_s.high)

    def tally(self, rows: Rows) -> Tally:
        """Check every class index and add up the counts."""
        target, weight, row_weight = rows.target, rows.options.weight, rows.options.row_weight
        if target is None:
            total = rows.n_rows if row_weight is None else np.sum(row_weight)
            return Tally(-1, rows.n_rows, float(total))
        counts = target != rows.options.ignore_index
        bad = counts & ((target < 0) | (target >= rows.n_classes))
        if bad.any():
            return Tally(int(np.argmax(bad)), 0, 0.0)
        each = np.ones(len(target)) if row_weight is None else row_weight
        if weight is not None:
            each = each * weight[np.where(counts, target, 0)]
        return Tally(-1, int(np.count_nonzero(counts)), float(np.sum(each * counts)))

    @_quiet
    def loss(
        self,
        rows: Rows,
        *,
        per_row: Array | None = None,
        grad: Array | None = None,
        saved: Array | None = None,
        ce_factor: float = 1.0,
        z_factor: float = 1.0,
    ) -> tuple[float, float]:
        """Return (sum r_n C_n, sum r_n lambda lse_n^2), and write what is asked for."""
        ce, z = np.zeros(rows.n_rows), np.zeros(rows.n_rows)
        if saved is not None:
            saved[...] = 0.0
        for index, ignored in counted(rows):
            b = formulas.block_of(rows, index)
            ce[index], z[index] = formulas.losses(b)
            if saved is not None:
                saved[index] = np.hstack([b.p.top, b.p.s])
            if grad is not None:
                put(grad, index, formulas.gradient(b, ce_factor, z_factor))
                put(grad, ignored, 0.0)
        if per_row is not None:
            per_row[...] = ce + z
        return float(np.sum(ce)), float(np.sum(z))

    @_quiet
    def gradient(
        self,
        rows: Rows,
        saved: Array,
        grad: Array,
        *,
        upstream: Array | None = None,
        ce_factor: float = 1.0,
        z_factor: float = 1.0,
    ) -> None:
        """Write the gradient by the logits from `saved`, each row times its `upstream`."""
        for index, ignored in counted(rows):
            b = formulas.block_of(rows, index, s=saved[index, 1:], upstream=upstream)
            put(grad, index, formulas.gradient(b, ce_factor, z_factor))
            put(grad, ignored, 0.0)

    @_quiet
    def jvp(
        self,
        rows: Rows,
        tangent: Array | None,
        target_tangent: Array | None,
        *,
        per_row: Array | None = None,
        ce_factor: float = 1.0,
        z_factor: float = 1.0,
    ) -> float:
        """Return <dC/dz, v> + <dC/dt, v_t>, summed over the rows."""
        derivative = np.zeros(rows.n_rows)
        for index, _ in counted(rows):
            b = formulas.block_of(rows, index)
            if tangent is not None:
                terms = formulas.gradient(b, ce_factor, z_factor) * take(tangent, index)
                derivative[index] += b.p.total(terms)[:, 0]
            if target_tangent is not None:
                v = take(target_tangent, index)
                terms = product(v, formulas.target_gradient(b, ce_factor))
                derivative[index] += b.p.total(terms)[:, 0]
        if per_row is not None:
            per_row[...] = derivative
        return float(np.sum(derivative))

    @_quiet
    def hvp(
        self,
        rows: Rows,
        vector: Array,
        out: Array,
        *,
        ce_factor: float = 1.0,
        z_factor: float = 1.0,
    ) -> None:
        """Write each row's Hessian times its `vector`."""
        for index, ignored in counted(rows):
            b = formulas.block_of(rows, index)
            v = take(vector, index)
            put(out, index, formulas.hessian_times(b, v, ce_factor, z_factor))
            put(out, ignored, 0.0)

    @_quiet
    def hessian_diag(
        self, rows: Rows, out: Array, *, ce_factor: float = 1.0, z_factor: float = 1.0
    ) -> None:
        """Write the diagonal of each row's Hessian."""
        for index, ignored in counted(rows):
            b = formulas.block_of(rows, index)
            put(out, index, formulas.hessian_diagonal(b, ce_factor, z_factor))
            put(out, ignored, 0.0)

    @_quiet
    def target_grad(self, rows: Rows, out: Array, *, ce_factor: float = 1.0) -> None:
        """Write r_n dC/dt_k."""
        for index, ignored in counted(rows):
            b = formulas.block_of(rows, index)
            put(out, index, formulas.target_gradient(b, ce_factor))
            put(out, ignored, 0.0)

    @_quiet
    def stats(self, rows: Rows, floats: Array, ints: Array) -> None:
        """Write loss, z_loss, logprob, entropy and lse; prediction and rank."""
        floats[...], ints[...] = 0.0, -1  # what ignored rows keep
        for index, _ in counted(rows):
            b = formulas.block_of(rows, index)
            loss, z_loss = formulas.losses(b)
            floats[0, index] = loss
            floats[1, index] = np.where(np.isnan(b.p.s[:, 0]), np.nan, z_loss)
            floats[2, index] = formulas.log_probability(b, rows, index)
            floats[3, index] = formulas.entropy(b.p)
            floats[4, index] = b.p.lse.high[:, 0]
            ints[0, index] = formulas.prediction(b.p)
            if rows.target is not None:
                ints[1, index] = formulas.rank(b.p, rows.target[index])


KERNELS: Kernels = Plain()


def _sizes(logits: Array) -> tuple[int, int]:
    return prod(logits.shape[:-1]), logits.shape[-1]


def _wide(logits: Array) -> bool:
    return logits.dtype == np.float64
