"""Elementary functions to many digits, on the standard library's decimals.

The operators of `Decimal`, also - and abs, round to the thread's context: only the methods of a
context of ours, and copy_negate and copy_abs, keep all digits.

Accuracy: each function is computed with guard digits; its relative error is below 10^-digits for
arguments up to 1e3 (12 for erf; tests compare with mpmath at 300 digits).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from functools import lru_cache

from softxent.derive.exact.stops import TooLarge, Undefined, Unsupported

_GUARD = 10
_LARGEST = 100_000
"""Of an exponent: what lies beyond says nothing to 120 digits."""


@lru_cache(maxsize=16)
def context(digits: int) -> Context:
    """Return a context that computes with some digits more than asked for."""
    return Context(
        prec=digits + _GUARD,
        Emax=MAX_EMAX,
        Emin=MIN_EMIN,
        traps=[InvalidOperation, DivisionByZero, Overflow],
        flags=[],
    )


def working_context() -> AbstractContextManager[Context]:
    """Return a context for the thread: comparisons and operators do not depend on the caller's."""
    return localcontext(context(300))


def decimal_of(value: Fraction | int, at: Context) -> Decimal:
    """Return a rational number as a decimal."""
    return at.divide(Decimal(value.numerator), Decimal(value.denominator))


def exp(x: Decimal, at: Context) -> Decimal:
    """Return e^x."""
    if abs(x) > _LARGEST:
        raise TooLarge("an exponent is too large")
    return at.exp(x)


def log(x: Decimal, at: Context) -> Decimal:
    """Return the natural logarithm."""
    if x <= 0:
        raise Undefined("the logarithm of a number that is not positive")
    return at.ln(x)


def apply(name: str, x: Decimal, digits: int) -> Decimal:
    """Return the function called `name` at x."""
    if name not in _FUNCTIONS:
        raise Unsupported(f"the function {name}")
    return _FUNCTIONS[name](x, digits)


@lru_cache(maxsize=16)
def pi(digits: int) -> Decimal:
    """Return π, by Machin's formula."""
    at = context(digits + _GUARD)
    fifth = _arctan_series(at.divide(Decimal(1), Decimal(5)), at)
    far = _arctan_series(at.divide(Decimal(1), Decimal(239)), at)
    return at.subtract(at.multiply(Decimal(16), fifth), at.multiply(Decimal(4), far))


def _sin(x: Decimal, digits: int) -> Decimal:
    return _circular(x, digits)[0]


def _cos(x: Decimal, digits: int) -> Decimal:
    return _circular(x, digits)[1]


def _circular(x: Decimal, digits: int) -> tuple[Decimal, Decimal]:
    """Return sin and cos of x: the argument is reduced by 2π, then halved, then both doubled."""
    if abs(x) > _LARGEST:
        raise TooLarge("the argument of a sine is too large")
    at = context(digits + 3 * _GUARD)
    turn = at.multiply(Decimal(2), pi(digits + 4 * _GUARD))
    x = at.subtract(x, at.multiply(at.divide(x, turn).to_integral_value(), turn))
    halvings = 12
    small = at.divide(x, Decimal(2**halvings))
    minus = at.multiply(small, small).copy_negate()
    sine = _series(small, lambda n: at.divide(minus, Decimal((2 * n) * (2 * n + 1))), at)
    cosine = _series(Decimal(1), lambda n: at.divide(minus, Decimal((2 * n - 1) * 2 * n)), at)
    for _ in range(halvings):
        sine, cosine = (
            at.multiply(at.multiply(Decimal(2), sine), cosine),
            at.subtract(at.multiply(cosine, cosine), at.multiply(sine, sine)),
        )
    return sine, cosine


def _arctan(x: Decimal, digits: int) -> Decimal:
    """Return arctan x, from arctan x = 2 arctan(x / (1 + √(1 + x²))) until x is small."""
    at = context(digits + 2 * _GUARD)
    halvings = 8
    for _ in range(halvings):
        root = at.sqrt(at.add(Decimal(1), at.multiply(x, x)))
        x = at.divide(x, at.add(Decimal(1), root))
    return at.multiply(Decimal(2**halvings), _arctan_series(x, at))


def _arctan_series(x: Decimal, at: Context) -> Decimal:
    minus = at.multiply(x, x).copy_negate()
    power, total, n = x, x, 1
    while power and power.adjusted() > total.adjusted() - at.prec - 2:
        power = at.multiply(power, minus)
        n += 2
        total = at.add(total, at.divide(power, Decimal(n)))
    return total


def _arcsin(x: Decimal, digits: int) -> Decimal:
    if abs(x) >= 1:
        raise Undefined("the arcsine of a number outside (-1, 1)")
    at = context(digits + 2 * _GUARD)
    root = at.sqrt(at.subtract(Decimal(1), at.multiply(x, x)))
    return _arctan(at.divide(x, root), digits + _GUARD)


def _erf(x: Decimal, digits: int) -> Decimal:
    """Return the error function by its series; terms grow to e^{x²} before they fall."""
    if abs(x) > 12:
        raise TooLarge("the argument of an error function is too large")
    at = context(digits + 2 * _GUARD + int(x * x))
    minus = at.multiply(x, x).copy_negate()
    power, total, n = x, x, 0
    while power and power.adjusted() > -at.prec - 2:
        n += 1
        power = at.divide(at.multiply(power, minus), Decimal(n))
        total = at.add(total, at.divide(power, Decimal(2 * n + 1)))
    return at.divide(at.multiply(Decimal(2), total), at.sqrt(pi(at.prec)))


def _series(first: Decimal, ratio: Callable[[int], Decimal], at: Context) -> Decimal:
    """Sum the terms of which each is the one before times ratio(n), n = 1, 2, …"""
    term, total, n = first, first, 0
    while term and term.adjusted() > total.adjusted() - at.prec - 2:
        n += 1
        term = at.multiply(term, ratio(n))
        total = at.add(total, term)
    return total


def _pi_times(x: Decimal, digits: int) -> Decimal:
    return context(digits).multiply(pi(digits), x)


def _log(x: Decimal, digits: int) -> Decimal:
    return log(x, context(digits))


_FUNCTIONS: dict[str, Callable[[Decimal, int], Decimal]] = {
    "log": _log,
    "sin": _sin,
    "cos": _cos,
    "arctan": _arctan,
    "arcsin": _arcsin,
    "erf": _erf,
    "pi": _pi_times,
}
