"""The implementation "native": C++ row kernels, compiled once per instruction set.

This file only hands arrays over; what happens to a row stands in native/.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from softxent import _native
from softxent.contracts import IGNORE, Array, Options, Rows
from softxent.kernels.registry import Tally

_OPS: dict[str, int] = _native.OPS
_UINT16 = np.dtype(np.uint16)


def _bits(array: Array | None) -> Array | None:
    """bfloat16 has no buffer format: the native side takes it as uint16."""
    if array is None or array.dtype.kind != "V":
        return array
    return array.view(_UINT16)


def _problem(rows: Rows) -> dict[str, Any]:
    """Arguments that describe the problem, without those at their defaults."""
    options: Options = rows.options
    described: dict[str, Any] = {"ignore_index": options.ignore_index}
    if rows.target is not None:
        described["target"] = rows.target
    else:
        described["soft"] = _bits(rows.soft)
    if options.weight is not None:
        described["weight"] = options.weight
    if options.row_weight is not None:
        described["row_weight"] = options.row_weight
    if options.label_smoothing:
        described["smoothing"] = options.label_smoothing
    if options.temperature != 1.0:
        described["temperature"] = options.temperature
    if options.softcap is not None:
        described["softcap"] = options.softcap
    if options.z_loss:
        described["z_loss"] = options.z_loss
    return described


class NativeKernels:
    """`softxent.kernels.registry.Kernels` on softxent._native."""

    name = "native"

    def softmax(
        self, logits: Array, out: Array, *, log: bool, temperature: float, softcap: float | None
    ) -> None:
        """Write softmax or log-softmax."""
        op = _OPS["log_softmax" if log else "softmax"]
        _native.run(
            op, _bits(logits), out=_bits(out), temperature=temperature, softcap=softcap or 0.0
        )

    def logsumexp(
        self, logits: Array, out: Array, *, temperature: float, softcap: float | None
    ) -> None:
        """Write the log-sum-exp of each row."""
        _native.run(
            _OPS["logsumexp"],
            _bits(logits),
            per_row=out,
            temperature=temperature,
            softcap=softcap or 0.0,
        )

    def softmax_jvp(self, logits: Array, tangent: Array, out: Array) -> None:
        """Write y * (v - <y, v>)."""
        _native.run(_OPS["softmax_jvp"], _bits(logits), vector=_bits(tangent), out=_bits(out))

    def tally(self, rows: Rows) -> Tally:
        """Check and count the targets."""
        options = rows.options
        if rows.target is None:
            n = rows.logits.size // rows.logits.shape[-1]
            weight = n if options.row_weight is None else options.row_weight.sum()
            return Tally(-1, n, float(weight))
        return Tally(
            *_native.tally(
                rows.target,
                rows.logits.shape[-1],
                options.ignore_index,
                options.weight,
                options.row_weight,
            )
        )

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
        """Return the sums of the losses and of the z-losses."""
        sums: tuple[float, float] = _native.run(
            _OPS["loss"],
            _bits(rows.logits),
            per_row=per_row,
            out=_bits(grad),
            saved=saved,
            ce_factor=ce_factor,
            z_factor=z_factor,
            **_problem(rows),
        )
        return sums

    def plain_loss(
        self,
        logits: int,
        dtype: str,
        target: int,
        grad: int,
        n_rows: int,
        n_classes: int,
        factor: float,
    ) -> tuple[int, int, float]:
        """Return (first bad row or -1, rows that count, sum of their losses); no options.

        All by address, contiguous, on the CPU: it spares a small call the 7 us of arrays and views.
        `grad`, unless it is 0, is where `factor` times the gradient of the mean goes.
        """
        return _native.plain_loss(
            logits, _DTYPES[dtype], target, grad, n_rows, n_classes, IGNORE, factor
        )

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
        """Write the gradient from the saved pair."""
        _native.run(
            _OPS["gradient"],
            _bits(rows.logits),
            saved=saved,
            out=_bits(grad),
            upstream=upstream,
            ce_factor=ce_factor,
            z_factor=z_factor,
            **_problem(rows),
        )

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
        """Return the directional derivative."""
        total: float = _native.run(
            _OPS["jvp"],
            _bits(rows.logits),
            vector=_bits(tangent),
            target_tangent=_bits(target_tangent),
            per_row=per_row,
            ce_factor=ce_factor,
            z_factor=z_factor,
            **_problem(rows),
        )[0]
        return total

    def hvp(
        self,
        rows: Rows,
        vector: Array,
        out: Array,
        *,
        ce_factor: float = 1.0,
        z_factor: float = 1.0,
    ) -> None:
        """Write Hessian times vector."""
        _native.run(
            _OPS["hvp"],
            _bits(rows.logits),
            vector=_bits(vector),
            out=_bits(out),
            ce_factor=ce_factor,
            z_factor=z_factor,
            **_problem(rows),
        )

    def hessian_diag(
        self, rows: Rows, out: Array, *, ce_factor: float = 1.0, z_factor: float = 1.0
    ) -> None:
        """Write the Hessian's diagonal."""
        _native.run(
            _OPS["hessian_diag"],
            _bits(rows.logits),
            out=_bits(out),
            ce_factor=ce_factor,
            z_factor=z_factor,
            **_problem(rows),
        )

    def target_grad(self, rows: Rows, out: Array, *, ce_factor: float = 1.0) -> None:
        """Write the gradient with respect to the target."""
        _native.run(
            _OPS["target_grad"],
            _bits(rows.logits),
            out=_bits(out),
            ce_factor=ce_factor,
            **_problem(rows),
        )

    def stats(self, rows: Rows, floats: Array, ints: Array) -> None:
        """Write the statistics of each row."""
        _native.run(_OPS["stats"], _bits(rows.logits), floats=floats, ints=ints, **_problem(rows))


# As native/rows.h has them.
_DTYPES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}

KERNELS = NativeKernels()
