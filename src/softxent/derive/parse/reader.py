"""A place in a list of tokens, and how to move in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from softxent.derive.parse import names
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import Expr, Remark, Unsupported

MAX_DEPTH = 50
"""Brackets, fractions and scripts inside one another."""

_PAIRS = {"}": "{", "close": "open", "right": "left", "end": "begin"}


def pairs(tokens: list[Token], *, soft: bool = True) -> list[int]:
    r"""Return for each opening token the place of its closing one, -1 for all others.

    soft: brackets count, not only braces, environments and `\left` with `\right`.
    """
    found = [-1] * len(tokens)
    opened: list[int] = []
    for place, token in enumerate(tokens):
        kind = token.kind
        if kind in ("{", "left", "begin") or (soft and kind == "open"):
            opened.append(place)
        elif kind == "close" and soft:
            if opened and tokens[opened[-1]].kind == "open":
                found[opened.pop()] = place
        elif kind in ("}", "right", "end"):
            partner = _PAIRS[kind]
            # Brackets left open in between stay unmatched; a brace never closes an environment.
            while opened and tokens[opened[-1]].kind == "open":
                opened.pop()
            if opened and tokens[opened[-1]].kind == partner:
                found[opened.pop()] = place
    return found


@dataclass(slots=True)
class Reader:
    """Reads `tokens[at:end]`.

    close: for each token the place of the one that closes it. commands: what reads each command;
    scripted: what reads scripts; inline: what reads a derivative on one line, `dC/dz`, or finds
    that it is none (see language.py). bar: the kind of bar that closes what is being read, "" for
    none. font: accents all letters get. remarks: what is written over and under braces.
    """

    tex: str
    tokens: list[Token]
    close: list[int]
    commands: dict[str, Callable[[Reader, Token], Expr]]
    scripted: Callable[[Reader, Expr, bool], Expr]
    inline: Callable[[Reader], Expr | None]
    at: int = 0
    end: int = 0
    depth: int = 0
    bar: str = ""
    font: tuple[str, ...] = ()
    braced: bool = False
    """Whether the last factor was a group in braces, which print nothing."""
    remarks: list[Remark] = field(default_factory=list)

    def peek(self) -> Token | None:
        """Return the next token, or None at the end; gaps are passed over."""
        while self.at < self.end:
            token = self.tokens[self.at]
            if token.kind != "quad":
                return token
            self.at += 1
        return None

    def sees(self, kind: str, text: str | None = None) -> bool:
        """Whether the next token is this."""
        token = self.peek()
        return token is not None and token.kind == kind and (text is None or token.text == text)

    def take(self) -> Token:
        """Return the next token and go on; only where `peek` has seen one."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def here(self) -> int:
        """Return the offset in the text at which the next token begins, or the last one ended."""
        if self.at < self.end:
            return self.tokens[self.at].start
        return self.last()

    def last(self) -> int:
        """Return the offset at which the token before this place ended."""
        return self.tokens[self.at - 1].end if self.at else 0

    def inside(self, start: int, end: int, read: Callable[[Reader], Expr]) -> Expr:
        """Read the tokens from start to end, then stand where we stood."""
        kept = (self.at, self.end, self.bar, self.font)
        self.at, self.end, self.bar = start, end, ""
        try:
            return read(self)
        finally:
            self.at, self.end, self.bar, self.font = kept

    def skip(self, place: int) -> int:
        """Return the place behind the token there, or behind what it opens."""
        close = self.close[place] if place < self.end else -1
        return max(place, close) + 1

    def source(self, start: int, end: int) -> str:
        """Return the text of the tokens from start to end."""
        if start >= end:
            return ""
        return self.tex[self.tokens[start].start : self.tokens[end - 1].end]

    def unsupported(self, token: Token, why: str = "") -> Unsupported:
        """Make the node for a token that means nothing here."""
        return Unsupported(written(token), why, span=(token.start, token.end))


def written(token: Token) -> str:
    """Return a token about as it was written."""
    if token.kind == "command":
        return "\\" + token.text if token.text.isascii() and token.text else token.text or "\\"
    if token.kind in ("begin", "end"):
        return f"\\{token.kind}{{{token.text}}}"
    if token.kind in ("left", "right"):
        return f"\\{token.kind}{token.text}"
    if token.kind == "relation":
        return names.RELATION_TEX.get(token.text, token.text)
    if token.kind == "close":
        return {"(": ")", "[": "]", "\\{": "\\}"}.get(token.text, token.text)
    return token.text
