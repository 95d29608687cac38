"""Writes steps in the language of `core` without its constructors, for the tests of `exact`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Const,
    Defined,
    Divide,
    Element,
    Free,
    Given,
    Index,
    IndexValue,
    Partial,
    Plus,
    Raise,
    Real,
    Size,
    Times,
    Total,
    Unknown,
)

RELATIONS = {"=": "eq", "!=": "neq", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def index(of: str | int | Index) -> Index:
    """index("k"), index("l-1"), index(2)."""
    if isinstance(of, Index):
        return of
    if isinstance(of, int):
        return Index("", of)
    for sign in "+-":
        if sign in of:
            letter, shift = of.split(sign)
            return Index(letter, int(sign + shift))
    return Index(of)


class E:
    """A `Real` with operators."""

    def __init__(self, real: Real) -> None:
        self.real = real

    def __add__(self, other: Any) -> E:
        return E(Plus((self.real, real(other))))

    def __radd__(self, other: Any) -> E:
        return E(Plus((real(other), self.real)))

    def __neg__(self) -> E:
        return E(Times((Const(Fraction(-1)), self.real)))

    def __sub__(self, other: Any) -> E:
        return self + -E(real(other))

    def __rsub__(self, other: Any) -> E:
        return E(real(other)) + -self

    def __mul__(self, other: Any) -> E:
        return E(Times((self.real, real(other))))

    def __rmul__(self, other: Any) -> E:
        return E(Times((real(other), self.real)))

    def __truediv__(self, other: Any) -> E:
        return E(Divide(self.real, real(other)))

    def __rtruediv__(self, other: Any) -> E:
        return E(Divide(real(other), self.real))

    def __pow__(self, other: Any) -> E:
        return E(Raise(self.real, real(other)))

    def __rpow__(self, other: Any) -> E:
        return E(Raise(real(other), self.real))


def real(of: Any) -> Real:
    if isinstance(of, E):
        return of.real
    if isinstance(of, (int, Fraction)):
        return Const(Fraction(of))
    return of


def el(name: str, *indices: str | int | Index) -> E:
    return E(Element(name, tuple(index(one) for one in indices)))


def fn(name: str, of: Any) -> E:
    return E(Apply(name, real(of)))


def exp(of: Any) -> E:
    return fn("exp", of)


def log(of: Any) -> E:
    return fn("log", of)


def when(text: str) -> Compare:
    """when("i != j")."""
    left, relation, right = text.split()
    parts = [int(one) if one.isdigit() else one for one in (left, right)]
    return Compare(RELATIONS[relation], index(parts[0]), index(parts[1]))  # type: ignore[arg-type]


def total(kind: str, letter: str, set: str, of: Any, *conditions: str, lower=None, upper=None) -> E:
    return E(
        Total(
            kind,  # type: ignore[arg-type]
            letter,
            set,
            real(of),
            tuple(when(one) for one in conditions),
            None if lower is None else index(lower),
            None if upper is None else index(upper),
        )
    )


def sigma(letter: str, set: str, of: Any, *conditions: str, **bounds: Any) -> E:
    return total("sum", letter, set, of, *conditions, **bounds)


def delta(a: str, b: str | int) -> E:
    same = Compare("eq", index(a), index(b))
    return E(Choose((((same,), Const(Fraction(1))), ((), Const(Fraction(0))))))


def choose(*rows: tuple[str, Any]) -> E:
    """choose(("i = j", a), ("", b))."""
    return E(
        Choose(
            tuple(((when(text),) if text else (), real(value)) for text, value in rows),
        )
    )


def d(of: Any, by: E) -> E:
    assert isinstance(by.real, Element)
    return E(Partial(real(of), by.real))


def size(set: str) -> E:
    return E(Size(set))


def at(letter: str) -> E:
    return E(IndexValue(index(letter)))


def defined(letters: str, sets: str, body: Any) -> Defined:
    return Defined(tuple(letters.split()), tuple(sets.split()), real(body))


def free(sets: str = "", kind: str = "rational") -> Free:
    return Free(tuple(sets.split()), kind)  # type: ignore[arg-type]


def unknown(sets: str, of: str, elementwise: bool = False) -> Unknown:
    return Unknown(tuple(sets.split()), tuple(of.split()), elementwise)


def given(
    quantities: dict[str, Any],
    letters: dict[str, str] | None = None,
    conditions: tuple[str, ...] = (),
    assumed: tuple[str, ...] = (),
) -> Given:
    return Given(
        quantities, letters or {}, tuple(when(one) for one in conditions), frozenset(assumed)
    )


SOFTMAX = {
    "z": free("K", "log"),
    "t": free("K", "target"),
    "y": defined("k", "K", exp(el("z", "k")) / sigma("j", "K", exp(el("z", "j")))),
    "C": defined("", "", -sigma("k", "K", el("t", "k") * log(el("y", "k")))),
}
