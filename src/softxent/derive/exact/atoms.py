"""What the monomials of exact numbers are made of: positive reals that are not taken apart."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import TypeAlias
from weakref import WeakValueDictionary

Exponent: TypeAlias = int | Fraction
Mono: TypeAlias = "tuple[tuple[Atom, Exponent], ...]"


class Share(Fraction):
    """A fractional exponent. Monomials are keys of dicts, and a Fraction hashes in 3 µs."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override] # typeshed: Complex has none
        return hash((self.numerator, self.denominator))

    def __eq__(self, other: object) -> bool:
        if type(other) is Share:
            return self.numerator == other.numerator and self.denominator == other.denominator
        return Fraction.__eq__(self, other)


def plain(exponent: Exponent) -> Exponent:
    """Return an exponent as it stands in monomials: an int, or a Share."""
    if exponent.denominator == 1:
        return exponent.numerator
    return exponent if type(exponent) is Share else Share(exponent)


class Atom:
    """A positive real number that is not taken apart; the same atom is the same object."""

    __slots__ = ("__weakref__", "kind", "of", "serial", "values")

    def __init__(self, kind: str, of: object, serial: int) -> None:
        self.kind = kind
        self.of = of
        self.serial = serial
        self.values: dict[tuple[int, Exponent], Decimal] = {}


_atoms: WeakValueDictionary[tuple[str, object], Atom] = WeakValueDictionary()
_serials = count()


def atom(kind: str, key: object, of: object = None) -> Atom:
    """Return the atom of this kind and key; `of` is what it is computed from."""
    found = _atoms.get((kind, key))
    if found is None:
        found = Atom(kind, key if of is None else of, next(_serials))
        _atoms[kind, key] = found
    return found


def int_of(one: Atom) -> int:
    """Return the prime of an atom of kind "log" or "root"."""
    if not isinstance(one.of, int):
        raise TypeError(f"a prime was expected, not a {type(one.of).__name__}")
    return one.of


def mono_of(one: Atom) -> Mono:
    """Return the monomial that an atom of kind "exp" is the exponential of."""
    if not isinstance(one.of, tuple):
        raise TypeError(f"a monomial was expected, not a {type(one.of).__name__}")
    return one.of
