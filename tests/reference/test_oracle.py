"""The oracle itself: its two arithmetics agree, its formulas are derivatives, its ULPs are ULPs."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import oracle
import pytest

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "temperature": {"temperature": 0.7},
    "smoothing": {"label_smoothing": 0.1, "z_loss": 1e-3},
    "softcap": {"softcap": 30.0, "temperature": 1.3},
}
needs_long = pytest.mark.skipif(
    oracle.LONG_PRECISION < 64, reason="long double is float64 here, MPMATH stands in for LONG"
)


def stated_bound(row: oracle.Row, options: dict[str, Any]) -> float:
    """The error bound of LONG that oracle.py states, in ULPs of float64."""
    units = 16 + 2 * np.log2(row.classes)
    if "softcap" in options:
        largest = float(max(g for g in row.gap if g < 1000))
        units += 8 * largest + 2 * options["softcap"] / options.get("temperature", 1.0)
    return float(units) * 2.0**-11


@needs_long
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", oracle.KINDS)
def test_long_double_stays_within_its_stated_bound(kind: str, options: dict[str, Any]) -> None:
    for classes, dtype in ((2, "float64"), (10, "float32"), (100, "float64")):
        logits, target = oracle.make_row(kind, classes, dtype, seed=3)
        exact = oracle.Row(logits, target, arithmetic=oracle.MPMATH, **options)
        long = oracle.Row(logits, target, arithmetic=oracle.LONG, **options)
        bound = stated_bound(exact, options)
        for name, scale in (
            ("softmax", "softmax"),
            ("log_softmax", "log_softmax"),
            ("loss", "loss_scale"),
            ("grad", "grad_scale"),
            ("lse", "lse_scale"),
            ("entropy", "entropy"),
        ):
            error = oracle.ulp_error(
                getattr(long, name), getattr(exact, name), "float64", getattr(exact, scale)
            )
            assert np.max(error) <= bound, (name, classes, dtype)
        vector = np.random.default_rng(4).normal(size=classes)
        for (got, _), (want, size) in (
            (long.hvp(vector), exact.hvp(vector)),
            (long.jvp(vector), exact.jvp(vector)),
            (long.hessian_diag, exact.hessian_diag),
        ):
            assert np.max(oracle.ulp_error(got, want, "float64", size)) <= 2 * bound


@needs_long
def test_long_double_on_a_large_vocabulary() -> None:
    logits, target = oracle.make_row("wide", 20_000, "float64", seed=5)
    exact = oracle.Row(logits, target, arithmetic=oracle.MPMATH)
    long = oracle.Row(logits, target)
    assert long.ar is oracle.LONG
    bound = stated_bound(long, {})
    assert oracle.ulp_error(long.loss, exact.loss, "float64") <= bound
    some = np.r_[0:50, exact.argmax, target]
    error = oracle.ulp_error(long.softmax[some], exact.softmax[some], "float64")
    assert np.max(error) <= bound


@pytest.mark.parametrize("ar", [oracle.MPMATH, pytest.param(oracle.LONG, marks=needs_long)])
def test_differences_of_logits_are_exact(ar: Any) -> None:
    """exp(z - m) with z and m far apart in size: 1e8 and 1e-8 share no bits in float64."""
    mp = mpmath.MPContext()
    mp.prec = 400
    logits = np.array([1e2, 1e-16, 99.999999999], np.float64)
    row = oracle.Row(logits, 1, arithmetic=ar)
    exact = mp.exp(mp.mpf(logits[1]) - mp.mpf(logits[0]))
    assert oracle.ulp_error(row.e[1], oracle.MP.mpf(exact), "float64") < 2.0**-8


def test_inputs_are_taken_exactly() -> None:
    for dtype in oracle.DTYPES.values():
        logits = np.array([0.1, 0.3, 0.2]).astype(dtype)
        row = oracle.Row(logits, np.array([0.1, 0.7, 0.2]).astype(dtype), label_smoothing=0.1)
        assert [float(z) for z in row.z] == logits.astype(np.float64).tolist()
        assert float(row.smoothing) == 0.1


# ------------------------------------------------------------------ derivatives, by differences

MP = mpmath.MPContext()
MP.dps = 80
STEP = MP.mpf(10) ** -20
TOLERANCE = 1e-35


def test_every_derivative_with_all_options_together() -> None:
    rng = np.random.default_rng(0)
    size = 4
    z, t, v, tau = (rng.normal(size=size) * scale for scale in (3, 1, 1, 1))
    w = rng.random(size)
    row = oracle.Row(
        z,
        t,
        weight=w,
        label_smoothing=0.1,
        temperature=0.7,
        softcap=4.0,
        z_loss=0.3,
        row_weight=1.7,
        ce_factor=0.4,
        z_factor=0.6,
    )

    def loss(z: list[Any], t: list[Any]) -> Any:
        a = [4 * MP.tanh(x / 4) / MP.mpf(0.7) for x in z]
        lse = MP.log(sum(MP.exp(x) for x in a))
        eps = MP.mpf(0.1)
        smooth = [MP.mpf(w[k]) * ((1 - eps) * t[k] + eps / size) for k in range(size)]
        ce = sum(smooth[k] * (lse - a[k]) for k in range(size))
        return MP.mpf(1.7) * (MP.mpf(0.4) * ce + MP.mpf(0.6) * MP.mpf(0.3) * lse**2)

    def at(dz: Any = (0,) * size, dt: Any = (0,) * size) -> Any:
        return loss(
            [MP.mpf(x) + y for x, y in zip(z, dz, strict=True)],
            [MP.mpf(x) + y for x, y in zip(t, dt, strict=True)],
        )

    def unit(i: int, h: Any) -> list[Any]:
        return [h if j == i else 0 for j in range(size)]

    def close(got: Any, want: Any) -> bool:
        return bool(abs(MP.convert(got) - want) < TOLERANCE)

    h = STEP
    hv, _ = row.hvp(v)
    diagonal, _ = row.hessian_diag
    assert close(row.loss, at())
    for i in range(size):
        assert close(row.grad[i], (at(unit(i, h)) - at(unit(i, -h))) / (2 * h))
        assert close(row.target_grad[i], (at(dt=unit(i, h)) - at(dt=unit(i, -h))) / (2 * h))
        assert close(diagonal[i], (at(unit(i, h)) - 2 * at() + at(unit(i, -h))) / h**2)
        corners = [
            p * q * at([p * h * MP.mpf(x) + y for x, y in zip(v, unit(i, q * h), strict=True)])
            for p, q in ((1, 1), (1, -1), (-1, 1), (-1, -1))
        ]
        assert close(hv[i], sum(corners) / (4 * h**2))
    ahead = at([h * MP.mpf(x) for x in v], [h * MP.mpf(x) for x in tau])
    behind = at([-h * MP.mpf(x) for x in v], [-h * MP.mpf(x) for x in tau])
    assert close(row.jvp(v, tau)[0], (ahead - behind) / (2 * h))


def test_the_others_of_a_dominating_class_keep_their_digits() -> None:
    logits = np.array([0.0, -200.0, -300.0])
    row = oracle.Row(logits, 0)
    with mpmath.workprec(2000):
        y = mpmath.exp(-200) + mpmath.exp(-300)
        exact = -y / (1 + y)
        assert abs((mpmath.mpf(str(row.grad[0])) - exact) / exact) < 1e-60


# ------------------------------------------------------------------ units in the last place


@pytest.mark.parametrize("name", oracle.DTYPES)
@pytest.mark.parametrize("kind", [float, np.longdouble, oracle.MP.mpf])
def test_one_step_is_one_ulp(name: str, kind: Any) -> None:
    dtype = oracle.DTYPES[name]
    precision, low, high = oracle.FORMATS[name]
    for start in (1.0, 1.5, 2.0**low, 2.0 ** (high - 1)):
        here = np.asarray(start, dtype)
        step = start if start != 1.5 else 1.0
        after = np.asarray(start + step * 2.0 ** (1 - precision), dtype)
        assert oracle.ulp_error(here, kind(float(here)), dtype) == 0
        assert oracle.ulp_error(after, kind(float(here)), dtype) == 1
        assert oracle.ulp_error(after, kind(float(here)), dtype, scale=2 * start) == 0.5


def test_below_the_smallest_normal_the_error_is_absolute() -> None:
    normal = 2.0**-126
    assert oracle.ulp_error(np.float32(0), normal / 3, "float32") == 0
    assert oracle.ulp_error(np.float32(normal), normal / 3, "float32") == 0
    assert oracle.ulp_error(np.float32(2 * normal), normal / 3, "float32") > 2**23
    assert oracle.ulp_error(np.float32(0), 1.001 * normal, "float32") > 2**23
    spacing = 2.0**-24  # float16
    assert oracle.ulp_error(np.float16(spacing), 1.5 * spacing, np.float16) == 0.5
    assert oracle.ulp_error(np.float16(0), oracle.MP.mpf(2 * spacing), np.float16) == 2


def test_infinities_and_nan() -> None:
    inf, nan = np.inf, np.nan
    got = np.array([inf, -inf, inf, nan, nan, 1.0, inf, inf], np.float32)
    exact = np.array([inf, inf, 1.0, nan, 1.0, nan, 3.5e38, 3.4e38])
    want = [0, inf, inf, 0, inf, inf, 0, inf]
    assert oracle.ulp_error(got, exact, "float32").tolist() == want
    assert oracle.ulp_error(got, oracle.MPMATH.array(exact), "float32").tolist() == want


# ------------------------------------------------------------------ rows to test on


@pytest.mark.parametrize("dtype", oracle.DTYPES.values(), ids=oracle.DTYPES)
def test_rows_are_what_their_names_say(dtype: Any) -> None:
    for kind in oracle.kinds(dtype):
        logits, target = oracle.make_row(kind, 50, dtype, seed=1)
        assert logits.dtype == dtype and logits.shape == (50,) and 0 <= target < 50
        values = logits.astype(np.float64)
        assert np.isfinite(values).all()
        again, _ = oracle.make_row(kind, 50, dtype, seed=1)
        other, _ = oracle.make_row(kind, 50, dtype, seed=2)
        assert np.array_equal(values, again.astype(np.float64))
        assert len(np.unique(values)) > 2
        assert not np.array_equal(values, other.astype(np.float64))
        if kind.startswith("lead"):
            first, second = np.sort(values)[:-3:-1]
            assert first - second == pytest.approx(float(kind.split()[1]), rel=0.02)
            assert (np.argmax(values) == target) == kind.endswith("target")
        if kind == "near tie":
            assert 0 < np.ptp(values) <= 3 * 2.0 ** (6 - oracle.FORMATS[np.dtype(dtype).name][0])


def test_soft_targets_are_probabilities_with_zeros() -> None:
    t = oracle.make_soft(1000, np.float64, seed=1)
    assert t.min() == 0 and t.sum() == pytest.approx(1) and 0.2 < (t == 0).mean() < 0.5


def test_the_reduced_oracle_has_exact_denominators() -> None:
    rng = np.random.default_rng(1)
    logits, target = rng.normal(size=(5, 3)), np.array([0, -100, 2, 1, 0])
    w, r = np.array([0.1, 0.2, 0.7]), np.array([1.0, 5.0, 0.3, 2.0, 0.0])
    options: dict[str, Any] = {"weight": w, "row_weight": r, "z_loss": 0.5}
    mean = oracle.cross_entropy(logits, target, **options)
    parts = oracle.cross_entropy(logits, target, reduction="none", **options).rows
    kept = [row for row in parts if row is not None]
    assert parts[1] is None and len(kept) == 4
    mass = sum(oracle.MP.mpf(r[n]) * oracle.MP.mpf(w[target[n]]) for n in (0, 2, 3, 4))
    by_hand = sum(row.ce_loss for row in kept) / mass + sum(row.z_loss for row in kept) / 4
    assert abs(mean.loss - by_hand) < 1e-70
    assert mean.grad.shape == (5, 3) and (mean.grad[1] == 0).all()
