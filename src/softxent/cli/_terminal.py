"""Plain text for people: colour where it is welcome, tables by spaces, letters that the stream has.

Colour and animation need a terminal that is not TERM=dumb; NO_COLOR (https://no-color.org) switches
colour off. Results go to stdout, progress to stderr, so a pipe never carries an escape code.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

WIDTH = 78
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# For streams that cannot carry our letters (LANG=C on old systems, Windows code pages).
_ASCII = str.maketrans(
    {"−": "-", "·": "-", "≤": "<=", "≥": ">=", "✓": "+", "✗": "x", "²": "^2", "½": "1/2"}
    | {"‖": "|", "█": "#", "▀": "'", "▄": ".", "∂": "d", "→": "->", "×": "x", "ᵀ": "^T", "…": ".."}
    | {"•": "-", "λ": "lambda"}
)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person watches: a terminal that understands escape codes."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Terminal:
    """One output stream, with its abilities looked up once."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.colour = is_terminal(stream) and not os.environ.get("NO_COLOR")
        self.unicode = _carries(stream, "".join(map(chr, _ASCII)))

    def print(self, text: str = "") -> None:
        """One line, or several."""
        print(text if self.unicode else text.translate(_ASCII), file=self.stream)

    def style(self, text: str, *styles: str) -> str:
        """`text` in the styles named ("bold", "red", …); unchanged where colour is not welcome."""
        if not self.colour:
            return text
        return f"\x1b[{';'.join(_COLOURS[s] for s in styles)}m{text}\x1b[0m"

    def title(self, text: str) -> None:
        """A section's heading, with a line under it."""
        self.print()
        self.print(self.style(text, "bold"))
        self.print(self.style("-" * len(text), "dim"))

    def pairs(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names, and beside them their values, which may take several lines."""
        pairs = list(pairs)
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            first, *rest = wrap(str(value), WIDTH - width - 4)
            self.print("  " + self.style(f"{name:<{width}}", "dim") + f"  {first}")
            for line in rest:
                self.print(f"  {'':<{width}}  {line}")

    def hanging(self, text: str) -> None:
        """A text whose first line stands out to the left."""
        first, *rest = wrap(text, WIDTH - 2)
        self.print(f"  {first}")
        for line in rest:
            self.print(f"    {line}")


def table(rows: Iterable[Sequence[Any]], align: str, gap: str = "   ") -> list[str]:
    """Lay rows out in columns, each left ("<") or right (">") aligned, without trailing spaces."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return [
        gap.join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def wrap(text: str, width: int) -> list[str]:
    """`text` as lines of at most `width`, never cut inside a word; at least one line."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _carries(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeError:
        return False
    return True
