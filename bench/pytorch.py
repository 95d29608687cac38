"""`softxent.torch.cross_entropy` beside PyTorch's: forward, backward, a new gradient each step.

    python bench/pytorch.py            # both allocator states, float32 and bfloat16: tables
    python bench/pytorch.py --quick    # three shapes, the default allocator, float32
    python bench/pytorch.py --json     # one JSON object
    python bench/pytorch.py --write    # the tables into docs/measured-facts.md

A state of the C library's allocator needs a process of its own; in it all calls take turns and
medians are compared. "in place" gives the logits' memory to the gradient (inplace=True). Every
step drops the old gradient first, as an optimiser's zero_grad does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from _document import ROOT, machine_line, table, write

import softxent
from softxent.measure.machine import machine_card
from softxent.measure.peers.pytorch import TORCH, TORCH_COMPILE, tensor
from softxent.measure.speed import SHAPES, problem
from softxent.measure.timing import ALLOCATORS, environment, interleaved
from softxent.torch import cross_entropy

FACTS = ROOT / "docs" / "measured-facts.md"
QUICK = ((1_048_576, 10), (65_536, 1000), (512, 131_072))
# What the default and the warm state owe at every shape, and in the geometric mean.
BARS = {"default": (3.5, 5.0), "warm": (1.3, 2.0)}


class Given(torch.autograd.Function):
    """Makes the logits the result of an operation, for nothing: work in place needs that."""

    @staticmethod
    def forward(ctx: Any, leaf: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return logits.detach()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, None]:
        return None, None


def steps(shape: tuple[int, int], dtype: str, compiled: bool) -> dict[str, Callable[[], object]]:
    """The calls of one shape: ours, ours in place, and theirs."""
    array, index = problem(shape, dtype)
    target, leaf, work = torch.from_numpy(index), tensor(array).requires_grad_(), tensor(array)
    anchor = torch.zeros((), requires_grad=True)

    def ours() -> object:
        leaf.grad = None
        loss = cross_entropy(leaf, target)
        loss.backward()
        return loss

    def in_place() -> object:  # on a gradient after the first call, which takes as long
        loss = cross_entropy(Given.apply(anchor, work), target, inplace=True)
        loss.backward()
        return loss

    calls = {"ours": ours, "in place": in_place}
    calls["torch"] = TORCH.prepare("loss_and_grad", array, index)
    if compiled:
        calls["torch.compile"] = TORCH_COMPILE.prepare("loss_and_grad", array, index)
    return calls


def overhead() -> dict[str, float]:
    """Microseconds of a call on 8 rows of 10 classes: plain, and under torch.func.grad."""
    logits, target = torch.randn(8, 10), torch.randint(0, 10, (8,))
    leaf = logits.clone().requires_grad_()

    def plain(loss: Callable[..., torch.Tensor]) -> Callable[[], object]:
        def step() -> None:
            leaf.grad = None
            loss(leaf, target).backward()

        return step

    def under_func(loss: Callable[..., torch.Tensor]) -> Callable[[], object]:
        grad = torch.func.grad(lambda z: loss(z, target))
        return lambda: grad(logits)

    calls = {
        "plain ours": plain(cross_entropy),
        "plain torch": plain(F.cross_entropy),
        "func ours": under_func(cross_entropy),
        "func torch": under_func(F.cross_entropy),
    }
    return {name: t.median * 1e3 for name, t in interleaved(calls, 31, 0.0).items()}


def measure(state: str, quick: bool, rounds: int) -> dict[str, Any]:
    """Everything that one process measures."""
    torch.set_num_threads(softxent.get_num_threads())
    rows = []
    for dtype in ("float32",) if quick else ("float32", "bfloat16"):
        for shape in QUICK if quick else SHAPES:
            times = interleaved(steps(shape, dtype, state == "default"), rounds)
            ms = {name: t.median for name, t in times.items()}
            rows.append({"state": state, "dtype": dtype, "shape": list(shape), "ms": ms})
            softxent.release_memory()
    return {"rows": rows, "overhead": overhead() if state == "default" else None}


def in_child(state: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process whose allocator is in that state."""
    threads = str(softxent.get_num_threads())
    command = [sys.executable, __file__, "--state", state, "--rounds", str(args.rounds)]
    answer = subprocess.run(
        [*command, "--quick"] if args.quick else command,
        env=environment(state) | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def tables(result: dict[str, Any]) -> str:
    """The result in Markdown."""
    parts = []
    groups = dict.fromkeys((row["dtype"], row["state"]) for row in result["rows"])
    for dtype, state in groups:
        rows = [r for r in result["rows"] if (r["dtype"], r["state"]) == (dtype, state)]
        peers = [name for name in ("torch", "torch.compile") if name in rows[0]["ms"]]
        heads = ["N × V", "ours, ms", "in place", *peers]
        heads += [f"{peer} / {way}" for peer in peers for way in ("ours", "in place")]
        lines = []
        ratios: dict[str, list[float]] = {head: [] for head in heads[2 + len(peers) + 1 :]}
        for row in rows:
            ms = row["ms"]
            found = [ms[peer] / ms[way] for peer in peers for way in ("ours", "in place")]
            for column, ratio in zip(ratios.values(), found, strict=True):
                column.append(ratio)
            shape = " × ".join(f"{n:,}" for n in row["shape"])
            times = [f"{ms[name]:.1f}" for name in ("ours", "in place", *peers)]
            lines.append([shape, *times, *(f"{ratio:.2f}" for ratio in found)])
        means = [f"**{statistics.geometric_mean(column):.2f}**" for column in ratios.values()]
        lines.append(["geometric mean", *[""] * (2 + len(peers)), *means])
        least, mean = BARS[state]
        parts.append(
            f"{dtype}, {state} allocator (bar against torch: {least} at every shape, {mean} in "
            f"the mean; in place 10 in the mean of the default state):\n\n{table(heads, lines)}"
        )
    small = result["overhead"]
    parts.append(
        f"A call on 8 × 10 logits: {small['plain ours']:.1f} µs where `F.cross_entropy` takes "
        f"{small['plain torch']:.1f} ({small['plain ours'] / small['plain torch']:.2f}; bar 1.5); "
        f"under `torch.func.grad` {small['func ours']:.0f} and {small['func torch']:.0f} "
        f"({small['func ours'] / small['func torch']:.2f}; bar 3)."
    )
    return "\n\n".join([*parts, machine_line(result["machine"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--state", choices=ALLOCATORS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.state:
        print(json.dumps(measure(args.state, args.quick, args.rounds)))
        return
    found = [in_child(state, args) for state in (ALLOCATORS[:1] if args.quick else ALLOCATORS)]
    result = {
        "schema_version": 1,
        "rows": [row for part in found for row in part["rows"]],
        "overhead": found[0]["overhead"],
        "machine": machine_card(["numpy", "torch"]),
    }
    print(json.dumps(result) if args.json else tables(result))
    if args.write:
        write(FACTS, "pytorch", tables(result))


if __name__ == "__main__":
    main()
