"""The worst error seen per front end, output and dtype: `python -m tests.contract.worst`.

The accuracy tests call `note`; each pytest process leaves its records in pytest's cache folder, and
this module, run as a script, prints them together. `--run` runs the accuracy tests first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".pytest_cache" / "d" / "contract-worst"

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


def table(folder: Path = FOLDER) -> str:
    """The records of all processes of the last run, merged, as a text table."""
    merged: dict[tuple[str, str, str], tuple[float, float, str, str]] = {}
    for path in sorted(folder.glob("*.json")):
        for name, output, dtype, error, bar, unit, case in json.loads(path.read_text()):
            key = (name, output, dtype)
            if key not in merged or error > merged[key][0]:
                merged[key] = (error, bar, unit, case)
    lines = [f"{'front end':14} {'output':14} {'dtype':9} {'worst':>9} {'bar':>7}  case"]
    for (name, output, dtype), (error, bar, unit, case) in sorted(merged.items()):
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
        status = subprocess.call([sys.executable, "-m", "pytest", "-q", tests])
    if not list(FOLDER.glob("*.json")):
        print("no records: run with --run", file=sys.stderr)
        return 2
    print(table())
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
