"""How much exact arithmetic a point may take, before digits take over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from softxent.derive.exact.stops import TooMuch

_left: ContextVar[list[int] | None] = ContextVar("softxent_exact_work", default=None)


@contextmanager
def limited(units: int) -> Iterator[None]:
    """Allow so many units of work inside; a unit is a product of two terms, about 2 µs."""
    token = _left.set([units])
    try:
        yield
    finally:
        _left.reset(token)


def spend(units: int) -> None:
    """Take units off what is left."""
    left = _left.get()
    if left is not None:
        left[0] -= units
        if left[0] < 0:
            raise TooMuch("the exact form of the step is too long")
