r"""Equations that are set and not claimed: \theta^T x = 0, a slope of 0, a constraint."""

from __future__ import annotations

import re

from softxent.derive.core import Defined, Partial, Total, everything
from softxent.derive.judge.another import concludes
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import (
    Applied,
    Derivative,
    Expr,
    Gradient,
    Group,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
)
from softxent.derive.understand.letters import bare, is_bold
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.verdicts import Verdict

Trees = tuple[Expr, Expr]

_SET = re.compile(
    r"\b(set(?:ting|s)?|solv\w*|zero|vanish\w*|minim\w*|maxim\w*|optim\w*|stationary|critical|"
    r"extrem\w*|boundary|hyperplane|constraint|condition|subject to|satisf\w*|root)\b",
    re.I,
)
_WORD = re.compile(r"\w")
_PLAIN = (Group, Negative, Number, Power, Product, Quotient, Sum, Symbol)


class Conditions:
    """Knows which statements of a document were read as conditions."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.book = reading.book
        self.found: set[int] = set()

    def find(self, statement: Statement, at: int, trees: Trees, claim: Claim) -> Outcome | None:
        """Look for an equation that is set, or that follows from one that is."""
        outcome = None
        if _eigen(bare(trees[0]), bare(trees[1])):
            outcome = _condition("Read as what an eigenvector has to meet.")
        elif claim.given.quantities and self._set(statement, at, trees, claim):
            text = "Read as a condition that is set, not as a claim: it holds for some values only."
            outcome = _condition(text)
        elif self._follows(statement, trees, claim):
            outcome = _condition("Read as following from the condition before it.")
        if outcome is not None:
            self.found.add(statement.number)
        return outcome

    def _set(self, statement: Statement, at: int, trees: Trees, claim: Claim) -> bool:
        right = bare(trees[1])
        if at + 2 != len(statement.sides) or not isinstance(right, Number):
            return False
        told = bool(_SET.search(re.split(r"[.!?]\s", statement.cue)[-1]))
        if right.value != 0:
            return told and not at
        sides = statement.sides
        if told or any(_slope_of_a_number(bare(side.tree)) for side in (sides[0], sides[at])):
            return True
        return statement.display and self._loose(statement, bare(trees[0]), claim)

    def _loose(self, statement: Statement, left: Expr, claim: Claim) -> bool:
        """Whether a sum of terms, of letters that nothing has defined by then, is 0."""
        if not isinstance(left, Sum) or not all(isinstance(one, _PLAIN) for one in left.walk()):
            return False
        if concludes(statement.cue):
            return False
        if any(isinstance(one, (Partial, Total)) for one in everything(claim.left)):
            return False
        for core, quantity in claim.given.quantities.items():
            name, arity = self.book.cores.get(core, (core, 0))
            found = self.book.definition(name, arity, statement.number)
            if isinstance(quantity, Defined) and (
                found is None or found.number <= statement.number
            ):
                return False
        return True

    def _follows(self, statement: Statement, trees: Trees, claim: Claim) -> bool:
        """Whether the statement before is a condition, with no words of its own between them."""
        number, worded = statement.number - 1, bool(_WORD.search(statement.cue))
        if number in self.found and not worded:
            return True  # the next row of a display that solves it
        if not isinstance(bare(trees[1]), Number):
            return False
        if number in self.found:
            return not any(isinstance(one, Defined) for one in claim.given.quantities.values())
        if number < 0 or worded:
            return False
        return self.reading.outline.statements[number].doubt == "it sets a condition"


def _condition(text: str) -> Outcome:
    return Outcome(Verdict.OPAQUE, "condition", text)


def _eigen(left: Expr, right: Expr) -> bool:
    r"""Whether this is `A v = \lambda v`, with a bold v."""
    if not (isinstance(left, Product) and isinstance(right, Product)):
        return False
    one, other = left.factors[-1], right.factors[-1]
    if not isinstance(one, Symbol) or one != other or not is_bold(one):
        return False
    symbols = all(isinstance(factor, Symbol) for factor in (*left.factors, *right.factors))
    return symbols and len(right.factors) == 2


def _slope_of_a_number(tree: Expr) -> bool:
    """Whether this is f'(x) or the derivative of what has no index: where it is 0, a minimum is."""
    if isinstance(tree, Gradient):
        tree = Derivative(tree.of, ())
    if isinstance(tree, Derivative) and tree.of is not None:
        of = bare(tree.of)
        of = bare(of.head) if isinstance(of, Applied) else of
        return isinstance(of, Symbol) and not of.subs
    head = tree.head if isinstance(tree, Applied) else tree
    return isinstance(head, Symbol) and "prime" in head.accents
