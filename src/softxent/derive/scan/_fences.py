r"""What Markdown of all dialects has besides delimiters: fences, code, comments, shortcodes."""

from __future__ import annotations

import re

from softxent.derive.document import Formula
from softxent.derive.scan._base import Reader, Rules
from softxent.derive.scan._drawn import ADDRESS, drawn
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._view import View

TOKEN = rf"""
| (?P<fence>^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?P<mark>`{{3,}}|~{{3,}})(?P<info>[^`\n]*)$)
| (?P<colons>^[ \t]*:{{3,}}[ \t]*\{{math\}}[^\n]*$)
| (?P<myst>\{{math\}}`)
| (?P<ticks>`+)
| (?P<comment><!--)
| (?P<raw><(?P<tag>script|style|pre|code|textarea|kbd|svg|math)\b(?P<attributes>[^<>]*)>)
| (?P<other></?[A-Za-z][^<>\n]*>)
| (?P<link>{ADDRESS.pattern})
| (?P<obsidian>%%)
| (?P<bracket>\[(?P<name>latex|tex|math|katex|mathjax)\](?:\r?\n)?)
| (?P<quoted>\{{\{{[<%]-?\s{{0,9}}(?:tex|math|katex|latex|mathjax|equation)\s{{1,9}}(?:\w{{1,20}}=)?
    (?:"(?P<double>[^"\n]{{1,4000}})"|`(?P<back>[^`]{{1,4000}})`)(?P<rest>[^{{}}\n]{{0,40}})[%>]\}}\}})
| (?P<liquid>\{{(?:%|\{{[<%])-?\s{{0,9}}(?P<shortcode>\w{{1,30}})\b(?P<option>[^{{}}\n]{{0,200}})
    (?:%\}}\}}?|>\}}\}}))
| (?P<reference>^[ ]{{0,3}}\[//\]:\s{{0,9}}\#\s{{0,9}}\((?P<pin>[^\n]*)\)[ \t\r]*$)
"""
_TICKS = re.compile("`+")
_OPTION = re.compile(r"\s*:\w+:[^\n]*")
_SHORTCODES = {"katex", "math", "latex", "mathjax", "equation"}
_SKIPPED = {"highlight", "comment", "code"}
_DELIMITER = re.compile(r"\$|\\[(\[]|\\begin\{(?:equation|align|gather|eqnarray|multline|split)")
_EQUATION = re.compile(r"[=<>]|\\(?:approx|le|ge|ne|equiv|in)(?![A-Za-z])")
_SOURCE = re.compile(r"\\(?:documentclass|usepackage|begin\{document|section|item)")


class Markdown(Reader):
    """Reads what no other dialect has."""

    def __init__(self, view: View, rules: Rules, macros: Macros, token: re.Pattern[str]) -> None:
        super().__init__(view, rules, macros, token)
        self.closing_ticks = same_runs(self.text)
        self.closing: set[int] = set()

    def _ticks(self, token: re.Match[str]) -> int:
        close = self.closing_ticks.get(token.start())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return close + len(token.group())

    def _fence(self, token: re.Match[str]) -> int:
        mark = token["mark"]
        if token.start() in self.closing:  # of a fence whose inside was read
            return token.end()
        pattern = rf"^[ \t>]*{mark[0]}{{{len(mark)},}}[ \t\r]*$"
        close = self._search(pattern, min(token.end() + 1, len(self.text)))
        stop, end = (close.start(), close.end()) if close else (len(self.text), len(self.text))
        info = token["info"].strip().lower()
        inside = self.text[token.end() : stop]
        if close and info in ("latex", "tex") and _DELIMITER.search(inside):
            self.closing.add(close.start())
            return token.end()
        tex = info in ("latex", "tex") and _EQUATION.search(inside) and not _SOURCE.search(inside)
        if close and (tex or re.fullmatch(r"\{?(?:math|katex)\}?", info)):
            start = self._behind_options(token.end(), stop)
            return self._formula(token.start("mark"), start, stop, end, True)
        return self._mask(token.start(), end)

    def _comment(self, token: re.Match[str]) -> int:
        close = self._find("-->", token.end())
        if close is None:
            return token.end()
        words = self.text[token.end() : close].strip()
        return self._pin(words, token.start(), close + 3)

    def _reference(self, token: re.Match[str]) -> int:
        return self._pin(token["pin"].strip(), token.start(), token.end())

    def _raw(self, token: re.Match[str]) -> int:
        close = self._search(rf"(?i)</{token['tag']}\s*>", token.end())
        if close is None:
            return token.end()
        attributes = token["attributes"]
        if token["tag"] == "script" and "math/tex" in attributes:
            display = "display" in attributes
            return self._formula(token.start(), token.end(), close.start(), close.end(), display)
        if token["tag"] in ("code", "kbd"):  # part of a sentence
            return close.end()
        return self._mask(token.start(), close.end())

    def _obsidian(self, token: re.Match[str]) -> int:
        close = self._find("%%", token.end())
        return token.end() if close is None else self._mask(token.start(), close + 2)

    def _colons(self, token: re.Match[str]) -> int:
        close = self._search(r"^[ \t]*:{3,}[ \t\r]*$", token.end())
        if close is None:
            return token.end()
        start = self._behind_options(token.end(), close.start())
        return self._formula(token.start(), start, close.start(), close.end(), True)

    def _behind_options(self, start: int, stop: int) -> int:
        """Return where a directive's `:label: name` lines end."""
        while option := _OPTION.match(self.text, start, stop):
            start = option.end()
        return start

    def _myst(self, token: re.Match[str]) -> int:
        close = self._find("`", token.end())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return self._formula(token.start(), token.end(), close, close + 1, False)

    def _bracket(self, token: re.Match[str]) -> int:
        close = self._find(f"[/{token['name']}]", token.end())
        if close is None:
            return token.end()
        end = close + len(token["name"]) + 3
        return self._formula(token.start(), token.end(), close, end, "\n" in token.group())

    def _link(self, token: re.Match[str]) -> int:
        """An address that draws a formula: `![..](https://latex.codecogs.com/svg?a%20=%20b)`."""
        start, stop = token.span("query")
        depth = 0
        for place in range(start, stop):
            depth += {"(": 1, ")": -1}.get(self.text[place], 0)
            if depth < 0:
                stop = place
                break
        return self._drawn(start, stop, start, stop)

    def _other(self, token: re.Match[str]) -> int:
        found = ADDRESS.search(self.text, token.start(), token.end())
        if not found:
            return token.end()
        return self._drawn(*found.span("query"), token.start(), token.end())

    def _drawn(self, start: int, stop: int, opening: int, end: int) -> int:
        tex = self.macros.expand(drawn(self.view.cut(start, stop)))
        if tex.text:
            first, behind = self.view.place(opening), self.view.place(end - 1) + 1
            formula = Formula(tex.text, tex.places(), False, first, behind)
            self.found.append((opening, end, formula))
        return end

    def _liquid(self, token: re.Match[str]) -> int:
        name = token["shortcode"].lower()
        if name not in _SHORTCODES and name not in _SKIPPED:
            return token.end()
        close = self._search(
            rf"\{{(?:%|\{{[<%])-?\s{{0,9}}(?:end|/\s{{0,9}}){name}\b[^{{}}\n]{{0,80}}\}}{{1,2}}",
            token.end(),
        )
        if close is None:
            return token.end()
        inside = self.text[token.end() : close.start()]
        if name in _SKIPPED:
            return self._mask(token.start(), close.end())
        if re.search(r"\$|\\\\?[(\[]", inside):  # delimiters of its own
            return token.end()
        display = "display" in token["option"] or "\n" in inside
        return self._formula(token.start(), token.end(), close.start(), close.end(), display)

    def _quoted(self, token: re.Match[str]) -> int:
        which = "double" if token["double"] is not None else "back"
        start, stop = token.span(which)
        return self._formula(token.start(), start, stop, token.end(), "display" in token["rest"])


def same_runs(text: str) -> dict[int, int]:
    """Of each run of backticks, where the next one of the same length is."""
    following: dict[int, int] = {}
    closing: dict[int, int] = {}
    for run in reversed([found.span() for found in _TICKS.finditer(text)]):
        length = run[1] - run[0]
        if length in following:
            closing[run[0]] = following[length]
        following[length] = run[0]
    return closing
