"""A head of many classes, loss and gradients: seconds and peak memory, fused and with full logits.

"full" is the layer as NumPy code usually has it: all N by V logits in one product, the loss and
its gradient on them, two more products. Its loss and gradient are our own
`cross_entropy_with_grad`, in place, so that what differs is the logits that are kept, and who
multiplies: NumPy there, "products" here. Both write their gradients to arrays that exist.

Each road runs in a process of its own, because the peak of a process includes all it ever did;
the two take turns, because the machine may be shared.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import softxent
from softxent.measure import child
from softxent.measure.machine import STATUS, available_bytes, entry

Floats = np.ndarray[Any, np.dtype[np.float32]]
MIB = 2**20
WARM_ROWS = 64
PROCESS = 120 * MIB  # an interpreter with NumPy, softxent, BLAS buffers and thread stacks: 70 to 90


class Road(NamedTuple):
    """What one process measured."""

    seconds: list[float]  # one a round
    products: str  # who multiplies
    peak_mib: float  # growth above inputs and outputs
    apart: dict[str, float]  # from the other road, if it was compared


def measure(
    n: int = 1024,
    d: int = 256,
    v: int = 131_072,
    max_memory: int | str = "64MiB",
    *,
    rounds: int = 3,
    patience: float = math.inf,
    progress: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Median seconds and peak MiB of both roads, and how far apart their results are.

    No round begins after `patience` seconds, but for the first. `progress` is told what comes next.
    What could not be measured is None, and "skipped" says why: full logits need 4 N V bytes, which
    not every machine has free.
    """
    from softxent.kernels.budget import parse_memory

    budget = parse_memory("softxent.measure.head.measure", max_memory)
    figures: dict[str, Any] = {
        "n": n,
        "d": d,
        "v": v,
        "dtype": "float32",
        "max_memory_mib": budget / MIB,
        "logits_mib": 4 * n * v / MIB,
        "rounds": 0,
        "products": None,
        "seconds": None,
        "peak_mib": None,
        "full_seconds": None,
        "full_peak_mib": None,
        "loss_apart": None,
        "gradients_apart": None,
        "skipped": None,
    }
    one_road = PROCESS + 4 * (2 * v * d + 2 * n * d) + budget
    both_roads = 2 * one_road + 4 * (n * v + v * d)  # the comparison makes a second dW
    free = available_bytes()
    roads = ["fused", "full"]
    if free is not None and free < both_roads:
        roads = ["fused"] if free >= one_road else []
        figures["skipped"] = (
            f"{free / MIB:.0f} MiB of memory are available and "
            f"{'full logits' if roads else 'the layer'} would take "
            f"{(both_roads if roads else one_road) / MIB:.0f} MiB"
        )
    last_start = time.monotonic() + patience
    try:
        measured = _take_turns(roads, (n, d, v, budget), rounds, last_start, progress)
    except ChildProcessError as stopped:
        return figures | {"skipped": str(stopped)}
    for name, prefix in (("fused", ""), ("full", "full_")):
        if name in measured:
            if name == "fused":
                figures["products"] = measured[name].products
            figures["rounds"] = len(measured[name].seconds)
            figures[f"{prefix}seconds"] = statistics.median(measured[name].seconds)
            figures[f"{prefix}peak_mib"] = measured[name].peak_mib
    if "full" in measured:
        figures |= measured["full"].apart
    return figures


# --- The parent: one process a road, asked in turn ---


def _take_turns(
    roads: list[str],
    problem: tuple[int, int, int, int],
    rounds: int,
    last_start: float,
    progress: Callable[[str], None],
) -> dict[str, Road]:
    seconds: dict[str, list[float]] = {road: [] for road in roads}
    last: dict[str, dict[str, Any]] = {}
    apart: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        if roads:
            progress(f"{problem[2]:,} classes: making the weight")
        ask = {road: stack.enter_context(_worker(road, problem)) for road in roads}
        for turn in range(rounds):
            if turn and time.monotonic() > last_start:
                break
            for road in roads:
                progress(f"{problem[2]:,} classes, {road}, {turn + 1} of {rounds}")
                last[road] = ask[road]("run")
                seconds[road].append(last[road]["seconds"])
        if "full" in roads:
            progress(f"{problem[2]:,} classes: comparing the gradients")
            apart = ask["full"]("compare")
    return {  # the peak is a high-water mark: the last is the highest
        road: Road(seconds[road], last[road]["products"], last[road]["peak_mib"], apart)
        for road in roads
    }


@contextlib.contextmanager
def _worker(
    road: str, problem: tuple[int, int, int, int]
) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Start a process for one road; gives the function that asks it something."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            child.command("softxent.measure.head", road, *map(str, problem)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

        def ask(word: str) -> dict[str, Any]:
            with contextlib.suppress(BrokenPipeError):
                print(word, file=process.stdin, flush=True)
            line = process.stdout.readline() if process.stdout else ""
            if line:
                return dict(json.loads(line))
            code = process.wait()
            errors.seek(0)
            last = (errors.read().strip().splitlines() or [f"exit code {code}"])[-1]
            if code < 0:  # by the system, most likely for want of memory
                last = f"ended by signal {-code}"
            raise ChildProcessError(f"the process of the {road} road stopped: {last}")

        try:
            yield ask
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError), process:  # closes its streams and waits
                pass


# --- The child: makes the problem, then answers until its input ends ---


class _Problem(NamedTuple):
    x: Floats
    w: Floats
    target: np.ndarray[Any, np.dtype[np.int64]]
    dx: Floats
    dw: Floats
    budget: int


def _fused(p: _Problem) -> float:
    out = (p.dx, p.dw, None)
    loss, _ = softxent.linear_cross_entropy_with_grad(
        p.x, p.w, p.target, max_memory=p.budget, out=out
    )
    return float(loss)


def _full(p: _Problem) -> float:
    logits = p.x @ p.w.T
    loss, gradient = softxent.cross_entropy_with_grad(logits, p.target, out=logits)
    np.matmul(gradient, p.w, out=p.dx)
    np.matmul(gradient.T, p.x, out=p.dw)
    return float(loss)


ROADS = {"fused": _fused, "full": _full}


def _make(n: int, d: int, v: int, budget: int) -> _Problem:
    """Logits of about N(0, 1). Nothing is larger on the way than in the end: peaks count."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    w = rng.standard_normal((v, d), dtype=np.float32)
    w *= np.float32(d**-0.5)
    return _Problem(x, w, rng.integers(0, v, n), np.ones_like(x), np.ones_like(w), budget)


def _run(road: str, p: _Problem, before: int) -> dict[str, Any]:
    start = time.perf_counter()
    ROADS[road](p)
    seconds = time.perf_counter() - start
    peak_mib = (_memory()[1] - before) / MIB
    plan = softxent.linear_cross_entropy_plan(p.x, p.w, p.target, max_memory=p.budget)
    products = plan.blas if road == "fused" else "numpy"
    return {"seconds": seconds, "peak_mib": peak_mib, "products": products}


def _compare(road: str, p: _Problem) -> dict[str, float]:
    """Largest difference of the other road's loss and gradients, relative to the largest entry."""
    other = next(name for name in ROADS if name != road)
    again = p._replace(dx=np.ones_like(p.dx), dw=np.ones_like(p.dw))
    loss, other_loss = ROADS[road](p), ROADS[other](again)
    return {
        "loss_apart": abs(other_loss / loss - 1),
        "gradients_apart": max(_apart(p.dx, again.dx), _apart(p.dw, again.dw)),
    }


def _apart(a: Floats, b: Floats) -> float:
    largest = max(float(a.max()), -float(a.min()))
    np.subtract(a, b, out=b)
    return max(float(b.max()), -float(b.min())) / largest


def _memory() -> tuple[int, int]:
    """Bytes that this process has now, and the most that it ever had."""
    # Not ru_maxrss on Linux: there a process inherits its parent's, so the growth would be
    # hidden whenever the parent is larger.
    now, most = (entry(STATUS, key, 1024) for key in ("VmRSS:", "VmHWM:"))
    if now is not None and most is not None:
        return now, most
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    high = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return high, high


def _warm(road: str, p: _Problem) -> None:
    """Start the threads, and let the BLAS make the packing buffers that it keeps for good.

    Those are up to 50 MiB for either road, and no part of what the road itself allocates.
    """
    few = slice(WARM_ROWS)
    ROADS[road](p._replace(x=p.x[few], target=p.target[few], dx=p.dx[few]))
    # The buffers grow with the rows that a product sums over: dW's product over all of them, with
    # numbers of the weight for the gradient by the logits.
    (n, d), many = p.x.shape, p.w.size // len(p.x)
    stand_in = p.w.reshape(-1)[: n * many].reshape(n, many)
    np.matmul(stand_in.T, p.x, out=np.ones((many, d), np.float32))
    softxent.release_memory()


def _serve(road: str, n: int, d: int, v: int, budget: int) -> None:
    problem = _make(n, d, v, budget)
    _warm(road, problem)
    before, _ = _memory()
    for line in sys.stdin:
        answer = _run(road, problem, before) if line.strip() == "run" else _compare(road, problem)
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Be the process of one road."""
    _serve(sys.argv[1], *map(int, sys.argv[2:]))
