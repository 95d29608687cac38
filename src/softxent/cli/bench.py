"""`softxent bench`: softxent beside whichever of its peers is installed, timed on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from softxent.cli import _bench_plan
from softxent.cli._bench_table import show
from softxent.cli._checks import jsonable
from softxent.cli._extras import require
from softxent.cli._progress import case_bar
from softxent.cli._terminal import Terminal
from softxent.measure import worker
from softxent.measure.peers import KNOWN
from softxent.measure.record import OPS
from softxent.measure.timing import ALLOCATORS

SCHEMA_VERSION = 1
DTYPES = ("float32", "float64", "bfloat16", "float16")
CHARTS = (".svg", ".png")
PARTS = {"schema_version", "rows", "machine", "missing", "skipped"}
PARTS_OF = {"rows": list, "machine": dict, "missing": dict, "skipped": list}
ROW = {"op", "shape", "dtype", "peer", "allocator", "ours_ms", "peer_ms", "ratio"}
EXTRA = "demo"
NEEDS, DRAWING = {"tqdm": "tqdm"}, {"matplotlib": "matplotlib"}

DESCRIPTION = """\
Times softxent beside whichever of SciPy, scikit-learn, PyTorch (eager and
compiled) and JAX is installed: loss and gradient of logits, calls so small
that only their overhead counts, and the linear loss beside its bare matrix
products. All in one process a state of the C allocator, taking turns, with
as many threads for everybody; a time is the median of the rounds.

The allocator states: "default", and "warm", where glibc is told to keep freed
blocks. In the first, two thirds of the time of a peer that returns a large
new array are page faults. With both, small calls and the linear loss are
timed in the first alone.

Takes about six minutes on two cores, --quick less than one. Wants a machine
with nothing else to do. No package is needed but tqdm and NumPy; a peer that
is not installed is left out."""

EPILOG = """\
operations
  new        cross_entropy_with_grad(logits, target): a new gradient array
  out        the same with out=, an array that exists
  in place   the same with out=logits
  copy       out= beside np.copyto(out, logits), the time of memory alone
  loss       cross_entropy(logits, target): no gradient (only if asked for)
  small      new, on 8 rows of 10 classes
  linear     linear_cross_entropy_with_grad(input, linear_weight, target)

examples
  softxent bench --quick
  softxent bench --shape 4096,50257 --op out --dtype float32 --peer torch
  softxent bench --json > bench.json
  softxent bench --from bench.json --chart bench.svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent bench`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--quick",
        action="store_true",
        help="three shapes, float32, the default allocator, no linear loss",
    )
    parser.add_argument(
        "--op",
        action="append",
        choices=OPS,
        metavar="OP",
        help="time this operation only (repeatable); the list is below",
    )
    parser.add_argument(
        "--shape",
        action="append",
        type=_shape,
        metavar="N,V",
        help="time this shape only (repeatable); N,D,V for the linear loss",
    )
    parser.add_argument(
        "--dtype",
        action="append",
        choices=DTYPES,
        metavar="DTYPE",
        help=f"of {', '.join(DTYPES)} (repeatable; default: float32 and bfloat16)",
    )
    parser.add_argument(
        "--peer",
        action="append",
        choices=[peer.key for peer in KNOWN],
        metavar="PEER",
        help=f"of {', '.join(peer.key for peer in KNOWN)} (repeatable; default: all)",
    )
    parser.add_argument(
        "--allocator", choices=(*ALLOCATORS, "both"), help="default: both, with --quick default"
    )
    parser.add_argument(
        "--rounds",
        type=_rounds,
        metavar="N",
        help="turns that everybody has (default: 5, with --quick 3)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument(
        "--chart", type=_chart, metavar="FILE", help="draw the result, as .svg or .png"
    )
    parser.add_argument(
        "--from",
        dest="saved",
        type=Path,
        metavar="FILE",
        help="show a result that --json saved instead of measuring",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, or read what was measured; then print and draw it."""
    wrong = _bench_plan.contradiction(args)
    if wrong is not None:
        return _error(wrong)
    require("bench", EXTRA, NEEDS | (DRAWING if args.chart else {}))
    failed: list[str] = []
    if args.saved is None:
        result, failed = _measure(args)
    else:
        try:
            result = load(args.saved)
        except (OSError, ValueError) as error:
            return _error(f"--from {args.saved}: {error}")
    if args.json:
        print(json.dumps(jsonable(result), indent=1, allow_nan=False))
    else:
        show(Terminal(sys.stdout), result)
    sys.stdout.flush()
    if failed:
        return _error("; ".join(failed))
    if not result["rows"]:
        print("softxent bench: nothing could be measured; the output says why", file=sys.stderr)
        return 1
    return _draw(result, args.chart) if args.chart else 0


def load(path: Path) -> dict[str, Any]:
    """Read what `softxent bench --json` printed."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected what `softxent bench --json` prints; {error}") from None
    if not isinstance(result, dict) or not PARTS <= result.keys():
        raise ValueError(f"expected an object with {', '.join(sorted(PARTS))}")
    if result["schema_version"] != SCHEMA_VERSION:
        version = result["schema_version"]
        raise ValueError(f"got schema_version {version!r}, expected {SCHEMA_VERSION}")
    for part, kind in PARTS_OF.items():
        if not isinstance(result[part], kind):
            raise ValueError(f"expected {part} to be a {kind.__name__}")
    if not all(isinstance(row, dict) and ROW <= row.keys() for row in result["rows"]):
        raise ValueError(f"expected rows with {', '.join(sorted(ROW))}")
    return result


def _measure(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The result, and why processes failed; what the others found is kept."""
    works = _bench_plan.works(args)
    result: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "rows": []}
    result |= {"machine": _bench_plan.card(args), "missing": {}}
    result["skipped"] = _bench_plan.left_out(args)
    failed = []
    with case_bar(sum(len(_bench_plan.cases_of(work)) for work in works)) as progress:
        for work in works:
            try:
                found = worker.run(work, progress)
            except worker.WorkerFailed as failure:
                failed.append(str(failure))
                continue
            result["rows"] += found["rows"]
            result["missing"] |= found["missing"]
            result["skipped"] += found["skipped"]
    return result, failed


def _draw(result: dict[str, Any], path: Path) -> int:
    from softxent.cli import _bench_chart

    try:
        _bench_chart.draw(result, path)
    except (OSError, ValueError) as error:
        return _error(f"--chart {path}: {error}")
    print(f"chart: {path}", file=sys.stderr)
    return 0


def _error(message: str) -> int:
    print(f"softxent bench: error: {message}", file=sys.stderr)
    return 2


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected N,V (logits) or N,D,V (a linear layer), as 4096,50257"
        )
    return shape


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected an integer of at least 1")
    return int(text)


def _chart(text: str) -> Path:
    path = Path(text)
    if path.suffix not in CHARTS:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a name that ends in .svg or .png")
    if not path.parent.is_dir():  # said now, not after minutes of measuring
        raise argparse.ArgumentTypeError(f"got {text!r}, but there is no folder {path.parent}")
    return path
