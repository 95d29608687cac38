"""A model with what was done to the columns it learned from: one file, that reads tables again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from softxent.errors import error
from softxent.learn import files
from softxent.learn.layer import Array
from softxent.learn.tables.columns import Columns
from softxent.learn.tables.faults import TableError, several
from softxent.learn.tables.kinds import Kind
from softxent.learn.tables.labels import Labels, known_labels
from softxent.learn.tables.reader import Source

KEY, SCHEMA_VERSION = "table", 1
LOGITS = 64 << 20  # bytes of probabilities at a time


@dataclass(frozen=True)
class TableModel:
    """Everything that `predict` and `evaluate` need."""

    model: Any
    columns: Columns
    target: str
    target_kind: Kind
    ignored: tuple[str, ...] = ()  # columns of the training file that were not used
    missing: tuple[str, ...] = ()  # spellings of a missing value in CSV, beside the usual

    @property
    def classes(self) -> Array:
        """Labels, in the order of the probabilities."""
        classes: Array = self.model.classes_
        return classes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .softxent file, whole or not at all."""
        table = {
            "schema_version": SCHEMA_VERSION,
            "target": self.target,
            "target_kind": self.target_kind,
            "columns": self.columns.as_dict(),
            "ignored": list(self.ignored),
            "missing": list(self.missing),
        }
        files.write(path, self.model, extra={KEY: table})

    def check(self, source: Source, with_target: bool) -> list[str]:
        """Raise unless the file has all columns; return those that are new to the model."""
        needed = [*self.columns.kinds, *([self.target] if with_target else [])]
        lacking = [name for name in needed if name not in source.names]
        known = {c.name for c in self.columns.columns} | {*self.ignored, self.target}
        new = [name for name in source.names if name not in known]
        if lacking:
            raise error(
                TableError,
                "table-columns",
                str(source.path),
                "header",
                f"without {several(lacking)}"
                + (f", and with {several(new)}, which the model does not know" if new else ""),
                f"the columns of training: {several(needed)}",
                "Names are compared letter by letter; the order does not matter.",
            )
        return new

    def rows(
        self, source: Source, with_target: bool, new: Counter[str]
    ) -> Iterator[tuple[Any, Array, Array]]:
        """Yield features, class numbers (with the target), and row numbers, batch by batch."""
        where, before = str(source.path), 0
        truth = np.zeros(0, np.int64)
        kinds = dict(self.columns.kinds)
        labels: Labels | None = None
        if with_target:
            kinds[self.target] = self.target_kind
            labels = known_labels(where, self.target, self.target_kind, self.classes)
        for batch in source.batches(kinds):
            rows = np.arange(before + 1, before + len(batch) + 1)
            if labels is not None:
                truth = labels.look_up(batch.column(self.target), rows)
            yield self.columns.transform(where, batch, rows, new), truth, rows
            before += len(batch)


def load_model(path: str | os.PathLike[str]) -> TableModel:
    """Read what `TableModel.save` wrote; a damaged or foreign file is an error that says so."""
    where = str(path)
    saved = files.read(path)
    table = saved.extra.get(KEY)
    if table is None:
        raise _unfit(where, "a model that was not fitted on a table", "Load it in Python.")
    try:
        version = table["schema_version"]
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise _unfit(
                where, f"of table schema {version}", "Upgrade softxent: a newer one wrote it."
            )
        columns = Columns.from_dict(table["columns"])
        found = TableModel(
            saved.model,
            columns,
            str(table["target"]),
            table["target_kind"],
            tuple(map(str, table["ignored"])),
            tuple(map(str, table["missing"])),
        )
        known_labels(where, found.target, found.target_kind, found.classes)
        whole = len(columns.features) == saved.model.n_features_in_
    except (KeyError, TypeError, AttributeError, ValueError) as damage:
        if isinstance(damage, TableError):
            raise
        whole = False
    if not whole:
        raise _unfit(
            where, "a model whose columns do not go with its weights", "Train and save it again."
        )
    return found


def batches_of(model: Any, x: Any) -> Iterator[slice]:
    """Yield so many rows at a time that their probabilities stay small, however many classes."""
    at_once = max(1, LOGITS // (8 * len(model.classes_)))
    for start in range(0, x.shape[0], at_once):
        yield slice(start, start + at_once)


def _unfit(where: str, came: str, fix: str) -> TableError:
    return error(
        TableError, "table-file", where, "model", came, "a file that `softxent fit` wrote", fix
    )


def name_of(path: Path) -> Path:
    """Where `softxent fit` puts the model of a data file, unless told: beside nothing, here."""
    stem = path.name
    for suffix in (".gz", ".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather"):
        stem = stem.removesuffix(suffix)
    return Path(f"{stem or 'model'}.softxent")
