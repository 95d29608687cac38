r"""`z_1 + \dots + z_K` and `(z_1, \dots, z_K)`: what the dots stand for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction

from softxent.derive.trees import (
    Big,
    Ellipsis,
    Expr,
    Group,
    Matrix,
    Negative,
    Node,
    Number,
    Over,
    Product,
    Sum,
    Symbol,
    Tuple,
)
from softxent.derive.understand.symbols import base_name
from softxent.derive.understand.values import Unreadable

LETTER = Symbol("·e")


@dataclass(frozen=True, slots=True)
class Vector(Node):
    """A vector written by its first and last element: `of` at every value of `letter`."""

    letter: Symbol
    size: Expr
    of: Expr


def sum_of(tree: Sum, running: frozenset[str] = frozenset()) -> Expr:
    """Return the same sum with a big operator for the dots.

    running: letters that run in sums, so that no list ends with them.
    """
    terms = _without_middle(tree.terms, running)
    while True:
        at = next((n for n, term in enumerate(terms) if _is_dots(term)), None)
        if at is None:
            return terms[0] if len(terms) == 1 else Sum(tuple(terms), span=tree.span)
        terms = _folded(terms, at, "sum", tree)


def product_of(tree: Product, running: frozenset[str] = frozenset()) -> Expr:
    """Return the same product with a big operator for the dots."""
    factors = _without_middle(tree.factors, running)
    while True:
        at = next((n for n, one in enumerate(factors) if isinstance(one, Ellipsis)), None)
        if at is None:
            return factors[0] if len(factors) == 1 else Product(tuple(factors), span=tree.span)
        factors = _folded(factors, at, "prod", tree)


def vector_of(tree: Tuple | Matrix) -> Vector:
    """Return the vector that a list with dots stands for, or a matrix of one row or column."""
    if isinstance(tree, Matrix):
        column = all(len(row) == 1 for row in tree.rows)
        written = tuple(row[0] for row in tree.rows) if column else tree.rows[0]
    else:
        written = tree.items
    items = _without_middle(written)
    at = next((n for n, item in enumerate(items) if isinstance(item, Ellipsis)), None)
    if at is None or at == 0 or at != len(items) - 2:
        raise Unreadable("(…)", "a list that is no vector we can read", tree.span)
    found = general(items[0], items[-1])
    if found is None:
        raise Unreadable("\\dots", "what the dots stand for is not clear", tree.span)
    of, _, upper = found
    return Vector(LETTER, upper, of, span=tree.span)


def _without_middle(items: tuple[Expr, ...], running: frozenset[str] = frozenset()) -> list[Expr]:
    r"""Drop the general term in the middle, `z_j` of `z_1, \dots, z_j, \dots, z_n`."""
    for at in range(1, len(items) - 3):
        first, middle, last = items[at - 1], items[at + 1], items[at + 3]
        if not (_is_dots(items[at]) and _is_dots(items[at + 2])):
            continue
        ends, some = general(first, last), general(first, middle)
        if ends is None or some is None or ends[:2] != some[:2]:
            continue
        if not (isinstance(ends[2], Symbol) and base_name(ends[2]) in running):
            return [*items[: at + 1], *items[at + 3 :]]
    return list(items)


def _folded(terms: list[Expr], at: int, kind: str, tree: Expr) -> list[Expr]:
    if at == 0 or at + 1 >= len(terms):
        raise Unreadable("\\dots", "nothing stands on one side of the dots", terms[at].span)
    last = terms[at + 1]
    for start in range(at):
        found = general(terms[start], last)
        if found is None:
            continue
        of, lower, upper = found
        follow = all(
            put(of, Number(Fraction(lower + n))) == _plain(terms[start + n])
            for n in range(1, at - start)
        )
        if not follow:
            continue
        over = Over((LETTER,), "=", Number(Fraction(lower)), upper)
        span = (terms[start].span[0], last.span[1])
        return [*terms[:start], Big(kind, over, of, span=span), *terms[at + 2 :]]
    raise Unreadable("\\dots", "what the dots stand for is not clear", tree.span)


def general(first: Expr, last: Expr) -> tuple[Expr, int, Expr] | None:
    """Return the term that both are cases of, the number where it begins and the end."""
    ends: list[tuple[Expr, Expr]] = []
    of = _merge(_plain(first), _plain(last), ends)
    if of is None or not ends or any(end != ends[0] for end in ends):
        return None
    lower = ends[0][0]
    if not isinstance(lower, Number) or lower.value.denominator != 1:
        return None
    return of, int(lower.value), ends[0][1]


def _merge(one: Expr, other: Expr, ends: list[tuple[Expr, Expr]]) -> Expr | None:
    if one == other:
        return one
    if isinstance(one, Number) and isinstance(other, Symbol | Number | Sum):
        ends.append((one, other))
        return LETTER
    if type(one) is not type(other):
        return None
    changes: dict[str, object] = {}
    for part in fields(one):
        if part.name == "span":
            continue
        left, right = getattr(one, part.name), getattr(other, part.name)
        if left == right:
            continue
        if isinstance(left, Node) and isinstance(right, Node):
            merged = _merge(left, right, ends)  # type: ignore[arg-type]
            if merged is None:
                return None
            changes[part.name] = merged
        elif isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
            items: list[object] = []
            for a, b in zip(left, right, strict=True):
                merged = a if a == b else None
                if merged is None and isinstance(a, Node) and isinstance(b, Node):
                    merged = _merge(a, b, ends)  # type: ignore[arg-type]
                if merged is None:
                    return None
                items.append(merged)
            changes[part.name] = tuple(items)
        else:
            return None
    return replace(one, **changes)  # type: ignore[arg-type]


def put(tree: Expr, value: Expr, letter: Symbol = LETTER) -> Expr:
    """Return the general term with something in the place of its letter."""
    if tree == letter:
        return value
    changes: dict[str, object] = {}
    for part in fields(tree):
        inner = getattr(tree, part.name)
        if isinstance(inner, Node):
            changes[part.name] = put(inner, value, letter)  # type: ignore[arg-type]
        elif isinstance(inner, tuple) and part.name != "span":
            changes[part.name] = tuple(
                put(item, value, letter) if isinstance(item, Node) else item  # type: ignore[arg-type]
                for item in inner
            )
    return replace(tree, **changes) if changes else tree  # type: ignore[arg-type]


def _plain(tree: Expr) -> Expr:
    return tree.of if isinstance(tree, Group) and tree.kind == "(" else tree


def _is_dots(term: Expr) -> bool:
    return isinstance(term.of if isinstance(term, Negative) else term, Ellipsis)
