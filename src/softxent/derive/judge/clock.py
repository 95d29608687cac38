"""How much time there is: for the document, and in it for one step."""

from __future__ import annotations

from time import perf_counter

_STEP = 4.0
"""Seconds for one step with all that is tried on it: no formula eats the time of the others."""
_LEAST = 0.02


class Clock:
    """Hands out time; `deadline` is of `perf_counter`."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._until = deadline

    def begin_step(self) -> None:
        """Begin another step."""
        self._until = min(self.deadline, perf_counter() + _STEP)

    def seconds(self, most: float) -> float:
        """Return how long something may take, at most so many seconds."""
        return max(_LEAST, min(most, self._until - perf_counter()))

    @property
    def step_is_over(self) -> bool:
        """Whether the step has used up what it may take."""
        return perf_counter() > self._until

    @property
    def over(self) -> bool:
        """Whether the time of the document is used up."""
        return perf_counter() > self.deadline
