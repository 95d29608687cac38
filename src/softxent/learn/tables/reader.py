"""Tables in files, read batch by batch, as often as needed, in bounded memory.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
>>> _ = path.write_text("size,colour\\n1.5,red\\n,blue\\n")
>>> source = open_table(path)
>>> kinds = source.kinds(source.names)
>>> kinds
{'size': 'number', 'colour': 'category'}
>>> [batch.to_pydict() for batch in source.batches(kinds)]
[{'size': [1.5, None], 'colour': ['red', 'blue']}]
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from softxent.errors import error
from softxent.learn.tables.expansion import MAX_EXPANSION
from softxent.learn.tables.faults import TableError, no_such_column, no_table, several
from softxent.learn.tables.kinds import Kind

BATCH_ROWS = 65_536

Watch = Callable[[int], None]  # rows that have just been read


@dataclass(frozen=True)
class How:
    """How to read a file, where that is not known from the file."""

    categories: Collection[str] = ()  # columns whose numbers are names of something
    missing: Sequence[str] = ()  # further spellings of a missing value in CSV
    delimiter: str | None = None  # of CSV; None: found from the header
    max_expansion: float = MAX_EXPANSION  # of a gzipped file
    watch: Watch = field(default=lambda rows: None)


class Source(Protocol):
    """A table that can be read again and again."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def names(self) -> list[str]:
        """Of all columns, in the order of the file."""

    @property
    def doubts(self) -> dict[str, tuple[int, str]]:
        """Columns that are text because of a few values among numbers: the first one, its row."""

    def kinds(self, names: Sequence[str]) -> dict[str, Kind]:
        """What these columns hold, in all rows of the file."""

    def batches(self, kinds: Mapping[str, Kind]) -> Iterator[Any]:
        """Yield record batches of these columns, each converted to its kind.

        Numbers come as float64, booleans as bool, categories as string; missing values as null.
        """


def open_table(path: str | os.PathLike[str], how: How | None = None) -> Source:
    """Open a CSV (.gz too), Parquet or Arrow file; which one is seen from its first bytes."""
    from softxent.learn.tables.binary import ArrowSource, ParquetSource
    from softxent.learn.tables.text import CsvSource

    path, how = Path(path), how or How()
    start = _first_bytes(path)
    source: Source
    if start.startswith(b"PAR1"):
        source = ParquetSource(path, how)
    elif start.startswith((b"ARROW1", b"\xff\xff\xff\xff")):  # a file, a stream
        source = ArrowSource(path, how)
    else:
        source = CsvSource(path, how, packed=start.startswith(b"\x1f\x8b"))
    _check_names(source)
    return source


def read(
    path: str | os.PathLike[str], columns: Sequence[str] | None = None, how: How | None = None
) -> Iterator[Any]:
    """Yield a file's record batches: numbers as float64, booleans as bool, all else as string."""
    source = open_table(path, how)
    names = source.names if columns is None else list(columns)
    require(source, names)
    yield from source.batches(source.kinds(names))


def require(source: Source, names: Sequence[str], argument: str = "column") -> None:
    """Raise unless the table has these columns."""
    for name in names:
        if name not in source.names:
            raise no_such_column(str(source.path), argument, name, source.names)


def _first_bytes(path: Path) -> bytes:
    where = str(path)
    try:
        if path.is_dir():
            raise no_table(where, "a folder", "Name one file in it.")
        if not path.is_file() and path.exists():
            raise no_table(
                where, "no regular file", "It is read more than once: save it to a file first."
            )
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as why:
        raise no_table(
            where, f"not readable ({why.strerror})", "Look at the name and the permissions."
        ) from None
    if not start:
        raise no_table(where, "empty", "Write a header line with column names and rows below it.")
    return start


def _check_names(source: Source) -> None:
    twice = [name for name, count in Counter(source.names).items() if count > 1]
    if twice:
        raise error(
            TableError,
            "table-columns",
            str(source.path),
            "header",
            f"with {several(twice)} more than once",
            "a name of its own for every column",
            "Rename or remove the columns of the same name.",
        )
