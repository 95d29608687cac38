r"""For people: where, the step as written with a caret under its sign, why not, what would be true.

post.md:52:60: FALSE (step-false)
    -\sum_{k=1}^K t_k (1\{k = i\} - y_i) = -\sum_{k=1}^K t_k 1\{k = i\} + \sum_{k=1}^K y_i
                                         ^
  the two sides differ
  at K = 3, e^z = (1, 2, 3), t = (0, 1, 0), i = 1: left 1/6, right 1
  repair: -\sum_{k=1}^K t_k 1\{k = i\} + \sum_{k=1}^K t_k y_i
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from softxent.derive.report import wording
from softxent.derive.report.choice import Choice, level
from softxent.derive.verdicts import Report, Step, Verdict

WIDTH = 94  # of the excerpt
_AROUND = 2  # lines before and behind the one with the sign
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "fine": "green"}

Style = Callable[..., str]


def plain(text: str, *styles: str) -> str:
    """Return the text as it is: no colours."""
    return text


def as_text(
    reports: Sequence[Report], choice: Choice, *, style: Style = plain, everything: bool = False
) -> str:
    """Return what was found, a block each, and a summary; `everything` lists what holds too."""
    blocks = []
    for report in reports:
        chosen = choice.of(report)
        lines = list(_document(chosen, style, everything))
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, _summary(reports, choice, style)]) + "\n"


def _document(report: Report, style: Style, everything: bool) -> Iterator[str]:
    starts = [0, *(i + 1 for i, c in enumerate(report.text) if c == "\n")]
    told = (Verdict.TRUE, Verdict.DEFINITION)
    steps = [
        one
        for one in report.steps
        if everything or one.verdict not in told or level(one) in ("error", "warning")
    ]
    for several in _alike(steps, everything):
        step = several[0]
        verdict = style(step.verdict.value, "bold", _COLOURS[level(step)])
        place = style(f"{report.path}:{step.line}:{step.column}:", "bold")
        yield f"{place} {verdict} ({step.rule})"
        if everything or level(step) in ("error", "warning"):
            for line in excerpt(report.text, starts, step, style):
                yield f"    {line}"
        for line in (step.message, *wording.details(step)):
            yield f"  {line}"
        more = sorted({one.line for one in several[1:]})
        if more:
            yield f"  the same in line{'s' * (len(more) > 1)} {', '.join(map(str, more))}"
    for note in report.notes:
        place = style(f"{report.path}:{note.line}:", "bold")
        yield f"{place} {style('note', 'cyan')} ({note.rule}) {note.message}"
    place = style(f"{report.path}:", "bold")
    if report.stopped:
        yield f"{place} {style('STOPPED', 'bold', 'red')} {report.stopped}"
    elif report.vacuous:
        yield f"{place} {style('VACUOUS', 'bold', 'yellow')} {wording.vacuous(report)}"


def _alike(steps: Sequence[Step], everything: bool) -> Iterator[list[Step]]:
    """Yield steps one by one, those together that follow each other and say the same."""
    several: list[Step] = []
    for step in steps:
        if several:
            first = several[0]
            grave = everything or level(step) in ("error", "warning")
            same = (step.verdict, step.rule, step.message, wording.details(step)) == (
                first.verdict,
                first.rule,
                first.message,
                wording.details(first),
            )
            if grave or not same:
                yield several
                several = []
        several.append(step)
    if several:
        yield several


def _summary(reports: Sequence[Report], choice: Choice, style: Style) -> str:
    steps = [step for report in reports for step in choice.of(report).steps]
    findings = sum(choice.counts(step) for step in steps)
    stopped = sum(report.stopped is not None for report in reports)
    colour = "red" if findings or stopped else "green"
    if not any(report.coverage.checked for report in reports):
        colour = "yellow"
    parts = [text for _, text in wording.counts(reports)]
    if stopped:
        parts.append(f"{wording.files(stopped)} not read to the end")
    detail = f": {', '.join(parts)}" if parts else ""
    place = f" in {wording.files(len(reports))}" if len(reports) != 1 else ""
    return style(wording.coverage(reports) + place, "bold", colour) + detail


def excerpt(text: str, starts: Sequence[int], step: Step, style: Style = plain) -> list[str]:
    """Return the step as written, with a caret under its relation sign."""
    sign = min(starts[min(step.line, len(starts)) - 1] + step.column - 1, len(text))
    begin, end = min(step.start, sign), max(step.end, sign)
    first, last = bisect_right(starts, begin) - 1, bisect_right(starts, max(end - 1, begin)) - 1
    middle = bisect_right(starts, sign) - 1
    lines = []
    for number in range(max(first, middle - _AROUND), min(last, middle + _AROUND) + 1):
        start = max(starts[number], begin)
        stop = starts[number + 1] - 1 if number + 1 < len(starts) else len(text)
        line = text[start : min(stop, end)].rstrip("\r")
        if number != middle and line.strip():
            lines.append(_clip(line, 0)[0])
        elif number == middle:
            shown, caret = _clip(line, sign - start)
            lines += [shown, " " * caret + style("^", "bold", _COLOURS[level(step)])]
    return lines


def _clip(line: str, at: int) -> tuple[str, int]:
    """Return the part of a line around a character that fits, and the character's column in it."""
    line = "".join(c if c.isprintable() else " " for c in line)
    lead = len(line) - len(line.lstrip())
    line, at = line[lead:], max(at - lead, 0)
    if len(line) > WIDTH:
        start = max(0, min(at - WIDTH // 2, len(line) - WIDTH))
        more = start + WIDTH < len(line)
        line, at = line[start : start + WIDTH], at - start
        line = ("…" if start else line[0]) + line[1:-1] + ("…" if more else line[-1])
    return line, sum(_columns(c) for c in line[:at])


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
