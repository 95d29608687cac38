"""The README's Python runs, and prints what the README says it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_examples import blocks, printed, promised

README = Path(__file__).parents[2] / "README.md"
BLOCKS = blocks(README.read_text(encoding="utf-8"))


def test_readme_has_examples_with_known_numbers() -> None:
    assert BLOCKS
    assert any(promised(code) for code in BLOCKS)


@pytest.mark.parametrize("code", BLOCKS)
def test_examples_print_what_they_promise(code: str) -> None:
    lines = printed(code)
    for i, text in promised(code):
        assert lines[i].startswith(text), f"print {i}: {lines[i]!r} for {text!r}"


def test_a_wrong_number_is_seen() -> None:
    code = "print(1.5)  # 2.5: wrong"
    (i, text), lines = promised(code)[0], printed(code)
    assert not lines[i].startswith(text)


def test_named_files_exist() -> None:
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    for link in links:
        assert (README.parent / link).exists(), link
