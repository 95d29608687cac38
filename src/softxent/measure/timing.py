"""Calls timed in turn, fairly, on a machine that may be shared; the two states of the allocator."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

# Threads that wait for work spin on a core that the next call needs: OpenBLAS's for 26 ms after a
# product, OpenMP's for a few.
PAUSE = 0.050
SHORT = 1e-3  # seconds; a shorter call is repeated, since reading the clock disturbs it
SAMPLE = 2e-3  # until a sample takes so long
COLD = 0.25  # a first call below this may still be a short one: ours was seen at 24 ms, then 8 µs

# glibc told to keep freed blocks instead of giving them back: in its default state two thirds of
# the time of a large call that allocates are page faults. It looks once, when a process starts.
WARM = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 30),
}
ALLOCATORS = ("default", "warm")


class Timing(NamedTuple):
    """Milliseconds of one call, over all rounds."""

    median: float
    minimum: float


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    pause: float = PAUSE,
    first: Mapping[str, float] | None = None,
) -> dict[str, Timing]:
    """Time every call once a round, taking turns, so that what disturbs one disturbs all.

    A round has one sample of each call: the call itself or, where that takes less than a
    millisecond, the mean of enough repetitions to fill two. A pause comes before each sample, none
    inside. Dropping the result is part of the call, as it is part of anybody's use of it. `first`
    has the seconds of the first call of those that were called already.

    >>> interleaved({"nothing": lambda: None}, rounds=3)["nothing"].median < 0.01
    True
    """
    known = first or {}
    repeats = {name: _repeats(call, known.get(name)) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                time.sleep(pause)
                seconds[name].append(sample(call, repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return {
        name: Timing(statistics.median(taken) * 1e3, min(taken) * 1e3)
        for name, taken in seconds.items()
    }


def sample(call: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of one call: the mean of so many, with the clock read twice."""
    again = range(repeats)
    start = time.perf_counter()
    for _ in again:
        call()
    return (time.perf_counter() - start) / repeats


def environment(allocator: str) -> dict[str, str]:
    """Return the variables of a process whose allocator is in the state "default" or "warm"."""
    if allocator not in ALLOCATORS:
        raise ValueError(f"allocator: got {allocator!r}, expected one of {', '.join(ALLOCATORS)}")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return plain | (WARM if allocator == "warm" else {})


def can_be_warm() -> bool:
    """Whether the C library is one that reads those variables."""
    return platform.libc_ver()[0] == "glibc"


def _repeats(call: Callable[[], object], first: float | None) -> int:
    took = sample(call) if first is None else first  # warms up, too
    if took < COLD:
        took = sample(call)
    if took < 10 * SHORT:
        took = min(took, *(sample(call) for _ in range(4)))
    return 1 if took >= SHORT else max(1, round(SAMPLE / max(took, 1e-7)))
