"""Symbols and forms with a meaning of their own: deltas, indicators, ones, cases."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.core import Apply, Choose, Compare, Const, Plus, Real, Times
from softxent.derive.trees import Cases, Expr, Relation, Symbol
from softxent.derive.understand.letters import base_name
from softxent.derive.understand.values import ONE, ZERO, Unreadable, Value, negative, scalar

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator


def symbol(t: Translator, tree: Symbol) -> Value | None:
    r"""Return what `\delta_{jk}`, `1_{k = i}`, `I` and the vector of ones are."""
    subs = tree.subs
    if tree.name == "delta" and not tree.sups:
        if len(subs) == 1 and isinstance(subs[0], Relation):
            return iverson(t, subs[0])
        if len(subs) == 2 and not t.book.overridden("\\delta", 2):
            return kronecker(t, subs[0], subs[1])
        return None
    doubled = any(accent in ("mathbb", "mathbf", "mathds") for accent in tree.accents)
    if tree.name in ("1", "I") and len(subs) == 1 and isinstance(subs[0], Relation):
        return iverson(t, subs[0])
    if tree.name == "1" and not subs and doubled:
        place = t.binder("ones")
        t.book.sets.find(place)
        return Value((place,), lambda _: ONE)
    name = base_name(tree)
    if tree.name == "I" and not t.book.known(name):
        if len(subs) == 2:
            return kronecker(t, subs[0], subs[1])
        if not subs:
            place = t.binder("identity")
            t.book.sets.find(place)
            return Value(
                (place, place),
                lambda i: Choose((((Compare("eq", i[0], i[1]),), ONE), ((), ZERO))),
            )
    return None


def iverson(t: Translator, condition: Relation) -> Value:
    """Return 1 where a condition holds."""
    return scalar(Choose(((tuple(t.compare(condition)), ONE), ((), ZERO))))


def kronecker(t: Translator, one: Expr, other: Expr) -> Value:
    """Return 1 where two indices are equal."""
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


def complementary(one: tuple[Compare, ...], other: tuple[Compare, ...]) -> bool:
    """Whether of two conditions always exactly one holds."""
    if len(one) != 1 or len(other) != 1:
        return False
    first, second = one[0], other[0]
    same = {first.left, first.right} == {second.left, second.right}
    return same and {first.relation, second.relation} == {"eq", "neq"}


def real_cases(t: Translator, tree: Cases) -> Value:
    """Return cases on the sign of a number, as in the definition of ReLU."""
    if len(tree.rows) != 2:
        raise Unreadable("cases", "conditions that we do not read", tree.span)
    (first, condition), (second, _) = tree.rows
    if condition is None or condition.first is None or len(condition.links) != 1:
        raise Unreadable("cases", "conditions that we do not read", tree.span)
    link = condition.links[0]
    if link.relation not in ("gt", "ge", "lt", "le"):
        raise Unreadable("cases", "conditions that we do not read", tree.span)
    gap = Plus((t.number_of(condition.first), negative(t.number_of(link.right))))
    sign: Real = Apply("sign", gap)
    if link.relation in ("lt", "le"):
        sign = negative(sign)
    half = Const(Fraction(1, 2))
    upper = Times((half, Plus((ONE, sign)), t.number_of(first)))
    lower = Times((half, Plus((ONE, negative(sign))), t.number_of(second)))
    return scalar(Plus((upper, lower)))
