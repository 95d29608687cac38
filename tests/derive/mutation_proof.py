"""Proofs that a mutant says the same as its original: both sides at random points, to 80 digits.

Nothing of `exact` is used: values come from `slow_evaluation`, derivatives from differences.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from derive.slow_evaluation import MP, Slow

from softxent.derive.core import Free, Given, Index, Real, Size, Total, Unknown

_CLOSE = MP.mpf(10) ** -14
_POINTS = 3
_LETTERS = 6
"""How many values of the free letters are tried at each point."""


class Sampled(Slow):
    """`Slow`, with unknown functions: polynomials of degree 3 with random coefficients."""

    def __init__(
        self, given: Given, values: Mapping[str, Any], sizes: Mapping[str, int], seed: int
    ) -> None:
        super().__init__(given, values, sizes)
        self.seed = seed

    def index(self, of: Index, letters: Mapping[str, int]) -> int:
        """Return the value of an index; a size stands for itself."""
        known = {**self.sizes, **self.letters, **letters}
        return known[of.letter] + of.shift if of.letter else of.shift

    def element(self, name: str, places: tuple[int, ...]) -> Any:
        """Return an element, also of an unknown function."""
        quantity = self.given.quantities[name]
        if name in self.held or not isinstance(quantity, Unknown):
            return super().element(name, places)
        total = MP.mpf(0)
        for argument in quantity.of:
            sets = self.given.quantities[argument].sets
            for at in product(*(range(1, self.sizes[one] + 1) for one in sets)):
                if quantity.elementwise and at != places:
                    continue
                value = self.element(argument, at)
                own = () if quantity.elementwise else places
                draw = random.Random(f"{self.seed}/{name}/{own}/{argument}/{at}")
                for power in (1, 2, 3):
                    total += draw.randint(1, 9) * value**power
        return total


def same(left: Real, right: Real, given: Given, seed: int = 0) -> bool:
    """Whether two expressions agree at every point that is tried, for several sizes."""
    tried = 0
    for number in range(_POINTS):
        draw = random.Random(f"{seed}/{number}")
        sets = sorted(_sets(left) | _sets(right) | _given_sets(given))
        sizes = {one: 3 + (number + at) % 2 for at, one in enumerate(sets)}
        sizes |= {
            one.partition(":")[2]: {"one": 1, "two": 2, "three": 3}[one.split(":")[0][5:]]
            for one in given.assumed
            if one.startswith("size-")
        }
        values = {
            name: _values(draw, name, quantity, sizes, given)
            for name, quantity in given.quantities.items()
            if isinstance(quantity, Free)
        }
        slow = Sampled(given, values, sizes, number)
        for letters in _some(draw, given, sizes, slow):
            slow.letters = letters
            try:
                one, other = slow(left, {}), slow(right, {})
            except (ZeroDivisionError, ValueError, StopIteration, OverflowError):
                continue
            if not (MP.isfinite(one) and MP.isfinite(other)):
                continue
            if abs(one - other) > _CLOSE * max(1, abs(one)):
                return False
            tried += 1
    return tried >= _POINTS


def _some(
    draw: random.Random, given: Given, sizes: Mapping[str, int], slow: Slow
) -> Iterator[dict[str, int]]:
    """Yield values of the free letters that the open case allows."""
    names = sorted(given.letters)
    every = [
        dict(zip(names, places, strict=True))
        for places in product(*(range(1, sizes[given.letters[one]] + 1) for one in names))
    ]
    allowed = [letters for letters in every if slow.holds(given.conditions, letters)]
    yield from draw.sample(allowed, min(_LETTERS, len(allowed)))


def _values(
    draw: random.Random, name: str, quantity: Free, sizes: Mapping[str, int], given: Given
) -> Any:
    assumed = {one.split(":")[0] for one in given.assumed if one.split(":")[1] == name}
    hot, shares = "one-hot" in assumed, "sum-to-one" in assumed or quantity.kind == "probability"

    def build(sets: tuple[str, ...]) -> Any:
        if not sets:
            if hot:
                return MP.mpf(draw.randint(0, 1))
            value = MP.mpf(draw.randint(1, 40)) / draw.randint(1, 9)
            if quantity.kind == "probability":
                return value / (value + 1)
            positive = quantity.kind == "positive" or "positive" in assumed
            return value if positive or draw.random() < 0.6 else -value
        row = [build(sets[1:]) for _ in range(sizes[sets[0]])]
        if len(sets) == 1 and hot:
            place = draw.randrange(len(row))
            row = [MP.mpf(at == place) for at in range(len(row))]
        elif len(sets) == 1 and shares:
            total = MP.fsum(abs(value) for value in row)
            row = [abs(value) / total for value in row]
        return row

    return build(quantity.sets)


def _given_sets(given: Given) -> set[str]:
    sets = set(given.letters.values())
    for quantity in given.quantities.values():
        sets |= set(quantity.sets)
        sets |= _sets(getattr(quantity, "body", None))
    return sets


def _sets(value: object) -> set[str]:
    """Return the index sets that an expression names."""
    if isinstance(value, tuple):
        return set().union(*(_sets(item) for item in value)) if value else set()
    if isinstance(value, Index | Fraction | str) or not hasattr(value, "__slots__"):
        return set()
    own = {value.set} if isinstance(value, Total | Size) else set()
    return own.union(*(_sets(getattr(value, name)) for name in value.__slots__))
