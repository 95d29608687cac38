"""The result of `softxent bench` as a picture: a table whose cells are bars, for a README.

Every column is a shape with a scale of its own, so a bar is as long as the milliseconds in it say.
An SVG keeps text as text and follows the reader's light or dark mode; a PNG is drawn in greys
that can be read on both. The ground is transparent.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from softxent.measure.peers import KNOWN
from softxent.measure.record import COPY, GRADIENT_OPS

# Pixels.
WIDTH, LABELS, MEANS, MARGIN = 800, 146, 86, 6
LINE, NOTE, HEADER, BAND_GAP = 23, 15, 38, 14
MOST_COLUMNS, WIDEST = 8, 200
CAPTION = 140  # letters a line

OURS = "softxent"
TITLES = {peer.key: peer.title for peer in KNOWN} | {
    "sklearn": "scikit-learn’s loss",
    COPY: "copying the logits",
}
LIGHT = {"ink": "#1f2328", "dim": "#59636e", "bar": "#ccd3da", "ours": "#1687b0"}
DARK = {"ink": "#e6edf3", "dim": "#9198a1", "bar": "#434b54", "ours": "#2f9fc9"}
BOTH = {"ink": "#78828c", "dim": "#78828c", "bar": "#a0a8b059", "ours": "#1f93bd"}
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


class Selection(NamedTuple):
    """The rows that are drawn: one operation, dtype and allocator state."""

    op: str
    dtype: str
    allocator: str
    shapes: list[tuple[int, ...]]
    peers: list[str]
    ms: dict[tuple[tuple[int, ...], str], float]  # (shape, peer, OURS or COPY)
    means: dict[str, float]  # peer -> geometric mean of its ratios


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw `result` into `path`, an .svg or a .png."""
    chosen = select(result["rows"])
    colours = LIGHT if path.suffix == ".svg" else BOTH
    import matplotlib

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "softxent",
        "font.family": "sans-serif",
    }
    with matplotlib.rc_context(settings):
        figure = _figure(chosen, result["machine"], colours)
        if path.suffix == ".svg":
            figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
            path.write_text(
                _for_browsers(path.read_text(encoding="utf-8"), chosen), encoding="utf-8"
            )
        else:
            figure.savefig(path, transparent=True, dpi=144, metadata={"Software": None})


def select(rows: Sequence[dict[str, Any]]) -> Selection:
    """Choose what a reader wants first: out=, float32, the default allocator, where measured."""
    rows = [row for row in rows if row["op"] in GRADIENT_OPS]
    if not rows:
        raise ValueError("the result has no rows of the operations new, out or in place to draw")

    def preferred(key: str, wish: str) -> str:
        values = [row[key] for row in rows]
        return wish if wish in values else str(values[0])

    op, dtype = preferred("op", "out"), preferred("dtype", "float32")
    rows = [row for row in rows if (row["op"], row["dtype"]) == (op, dtype)]
    allocator = preferred("allocator", "default")
    rows = [row for row in rows if row["allocator"] == allocator]
    ratios: dict[str, list[float]] = {}
    ms: dict[tuple[tuple[int, ...], str], float] = {}
    for row in rows:
        shape = tuple(row["shape"])
        ms[shape, OURS], ms[shape, row["peer"]] = row["ours_ms"], row["peer_ms"]
        ratios.setdefault(row["peer"], []).append(row["ratio"])
    means = {peer: statistics.geometric_mean(values) for peer, values in ratios.items()}
    # The fastest peer first, so that the eye goes from ours downwards.
    peers = sorted((peer.key for peer in KNOWN if peer.key in means), key=means.__getitem__)
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in rows))
    return Selection(op, dtype, allocator, shapes, peers, ms, means)


@dataclass(frozen=True, slots=True)
class _Page:
    """A figure whose units are pixels, from the upper left corner."""

    figure: Any
    axes: Any
    colours: dict[str, str]

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        right: bool = False,
        bold: bool = False,
        dim: bool = False,
        size: float = 12,
    ) -> None:
        """Write `text` so that its base line begins, or ends, at (x, y)."""
        self.axes.text(
            x,
            y,
            text,
            ha="right" if right else "left",
            color=self.colours["dim" if dim else "ink"],
            fontweight="bold" if bold else "normal",
            fontsize=size,
        )

    def notes(self, x: float, y: float, lines: Sequence[str], *, right: bool = False) -> None:
        """Write small lines, one under the other."""
        for k, line in enumerate(lines):
            self.text(x, y + NOTE * k, line, right=right, dim=True, size=10.5)

    def bar(self, x: float, y: float, length: float, colour: str) -> None:
        """Draw a horizontal bar around y."""
        height = LINE - 6
        self.axes.barh(y, length, height, left=x, color=self.colours[colour], linewidth=0)


def _page(height: float, colours: dict[str, str]) -> _Page:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    return _Page(figure, axes, colours)


def _figure(chosen: Selection, machine: dict[str, str], colours: dict[str, str]) -> Any:
    starts = range(0, len(chosen.shapes), MOST_COLUMNS)
    bands = [chosen.shapes[k : k + MOST_COLUMNS] for k in starts]
    caption = _caption(chosen, machine)
    band_height = HEADER + LINE * (len(chosen.peers) + 2) + BAND_GAP
    page = _page(band_height * len(bands) + NOTE * len(caption) + 2 * MARGIN, colours)
    for k, shapes in enumerate(bands):
        _draw_band(page, chosen, shapes, MARGIN + band_height * k)
    page.notes(MARGIN, MARGIN + band_height * len(bands) + 8, caption)
    return page.figure


def _draw_band(
    page: _Page, chosen: Selection, shapes: Sequence[tuple[int, ...]], top: float
) -> None:
    """A line for ours, one for each peer and one for copying; a column for each shape."""
    names = [OURS, *chosen.peers, COPY]
    column = min(WIDEST, (WIDTH - LABELS - MEANS) / len(shapes))
    end = LABELS + column * len(shapes) + MEANS - MARGIN
    page.notes(MARGIN, top + 12, ("milliseconds", "of N × V logits"))
    if chosen.peers:
        page.notes(end, top + 12, ("times ours,", "geom. mean"), right=True)
    for k, (n, v) in enumerate(shapes):
        page.notes(LABELS + k * column, top + 12, (f"{n:,}", f"× {v:,}"))
    longest = [max(chosen.ms.get((shape, name), 0.0) for name in names) for shape in shapes]
    for row, name in enumerate(names):
        y = top + HEADER + LINE * (row + 0.5)
        ours, dim = name == OURS, name == COPY
        page.text(MARGIN, y + 4, TITLES.get(name, name), bold=ours, dim=dim)
        for k, shape in enumerate(shapes):
            ms = chosen.ms.get((shape, name))
            if ms is not None:
                x, length = LABELS + k * column, (column - 8) * ms / longest[k]
                page.bar(x, y, length, "ours" if ours else "bar")
                # A number stands beside a bar too short to carry it.
                page.text(
                    x + (5 if length > 36 else length + 4), y + 4, _number(ms), bold=ours, dim=dim
                )
        if name in chosen.peers:
            page.text(end, y + 4, f"{_number(chosen.means[name])}×", right=True, bold=True)


def _caption(chosen: Selection, machine: dict[str, str]) -> list[str]:
    """What was measured, where and when, in lines."""
    call = {"out": "out=", "new": "a new gradient array", "in place": "in place"}[chosen.op]
    packages = dict.fromkeys(peer.package for peer in KNOWN if peer.key in chosen.peers)
    parts = [
        f"Loss and gradient of {chosen.dtype} logits, softxent with {call}",
        f"{chosen.allocator} allocator",
        *(machine[key] for key in ("cpu", "instruction set") if key in machine),
        *(f"{name} {machine[name]}" for name in packages if name in machine),
        *(machine[key] for key in ("timing", "date") if key in machine),
        "softxent bench",
    ]
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]} · {part}"
        lines[-1:] = [longer] if len(longer) <= CAPTION else [lines[-1], part]
    return lines


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def _for_browsers(svg: str, chosen: Selection) -> str:
    """Pixels instead of points, the reader's own fonts, a title, and colours for dark mode."""
    svg = re.sub(
        r'(<svg [^>]*?)width="([\d.]+)pt" height="([\d.]+)pt"', r'\1width="\2" height="\3"', svg
    )
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
    rules = "".join(
        f'[style*="fill: {LIGHT[name]}"]{{fill:{DARK[name]}!important}}' for name in LIGHT
    )
    best = ", ".join(f"{peer} {_number(chosen.means[peer])} times" for peer in chosen.peers)
    title = f"Time of loss and gradient, as a multiple of softxent's: {best}"
    head = f"<title>{title}</title><style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda found: found.group(1) + head, svg, count=1)
