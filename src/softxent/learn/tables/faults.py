"""What is wrong with a table, said so that it can be mended: file, column, row, fix."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from softxent.errors import error, nearest

SHOWN = 12  # names in a message


class TableError(ValueError):
    """A table that cannot be used as it is; the message says where and what to do."""


def several(names: Iterable[object], most: int = SHOWN) -> str:
    """Return `'a', 'b' and 3 more`.

    >>> several("abcde", 3)
    "'a', 'b', 'c' and 2 more"
    """
    shown = [repr(name) for name in names]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def no_such_column(where: str, argument: str, name: str, names: Sequence[str]) -> TableError:
    """A column is asked for that the file does not have."""
    near = nearest(name, names)
    return error(
        TableError,
        "table-columns",
        where,
        argument,
        repr(name),
        f"a column of the file: {several(names)}",
        near if near.startswith("Did") else "Names are those of the first line, letter by letter.",
    )


def infinite(where: str, column: str, row: int, value: float) -> TableError:
    """A number that is no number to compute with; `row` counts from 1 after the header."""
    return error(
        TableError,
        "table-value",
        where,
        f"column {column!r} in row {row}",
        str(value),
        "a finite number, or nothing for a missing one",
        f"Mend the row, or leave the column out: --drop {quoted(column)}.",
    )


def no_label(where: str, column: str, row: int) -> TableError:
    """A row that nothing can be learned from."""
    return error(
        TableError,
        "table-value",
        where,
        f"target column {column!r} in row {row}",
        "missing",
        "a label in every row",
        "Remove the rows without one, or pass --skip-unlabelled.",
    )


def wrong_type(where: str, column: str, came: str, expected: str) -> TableError:
    """A column of a type that it should not have."""
    return error(
        TableError,
        "table-columns",
        where,
        f"column {column!r}",
        came,
        expected,
        f"Convert it, or leave it out: --drop {quoted(column)}.",
    )


def wrong_value(where: str, column: str, line: int, text: str, expected: str) -> TableError:
    """A text among numbers; `line` counts from 1, the header's."""
    shown = text if len(text) <= 40 else text[:37] + "..."
    return error(
        TableError,
        "table-value",
        where,
        f"column {column!r} in line {line}",
        repr(shown),
        expected,
        f"Mend the line; if it stands for a missing value, pass --missing {quoted(shown)}.",
    )


def no_table(where: str, came: str, fix: str) -> TableError:
    """A file in which there is no table to read."""
    return error(
        TableError,
        "table-file",
        where,
        "file",
        came,
        "a table: CSV, gzipped CSV, Parquet or Arrow, with a header and at least one row",
        fix,
    )


def nothing_to_learn(where: str, came: str) -> TableError:
    """No column is left beside the target."""
    return error(
        TableError,
        "table-columns",
        where,
        "what there is beside the target",
        came,
        "at least one column whose values differ",
        "Look at --columns and --drop.",
    )


def too_large(where: str, packed: int, cap: float, ratio: float) -> TableError:
    """A compressed file that would fill memory or time."""
    return error(
        TableError,
        "table-expansion",
        where,
        "file",
        f"{packed:,} bytes that expand to more than {cap:,.0f}",
        f"at most {ratio:g} times its size",
        "If you trust it, raise the cap with --max-expansion, or unpack it first.",
    )


def quoted(text: str) -> str:
    """A name as a shell takes it, with nothing in it that a terminal would obey."""
    return shlex.quote(text) if text.isprintable() else f"${text!r}"
