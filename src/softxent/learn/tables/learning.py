"""Look at rows, batch by batch, and decide what is to be done with their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from softxent.errors import error
from softxent.learn.layer import Array
from softxent.learn.tables.columns import Column, Columns, check_finite, numbers
from softxent.learn.tables.faults import TableError, nothing_to_learn, quoted, several
from softxent.learn.tables.kinds import Kind

MAX_CATEGORIES = 100  # of a column, unless told otherwise
TRACKED = 50_000  # different texts of a column that are counted


@dataclass
class Learning:
    """Looks at rows, batch by batch, and says in the end what to do with the columns."""

    where: str
    kinds: Mapping[str, Kind]
    max_categories: int | None = None  # None: more than MAX_CATEGORIES is an error
    rows: int = 0
    texts: dict[str, Counter[str | None]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)  # columns with more texts than were counted
    scaler: StandardScaler = field(default_factory=StandardScaler)

    def see(self, batch: Any, rows: Array, chosen: Array | None = None) -> None:
        """Count a batch in, or the chosen ones of its rows."""
        names = self._numeric()
        if names:
            values = numbers(batch, names)
            check_finite(self.where, names, values, rows)
            kept = values if chosen is None else values[chosen]
            if len(kept):
                _partial_fit(self.scaler, kept)
        self.rows += len(batch) if chosen is None else int(chosen.sum())
        for name, kind in self.kinds.items():
            if kind == "category":
                column = batch.column(name)
                self._count(name, column if chosen is None else column.filter(_mask(chosen)))

    def finish(self, doubts: Mapping[str, tuple[int, str]] | None = None) -> Columns:
        """Return what is to be done with each column; `doubts` as a source has them."""
        self._too_many(doubts or {})
        found = Columns(
            tuple(
                self._category(name) if kind == "category" else self._number(name, kind)
                for name, kind in self.kinds.items()
            )
        )
        if not found.features:
            raise nothing_to_learn(self.where, "none that varies")
        return found

    def _numeric(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind != "category"]

    def _number(self, name: str, kind: Kind) -> Column:
        at, scaler = self._numeric().index(name), self.scaler
        missing = self.rows - int(np.broadcast_to(scaler.n_samples_seen_, scaler.mean_.shape)[at])
        if missing == self.rows:
            return Column(name, kind, "left out", self.rows, missing)
        mean, scale = float(scaler.mean_[at]), float(scaler.scale_[at])
        # scikit-learn sets the scale to exactly 1 where the variance is nothing but rounding
        varies = scale != 1.0 or float(scaler.var_[at]) == 1.0
        use = "scaled" if varies or missing else "left out"
        return Column(name, kind, use, self.rows, missing, mean, scale)

    def _category(self, name: str) -> Column:
        counts = self.texts[name].copy()
        missing = counts.pop(None, 0)
        most = MAX_CATEGORIES if self.max_categories is None else self.max_categories
        # the most frequent ones; of equally frequent ones the first by the alphabet
        ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:most]
        kept = tuple(sorted(str(text) for text, _ in ranked))
        others = self.rows - missing - sum(count for _, count in ranked)
        several_values = len(kept) + bool(others) + bool(missing) > 1 and kept
        use = "one-hot" if several_values else "left out"
        return Column(name, "category", use, self.rows, missing, categories=kept, others=others)

    def _count(self, name: str, texts: Any) -> None:
        counts = self.texts.setdefault(name, Counter())
        if name in self.cut and self.max_categories is None:
            return  # it will be an error
        found = texts.value_counts()
        pairs = zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)
        for text, count in pairs:
            counts[text] += count
        if len(counts) > TRACKED:
            self.cut.add(name)
            # The rarer half goes; what is frequent in all of the file stays.
            self.texts[name] = Counter(dict(counts.most_common(TRACKED // 2)))

    def _too_many(self, doubts: Mapping[str, tuple[int, str]]) -> None:
        if self.max_categories is not None:
            return
        sizes = {
            name: f"more than {TRACKED:,}" if name in self.cut else f"{len(counts):,}"
            for name, counts in self.texts.items()
            if len(counts) > MAX_CATEGORIES or name in self.cut
        }
        if not sizes:
            return
        odd = [
            f" In {name!r} most values are numbers, but {value!r} in row {row} is not: if it stands"
            " for a missing one, pass --missing."
            for name, (row, value) in doubts.items()
            if name in sizes
        ]
        raise error(
            TableError,
            "table-categories",
            self.where,
            f"column{'s' * (len(sizes) > 1)} {several(sizes)}",
            f"text with {', '.join(sizes.values())} different values in {self.rows:,} rows",
            f"at most {MAX_CATEGORIES}",
            f"Leave out what is no category: --drop {quoted(','.join(sizes))}; or keep the most "
            f"frequent values: --max-categories {MAX_CATEGORIES}.{''.join(odd)}",
        )


def _partial_fit(scaler: StandardScaler, values: Array) -> None:
    """Count rows in, also where a column is missing in all of them.

    Such a column would turn to NaN, for good: 0 / 0 in scikit-learn's update (1.9).
    """
    absent = np.isnan(values).all(axis=0)
    state = ("mean_", "var_", "scale_")
    nothing = np.zeros(values.shape[1])
    before = {name: getattr(scaler, name, nothing).copy() for name in state}
    with np.errstate(invalid="ignore"):
        scaler.partial_fit(values)
    for name in state:
        getattr(scaler, name)[absent] = before[name][absent]


def _mask(chosen: Array) -> Any:
    import pyarrow as pa

    return pa.array(chosen)
