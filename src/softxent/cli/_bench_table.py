"""The result of `softxent bench` as text for people, at most 80 columns wide."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from softxent.cli._terminal import Terminal, table
from softxent.measure import linear
from softxent.measure.peers import KNOWN
from softxent.measure.record import COPY, GRADIENT_OPS, SMALL

Row = dict[str, Any]
TITLES = {peer.key: peer.title for peer in KNOWN}
HEADS = {"out": "out=", "small": "softxent", COPY: "copy", "torch.compile": "compile"}
GAP = "  "


def show(out: Terminal, result: Row) -> None:
    """Print every table, what was left out, and the machine."""
    rows = result["rows"]
    machine = result["machine"]
    out.print(out.style("softxent", "bold") + f" {machine.get('softxent', '')} · bench")
    out.print(f"Times are {machine.get('timing', 'medians')}.")
    for dtype, allocator in dict.fromkeys((row["dtype"], row["allocator"]) for row in rows):
        here = [row for row in rows if (row["dtype"], row["allocator"]) == (dtype, allocator)]
        where = f"{dtype}, {allocator} allocator"
        gradients = [row for row in here if row["op"] in (*GRADIENT_OPS, "copy")]
        _show_grid(out, f"Loss and gradient, {where}", gradients, _shape, "milliseconds", 1.0)
        losses = [row for row in here if row["op"] == "loss"]
        _show_grid(out, f"Loss alone, {where}", losses, _shape, "milliseconds", 1.0)
    small = [row for row in rows if row["op"] == "small"]
    title = f"A small call: loss and gradient of {SMALL[0]} × {SMALL[1]} logits"
    _show_grid(out, title, small, lambda row: row["dtype"], "microseconds", 1e3)
    _show_linear(out, [row for row in rows if row["op"] == "linear"])
    _show_left_out(out, result)
    out.title("Machine")
    out.pairs(machine.items())


def _show_grid(
    out: Terminal,
    title: str,
    rows: Sequence[Row],
    label: Callable[[Row], str],
    unit: str,
    scale: float,
) -> None:
    """One line a label: our times, that of copying, and the peers' as multiples of ours."""
    if not rows:
        return
    rows = [row | {"op": "out" if row["op"] == "copy" else row["op"]} for row in rows]
    ops = list(dict.fromkeys(row["op"] for row in rows))
    base = "out" if "out" in ops else ops[0]
    peers = [peer.key for peer in KNOWN if any(row["peer"] == peer.key for row in rows)]
    lines = [["", *map(_head, [*ops, COPY, *peers])]]
    for name in dict.fromkeys(map(label, rows)):
        here = [row for row in rows if label(row) == name]
        ours = {row["op"]: row["ours_ms"] for row in here}
        theirs = {row["peer"]: row for row in here if row["op"] == base}
        cells = [_time(ours.get(op), scale) for op in ops]
        cells.append(_time(theirs[COPY]["peer_ms"] if COPY in theirs else None, scale))
        cells += [_ratio(theirs[peer]["ratio"] if peer in theirs else None) for peer in peers]
        lines.append([name, *cells])
    several = len(lines) > 2  # else a mean says what the line above it says
    means = {op: _means(rows, op, peers) for op in ops} if peers and several else {}
    # The means take part in the layout with empty cells, which then give way to their name.
    body = table(
        lines + [[""] * (len(ops) + 2) + mean for mean in means.values()],
        "<" + ">" * (len(lines[0]) - 1),
        gap=GAP,
    )
    first = table([line[: len(ops) + 2] for line in lines], "<" + ">" * (len(ops) + 1), gap=GAP)
    left = len(first[0]) + len(GAP)
    which = f", {_head(base)}" if len(ops) > 1 else ""
    over = f"times as long as softxent{which}" if peers else ""
    over = over.rjust(max(map(len, body)) - left)
    out.title(title)
    out.print(out.style(f"{unit:<{left}}{over}".rstrip(), "dim"))
    out.print(out.style(body[0], "dim"))
    for line in body[1 : len(lines)]:
        out.print(line)
    for op, line in zip(means, body[len(lines) :], strict=True):
        name = "geometric mean" + (f", against {_head(op)}" if len(ops) > 1 else "")
        out.print(out.style(f"{name:<{left}}{line[left:]}", "bold"))


def _head(key: str) -> str:
    return HEADS.get(key, key)


def _means(rows: Sequence[Row], op: str, peers: Sequence[str]) -> list[str]:
    found = []
    for peer in peers:
        ratios = [row["ratio"] for row in rows if (row["op"], row["peer"]) == (op, peer)]
        found.append(_ratio(statistics.geometric_mean(ratios) if ratios else None))
    return found


def _show_linear(out: Terminal, rows: Sequence[Row]) -> None:
    if not rows:
        return
    out.title("The linear loss and its gradients, float32")
    lines: list[Sequence[str]] = [("N × D × V", "milliseconds", "ratio")]
    for name in dict.fromkeys(map(_shape, rows)):
        here = [row for row in rows if _shape(row) == name]
        lines += [(name, "", ""), ("  softxent, 64 MiB", _time(here[0]["ours_ms"]), "")]
        lines += [
            (f"  {linear.TITLES[row['peer']]}", _time(row["peer_ms"]), _ratio(row["ratio"]))
            for row in here
        ]
    first, *rest = table(lines, "<>>")
    out.print(out.style(first, "dim"))
    for line in rest:
        out.print(line)


def _show_left_out(out: Terminal, result: Row) -> None:
    """What was not measured: peers, then cases, those with the same reason together."""
    lines = [f"{TITLES[key]}: {reason}" for key, reason in result["missing"].items()]
    reasons: dict[tuple[str, str], list[str]] = {}
    for skip in result["skipped"]:
        shape = " × ".join(f"{n:,}" for n in skip["shape"] or ())
        if skip["kind"] is None and skip["peer"] is None:
            reasons[f"{skip['allocator']} allocator", skip["reason"]] = []
        elif skip["peer"] is None:
            reasons[f"{skip['kind']} {shape} {skip['dtype']}", skip["reason"]] = []
        else:
            who = (linear.TITLES if skip["kind"] == "linear" else TITLES)[skip["peer"]]
            reasons.setdefault((who, skip["reason"]), []).append(shape)
    for (who, reason), shapes in reasons.items():
        where = ", ".join(dict.fromkeys(filter(None, shapes)))
        lines.append(f"{who}: {reason}" + (f" ({where})" if where else ""))
    if not lines:
        return
    out.title("Not measured")
    for text in lines:
        out.hanging(text)


def _shape(row: Row) -> str:
    return " × ".join(f"{n:,}" for n in row["shape"])


def _time(ms: float | None, scale: float = 1.0) -> str:
    if ms is None:
        return ""
    value = ms * scale
    if value < 0.095:
        return f"{value:.1g}"
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.0f}×" if ratio >= 99.5 else f"{ratio:.1f}×" if ratio >= 1 else f"{ratio:.2f}×"
