"""Loss + gradient against torch eager and against copying the logits, 2 threads.

    python bench/loss.py            # both allocator states, a table
    python bench/loss.py --json     # the same as one JSON object

Everything runs in one process, interleaved, and medians are compared: the machine may be shared.
The state "warm" is a process restarted with glibc told to keep freed blocks, because two thirds of
torch's default time are page faults into fresh memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from machine import machine_card

SHAPES = [
    (1_048_576, 2),
    (1_048_576, 10),
    (262_144, 64),
    (65_536, 1000),
    (2048, 32_000),
    (512, 131_072),
    (256, 262_144),
]
WARM = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 30),
}
THREADS = 2


def interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each call, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(t) * 1e3 for name, t in times.items()}


def measure(n: int, v: int, rounds: int) -> dict[str, float]:
    """Milliseconds of every road at one shape."""
    import ml_dtypes
    import torch

    import softxent

    rng = np.random.default_rng(n + v)
    logits = rng.standard_normal((n, v), dtype=np.float32)
    target = rng.integers(0, v, n)
    out, work = np.zeros_like(logits), logits.copy()
    half = logits.astype(ml_dtypes.bfloat16)
    half_out = np.zeros_like(half)
    leaf, index = torch.from_numpy(logits).requires_grad_(), torch.from_numpy(target)

    def eager() -> None:
        leaf.grad = None
        torch.nn.functional.cross_entropy(leaf, index).backward()  # type: ignore[no-untyped-call]

    return interleaved(
        {
            "torch": eager,
            "new": lambda: softxent.cross_entropy_with_grad(logits, target),
            "out": lambda: softxent.cross_entropy_with_grad(logits, target, out=out),
            "in place": lambda: softxent.cross_entropy_with_grad(work, target, out=work),
            "bfloat16 out": lambda: softxent.cross_entropy_with_grad(half, target, out=half_out),
            "copy": lambda: np.copyto(out, logits),
        },
        rounds,
    )


def run_state(state: str, rounds: int) -> list[dict[str, object]]:
    import torch

    import softxent

    torch.set_num_threads(THREADS)
    softxent.set_num_threads(THREADS)
    return [{"allocator": state, "shape": [n, v], "ms": measure(n, v, rounds)} for n, v in SHAPES]


def rows_of(state: str, rounds: int) -> list[dict[str, object]]:
    """One allocator state, in a process of its own."""
    command = [sys.executable, __file__, "--state", state, "--rounds", str(rounds)]
    environment = {**os.environ, **(WARM if state == "warm" else {})}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def table(rows: list[dict[str, object]]) -> str:
    names = ["torch", "new", "out", "in place", "bfloat16 out", "copy"]
    ratios = ["torch/out", "torch/new", "out/copy", "in place/copy"]
    heads = ["allocator", "N × V", *(f"{name} ms" for name in names), *ratios]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for state in ("default", "warm"):
        gains: dict[str, list[float]] = {"out": [], "new": []}
        for row in rows:
            if row["allocator"] != state:
                continue
            n, v = row["shape"]  # type: ignore[misc]
            ms: dict[str, float] = row["ms"]  # type: ignore[assignment]
            for name in gains:
                gains[name].append(ms["torch"] / ms[name])
            lines.append(
                f"| {state} | {n:,} × {v:,} | " + " | ".join(f"{ms[k]:.1f}" for k in names)
                + f" | {ms['torch'] / ms['out']:.1f}× | {ms['torch'] / ms['new']:.1f}×"
                f" | {ms['out'] / ms['copy']:.2f}× | {ms['in place'] / ms['copy']:.2f}× |"
            )  # fmt: skip
        means = {name: statistics.geometric_mean(g) for name, g in gains.items()}
        lines.append(f"| {state} | geometric mean |" + " |" * 6
                     + f" {means['out']:.1f}× | {means['new']:.1f}× | | |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--state", choices=["default", "warm"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.state:
        print(json.dumps(run_state(arguments.state, arguments.rounds)))
        return
    rows = rows_of("default", arguments.rounds) + rows_of("warm", arguments.rounds)
    card = machine_card()
    if arguments.json:
        print(json.dumps({"rows": rows, "machine": card}, indent=1))
    else:
        print(table(rows))
        print("\n" + ", ".join(f"{k}: {v}" for k, v in card.items()))


if __name__ == "__main__":
    main()
