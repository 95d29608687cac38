"""Documents to mathematics: finds every formula in a text, with the place of each character.

>>> from softxent.derive.document import Formula
>>> document = scan("The softmax $y_k = e^{z_k} / Z$ costs $5 or $6.")
>>> [piece.tex for piece in document.pieces if isinstance(piece, Formula)]
['y_k = e^{z_k} / Z']
"""

from __future__ import annotations

from softxent.derive.document import Document
from softxent.derive.scan._dialects import DIALECTS, SUFFIXES, dialect_of

__all__ = ["DIALECTS", "SUFFIXES", "scan"]


def scan(text: str, dialect: str | None = None, path: str = "") -> Document:
    """Return the formulas of a document, and the prose between them, in order.

    dialect: "markdown", "latex", "html", "notebook", "python" or "text"; by default what the
    path's suffix says, else what the text looks like. Never raises, whatever the text is.
    """
    if dialect is None:
        dialect = dialect_of(text, path)
    elif dialect not in DIALECTS:
        raise ValueError(f"dialect is {dialect!r}; expected one of {', '.join(DIALECTS)}")
    pieces = DIALECTS[dialect](text)
    return Document(text, dialect, tuple(sorted(pieces, key=lambda piece: piece.start)))
