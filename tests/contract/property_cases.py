"""Random problems for the property tests, and the layouts an array can come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from contract.frontends import DTYPES, dtype_of
from hypothesis import strategies as st

# Each road through a row: tiny, one vector more or less, blocks of a row and what is left of one.
WIDTHS = st.one_of(st.integers(1, 70), st.sampled_from([100, 127, 257, 1000, 1025, 4099, 20_011]))
# A grid on which sums of logits and shifts are exact, and how far a shift may go.
GRID = {"float64": (2.0**-10, 1000), "float32": (2.0**-10, 1000), "float16": (2.0**-4, 40),
        "bfloat16": (0.25, 16)}  # fmt: skip


@dataclass
class Problem:
    """Logits (N, V), a target, a tangent and options."""

    logits: np.ndarray
    target: np.ndarray
    tangent: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    soft: bool | None = None,
    transformed: bool = True,
    z_loss: bool = True,
    smoothing: bool = True,
    weights: bool = True,
    widths: st.SearchStrategy[int] = WIDTHS,
) -> Problem:
    """A problem on the grid; the keywords leave options out."""
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, classes = draw(st.integers(1, 9)), draw(widths)
    step, _ = GRID[dtype]
    spread = draw(st.sampled_from([1.0, 8.0]))
    grid = np.clip(np.round(spread * rng.standard_normal((rows, classes)) / step) * step, -16, 16)
    logits = grid.astype(dtype_of(dtype))
    if draw(st.booleans()) if soft is None else soft:
        target = rng.exponential(size=(rows, classes)) * (rng.random((rows, classes)) < 0.7)
        target = target.astype(dtype_of(dtype))
    else:
        target = rng.integers(classes, size=rows)
    options: dict[str, Any] = {}
    if transformed:
        options["temperature"] = draw(st.sampled_from([1.0, 0.7]))
        options["softcap"] = draw(st.sampled_from([None, 12.0]))
    if z_loss:
        options["z_loss"] = draw(st.sampled_from([0.0, 0.01]))
    if smoothing:
        options["label_smoothing"] = draw(st.sampled_from([0.0, 0.1]))
    if weights and draw(st.booleans()):
        options["weight"] = rng.uniform(0.1, 2.0, classes)
        options["row_weight"] = rng.uniform(0.1, 2.0, rows)
    tangent = rng.standard_normal((rows, classes)).astype(logits.dtype)
    return Problem(logits, target, tangent, options)


def pick_rows(p: Problem, rows: Any) -> Problem:
    """The problem of some of the rows, in that order."""
    options = dict(p.options)
    if options.get("row_weight") is not None:
        options["row_weight"] = options["row_weight"][rows]
    return Problem(p.logits[rows], p.target[rows], p.tangent[rows], options)


# ------------------------------------------------------------------ layouts


def fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


def every_other(x: np.ndarray) -> np.ndarray:
    wide = np.ones([2 * n for n in x.shape]).astype(x.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def reversed_axes(x: np.ndarray) -> np.ndarray:
    backwards = tuple(slice(None, None, -1) for _ in x.shape)
    return np.ascontiguousarray(x[backwards])[backwards]


def read_only(x: np.ndarray) -> np.ndarray:
    frozen = x.copy()
    frozen.flags.writeable = False
    return frozen


def misaligned(x: np.ndarray) -> np.ndarray:
    memory = np.zeros(x.nbytes + 1, np.uint8)[1:]
    view = memory.view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned or x.nbytes == 0
    return view


def big_endian(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.name == "bfloat16" else x.astype(x.dtype.newbyteorder(">"))


LAYOUTS = [fortran, every_other, reversed_axes, read_only, misaligned, big_endian]
