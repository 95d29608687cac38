"""What an implementation has to provide, which ones there are, and which one runs.

To add one: write a module with an object `KERNELS` that satisfies `Kernels`, and give the module a
line in `MODULES`. Modules are imported on first use, so that one that cannot load costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import NamedTuple, Protocol

from softxent.contracts import Array, Rows
from softxent.errors import error, nearest

# In order of preference: the first that loads is the default.
MODULES = {
    "native": "softxent.kernels.cpu",
    "numpy": "softxent.kernels.plain",
}


def pick(implementation: str | None = None) -> Kernels:
    """Return the named implementation, or fail saying why; None returns the best that loads.

    The environment variable ``SOFTXENT_IMPLEMENTATION`` names the default; it is read once.
    """
    try:
        return _picked[implementation]
    except KeyError:
        kernels = _picked[implementation] = _find(implementation)
        return kernels


def available() -> dict[str, str | None]:
    """Return every implementation by name, with None if it runs here, else why it cannot."""
    reasons: dict[str, str | None] = {}
    for name in MODULES:
        try:
            _load(name)
            reasons[name] = None
        except ImportError as reason:
            reasons[name] = str(reason)
    return reasons


class Tally(NamedTuple):
    """What the targets and row weights of a problem add up to, found before anything is written."""

    bad_row: int
    """First row whose class index is outside [0, V) and not ignore_index; -1 if there is none.
    The other fields mean nothing when there is one."""
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here
    """Rows that count: those not ignored; with soft targets all N."""
    weight: float
    """Class indices: the sum of r_n w_{t_n} over rows that count. Soft targets: the sum of r_n."""


class Kernels(Protocol):
    """One implementation of the mathematics. Arguments were checked; N may be 0, V is at least 1.

    r_n is `row_weight` (1 without it), C_n the row's cross-entropy, lambda `z_loss`. `ce_factor`
    multiplies the derivatives of C, `z_factor` those of lambda lse^2, before the one rounding.
    Ignored rows count 0 everywhere and are not read. `out`, `grad` and `vector` have any strides;
    `per_row` is (N,), C-contiguous, of the loss's dtype (`contracts.loss_dtype`).
    """

    @property
    def name(self) -> str:
        """The name in `MODULES`."""

    def softmax(
        self, logits: Array, out: Array, *, log: bool, temperature: float, softcap: float | None
    ) -> None:
        """Write the softmax or log-softmax of each row; `out` may be `logits` itself."""

    def logsumexp(
        self, logits: Array, out: Array, *, temperature: float, softcap: float | None
    ) -> None:
        """Write lse of each row into `out`, as `per_row`."""

    def softmax_jvp(self, logits: Array, tangent: Array, out: Array) -> None:
        """Write y * (v - <y, v>), which is also the VJP, the Jacobian being symmetric."""

    def tally(self, rows: Rows) -> Tally:
        """Check every class index and add up the counts. Reads no logits."""

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
        """Return (sum r_n C_n, sum r_n lambda lse_n^2), without the factors.

        `per_row` <- r_n (C_n + lambda lse_n^2). `grad` <- the gradient by the logits with the
        factors in; it may be `rows.logits` itself. `saved` (N, 2) float64 <- the largest raw logit
        m, and s, the sum of the others' exp(a_k - a_max).
        """

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
        """Write the same bits as `loss` into `grad`, from `saved`; `upstream` (N,) scales rows."""

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
        """Return the derivative along the tangents (None is zero), summed; `per_row` by row."""

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

    def hessian_diag(
        self, rows: Rows, out: Array, *, ce_factor: float = 1.0, z_factor: float = 1.0
    ) -> None:
        """Write the diagonal of each row's Hessian."""

    def target_grad(self, rows: Rows, out: Array, *, ce_factor: float = 1.0) -> None:
        """Write -(1 - eps) w_k log y_k r_n; `out` has its own dtype, one of the four."""

    def stats(self, rows: Rows, floats: Array, ints: Array) -> None:
        """Write the statistics of each row.

        `floats` (5, N) in the loss's dtype: loss, z_loss, logprob, entropy, lse. `ints` (2, N)
        int64: prediction, rank.
        """


_picked: dict[str | None, Kernels] = {}


def _find(implementation: str | None) -> Kernels:
    asked, where = implementation, "implementation"
    if asked is None:
        asked, where = os.environ.get("SOFTXENT_IMPLEMENTATION") or None, "SOFTXENT_IMPLEMENTATION"
    if asked is None:
        for name, reason in available().items():
            if reason is None:
                return _load(name)
        raise ImportError(f"no implementation of softxent loads: {available()}")
    if asked not in MODULES:
        best = "None" if implementation is not None else "nothing"
        raise error(
            ValueError,
            "implementation",
            "softxent",
            where,
            repr(asked),
            f"one of {', '.join(MODULES)}, or {best} for the best that runs here",
            nearest(str(asked), MODULES),
        )
    try:
        return _load(asked)
    except ImportError as reason:
        raise error(
            RuntimeError,
            "implementation",
            "softxent",
            where,
            f"{asked!r}, which cannot load ({reason})",
            "one that loads here",
            "Use None for the best that does; `softxent doctor` says why each other cannot.",
        ) from reason


def _load(name: str) -> Kernels:
    kernels: Kernels = importlib.import_module(MODULES[name]).KERNELS
    return kernels
