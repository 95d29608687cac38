"""The plots of the demo's report, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.ticker import NullFormatter

from softxent.cli.report.drawing import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RULE,
    WIDTH,
    Floats,
    axes_at,
    figure_of,
    frame,
    logarithmic,
    signed,
    svg,
)


def loss_curve(objective: Floats, norm: Floats, label: str) -> str:
    """Distance to the optimum, and gradient norm, by iteration, on one logarithmic axis."""
    figure = figure_of(230)
    axes = axes_at(figure, 40, 32, WIDTH - 50, 190)
    above = objective - objective.min()
    for values, colour, marker, name, side in (
        (norm, ORANGE, "s", "gradient norm", "left"),
        (above, BLUE, "o", "objective − optimum", "right"),
    ):
        at = np.flatnonzero(values > 0)  # the optimum itself has no logarithm
        axes.plot(at, values[at], color=colour, marker=marker, markersize=4, linewidth=1.5)
        if len(at):
            last = int(at[-3:][0])  # where the curves are apart
            axes.annotate(
                name,
                (last, float(values[last])),
                xytext=(10, 5) if side == "left" else (-10, -8),
                textcoords="offset points",
                ha=side,
                color=colour,
            )
    logarithmic(axes)
    axes.set_xticks(range(0, len(objective), max(1, len(objective) // 12)))
    axes.set_xlabel("iteration")
    return svg(figure, "loss-curve", label)


def weights(weight: Floats, label: str) -> str:
    """One picture of 8 by 8 for each class; all on the same scale."""
    side = round(weight.shape[1] ** 0.5)
    figure = figure_of(210)
    largest = float(np.abs(weight).max()) or 1.0
    for k, row in enumerate(weight):
        axes = axes_at(figure, 2 + 102 * (k % 5), 106 - 104 * (k // 5), 88, 88)
        axes.imshow(signed(row.reshape(side, side) / largest))
        axes.set_title(str(k), pad=3)
        frame(axes)
    return svg(figure, "weights", label)


def digit(image: Floats, label: str, name: str) -> str:
    """One handwritten digit."""
    figure = figure_of(72, 72)
    axes = axes_at(figure, 0, 0, 72, 72)
    side = round(image.shape[0] ** 0.5)
    axes.imshow(signed(image.reshape(side, side)))
    frame(axes)
    return svg(figure, name, label)


def gradient_map(gradient: Floats, target: Sequence[int], label: str) -> str:
    """Rows by classes of y − t, rows sorted by class."""
    n, v = gradient.shape
    figure = figure_of(310)
    axes = axes_at(figure, 36, 2, WIDTH - 40, 272)
    axes.imshow(signed(gradient), aspect="auto", extent=(-0.5, v - 0.5, n - 0.5, -0.5))
    axes.grid(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(range(v))
    axes.set_xlabel("class i")
    # A label in the middle of each class's rows, a line between two of them.
    change = [0, *(int(i) for i in np.flatnonzero(np.diff(target)) + 1), n]
    middles = [(a + b - 1) / 2 for a, b in pairwise(change)]
    axes.set_yticks(middles, [str(target[a]) for a in change[:-1]])
    axes.set_ylabel("rows, by target t")
    for edge in change[1:-1]:
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.6)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
    return svg(figure, "gradient-map", label)


def head_bars(seconds: Sequence[float], peak_mib: Sequence[float], label: str) -> str:
    """Seconds and MiB of the fused loss and of full logits, side by side."""
    figure = figure_of(96)
    names = ["fused", "full logits"]
    panels = (("seconds", seconds, "{:.2f}"), ("peak memory, MiB", peak_mib, "{:.0f}"))
    for left, (title, values, shape) in zip((56, 316), panels, strict=True):
        axes = axes_at(figure, left, 2, 180, 74)
        bars = axes.barh(names, values, color=[BLUE, ORANGE], height=0.62)
        axes.bar_label(bars, [shape.format(value) for value in values], padding=4, color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.25 * max(values) or 1)
        axes.set_title(title, color=MUTED, loc="left")
        axes.grid(False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0, labelcolor=INK)
    return svg(figure, "head-bars", label)


def ratios(rows: Sequence[tuple[str, Sequence[float]]], label: str) -> str:
    """For each peer a dot a shape: its time over ours; the line at 1 is ours."""
    height = 22 * len(rows)
    figure = figure_of(height + 22)
    axes = axes_at(figure, 168, 20, WIDTH - 180, height)
    for place, (_, values) in enumerate(rows):
        axes.plot([1, max(values)], [place, place], color=RULE, linewidth=1)
        axes.plot(values, [place] * len(values), "o", color=ORANGE, markersize=5)
    axes.axvline(1, color=BLUE, linewidth=1.6)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xscale("log")
    low, high = (f(x for _, values in rows for x in values) for f in (min, max))
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
             if 0.7 * min(low, 1) <= t <= 1.5 * high]  # fmt: skip
    axes.set_xticks(ticks, [f"{t:g}×" for t in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0.8 * min(low, 1), 1.25 * high)
    axes.grid(False)
    axes.tick_params(which="both", length=0)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["left"].set_visible(False)
    return svg(figure, "ratios", label)
