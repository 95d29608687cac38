"""Parquet and Arrow files: types are written in the file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from softxent.learn.tables.expansion import cap
from softxent.learn.tables.faults import no_table, too_large, wrong_type
from softxent.learn.tables.kinds import Kind, convert, converts, kind_of
from softxent.learn.tables.reader import BATCH_ROWS, How

LEARNABLE = "numbers, booleans or text"


class _Typed:
    """A table whose schema is known before a row is read."""

    def __init__(self, path: Path, how: How) -> None:
        self.path, self.how = path, how
        self.doubts: dict[str, tuple[int, str]] = {}  # there are none: types are written
        self.schema = self._guarded(self._schema)
        self.names: list[str] = list(self.schema.names)

    def kinds(self, names: Sequence[str]) -> dict[str, Kind]:
        """What these columns hold, by their types."""
        found: dict[str, Kind] = {}
        for name in names:
            arrow = self.schema.field(name).type
            kind = "category" if name in self.how.categories else kind_of(arrow)
            if kind is None or not converts(arrow, kind):
                raise wrong_type(str(self.path), name, f"of type {arrow}", LEARNABLE)
            found[name] = kind
        return found

    def batches(self, kinds: Mapping[str, Kind]) -> Iterator[Any]:
        """Yield record batches of these columns, each of the type of its kind."""
        import pyarrow as pa

        for name, kind in kinds.items():
            arrow = self.schema.field(name).type
            if not converts(arrow, kind):
                raise wrong_type(str(self.path), name, f"of type {arrow}", f"a {kind}")
        some, raw = False, self._raw(list(kinds))
        while (batch := self._guarded(lambda: next(raw, None))) is not None:
            if len(batch):
                some = True
                self.how.watch(len(batch))
                yield pa.RecordBatch.from_arrays(
                    [convert(batch.column(name), kind) for name, kind in kinds.items()],
                    names=list(kinds),
                )
        if not some:
            raise no_table(str(self.path), "without a row", "Write at least one row.")

    @abstractmethod
    def _schema(self) -> Any:
        """Arrow's schema."""

    @abstractmethod
    def _raw(self, names: list[str]) -> Iterator[Any]:
        """Yield the batches as they are in the file."""

    def _check_size(self, expanded: int) -> None:
        if expanded > (most := cap(self.path, self.how.max_expansion)):
            size = self.path.stat().st_size
            raise too_large(str(self.path), size, most, self.how.max_expansion)

    def _guarded(self, step: Any) -> Any:
        """Do one step of reading; a damaged file is told as such."""
        import pyarrow as pa

        try:
            return step()
        except (pa.ArrowException, OSError, EOFError) as damage:
            reason = str(damage).partition("\n")[0].rstrip(".")
            raise no_table(
                str(self.path), f"damaged or cut short ({reason})", "Write or copy it again."
            ) from None


class ParquetSource(_Typed):
    """A Parquet file, read some rows of a row group at a time."""

    def _schema(self) -> Any:
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(self.path) as file:
            groups = (file.metadata.row_group(k) for k in range(file.num_row_groups))
            self._check_size(sum(group.total_byte_size for group in groups))
            return file.schema_arrow

    def _raw(self, names: list[str]) -> Iterator[Any]:
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(self.path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=names)


class ArrowSource(_Typed):
    """An Arrow IPC file (Feather version 2) or stream, memory-mapped."""

    def _schema(self) -> Any:
        with self._open() as (file, _):
            return file.schema

    def _raw(self, names: list[str]) -> Iterator[Any]:
        with self._open() as (file, whole):
            if whole:
                numbered = (file.get_batch(k) for k in range(file.num_record_batches))
            else:
                numbered = iter(file)
            expanded = 0
            for batch in numbered:
                batch.validate(full=True)  # a damaged file could point anywhere
                self._check_size(expanded := expanded + batch.nbytes)
                chosen = batch.select(names)
                for start in range(0, len(chosen), BATCH_ROWS):
                    yield chosen.slice(start, BATCH_ROWS)

    def _open(self) -> Any:
        return _mapped(self.path)


class _mapped:
    """The reader of a memory-mapped file, and whether it is a file rather than a stream."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> tuple[Any, bool]:
        import pyarrow as pa

        self.map = pa.memory_map(str(self.path))
        if bytes(self.map.read(6)) == b"ARROW1":
            return pa.ipc.open_file(self.map), True
        self.map.seek(0)
        return pa.ipc.open_stream(self.map), False

    def __exit__(self, *_: object) -> None:
        self.map.close()
