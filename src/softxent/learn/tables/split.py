"""Which rows are held out: of every class the same share, decided row by row as they come.

Of the rows of a class, but for its first one, every stretch of 1 / share rows gives one, chosen by
a hash of the seed, the class and the stretch. The same file and seed give the same rows, however
often and in whatever batches they are read, and nothing is remembered but one count a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from softxent.learn.layer import Array


@dataclass
class Split:
    """Give it all rows in their order."""

    share: float
    seed: int
    seen: Array = field(default_factory=lambda: np.zeros(0, np.int64))  # rows of each class

    def held_out(self, labels: Array) -> Array:
        """Return which of these rows are held out; labels are numbers of classes."""
        place = self._places(labels)
        if self.share == 0:
            return np.zeros(len(labels), bool)
        # The row lies in a stretch, or in two: stretches need not begin with a row.
        first = np.floor(place * self.share).astype(np.int64)
        chosen = np.zeros(len(labels), bool)
        for stretch in (first, first + 1):
            at = np.floor((stretch + self._uniform(labels, stretch)) / self.share)
            chosen |= at == place
        return chosen & (place >= 0)

    def _places(self, labels: Array) -> Array:
        """Return how many rows of its class came before each row, less one."""
        if len(labels) == 0:
            return np.zeros(0, np.int64)
        size = max(len(self.seen), int(labels.max()) + 1)
        self.seen = np.concatenate([self.seen, np.zeros(size - len(self.seen), np.int64)])
        order = np.argsort(labels, kind="stable")
        ordered = labels[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(ordered)])
        place = np.empty(len(labels), np.int64)
        place[order] = np.arange(len(ordered)) - np.repeat(starts, lengths) + self.seen[ordered]
        self.seen[ordered[starts]] += lengths
        return place - 1

    def _uniform(self, labels: Array, stretch: Array) -> Array:
        """A number in [0, 1) for each class and stretch: the hash of SplitMix64."""
        with np.errstate(over="ignore"):
            x: Array = np.full(len(labels), self.seed, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            x = x + labels.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
            x = x + (stretch + 1).astype(np.uint64) * np.uint64(0xAF251AF3B0F025B5)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
        uniform: Array = (x >> np.uint64(11)).astype(np.float64) / 2.0**53
        return uniform
