r"""Vectors as a whole: \mathbf c = (c, ..., c), and \sigma(\mathbf z + \mathbf c)_j of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softxent.derive.core import Defined, Index
from softxent.derive.trees import Applied, Ellipsis, Expr, Matrix, Symbol, Tuple
from softxent.derive.understand.outline import Outline
from softxent.derive.understand.reach import free_letters
from softxent.derive.understand.symbols import FUNCTION_LETTERS, bare, base_name, is_bold
from softxent.derive.understand.values import (
    Mismatch,
    NotDefined,
    Unreadable,
    Value,
)

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator

_FUNCTIONS = FUNCTION_LETTERS | {"S", "s"}


def repeated(outline: Outline) -> dict[str, Symbol]:
    r"""Return the vectors whose elements are all one letter: \mathbf c = (c, \dots, c)."""
    out: dict[str, Symbol] = {}
    for statement in outline.statements:
        if len(statement.sides) < 2 or statement.signs[0].relation not in ("=", "define"):
            continue
        head, body = statement.sides[0].tree, bare(statement.sides[1].tree)
        if not isinstance(head, Symbol) or not is_bold(head) or head.subs or head.sups:
            continue
        items = _items(body)
        first = items[0] if items else None
        dots = sum(isinstance(item, Ellipsis) for item in items)
        if not isinstance(first, Symbol) or first != Symbol(first.name) or not dots:
            continue
        if all(isinstance(item, Ellipsis) or item == first for item in items):
            out[base_name(head)] = first
    return out


def composed(outline: Outline) -> dict[str, int]:
    r"""Return what is taken of something else from some statement on: S_i(g(W)), of S_i."""
    out: dict[str, int] = {}
    for statement in outline.statements:
        for side in statement.sides:
            for node in side.tree.walk():
                if not isinstance(node, Applied) or not node.head.subs or len(node.arguments) != 1:
                    continue
                if isinstance(bare(node.arguments[0]), Applied):
                    out.setdefault(base_name(node.head), statement.number)
    return out


def _items(body: Expr) -> tuple[Expr, ...]:
    if isinstance(body, Tuple):
        return body.items
    if isinstance(body, Matrix) and all(len(row) == 1 for row in body.rows):
        return tuple(row[0] for row in body.rows)
    return ()


def spread(t: Translator, tree: Symbol) -> Value | None:
    r"""Return \mathbf c, or c_k, where \mathbf c is (c, ..., c)."""
    letter = t.book.repeated.get(base_name(tree))
    if letter is None or tree.sups or not (is_bold(tree) or tree.subs):
        return None
    value = t.element(base_name(letter), (), tree.span)
    if tree.subs:
        return value
    place = t.binder("spread")
    t.book.sets.find(place)
    return Value((place,), lambda _: value.at(()))


def at_index(t: Translator, tree: Applied) -> Applied | None:
    r"""Return \sigma(\mathbf q)_i for `\sigma(\mathbf q, i)`, where the text has \sigma(z)_i."""
    if len(tree.arguments) != 2 or tree.head.subs:
        return None
    vector, index = (bare(argument) for argument in tree.arguments)
    if not isinstance(vector, Symbol) or not is_bold(vector) or vector.subs:
        return None
    if not isinstance(index, Symbol) or index != Symbol(index.name) or t.book.known(index.name):
        return None
    name = base_name(tree.head)
    found = t.book.definition(name, 1, t.number)
    if found is None or len(found.arguments) != 1:
        return None
    return replace(tree, head=replace(tree.head, subs=(index,)), arguments=(vector,))


def of_vector(t: Translator, tree: Applied) -> Value | None:
    r"""Return \sigma(\mathbf z + \mathbf c)_j, where the text defines \sigma(\mathbf z)_j."""
    name, indices = t.book.letters.split(tree.head)
    if not indices or len(tree.arguments) != 1 or t.parameters:
        return None
    argument = bare(tree.arguments[0])
    own = _argument(t, name, len(indices), argument)
    if own is None or free_letters(t, argument):
        return None
    if isinstance(argument, Symbol):
        found = t.book.definition(name, len(indices), t.number)
        given = t.book.letters.split(argument)[0]
        if found is None or not found.arguments or not is_bold(argument) or given == own:
            return None
        return t.book.renamed_family(t, name, {own: given}, indices, tree.span)
    try:
        value = t.value(argument)
    except (Mismatch, NotDefined, Unreadable):
        return None
    if value.rank != 1:
        return None
    new = f"({t.book.tex(argument)})"
    t.book.letters.arities[new] = {1}
    t.book.sets.join(value.sets[0], f"{new}.0")
    place = t.book.sets.name(value.sets[0])
    t.book.extra[new] = Defined((f"·{new}",), (place,), value.at((Index(f"·{new}"),)))
    return t.book.renamed_family(t, name, {own: new}, indices, tree.span)


def of_another(t: Translator, tree: Applied) -> Value | None:
    r"""Return H(p), where the text has H = -\sum_i q_i \log q_i: the same of another vector."""
    name, indices = t.book.letters.split(tree.head)
    found = t.book.definition(name, 0, t.number) if not indices else None
    if found is None or found.kind != "quantity" or found.arguments or found.letters:
        return None
    given = bare(tree.arguments[0]) if len(tree.arguments) == 1 else None
    if not isinstance(given, Symbol) or given.subs or given.sups or t.parameters:
        return None
    inside = [node for node in found.body.walk() if isinstance(node, Symbol)]
    split = {t.book.letters.split(node) for node in inside}
    vectors = {other for other, subs in split if subs}
    plain = {other for other, subs in split if not subs} - t.book.letters.bound
    if len(vectors) != 1 or not all(t.book.size(one, t.number) for one in plain):
        return None
    (own,) = vectors
    other = t.book.letters.split(given)[0]
    ranks = {t.book.rank(one, 0, is_bold(given)) for one in (own, other)}
    if ranks != {1}:
        return None
    if own == other:
        return t.element(name, (), tree.span)
    return t.book.renamed_family(t, name, {own: other}, (), tree.span)


def _argument(t: Translator, name: str, count: int, given: Expr) -> str | None:
    """Return the vector that a quantity with so many indices is a function of."""
    found = t.book.definition(name, count, t.number)
    if found is None:
        return None
    candidates = found.arguments
    if not candidates:
        called = t.book.letters.called.get(name, [])
        whole = [one for one in called if isinstance(one, Symbol) and is_bold(one)]
        candidates = tuple(dict.fromkeys(whole))
    if not candidates and isinstance(given, Applied) and name in _FUNCTIONS:
        inside = [node for node in found.body.walk() if isinstance(node, Symbol) and node.subs]
        candidates = tuple(dict.fromkeys(replace(node, subs=()) for node in inside))
    if len(candidates) != 1:
        return None
    own, indices = t.book.letters.split(candidates[0])
    names = {base_name(node) for node in found.body.walk() if isinstance(node, Symbol)}
    if indices or own not in names or t.book.rank(own, 0, True) != 1:
        return None
    return own
