"""A second evaluation of `core`, by other means: 60 digits and central differences.

It shares nothing with `exact`: a witness that it confirms is one.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import mpmath

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
)
from softxent.derive.verdicts import Witness

MP = mpmath.MPContext()
MP.dps = 80
STEP = MP.mpf(10) ** -14
FUNCTIONS = {
    "exp": MP.exp,
    "log": MP.log,
    "ln": MP.log,
    "log2": lambda x: MP.log(x, 2),
    "log10": MP.log10,
    "sqrt": MP.sqrt,
    "abs": abs,
    "sign": MP.sign,
    "relu": lambda x: max(x, MP.mpf(0)),
    "sigmoid": lambda x: 1 / (1 + MP.exp(-x)),
    "softplus": lambda x: MP.log(1 + MP.exp(x)),
    "tanh": MP.tanh,
    "sinh": MP.sinh,
    "cosh": MP.cosh,
    "sech": MP.sech,
    "sin": MP.sin,
    "cos": MP.cos,
    "tan": MP.tan,
    "arctan": MP.atan,
    "arcsin": MP.asin,
    "arccos": MP.acos,
    "erf": MP.erf,
    "Phi": MP.ncdf,
}
HOLDS = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


class Slow:
    """Values of the free quantities, sizes of the sets, and the free letters."""

    def __init__(self, given: Given, values: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.given = given
        self.values = values
        self.sizes = sizes
        self.letters: dict[str, int] = {}
        self.held: dict[str, dict[tuple[int, ...], Any]] = {}

    def index(self, of: Index, letters: Mapping[str, int]) -> int:
        if not of.letter:
            return of.shift
        known = {**self.letters, **letters}
        return known.get(of.letter, self.sizes[of.letter]) + of.shift

    def holds(self, conditions: tuple[Compare, ...], letters: Mapping[str, int]) -> bool:
        return all(
            HOLDS[c.relation](self.index(c.left, letters), self.index(c.right, letters))
            for c in conditions
        )

    def element(self, name: str, places: tuple[int, ...]) -> Any:
        if name in self.held:
            return self.held[name][places]
        quantity = self.given.quantities[name]
        if isinstance(quantity, Free):
            value = self.values[name]
            for place in places:
                value = value[place - 1]
            return value
        assert isinstance(quantity, Defined)
        return self(quantity.body, dict(zip(quantity.letters, places, strict=True)))

    def partial(self, of: Real, name: str, at: tuple[int, ...], letters: Mapping[str, int]) -> Any:
        sets = self.given.quantities[name].sets
        all_places = product(*(range(1, self.sizes[one] + 1) for one in sets))
        held = {places: self.element(name, places) for places in all_places}
        before, sides = self.held, []
        for step in (STEP, -STEP):
            self.held = {**before, name: {**held, at: held[at] + step}}
            sides.append(self(of, letters))
        self.held = before
        return (sides[0] - sides[1]) / (2 * STEP)

    def __call__(self, real: Real, letters: Mapping[str, int]) -> Any:
        match real:
            case Const(value):
                return MP.mpf(value.numerator) / value.denominator
            case Element(name, indices):
                return self.element(name, tuple(self.index(one, letters) for one in indices))
            case IndexValue(of):
                return MP.mpf(self.index(of, letters))
            case Size(set):
                return MP.mpf(self.sizes[set])
            case Plus(terms):
                return MP.fsum(self(term, letters) for term in terms)
            case Times(factors):
                return MP.fprod(self(factor, letters) for factor in factors)
            case Divide(above, below):
                return self(above, letters) / self(below, letters)
            case Raise(base, exponent):
                return self(base, letters) ** self(exponent, letters)
            case Apply(function, of):
                return FUNCTIONS[function](self(of, letters))
            case Total(kind, letter, set, of, conditions, lower, upper):
                first = 1 if lower is None else max(1, self.index(lower, letters))
                last = self.sizes[set]
                if upper is not None:
                    last = min(last, self.index(upper, letters))
                inner = [{**letters, letter: n} for n in range(first, last + 1)]
                parts = [self(of, one) for one in inner if self.holds(conditions, one)]
                combine = {
                    "sum": MP.fsum,
                    "product": MP.fprod,
                    "max": max,
                    "min": min,
                    "mean": lambda held: MP.fsum(held) / len(held),
                }
                return combine[kind](parts)
            case Choose(rows):
                return next(self(of, letters) for when, of in rows if self.holds(when, letters))
            case Partial(of, by):
                at = tuple(self.index(one, letters) for one in by.indices)
                return self.partial(of, by.name, at, letters)
        raise TypeError(real)


def number(text: str) -> Any:
    value = Fraction(text)
    return MP.mpf(value.numerator) / value.denominator


def array(text: str, exponential: bool) -> Any:
    """Read "(1, 2, 3)" or "((1/2, 2), (3, 4))"."""
    quoted = re.sub(r"-?\d+(/\d+)?", r"'\g<0>'", text).replace("(", "[").replace(")", "]")
    return nested(ast.literal_eval(quoted), exponential)


def nested(tree: Any, exponential: bool) -> Any:
    if isinstance(tree, list):
        return [nested(one, exponential) for one in tree]
    return MP.log(number(tree)) if exponential else number(tree)


def at_witness(left: Real, right: Real, given: Given, witness: Witness) -> tuple[Any, Any]:
    """Return both sides at a witness, read from its text."""
    values, letters = {}, {}
    for name, text in witness.values.items():
        if name.startswith("e^"):
            values[name[2:]] = array(text, True)
        elif name in given.letters:
            letters[name] = int(text)
        elif name in given.quantities:
            values[name] = array(text, False)
    sizes: dict[str, int] = defaultdict(lambda: witness.k)
    for name, value in values.items():
        for set in given.quantities[name].sets:
            sizes[set] = len(value)
            value = value[0]
    for name, text in witness.values.items():
        if name not in given.letters and name not in given.quantities and "^" not in name:
            sizes[name] = int(text)
    slow = Slow(given, values, sizes)
    slow.letters = letters
    return slow(left, letters), slow(right, letters)
