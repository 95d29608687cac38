"""`softxent demo`: the formula at work on real data, checked, and a report of it to look at."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softxent.cli import _files
from softxent.cli._checks import Check, jsonable
from softxent.cli._extras import require
from softxent.cli._progress import stages, training_bar
from softxent.cli._terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from softxent.cli import _digits, _moons
    from softxent.cli._minibatch import Batch

SCHEMA_VERSION = 1
EXTRA = "demo"
NEEDS = {
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "mpmath": "mpmath",
    "ml_dtypes": "ml_dtypes",
    "threadpoolctl": "threadpoolctl",
    "tqdm": "tqdm",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
}
REPORT = "softxent-demo.html"
# Part 4: rows, features, classes; no run begins after so many seconds, but for the first of each.
HEAD: dict[str, Any] = {"n": 1024, "d": 256, "v": 131_072, "rounds": 3, "patience": 6.0}
# Part 5: seconds, not minutes. torch.compile is left to `softxent bench`: it compiles for 20 s.
PEERS = ("scipy", "sklearn", "torch", "jax")
SPEED: dict[str, Any] = {
    "shapes": [(131_072, 10), (8192, 1000), (64, 131_072)],
    "dtypes": ["float32"],
    "ops": ["out", "small"],
    "rounds": 5,
    "allocator": "default",
}
DESCRIPTION = """\
Shows the formula at work on real data, and checks it:

  1  a mini-batch of handwritten digits: logits z, probabilities y, the loss
     and its gradient y - t; the gradient against finite differences of the
     loss and against 60 digits of mpmath
  2  softmax regression on the 1797 digits that scikit-learn bundles, trained
     by SciPy on softxent's loss, gradient and Hessian-vector product; the
     result beside scikit-learn's LogisticRegression
  3  two moons, told apart by a network with one hidden layer
  4  a head of 131,072 classes: time and peak memory of the fused linear loss
     beside full logits
  5  accuracy and speed beside SciPy, scikit-learn, PyTorch and JAX, those of
     them that are installed; and all of it as one HTML file

Takes less than a minute, needs no network. Exits 1 if a check falls short."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent demo`."""
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    report = parser.add_mutually_exclusive_group()
    report.add_argument(
        "--report", metavar="FILE", default=REPORT, help=f"the HTML file (default: {REPORT})"
    )
    report.add_argument("--no-report", action="store_true", help="parts 1 to 4 only, no file")


def run(args: argparse.Namespace) -> int:
    """Run all parts; 1 if a check fell short, 2 if the report cannot be written."""
    begin = time.perf_counter()
    path = None if args.no_report else Path(args.report)
    if path is not None and (reason := _files.why_not_writable(path)):
        return _no_report(reason)
    with stages() as stage:
        stage("loading scikit-learn, SciPy and matplotlib")
        require("demo", EXTRA, NEEDS)
        from softxent.cli import _demo_text as text
        from softxent.cli import _digits, _minibatch, _moons
        from softxent.measure import head

        out = text.Silent() if args.json else Terminal(sys.stdout)
        data = _digits.load()
        batch = _minibatch.make(data)
        errors = _minibatch.check(batch)
    text.header(out)
    text.mini_batch(out, batch, errors.checks())
    text.training(out, data)
    with training_bar(_digits.GRADIENT_NORM) as progress:
        result = _digits.run(data, progress)
    text.trained(out, result)
    text.moons(out)
    with stages() as stage:
        stage("training a network")
        moons = _moons.run()
    text.moons_learned(out, moons)
    text.head(out, HEAD["v"])
    with stages() as stage:
        figures = head.measure(**HEAD, progress=stage)
    head_checks = text.head_checks(figures)
    text.head_measured(out, figures, head_checks)
    checks = errors.checks() + result.checks() + moons.checks() + head_checks
    if path is not None:
        with stages() as stage:
            found = _beside_peers(stage)
            stage("writing the report")
            page = _page(batch, result, moons, figures, found, checks, begin)
        text.peers(out, found)
        try:
            _files.write(path, page)
        except OSError as error:  # a full disk, say: it was possible before
            return _no_report(f"{path}: {error.strerror}")
    if args.json:
        parts = {
            "gradient_check": errors.as_dict(),
            "digits": result.as_dict(),
            "moons": moons.as_dict(),
            "linear": figures | {"passed": all(check.passed for check in head_checks)},
            "report": None if path is None else str(path),
        }
        print(json.dumps(jsonable({"schema_version": SCHEMA_VERSION} | parts), indent=2))
    return text.verdict(out, checks, path, time.perf_counter() - begin)


def _no_report(reason: str) -> int:
    print(f"softxent demo: cannot write the report: {reason}", file=sys.stderr)
    return 2


def _beside_peers(stage: Callable[[str], None]) -> dict[str, Any]:
    """Accuracy and speed of ours and of the peers, and which of them are here."""
    from softxent.measure import accuracy, peers, worker

    stage("looking for PyTorch and JAX")
    here = peers.installed(PEERS)

    def share(done: float) -> None:
        stage(f"accuracy beside the peers, {done:.0%}")

    share(0.0)
    errors = accuracy.collect(here, quick=True, progress=share)
    # In a process of its own: the threads of one peer, which wait by spinning, slow down another.
    stage("speed beside the peers")
    work = SPEED | {"peers": [peer.key for peer in here]}
    try:
        times = worker.run(work, lambda step: stage(f"speed, {step}"))
    except worker.WorkerFailed as failed:
        times = {"rows": [], "skipped": [{"peer": None, "shape": [], "reason": str(failed)}]}
    return {
        "peers": {peer.key: peer.title for peer in here},
        "missing": peers.missing(PEERS),
        "accuracy": errors,
        "speed": times,
    }


def _page(
    batch: Batch,
    result: _digits.Result,
    moons: _moons.Result,
    head: Mapping[str, Any],
    found: Mapping[str, Any],
    checks: list[Check],
    begin: float,
) -> str:
    import softxent
    from softxent.cli._demo_text import kernels
    from softxent.cli.report import Findings, render
    from softxent.measure.machine import machine_card

    packages = ("numpy", "scipy", "scikit-learn", "torch", "jax")
    findings = Findings(
        version=softxent.__version__,
        kernels=kernels(),
        batch=batch,
        result=result,
        moons=moons,
        head=head,
        **found,
        checks=checks,
        machine=machine_card(packages),
        seconds=time.perf_counter() - begin,
    )
    return render(findings, datetime.now())
