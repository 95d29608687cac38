"""What authors pin with comments: "y is target", "K is size", "x is positive"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softxent.derive.understand.symbols import GREEK

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book


def pinned(book: Book) -> None:
    """Give the symbols of a book the roles that its author pinned."""
    for pin in book.outline.pins:
        words = pin.replace("softxent:", "").replace("$", "").split()
        if len(words) < 3 or words[1] not in ("is", "are"):
            continue
        name, role = words[0], words[-1].strip(".,;")
        if name in GREEK:
            name = "\\" + name
        if role in ("target", "targets", "label", "labels"):
            book.targets.add(name)
        elif role in ("size", "count"):
            book.letters.sizes.add(name)
        elif role in ("logit", "logits", "score", "scores"):
            book.letters.exponents.add(name)
            book.targets.discard(name)
        elif role in ("positive", "probability", "probabilities", "output", "outputs"):
            book.letters.logged.add(name)
            book.targets.discard(name)
        elif role in ("index", "letter"):
            book.letters.bound.add(name)
