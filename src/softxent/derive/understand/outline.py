"""What a document states, in order, before any of it has a meaning: statements, cases, facts."""

from __future__ import annotations

from dataclasses import dataclass, field

from softxent.derive.trees import Expr, Relation, Remark


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an equality: its tree and where it stands in the document."""

    tree: Expr
    tex: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Condition:
    """`j = k` or `j != k` as a case says it: "eq", "neq", "lt", "le", "gt", "ge"."""

    relation: str
    left: Expr
    right: Expr

    def letters(self) -> frozenset[str]:
        """Return the letters that it speaks of."""
        from softxent.derive.understand.letters import letters_of

        return letters_of(self.left) | letters_of(self.right)


@dataclass(frozen=True, slots=True)
class Sign:
    """A relation sign between two sides, and what holds where it stands."""

    relation: str
    offset: int
    conditions: tuple[Condition, ...] = ()
    soft: tuple[Condition, ...] = ()
    """Conditions of a case that a "thus" may have closed, or not."""
    remarks: tuple[Remark, ...] = ()
    places: tuple[int, ...] = ()
    """Where each of the remarks begins in the document."""


@dataclass(slots=True)
class Statement:
    """A chain of sides with signs between them; a display that begins with `=` lengthens it."""

    number: int
    display: bool
    section: int
    cue: str
    """The prose before it, as far as it belongs to it."""
    reason: bool = False
    boxed: bool = False
    opens: bool = False
    """It stands first in its section: behind a heading, a list mark, "Example"."""
    alternative: bool = False
    """The words before it announce another definition beside the one that is known."""
    doubt: str = ""
    """Why it is no general claim, by the words before it."""
    sides: list[Side] = field(default_factory=list)
    signs: list[Sign] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fact:
    """An assumption that the text declares: "sum-to-one", "one-hot", "size-one"."""

    kind: str
    names: frozenset[str]
    """The symbols of the sentence, by name; for "size-one" the size."""
    offset: int
    number: int
    """The statement behind which it stands."""
    after: bool = False
    """It is given as the reason of what stands before it."""
    letter: str = ""
    """Of "one-hot": the letter of the class whose target is 1, where the text gives it one."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something wrong in the prose itself: a verdict name, a rule, a sentence, a place."""

    verdict: str
    rule: str
    message: str
    start: int
    end: int
    left: str
    right: str
    repair: str | None = None


@dataclass(slots=True)
class Outline:
    """A document read once."""

    statements: list[Statement] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    bare_sum: list[str] = field(default_factory=list)
    """The letter that a sum without one runs over, where the text says so."""
    pins: list[str] = field(default_factory=list)
    asides: list[Relation] = field(default_factory=list)
    """Mathematics that states nothing (conditions, mentions); it shows how letters are used."""
    examples: bool = False
    """Whether the text puts numbers in for its quantities anywhere."""
    prose: str = ""
