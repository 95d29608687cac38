"""What bench/learn.py found, as Markdown; a bar that is missed says so."""

from __future__ import annotations

import statistics
from typing import Any

from _document import table

Found = dict[str, dict[str, Any]]  # by state: "default" and, of some parts, "single"


def tables(parts: list[dict[str, Any]]) -> str:
    """One piece of text for each part, in the order of SHOW."""
    by_part: dict[str, Found] = {}
    text = []
    for part in parts:
        if "failed" in part:
            text.append(f"{part['part']}, {part['state']}: not measured, {part['failed']}.")
        else:
            by_part.setdefault(part["part"], {})[part["state"]] = part["found"]
    return "\n\n".join([*(SHOW[name](by_part[name]) for name in SHOW if name in by_part), *text])


def optimum(found: Found) -> str:
    heads = ["data", "N, D, V", "objective", "objectives apart, relative",
             "coefficients apart, largest", "our iterations"]  # fmt: skip
    lines = [
        [
            row["name"],
            _shape(row["shape"]),
            f"{row['objective']:.12f}",
            _most(row["apart"], 1e-8, "{:.1e}"),
            _most(row["coefficients"], 1e-4, "{:.1e}"),
            str(row["iterations"]),
        ]
        for row in found["default"]
    ]
    return (
        "The same optimum as `LogisticRegression(C=1)` (solver newton-cholesky, to 1e-12); bars "
        "1e-8 relative for the objective, 1e-4 for coefficients, intercepts centred:\n\n"
        + table(heads, lines, 2)
    )


def digits(found: Found) -> str:
    return (
        "Digits, to scikit-learn's objective at its default tolerance; bar 1.5 on two threads:\n\n"
        + _races(found, 1.5, "greys")
    )


def thousand(found: Found) -> str:
    shape = _shape(found["default"][0]["shape"])
    return (
        f"N, D, V = {shape}: to the objective that scikit-learn has after 20 iterations; "
        f"bar 4 on two threads:\n\n" + _races(found, 4.0, "dtype")
    )


def memory(found: Found) -> str:
    part = found["default"]
    heads = [f"N, D, V = {_shape(part['shape'])}, float32", "iterations", "seconds", "peak, MiB"]
    lines = []
    for who in ("ours", "scikit-learn"):
        row = part[who]
        if "failed" in row:
            lines.append([who, "–", "–", f"more than 16 GiB: {' '.join(row['failed'])}"])
            continue
        peak = f"{row['peak_mib']:,.0f}"
        if who == "ours":
            peak = _most(row["peak_mib"], 2048, "{:,.0f}")
        lines.append([who, str(row["iterations"]), f"{row['seconds']:.1f}", peak])
    return (
        f"Peak memory of the whole process; bar 2048 MiB. All logits in float64 are "
        f"{part['logits_mib']:,.0f} MiB:\n\n{table(heads, lines)}"
    )


def million(found: Found) -> str:
    part = found["default"]
    return (
        f"One epoch of `partial_fit`, N, D, V = {_shape(part['shape'])}, {part['nonzero']} "
        f"non-zeros a row, float32: {part['seconds']:.0f} s, peak of the process "
        f"{_most(part['peak_mib'], 1024, '{:,.0f}')} MiB (bar 1024), of which the weights are "
        f"{part['weights_mib']:,.0f}. Labels are random: the loss shows nothing but that it is "
        f"finite ({part['first_loss']:.2f}, {part['last_loss']:.2f})."
    )


def moons(found: Found) -> str:
    heads = ["two moons, 1000 rows", "threads", "accuracy, median", "least", "seconds, median"]
    lines = []
    for state, part in found.items():
        times = {who: statistics.median(time for _, time in runs) for who, runs in part.items()}
        for who, runs in part.items():
            middle, least = (f(score for score, _ in runs) for f in (statistics.median, min))
            cells = [f"{100 * middle:.2f} %", f"{100 * least:.2f} %", f"{times[who]:.3f}"]
            if who == "NeuralClassifier()":
                missed = (middle < 0.96, least < 0.94, times[who] > times["MLPClassifier()"])
                cells = [cell + " MISSED" * bad for cell, bad in zip(cells, missed, strict=True)]
            lines.append([f"`{who}`", state, *cells])
    return (
        "Noise 0.2, ten seeds, the other 1000 held out; bars: median 96 %, none below 94 %, no "
        "slower than `MLPClassifier()`, which stops after 200 epochs, done or not:\n\n"
        + table(heads, lines, 2)
    )


def thirds(found: Found) -> str:
    part = {who: statistics.median(scores) for who, scores in found["default"].items()}
    bars = {"SoftmaxRegression": part["LogisticRegression"] - 0.002, "NeuralClassifier": 0.97}
    lines = []
    for who, score in part.items():
        missed = " MISSED" * (score < bars.get(who, 0.0))
        bar = f"{100 * bars[who]:.2f} %" if who in bars else ""
        lines.append([f"`{who}`", f"{100 * score:.2f} %{missed}", bar])
    return table(["digits, median of 5 held-out thirds", "accuracy", "bar"], lines)


def table_of_rows(found: Found) -> str:
    part = found["default"]
    rows, columns = part["shape"]
    total = sum(part["seconds"].values())
    how = "so that every epoch reads it again" if part["streamed"] else "all rows held"
    return (
        f"`softxent fit` on a CSV of {rows:,} rows × {columns} columns ({part['file_mib']:,.0f} "
        f"MiB), `--memory 64MiB`, {how}, {part['epochs']} epochs: {total:.0f} s, "
        f"{part['rows_per_second']:,.0f} rows a second "
        f"({part['training_rows_per_second']:,.0f} while training), peak "
        f"{_most(part['peak_mib'], 1024, '{:,.0f}')} MiB (bar 1024), "
        f"accuracy {100 * part['accuracy']:.2f} %."
    )


SHOW = {
    "optimum": optimum,
    "digits": digits,
    "thousand": thousand,
    "memory": memory,
    "million": million,
    "moons": moons,
    "thirds": thirds,
    "table": table_of_rows,
}


def _races(found: Found, bar: float, what: str) -> str:
    heads = [what, "threads", "objective", "ours after", "iterations, ours", "scikit-learn",
             "ours, s", "scikit-learn, s", "ratio"]  # fmt: skip
    lines = []
    for state, rows in found.items():
        for row in rows:
            ours, peer = row["seconds"]["ours"], row["seconds"]["scikit-learn"]
            reached = row["reached"] <= row["goal"]
            slow = state == "default" and peer / ours < bar  # the bars are for two threads
            ratio = f"{peer / ours:.2f}" + " MISSED" * (slow or not reached)
            lines.append(
                [
                    row["name"],
                    f"{state} ({row['threads']})",
                    f"{row['goal']:.8f}",
                    f"{row['reached']:.8f}",
                    str(row["iterations"]["ours"]),
                    str(row["iterations"]["scikit-learn"]),
                    f"{ours:.3f}",
                    f"{peer:.3f}",
                    ratio,
                ]
            )
    return table(heads, lines, 2)


def _shape(shape: list[int]) -> str:
    return ", ".join(f"{n:,}" for n in shape)


def _most(value: float, bar: float, form: str) -> str:
    return form.format(value) + " MISSED" * (not value <= bar)
