"""What stands between formulas: paragraphs, headings and list items."""

from __future__ import annotations

import re
from collections.abc import Iterator

from softxent.derive.document import Prose
from softxent.derive.scan._view import View

_LINE = re.compile(r"[^\n]+")
_MARK = re.compile(
    r"(?P<indent>[ \t>]*)"
    r"(?:(?P<heading>\#{1,6})|(?P<item>[-*+•‣◦–]|\(?\d{1,3}[.)]))(?=[ \t\n]|$)"
)
_UNDERLINE = re.compile(r"[ \t>]*(={2,}|-{2,}|~{2,})[ \t\r]*$")
_RULE = re.compile(r"[ \t>]*(?:[-*_][ \t]*){3,}\r?$")


def split(view: View, start: int, stop: int) -> Iterator[Prose]:
    """Yield the pieces of a gap between two formulas, in order."""
    kind, level, begin = "text", 0, start
    last = start  # the end of the paragraph's last line
    open_items: list[int] = []  # how far the items around are indented
    for line in _LINE.finditer(view.text, start, stop):
        if line.group().isspace():
            continue
        whole = line.start() == 0 or view.text[line.start() - 1] == "\n"
        mark = _MARK.match(view.text, line.start(), line.end()) if whole else None
        lines_between = view.text.count("\n", last, line.start())
        if whole and _ends_line(view.text, line.end()):
            underline = _UNDERLINE.match(line.group())
            if underline and kind == "text" and last > begin and lines_between == 1:
                yield from _piece(view, begin, last, "heading", 1 if underline[1][0] == "=" else 2)
                begin = last = line.end()
                continue
            if _RULE.match(line.group()):
                yield from _piece(view, begin, last, kind, level)
                kind, level, begin, last = "text", 0, line.end(), line.end()
                continue
        if mark or lines_between > 1:
            yield from _piece(view, begin, last, kind, level)
            kind, level, begin = "text", 0, line.start()
            if mark and mark["heading"]:
                yield from _piece(view, mark.end(), line.end(), "heading", len(mark["heading"]))
                begin = line.end()
            elif mark:
                indent = len(mark["indent"].expandtabs(4))
                open_items = [i for i in open_items if i < indent] + [indent]
                kind, level, begin = "item", len(open_items), mark.end()
        last = line.end()
    yield from _piece(view, begin, last, kind, level)


def _piece(view: View, start: int, stop: int, kind: str, level: int) -> Iterator[Prose]:
    text = view.text[start:stop].strip()
    if text or kind == "item":
        start += len(view.text[start:stop]) - len(view.text[start:stop].lstrip())
        end = view.place(start + len(text) - 1) + 1 if text else view.place(start)
        yield Prose(text, view.place(start), end, kind, level)  # type: ignore[arg-type]


def _ends_line(text: str, at: int) -> bool:
    return at == len(text) or text[at] == "\n"
