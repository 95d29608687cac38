"""Sentences that several formats share: the witness, the assumption, the summary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from softxent.derive.verdicts import Report, Step, Verdict, Witness

_SIGN = re.compile(r"\\[A-Za-z]+|:?=|[<>≤≥≠≈∈≡]")

VACUOUS = "nothing to check: no equality was found"
LOST = "nothing to check: no equality was found. Were the formulas of this page lost?"
_HOLES = re.compile(
    r":[ \t]*\n\n+[A-Za-z]|\b(?:where|and|that|is|by|of|with)[ ]{2,}(?:and|is|are|the|where)\b"
)
DOCUMENT_RULES = {
    "vacuous": (
        "Nothing to check",
        "No equality was found. Pages that lost their formulas on the way look like this, and they "
        "never count as passed.",
        "We get: (here an equation stood), where K is the number of classes.",
    ),
    "stopped": (
        "Not read to the end",
        "The file could not be read, is too large, or took too long; what was found until then is "
        "reported.",
        "a file that needs more than --time-limit",
    ),
}
"""Rules about whole documents, as those of `judge`: code -> (title, explanation, example)."""
_ORDER = {
    Verdict.TRUE: "true",
    Verdict.TRUE_IF: "true under an assumption",
    Verdict.DEFINITION: "definitions",
    Verdict.FALSE: "false",
    Verdict.ILL_TYPED: "ill-typed",
    Verdict.UNBOUND: "with an unbound letter",
    Verdict.REASON_FALSE: "false reasons",
    Verdict.AMBIGUOUS: "ambiguous",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.OPAQUE: "opaque",
}


def vacuous(report: Report) -> str:
    """Return that there was nothing to check; with a question where the prose has holes."""
    holes = len(_HOLES.findall(report.text)) > 1 and ("$" in report.text or "\\" in report.text)
    return LOST if holes else VACUOUS


def witness(point: Witness) -> str:
    """Return `K = 3, e^z = (1, 2, 3), t = (0, 1, 0), i = 1: left 1/6, right 1/2`."""
    values = [f"{name} = {value}" for name, value in point.values.items()]
    # Without any index there is nothing that K could be the size of.
    indexed = point.k > 1 or any("(" in value for value in point.values.values())
    if indexed and "K" not in point.values:
        values.insert(0, f"K = {point.k}")
    return f"{', '.join(values)}: left {point.left}, right {point.right}"


def relation(lines: Sequence[str], step: Step) -> str:
    """Return the sign between the two sides, as written; `lines` are those of the document."""
    rest = lines[step.line - 1][step.column - 1 :] if step.line <= len(lines) else ""
    sign = _SIGN.match(rest)
    return sign.group() if sign else "="


def details(step: Step) -> list[str]:
    """Return what there is to say beside the message: the point, the edit, how it was decided."""
    lines = []
    if step.witness:
        lines.append(f"at {witness(step.witness)}")
    if step.repair and step.repair not in step.message:
        lines.append(f"repair: {step.repair}")
    if step.numeric:
        lines.append("decided with many digits, not exactly")
    return lines


def sentence(step: Step) -> str:
    """Return the message and the details, in one line."""
    parts = [part.rstrip(".") for part in (step.message, *details(step)) if part]
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."


def counts(reports: Sequence[Report]) -> list[tuple[Verdict, str]]:
    """Return each verdict that occurs, and how often, in words."""
    found = Counter(step.verdict for report in reports for step in report.steps)
    return [
        (verdict, f"{found[verdict]} {_singular(words, found[verdict])}")
        for verdict, words in _ORDER.items()
        if found[verdict]
    ]


def coverage(reports: Sequence[Report]) -> str:
    """Return "checked n of m steps"."""
    checked = sum(report.coverage.checked for report in reports)
    total = sum(report.coverage.total for report in reports)
    return f"checked {checked} of {total} {_singular('steps', total)}"


def files(number: int) -> str:
    """Return "3 files"."""
    return f"{number} {_singular('files', number)}"


def _singular(words: str, number: int) -> str:
    return words.removesuffix("s") if number == 1 else words
