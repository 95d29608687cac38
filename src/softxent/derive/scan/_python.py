"""Python source: the formulas in docstrings, other long strings and comments of any project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from softxent.derive.document import Pin, Prose
from softxent.derive.scan import _markup
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markup import Piece, Rules
from softxent.derive.scan._view import View

RULES = Rules(rst=True)
_TOKEN = re.compile(
    r"\b(?:def|class)[ \t]+(?P<name>\w+)|(?P<comment>\#)"
    r"|(?P<prefix>\b[rRbBuUfF]{1,2})?(?P<quote>\"\"\"|'''|[\"'])"
)
_CLOSE = {
    '"""': re.compile(r'[^\\"]*(?:(?:\\.|"(?!""))[^\\"]*)*', re.DOTALL),
    "'''": re.compile(r"[^\\']*(?:(?:\\.|'(?!''))[^\\']*)*", re.DOTALL),
    '"': re.compile(r'[^\\"\n]*(?:\\.[^\\"\n]*)*', re.DOTALL),
    "'": re.compile(r"[^\\'\n]*(?:\\.[^\\'\n]*)*", re.DOTALL),
}
_BLOCK = re.compile(r"(?:[ \t]*#[^\n]*(?:\n|\Z))+")
_LINE = re.compile(r"[^\n]*")
_HASHES = re.compile(r"^[ \t]*#[:!]?[ \t]?", re.MULTILINE)
_MATHEMATICS = re.compile(r"[$\\]|:math:|\.\. math::")
_PIN = re.compile(r"#\s*softxent:[ \t]*([^\n]*)", re.IGNORECASE)
_ESCAPE = re.compile(
    r"\\(?:\n|[\\'\"]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[abfnrtv](?P<rest>[A-Za-z]*))"
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# Python reads `\frac` as a form feed and "rac" unless the string is raw; its author meant \frac.
_COMMANDS = frozenset(
    "alpha approx arctan arg argmax argmin bar because begin beta big bigg bigl bigr binom bm bmod "
    "boldsymbol boxed frac forall nabla ne neq newline ni nonumber not notag notin nu rangle "
    "rbrace rceil rfloor rho right rightarrow rm rVert rvert tag tan tanh tau text textbf textit "
    "textrm tfrac theta therefore tilde times to top triangleq varepsilon varphi vartheta vdots "
    "vec vert vee".split()
)


def read(text: str) -> Iterator[Piece]:
    """Return the pieces of a Python source."""
    whole, macros = View.of(text), Macros("")
    name, at = "", 0
    while token := _TOKEN.search(text, at):
        at = token.end()
        if token["name"]:
            name = token["name"]
            continue
        if token["comment"]:
            line = text.rfind("\n", 0, token.start()) + 1
            alone = not text[line : token.start()].strip()
            block = (_BLOCK if alone else _LINE).match(text, line if alone else token.start())
            at = block.end() if block else at
            begin = line if alone else token.start()
            yield from _comment(whole, begin, at, macros)
            continue
        close = _CLOSE[token["quote"]].match(text, at)
        stop = close.end() if close else at
        at = min(len(text), stop + len(token["quote"]))
        prefix = (token["prefix"] or "").lower()
        if len(token["quote"]) < 3 or "b" in prefix or "f" in prefix:
            continue
        view = whole.cut(token.end(), stop)
        if not _MATHEMATICS.search(view.text):
            continue
        if "r" not in prefix:
            view = view.sub(_ESCAPE, _character)
        # What one docstring calls y is nothing to the next one.
        yield Prose(name or "module", token.start(), token.start(), "heading", 1)
        yield from _markup.read(view, RULES, macros)


def _comment(whole: View, start: int, stop: int, macros: Macros) -> Iterator[Piece]:
    view = whole.cut(start, stop)
    pins = [
        Pin(found[1].strip(), start + found.start(), start + found.end())
        for found in _PIN.finditer(view.text)
    ]
    yield from pins
    if not pins and _MATHEMATICS.search(view.text):
        yield from _markup.read(view.sub(_HASHES, lambda found: ""), RULES, macros)


def _character(found: re.Match[str]) -> str | None:
    escape = found.group()[1:]
    if escape == "\n":
        return ""
    if escape[0] in "\\'\"":
        return escape
    if escape[0] in "xuU":
        code = int(escape[1:], 16)
        return chr(code) if code < 0x110000 else None
    if escape in _COMMANDS:
        return None
    return _LETTERS[escape[0]] + found["rest"]
