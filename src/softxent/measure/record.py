"""What is to be measured, and what was found: the parts of a benchmark's result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from softxent.measure.timing import Timing

GRADIENT_OPS = ("new", "out", "in place")
OPS = (*GRADIENT_OPS, "copy", "loss", "small", "linear")
COPY = "np.copyto"
SMALL = (8, 10)
# Seconds a call; who takes longer is not waited for again. After ten idle seconds our pool gives
# its memory back, and ours would be measured with page faults that no training loop has.
TOO_LONG = 10.0

Shape = tuple[int, ...]


class Case(NamedTuple):
    """What is measured together, its calls taking turns."""

    kind: str  # "logits", "loss", "small" or "linear"
    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return f"{self.kind} {' × '.join(f'{n:,}' for n in self.shape)} {self.dtype}"


def cases(shapes: Iterable[Shape], dtypes: Sequence[str], ops: Iterable[str]) -> list[Case]:
    """List the cases: a shape (N, V) is one of logits, (N, D, V) one of a linear layer."""
    ops, shapes = set(ops), list(shapes)
    found = []
    for shape in (shape for shape in shapes if len(shape) == 2):
        if ops & {*GRADIENT_OPS, "copy"}:
            found += [Case("logits", shape, dtype) for dtype in dtypes]
        if "loss" in ops:
            found += [Case("loss", shape, dtype) for dtype in dtypes]
    if "small" in ops:
        found += [Case("small", SMALL, dtype) for dtype in dtypes]
    if "linear" in ops:
        found += [Case("linear", shape, "float32") for shape in shapes if len(shape) == 3]
    return found


@dataclass(slots=True)
class Record:
    """What was found so far, by one process."""

    allocator: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # peer key -> reason
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def add(self, op: str, case: Case, ours: Timing, peer: str, theirs: Timing) -> None:
        """One row: milliseconds, and how many times as long as ours the peer takes."""
        self.rows.append(
            {
                "op": op,
                "shape": list(case.shape),
                "dtype": case.dtype,
                "peer": peer,
                "allocator": self.allocator,
                "ours_ms": ours.median,
                "ours_min_ms": ours.minimum,
                "peer_ms": theirs.median,
                "peer_min_ms": theirs.minimum,
                "ratio": theirs.median / ours.median,
            }
        )

    def skip(self, case: Case, reason: str, peer: str | None = None) -> None:
        """What was not measured, and why; `peer` None: the whole case."""
        where = {"shape": list(case.shape), "dtype": case.dtype, "allocator": self.allocator}
        self.skipped.append({"kind": case.kind} | where | {"peer": peer, "reason": reason})

    def skip_dtype(self, peer: str, dtype: str) -> None:
        """What a peer does not do at any shape."""
        where = {"kind": None, "shape": None, "dtype": dtype, "allocator": self.allocator}
        self.skipped.append(where | {"peer": peer, "reason": f"takes no {dtype}"})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rows": self.rows, "missing": self.missing, "skipped": self.skipped}


def first_line(error: Exception) -> str:
    """Say what was raised, in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
