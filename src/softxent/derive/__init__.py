r"""Room 8: reads derivations, checks every step by machine, names the false one, and writes them.

>>> from softxent.derive import check
>>> report = check(r"$$y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$ $$\sum_k y_k = 2$$")
>>> [step.verdict.value for step in report.steps]
['DEFINITION', 'FALSE']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from softxent.derive.verdicts import Coverage, Note, Report, Step, Verdict, Witness

if TYPE_CHECKING:
    from softxent.derive.write import Derivation, derive

_LONG = 200_000
"""Characters that are always read."""

__all__ = [
    "Coverage",
    "Derivation",
    "Note",
    "Report",
    "Step",
    "Verdict",
    "Witness",
    "check",
    "derive",
]


def __getattr__(name: str) -> object:
    """Import the writer only when it is asked for."""
    if name in ("Derivation", "derive"):
        from softxent.derive import write

        return getattr(write, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def check(
    text: str,
    path: str = "",
    dialect: str | None = None,
    time_limit: float = 20.0,
    tell: Callable[[Step], None] | None = None,
) -> Report:
    r"""Check every equality of a document.

    text: the document: Markdown, LaTeX, HTML, a notebook's JSON, Python source or plain text.
    path: its name, for the report and to guess the dialect by. dialect: "markdown", "latex",
    "html", "notebook", "python" or "text"; None guesses. time_limit: seconds after which the
    steps that are left are not judged any more (`Report.stopped` says so). tell: called with each
    step as soon as it is judged, and in a long document again when more of it has been read.

    Returns a Report: the steps in order, each with its place, both sides as trees, a verdict, and
    where it applies a witness, an assumption with the line that makes it, and a repair; and notes.

    >>> check(r"$$\sum_k t_k (a - b_k) = a \sum_k t_k - \sum_k t_k b_k$$").steps[0].verdict.value
    'TRUE'
    """
    from time import perf_counter

    from softxent.derive.judge import check_document
    from softxent.derive.scan import scan

    start = perf_counter()
    read = _in_time(text, path, dialect, time_limit)
    document = scan(text[:read], dialect, path)
    report = check_document(document, path, time_limit, tell, start)
    if read == len(text):
        return report
    more = f"only the first {read} of {len(text)} characters can be read in {time_limit:g} s"
    return replace(report, text=text, stopped=report.stopped or more)


def _in_time(text: str, path: str, dialect: str | None, time_limit: float) -> int:
    """Return how many characters can be scanned in a quarter of the time."""
    if len(text) <= _LONG:
        return len(text)
    from time import perf_counter

    from softxent.derive.scan import scan

    start = perf_counter()
    scan(text[:_LONG], dialect, path)
    seconds = perf_counter() - start
    most = int(_LONG * time_limit / 4 / max(seconds, 1e-6))
    if most >= len(text):
        return len(text)
    paragraph = text.rfind("\n\n", 0, max(most, _LONG))
    return paragraph if paragraph > _LONG // 2 else max(most, _LONG)
