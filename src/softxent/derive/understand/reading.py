"""Sides of steps in the language of `core`, and all that is given where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from softxent.derive.core import Compare, Free, Given, Index, Quantity, Real, Times
from softxent.derive.document import Document
from softxent.derive.trees import Expr, Over
from softxent.derive.understand import define, labels, layers, supposing
from softxent.derive.understand.book import Book
from softxent.derive.understand.circles import letters_before
from softxent.derive.understand.outline import Condition, Statement
from softxent.derive.understand.quantities import reached
from softxent.derive.understand.reach import letters_free
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.shapes import unclear
from softxent.derive.understand.symbols import base_name, is_capital
from softxent.derive.understand.translate import Translator
from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable, Value
from softxent.derive.understand.walk import walk

PROBLEMS = (Mismatch, NotDefined, Unreadable)
_LETTERS = (*"ijklmnpqrsabcdtuvw", *(f"i{n}" for n in range(9)))


@dataclass(slots=True)
class Read:
    """One side, translated."""

    tree: Expr
    value: Value
    free: dict[str, str]
    conditions: list[Compare]
    names: list[str]
    notes: list[tuple[str, str]] = field(default_factory=list)
    choices: int = 0
    doubts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Claim:
    """left = right, with all that is given."""

    left: Real
    right: Real
    given: Given
    one_sided: dict[str, str]
    """Letters that are free on one side only, and on which: "left" or "right"."""
    notes: list[tuple[str, str]]
    choices: int
    doubts: list[str] = field(default_factory=list)
    """Why it may be read wrongly, or be no general claim: then it is never told false."""


class Reading:
    """A whole document, understood: `book` and every side in `core`.

    plain: letters without index are numbers unless they are bold; a second reading for documents
    that use one letter for a number here and a vector there.
    """

    def __init__(self, document: Document, plain: bool = False) -> None:
        self.document = document
        self._indexing: dict[int, frozenset[str]] = {}
        self.outline = walk(document)
        self._implied = supposing.implied_sums(self.outline.prose)
        self.book: Book = define.read(self.outline, plain)
        for _ in range(2):
            for statement in self.outline.statements:
                self._learn(statement)
        self.book.final = True

    def _learn(self, statement: Statement) -> None:
        """Let a statement say which places share an index set."""
        for at, sign in enumerate(statement.signs):
            if at + 1 >= len(statement.sides):
                continue
            try:
                trees = (statement.sides[at].tree, statement.sides[at + 1].tree)
                self.step(statement, at, trees, sign.conditions)
            except PROBLEMS:
                continue
            except RecursionError:
                continue

    def step(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        conditions: tuple[Condition, ...] = (),
        *,
        wide: tuple[bool, bool] = (False, False),
        single: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset()),
        first: int | None = None,
    ) -> tuple[Read, Read, Claim]:
        """Translate a step, with these trees for its sides.

        Again, where what the second side shows about index sets changes the first. first: the place
        in the chain of the left side, where it is not `at`.
        """
        start = at if first is None else first
        try:
            for _ in range(4):
                version = self.book.sets.version
                left = self.side(statement, start, tree=trees[0], wide=wide[0], single=single[0])
                right = self.side(statement, at + 1, tree=trees[1], wide=wide[1], single=single[1])
                claim = self.claim(statement, left, right, conditions)
                if self.book.sets.version == version:
                    break
        except Mismatch as error:
            doubtful = unclear(self.book, trees)
            if error.rule != "shape-mismatch" or not doubtful:
                raise
            why = f"{error.message}, if {doubtful} is read rightly; its shape is not clear"
            raise Unreadable(doubtful, why, error.span) from error
        return left, right, claim

    def outside(self, statement: Statement) -> frozenset[str]:
        """Return the letters that are free in a statement, by its first side and its case."""
        letters: frozenset[str] = frozenset()
        if statement.sides:
            letters |= letters_free(statement.sides[0].tree, self.book.letters.split)
        for sign in statement.signs:
            for condition in sign.conditions:
                letters |= condition.letters()
        return letters - (self.book.letters.sizes - self.book.letters.bound)

    def indexing(self, statement: Statement) -> frozenset[str]:
        """Return the letters that are free indices somewhere in a statement."""
        if statement.number not in self._indexing:
            letters = frozenset().union(
                *(letters_free(one.tree, self.book.letters.split) for one in statement.sides)
            )
            known = self.book.letters
            # not the z of "z > 0", which is an index nowhere
            letters &= known.bound | known.in_subscripts
            self._indexing[statement.number] = letters - known.sizes
        return self._indexing[statement.number]

    def side(
        self,
        statement: Statement,
        at: int,
        *,
        tree: Expr | None = None,
        wide: bool = False,
        single: frozenset[str] = frozenset(),
    ) -> Read:
        """Translate a side; tree: another one in its place."""
        tree = statement.sides[at].tree if tree is None else tree
        t = Translator(
            self.book,
            f"s{statement.number}",
            statement.number,
            outside=self.outside(statement) if at else frozenset(),
            wide=wide,
            single=single,
            scalars=self.book.scalars(statement),
            tag=str(at),
        )
        t.indexing = self.indexing(statement)
        t.before = letters_before(self.book, statement)
        value = t.value(tree)
        if value.rank == 0:
            value.at(())
        else:
            value.at(tuple(Index(f"·{n}") for n in range(value.rank)))
        names = list(t.quantities)
        return Read(tree, value, t.free, t.conditions, names, t.notes, t.choices, t.doubts)

    def claim(
        self,
        statement: Statement,
        left: Read,
        right: Read,
        conditions: tuple[Condition, ...] = (),
        assumed: frozenset[str] = frozenset(),
        single: frozenset[str] = frozenset(),
    ) -> Claim:
        """Return left = right with what is given there; Mismatch where the shapes differ."""
        book = self.book
        letters = {**left.free, **right.free}
        bound = _bound(left.tree) | _bound(right.tree)
        first, second = self._elements(left.value, right.value, letters, bound)
        compared = [*left.conditions, *right.conditions]
        weights, weighing, told = self._weights(conditions, letters)
        first, second = (Times((*weights, one)) if weights else one for one in (first, second))
        labels.quantities(book)
        quantities, outer = book.quantities.given(
            [*left.names, *right.names, *weighing], statement.number, letters, single
        )
        compared += self._held(conditions, {**outer, **letters})
        one_sided = _one_sided(left.free, right.free)
        one_sided = {letter: side for letter, side in one_sided.items() if letter not in told}
        sets = {letter: book.sets.name(place) for letter, place in {**outer, **letters}.items()}
        for size, _ in book.last.values():  # p_k is said of the classes before the last
            end = book.sets.name(size_place(size))
            compared += [
                Compare("neq", Index(letter), Index(end))
                for letter in letters
                if sets.get(letter) == end
            ]
        fixed = set(assumed) | labels.one_hot(book, quantities)
        for numeral, word in (("2", "two"), ("3", "three")):
            fixed.add(f"size-{word}:{numeral}")
        used = set(sets.values()) | {one for q in quantities.values() for one in q.sets}
        fixed = {one for one in fixed if not one.startswith("size-") or one.split(":")[1] in used}
        given = Given(quantities, sets, tuple(compared), frozenset(fixed))
        return Claim(
            first,
            second,
            given,
            one_sided,
            [*left.notes, *right.notes],
            left.choices + right.choices,
            self._doubts(statement, left, right, quantities),
        )

    def _doubts(
        self, statement: Statement, left: Read, right: Read, quantities: Mapping[str, Quantity]
    ) -> list[str]:
        """Return why a step may be no claim, or read wrongly."""
        out = [statement.doubt, self._implied]
        lowered = {self.book.cores.get(core, (core, 0))[0] for core in quantities}
        for one, other in ((left, right), (right, left)):
            if supposing.numeric(one.tree) and other.names:
                out.append("it is a number of an example")
            named = supposing.functional(one.tree)
            several = named in "PQpqI" and len(self.book.letters.counts(named)) > 1
            if named and (several or not self.book.called(named)):
                out.append(f"{named} of something is no function that the text defines")
        for core, quantity in quantities.items():
            name, arity = self.book.cores.get(core, (core, 0))
            if core in self.book.quantities.unread:
                found = self.book.definition(name, arity, statement.number)
                if found is not None and found.number > statement.number:
                    continue  # what it is given later is no matter here
                out.append(f"the definition of {name} could not be read")
            if isinstance(quantity, Free) and quantity.sets and name not in self.book.targets:
                by = {
                    base_name(variable) for _, variable in self.book.letters.derived.get(name, ())
                }
                if by - {name}:
                    out.append(f"the text does not say how {name} depends on {min(by - {name})}")
        sides = (left.tree, right.tree)
        if any(supposing.intercept(tree) for tree in sides):
            out.append("it may be meant with x_0 = 1")
        elif supposing.whole_form(statement.cue):
            only = reached(left.names, quantities) ^ reached(right.names, quantities)
            if any(name.split("#")[0] == "b" for name in only - {*left.names, *right.names}):
                out.append("it may be meant with the bias among the weights")
        for batch in filter(None, (supposing.of_batch(self.book, tree) for tree in sides)):
            out.append(f"the text does not say what {batch} of a matrix is")
        alike = supposing.called_alike(sides)
        if alike and not self.book.known_by_text(alike):
            out.append(f"the text does not say what {alike} is")
        lone = set(right.free) - set(left.free)
        if lone and supposing.one_sample(self.outline.prose):
            if supposing.of_terms(self.book, left.tree, lone):
                out.append("it may be meant for one sample")
        for core, quantity in quantities.items():
            name = self.book.cores.get(core, (core, 0))[0]
            rows = isinstance(quantity, Free) and is_capital(name) and name.lower() in lowered
            if isinstance(quantity, Free) and layers.elsewhere(self.book, name):
                out.append(f"the text does not say what {name} is, only what it is in other layers")
            whole = not self.book.letters.elements.get(name)  # no X_{ij} stands beside x_{ij}
            if rows and (name in self.book.letters.bold or (whole and quantity.sets)):
                out.append(f"the text does not say what {name} has to do with {name.lower()}")
        return [doubt for doubt in (*out, *left.doubts, *right.doubts) if doubt]

    def _elements(
        self, left: Value, right: Value, letters: dict[str, str], bound: frozenset[str]
    ) -> tuple[Real, Real]:
        """Return both sides at one element, where they are vectors."""
        rank = max(left.rank, right.rank)
        if left.rank != right.rank:
            zero = [one for one in (left, right) if one.rank == 0]
            if not zero or not _is_zero(zero[0]):
                raise Mismatch(
                    f"{_kind(left)} on the left, {_kind(right)} on the right", "shape-mismatch"
                )
        if left.rank == right.rank:
            for one, other in zip(left.sets, right.sets, strict=True):
                self.book.sets.join(one, other)
        places = left.sets or right.sets
        indices = []
        for at in range(rank):
            letter = next(one for one in _LETTERS if one not in letters and one not in bound)
            letters[letter] = places[at]
            indices.append(Index(letter))
        at_left = tuple(indices) if left.rank else ()
        at_right = tuple(indices) if right.rank else ()
        return left.at(at_left), right.at(at_right)

    def _weights(
        self, conditions: tuple[Condition, ...], letters: dict[str, str]
    ) -> tuple[list[Real], list[str], set[str]]:
        r"""Return what is 1 in the open case and 0 elsewhere, where it is about a label: k = y_i.

        And the quantities and the letters in it.
        """
        out: list[Real] = []
        names: list[str] = []
        told: set[str] = set()
        for condition in conditions:
            t = Translator(self.book, "weight", 0)
            try:
                weight = labels.compared(t, condition.relation, condition.left, condition.right)
            except PROBLEMS:
                continue
            if weight is None or not set(t.free) <= set(letters):
                continue
            for letter, place in t.free.items():
                self.book.sets.join(letters[letter], place)
            out.append(weight)
            names += t.quantities
            told |= set(t.free)
        return out, names, told

    def _held(self, conditions: tuple[Condition, ...], letters: dict[str, str]) -> list[Compare]:
        """Return the conditions of the open case whose letters are all free in the step."""
        out = []
        for condition in conditions:
            names = []
            for tree in (condition.left, condition.right):
                t = Translator(self.book, "case", 0)
                try:
                    index, _ = t.index(tree)
                except Unreadable:
                    break
                names.append(index.letter)
            if len(names) == 2 and all(name in letters for name in names):
                self.book.sets.join(letters[names[0]], letters[names[1]])
                out.append(
                    Compare(condition.relation, Index(names[0]), Index(names[1]))  # type: ignore[arg-type]
                )
        return out


def _bound(tree: Expr) -> frozenset[str]:
    """Return the letters that run in a tree."""
    overs = [node for node in tree.walk() if isinstance(node, Over)]
    return frozenset(base_name(letter) for over in overs for letter in over.index)


def _one_sided(left: dict[str, str], right: dict[str, str]) -> dict[str, str]:
    """Return the letters that are free on one side only.

    A letter that is itself indexed, as y_i in f_{y_i}, names a class and uses its own index.
    """
    sides = []
    for free in (left, right):
        names = {name for name in free if "_" not in name}
        for name in free:
            if "_" in name:
                names |= set(name.split("_")[1:])
        sides.append(names)
    out = {name: "left" for name in left if name in sides[0] - sides[1]}
    return out | {name: "right" for name in right if name in sides[1] - sides[0]}


def _is_zero(value: Value) -> bool:
    from softxent.derive.core import Const

    real = value.at(())
    return isinstance(real, Const) and real.value == 0


def _kind(value: Value) -> str:
    return {0: "a number", 1: "a vector", 2: "a matrix"}.get(value.rank, "an array")
