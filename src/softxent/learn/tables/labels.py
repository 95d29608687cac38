"""The target column: labels and their numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from softxent.errors import error
from softxent.learn.layer import Array
from softxent.learn.tables.faults import TableError, no_label, several
from softxent.learn.tables.kinds import Kind

MOST = 1_000_000  # classes
FEW = 20  # so many classes are never too many for their rows
UNKNOWN = -1


@dataclass
class Labels:
    """Labels as they come, numbered in the order of their first appearance; and their counts."""

    where: str
    name: str
    kind: Kind
    index: dict[Any, int] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    rows: int = 0  # seen so far

    def learn(self, column: Any, rows: Array) -> Array:
        """Return the numbers of these rows' labels, new ones included.

        Arguments:
            column: the labels.
            rows: which rows of the file these are, for messages.
        """
        numbers, values = self._numbers(column, rows)
        for value in values:
            self.index.setdefault(value, len(self.index))
        if len(self.index) > MOST:
            raise self._no_classes(f"more than {MOST:,} different values")
        known = np.array([self.index[value] for value in values], np.int64)[numbers]
        self.counts.update(dict(zip(*map(list, np.unique(known, return_counts=True)), strict=True)))
        return known

    def look_up(self, column: Any, rows: Array) -> Array:
        """Return the numbers of labels that are known; a new one is an error that names it."""
        numbers, values = self._numbers(column, rows)
        table = np.array([self.index.get(value, UNKNOWN) for value in values], np.int64)
        known: Array = table[numbers]
        if np.any(known == UNKNOWN):
            at = int(np.argmax(known == UNKNOWN))
            raise error(
                TableError,
                "classes",
                self.where,
                f"target column {self.name!r} in row {rows[at]}",
                repr(self.plain(values[numbers[at]])),
                f"one of the {len(self.index)} classes of the model: "
                f"{several(map(self.plain, self.index))}",
                "Train again with rows of this class, or remove them here.",
            )
        return known

    def finish(self) -> tuple[Array, Array]:
        """Return the classes in their order, and of each number the place of its label in it."""
        if len(self.index) < 2:
            only = several(map(self.plain, self.index))
            raise error(
                TableError,
                "classes",
                self.where,
                f"target column {self.name!r}",
                f"of one class, {only}",
                "at least two classes",
                "A classifier has nothing to tell apart here: is it the right column?",
            )
        if len(self.index) > max(FEW, self.rows // 2):
            raise self._no_classes(f"{len(self.index):,} different values in {self.rows:,} rows")
        classes = as_classes([self.plain(value) for value in sorted(self.index)])
        place = np.empty(len(self.index), np.int64)
        for at, value in enumerate(sorted(self.index)):
            place[self.index[value]] = at
        return classes, place

    def plain(self, value: Any) -> Any:
        """Whole numbers without their decimal point."""
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def _numbers(self, column: Any, rows: Array) -> tuple[Array, list[Any]]:
        """Of each row the place of its label in a list of all different ones."""
        if column.null_count:
            first = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise no_label(self.where, self.name, int(rows[first]))
        self.rows += len(column)
        encoded = column.dictionary_encode()
        return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()

    def _no_classes(self, came: str) -> TableError:
        return error(
            TableError,
            "classes",
            self.where,
            f"target column {self.name!r}",
            came,
            "labels that come again and again",
            "A quantity to predict needs a regression; put numbers into ranges, or name another "
            "column.",
        )


def as_classes(values: list[Any]) -> Array:
    """Return labels as an array: texts, integers, floats or booleans."""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, np.int64)
    return np.array(values)


def known_labels(where: str, name: str, kind: Kind, classes: Array) -> Labels:
    """Labels of a model, numbered in its order."""
    values = classes.tolist()
    types = {"number": (int, float), "boolean": (bool,), "category": (str,)}
    if not all(isinstance(value, types[kind]) for value in values):
        raise ValueError(f"labels of {name!r} are no {kind}")
    if kind == "number":
        values = [float(value) for value in values]
    return Labels(where, name, kind, {value: k for k, value in enumerate(values)})
