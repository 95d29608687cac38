"""Derivatives: by an element, a vector or a matrix, as gradients, with primes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.core import Const, Element, Index, Partial, Real, Times
from softxent.derive.trees import (
    Applied,
    Derivative,
    Expr,
    Gradient,
    Number,
    Power,
    Prime,
    Symbol,
)
from softxent.derive.understand.letters import base_name
from softxent.derive.understand.values import Unreadable, Value, divide, scalar

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator


def derivative(t: Translator, tree: Derivative) -> Value:
    """Return a derivative of any order."""
    if tree.of is None:
        raise Unreadable("\\partial", "nothing stands behind the operator", tree.span)
    value = t.value(_called(t, tree.of, tree))
    if value.rank > 1:
        raise Unreadable("\\partial", "a derivative of a matrix", tree.span)
    for by in tree.by:
        value = derived(t, value, by)
    return value


def _called(t: Translator, of: Expr, tree: Derivative) -> Expr:
    """Return what is derived: in df/dx the f is f(x), where the text has f of other things too."""
    letters = t.book.letters
    if not isinstance(of, Symbol) or of.subs or of.sups or len(set(tree.by)) != 1:
        return of
    name = base_name(of)
    if name not in letters.generic or t.book.known(name) or name in t.book.functions:
        return of
    return Applied(of, (tree.by[0],), span=of.span)


def gradient(t: Translator, tree: Gradient) -> Value:
    r"""Return `\nabla_z C`."""
    if tree.of is None or tree.by is None:
        raise Unreadable("\\nabla", "by what it derives is not said", tree.span)
    return derived(t, t.value(tree.of), tree.by)


def derived(t: Translator, value: Value, by: Expr) -> Value:
    """Return the derivative of a value by a quantity, an element or a vector of them."""
    root = square_root(by)
    if root is not None:
        # dL/d(sigma^2) = dL/dsigma / (2 sigma)
        twice = Times((Const(Fraction(2)), t.number_of(root)))
        return divide(derived(t, value, root), scalar(twice), t.join)
    element = t.value(by)
    probe = element.at(tuple(Index(f"·{n}") for n in range(element.rank)))
    if not isinstance(probe, Element):
        found = t.book.letters_text(by)
        raise Unreadable(found, "a derivative by something that is no variable", by.span)
    rank = value.rank

    def at(indices: tuple[Index, ...]) -> Real:
        variable = element.at(indices[rank:])
        if not isinstance(variable, Element):
            raise Unreadable("\\partial", "no variable", by.span)
        return Partial(value.at(indices[:rank]), variable)

    return Value(value.sets + element.sets, at)


def square_root(by: Expr) -> Symbol | None:
    r"""Return sigma where something is derived by sigma^2."""
    if isinstance(by, Power) and by.exponent == Number(Fraction(2)) and isinstance(by.base, Symbol):
        return by.base
    return None


def primed(t: Translator, tree: Prime) -> Value:
    r"""Return (f(x) g(x))': the derivative by the only variable in the bracket."""
    variables: dict[str, Symbol] = {}
    skipped: set[int] = set()
    for node in tree.of.walk():
        if isinstance(node, Applied):
            skipped.add(id(node.head))
        if isinstance(node, Power) and node.base == Symbol("e"):
            skipped.add(id(node.base))
        if isinstance(node, Symbol) and id(node) not in skipped and not node.subs:
            variables.setdefault(base_name(node), node)
    if len(variables) != 1:
        raise Unreadable("'", "by what it derives is not said", tree.span)
    variable = next(iter(variables.values()))
    value = t.value(tree.of)
    for _ in range(tree.order):
        value = derived(t, value, variable)
    return value
