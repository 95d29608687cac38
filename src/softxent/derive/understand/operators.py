r"""Letters that derive: the D of `D_j S_i = \frac{\partial S_i}{\partial a_j}`."""

from __future__ import annotations

from dataclasses import replace

from softxent.derive.trees import Derivative, Expr, Product, Symbol
from softxent.derive.understand.outline import Outline
from softxent.derive.understand.symbols import base_name, flat


class Operators:
    """The letters that derive in one document, and by what.

    One letter may derive by one thing with one index (D_j by a_j) and by another with two (D_{ij}
    by W_{ij}). With any other number of indices it is a letter like others.
    """

    def __init__(self, outline: Outline) -> None:
        self._by: dict[tuple[str, int], Symbol] = {}
        self._letters: set[str] = set()
        pairs = [
            (statement.sides[0].tree, side.tree)
            for statement in outline.statements
            for side in statement.sides[1:2]
        ]
        for head, body in pairs:
            self._enter(head, body, same=True)
        for head, body in pairs:
            self._enter(head, body, same=False)

    def _enter(self, head: Expr, body: Expr, *, same: bool) -> None:
        """same: only where both sides derive the same thing; else a known letter is enough."""
        if not isinstance(head, Product) or not isinstance(body, Derivative):
            return
        if len(head.factors) != 2 or len(body.by) != 1:
            return
        name, variable = head.factors[0], body.by[0]
        if not isinstance(name, Symbol) or not isinstance(variable, Symbol) or name.sups:
            return
        if not name.subs or name.subs != variable.subs:
            return
        if body.of != head.factors[1] if same else base_name(name) not in self._letters:
            return
        self._letters.add(base_name(name))
        self._by.setdefault((base_name(name), len(flat(name.subs))), variable)

    def derives(self, tree: Expr) -> bool:
        """Whether a symbol is an operator where it stands before something."""
        return isinstance(tree, Symbol) and self.variable(tree) is not None

    def variable(self, tree: Symbol) -> Symbol | None:
        """Return by what an operator derives."""
        known = self._by.get((base_name(tree), len(flat(tree.subs))))
        return None if known is None or tree.sups else replace(known, subs=tree.subs)

    def letter(self, tree: Expr) -> bool:
        """Whether it is the letter of an operator, with indices that nothing explains."""
        if not isinstance(tree, Symbol) or not tree.subs or self.derives(tree):
            return False
        return base_name(tree) in self._letters
