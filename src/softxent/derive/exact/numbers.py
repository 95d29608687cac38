"""Exact real numbers: rationals, and polynomials over them in logarithms, roots and exponentials.

A number is a `Fraction` as long as it can be; else a `Poly`, a sum of rational multiples of
monomials. A monomial is a product of powers of atoms, and an atom is a positive real number:

- ("log", p)    log p, p a prime;
- ("root", p)   p itself, of which a monomial holds a proper fractional power;
- ("exp", m)    e^m, m a monomial; the exponent is any rational;
- ("of", P)     the positive value of a polynomial of several terms, to a power below 1: it makes
                quotients and roots of sums;
- ("sin", x) …  the size of a function's value at a number.

Every rewriting here is an identity of real numbers, so two numbers that become the same are equal.
Two that stay different may yet be equal (sin² + cos² = 1): `sign` asks many digits.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import TypeAlias

from softxent.derive.exact import digits as dec
from softxent.derive.exact.atoms import Atom, Exponent, Mono, atom, int_of, mono_of, plain
from softxent.derive.exact.primes import MAX_BITS, prime_exponents, rational_power
from softxent.derive.exact.stops import TooLarge, TooMuch, Undefined
from softxent.derive.exact.work import spend

_ZERO = Fraction(0)
_ONE = Fraction(1)


class Poly:
    """A sum of monomials with rational coefficients, none zero; never a plain rational."""

    __slots__ = ("_key", "exponential", "terms")

    def __init__(self, terms: dict[Mono, Fraction]) -> None:
        self.terms = terms
        self._key: frozenset[tuple[Mono, Fraction]] | None = None
        self.exponential: Number | None = None
        """e to this, once it is known."""

    @property
    def key(self) -> frozenset[tuple[Mono, Fraction]]:
        """What tells this polynomial from others."""
        if self._key is None:
            self._key = frozenset(self.terms.items())
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.key)

    def __add__(self, other: Number) -> Number:
        if isinstance(other, Poly):
            small, large = sorted((self.terms, other.terms), key=len)
            terms = dict(large)
            for mono, value in small.items():
                terms[mono] = terms.get(mono, _ZERO) + value
            return number(terms)
        if isinstance(other, (Fraction, int)):
            terms = dict(self.terms)
            terms[()] = terms.get((), _ZERO) + other
            return number(terms)
        return NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Poly:
        return Poly({mono: -value for mono, value in self.terms.items()})

    def __sub__(self, other: Number) -> Number:
        return self + (-other) if isinstance(other, (Poly, Fraction, int)) else NotImplemented

    def __rsub__(self, other: Number) -> Number:
        return -self + other

    def __mul__(self, other: Number) -> Number:
        if isinstance(other, Poly):
            return _product(self, other)
        if isinstance(other, (Fraction, int)):
            if not other:
                return _ZERO
            return Poly({mono: value * other for mono, value in self.terms.items()})
        return NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Number:
        if isinstance(other, (Fraction, int)):
            if not other:
                raise Undefined("division by zero")
            return Poly({mono: value / other for mono, value in self.terms.items()})
        if isinstance(other, Poly):
            return self * power(other, -1)
        return NotImplemented

    def __rtruediv__(self, other: Number) -> Number:
        return power(self, -1) * other

    def __bool__(self) -> bool:
        return True


Number: TypeAlias = "Fraction | Poly"


def number(terms: dict[Mono, Fraction]) -> Number:
    """Return the number that these terms make, in its simplest type."""
    terms = {mono: value for mono, value in terms.items() if value}
    if not terms:
        return _ZERO
    if len(terms) == 1 and () in terms:
        return terms[()]
    spend(len(terms))
    return Poly(terms)


def monomial(exponents: dict[Atom, Exponent], value: Fraction = _ONE) -> Number:
    """Return value · Π atom^exponent, brought to normal form."""
    kept: list[tuple[Atom, Exponent]] = []
    wide: list[tuple[Poly, int]] = []
    for one, exponent in exponents.items():
        whole = exponent.numerator // exponent.denominator
        if one.kind == "root" and whole:
            value *= rational_power(Fraction(int_of(one)), whole)
            exponent -= whole
        elif one.kind == "of" and whole > 0:
            wide.append((poly_of(one), whole))
            exponent -= whole
        if exponent:
            kept.append((one, plain(exponent)))
    kept.sort(key=_order)
    result: Number = number({tuple(kept): value})
    for base, times in wide:
        for _ in range(times):
            result = result * base
    return result


def _order(pair: tuple[Atom, Exponent]) -> int:
    return pair[0].serial


def _product(left: Poly, right: Poly) -> Number:
    """Multiply term by term."""
    spend(len(left.terms) * len(right.terms))
    terms: dict[Mono, Fraction] = {}
    for a, x in left.terms.items():
        for b, y in right.terms.items():
            if not a or not b:
                mono = a or b
                terms[mono] = terms.get(mono, _ZERO) + x * y
                continue
            exponents = dict(a)
            carry = False
            for one, exponent in b:
                before = exponents.get(one)
                if before is None:
                    exponents[one] = exponent
                    continue
                exponents[one] = plain(before + exponent)
                carry = carry or one.kind in ("root", "of")
            if carry:
                _add_to(terms, monomial(exponents, x * y))
            else:
                kept = [pair for pair in exponents.items() if pair[1]]
                kept.sort(key=_order)
                mono = tuple(kept)
                terms[mono] = terms.get(mono, _ZERO) + x * y
    return number(terms)


def _add_to(terms: dict[Mono, Fraction], value: Number) -> None:
    """Add a number to the terms of a sum."""
    more = {(): value} if isinstance(value, Fraction) else value.terms
    for mono, coefficient in more.items():
        terms[mono] = terms.get(mono, _ZERO) + coefficient


def power(base: Number, exponent: Exponent) -> Number:
    """Return base^exponent; a fractional power needs a positive base."""
    if exponent.denominator == 1:
        whole = exponent.numerator
        if isinstance(base, Fraction):
            return rational_power(base, whole)
        if whole >= 0 and len(base.terms) > 1:
            return _repeated(base, whole)
    if base == 0:
        if exponent < 0:
            raise Undefined("division by zero")
        return _ZERO
    value, exponents = taken_apart(base)
    if exponent.denominator != 1 and value < 0:
        raise Undefined("a root of a negative number")
    by = Fraction(exponent)
    raised: dict[Atom, Exponent] = {one: e * by for one, e in exponents.items()}
    if exponent.denominator == 1:
        return monomial(raised, rational_power(value, exponent.numerator))
    for p, e in prime_exponents(value):
        root = atom("root", p)
        total = raised.get(root, 0) + e * by
        raised[root] = total
        if abs(total.numerator) * p.bit_length() > MAX_BITS * total.denominator:
            raise TooLarge("a power has too many digits")
    return monomial(raised)


def _repeated(base: Poly, exponent: int) -> Number:
    if exponent > 64:
        raise TooMuch("a power of a sum has too many terms")
    result: Number = _ONE
    for _ in range(exponent):
        result = result * base
    return result


def taken_apart(value: Number) -> tuple[Fraction, dict[Atom, Exponent]]:
    """Return (c, exponents) with value = c · Π atom^exponent; value is not zero."""
    if isinstance(value, Fraction):
        return value, {}
    if len(value.terms) == 1:
        ((mono, coefficient),) = value.terms.items()
        return coefficient, dict(mono)
    content, rest = without_quotients(value)
    if isinstance(rest, Fraction) or len(rest.terms) == 1:
        if rest == 0:
            raise Undefined("division by zero")
        coefficient, exponents = taken_apart(rest)
        return coefficient, _merged(content, exponents)
    coefficient = _content(rest)
    rest = Poly({mono: v / coefficient for mono, v in rest.terms.items()})
    side = sign(rest)
    if side == 0:
        raise Undefined("division by zero, or the logarithm of zero")
    if side < 0:
        coefficient, rest = -coefficient, -rest
    whole = atom("of", rest.key, rest)
    return coefficient, _merged(content, {whole: 1})


def _merged(a: dict[Atom, Exponent], b: dict[Atom, Exponent]) -> dict[Atom, Exponent]:
    merged = dict(a)
    for one, exponent in b.items():
        merged[one] = merged.get(one, 0) + exponent
    return {one: exponent for one, exponent in merged.items() if exponent}


def _content(value: Poly) -> Fraction:
    """Return the rational of which all coefficients are coprime integer multiples."""
    above = below = 0
    for v in value.terms.values():
        above = gcd(above, v.numerator)
        below = below * v.denominator // gcd(below, v.denominator) if below else v.denominator
    return Fraction(above, below)


def without_quotients(value: Poly) -> tuple[dict[Atom, Exponent], Number]:
    """Return (content, rest), value = Π content · rest, where rest has no negative exponent.

    rest is in lowest terms in every atom, and 0 exactly where its polynomial is: this is the test
    for equality.
    """
    content: dict[Atom, Exponent] = {}
    rest: Number = value
    for _ in range(20):
        if isinstance(rest, Fraction):
            return content, rest
        common = _common(rest)
        if not common:
            return content, rest
        total: dict[Mono, Fraction] = {}
        for mono, v in rest.terms.items():
            spend(2)
            exponents = dict(mono)
            for one, exponent in common.items():
                exponents[one] = exponents.get(one, 0) - exponent
            _add_to(total, monomial(exponents, v))
        content = _merged(content, common)
        rest = number(total)
    raise TooMuch("a quotient is nested too deeply")


def _common(value: Poly) -> dict[Atom, Exponent]:
    """Return the lowest exponent of every atom over all terms, where it is not 0."""
    lowest: dict[Atom, Exponent] = {}
    for mono in value.terms:
        for one, exponent in mono:
            lowest[one] = min(lowest.get(one, exponent), exponent)
    for mono in value.terms:
        held = dict(mono)
        for one in lowest:
            if one not in held:
                lowest[one] = min(lowest[one], 0)
    # A root p^{1/3} common to all terms is content too; it cannot be negative.
    return {one: exponent for one, exponent in lowest.items() if exponent}


def sign(value: Number) -> int:
    """Return -1, 0 or 1; 0 for a polynomial means equal to 0 to 250 digits or as it is written."""
    if isinstance(value, Fraction):
        return (value > 0) - (value < 0)
    if all(coefficient > 0 for coefficient in value.terms.values()):
        return 1  # atoms are positive
    if all(coefficient < 0 for coefficient in value.terms.values()):
        return -1
    if all(_flat(mono) for mono in value.terms):
        coarse, size = approximate(value, 50)
        if abs(coarse) > size.scaleb(-20):
            return 1 if coarse > 0 else -1
    if without_quotients(value)[1] == 0:
        return 0
    for few, many in ((60, 120), (120, 300)):
        first, _ = approximate(value, few)
        second, size = approximate(value, many)
        if (
            second
            and abs(first - second) * 1000 < abs(second)
            and (abs(second) > size.scaleb(-many // 3))
        ):
            return 1 if second > 0 else -1
    if abs(second) < size.scaleb(-250):
        return 0
    raise TooLarge("the sign of a number cannot be told from its digits")


def _flat(mono: Mono) -> bool:
    """Return whether nothing can cancel inside the atoms of a monomial."""
    return all(
        (one.kind == "log" and isinstance(one.of, int))
        or one.kind == "root"
        or (one.kind == "exp" and _flat(mono_of(one)))
        for one, _ in mono
    )


def approximate(value: Number, places: int) -> tuple[Decimal, Decimal]:
    """Return the value to about so many digits, and the sum of the sizes of its terms."""
    at = dec.context(places)
    if isinstance(value, Fraction):
        rational = dec.decimal_of(value, at)
        return rational, rational.copy_abs()
    total = size = Decimal(0)
    for mono, coefficient in value.terms.items():
        term = dec.decimal_of(coefficient, at)
        for one, exponent in mono:
            term = at.multiply(term, _raised(one, exponent, places))
        total = at.add(total, term)
        size = at.add(size, term.copy_abs())
    return total, size


def _raised(one: Atom, exponent: Exponent, places: int) -> Decimal:
    value = one.values.get((places, exponent))
    if value is not None:
        return value
    at = dec.context(places)
    by = dec.decimal_of(exponent, at)
    if one.kind == "exp":
        inner = approximate(number({mono_of(one): _ONE}), places)[0]
        value = dec.exp(at.multiply(inner, by), at)
    elif exponent == 1:
        return atom_value(one, places)
    elif exponent.denominator == 1:
        value = at.power(atom_value(one, places), exponent.numerator)
    else:
        value = dec.exp(at.multiply(at.ln(atom_value(one, places)), by), at)
    one.values[places, exponent] = value
    return value


def atom_value(one: Atom, places: int) -> Decimal:
    """Return an atom that is no exponential, to so many digits."""
    value = one.values.get((places, 1))
    if value is None:
        at = dec.context(places)
        if one.kind == "log" and isinstance(one.of, int):
            value = at.ln(Decimal(one.of))
        elif one.kind == "root":
            value = Decimal(int_of(one))
        elif one.kind == "of":
            value = approximate(poly_of(one), places)[0]
        else:
            argument = one.of
            if not isinstance(argument, (Fraction, Poly)):
                raise TypeError(f"an atom of kind {one.kind} holds a {type(argument).__name__}")
            value = dec.apply(one.kind, approximate(argument, places)[0], places).copy_abs()
        one.values[places, 1] = value
    return value


def poly_of(one: Atom) -> Poly:
    """Return what an atom of kind "of" stands for."""
    if not isinstance(one.of, Poly):
        raise TypeError(f"a polynomial was expected, not a {type(one.of).__name__}")
    return one.of
