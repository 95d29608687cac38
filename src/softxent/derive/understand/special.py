"""Symbols and forms with a meaning of their own: deltas, indicators, ones, cases."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.core import Apply, Choose, Compare, Const, Plus, Real, Times
from softxent.derive.trees import Cases, Expr, Number, Relation, Sum, Symbol
from softxent.derive.understand import labels
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.symbols import bare, base_name, is_bold
from softxent.derive.understand.values import (
    ONE,
    ZERO,
    NotDefined,
    Unreadable,
    Value,
    elementwise,
    negative,
    scalar,
)

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator

_LENGTHS = frozenset("n m N M K C d D".split())


def symbol(t: Translator, tree: Symbol) -> Value | None:
    r"""Return what `\delta_{jk}`, `1_{k = i}`, `I` and the vector of ones are."""
    subs = tree.subs
    if tree.name == "delta" and not tree.sups:
        if len(subs) == 1 and isinstance(subs[0], Relation):
            return iverson(t, subs[0])
        if len(subs) == 2 and not t.book.overridden("\\delta", 2):
            return kronecker(t, subs[0], subs[1])
        return None
    if "mathbb" in tree.accents and tree.name in ("R", "N", "Z", "Q", "C"):
        raise NotDefined(tree.name, tree.span)
    doubled = any(accent in ("mathbb", "mathbf", "mathds") for accent in tree.accents)
    if tree.name in ("1", "I") and len(subs) == 1 and isinstance(subs[0], Relation):
        return iverson(t, subs[0])
    size = subs[0] if len(subs) == 1 else None
    if tree.name == "1" and doubled and (not subs or _is_size(t, size)):
        place = t.binder("ones")
        t.book.sets.find(place)
        if isinstance(size, Symbol) and t.book.size(base_name(size), t.number):
            t.join(place, size_place(base_name(size)))
        return Value((place,), lambda _: ONE)
    name = base_name(tree)
    if tree.name == "e" and len(subs) == 1 and not tree.sups and is_bold(tree):
        return None if t.book.overridden("e", 1) else _unit(t, subs[0])
    if tree.name == "I" and not t.book.known_by_text(name):
        if len(subs) == 2:
            return kronecker(t, subs[0], subs[1])
        if not subs and t.book.letters.linear:
            place = t.binder("identity")
            t.book.sets.find(place)
            return Value(
                (place, place),
                lambda i: Choose((((Compare("eq", i[0], i[1]),), ONE), ((), ZERO))),
            )
    return None


def _is_size(t: Translator, sub: Expr | None) -> bool:
    r"""Whether the n of `\mathbf{1}_n` says how long the vector is."""
    if not isinstance(sub, Symbol) or sub != Symbol(sub.name):
        return False
    name = base_name(sub)
    if name in t.bound or name in t.book.letters.bound or name in t.book.letters.compared:
        return False
    return name in _LENGTHS or bool(t.book.size(name, t.number))


def _unit(t: Translator, sub: Expr) -> Value:
    r"""Return `\mathbf{e}_k`, the unit vector."""
    place = t.binder("unit")
    index, other = t.index(sub)
    if other:
        t.join(place, other)
    return Value((place,), lambda i: Choose((((Compare("eq", i[0], index),), ONE), ((), ZERO))))


def iverson(t: Translator, condition: Relation) -> Value:
    """Return 1 where a condition holds."""
    weight = labels.weight(t, condition)
    if weight is not None:
        return scalar(weight)
    ordered = all(link.relation in ("gt", "ge", "lt", "le") for link in condition.links)
    if ordered and _is_real(t, condition):
        sides = [condition.first, *(link.right for link in condition.links)]
        values = [t.value(side) for side in sides if side is not None]
        relations = [link.relation for link in condition.links]
        return elementwise(values, t.join, lambda reals: _between(reals, relations))
    return scalar(Choose(((tuple(t.compare(condition)), ONE), ((), ZERO))))


def kronecker(t: Translator, one: Expr, other: Expr) -> Value:
    """Return 1 where two indices are equal."""
    weight = labels.compared(t, "=", one, other)
    if weight is not None:
        return scalar(weight)
    left, first = t.index(one)
    right, second = t.index(other)
    if first and second:
        t.join(first, second)
    return scalar(Choose((((Compare("eq", left, right),), ONE), ((), ZERO))))


def cases(t: Translator, tree: Cases) -> Value:
    """Return cases of indices, or of the sign of a number."""
    rows: list[tuple[tuple[Compare, ...], Real]] = []
    for value, condition in tree.rows:
        if condition is None or condition.first is None:
            rows.append(((), t.number_of(value)))
            continue
        weight = labels.weight(t, condition)
        if weight is not None:
            return _by_label(t, tree, weight)
        if _is_real(t, condition):
            return real_cases(t, tree)
        try:
            compared = tuple(t.compare(condition))
        except Unreadable:
            return real_cases(t, tree)
        rows.append((compared, t.number_of(value)))
    if rows and rows[-1][0]:
        if len(rows) == 2 and complementary(rows[0][0], rows[1][0]):
            rows[-1] = ((), rows[-1][1])
        elif len(rows) == 1:
            raise Unreadable("cases", "one case only", tree.span)
    return scalar(Choose(tuple(rows)))


def _by_label(t: Translator, tree: Cases, weight: Real) -> Value:
    """Return two cases, of which the first is that an index is the label of a sample."""
    if len(tree.rows) != 2 or tree.rows[0][1] is None:
        raise Unreadable("cases", "conditions that we do not read", tree.span)
    first, second = (t.number_of(value) for value, _ in tree.rows)
    return scalar(Plus((Times((weight, first)), Times((Plus((ONE, negative(weight))), second)))))


def _is_real(t: Translator, condition: Relation) -> bool:
    """Whether a condition is on a number, z > 0, not on an index."""
    letters = t.book.letters
    for tree in (condition.first, *(link.right for link in condition.links)):
        inner = bare(tree) if tree is not None else None
        if isinstance(inner, Number):
            continue
        if not isinstance(inner, Symbol | Sum):
            return True
        ordered = any(link.relation not in ("=", "neq") for link in condition.links)
        if ordered and isinstance(inner, Symbol) and (inner.subs or inner.sups):
            return True  # the z_i of z_i > 0
        for node in inner.walk():
            if isinstance(node, Symbol) and not node.subs:
                name = base_name(node)
                index = name in t.bound or name in letters.bound or name in letters.in_subscripts
                if not index and not t.book.size(name, t.number):
                    return ordered or name in letters.factors
    return False


def complementary(one: tuple[Compare, ...], other: tuple[Compare, ...]) -> bool:
    """Whether of two conditions always exactly one holds."""
    if len(one) != 1 or len(other) != 1:
        return False
    first, second = one[0], other[0]
    same = {first.left, first.right} == {second.left, second.right}
    return same and {first.relation, second.relation} == {"eq", "neq"}


def real_cases(t: Translator, tree: Cases) -> Value:
    """Return cases on numbers, as in the definitions of ReLU and of the sign.

    Each row counts where its condition holds and none before it does. A single point, x = 0, is no
    row of its own: it has no weight among real numbers.
    """
    left: Real = ONE
    terms: list[Real] = []
    for at, (value, condition) in enumerate(tree.rows):
        if condition is None or (at == len(tree.rows) - 1 and at and _rest(tree)):
            holds: Real = ONE
        else:
            links = condition.links
            if any(link.relation == "=" for link in links) and len(tree.rows) > 2:
                continue
            holds = _holds(t, condition)
        terms.append(Times((left, holds, t.number_of(value))))
        left = Times((left, Plus((ONE, negative(holds)))))
    return scalar(Plus(tuple(terms)))


def _rest(tree: Cases) -> bool:
    """Whether the last of two rows is what the first leaves: x > 0, and x <= 0."""
    return len(tree.rows) == 2


def _holds(t: Translator, condition: Relation) -> Real:
    """Return 1 where an inequality between numbers holds, 0 where it does not."""
    if condition.first is None or any(
        link.relation not in ("gt", "ge", "lt", "le") for link in condition.links
    ):
        raise Unreadable("cases", "conditions that we do not read", condition.span)
    sides = (condition.first, *(link.right for link in condition.links))
    reals = [t.number_of(side) for side in sides]
    return _between(reals, [link.relation for link in condition.links])


def _between(reals: list[Real], relations: list[str]) -> Real:
    """Return 1 where numbers are ordered so, and 0 where not; between them lies a kink."""
    half = Const(Fraction(1, 2))
    factors: list[Real] = []
    for left, relation, right in zip(reals, relations, reals[1:], strict=False):
        sign: Real = Apply("sign", Plus((left, negative(right))))
        if relation in ("lt", "le"):
            sign = negative(sign)
        factors.append(Times((half, Plus((ONE, sign)))))
    return Times(tuple(factors))
