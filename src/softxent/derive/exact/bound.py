"""How likely a false step passes: the Schwartz-Zippel bound, from the degrees of the two sides.

A polynomial of degree d that is not zero vanishes with probability at most d / |S| where each
variable is drawn from |S| values. Exponentials and logarithms count as variables of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from softxent.derive.core import Defined, Unknown
from softxent.derive.exact import nodes
from softxent.derive.exact.nodes import Node
from softxent.derive.exact.program import Program

_MOST = 10**9


class _Degree(NamedTuple):
    """Of a quotient: above and below; slope: the largest factor before a variable, for e^{2z}."""

    above: int = 0
    below: int = 0
    slope: int = 0


def degree(program: Program, sizes: Mapping[str, int]) -> int:
    """Return a bound on the degree of left - right, denominators cleared."""
    finder = _Degrees(program, sizes)
    left, right = (finder.of(side) for side in program.sides)
    return min(max(left.above + right.below, right.above + left.below), _MOST)


class _Degrees:
    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        self._program = program
        self._sizes = sizes
        self._known: dict[Node, _Degree] = {}
        self._level: dict[str, _Degree] = {}

    def of(self, node: Node) -> _Degree:
        found = self._known.get(node)
        if found is None:
            found = self._of(node)
            found = _Degree(*(min(n, _MOST) for n in (found.above, found.below, found.slope)))
            self._known[node] = found
        return found

    def _of(self, node: Node) -> _Degree:
        if isinstance(node, nodes.ConstNode):
            return _Degree(slope=-(-abs(node.number.numerator) // node.number.denominator))
        if isinstance(node, (nodes.SizeNode, nodes.IndexNode)):
            return _Degree(slope=max(self._sizes.values(), default=1))
        if isinstance(node, nodes.ElementNode):
            return self._element(node.name)
        if isinstance(node, nodes.PlusNode):
            return _sum([self.of(term) for term in node.terms])
        if isinstance(node, nodes.TimesNode):
            return _product([self.of(factor) for factor in node.factors])
        if isinstance(node, nodes.DivideNode):
            above, below = self.of(node.above), self.of(node.below)
            return _product([above, _Degree(below.below, below.above, 1)])
        if isinstance(node, nodes.RaiseNode):
            base, exponent = self.of(node.base), self.of(node.exponent)
            times = max(exponent.slope, 1)
            size = max(base.above, base.below) * times + exponent.above * exponent.slope
            return _Degree(size, size, base.slope ** min(times, 9))
        if isinstance(node, nodes.ApplyNode):
            inner = self.of(node.of)
            size = max(inner.above, inner.below, 1) * max(inner.slope, 1) * 2
            return _Degree(size, size, 1)
        if isinstance(node, nodes.TotalNode):
            count = self._sizes.get(node.set, 1)
            parts = [self.of(node.of)] * count
            return _product(parts) if node.kind == "product" else _sum(parts)
        if isinstance(node, nodes.ChooseNode):
            rows = [self.of(row) for _, row in node.rows]
            return _Degree(
                max(row.above for row in rows),
                max(row.below for row in rows),
                max(row.slope for row in rows),
            )
        if isinstance(node, nodes.PartialNode):
            inner = self.of(node.of)
            return _Degree(inner.above + inner.below, 2 * inner.below, inner.slope)
        return _Degree(_MOST, _MOST, 1)

    def _element(self, name: str) -> _Degree:
        quantity = self._program.quantity(name)
        if isinstance(quantity, Unknown):
            inner = [self._element(of) for of in quantity.of]
            count = 1
            for of in quantity.of:
                for set in self._program.quantity(of).sets:
                    count *= self._sizes.get(set, 1)
            above = max((one.above for one in inner), default=0)
            below = sum(one.below for one in inner) * count
            return _Degree(3 * (above + below), 3 * below, 50**3)
        if not isinstance(quantity, Defined):
            return _Degree(1, 0, 1)
        if not self._program.recursive(name):
            return self.of(self._program.body(name))
        if name in self._level:
            return self._level[name]
        # Layer by layer: each level's degree from that of the level before.
        found = _Degree()
        for _ in range(max(self._sizes.values(), default=1)):
            self._level[name] = found
            self._known.clear()
            found = self.of(self._program.body(name))
        self._known.clear()
        self._level[name] = found
        return found


def _sum(parts: list[_Degree]) -> _Degree:
    below = sum(part.below for part in parts)
    above = max((part.above + below - part.below for part in parts), default=0)
    return _Degree(above, below, sum(part.slope for part in parts))


def _product(parts: list[_Degree]) -> _Degree:
    slope = 1
    for part in parts:
        slope = min(slope * part.slope, _MOST)
    return _Degree(sum(p.above for p in parts), sum(p.below for p in parts), slope)
