"""Reports: what a command found, as one HTML page that needs nothing else.

No script, no font, no picture is loaded from anywhere; the page follows the reader's light or dark
setting, prints on paper, and reads out. Here is the demo's; classifier.py has that of a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from softxent.cli.report import classifier_plots, plots, tables
from softxent.cli.report.drawing import styled
from softxent.cli.report.page import page

if TYPE_CHECKING:
    from softxent.cli import _digits, _moons
    from softxent.cli._checks import Check
    from softxent.cli._minibatch import Batch


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page shows."""

    version: str
    kernels: str  # "native kernels" or "plain NumPy"
    batch: Batch
    result: _digits.Result
    moons: _moons.Result
    head: Mapping[str, Any]  # measure.head.measure
    peers: Mapping[str, str]  # key: title, of those that import here
    missing: Mapping[str, str]  # key: why, and what to do
    accuracy: Mapping[str, Any]  # measure.accuracy.collect
    speed: Mapping[str, Any]  # measure.speed.collect
    checks: Sequence[Check]
    machine: Mapping[str, str]
    seconds: float


def render(findings: Findings, now: datetime) -> str:
    """The page, as text to be written as UTF-8."""
    titles = {"softxent": "softxent", **findings.peers}
    return page(
        "demo.html.j2",
        f=findings,
        now=now,
        titles=titles,
        digits=_rows(findings.batch),
        accuracy=tables.accuracy(findings.accuracy["rows"], list(titles)),
        confident=tables.confident(findings.accuracy["confident"], titles),
        speed=tables.speed(findings.speed["rows"], list(findings.peers)),
        pictures={name: Markup(svg) for name, svg in _pictures(findings, titles).items()},
    )


def _rows(batch: Batch) -> list[dict[str, Any]]:
    """Each row of the mini-batch, with its picture."""
    rows = []
    with styled():
        for n, target in enumerate(int(t) for t in batch.target):
            label = f"A handwritten {target}, 8 by 8 pixels"
            rows.append(
                {
                    "target": target,
                    "read_as": int(batch.logits[n].argmax()),
                    "loss": float(batch.loss[n]),
                    "picture": Markup(plots.digit(batch.images[n], label, f"digit-{n}")),
                    "lines": [
                        ("z", 2, batch.logits[n].tolist()),
                        ("y", 3, batch.probabilities[n].tolist()),
                        ("y − t", 3, batch.gradient[n].tolist()),
                    ],
                }
            )
    return rows


def _pictures(f: Findings, titles: Mapping[str, str]) -> dict[str, str]:
    """The plots by name; what was not measured has none."""
    learned, head = f.result.learned, f.head
    with styled():
        pictures = {
            "loss": plots.loss_curve(
                learned.objective,
                learned.gradient_norm,
                f"Line plot on a logarithmic axis over {f.result.iterations} iterations: objective "
                f"minus optimum falls from {learned.objective[0] - learned.objective[-1]:.2g}, "
                f"gradient norm from {learned.gradient_norm[0]:.2g} to "
                f"{learned.gradient_norm[-1]:.1e}.",
            ),
            "weights": plots.weights(
                learned.weight,
                "Ten pictures of 8 by 8 weights, one for each digit; blue where ink speaks for "
                "the digit, orange where it speaks against it.",
            ),
            "moons": classifier_plots.regions(
                f.moons.model.predict_proba,
                f.moons.test_x,
                f.moons.test_t,
                f.moons.predicted,
                ("upper moon", "lower moon"),
                ("x₁", "x₂"),
                "moons",
            ),
            "gradient": plots.gradient_map(
                f.batch.map_gradient,
                f.batch.map_target.tolist(),
                f"Heat map of {len(f.batch.map_target)} rows by {f.batch.map_gradient.shape[1]} "
                "classes of y minus t, rows sorted by target: negative along the diagonal, "
                "where the class is the target; small and positive elsewhere.",
            ),
        }
        if head["seconds"] is not None and head["full_seconds"] is not None:
            pictures["head"] = plots.head_bars(
                (head["seconds"], head["full_seconds"]),
                (head["peak_mib"], head["full_peak_mib"]),
                f"Bars: the fused loss takes {head['seconds']:.2f} s and {head['peak_mib']:.0f} "
                f"MiB, full logits {head['full_seconds']:.2f} s and "
                f"{head['full_peak_mib']:.0f} MiB.",
            )
        dots = tables.ratios(f.speed["rows"], titles)
        if dots:
            pictures["speed"] = plots.ratios(
                dots,
                "Dot plot of how many times as long as softxent each peer takes: "
                + "; ".join(f"{who} {min(r):.1f} to {max(r):.1f} times" for who, r in dots)
                + ".",
            )
    return pictures
