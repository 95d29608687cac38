"""One problem and the calls on it, from a seed and a number alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import softxent

from .linear import LinearSession
from .session import RowsSession, Session

CALLS = 8  # on each problem: drawing it and asking the reference cost as much as several calls


class Finding(NamedTuple):
    """A call that did what it must not."""

    call: int
    text: str
    what: str


def run(seed: int, number: int) -> Iterator[Finding]:
    """Yield what is wrong with the calls of problem `number`."""
    r = random.Random(f"{seed} {number}")
    rng = np.random.default_rng([seed, number])
    with np.errstate(all="ignore"):
        session: Session = LinearSession(r, rng) if r.random() < 0.05 else RowsSession(r, rng)
    for n in range(CALLS):
        with np.errstate(all="ignore"):
            call = session.draw(r)
        if r.random() < 0.1:
            softxent.set_num_threads(r.choice((1, 2, 3, 4, 7)))
        for what in list(session.check(call)):  # in place it has put the logits back by then
            yield Finding(number * CALLS + n, str(call), what)
