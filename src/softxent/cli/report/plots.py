"""The report's plots: drawn by matplotlib, returned as SVG that can stand inside a page.

Text stays text in the page's own font, and colours are CSS variables, so that a plot follows light
and dark as the page does. matplotlib knows no variables: it draws with stand-in colours, which are
replaced afterwards. Pictures are PNG data inside the SVG, with opacity for magnitude, so that zero
shows the page, whichever colour that has.
"""

from __future__ import annotations

import html
import io
import logging
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

# Off a terminal stderr stays empty, also while matplotlib builds its cache of fonts, and where
# there is no folder to keep it in.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import LogLocator, NullFormatter  # noqa: E402

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Stand-in colour → the page's variable.
INK, MUTED, RULE, BLUE, ORANGE = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", BLUE: "blue", ORANGE: "orange"}
# Pictures cannot follow variables: a blue and an orange that are seen on white and on near-black,
# and told apart by colour-blind eyes.
POSITIVE, NEGATIVE = (0.11, 0.46, 0.78), (0.88, 0.42, 0.04)

WIDTH = 500  # points; the page scales it to its column, 812 pixels, and the text to 14 pixels
STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib's own, only to measure text with
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "softxent",  # the same page for the same numbers
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "image.interpolation": "none",
}


def loss_curve(objective: Floats, norm: Floats, label: str) -> str:
    """Distance to the optimum, and gradient norm, by iteration, on one logarithmic axis."""
    figure = _figure(230)
    axes = _axes(figure, 40, 32, WIDTH - 50, 190)
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
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", axis="y", length=0)
    axes.set_xticks(range(0, len(objective), max(1, len(objective) // 12)))
    axes.set_xlabel("iteration")
    return _svg(figure, "loss-curve", label)


def weights(weight: Floats, label: str) -> str:
    """One picture of 8 by 8 for each class; all on the same scale."""
    side = round(weight.shape[1] ** 0.5)
    figure = _figure(210)
    largest = float(np.abs(weight).max()) or 1.0
    for k, row in enumerate(weight):
        axes = _axes(figure, 2 + 102 * (k % 5), 106 - 104 * (k // 5), 88, 88)
        axes.imshow(_signed(row.reshape(side, side) / largest))
        axes.set_title(str(k), pad=3)
        _frame(axes)
    return _svg(figure, "weights", label)


def digit(image: Floats, label: str, name: str) -> str:
    """One handwritten digit."""
    figure = Figure(figsize=(1, 1))
    axes = _axes(figure, 0, 0, 72, 72)
    side = round(image.shape[0] ** 0.5)
    axes.imshow(_signed(image.reshape(side, side)))
    _frame(axes)
    return _svg(figure, name, label)


def gradient_map(gradient: Floats, target: Sequence[int], label: str) -> str:
    """Rows by classes of y − t, rows sorted by class."""
    n, v = gradient.shape
    figure = _figure(310)
    axes = _axes(figure, 36, 2, WIDTH - 40, 272)
    axes.imshow(_signed(gradient), aspect="auto", extent=(-0.5, v - 0.5, n - 0.5, -0.5))
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
    return _svg(figure, "gradient-map", label)


def head_bars(seconds: Sequence[float], peak_mib: Sequence[float], label: str) -> str:
    """Seconds and MiB of the fused loss and of full logits, side by side."""
    figure = _figure(96)
    names = ["fused", "full logits"]
    panels = (("seconds", seconds, "{:.2f}"), ("peak memory, MiB", peak_mib, "{:.0f}"))
    for left, (title, values, shape) in zip((56, 316), panels, strict=True):
        axes = _axes(figure, left, 2, 180, 74)
        bars = axes.barh(names, values, color=[BLUE, ORANGE], height=0.62)
        axes.bar_label(bars, [shape.format(value) for value in values], padding=4, color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.25 * max(values) or 1)
        axes.set_title(title, color=MUTED, loc="left")
        axes.grid(False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0, labelcolor=INK)
    return _svg(figure, "head-bars", label)


def ratios(rows: Sequence[tuple[str, Sequence[float]]], label: str) -> str:
    """For each peer a dot a shape: its time over ours; the line at 1 is ours."""
    height = 22 * len(rows)
    figure = _figure(height + 22)
    axes = _axes(figure, 168, 20, WIDTH - 180, height)
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
    return _svg(figure, "ratios", label)


def _figure(height: int) -> Figure:
    return Figure(figsize=(WIDTH / 72, height / 72))


def _axes(figure: Figure, left: int, bottom: int, width: int, height: int) -> Axes:
    """Axes at whole points, where matplotlib puts pictures; between them frame and picture part."""
    across, up = (72 * inches for inches in figure.get_size_inches())
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _frame(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _signed(values: Floats) -> Floats:
    """RGBA of numbers in [-1, 1]: the sign as colour, the magnitude as opacity."""
    rgba = np.empty((*values.shape, 4))
    rgba[..., :3] = np.where(values[..., None] < 0, NEGATIVE, POSITIVE)
    rgba[..., 3] = np.minimum(1, np.abs(values))
    return rgba


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an <svg> element that reads out `label` and shares no id with another."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # else links, and today's date
    figure.savefig(text, format="svg", metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"""font-family: [^;"]*""", "font-family: inherit", svg)
    svg = re.sub(r"""font: (\d+(?:\.\d+)?)px [^;"]*""", r"font: \1px var(--font)", svg)
    svg = re.sub(r"<style.*?</style>", "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", svg)
    size = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">") + 1 :]
    return (
        f'<svg class="plot {name}" viewBox="{size[1] if size else ""}" role="img" '
        f'aria-label="{html.escape(label)}">{body}'
    )


def styled() -> Any:
    """The context that every plot is drawn in: matplotlib's defaults and ours, nobody's settings.

    >>> with styled():
    ...     svg = digit(np.zeros(64), "an empty picture", "digit-0")
    >>> svg[:44]
    '<svg class="plot digit-0" viewBox="0 0 72 72'
    """
    # Not the backend: reading it looks for one, and drawing SVG needs none.
    ours: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"} | STYLE
    return matplotlib.rc_context(ours)
