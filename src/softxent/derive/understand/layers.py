"""What is said of one layer holds of every layer: z^{l+1} by the definition of z^l."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.trees import Derivative, Expr, Negative, Node, Number, Sum, Symbol
from softxent.derive.understand.symbols import bare, base_name, text_of

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book, Definition

Mark = tuple[str, int]
"""A letter and a shift: l + 1; the letter is "" for a number."""


def carry(book: Book) -> None:
    """Enter the definitions of other layers that the text uses, by those that it gives."""
    seen = _marked(book)
    marks = {mark for _, mark in seen.values()}
    waiting = dict(seen)
    while waiting:
        name = next(iter(waiting))
        base, mark = waiting.pop(name)
        if any(known == name for known, _ in book.definitions):
            continue
        template = _template(book, seen, base, mark)
        if template is None:
            continue
        old, letter = template
        _same_shape(book, old, name)
        for (known, arity), several in list(book.definitions.items()):
            if known != old:
                continue
            book.definitions[(name, arity)] = [_moved(one, name, letter, mark) for one in several]
            for node in (node for one in several for node in one.body.walk()):
                if isinstance(node, Symbol) and node.sups:
                    other = _shifted(node, letter, mark)
                    own = book.letters.split(other)[0]  # type: ignore[arg-type]
                    _same_shape(book, book.letters.split(node)[0], own)
                    found = _mark_of(book, other)  # type: ignore[arg-type]
                    if found is not None and found[1] in marks and own not in seen:
                        seen[own] = waiting[own] = found
    _derivatives(book, seen)
    _loosen(book)


def _same_shape(book: Book, old: str, new: str) -> None:
    """Let a quantity of another layer have as many indices as the one that the text shows."""
    if old != new and not book.letters.arities.get(new):
        known = {arity for name, arity in book.definitions if name == old}
        book.letters.arities[new] = set(book.letters.arities.get(old, ())) | known


def carried(book: Book, head: Symbol) -> bool:
    """Whether the text has derived what it writes here for another layer: a claim then.

    delta^L = ... says something of dC/dz^L once delta^l is dC/dz^l.
    """
    found = _mark_of(book, head)
    if found is None:
        return False
    template = _template(book, _marked(book), *found)
    if template is None:
        return False
    return any(
        isinstance(bare(several[0].body), Derivative)
        for (name, _), several in book.definitions.items()
        if name == template[0]
    )


def _marked(book: Book) -> dict[str, tuple[str, Mark]]:
    """Return the quantities that bear a mark: name -> what it is without, and the mark."""
    out: dict[str, tuple[str, Mark]] = {}
    for symbol in book.letters.symbols:
        found = _mark_of(book, symbol)
        if found is not None:
            out[book.letters.split(symbol)[0]] = found
    return out


def _mark_of(book: Book, symbol: Symbol) -> tuple[str, Mark] | None:
    if len(symbol.sups) != 1:
        return None
    mark = _mark(bare(symbol.sups[0]))
    name = book.letters.split(symbol)[0]
    if mark is None or not name.endswith("^{(" + text_of(symbol.sups[0]) + ")}"):
        return None
    return book.letters.split(replace(symbol, sups=()))[0], mark


def _mark(tree: Expr) -> Mark | None:
    if isinstance(tree, Number) and tree.value.denominator == 1:
        return "", int(tree.value)
    if isinstance(tree, Symbol) and not tree.subs and not tree.sups:
        return base_name(tree), 0
    if isinstance(tree, Sum) and len(tree.terms) == 2 and isinstance(tree.terms[0], Symbol):
        second = tree.terms[1]
        number = second.of if isinstance(second, Negative) else second
        if isinstance(number, Number) and number.value.denominator == 1:
            shift = int(number.value)
            return base_name(tree.terms[0]), -shift if isinstance(second, Negative) else shift
    return None


def _template(
    book: Book, seen: dict[str, tuple[str, Mark]], base: str, mark: Mark
) -> tuple[str, str] | None:
    """Return the defined quantity that is the same in another layer, and its letter."""
    last = "softmax" in book.outline.prose.lower()
    for name, (other, (letter, shift)) in seen.items():
        if other != base or shift or not letter or not letter[-1].islower():
            continue
        if mark == (letter, 0) or not any(known == name for known, _ in book.definitions):
            continue
        if mark[0] == letter or not last:  # a softmax at the end is no layer like the others
            return name, letter
    return None


def _moved(found: Definition, name: str, letter: str, mark: Mark) -> Definition:
    return replace(found, name=name, body=_shifted(found.body, letter, mark))


def _shifted(tree: Expr, letter: str, mark: Mark) -> Expr:
    """Return a tree with another layer put for a letter above its symbols."""
    changes: dict[str, object] = {}
    for part in fields(tree):
        value = getattr(tree, part.name)
        if part.name == "sups" and isinstance(tree, Symbol):
            new: object = tuple(_put(bare(one), letter, mark) for one in value)
        elif isinstance(value, Node):
            new = _shifted(value, letter, mark)  # type: ignore[arg-type]
        elif isinstance(value, tuple) and part.name != "span":
            new = tuple(_item(item, letter, mark) for item in value)
        else:
            continue
        if new != value:
            changes[part.name] = new
    return replace(tree, **changes) if changes else tree  # type: ignore[arg-type]


def _item(item: object, letter: str, mark: Mark) -> object:
    if isinstance(item, Node):
        return _shifted(item, letter, mark)  # type: ignore[arg-type]
    return tuple(_item(one, letter, mark) for one in item) if isinstance(item, tuple) else item


def _put(tree: Expr, letter: str, mark: Mark) -> Expr:
    found = _mark(tree)
    if found is None or found[0] != letter:
        return tree
    shift = found[1] + mark[1]
    if not mark[0]:
        return Number(Fraction(shift))
    new = Symbol(mark[0].removeprefix("\\"))
    if not shift:
        return new
    number = Number(Fraction(abs(shift)))
    return Sum((new, number if shift > 0 else Negative(number)))


def elsewhere(book: Book, name: str) -> bool:
    """Whether a quantity has a formula in other layers only."""
    base, mark, _ = name.partition("^{(")
    others = [known for known, _ in book.definitions if known.startswith(base + "^{(")]
    return bool(mark) and bool(others) and name not in others


def _derivatives(book: Book, seen: dict[str, tuple[str, Mark]]) -> None:
    """Let what is differentiated by one layer depend on the others that the text has too."""
    marks = {mark for _, mark in seen.values() if mark[0] and mark[1] > 0}
    for pairs in book.letters.derived.values():
        for of, variable in list(pairs):
            found = _mark_of(book, variable)
            if found is None or found[1][1]:
                continue
            for mark in marks:
                if mark[0] == found[1][0]:
                    moved = _shifted(variable, mark[0], mark)
                    name = book.letters.split(moved)[0]  # type: ignore[arg-type]
                    if any(known == name for known, _ in book.definitions):
                        pairs.append((of, moved))  # type: ignore[arg-type]


def _loosen(book: Book) -> None:
    """Forget what a cost is by the last layer where the text speaks of any layer."""
    for name, pairs in book.letters.derived.items():
        letters = set()
        for _, variable in pairs:
            found = _mark_of(book, variable)
            if found is not None and found[1][0][-1:].islower():
                letters.add(found[1][0])
        if not letters or not book.defined(name, 0):
            continue
        for statement in book.outline.statements:
            marks = set()
            for side in statement.sides:
                for node in side.tree.walk():
                    if isinstance(node, Symbol) and node.sups:
                        found = _mark_of(book, node)
                        if found is not None:
                            marks.add(found[1][0])
            own = book.definitions[(name, 0)][0].number == statement.number
            if marks & letters and not own:
                book.loose.add((name, statement.number))
