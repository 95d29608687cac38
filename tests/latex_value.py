r"""Reads the LaTeX of formula.py and computes its value: a lost sign or index is a failed test.

A small subset on purpose: sums, maxima, fractions, powers, \log, \tanh, sech, indexed letters, and
partial derivatives, which are looked up as arrays (\frac{\partial C}{\partial z_i} is
values["dC/dz"][i]). A sum reaches to the next + or - of its depth. What is not known raises:
nothing is skipped.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

TOKEN = re.compile(r"\s+|\\left|\\right|(\\[a-zA-Z]+|[A-Za-z]|\d+|[-+=(){}_^'])")
INDEX_LETTERS = "ijkndo"
FUNCTIONS: dict[str, Callable[[float], float]] = {
    r"\log": lambda x: math.log(x) if x > 0 else math.inf,
    r"\tanh": math.tanh,
    "sech": lambda x: 1 / math.cosh(x),
}
TOTALS: dict[str, Callable[[Iterator[float]], float]] = {r"\sum": sum, r"\max": max}

Indices = Mapping[str, int]


class Node(NamedTuple):
    """A parsed expression: its value at given indices, and the index letters it leaves open."""

    value: Callable[[Indices], float]
    free: frozenset[str]


def sides(latex: str, values: Mapping[str, Any], sizes: Mapping[str, int]) -> list[Node]:
    """Parse `A = B = ...` into its sides."""
    return _Parser(tokens(latex), values, sizes).chain()


def assignments(nodes: list[Node], sizes: Mapping[str, int]) -> Iterator[Indices]:
    """Every choice of the open indices."""
    letters = sorted(frozenset().union(*(node.free for node in nodes)))
    for choice in itertools.product(*(range(sizes[letter]) for letter in letters)):
        yield dict(zip(letters, choice, strict=True))


def tokens(latex: str) -> list[str]:
    """Split into tokens; \\left, \\right and spaces carry no meaning here."""
    out, at = [], 0
    while at < len(latex):
        match = TOKEN.match(latex, at)
        if match is None:
            raise ValueError(f"unknown character {latex[at]!r} at {at} in {latex}")
        if match.group(1):
            out.append(match.group(1))
        at = match.end()
    return out


class _Parser:
    def __init__(self, tokens: list[str], values: Mapping[str, Any], sizes: Mapping[str, int]):
        self.tokens, self.values, self.sizes, self.at = tokens, values, sizes, 0

    def peek(self, ahead: int = 0) -> str:
        i = self.at + ahead
        return self.tokens[i] if i < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise ValueError(f"expected {expected!r}, found {token!r} in {' '.join(self.tokens)}")
        self.at += 1
        return token

    def chain(self) -> list[Node]:
        nodes = [self.sum()]
        while self.peek():
            self.take("=")
            nodes.append(self.sum())
        return nodes

    def sum(self) -> Node:
        sign = 1
        if self.peek() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
        terms = [(sign, self.product())]
        while self.peek() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            terms.append((sign, self.product()))
        free = frozenset().union(*(term.free for _, term in terms))
        return Node(lambda at: sum(s * term.value(at) for s, term in terms), free)

    def product(self) -> Node:
        factors = [self.power()]
        while self.peek() not in ("", "+", "-", "=", ")", "}"):
            factors.append(self.power())
        free = frozenset().union(*(factor.free for factor in factors))
        return Node(lambda at: math.prod(factor.value(at) for factor in factors), free)

    def power(self) -> Node:
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.atom()
        return Node(lambda at: base.value(at) ** exponent.value(at), base.free | exponent.free)

    def group(self, opening: str, closing: str) -> Node:
        self.take(opening)
        inside = self.sum()
        self.take(closing)
        return inside

    def atom(self) -> Node:
        token = self.peek()
        if token == "(":
            return self.group("(", ")")
        if token == "{":
            return self.group("{", "}")
        if token.isdigit():
            number = float(self.take())
            return Node(lambda at: number, frozenset())
        if token in TOTALS:
            return self.total()
        if token == r"\frac":
            return self.fraction()
        if token == "e":
            self.take()
            self.take("^")
            exponent = self.atom()
            return Node(lambda at: math.exp(exponent.value(at)), exponent.free)
        if token in FUNCTIONS or token == r"\operatorname":
            return self.function()
        name = self.name()
        return self.lookup(name, self.subscript())

    def total(self) -> Node:
        total = TOTALS[self.take()]
        self.take("_")
        self.take("{")
        index = self.take()
        other = None
        if self.peek() == r"\neq":
            self.take()
            other = self.take()
        self.take("}")
        body = self.product()

        def value(at: Indices) -> float:
            return total(
                body.value({**at, index: i})
                for i in range(self.sizes[index])
                if other is None or i != at[other]
            )

        return Node(value, (body.free - {index}) | ({other} if other else set()))

    def fraction(self) -> Node:
        self.take(r"\frac")
        if self.peek(1) == r"\partial":
            return self.derivative()
        above, below = self.group("{", "}"), self.group("{", "}")
        return Node(lambda at: above.value(at) / below.value(at), above.free | below.free)

    def derivative(self) -> Node:
        self.take("{")
        self.take(r"\partial")
        order = 1
        if self.peek() == "^":
            self.take()
            order = int(self.take())
        name, indices = "d" * order + self.name(), self.subscript()
        self.take("}")
        self.take("{")
        name += "/"
        for _ in range(order):
            self.take(r"\partial")
            name += "d" + self.name()
            indices += self.subscript()
        self.take("}")
        return self.lookup(name, indices)

    def function(self) -> Node:
        name = self.take()
        if name == r"\operatorname":
            self.take("{")
            name = ""
            while self.peek() != "}":
                name += self.take()
            self.take("}")
        exponent = 1
        if self.peek() == "^":
            self.take()
            exponent = int(self.take())
        argument = self.product() if self.peek() in TOTALS else self.atom()
        f = FUNCTIONS[name]
        return Node(lambda at: f(argument.value(at)) ** exponent, argument.free)

    def name(self) -> str:
        name = self.take()
        if name in (r"\tilde", r"\dot"):
            return f"{name[1:]} {self.name()}"
        if name == r"\mathrm":
            self.take("{")
            name = ""
            while self.peek() != "}":
                name += self.take()
            self.take("}")
        name = name.lstrip("\\")
        while self.peek() == "'":
            name += self.take()
        return name

    def subscript(self) -> list[Node]:
        """The indices after `_`; one may itself be looked up, as in w_{\\tau_n}."""
        if self.peek() != "_":
            return []
        self.take()
        braced = self.peek() == "{"
        if braced:
            self.take()
        indices = []
        while True:
            token = self.peek()
            if token in INDEX_LETTERS:
                self.take()
                indices.append(Node(lambda at, letter=token: at[letter], frozenset(token)))
            else:
                indices.append(self.lookup(self.name(), self.subscript()))
            if not braced or self.peek() == "}":
                break
        if braced:
            self.take("}")
        return indices

    def lookup(self, name: str, indices: list[Node]) -> Node:
        free = frozenset().union(*(node.free for node in indices))
        if name == "delta":
            first, second = indices
            return Node(lambda at: float(first.value(at) == second.value(at)), free)
        array = self.values[name]
        return Node(lambda at: array[tuple(int(i.value(at)) for i in indices)], free)
