"""What TeX is split into: tokens, and the caps on them."""

from __future__ import annotations

import re

MAX_TOKENS = 20_000
MAX_CHARACTERS = 200_000


class Token:
    """A piece of TeX.

    kind: "letter", "digit", "word" (a run of letters in an upright font), "text" (`\\text{..}`),
    "command", "relation" (text is the name of trees.Link), "sign" (+ - * / , ; : . ! & and so on),
    "open", "close", "left", "right" (text is the kind of bracket), "bar", "{", "}", "_", "^",
    "prime", "begin", "end", "row" (`\\\\`), "quad", "dots".
    glued: no blank stands before it; gap: a command for a gap does.
    """

    __slots__ = ("end", "gap", "glued", "kind", "start", "text")

    def __init__(
        self, kind: str, text: str, start: int, end: int, glued: bool = True, gap: bool = False
    ):
        self.kind, self.text = kind, text
        self.start, self.end = start, end
        self.glued, self.gap = glued, gap

    def is_sign(self, signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == "sign" and self.text in signs


class TooLong(Exception):
    """More tokens or characters than are read."""


class Pattern:
    """A regular expression that is compiled when it is first used: imports stay fast."""

    def __init__(self, source: str):
        self.source = source
        self.compiled: re.Pattern[str] | None = None

    def __call__(self) -> re.Pattern[str]:
        """Return the compiled expression."""
        if self.compiled is None:
            self.compiled = re.compile(self.source, re.DOTALL)
        return self.compiled
