"""What counts: how grave a verdict is, which rules are asked for, and the exit code of it all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from softxent.derive.verdicts import Report, Step, Verdict

Level = Literal["error", "warning", "note", "fine"]

FALSE = frozenset({Verdict.FALSE, Verdict.ILL_TYPED, Verdict.UNBOUND, Verdict.REASON_FALSE})
UNDECIDED = frozenset({Verdict.UNSUPPORTED, Verdict.OPAQUE})
FINE, FINDINGS, NOTHING = 0, 1, 2


def level(step: Step) -> Level:
    """Return how grave a step is: a false one is an error, what the text leaves open a warning."""
    if step.verdict in FALSE:
        return "error"
    undeclared = step.verdict is Verdict.TRUE_IF and step.declared_line is None
    if undeclared or step.verdict is Verdict.AMBIGUOUS:
        return "warning"
    return "note" if step.verdict in UNDECIDED else "fine"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for: strict makes warnings count; rules may be selected or ignored.

    A rule is named by its code, or by a pattern of codes: "step-*".
    """

    strict: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def wants(self, rule: str) -> bool:
        """Whether what a rule finds is to be told."""
        return (not self.select or _matches(rule, self.select)) and not _matches(rule, self.ignore)

    def counts(self, step: Step) -> bool:
        """Whether the step is a finding."""
        return level(step) == "error" or (self.strict and level(step) == "warning")

    def of(self, report: Report) -> Report:
        """Return the report without what was not asked for; steps that hold stay."""
        steps = tuple(s for s in report.steps if level(s) == "fine" or self.wants(s.rule))
        notes = tuple(note for note in report.notes if self.wants(note.rule))
        return replace(report, steps=steps, notes=notes)


def exit_code(reports: Sequence[Report], choice: Choice, *, empty_is_fine: bool = False) -> int:
    """Return 0 if all that was checked holds, 1 if there are findings, 2 if a file was not read
    to its end or nothing at all could be checked.
    """
    if any(report.stopped for report in reports):
        return NOTHING
    if any(choice.counts(step) for report in reports for step in choice.of(report).steps):
        return FINDINGS
    if any(report.coverage.checked for report in reports):
        return FINE
    nothing_stated = all(report.vacuous for report in reports)
    return FINE if empty_is_fine and nothing_stated else NOTHING


def _matches(rule: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(rule, pattern) for pattern in patterns)
