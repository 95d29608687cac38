"""One process that trains with one head, as many steps as it is told.

A process of its own, because the peak memory of a process is the most that it ever held. Its input
is one command a line, its output one JSON object a command:

    train K     ->  {"losses": [...], "seconds": [...]}, of each step
    evaluate    ->  {"held_out_loss": ..., "held_out_tokens": ...}
    memory      ->  {"parameters": ..., "before_mib": ..., "peak_mib": ...}
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import softxent
from lm.corpus import Corpus, Tokens, load
from lm.model import LanguageModel, naive_head, softxent_head
from lm.settings import Settings

WARM_UP = 20  # steps until the learning rate is reached
STATUS = Path("/proc/self/status")
MIB = 2**20


def main(head: str, corpus: str, settings: str) -> None:
    """Be the process of that head: obey the commands of the input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    chosen = Settings(**json.loads(settings))
    torch.set_num_threads(chosen.threads)
    softxent.set_num_threads(chosen.threads)
    training = Training(head, load(Path(corpus)), chosen)
    before, _ = memory()
    for line in sys.stdin:
        match line.split():
            case ["train", steps]:
                answer = training.steps(int(steps))
            case ["evaluate"]:
                answer = training.held_out()
            case _:
                answer = {"parameters": sum(p.numel() for p in training.model.parameters())}
                answer |= {"before_mib": before / MIB, "peak_mib": memory()[1] / MIB}
        print(json.dumps(answer), flush=True)


class Training:
    """The model, its optimizer, and the batches: by the seed the same for either head."""

    def __init__(self, head: str, corpus: Corpus, settings: Settings) -> None:
        self.corpus, self.settings = corpus, settings
        torch.manual_seed(settings.seed)
        self.model = LanguageModel(settings)
        self.head = naive_head if head == "naive" else softxent_head(settings.max_memory)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.lr, betas=(0.9, 0.95), fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1.0, (step + 1) / WARM_UP)
        )
        self.random = np.random.default_rng(settings.seed)

    def steps(self, count: int) -> dict[str, Any]:
        """Take `count` steps of the optimizer, each timed from its batch to its update."""
        losses, seconds = [], []
        for _ in range(count):
            start = time.perf_counter()
            tokens, target = self.batch()
            loss = self.head(self.model(tokens), self.model.head_weight, target)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - start)
        return {"losses": losses, "seconds": seconds}

    def batch(self) -> tuple[Tensor, Tensor]:
        """(B, T) tokens from B random places, and (B T,) the token that follows each."""
        text, context = self.corpus.train, self.settings.context
        starts = self.random.integers(0, len(text) - context, self.settings.batch)
        return _tokens_and_targets(text, starts, context)

    @torch.no_grad()
    def held_out(self) -> dict[str, Any]:
        """The mean loss over windows that are spread evenly over the held-out files."""
        total, count = 0.0, 0
        for tokens, target in self.held_out_batches():
            loss = self.head(self.model(tokens), self.model.head_weight, target)
            total += loss.item() * len(target)
            count += len(target)
        return {"held_out_loss": total / count, "held_out_tokens": count}

    def held_out_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """At most `eval_batches` of them, no token in two."""
        text, context, batch = self.corpus.held_out, self.settings.context, self.settings.batch
        windows = np.arange(0, len(text) - context, context)
        wanted = min(len(windows), batch * self.settings.eval_batches)
        windows = windows[np.arange(wanted) * len(windows) // wanted]
        for i in range(0, wanted, batch):
            yield _tokens_and_targets(text, windows[i : i + batch], context)


def memory() -> tuple[int, int]:
    """Bytes of this process in memory (its resident set): now, and the most there ever were."""
    if STATUS.exists():  # Linux, where ru_maxrss begins with the parent's
        lines = [line.split() for line in STATUS.read_text().splitlines()]
        kib = {words[0]: int(words[1]) for words in lines if words[0] in ("VmRSS:", "VmHWM:")}
        return kib["VmRSS:"] * 1024, kib["VmHWM:"] * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts it in bytes
    return most, most


def _tokens_and_targets(
    text: Tokens, starts: np.ndarray[Any, Any], context: int
) -> tuple[Tensor, Tensor]:
    places = starts[:, None] + np.arange(context)
    tokens, target = (torch.from_numpy(text[p].astype(np.int64)) for p in (places, places + 1))
    return tokens, target.flatten()
