"""Class labels that have an index of their own: y_i in p_{i, y_i} and in 1{k = y_i}.

Where i runs in the text, every sample has its class, and what chooses it is a one-hot quantity:

    T_{i,c} = 1{c = y_i},   p_{i, y_i} = sum_c T_{i,c} p_{i,c}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softxent.derive.core import Element, Free, Index, Plus, Real, Times, Total
from softxent.derive.trees import Expr, Relation, Symbol
from softxent.derive.understand.symbols import bare, base_name
from softxent.derive.understand.values import ONE, Unreadable, Value, elementwise, negative

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softxent.derive.understand.book import Book
    from softxent.derive.understand.translate import Translator


def is_label(t: Translator, tree: Expr) -> bool:
    """Whether a subscript is a label with an index that runs somewhere in the text."""
    tree = bare(tree)
    if not isinstance(tree, Symbol) or not (tree.subs or tree.sups):
        return False
    _, indices = t.book.letters.split(tree)
    inside = {base_name(node) for sub in indices for node in sub.walk() if isinstance(node, Symbol)}
    return bool(inside & (t.book.letters.bound | (set(t.bound) - t.heads)))


def chosen(t: Translator, tree: Expr, index: Index, place: str | None) -> Real:
    """Return T_{i,c}: 1 where the label is the index, else 0."""
    name, indices = t.book.letters.split(bare(tree))  # type: ignore[arg-type]
    core = f"1[{name}]"
    found = []
    for at, sub in enumerate(indices):
        if is_label(t, sub):
            raise Unreadable(name, "a label of a label", tree.span)
        one, other = t.index(sub)
        if other:
            t.join(other, f"{core}.{at}")
        found.append(one)
    last = f"{core}.{len(found)}"
    t.book.sets.find(last)
    if place:
        t.join(place, last)
    t.book.labels[core] = len(found) + 1
    t.quantities[core] = None
    return Element(core, (*found, index))


def element(t: Translator, name: str, indices: tuple[Expr, ...], at: int, bold: bool) -> Value:
    """Return p_{i, y_i}: the sum over all classes of what the label chooses."""
    label = bare(indices[at])
    letter, own = t.fresh(), Symbol(f"·{len(t.bound)}label")
    rank = len(t.book.letters.split(label)[1])  # type: ignore[arg-type]
    place = f"1[{t.book.letters.split(label)[0]}].{rank}"  # type: ignore[arg-type]
    t.book.sets.find(place)
    t.bound[base_name(own)] = (letter, place)
    try:
        value = t.element(name, (*indices[:at], own, *indices[at + 1 :]), label.span, bold)
        choice = chosen(t, label, Index(letter), place)
    finally:
        del t.bound[base_name(own)]
    return elementwise(
        [value],
        t.join,
        lambda reals: Total("sum", letter, t.set_name(place), Times((choice, reals[0]))),
    )


def weight(t: Translator, relation: Relation) -> Real | None:
    """Return 1 where a comparison with a label holds, and 0 elsewhere; None for any other."""
    if relation.first is None or len(relation.links) != 1:
        return None
    link = relation.links[0]
    if link.relation not in ("=", "neq"):
        return None
    return compared(t, link.relation, relation.first, link.right)


def compared(t: Translator, relation: str, one: Expr, other: Expr) -> Real | None:
    """Return what `weight` does, of two sides."""
    labels = [is_label(t, side) for side in (one, other)]
    if not any(labels):
        return None
    if all(labels):
        letter = t.fresh()
        first = chosen(t, one, Index(letter), None)
        second = chosen(t, other, Index(letter), None)
        place = f"{first.name}.{len(first.indices) - 1}"  # type: ignore[union-attr]
        t.join(place, f"{second.name}.{len(second.indices) - 1}")  # type: ignore[union-attr]
        real: Real = Total("sum", letter, t.set_name(place), Times((first, second)))
    else:
        label, index = (one, other) if labels[0] else (other, one)
        found, where = t.index(index)
        real = chosen(t, label, found, where)
    return real if relation in ("=", "eq") else Plus((ONE, negative(real)))


def quantities(book: Book) -> None:
    """Enter the one-hot quantities of all labels, with their sets as they are known by now."""
    for core, rank in book.labels.items():
        sets = tuple(book.sets.name(f"{core}.{at}") for at in range(rank))
        book.extra[core] = Free(sets, "target")


def one_hot(book: Book, names: Iterable[str]) -> set[str]:
    """Return what is assumed of labels: each chooses one class."""
    return {f"one-hot:{name}" for name in names if name in book.labels}
