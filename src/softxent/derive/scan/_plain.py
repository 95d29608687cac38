"""Plain text: what TeX there is, and lines of mathematics typed with Unicode; reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from softxent.derive.document import Formula, Prose
from softxent.derive.scan import _markup, _prose
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markup import Piece, Rules
from softxent.derive.scan._typed import typed_mathematics, typed_to_tex
from softxent.derive.scan._view import View

RULES = Rules(rst=True)
_LINE = re.compile(r"[^\n]+")


def read(text: str) -> Iterable[Piece]:
    """Return the pieces of a plain text."""
    view = View.of(text)
    pieces = list(_markup.read(view, RULES, Macros(text)))
    if any(isinstance(piece, Formula) for piece in pieces):
        return pieces
    return _typed(view)


def _typed(view: View) -> Iterator[Formula | Prose]:
    """Yield lines such as `∂C/∂z_i = y_i − t_i` as formulas; alone in a line it is a display."""
    last = 0
    for line in _LINE.finditer(view.text):
        for start, stop in typed_mathematics(line.group()):
            begin, end = line.start() + start, line.start() + stop
            yield from _prose.split(view, last, begin)
            last = end
            tex = typed_to_tex(view.cut(begin, end)).strip()
            display = not re.search(r"\w", line.group()[:start] + line.group()[stop:])
            behind = view.place(end - 1) + 1
            yield Formula(tex.text, tex.places(), display, view.place(begin), behind)
    yield from _prose.split(view, last, len(view.text))
