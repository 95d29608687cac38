"""What the two trainings share; each field is an option of the command line too."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def described(default: int | float | str, text: str) -> object:
    """A field whose meaning the command line can show."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """The model, its batches, and how it is trained. A step has N = batch x context rows."""

    vocab: int = described(32_768, "V, the classes: byte pairs in the vocabulary")
    d_model: int = described(256, "D, the features of a token")
    layers: int = described(1, "transformer blocks")
    attention_heads: int = described(4, "heads of the attention, a divisor of D")
    batch: int = described(8, "sequences a step")
    context: int = described(128, "tokens a sequence")
    lr: float = described(2e-3, "learning rate of AdamW, after a warm-up")
    max_memory: str = described("64MiB", "scratch of softxent's head, at most")
    eval_batches: int = described(32, "batches of held-out text, at most")
    seed: int = described(0, "of the parameters and of the batches")
    threads: int = described(usable_cores(), "of each training")
