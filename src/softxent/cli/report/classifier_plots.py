"""The plots of a classifier's report, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from softxent.cli.report.drawing import (
    BLUE,
    CLASS_COLOURS,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    WIDTH,
    Floats,
    axes_at,
    figure_of,
    frame,
    logarithmic,
    signed,
    svg,
)

Ints = np.ndarray[Any, np.dtype[np.int64]]

LABELLED = 40  # classes whose names still fit beside a picture of confusions
MOST_POINTS = 1000  # drawn: each is 100 bytes of the page
FINE = 160  # points of the grid of decision regions, each way
# Points across: of a plot that a telephone shows whole, and of one beside a table.
MIDDLE, NARROW = 380, 290
MARKERS = "os^Dv"
IN_LEGEND, LEGEND_NAME = 12, 20


def loss(curve: Sequence[float], validation: Sequence[float], step: str) -> str:
    """The loss by iteration or epoch; that of the held-out part of training beside it."""
    figure = figure_of(190, MIDDLE)
    axes = axes_at(figure, 44, 32, MIDDLE - 54, 148)
    values = np.asarray(curve, np.float64)
    curves = [("training", values, BLUE)]
    if len(validation):
        curves.append(("held out while training", np.asarray(validation, np.float64), ORANGE))
    for name, line, colour in curves:
        few = len(line) <= 30
        axes.plot(line, color=colour, linewidth=1.5, marker="o" if few else "", markersize=3.5)
        if len(curves) > 1:
            axes.plot([], [], color=colour, label=name)
    if len(curves) > 1:
        axes.legend(labelcolor=INK)
    everything = np.concatenate([line for _, line, _ in curves])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    if low > 0 and high / low > 50:
        logarithmic(axes)
    else:
        axes.set_ylim(bottom=0 if low > 0 and low < 0.5 * high else None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.tick_params(which="both", length=0)
    axes.set_xlabel(step)
    axes.set_ylabel("loss")
    says = f"Line plot: the loss falls from {values[0]:.3g} to {values[-1]:.3g} in {len(values)}"
    return svg(figure, "loss", f"{says} values.")


def reliability(bins: Sequence[tuple[float, float, int]]) -> str:
    """How often the model is right, by how sure it is; on the diagonal it knows what it knows.

    `bins`: of each the mean confidence, the share that is right, the rows.
    """
    figure = figure_of(270, NARROW)
    axes = axes_at(figure, 44, 92, NARROW - 52, 172)
    sure, right, rows = (np.array(column, np.float64) for column in zip(*bins, strict=True))
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, dashes=(4, 3))
    axes.vlines(sure, sure, right, color=ORANGE, linewidth=1.5)
    axes.plot(sure, right, "o", color=BLUE, markersize=5)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share that is right")
    below = axes_at(figure, 44, 32, NARROW - 52, 46)
    below.bar(sure, rows, width=0.04, color=BLUE)
    below.set_ylabel("rows")
    below.set_xlabel("how sure the model is")
    below.set_yticks([])
    quarters = [0, 0.25, 0.5, 0.75, 1]
    for part, words in ((axes, [""] * 5), (below, [f"{100 * x:.0f} %" for x in quarters])):
        part.set_xlim(-0.03, 1.03)
        part.set_xticks(quarters, words)
        part.tick_params(length=0)
    axes.set_yticks(quarters, [f"{100 * x:.0f} %" for x in quarters])
    pairs = ", ".join(f"{s:.0%} sure {r:.0%} right" for s, r, _ in bins)
    return svg(figure, "reliability", f"Reliability diagram: {pairs}.")


def confusion(shares: Floats, names: Sequence[str]) -> str:
    """Rows: what it was; columns: what it was taken for; blue where right, orange where wrong."""
    size = len(names)
    named = size <= LABELLED
    left = 96 if named else 34
    side = WIDTH - left - 10
    figure = figure_of(side + left)
    axes = axes_at(figure, left, 4, side, side)
    # A root makes a confusion of 1 % visible, and keeps the order
    axes.imshow(
        signed(np.sqrt(shares) * np.where(np.eye(size, dtype=bool), 1, -1)),
        extent=(-0.5, size - 0.5, size - 0.5, -0.5),
    )
    axes.grid(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("taken for")
    axes.set_ylabel("it was")
    if named:
        short = [name if len(name) <= 14 else name[:13] + "…" for name in names]
        axes.set_yticks(range(size), short)
        axes.set_xticks(range(size), short, rotation=90)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, nbins=10))
            axis.set_major_formatter(lambda k, _: f"{k + 1:.0f}")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
    return svg(
        figure,
        "confusions",
        f"Picture of {size} by {size} shares: blue on the diagonal, where a class was recognised, "
        "orange elsewhere.",
    )


def weights(weight: Floats, names: Sequence[str]) -> str:
    """A square picture of each class's weights, all on one scale."""
    side = round(weight.shape[1] ** 0.5)
    largest = float(np.abs(weight).max()) or 1.0
    titles = list(names) if len(weight) == len(names) else [f"{names[-1]} against {names[0]}"]
    across = min(5, len(weight))
    lines = -(-len(weight) // 5)
    figure = figure_of(104 * lines + 2, 102 * across if len(weight) > 1 else 204)
    for k, row in enumerate(weight):
        left = 2 + 102 * (k % 5) + (50 if len(weight) == 1 else 0)
        axes = axes_at(figure, left, 2 + 104 * (lines - 1 - k // 5), 88, 88)
        axes.imshow(signed(row.reshape(side, side) / largest))
        axes.set_title(titles[k][:14], pad=3)
        frame(axes)
    return svg(
        figure,
        "class-weights",
        f"{len(weight)} pictures of {side} by {side} weights; blue speaks for the class, orange "
        "against it.",
    )


def regions(
    predict: Callable[[Floats], Floats],
    points: Floats,
    target: Ints,
    predicted: Ints,
    names: Sequence[str],
    features: tuple[str, str],
    name: str = "regions",
) -> str:
    """Which class the model says where, the fainter the less sure; and the rows it has not seen.

    A cross is a row that it gets wrong.
    """
    used = points[np.isfinite(points).all(axis=1)]
    low, high = used.min(axis=0), used.max(axis=0)
    margin = np.where(high > low, 0.06 * (high - low), 1.0)
    low, high = low - margin, high + margin
    across = np.linspace(low[0], high[0], FINE)
    up = np.linspace(low[1], high[1], FINE)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    y = np.asarray(predict(grid), np.float64).reshape(FINE, FINE, len(names))
    lines, columns = _legend_lines(target, names)
    figure = figure_of(298 + 13 * lines, MIDDLE)
    axes = axes_at(figure, 48, 32, MIDDLE - 58, 260)
    axes.imshow(
        _sureness(y),
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="auto",
    )
    best = np.argmax(y, axis=2)
    for k in np.unique(best):  # the border of a class: where it is as probable as the best other
        others = np.max(np.delete(y, k, axis=2), axis=2)
        axes.contour(across, up, y[..., k] - others, levels=[0], colors=INK, linewidths=0.8)
    _points(axes, points, target, predicted, names)
    if lines:
        axes.legend(
            labelcolor=INK,
            handletextpad=0.1,
            columnspacing=1.2,
            borderaxespad=0.2,
            ncol=columns,
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
        )
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel(features[0])
    axes.set_ylabel(features[1])
    axes.grid(False)
    axes.tick_params(length=0)
    wrong = int(np.sum(target != predicted))
    says = f"Scatter plot of {len(points)} rows over the model's decision regions; {wrong} wrong."
    return svg(figure, name, says)


def _sureness(y: Floats) -> Floats:
    """RGBA: the most probable class as colour, how sure it is as opacity."""
    rgba = np.empty((*y.shape[:2], 4))
    fixed = np.array(list(CLASS_COLOURS.values()))
    rgba[..., :3] = fixed[np.argmax(y, axis=2) % len(fixed)]
    least = 1 / y.shape[2]
    rgba[..., 3] = 0.05 + 0.33 * np.clip((y.max(axis=2) - least) / (1 - least), 0, 1)
    return rgba


def _legend_lines(target: Ints, names: Sequence[str]) -> tuple[int, int]:
    """Lines and columns of the legend; no line where there are too many classes."""
    present = np.unique(target)
    if len(present) > IN_LEGEND:
        return 0, 0
    longest = max(len(names[k][:LEGEND_NAME]) for k in present)
    columns = max(1, min(len(present), (MIDDLE - 58) // (6 * longest + 22)))
    return -(-len(present) // columns), columns


def _points(
    axes: Axes, points: Floats, target: Ints, predicted: Ints, names: Sequence[str]
) -> None:
    """The rows, or one in so many of them; a cross for a wrong one."""
    some = slice(None, None, max(1, -(-len(points) // MOST_POINTS)))
    points, target, right = points[some], target[some], (target == predicted)[some]
    for k in np.unique(target):
        colour = list(CLASS_COLOURS)[k % len(CLASS_COLOURS)]
        marker = MARKERS[(k // len(CLASS_COLOURS)) % len(MARKERS)]
        shape = {"linestyle": "", "color": colour, "markeredgewidth": 0.5}
        here = points[(target == k) & right]
        axes.plot(*here.T, marker=marker, markersize=3.4, markeredgecolor=PAPER, **shape)
        missed = points[(target == k) & ~right]
        axes.plot(*missed.T, marker="X", markersize=5.6, markeredgecolor=INK, **shape)
        axes.plot([], [], marker=marker, markersize=4.5, label=names[k][:LEGEND_NAME], **shape)
