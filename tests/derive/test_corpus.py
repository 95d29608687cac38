"""Derivations in many dialects, letters and fields: every step holds; and some with slips.

`corpus/expected.txt` says for each document how many steps it has, how many of them define
something, and how many need an assumption (which the text declares); the rest are true.
`corpus/wrong/expected.txt` says where the slips are.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from softxent.derive import Report, Step, check

CORPUS = Path(__file__).parent / "corpus"
WRONG = CORPUS / "wrong"
# Documents with a step that the checker does not read yet, and why.
UNREAD: dict[str, str] = {}


def table(folder: Path) -> list[list[str]]:
    """Read the expectations of a folder."""
    lines = (folder / "expected.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.strip() and not line.startswith("#")]
    return [[cell.strip() for cell in row] for row in rows]


def checked(path: Path) -> Report:
    """Check a document of the corpus."""
    return check(path.read_text(encoding="utf-8"), path.name)


def holds(step: Step) -> bool:
    """Whether a step is true or a definition, or true by what the text declares."""
    name = step.verdict.value
    return name in ("TRUE", "DEFINITION") or (name == "TRUE-IF" and step.declared_line is not None)


def plain(tex: str) -> str:
    """Return TeX without what may be written in several ways: braces, gaps, bracket sizes."""
    return re.sub(r"\\left|\\right|[{}\s,]", "", tex)


EXPECTED = {row[0]: [int(cell) for cell in row[1:]] for row in table(CORPUS)}


@pytest.mark.parametrize("folder", [CORPUS, WRONG])
def test_every_document_is_in_the_table(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.is_file()} - {"expected.txt"}
    assert names == {row[0] for row in table(folder)}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_step_holds(name: str, request: pytest.FixtureRequest) -> None:
    if name in UNREAD:
        request.applymarker(pytest.mark.xfail(reason=UNREAD[name], strict=True))
    report = checked(CORPUS / name)
    assert report.stopped is None
    wrong = [f"{one.line}: {one.verdict.value}: {one.message}" for one in report.steps]
    assert [text for text, one in zip(wrong, report.steps, strict=True) if not holds(one)] == []
    counts = Counter(step.verdict.value for step in report.steps)
    assert [len(report.steps), counts["DEFINITION"], counts["TRUE-IF"]] == EXPECTED[name]


@pytest.mark.parametrize("name", sorted({row[0] for row in table(WRONG)}))
def test_every_slip_is_found(name: str) -> None:
    steps = list(checked(WRONG / name).steps)
    for _, line, verdict, repair in (row for row in table(WRONG) if row[0] == name):
        here = [one for one in steps if (one.line, one.verdict.value) == (int(line), verdict)]
        assert here, (line, verdict)
        found = next((one for one in here if not holds(one)), None)
        assert found is not None, (line, verdict)
        assert plain(repair) in plain(found.repair or "")
        assert verdict != "FALSE" or found.witness is not None
        steps.remove(found)
    assert [one for one in steps if not holds(one)] == []


def test_the_corpus_is_wide() -> None:
    endings = Counter(Path(name).suffix for name in EXPECTED)
    assert len(EXPECTED) >= 35
    assert set(endings) >= {".md", ".tex", ".html", ".ipynb", ".py", ".txt", ".rst"}
