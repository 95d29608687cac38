"""What a peer is: somebody else's softmax cross-entropy, called as its users call it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from softxent.contracts import Array

OPS = ("loss_and_grad", "loss")
Call = Callable[[], object]
FLOATS = frozenset({"float32", "float64", "bfloat16", "float16"})


class Unavailable(Exception):
    """A peer that imports, but cannot do what is asked here; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer(ABC):
    """One peer; each concrete class lives in a file of its own."""

    key: str  # what --peer and --json say
    title: str  # what a table says
    package: str  # distribution name, for pip and for the version
    module: str  # import name
    dtypes: frozenset[str]
    threaded: bool = True  # False: one thread, whatever is asked

    @abstractmethod
    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """Convert the arrays, compile, and return the call that does the timed work.

        `op` is "loss_and_grad" or "loss", both with the mean over rows; `logits` (N, V) in one of
        `dtypes`, `target` (N,) int64. The call blocks until its work is done, and uses as many
        threads as softxent does. Raises Unavailable where the peer cannot run after all.
        """

    @abstractmethod
    def functions(self) -> dict[str, Callable[..., Array]]:
        """Return what the peer computes, NumPy arrays in and out, in the dtype of the logits.

        Of "softmax", "log_softmax" and "logsumexp", functions of logits (N, V), and of "loss" (N,)
        and "gradient" (N, V), functions of logits and target, row by row, those that it has.
        """


def check_op(op: str) -> None:
    """Raise ValueError unless `op` is one that a peer can prepare."""
    if op not in OPS:
        raise ValueError(f"op: got {op!r}, expected one of {', '.join(OPS)}")
