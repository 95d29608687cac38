r"""Definitions that close a circle: o_j = softmax(z_j), and z_j = \sum_i w_{ij} o_i of a network.

The o on the right is that of the layer before. It gets a name of its own, in the definition and
wherever its index is that of the weights' beginning: o_i in \partial z_j / \partial w_{ij} = o_i.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from softxent.derive.trees import Expr, Product, Symbol
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.symbols import bare, base_name

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book, Definition


@dataclass(frozen=True, slots=True)
class Before:
    """What a letter is in the layer before, and by which weight and place it is told."""

    name: str
    weight: str
    place: int


def opened(book: Book) -> dict[str, Before]:
    """Open the circles of a book; return which letters have two meanings."""
    out: dict[str, Before] = {}
    for several in book.definitions.values():
        for at, found in enumerate(several):
            if found.kind != "quantity" or found.renames:
                continue
            for name in _back(book, found):
                weight = _weight(book, found.body, name)
                if weight is None or (name in out and out[name].weight != weight[0]):
                    continue
                new = f"{name}^{{(before)}}"
                book.letters.arities[new] = {1}
                out[name] = Before(new, *weight)
                found = replace(found, renames=(*found.renames, (name, new)))
                several[at] = found
    return out


def _back(book: Book, found: Definition) -> list[str]:
    """Return the letters of a definition that earlier definitions make of what it defines."""
    out = []
    for name, rank in _names(book, found.body):
        seen, waiting = {name}, [(name, rank)]
        while waiting:
            one = book.definition(*waiting.pop(), found.number)
            if one is None or one.number >= found.number:
                continue
            for other in _names(book, one.body):
                if other[0] == found.name:
                    out.append(name)
                    waiting.clear()
                    break
                if other[0] not in seen:
                    seen.add(other[0])
                    waiting.append(other)
    return list(dict.fromkeys(out))


def _names(book: Book, tree: Expr) -> list[tuple[str, int]]:
    out = []
    for node in tree.walk():
        if isinstance(node, Symbol):
            name, indices = book.letters.split(node)
            out.append((name, book.rank(name, len(indices))))
    return list(dict.fromkeys(out))


def _weight(book: Book, body: Expr, name: str) -> tuple[str, int] | None:
    """Return the weight that multiplies a letter, and the place of the index they share."""
    for node in body.walk():
        if not isinstance(node, Product):
            continue
        split = [
            book.letters.split(one) for one in map(bare, node.factors) if isinstance(one, Symbol)
        ]
        own = [indices for other, indices in split if other == name and len(indices) == 1]
        for other, indices in split:
            if other != name and len(indices) == 2 and own and own[0][0] in indices:
                return other, indices.index(own[0][0])
    return None


def letters_before(book: Book, statement: Statement) -> dict[str, tuple[str, frozenset[str]]]:
    """Return of which letters what index means the layer before, in one statement."""
    out = {}
    for name, before in book.before.items():
        here: set[str] = set()
        elsewhere: set[str] = set()
        for side in statement.sides:
            for node in side.tree.walk():
                if not isinstance(node, Symbol):
                    continue
                other, indices = book.letters.split(node)
                if other != before.weight:
                    continue
                for at, sub in enumerate(indices):
                    if isinstance(bare(sub), Symbol):
                        places = here if at == before.place else elsewhere
                        places.add(base_name(bare(sub)))  # type: ignore[arg-type]
        if here - elsewhere:
            out[name] = (before.name, frozenset(here - elsewhere))
    return out
