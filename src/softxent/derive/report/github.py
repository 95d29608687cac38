"""Annotations of GitHub Actions: `::error file=post.md,line=52,col=60,title=step-false::...`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from softxent.derive.report import wording
from softxent.derive.report.choice import Choice, level
from softxent.derive.verdicts import Report

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(reports: Sequence[Report], choice: Choice) -> str:
    """Return one workflow command a line, and the coverage behind them."""
    lines = [line for report in reports for line in _annotations(choice.of(report), choice)]
    return "\n".join([*lines, wording.coverage(reports)]) + "\n"


def _annotations(report: Report, choice: Choice) -> Iterator[str]:
    for step in report.steps:
        grave = "error" if choice.counts(step) else level(step)
        if grave in _COMMANDS:
            title = f"{step.verdict.value} ({step.rule})"
            yield _line(_COMMANDS[grave], report.path, step.line, step.column, title,
                        wording.sentence(step))  # fmt: skip
    for note in report.notes:
        yield _line("notice", report.path, note.line, 1, note.rule, note.message)
    if report.stopped:
        yield _line("error", report.path, 1, 1, "stopped", report.stopped)
    elif report.vacuous:
        yield _line("warning", report.path, 1, 1, "vacuous", wording.vacuous(report))


def _line(command: str, path: str, line: int, column: int, title: str, message: str) -> str:
    place = f"file={_property(path)},line={line},col={column},title={_property(title)}"
    return f"::{command} {place}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
