"""The five documents behind the project, line by line: every slip that we found in them by hand.

The documents are not part of the repository; where they are not there, these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from softxent.derive import Report, Verdict, check

_FOLDER = Path(os.environ.get("SOFTXENT_SEEDS", Path(__file__).parents[3] / "shared" / "seeds"))
_SEEDS = {path.name[:3]: path for path in sorted(_FOLDER.glob("*.txt"))}

pytestmark = pytest.mark.skipif(len(_SEEDS) < 5, reason="the seed documents are not here")

# What is wrong, or needs an assumption: seed -> [(line, verdict, words of the right side, more)].
_FOUND: dict[str, list[tuple[int, str, str, dict[str, object]]]] = {
    "001": [
        # the second sum has lost its t_k; the next step is false the other way round
        (52, "FALSE", r"\sum_{k=1}^K y_i", {"repair": r"y_i → t_k y_i"}),
        (52, "FALSE", r"-t_i + y_i", {"assumption": "sum-to-one", "declared_line": None}),
    ],
    "002": [
        (3, "OPAQUE", "P(l=k", {}),
        (7, "OPAQUE", "P(l=k", {}),
        (47, "TRUE-IF", "- (t_j - y_j)", {"assumption": "sum-to-one", "declared_line": 51}),
        (51, "REASON-FALSE", "", {}),  # j is any class already
        (55, "TRUE-IF", r"\vec{y}", {"assumption": "sum-to-one"}),
        (81, "TRUE-IF", "y_j - t_j", {"assumption": "sum-to-one"}),
        (83, "UNBOUND", r"\gamma", {"assumption": "one-hot"}),
        (85, "TRUE-IF", r"\vec{y}", {"assumption": "sum-to-one"}),
    ],
    "003": [
        (
            107,
            "ILL-TYPED",
            r"\sigma(k)",
            {"repair": r"\sigma(k) → \sigma(z_k)"},
        ),
        (121, "TRUE-IF", "1", {"assumption": "sum-to-one", "declared_line": 121}),
        (125, "TRUE-IF", "y_k", {"assumption": "sum-to-one", "declared_line": 121}),
    ],
    "004": [
        (17, "TRUE-IF", r"\sum_{o} y_{o}", {"assumption": "N=1", "declared_line": 16}),
        (17, "UNBOUND", r"i \neq o", {"repair": r"j \neq o"}),  # y_j = 0 where i is not o
        (17, "UNBOUND", r"\times", {}),  # o is summed nowhere
        (23, "FALSE", r"e^{z_o}", {"repair": r"\hat{y}_i → \hat{y}_o"}),
        (24, "FALSE", r"\sum_o", {}),  # the sum of a single derivative
        (28, "TRUE-IF", "1", {"assumption": "sum-to-one"}),
        (29, "TRUE-IF", r"\hat{y}_i - y_i", {"assumption": "sum-to-one", "declared_line": 28}),
    ],
}

_NOTES = {
    "001": [
        (18, "definition-arguments"),
        (52, "errors-cancel"),
        (64, "size-two-names"),
        (72, "sum-no-index"),
    ],
    "002": [(21, "symbol-two-meanings"), (75, "scope-extended")],
    "003": [(7, "definition-arguments")],
    "004": [
        (7, "symbol-two-meanings"),
        (10, "index-and-count"),
        (15, "size-and-set"),
        (24, "letter-shadowed"),
    ],
}

# The lines of the signs of all displayed equalities.
_DISPLAYED = {
    "001": "18 26 34 38 38 42 48 48 52 52 52 52 64 72 72 72 72 80 80 80 80 87",
    "002": "3 5 11 17 19 19 25 25 29 37 41 43 47 49 55 63 67 71 75 75 75 75 75 75 77 79 81 83",
    "003": "7 15 31 33 35 37 39 39 53 55 57 59 61 71 87 101 103 105 107 111 113 115 125",
    "004": "7 10 15 17 17 20 20 20 21 21 23 23 24 24 24 26 27 27 28 28 29",
}


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {name: check(path.read_text(), path.name) for name, path in _SEEDS.items()}


@pytest.mark.parametrize("seed", sorted(_FOUND))
def test_every_slip_is_found_at_its_line(seed: str, reports: dict[str, Report]) -> None:
    steps = list(reports[seed].steps)
    for line, verdict, right, more in _FOUND[seed]:
        found = [
            step
            for step in steps
            if (step.line, step.verdict.value) == (line, verdict) and right in step.right
        ]
        assert found, (line, verdict, right)
        for name, value in more.items():
            assert getattr(found[0], name) == value, (line, name)
        if verdict == "FALSE":
            assert found[0].witness is not None
        steps.remove(found[0])
    rest = {(step.line, step.verdict.value) for step in steps}
    assert {verdict for _, verdict in rest} <= {"TRUE", "DEFINITION"}, rest


@pytest.mark.parametrize("seed", sorted(_DISPLAYED))
def test_every_displayed_equality_is_found_and_judged(
    seed: str, reports: dict[str, Report]
) -> None:
    displayed = [step for step in reports[seed].steps if step.display]
    assert all(step.rule and step.verdict is not Verdict.UNSUPPORTED for step in displayed)
    assert [step.line for step in displayed] == [int(line) for line in _DISPLAYED[seed].split()]


@pytest.mark.parametrize("seed", sorted(_NOTES))
def test_notes(seed: str, reports: dict[str, Report]) -> None:
    found = {(note.line, note.rule) for note in reports[seed].notes}
    assert set(_NOTES[seed]) <= found


def test_the_document_without_formulas_is_vacuous(reports: dict[str, Report]) -> None:
    assert reports["000"].vacuous


def test_seeds_are_quick(reports: dict[str, Report]) -> None:
    assert all(report.seconds < 3 for report in reports.values())
