"""Working with expressions of `core`: building, walking, letters, replacing, same or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Const,
    Divide,
    Element,
    Index,
    Partial,
    Plus,
    Raise,
    Real,
    Times,
    Total,
)

ZERO, ONE, TWO, MINUS = (Const(Fraction(one)) for one in (0, 1, 2, -1))
SPARE = {"V": "kjilpqrsuh", "N": "nmpqrs", "D": "defgh"}  # letters for bound indices of a set
Rewrite: TypeAlias = Callable[[Real], Real | None]


# ---------------------------------------------------------------------- building
def element(name: str, *letters: str) -> Element:
    """Return name_{letters}."""
    return Element(name, tuple(Index(one) for one in letters))


def negative(of: Real) -> Real:
    """Return -of, without two signs."""
    match of:
        case Const(value):
            return Const(-value)
        case Times(factors=(Const(value), *rest)):
            return times(Const(-value), *rest)
    return times(MINUS, of)


def plus(*terms: Real) -> Real:
    """Return the sum; sums in it are opened, zeros left out."""
    flat: list[Real] = []
    for term in terms:
        flat += term.terms if isinstance(term, Plus) else [term]
    flat = [term for term in flat if term != ZERO]
    return flat[0] if len(flat) == 1 else Plus(tuple(flat)) if flat else ZERO


def times(*factors: Real) -> Real:
    """Return the product; products in it are opened, numbers gathered in front."""
    flat: list[Real] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Times) else [factor]
    number = Fraction(1)
    for factor in flat:
        if isinstance(factor, Const):
            number *= factor.value
    rest: list[Real] = [factor for factor in flat if not isinstance(factor, Const)]
    if number == 0 or not rest:
        return Const(number)
    if number != 1:
        rest.insert(0, Const(number))
    return rest[0] if len(rest) == 1 else Times(tuple(rest))


def divide(above: Real, below: Real) -> Real:
    """Return above / below, with the sign in front."""
    if below == ONE or above == ZERO:
        return above
    number, rest = split_number(above)
    if number < 0:
        return times(MINUS, Divide(times(Const(-number), rest), below))
    return Divide(above, below)


def delta(one: Index, other: Index) -> Real:
    """Return Kronecker's delta; of a letter and itself it is 1."""
    if one == other:
        return ONE
    return Choose((((Compare("eq", one, other),), ONE), ((), ZERO)))


def as_delta(expr: Real) -> tuple[Index, Index] | None:
    """Return the two indices, if this is a delta."""
    match expr:
        case Choose(rows=(((Compare("eq", one, other),), Const(a)), ((), Const(b)))):
            return (one, other) if a == 1 and b == 0 else None
    return None


def split_number(expr: Real) -> tuple[Fraction, Real]:
    """Return the number in front, and the rest."""
    match expr:
        case Const(value):
            return value, ONE
        case Times(factors=(Const(value), *rest)):
            return value, times(*rest)
    return Fraction(1), expr


def factors_of(expr: Real) -> tuple[Real, ...]:
    """Return the factors of a product, or the one thing that it is."""
    return expr.factors if isinstance(expr, Times) else (expr,)


def terms_of(expr: Real) -> tuple[Real, ...]:
    """Return the terms of a sum, or the one thing that it is."""
    return expr.terms if isinstance(expr, Plus) else (expr,)


# ---------------------------------------------------------------------- walking
def parts(expr: Real) -> Iterator[Real]:
    """Yield what stands right below."""
    match expr:
        case Plus(many) | Times(many):
            yield from many
        case Divide(one, other) | Raise(one, other) | Partial(one, other):
            yield from (one, other)
        case Apply(_, of) | Total(of=of):
            yield of
        case Choose(rows):
            yield from (value for _, value in rows)


def rebuilt(expr: Real, change: Callable[[Real], Real]) -> Real:
    """Return the same node over changed parts; the `by` of a derivative stays."""
    match expr:
        case Plus(terms):
            return plus(*map(change, terms))
        case Times(factors):
            return times(*map(change, factors))
        case Divide(above, below):
            return divide(change(above), change(below))
        case Raise(base, exponent):
            return Raise(change(base), change(exponent))
        case Apply() | Total() | Partial():
            return replace(expr, of=change(expr.of))
        case Choose(rows):
            return Choose(tuple((when, change(value)) for when, value in rows))
    return expr


def everywhere(expr: Real, rewrite: Rewrite) -> Real:
    """Apply a rewriting at every place, from outside; what it returns is not looked into again."""
    found = rewrite(expr)
    if found is not None:
        return found
    return rebuilt(expr, lambda part: everywhere(part, rewrite))


def inside(expr: Real, rewrite: Rewrite) -> Real:
    """Apply a rewriting at every place, from inside."""
    changed = rebuilt(expr, lambda part: inside(part, rewrite))
    found = rewrite(changed)
    return changed if found is None else found


def with_elements(expr: Real, change: Callable[[Element], Real]) -> Real:
    """Change all elements, those that are differentiated by as well."""

    def at(one: Real) -> Real | None:
        if isinstance(one, Element):
            return change(one)
        if isinstance(one, Partial) and isinstance(by := change(one.by), Element):
            return Partial(with_elements(one.of, change), by)
        return None

    return everywhere(expr, at)


# ---------------------------------------------------------------------- letters
def letters(expr: object) -> set[str]:
    """Return all index letters, bound and free."""
    if isinstance(expr, Index):
        return {expr.letter}
    found = {expr.letter} if isinstance(expr, Total) else set()
    if isinstance(expr, tuple):
        return found.union(*map(letters, expr))
    if is_dataclass(expr):
        return found.union(*(letters(getattr(expr, one.name)) for one in fields(expr)))
    return found


def free_letters(expr: Real) -> set[str]:
    """Return the index letters that no sum inside binds."""
    match expr:
        case Total(letter=letter, of=of, conditions=conditions):
            return (free_letters(of) | letters(conditions)) - {letter}
        case Choose(rows):
            return set().union(*(letters(when) | free_letters(value) for when, value in rows))
        case Element():
            return letters(expr)
    return set().union(*map(free_letters, parts(expr)))


def put(expr: Real, swap: Mapping[str, str]) -> Real:
    """Put letters in the place of free letters; bound ones make room where they would clash."""
    swap = {old: new for old, new in swap.items() if old != new}
    if not swap:
        return expr
    match expr:
        case Element(name, indices):
            return Element(name, tuple(_index(one, swap) for one in indices))
        case Total():
            inner = {old: new for old, new in swap.items() if old != expr.letter}
            letter, of = expr.letter, expr.of
            if letter in inner.values():
                fresh = spare(expr.set, letters(expr) | set(inner.values()))
                of, inner = put(of, {letter: fresh}), inner | {letter: fresh}
                letter = fresh
                return _total_put(expr, letter, of, inner)
            return _total_put(expr, letter, of, inner)
        case Choose(rows):
            return _chosen(tuple((_compares(when, swap), put(value, swap)) for when, value in rows))
        case Partial(of, by):
            return Partial(put(of, swap), put(by, swap))  # type: ignore[arg-type]
    return rebuilt(expr, lambda part: put(part, swap))


def _total_put(expr: Total, letter: str, of: Real, swap: Mapping[str, str]) -> Total:
    conditions = _compares(expr.conditions, swap)
    return replace(expr, letter=letter, of=put(of, swap), conditions=conditions)


def _index(one: Index, swap: Mapping[str, str]) -> Index:
    return Index(swap.get(one.letter, one.letter), one.shift)


def _compares(many: Iterable[Compare], swap: Mapping[str, str]) -> tuple[Compare, ...]:
    return tuple(Compare(c.relation, _index(c.left, swap), _index(c.right, swap)) for c in many)


def _chosen(rows: tuple[tuple[tuple[Compare, ...], Real], ...]) -> Real:
    """Return the choice; a delta of a letter and itself is 1."""
    (when, value), *_ = rows
    if len(when) == 1 and when[0].relation == "eq" and when[0].left == when[0].right:
        return value
    return Choose(rows)


def spare(set: str, taken: Iterable[str]) -> str:
    """Return a letter for an index set that is not taken."""
    used = frozenset(taken)
    return next(one for one in SPARE[set] if one not in used)


def apart(expr: Real, taken: Iterable[str]) -> Real:
    """Rename bound letters that are taken."""
    used = set(taken)

    def renamed(at: Real) -> Real | None:
        if isinstance(at, Total) and at.letter in used:
            fresh = spare(at.set, used | letters(at))
            return replace(
                at,
                letter=fresh,
                of=put(at.of, {at.letter: fresh}),
                conditions=_compares(at.conditions, {at.letter: fresh}),
            )
        return None

    return inside(expr, renamed)


# ---------------------------------------------------------------------- same or not
def same(one: Real, other: Real) -> bool:
    """Whether two expressions are equal up to order and the names of bound letters."""
    return canonical(one) == canonical(other)


def canonical(expr: Real, depth: int = 0) -> str:
    """Return a text that is the same for sums and products in any order."""
    match expr:
        case Plus(terms):
            return "+(" + ",".join(sorted(canonical(one, depth) for one in terms)) + ")"
        case Times(factors):
            return "*(" + ",".join(sorted(canonical(one, depth) for one in factors)) + ")"
        case Total(kind, letter, _, of, conditions, _, _):
            mark = f"#{depth}"
            swap = {letter: mark}
            inner = canonical(put(of, swap), depth + 1)
            return f"{kind}[{mark},{_compares(conditions, swap)}]({inner})"
        case Choose():
            if (pair := as_delta(expr)) is not None:
                return "delta" + str(sorted(one.letter for one in pair))
            rows = (f"{when}:{canonical(value, depth)}" for when, value in expr.rows)
            return "choose(" + ";".join(rows) + ")"
        case Divide(above, below):
            return f"({canonical(above, depth)})/({canonical(below, depth)})"
        case Raise(base, exponent):
            return f"({canonical(base, depth)})^({canonical(exponent, depth)})"
        case Apply(function, of):
            return f"{function}({canonical(of, depth)})"
        case Partial(of, by):
            return f"d({canonical(of, depth)},{by})"
    return str(expr)
