"""Computes nodes at one point: sizes of the sets, values of the free quantities, open letters."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from time import thread_time
from typing import TYPE_CHECKING

from softxent.derive.core import Compare, Defined, Free, Index, Unknown
from softxent.derive.exact import jets
from softxent.derive.exact.jets import Real
from softxent.derive.exact.nodes import Letters, Seeds, checked
from softxent.derive.exact.primes import MAX_BITS
from softxent.derive.exact.stops import OutOfTime, Outside, TooLarge, Undefined, Unsupported

if TYPE_CHECKING:
    from softxent.derive.exact.points import Point
    from softxent.derive.exact.program import Program

_MAX_STEPS = 400_000
_HOLDS = {
    "eq": int.__eq__,
    "neq": int.__ne__,
    "lt": int.__lt__,
    "le": int.__le__,
    "gt": int.__gt__,
    "ge": int.__ge__,
}


class Machine:
    """One point and what has been computed there."""

    def __init__(self, program: Program, point: Point, deadline: float, places: int = 0) -> None:
        """places: 0 for exact numbers, else how many digits."""
        self.program = program
        self.point = point
        self.deadline = deadline
        self.letters: Mapping[str, int] = {}
        self.doubtful = False
        """Whether there is a value only because a number happens to be whole: no sign of truth."""
        self.memory: dict[tuple[object, ...], Real] = {}
        self._open: set[tuple[object, ...]] = set()
        self._known_forms: dict[tuple[str, tuple[int, ...]], list[tuple[int, list[int]]]] = {}
        self._steps = 0
        self._values = point.values if not places else point.rounded(places)

    def tick(self) -> None:
        """Count a step; end where the budget does."""
        self._steps += 1
        if self._steps % 64 == 0 and thread_time() > self.deadline:
            raise OutOfTime("the time for this step is used up")
        if self._steps > _MAX_STEPS:
            raise OutOfTime("the step needs too many values")

    def size(self, set: str) -> int:
        """Return the size of an index set."""
        try:
            return self.point.sizes[set]
        except KeyError:
            raise Unsupported(f"the size of {set} is not known") from None

    def range(self, set: str) -> range:
        """Return the values of the indices of a set."""
        first = self.program.first(set)
        return range(first, first + self.size(set))

    def index(self, index: Index, letters: Letters) -> int:
        """Return the value of an index; a letter that names a set is its last value."""
        letter = index.letter
        if not letter:
            return index.shift
        place = letters.get(letter)
        if place is None:
            place = self.letters.get(letter)
        if place is None:
            if letter not in self.point.sizes:
                raise Unsupported(f"the letter {letter} is bound by nothing")
            place = self.range(letter)[-1]
        return place + index.shift

    def holds(self, conditions: tuple[Compare, ...], letters: Letters) -> bool:
        """Return whether all the conditions hold."""
        return all(
            _HOLDS[one.relation](self.index(one.left, letters), self.index(one.right, letters))
            for one in conditions
        )

    def require(self, name: str, places: tuple[int, ...]) -> None:
        """Raise where a quantity has no such element."""
        quantity = self.program.quantity(name)
        if len(places) != len(quantity.sets):
            raise Unsupported(f"{name} has {len(quantity.sets)} indices, not {len(places)}")
        for set, place in zip(quantity.sets, places, strict=True):
            if place not in self.range(set):
                raise Outside(f"an index of {name} is outside {set}")

    def element(self, name: str, places: tuple[int, ...], seeds: Seeds) -> Real:
        """Return an element of a quantity, with its derivatives along the seeds."""
        outer = self.program.outer(name)
        key = (name, places, seeds, *[self.letters.get(letter) for letter in outer])
        found = self.memory.get(key)
        if found is None:
            self.require(name, places)
            self.tick()
            if key in self._open:
                raise Unsupported(f"{name} is defined by itself")
            self._open.add(key)
            try:
                found = checked(self._element(name, places, seeds), MAX_BITS)
            finally:
                self._open.discard(key)
            self.memory[key] = found
        return found

    def _element(self, name: str, places: tuple[int, ...], seeds: Seeds) -> Real:
        quantity = self.program.quantity(name)
        value: Real
        if isinstance(quantity, Free):
            try:
                value = self._values[name][places]
            except KeyError:
                raise Undefined(f"the point has no value for {name}") from None
        elif isinstance(quantity, Defined):
            inner = dict(zip(quantity.letters, places, strict=True))
            body = self.program.body(name)
            value = body.value(self, inner, self._inside(name, seeds))
        else:
            value = self._unknown(name, quantity, places, self._inside(name, seeds))
        for bit, of, element in seeds:
            if of == name and element == places:
                value = jets.seeded(value, bit)
        return value

    def _inside(self, name: str, seeds: Seeds) -> Seeds:
        """Return the seeds that reach into a definition: a quantity is cut at its own."""
        # A recursion (layer l from layer l - 1) is not cut: its elements are different quantities.
        if self.program.recursive(name):
            return seeds
        return tuple(seed for seed in seeds if seed[1] != name)

    def _unknown(self, name: str, quantity: Unknown, places: tuple[int, ...], seeds: Seeds) -> Real:
        """Return u + uv + uvw for three linear forms of all arguments."""
        arguments: list[Real] = []
        keys: list[tuple[object, ...]] = []
        for of in quantity.of:
            known = self.program.quantity(of).sets
            for element in self.point.elements(known, self.program):
                kept = _aligned(quantity, places, known, element)
                if kept is None:
                    continue
                inside = tuple(seed for seed in seeds if seed[1] in self.program.reach(of))
                arguments.append(self.element(of, element, inside))
                keys.append((of, kept))
        u, v, w = (
            jets.linear(start, factors, arguments)
            for start, factors in self._forms(name, quantity, places, keys)
        )
        return u + u * v + u * v * w

    def _forms(
        self,
        name: str,
        quantity: Unknown,
        places: tuple[int, ...],
        keys: list[tuple[object, ...]],
    ) -> list[tuple[int, list[int]]]:
        """Return the three linear forms of an element: a constant, and a factor for each."""
        found = self._known_forms.get((name, places))
        if found is None:
            own = () if quantity.elementwise else places
            found = [
                (
                    self.point.coefficient(name, own, number, ()),
                    [self.point.coefficient(name, own, number, key) for key in keys],
                )
                for number in range(3)
            ]
            self._known_forms[name, places] = found
        return found

    def decided(self, left: Real, right: Real) -> tuple[int, bool]:
        """Return (sign of left - right, whether that is exact)."""
        from softxent.derive.exact import elementary
        from softxent.derive.exact.numbers import Poly, without_quotients

        if isinstance(left, jets.Jet) or isinstance(right, jets.Jet):
            raise TooLarge("a derivative is left open")
        difference = left - right
        if isinstance(difference, Fraction):
            return (difference > 0) - (difference < 0), True
        if isinstance(difference, Poly) and without_quotients(difference)[1] == 0:
            return 0, True
        side = elementary.sign(difference)
        return side, side != 0 and isinstance(difference, Poly)


def _aligned(
    quantity: Unknown, places: tuple[int, ...], known: tuple[str, ...], element: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Return which coefficient an argument's element has, or None where it is no argument.

    An elementwise function takes, of every argument, the elements whose indices over its own sets
    are its own; over other sets it takes all.
    """
    if not quantity.elementwise:
        return element
    own = list(zip(quantity.sets, places, strict=True))
    kept: list[int] = []
    for set, place in zip(known, element, strict=True):
        matching = next((one for one in own if one[0] == set), None)
        if matching is None:
            kept.append(place)
            continue
        own.remove(matching)
        if matching[1] != place:
            return None
    return tuple(kept)
