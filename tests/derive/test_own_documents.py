"""Our docstrings and documents before our own checker: nothing false, and nothing left undecided.

Files are read as `softxent check` reads them. Each test also says how much there must be to find:
an empty harvest is a failure.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from softxent.derive import Report, Verdict, check
from softxent.derive.document import Formula
from softxent.derive.scan import scan
from softxent.formula import FORMULAS

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DOCUMENTS = sorted(
    path for folder in ("", "docs/", "src/**/", "native/") for path in ROOT.glob(f"{folder}*.md")
)


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def report_on(name: str) -> Report:
    text = (ROOT / name).read_text(encoding="utf-8")
    return check(text, name, time_limit=120)  # tests run side by side


def equations(path: Path) -> list[str]:
    """The equalities in a file's formulas, on one line each."""
    pieces = scan(path.read_text(encoding="utf-8"), path=path.name).pieces
    formulas = [" ".join(piece.tex.split()) for piece in pieces if isinstance(piece, Formula)]
    return [tex for tex in formulas if "=" in tex]


def assert_holds(report: Report) -> None:
    assert report.stopped is None
    for step in report.steps:
        declared = step.verdict is Verdict.TRUE_IF and step.declared_line is not None
        held = declared or step.verdict in (Verdict.TRUE, Verdict.DEFINITION)
        assert held, f"{report.path}:{step.line}: {step.verdict.value}: {step.message}"


def with_mathematics(paths: list[Path]) -> list[Path]:
    return [path for path in paths if equations(path)]


@pytest.mark.parametrize("name", names(with_mathematics(SOURCES)))
def test_docstrings_hold(name: str) -> None:
    assert_holds(report_on(name))


@pytest.mark.parametrize("name", names(DOCUMENTS))
def test_documents_hold(name: str) -> None:
    report = report_on(name)
    assert_holds(report)
    assert len(report.steps) >= (100 if name == "docs/derivation.md" else 0)


def test_there_are_documents_with_mathematics() -> None:
    assert "docs/derivation.md" in names(with_mathematics(DOCUMENTS))


def test_docstrings_state_the_formulas() -> None:
    """Most of what they state is a formula by the letter, and it is found."""
    stated = [tex for path in SOURCES for tex in equations(path)]
    known = {formula.latex for formula in FORMULAS.values()}
    assert len(stated) >= 45
    assert len(set(stated) & known) >= 18
    assert sum(len(report_on(name).steps) for name in names(with_mathematics(SOURCES))) >= 45


def test_a_lost_minus_sign_in_a_docstring_is_caught() -> None:
    name = "src/softxent/frontends/derivatives.py"
    text = (ROOT / name).read_text(encoding="utf-8")
    slip = text.replace(r"{\partial t_k} = -\log y_k", r"{\partial t_k} = \log y_k")
    assert slip != text
    [step] = [step for step in check(slip, name).steps if step.verdict is Verdict.FALSE]
    assert slip.splitlines()[step.line - 1].endswith(r"{\partial t_k} = \log y_k")


def test_native_comments_hold_no_tex() -> None:
    """Comments of C++ are not read: formulas there are written in plain characters."""
    sources = [*(ROOT / "native").glob("*.h"), *(ROOT / "native").glob("*.cpp")]
    assert sources
    for path in sources:
        assert r"\frac" not in path.read_text(encoding="utf-8"), path
