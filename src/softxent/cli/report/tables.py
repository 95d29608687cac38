"""Measured rows, one for each thing and party, as tables with a column for each party."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]

# Only what the peers have too; `softxent accuracy` has the rest.
OPS = {
    "softmax": "softmax",
    "log_softmax": "log-softmax",
    "logsumexp": "log-sum-exp",
    "loss": "loss",
    "gradient": "gradient",
}
CALLS = {"out": "loss and gradient", "small": "loss and gradient, small call"}


def accuracy(rows: Rows, who: Sequence[str]) -> list[dict[str, Any]]:
    """For each dtype its lines: the op, its bar, and the largest error of each of `who` or None."""
    found = {(row["dtype"], row["op"], row["who"]): row for row in rows}
    groups = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        lines = []
        for op, name in OPS.items():
            cells = [found.get((dtype, op, key)) for key in who]
            if any(cells):
                bar = next((cell["bar"] for cell in cells if cell and cell["bar"]), None)
                errors = [cell and cell["max_ulp"] for cell in cells]
                lines.append({"op": name, "bar": bar, "errors": errors})
        groups.append({"dtype": dtype, "lines": lines})
    return groups


def confident(rows: Rows, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """For each dtype and party: how many losses and target gradients came back as exactly 0."""
    return [
        {
            "who": titles[row["who"]],
            "dtype": row["dtype"],
            "rows": row["rows"],
            "zero_loss": row["zero_loss"],
            "zero_gradient": row["zero_gradient"],
        }
        for row in rows
        if row["who"] in titles
    ]


def speed(rows: Rows, peers: Sequence[str]) -> list[dict[str, Any]]:
    """A line for each call and shape: our time, and each peer's as (time, ratio) or None."""
    lines: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = {}
    for row in rows:
        if row["op"] not in CALLS:
            continue
        line = lines.setdefault(
            (row["op"], tuple(row["shape"])),
            {"call": CALLS[row["op"]], "shape": row["shape"], "ours": row["ours_ms"], "theirs": {}},
        )
        line["theirs"][row["peer"]] = (row["peer_ms"], row["ratio"])
    return [line | {"theirs": [line["theirs"].get(p) for p in peers]} for line in lines.values()]


def ratios(rows: Rows, titles: Mapping[str, str]) -> list[tuple[str, list[float]]]:
    """For each peer its times over ours, of the calls that write into an array that exists."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["op"] == "out" and row["peer"] in titles:
            found.setdefault(titles[row["peer"]], []).append(row["ratio"])
    return list(found.items())
