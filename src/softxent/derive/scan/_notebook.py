"""Jupyter notebooks: the Markdown cells, each character at its place in the JSON file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from softxent.derive.scan import _markup
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markdown import RULES
from softxent.derive.scan._markup import Piece
from softxent.derive.scan._view import View, join

_TOKEN = re.compile(r'[\s,:]*(?:([{}\[\]])|"([^"\\]*(?:\\.[^"\\]*)*)"|[^\s,:{}\[\]"]+)', re.DOTALL)
_COLON = re.compile(r"\s*:")
_ESCAPE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)",
    re.DOTALL,
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 100


def read(text: str) -> Iterator[Piece]:
    """Return the pieces of a notebook's Markdown cells."""
    whole = View.of(text)
    cells = [join((whole.cut(*span) for span in spans), spans[-1][1]) for spans in _cells(text)]
    views = [cell.sub(_ESCAPE, _character) for cell in cells]
    macros = Macros("\n".join(view.text for view in views))
    for view in views:
        yield from _markup.read(view, RULES, macros)


def _cells(text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield where the strings of each Markdown cell's source stand, without their quotes.

    It reads only the structure: an object with `"cell_type": "markdown"` and a `"source"`. What is
    no JSON ends the reading.
    """
    around: list[tuple[str, str]] = []  # the brackets that are open, with the key of each
    key = kind = ""
    source: list[tuple[int, int]] = []
    at = 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        if token[1] and token[1] in "{[":
            if len(around) > _DEEPEST:
                return
            around.append((token[1], key))
            key = ""
        elif token[1]:
            if _in_cell(around):
                if kind == "markdown" and source:
                    yield source
                kind, source = "", []
            if not around:
                return
            around.pop()
            key = ""
        elif token[2] is not None and _COLON.match(text, at):
            key = token[2]
        else:
            if token[2] is not None and _in_cell(around):
                if key == "cell_type":
                    kind = token[2]
                elif key == "source":
                    source.append(token.span(2))
            elif token[2] is not None and around and around[-1] == ("[", "source"):
                if _in_cell(around[:-1]):
                    source.append(token.span(2))
            key = ""


def _in_cell(around: list[tuple[str, str]]) -> bool:
    """Whether the innermost open bracket is that of a cell."""
    return len(around) > 1 and around[-1][0] == "{" and around[-2] == ("[", "cells")


def _character(found: re.Match[str]) -> str:
    if found[1]:
        high, low = int(found[1], 16), int(found[2], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    if found[3]:
        return chr(int(found[3], 16))
    return _LETTERS.get(found[4], found[4])
