"""The README's Python runs, and prints what the README says it does."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def printed(code: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(README), "exec"), {})
    return out.getvalue().splitlines()


def promised(code: str) -> list[tuple[int, str]]:
    """(number of the print, the text that its comment begins with)."""
    prints = [line for line in code.splitlines() if line.startswith("print(")]
    return [
        (i, line.split("#", 1)[1].split(":")[0].strip())
        for i, line in enumerate(prints)
        if "#" in line
    ]


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
