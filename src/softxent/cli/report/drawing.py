"""The canvas of a report's plots: matplotlib draws, and SVG that can stand inside a page comes out.

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
import warnings
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
GREEN, PURPLE, RED, TEAL, PAPER = "#060606", "#070707", "#080808", "#090909", "#0a0a0a"
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", BLUE: "blue"}
VARIABLES |= {ORANGE: "orange", GREEN: "green", PURPLE: "purple", RED: "red", TEAL: "teal"}
# Pictures cannot follow variables: colours that are seen on white and on near-black; the first two
# are told apart by colour-blind eyes.
POSITIVE, NEGATIVE = (0.11, 0.46, 0.78), (0.88, 0.42, 0.04)
# Classes: their colour as text and line, and as part of a picture.
CLASS_COLOURS = {
    ORANGE: NEGATIVE,
    BLUE: POSITIVE,
    GREEN: (0.13, 0.6, 0.33),
    PURPLE: (0.55, 0.36, 0.78),
    RED: (0.83, 0.25, 0.32),
    TEAL: (0.05, 0.58, 0.64),
}

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
    "text.parse_math": False,  # somebody's class may be called $x^2$
    "legend.frameon": False,
}


def figure_of(height: int, width: int = WIDTH) -> Figure:
    """An empty figure of so many points; the page's column is WIDTH."""
    return Figure(figsize=(width / 72, height / 72))


def axes_at(figure: Figure, left: int, bottom: int, width: int, height: int) -> Axes:
    """Axes at whole points, where matplotlib puts pictures; between them frame and picture part."""
    across, up = (72 * inches for inches in figure.get_size_inches())
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def frame(axes: Axes) -> None:
    """Make a picture of the axes: no ticks, a line all round."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)


def logarithmic(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers: mathematics in text is not read here."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", axis="y", length=0)


def signed(values: Floats) -> Floats:
    """RGBA of numbers in [-1, 1]: the sign as colour, the magnitude as opacity."""
    rgba = np.empty((*values.shape, 4))
    rgba[..., :3] = np.where(values[..., None] < 0, NEGATIVE, POSITIVE)
    rgba[..., 3] = np.minimum(1, np.abs(values))
    return rgba


def svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an <svg> element that reads out `label` and shares no id with another."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # else links, and today's date
    with warnings.catch_warnings():  # of letters that the measuring font lacks; the page's has them
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(text, format="svg", metadata=nothing)
    svg = text.getvalue()
    svg = re.sub(r"<style.*?</style>", "", svg[svg.index("<svg") :])
    # Only inside tags: between them is text, which may be anything.
    svg = re.sub(r"<[^>]*>", lambda tag: _in_page(tag[0], name), svg)
    size = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">") + 1 :]
    return (
        f'<svg class="plot {name}" viewBox="{size[1] if size else ""}" role="img" '
        f'aria-label="{html.escape(label)}">{body}'
    )


def _in_page(tag: str, name: str) -> str:
    """A tag of matplotlib's with the page's colours and font, and ids that begin with `name`."""
    for colour, variable in VARIABLES.items():
        tag = tag.replace(colour, f"var(--{variable})")
    tag = re.sub(r"""font-family: [^;"]*""", "font-family: inherit", tag)
    tag = re.sub(r"""font: (\d+(?:\.\d+)?)px [^;"]*""", r"font: \1px var(--font)", tag)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", tag.replace("xlink:href", "href"))


def styled() -> Any:
    """The context that every plot is drawn in: matplotlib's defaults and ours, nobody's settings.

    >>> with styled():
    ...     empty = svg(figure_of(72), "empty", "an empty picture")
    >>> empty[:45]
    '<svg class="plot empty" viewBox="0 0 500 72" '
    """
    # Not the backend: reading it looks for one, and drawing SVG needs none.
    ours: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"} | STYLE
    return matplotlib.rc_context(ours)
