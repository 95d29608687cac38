"""The yardstick: known values, an independent oracle, errors of a known number of ULP."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import oracle
import pytest

from softxent.measure import accuracy, rows, truth

DTYPES = list(rows.DTYPES)


def exactly(value):
    """The Truth of one number that is a float."""
    return truth.split(np.array(value, np.float64))


# Values -----------------------------------------------------------------------------------------


def test_two_equal_classes():
    right = truth.Rows([[0.0, 0.0]], [0])
    with mpmath.workdps(truth.DIGITS):
        assert abs(right.loss[0] - mpmath.log(2)) < mpmath.mpf(10) ** -55
    assert right.gradient.astype(float).tolist() == [[-0.5, 0.5]]


def test_a_dominated_row_keeps_its_digits():
    right = truth.Rows([[0.0, 800.0]], [1])
    with mpmath.workdps(truth.DIGITS):
        tiny = mpmath.exp(-800)  # underflows in float64
        assert abs(right.loss[0] / tiny - 1) < mpmath.mpf(10) ** -50
        assert abs(-right.gradient[0, 1] / tiny - 1) < mpmath.mpf(10) ** -50


def test_one_class():
    right = truth.Rows([[3.0]], [0])
    assert [float(right.loss[0]), float(right.gradient[0, 0]), float(right.softmax[0, 0])] == [
        0,
        0,
        1,
    ]


def test_the_precision_of_others_stays_as_it_was():
    before = mpmath.mp.dps
    truth.Rows([[0.0, 1.0]], [0]).gradient  # noqa: B018
    assert mpmath.mp.dps == before < truth.DIGITS


@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_the_tests_own_oracle(dtype):
    """Two programs from one page of equations: 256 bits there, 60 digits here."""
    batch = next(rows.batches(dtype, quick=True))
    logits, vector = batch.logits[:, :17], batch.vector[:, :17]
    target = batch.target % 17
    options = accuracy.options_for(17)
    right = truth.Rows(logits, target)
    every, every_scale = right.gradient_with_options(**options)
    jvp, jvp_scale = right.jvp(vector)
    hvp, hvp_scale = right.hvp(vector)
    for n, z in enumerate(logits):
        plain = oracle.Row(z, target[n], arithmetic=oracle.MPMATH)
        full = oracle.Row(z, target[n], arithmetic=oracle.MPMATH, **options)
        same(right.softmax[n], plain.softmax)
        same(right.log_softmax[n], plain.log_softmax)
        same(right.logsumexp[n], plain.lse, plain.lse_scale)
        same(right.logsumexp_scale[n], plain.lse_scale)
        same(right.loss[n], plain.loss)
        same(right.gradient[n], plain.grad)
        same(every[n], full.grad, full.grad_scale)
        same(every_scale[n], full.grad_scale)
        value, scale = plain.jvp(vector[n])
        same(jvp[n], value, scale)
        same(jvp_scale[n], scale)
        value, scale = plain.hvp(vector[n])
        same(hvp[n], value, scale)
        same(hvp_scale[n], scale)


def same(got, want, scale=None):
    """Equal to 50 digits, relative to the scale (default: the value)."""
    number = np.frompyfunc(lambda x: oracle.MP.mpf(str(x)), 1, 1)
    got, want = np.asarray(number(got), object), np.asarray(want, object)
    size = abs(want) if scale is None else np.asarray(scale, object)
    assert np.all(abs(got - want) <= oracle.MP.mpf(10) ** -50 * size)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "float64"])
def test_float64_arithmetic_is_enough_for_the_short_formats(dtype):
    """At most 1e-5 ULP of float32, and so less of the others, on every kind of row."""
    for batch in rows.batches(dtype, quick=True):
        fast = accuracy.exact(batch, dtype)
        slow = truth.Rows(batch.logits, batch.target, truth.MPMATH)
        every = slow.gradient_with_options(**accuracy.options_for(batch.logits.shape[1]))
        known = {
            "softmax": truth.split(slow.softmax),
            "log_softmax": truth.split(slow.log_softmax),
            "logsumexp": truth.split(slow.logsumexp, slow.logsumexp_scale),
            "loss": truth.split(slow.loss),
            "gradient": truth.split(slow.gradient),
            "gradient, all options": truth.split(*every),
            "jvp": truth.split(*slow.jvp(batch.vector)),
            "hvp": truth.split(*slow.hvp(batch.vector)),
        }
        assert list(known) == list(fast) == list(accuracy.BARS)
        for op, right in known.items():
            assert truth.ulps(fast[op].high, right, "float32").max() <= 1e-5
            np.testing.assert_allclose(
                np.minimum(fast[op].scale, right.scale), right.scale, rtol=1e-12
            )


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1.0, 1.5, 3.7, 1e-30, -0.1])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_ulps_counts_floats(dtype, value, steps):
    exact = moved = dtype(value)
    for _ in range(steps):
        moved = np.nextafter(moved, dtype(np.copysign(np.inf, value)))
    assert truth.ulps(moved, exactly(exact), np.dtype(dtype).name) == steps


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ulps_counts_short_floats(dtype):
    one = rows.DTYPES[dtype].type(1.0)
    after = one.view(np.uint16) + np.uint16(3)
    assert truth.ulps(after.view(rows.DTYPES[dtype]), exactly(1.0), dtype) == 3


def test_ulps_sees_what_a_float64_cannot():
    """1/3 rounded to float64 is 1/3 of an ULP off; the pair of float64 behind a Truth knows it."""
    third = truth.split(np.array([truth.MP.mpf(1) / 3], object))
    assert truth.ulps(np.array([1 / 3]), third, "float64")[0] == pytest.approx(1 / 3)


def test_ulps_of_a_scale():
    right = truth.split(np.array([1.0]), np.array([1024.0]))
    assert truth.ulps(np.float32([1.0 + 2.0**-13]), right, "float32") == [1.0]


@pytest.mark.parametrize("got", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_infinitely_wrong(got):
    assert truth.ulps(np.float32(got), exactly(1.0), "float32") == math.inf


def test_below_the_smallest_normal():
    tiny = 2.0**-149  # of float32: anything up to the smallest normal number is as good
    assert truth.ulps(np.float32(2e-45), exactly(tiny), "float32") == 0
    assert truth.ulps(np.float32(0.0), exactly(2.0**-127), "float32") == 0
    assert truth.ulps(np.float32(2.0**-125), exactly(tiny), "float32") > 2**23
    assert truth.ulps(np.float16(0.0), exactly(2.0**-24), "float16") == 1
    assert truth.ulps(np.float32(0.0), exactly(0.0), "float32") == 0
    assert truth.ulps(np.float32(1.0), exactly(0.0), "float32") > 2**23


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"got has the shape \(2,\); expected \(\)"):
        truth.ulps(np.zeros(2), exactly(1.0), "float64")


def test_worst_is_the_largest():
    exact = np.array([1.0, 2.0, 4.0])
    got = np.float32([1.0, 2.0 + 2.0**-20, 4.0])
    assert truth.worst(got, exact, "float32") == 4
