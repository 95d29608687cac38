"""Which dialect a document is written in, and who reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from softxent.derive.scan import _html, _latex, _markdown, _notebook, _plain, _python
from softxent.derive.scan._markup import Piece

DIALECTS: dict[str, Callable[[str], Iterable[Piece]]] = {
    "markdown": _markdown.read,
    "latex": _latex.read,
    "html": _html.read,
    "notebook": _notebook.read,
    "python": _python.read,
    "text": _plain.read,
}
SUFFIXES = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".rmd", ".qmd"), "markdown"),
    **dict.fromkeys((".tex", ".ltx", ".latex"), "latex"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".ipynb": "notebook",
    **dict.fromkeys((".py", ".pyi"), "python"),
    **dict.fromkeys((".rst", ".rest"), "text"),
}
"""Of files that are read wherever a folder is named; a `.txt` says nothing."""

_BEGINNING = 20_000  # characters that are looked at
_LATEX = re.compile(r"^[ \t]*\\(?:documentclass|begin\{document\}|section|usepackage)", re.M)
_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html|head|body)\b", re.I)
_NOTEBOOK = re.compile(r'\s*\{\s*"(?:cells|metadata|nbformat)"')
_PYTHON = re.compile(r'^(?:#!.*python|from \w[\w.]* import |import \w+|def \w+\(|[rRuU]?""")', re.M)
_MARKDOWN = re.compile(
    r"^#{1,6} |^(?:```|~~~)|\A---\r?\n|^:{3,} ?\{|\{math\}`|\{\{[<%] ?/?\w|\{% ?\w"
    r"|!\[[^\[\]\n]{0,200}\]\(",
    re.M,
)
_RST = re.compile(r"^[ \t]*\.\. math::|:math:`", re.M)
_DELIMITED = re.compile(r"\$[^\s$]|\$\$|\\[(\[]|\\begin\{|^```math|math/tex", re.M)


def dialect_of(text: str, path: str = "") -> str:
    """Return the dialect, by the path's suffix or else by what the text looks like."""
    known = SUFFIXES.get(os.path.splitext(path)[1].lower())
    if known:
        return known
    beginning = text[:_BEGINNING]
    if _NOTEBOOK.match(beginning) and '"cell_type"' in text:
        return "notebook"
    if _HTML.match(beginning):
        return "html"
    if _LATEX.search(beginning):
        return "latex"
    if _MARKDOWN.search(beginning):
        return "markdown"
    if _PYTHON.search(beginning):
        return "python"
    if _RST.search(text):
        return "text"
    return "markdown" if _DELIMITED.search(text) else "text"
