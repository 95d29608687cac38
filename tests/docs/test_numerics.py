"""docs/numerics.md: its examples run, and its table is what bench/numerics.py prints."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_examples import blocks, printed, promised

from softxent.kernels import registry

pytest.importorskip("mpmath", reason="exact arithmetic needs mpmath")

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "bench" / "numerics.py"
CODE = "\n".join(blocks(DOCUMENT))
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
NEEDS_A_COMPILER = "15"

Row = tuple[tuple[str, str, str], float, float]


def number(cell: str) -> float:
    """The number of a cell: "0.32", "120,000", "8.8 · 10⁶", "45 of 51 are 0", "NaN"."""
    match = re.fullmatch(r"([\d.,]+|NaN)(?: · 10([⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(?: of \d+ are 0)?", cell)
    assert match, cell
    power = int(match[2].translate(DIGITS)) if match[2] else 0
    return float(match[1].replace(",", "")) * 10.0**power


def rows(text: str) -> list[Row]:
    """(section, row and result; the naive error; ours) of every line of the table."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 5 and cells[0].isdigit():
            found.append(((cells[0], cells[1], cells[2]), number(cells[3]), number(cells[4])))
    return found


def in_document() -> list[Row]:
    start = DOCUMENT.index("<!-- begin: numerics")
    return rows(DOCUMENT[start : DOCUMENT.index("<!-- end -->", start)])


@pytest.fixture(scope="module")
def measured() -> list[Row]:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return rows(done.stdout)


def agree(written: float, now: float) -> bool:
    """Whether two errors are the same but for the last places of another machine's exp."""
    if math.isnan(written) or math.isnan(now):
        return math.isnan(written) and math.isnan(now)
    return abs(written - now) <= 1.5 or 0.5 <= now / written <= 2


def differences(written: list[Row], now: list[Row]) -> list[str]:
    """What a reader of the document would find otherwise on this machine."""
    if len(now) < len(written):  # no compiler here
        written = [row for row in written if row[0][0] != NEEDS_A_COMPILER]
    found = [f"{w[0]} for {n[0]}" for w, n in zip(written, now, strict=True) if w[0] != n[0]]
    for (step, naive, ours), (_, naive_now, ours_now) in zip(written, now, strict=True):
        if not agree(naive, naive_now) or not agree(ours, ours_now):
            found.append(f"{step}: {naive}, {ours}; here {naive_now}, {ours_now}")
    return found


def test_the_table_is_what_the_script_prints(measured: list[Row]) -> None:
    assert len(measured) > 20
    assert not differences(in_document(), measured)


@pytest.mark.skipif(registry.pick().name != "native", reason="the column is the native kernels'")
def test_our_column_is_within_the_contract(measured: list[Row]) -> None:
    for (section, row, what), naive, ours in measured:
        assert ours <= (0.51 if "bfloat16" in what else 4 if "loss" in what else 6), (section, row)
        assert not naive <= ours, f"{section}, {row}: the step removes nothing"


def test_json_is_one_object_without_nan(measured: list[Row]) -> None:
    command = [sys.executable, SCRIPT, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert result["schema_version"] == 1
    assert len(result["rows"]) == len(measured)
    assert result["rows"][0]["before"] is None  # NaN: the first step's overflow


def test_every_section_has_a_row_and_every_row_a_section() -> None:
    sections = re.findall(r"^## (\d+)\. ", DOCUMENT, re.MULTILINE)
    assert sections == [str(i) for i in range(1, len(sections) + 1)]
    assert {row[0][0] for row in in_document()} == set(sections) - {"16"}  # 16: bench/ladder.py


@pytest.mark.parametrize("column", [1, 2])
def test_a_wrong_figure_is_seen(measured: list[Row], column: int) -> None:
    wrong = list(measured)
    row = list(wrong[4])
    row[column] = row[column] * 3 + 3
    wrong[4] = tuple(row)  # type: ignore[assignment]
    assert len(differences(wrong, measured)) == 1


def test_examples_print_what_they_promise() -> None:
    lines, promises = printed(CODE), promised(CODE)
    assert len(promises) >= 12
    for i, text in promises:
        assert lines[i].startswith(text), f"print {i}: {lines[i]!r} for {text!r}"


def test_named_files_exist() -> None:
    for name in re.findall(r"`([a-z_]+\.(?:h|cpp))`", DOCUMENT):
        assert (ROOT / "native" / name).exists(), name
    for name in re.findall(r"\]\(([^)#:]+)\)", DOCUMENT):
        assert (ROOT / "docs" / name).exists(), name
    for name in re.findall(r"python (bench/\w+\.py)", DOCUMENT):
        assert (ROOT / name).exists(), name


def test_named_functions_exist() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "native").glob("*.h"))
    named = re.findall(r"`(\w+\.h)`: ((?:`\w+`(?:, (?:then )?)?)+)", DOCUMENT)
    assert len(named) > 5
    for _, names in named:
        for name in re.findall(r"`(\w+)`", names):
            assert name in sources, name
