"""Tables that a script writes into a document, between two comments that name the command.

<!-- begin: python bench/numerics.py --write -->
<!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table; the first `words` columns are text, the others are numbers."""
    rule = "|" + "---|" * words + "---:|" * (len(heads) - words)
    lines = ["| " + " | ".join(heads) + " |", rule]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def machine_line(card: Mapping[str, str]) -> str:
    """Return what was measured on, in one line."""
    return ", ".join(f"{key}: {value}" for key, value in card.items())


def between(path: Path, name: str) -> str:
    """Return what stands in the document between the comments of this name."""
    return _find(path, name)[1]


def write(path: Path, name: str, text: str) -> None:
    """Put `text` between the comments of this name; the rest of the document stays."""
    before, _, after = _find(path, name)
    path.write_text(f"{before}\n{text.strip()}\n{after}", encoding="utf-8")


def _find(path: Path, name: str) -> tuple[str, str, str]:
    document = path.read_text(encoding="utf-8")
    begin = rf"<!-- begin: {re.escape(name)}, by [^\n]* -->"
    match = re.fullmatch(rf"(.*?{begin})\n(.*?)\n?(<!-- end -->.*)", document, re.DOTALL)
    if match is None:
        raise SystemExit(f"{path}: no '<!-- begin: {name}, by … -->' with an '<!-- end -->' behind")
    return match[1], match[2], match[3]
