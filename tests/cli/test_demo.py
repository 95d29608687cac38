"""`softxent demo` on the real public functions, and its yardsticks on known answers."""

from __future__ import annotations

import json
import math
import re

import mpmath
import numpy as np
import pytest

import softxent
from softxent.cli import _digits, _exact, _minibatch
from softxent.cli._checks import Check, jsonable


@pytest.fixture(scope="module")
def data():
    return _digits.load()


def quiet(loss, norm):
    pass


# The command ------------------------------------------------------------------------------------


def test_piped(spawn):
    code, out, err = spawn("-m", "softxent", "demo")
    assert (code, err) == (0, "")  # no progress off a terminal
    assert "\x1b" not in out and "\r" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"6 of 6 checks passed in \d+\.\d s\n$", out)
    assert "y − t" in out and "scikit-learn" in out


def test_json_is_exactly_one_object_and_meets_the_bars(spawn):
    code, out, err = spawn("-m", "softxent", "demo", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert set(report) == {"schema_version", "gradient_check", "digits"}
    assert report["schema_version"] == 1
    assert 0 < report["gradient_check"]["max_ulp"] <= 6
    digits = report["digits"]
    assert {"loss", "sklearn_loss", "accuracy", "agreement"} <= set(digits)
    assert digits["loss"] == pytest.approx(digits["sklearn_loss"], rel=1e-8, abs=0)
    assert 0.95 <= digits["accuracy"] <= 1
    assert 0.995 <= digits["agreement"] <= 1
    assert digits["gradient_norm"] <= 1e-9
    assert (digits["train_rows"], digits["test_rows"]) == (1198, 599)


def test_a_check_that_falls_short_is_named_and_exits_1(call, monkeypatch):
    monkeypatch.setattr(_minibatch, "ULP_BAR", 1e-9)
    code, out, err = call("demo")
    assert code == 1
    assert re.fullmatch(
        r"softxent demo: gradient against .*mpmath: \d\.\d\d ULP is above the bar 1e-09 ULP\n", err
    )
    assert "5 of 6 checks passed" in out and "✗" in out


def test_a_check_that_falls_short_exits_1_with_json_too(call, monkeypatch):
    monkeypatch.setattr(_minibatch, "ULP_BAR", 1e-9)
    code, out, err = call("demo", "--json")
    assert code == 1
    assert json.loads(out)["gradient_check"]["passed"] is False
    assert "above the bar" in err


def test_on_a_terminal_there_is_colour_and_a_progress_bar_that_leaves(on_terminal):
    code, written = on_terminal("demo")
    assert code == 0
    assert "\x1b[1m" in written
    assert "training" in written and "\r" in written
    screen = [line.rpartition("\r")[2] for line in written.replace("\r\n", "\n").split("\n")]
    assert not any("training" in line for line in screen)


def test_no_color_on_a_terminal(on_terminal):
    code, written = on_terminal("demo", NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*m", written)


def test_a_dumb_terminal_gets_plain_text(on_terminal):
    code, written = on_terminal("demo", TERM="dumb")
    assert code == 0
    assert "\x1b" not in written and "\r" not in written.replace("\r\n", "\n")


def test_a_stream_without_our_letters(spawn):
    code, out, err = spawn("-m", "softxent", "demo", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert out.isascii() and "y - t" in out


# The mini-batch ---------------------------------------------------------------------------------


def test_the_batch_is_real_and_consistent(data):
    batch = _minibatch.make(data)
    assert batch.logits.shape == (3, 10)
    assert any((data.test_x == batch.images[0]).all(axis=1))
    assert (np.diff(batch.loss) > 0).all()
    one_hot = softxent.one_hot(batch.target, 10)
    np.testing.assert_allclose(batch.probabilities - one_hot, batch.gradient, rtol=0, atol=1e-15)
    assert batch.mean_loss == pytest.approx(batch.loss.mean(), rel=1e-14)


def test_a_wrong_gradient_is_found(data, monkeypatch):
    batch = _minibatch.make(data)
    honest = softxent.cross_entropy_with_grad

    def off_by_one_in_a_million(*args, **kwargs):
        loss, gradient = honest(*args, **kwargs)
        return loss, gradient * (1 + 1e-6)

    monkeypatch.setattr(softxent, "cross_entropy_with_grad", off_by_one_in_a_million)
    first, second, third = _minibatch.check(batch).checks()
    assert first.passed and third.passed  # the batch was made before, and the loss is right
    assert not second.passed and second.value > 1e9


def test_central_differences_of_a_known_row():
    z, t = np.array([[0.3, -1.2, 2.0], [5.0, 0.0, -5.0]]), np.array([2, 1])
    exact = [
        [float(g) for g in _exact.loss_and_gradient(*row)[1]] for row in zip(z, t, strict=True)
    ]
    np.testing.assert_allclose(_minibatch.central_differences(z, t), exact, rtol=0, atol=1e-12)


def test_central_differences_are_of_eighth_order():
    """Exact on polynomials up to degree 8: the odd moments 3, 5, 7 vanish, the first is 1/2."""
    moments = [math.fsum(c * k**p for k, c in _minibatch.STENCIL) for p in (1, 3, 5, 7)]
    assert moments == pytest.approx([0.5, 0, 0, 0], abs=1e-13)


# High precision ---------------------------------------------------------------------------------


def test_exact_two_classes():
    loss, gradient = _exact.loss_and_gradient([0.0, 0.0], 0)
    with mpmath.workdps(_exact.DIGITS):
        assert abs(loss - mpmath.log(2)) < mpmath.mpf(10) ** -55
    assert [float(g) for g in gradient] == [-0.5, 0.5]


def test_exact_dominated_row_keeps_its_digits():
    loss, gradient = _exact.loss_and_gradient([0.0, 800.0], 1)
    with mpmath.workdps(_exact.DIGITS):
        tiny = mpmath.exp(-800)  # underflows in float64
        assert abs(loss / tiny - 1) < mpmath.mpf(10) ** -50
        assert abs(-gradient[1] / tiny - 1) < mpmath.mpf(10) ** -50


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1.0, 1.5, 3.7, 1e-30, -0.1])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_ulps_counts_floats(dtype, value, steps):
    exact = dtype(value)
    moved = exact
    for _ in range(steps):
        moved = np.nextafter(moved, dtype(np.copysign(np.inf, value)))
    assert _exact.ulps(moved, mpmath.mpf(float(exact))) == steps


def test_ulps_of_nan_and_of_subnormals():
    assert _exact.ulps(np.float32(np.nan), mpmath.mpf(1)) == math.inf
    assert _exact.ulps(np.float32(2e-45), mpmath.mpf(2) ** -149) == 0


# The digits -------------------------------------------------------------------------------------


def test_the_split_is_stratified_and_always_the_same(data):
    again = _digits.load()
    assert all(np.array_equal(a, b) for a, b in zip(data, again, strict=True))
    everything = np.bincount(np.concatenate([data.train_t, data.test_t]))
    np.testing.assert_allclose(np.bincount(data.test_t), everything / 3, atol=1)
    assert everything.sum() == 1797


def test_objective_gradient_and_hvp_agree_with_differences(data):
    objective = _digits.Objective(data.train_x[:50], data.train_t[:50])
    rng = np.random.default_rng(0)
    point, v = rng.normal(size=(2, objective.size))
    h = 1e-5
    (ahead, g_ahead), (behind, g_behind) = (
        objective.value_and_gradient(point + s * h * v) for s in (1, -1)
    )
    gradient = objective.value_and_gradient(point)[1]
    assert (ahead - behind) / (2 * h) == pytest.approx(gradient @ v, rel=1e-7)
    np.testing.assert_allclose(
        objective.hvp(point, v), (g_ahead - g_behind) / (2 * h), rtol=1e-5, atol=1e-8
    )


def test_progress_ends_at_the_optimum(data):
    seen = []
    result = _digits.run(data, lambda loss, norm: seen.append((loss, norm)))
    assert len(seen) > 5
    assert seen[0][0] == pytest.approx(math.log(10))  # all weights 0: every class alike
    assert seen[-1][1] <= _digits.GRADIENT_NORM
    assert all(check.passed for check in result.checks())


# Checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check, passed",
    [
        (Check("a", 1.0, 2.0), True),
        (Check("a", 2.0, 2.0), True),
        (Check("a", 3.0, 2.0), False),
        (Check("a", math.nan, 2.0), False),
        (Check("a", 0.99, 0.95, "%", at_least=True), True),
        (Check("a", 0.94, 0.95, "%", at_least=True), False),
        (Check("a", math.nan, 0.95, "%", at_least=True), False),
    ],
    ids=str,
)
def test_check(check, passed):
    assert check.passed is passed


def test_a_check_says_what_fell_short():
    assert Check("accuracy", 0.9, 0.95, "%", at_least=True).sentence() == (
        "accuracy: 90.00 % is below the bar 95 %"
    )
    assert Check("gradient", 7.25, 6.0, "ULP").sentence() == (
        "gradient: 7.25 ULP is above the bar 6 ULP"
    )


def test_json_has_no_nan():
    assert jsonable({"a": [math.nan, 1.0, (math.inf,)], "b": "x"}) == {
        "a": [None, 1.0, [None]],
        "b": "x",
    }
