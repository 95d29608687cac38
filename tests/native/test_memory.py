"""The pool of freed blocks behind large outputs: what it keeps, how long, how to stop it."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softxent
from softxent.kernels import memory

native = pytest.importorskip("softxent._native", exc_type=ImportError)

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _empty_pool() -> Iterator[None]:
    gc.collect()  # outputs of other tests that only a cycle keeps
    softxent.release_memory()
    yield
    softxent.release_memory()


def held() -> int:
    return native.info()["pool"]["held_bytes"]


def address(storage: Any) -> int:
    return np.frombuffer(storage, np.uint8).__array_interface__["data"][0]


def test_freed_block_is_used_again() -> None:
    first = native.Storage(8 * MIB)
    where = address(first)
    assert held() == 0
    del first
    assert held() == 8 * MIB
    again = native.Storage(8 * MIB)
    assert address(again) == where
    assert held() == 0
    del again
    assert address(native.Storage(7 * MIB)) == where, "up to a quarter may be wasted"


@pytest.mark.parametrize("size", [2 * MIB, 5 * MIB])
def test_block_of_another_size_is_not_used(size: int) -> None:
    block = native.Storage(4 * MIB)
    del block
    other = native.Storage(size)
    assert held() == 4 * MIB
    del other


def test_smallest_block_that_fits_is_used() -> None:
    large, small = native.Storage(9 * MIB), native.Storage(8 * MIB)
    where = address(small)
    del large, small
    kept = native.Storage(8 * MIB)
    assert address(kept) == where
    assert held() == 10 * MIB, "whole huge pages"


def test_outputs_come_from_the_pool_and_go_back() -> None:
    logits = np.random.default_rng(0).normal(size=(64, 16_384))
    gradient = softxent.cross_entropy_with_grad(logits, np.arange(64))[1]
    where, view = gradient.__array_interface__["data"][0], gradient[3:, ::2]
    del gradient
    other = softxent.softmax(logits)
    assert other.__array_interface__["data"][0] != where, "a view keeps it"
    view[...] = 0
    del view
    assert softxent.softmax(logits).__array_interface__["data"][0] == where


def test_small_outputs_are_numpys() -> None:
    small = memory.empty((memory.POOLED_BYTES // 8 - 1,), np.dtype(np.float64))
    large = memory.empty((memory.POOLED_BYTES // 8,), np.dtype(np.float64))
    assert small.base is None
    assert large.base is not None
    assert large.flags.writeable and large.flags.c_contiguous and large.flags.aligned


def test_large_blocks_start_on_a_huge_page() -> None:
    blocks = [native.Storage(size) for size in (4 * MIB, 4 * MIB + 1, 64 * MIB)]
    assert [address(block) % (2 * MIB) for block in blocks] == [0, 0, 0]


def test_release_memory_returns_the_bytes_and_empties_the_pool() -> None:
    blocks = [native.Storage(size) for size in (MIB, 3 * MIB, 8 * MIB)]
    assert softxent.release_memory() == 0, "blocks in use are not touched"
    np.frombuffer(blocks[2], np.uint8)[:] = 1
    del blocks
    assert held() == 12 * MIB
    assert softxent.release_memory() == 12 * MIB
    assert held() == 0
    assert softxent.release_memory() == 0


def test_limit_is_kept_and_the_oldest_makes_room(fresh_python: Callable[..., str]) -> None:
    script = """
import numpy as np
from softxent import _native as native
address = lambda s: np.frombuffer(s, np.uint8).__array_interface__["data"][0]
held = lambda: native.info()["pool"]["held_bytes"] >> 20
blocks = [native.Storage(n << 20) for n in (4, 6, 8)]
where = [address(block) for block in blocks]
while blocks:
    del blocks[0]
    assert held() <= 16
print(held())
kept = [native.Storage(n << 20) for n in (6, 8)]
print([address(block) for block in kept] == where[1:], held())
large = native.Storage(17 << 20)
del large
print(held())
"""
    printed = fresh_python(script, SOFTXENT_POOL_BYTES=str(16 * MIB)).split("\n")
    assert printed[:3] == ["14", "True 0", "0"]


def test_environment_turns_it_off(fresh_python: Callable[..., str]) -> None:
    script = """
import numpy as np, softxent
from softxent import _native as native
logits = np.zeros((64, 16_384))
for _ in range(3):
    softxent.cross_entropy_with_grad(logits, np.arange(64))
pool = native.info()["pool"]
print(pool["enabled"], pool["limit_bytes"], pool["held_bytes"], softxent.release_memory())
"""
    assert fresh_python(script, SOFTXENT_POOL_BYTES="0") == "False 0 0 0\n"


def test_default_limit(fresh_python: Callable[..., str]) -> None:
    script = "from softxent import _native; print(_native.info()['pool']['limit_bytes'])"
    assert fresh_python(script) == f"{512 * MIB}\n"


def test_kept_blocks_are_given_up_before_memory_runs_out(
    fresh_python: Callable[..., str],
) -> None:
    """Where the system refuses, the pool is emptied and asked again; only then MemoryError."""
    pytest.importorskip("resource")
    script = """
import resource
from softxent import _native as native
block = native.Storage(200 << 20)
del block
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20), -1))
block = native.Storage(300 << 20)
print(native.info()["pool"]["held_bytes"])
try:
    native.Storage(300 << 20)
except MemoryError:
    print("MemoryError")
"""
    if native.info()["pool"].get("huge_pages") == "unknown":
        pytest.skip("not Linux")
    assert fresh_python(script) == "0\nMemoryError\n"


def test_sizes() -> None:
    assert memoryview(native.Storage(0)).nbytes == 0
    assert memoryview(native.Storage(1)).nbytes == 1
    for size in (-1, -(2**63)):
        with pytest.raises(ValueError, match="negative"):
            native.Storage(size)
    for size in (2**47, 2**63 - 1):
        with pytest.raises(MemoryError):
            native.Storage(size)
    for size in (2**63, 1.5, "1", None):
        with pytest.raises(TypeError):
            native.Storage(size)


AFTER_ITS_END = """
import ctypes
import numpy as np, softxent
from softxent import _native as native
block = native.Storage(8_000_000)  # of 8 MiB
where = np.frombuffer(block, np.uint8).ctypes.data
read = lambda n: np.frombuffer((ctypes.c_double * n).from_address(where))
softxent.logsumexp(read(1_000_000))
print("in use", flush=True)
{then}
"""


@pytest.mark.parametrize(
    "then",
    ["del block; softxent.logsumexp(read(1000))", "softxent.logsumexp(read(1_000_001))"],
    ids=["given back", "past its end"],
)
def test_sanitizer_sees_a_read_of_memory_that_is_not_the_callers(then: str) -> None:
    """Pooled memory is not malloc's: the sanitizer knows of it what memory.cpp tells it."""
    if not hasattr(ctypes.CDLL(None), "__asan_region_is_poisoned"):
        pytest.skip("this build is not instrumented; `make sanitize-address` has one that is")
    done = subprocess.run(
        [sys.executable, "-c", AFTER_ITS_END.format(then=then)], capture_output=True, text=True
    )
    assert done.stdout == "in use\n"
    assert done.returncode != 0
    assert "use-after-poison" in done.stderr


def test_storage_that_was_never_initialised() -> None:
    with pytest.raises(BufferError, match="not initialised"):
        memoryview(native.Storage.__new__(native.Storage))


def test_pool_from_many_threads() -> None:
    """No block is ever handed out twice."""
    faults: list[int] = []

    def work(mark: int) -> None:
        for turn in range(60):
            sizes = (MIB, 2 * MIB) if turn % 2 else (2 * MIB, MIB)
            arrays = [np.frombuffer(native.Storage(size), np.uint8) for size in sizes]
            for array in arrays:
                array[:: 1 << 16] = mark
            if turn % 16 == mark:
                native.release_memory()
            if not all((array[:: 1 << 16] == mark).all() for array in arrays):
                faults.append(mark)

    workers = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert not faults


@pytest.mark.slow
def test_idle_blocks_are_dropped() -> None:
    """After ten seconds without use, at the janitor's next round (2.5 s apart)."""
    block = native.Storage(8 * MIB)
    del block
    time.sleep(8)
    assert held() == 8 * MIB
    end = time.monotonic() + 20
    while held() and time.monotonic() < end:
        time.sleep(0.25)
    assert held() == 0
