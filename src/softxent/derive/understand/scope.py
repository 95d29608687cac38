"""A scope, a statement or the body of a definition: what letters are in it, and indices read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softxent.derive.core import Compare, Index
from softxent.derive.trees import (
    Expr,
    Negative,
    Number,
    Opaque,
    Relation,
    Sum,
    Symbol,
    Unsupported,
)
from softxent.derive.understand import labels
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.symbols import bare, base_name, text_of
from softxent.derive.understand.values import Unreadable, Value

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book

COMPARISONS = {"=": "eq", "neq": "neq", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}


class Scope:
    """The letters of one scope.

    outside: letters that are free in the statement whatever this tree holds; they decide how far
    a sum reaches. wide: sums and derivatives reach as far as they can.
    """

    def __init__(
        self,
        book: Book,
        scope: str,
        number: int,
        *,
        outside: frozenset[str] = frozenset(),
        wide: bool = False,
        single: frozenset[str] = frozenset(),
        scalars: frozenset[str] = frozenset(),
        tag: str = "",
    ) -> None:
        self.book = book
        self.scope = scope
        self.number = number
        self.outside = outside
        self.wide = wide
        self.single = single
        self.scalars = scalars
        self.free: dict[str, str] = {}
        self.bound: dict[str, tuple[str, str]] = {}
        self.conditions: list[Compare] = []
        self.notes: list[tuple[str, str]] = []
        self.indexing: frozenset[str] = frozenset()
        """Letters that are free indices somewhere in the statement."""
        self.doubts: list[str] = []
        """Why what was read may be something else."""
        self.quantities: dict[str, None] = {}
        self.parameters: list[tuple[Expr, Value]] = []
        self.renamed: dict[str, str] = {}
        self.before: dict[str, tuple[str, frozenset[str]]] = {}
        """Names that mean the layer before with some letters for their index."""
        self.choices = 0
        self.heads: set[str] = set()
        """Letters of the definition's own left side, among those that are bound."""
        self.tag = tag
        self._binders = 0
        self._fresh = 0

    def join(self, one: str, other: str) -> None:
        """Say that two places share their index set."""
        self.book.sets.join(one, other)

    def set_name(self, place: str) -> str:
        """Return the name of the index set of a place."""
        return self.book.sets.name(place)

    def fresh(self) -> str:
        """Return a letter that nothing else uses."""
        self._fresh += 1
        return f"·{self.scope}·{self.tag}·{self._fresh}"

    def binder(self, letter: str) -> str:
        """Return the place of a letter that an operator binds here."""
        self._binders += 1
        place = f"{self.scope}/{self.tag}/{letter}@{self._binders}"
        self.book.sets.find(place)
        return place

    def place(self, letter: str) -> str:
        """Return the place of a letter, bound here or free in the whole step."""
        if letter in self.bound:
            return self.bound[letter][1]
        if letter not in self.free:
            self.free[letter] = f"{self.scope}/{letter}"
            self.book.sets.find(self.free[letter])
        return self.free[letter]

    def letter(self, name: str) -> str:
        """Return a letter as core names it."""
        return self.bound[name][0] if name in self.bound else name

    def index(self, tree: Expr) -> tuple[Index, str | None]:
        """Return an index and the place whose set it has."""
        tree = bare(tree)
        if isinstance(tree, Number):
            if tree.value.denominator != 1:
                raise Unreadable(str(tree.value), "is no index", tree.span)
            return Index("", int(tree.value)), None
        if isinstance(tree, Symbol):
            name = base_name(tree)
            if tree.subs or tree.sups:
                if labels.is_label(self, tree):  # type: ignore[arg-type]
                    raise Unreadable(text_of(tree), "an index that is itself indexed", tree.span)
                name = text_of(tree)
            elif name not in self.bound and self.book.size(name, self.number):
                end = size_place(name)
                self.book.sets.find(end)
                return Index(self.set_name(end)), end  # z_K is the last one
            return Index(self.letter(name)), self.place(name)
        if isinstance(tree, Sum) and len(tree.terms) == 2:
            first, second = tree.terms
            if isinstance(first, Number):
                first, second = second, first
            shift = second.of if isinstance(second, Negative) else second
            if isinstance(first, Symbol) and isinstance(shift, Number):
                found, place = self.index(first)
                if shift.value.denominator == 1:
                    amount = int(shift.value)
                    amount = -amount if isinstance(second, Negative) else amount
                    return Index(found.letter, found.shift + amount), place
        if isinstance(tree, Relation) and tree.first is not None:
            head = self.index(tree.first)
            self.conditions.extend(self.compare(tree))
            return head
        raise Unreadable(describe(tree), "is no index that we read", tree.span)

    def compare(self, relation: Relation) -> list[Compare]:
        """Return the comparisons of indices that a condition makes."""
        if relation.first is None:
            raise Unreadable("=", "a condition without a left side", relation.span)
        out = []
        left, place = self.index(relation.first)
        for link in relation.links:
            if link.relation not in COMPARISONS:
                raise Unreadable(link.relation, "is no comparison of indices", link.span)
            right, other = self.index(link.right)
            if place and other:
                self.join(place, other)
            out.append(Compare(COMPARISONS[link.relation], left, right))  # type: ignore[arg-type]
            left, place = right, other
        return out


def describe(tree: Expr) -> str:
    """Return what a tree is, for a message."""
    if isinstance(tree, Opaque):
        return tree.text
    if isinstance(tree, Unsupported):
        return tree.token
    return type(tree).__name__.lower()
