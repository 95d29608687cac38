"""The numbers under `decide`: digits, primes, exact forms and their text."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any

import mpmath
import pytest

from softxent.derive.exact import digits, elementary, numbers
from softxent.derive.exact.primes import factors
from softxent.derive.exact.stops import LogOfZero, TooLarge, Undefined
from softxent.derive.exact.wording import text

MP = mpmath.MPContext()
MP.dps = 300
half = Fraction(1, 2)
REFERENCE = {
    "sin": MP.sin,
    "cos": MP.cos,
    "arctan": MP.atan,
    "arcsin": MP.asin,
    "erf": MP.erf,
    "pi": lambda x: MP.pi * x,
    "log": MP.log,
}


@pytest.mark.parametrize("places", [50, 60, 120, 200])
@pytest.mark.parametrize("name", REFERENCE)
def test_digits(name: str, places: int) -> None:
    draw = random.Random(name)
    for _ in range(20):
        size = {"arcsin": 0.999, "erf": 6.0, "log": 900.0}.get(name, draw.choice((1.0, 1e3)))
        x = Decimal(draw.uniform(1e-3 if name == "log" else -size, size))
        with digits.working_context():
            found = digits.apply(name, x, places)
        expected = REFERENCE[name](MP.mpf(str(x)))
        assert abs(MP.mpf(str(found)) / expected - 1) < MP.mpf(10) ** -places


@pytest.mark.parametrize(
    "n", [1, 2, 97, 360, 2047, 4_194_301, 2**31 - 1, (2**31 - 1) * 4099, 10**18 + 9, 2053**2, 6**60]
)
def test_factors(n: int) -> None:
    found = factors(n)
    assert prod(p**e for p, e in found) == n
    assert all(p > 1 and e > 0 for p, e in found)
    assert [p for p, _ in found] == sorted({p for p, _ in found})


def test_semiprimes_are_taken_apart() -> None:
    assert factors(1_000_003 * 2_097_143) == ((1_000_003, 1), (2_097_143, 1))


def log(n: Any) -> Any:
    return elementary.log(Fraction(n))


def exp(n: Any) -> Any:
    return elementary.exp(n if not isinstance(n, int) else Fraction(n))


def root(n: Any) -> Any:
    return elementary.power(n if not isinstance(n, int) else Fraction(n), half)


def test_exact_forms() -> None:
    assert exp(log(6) - log(4)) == Fraction(3, 2)
    assert exp(half * log(4)) == 2
    assert log(12) == 2 * log(2) + log(3)
    assert elementary.log(exp(3)) == 3
    assert elementary.log(exp(half) * 2) == log(2) + half
    assert root(8) * root(2) == 4
    assert root(root(16)) == 2
    assert exp(1) * exp(-1) == 1
    assert exp(2) == exp(1) * exp(1)
    assert log(4) / log(2) == 2
    assert elementary.sign(root(2) + root(3) - root(5)) == 1
    assert elementary.sign(log(2) - Fraction(6931471805599453094172321214581765680755, 10**40)) == 1


def test_quotients_of_sums() -> None:
    one = Fraction(1)
    a = one / (exp(1) + 1)
    b = exp(1) / (exp(1) + 1)
    zero = a + b - 1
    assert numbers.without_quotients(zero)[1] == 0
    deep = one / (one + one / (one + one / exp(1))) - (exp(1) + 1) / (2 * exp(1) + 1)
    assert numbers.without_quotients(deep)[1] == 0
    conjugate = one / (root(2) - 1) - (root(2) + 1)
    assert elementary.sign(conjugate) == 0


def test_what_has_no_value() -> None:
    with pytest.raises(LogOfZero):
        log(0)
    with pytest.raises(Undefined, match="negative"):
        log(-2)
    with pytest.raises(Undefined, match="root of a negative"):
        root(-2)
    with pytest.raises(Undefined, match="division by zero"):
        elementary.power(Fraction(0), -1)
    with pytest.raises(TooLarge):
        elementary.power(Fraction(9), 9**9)
    with pytest.raises(TooLarge):
        exp(10**6)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Fraction(1, 6), "1/6"),
        (Fraction(-3), "-3"),
        (log(2) - half, "log 2 - 1/2"),
        (-log(2), "-log 2"),
        (3 * log(2) + 1, "3 log 2 + 1"),
        (half * log(3), "(1/2) log 3"),
        (root(2), "sqrt(2)"),
        (log(2) * log(2), "(log 2)^2"),
        (exp(half) + 1, "e^(1/2) + 1"),
        (exp(1), "e"),
        (exp(2), "e^2"),
        (elementary.function("sin", Fraction(2)), "|sin(2)|"),
        (Fraction(10**50 + 1, 3 * 10**49), "3.333333333…"),
    ],
)
def test_text(value: Any, written: str) -> None:
    assert text(value) == written
