r"""The scanner: finds every formula in a text, whatever the delimiters, and what lies between.

One pass from left to right. At each opening delimiter the next one of its kind is looked up: if it
closes, there is a formula; if it opens again, or a sentence stands between, the first was no
delimiter and reading goes on right behind it. So every character is looked at a fixed number of
times, however broken the text is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from softxent.derive.document import Formula, Pin, Prose
from softxent.derive.scan import _prose
from softxent.derive.scan._environments import MATHEMATICS, VERBATIM, matching_ends
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._undo import is_prose, undo
from softxent.derive.scan._view import View

Piece = Formula | Prose | Pin


@dataclass(frozen=True, slots=True)
class Rules:
    """What a dialect knows beyond the delimiters that all share."""

    markdown: bool = False
    """Fences, `code`, `\\\\(`, comments and scripts in HTML."""
    rst: bool = False
    """`.. math::`, `:math:`, code blocks, doctests."""
    latex: bool = False
    """A dollar is never money."""


_TOKEN = r"""
  (?P<begin>\\begin[ ]?\{(?P<env>[A-Za-z]+\*?)\})
| (?P<open>%s\\[(\[])
| (?P<escape>\\.)
| (?P<dollars>\$\$?)
"""
_MARKDOWN = r"""
| (?P<fence>^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$)
| (?P<ticks>`+)
| (?P<comment><!--)
| (?P<raw><(?P<tag>script|style|pre|code|textarea|kbd|svg|math)\b(?P<attributes>[^<>]*)>)
| (?P<other></?[A-Za-z][^<>\n]*>)
| (?P<obsidian>%%)
| (?P<liquid>\{(?:%|\{<)-?\s*(?P<shortcode>\w+)(?P<option>[^{}\n]*?)-?(?:%|>\})\})
| (?P<reference>^[ ]{0,3}\[//\]:\s*\#\s*\((?P<pin>[^\n]*)\)[ \t\r]*$)
"""
_RST = r"""
| (?P<role>:math:`)
| (?P<directive>^(?P<margin>[ \t]*)\.\.[ \t]+(?P<name>[\w-]+)::(?P<argument>[^\n]*)$)
| (?P<literal>::[ \t\r]*$)
| (?P<doctest>^[ \t]*>>>[ ])
| (?P<ticks>`+)
"""
_FLAGS = re.VERBOSE | re.MULTILINE | re.DOTALL
_PAIRS = {
    **{d: re.compile(r"\\\\[()]|\\." if d == "\\\\(" else r"\\\\[\[\]]|\\.", re.S)
       for d in ("\\\\(", "\\\\[")},
    **{d: re.compile(r"\\.", re.S) for d in ("\\(", "\\[")},
    "$": re.compile(r"\\.|\$", re.S),
    "$$": re.compile(r"\\.|\$\$", re.S),
}  # fmt: skip
_CLOSES = {"\\\\(": "\\\\)", "\\\\[": "\\\\]", "\\(": "\\)", "\\[": "\\]", "$": "$", "$$": "$$"}
_BLANK = re.compile(r"\n[ \t\r]*(?=\n)")
_TICKS = re.compile("`+")
_CODE = {"code", "codeblock", "highlight", "prompt", "literalinclude", "parsedliteral", "doctest",
         "testcode", "testoutput", "sourcecode", "ipython", "plot"}  # fmt: skip
_SHORTCODES = {"katex", "math", "latex", "mathjax", "equation"}


def read(view: View, rules: Rules, macros: Macros) -> Iterator[Piece]:
    """Yield formulas, pins and the prose between them, in order."""
    return _Reader(view, rules, macros).pieces()


class _Reader:
    def __init__(self, view: View, rules: Rules, macros: Macros) -> None:
        self.view, self.text, self.rules, self.macros = view, view.text, rules, macros
        tokens = _TOKEN % (r"\\\\[(\[]|" if rules.markdown else "")
        tokens += _MARKDOWN if rules.markdown else _RST if rules.rst else ""
        self.token = re.compile(tokens, _FLAGS)
        self.blanks = [found.start() for found in _BLANK.finditer(self.text)]
        self.ends = matching_ends(self.text)
        self.closing_ticks = _same_runs(self.text) if rules.markdown or rules.rst else {}
        self.absent: set[str] = set()  # what was looked for and is not in the rest of the text
        self.found: list[tuple[int, int, Formula | Pin | None]] = []

    def pieces(self) -> Iterator[Piece]:
        self._read()
        last = 0
        for start, stop, piece in self.found:
            yield from _prose.split(self.view, last, start)
            if piece is not None:
                yield piece
            last = stop
        yield from _prose.split(self.view, last, len(self.text))

    def _read(self) -> None:
        at = 0
        while token := self.token.search(self.text, at):
            handler: Callable[[re.Match[str]], int] = getattr(self, f"_{token.lastgroup}", _skip)
            at = handler(token)

    # Each of these takes an opening token and returns where to read on.

    def _open(self, token: re.Match[str]) -> int:
        return self._pair(token, token.group(), inline=token.group()[-1] == "(")

    def _dollars(self, token: re.Match[str]) -> int:
        if self.text.startswith("`", token.end()) and self.rules.markdown:  # $`x`$ of GitHub
            close = self._find("`$", token.end())
            if close is not None and not self._blank_between(token.end(), close):
                return self._formula(token.start(), token.end() + 1, close, close + 2, False)
        return self._pair(token, token.group(), inline=token.group() == "$")

    def _begin(self, token: re.Match[str]) -> int:
        end = self.ends.get(token.start())
        name = token["env"]
        if name in VERBATIM and end:
            return self._mask(token.start(), end)
        if name not in MATHEMATICS or not end:
            return token.end()
        if not MATHEMATICS[name]:  # it is part of the TeX, as cases are
            return self._formula(token.start(), token.start(), end, end, True)
        start = token.end()
        option = re.compile(r"\s*\{\s*\w{0,9}\s*\}|\[[a-z]?\]").match(self.text, start)
        if option and name.rstrip("*") in ("alignat", "xalignat", "IEEEeqnarray"):
            start = option.end()
        close = self.text.rindex("\\end", start, end)
        display = name != "math"
        return self._formula(token.start(), start, close, end, display, name if display else "")

    def _ticks(self, token: re.Match[str]) -> int:
        close = self.closing_ticks.get(token.start())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return close + len(token.group())

    def _fence(self, token: re.Match[str]) -> int:
        mark = token["mark"]
        pattern = rf"^[ \t>]*{mark[0]}{{{len(mark)},}}[ \t\r]*$"
        close = self._search(pattern, min(token.end() + 1, len(self.text)))
        stop, end = (close.start(), close.end()) if close else (len(self.text), len(self.text))
        info = token["info"].strip().lower()
        if re.fullmatch(r"\{?math\}?", info) and close:
            start = token.end()
            while option := re.compile(r"\s*:\w+:[^\n]*").match(self.text, start, stop):
                start = option.end()
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

    def _liquid(self, token: re.Match[str]) -> int:
        name = token["shortcode"].lower()
        if name not in _SHORTCODES and name not in ("highlight", "comment", "code"):
            return token.end()
        close = self._search(rf"\{{(?:%|\{{<)-?\s*(?:end|/\s*){name}\b[^{{}}\n]*\}}", token.end())
        if close is None:
            return token.end()
        inside = self.text[token.end() : close.start()]
        if name in ("highlight", "comment", "code"):
            return self._mask(token.start(), close.end())
        if re.search(r"\$|\\\\?[(\[]", inside):  # delimiters of its own
            return token.end()
        display = "display" in token["option"] or "\n" in inside
        return self._formula(token.start(), token.end(), close.start(), close.end(), display)

    def _role(self, token: re.Match[str]) -> int:
        close = self._find("`", token.end())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return self._formula(token.start(), token.end(), close, close + 1, False)

    def _directive(self, token: re.Match[str]) -> int:
        name = token["name"].replace("-", "")
        stop = self._block_end(token.end(), len(token["margin"].expandtabs()))
        if name in _CODE:
            return self._mask(token.start(), stop)
        if name != "math":
            return token.end()
        start = token.start("argument")
        while option := re.compile(r"\s*:[\w-]+:[^\n]*").match(self.text, start, stop):
            start = option.end()
        opening: int | None = token.start()
        for blank in [*self._blanks_in(start, stop), stop]:  # each paragraph is one equation
            paragraph = self.text[start:blank]
            if paragraph.strip():
                start += len(paragraph) - len(paragraph.lstrip())
                self._formula(opening or start, start, blank, blank, True)
                opening = None
            start = blank
        return stop

    def _literal(self, token: re.Match[str]) -> int:
        # Code follows, indented further than this line.
        line = self.text.rfind("\n", 0, token.start()) + 1
        beginning = self.text[line : token.start()]
        margin = beginning[: len(beginning) - len(beginning.lstrip())]
        if beginning.lstrip().startswith("..") or self._next_blank(token.end()) > token.end() + 1:
            return token.end()
        return self._mask(token.end(), self._block_end(token.end(), len(margin.expandtabs())))

    def _doctest(self, token: re.Match[str]) -> int:
        where = bisect_left(self.blanks, token.start())
        stop = self.blanks[where] if where < len(self.blanks) else len(self.text)
        return self._mask(token.start(), stop)

    # What they share.

    def _pair(self, token: re.Match[str], opening: str, *, inline: bool) -> int:
        start, closing = token.end(), _CLOSES[opening]
        if closing in self.absent:
            return start
        paragraph = self._next_blank(start) if inline else len(self.text)
        for mark in _PAIRS[opening].finditer(self.text, start):
            if mark.start() > paragraph:
                return start
            if mark.group() == closing:
                break
            if mark.group() == opening:
                return start
        else:
            if paragraph == len(self.text):
                self.absent.add(closing)
            return start
        stop = mark.start()
        if not self.text[start:stop].strip():
            return start
        if opening == "$" and not self.rules.latex and not self._good_dollars(start, stop):
            return start
        if not self.rules.latex and is_prose(self.text[start:stop], inline=inline):
            return start
        doubled = len(opening) == 3
        return self._formula(token.start(), start, stop, mark.end(), not inline, doubled=doubled)

    def _good_dollars(self, start: int, stop: int) -> bool:
        """Whether two single dollars are no prices: the rule of Pandoc, and a little more."""
        inside = self.text[start:stop]
        if self.rules.markdown and "`" in inside:  # the second one is in a piece of code
            return False
        if not inside[0].isspace() and not inside[-1].isspace():
            return not self.text[stop + 1 : stop + 2].isdigit()
        # MathJax takes `$ x = y $` too.
        words = re.search(r"[A-Za-z]{3,}\s+[A-Za-z]{3,}", inside)
        return len(inside.strip()) == 1 or bool(re.search(r"[\\^_=]", inside) and not words)

    def _formula(self, opening: int, start: int, stop: int, end: int, display: bool,
                 environment: str = "", *, doubled: bool = False) -> int:  # fmt: skip
        line = self.text.rfind("\n", max(0, opening - 200), opening) + 1
        quoted = self.rules.markdown and self.text[line:opening].lstrip().startswith(">")
        tex = undo(
            self.view.cut(start, stop), doubled=doubled, markdown=self.rules.markdown, quoted=quoted
        )
        tex = self.macros.expand(tex)
        if tex.text:
            first, behind = self.view.place(opening), self.view.place(end - 1) + 1
            formula = Formula(tex.text, tex.places(), display, first, behind, environment)
            self.found.append((opening, end, formula))
        else:
            self._mask(opening, end)
        return end

    def _pin(self, words: str, start: int, stop: int) -> int:
        name, colon, rest = words.partition(":")
        pin = None
        if colon and name.strip().lower() == "softxent":
            pin = Pin(rest.strip(), self.view.place(start), self.view.place(stop - 1) + 1)
        self.found.append((start, stop, pin))
        return stop

    def _mask(self, start: int, stop: int) -> int:
        self.found.append((start, stop, None))
        return max(stop, start + 1)

    def _find(self, words: str, start: int) -> int | None:
        if words in self.absent:
            return None
        found = self.text.find(words, start)
        if found < 0:
            self.absent.add(words)
            return None
        return found

    def _search(self, pattern: str, start: int) -> re.Match[str] | None:
        if pattern in self.absent:
            return None
        found = re.compile(pattern, re.MULTILINE).search(self.text, start)
        if found is None:
            self.absent.add(pattern)
        return found

    def _next_blank(self, start: int) -> int:
        where = bisect_left(self.blanks, start)
        return self.blanks[where] if where < len(self.blanks) else len(self.text)

    def _blank_between(self, start: int, stop: int) -> bool:
        return self._next_blank(start) < stop

    def _blanks_in(self, start: int, stop: int) -> list[int]:
        return self.blanks[bisect_left(self.blanks, start) : bisect_left(self.blanks, stop)]

    def _block_end(self, start: int, margin: int) -> int:
        """Where lines that are indented further than `margin` end."""
        stop = start
        for line in re.compile(r"^([ \t]*)[^\s][^\n]*$", re.MULTILINE).finditer(self.text, start):
            if line.start() > start:
                if len(line[1].expandtabs()) <= margin:
                    break
                stop = line.end()
        return stop


def _skip(token: re.Match[str]) -> int:
    return token.end()


def _same_runs(text: str) -> dict[int, int]:
    """Of each run of backticks, where the next one of the same length is."""
    following: dict[int, int] = {}
    closing: dict[int, int] = {}
    for run in reversed([found.span() for found in _TICKS.finditer(text)]):
        length = run[1] - run[0]
        if length in following:
            closing[run[0]] = following[length]
        following[length] = run[0]
    return closing
