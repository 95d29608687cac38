"""docs/performance.md: every table is one that its script makes, and its script still runs."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / name for name in ("performance.md", "numerics.md")]
BEGIN = r"<!-- begin: (\w+), by `python (bench/\w+\.py) --write` -->"
BLOCK = re.compile(BEGIN + r"\n(.*?)<!-- end -->", re.DOTALL)


@pytest.fixture(scope="module")
def ladder() -> ModuleType:
    return load("ladder")


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        spec = importlib.util.spec_from_file_location(
            f"bench_{name}", ROOT / "bench" / f"{name}.py"
        )
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "bench"))


def written() -> dict[str, tuple[str, str]]:
    """name: (script, table) of every generated block of the documents."""
    found = {}
    for path in DOCUMENTS:
        for name, script, text in BLOCK.findall(path.read_text(encoding="utf-8")):
            found[name] = (script, text)
    return found


def first_cells(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line.split("|")[1].strip() for line in lines[2:]]


def test_every_block_is_filled_by_a_script_that_exists() -> None:
    blocks = written()
    assert set(blocks) == {
        "floors", "rungs", "settings", "places", "functions", "linear", "numerics"
    }  # fmt: skip
    for name, (script, text) in blocks.items():
        assert (ROOT / script).exists()
        assert "|---" in text, f"{name} is empty: python {script} --write"


def test_the_ladder_has_every_rung(ladder: ModuleType) -> None:
    assert first_cells(written()["rungs"][1]) == list(ladder.RUNGS.values())
    source = (ROOT / "bench" / "ladder.cpp").read_text(encoding="utf-8")
    for key, _ in ladder.RUNGS:
        assert key == "textbook" or f'"{key}"' in source
    assert first_cells(written()["places"][1]) == [place[0] for place in ladder.PLACES]
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    for title in ladder.RUNGS.values():  # each numbered rung has its reason
        if title[0].isdigit() and "." in title:
            assert re.search(rf"^{title.split('.')[0]}\. \*\*", text, re.MULTILINE), title


def test_a_task_of_the_ladder_runs() -> None:
    calls = ["textbook", "new", "out", "in place", "empty"]
    task = {"dtype": "float32", "calls": calls, "shapes": [[16, 30]], "rounds": 1}
    command = [sys.executable, ROOT / "bench" / "ladder.py", "--task", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert [row["call"] for row in rows] == calls
    assert all(row["ms"] >= row["min_ms"] > 0 and row["faults"] >= 0 for row in rows)


def test_the_tables_are_made_of_what_was_measured(ladder: ModuleType) -> None:
    shapes = [(16, 30)]
    rows = [
        {"rung": key, "threads": threads, "shape": [16, 30], "ms": 2.0, "cached_ms": 1.0}
        | ({} if key == "copy" else {"ulp": 1.5, "target_ulp": 11_700_000.0})
        for key, threads in [*ladder.RUNGS, ("copy", 1), ("copy", 2)]
    ]
    table = ladder.ladder_table(rows, shapes)
    assert "| 2. online maximum | 2.0 ms, 0.0 | 1.0 | 1.5 | 12,000,000 |" in table
    floors = ladder.floor_table(rows, shapes)
    assert "| shipped over the larger floor, two threads | 1.00 |" in floors
    assert "| arithmetic in cache, one thread | 1.0 ms |" in floors


def test_writing_keeps_the_rest_of_a_document(tmp_path: Path) -> None:
    document = load("_document")
    path = tmp_path / "page.md"
    path.write_text("a\n<!-- begin: x, by `python y` -->\nold\n<!-- end -->\nb\n", encoding="utf-8")
    for text in ("new\nlines", "newer"):
        document.write(path, "x", text)
        assert document.between(path, "x") == text
    expected = "a\n<!-- begin: x, by `python y` -->\nnewer\n<!-- end -->\nb\n"
    assert path.read_text(encoding="utf-8") == expected
    with pytest.raises(SystemExit, match="no '<!-- begin: z"):
        document.write(path, "z", "")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_rungs_are_right_and_usage_is_checked(ladder: ModuleType, tmp_path: Path) -> None:
    """ladder.cpp without optimisation, over one instruction set: seconds instead of a minute."""
    program = tmp_path / "ladder"
    sources = [ROOT / "bench" / "ladder.cpp"]
    sources += [ROOT / "native" / f"{name}.cpp" for name in ("dispatch", "memory", "pool")]
    stub = tmp_path / "stub.cpp"
    stub.write_text(STUB)
    command = [
        "c++",
        "-std=c++20",
        "-O1",
        "-w",
        "-I",
        ROOT / "native",
        *sources,
        stub,
        "-o",
        program,
    ]
    subprocess.run([*command, "-pthread"], check=True)
    run = [program, "--rounds", "1", "--shape", "8", "30", "--shape", "4", "9001"]
    rows = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)["rows"]
    own = [row for row in rows if row["rung"] not in ("copy", "shipped")]
    assert len(own) == 2 * sum(key not in ("textbook", "shipped") for key, _ in ladder.RUNGS)
    accurate = 0
    for row in own:
        assert row["ulp"] < 300, row
        if row["rung"] in (
            "without the one",
            "blocks",
            "input ahead",
            "output ahead",
            "past the caches",
        ):
            accurate += 1
            assert row["ulp"] <= 6 and row["target_ulp"] <= 6, row
    assert accurate == 14
    assert subprocess.run([program, "--shape", "1"], capture_output=True).returncode == 2


# The shipped kernels, which test_native compares with the oracle, are not what this looks at.
STUB = """
#include "rows.h"
namespace softxent {
static int64_t scratch(const Problem&) { return 0; }
static int64_t count(const int64_t*, int64_t, int64_t, int64_t, bool*) { return 0; }
static void rows(const Problem&, int64_t, int64_t, char*, const Parallel&, double*) {}
#define KERNELS(name) namespace name { extern const Kernels kernels; \\
  const Kernels kernels = {#name, scratch, count, rows}; }
KERNELS(baseline) KERNELS(avx2) KERNELS(avx512) KERNELS(neon)
}
"""
