r"""What all dialects share: delimiters, environments, and how a formula is cut out.

At each opening delimiter the next one of its kind is looked up: if it closes, there is a formula;
if it opens again, or a sentence stands between, the first was no delimiter and reading goes on
right behind it. So every character is looked at a fixed number of times, however broken the text
is.
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
from softxent.derive.scan._sentences import is_money, is_prose
from softxent.derive.scan._undo import undo
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


_PAIRS = {
    **{d: re.compile(r"\\\\[()]|\\." if d == "\\\\(" else r"\\\\[\[\]]|\\.", re.S)
       for d in ("\\\\(", "\\\\[")},
    **{d: re.compile(r"\\.", re.S) for d in ("\\(", "\\[")},
    "$": re.compile(r"\\.|\$", re.S),
    "$$": re.compile(r"\\.|\$\$", re.S),
}  # fmt: skip
_CLOSES = {"\\\\(": "\\\\)", "\\\\[": "\\\\]", "\\(": "\\)", "\\[": "\\]", "$": "$", "$$": "$$"}
_BLANK = re.compile(r"\n[ \t\r]*(?=\n)")


class Reader:
    """Goes through a text; a method for each kind of token returns where to read on."""

    def __init__(self, view: View, rules: Rules, macros: Macros, token: re.Pattern[str]) -> None:
        self.view, self.text, self.rules, self.macros = view, view.text, rules, macros
        self.token = token
        self.blanks = [found.start() for found in _BLANK.finditer(self.text)]
        self.ends = matching_ends(self.text)
        self.absent: set[str] = set()  # what was looked for and is not in the rest of the text
        self.found: list[tuple[int, int, Formula | Pin | None]] = []

    def pieces(self) -> Iterator[Piece]:
        """Yield formulas, pins and the prose between them."""
        at = 0
        while token := self.token.search(self.text, at):
            handler: Callable[[re.Match[str]], int] = getattr(self, f"_{token.lastgroup}", _skip)
            at = handler(token)
        last = 0
        for start, stop, piece in self.found:
            yield from _prose.split(self.view, last, start)
            if piece is not None:
                yield piece
            last = stop
        yield from _prose.split(self.view, last, len(self.text))

    # ------------------------------------------------------------------ delimiters
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

    # ------------------------------------------------------------------ shared
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
        inside = self.text[start:stop]
        if not self.rules.latex:
            if opening == "$" and self.rules.markdown and "`" in inside:
                return start  # the second one is in a piece of code
            if opening == "$" and is_money(inside, self.text[stop + 1 : stop + 2]):
                return start
            if is_prose(inside, inline=inline):
                return start
        doubled = len(opening) == 3
        return self._formula(token.start(), start, stop, mark.end(), not inline, doubled=doubled)

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
