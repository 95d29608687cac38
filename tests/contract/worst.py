"""The worst error seen per front end, output and dtype: `python -m tests.contract.worst`.

The accuracy tests call `note`; each pytest process leaves its records in pytest's cache folder, and
this module, run as a script, prints them together. `--run` runs the accuracy tests first, `--write`
puts the table into docs/measured-facts.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".pytest_cache" / "d" / "contract-worst"

# (front end, output, dtype) -> (error in units, bar, unit, case). Unit: "ULP" or "relative".
RECORDS: dict[tuple[str, str, str], tuple[float, float, str, str]] = {}


def note(front: str, output: str, dtype: str, error: float, bar: float, case: str) -> None:
    """Keep the error if it is the largest of its kind in this process."""
    unit = "ULP" if bar > 1e-3 else "relative"
    key = (front, output, dtype)
    if key not in RECORDS or error > RECORDS[key][0]:
        RECORDS[key] = (error, bar, unit, case)


def forget(front: str) -> None:
    """Drop the records of a front end that was made up to be wrong."""
    for key in [key for key in RECORDS if key[0] == front]:
        del RECORDS[key]


def write(path: Path) -> None:
    """Leave this process's records as JSON."""
    path.write_text(json.dumps([[*key, *value] for key, value in RECORDS.items()]))


def records(folder: Path = FOLDER) -> dict[tuple[str, str, str], tuple[float, float, str, str]]:
    """The records of all processes of the last run, merged."""
    merged: dict[tuple[str, str, str], tuple[float, float, str, str]] = {}
    for path in sorted(folder.glob("*.json")):
        for name, output, dtype, error, bar, unit, case in json.loads(path.read_text()):
            key = (name, output, dtype)
            if key not in merged or error > merged[key][0]:
                merged[key] = (error, bar, unit, case)
    return merged


def document() -> None:
    """Write docs/measured-facts.md: a line an output, a column a front end and dtype."""
    sys.path.insert(0, str(ROOT / "bench"))
    from _document import table as markdown
    from _document import write as put

    found = records()
    columns = sorted({(front, dtype) for front, _, dtype in found})
    lines = []
    for output in sorted({output for _, output, _ in found}):
        here = {key: value for key, value in found.items() if key[1] == output}
        bars = sorted({f"{bar:g}" for _, bar, _, _ in here.values()}, key=float)
        cells = [here.get((front, output, dtype)) for front, dtype in columns]
        shown = [
            "–" if c is None else f"{c[0]:.2f}" if c[2] == "ULP" else f"{c[0]:.0e}" for c in cells
        ]
        lines.append([f"{output} [{', '.join(bars)}]", *shown])
    heads = ["output [bar]", *(f"{front} {dtype}" for front, dtype in columns)]
    put(ROOT / "docs" / "measured-facts.md", "worst", markdown(heads, lines))


def table(folder: Path = FOLDER) -> str:
    """The records of all processes of the last run, merged, as a text table."""
    lines = [f"{'front end':14} {'output':14} {'dtype':9} {'worst':>9} {'bar':>7}  case"]
    for (name, output, dtype), (error, bar, unit, case) in sorted(records(folder).items()):
        shown = f"{error:9.3f}" if unit == "ULP" else f"{error:9.1e}"
        over = "  OVER" if error > bar else ""
        lines.append(f"{name:14} {output:14} {dtype:9} {shown} {bar:7g}  {case}{over}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table; with --run, run the accuracy tests first (old records are dropped)."""
    status = 0
    if "--run" in arguments:
        for path in FOLDER.glob("*.json"):
            path.unlink()
        tests = str(Path(__file__).with_name("test_accuracy.py"))
        status = subprocess.call([sys.executable, "-m", "pytest", "-q", "-n", "2", tests])
    if not list(FOLDER.glob("*.json")):
        print("no records: run with --run", file=sys.stderr)
        return 2
    print(table())
    if "--write" in arguments:
        document()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
