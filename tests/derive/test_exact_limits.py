"""What `decide` says where it cannot decide: no value, unknown functions, caps, many digits."""

from __future__ import annotations

import decimal
import subprocess
import sys
import time
from fractions import Fraction
from typing import Any

import pytest
from derive.exact_builder import (
    SOFTMAX,
    E,
    at,
    d,
    defined,
    delta,
    el,
    exp,
    fn,
    free,
    given,
    log,
    real,
    sigma,
    total,
)

from softxent.derive.core import Given, Real
from softxent.derive.exact import At, decide, evaluate

x, y, z = el("x"), el("y"), el("z", "i")
X = {"x": free()}
ROW = {"x": free("L")}


def says(left: Any, right: Any, context: Given | None = None, **options: Any) -> bool | None:
    return decide(real(left), real(right), context or given(X), **options).equal


def why(left: Any, right: Any, context: Given | None = None, **options: Any) -> str:
    decision = decide(real(left), real(right), context or given(X), **options)
    assert decision.equal is None, decision
    assert decision.witness is None
    return decision.why


# ------------------------------------------------------------------ no value


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (x / (x - x), "division by zero"),
        (log(-(x**2)), "the logarithm of a negative number"),
        (log(x - x), "the logarithm of zero"),
        (fn("sqrt", -(x**2) - 1), "a root of a negative number"),
        (fn("arcsin", x**2 + 2), "the arcsine of a number outside (-1, 1)"),
        (d(fn("abs", el("u")), el("u")), "abs has no derivative at 0"),
    ],
)
def test_no_value_anywhere(left: E, reason: str) -> None:
    assert reason in why(left, 0, given({**X, "u": defined("", "", x - x)}))


@pytest.mark.parametrize("right", [-exp(x), exp(x)])
def test_values_at_a_few_places_prove_nothing(right: E) -> None:
    """(-e)^x has a value where x is whole, (-1)^x = -1 wherever it is odd."""
    minus = E(real(-1))
    assert says((minus * exp(real(1))) ** x, right) is not True
    assert says(minus**x, minus) is not True
    odd = Given(given(X).quantities, {"i": "K"})
    assert says(minus ** at("i"), minus, odd) is False
    assert says(minus ** (2 * at("i")), 1, odd) is True


def test_scores_that_are_passed_on_are_free() -> None:
    """softmax of W x + b is decided exactly, as that of any z; what W does to it is not lost."""
    quantities = {
        "x": free("D"),
        "w": free("K D"),
        "b": free("K"),
        "z": defined("k", "K", sigma("n", "D", el("w", "k", "n") * el("x", "n")) + el("b", "k")),
        "p": defined("k", "K", exp(el("z", "k")) / sigma("j", "K", exp(el("z", "j")))),
    }
    context = given(quantities, {"i": "K", "k": "K"})
    left = d(el("p", "k"), el("z", "i"))
    right = el("p", "k") * (delta("k", "i") - el("p", "i"))
    decision = decide(left.real, right.real, context)
    assert (decision.equal, decision.exact) == (True, True)
    decision = decide(left.real, (el("p", "k") * right).real, context)
    assert decision.witness is not None and decision.witness.values["e^z"] == "(1, 2, 3)"
    given_x = given(quantities, {"k": "K", "m": "D"})
    slope = sigma("i", "K", left * d(el("z", "i"), el("x", "m")))
    assert decide(d(el("p", "k"), el("x", "m")).real, slope.real, given_x).equal is True
    without = {**quantities, "z": defined("k", "K", el("b", 1) * 1)}
    assert says(el("p", 1), el("p", 2), given(without)) is True


def test_domains_are_looked_for() -> None:
    assert says(log(x**2), 2 * log(fn("abs", x))) is True
    assert says(log(x) + log(1 - x), log(x - x**2)) is True
    assert says(d(fn("arcsin", x), x) * fn("sqrt", 1 - x**2), 1) is True
    assert says(fn("sqrt", x - 5) ** 2, x - 5) is True


# ------------------------------------------------------------------ unsupported


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (fn("zeta", x), "the function zeta"),
        (el("q"), "nothing says what q is"),
        (d(x, el("q")), "nothing says what q is"),
        (el("r", "i"), "the letter i is bound by nothing"),
        (el("r"), "r has 1 indices, not 0"),
        (at("n"), "the letter n is bound by nothing"),
        (el("c"), "c is defined by itself"),
        (el("e"), "is defined by itself"),
    ],
)
def test_unsupported(left: E, reason: str) -> None:
    quantities = {
        **X,
        "r": free("K"),
        "c": defined("", "", el("c") + 1),
        "e": defined("", "", el("f")),
        "f": defined("", "", el("e") * 2),
    }
    assert reason in why(left, 0, given(quantities))


# ------------------------------------------------------------------ caps


@pytest.mark.parametrize(
    "left",
    [
        E(real(9)) ** (E(real(9)) ** (E(real(9)) ** 9)),
        exp(exp(exp(exp(x**2 + 5)))),
        (x + 1) ** 100_000,
        fn("sin", E(real(10)) ** 5000),
        total("product", "i", "K", exp(E(real(10)) ** 6 * el("r", "i"))),
        2 ** (E(real(2)) ** (x * 10_000)),
    ],
)
def test_huge_numbers_end_with_a_reason(left: E) -> None:
    start = time.perf_counter()
    decision = decide(left.real, real(1), given({**X, "r": free("K")}), budget_seconds=1.0)
    assert time.perf_counter() - start < 4
    assert decision.equal is not True
    assert decision.equal is False or decision.why


def test_deep_nesting_ends_with_a_reason() -> None:
    deep = x
    for _ in range(50_000):
        deep = -deep
    assert why(deep, x) == "the formula is nested too deeply"


def test_the_budget_ends_a_long_sum() -> None:
    of: E = el("x", "a")
    for letter in "abcdefgh":
        of = sigma(letter, "K", of * el("x", letter) + at(letter))
    start = time.perf_counter()
    decision = decide(of.real, (of * 1).real, given({"x": free("K")}), budget_seconds=0.2)
    assert time.perf_counter() - start < 2
    assert decision.equal is not False


def test_growth_by_squaring_ends() -> None:
    quantities: dict[str, Any] = {"x": free(), "a0": defined("", "", x + 1)}
    for n in range(40):
        quantities[f"a{n + 1}"] = defined("", "", el(f"a{n}") * el(f"a{n}"))
    assert says(el("a40"), el("a39") ** 2, given(quantities)) is not False
    assert says(el("a40"), el("a39") ** 3, given(quantities)) is not True


# ------------------------------------------------------------------ digits


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (fn("sin", x + 1), fn("sin", x) * fn("cos", 1) + fn("cos", x) * fn("sin", 1)),
        (fn("sqrt", 3 + 2 * fn("sqrt", E(real(2)))), 1 + fn("sqrt", E(real(2)))),
        (fn("arctan", 1) * 4, fn("pi", 1)),
        (fn("arctan", x), fn("arcsin", x / fn("sqrt", 1 + x**2))),
        (fn("arccos", x), fn("pi", Fraction(1, 2)) - fn("arcsin", x)),
        (log(2 + fn("sqrt", E(real(3)))), -log(2 - fn("sqrt", E(real(3))))),
        (fn("tanh", fn("tanh", x)), 1 - 2 / (exp(2 * fn("tanh", x)) + 1)),
        (fn("erf", -x), -fn("erf", x)),
        (fn("cos", x - x) + fn("sin", 0), 1),
        (fn("arsinh", fn("sinh", x)), x),
    ],
)
def test_rounding_never_makes_a_truth_false(left: E, right: Any) -> None:
    assert says(left, right) is not False
    assert says(left, right + Fraction(1, 10**12)) is not True
    assert says(left, right * 2) is False


def test_nearly_equal_is_not_equal() -> None:
    assert says(x + Fraction(1, 10**50), x) is False
    assert says(fn("sin", x) ** 2 + fn("cos", x) ** 2, 1 + Fraction(1, 10**15)) is False


def test_the_callers_decimal_context_does_not_matter() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.Inexact] = True
        assert says(fn("sin", x) ** 2 + fn("cos", x) ** 2, 1) is True
        assert says(fn("sin", x) ** 2, 1) is False


# ------------------------------------------------------------------ evaluate, repeatability, import


def value(of: E, at_point: At) -> Any:
    return evaluate(of.real, given(SOFTMAX), at_point)


def test_evaluate() -> None:
    point = At({"e^z": (1, 2, 3), "t": (0, 1, 0)}, {"i": 1})
    assert value(d(el("C"), z), point) == Fraction(1, 6)
    assert value(el("y", 3), At({"e^z": (1, 2, 5)})) == Fraction(5, 8)
    assert value(el("t", 2), At({"t": (0, Fraction(1, 2))})) == Fraction(1, 2)


def test_decisions_repeat() -> None:
    left: Real = d(el("C"), z).real
    right: Real = (el("y", "i") * 2).real
    context = given(SOFTMAX, {"i": "K"})
    assert decide(left, right, context) == decide(left, right, context)
    seeds = [decide(left, right, context, seed=seed).equal for seed in range(5)]
    assert seeds == [False] * 5


def test_a_step_takes_milliseconds() -> None:
    context = given(SOFTMAX, {"i": "K"})
    right = el("y", "i") * sigma("k", "K", el("t", "k")) - el("t", "i")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert says(d(el("C"), z), right, context, sizes={"K": 5}) is True
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05  # 5 ms on a quiet machine


def test_import_leaves_mpmath_alone() -> None:
    code = "import sys, softxent.derive.exact; sys.exit('mpmath' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
