"""The table of edges: one special row of three classes a case, its values worked out by hand.

Logits 0 give probabilities 1/2 or 1/3, and the tangent is (1, 2, 4): every value below can be
checked on paper. `spread` sets the row between two ordinary ones, at any width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, log, nan
from typing import Any

import numpy as np
from contract.frontends import dtype_of

LN2, LN3 = log(2.0), log(3.0)
TANGENT = (1.0, 2.0, 4.0)
FINITE = None  # an entry of which the contract says only that it is finite

Row = tuple[float | None, ...]


@dataclass(frozen=True)
class Edge:
    """One row of the table: logits, target and options in; loss and derivatives out."""

    name: str
    logits: Row
    target: int | Row
    loss: float
    grad: Row | float  # a float stands for the whole row
    hvp: Row | float
    jvp: float
    options: dict[str, Any] = field(default_factory=dict)
    fixed_width: bool = False  # smoothing reaches the -inf padding: only three classes


def poisoned(name: str, logits: Row, target: int | Row = 0, **options: Any) -> Edge:
    """A row whose loss and every derivative are NaN."""
    return Edge(name, logits, target, nan, nan, nan, nan, options)


HALF = (0.5, 0.0, 0.5)
BEND = (-0.75, 0.0, 0.75)  # y * (v - <y, v>) for y = HALF: <y, v> = 2.5
MASKED = (0.0, -inf, 0.0)

# fmt: off
EDGES = [
    # -inf at a class other than the target: probability, gradient and HVP zero there.
    Edge("-inf elsewhere", MASKED, 0, LN2, (-0.5, 0.0, 0.5), BEND, 1.5),
    Edge("-inf first", (-inf, 0.0, 0.0), 1, LN2, (0.0, -0.5, 0.5), (0.0, -0.5, 0.5), 1.0),
    Edge("-inf all but the target", (-inf, 3.0, -inf), 1, 0.0, 0.0, 0.0, 0.0),
    Edge(
        "-inf elsewhere, temperature",
        MASKED, 0, LN2, (-0.25, 0.0, 0.25), (-0.1875, 0.0, 0.1875), 0.75, {"temperature": 2.0},
    ),
    Edge(
        "-inf elsewhere, z_loss",
        MASKED, 0, LN2 + 0.5 * LN2**2,
        (-0.5 + LN2 / 2, 0.0, 0.5 + LN2 / 2),
        # u y (v - <y,v>) + 2 lambda <y,v> y with u = 1 + lse, <y,v> = 2.5
        (-0.75 * (1 + LN2) + 1.25, 0.0, 0.75 * (1 + LN2) + 1.25),
        1.5 + 2.5 * LN2, {"z_loss": 0.5},
    ),
    Edge("-inf elsewhere, weights", MASKED, 0, 2 * LN2, (-1.0, 0.0, 1.0), (-1.5, 0.0, 1.5), 3.0,
         {"weight": (2.0, 8.0, 1.0)}),
    # -inf at the target: loss +inf, gradient y - t.
    Edge("-inf target", MASKED, 1, inf, (0.5, -1.0, 0.5), BEND, 0.5),
    Edge("-inf target, weight", MASKED, 1, inf, (1.0, -2.0, 1.0), (-1.5, 0.0, 1.5), 1.0,
         {"weight": (1.0, 2.0, 1.0)}),
    Edge("-inf soft target", MASKED, (0.25, 0.5, 0.25), inf, (0.25, -0.5, 0.25), BEND, 0.25),
    # all -inf, +inf or NaN: loss NaN and the whole gradient row NaN.
    poisoned("all -inf", (-inf, -inf, -inf)),
    poisoned("all -inf, soft", (-inf, -inf, -inf), (0.5, 0.25, 0.25)),
    poisoned("all -inf, soft zeros", (-inf, -inf, -inf), (0.0, 0.0, 0.0)),
    poisoned("all -inf, z_loss", (-inf, -inf, -inf), z_loss=0.5),
    poisoned("+inf elsewhere", (0.0, inf, 0.0)),
    poisoned("+inf target", (0.0, inf, 0.0), 1),
    poisoned("+inf with -inf", (-inf, inf, -inf), 1),
    poisoned("+inf twice", (inf, inf, 0.0), 2),
    poisoned("+inf soft target 0", (0.0, inf, 0.0), (0.5, 0.0, 0.5)),
    poisoned("NaN elsewhere", (0.0, nan, 0.0)),
    poisoned("NaN first", (nan, 0.0, 0.0), 1),
    poisoned("NaN last", (0.0, 0.0, nan), 1),
    poisoned("NaN target", (0.0, nan, 0.0), 1),
    poisoned("negative NaN", (0.0, -nan, 0.0)),
    poisoned("NaN with -inf", (-inf, nan, -inf), 0),
    poisoned("NaN with +inf", (inf, nan, 0.0), 0),
    poisoned("NaN soft target 0", (0.0, nan, 0.0), (0.5, 0.0, 0.5)),
    poisoned("NaN in the soft target", (0.0, 0.0, 0.0), (0.5, nan, 0.5)),
    poisoned("NaN, temperature", (0.0, nan, 0.0), temperature=0.5),
    # softcap looks at infinities before it caps.
    Edge("softcap -inf", MASKED, 0, LN2, (-0.5, 0.0, 0.5), BEND, 1.5, {"softcap": 8.0}),
    Edge("softcap -inf target", MASKED, 1, inf, (0.5, FINITE, 0.5), BEND, FINITE, {"softcap": 8.0}),
    poisoned("softcap +inf", (0.0, inf, 0.0), softcap=8.0),
    poisoned("softcap +inf target", (0.0, inf, 0.0), 1, softcap=8.0),
    poisoned("softcap NaN", (0.0, nan, 0.0), softcap=8.0),
    poisoned("softcap all -inf", (-inf, -inf, -inf), softcap=8.0),
    # 0 log 0 = 0, class by class, whichever factor of w (1-e) t is the zero; but NaN is not hidden.
    Edge("soft 0 at -inf", MASKED, (0.25, 0.0, 0.75), LN2, (0.25, 0.0, -0.25), BEND, -0.75),
    Edge("soft -0 at -inf", MASKED, (0.25, -0.0, 0.75), LN2, (0.25, 0.0, -0.25), BEND, -0.75),
    Edge(
        "weight 0 at -inf, soft",
        MASKED, (0.5, 0.25, 0.25), 0.75 * LN2,
        (-0.125, 0.0, 0.125), (-0.5625, 0.0, 0.5625), 0.375, {"weight": (1.0, 0.0, 1.0)},
    ),
    Edge("weight 0 at -inf target", MASKED, 1, 0.0, 0.0, 0.0, 0.0, {"weight": (1.0, 0.0, 1.0)}),
    Edge(
        "weight 0 at -inf, smoothing",
        MASKED, 0, 0.75 * LN2, (-0.125, 0.0, 0.125), (-0.5625, 0.0, 0.5625), 0.375,
        {"weight": (1.0, 0.0, 1.0), "label_smoothing": 0.75}, fixed_width=True,
    ),
    Edge("weight 0 at the target", (0.0, 0.0, 0.0), 1, 0.0, 0.0, 0.0, 0.0,
         {"weight": (1.0, 0.0, 1.0)}),
    Edge("soft zeros", (0.0, -inf, 1.0), (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0),
    poisoned("weight 0 does not hide NaN", (0.0, nan, 0.0), weight=(1.0, 0.0, 1.0)),
    poisoned("weight 0 does not hide a NaN target", (0.0, nan, 0.0), 1, weight=(1.0, 0.0, 1.0)),
    poisoned("weight 0 does not hide +inf", (0.0, inf, 0.0), weight=(1.0, 0.0, 1.0)),
    poisoned("weight 0 does not hide NaN, soft", (0.0, nan, 0.0), (0.5, 0.25, 0.25),
             weight=(1.0, 0.0, 1.0)),
    # smoothing with a -inf class: t' > 0 there.
    Edge(
        "smoothing over -inf",
        MASKED, 0, inf, (0.0, -0.25, 0.25), BEND, 0.5, {"label_smoothing": 0.75},
        fixed_width=True,
    ),
    # an ignored row is not read.
    Edge("ignored", (1.0, 2.0, 3.0), -100, 0.0, 0.0, 0.0, 0.0),
    Edge("ignored NaN", (nan, inf, -inf), -100, 0.0, 0.0, 0.0, 0.0),
    Edge("ignored all -inf", (-inf, -inf, -inf), -100, 0.0, 0.0, 0.0, 0.0),
    Edge("ignored NaN, None", (nan, nan, nan), -100, 0.0, 0.0, 0.0, 0.0, {"ignore_index": None}),
    Edge("ignored inside the range", (nan, 0.0, 0.0), 2, 0.0, 0.0, 0.0, 0.0, {"ignore_index": 2}),
    Edge("ignored -1", (nan, 0.0, 0.0), -1, 0.0, 0.0, 0.0, 0.0, {"ignore_index": -1}),
    Edge("ignored above V", (nan, 0.0, 0.0), 10**9, 0.0, 0.0, 0.0, 0.0, {"ignore_index": 10**9}),
    Edge("ignored, z_loss and smoothing", (nan, 0.0, 0.0), -100, 0.0, 0.0, 0.0, 0.0,
         {"z_loss": 0.5, "label_smoothing": 0.75}),
    Edge("ignored, softcap and weights", (nan, 0.0, 0.0), -100, 0.0, 0.0, 0.0, 0.0,
         {"softcap": 8.0, "temperature": 2.0, "weight": (1.0, 2.0, 3.0)}),
    # equal logits, and far from everything: the plain cases beside which the rest is an edge.
    Edge("equal", (7.0, 7.0, 7.0), 2, LN3, (1 / 3, 1 / 3, -2 / 3), (-4 / 9, -1 / 9, 5 / 9), -5 / 3,
         {}, fixed_width=True),
    Edge("row far below", (-60000.0, -inf, -60000.0), 0, LN2, (-0.5, 0.0, 0.5), BEND, 1.5),
    Edge("soft, sum 0", (0.0, 0.0, -inf), (1.0, -1.0, 0.0), 0.0, (-1.0, 1.0, 0.0), 0.0, 1.0),
]
# fmt: on


@dataclass(frozen=True)
class Problem:
    """An edge spread over `width` classes, as row 1 of 3."""

    logits: np.ndarray
    target: np.ndarray
    tangent: np.ndarray
    options: dict[str, Any]
    places: tuple[int, int, int]


def spread(edge: Edge, dtype: str, width: int) -> Problem:
    """The edge's three classes at the ends and in the middle of a wide row, between two others."""
    rng = np.random.default_rng(width)
    places = (0, width // 2, width - 1)
    logits = rng.normal(size=(3, width))
    logits[1] = -inf
    logits[1, places] = edge.logits
    tangent = rng.normal(size=(3, width))
    tangent[1, places] = TANGENT
    if isinstance(edge.target, tuple):
        target = rng.uniform(size=(3, width))
        target[1] = 0.0
        target[1, places] = edge.target
        target = target.astype(dtype_of(dtype))
    else:
        where = places[edge.target] if 0 <= edge.target < 3 else edge.target
        target = np.array([1, where, 0])
    options = dict(edge.options)
    if "weight" in options:
        weight = np.ones(width)
        weight[list(places)] = options["weight"]
        options["weight"] = weight
    if 0 <= (options.get("ignore_index") or -100) < 3:
        options["ignore_index"] = places[options["ignore_index"]]
    return Problem(
        logits.astype(dtype_of(dtype)), target, tangent.astype(dtype_of(dtype)), options, places
    )
