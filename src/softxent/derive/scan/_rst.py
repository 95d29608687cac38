r"""reStructuredText: `.. math::`, `:math:`, code blocks, doctests."""

from __future__ import annotations

import re
from bisect import bisect_left

from softxent.derive.scan._base import Reader, Rules
from softxent.derive.scan._fences import same_runs
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._view import View

TOKEN = r"""
| (?P<role>:math:`)
| (?P<directive>^(?P<margin>[ \t]*)\.\.[ \t]+(?P<name>[\w-]+)::(?P<argument>[^\n]*)$)
| (?P<literal>::[ \t\r]*$)
| (?P<doctest>^[ \t]*>>>[ ])
| (?P<ticks>`+)
"""
_CODE = {"code", "codeblock", "highlight", "prompt", "literalinclude", "parsedliteral", "doctest",
         "testcode", "testoutput", "sourcecode", "ipython", "plot"}  # fmt: skip


class Rst(Reader):
    """Reads what reStructuredText and docstrings have."""

    def __init__(self, view: View, rules: Rules, macros: Macros, token: re.Pattern[str]) -> None:
        super().__init__(view, rules, macros, token)
        self.closing_ticks = same_runs(self.text)

    def _ticks(self, token: re.Match[str]) -> int:
        close = self.closing_ticks.get(token.start())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return close + len(token.group())

    def _role(self, token: re.Match[str]) -> int:
        close = self._find("`", token.end())
        if close is None or self._blank_between(token.end(), close):
            return token.end()
        return self._formula(token.start(), token.end(), close, close + 1, False)

    def _directive(self, token: re.Match[str]) -> int:
        name = token["name"].replace("-", "")
        stop = self._block_end(token.end(), self._margin(token["margin"], token.start()))
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
            if paragraph.count("\\begin{") > paragraph.count("\\end{") and blank < stop:
                continue  # or goes on in the next
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
        return self._mask(token.end(), self._block_end(token.end(), self._margin(margin, line)))

    def _margin(self, blanks: str, line: int) -> int:
        """Return how far a line is indented; a docstring's first line as far as its quotes."""
        if line == 0 and not blanks:
            last = self.text[self.text.rfind("\n") + 1 :]
            return len(last.expandtabs()) if last.isspace() else 0
        return len(blanks.expandtabs())

    def _doctest(self, token: re.Match[str]) -> int:
        where = bisect_left(self.blanks, token.start())
        stop = self.blanks[where] if where < len(self.blanks) else len(self.text)
        return self._mask(token.start(), stop)
