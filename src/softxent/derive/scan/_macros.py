r"""Abbreviations of the author: `\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}}`.

They are replaced before anything is parsed; a character that comes from a macro stands at its use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from softxent.derive.scan._view import Builder, View

_DEFINITION = re.compile(
    r"\\(?:(?:re|provide)?newcommand|providecommand|def|gdef|DeclareMathOperator|let)(?![A-Za-z])\*?"
    r"\s{0,20}\{?\s{0,20}\\(?P<name>[A-Za-z]+)\s{0,20}\}?\s{0,20}(?:\[(?P<count>\d)\])?"
    r"(?:\[(?P<first>[^\[\]]*)\])?(?P<hashes>(?:\#\d)*)\s{0,20}=?\s{0,20}(?P<same>\\[A-Za-z]+)?"
)
_USE = re.compile(r"\\([A-Za-z]+)")
_ARGUMENT = re.compile(r"\s*(?:(\{)|(\\[A-Za-z]+|\\.|[^\s\\{}]))", re.DOTALL)
_OPTIONAL = re.compile(r"\s*\[([^\[\]]*)\]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_HASH = re.compile(r"#(\d)")
_CONFIGURATION = re.compile(r"""\b[mM]acros["']?\s{0,9}[:=]\s{0,9}\{""")
_ENTRY = re.compile(
    r"""[\s,]*(?://[^\n]*\s*)?["']?\\{0,4}(?P<name>[A-Za-z]{1,40})["']?\s{0,9}:\s{0,9}(?:\[\s{0,9})?"""
    r"""(?P<quote>["'])(?P<body>(?:\\.|(?!(?P=quote))[^\\\n]){0,500})(?P=quote)"""
    r"""(?:\s{0,9},\s{0,9}(?P<count>\d)\s{0,9}\]|\s{0,9}\])?"""
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ROUNDS = 8  # macros that use macros that use ...
_LONGEST = 20_000  # characters of an expanded formula: longer ones are left as they are
_BODY = 4_000  # characters of a macro's body
_UNCLOSED = 20  # bodies without an end, after which no more definitions are looked for


class Macro(NamedTuple):
    """What stands for a name, its number of arguments, and what the first is if left out."""

    body: str
    arguments: int = 0
    first: str | None = None


class Macros:
    """The abbreviations that a document defines."""

    def __init__(self, text: str, page: str = "") -> None:
        """Read the definitions of a text; page: where else settings of MathJax may stand."""
        self.known: dict[str, Macro] = {}
        if "\\def" in text or "command" in text or "\\Declare" in text or "\\let" in text:
            self.known = {name: macro for name, macro, _ in _definitions(text)}
        page = page or text
        if "acros" in page:
            self.known = dict(_configured(page)) | self.known

    def expand(self, tex: View) -> View:
        """Return the TeX without definitions, and with what they stand for."""
        if not self.known:
            return tex
        before, tex = tex, _without_definitions(tex)
        for _ in range(_ROUNDS):
            if not any(name in self.known for name in _USE.findall(tex.text)):
                return tex.strip()
            tex = self._once(tex)
            if len(tex.text) > _LONGEST:
                break
        return before  # it grows without end: let the parser name what it does not know

    def _once(self, tex: View) -> View:
        build, last, length = Builder(), 0, 0
        for use in _USE.finditer(tex.text):
            macro = self.known.get(use[1])
            if macro is None or use.start() < last or length > _LONGEST:
                continue
            build.keep(tex, last, use.start())
            spans, last = _arguments(tex.text, use.end(), macro)
            origin = tex.place(use.start())
            at = 0
            for hole in _HASH.finditer(macro.body):
                _put(build, macro.body[at : hole.start()], origin)
                number = int(hole[1]) - 1
                if number < len(spans):
                    start, stop = spans[number]
                    if start < 0:
                        _put(build, macro.first or "", origin)
                    build.keep(tex, max(start, 0), stop)
                    length += stop - start
                at = hole.end()
            _put(build, macro.body[at:], origin)
            length += len(macro.body)
        build.keep(tex, last, len(tex.text))
        return build.view(tex.end)


def _put(build: Builder, text: str, origin: int) -> None:
    # A letter behind a command would become part of its name.
    build.put(text + " " if re.search(r"\\[A-Za-z]+$", text) else text, origin)


def _arguments(text: str, at: int, macro: Macro) -> tuple[list[tuple[int, int]], int]:
    """Return where each argument of a use stands, and where the use ends; (-1, -1): left out."""
    spans: list[tuple[int, int]] = []
    if macro.arguments and macro.first is not None:
        option = _OPTIONAL.match(text, at)
        spans.append(option.span(1) if option else (-1, -1))
        at = option.end() if option else at
    while len(spans) < macro.arguments:
        found = _ARGUMENT.match(text, at)
        if not found:
            break
        if found[1]:
            end = _balanced(text, found.end(1))
            if end is None:
                break
            spans.append((found.end(1), end - 1))
            at = end
        else:
            spans.append(found.span(2))
            at = found.end()
    return spans, at


def _definitions(text: str) -> Iterator[tuple[str, Macro, tuple[int, int]]]:
    unclosed = 0
    for found in _DEFINITION.finditer(text):
        if found["same"]:
            if found["same"][1:] != found["name"]:
                yield found["name"], Macro(found["same"]), found.span()
        elif text.startswith("{", found.end()):
            end = _balanced(text, found.end() + 1)
            if end is None:
                unclosed += 1
                if unclosed == _UNCLOSED:
                    return
                continue
            body = text[found.end() + 1 : end - 1].strip()
            if found.group().startswith("\\Declare"):
                body = rf"\operatorname{{{body}}}"
            count = int(found["count"] or len(found["hashes"]) // 2)
            # One that uses itself would never end.
            if not re.search(rf"\\{found['name']}(?![A-Za-z])", body):
                yield found["name"], Macro(body, count, found["first"]), (found.start(), end)


def _configured(text: str) -> Iterator[tuple[str, Macro]]:
    r"""Yield what a page sets up for MathJax or KaTeX: `macros: {R: "\\mathbb{R}"}`."""
    for block in _CONFIGURATION.finditer(text):
        at = block.end()
        while entry := _ENTRY.match(text, at):
            at = entry.end()
            body = _ESCAPED.sub(r"\1", entry["body"])
            holes = [int(number) for number in _HASH.findall(body)]
            if not re.search(rf"\\{entry['name']}(?![A-Za-z])", body):
                yield entry["name"], Macro(body, int(entry["count"] or max(holes, default=0)))


def _without_definitions(tex: View) -> View:
    build, last = Builder(), 0
    for _, _, (start, end) in _definitions(tex.text):
        if start >= last:
            build.keep(tex, last, start)
            last = end
    if last == 0:
        return tex
    build.keep(tex, last, len(tex.text))
    return build.view(tex.end)


def _balanced(text: str, start: int) -> int | None:
    """Return where the group that is open at `start` ends, behind its brace."""
    depth = 1
    for brace in _BRACE.finditer(text, start, min(len(text), start + _BODY)):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return brace.end()
    return None
