"""LaTeX files: the body, without comments; sections and items as headings and items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from softxent.derive.document import Pin, Prose
from softxent.derive.scan import _markup
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markup import Piece, Rules
from softxent.derive.scan._view import View

RULES = Rules(latex=True)
_COMMENT = re.compile(r"\\.|%(?P<words>[^\n]*)(?:\n(?![ \t\r]*\n))?", re.DOTALL)
_VERB = re.compile(r"\\verb\*?([^A-Za-z\s*])[^\n]{0,300}?\1")
_STRUCTURE = re.compile(
    r"\\(?:(?P<section>(?:sub)*section|part|chapter|(?:sub)?paragraph)\*?(?:\[[^\[\]]*\])?\s*\{"
    r"|(?P<item>item)(?![A-Za-z])(?:\[(?P<label>[^\[\]]*)\])?"
    r"|(?P<edge>begin|end)\s*\{(?:itemize|enumerate|description)\}(?:\[[^\[\]]*\])?)"
)
_LEVELS = {"part": 1, "chapter": 1, "section": 1, "subsection": 2, "subsubsection": 3}
_DECORATION = re.compile(
    r"\\(?:emph|text[a-z]{2}|underline|textnormal|footnote)\s*\{([^{}]*)\}|"
    r"\\(?:label|cite[a-z]*|ref|eqref|[vh]space|input|bibliography[a-z]*)\*?(?:\[[^\[\]]*\])?\{[^{}]*\}|"
    r"\\(?:begin|end)\s*\{[^{}]*\}(?:\[[^\[\]]*\])?|"
    r"\\(?:noindent|medskip|bigskip|smallskip|newpage|maketitle|par|centering|qed)(?![A-Za-z])"
)


def read(text: str) -> Iterator[Piece]:
    """Return the pieces of a LaTeX text."""
    view = View.of(text)
    pins: list[Pin] = []
    view = view.sub(_COMMENT, lambda found: _comment(found, view, pins))
    macros = Macros(view.text)
    begin = view.text.find("\\begin{document}")
    if begin >= 0:
        begin += len("\\begin{document}")
        end = view.text.find("\\end{document}", begin)
        view = view.cut(begin, end if end >= 0 else len(view.text))
    view = view.sub(_VERB, lambda found: "")
    yield from pins
    for piece in _markup.read(_structured(view), RULES, macros):
        if isinstance(piece, Prose):
            words = _DECORATION.sub(lambda found: found[1] or "", piece.text).replace("~", " ")
            piece = replace(piece, text=_brace_of_heading(words.strip()))
            if not piece.text and piece.kind != "item":
                continue
        yield piece


def _brace_of_heading(words: str) -> str:
    """Drop the brace that closed a heading."""
    if words.count("}") > words.count("{"):
        words = words[1:] if words.startswith("}") else words.removesuffix("}")
    return words.strip()


def _comment(found: re.Match[str], view: View, pins: list[Pin]) -> str | None:
    words = found["words"]
    if words is None:
        return None
    name, colon, rest = words.partition(":")
    if colon and name.strip().lower() == "softxent":
        start = view.place(found.start())
        pins.append(Pin(rest.strip(), start, start + 1 + len(words)))
    return " "


def _structured(view: View) -> View:
    depth = 0

    def change(found: re.Match[str]) -> str:
        nonlocal depth
        if found["section"]:
            return "\n\n" + "#" * _LEVELS.get(found["section"], 4) + " "
        if found["edge"]:
            depth = max(0, depth + (1 if found["edge"] == "begin" else -1))
            return "\n\n"
        return "\n\n" + " " * min(depth, 20) + "- " + (found["label"] or "")

    return view.sub(_STRUCTURE, change)
