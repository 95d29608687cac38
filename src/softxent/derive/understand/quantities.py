"""What quantities are where a step stands: defined, free, or known by their arguments only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softxent.derive.core import (
    Choose,
    Compare,
    Defined,
    Element,
    Free,
    Index,
    Quantity,
    Real,
    Unknown,
    everything,
)
from softxent.derive.trees import Symbol
from softxent.derive.understand import labels
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.translate import Translator
from softxent.derive.understand.values import NotDefined, Unreadable

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book, Definition


@dataclass(slots=True)
class Built:
    """A quantity, the names that it needs, and the letters that are free in its body."""

    quantity: Quantity
    names: tuple[str, ...]
    letters: dict[str, str] = field(default_factory=dict)


class Quantities:
    """Builds the quantities of a book, and remembers them once the book is complete."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._built: dict[tuple[str, int, frozenset[str], int], Built] = {}
        self.unread: set[str] = set()
        """Quantities whose definitions could not be read: they are taken for free ones."""

    def forget(self, version: int) -> None:
        """Forget what was built with index sets that do not hold any more."""
        self._built = {key: one for key, one in self._built.items() if key[3] <= version}

    def given(
        self,
        names: list[str],
        number: int,
        letters: dict[str, str],
        single: frozenset[str] = frozenset(),
    ) -> tuple[dict[str, Quantity], dict[str, str]]:
        """Return all quantities that some names reach, and the letters free in their bodies."""
        quantities: dict[str, Quantity] = {}
        outer = dict(letters)
        waiting = list(names)
        while waiting:
            core = waiting.pop()
            if core in quantities:
                continue
            built = self._build(core, number, single)
            quantities[core] = built.quantity
            waiting += built.names
            for letter, place in built.letters.items():
                if letter in letters:
                    self.book.sets.join(letters[letter], place)
                outer.setdefault(letter, place)
        return quantities, outer

    def _build(self, core: str, number: int, single: frozenset[str]) -> Built:
        if core in self.book.labels:  # with its sets as they are known by now
            labels.quantities(self.book)
        if core in self.book.extra:
            quantity = self.book.extra[core]
            names: tuple[str, ...] = ()
            if isinstance(quantity, Defined):
                names = tuple(elements_of(quantity.body))
            return Built(quantity, names)
        name, arity = self.book.cores[core]
        found = self.book.definition(name, arity, number)
        if (name, number) in self.book.loose:
            found = None
        key = (core, found.number if found else -1, single, self.book.sets.version)
        if self.book.final and key in self._built:
            return self._built[key]
        built = None
        if found is not None:
            try:
                built = self._defined(core, found, number)
            except (Unreadable, NotDefined):
                self.unread.add(core)
        built = built or self._free(core, name, arity)
        if self.book.final:
            self._built[key] = built
        return built

    def _defined(self, core: str, found: Definition, number: int) -> Built:
        t = Translator(self.book, f"d:{core}:{found.number}", number)
        t.renamed = dict(found.renames)
        for at, letter in enumerate(found.letters):
            place = f"{t.scope}/{letter}"
            self.book.sets.join(place, f"{core}.{at}")
            t.bound[letter] = (letter, place)
            t.heads.add(letter)
        value = t.value(found.body)
        letters = found.letters
        if value.sets:
            more = tuple(f"·{core}·{n}" for n in range(value.rank))
            for at, place in enumerate(value.sets):
                self.book.sets.join(place, f"{core}.{len(letters) + at}")
            body = value.at(tuple(Index(one) for one in more))
            letters = letters + more
        else:
            body = value.at(())
        if found.name in self.book.last and len(letters) == 1:
            size, formula = self.book.last[found.name]
            end = Index(self.book.sets.name(size_place(size)))
            self.book.sets.join(size_place(size), f"{core}.0")
            same = Compare("eq", Index(letters[0]), end)
            body = Choose((((same,), t.number_of(formula)), ((), body)))
        sets = tuple(self.book.sets.name(f"{core}.{at}") for at in range(len(letters)))
        outer = {letter: f"outer/{letter}" for letter in t.free}
        for letter, place in t.free.items():
            self.book.sets.join(place, f"outer/{letter}")
        return Built(Defined(letters, sets, body), tuple(t.quantities), outer)

    def _free(self, core: str, name: str, arity: int) -> Built:
        sets = tuple(self.book.sets.name(f"{core}.{at}") for at in range(arity))
        of = self._depends_on(name, arity)
        if of:
            same = all(
                self.book.letters.split(one)[1] == self.book.letters.split(two)[1]
                for one, two in self._derived(name, arity)
            )
            elementwise = bool(arity) and same
            return Built(Unknown(sets, of, elementwise), of)
        base = base_of(name)
        if name in self.book.targets:
            return Built(Free(sets, "target"), ())
        if base in self.book.letters.exponents:
            return Built(Free(sets, "log"), ())
        if base in self.book.letters.logged or base == "\\pi":
            return Built(Free(sets, "positive"), ())
        return Built(Free(sets, "rational"), ())

    def _depends_on(self, name: str, arity: int) -> tuple[str, ...]:
        """Return what an undefined quantity is a function of: what it is differentiated by."""
        if name in self.book.targets or not self._derived(name, arity):
            return ()
        if arity and base_of(name) not in self.book.letters.chained:
            return ()
        by: dict[str, tuple[str, int]] = {}
        for _, variable in self._derived(name, arity):
            other, indices = self.book.letters.split(variable)
            rank = self.book.rank(other, len(indices))
            if other != name:
                by[self.book.core(other, rank)] = (other, rank)
        reached = {core: self._reach(core) for core in by}
        tops = [
            core
            for core in by
            if not any(core in reached[other] for other in by if other != core)
            and core not in reached.get(self.book.core(name, arity), ())
        ]
        return tuple(tops)

    def _derived(self, name: str, arity: int) -> list[tuple[Symbol, Symbol]]:
        """Return the derivatives that the text takes of a quantity: head and variable."""
        return [
            pair
            for pair in self.book.letters.derived.get(name, ())
            if self.book.rank(name, len(self.book.letters.split(pair[0])[1])) == arity
        ]

    def _reach(self, core: str) -> set[str]:
        """Return what a quantity depends on, by definitions and by derivatives that are taken."""
        seen: set[str] = set()
        waiting = [core]
        while waiting:
            one = waiting.pop()
            name, arity = self.book.cores[one]
            found = self.book.definitions.get((name, arity))
            heads: list[Symbol] = []
            if found:
                heads = [n for n in found[0].body.walk() if isinstance(n, Symbol)]
            elif base_of(name) in self.book.letters.chained:
                heads = [variable for _, variable in self._derived(name, arity)]
            for head in heads:
                other, indices = self.book.letters.split(head)
                key = self.book.core(other, self.book.rank(other, len(indices)))
                if key not in seen and key != core:
                    seen.add(key)
                    waiting.append(key)
        return seen


def base_of(name: str) -> str:
    """Return a name without its labels."""
    return name.split("_{")[0].split("^{(")[0]


def elements_of(real: Real) -> list[str]:
    """Return the names of all quantities in an expression."""
    return list(dict.fromkeys(one.name for one in everything(real) if isinstance(one, Element)))


def reached(names: Iterable[str], quantities: Mapping[str, Quantity]) -> set[str]:
    """Return these quantities and all that they are functions of, through their definitions."""
    found, waiting = set(names), list(names)
    while waiting:
        match quantities.get(waiting.pop()):
            case Unknown(_, of):
                new = list(of)
            case Defined(_, _, body):
                new = elements_of(body)
            case _:
                new = []
        waiting += [name for name in new if name not in found]
        found |= set(new)
    return found
