"""A check: one measured number and the bar it has to meet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from softxent.cli._terminal import Terminal, table


@dataclass(frozen=True, slots=True)
class Check:
    """`value` must be at most `bar`, or at least it where `at_least`; NaN never passes."""

    name: str
    value: float
    bar: float
    unit: str = ""
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bar is met."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def sentence(self) -> str:
        """What fell short, in one line."""
        side = "below" if self.at_least else "above"
        return f"{self.name}: {self._number(self.value)} is {side} the bar {self._bar()}"

    def row(self) -> tuple[str, str, str]:
        """Name, value and bar as text."""
        sign = "≥" if self.at_least else "≤"
        return self.name, self._number(self.value), f"{sign} {self._bar()}"

    def _bar(self) -> str:
        return f"{100 * self.bar:g} %" if self.unit == "%" else f"{self.bar:g} {self.unit}".rstrip()

    def _number(self, x: float) -> str:
        if self.unit == "ULP":
            return f"{x:.2f} ULP"
        if self.unit == "MiB":
            return f"{x:.1f} MiB"
        if self.unit == "%":
            return f"{100 * x:.2f} %"
        return f"{x:.1e}"


def print_checks(out: Terminal, checks: list[Check]) -> None:
    """One line a check: a tick or a cross, the name, the value, the bar."""
    for check, line in zip(checks, table([c.row() for c in checks], "<><"), strict=True):
        mark = out.style("✓", "green") if check.passed else out.style("✗", "red", "bold")
        out.print(f"  {mark} {line}")


def jsonable(value: Any) -> Any:
    """`value` with NaN and infinities, which JSON lacks, as null."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
