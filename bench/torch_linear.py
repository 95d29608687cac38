"""The linear loss of PyTorch tensors against its bare products, the naive pair and torch's chunks.

    python bench/torch_linear.py            # all tables: some minutes
    python bench/torch_linear.py --quick    # an eighth of the rows, for a rough direction
    python bench/torch_linear.py --json     # the same as one JSON object
    python bench/torch_linear.py --write    # the tables into docs/measured-facts.md

The calls of a case take turns in one process and medians are compared: the machine may be shared.
The bare products write into tensors that exist, with full logits between them; the loss makes new
gradients at every step. Where full logits do not fit they are made for an eighth of the rows, and
their time is multiplied.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from _document import ROOT, machine_line, write
from torch.nn import functional

from softxent.measure.machine import machine_card
from softxent.torch import linear_cross_entropy, linear_cross_entropy_plan

SHAPES = [(2048, 512, 32_000), (2048, 1024, 32_000), (1024, 256, 131_072), (8192, 512, 131_072)]
BARS = {"float32": 1.10, "bfloat16": 1.15}
EVAL_BAR = 1.10
# Down to 1e5 logits: here the naive pair is at its best.
SMALL = [(10_000, 64, 10), (1000, 64, 100), (100, 64, 1000), (8, 64, 12_500), (1, 64, 100_000),
         (512, 256, 1000), (4096, 128, 256), (64, 512, 32_000)]  # fmt: skip
BUDGETS = ("64MiB", "256MiB")
MOST_LOGITS = 3 * 2**28  # at most so many are held at once, for the peers

Call = Callable[[], object]


def medians(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds of calls that take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first is a warm-up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def layer(n: int, d: int, v: int, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator).to(dtype).requires_grad_()
    w = torch.empty(v, d).normal_(std=d**-0.5, generator=generator).to(dtype).requires_grad_()
    return x, w, torch.randint(0, v, (n,), generator=generator)


def step(loss: Callable[[], Any], *leaves: Any) -> Call:
    """Forward and backward, with fresh gradients."""

    def run() -> None:
        for leaf in leaves:
            leaf.grad = None
        loss().backward()

    return run


def large(shape: tuple[int, int, int], dtype: torch.dtype, rounds: int) -> dict[str, Any]:
    """Our step and our evaluation beside three products and one."""
    n, d, v = shape
    x, w, t = layer(n, d, v, dtype)
    some = min(n, MOST_LOGITS // v)
    plain, weight = x.detach()[:some], w.detach()
    z = torch.empty(some, v, dtype=dtype)
    dx, dw = torch.empty_like(plain), torch.empty_like(weight)

    def one() -> None:
        torch.mm(plain, weight.T, out=z)

    def three() -> None:
        one()
        torch.mm(z, weight, out=dx)
        torch.mm(z.T, plain, out=dw)

    def evaluate(budget: str) -> Call:
        def run() -> None:
            with torch.no_grad():
                linear_cross_entropy(x, w, t, max_memory=budget)

        return run

    calls: dict[str, Call] = {"three": three, "one": one}
    for budget in BUDGETS:
        calls[f"step {budget}"] = step(
            lambda budget=budget: linear_cross_entropy(x, w, t, max_memory=budget), x, w
        )
        calls[f"eval {budget}"] = evaluate(budget)
    seconds = medians(calls, rounds)
    for name in ("three", "one"):
        seconds[name] *= n / some
    name = str(dtype).removeprefix("torch.")
    plans = {b: linear_cross_entropy_plan(x, w, t, max_memory=b) for b in BUDGETS}
    return {
        "shape": shape,
        "dtype": name,
        "seconds": seconds,
        "chunks": {b: plan.chunks for b, plan in plans.items()},
        "products": plans[BUDGETS[0]].blas,
        "ratio": {b: seconds[f"step {b}"] / seconds["three"] for b in BUDGETS},
        "eval_ratio": {b: seconds[f"eval {b}"] / seconds["one"] for b in BUDGETS},
        "bar": BARS[name],
    }


def small(shape: tuple[int, int, int], dtype: torch.dtype, rounds: int) -> dict[str, Any]:
    """Our step beside the naive pair's and torch's chunked one."""
    x, w, t = layer(*shape, dtype)
    options = torch.nn.LinearCrossEntropyOptions()
    calls = {
        "naive": step(lambda: functional.cross_entropy(functional.linear(x, w), t), x, w),
        "torch": step(lambda: functional.linear_cross_entropy(x, w, t, options=options), x, w),
        "ours": step(lambda: linear_cross_entropy(x, w, t), x, w),
    }
    seconds = medians(calls, rounds)
    return {
        "shape": shape,
        "dtype": str(dtype).removeprefix("torch."),
        "seconds": seconds,
        "naive": seconds["naive"] / seconds["ours"],
        "torch": seconds["torch"] / seconds["ours"],
    }


def verdict(value: float, bar: float | None, at_least: bool = False) -> str:
    missed = bar is not None and (value < bar if at_least else value > bar)
    return f"{value:.2f}" + (" MISSED" if missed else "")


def large_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| dtype | N, D, V | products | three ms | "
        + " | ".join(f"step {b}, × three | eval, × one" for b in BUDGETS)
        + " |",
        "|---" * (4 + 2 * len(BUDGETS)) + "|",
    ]
    for row in rows:
        cells = [row["dtype"], ", ".join(map(str, row["shape"])), row["products"]]
        cells.append(f"{row['seconds']['three'] * 1e3:.0f}")
        for b in BUDGETS:
            eval_bar = EVAL_BAR if row["dtype"] == "float32" else None
            cells.append(f"{verdict(row['ratio'][b], row['bar'])} ({row['chunks'][b]} chunks)")
            cells.append(verdict(row["eval_ratio"][b], eval_bar))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def small_table(rows: list[dict[str, Any]]) -> str:
    lines = ["| dtype | N, D, V | ours µs | naive × | torch's chunks × |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [row["dtype"], ", ".join(map(str, row["shape"]))]
        cells.append(f"{row['seconds']['ours'] * 1e6:.0f}")
        cells.append(verdict(row["naive"], 1.0, at_least=True))
        cells.append(verdict(row["torch"], 2.0, at_least=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="an eighth of the rows, 3 rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="and into docs/measured-facts.md")
    parser.add_argument("--rounds", type=int, default=7, help="calls that a median is taken of")
    parser.add_argument("--dtypes", nargs="*", default=list(BARS), choices=BARS, metavar="DTYPE")
    parser.add_argument("--part", choices=("large", "small"), help="one of the two tables")
    arguments = parser.parse_args()
    shapes = [(n // 8, d, v) for n, d, v in SHAPES] if arguments.quick else SHAPES
    rounds = 3 if arguments.quick else arguments.rounds
    dtypes = [getattr(torch, name) for name in arguments.dtypes]
    found: dict[str, list[dict[str, Any]]] = {"large": [], "small": []}
    if arguments.part != "small":
        found["large"] = [large(shape, dtype, rounds) for dtype in dtypes for shape in shapes]
        if not arguments.json:
            print(large_table(found["large"]), end="\n\n", flush=True)
    if arguments.part != "large":
        few = 5 * rounds
        found["small"] = [small(shape, dtype, few) for dtype in dtypes for shape in SMALL]
        if not arguments.json:
            print(small_table(found["small"]), end="\n\n", flush=True)
    card = machine_card()
    if arguments.json:
        print(json.dumps({"schema_version": 1, **found, "machine": card}, indent=1))
    else:
        print(machine_line(card))
    if arguments.write:
        tables = [large_table(found["large"]), small_table(found["small"]), machine_line(card)]
        write(ROOT / "docs" / "measured-facts.md", "torch-linear", "\n\n".join(tables))


if __name__ == "__main__":
    main()
