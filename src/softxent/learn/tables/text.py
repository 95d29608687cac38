"""CSV files, gzipped or not: types are found by a first look at the whole file.

Arrow's streaming reader guesses types from its first block; a column of whole numbers whose
millionth row says "unknown" would fail there. So the file is read once as text, which tells what
every column can be, and then as what it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from softxent.errors import error
from softxent.learn.tables.expansion import Bytes
from softxent.learn.tables.faults import TableError, no_table, wrong_value
from softxent.learn.tables.kinds import FALSE, MISSING, TRUE, Kind, arrow_type
from softxent.learn.tables.reader import How

BLOCK = 4 << 20  # bytes that are parsed together; no row may be longer
HEAD = 64 << 10  # bytes in which the header ends
LOOKED_AT = 1000  # values that tell whether a column is numbers but for a few
DELIMITERS = ",;\t|"
# What files begin with that are taken for tables now and then
OTHERS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a NumPy array",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class CsvSource:
    """A CSV file in UTF-8 with a header line."""

    def __init__(self, path: Path, how: How, packed: bool) -> None:
        self.path, self.how, self.packed = path, how, packed
        self.doubts: dict[str, tuple[int, str]] = {}
        self.looked = False
        with self._bytes() as file:
            head = _filled(file, HEAD)
            if len(head) == HEAD and head.count(b"\n") < 2:  # thousands of columns
                head += _filled(file, BLOCK - HEAD)
        text = self._checked(head)
        self.delimiter = how.delimiter or _delimiter(text)
        reader = csv.reader(io.StringIO(text), delimiter=self.delimiter)
        try:
            self.names: list[str] = next(reader)
            empty = len(head) < HEAD and not any(row for row in reader)
        except csv.Error:
            raise self._ragged(1, 1, None) from None
        if empty:
            raise no_table(str(path), "a header and no rows", "Write rows below the header.")

    def kinds(self, names: Sequence[str]) -> dict[str, Kind]:
        """What these columns hold: what all of their values can be read as."""
        import pyarrow as pa

        as_text: dict[str, Kind] = dict.fromkeys(names, "category")
        fixed = set(self.how.categories)
        may_be: dict[str, list[Kind]] = {
            name: ["category"] if name in fixed else ["number", "boolean", "category"]
            for name in names
        }
        before = 0
        for batch in self.batches(as_text):
            for name, column in zip(names, batch.columns, strict=True):
                while not _is(column, may_be[name][0], pa):
                    may_be[name].pop(0)
                    self._doubt(name, column, before)
            before += len(batch)
        return {name: kinds[0] for name, kinds in may_be.items()}

    def batches(self, kinds: Mapping[str, Kind]) -> Iterator[Any]:
        """Yield record batches of these columns, each of the type of its kind."""
        import pyarrow as pa

        self._look_through()
        try:
            with self._stream() as stream, self._arrow(stream, kinds) as reader:
                for batch in reader:
                    if len(batch):
                        self.how.watch(len(batch))
                        yield batch
        except (pa.ArrowException, UnicodeDecodeError) as damage:
            raise self._fault(kinds, str(damage)) from None

    def _doubt(self, name: str, column: Any, before: int) -> None:
        """Remember what keeps a column from being numbers, if that is the exception in it."""
        values = [value for value in column.slice(0, LOOKED_AT).to_pylist() if value is not None]
        numbers = sum(map(_is_number, values))
        if name in self.doubts or 2 * numbers <= len(values):
            return
        for row, value in enumerate(column.to_pylist(), before + 1):
            if value is not None and not _is_number(value):
                self.doubts[name] = row, value
                return

    def _arrow(self, file: Any, kinds: Mapping[str, Kind]) -> Any:
        from pyarrow import csv as arrow_csv

        return arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(block_size=BLOCK),
            parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: arrow_type(kind) for name, kind in kinds.items()},
                include_columns=list(kinds),
                strings_can_be_null=True,
                null_values=["", *MISSING, *self.how.missing],
                true_values=[*TRUE, "1"],
                false_values=[*FALSE, "0"],
            ),
        )

    def _look_through(self) -> None:
        """Once, read all bytes: are they whole, are they too many, does every quote close?

        Arrow gets a stream of its own then, since its threads must not call Python: a reader that
        is left in the middle would abort the interpreter when that ends.
        """
        if self.looked:
            return
        with self._bytes() as file:
            while file.read():
                pass
        if file.quotes % 2 and (fault := self._open_quote()):
            raise fault
        self.looked = True

    def _stream(self) -> Any:
        import pyarrow as pa

        stream = pa.OSFile(str(self.path))
        return pa.CompressedInputStream(stream, "gzip") if self.packed else stream

    def _bytes(self) -> Bytes:
        return Bytes(self.path, self.packed, self.how.max_expansion)

    def _checked(self, head: bytes) -> str:
        """Return the start of the file as text; raise where it is none."""
        where = str(self.path)
        for start, what in OTHERS.items():
            if head.startswith(start):
                raise no_table(where, what, "Save it as CSV in UTF-8, or as Parquet.")
        if b"\0" in head:
            raise no_table(where, "binary data", "Save it as CSV in UTF-8, or as Parquet.")
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError as wrong:
            if wrong.end < len(head) or len(head) < HEAD:  # else a letter cut in two
                raise self._no_utf8(head[: wrong.start].count(b"\n") + 1) from None
            text = head[: wrong.start].decode("utf-8-sig")
        if not text.strip():
            raise no_table(where, "blank", "Write a header line and rows below it.")
        return text

    def _fault(self, kinds: Mapping[str, Kind], reason: str) -> TableError:
        """Look for what Arrow stumbled over, line by line: slow, but only once and exact."""
        numbered = 0
        with self._bytes() as file:
            for numbered, line in enumerate(_lines(file), 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return self._no_utf8(numbered)
        places = [(self.names.index(name), name, kind) for name, kind in kinds.items()]
        with self._bytes() as file:
            text = (line.decode("utf-8-sig") for line in _lines(file))
            rows = csv.reader(text, delimiter=self.delimiter)
            begin = 1
            try:
                for row in rows:
                    if row and len(row) != len(self.names):
                        return self._ragged(begin, rows.line_num, len(row))
                    begin = rows.line_num + 1
                    for at, name, kind in places if row and rows.line_num > 1 else ():
                        if not self._reads(row[at], kind):
                            what = "a number" if kind == "number" else "true or false"
                            return wrong_value(str(self.path), name, rows.line_num, row[at], what)
            except csv.Error:
                return self._ragged(begin, rows.line_num, None)
        return no_table(
            str(self.path),
            f"not parsed ({reason})",
            f"No row may be longer than {BLOCK >> 20} MiB; look for a quotation mark without end.",
        )

    def _open_quote(self) -> TableError | None:
        """Look for a quote that never closes: Arrow takes all that follows for one text."""
        with self._bytes() as file:
            text = (line.decode("utf-8-sig") for line in _lines(file))
            rows = csv.reader(text, delimiter=self.delimiter, strict=True)
            begin = 1
            try:
                for _ in rows:
                    begin = rows.line_num + 1
            except csv.Error as wrong:
                if "end of data" in str(wrong) or "field larger" in str(wrong):
                    return self._ragged(begin, begin, None)
        return None

    def _reads(self, text: str, kind: Kind) -> bool:
        if kind == "category" or text in ("", *MISSING, *self.how.missing):
            return True
        if kind == "boolean":
            return text in (*TRUE, *FALSE, "0", "1")
        return _is_number(text)

    def _ragged(self, begin: int, end: int, fields: int | None) -> TableError:
        count = f"{fields} field{'s' * (fields != 1)}"
        return error(
            TableError,
            "table-row",
            str(self.path),
            f"line {begin}" if begin == end else f"the row in lines {begin} to {end}",
            "with a quote that never closes" if fields is None else f"of {count}",
            f"{len(self.names)} fields, as in the header",
            f"Mend it: a text with {self.delimiter!r} in it stands in double quotes, and every "
            "quote that opens must close.",
        )

    def _no_utf8(self, line: int) -> TableError:
        return no_table(
            str(self.path),
            f"not UTF-8 in line {line}",
            "Convert it, for example: iconv -f latin1 -t utf-8 OLD > NEW.",
        )


def _is(column: Any, kind: Kind, pa: Any) -> bool:
    """Whether all texts of a column can be read as this kind."""
    import pyarrow.compute as compute

    if kind == "category":
        return True
    if kind == "boolean":
        known = pa.array([*TRUE, *FALSE])
        either = compute.or_(compute.is_in(column, known), compute.is_null(column))
        return bool(compute.all(either).as_py())
    try:
        compute.cast(column, pa.float64())
    except pa.ArrowInvalid:
        try:
            compute.cast(compute.ascii_trim_whitespace(column), pa.float64())
        except pa.ArrowInvalid:
            return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python's own way to group digits


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(DELIMITERS, key=header.count)  # the first one where none is there


def _filled(file: Any, size: int) -> bytes:
    """Read `size` bytes, or all that there are; a stream may give fewer at a time."""
    pieces = b""
    while len(pieces) < size and (more := file.read(size - len(pieces))):
        pieces += more
    return pieces


def _lines(file: Any) -> Iterator[bytes]:
    """Yield lines as bytes, of any stream that can only be read."""
    rest = b""
    while more := file.read(1 << 20):
        *whole, rest = (rest + more).splitlines(keepends=True)
        yield from whole
    if rest:
        yield rest
