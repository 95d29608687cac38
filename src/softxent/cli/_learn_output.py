"""Predictions as a table: CSV on stdout, or a file by its suffix, written whole or not at all."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from softxent.cli import _files

SUFFIXES = (".csv", ".parquet", ".arrow", ".feather")
_SPECIAL = '",\r\n'


class Sink(Protocol):
    """Takes record batches of one schema."""

    def write(self, batch: Any) -> None:
        """Append a batch."""


def suffix_fault(path: Path | None) -> str | None:
    """Why a file of this name is not written, if so."""
    if path is None or path.suffix.lower() in SUFFIXES:
        return None
    return f"--output: {path} has none of the suffixes {', '.join(SUFFIXES)}; name it by its format"


@contextmanager
def opened(path: Path | None, schema: Any) -> Iterator[Sink]:
    """Yield where batches of the schema go; the file is there when all went well."""
    if path is None:
        with suppress(AttributeError):  # a stream of someone else's
            sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        yield _Csv(sys.stdout, schema)
        return
    with _files.whole(path) as beside, _to_file(beside, path.suffix.lower(), schema) as sink:
        yield sink


@contextmanager
def _to_file(beside: Path, suffix: str, schema: Any) -> Iterator[Sink]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if suffix == ".csv":
        with open(beside, "w", encoding="utf-8", newline="") as file:
            yield _Csv(file, schema)
    elif suffix == ".parquet":
        with parquet.ParquetWriter(beside, schema) as writer:
            yield writer
    else:
        with pa.OSFile(str(beside), "wb") as stream, pa.ipc.new_file(stream, schema) as writer:
            yield writer


class _Csv:
    """CSV with quotes only where they are needed."""

    def __init__(self, stream: Any, schema: Any) -> None:
        self.stream, self.names = stream, schema.names

    def write(self, batch: Any) -> None:
        """Append a batch."""
        from pyarrow import csv as arrow_csv

        if self.names:  # only now: what fails before the first row prints nothing
            csv.writer(self.stream, lineterminator="\n").writerow(self.names)
            self.names = []
        plain = arrow_csv.WriteOptions(
            include_header=False, quoting_style="needed" if self._special(batch) else "none"
        )
        sink = io.BytesIO()
        arrow_csv.write_csv(batch, sink, plain)
        self.stream.write(sink.getvalue().decode())

    def _special(self, batch: Any) -> bool:
        import pyarrow.types as types

        texts = (column for column in batch.columns if types.is_string(column.type))
        return any(
            letter in text
            for column in texts
            for text in column.unique().to_pylist()
            for letter in _SPECIAL
        )
