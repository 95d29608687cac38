"""What the checker says: verdicts, findings and the report that `check` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from softxent.derive.trees import Expr


class Verdict(Enum):
    """What is said about one step."""

    TRUE = "TRUE"
    TRUE_IF = "TRUE-IF"  # with an assumption; declared at a line, or never
    FALSE = "FALSE"
    ILL_TYPED = "ILL-TYPED"  # a vector equal to a number, a subscript that is no index
    UNBOUND = "UNBOUND"  # a letter free on one side only, or bound by nothing
    AMBIGUOUS = "AMBIGUOUS"  # two readings, one true and one false
    DEFINITION = "DEFINITION"
    OPAQUE = "OPAQUE"  # not mathematics that we define
    UNSUPPORTED = "UNSUPPORTED"  # which token, where
    REASON_FALSE = "REASON-FALSE"  # the reason given is false, or the step does not follow from it
    VACUOUS = "VACUOUS"  # of a whole document: nothing to check


@dataclass(frozen=True, slots=True)
class Witness:
    """A point at which two sides differ, small enough to redo on paper."""

    k: int
    """The size of the index sets."""
    values: dict[str, str]
    """What was put in: {"e^z": "(1, 2, 3)", "t": "(0, 1, 0)", "i": "1"}."""
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Step:
    """One equality, or one reason, of a document."""

    path: str
    line: int
    column: int
    """Of its own relation sign."""
    start: int
    end: int
    """Offsets in the document of the whole step, both sides."""
    display: bool
    left: str
    right: str
    """As written."""
    left_tree: Expr | None
    right_tree: Expr | None
    verdict: Verdict
    rule: str
    """The rule's code, "step-false" for example; never empty."""
    message: str
    """One sentence for people."""
    assumption: str | None = None
    """For TRUE-IF: "sum-to-one", "one-hot", "N=1", ..."""
    declared_line: int | None = None
    witness: Witness | None = None
    repair: str | None = None
    """The single edit, in TeX, that makes it true."""
    numeric: bool = False
    """Decided by intervals or many digits, not exactly."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth saying that is no step."""

    line: int
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the steps were decided."""

    checked: int
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found in one document."""

    path: str
    text: str
    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()
    stopped: str | None = None
    """Why the check ended early: time, size, or a document that is no text."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def coverage(self) -> Coverage:
        """Steps that were decided (true, false or a definition), of all."""
        undecided = (Verdict.UNSUPPORTED, Verdict.OPAQUE)
        return Coverage(sum(s.verdict not in undecided for s in self.steps), len(self.steps))

    @property
    def vacuous(self) -> bool:
        """Whether there was nothing to check."""
        return not self.steps
