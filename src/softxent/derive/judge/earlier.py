"""Steps that are true with what a name was before it got another meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from softxent.derive.exact import decide
from softxent.derive.judge import excuses
from softxent.derive.judge.again import Definitions
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.mending import tied
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Expr, Symbol
from softxent.derive.understand.outline import Sign, Statement
from softxent.derive.understand.reading import PROBLEMS, Claim, Reading
from softxent.derive.verdicts import Verdict

_MOST = 4
"""So many earlier meanings are tried for one step."""

Several = list[Any]
"""Definitions of one name, or functions."""


class Earlier:
    """Looks for a definition before the last one with which a step is true.

    Two definitions may be given as alternatives, and the first be used again. What "let" defines
    anew has no earlier meaning.
    """

    def __init__(self, reading: Reading, clock: Clock, definitions: Definitions) -> None:
        self.reading = reading
        self.book = reading.book
        self.clock = clock
        self.definitions = definitions

    def find(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        supposed: Callable[[Statement, Claim], Outcome | None],
    ) -> Outcome | None:
        """Return that a step is true with an earlier definition, or None."""
        tried = 0
        for several, number in self._meanings(statement, trees):
            tried += 1
            if tried > _MOST or self.clock.step_is_over:
                break
            with self._back(several, number, statement.number):
                outcome = self._true(statement, at, trees, sign, supposed)
            if outcome is not None:
                first = self.reading.outline.statements[number].signs[0].offset
                line = self.reading.document.line_column(first)[0]
                outcome.message = f"{outcome.message.rstrip('.')}, as defined in line {line}."
                return outcome
        return None

    def _true(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        supposed: Callable[[Statement, Claim], Outcome | None],
    ) -> Outcome | None:
        sets = self.book.sets.copy()
        try:
            _, _, claim = self.reading.step(statement, at, trees, sign.conditions)
            if claim.one_sided.keys() - tied(claim) or excuses.unlinked(claim) is not None:
                return None
            decision = decide(
                claim.left,
                claim.right,
                claim.given,
                budget_seconds=self.clock.seconds(0.4),
                nice=False,
            )
            if decision.equal:
                text = "Both sides are equal."
                return Outcome(Verdict.TRUE, "step-true", text, numeric=not decision.exact)
            found = supposed(statement, claim)
            return found if found is not None and found.verdict is Verdict.TRUE_IF else None
        except (*PROBLEMS, RecursionError):
            return None
        finally:
            self.book.restore(sets)

    def _meanings(
        self, statement: Statement, trees: tuple[Expr, Expr]
    ) -> Iterator[tuple[Several, int]]:
        """Yield what has been defined several times, and the statements that did, last first."""
        names = self._reached(statement, trees)
        groups: list[Several] = [
            several for (name, _), several in self.book.definitions.items() if name in names
        ]
        groups += [several for name, several in self.book.functions.items() if name in names]
        for several in groups:
            before = [one.number for one in several if one.number <= statement.number]
            while len(before) > 1 and not self._over(before[-1], statement):
                before.pop()
                yield several, before[-1]

    def _over(self, number: int, statement: Statement) -> bool:
        """Whether a definition has put an end to what was before it."""
        other = self.reading.outline.statements[number]
        if other is statement:
            return True
        ended = number in self.definitions.ended or self.definitions.let(other)
        return ended and not other.alternative

    def _reached(self, statement: Statement, trees: tuple[Expr, Expr]) -> set[str]:
        """Return the names in a step, and behind them by definition."""
        names: set[str] = set()
        waiting = list(trees)
        while waiting:
            for node in waiting.pop().walk():
                if not isinstance(node, Symbol):
                    continue
                name, indices = self.book.letters.split(node)
                if name in names:
                    continue
                names.add(name)
                arity = self.book.rank(name, len(indices))
                found = self.book.definition(name, arity, statement.number)
                waiting += [found.body] if found is not None else []
        return names

    @contextmanager
    def _back(self, several: Several, number: int, until: int) -> Iterator[None]:
        """Go back to an earlier definition for a while."""
        whole = list(several)
        several[:] = [one for one in whole if not number < one.number <= until]
        try:
            yield
        finally:
            several[:] = whole
