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
from softxent.derive.understand import (
    calls,
    deriving,
    ellipsis,
    entries,
    functions,
    labels,
    reach,
    special,
    sums,
    whole,
)
from softxent.derive.understand.scope import Scope, describe
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.symbols import bare, base_name, is_bold, is_word
from softxent.derive.understand.values import (
    ONE,
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
    pass


class Translator(Scope):
    """Reads trees in one scope."""

    def value(self, tree: Expr) -> Value:
        """Return what an expression means."""
        for parameter, value in self.parameters:
            if tree == parameter:
                return value
        method = _METHODS.get(type(tree))
        if method is None:
            raise Unreadable(describe(tree), "has no meaning here", tree.span)
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
        name = self._before(self.renamed.get(name, name), indices)
        indices = tuple(i for i in indices if not self._dropped(i))
        for at, sub in enumerate(indices):
            if labels.is_label(self, sub):
                return labels.element(self, name, indices, at, bold)
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
        row = self.book.rows and len(left) == 1
        return Value(left, lambda indices: Element(core, fixed + indices), row)

    def _before(self, name: str, indices: tuple[Expr, ...]) -> str:
        """Return the name that it has in the layer before, where its index tells so."""
        other, letters = self.before.get(name, (name, frozenset()))
        index = bare(indices[0]) if len(indices) == 1 else None
        return other if isinstance(index, Symbol) and base_name(index) in letters else name

    def _dropped(self, sub: Expr) -> bool:
        return isinstance(sub, Symbol) and self.bound.get(base_name(sub), ("", ""))[0] == "·one"

    def symbol(self, tree: Symbol) -> Value:
        """Return a letter: a quantity, a size, an index taken as a number, a delta."""
        name = base_name(tree)
        filled = whole.spread(self, tree) if name in self.book.repeated else None
        if filled is not None:
            return filled
        if is_word(tree.name) or tree.name in ("delta", "1", "I", "e") or "mathbb" in tree.accents:
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
            if name in self.indexing and name not in self.free and not self.book.known(name):
                self.place(name)  # the k of (-1)^k x_k
            if name in self.free and not self.book.known(name):
                return scalar(IndexValue(Index(name)))
        name, indices = calls.split(self, tree)
        if tree.name[0] > "\u2e80":  # 2次: a word of another script
            raise NotDefined(tree.name, tree.span)
        if not indices and (is_word(tree.name) and not self.book.known(name)):
            raise NotDefined(tree.name, tree.span)
        return self.element(name, indices, tree.span, is_bold(tree))

    def _constant_pi(self, tree: Symbol) -> Value:
        if self.book.letters.trigonometric:
            return scalar(Apply("pi", ONE))
        core = self.book.core("\\pi", 0)
        self.quantities[core] = None
        return scalar(Element(core))

    def _number(self, tree: Number) -> Value:
        return constant(tree.value)

    def _sum(self, tree: Sum) -> Value:
        if any(isinstance(bare_term(term), Ellipsis) for term in tree.terms):
            return self.value(ellipsis.sum_of(tree, self.book.letters.counters))
        terms = reach.reach(self, tree.terms)
        values = [self.value(term) for term in terms]
        mixed = {value.rank for value in values} >= {0, 2}
        if mixed and any(isinstance(node, Transpose) for node in tree.walk()):
            self.doubts.append("a number is added to a matrix; the vectors may be rows")
        columns = any(isinstance(term, Product) and _by_columns(term) for term in terms)
        return add(values, self.join, columns)

    def _negative(self, tree: Negative) -> Value:
        return elementwise([self.value(tree.of)], self.join, lambda reals: negative(reals[0]))

    def _product(self, tree: Product) -> Value:
        if any(isinstance(factor, Ellipsis) for factor in tree.factors):
            return self.value(ellipsis.product_of(tree, self.book.letters.counters))
        calls.no_operation(self, tree)
        parts = sums.sized(self, tuple(calls.factors(self, tree.factors)))
        values = [self.value(factor) for factor in parts]
        if getattr(tree, "elementwise", False):
            return elementwise(values, self.join, lambda reals: Times(tuple(reals)))
        if all(not value.sets for value in values):
            return scalar(Times(tuple(value.at(()) for value in values)))
        result = values[0]
        for value in values[1:]:
            result = times(result, value, self.join, self.fresh, self.set_name)
        return result

    def _quotient(self, tree: Quotient) -> Value:
        below = tree.below
        if isinstance(below, Applied) and below.span[1] == tree.span[1]:
            product = calls.product_of(self, below)
            if product is not None:  # a / v (x - 1), with a slash: only v is below it
                head, group = product.factors
                over = Quotient(tree.above, head, span=(tree.span[0], head.span[1]))
                return self.value(Product((over, group), span=tree.span))
        return divide(self.value(tree.above), self.value(below), self.join)

    def _power(self, tree: Power) -> Value:
        base = tree.base
        if isinstance(base, Applied):
            product = calls.product_of(self, base)
            if product is not None:  # y (1 - y)^2: the power is of the bracket only
                head, group = product.factors
                raised = Power(group, tree.exponent, span=(group.span[0], tree.span[1]))
                return self.value(Product((head, raised), span=tree.span))
        if isinstance(base, Symbol) and base.name == "e" and not base.subs and not base.sups:
            if not self.book.defined("e", 0):
                exponent = self.value(tree.exponent)
                return elementwise([exponent], self.join, lambda reals: Apply("exp", reals[0]))
        if isinstance(base, Entry) and base.subs == (Number(Fraction(2)),):
            base = base.of
        if isinstance(base, Group) and base.kind in ("\\lVert", "|"):
            inner = self.value(base.of)
            if inner.sets and tree.exponent == Number(Fraction(2)):
                return scalar(functions.square_sum(self, inner))
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
                return scalar(Apply("sqrt", functions.square_sum(self, inner)))
            return scalar(Apply("abs", inner.at(())))
        raise Unreadable(tree.kind, "brackets that we do not read", tree.span)

    def _call(self, tree: Call) -> Value:
        return functions.call(self, tree)

    def _applied(self, tree: Applied) -> Value:
        return calls.applied(self, tree)

    def _big(self, tree: Big) -> Value:
        return sums.big(self, tree)

    def _derivative(self, tree: Derivative) -> Value:
        return deriving.derivative(self, tree)

    def _gradient(self, tree: Gradient) -> Value:
        return deriving.gradient(self, tree)

    def _prime(self, tree: Prime) -> Value:
        return deriving.primed(self, tree)

    def _indicator(self, tree: Indicator) -> Value:
        return special.iverson(self, tree.condition)

    def _cases(self, tree: Cases) -> Value:
        return special.cases(self, tree)

    def _matrix(self, tree: Matrix) -> Value:
        if len(tree.rows) == 1 or all(len(row) == 1 for row in tree.rows):
            return self._vector(ellipsis.vector_of(tree))
        return self._entries(entries.matrix_of(tree))

    def _tuple(self, tree: Tuple) -> Value:
        return self._vector(ellipsis.vector_of(tree))

    def _entry(self, tree: Entry) -> Value:
        if isinstance(tree.of, Group) and tree.of.kind == "\\lVert":
            if tree.subs != (Number(Fraction(2)),):
                raise Unreadable("\\|", "a norm that we do not read", tree.span)
            return self.value(tree.of)
        return calls.at_indices(self, self.value(tree.of), tree.subs)

    def _transpose(self, tree: Transpose) -> Value:
        product = calls.product_of(self, tree.of) if isinstance(tree.of, Applied) else None
        if product is not None:  # \delta (a)^T: the transpose is of the bracket only
            head, group = product.factors
            turned = Transpose(group, span=(group.span[0], tree.span[1]))
            return self.value(Product((head, turned), span=tree.span))
        return transpose(self.value(tree.of))

    def _opaque(self, tree: Opaque) -> Value:
        raise NotDefined(tree.text, tree.span)

    def _unsupported(self, tree: Unsupported) -> Value:
        raise Unreadable(tree.token, tree.why or "we do not read this", tree.span)

    def _relation(self, tree: Relation) -> Value:
        raise Unreadable("=", "an equality inside an expression", tree.span)

    def _entries(self, tree: entries.Entries) -> Value:
        names, places = (self.fresh(), self.fresh()), []
        for symbol, size, name in zip(_ROW_COLUMN, (tree.rows, tree.columns), names, strict=True):
            place = self.binder(base_name(symbol))
            if isinstance(size, Symbol):
                self.join(place, size_place(base_name(size)))
            self.bound[base_name(symbol)] = (name, place)
            places.append(place)
        try:
            inner = self.number_of(tree.of)
            if tree.diagonal is not None:
                same = Compare("eq", Index(names[0]), Index(names[1]))
                inner = Choose((((same,), self.number_of(tree.diagonal)), ((), inner)))
        finally:
            for symbol in _ROW_COLUMN:
                del self.bound[base_name(symbol)]

        def at(indices: tuple[Index, ...]) -> Real:
            return substituted(substituted(inner, names[0], indices[0]), names[1], indices[1])

        return Value(tuple(places), at)

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


_ROW_COLUMN = (entries.ROW, entries.COLUMN)
_DATA = frozenset("X A H Phi".split())


def _by_columns(tree: Product) -> bool:
    """Whether a product has the samples as columns, as `W X` has them, and not `X W`."""
    last, first = bare(tree.factors[-1]), bare(tree.factors[0])
    data = isinstance(last, Symbol) and last.name in _DATA
    return data and not (isinstance(first, Symbol) and first.name in _DATA)


def bare_term(tree: Expr) -> Expr:
    """Return a term without its sign."""
    return tree.of if isinstance(tree, Negative) else tree


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
    entries.Entries: Translator._entries,
}
