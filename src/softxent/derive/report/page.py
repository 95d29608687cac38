"""One HTML page: the steps in the document's order, coloured; it needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from softxent.derive.report import wording
from softxent.derive.report.choice import Choice, level
from softxent.derive.verdicts import Report, Step

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #666; --line: #ddd;
  --error: #b3261e; --warning: #8a5a00; --note: #33658a; --fine: #22703f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181c; --soft: #a0a0a0;
  --line: #3a3d44; --error: #ff8a80; --warning: #ffc46b; --note: #8ec5ef; --fine: #7fd6a0; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; overflow-wrap: anywhere; }
ol { list-style: none; padding: 0; }
li { border-left: .3rem solid var(--line); padding: .2rem .8rem; margin: .7rem 0; }
.error { border-color: var(--error); } .warning { border-color: var(--warning); }
.note { border-color: var(--note); } .fine { border-color: var(--fine); }
.error b { color: var(--error); } .warning b { color: var(--warning); }
.note b { color: var(--note); } .fine b { color: var(--fine); }
pre { margin: .3rem 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9rem; }
pre mark { background: none; color: inherit; font-weight: bold; text-decoration: underline; }
p { margin: .2rem 0; } .place, .rule { color: var(--soft); font-size: .85rem; }
"""


def as_html(reports: Sequence[Report], choice: Choice, *, version: str) -> str:
    """Return the page."""
    parts = [part for report in reports for part in _document(choice.of(report), choice)]
    heading = wording.coverage(reports).capitalize()
    summary = ", ".join(escape(text) for _, text in wording.counts(reports))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(heading)}</h1>\n<p>{summary}</p>\n"
        + "\n".join(parts)
        + f'\n<p class="place">softxent {escape(version)}</p>\n</body>\n</html>\n'
    )


def _document(report: Report, choice: Choice) -> Iterator[str]:
    yield f"<h2>{escape(report.path)}</h2>"
    if report.stopped:
        yield f'<p class="error"><b>STOPPED</b> {escape(report.stopped)}</p>'
    elif report.vacuous:
        yield f'<p class="warning"><b>VACUOUS</b> {escape(wording.vacuous(report))}</p>'
    yield "<ol>"
    lines = report.text.split("\n")
    for step in report.steps:
        yield _item(lines, step, "error" if choice.counts(step) else level(step))
    yield "</ol>"
    if report.notes:
        yield "<ul>"
        for note in report.notes:
            place = f'<span class="place">line {note.line}</span>'
            yield f'<li class="note">{place} {escape(note.message)}</li>'
        yield "</ul>"


def _item(lines: Sequence[str], step: Step, grave: str) -> str:
    said = [f"<p>{escape(step.message)}</p>"]
    said += [f"<p>{escape(line)}</p>" for line in wording.details(step)]
    place = f'<span class="place">line {step.line}, column {step.column}</span>'
    rule = f'<span class="rule">{escape(step.rule)}</span>'
    sign = escape(wording.relation(lines, step))
    tex = f"<pre>{escape(step.left)} <mark>{sign}</mark> {escape(step.right)}</pre>"
    return (
        f'<li class="{grave}"><b>{step.verdict.value}</b> {place} {rule}{tex}{"".join(said)}</li>'
    )
