"""How many rows of logits fit into a memory budget, and what the rest of the scratch takes."""

from __future__ import annotations

import operator
import re
from typing import NamedTuple

from softxent.errors import describe, error

# Bytes of a tile of classes, at most: it is written and read again at once, so it should stay in
# the L2 cache. Measured with float32 and bfloat16 weights on 2 MiB of L2 a core.
TILE_BYTES = 4 * 2**20

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter + "ib"], _UNITS[_letter + "b"] = 1024**_power, 1000**_power
_MEMORY = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", re.IGNORECASE)


class LinearPlan(NamedTuple):
    """How a linear loss walks its rows; `linear_cross_entropy_plan` returns it."""

    rows: int
    """Rows in a chunk; the last chunk may have fewer."""
    chunks: int
    """How often the weight is read for each product; ignored rows are in no chunk."""
    scratch_bytes: int
    """What the walk allocates beside inputs and outputs, at most `max_memory`. A few numbers per
    row (class indices as int64, for example) come on top of it."""
    accumulator_bytes: int
    """The float32 sum that becomes a bfloat16 or float16 weight gradient; counts as an output."""
    tile: int
    """Classes in a tile, where the weight has to be converted or a product cannot add; else 0."""
    blas: str
    """Who makes the matrix products: "native", ours, or a BLAS: "numpy", "scipy" or "matmul"."""


class Needs(NamedTuple):
    """The bytes that a walk allocates."""

    row: int
    """For each row of a chunk."""
    tile: int
    """For each class of a tile."""
    fixed: int
    """Once."""
    accumulator: int
    """Once, outside the budget."""


def parse_memory(where: str, value: object) -> int:
    """Return a number of bytes: an integer, or text such as "64MiB", "1GiB", "500MB".

    >>> parse_memory("f", "64MiB"), parse_memory("f", "1.5 kB"), parse_memory("f", 4096)
    (67108864, 1500, 4096)
    """
    size = -1
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value)
        if match and match[2].lower() in _UNITS:
            size = int(float(match[1]) * _UNITS[match[2].lower()])
    elif not isinstance(value, bool):
        try:
            size = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise error(
                TypeError,
                "max-memory",
                where,
                "max_memory",
                describe(value),
                "a number of bytes, or text such as '64MiB'",
                "Units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB.",
            ) from None
    if size <= 0:
        raise error(
            ValueError,
            "max-memory",
            where,
            "max_memory",
            describe(value),
            "a number of bytes > 0, or text such as '64MiB'",
            "Units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB.",
        )
    return size


def make_plan(
    where: str, budget: int, n_rows: int, n_classes: int, needs: Needs, blas: str
) -> LinearPlan:
    """Divide the budget: a tile of at most an eighth, then as many rows as fit, evenly.

    A last chunk of a few rows would cost nearly as much as a full one, because the time to read
    the weight does not depend on them.
    """
    if n_rows == 0:
        return LinearPlan(0, 0, 0, needs.accumulator, 0, blas)
    least = needs.fixed + needs.tile + needs.row
    if budget < least:
        raise error(
            ValueError,
            "max-memory",
            where,
            "max_memory",
            f"{budget} bytes",
            f"at least {least} bytes, which hold one row of {n_classes} logits and what goes "
            "with it",
            f"Pass max_memory={least} or more.",
        )
    tile = 0
    if needs.tile:
        room = min(TILE_BYTES, max(budget // 8, needs.tile), budget - needs.fixed - needs.row)
        tile = min(n_classes, max(1, room // needs.tile))
    room = budget - needs.fixed - tile * needs.tile
    chunks = -(-n_rows // (room // needs.row))
    rows = -(-n_rows // chunks)
    scratch = needs.fixed + tile * needs.tile + rows * needs.row
    return LinearPlan(rows, chunks, scratch, needs.accumulator, tile, blas)
