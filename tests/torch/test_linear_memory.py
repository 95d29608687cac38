"""What a linear loss takes beside inputs and gradients: `max_memory`, measured in a child."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("softxent.torch")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")

MIB = 1 << 20
CHILD = """
import json, sys
from pathlib import Path
import torch
import softxent
from softxent.torch import linear_cross_entropy, linear_cross_entropy_plan

n, d, v, dtype, budget, reduction = json.loads(sys.argv[1])
dtype = getattr(torch, dtype)
torch.manual_seed(0)
x = torch.randn(n, d, dtype=dtype).requires_grad_()
w = torch.empty(v, d, dtype=dtype).normal_(std=0.05).requires_grad_()
t = torch.randint(0, v, (n,))

def size(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024

def call(rows):
    loss = linear_cross_entropy(x[:rows], w, t[:rows], max_memory=budget, reduction=reduction)
    loss.sum().backward()

call(max(1, min(n, 64)))  # the BLAS makes its packing buffers, every thread its stack
x.grad = w.grad = None
softxent.release_memory()
Path("/proc/self/clear_refs").write_text("5")  # the high-water mark falls to what is there
before = size("VmRSS")
call(n)
plan = linear_cross_entropy_plan(x, w, t, max_memory=budget)
print(json.dumps({
    "peak": size("VmHWM") - before,
    "outputs": (x.numel() + w.numel()) * x.element_size() + plan.accumulator_bytes,
    "chunks": plan.chunks,
}))
"""


def measure(*case: object) -> tuple[float, float]:
    """Return bytes beside inputs and gradients, and the number of chunks."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(case)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found["peak"] - found["outputs"], found["chunks"]


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("mib", [8, 64])
def test_max_memory_is_kept(mib: int, dtype: str, reduction: str) -> None:
    """2048 x 65536 logits would be 512 MiB of float32."""
    peak, chunks = measure(2048, 64, 65_536, dtype, mib * MIB, reduction)
    assert chunks > 1
    assert peak <= 1.05 * mib * MIB + 16 * MIB, f"{peak / MIB:.1f} MiB"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_large_head_in_64_mib(dtype: str) -> None:
    """8192 x 131072 logits and their gradient would be 8 GiB of float32."""
    peak, _ = measure(8192, 512, 131_072, dtype, 64 * MIB, "mean")
    # and a few numbers for each of 8192 rows
    assert peak <= 1.05 * 64 * MIB + 16 * MIB + 8192 * 64, f"{peak / MIB:.1f} MiB"
