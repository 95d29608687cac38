"""What would make a false step true: a single edit, the other case, a step before it mended."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from softxent.derive.exact import decide
from softxent.derive.judge import assume, outputs, repairs
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Expr
from softxent.derive.understand.outline import Condition, Sign, Statement
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable
from softxent.derive.verdicts import Verdict

_FLIP = {"eq": "neq", "neq": "eq"}
_SECONDS = 6.0
"""For the repairs of one document."""


def tied(claim: Claim) -> set[str]:
    """Return the letters that a condition ties to others."""
    return {index.letter for one in claim.given.conditions for index in (one.left, one.right)}


class Mending:
    """Tries changes to the steps of one document until one makes them true."""

    def __init__(self, reading: Reading, clock: Clock, repair: bool = True) -> None:
        self.reading = reading
        self.book = reading.book
        self.clock = clock
        self.repair = repair
        self.repairing = _SECONDS

    def mend(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        unbound: tuple[str, ...],
        outcome: Outcome,
    ) -> None:
        """Look for a single edit and enter it into the outcome."""
        if not self.repair or self.repairing <= 0 or self.clock.step_is_over:
            return
        begin = perf_counter()
        try:
            self._search(statement, at, trees, sign, unbound, outcome)
        finally:
            self.repairing -= perf_counter() - begin

    def _search(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        unbound: tuple[str, ...],
        outcome: Outcome,
    ) -> None:
        left_first = at == 0 and outcome.verdict is Verdict.FALSE and self._goes_on(statement)
        for assumption in (False, True):

            def test(tree: Expr, side: int, assumption: bool = assumption) -> bool:
                new = (tree, trees[1]) if side == 0 else (trees[0], tree)
                return self._holds(statement, at, new, sign, assumption)

            found = repairs.find(
                self.reading,
                statement,
                at,
                trees,
                unbound,
                test,
                self.clock.seconds(0.8),
                left_first,
            )
            if found is not None:
                outcome.repair = found.text
                outcome.mended = (at + found.side, found.tree)
                if assumption:
                    outcome.assumption = "sum-to-one"
                return
            if not self.book.targets:
                return

    def _goes_on(self, statement: Statement) -> bool:
        """Whether the second step of a chain is true."""
        if len(statement.sides) < 3 or statement.signs[1].relation != "=":
            return False
        trees = (statement.sides[1].tree, statement.sides[2].tree)
        try:
            _, _, claim = self.reading.step(statement, 1, trees, statement.signs[1].conditions)
        except (NotDefined, Unreadable, Mismatch):
            return False
        return bool(
            decide(
                claim.left,
                claim.right,
                claim.given,
                budget_seconds=self.clock.seconds(0.3),
                nice=False,
            ).equal
        )

    def _holds(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        assumption: bool = False,
    ) -> bool:
        """Whether a step is true with other trees, without making different sets one."""
        sets = self.book.sets.copy()
        try:
            _, _, claim = self.reading.step(statement, at, trees, sign.conditions)
            bound = tied(claim)
            if any(name not in bound for name in claim.one_sided):
                return False
            claim = outputs.freed(claim) or claim
            given = claim.given
            if assumption:
                names = assume.target_names(self.reading, given)
                if not names:
                    return False
                sums = frozenset(f"sum-to-one:{core}" for core in names)
                given = replace(given, assumed=given.assumed | sums)
            merged = self.book.sets.merged(sets)
        finally:
            self.book.restore(sets)
        if merged:
            return False
        return bool(decide(claim.left, claim.right, given, budget_seconds=0.2, nice=False).equal)

    def other_case(
        self, statement: Statement, at: int, trees: tuple[Expr, Expr], sign: Sign
    ) -> bool:
        """Whether the step is true in the case that is not open."""
        for place, condition in enumerate(sign.conditions):
            if condition.relation not in _FLIP:
                continue
            turned = Condition(_FLIP[condition.relation], condition.left, condition.right)
            conditions = (*sign.conditions[:place], turned, *sign.conditions[place + 1 :])
            try:
                _, _, claim = self.reading.step(statement, at, trees, conditions)
            except (NotDefined, Unreadable, Mismatch):
                continue
            if not any(
                condition.letters() <= {one.left.letter, one.right.letter}
                for one in claim.given.conditions
            ):
                continue
            if decide(
                claim.left,
                claim.right,
                claim.given,
                budget_seconds=self.clock.seconds(0.3),
                nice=False,
            ).equal:
                return True
        return False
