"""SARIF 2.1.0, which editors and code hosts read: one run, a result for each finding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from softxent.derive.report import wording
from softxent.derive.report.choice import Choice, level
from softxent.derive.verdicts import Report, Step

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
Rules = Mapping[str, tuple[str, str, str]]


def as_sarif(
    reports: Sequence[Report], choice: Choice, *, version: str, rules: Rules | None = None
) -> str:
    """Return the log as text; `rules` says of each code its title, explanation and example."""
    chosen = [choice.of(report) for report in reports]
    results = [result for report in chosen for result in _results(report, choice)]
    codes = sorted({result["ruleId"] for result in results})
    for result in results:
        result["ruleIndex"] = codes.index(result["ruleId"])
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "softxent check",
                        "version": version,
                        "rules": [_rule(code, rules or {}) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(reports)],
                "results": results,
                "properties": {"coverage": wording.coverage(reports)},
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _rule(code: str, rules: Rules) -> dict[str, Any]:
    title, explanation, example = rules.get(code, (code, "", ""))
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": title or code}}
    if explanation:
        rule["fullDescription"] = {"text": explanation}
        rule["help"] = {"text": f"{explanation}\n\n{example}".strip()}
    return rule


def _results(report: Report, choice: Choice) -> list[dict[str, Any]]:
    results = []
    for step in report.steps:
        grave = "error" if choice.counts(step) else level(step)
        if grave != "fine":
            properties: dict[str, Any] = {"verdict": step.verdict.value}
            if step.repair:
                properties["repair"] = step.repair
            region = _region(report, step)
            result = _result(step.rule, grave, wording.sentence(step), report.path, region)
            results.append(result | {"properties": properties})
    for note in report.notes:
        region = {"startLine": max(note.line, 1)}
        results.append(_result(note.rule, "note", note.message, report.path, region))
    if report.vacuous and not report.stopped:
        results.append(_result("vacuous", "warning", wording.vacuous(report), report.path, None))
    return results


def _result(
    rule: str, grave: str, message: str, path: str, region: dict[str, Any] | None
) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if region:
        place["region"] = region
    return {
        "ruleId": rule,
        "level": grave,
        "message": {"text": message},
        "locations": [{"physicalLocation": place}],
    }


def _region(report: Report, step: Step) -> dict[str, Any]:
    """Return the place of the step's sign, and the whole step as its text."""
    region: dict[str, Any] = {"startLine": max(step.line, 1), "startColumn": max(step.column, 1)}
    if report.text[step.start : step.end]:
        region["snippet"] = {"text": report.text[step.start : step.end]}
    return region


def _invocation(reports: Sequence[Report]) -> dict[str, Any]:
    said = [
        {
            "level": "error",
            "message": {"text": report.stopped},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(report.path)}}}],
        }
        for report in reports
        if report.stopped
    ]
    return {"executionSuccessful": not said, "toolExecutionNotifications": said}


def _uri(path: str) -> str:
    if path == "-":
        return "stdin"
    whole = PurePath(path)
    return whole.as_uri() if whole.is_absolute() else quote(whole.as_posix())
