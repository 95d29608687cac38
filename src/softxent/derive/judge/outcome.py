"""What is said about one step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from softxent.derive.trees import Expr
from softxent.derive.verdicts import Verdict, Witness


@dataclass(slots=True)
class Outcome:
    """What is said about a step, without where it stands."""

    verdict: Verdict
    rule: str
    message: str
    assumption: str | None = None
    declared_line: int | None = None
    witness: Witness | None = None
    repair: str | None = None
    numeric: bool = False
    notes: list[tuple[str, str]] = field(default_factory=list)
    mended: tuple[int, Expr] | None = None
    """Which side, and the tree that it should have been."""


def clean(witness: Witness | None) -> Witness | None:
    """Return a witness without the names that only the checker uses."""
    if witness is None:
        return None
    values = {
        name.split("#")[0]: value
        for name, value in witness.values.items()
        if not any(mark in name for mark in ("/", "·", "."))
    }
    return replace(witness, values=values)
