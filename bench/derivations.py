"""How fast `softxent check` is, on text that this script writes: docs/measured-facts.md.

    python bench/derivations.py            # a table; two minutes
    python bench/derivations.py --write    # the table into docs/measured-facts.md

The long posts are of the size of real ones: 20 to 40 displays, six slips in each, letters that
differ from post to post, so that nothing can be remembered from one to the next.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _document import ROOT, machine_line, table, write

from softxent.cli._checks import Check
from softxent.measure.machine import machine_card

FACTS = ROOT / "docs" / "measured-facts.md"
ONE_STEP = r"$$\sum_k t_k (a - b_k) = a \sum_k t_k - \sum_k t_k b_k$$"
POSTS = 100
IMPORT = (
    "import numpy, time; start = time.perf_counter(); import softxent.derive;"
    "print(1e3 * (time.perf_counter() - start))"
)

# One derivation in the usual words; <y> and so on are letters that each post chooses.
PARTS = [
    r"""Let $<z>_<k>$ be the scores of <K> classes and

$$<y>_<k> = \frac{e^{<z>_<k>}}{\sum_{<j>=1}^{<K>} e^{<z>_<j>}}$$

the softmax, $<t>_<k>$ the targets, which sum to 1, and

$$<C> = -\sum_{<k>=1}^{<K>} <t>_<k> \log <y>_<k>$$

the cross-entropy.""",
    r"""If $<k> = <i>$:

$$\frac{\partial <y>_<k>}{\partial <z>_<i>}
= \frac{e^{<z>_<k>} \sum_<j> e^{<z>_<j>} - e^{<z>_<k>} e^{<z>_<k>}}{(\sum_<j> e^{<z>_<j>})^2}
= <y>_<k> (1 - <y>_<k>)$$

If $<k> \neq <i>$:

$$\frac{\partial <y>_<k>}{\partial <z>_<i>}
= \frac{0 - e^{<z>_<k>} e^{<z>_<i>}}{(\sum_<j> e^{<z>_<j>})^2} = - <y>_<k> <y>_<i>$$""",
    r"""Together,

$$\frac{\partial <y>_<k>}{\partial <z>_<i>} = <y>_<k> (1\{<k> = <i>\} - <y>_<i>)$$""",
    r"""By the chain rule

$$\frac{\partial <C>}{\partial <z>_<i>}
= \sum_<k> \frac{\partial <C>}{\partial <y>_<k>} \frac{\partial <y>_<k>}{\partial <z>_<i>}
= -\sum_<k> \frac{<t>_<k>}{<y>_<k>} <y>_<k> (1\{<k> = <i>\} - <y>_<i>)
= -\sum_<k> <t>_<k> 1\{<k> = <i>\} + \sum_<k> <t>_<k> <y>_<i> = <y>_<i> - <t>_<i>$$""",
    r"""A slip: $$\frac{\partial <C>}{\partial <z>_<i>} = -\sum_<k> <t>_<k> + \sum_<k> <y>_<i>$$""",
    r"""And another: $$\frac{\partial <C>}{\partial <y>_<k>} = \frac{<t>_<k>}{<y>_<k>}$$""",
    r"""The other road: $$\log <y>_<k> = <z>_<k> - \log \sum_<j> e^{<z>_<j>}$$

$$\frac{\partial}{\partial <z>_<i>} \log \sum_<j> e^{<z>_<j>} = <y>_<i>$$

$$\frac{\partial^2 <C>}{\partial <z>_<i> \partial <z>_<k>}
= <y>_<i> (1\{<k> = <i>\} - <y>_<k>) \sum_<j> <t>_<j>$$""",
    r"""With a linear layer $<z>_<k> = \sum_<n> w_{<k><n>} x_<n> + b_<k>$ nothing changes.""",
]
LETTERS = {
    "z": ["z", "o", "a", "f", "s"],
    "y": ["y", "p", r"\hat{y}", "q"],
    "t": ["t", "T", "r"],
    "C": ["C", "L", "E", "J"],
    "K": ["K", "C'", "N", "V"],
}


def post(seed: int, parts: int = 3) -> str:
    """Return a post; the middle parts come `parts` times, as the argument is told again."""
    draw = random.Random(seed)
    letters = {name: draw.choice(of) for name, of in LETTERS.items()}
    letters |= dict(zip("kijn", draw.sample(["k", "i", "j", "m", "n", "l"], 4), strict=True))
    order = [PARTS[0], *(part for _ in range(parts) for part in PARTS[1:7]), PARTS[7]]
    text = "\n\n".join(order)
    for name, letter in letters.items():
        text = text.replace(f"<{name}>", letter)
    return f"# Softmax and cross-entropy, {seed}\n\n{text}\n"


def milliseconds_of_import() -> float:
    """Return the median of fresh processes, NumPy not counted."""
    runs = [
        subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, check=True).stdout
        for _ in range(7)
    ]
    return statistics.median(float(run) for run in runs)


def milliseconds_of_one_step() -> tuple[float, float]:
    """Return the first check of a process, and the median of the next."""
    code = (
        "import time, softxent.derive; times = []\n"
        "for _ in range(21):\n"
        f"    start = time.perf_counter(); softxent.derive.check({ONE_STEP!r})\n"
        "    times.append(1e3 * (time.perf_counter() - start))\n"
        "print(times[0], sorted(times[1:])[10])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True
        ).stdout.split()
        for _ in range(5)
    ]
    return (
        statistics.median(float(first) for first, _ in runs),
        statistics.median(float(others) for _, others in runs),
    )


def seconds_of(files: int, folder: Path) -> tuple[float, int, int]:
    """Return how long `softxent check` takes for so many posts, their steps and their bytes."""
    size = 0
    for number in range(files):
        text = post(number)
        size += len(text.encode())
        (folder / f"post-{number:03}.md").write_text(text, encoding="utf-8")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "softxent", "check", str(folder)],
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode != 1:
        raise SystemExit(f"softxent check ended with {done.returncode}, not with findings")
    steps = int(done.stdout.rstrip().split("\n")[-1].split(" steps")[0].split()[-1])
    return seconds, steps, size


def measure() -> list[Check]:
    """Return every number with its bar."""
    first, others = milliseconds_of_one_step()
    checks = [
        Check("import softxent.derive beyond NumPy's", milliseconds_of_import(), 100, "ms"),
        Check("one step, after the first", others, 50, "ms"),
        Check("one step, the first of a process", first, float("inf"), "ms"),
    ]
    for files, bar in ((1, 3.0), (POSTS, 120.0)):
        with tempfile.TemporaryDirectory() as folder:
            seconds, steps, size = seconds_of(files, Path(folder))
        what = "a post" if files == 1 else f"{files} posts"
        name = f"softxent check, {what}: {steps} steps, {size // 1024} KiB"
        checks.append(Check(name, seconds, bar, "s"))
    return checks


def document(checks: list[Check]) -> str:
    """Return the table."""
    rows = []
    for check in checks:
        bar = "" if check.bar == float("inf") else f"{check.bar:g} {check.unit}"
        rows.append((check.name, f"{check.value:.3g} {check.unit}", bar))
    lines = table(["what", "measured", "at most"], rows)
    return f"{lines}\n\n{machine_line(machine_card(('numpy',)))}"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="into docs/measured-facts.md")
    args = parser.parse_args()
    checks = measure()
    text = document(checks)
    print(text)
    if args.write:
        write(FACTS, "derivations", text)
    if not all(check.passed for check in checks):
        raise SystemExit("a bar is not met")


if __name__ == "__main__":
    main()
