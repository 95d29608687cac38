"""A document as `scan` returns it: its formulas and what stands between them, in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Formula:
    """A piece of mathematics.

    tex: what `parse` reads, with the delimiters gone and escapes of the document undone.
    places: the offset in the document of each character of `tex`, and one more for its end.
    environment: "align*" and so on where the environment is the delimiter, "" otherwise.
    """

    tex: str
    places: Sequence[int]
    display: bool
    start: int
    end: int
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Prose:
    """Text between formulas. kind: "text", "heading" or "item" (the start of a list item).

    level: of a heading, or how deep a list item lies.
    """

    text: str
    start: int
    end: int
    kind: Literal["text", "heading", "item"] = "text"
    level: int = 0


@dataclass(frozen=True, slots=True)
class Pin:
    """A comment of the author for the checker: `<!-- softxent: y is target -->`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document; offsets count characters of `text`."""

    text: str
    dialect: str
    """"markdown", "latex", "html", "notebook", "python" or "text"."""
    pieces: tuple[Formula | Prose | Pin, ...]
    _starts: list[int] = field(default_factory=list, compare=False, repr=False)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both from 1."""
        if not self._starts:
            starts = [0]
            starts += [i + 1 for i, c in enumerate(self.text) if c == "\n"]
            self._starts.extend(starts)
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1
