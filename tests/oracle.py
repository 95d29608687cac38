"""The exact oracle: every result of the contract, far beyond float64, for one row or a small batch.

Two arithmetics stand behind the same formulas:

* ``MPMATH``: 256 bits. Any row; about 0.1 ms a class, so meant for V up to about 1000.
* ``LONG``: NumPy's long double, vectorised, for V up to 2**20 (0.5 s a row). With the 64-bit
  mantissa of x86 (u = 2**-64) its own error in softmax, loss and gradient, as a fraction of the
  scale that `ulp_error` measures in, is at most
      (16 + 2 log2 V) u                             without softcap: 2**-58 at V = 2**20
      (16 + 2 log2 V + 8 gap + 2 softcap / T) u     with softcap, gap = largest a_max - a_k
  (test_oracle.py holds it to that against mpmath; measured: 0.003 and 0.05 float64 ULP.) Where
  long double is float64 (macOS on arm64, Windows) float64 rows of any size go to mpmath.

Nothing here subtracts what it has just added: "the sum over the others" of the largest entry is
summed afresh, and the shift by the largest logit carries its rounding error along, so no precision
has to be guessed from the data.

Inputs are taken exactly from their dtype (float64, float32, bfloat16, float16), option scalars
exactly as float64. Values come back as `mpf` objects (object arrays) or long doubles; either may be
multiplied by further float factors.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from exact_arithmetic import DTYPES, FORMATS, LONG, LONG_PRECISION, MP, MPMATH, ulp_error

__all__ = [
    "DTYPES",
    "FORMATS",
    "KINDS",
    "LEADS",
    "LONG",
    "LONG_PRECISION",
    "MP",
    "MPMATH",
    "Reduced",
    "Row",
    "arithmetic_for",
    "cross_entropy",
    "kinds",
    "make_row",
    "make_soft",
    "others",
    "ulp_error",
]


def arithmetic_for(classes: int, dtype: Any) -> Any:
    """MPMATH up to V = 1024, LONG beyond (unless long double could not judge that dtype)."""
    enough = LONG_PRECISION >= FORMATS[np.dtype(dtype).name][0] + 11
    return LONG if classes > 1024 and enough else MPMATH


def others(x: np.ndarray, ar: Any) -> np.ndarray:
    """Sum over j != i of x_j for every i; no cancellation where x has one sign."""
    rest = ar.sum(x) - x
    largest = int(np.argmax(np.abs(x)))
    rest[largest] = ar.sum(np.delete(x, largest))
    return rest


# ---------------------------------------------------------------------------- one row


class Row:
    """Everything exact about one row. `target`: class index, soft target (V,), None (softmax only).

    grad = a - b + c and grad_scale = max(|a|, |b|, |c|). All of these, and loss, ce_loss, z_loss,
    jvp, hvp, hessian_diag and target_grad, contain row_weight, ce_factor and z_factor (floats or
    Fractions). A "scale" is the magnitude in whose last places the contract counts; `jvp`, `hvp`
    and `hessian_diag` give (value, sum of the magnitudes of the terms).
    A row with NaN, +inf or only -inf gives NaN everywhere, and -1 for prediction and rank.
    """

    def __init__(
        self,
        logits: Any,
        target: Any = None,
        *,
        weight: Any = None,
        label_smoothing: float = 0.0,
        temperature: float = 1.0,
        softcap: float | None = None,
        z_loss: float = 0.0,
        row_weight: Any = 1.0,
        ce_factor: Any = 1.0,
        z_factor: Any = 1.0,
        arithmetic: Any = None,
    ) -> None:
        logits = np.asarray(logits)
        self.ar = ar = arithmetic or arithmetic_for(logits.size, logits.dtype)
        values = logits.astype(np.float64)
        self.classes = values.size
        self.poisoned = bool(
            np.isnan(values).any() or (values == np.inf).any() or (values == -np.inf).all()
        )
        self.argmax = 0 if self.poisoned else int(np.argmax(values))
        self.z = ar.array(np.full_like(values, np.nan) if self.poisoned else values)
        self.values = values
        self.temperature = ar.number(temperature)
        self.softcap = None if softcap is None else ar.number(softcap)
        self.smoothing = ar.number(label_smoothing)
        self.weight = None if weight is None else ar.array(weight)
        self.index = None if target is None or np.ndim(target) else int(target)
        self.z_loss_factor = ar.number(z_loss)
        self.ce_factor = ar.number(row_weight) * ar.number(ce_factor)
        self.z_factor = ar.number(row_weight) * ar.number(z_factor)
        if target is None:
            self.target = None
        elif self.index is None:
            self.target = ar.array(target)
        else:
            self.target = ar.array(np.arange(self.classes) == self.index)
        with np.errstate(all="ignore"):
            self.gap, self.e = ar.gap(self.z, self.z[self.argmax], self.temperature, self.softcap)

    # softmax -----------------------------------------------------------------

    @cached_property
    def s(self) -> Any:
        """Sum of the others' exp(a_k - a_max), without the largest's own 1."""
        return self.ar.sum(np.delete(self.e, self.argmax))

    @cached_property
    def log1p_s(self) -> Any:
        return self.ar.log1p(self.s)

    @cached_property
    def top(self) -> Any:
        """The largest transformed logit."""
        m = self.z[self.argmax]
        if self.softcap is not None:
            m = self.softcap * self.ar.tanh(m / self.softcap)
        return m / self.temperature

    @cached_property
    def lse(self) -> Any:
        return self.top + self.log1p_s

    @cached_property
    def lse_scale(self) -> Any:
        return max(abs(self.top), self.log1p_s)

    @cached_property
    def softmax(self) -> np.ndarray:
        return self.e / (1 + self.s)

    @cached_property
    def log_softmax(self) -> np.ndarray:
        return -(self.gap + self.log1p_s)

    # loss --------------------------------------------------------------------

    @cached_property
    def weighted_target(self) -> np.ndarray:
        """w_k ((1 - eps) t_k + eps / V)."""
        t = (1 - self.smoothing) * self.target + self.smoothing / self.classes
        return t if self.weight is None else self.weight * t

    def _product(self, coefficient: np.ndarray, x: np.ndarray) -> np.ndarray:
        """coefficient * x, with 0 * inf = 0."""
        with np.errstate(invalid="ignore"):
            return np.where(coefficient == 0, self.ar.number(0), coefficient * x)

    @cached_property
    def ce_loss(self) -> Any:
        """The cross-entropy part: row_weight and ce_factor in, z_loss out."""
        w = self.ce_factor * self.weighted_target
        return self.ar.sum(self._product(w, self.gap)) + self.ar.sum(w) * self.log1p_s

    @cached_property
    def z_loss(self) -> Any:
        return self.z_factor * (self.z_loss_factor * self.lse**2)

    @cached_property
    def loss(self) -> Any:
        return self.ce_loss + self.z_loss

    @cached_property
    def loss_scale(self) -> Any:
        """Sum of |w_k t'_k log y_k|, and the z-loss."""
        magnitudes = abs(self.ce_factor * self.weighted_target)
        return self.ar.sum(self._product(magnitudes, self.gap + self.log1p_s)) + self.z_loss

    # first derivatives -------------------------------------------------------

    @cached_property
    def slope(self) -> Any:
        """da/dz."""
        if self.softcap is None:
            return 1 / self.temperature
        with np.errstate(all="ignore"):
            return self.ar.sech2(self.z, self.softcap) / self.temperature

    @cached_property
    def curvature(self) -> Any:
        """d2a/dz2."""
        if self.softcap is None:
            return self.ar.number(0)
        return -2 * self.ar.tanh(self.z / self.softcap) * self.slope / self.softcap

    @cached_property
    def _terms(self) -> tuple[Any, Any, Any]:
        """a, b, c with respect to the transformed logits."""
        w = self.weighted_target
        total = 1 + self.s
        a = self.ce_factor * self.softmax * others(w, self.ar)
        b = self.ce_factor * w * (others(self.e, self.ar) / total)
        c = self.z_factor * (2 * self.z_loss_factor * self.lse) * self.softmax
        return a, b, c

    @cached_property
    def a(self) -> np.ndarray:
        return self.slope * self._terms[0]

    @cached_property
    def b(self) -> np.ndarray:
        return self.slope * self._terms[1]

    @cached_property
    def c(self) -> np.ndarray:
        return self.slope * self._terms[2]

    @cached_property
    def grad(self) -> np.ndarray:
        return self.a - self.b + self.c

    @cached_property
    def grad_scale(self) -> np.ndarray:
        return np.maximum(np.maximum(abs(self.a), abs(self.b)), abs(self.c))

    @cached_property
    def target_grad(self) -> np.ndarray:
        """-(1 - eps) w_k log y_k; +inf at a masked class whose coefficient is not 0."""
        w = self.ar.array(np.ones(self.classes)) if self.weight is None else self.weight
        return self._product(self.ce_factor * (1 - self.smoothing) * w, -self.log_softmax)

    def jvp(self, tangent: Any = None, target_tangent: Any = None) -> tuple[Any, Any]:
        """(derivative along the tangents, sum of |terms|)."""
        ar = self.ar
        value = magnitude = ar.number(0)
        if tangent is not None:
            v = ar.array(tangent)
            value += ar.sum(self.grad * v)
            magnitude += ar.sum((abs(self.a) + abs(self.b) + abs(self.c)) * abs(v))
        if target_tangent is not None:
            terms = self._product(ar.array(target_tangent), self.target_grad)
            value += ar.sum(terms)
            magnitude += ar.sum(abs(terms))
        return value, magnitude

    # second derivatives ------------------------------------------------------

    def hvp(self, vector: Any) -> tuple[Any, Any]:
        """(H v, sum of |terms|), the direction taken relative to its value at the arg-max."""
        ar, y, v = self.ar, self.softmax, self.ar.array(vector)
        direction = self.slope * v  # v'
        if self.softcap is None:
            centred = self.slope * (v - v[self.argmax])
            size = abs(centred)
        else:
            centred = direction - direction[self.argmax]
            size = abs(direction) + abs(direction[self.argmax])
            size[self.argmax] = ar.number(0)
        mean, mean_size = ar.sum(y * centred), ar.sum(y * size)
        weight = self.ce_factor * ar.sum(self.weighted_target)
        z = 2 * self.z_factor * self.z_loss_factor
        full, full_size = ar.sum(y * direction), ar.sum(y * abs(direction))
        bend = self.curvature * v
        a, b, c = self._terms
        value = self.slope * y * ((weight + z * self.lse) * (centred - mean) + z * full) + bend * (
            a - b + c
        )
        size_w = self.ce_factor * ar.sum(abs(self.weighted_target)) + z * abs(self.lse)
        magnitude = self.slope * y * (size_w * (size + mean_size) + z * full_size)
        return value, magnitude + abs(bend) * (abs(a) + abs(b) + abs(c))

    @cached_property
    def hessian_diag(self) -> tuple[Any, Any]:
        """(diagonal of the Hessian, sum of |terms|)."""
        ar, y = self.ar, self.softmax
        rest = others(self.e, ar) / (1 + self.s)  # 1 - y_i
        z = 2 * self.z_factor * self.z_loss_factor
        weight = self.ce_factor * ar.sum(self.weighted_target) + z * self.lse
        size_w = self.ce_factor * ar.sum(abs(self.weighted_target)) + z * abs(self.lse)
        a, b, c = self._terms
        value = self.slope**2 * (weight * y * rest + z * y * y) + self.curvature * (a - b + c)
        magnitude = self.slope**2 * (size_w * y * rest + z * y * y)
        return value, magnitude + abs(self.curvature) * (abs(a) + abs(b) + abs(c))

    # statistics --------------------------------------------------------------

    @cached_property
    def logprob(self) -> Any:
        """sum t_k log y_k, without weights and smoothing."""
        return self.ar.sum(self._product(self.target, self.log_softmax))

    @cached_property
    def logprob_scale(self) -> Any:
        return self.ar.sum(abs(self._product(self.target, self.log_softmax)))

    @cached_property
    def entropy(self) -> Any:
        return self.ar.sum(self._product(self.softmax, -self.log_softmax))

    @cached_property
    def prediction(self) -> int:
        return -1 if self.poisoned else self.argmax

    @cached_property
    def rank(self) -> int:
        """The transforms are strictly increasing, so the raw logits decide."""
        if self.poisoned or self.index is None:
            return -1
        return int((self.values > self.values[self.index]).sum())


# ---------------------------------------------------------------------------- a batch, reduced


class Reduced(NamedTuple):
    """Exact results of a reduced loss; what belongs to an ignored row is 0."""

    loss: Any  # scalar, or (N,) for reduction "none"
    loss_scale: Any
    grad: np.ndarray  # (N, V)
    grad_scale: np.ndarray
    rows: list[Row | None]  # None: ignored. Factors of the reduction are inside


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
    row_weight: Any = None,
    weight: Any = None,
    z_loss: float = 0.0,
    arithmetic: Any = None,
    **options: Any,
) -> Reduced:
    """The contract's reduced loss of logits (N, V), with exact denominators; no empty batches."""
    logits, target = np.asarray(logits), np.asarray(target)
    count, classes = logits.shape
    soft = target.ndim == 2
    ar = arithmetic or arithmetic_for(classes, logits.dtype)
    keep = np.ones(count, bool) if soft else target != ignore_index
    r = np.ones(count) if row_weight is None else np.asarray(row_weight, np.float64)
    w = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
    ce_factor = z_factor = Fraction(1)
    if reduction == "mean":
        exact = [
            Fraction(float(r[n])) * (1 if soft else Fraction(float(w[target[n]])))
            for n in np.flatnonzero(keep)
        ]
        ce_factor, z_factor = 1 / sum(exact, Fraction(0)), Fraction(1, int(keep.sum()))
    rows: list[Row | None] = [
        Row(
            logits[n],
            target[n],
            weight=weight,
            z_loss=z_loss,
            row_weight=r[n],
            ce_factor=ce_factor,
            z_factor=z_factor,
            arithmetic=ar,
            **options,
        )
        if keep[n]
        else None
        for n in range(count)
    ]
    zero = ar.array(np.zeros(classes))
    nothing = ar.number(0)
    loss = [nothing if row is None else row.loss for row in rows]
    scale = [nothing if row is None else row.loss_scale for row in rows]
    if reduction != "none":
        loss, scale = ar.sum(np.array(loss)), ar.sum(np.array(scale))
    grad = np.stack([zero if row is None else row.grad for row in rows])
    grad_scale = np.stack([zero if row is None else row.grad_scale for row in rows])
    return Reduced(np.array(loss)[()], np.array(scale)[()], grad, grad_scale, rows)


# ---------------------------------------------------------------------------- rows to test on

LEADS = (2, 5, 10, 17, 30, 45, 60)  # nats
KINDS = (
    "normal",
    "wide",
    "offset 1e4",
    "offset 1e8",
    *(f"lead {lead} target" for lead in LEADS),
    *(f"lead {lead} other" for lead in LEADS),
    "near tie",
)


def kinds(dtype: Any) -> tuple[str, ...]:
    """The kinds of row that `dtype` can hold (1e8 is beyond float16)."""
    return tuple(k for k in KINDS if np.dtype(dtype) != np.float16 or k != "offset 1e8")


def make_row(kind: str, classes: int, dtype: Any, seed: int) -> tuple[np.ndarray, int]:
    """(logits (V,) in dtype, target class index) of a named kind.

    normal: N(0, 1). wide: standard deviation 10. offset x: N(0, 1) + x (wider where the dtype is
    coarser), so the logits share their leading bits. lead x target | other: one class x nats
    above the largest of N(0, 1), and it is, or is not, the target. near tie: logits a few units
    in the last place apart.
    """
    rng = np.random.default_rng([seed, classes, KINDS.index(kind)])
    dtype = np.dtype(dtype)
    z = rng.standard_normal(classes)
    t = int(rng.integers(classes))
    if kind == "wide":
        z *= 10
    elif kind.startswith("offset"):
        offset = float(kind.split()[1])
        # At least a spacing of the dtype wide: N(0, 1) alone would be a constant row in bfloat16.
        z = offset + z * max(1.0, 2.0 ** (np.frexp(offset)[1] - FORMATS[dtype.name][0]))
    elif kind.startswith("lead"):
        _, lead, which = kind.split()
        leader = (
            t if which == "target" else (t + 1 + int(rng.integers(max(classes - 1, 1)))) % classes
        )
        z[leader] = np.max(z) + float(lead)
    elif kind == "near tie":
        precision = FORMATS[dtype.name][0]
        z = 3.0 + rng.integers(-4, 5, classes) * 2.0 ** (2 - precision)
    return z.astype(dtype), t


def make_soft(classes: int, dtype: Any, seed: int, *, total: float = 1.0) -> np.ndarray:
    """A soft target (V,) >= 0 in dtype with about that sum; a third of its entries are 0."""
    rng = np.random.default_rng([seed, classes, 77])
    t = rng.exponential(size=classes) * (rng.random(classes) > 1 / 3)
    t[int(rng.integers(classes))] += 1.0
    return (t / t.sum() * total).astype(np.dtype(dtype))
