"""How long softxent and its peers take, in this process: the rows of `softxent bench`.

A row: one operation of ours, at one shape and dtype, beside one peer that does the same job.

    new        cross_entropy_with_grad(logits, target): the loss and a new gradient array
    out        the same with out=, an array that exists
    in place   the same with out=logits
    copy       out= beside np.copyto(out, logits), the time that the memory alone takes
    loss       cross_entropy(logits, target): no gradient
    small      "new" on 8 rows of 10 classes
    linear     linear_cross_entropy_with_grad(input, linear_weight, target): see linear.py
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import softxent
from softxent.contracts import Array
from softxent.measure import linear
from softxent.measure.machine import available_bytes
from softxent.measure.peers import Call, Peer, Unavailable
from softxent.measure.record import (
    COPY,
    GRADIENT_OPS,
    OPS,
    TOO_LONG,
    Case,
    Record,
    Shape,
    cases,
    first_line,
)
from softxent.measure.timing import PAUSE, interleaved, sample

USUAL_OPS = tuple(op for op in OPS if op != "loss")

# From two classes to large vocabularies; 64 million logits, but for the first two.
SHAPES = (
    (1_048_576, 2),
    (1_048_576, 10),
    (262_144, 64),
    (65_536, 1000),
    (2048, 32_000),
    (512, 131_072),
    (256, 262_144),
)


def collect(
    peers: Sequence[Peer],
    *,
    shapes: Iterable[Shape] = (*SHAPES, *linear.SHAPES),
    dtypes: Sequence[str] = ("float32",),
    ops: Iterable[str] = USUAL_OPS,
    rounds: int = 5,
    pause: float = PAUSE,
    allocator: str = "default",
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure every case in this process; `allocator` names the state that its allocator is in.

    Returns {"rows": [...], "missing": {peer: reason}, "skipped": [...]}: a peer that cannot run
    after all, or not this case, and a case that does not fit in memory, are told with the reason.
    """
    record, ops = Record(allocator), set(ops)
    todo = cases(shapes, dtypes, ops)
    for peer in peers:
        for dtype in dict.fromkeys(case.dtype for case in todo):
            if dtype not in peer.dtypes:
                record.skip_dtype(peer.key, dtype)
    for case in todo:
        progress(f"{case}, {allocator} allocator")
        able = [p for p in peers if case.dtype in p.dtypes and p.key not in record.missing]
        reason = _why_not(case, len(able))
        if reason is not None:
            record.skip(case, reason)
        elif case.kind == "linear":
            linear.measure(record, case, able, rounds, pause)
        else:
            _measure(record, case, able, ops, rounds, pause)
        softxent.release_memory()
    return record.as_dict()


def _measure(
    record: Record, case: Case, peers: Sequence[Peer], ops: set[str], rounds: int, pause: float
) -> None:
    logits, target = problem(case.shape, case.dtype)
    ours = _ours(case, ops, logits, target)
    asked = [op for op in OPS if op in ops and op in ours]
    theirs, first = _prepare(record, case, peers if asked else (), logits, target)
    times = interleaved(ours | theirs, rounds, pause, first)
    for op in asked:
        for peer in (*theirs, COPY):
            record.add(op, case, times[op], peer, times[peer])
    if case.kind == "logits" and "copy" in ops:
        record.add("copy", case, times["out"], COPY, times[COPY])


def problem(shape: Shape, dtype: str) -> tuple[Array, Array]:
    """Return normal logits of a dtype, and class indices."""
    n, v = shape
    rng = np.random.default_rng(n + v)
    logits = rng.standard_normal((n, v), dtype=np.float32)
    return logits.astype(_dtype(dtype), copy=False), rng.integers(0, v, n)


def _ours(case: Case, ops: set[str], logits: Array, target: Array) -> dict[str, Call]:
    """Our calls of a case, and copying the logits."""
    out = np.zeros_like(logits)
    copy: dict[str, Call] = {COPY: lambda: np.copyto(out, logits)}
    if case.kind == "loss":
        return {"loss": lambda: softxent.cross_entropy(logits, target)} | copy
    if case.kind == "small":
        return {"small": lambda: softxent.cross_entropy_with_grad(logits, target)} | copy
    work = logits.copy()  # holds a gradient after the first call, which takes as long as logits
    calls: dict[str, Call] = {
        "new": lambda: softxent.cross_entropy_with_grad(logits, target),
        "out": lambda: softxent.cross_entropy_with_grad(logits, target, out=out),
        "in place": lambda: softxent.cross_entropy_with_grad(work, target, out=work),
    }
    wanted = ops | ({"out"} if "copy" in ops else set())
    return {op: calls[op] for op in GRADIENT_OPS if op in wanted} | copy


def _prepare(
    record: Record, case: Case, peers: Sequence[Peer], logits: Array, target: Array
) -> tuple[dict[str, Call], dict[str, float]]:
    """The calls of those peers that can run this case, and the seconds of their first call."""
    calls: dict[str, Call] = {}
    first: dict[str, float] = {}
    job = "loss" if case.kind == "loss" else "loss_and_grad"
    for peer in peers:
        try:
            call = peer.prepare(job, logits, target)
            seconds = sample(call)
        except Unavailable as error:
            record.missing[peer.key] = str(error)
        except Exception as error:  # somebody else's code: it may raise anything
            record.skip(case, first_line(error), peer.key)
        else:
            if seconds > TOO_LONG:
                record.skip(case, f"takes {seconds:.0f} s a call", peer.key)
            else:
                calls[peer.key], first[peer.key] = call, seconds
    return calls, first


def _why_not(case: Case, peers: int) -> str | None:
    """Why a case cannot be measured here at all; None if it can."""
    try:
        size = _dtype(case.dtype).itemsize
    except ImportError:
        return "needs ml_dtypes: pip install ml_dtypes"
    if case.kind == "linear":
        n, d, v = case.shape
        # the logits and their gradient, the copies of some peers; weights, gradients, copies
        needed = 4 * (5 * n * v + 8 * (n + v) * d)
    else:
        # ours: logits, out, work, a new gradient; each peer: logits, gradient, one more; and what
        # the hungriest of them needs while it works, in float32
        needed = math.prod(case.shape) * (size * (4 + 3 * peers) + 4 * 4)
    available = available_bytes()
    if available is None or needed <= available:
        return None
    return f"needs about {needed / 2**30:.1f} GiB; {available / 2**30:.1f} GiB are available"


def _dtype(name: str) -> np.dtype[Any]:
    kind = importlib.import_module("ml_dtypes").bfloat16 if name == "bfloat16" else name
    dtype: np.dtype[Any] = np.dtype(kind)
    return dtype
