"""What is known while a derivation is written: definitions, and results that were reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from softxent.derive.core import (
    Compare,
    Defined,
    Element,
    Free,
    Given,
    Partial,
    Quantity,
    Real,
    Size,
    Total,
    Unknown,
)
from softxent.derive.write.source import SETS
from softxent.derive.write.terms import apart, element, free_letters, letters, parts, put, same

Kind = Literal["log", "rational", "positive", "target"]
_KINDS: dict[str, Kind] = {"z": "log", "t": "target", "T": "positive", "c": "positive"}
_KINDS |= {"w": "positive", "a": "log"}


@dataclass(frozen=True, slots=True)
class Definition:
    """name_{letters} = body."""

    name: str
    letters: tuple[str, ...]
    body: Real

    @property
    def left(self) -> Element:
        """What is defined."""
        return element(self.name, *self.letters)


@dataclass(frozen=True, slots=True)
class Fact:
    """left = right for all values of the free letters; `form`: a name for this way to write it."""

    left: Real
    right: Real
    form: str = ""


@dataclass(slots=True)
class World:
    """Definitions by name and number of indices, and facts, the newest first."""

    definitions: dict[tuple[str, int], Definition] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    functions: dict[str, Element] = field(default_factory=dict)
    """Functions that may be any, by name: an element of what they are functions of."""
    assumed: set[str] = field(default_factory=set)

    def define(self, definition: Definition) -> Definition:
        """Enter a definition."""
        self.definitions[definition.name, len(definition.letters)] = definition
        return definition

    def learn(self, left: Real, right: Real, form: str = "") -> None:
        """Enter a result."""
        self.facts.insert(0, Fact(left, right, form))

    def body(self, of: Element, taken: set[str]) -> Real | None:
        """Return what defines an element, its bound letters apart from those that are taken."""
        found = self.definitions.get((of.name, len(of.indices)))
        if found is None:
            return None
        now = [one.letter for one in of.indices]
        body = apart(found.body, taken | set(now) | set(found.letters))
        return put(body, dict(zip(found.letters, now, strict=True)))

    def depends(self, expr: Real, name: str) -> bool:
        """Whether an expression depends on a quantity, itself or through what defines it."""
        if isinstance(expr, Element):
            if expr.name == name:
                return True
            if expr.name in self.functions:
                return self.depends(self.functions[expr.name], name)
            found = self.definitions.get((expr.name, len(expr.indices)))
            return found is not None and self.depends(found.body, name)
        if isinstance(expr, Partial):
            return self.depends(expr.of, name)
        return any(self.depends(part, name) for part in parts(expr))

    def result(self, at: Real, taken: set[str], form: str = "") -> Real | None:
        """Return what the newest fact (in this form, if one is named) says of this expression."""
        for fact in self.facts:
            if _alike(fact.left, at) and form in ("", fact.form):
                for swap in _swaps(fact.left, at):
                    if same(put(fact.left, swap), at):
                        return apart(put(apart(fact.right, letters(at)), swap), taken)
        return None

    def given(self, *exprs: Real, conditions: tuple[Compare, ...] = ()) -> Given:
        """Return all that a step between these expressions is decided from."""
        quantities: dict[str, Quantity] = {}
        waiting = list(exprs)
        while waiting:
            for one in _elements(waiting.pop()):
                if one.name in quantities:
                    continue
                quantities[one.name] = found = self._quantity(one)
                if isinstance(found, Defined):
                    waiting.append(found.body)
                elif isinstance(found, Unknown):
                    waiting.append(self.functions[one.name])
        free = set().union(*(free_letters(one) for one in exprs))
        for quantity in quantities.values():  # a class index stands in definitions only
            if isinstance(quantity, Defined):
                free |= free_letters(quantity.body) - set(quantity.letters)
        sets = {one: SETS[one] for one in free}
        held = tuple(one for one in conditions if {one.left.letter, one.right.letter} <= free)
        names = frozenset(one for one in self.assumed if one.split(":")[1] in quantities)
        return Given(quantities, sets, held, names)

    def _quantity(self, of: Element) -> Quantity:
        if of.name in self.functions:
            return Unknown((), (self.functions[of.name].name,))
        found = self.definitions.get((of.name, len(of.indices)))
        if found is not None:
            sets = tuple(SETS[one] for one in found.letters)
            return Defined(found.letters, sets, found.body)
        sets = tuple(SETS[one.letter] for one in of.indices)
        return Free(sets, _KINDS.get(of.name, "rational"))


def _elements(expr: Real) -> Iterator[Element]:
    if isinstance(expr, Element):
        yield expr
    for part in parts(expr):
        yield from _elements(part)


def _alike(pattern: Real, at: Real) -> bool:
    """Whether one may be an instance of the other; quick."""
    match pattern, at:
        case Element(name, these), Element(other, those):
            return name == other and len(these) == len(those)
        case Partial(of, by), Partial(other_of, other_by):
            return _alike(by, other_by) and _alike(of, other_of)
        case Total(of=of), Total(of=other_of):
            return _alike(of, other_of)
    return type(pattern) is type(at) and not isinstance(at, Size)


def _swaps(pattern: Real, at: Real) -> Iterator[dict[str, str]]:
    """Yield the ways in which the letters of a pattern may be those of an expression."""
    old, new = sorted(free_letters(pattern)), sorted(free_letters(at))
    choices = [[one for one in new if SETS[one] == SETS[letter]] for letter in old]
    for chosen in product(*choices):
        yield dict(zip(old, chosen, strict=True))
