"""Markdown of any dialect: Jekyll, GitHub, Pandoc, Obsidian, Hugo, MyST."""

from __future__ import annotations

import re
from collections.abc import Iterable

from softxent.derive.scan import _markup
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markup import Piece, Rules
from softxent.derive.scan._view import View

RULES = Rules(markdown=True)
_FRONT_MATTER = re.compile(r"\ufeff?(-{3}|\+{3})[ \t]*\r?\n")


def read(text: str) -> Iterable[Piece]:
    """Return the pieces of a Markdown text."""
    view = View.of(text).cut(front_matter(text), len(text))
    return _markup.read(view, RULES, Macros(text))


def front_matter(text: str) -> int:
    """Return where the document begins behind its front matter."""
    opening = _FRONT_MATTER.match(text)
    if not opening:
        return 0
    close = re.compile(rf"^{re.escape(opening[1])}[ \t\r]*$", re.M).search(text, opening.end())
    return close.end() if close else 0
