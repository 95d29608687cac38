"""What each column is and what is done with it: plain data, found by learning.py.

Numbers (and booleans, as 0 and 1) become mean 0 and variance 1; a missing one becomes the mean, and
a feature of its own says so if any was missing in training. Categories become one feature each,
1 or 0, with one more for missing values and one for rare categories, where there are any.
scikit-learn's StandardScaler and OneHotEncoder do it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from softxent.errors import error
from softxent.learn.layer import Array
from softxent.learn.tables.faults import TableError, infinite, several
from softxent.learn.tables.kinds import Kind

DENSE = 256  # features up to which rows are dense arrays
FARTHEST = 1e30  # standard deviations from the mean that float32 still computes with


@dataclass(frozen=True)
class Column:
    """One column of the table; all of it plain data."""

    name: str
    kind: Kind
    use: str  # "scaled", "one-hot" or "left out"
    rows: int  # that were looked at
    missing: int  # of them
    mean: float = 0.0
    scale: float = 1.0  # standard deviation
    categories: tuple[str, ...] = ()
    others: int = 0  # rows of a category that is not among them

    @property
    def features(self) -> list[str]:
        """Names of the features that it becomes."""
        if self.use == "left out":
            return []
        if self.use == "scaled":
            return [self.name, *([f"{self.name} is missing"] if self.missing else [])]
        rare = ["(other)"] if self.others else []
        missing = ["(missing)"] if self.missing else []
        return [f"{self.name}={text}" for text in [*self.categories, *rare, *missing]]

    def describe(self) -> str:
        """What was done with it, in a line."""
        gaps = f"{self.missing:,} missing" if self.missing else ""
        if self.use == "left out":
            if self.missing == self.rows:
                return "left out: every value is missing"
            only = repr(self.categories[0]) if self.categories else f"{self.mean:.6g}"
            return f"left out: always {only}" + (f", or missing ({gaps})" if gaps else "")
        if self.use == "scaled":
            text = f"mean {self.mean:.4g}, deviation {self.scale:.4g}"
            return text + (f"; {gaps}, filled with the mean and marked" if gaps else "")
        text = f"{len(self.categories)} values: {several(self.categories, 4)}"
        rare = f"{self.others:,} rows of other values" if self.others else ""
        return "; ".join(filter(None, [text, rare, gaps and f"{gaps}, a value of its own"]))


@dataclass(frozen=True)
class Columns:
    """All columns that rows are learned from."""

    columns: tuple[Column, ...]

    @property
    def kinds(self) -> dict[str, Kind]:
        """Of the columns that are used."""
        return {c.name: c.kind for c in self.columns if c.use != "left out"}

    @cached_property
    def features(self) -> list[str]:
        """Names of all features, in the order of `transform`."""
        ordered = [*self._scaled, *self._one_hot]
        return [name for column in ordered for name in column.features]

    @property
    def sparse(self) -> bool:
        """Whether `transform` gives CSR: many features, of which each row has few."""
        return len(self.features) > max(DENSE, 8 * len(self.columns))

    def transform(
        self,
        where: str,
        batch: Any,
        rows: Array | None = None,
        new: Counter[str] | None = None,
    ) -> Any:
        """Return the features (N, D) of a record batch, float32, dense or CSR.

        Arguments:
            where: the file, for messages.
            rows: which rows of the file these are, for messages; None: from 1 on.
            new: counts, of each column, values that were never seen in training.
        """
        new = Counter() if new is None else new
        rows = np.arange(1, len(batch) + 1) if rows is None else rows
        dense = self._numbers(where, batch, rows, new)
        one_hot = self._encoded(batch, new)
        if self.sparse:
            return sparse.hstack([sparse.csr_matrix(dense), one_hot], "csr", np.float32)
        return np.hstack([dense, one_hot.toarray()]) if one_hot.shape[1] else dense

    def as_dict(self) -> list[dict[str, Any]]:
        """Return plain data, from which `from_dict` makes the same columns."""
        return [asdict(column) | {"categories": list(column.categories)} for column in self.columns]

    @classmethod
    def from_dict(cls, data: Sequence[Mapping[str, Any]]) -> Columns:
        """Make columns from what `as_dict` returned."""
        columns = tuple(Column(**{**c, "categories": tuple(c["categories"])}) for c in data)
        for column in columns:
            sound = (
                column.kind in ("number", "boolean", "category")
                and column.use in ("scaled", "one-hot", "left out")
                and (column.use == "one-hot") <= (column.kind == "category")
                and (column.use == "scaled") <= (column.kind != "category")
                and all(isinstance(text, str) for text in (column.name, *column.categories))
                and np.isfinite(column.mean)
                and 0 < column.scale < np.inf
            )
            if not sound:
                raise ValueError(f"column {column.name!r} is not what `as_dict` returns")
        return cls(columns)

    @cached_property
    def _scaled(self) -> list[Column]:
        return [column for column in self.columns if column.use == "scaled"]

    @cached_property
    def _one_hot(self) -> list[Column]:
        return [column for column in self.columns if column.use == "one-hot"]

    @cached_property
    def _scaler(self) -> StandardScaler:
        scaler = StandardScaler(copy=False)
        scaler.mean_ = np.array([column.mean for column in self._scaled])
        scaler.scale_ = np.array([column.scale for column in self._scaled])
        scaler.var_ = scaler.scale_**2
        scaler.n_features_in_ = len(self._scaled)
        return scaler

    @cached_property
    def _encoder(self) -> OneHotEncoder:
        sizes = [len(column.features) for column in self._one_hot]
        encoder = OneHotEncoder(
            categories=[np.arange(size) for size in sizes],
            handle_unknown="ignore",
            dtype=np.float32,
        )
        return encoder.fit(np.zeros((1, len(sizes)), np.int64))

    def _numbers(self, where: str, batch: Any, rows: Array, new: Counter[str]) -> Array:
        if not self._scaled:
            return np.zeros((len(batch), 0), np.float32)
        values = numbers(batch, [column.name for column in self._scaled])
        check_finite(where, [column.name for column in self._scaled], values, rows)
        gaps = np.isnan(values)
        scaled = self._scaler.transform(values)
        check_reach(where, self._scaled, scaled, rows)
        scaled[gaps] = 0.0  # the mean
        parts = []
        for at, column in enumerate(self._scaled):
            parts.append(scaled[:, at])
            if column.missing:
                parts.append(gaps[:, at])
            elif n := int(gaps[:, at].sum()):
                new[column.name] += n
        return np.stack(parts, axis=1, dtype=np.float32, casting="same_kind")

    def _encoded(self, batch: Any, new: Counter[str]) -> Any:
        import pyarrow as pa
        import pyarrow.compute as compute

        if not self._one_hot:
            return sparse.csr_matrix((len(batch), 0), dtype=np.float32)
        codes = np.empty((len(batch), len(self._one_hot)), np.int64)
        for at, column in enumerate(self._one_hot):
            texts = batch.column(column.name)
            known = compute.index_in(texts, pa.array(column.categories, pa.string()))
            gaps = texts.is_null().to_numpy(zero_copy_only=False)
            code = compute.fill_null(known, -1).to_numpy(zero_copy_only=False).astype(np.int64)
            n = len(column.categories)
            unknown = (code < 0) & ~gaps
            # after the categories come "other", then "missing", where they are features
            code[unknown] = n if column.others else -1
            code[gaps] = n + bool(column.others) if column.missing else -1
            unseen = gaps.sum() * (not column.missing) + unknown.sum() * (not column.others)
            if unseen:
                new[column.name] += int(unseen)
            codes[:, at] = code
        return self._encoder.transform(codes)


def numbers(batch: Any, names: Sequence[str]) -> Array:
    """Return columns as (N, k) float64; missing values are NaN."""
    import pyarrow as pa
    import pyarrow.compute as compute

    found = np.empty((len(batch), len(names)))
    for at, name in enumerate(names):
        column = compute.cast(batch.column(name), pa.float64())
        found[:, at] = column.to_numpy(zero_copy_only=False)
    return found


def check_finite(where: str, names: Sequence[str], values: Array, rows: Array) -> None:
    """Raise where a value is infinite."""
    wrong = np.isinf(values)
    if wrong.any():
        row, at = map(int, np.argwhere(wrong)[0])
        raise infinite(where, names[at], rows[row], float(values[row, at]))


def check_reach(where: str, columns: Sequence[Column], scaled: Array, rows: Array) -> None:
    """Raise where a value is so far from those of training that float32 cannot hold it."""
    wrong = np.abs(scaled) > FARTHEST
    if wrong.any():
        row, at = map(int, np.argwhere(wrong)[0])
        column = columns[at]
        raise error(
            TableError,
            "table-value",
            where,
            f"column {column.name!r} in row {rows[row]}",
            f"{scaled[row, at] * column.scale + column.mean:g}",
            f"a number near those of training (mean {column.mean:.4g}, deviation "
            f"{column.scale:.4g})",
            "Mend the row.",
        )
