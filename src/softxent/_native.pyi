"""The compiled row kernels (native/bind.cpp); softxent.kernels.cpu is the way in."""

from typing import Any

from softxent.contracts import Array

OPS: dict[str, int]

class Storage:
    """Pooled memory, through the buffer protocol."""

    def __init__(self, n_bytes: int) -> None: ...
    def __buffer__(self, flags: int) -> memoryview: ...

def run(
    op: int,
    logits: Array | None,
    *,
    target: Array | None = None,
    soft: Array | None = None,
    weight: Array | None = None,
    ignore_index: int = -100,
    smoothing: float = 0.0,
    temperature: float = 1.0,
    softcap: float = 0.0,
    z_loss: float = 0.0,
    row_weight: Array | None = None,
    upstream: Array | None = None,
    vector: Array | None = None,
    target_tangent: Array | None = None,
    saved: Array | None = None,
    out: Array | None = None,
    per_row: Array | None = None,
    floats: Array | None = None,
    ints: Array | None = None,
    ce_factor: float = 1.0,
    z_factor: float = 1.0,
) -> tuple[float, float]: ...
def tally(
    target: Array,
    classes: int,
    ignore_index: int,
    weight: Array | None,
    row_weight: Array | None,
) -> tuple[int, int, float]: ...
def plain_loss(
    logits: int,
    dtype: int,
    target: int,
    grad: int,
    rows: int,
    classes: int,
    ignore_index: int,
    factor: float,
) -> tuple[int, int, float]: ...
def product(
    kind: int,
    *,
    x: Array | None = None,
    w: Array | None = None,
    g: Array | None = None,
    x2: Array | None = None,
    w2: Array | None = None,
    g2: Array | None = None,
    bias: Array | None = None,
    out: Array | None = None,
    column_sums: Array | None = None,
    add: bool = False,
    threads: int,
) -> None: ...
def product_bytes(
    exact: bool, classes: int, features: int, terms: int, threads: int
) -> tuple[int, int]: ...
def release_memory() -> int: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def info() -> dict[str, Any]: ...
