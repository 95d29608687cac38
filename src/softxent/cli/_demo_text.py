"""What `softxent demo` prints for people, part by part."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from softxent.cli import _moons
from softxent.cli._checks import Check, print_checks
from softxent.cli._digits import Result, Split
from softxent.cli._minibatch import STEPS, Batch
from softxent.cli._terminal import Terminal, table, wrap
from softxent.cli.report.numbers import milliseconds

# How far apart the two roads of part 4 may be, relative to the largest entry. float32 products
# summed in another order: 1e-6 was measured where the inner dimension is 131 072.
GRADIENTS_BAR, LOSS_BAR = 1e-5, 1e-6


class Silent(Terminal):
    """For --json: takes every line, shows none."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())

    def print(self, text: str = "") -> None:
        """Nothing."""


def kernels() -> str:
    """What runs here, in words."""
    from softxent.kernels import registry

    name = registry.pick(None).name
    return {"native": "native kernels", "numpy": "plain NumPy"}.get(name, name)


def header(out: Terminal) -> None:
    """The first line."""
    import softxent

    out.print(out.style("softxent", "bold") + f" {softxent.__version__} · {kernels()}")
    if kernels() != "native kernels":
        out.print(out.style("Slower than it could be: see `softxent doctor`.", "yellow"))


def mini_batch(out: Terminal, batch: Batch, checks: list[Check]) -> None:
    """Part 1: digits, their numbers, and the gradient checked."""
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


def training(out: Terminal, data: Split) -> None:
    """Part 2, what is about to be done."""
    out.title("2  Learning the handwritten digits")
    out.print(f"Softmax regression z = W x + b on {len(data.train_t)} digits of 8 × 8 pixels:")
    out.print("mean loss + ‖W‖²/2CN, C = 1, minimised by Newton's method (SciPy's trust-ncg)")
    out.print(f"until the gradient is below 1e-10; {len(data.test_t)} digits are held out.")
    out.print()
    out.stream.flush()


def trained(out: Terminal, result: Result) -> None:
    """Part 2, what came of it."""
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


def moons(out: Terminal) -> None:
    """Part 3, what is about to be done."""
    out.title("3  Two moons")
    out.print(f"A network, one hidden layer of tanh, on {_moons.POINTS} points of two half circles")
    out.print(f"that reach into each other, with noise {_moons.NOISE}; one half is held out.")
    out.print()
    out.stream.flush()


def moons_learned(out: Terminal, result: _moons.Result) -> None:
    """Part 3, what came of it."""
    hidden = ", ".join(str(n) for n in result.model.hidden)
    out.print(f"  {hidden} hidden neurons, {result.model.n_iter_} iterations, "
              f"{result.seconds:.2f} s")  # fmt: skip
    out.print()
    print_checks(out, result.checks())


def head(out: Terminal, classes: int) -> None:
    """Part 4, what is about to be done."""
    out.title(f"4  A head of {classes:,} classes")
    out.print("Loss and gradients of a linear layer. Fused: softxent's linear loss, which")
    out.print("makes and forgets the logits some rows at a time. Full: a product in NumPy,")
    out.print("softxent's loss on all logits, in place, two more products in NumPy.")
    out.print()
    out.stream.flush()


def head_measured(out: Terminal, figures: Mapping[str, Any], checks: list[Check]) -> None:
    """Part 4, what came of it; memory is what the process grew by, above inputs and outputs."""
    rows: list[tuple[str, ...]] = [("", "fused", "full logits")]
    for name, key, decimals in (("seconds", "seconds", 2), ("peak MiB", "peak_mib", 1)):
        pair = (figures[key], figures[f"full_{key}"])
        rows.append((name, *("-" if x is None else f"{x:.{decimals}f}" for x in pair)))
    for line in table(rows, "<>>"):
        out.print(f"  {line}")
    if figures["skipped"]:
        out.print()
        for line in wrap(f"Not all was measured: {figures['skipped']}.", 76):
            out.print(out.style(f"  {line}", "yellow"))
    out.print()
    print_checks(out, checks)


def head_checks(figures: Mapping[str, Any]) -> list[Check]:
    """The bars of part 4, for what could be measured."""
    checks = []
    if figures["peak_mib"] is not None:
        # 5 % and 16 MiB: the few numbers per row, page rounding, the threads' stacks
        bar = figures["max_memory_mib"] * 1.05 + 16
        checks.append(Check("memory of the fused loss", figures["peak_mib"], bar, "MiB"))
    if figures["loss_apart"] is not None:
        loss, gradients = figures["loss_apart"], figures["gradients_apart"]
        checks += [
            Check("losses of both roads apart, relative", loss, LOSS_BAR),
            Check("gradients of both roads apart, relative", gradients, GRADIENTS_BAR),
        ]
    return checks


def peers(out: Terminal, found: Mapping[str, Any]) -> None:
    """Part 5: a line for each party, float32."""
    out.title("5  Beside the peers")
    accuracy, times = found["accuracy"], found["speed"]["rows"]
    errors = {
        (row["who"], row["op"]): row["max_ulp"]
        for row in accuracy["rows"]
        if row["dtype"] == "float32"
    }
    confident = {row["who"]: row for row in accuracy["confident"] if row["dtype"] == "float32"}
    calls = [row for row in times if row["op"] == "out" and row["shape"][1] == 1000]
    milli = {row["peer"]: row["peer_ms"] for row in calls}
    if calls:
        milli["softxent"] = calls[0]["ours_ms"]
    rows: list[tuple[str, ...]] = [("", "gradient", "loss", "confident", "time")]
    rows.append(("float32", "max ULP", "max ULP", "loss as 0", "ms"))
    for who, title in ({"softxent": "softxent"} | dict(found["peers"])).items():
        zero = confident.get(who)
        rows.append(
            (
                title,
                _ulp(errors.get((who, "gradient"))),
                _ulp(errors.get((who, "loss"))),
                f"{zero['zero_loss']} of {zero['rows']}" if zero else "-",
                milliseconds(milli[who]) if who in milli else "-",
            )
        )
    for line in table(rows, "<>>>>", gap="  "):
        out.print(f"  {line}")
    out.print()
    out.print("Errors in units in the last place; rows whose loss is above 0, returned as 0;")
    size = " × ".join(f"{n:,}" for n in calls[0]["shape"]) if calls else "no"
    out.print(f"loss and gradient of {size} logits.")
    for key, why in found["missing"].items():
        out.print(f"  {key}: {why}")


def _ulp(x: float | None) -> str:
    if x is None:
        return "-"
    return f"{x:.2f}" if x < 1000 else f"{x:.0e}"


def verdict(out: Terminal, checks: list[Check], path: Path | None, seconds: float) -> int:
    """The last lines, and the exit code."""
    short = [check for check in checks if not check.passed]
    met = f"{len(checks) - len(short)} of {len(checks)} checks passed"
    out.print()
    out.print(out.style(met, "bold", "red" if short else "green") + f" in {seconds:.1f} s")
    if path is not None:
        out.print(f"report: {path}")
    out.stream.flush()
    for check in short:
        print(f"softxent demo: {check.sentence()}", file=sys.stderr)
    return 1 if short else 0
