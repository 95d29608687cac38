"""exp, log, sin and the like at exact numbers, and the same at decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from softxent.derive.exact import digits as dec
from softxent.derive.exact import numbers as exact
from softxent.derive.exact.atoms import Atom, Exponent, Mono, atom, mono_of
from softxent.derive.exact.numbers import Number, Poly, monomial
from softxent.derive.exact.primes import MAX_BITS, prime_exponents
from softxent.derive.exact.rounded import Rounded
from softxent.derive.exact.stops import LogOfZero, TooLarge, Undefined

Value: TypeAlias = "Fraction | Poly | Rounded"

_LARGEST_EXPONENT = 60
"""Of an exponential that is no rational: e^-60 is still seen beside 1 at 60 digits and more."""


def exp(x: Value) -> Value:
    """Return e^x; of c log p it is p^c."""
    if isinstance(x, Rounded):
        return x.apply("exp")
    if isinstance(x, Fraction):
        return _exp({(): x})
    if x.exponential is None:
        x.exponential = _exp(x.terms)
    return x.exponential


def _exp(terms: dict[Mono, Fraction]) -> Number:
    exponents: dict[Atom, Exponent] = {}
    rest: dict[Mono, Fraction] = {}
    for mono, value in terms.items():
        prime = _prime_of(mono)
        if prime is not None:
            if abs(value) * prime.bit_length() > MAX_BITS:
                raise TooLarge("an exponential has too many digits")
            exponents[atom("root", prime)] = value
        elif value:
            exponents[atom("exp", mono)] = value
            rest[mono] = value
    if rest:
        size = exact.approximate(exact.number(rest), 30)[1]
        if size > _LARGEST_EXPONENT:
            raise TooLarge("an exponent is too large")
    return monomial(exponents)


def _prime_of(mono: Mono) -> int | None:
    """Return p where the monomial is log p, p an integer."""
    if len(mono) != 1 or mono[0][1] != 1 or mono[0][0].kind != "log":
        return None
    of = mono[0][0].of
    return of if isinstance(of, int) else None


def log(x: Value) -> Value:
    """Return the natural logarithm, by primes and atoms."""
    if isinstance(x, Rounded):
        return x.apply("log")
    if x == 0:
        raise LogOfZero("the logarithm of zero")
    value, exponents = exact.taken_apart(x)
    if value < 0:
        raise Undefined("the logarithm of a negative number")
    terms: dict[Mono, Fraction] = {
        ((atom("log", p), 1),): Fraction(e) for p, e in prime_exponents(value)
    }
    total: Number = exact.number(terms)
    for one, exponent in exponents.items():
        if one.kind == "exp":
            part: Number = exact.number({mono_of(one): Fraction(1)})
        elif one.kind == "root":
            part = monomial({atom("log", one.of): 1})
        else:
            base = exact.poly_of(one) if one.kind == "of" else monomial({one: 1})
            part = _positive_function("log", base)
        total = total + part * Fraction(exponent)
    return total


def function(name: str, x: Value) -> Value:
    """Return sin, cos, arctan, arcsin, erf at x, or π x for "pi"."""
    if isinstance(x, Rounded):
        return x.apply(name)
    if x == 0:
        return Fraction(1 if name == "cos" else 0)
    return _positive_function(name, x)


def _positive_function(name: str, x: Number) -> Number:
    """Return the function as an atom, which is positive, times its sign."""
    key = x if isinstance(x, Fraction) else x.key
    one = atom(name, key, x)
    value = dec.apply(name, exact.approximate(x, 60)[0], 60)
    if abs(value) < Decimal("1e-25"):
        raise TooLarge(f"{name} of a number is too near to zero")
    return monomial({one: 1}, Fraction(1 if value > 0 else -1))


def power(base: Value, exponent: Exponent) -> Value:
    """Return base^exponent for a rational exponent."""
    if isinstance(base, Rounded):
        return base.power(exponent)
    return exact.power(base, exponent)


def divide(above: Value, below: Value) -> Value:
    """Return above / below."""
    if isinstance(below, Fraction) and not below:
        raise Undefined("division by zero")
    return above / below


def sign(x: Value) -> int:
    """Return -1, 0 or 1."""
    return x.sign() if isinstance(x, Rounded) else exact.sign(x)
