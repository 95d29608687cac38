"""For programs: one JSON object, its shape kept from version to version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from softxent.derive.report import wording
from softxent.derive.report.choice import Choice
from softxent.derive.verdicts import Note, Report, Step

SCHEMA_VERSION = 1


def as_json(reports: Sequence[Report], choice: Choice) -> str:
    """Return the object as text."""
    found = {
        "schema_version": SCHEMA_VERSION,
        "files": [_file(choice.of(report), report) for report in reports],
    }
    return json.dumps(found, indent=2, ensure_ascii=True) + "\n"


def _file(report: Report, whole: Report) -> dict[str, Any]:
    notes = list(report.notes)
    if whole.stopped:
        notes.append(Note(1, "stopped", whole.stopped))
    elif whole.vacuous and not report.path.endswith(".py"):  # most of a project's say nothing
        notes.append(Note(1, "vacuous", wording.vacuous(whole)))
    return {
        "path": report.path,
        "steps": [_step(step) for step in report.steps],
        "notes": [{"line": n.line, "rule": n.rule, "message": n.message} for n in notes],
        "coverage": {"checked": whole.coverage.checked, "total": whole.coverage.total},
    }


def _step(step: Step) -> dict[str, Any]:
    point = step.witness
    return {
        "line": step.line,
        "column": step.column,
        "display": step.display,
        "left": step.left,
        "right": step.right,
        "verdict": step.verdict.value,
        "assumption": step.assumption,
        "declared_line": step.declared_line,
        "witness": point
        and {"k": point.k, "values": point.values, "left": point.left, "right": point.right},
        "repair": step.repair,
        "rule": step.rule,
    }
