"""The implementation "numpy" alone: its accuracy in ULP, its edges, the same bits in any layout.

What every implementation owes is in tests/contract; here are the kernels' own arguments (factors,
upstream, saved, per_row), and rows that are hard for this one: `python test_plain.py` prints the
worst error of each output.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
import oracle
import pytest
from numpy.testing import assert_array_equal

from softxent.contracts import Options, Rows, loss_dtype
from softxent.kernels import plain_pairs as pairs
from softxent.kernels.plain import KERNELS
from softxent.kernels.plain_rows import BLOCK, rounded

DTYPES = tuple(oracle.DTYPES)
# In units in the last place of the oracle's scale; the narrow dtypes' arrays are rounded once.
BARS = {
    "softmax": 6.0, "log_softmax": 4.0, "logsumexp": 4.0, "loss": 4.0, "gradient": 6.0,
    "jvp": 6.0, "hvp": 6.0, "hessian_diag": 6.0, "target_grad": 6.0,
    "logprob": 4.0, "entropy": 6.0, "z_loss": 8.0,
}  # fmt: skip
ROUNDED_ONCE = ("softmax", "log_softmax", "gradient", "hvp", "hessian_diag")


def options_for(n_classes: int, n_rows: int) -> dict[str, dict[str, Any]]:
    """The options tested, by name; "soft" is the kind of target."""
    rng = np.random.default_rng(n_classes)
    weight = rng.uniform(0.1, 3.0, n_classes)
    weight[rng.integers(n_classes)] = 0.0
    row_weight = rng.uniform(0.1, 2.0, n_rows)
    everything = {
        "label_smoothing": 0.1, "temperature": 1.7, "softcap": 30.0, "z_loss": 1e-3,
        "weight": weight, "row_weight": row_weight,
    }  # fmt: skip
    return {
        "plain": {},
        "temperature": {"temperature": 0.7},
        "softcap": {"softcap": 20.0},
        "wide softcap": {"softcap": 1e7, "temperature": 3.0},
        "smoothing and weight": {"label_smoothing": 0.1, "weight": weight},
        "z_loss": {"z_loss": 1e-2, "row_weight": row_weight},
        "everything": everything,
        "soft": {"soft": True},
        "soft, weight and z_loss": {"soft": True, "weight": weight, "z_loss": 0.1},
        "soft, everything": {"soft": True, **everything},
    }


# Enough of the oracle's rows of each kind; offset 1e8 under a cap of 20 is saturated to 0 slope.
FEW = ("normal", "wide", "offset 1e4", "offset 1e8", "near tie", "lead 10 target", "lead 45 other")


def make_rows(dtype: str, n_classes: int, name: str) -> Rows:
    """A small batch: a row of each kind, class indices or soft targets, options by name."""
    many = oracle.kinds(oracle.DTYPES[dtype])
    kinds = many if n_classes < 100 else [k for k in many if k in FEW]
    made = [oracle.make_row(kind, n_classes, oracle.DTYPES[dtype], 5) for kind in kinds]
    logits, target = np.stack([z for z, _ in made]), np.array([t for _, t in made])
    options = options_for(n_classes, len(kinds))[name]
    soft = None
    if options.pop("soft", False):
        of = oracle.DTYPES[dtype]
        totals = np.linspace(0.5, 2.0, len(kinds))
        soft = np.stack([oracle.make_soft(n_classes, of, n, total=x) for n, x in enumerate(totals)])
    return Rows(logits, None if soft is not None else target, soft, Options(**options))


def results(rows: Rows, v: np.ndarray, upstream: np.ndarray) -> dict[str, np.ndarray]:
    """Every output of the kernels, for ce_factor 0.3 and z_factor 0.7."""
    o, (n, _) = rows.options, rows.logits.shape
    factors = {"ce_factor": 0.3, "z_factor": 0.7}
    shared = {"temperature": o.temperature, "softcap": o.softcap}
    of = loss_dtype(rows.logits.dtype)
    whole = {k: np.empty_like(rows.logits) for k in ROUNDED_ONCE}
    each = {k: np.empty(n, of) for k in ("logsumexp", "loss", "jvp")}
    saved, floats, ints = np.empty((n, 2)), np.empty((5, n), of), np.empty((2, n), np.int64)
    target_grad = np.empty_like(rows.logits if rows.soft is None else rows.soft)
    KERNELS.softmax(rows.logits, whole["softmax"], log=False, **shared)
    KERNELS.softmax(rows.logits, whole["log_softmax"], log=True, **shared)
    KERNELS.logsumexp(rows.logits, each["logsumexp"], **shared)
    KERNELS.loss(rows, per_row=each["loss"], saved=saved)
    KERNELS.gradient(rows, saved, whole["gradient"], upstream=upstream, **factors)
    KERNELS.jvp(rows, v, None, per_row=each["jvp"], **factors)
    KERNELS.hvp(rows, v, whole["hvp"], **factors)
    KERNELS.hessian_diag(rows, whole["hessian_diag"], **factors)
    KERNELS.target_grad(rows, target_grad, ce_factor=0.3)
    KERNELS.stats(rows, floats, ints)
    stats = dict(zip(("stats loss", "z_loss", "logprob", "entropy"), floats[:4], strict=True))
    return {**whole, **each, **stats, "target_grad": target_grad, "ints": ints}


def exact(rows: Rows, n: int, v: np.ndarray, upstream: float) -> dict[str, tuple[Any, Any]]:
    """Each output of row n as the oracle has it: (value, the scale that errors are counted in)."""
    o = rows.options
    long = oracle.LONG_PRECISION > 60 and (rows.logits.dtype != np.float64 or o.softcap is None)
    arithmetic = oracle.LONG if long else oracle.MPMATH
    target = rows.soft[n] if rows.target is None else rows.target[n]  # type: ignore[index]
    r = 1.0 if o.row_weight is None else o.row_weight[n]

    def row(r: Any, ce: float, z: float) -> oracle.Row:
        return oracle.Row(
            rows.logits[n], target, weight=o.weight, label_smoothing=o.label_smoothing,
            temperature=o.temperature, softcap=o.softcap, z_loss=o.z_loss, row_weight=r,
            ce_factor=ce, z_factor=z, arithmetic=arithmetic,
        )  # fmt: skip

    plain, scaled = row(r, 1.0, 1.0), row(r, 0.3, 0.7)
    up = arithmetic.number(upstream)
    return {
        "softmax": (plain.softmax, None),
        "log_softmax": (plain.log_softmax, None),
        "logsumexp": (plain.lse, plain.lse_scale),
        "loss": (plain.loss, plain.loss_scale),
        "gradient": (up * scaled.grad, up * scaled.grad_scale),
        "jvp": scaled.jvp(v),
        "hvp": scaled.hvp(v),
        "hessian_diag": scaled.hessian_diag,
        "target_grad": (scaled.target_grad, None),
        "logprob": (plain.logprob, plain.logprob_scale),
        "entropy": (plain.entropy, None),
        "z_loss": (plain.z_loss, None),
    }


def errors(dtype: str, n_classes: int, name: str) -> dict[str, float]:
    """The worst error of each output over the rows of one problem, in ULP."""
    rows = make_rows(dtype, n_classes, name)
    rng = np.random.default_rng(n_classes)
    v = rng.standard_normal(rows.logits.shape)
    upstream = rng.uniform(0.1, 2.0, len(v))
    got = results(rows, v, upstream)
    worst: dict[str, float] = {}
    for n in range(len(v)):
        for output, (value, scale) in exact(rows, n, v[n], upstream[n]).items():
            of = got[output].dtype.name
            if scale is not None and of in ("bfloat16", "float16"):
                scale = np.maximum(scale, abs(value))  # sums of terms are rounded once themselves
            error = np.max(oracle.ulp_error(got[output][n], value, of, scale))
            worst[output] = max(worst.get(output, 0.0), float(error))
    return worst


@pytest.mark.parametrize("name", options_for(2, 1))
@pytest.mark.parametrize("n_classes", [2, 10, 257])
@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy(dtype: str, n_classes: int, name: str) -> None:
    """Every output is within its bar of the exact value."""
    for output, error in errors(dtype, n_classes, name).items():
        once = output in ROUNDED_ONCE or (output == "target_grad" and "soft" in name)
        bar = 0.51 if once and dtype in ("bfloat16", "float16") else BARS[output]
        assert error <= bar, f"{output}: {error:.3f} ULP, bar {bar}"


# ---------------------------------------------------------------------------- edges


def loss_and_grad(logits: Any, target: Any, soft: Any = None, **options: Any) -> tuple[Any, Any]:
    """(per-row loss, gradient) of `Kernels.loss`."""
    rows = Rows(
        np.asarray(logits, np.float64),
        None if soft is not None else np.asarray(target),
        soft if soft is None else np.asarray(soft, np.float64),
        Options(**options),
    )
    loss, grad = np.empty(rows.n_rows), np.empty(rows.logits.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KERNELS.loss(rows, per_row=loss, grad=grad)
    return loss, grad


@pytest.mark.parametrize("softcap", [None, 8.0])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("bad", [(nan, 0, 1), (0, inf, 1), (-inf,) * 3, (-inf, inf, nan)])
def test_bad_row(bad: Any, temperature: float, softcap: float | None) -> None:
    """NaN throughout the row, whatever the target; the row beside it keeps its bits."""
    options = {"temperature": temperature, "softcap": softcap}
    good = [0.5, -1.0, 2.0]
    loss, grad = loss_and_grad([bad, good], [1, 2], **options)
    assert np.isnan(loss[0]) and np.isnan(grad[0]).all()
    alone, its_grad = loss_and_grad([good], [2], **options)
    assert_array_equal(loss[1:], alone)
    assert_array_equal(grad[1:], its_grad)


def test_masked_classes() -> None:
    """-inf: probability +0 elsewhere; at the target loss +inf with the gradient y - t."""
    z = [[0.0, -inf, 0.0]]
    loss, grad = loss_and_grad(z, [0])
    assert loss[0] == np.log(2)
    assert_array_equal(grad, [[-0.5, 0.0, 0.5]])
    loss, grad = loss_and_grad(z, [1])
    assert loss[0] == inf
    assert_array_equal(grad, [[0.5, -1.0, 0.5]])
    loss, grad = loss_and_grad(z, [0], label_smoothing=0.3)
    assert loss[0] == inf
    assert np.isfinite(grad).all()


def test_zero_times_infinity() -> None:
    """A zero weight, target or row weight at -inf adds nothing, and does not hide NaN."""
    z = [[0.0, -inf, 0.0]]
    assert loss_and_grad(z, None, [[0.5, 0.0, 0.5]])[0] == np.log(2)
    assert loss_and_grad(z, [1], weight=[1.0, 0.0, 1.0])[0] == 0
    assert loss_and_grad(z, [1], row_weight=[0.0])[0] == 0
    assert np.isnan(loss_and_grad([[0.0, nan, 0.0]], [0], row_weight=[0.0])[0])
    assert np.isnan(loss_and_grad([[0.0, nan, 0.0]], [1], weight=[1.0, 0.0, 1.0])[0])


def test_loss_is_never_minus_zero() -> None:
    """A loss of 0 is +0, with soft targets of -0 too, and so is log 1."""
    z = np.array([[0.0, -inf], [5.0, -inf]])
    for loss in (loss_and_grad(z, [0, 0])[0], loss_and_grad(z, None, [[-0.0, 0], [1, -0.0]])[0]):
        assert_array_equal(np.copysign(1, loss), 1)
        assert_array_equal(loss, 0)
    out = np.empty_like(z)
    KERNELS.softmax(z, out, log=True, temperature=1.0, softcap=None)
    assert_array_equal(np.copysign(1, out[:, 0]), 1)


def test_ignored_rows_are_not_read() -> None:
    """Zeros for ignored rows in every output, even for NaN; a problem of nothing else is 0."""
    z = np.array([[nan, 1.0], [0.0, 3.0]])
    for target in ([7, 1], [7, 7]):
        rows = Rows(z, np.array(target), None, Options(ignore_index=7, z_loss=0.5, softcap=4.0))
        got = results(rows, np.ones_like(z), np.ones(2))
        for name in ("loss", "gradient", "jvp", "hvp", "hessian_diag", "target_grad", "entropy"):
            assert_array_equal(got[name][0], 0)
        assert_array_equal(got["ints"][:, 0], -1)
    assert KERNELS.loss(rows) == (0.0, 0.0)


def test_gap_past_overflow() -> None:
    """1.7e308 apart: infinite only where the loss is, after temperature and weights."""
    z = [[1.7e308, -1.7e308]]
    assert loss_and_grad(z, [1])[0] == inf
    for options in ({"weight": [1.0, 0.25]}, {"row_weight": [0.25]}, {"temperature": 4.0}):
        loss, grad = loss_and_grad(z, [1], **options)
        assert loss[0] == 0.85e308
        assert_array_equal(grad, [[0.25, -0.25]])
    assert loss_and_grad(z, [1], softcap=1e8, temperature=0.5)[0] == 4e8


def test_one_class() -> None:
    """V = 1: loss +0 and gradient 0; NaN stays NaN."""
    loss, grad = loss_and_grad([[3.0], [nan]], [0, 0])
    assert_array_equal(loss, [0.0, nan])
    assert_array_equal(grad, [[0.0], [nan]])


def test_tally() -> None:
    """The first bad row is found before anything else; ignored rows count nothing."""
    z, r, w = np.zeros((4, 3)), np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 0.5, 3.0])

    def tally(target: list[int], **options: Any) -> Any:
        return KERNELS.tally(Rows(z, np.array(target), None, Options(**options)))

    assert tally([0, 3, -1, 0]).bad_row == 1
    assert tally([0, 2, -1, 0]).bad_row == 2
    assert tally([0, 1, -100, 2]) == (-1, 3, 3.0)
    assert tally([0, 1, -100, 2], weight=w, row_weight=r) == (-1, 3, 1 + 1 + 24)
    assert tally([7, 1, 7, 2], ignore_index=7, weight=w) == (-1, 2, 3.5)
    soft = Rows(z, None, z, Options(row_weight=r))
    assert KERNELS.tally(soft) == (-1, 4, 15.0)


# ---------------------------------------------------------------------------- the same bits


def layouts(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Views with the values of x (N, V) and other strides, alignment or leading axes."""
    backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    raw = np.empty(x.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    yield from {
        "Fortran": np.asfortranarray(x),
        "negative strides": backwards,
        "strided": np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
        "misaligned": misaligned,
        "read-only": read_only,
    }.items()


def bits(got: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: x.tobytes() for name, x in got.items()}


BATCHES = [
    (v, name) for v in (1, 3, 10, 257) for name in ("plain", "everything", "soft, everything")
]


@pytest.mark.parametrize(("n_classes", "name"), [*BATCHES, (BLOCK + 3, "everything")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits(dtype: str, n_classes: int, name: str) -> None:
    """Every output, in any layout, and row by row."""
    rng = np.random.default_rng(n_classes)
    shape = (2 if n_classes > 1000 else 9, n_classes)
    logits = (rng.standard_normal(shape) * 4).astype(oracle.DTYPES[dtype])
    options = options_for(n_classes, shape[0])[name]
    target, soft = rng.integers(0, n_classes, shape[0]), None
    if options.pop("soft", False):
        target, soft = None, rng.random(shape).astype(logits.dtype)
    v, upstream = rng.standard_normal(shape), rng.random(shape[0])
    rows = Rows(logits, target, soft, Options(**options))
    whole = results(rows, v, upstream)
    softs = iter([None] * 9) if soft is None else (x for _, x in layouts(soft))
    for layout, view in list(layouts(logits))[: 2 if n_classes > 1000 else None]:
        other = Rows(view, target, next(softs), rows.options)
        assert bits(results(other, v, upstream)) == bits(whole), layout
    for n in range(shape[0]):
        r = options.get("row_weight")
        one = Rows(
            logits[n],  # without leading axes
            None if target is None else target[n : n + 1],
            None if soft is None else soft[n],
            Options(**{**options, "row_weight": None if r is None else r[n : n + 1]}),
        )
        KERNELS.loss(one, grad=(grad := np.empty_like(one.logits)))
        KERNELS.loss(rows, grad=(grads := np.empty_like(logits)))
        assert grad.tobytes() == grads[n].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_roads_to_the_gradient(dtype: str) -> None:
    """Loss alone, with gradient, in place, and the gradient from what was saved: the same bits."""
    rows = make_rows(dtype, 10, "everything")
    assert rows.target is not None
    rows.target[3] = -100
    factors = {"ce_factor": 1 / 3, "z_factor": 0.2}
    n = rows.n_rows
    loss, again = np.empty(n, loss_dtype(rows.logits.dtype)), np.empty(n, np.float64)
    grad, late = np.empty_like(rows.logits), np.empty_like(rows.logits)
    saved = np.full((n, 2), nan)
    sums = KERNELS.loss(rows, per_row=loss, grad=grad, saved=saved, **factors)
    again = np.empty_like(loss)
    assert KERNELS.loss(rows, per_row=again) == sums
    assert again.tobytes() == loss.tobytes()
    KERNELS.gradient(rows, saved, late, **factors)
    assert late.tobytes() == grad.tobytes()
    KERNELS.gradient(rows, saved, late, upstream=np.ones(n), **factors)
    assert late.tobytes() == grad.tobytes()
    in_place = Rows(rows.logits.copy(), rows.target, None, rows.options)
    KERNELS.loss(in_place, grad=in_place.logits, **factors)
    assert in_place.logits.tobytes() == grad.tobytes()
    strided = np.empty((n, 20), rows.logits.dtype)[:, ::-2]
    KERNELS.loss(rows, grad=strided, **factors)
    assert strided.tobytes() == grad.tobytes()


def test_many_leading_axes() -> None:
    """A class axis moved from the middle, over two leading axes, row by row as flat."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((3, 7, 5))
    moved = np.moveaxis(base, 1, -1)
    target = rng.integers(0, 7, 15)
    target[4] = -100
    rows = Rows(moved, target, None, Options())
    flat = Rows(moved.reshape(15, 7), target, None, Options())
    out, flat_out = np.moveaxis(np.empty_like(base), 1, -1), np.empty((15, 7))
    assert KERNELS.loss(rows, grad=out) == KERNELS.loss(flat, grad=flat_out)
    assert_array_equal(out.reshape(15, 7), flat_out)


# ---------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_rounded_once(dtype: str) -> None:
    """Float64 values beside a halfway case of the dtype round to their own side."""
    of = oracle.DTYPES[dtype]
    ulp = 2.0 ** (1 - oracle.FORMATS[dtype][0])
    for sign in (1.0, -1.0):
        x = sign * (1 + ulp * np.array([0.5 - 2**-26, 0.5, 0.5 + 2**-26, 1.5 - 2**-26, 1.5]))
        expected = sign * (1 + ulp * np.array([0, 0, 1, 1, 2]))
        assert_array_equal(rounded(x, of).astype(np.float64), expected)
    edge = np.array([inf, -inf, nan, 0.0, -0.0, 1e-300, 1e300])
    with np.errstate(over="ignore"):
        assert_array_equal(rounded(edge, of).astype(np.float64), [inf, -inf, nan, 0, 0, 0, inf])


def test_pair_exponentials() -> None:
    """exp and expm1 of pairs against 256 bits, over the whole range."""
    rng = np.random.default_rng(0)
    high = -np.concatenate([np.exp(rng.uniform(-60, 6.4, 500)), rng.uniform(0, 0.02, 100), [0.0]])
    low = high * 2.0**-54 * rng.uniform(-1, 1, high.size)
    x = pairs.Pair(high, low)
    for function, bar in (("exp", 2.0**-75), ("expm1", 2.0**-66)):
        got = getattr(pairs, function)(x)
        for n in range(high.size):
            value = getattr(oracle.MP, function)(oracle.MP.mpf(high[n]) + low[n])
            error = abs(oracle.MP.mpf(got.high[n]) + got.low[n] - value)
            assert error <= bar * abs(value), high[n]


def test_pair_total() -> None:
    """Sums that cancel come out exactly, for even and odd numbers of columns."""
    for n_columns in (1, 2, 3, 6, 1001):
        x = np.random.default_rng(n_columns).standard_normal((3, n_columns))
        x = np.concatenate([x * 1e16, x, -x * 1e16], axis=1)
        high, low = pairs.total(x)
        for row, h, part in zip(x, high[:, 0], low[:, 0], strict=True):
            exact = oracle.MP.fsum(row.tolist())
            assert abs(exact - h - part) <= 2.0**-95 * np.sum(np.abs(row))


def main() -> None:
    """Print the worst error of each output."""
    record: dict[tuple[str, str], tuple[float, str]] = {}
    for dtype in DTYPES:
        for n_classes in (2, 10, 257):
            for name in options_for(2, 1):
                for output, error in errors(dtype, n_classes, name).items():
                    found = (error, f"{name}, V = {n_classes}")
                    record[dtype, output] = max(record.get((dtype, output), (0.0, "")), found)
    for (dtype, output), (error, where) in record.items():
        print(f"{dtype:9} {output:13} {error:7.3f}  {where}")


if __name__ == "__main__":
    main()
