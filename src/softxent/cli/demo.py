"""`softxent demo`: the gradient checked on a real mini-batch, then 1797 digits learned with it."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from softxent.cli._checks import Check, jsonable, print_checks
from softxent.cli._extras import require
from softxent.cli._terminal import Terminal, is_terminal, table

if TYPE_CHECKING:
    from softxent.cli._digits import Progress, Result, Split
    from softxent.cli._minibatch import Batch

SCHEMA_VERSION = 1
EXTRA = "demo"
NEEDS = {
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "mpmath": "mpmath",
    "threadpoolctl": "threadpoolctl",
    "tqdm": "tqdm",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
}
DESCRIPTION = """\
Shows the formula at work on real data, and checks it:

  1  a mini-batch of handwritten digits: logits z, probabilities y, the loss
     and its gradient y - t; the gradient against finite differences of the
     loss and against 60 digits of mpmath
  2  softmax regression on the 1797 digits that scikit-learn bundles, trained
     by SciPy on softxent's loss, gradient and Hessian-vector product; the
     result beside scikit-learn's LogisticRegression

Takes a few seconds, needs no network. Exits 1 if a check falls short."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent demo`."""
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run both parts; 1 if a check fell short."""
    require("demo", "demo", NEEDS)
    from softxent.cli import _digits, _minibatch

    out = Terminal(sys.stdout)
    begin = time.perf_counter()
    data = _digits.load()
    batch = _minibatch.make(data)
    errors = _minibatch.check(batch)
    if not args.json:
        _print_header(out)
        _print_batch(out, batch, errors.checks())
        _print_training(out, data)
        out.stream.flush()
    with _progress_bar() as progress:
        result = _digits.run(data, progress)
    checks = errors.checks() + result.checks()
    if args.json:
        figures = {"gradient_check": errors.as_dict(), "digits": result.as_dict()}
        text = jsonable({"schema_version": SCHEMA_VERSION} | figures)
        print(json.dumps(text, indent=2, allow_nan=False))
    else:
        _print_result(out, result)
    return _verdict(out, checks, time.perf_counter() - begin, args.json)


def _print_header(out: Terminal) -> None:
    import softxent
    from softxent.kernels import registry

    name = registry.pick(None).name
    kernels = {"native": "native kernels", "numpy": "plain NumPy"}.get(name, name)
    out.print(out.style("softxent", "bold") + f" {softxent.__version__} · {kernels}")
    if name != "native":
        out.print(out.style("Slower than it could be: see `softxent doctor`.", "yellow"))


def _print_batch(out: Terminal, batch: Batch, checks: list[Check]) -> None:
    from softxent.cli._minibatch import STEPS

    out.title("1  One mini-batch")
    out.print("Three held-out digits, the clearest, the median and the hardest, as a")
    out.print(f"linear model sees them after {STEPS} gradient steps: logits z, probabilities y,")
    out.print("one-hot target t.")
    for n in range(len(batch.target)):
        out.print()
        for line in _row(out, batch, n):
            out.print(line)
    out.print()
    out.print(f"  mean loss {batch.mean_loss:.6f}; its gradient is (y − t)/{len(batch.target)}")
    out.print()
    print_checks(out, checks)


def _row(out: Terminal, batch: Batch, n: int) -> list[str]:
    """A picture of the digit, and beside it the numbers of its row."""
    target, read_as = int(batch.target[n]), int(batch.logits[n].argmax())
    names = [f"{k}" for k in range(batch.logits.shape[1])]
    names[target] = f"t={target}"
    lines = [("", names)]
    for name, values, decimals in (
        ("z", batch.logits[n], 2),
        ("y", batch.probabilities[n], 3),
        ("y − t", batch.gradient[n], 3),
    ):
        lines.append((name, [f"{value:.{decimals}f}".replace("-", "−") for value in values]))
    text = []
    for picture, (name, values) in zip(_picture(batch.images[n]), lines, strict=True):
        cells = [f"{value:>6}" for value in values]
        cells[target] = out.style(f"{values[target]:>7}", "cyan")  # room for the minus of y − t
        text.append(f"  {picture}  {name:<5} {''.join(cells)}")
    read = "read right" if read_as == target else f"read as {read_as}"
    title = f"  a {target}, {read}, loss {batch.loss[n]:.6f}"
    return [out.style(title, "bold"), *text]


def _picture(image: Iterable[float]) -> list[str]:
    """The 8 x 8 greys as four lines of half blocks."""
    ink = [value >= 0.5 for value in image]
    blocks = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
    return [
        "".join(blocks[ink[16 * r + c], ink[16 * r + 8 + c]] for c in range(8)) for r in range(4)
    ]


def _print_training(out: Terminal, data: Split) -> None:
    out.title("2  Learning the handwritten digits")
    out.print(f"Softmax regression z = W x + b on {len(data.train_t)} digits of 8 × 8 pixels:")
    out.print("mean loss + ‖W‖²/2CN, C = 1, minimised by Newton's method (SciPy's trust-ncg)")
    out.print(f"until the gradient is below 1e-10; {len(data.test_t)} digits are held out.")
    out.print()


def _print_result(out: Terminal, result: Result) -> None:
    rows = [
        ("", "softxent", "scikit-learn"),
        ("loss", f"{result.loss:.12f}", f"{result.sklearn_loss:.12f}"),
        ("accuracy", f"{100 * result.accuracy:.2f} %", f"{100 * result.sklearn_accuracy:.2f} %"),
        ("method", "trust-ncg", "lbfgs"),
        ("iterations", result.iterations, result.sklearn_iterations),
        ("seconds", f"{result.seconds:.2f}", f"{result.sklearn_seconds:.2f}"),
    ]
    for line in table(rows, "<>>"):
        out.print(f"  {line}")
    out.print()
    print_checks(out, result.checks())


def _verdict(out: Terminal, checks: list[Check], seconds: float, quiet: bool) -> int:
    short = [check for check in checks if not check.passed]
    if not quiet:
        met = f"{len(checks) - len(short)} of {len(checks)} checks passed"
        out.print()
        out.print(out.style(met, "bold", "red" if short else "green") + f" in {seconds:.1f} s")
    out.stream.flush()
    for check in short:
        print(f"softxent demo: {check.sentence()}", file=sys.stderr)
    return 1 if short else 0


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """A bar on stderr that counts decades of gradient norm; nothing at all off a terminal."""
    from tqdm import tqdm

    from softxent.cli._digits import GRADIENT_NORM

    if not is_terminal(sys.stderr):
        yield lambda loss, norm: None
        return
    shape = "  training  {bar:30}  {desc}"
    with tqdm(total=1.0, leave=False, bar_format=shape) as bar:
        first = 0.0

        def progress(loss: float, norm: float) -> None:
            nonlocal first
            first = first or norm
            if 0.0 < norm < math.inf:
                done = math.log(first / norm) / math.log(first / GRADIENT_NORM)
                bar.n = min(1.0, max(bar.n, done))
            bar.set_description_str(f"loss {loss:.6f}, gradient {norm:.0e}")

        yield progress
