"""softxent beside its peers: the chart and the tables of README.md and docs/measured-facts.md.

    python bench/peers.py --write                # measure (10 minutes, an idle machine) and write
    python bench/peers.py --write --from FOLDER  # from bench.json, accuracy.json of an earlier run
    python bench/peers.py --keep FOLDER          # measure, and keep those files

What it measures is what `softxent bench` and `softxent accuracy` measure; here it is only laid out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _document import ROOT, machine_line, table, write

from softxent.measure import linear as layer
from softxent.measure.peers import KNOWN
from softxent.measure.record import COPY
from softxent.measure.truth import FORMATS

README, FACTS = ROOT / "README.md", ROOT / "docs" / "measured-facts.md"
CHART = ROOT / "docs" / "bench.svg"
SOFTXENT = Path(sys.executable).with_name("softxent")
TITLES = {peer.key: peer.title for peer in KNOWN} | {COPY: COPY}
OPS = ("out", "in place", "new")

Row = dict[str, Any]


def shape(row: Row) -> str:
    return " × ".join(f"{n:,}" for n in row["shape"])


def times(ratio: float) -> str:
    return f"{ratio:.1f}×" if ratio >= 1 else f"{ratio:.2f}×"


def milliseconds(ms: float) -> str:
    return f"{ms:.1f}" if ms >= 0.1 else f"{ms:.4f}"


def mean(rows: list[Row], peer: str, op: str) -> float:
    found = [row["ratio"] for row in rows if (row["peer"], row["op"]) == (peer, op)]
    return statistics.geometric_mean(found)


def gradients(rows: list[Row], dtype: str, allocator: str) -> str:
    """One line a shape: our three ways, copying, each peer's time and its multiple of out=."""
    here = [row for row in rows if (row["dtype"], row["allocator"]) == (dtype, allocator)]
    here = [row for row in here if row["op"] in OPS]
    peers = [key for key in TITLES if any(row["peer"] == key for row in here)]
    peers = [key for key in peers if key != COPY]
    lines = []
    for name in dict.fromkeys(map(shape, here)):
        found = {(row["op"], row["peer"]): row for row in here if shape(row) == name}
        ours = {op: row["ours_ms"] for (op, _), row in found.items()}
        copy = found["out", COPY]
        cells = [milliseconds(ours[op]) for op in OPS]
        cells += [milliseconds(copy["peer_ms"]), f"{ours['out'] / copy['peer_ms']:.2f}"]
        for peer in peers:
            row = found.get(("out", peer))
            cells.append(f"{row['peer_ms']:.0f} ({times(row['ratio'])})" if row else "–")
        lines.append([name, *cells])
    for op in OPS:
        means = [times(mean(here, peer, op)) for peer in peers]
        lines.append([f"geometric mean, {op}", "", "", "", "", "", *means])
    heads = ["N × V, ms", "`out=`", "in place", "new", "copy", "`out=`/copy"]
    return table([*heads, *(TITLES[peer] for peer in peers)], lines)


def small(rows: list[Row]) -> str:
    found = [row for row in rows if row["op"] == "small" and row["peer"] != COPY]
    lines = [
        [row["dtype"], TITLES[row["peer"]], f"{row['ours_ms'] * 1e3:.1f}",
         f"{row['peer_ms'] * 1e3:.1f}", f"{1 / row['ratio']:.2f}"]
        for row in found
    ]  # fmt: skip
    return table(["dtype", "peer", "softxent µs", "peer µs", "softxent/peer"], lines, words=2)


def linear(rows: list[Row]) -> str:
    lines = [
        [shape(row), layer.TITLES[row["peer"]], f"{row['ours_ms']:.0f}",
         f"{row['peer_ms']:.0f}", times(row["ratio"])]
        for row in rows if row["op"] == "linear"
    ]  # fmt: skip
    return table(
        ["N × D × V", "beside", "softxent ms", "ms", "times as long as softxent"], lines, words=2
    )


def number(row: Row | None) -> str:
    """ULP; "no digit" from where half of the result is wrong."""
    if row is None:
        return "–"
    ulp = row["max_ulp"]
    if ulp is None or ulp >= 2.0 ** (FORMATS[row["unit"]][0] - 1):
        return "no digit"
    return f"{ulp:.2f}" if ulp < 100 else f"{ulp:,.0f}"


def errors(result: Row, dtypes: tuple[str, ...]) -> str:
    rows = [row for row in result["rows"] if row["dtype"] in dtypes]
    peers = [key for key in TITLES if any(row["who"] == key for row in rows)]
    lines = []
    for dtype in dtypes:
        here = {(row["op"], row["who"]): row for row in rows if row["dtype"] == dtype}
        for op in dict.fromkeys(op for op, _ in here):
            mine = here[op, "softxent"]
            cells = [f"**{number(mine)}**", f"{mine['bar']:g}"]
            cells += [number(here.get((op, peer))) for peer in peers]
            lines.append([dtype, op, *cells])
    heads = ["dtype", "result", "softxent", "bar", *(TITLES[peer] for peer in peers)]
    return table(heads, lines, words=2)


def zeros(result: Row) -> str:
    lines = [
        [row["dtype"], "softxent" if row["who"] == "softxent" else TITLES[row["who"]],
         str(row["zero_loss"]), str(row["zero_gradient"])]
        for row in result["confident"]
    ]  # fmt: skip
    return table(["dtype", "", "loss 0", "gradient 0"], lines, words=2)


def sentence(rows: list[Row]) -> str:
    """The figures of README's first screen."""
    here = [row for row in rows if (row["dtype"], row["allocator"]) == ("float32", "default")]
    peers = [key for key in TITLES if any((r["peer"], r["op"]) == (key, "out") for r in here)]
    means = [f"{TITLES[k]} {times(mean(here, k, 'out'))}" for k in peers if k != COPY]
    copies = [r for r in here if r["peer"] == COPY and r["op"] == "out" and r["shape"][1] >= 1000]
    low, high = (f(1 / row["ratio"] for row in copies) for f in (min, max))
    return (
        "The others take, as a multiple of softxent's time (`softxent bench`: geometric mean over\n"
        f"the shapes, float32, `out=`, the C library's default allocator): {', '.join(means)}.\n"
        f"softxent takes {low:.2f} to {high:.2f} times as long as copying the logits, from 1000\n"
        "classes on."
    )


def skipped(result: Row) -> str:
    """What was left out, and why."""
    reasons = [
        f"{layer.TITLES.get(skip['peer'], TITLES.get(skip['peer'], skip['kind']))}"
        f" at {shape(skip) if skip['shape'] else skip['dtype']}: {skip['reason']}"
        for skip in result["skipped"]
        if skip["kind"] == "linear"
    ]
    return f"Left out: {'; '.join(reasons)}." if reasons else ""


def measure(folder: Path) -> None:
    for command in (["bench"], ["accuracy"]):
        path = folder / f"{command[0]}.json"
        with path.open("w", encoding="utf-8") as file:
            done = subprocess.run([SOFTXENT, *command, "--json"], stdout=file, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"softxent {command[0]} failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the chart and the tables")
    parser.add_argument("--from", dest="saved", type=Path, help="a folder that --keep filled")
    parser.add_argument("--keep", type=Path, help="where bench.json and accuracy.json go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.saved or arguments.keep or Path(scratch)
        if arguments.saved is None:
            folder.mkdir(parents=True, exist_ok=True)
            measure(folder)
        timed, exact = (
            json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("bench", "accuracy")
        )
        rows = timed["rows"]
        texts = {
            (README, "means"): sentence(rows),
            (README, "errors"): errors(exact, ("float32",)),
            (README, "zeros"): zeros(exact),
            (FACTS, "small"): small(rows),
            (FACTS, "layer"): f"{linear(rows)}\n\n{skipped(timed)}",
            (FACTS, "errors"): errors(exact, tuple(FORMATS)),
            (FACTS, "machine"): machine_line(timed["machine"]),
        }
        for dtype in ("float32", "bfloat16"):
            for allocator in ("default", "warm"):
                name = f"gradients {dtype} {allocator}"
                texts[FACTS, name] = gradients(rows, dtype, allocator)
        if not arguments.write:
            print("\n\n".join(f"{name}\n\n{text}" for (_, name), text in texts.items()))
            return
        for (document, name), text in texts.items():
            write(document, name, text)
        command = ["bench", "--from", str(folder / "bench.json"), "--chart", str(CHART)]
        subprocess.run([SOFTXENT, *command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
