"""Loss + gradients of a linear layer against its three bare products on the same BLAS; memory.

    python bench/linear.py            # our own products, and every BLAS that is open here: tables
    python bench/linear.py --json     # the same as one JSON object
    python bench/linear.py --write    # the tables into docs/performance.md

A road runs in a process of its own, because two BLAS libraries in one process have two sets of
threads, which wait by spinning. In it the calls take turns and medians are compared: the machine
may be shared. The bare products write into arrays that exist; ours makes new gradients. A road
takes about a minute, and its table is printed as soon as it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _document import ROOT, machine_line, write

from softxent.measure.machine import STATUS, entry, machine_card

ROADS = ("native", "numpy", "scipy", "matmul")  # what SOFTXENT_BLAS may say
# N, D, V, max_memory, and the bar for a BLAS that adds (None: measured for information).
CASES: list[tuple[int, int, int, str, float | None]] = [
    (2048, 512, 32_000, "64MiB", 1.10),
    (1024, 256, 131_072, "256MiB", 1.10),
    (1024, 256, 131_072, "64MiB", 1.20),
    (1024, 256, 131_072, "8MiB", None),
]
MATMUL_BAR = 1.8
BUDGETS = (8, 64, 512)  # MiB


def measure(
    road: str, case: tuple[int, int, int, str, float | None], rounds: int
) -> dict[str, Any]:
    """Median seconds of the bare products and of the whole, taken in turn."""
    import softxent
    from softxent.measure.linear import problem, three_products

    n, d, v, memory, bar = case
    x, w, target = problem((n, d, v))
    bare = three_products(x, w, target)

    def whole() -> None:
        softxent.linear_cross_entropy_with_grad(x, w, target, max_memory=memory)

    times: dict[str, list[float]] = {"bare": [], "whole": []}
    bare(), whole()
    for _ in range(rounds):
        for name, call in (("bare", bare), ("whole", whole)):
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(t) for name, t in times.items()}
    plan = softxent.linear_cross_entropy_plan(x, w, target, max_memory=memory)
    return {
        "road": road,
        "shape": [n, d, v],
        "max_memory": memory,
        "rows_per_chunk": plan.rows,
        "chunks": plan.chunks,
        "seconds": seconds,
        "ratio": seconds["whole"] / seconds["bare"],
        "bar": MATMUL_BAR if road == "matmul" and bar else bar,
    }


def grown(key: str = "VmRSS") -> int:
    """Bytes of this process, of /proc/self/status."""
    size = entry(STATUS, f"{key}:", 1024)
    if size is None:
        raise RuntimeError(f"no {key} in {STATUS}")
    return size


def measure_memory(road: str) -> list[dict[str, Any]]:
    """How far the process grows above inputs and outputs, for each budget."""
    import softxent

    n, d, v = 2048, 64, 65_536
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    w = rng.standard_normal((v, d), dtype=np.float32)
    target = rng.integers(0, v, n)
    out = (np.ones_like(x), np.ones_like(w), None)

    def call(mib: int) -> None:
        softxent.linear_cross_entropy_with_grad(x, w, target, max_memory=mib << 20, out=out)

    for mib in BUDGETS[:2]:  # the BLAS makes its packing buffers, every thread its stack
        call(mib)
    rows = []
    for mib in BUDGETS:
        softxent.release_memory()
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark falls to what is there
        before = grown()
        call(mib)
        peak = (grown("VmHWM") - before) / 2**20
        bar = mib * 1.05 + 16
        rows.append({"road": road, "max_memory_mib": mib, "peak_mib": peak, "bar_mib": bar})
    return rows


def run_road(road: str, rounds: int) -> dict[str, Any]:
    """Everything about one road, in this process."""
    from softxent.kernels import products

    # without a sum in the BLAS, 8 MiB take a minute a call, and have no bar
    cases = [case for case in CASES if case[4] or road != "matmul"]
    speed = [measure(road, case, rounds) for case in cases]
    memory = measure_memory(road) if sys.platform.startswith("linux") else []
    return {"road": products.road(), "speed": speed, "memory": memory}


def in_its_own_process(road: str, rounds: int) -> dict[str, Any] | str:
    """The same in a fresh process; why not, if the road is closed here."""
    command = [sys.executable, __file__, "--road", road, "--rounds", str(rounds)]
    environment = {**os.environ, "SOFTXENT_BLAS": road}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def verdict(value: float, bar: float | None) -> str:
    if bar is None:
        return "no bar"
    return f"<= {bar:g}" if value <= bar else f"<= {bar:g} MISSED"


def table(road: str, result: dict[str, Any] | str) -> str:
    """One road's tables, or why it was not measured."""
    if isinstance(result, str):
        return f"`{road}`: not measured ({result})\n"
    lines = [
        result["road"],
        "",
        "| N, D, V | max_memory | chunks × rows | 3 products ms | with_grad ms | ratio | bar |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["speed"]:
        shape = ", ".join(str(n) for n in row["shape"])
        bare, whole = (row["seconds"][name] * 1e3 for name in ("bare", "whole"))
        lines.append(
            f"| {shape} | {row['max_memory']} | {row['chunks']} × {row['rows_per_chunk']} "
            f"| {bare:.0f} | {whole:.0f} | {row['ratio']:.3f} "
            f"| {verdict(row['ratio'], row['bar'])} |"
        )
    if result["memory"]:
        lines += ["", "| max_memory MiB | process grows by MiB | bar |", "|---|---|---|"]
    for row in result["memory"]:
        peak, bar = row["peak_mib"], row["bar_mib"]
        lines.append(f"| {row['max_memory_mib']} | {peak:.1f} | {verdict(peak, bar)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument("--rounds", type=int, default=5, help="calls that a median is taken of")
    parser.add_argument("--roads", nargs="*", default=["native"], choices=ROADS, metavar="ROAD")
    parser.add_argument("--road", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.road:
        print(json.dumps(run_road(arguments.road, arguments.rounds)))
        return
    roads: dict[str, dict[str, Any] | str] = {}
    for road in arguments.roads:
        roads[road] = in_its_own_process(road, arguments.rounds)
        if not arguments.json:
            print(table(road, roads[road]), flush=True)
    card = machine_card()
    machine = machine_line(card)
    if arguments.json:
        print(json.dumps({"schema_version": 1, "roads": roads, "machine": card}, indent=1))
    else:
        print(machine)
    if arguments.write:
        text = [machine, *(table(road, result) for road, result in roads.items())]
        write(ROOT / "docs" / "performance.md", "linear", "\n\n".join(x.strip() for x in text))


if __name__ == "__main__":
    main()
