"""Random calls of the public functions, each held against softxent.reference.

Exit code 0: all agree. 1: some do not, or crash; each is printed with the command that repeats it.
2: usage.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

from .jobs import spread
from .run import CALLS, Finding, run

SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=_positive, default=1_000_000, help="how many (1000000)")
    parser.add_argument("--seed", type=int, default=0, help="which (0)")
    parser.add_argument("--jobs", type=_positive, default=2, help="processes (2)")
    parser.add_argument(
        "--call", type=int, help="only this one, and those before it in its problem"
    )
    given = parser.parse_args(arguments)
    if given.call is not None:
        return repeat(given.seed, given.call)
    problems, done, findings = -(-given.calls // CALLS), 0, 0
    begin = time.perf_counter()
    for message in spread(given.seed, range(problems), given.jobs):
        if isinstance(message, Finding):
            findings += 1
            if findings <= SHOWN:
                show(given.seed, message)
        else:
            done += message
        if sys.stderr.isatty():
            text = f"\r{done * CALLS} of {problems * CALLS} calls, {findings} findings "
            print(text, end="", file=sys.stderr, flush=True)
    took = time.perf_counter() - begin
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(
        f"{done * CALLS} calls, seed {given.seed}: {findings} disagreements or crashes; "
        f"{took:.0f} s, {done * CALLS / took:.0f} calls/s"
    )
    return int(findings > 0)


def repeat(seed: int, call: int) -> int:
    """Make one call again, with those before it on the same problem."""
    warnings.simplefilter("error")
    findings = [found for found in run(seed, call // CALLS) if found.call <= call]
    for found in findings:
        show(seed, found)
    if not findings:
        print(f"call {call} of seed {seed} agrees")
    return int(bool(findings))


def show(seed: int, found: Finding) -> None:
    """Print what is wrong, and how to see it again."""
    print(f"{found.text}\n    {found.what}", flush=True)
    print(f"    python -m tests.fuzz --seed {seed} --call {found.call}", flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
