"""The steps of one portion of a document in order: chains, what is inherited, what cancels."""

from __future__ import annotations

from collections.abc import Callable, Collection

from softxent.derive.exact import decide
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.notes import notes
from softxent.derive.judge.outcome import Outcome, clean
from softxent.derive.judge.steps import Steps
from softxent.derive.trees import Symbol
from softxent.derive.understand.letters import is_bold
from softxent.derive.understand.outline import Doubt, Statement
from softxent.derive.understand.reading import PROBLEMS, Reading
from softxent.derive.verdicts import Note, Step, Verdict

_GOOD = (Verdict.TRUE, Verdict.TRUE_IF, Verdict.DEFINITION)
_CANCEL = (Verdict.FALSE, Verdict.UNBOUND)
_WRONG = (Verdict.FALSE, Verdict.ILL_TYPED, Verdict.UNBOUND)


class Chains:
    """Judges what was read; tells each step at once, and gathers the notes."""

    def __init__(
        self,
        reading: Reading,
        path: str,
        clock: Clock,
        tell: Callable[[Step], None],
        repairs: bool = True,
    ) -> None:
        self.reading = reading
        self.path = path
        self.clock = clock
        self.tell = tell
        self.judge = Steps(reading, clock, repairs)
        self.plain: Steps | None = None
        self.notes: list[Note] = []

    def run(self, first: int = 0, only: Collection[int] | None = None) -> None:
        """Judge all statements, then the doubts about the prose.

        first: where they begin; what stands before is read only. only: the offsets of the signs to
        judge, without anything else.
        """
        for statement in self.reading.outline.statements:
            if statement.signs and statement.signs[-1].offset >= first:
                self._chain(statement, only)
        for doubt in self.reading.outline.doubts:
            if doubt.start >= first and only is None:
                self.tell(self._doubted(doubt))
        if not self.clock.over and only is None:
            for note in notes(self.reading):
                self._note(note)

    def _chain(self, statement: Statement, only: Collection[int] | None) -> None:
        outcomes: list[Outcome] = []
        before: Outcome | None = None
        for at, sign in enumerate(statement.signs):
            if sign.relation not in ("=", "define", "to") or at + 1 >= len(statement.sides):
                before = None
                continue
            if sign.relation == "to" and at:
                continue
            if only is not None and sign.offset not in only:
                continue
            outcome = self._outcome(statement, at, before)
            if statement.reason and outcome.verdict is Verdict.FALSE:
                outcome.verdict, outcome.rule = Verdict.REASON_FALSE, "reason-false"
                outcome.message = "The reason given does not hold."
            outcomes.append(outcome)
            step = self._step(statement, at, outcome)
            self.tell(step)
            for rule, message in outcome.notes:
                self._note(Note(step.line, rule, message))
            if outcome.rule == "definition-new":
                text = statement.sides[0].tex
                self._note(Note(step.line, "symbol-two-meanings", f"{text} is defined anew here."))
            before = outcome
        if only is None and len(outcomes) > 1 and any(one.verdict in _CANCEL for one in outcomes):
            self._ends(statement)

    def _outcome(self, statement: Statement, at: int, before: Outcome | None) -> Outcome:
        if self.clock.over:
            return Outcome(Verdict.UNSUPPORTED, "time", "Not reached in time.")
        self.clock.begin_step()
        try:
            outcome = self._judged(statement, at)
            self._carry(statement, at, outcome, before)
        except Exception as error:  # of one step: the others go on
            what = f"{type(error).__name__}: {error}"
            return Outcome(
                Verdict.UNSUPPORTED, "internal-error", f"Internal error, please report it: {what}."
            )
        return outcome

    def _judged(self, statement: Statement, at: int) -> Outcome:
        """Judge a step; where the shapes do not fit, also with plain letters read as numbers."""
        outcome = self.judge.judge(statement, at)
        if outcome.rule not in ("shape-mismatch", "shape-unclear", "unsupported", "step-false"):
            return outcome
        if outcome.rule == "step-false" and not self._mixed(statement, at):
            return outcome
        if self.clock.step_is_over:
            return outcome
        if self.plain is None:
            self.plain = Steps(Reading(self.reading.document, plain=True), self.clock, False)
        self.plain.definitions.follow(self.judge.definitions)
        other = self.plain.judge(self.plain.reading.outline.statements[statement.number], at)
        return other if other.verdict in _GOOD else outcome

    def _mixed(self, statement: Statement, at: int) -> bool:
        """Whether a step has a letter without index that is read as a vector, and is not bold."""
        book = self.reading.book
        for side in statement.sides[at : at + 2]:
            for node in side.tree.walk():
                if isinstance(node, Symbol) and not is_bold(node):
                    name, indices = book.letters.split(node)
                    matrix = book.letters.bold and node.name.isupper()  # W beside a bold x
                    if not indices and book.rank(name, 0) and name not in book.letters.bold:
                        if not matrix:
                            return True
        return False

    def _carry(
        self, statement: Statement, at: int, outcome: Outcome, before: Outcome | None
    ) -> None:
        """Let what was wrong in one step not count against the next."""
        if outcome.verdict is Verdict.ILL_TYPED and outcome.mended is not None:
            side, tree = outcome.mended
            self.judge.mended[(statement.number, side)] = tree
        if outcome.verdict is not Verdict.FALSE or before is None:
            return
        if before.verdict not in _WRONG or before.mended is None or before.mended[0] != at:
            return
        mended = self.judge.inherits(statement, at, before.mended[1])
        if mended is not None:
            outcome.rule = "step-inherits"
            outcome.message = "False only because the step before it is"
            outcome.repair = None
            if mended.verdict is Verdict.TRUE_IF:
                outcome.assumption = mended.assumption
                outcome.declared_line = mended.declared_line
                condition = mended.message.removeprefix("True ").rstrip(".")
                outcome.message += f"; from that one mended it follows {condition}"
            outcome.message += "."

    def _ends(self, statement: Statement) -> None:
        """Look whether the ends of a chain with a false step agree all the same."""
        last = len(statement.sides) - 1
        trees = (statement.sides[0].tree, statement.sides[last].tree)
        sign = statement.signs[-1]
        try:
            _, _, claim = self.reading.step(statement, last - 1, trees, sign.conditions, first=0)
        except (*PROBLEMS, RecursionError):  # as for the steps themselves
            return
        line = self.reading.document.line_column(statement.signs[-1].offset)[0]
        seconds = self.clock.seconds(0.5)
        if decide(claim.left, claim.right, claim.given, budget_seconds=seconds, nice=False).equal:
            self._note(
                Note(line, "errors-cancel", "The chain's ends are equal, although a step is not.")
            )
            return
        found = self.judge.assumed(statement, claim)
        if found is not None and found.verdict is Verdict.TRUE_IF:
            condition = found.message.removeprefix("True ")
            self._note(
                Note(
                    line,
                    "errors-cancel",
                    f"The chain's ends are equal {condition.rstrip('.')}, although a step is not.",
                )
            )

    def _note(self, note: Note) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _step(self, statement: Statement, at: int, outcome: Outcome) -> Step:
        sign = statement.signs[at]
        left, right = statement.sides[at], statement.sides[at + 1]
        line, column = self.reading.document.line_column(sign.offset)
        return Step(
            self.path,
            line,
            column,
            min(left.start, right.start),
            max(left.end, right.end),
            statement.display,
            left.tex,
            right.tex,
            left.tree,
            right.tree,
            outcome.verdict,
            outcome.rule,
            outcome.message,
            outcome.assumption,
            outcome.declared_line,
            clean(outcome.witness),
            outcome.repair,
            outcome.numeric,
        )

    def _doubted(self, doubt: Doubt) -> Step:
        line, column = self.reading.document.line_column(doubt.start)
        return Step(
            self.path,
            line,
            column,
            doubt.start,
            doubt.end,
            False,
            doubt.left,
            doubt.right,
            None,
            None,
            Verdict(doubt.verdict),
            doubt.rule,
            doubt.message,
            repair=doubt.repair,
        )
