"""Trees become the language of `core`: every letter resolved, every vector by its elements."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Element,
    Index,
    IndexValue,
    Partial,
    Raise,
    Real,
    Size,
    Times,
)
from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Cases,
    Derivative,
    Ellipsis,
    Entry,
    Expr,
    Gradient,
    Group,
    Indicator,
    Matrix,
    Negative,
    Number,
    Opaque,
    Power,
    Prime,
    Product,
    Quotient,
    Relation,
    Span,
    Sum,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)
from softxent.derive.understand import calls, ellipsis, special, sums
from softxent.derive.understand.letters import _text, bare, base_name, is_bold, is_word
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.values import (
    ONE,
    ZERO,
    Mismatch,
    NotDefined,
    Unreadable,
    Value,
    add,
    constant,
    divide,
    elementwise,
    negative,
    scalar,
    times,
    transpose,
)

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book

COMPARISONS = {"=": "eq", "neq": "neq", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}


class Translator:
    """Reads trees in one scope: a statement, or the body of a definition.

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
        self.quantities: dict[str, None] = {}
        self.parameters: list[tuple[Expr, Value]] = []
        self.renamed: dict[str, str] = {}
        self.choices = 0
        self.heads: set[str] = set()
        """Letters of the definition's own left side, among those that are bound."""
        self.tag = tag
        self._binders = 0
        self._fresh = 0

    # ------------------------------------------------------------------ names
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
                if (_names_in(tree) & set(self.bound)) - self.heads:
                    raise Unreadable(_text(tree), "an index that is itself indexed", tree.span)
                name = _text(tree)
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
        raise Unreadable(_describe(tree), "is no index that we read", tree.span)

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

    # ------------------------------------------------------------------ expressions
    def value(self, tree: Expr) -> Value:
        """Return what an expression means."""
        for parameter, value in self.parameters:
            if tree == parameter:
                return value
        method = _METHODS.get(type(tree))
        if method is None:
            raise Unreadable(_describe(tree), "has no meaning here", tree.span)
        return method(self, tree)

    def number_of(self, tree: Expr) -> Real:
        """Return an expression that must be a number."""
        value = self.value(tree)
        if value.sets:
            raise Mismatch(
                f"{self.book.tex(tree)} is a vector where a number is needed", span=tree.span
            )
        return value.at(())

    def element(
        self, name: str, indices: tuple[Expr, ...], span: Span, bold: bool = False
    ) -> Value:
        """Return an element of a quantity, or the vector or matrix of those left open."""
        name = self.renamed.get(name, name)
        indices = tuple(i for i in indices if not self._dropped(i))
        known = self.book.rank(name, len(indices), bold)
        if not indices and not bold and name in self.scalars:
            known = 0
        core = self.book.core(name, known)
        found = [self.index(sub) for sub in indices]
        for at, (_, place) in enumerate(found):
            if place:
                self.join(place, f"{core}.{at}")
        self.quantities[core] = None
        self.book.sets.find(f"{core}.0")
        fixed = tuple(index for index, _ in found)
        left = tuple(f"{core}.{at}" for at in range(len(fixed), known))
        return Value(left, lambda indices: Element(core, fixed + indices))

    def _dropped(self, sub: Expr) -> bool:
        return isinstance(sub, Symbol) and self.bound.get(base_name(sub), ("", ""))[0] == "·one"

    def symbol(self, tree: Symbol) -> Value:
        """Return a letter: a quantity, a size, an index taken as a number, a delta."""
        name = base_name(tree)
        if is_word(tree.name) or tree.name in ("delta", "1", "I"):
            found = special.symbol(self, tree)
            if found is not None:
                return found
        if not tree.subs and not tree.sups:
            if name in self.bound and self.bound[name][0] != "·one":
                return scalar(IndexValue(Index(self.bound[name][0])))
            size = self.book.size(name, self.number)
            if size:
                if name in self.single:
                    return constant(1)
                self.book.sets.find(size_place(name))
                return scalar(Size(self.set_name(size_place(name))))
            if name == "e" and not self.book.known(name) and not self.book.defined(name, 0):
                return scalar(Apply("exp", ONE))
            if name == "\\pi" and not self.book.defined(name, 0):
                return self._constant_pi(tree)
            if name in self.free and not self.book.known(name):
                return scalar(IndexValue(Index(name)))
        name, indices = self.book.letters.split(tree)
        if not indices and (is_word(tree.name) and not self.book.known(name)):
            raise NotDefined(tree.name, tree.span)
        return self.element(name, indices, tree.span, is_bold(tree))

    def _constant_pi(self, tree: Symbol) -> Value:
        core = self.book.core("\\pi", 0)
        self.quantities[core] = None
        return scalar(Element(core))

    def _number(self, tree: Number) -> Value:
        return constant(tree.value)

    def _sum(self, tree: Sum) -> Value:
        if any(isinstance(bare_term(term), Ellipsis) for term in tree.terms):
            return self.value(ellipsis.sum_of(tree))
        terms = sums.reach(self, tree.terms)
        return add([self.value(term) for term in terms], self.join)

    def _negative(self, tree: Negative) -> Value:
        return elementwise([self.value(tree.of)], self.join, lambda reals: negative(reals[0]))

    def _product(self, tree: Product) -> Value:
        if any(isinstance(factor, Ellipsis) for factor in tree.factors):
            return self.value(ellipsis.product_of(tree))
        values = [self.value(factor) for factor in calls.factors(self, tree.factors)]
        if getattr(tree, "elementwise", False):
            return elementwise(values, self.join, lambda reals: Times(tuple(reals)))
        if all(not value.sets for value in values):
            return scalar(Times(tuple(value.at(()) for value in values)))
        result = values[0]
        for value in values[1:]:
            result = times(result, value, self.join, self.fresh, self.set_name)
        return result

    def _quotient(self, tree: Quotient) -> Value:
        return divide(self.value(tree.above), self.value(tree.below), self.join)

    def _power(self, tree: Power) -> Value:
        base = tree.base
        if isinstance(base, Symbol) and base.name == "e" and not base.subs and not base.sups:
            if not self.book.defined("e", 0):
                exponent = self.value(tree.exponent)
                return elementwise([exponent], self.join, lambda reals: Apply("exp", reals[0]))
        if isinstance(base, Entry) and base.subs == (Number(Fraction(2)),):
            base = base.of
        if isinstance(base, Group) and base.kind in ("\\lVert", "|"):
            inner = self.value(base.of)
            if inner.sets and tree.exponent == Number(Fraction(2)):
                return scalar(calls.square_sum(self, inner))
        exponent = self.value(tree.exponent)
        value = self.value(base)
        if value.rank == 2:
            raise Unreadable("^", "a power of a matrix", tree.span)
        return elementwise([value, exponent], self.join, lambda r: Raise(r[0], r[1]))

    def _group(self, tree: Group) -> Value:
        inner = self.value(tree.of)
        if tree.kind in ("(", "[", "{", "\\{", "\\langle"):
            return inner
        if tree.kind in ("|", "\\lVert"):
            if inner.sets:
                return scalar(Apply("sqrt", calls.square_sum(self, inner)))
            return scalar(Apply("abs", inner.at(())))
        raise Unreadable(tree.kind, "brackets that we do not read", tree.span)

    def _call(self, tree: Call) -> Value:
        return calls.call(self, tree)

    def _applied(self, tree: Applied) -> Value:
        return calls.applied(self, tree)

    def _big(self, tree: Big) -> Value:
        return sums.big(self, tree)

    def _derivative(self, tree: Derivative) -> Value:
        if tree.of is None:
            raise Unreadable("\\partial", "nothing stands behind the operator", tree.span)
        value = self.value(tree.of)
        if value.rank > 1:
            raise Unreadable("\\partial", "a derivative of a matrix", tree.span)
        for by in tree.by:
            value = self.derived(value, by)
        return value

    def derived(self, value: Value, by: Expr) -> Value:
        """Return the derivative of a value by a quantity, an element or a vector of them."""
        element = self.value(by)
        probe = element.at(tuple(Index(f"·{n}") for n in range(element.rank)))
        if not isinstance(probe, Element):
            found = self.book.letters_text(by)
            raise Unreadable(found, "a derivative by something that is no variable", by.span)
        rank = value.rank

        def at(indices: tuple[Index, ...]) -> Real:
            variable = element.at(indices[rank:])
            if not isinstance(variable, Element):
                raise Unreadable("\\partial", "no variable", by.span)
            return Partial(value.at(indices[:rank]), variable)

        return Value(value.sets + element.sets, at)

    def _gradient(self, tree: Gradient) -> Value:
        if tree.of is None or tree.by is None:
            raise Unreadable("\\nabla", "by what it derives is not said", tree.span)
        return self.derived(self.value(tree.of), tree.by)

    def _prime(self, tree: Prime) -> Value:
        return calls.primed(self, tree)

    def _indicator(self, tree: Indicator) -> Value:
        return scalar(Choose(((tuple(self.compare(tree.condition)), ONE), ((), ZERO))))

    def _cases(self, tree: Cases) -> Value:
        return special.cases(self, tree)

    def _matrix(self, tree: Matrix) -> Value:
        return self._vector(ellipsis.vector_of(tree))

    def _tuple(self, tree: Tuple) -> Value:
        return self._vector(ellipsis.vector_of(tree))

    def _entry(self, tree: Entry) -> Value:
        if isinstance(tree.of, Group) and tree.of.kind == "\\lVert":
            if tree.subs != (Number(Fraction(2)),):
                raise Unreadable("\\|", "a norm that we do not read", tree.span)
            return self.value(tree.of)
        return calls.at_indices(self, self.value(tree.of), tree.subs)

    def _transpose(self, tree: Transpose) -> Value:
        return transpose(self.value(tree.of))

    def _opaque(self, tree: Opaque) -> Value:
        raise NotDefined(tree.text, tree.span)

    def _unsupported(self, tree: Unsupported) -> Value:
        raise Unreadable(tree.token, tree.why or "we do not read this", tree.span)

    def _relation(self, tree: Relation) -> Value:
        raise Unreadable("=", "an equality inside an expression", tree.span)

    def _vector(self, tree: ellipsis.Vector) -> Value:
        letter = base_name(tree.letter)
        name = self.fresh()
        outer = self.bound.get(letter)
        place = self.binder(letter)
        size = tree.size
        if isinstance(size, Symbol):
            self.join(place, size_place(base_name(size)))
        self.bound[letter] = (name, place)
        inner = self.number_of(tree.of)
        if outer is None:
            del self.bound[letter]
        else:
            self.bound[letter] = outer
        return Value((place,), lambda indices: substituted(inner, name, indices[0]))


def substituted(real: Real, letter: str, index: Index) -> Real:
    """Put an index for a letter that is free in an expression."""
    from dataclasses import fields, replace

    def change(value: object) -> object:
        if isinstance(value, Index):
            if value.letter == letter:
                return Index(index.letter, index.shift + value.shift)
            return value
        if isinstance(value, tuple):
            return tuple(change(item) for item in value)
        if isinstance(value, str | Fraction) or value is None:
            return value
        return replace(
            value,  # type: ignore[type-var]
            **{one.name: change(getattr(value, one.name)) for one in fields(value)},  # type: ignore[arg-type]
        )

    return change(real)  # type: ignore[return-value]


def bare_term(tree: Expr) -> Expr:
    """Return a term without its sign."""
    return tree.of if isinstance(tree, Negative) else tree


def _names_in(tree: Symbol) -> set[str]:
    return {base_name(node) for node in tree.walk() if isinstance(node, Symbol)}


def _describe(tree: Expr) -> str:
    if isinstance(tree, Opaque):
        return tree.text
    if isinstance(tree, Unsupported):
        return tree.token
    return type(tree).__name__.lower()


_METHODS: dict[type, Callable[[Translator, Any], Value]] = {
    Number: Translator._number,
    Symbol: Translator.symbol,
    Sum: Translator._sum,
    Negative: Translator._negative,
    Product: Translator._product,
    Quotient: Translator._quotient,
    Power: Translator._power,
    Group: Translator._group,
    Call: Translator._call,
    Applied: Translator._applied,
    Big: Translator._big,
    Derivative: Translator._derivative,
    Gradient: Translator._gradient,
    Prime: Translator._prime,
    Indicator: Translator._indicator,
    Cases: Translator._cases,
    Matrix: Translator._matrix,
    Tuple: Translator._tuple,
    Transpose: Translator._transpose,
    Entry: Translator._entry,
    Opaque: Translator._opaque,
    Unsupported: Translator._unsupported,
    Relation: Translator._relation,
    ellipsis.Vector: Translator._vector,
}
