"""Points at which a step is tried: small ones that a reader can redo, then random ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import product
from typing import NamedTuple, TypeAlias

from softxent.derive.core import Free, Given
from softxent.derive.exact import elementary
from softxent.derive.exact.numbers import Number, approximate
from softxent.derive.exact.program import Program
from softxent.derive.exact.rounded import Rounded
from softxent.derive.exact.stops import Undefined, Unsupported

Places: TypeAlias = "tuple[int, ...]"
_LARGE = 1 << 31
_FINE = 1_000_003
_WRITTEN = 32
"""The largest index that is taken at its word: the 784 in a sum over pixels is any size."""
_SIZES = {"size-one": 1, "size-two": 2, "size-three": 3}
_OF_VALUES = ("sum-to-one", "one-hot", "binary", "positive")


_BENDS = 10
"""Points for |x| and its like, where x > 0 and x < 0 each ought to come up: 2^-9 not to see one."""


class Style(NamedTuple):
    """How values are drawn. choices: how many values each may take, for the error bound."""

    name: str
    positive: bool
    choices: int


PAPER = Style("paper", True, 1)
NEXT = Style("next", True, 1)
"""Like paper, but from 2 on: at 1 much is equal by chance."""
TENTHS = Style("tenths", True, 9)
SMALL = Style("small", False, 50)
SMALL_POSITIVE = Style("small", True, 25)
LARGE = Style("large", False, _LARGE)
LARGE_POSITIVE = Style("large", True, _LARGE)
FINE = Style("fine", False, 8 * _FINE)
FINE_POSITIVE = Style("fine", True, 4 * _FINE)
UNIT = Style("unit", True, _FINE - 1)
FIRST = (PAPER, SMALL_POSITIVE, SMALL, TENTHS, UNIT)
NICER = (SMALL_POSITIVE, SMALL, TENTHS)
WIDE = (LARGE, LARGE_POSITIVE, FINE, FINE_POSITIVE, UNIT)
"""What is tried in order, until a style has values: first, for a reader, and after that."""


class Point:
    """Sizes of the index sets and values of the free quantities."""

    def __init__(self, sizes: dict[str, int], seed: str, style: Style) -> None:
        self.sizes = sizes
        self.style = style
        self.values: dict[str, dict[Places, Number]] = {}
        self.exponentials: dict[str, dict[Places, Fraction]] = {}
        """Of the quantities that were drawn by their exponentials."""
        self._seed = seed
        self._coefficients: dict[tuple[object, ...], int] = {}

    def elements(self, sets: Sequence[str], program: Program) -> list[Places]:
        """Return the indices of all elements over these sets."""
        ranges = []
        for set in sets:
            if set not in self.sizes:
                raise Unsupported(f"the size of {set} is not known")
            first = program.first(set)
            ranges.append(range(first, first + self.sizes[set]))
        return list(product(*ranges))

    def coefficient(self, name: str, own: Places, number: int, key: tuple[object, ...]) -> int:
        """Return a coefficient of an unknown function: the same whenever it is asked for."""
        full = (name, own, number, key)
        found = self._coefficients.get(full)
        if found is None:
            drawn = blake2b(f"{self._seed}/{full}".encode(), digest_size=8).digest()
            bits = int.from_bytes(drawn, "big")
            most = 50 if self.style.name in ("small", "large", "fine") else 3
            value = 1 + (bits >> 1) % most
            found = -value if bits & 1 else value
            self._coefficients[full] = found
        return found

    @property
    def coefficients(self) -> Mapping[tuple[object, ...], int]:
        """Return the coefficients that have been asked for."""
        return self._coefficients

    def rounded(self, places: int) -> dict[str, dict[Places, Rounded]]:
        """Return the values to so many digits."""
        return {
            name: {
                key: Rounded(approximate(value, places)[0], places) for key, value in held.items()
            }
            for name, held in self.values.items()
        }


def assumptions(given: Given) -> dict[str, frozenset[str]]:
    """Return what is assumed of each name; an assumption that we do not know is Unsupported."""
    held: dict[str, set[str]] = {}
    for one in given.assumed:
        kind, _, name = one.partition(":")
        if kind == "one-hot" and ":" in name:
            continue
        if kind not in _OF_VALUES and kind not in _SIZES:
            raise Unsupported(f"the assumption {one}")
        held.setdefault(name, set()).add(kind)
    return {name: frozenset(kinds) for name, kinds in held.items()}


def turns(program: Program) -> int:
    """Return how many points a step needs at least, for all values of what has few."""
    held = assumptions(program.given)
    needed, bits = (_BENDS if any(uses.bends for uses in program.all_uses()) else 2), 0
    for name in program.names:
        if {"one-hot", "binary"} & held.get(name, frozenset()):
            needed = 3
            bits += not program.quantity(name).sets
    return max(needed, 1 << min(bits, 3))


def base_sizes(program: Program, most: int = 5) -> dict[str, int]:
    """Return a size for each index set: more than the letters over it, and all different."""
    letters: dict[str, int] = dict(program.own.depth)
    highest: dict[str, int] = {}
    for uses in program.all_uses():
        for set in uses.depth:
            letters.setdefault(set, 1)
        for set, high in uses.highest.items():
            if high <= _WRITTEN:
                highest[set] = max(highest.get(set, 0), high)
    for name in program.names:
        for set in program.quantity(name).sets:
            letters.setdefault(set, 1)
    for letter, set in program.given.letters.items():
        letters[set] = letters.get(set, 0) + (letter in program.free)
    fixed = {
        name: _SIZES[kind]
        for name, kinds in assumptions(program.given).items()
        for kind in kinds
        if kind in _SIZES
    }
    sizes: dict[str, int] = {}
    for set in sorted(letters, key=lambda one: -letters[one]):
        size = 2 if sizes else 3
        size = max(size, min(letters[set] + 1, most))
        size = max(size, highest.get(set, 0) + 1 - program.first(set))
        while size in sizes.values():
            size += 1
        sizes[set] = fixed.get(set, size)
    return sizes


def draw(
    program: Program,
    sizes: dict[str, int],
    seed: str,
    style: Style,
    turn: int = 0,
    hot: bool = False,
) -> Point:
    """Return a point.

    turn: which point of a step this is; where few values are possible, each has its turn. hot:
    targets are one-hot though they need not be, as a reader likes them.
    """
    point = Point(sizes, seed, style)
    held = assumptions(program.given)
    numbers = {"log": 0, "other": 0, "bit": 0}
    for name in program.names:
        quantity = program.quantity(name)
        if not isinstance(quantity, Free):
            continue
        assumed = held.get(name, frozenset())
        group = "log" if quantity.kind == "log" else "other"
        if not quantity.sets and {"one-hot", "binary"} & assumed:
            group = "bit"
        values = _Values(random.Random(f"{seed}/{name}"), style, numbers[group], turn)
        numbers[group] += 1
        places = point.elements(quantity.sets, program)
        _draw_quantity(point, name, quantity, places, assumed, values, hot)
    return point


def _draw_quantity(
    point: Point,
    name: str,
    quantity: Free,
    places: list[Places],
    assumed: frozenset[str],
    values: _Values,
    hot: bool,
) -> None:
    kind = quantity.kind
    held: dict[Places, Number] = {}
    row = bool(quantity.sets)
    if "binary" in assumed or ("one-hot" in assumed and not row):
        held = {key: values.bit() for key in places}
    elif row and ("one-hot" in assumed or (hot and kind == "target")):
        _rows(places, held, values.one_hot)
    elif (kind == "probability" and row) or (
        row and "sum-to-one" in assumed and "positive" in assumed
    ):
        _rows(places, held, lambda n: _shares([values.positive() for _ in range(n)]))
    elif "sum-to-one" in assumed and row:
        _rows(places, held, values.sum_to_one)
    elif kind == "log":
        exponentials = {key: values.exponential() for key in places}
        point.exponentials[name] = exponentials
        for key, value in exponentials.items():
            logarithm = elementary.log(value)
            if isinstance(logarithm, Rounded):
                raise Undefined("a logarithm is not exact")
            held[key] = logarithm
    elif kind == "probability":
        held = {key: values.chance() for key in places}
    elif kind == "positive" or "positive" in assumed:
        held = {key: values.positive() for key in places}
    else:
        held = {key: values.rational() for key in places}
    point.values[name] = held


def _rows(
    places: list[Places], held: dict[Places, Number], row: Callable[[int], list[Fraction]]
) -> None:
    """Fill an array row by row: a row runs over the last index."""
    rows: dict[Places, list[Places]] = {}
    for key in places:
        rows.setdefault(key[:-1], []).append(key)
    for keys in rows.values():
        held.update(zip(keys, row(len(keys)), strict=True))


def _shares(values: list[Fraction]) -> list[Fraction]:
    total = sum(values, Fraction(0))
    return [value / total for value in values]


class _Values:
    """Draws one quantity's values; number: which logit, or which other quantity, this is."""

    def __init__(self, random: random.Random, style: Style, number: int, turn: int) -> None:
        self._random = random
        self._style = style
        self._number = number
        self._turn = turn
        self._drawn = 0

    def exponential(self) -> Fraction:
        """Return e^z: 1, 2, 3, … on paper; whole numbers, as sums of them have small factors.

        Where signs are free half of them are below 1, so that z is negative as well.
        """
        if self._style.name in ("paper", "next", "large"):
            value = self.positive()
            if self._style.positive or self._random.random() < 0.5:
                return value
            return Fraction(1, 1 + value % 12)
        return Fraction(self._random.randint(1, 9), self._random.randint(1, 4))

    def positive(self) -> Fraction:
        """Return a positive rational."""
        name = self._style.name
        if name in ("paper", "next"):
            self._drawn += 1
            if self._number == 0 or self._drawn == 1:
                return Fraction(self._drawn + self._number % 3 + (name == "next"))
            return Fraction(self._random.randint(1, 5))
        if name == "tenths":
            return Fraction(self._random.randint(1, 9), 10)
        if name == "small":
            return Fraction(self._random.randint(1, 9), self._random.randint(1, 4))
        if name == "large":
            return Fraction(self._random.randint(1, _LARGE))
        if name == "unit":
            return Fraction(self._random.randint(1, _FINE - 1), _FINE)
        return Fraction(self._random.randint(1, 4 * _FINE), _FINE)

    def rational(self) -> Fraction:
        """Return a rational that is not 0."""
        value = self.positive()
        return value if self._style.positive or self._random.random() < 0.5 else -value

    def chance(self) -> Fraction:
        """Return a rational between 0 and 1."""
        value = self.positive()
        return value / (value + 1)

    def bit(self) -> Fraction:
        """Return 0 or 1: one after the other in an array, and from point to point."""
        self._drawn += 1
        return Fraction((self._drawn + (self._turn >> self._number)) % 2)

    def one_hot(self, size: int) -> list[Fraction]:
        """Return a row with a single 1: at its second place, then the first, then the last."""
        place = (1 - self._turn + self._drawn) % size
        self._drawn += 1
        return [Fraction(n == place) for n in range(size)]

    def sum_to_one(self, size: int) -> list[Fraction]:
        """Return a row of rationals of sum 1, of either sign where the style allows it."""
        if self._style.positive or size == 1:
            return _shares([self.positive() for _ in range(size)])
        row = [self.rational() for _ in range(size - 1)]
        return [*row, 1 - sum(row, Fraction(0))]
