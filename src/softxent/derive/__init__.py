r"""Room 8: reads derivations, checks every step by machine, names the false one, and writes them.

>>> from softxent.derive import check
>>> report = check(r"$$y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$ $$\sum_k y_k = 2$$")
>>> [step.verdict.value for step in report.steps]
['DEFINITION', 'FALSE']
"""

from __future__ import annotations

from softxent.derive.verdicts import Coverage, Note, Report, Step, Verdict, Witness

__all__ = ["Coverage", "Note", "Report", "Step", "Verdict", "Witness", "check"]


def check(
    text: str, path: str = "", dialect: str | None = None, time_limit: float = 20.0
) -> Report:
    r"""Check every equality of a document.

    text: the document: Markdown, LaTeX, HTML, a notebook's JSON, Python source or plain text.
    path: its name, for the report and to guess the dialect by. dialect: "markdown", "latex",
    "html", "notebook", "python" or "text"; None guesses. time_limit: seconds after which the
    steps that are left are not judged any more (`Report.stopped` says so).

    Returns a Report: the steps in order, each with its place, both sides as trees, a verdict, and
    where it applies a witness, an assumption with the line that makes it, and a repair; and notes.

    >>> check(r"$$\sum_k t_k (a - b_k) = a \sum_k t_k - \sum_k t_k b_k$$").steps[0].verdict.value
    'TRUE'
    """
    from softxent.derive.judge import check_document
    from softxent.derive.scan import scan

    return check_document(scan(text, dialect, path), path, time_limit)
