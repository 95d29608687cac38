"""The ladder of docs/performance.md: every step from textbook NumPy to the shipped kernels, timed.

    python bench/ladder.py            # builds bench/ladder.cpp, runs it, prints the tables
    python bench/ladder.py --json     # the same as one JSON object
    python bench/ladder.py --write    # the tables into docs/performance.md and docs/numerics.md

The rungs in C++ take turns in one process. What public switches do (instruction set, threads,
storage type, memory) is measured through the package, a process for each setting, because the
switches are read when a process starts. Wants an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from _document import ROOT, machine_line, table, write

from softxent.measure.machine import machine_card
from softxent.measure.timing import interleaved

Shape: TypeAlias = tuple[int, int]
Result: TypeAlias = dict[str, Any]

PERFORMANCE, NUMERICS = ROOT / "docs" / "performance.md", ROOT / "docs" / "numerics.md"
BUILD = ROOT / "build" / "ladder"
SHAPES: list[Shape] = [(65_536, 1000), (256, 262_144)]

# (rung of ladder.cpp, threads) in the order of the document, with its words
RUNGS = {
    ("textbook", 1): "0. NumPy, one array a step",
    ("three loops", 1): "1. three loops, libm",
    ("online", 1): "2. online maximum",
    ("float lanes", 1): "3. float32 lanes, own exp",
    ("compensated", 1): "4. … error of z − m carried",
    ("double lanes", 1): "5. float64 lanes instead",
    ("without the one", 1): "6. others' sum, log1p, scratch row",
    ("blocks", 1): "7. blocks of 4096 instead of rows",
    ("input ahead", 1): "8. … next block prefetched",
    ("output ahead", 1): "9. … output prefetched",
    ("past the caches", 1): "10. 8, output past the caches",
    ("output ahead", 2): "9 on two threads",
    ("past the caches", 2): "10 on two threads",
    ("shipped", 1): "shipped, one thread",
    ("shipped", 2): "shipped, two threads",
}
ONE, TWO = {"SOFTXENT_NUM_THREADS": "1"}, {"SOFTXENT_NUM_THREADS": "2"}
# label, environment, storage type, calls: each a process
SETTINGS: list[tuple[str, dict[str, str], str, list[str]]] = [
    ("two threads", TWO, "float32", ["out"]),
    ("… bfloat16", TWO, "bfloat16", ["out"]),
    ("… float16", TWO, "float16", ["out"]),
    ("… float64", TWO, "float64", ["out"]),
    ("plain NumPy, one thread", {"SOFTXENT_IMPLEMENTATION": "numpy"}, "float32", ["out"]),
]
PLACES: list[tuple[str, dict[str, str], str, list[str]]] = [
    ("np.empty in pages of 4 KiB, as out=", {"NUMPY_MADVISE_HUGEPAGE": "0"}, "float32", ["empty"]),
    ("np.empty in huge pages, as out=", {"NUMPY_MADVISE_HUGEPAGE": "1"}, "float32", ["empty"]),
    ("new, without the pool", {"SOFTXENT_POOL_BYTES": "0"}, "float32", ["new"]),
    ("new, from the pool", {}, "float32", ["new"]),
    ("out=, an array that exists", {}, "float32", ["out"]),
    ("in place, over the logits", {}, "float32", ["in place"]),
]


# ---- what runs ----------------------------------------------------------------------------------


def program() -> Path:
    """Build bench/ladder.cpp with the kernels; a minute at first, then nothing to do."""
    cmake = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    if cmake is None:
        raise SystemExit("ladder: no cmake; install it: pip install cmake")
    commands: list[list[str | Path]] = [
        [cmake, "-S", ROOT / "bench", "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release"],
        [cmake, "--build", BUILD, "--target", "ladder", "--parallel", "2"],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"ladder: the build failed\n{done.stdout}{done.stderr}")
    return BUILD / "ladder"


def rungs(path: Path, shapes: Sequence[Shape], rounds: int) -> list[Result]:
    """Every rung: ladder.cpp's, and the textbook in NumPy."""
    command = [str(path), "--rounds", str(rounds)]
    for n, v in shapes:
        command += ["--shape", str(n), str(v)]
    rows: list[Result] = output(command)["rows"]
    for row in in_a_process({}, "float32", ["textbook"], shapes, min(rounds, 5)):
        rows.append({"rung": "textbook", "threads": 1} | row)
    return rows


def output(command: list[str], environment: dict[str, str] | None = None) -> Any:
    done = subprocess.run(
        command, env=os.environ | (environment or {}), check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


def settings(shapes: Sequence[Shape], rounds: int) -> list[Result]:
    """The public switches."""
    from softxent import _native

    sets = [
        (f"{name}, one thread", ONE | {"SOFTXENT_ISA": name}, "float32", ["out"])
        for name in _native.info()["isa_supported"]
    ]  # fmt: skip
    return [
        {"setting": label, "environment": environment, "dtype": dtype} | row
        for label, environment, dtype, calls in [*sets, *SETTINGS]
        for row in in_a_process(environment, dtype, calls, shapes, rounds)
    ]


def places(shapes: Sequence[Shape], rounds: int) -> list[Result]:
    """Where the gradient is written: the pool, page faults."""
    return [
        {"place": label, "environment": environment} | row
        for label, environment, dtype, calls in PLACES
        for row in in_a_process(environment, dtype, calls, shapes[:1], rounds)
    ]


def in_a_process(
    environment: dict[str, str],
    dtype: str,
    calls: list[str],
    shapes: Sequence[Shape],
    rounds: int,
) -> list[Result]:
    task = json.dumps({"dtype": dtype, "calls": calls, "shapes": shapes, "rounds": rounds})
    result: list[Result] = output([sys.executable, __file__, "--task", task], environment)
    return result


def run_task(task: Result) -> list[Result]:
    return [
        row
        for shape in task["shapes"]
        for row in time_calls(shape, task["dtype"], task["calls"], task["rounds"])
    ]


def textbook(z: Any, target: Any) -> tuple[Any, Any]:
    """Loss and gradient as one writes them first."""
    rows = np.arange(len(z))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(y[rows, target]).mean()
    y[rows, target] -= 1
    return loss, y / len(z)


def time_calls(shape: Shape, dtype: str, names: list[str], rounds: int) -> list[Result]:
    import ml_dtypes

    import softxent

    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    rng = np.random.default_rng(1)
    z = rng.standard_normal(shape, dtype=np.float32).astype(kind, copy=False)
    target = rng.integers(0, shape[1], shape[0])
    out = np.zeros_like(z) if "out" in names else z

    def call(into: Any = None) -> object:
        return softxent.cross_entropy_with_grad(z, target, out=into)

    every: dict[str, Callable[[], object]] = {
        "textbook": lambda: textbook(z, target),
        "new": call,
        "out": lambda: call(out),
        "in place": lambda: call(z),
        "empty": lambda: call(np.empty_like(z)),
    }
    calls = {name: every[name] for name in names}
    times = interleaved(calls, rounds)
    return [
        {"call": name, "shape": list(shape), "ms": times[name].median,
         "min_ms": times[name].minimum, "faults": faults(calls[name])}
        for name in names
    ]  # fmt: skip


def faults(call: Callable[[], object], repeats: int = 3) -> float:
    """Pages that the system had to hand out, a call."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        call()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / repeats


# ---- the tables ---------------------------------------------------------------------------------


def speed(ms: float, shape: Sequence[int], itemsize: int = 4) -> str:
    """Milliseconds, and the GB/s of logits read and gradient written."""
    return f"{ms:,.1f} ms, {2 * itemsize * shape[0] * shape[1] / ms / 1e6:.1f}"


def named(shape: Sequence[int]) -> str:
    return f"{shape[0]:,} × {shape[1]:,}"


def pick(rows: Sequence[Result], shape: Sequence[int], **keys: Any) -> Result | None:
    for row in rows:
        if list(row["shape"]) == list(shape) and all(row[k] == v for k, v in keys.items()):
            return row
    return None


def ladder_table(rows: Sequence[Result], shapes: Sequence[Shape]) -> str:
    """Milliseconds and GB/s a shape; of the first shape also without memory, and the errors."""
    heads = ["rung", *(f"{named(s)}, GB/s" for s in shapes), "in cache, ms", "ULP", "ULP, target"]
    lines = []
    for (key, threads), title in RUNGS.items():
        cells = [title]
        found = [pick(rows, shape, rung=key, threads=threads) for shape in shapes]
        for row in found:
            cells.append(speed(row["ms"], row["shape"]) if row else "")
        first = found[0] or {}
        cells.append(f"{first['cached_ms']:.1f}" if "cached_ms" in first else "")
        for name in ("ulp", "target_ulp"):
            cells.append(error(first[name]) if name in first else "")
        lines.append(cells)
    return table(heads, lines)


def error(ulp: float) -> str:
    return f"{ulp:.1f}" if ulp < 100 else f"{float(f'{ulp:.2g}'):,.0f}"


def floor_table(rows: Sequence[Result], shapes: Sequence[Shape]) -> str:
    """The two floors, and how far above them the shipped kernels are."""
    lines: list[list[str]] = []
    for title, key, threads in (
        ("copy of the logits, one thread", "copy", 1),
        ("copy of the logits, two threads", "copy", 2),
        ("arithmetic in cache, one thread", "output ahead", 1),
        ("shipped, one thread", "shipped", 1),
        ("shipped, two threads", "shipped", 2),
    ):
        cells = [title]
        for shape in shapes:
            row = pick(rows, shape, rung=key, threads=threads) or {}
            ms = row["cached_ms" if key == "output ahead" else "ms"]
            cells.append(f"{ms:,.1f} ms" if key == "output ahead" else f"{speed(ms, shape)} GB/s")
        lines.append(cells)
    for threads, words in ((1, "one thread"), (2, "two threads")):
        cells = [f"shipped over the larger floor, {words}"]
        for shape in shapes:
            copied = (pick(rows, shape, rung="copy", threads=threads) or {})["ms"]
            alone = (pick(rows, shape, rung="output ahead", threads=1) or {})["cached_ms"] / threads
            ours = (pick(rows, shape, rung="shipped", threads=threads) or {})["ms"]
            cells.append(f"{ours / max(copied, alone):.2f}")
        lines.append(cells)
    return table(["floor", *map(named, shapes)], lines)


def setting_table(rows: Sequence[Result], shapes: Sequence[Shape]) -> str:
    lines = []
    for label in dict.fromkeys(row["setting"] for row in rows):
        cells = [label]
        for shape in shapes:
            row = pick(rows, shape, setting=label) or {}
            size = {"float64": 8, "float32": 4}.get(row["dtype"], 2)
            cells.append(speed(row["ms"], shape, size))
        lines.append(cells)
    return table(["out=", *(f"{named(s)}, GB/s" for s in shapes)], lines)


def place_table(rows: Sequence[Result]) -> str:
    lines = [[r["place"], f"{r['ms']:.1f}", f"{r['faults']:,.0f}"] for r in rows]
    shape = f", {named(rows[0]['shape'])}" if rows else ""
    return table([f"gradient{shape}", "ms", "page faults a call"], lines)


def function_table(result: Result) -> str:
    lines = [
        [f"`{r['function']}`", f"[{r['from']:,.0f}, {r['to']:,.0f}]", r["unit"], f"{r['ulp']:.2f}"]
        for r in result["rows"]
    ]
    return table(["function", "on", "of", "worst error, ULP"], lines, words=3)


# ---- the command --------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="put the tables into the documents")
    parser.add_argument("--rounds", type=int, default=9, help="times that a median is taken of")
    parser.add_argument("--shape", type=int, nargs=2, action="append", metavar=("N", "V"))
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(run_task(json.loads(arguments.task))))
        return
    shapes = [(n, v) for n, v in arguments.shape or SHAPES]
    path = program()
    result = {
        "schema_version": 1,
        "rungs": rungs(path, shapes, arguments.rounds),
        "settings": settings(shapes, arguments.rounds),
        "places": places(shapes, arguments.rounds),
        "functions": output([str(path), "--functions"]),
        "machine": machine_card(("numpy",)),
    }
    if arguments.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    machine = machine_line(result["machine"])
    tables = {
        "floors": f"{machine}\n\n{floor_table(result['rungs'], shapes)}",
        "rungs": ladder_table(result["rungs"], shapes),
        "settings": setting_table(result["settings"], shapes),
        "places": place_table(result["places"]),
        "functions": function_table(result["functions"]),
    }
    for name, text in tables.items():
        if arguments.write:
            write(NUMERICS if name == "functions" else PERFORMANCE, name, text)
        else:
            print(text + "\n")


if __name__ == "__main__":
    main()
