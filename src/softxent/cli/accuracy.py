"""`softxent accuracy`: every result beside its exact value, ours and each installed peer's."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from softxent.cli._checks import Check, jsonable
from softxent.cli._extras import require
from softxent.cli._terminal import WIDTH, Terminal, is_terminal, table, wrap
from softxent.measure.peers import KNOWN

SCHEMA_VERSION = 1
EXTRA = "demo"
NEEDS = {"mpmath": "mpmath", "ml_dtypes": "ml_dtypes", "tqdm": "tqdm"}
PEERS = tuple(peer.key for peer in KNOWN)
# It would take longer than all others together: 5 functions to compile for each of 4 dtypes.
ON_REQUEST = {"torch.compile": "on request, since it compiles for half a minute"}

DESCRIPTION = """\
Holds every result against its exact value, softxent's and that of each peer
installed here, on rows that users meet: ordinary logits, one class ahead by 5
to 60 nats, logits far from 0, log-probabilities, 2 to 32 003 classes.

Prints the largest error of each in ULP (units in the last place of the exact
result; of the larger of its terms where it is a difference), beside the bar
that softxent keeps; then how many of 1000 rows with a small but positive loss
come back with a loss or a gradient of exactly 0. --json has the medians too.

Takes about 20 seconds. Exits 1 if softxent exceeds a bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent accuracy`."""
    parser.add_argument("--quick", action="store_true", help="fewer rows, all of 257 classes")
    parser.add_argument(
        "--implementation",
        choices=("native", "numpy"),
        help="which of softxent's own to measure (default: the best that runs here)",
    )
    parser.add_argument(
        "--peer",
        action="append",
        choices=PEERS,
        metavar="PEER",
        help=f"only this peer, may be repeated: {', '.join(PEERS)} "
        "(default: all that are installed, but for torch.compile, which compiles for long)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if softxent exceeds a bar, 2 if what was asked for cannot run."""
    require("accuracy", EXTRA, NEEDS)
    from softxent.kernels import registry
    from softxent.measure import accuracy, peers

    begin = time.perf_counter()
    reason = registry.available().get(args.implementation)
    absent = peers.missing(args.peer)
    if args.implementation and reason:
        return _cannot(f"--implementation {args.implementation}: {reason}")
    if args.peer and absent:
        return _cannot(*(f"--peer {key}: {why}" for key, why in absent.items()))
    found = [p for p in peers.installed(args.peer) if args.peer or p.key not in ON_REQUEST]
    with _progress_bar() as progress:
        measured = accuracy.collect(
            found, quick=args.quick, implementation=args.implementation, progress=progress
        )
    left_out = absent | ({} if args.peer else _on_request(absent)) | measured["failed"]
    implementation = registry.pick(args.implementation).name
    if args.json:
        _print_json(measured, left_out, implementation, args.quick)
    else:
        _print_report(Terminal(sys.stdout), measured, left_out, implementation)
    findings = [text for _, text in _checked(measured) if text is not None]
    if not args.json:
        _verdict(Terminal(sys.stdout), measured, len(findings), time.perf_counter() - begin)
    sys.stdout.flush()
    for finding in findings:
        print(f"softxent accuracy: {finding}", file=sys.stderr)
    return 1 if findings else 0


def _cannot(*reasons: str) -> int:
    for reason in reasons:
        print(f"softxent accuracy: {reason}", file=sys.stderr)
    return 2


def _on_request(absent: dict[str, str]) -> dict[str, str]:
    return {key: why for key, why in ON_REQUEST.items() if key not in absent}


def _checked(measured: dict[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
    """Each of our own entries, and the sentence to say where it falls short."""
    result: list[tuple[dict[str, Any], str | None]] = []
    for entry in measured["rows"]:
        if entry["who"] == "softxent":
            name = f"{entry['op']}, {entry['dtype']}"
            check = Check(name, entry["max_ulp"], entry["bar"], "ULP")
            result.append((entry, None if check.passed else check.sentence()))
    for entry in measured["confident"]:
        if entry["who"] == "softxent":
            lost = [f"{n} {what}s" for what in ("loss", "gradient") if (n := entry[f"zero_{what}"])]
            text = f"confident rows, {entry['dtype']}: {' and '.join(lost)} came back as exactly 0"
            result.append((entry, text.replace("losss", "losses") if lost else None))
    return result


def _print_json(
    measured: dict[str, Any], left_out: dict[str, str], implementation: str, quick: bool
) -> None:
    from softxent.measure.machine import machine_card

    report = {
        "schema_version": SCHEMA_VERSION,
        "implementation": implementation,
        "quick": quick,
        "rows": measured["rows"],
        "confident": measured["confident"],
        "machine": machine_card(("numpy", "scipy", "scikit-learn", "torch", "jax", "mpmath")),
        "missing": left_out,
    }
    print(json.dumps(jsonable(report), indent=2, allow_nan=False))


def _print_report(
    out: Terminal, measured: dict[str, Any], left_out: dict[str, str], implementation: str
) -> None:
    import softxent

    kernels = {"native": "native kernels", "numpy": "plain NumPy"}[implementation]
    out.print(out.style("softxent", "bold") + f" {softxent.__version__} · {kernels} · accuracy")
    out.print()
    out.print("Largest error in ULP: units in the last place of the exact result.")
    fell_short = [id(entry) for entry, text in _checked(measured) if text is not None]
    for dtype in dict.fromkeys(entry["dtype"] for entry in measured["rows"]):
        out.title(dtype)
        _print_errors(out, [e for e in measured["rows"] if e["dtype"] == dtype], fell_short)
    out.print()
    mine = [entry["median_ulp"] for entry in measured["rows"] if entry["who"] == "softxent"]
    text = f"{NOTES} Of each of softxent's at least half is within {max(mine):.2g} ULP."
    for line in wrap(text, WIDTH):
        out.print(line)
    _print_zeros(out, measured["confident"], fell_short)
    if left_out:
        out.print()
        out.print("Not measured:")
        for key, why in left_out.items():
            out.hanging(f"{key}: {why}")


NOTES = """\
all: no digit is right, as where 0 comes back for 1e-9. A dash: no such function. Log-sum-exp
counts in the larger of its two terms, a gradient with options in the largest of its three, JVP
and HVP in the sum of the magnitudes of theirs. Given
bfloat16 or float16, softxent returns losses and log-sum-exps in float32 and is counted in its
ULP; peers are counted in those of the dtype they return. These are the worst numbers."""


def _print_errors(out: Terminal, entries: list[dict[str, Any]], fell_short: list[int]) -> None:
    """One dtype: a line an op, a column for each who."""
    everybody = list(dict.fromkeys(entry["who"] for entry in entries))
    by_op: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in entries:
        by_op.setdefault(entry["op"], {})[entry["who"]] = entry
    lines = [("", "softxent", "bar", *_headings(everybody[1:]))]
    for op, found in by_op.items():
        mine, *theirs = (found.get(who) for who in everybody)
        name = "  all options" if op == "gradient, all options" else op
        bar = f"≤ {mine['bar']:g}" if mine else ""
        lines.append((name, _number(mine), bar, *map(_number, theirs)))
    marks = [" ", *(_mark(out, id(found["softxent"]) in fell_short) for found in by_op.values())]
    _print_table(out, marks, lines)


def _print_zeros(out: Terminal, confident: list[dict[str, Any]], fell_short: list[int]) -> None:
    out.title("Confident rows")
    count = confident[0]["rows"]
    out.print(f"{count} rows of 10 classes with a true loss between 1e-30 and 1e-3: how many")
    out.print("losses, and gradients at the target, come back as exactly 0.")
    out.print()
    everybody = list(dict.fromkeys(entry["who"] for entry in confident))
    marks, lines = [" "], [("", "softxent", *_headings(everybody[1:]))]
    for dtype in dict.fromkeys(entry["dtype"] for entry in confident):
        found = {entry["who"]: entry for entry in confident if entry["dtype"] == dtype}
        for what in ("loss", "gradient"):
            counts = [found[w][f"zero_{what}"] if w in found else "-" for w in everybody]
            lines.append((f"{dtype} {what}", *map(str, counts)))
            marks.append(_mark(out, id(found["softxent"]) in fell_short and counts[0] != 0))
    _print_table(out, marks, lines)


def _print_table(out: Terminal, marks: list[str], lines: list[tuple[str, ...]]) -> None:
    for mark, line in zip(marks, table(lines, "<" + ">" * (len(lines[0]) - 1), "  "), strict=True):
        out.print(f"  {mark} {line}")


def _mark(out: Terminal, short: bool) -> str:
    return out.style("✗", "red", "bold") if short else out.style("✓", "green")


def _headings(peers: list[str]) -> list[str]:
    """The peers' keys, shorter where all of them have to share 80 columns."""
    short = {"torch.compile": "compiled"} if len(peers) == len(PEERS) else {}
    return [short.get(peer, peer) for peer in peers]


def _number(entry: dict[str, Any] | None) -> str:
    """An error: two decimals, or three digits, or that no digit is right."""
    from softxent.measure.truth import FORMATS

    if entry is None:
        return "-"
    ulp, (bits, _) = entry["max_ulp"], FORMATS[entry["unit"]]
    # The last place of a number is 2^(1 - bits) to 2^-bits of it: from here on half of it is wrong.
    if not ulp < 2.0 ** (bits - 1):
        return "all"
    if ulp < 100:
        return f"{ulp:.2f}"
    digits, _, exponent = f"{ulp:.1e}".partition("e")
    return f"{ulp:.0f}" if ulp < 9999.5 else f"{digits}e{int(exponent)}"


def _verdict(out: Terminal, measured: dict[str, Any], short: int, seconds: float) -> None:
    total = len(_checked(measured))
    out.print()
    text = f"{total - short} of {total} bars kept"
    out.print(out.style(text, "bold", "red" if short else "green") + f" in {seconds:.1f} s")


@contextmanager
def _progress_bar() -> Iterator[Callable[[float], None]]:
    """A bar on stderr; nothing at all off a terminal."""
    from tqdm import tqdm

    if not is_terminal(sys.stderr):
        yield lambda share: None
        return
    with tqdm(
        total=1.0, leave=False, bar_format="  measuring  {bar:30}  {percentage:3.0f} %"
    ) as bar:

        def progress(share: float) -> None:
            bar.n = share
            bar.refresh()

        yield progress
