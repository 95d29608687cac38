"""A step made ready: its sides and the definitions that they reach, as nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

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
    Quantity,
    Raise,
    Real,
    Size,
    Times,
    Total,
    Unknown,
)
from softxent.derive.exact import nodes
from softxent.derive.exact.nodes import Interned, Node
from softxent.derive.exact.stops import Unsupported

_BENT = ("abs", "sign", "relu", "sqrt")


class Program:
    """The sides of a step and the definitions that they reach."""

    def __init__(self, sides: tuple[Real, ...], given: Given) -> None:
        given = self.given = _with_classes(given)
        self._make = Interned()
        self._reach: dict[str, frozenset[str]] = {}
        self._outer: dict[str, frozenset[str]] = {}
        self._recursive: set[str] = set()
        self._bodies: dict[str, Node] = {}
        self.uses: dict[str, _Uses] = {}
        self.own = _Uses()
        for side in sides:
            self.own.read(side, {}, given)
        for one in given.conditions:
            self.own.compare(one.left, one.right, {}, given)
        for name in list(self.own.names):
            self._read(name)
        self._close()
        reached = set(self.own.free).union(*self._outer.values())
        self.free = tuple(letter for letter in given.letters if letter in reached)
        """The letters that the step is meant for all values of."""
        self.sides = tuple(self.compile(side) for side in sides)

    def quantity(self, name: str) -> Quantity:
        """Return what a name stands for."""
        try:
            return self.given.quantities[name]
        except KeyError:
            raise Unsupported(f"nothing says what {name} is") from None

    def body(self, name: str) -> Node:
        """Return the definition of a quantity, as a node."""
        found = self._bodies.get(name)
        if found is None:
            quantity = self.quantity(name)
            if not isinstance(quantity, Defined):
                raise Unsupported(f"{name} has no definition")
            found = self._bodies[name] = self.compile(quantity.body)
        return found

    def reach(self, name: str) -> frozenset[str]:
        """Return the names that a quantity depends on, itself included."""
        return self._reach[name]

    def outer(self, name: str) -> frozenset[str]:
        """Return the letters that its definition takes from the step: the class c of t_k = δ_kc."""
        return self._outer[name]

    def recursive(self, name: str) -> bool:
        """Return whether a quantity is defined by other elements of itself."""
        return name in self._recursive

    def varies(self, name: str) -> bool:
        """Return whether a quantity takes all real values, and not 0 and 1 only."""
        known = {f"{kind}:{name}" for kind in ("one-hot", "binary")}
        return isinstance(self.quantity(name), Free) and not known & self.given.assumed

    @property
    def names(self) -> list[str]:
        """Return all the quantities that the sides depend on, in order of appearance."""
        return list(self.uses)

    def first(self, set: str) -> int:
        """Return the first index of a set: 1, or 0 where an index 0 is written."""
        return self._firsts.get(set, 1)

    def all_uses(self) -> Iterator[_Uses]:
        """Yield what each side or definition uses."""
        yield self.own
        yield from self.uses.values()

    def _read(self, name: str) -> None:
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self.uses:
                continue
            quantity = self.quantity(name)
            uses = self.uses[name] = _Uses()
            if isinstance(quantity, Defined):
                if len(quantity.letters) != len(quantity.sets):
                    raise Unsupported(f"{name} has not as many letters as sets")
                bound = dict(zip(quantity.letters, quantity.sets, strict=True))
                uses.read(quantity.body, bound, self.given)
            elif isinstance(quantity, Unknown):
                uses.names.update(dict.fromkeys(quantity.of))
            waiting += reversed(list(uses.names))

    def _close(self) -> None:
        """Find what is reached through definitions, and where index sets begin."""
        reach = {name: {name, *uses.names} for name, uses in self.uses.items()}
        outer = {name: set(uses.free) for name, uses in self.uses.items()}
        changed = True
        while changed:
            changed = False
            for name, held in reach.items():
                before = len(held), len(outer[name])
                for other in list(held):
                    held |= reach[other]
                    outer[name] |= outer[other]
                changed |= before != (len(held), len(outer[name]))
        self._reach = {name: frozenset(held) for name, held in reach.items()}
        self._outer = {name: frozenset(held) for name, held in outer.items()}
        for name, uses in self.uses.items():
            if any(name in self._reach[other] for other in uses.names):
                self._recursive.add(name)
        self._firsts = {
            set: 0 for uses in self.all_uses() for set, low in uses.lowest.items() if low == 0
        }

    def compile(self, real: Real) -> Node:
        """Return the node of an expression."""
        make = self._make
        match real:
            case Const(value):
                return make(nodes.ConstNode, value)
            case Element(name, indices):
                return make(nodes.ElementNode, name, indices, self._reach[name], self._outer[name])
            case IndexValue(index):
                return make(nodes.IndexNode, index)
            case Size(set):
                return make(nodes.SizeNode, set)
            case Plus(terms):
                return make(nodes.PlusNode, tuple([self.compile(term) for term in terms]))
            case Times(factors):
                return make(nodes.TimesNode, tuple([self.compile(one) for one in factors]))
            case Divide(above, below):
                return make(nodes.DivideNode, self.compile(above), self.compile(below))
            case Raise(base, exponent):
                return make(nodes.RaiseNode, self.compile(base), self.compile(exponent))
            case Apply(function, of):
                return make(nodes.ApplyNode, function, self.compile(of))
            case Total(kind, letter, set, of, conditions, lower, upper):
                return make(
                    nodes.TotalNode,
                    kind,
                    letter,
                    set,
                    self.compile(of),
                    conditions,
                    lower,
                    upper,
                )
            case Choose(rows):
                return make(
                    nodes.ChooseNode,
                    tuple([(conditions, self.compile(of)) for conditions, of in rows]),
                )
            case Partial(of, by):
                self.quantity(by.name)
                return make(nodes.PartialNode, self.compile(of), by.name, by.indices)
        raise Unsupported(f"a {type(real).__name__}")


def _with_classes(given: Given) -> Given:
    """Return `given` with a definition t_k = δ_kc for each "one-hot:t:c", c a free letter."""
    quantities = dict(given.quantities)
    for one in given.assumed:
        kind, _, rest = one.partition(":")
        name, _, letter = rest.partition(":")
        if kind != "one-hot" or not letter or name not in quantities:
            continue
        if letter not in given.letters:
            raise Unsupported(f"the class {letter} of {name} is no letter of the step")
        sets = quantities[name].sets
        letters = tuple(f"{letter}'{n}" for n in range(len(sets)))
        if not letters:
            raise Unsupported(f"{name} has no index that could be {letter}")
        same = Compare("eq", Index(letters[-1]), Index(letter))
        rows = (((same,), Const(Fraction(1))), ((), Const(Fraction(0))))
        quantities[name] = Defined(letters, sets, Choose(rows))
    return replace(given, quantities=quantities)


class _Uses:
    """What an expression uses: quantities, letters that nothing binds, sets, constant indices."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.free: dict[str, None] = {}
        self.depth: dict[str, int] = {}
        """How many letters run over a set at once, at most."""
        self.lowest: dict[str, int] = {}
        self.highest: dict[str, int] = {}
        self.bends = False
        """Whether a function is in it that has another formula on the other side of 0."""

    def read(self, real: Real, bound: dict[str, str], given: Given) -> None:
        """Add what an expression uses; bound: the sets of the letters that are bound here."""
        for set in bound.values():
            self._deep(set, bound)
        waiting: list[tuple[Real, dict[str, str]]] = [(real, bound)]
        while waiting:
            real, bound = waiting.pop()
            match real:
                case Element(name, indices):
                    self.names[name] = None
                    self._indices(name, indices, bound, given)
                case IndexValue(index):
                    self._letter(index, bound)
                case Size(set):
                    self.depth.setdefault(set, 0)
                case Plus(parts) | Times(parts):
                    waiting += [(part, bound) for part in reversed(parts)]
                case Divide(above, below):
                    waiting += [(below, bound), (above, bound)]
                case Raise(base, exponent):
                    waiting += [(exponent, bound), (base, bound)]
                case Apply(function, of):
                    self.bends = self.bends or function in _BENT
                    waiting.append((of, bound))
                case Total(kind, letter, set, of, conditions, lower, upper):
                    self.bends = self.bends or kind in ("max", "min")
                    for bounding in (lower, upper):
                        if bounding is not None:
                            self._constant(set, bounding)
                            self._letter(bounding, bound)
                    inner = {**bound, letter: set}
                    self._deep(set, inner)
                    for one in conditions:
                        self.compare(one.left, one.right, inner, given)
                    waiting.append((of, inner))
                case Choose(rows):
                    for conditions, of in rows:
                        for one in conditions:
                            self.compare(one.left, one.right, bound, given)
                        waiting.append((of, bound))
                case Partial(of, by):
                    self.names[by.name] = None
                    self._indices(by.name, by.indices, bound, given)
                    waiting.append((of, bound))
                case _:
                    pass

    def _deep(self, set: str, bound: dict[str, str]) -> None:
        self.depth[set] = max(self.depth.get(set, 0), list(bound.values()).count(set))

    def _letter(self, index: Index, bound: dict[str, str]) -> None:
        if index.letter and index.letter not in bound:
            self.free[index.letter] = None

    def _indices(
        self, name: str, indices: tuple[Index, ...], bound: dict[str, str], given: Given
    ) -> None:
        quantity = given.quantities.get(name)
        sets = quantity.sets if quantity is not None else ()
        for set, index in zip(sets, indices, strict=False):
            self.depth.setdefault(set, 0)
            self._constant(set, index)
            self._letter(index, bound)

    def compare(self, left: Index, right: Index, bound: dict[str, str], given: Given) -> None:
        """Add what a condition uses."""
        for one, other in ((left, right), (right, left)):
            self._letter(one, bound)
            set = bound.get(one.letter) or given.letters.get(one.letter)
            if set:
                self._constant(set, other)

    def _constant(self, set: str, index: Index) -> None:
        if not index.letter:
            self.lowest[set] = min(self.lowest.get(set, 1), index.shift)
            self.highest[set] = max(self.highest.get(set, 1), index.shift)
