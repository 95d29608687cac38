"""The trainings side by side: one process a head, asked in turn: a busy machine slows both."""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lm.settings import Settings

HERE = str(Path(__file__).resolve().parents[1])
PROGRAM = (  # without "", the folder one stands in: a statistics.py there is someone else's
    f"import sys; sys.path[:] = [{HERE!r}, *filter(None, sys.path)]; "
    "from lm.training import main; main(*sys.argv[1:])"
)
TURN = 5  # steps until the other head's turn
EVALUATION = 0.4  # of a step: the forward alone
LAST_WORDS = 1.0  # seconds for the processes to end

Ask = Callable[[str], dict[str, Any]]
Say = Callable[[str, int], None]


def train(
    heads: list[str],
    corpus: Path,
    settings: Settings,
    steps: int | None,
    deadline: float,
    say: Say,
) -> dict[str, dict[str, Any]]:
    """Train with each head until so many steps are done or, with None, the deadline is near.

    Returns for each head its losses and seconds, step by step, its held-out loss, its peak memory.
    `say` is told what is done and how many steps are behind.
    """
    found: dict[str, dict[str, Any]] = {head: {"losses": [], "seconds": []} for head in heads}
    with contextlib.ExitStack() as stack:
        say("starting the trainings", 0)
        ask = {head: stack.enter_context(_process(head, corpus, settings)) for head in heads}
        while turn := _next_turn(found, steps, deadline, settings):
            for head in heads:
                for key, values in ask[head](f"train {turn}").items():
                    found[head][key] += values
            say(_losses(found), _done(found))
        for head in heads:
            say(f"held-out text, {head}", _done(found))
            found[head] |= ask[head]("memory")  # before the held-out text, which is no part of it
            found[head] |= ask[head]("evaluate")
    for result in found.values():
        result["held_out_perplexity"] = math.exp(result["held_out_loss"])
        result["seconds_a_step"] = _seconds_a_step(result)
        result["since_first_step_mib"] = result["peak_mib"] - result["before_mib"]
    return found


def _next_turn(
    found: dict[str, dict[str, Any]], steps: int | None, deadline: float, settings: Settings
) -> int:
    """How many steps each head takes before it is the other's turn; 0 ends the training."""
    done = _done(found)
    turn = TURN if done else 1
    if steps is not None:
        return min(turn, steps - done)
    if done > 1:  # not the first step, which is slower; the mean, as single steps may be too
        each = sum(statistics.fmean(result["seconds"][1:]) for result in found.values())
        left = each * (turn + settings.eval_batches * EVALUATION) + LAST_WORDS
        if time.monotonic() + left > deadline:
            return 0
    return turn


def _done(found: dict[str, dict[str, Any]]) -> int:
    return len(next(iter(found.values()))["losses"])


def _seconds_a_step(result: dict[str, Any]) -> float:
    return statistics.median(result["seconds"][1:] or result["seconds"])


def _losses(found: dict[str, dict[str, Any]]) -> str:
    last = [f"{head} {r['losses'][-1]:.3f}" for head, r in found.items() if r["losses"]]
    return "loss: " + ", ".join(last)


@contextlib.contextmanager
def _process(head: str, corpus: Path, settings: Settings) -> Iterator[Ask]:
    """Start the process of one head; gives the function that has it do something."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, head, str(corpus), json.dumps(asdict(settings))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(command: str) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):
            print(command, file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            why = f"by signal {-code}, perhaps for want of memory" if code < 0 else f"with {code}"
            raise ChildProcessError(f"the process of the {head} head ended {why}")
        return dict(json.loads(line))

    try:
        yield ask
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError), process:  # closes its streams and waits
            pass
