"""A whole document: read in portions, judged step by step, in bounded time; the report."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import perf_counter

from softxent.derive.document import Document, Formula
from softxent.derive.judge import portions
from softxent.derive.judge.chains import Chains
from softxent.derive.judge.clock import Clock
from softxent.derive.verdicts import Note, Report, Step, Verdict


def check_document(
    document: Document,
    path: str = "",
    time_limit: float = 20.0,
    tell: Callable[[Step], None] | None = None,
    start: float | None = None,
    *,
    repairs: bool = True,
    only: Collection[int] | None = None,
) -> Report:
    """Return what there is to say about every equality of a document.

    tell: called with each step as soon as it is judged, and in a long document again when more of
    it has been read. After the time limit the steps that are left are UNSUPPORTED, and
    `Report.stopped` says why. start: since when the time counts, of `perf_counter`.
    repairs: look for edits that make false steps true. only: the offsets of the relation signs to
    judge; the other steps are not in the report.
    """
    start = perf_counter() if start is None else start
    clock = Clock(start + time_limit)
    steps: list[Step] = []
    notes: list[Note] = []

    def found(step: Step) -> None:
        steps.append(step)
        if tell is not None:
            tell(step)

    document, long = portions.without_long(document)
    for formula in long:
        if "=" in formula.tex:
            found(_too_long(document, path, formula))
    cut: int | None = None
    failed = None
    for number, (part, first) in enumerate(portions.separate(document)):
        if not part.pieces:
            continue
        if number and clock.over:
            cut = first
        if cut is not None:
            break
        before = len(steps), len(notes)
        try:
            for reading, end in portions.growing(part, clock):
                cut = end
                del steps[before[0] :], notes[before[1] :]
                chains = Chains(reading, path, clock, found, repairs)
                chains.run(first, only)
                notes += [note for note in chains.notes if note not in notes]
        except Exception as error:  # of this portion: the others go on
            failed = f"internal error, please report it: {type(error).__name__}: {error}"
    stopped = failed
    late = [step.line for step in steps if step.rule == "time"]
    if cut is not None:
        late.append(document.line_column(cut)[0])
    if late:
        stopped = f"the time limit of {time_limit:g} s was reached at line {min(late)}"
    return Report(
        path,
        document.text,
        tuple(sorted(steps, key=lambda step: (step.line, step.column))),
        tuple(sorted(notes, key=lambda note: (note.line, note.rule))),
        stopped,
        perf_counter() - start,
    )


def _too_long(document: Document, path: str, formula: Formula) -> Step:
    """Return that a formula is not read; it stands at its first sign."""
    at = formula.tex.index("=")
    place = formula.places[at]
    line, column = document.line_column(place)
    return Step(
        path,
        line,
        column,
        formula.start,
        formula.end,
        formula.display,
        formula.tex[:at][:100],
        formula.tex[at + 1 :][:100],
        None,
        None,
        Verdict.UNSUPPORTED,
        "unsupported",
        f"The formula has {len(formula.tex)} characters; {portions.LONGEST} are read.",
    )
