"""Repairs in the author's own hand: what stays as it is, is written as it was."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

from softxent.derive.parse import parse_expression, unparse
from softxent.derive.trees import (
    Applied,
    Derivative,
    Expr,
    Group,
    Indicator,
    Node,
    Number,
    Power,
    Quotient,
    Symbol,
)

# What can be taken over whole: it reads the same wherever it is put.
_WHOLE = (Symbol, Number, Group, Quotient, Power, Applied, Indicator, Derivative)
_FIRST = 0xE000  # of the private characters that stand for what is taken over
_BRACED = re.compile(r"([_^])\{(\w|\\[A-Za-z]+)\}")
_SIZED = re.compile(r"\\left([(\[])((?:(?!\\left|\\right|\\frac|\\sum|\\prod).)*)\\right([)\]])")


class Hand:
    """Writes trees as the author of one side has written it."""

    def __init__(self, tree: Expr, tex: str) -> None:
        self.tex = tex
        self.start = tree.span[0]
        # Edits keep the nodes that they do not change, so these are known by what they are.
        self.nodes = {id(node): node for node in tree.walk()} if tex else {}

    def write(self, tree: Expr) -> str:
        """Return the TeX of a tree that is made from nodes of the author's and others."""
        plain = unparse(tree)
        if id(tree) in self.nodes and (text := self._slice(tree)):
            return text
        taken: list[str] = []
        written = unparse(self._put(tree, taken))
        for number, text in enumerate(taken):
            written = written.replace(chr(_FIRST + number), text)
        written = manners(written, self.tex)
        if parse_expression(written) == parse_expression(plain):
            return written
        return plain

    def _slice(self, node: Expr) -> str:
        """Return how a node was written, if that is what it is."""
        begin, end = node.span
        text = self.tex[begin - self.start : end - self.start]
        if not text or "&" in text or "\\\\" in text or parse_expression(text) != node:
            return ""
        return " ".join(text.split())

    def _put(self, node: Expr, taken: list[str]) -> Expr:
        """Put a letter of its own for each part that is taken over."""
        if isinstance(node, _WHOLE) and id(node) in self.nodes and len(taken) < 200:
            text = self._slice(node)
            if text:
                taken.append(text)
                return Symbol(chr(_FIRST + len(taken) - 1))
        changes: dict[str, Any] = {}
        for one in fields(node):
            value = getattr(node, one.name)
            # A letter has its head and its indices; only terms, factors and the like are taken.
            if one.name in ("of", "above", "below", "base", "exponent") and isinstance(value, Node):
                changes[one.name] = self._put(value, taken)  # type: ignore[arg-type]
            elif one.name in ("terms", "factors", "arguments"):
                changes[one.name] = tuple(self._put(part, taken) for part in value)
        return replace(node, **changes) if changes else node


def manners(text: str, tex: str) -> str:
    """Leave out braces and sizes of brackets as the author of `tex` does."""
    if not _BRACED.search(tex):
        text = _BRACED.sub(r"\1\2", text)
        text = re.sub(r"([_^]\\[A-Za-z]+)(?=[A-Za-z])", r"\1 ", text)
    if "\\left" not in tex:
        text = _SIZED.sub(r"\1\2\3", text)
    if " = " not in tex:
        text = re.sub(r"_\{(\w) = (\w+)\}", r"_{\1=\2}", text)
    return text
