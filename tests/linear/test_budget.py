"""The memory budget: how it is written, how it is divided, and that it is kept."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from linear.problems import budget_for, dtype_of, make_layer

import softxent
from softxent.kernels import blas, chunks, memory, registry, walk
from softxent.kernels.budget import parse_memory

FUNCTIONS = (
    "linear_cross_entropy",
    "linear_cross_entropy_with_grad",
    "linear_cross_entropy_stats",
    "linear_cross_entropy_jvp",
    "linear_cross_entropy_hvp",
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 * 2**20),
        ("1GiB", 2**30),
        ("500MB", 500_000_000),
        ("1.5 kib", 1536),
        (" 2 GB ", 2_000_000_000),
        ("0.25TiB", 2**38),
        ("1024", 1024),
        ("7B", 7),
        (4096, 4096),
        (np.int64(12), 12),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    assert parse_memory("f", text) == size


@pytest.mark.parametrize(
    "value", ["", "64 MiBs", "-1MiB", "MiB", "1e6", 0, -5, "0KiB", "nan", True]
)
def test_no_sizes(value: Any) -> None:
    with pytest.raises(ValueError, match=r"f: max_memory is .*; expected a number of bytes > 0"):
        parse_memory("f", value)


@pytest.mark.parametrize("value", [1.5, None, [64]])
def test_no_size_at_all(value: Any) -> None:
    with pytest.raises(TypeError, match=r"max_memory is .*; expected a number of bytes, or text"):
        parse_memory("f", value)


def plan_of(layer: Any, function: str = FUNCTIONS[1], **options: Any) -> softxent.LinearPlan:
    return softxent.linear_cross_entropy_plan(
        layer.x, layer.w, layer.target, linear_bias=layer.b, function=function, **options
    )


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_the_least_budget_is_named_and_is_enough(function: str, dtype: str, road: str) -> None:
    layer = make_layer(dtype, (50,), d=6, v=9)
    with pytest.raises(ValueError, match=r"expected at least \d+ bytes") as caught:
        plan_of(layer, function, max_memory=1)
    assert f"{function}: max_memory is 1 bytes; expected at least" in str(caught.value)
    least = int(str(caught.value).split("at least ")[1].split()[0])
    assert f"Pass max_memory={least} or more." in str(caught.value)
    with pytest.raises(ValueError, match=f"at least {least} bytes"):
        plan_of(layer, function, max_memory=least - 1)
    plan = plan_of(layer, function, max_memory=least)
    assert plan.rows == 1 and plan.chunks == 48 and plan.scratch_bytes <= least
    assert plan.blas == road


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 20, 100])
def test_chunks_are_even_and_cover_all_rows(rows: int) -> None:
    layer = make_layer(lead=(97,), v=64, ignored=0)
    plan = plan_of(layer, FUNCTIONS[0], max_memory=4 * 64 * rows)
    assert plan.rows <= rows
    assert plan.rows * (plan.chunks - 1) < 97 <= plan.rows * plan.chunks
    assert plan.chunks == -(-97 // rows)  # as few as the budget allows


def test_more_memory_than_needed_is_not_taken() -> None:
    layer = make_layer(lead=(8,), ignored=0)
    plan = plan_of(layer, max_memory="1TiB")
    assert (plan.rows, plan.chunks, plan.tile, plan.accumulator_bytes) == (8, 1, 0, 0)
    assert plan.scratch_bytes < 1000


def test_the_accumulator_of_a_narrow_weight_gradient_is_reported() -> None:
    layer = make_layer("bfloat16", (8,), d=5, v=7)
    assert plan_of(layer).accumulator_bytes == 4 * 5 * 7
    assert plan_of(layer, grads=["input"]).accumulator_bytes == 0
    assert plan_of(layer, FUNCTIONS[0]).accumulator_bytes == 0


def test_rows_that_do_not_count_are_in_no_chunk() -> None:
    layer = make_layer(lead=(20,), ignored=20)
    assert plan_of(layer, max_memory=1)[:3] == (0, 0, 0)


def test_rows_share_no_cache_sets_where_there_is_room() -> None:
    layer = make_layer(lead=(6,), d=2, v=1024, ignored=0)
    assert plan_of(layer, FUNCTIONS[0], max_memory="1MiB").scratch_bytes == 6 * (4096 + 64)
    assert plan_of(layer, FUNCTIONS[0], max_memory=6 * 4096).scratch_bytes == 6 * 4096


def test_an_unknown_function() -> None:
    layer = make_layer()
    with pytest.raises(ValueError, match=r"function is 'linear_cross_entropy_vjp'; .*Did you mean"):
        plan_of(layer, "linear_cross_entropy_vjp")


def odd_layouts(layer: Any) -> dict[str, Any]:
    """The layer as it may lie in memory; all of these have to be copied, some rows at a time."""
    x, w = layer.x, layer.w
    return {
        "contiguous": layer,
        "reversed": layer._replace(x=x[::-1].copy()[::-1], w=w[::-1].copy()[::-1]),
        "columns apart": layer._replace(
            x=np.repeat(x, 2, axis=-1)[..., ::2], w=np.repeat(w, 2, axis=-1)[:, ::2]
        ),
        "lead axes swapped": layer._replace(
            x=np.swapaxes(np.swapaxes(x, 0, 1).copy(), 0, 1),
            target=np.swapaxes(np.swapaxes(layer.target, 0, 1).copy(), 0, 1),
        ),
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["indices", "some ignored", "soft"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_allocated_beyond_the_plan(
    road: str, function: str, kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy tells tracemalloc of every array; the pool of the native allocator does not."""
    monkeypatch.setattr(memory, "empty", np.empty)
    budget = 200 * 1024
    layer = make_layer(
        dtype, (20, 30), d=24, v=400, soft=kind == "soft", ignored=150 * (kind == "some ignored")
    )
    for name, odd in odd_layouts(layer).items():
        directions = ((odd.x, odd.w, odd.b),) if function.endswith(("jvp", "hvp")) else ()
        call = getattr(softxent, function)
        options = {"linear_bias": odd.b, "max_memory": budget}
        plan = plan_of(odd, function, max_memory=budget)
        assert plan.scratch_bytes <= budget and plan.chunks > 1
        call(odd.x, odd.w, odd.target, *directions, **options)  # first imports, caches
        tracemalloc.start()
        result = call(odd.x, odd.w, odd.target, *directions, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        allowed = plan.scratch_bytes + plan.accumulator_bytes
        allowed += sum(part.nbytes for part in flatten(result))
        allowed += 48 * layer.x[..., 0].size + 16 * 1024  # the few numbers per row; objects
        if road == "matmul":
            allowed += 2 * 8192 * 4  # buffers that np.add makes for a slice, whatever its size
        if registry.pick().name == "numpy":
            allowed += 6 * 2**20  # its blocks of rows in float64
        assert peak <= allowed, (name, peak, allowed, plan)


def flatten(result: Any) -> list[Any]:
    """Every array of a result, itself a tuple or not."""
    if isinstance(result, tuple):
        return [array for part in result for array in flatten(part)]
    return [result]


PEAK = """
import sys
import numpy as np
import softxent

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024

d, v = 64, 65536
sizes = [int(size) * 2**20 for size in sys.argv[2:]]
rng = np.random.default_rng(0)
x = rng.standard_normal((max(sizes) // (4 * v), d), dtype=np.float32)
w = rng.standard_normal((v, d), dtype=np.float32)
target = rng.integers(0, v, len(x))
dx, dw = np.ones_like(x), np.ones_like(w)

def call(size):
    n = min(len(x), 2 * size // (4 * v))  # two chunks; of the largest budget one
    softxent.linear_cross_entropy_with_grad(x[:n], w, target[:n], max_memory=size,
        out=(dx[:n], dw, None), implementation=sys.argv[1])

for size in sizes[:2]:  # the BLAS makes its packing buffers, every thread its stack
    call(size)
for size in sizes:
    softxent.release_memory()
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark starts at what is there now
    before = status("VmRSS")
    call(size)
    print(size, status("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_process_grows_by_no_more_than_the_budget(implementation: str) -> None:
    # Plain NumPy takes a minute for the logits that fill the largest.
    sizes = [8, 64, 512] if implementation == "native" else [8, 64]
    command = [sys.executable, "-c", PEAK, implementation, *map(str, sizes)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    grown = {int(size): int(peak) for size, peak in map(str.split, run.stdout.splitlines())}
    assert list(grown) == [size * 2**20 for size in sizes]
    for size, peak in grown.items():
        assert peak <= size * 1.05 + 16 * 2**20, grown
        assert peak >= size * 0.5, f"{grown}: the measurement does not see the scratch"


def test_plans_and_walks_agree() -> None:
    layer = make_layer("float16", (30,), d=4, v=6)
    seen = []

    class Watched(walk.Walk):
        def chunks(self) -> Any:
            for chunk in super().chunks():
                seen.append(chunk.size)
                yield chunk

    budget = budget_for(layer, 4)
    plan = plan_of(layer, max_memory=budget)
    original, chunks.Walk = chunks.Walk, Watched
    try:
        softxent.linear_cross_entropy_with_grad(
            layer.x, layer.w, layer.target, linear_bias=layer.b, max_memory=budget
        )
    finally:
        chunks.Walk = original
    assert len(seen) == plan.chunks and max(seen) == plan.rows and sum(seen) == 28
    assert dtype_of("float16") == layer.x.dtype and blas.pick().name == plan.blas
