"""docs/derivation.md is what `softxent derive tour --questions` writes, and passes our checker."""

from __future__ import annotations

from pathlib import Path

from softxent.derive import check
from softxent.derive.report import Choice, exit_code
from softxent.derive.write import derive
from softxent.derive.write.questions import QUESTIONS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "derivation.md").read_text(encoding="utf-8")


def test_it_is_what_the_command_writes():
    assert derive("tour").markdown(questions=True) == DOCUMENT


def test_it_passes_the_checker_without_a_finding():
    report = check(DOCUMENT, "docs/derivation.md", time_limit=300.0)
    assert exit_code([report], Choice(strict=True)) == 0
    assert report.coverage.checked == report.coverage.total >= 170


def test_it_answers_what_learners_ask():
    for question in QUESTIONS:
        assert f"> **Question:** {question.text}" in DOCUMENT
        assert f"> **Answer:** {question.answer}" in DOCUMENT
