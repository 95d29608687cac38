"""softxent's classifiers beside scikit-learn's: optimum, time, memory, and what they get right.

    python bench/learn.py                      # all parts: some 40 minutes, on an idle machine
    python bench/learn.py --small              # an eighth of the rows, a tenth of the classes
    python bench/learn.py --part digits moons  # some of PARTS
    python bench/learn.py --json               # one JSON object
    python bench/learn.py --write              # the tables into docs/measured-facts.md

Every part runs in a process of its own, whose peak memory is its own. "default" is what a user
gets: as many threads as cores, for both. "single" is one thread for OpenBLAS, OpenMP and softxent;
scikit-learn is often faster so, since at small sizes the threads of OpenBLAS and of OpenMP wait for
each other. Objectives are computed here, in float64, by code that is neither's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from _document import ROOT, machine_line, write
from _learn_parts import PARTS
from _learn_tables import tables

from softxent.measure.machine import machine_card

FACTS = ROOT / "docs" / "measured-facts.md"
SINGLE = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "SOFTXENT_NUM_THREADS")
ONCE = ("optimum", "memory", "million", "table")  # parts whose answer does not hang on threads
PATIENCE = 3600  # seconds for one part


def in_child(part: str, state: str, small: bool) -> dict[str, Any]:
    """What one part found, or why it found nothing."""
    environment = os.environ | (dict.fromkeys(SINGLE, "1") if state == "single" else {})
    command = [sys.executable, __file__, "--run", part] + ["--small"] * small
    try:
        answer = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return {"part": part, "state": state, "failed": f"not done after {PATIENCE} s"}
    if answer.returncode:
        return {"part": part, "state": state, "failed": f"exit code {answer.returncode}"}
    return {"part": part, "state": state, "found": json.loads(answer.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="a rough direction, in two minutes")
    parser.add_argument("--part", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--run", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        measure: Callable[[bool], Any] = PARTS[args.run]
        print(json.dumps(measure(args.small)))
        return
    found = []
    for part in args.part:
        for state in ("default",) if part in ONCE else ("default", "single"):
            print(f"{part}, {state} ...", file=sys.stderr)
            found.append(in_child(part, state, args.small))
    card = machine_card(["numpy", "scipy", "scikit-learn"])
    text = f"{tables(found)}\n\n{machine_line(card)}"
    if args.small:
        text = f"Small sizes: the bars are for the full ones.\n\n{text}"
    print(json.dumps({"schema_version": 1, "parts": found, "machine": card}) if args.json else text)
    if args.write and not args.small:
        write(FACTS, "learn", text)


if __name__ == "__main__":
    main()
