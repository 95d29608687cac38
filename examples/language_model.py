"""A small language model of Python source text, trained twice: the naive head and softxent's.

    python examples/language_model.py --minutes 3

The text is the Python standard library, the classes are 32 768 byte pairs (lm/corpus.py). The
model is an embedding, a transformer block and a head with one logit per class (lm/model.py). Both
trainings start from the same seed and see the same batches, so their losses agree; time and memory
do not. Each is a process of its own (lm/training.py); they take turns of a few steps (lm/turns.py).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lm.settings import Settings
from lm.turns import Say, train

CACHE = Path(__file__).resolve().parents[1] / "build" / "language-model"
TITLES = {"naive": "naive head", "softxent": "softxent"}
MIB = 2**20
ROWS = {
    "held-out perplexity": ("held_out_perplexity", ",.1f"),
    "seconds a step, median": ("seconds_a_step", ".3f"),
    "peak memory, MiB": ("peak_mib", ",.0f"),
    "  since the first step": ("since_first_step_mib", ",.0f"),
}


def main() -> int:
    """Train, then print the table, or with --json one JSON object."""
    started = time.monotonic()
    args = arguments()
    settings = Settings(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Settings)})
    os.environ.setdefault("RAYON_NUM_THREADS", str(settings.threads))  # the tokenizer's
    try:
        import tqdm  # noqa: F401
        from lm import corpus
    except ModuleNotFoundError as missing:
        print(f"This example needs {missing.name}: pip install {missing.name}", file=sys.stderr)
        return 1
    heads = list(TITLES) if args.head == "both" else [args.head]
    deadline = started + 60 * args.minutes
    try:
        with progress(args.steps, started, deadline) as say:
            path, about = corpus.build(
                args.cache, settings.vocab, args.files, lambda what: say(what, 0)
            )
            tokens = min(about["train_tokens"], about["held_out_tokens"])
            if tokens <= settings.context:
                raise corpus.TooSmall(
                    f"Of {about['files']} files only {tokens} tokens train the model or are held "
                    f"out, less than a sequence of {settings.context}: leave out --files"
                )
            prepared = time.monotonic() - started
            found = train(heads, path, settings, args.steps, deadline, say)
    except (corpus.TooSmall, ChildProcessError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report = {
        "schema_version": 1,
        "settings": dataclasses.asdict(settings),
        "corpus": about | {"seconds": prepared},
        "seconds": time.monotonic() - started,
        "heads": found,
    }
    print(json.dumps(report) if args.json else "\n".join(text(report)))
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=positive(float), default=3.0, help="for everything (%(default)s)")
    add("--steps", type=positive(int), help="of each training, instead of --minutes")
    add("--head", choices=[*TITLES, "both"], default="both", help="which to train (%(default)s)")
    for field in dataclasses.fields(Settings):
        kind = type(field.default)
        add(
            "--" + field.name.replace("_", "-"),
            type=kind if field.name in ("seed", "max_memory") else positive(kind),
            default=field.default,
            help=field.metadata["help"] + " (%(default)s)",
        )
    add("--files", type=positive(int), help="only so many of the library, spread evenly")
    add("--cache", type=Path, default=CACHE, help="where the tokens are kept (%(default)s)")
    add("--json", action="store_true", help="one JSON object instead of the table")
    args = parser.parse_args()
    if args.d_model % args.attention_heads:
        parser.error(
            f"--attention-heads {args.attention_heads} does not divide --d-model {args.d_model}"
        )
    return args


def positive(kind: type) -> Callable[[str], Any]:
    """Return the reader of a number above 0."""

    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value

    number.__name__ = f"positive {kind.__name__}"  # argparse: "invalid positive int value: '0'"
    return number


@contextlib.contextmanager
def progress(steps: int | None, started: float, deadline: float) -> Iterator[Say]:
    """A bar on a terminal, of the steps or else of the time; nothing at all off a terminal."""
    from tqdm import tqdm

    total = steps or deadline - started
    shape = "{percentage:3.0f}% {bar:16} {elapsed}  {desc}"
    with tqdm(total=total, leave=False, bar_format=shape, disable=not sys.stderr.isatty()) as bar:

        def say(what: str, done: int) -> None:
            bar.n = done if steps else min(total, time.monotonic() - started)
            bar.set_description_str(f"step {done}, {what}" if done else what)

        yield say


def text(report: dict[str, Any]) -> Iterator[str]:
    """Lay the report out, line by line."""
    settings, corpus, heads = report["settings"], report["corpus"], report["heads"]
    first = next(iter(heads.values()))
    steps, rows = len(first["losses"]), settings["batch"] * settings["context"]
    logits, kept = 4 * rows * settings["vocab"] / MIB, 12 * first["parameters"] / MIB
    yield from (
        f"Text: Python {corpus['python']}'s standard library, {corpus['files']} files, "
        f"{corpus['bytes'] / 1e6:.1f} MB;",
        f"  {corpus['train_tokens']:,} tokens to train on, {corpus['held_out_tokens']:,} held out, "
        f"{settings['vocab']:,} byte pairs",
        f"Model: {first['parameters'] / 1e6:.1f} million parameters, D = {settings['d_model']}, "
        f"blocks: {settings['layers']}, float32, threads: {settings['threads']}",
        f"A step: {rows:,} tokens, whose logits are {logits:,.0f} MiB; "
        f"softxent may use {settings['max_memory']}",
        "",
    )
    lines = [["", *(TITLES[head] for head in heads)]]
    for step in shown(steps):
        lines.append(
            [f"loss, step {step}", *(f"{r['losses'][step - 1]:.4f}" for r in heads.values())]
        )
    for name, (key, form) in ROWS.items():
        lines.append([name, *(f"{result[key]:{form}}" for result in heads.values())])
    yield from table(lines)
    yield ""
    if len(heads) > 1:
        apart = (abs(a - b) for a, b in zip(*(r["losses"] for r in heads.values()), strict=True))
        yield f"No loss of the {steps} steps differs between the two by more than {max(apart):.0e}."
    yield from (
        f"Perplexity: of {first['held_out_tokens']:,} tokens in files that trained nothing.",
        "Peak memory: the most that a training's process had in memory (resident set), and what of",
        f"  it came after the first step began: {kept:,.0f} MiB of gradients and of AdamW's means,",
        "  whatever the head, and what a step needs on its way.",
        f"Time: {report['seconds']:.0f} s, {corpus['seconds']:.0f} s of it for the text.",
    )


def shown(steps: int) -> list[int]:
    """Return the steps whose loss the table has: 1, 2, 5, 10, 20, 50, ... and the last."""
    decades = [m * 10**k for k in range(len(str(steps))) for m in (1, 2, 5)]
    return [step for step in decades if step < steps] + [steps]


def table(lines: list[list[str]]) -> Iterator[str]:
    """Lay lines out in columns: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *cells in lines:
        yield f"{name:<{widths[0]}}" + "".join(
            f"   {cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)
        )


if __name__ == "__main__":
    sys.exit(main())
