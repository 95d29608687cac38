"""What `fit`, `predict` and `evaluate` share: options of reading, refusals, notices."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softxent.cli import _files

if TYPE_CHECKING:
    from softxent.learn.tables import How, TableModel

EXTRA = "learn"
NEEDS = {
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "pyarrow": "pyarrow",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
    "tqdm": "tqdm",
}
MAX_EXPANSION = 200.0


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Options of how a file is read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="in CSV, another spelling of a missing value beside nothing, NA,"
        " NaN, null and None; may be repeated",
    )
    group.add_argument(
        "--delimiter", metavar="C", help="of CSV (default: the one in the header of , ; tab |)"
    )
    group.add_argument(
        "--max-expansion",
        type=number("a number >= 1", low=1),
        default=MAX_EXPANSION,
        metavar="N",
        help="stop at a gzipped file that grows to N times its size and past"
        f" 64 MiB (default: {MAX_EXPANSION:g})",
    )


def how(
    args: argparse.Namespace,
    watch: Callable[[int], None],
    model: TableModel | None = None,
    **more: Any,
) -> How:
    """The options of `add_reading`, as the reader takes them; a model has some of its own."""
    from softxent.learn.tables import How

    return How(
        missing=(*args.missing, *(model.missing if model else ())),
        delimiter=args.delimiter,
        max_expansion=args.max_expansion,
        watch=watch,
        **more,
    )


def delimiter_fault(args: argparse.Namespace) -> str | None:
    """Why --delimiter is none, if so."""
    one = args.delimiter
    if one == "\\t":
        args.delimiter = "\t"
    elif one is not None and (len(one) != 1 or not one.isascii() or one in '"\r\n'):
        return f"--delimiter {one!r}: it is one character, not a quote or a line end"
    return None


def output_fault(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> str | None:
    """Why one of the files cannot be written: looked at before any work."""
    taken = {path.resolve(): str(path) for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        if reason := _files.why_not_writable(path):
            return f"{option}: {reason}"
        if path.resolve() in taken:
            return f"{option}: {path} is also {taken[path.resolve()]}; name another file"
        taken[path.resolve()] = f"what {option} names"
    return None


def open_model(path: Path) -> TableModel:
    """Read a model; whatever is wrong with the file becomes a `TableError`."""
    from softxent.learn.tables import TableError, load_model

    try:
        return load_model(path)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise TableError(f"{path}: the model cannot be read: {reason}") from None
    except TableError:
        raise
    except ValueError as fault:
        raise TableError(str(fault)) from None


def notices(model: TableModel, new: Mapping[str, int], unknown: Sequence[str]) -> list[str]:
    """What was met in a file that training had not seen."""
    from softxent.learn.tables.faults import several

    columns = {column.name: column for column in model.columns.columns}
    told = []
    if unknown:
        told.append(f"columns that the model does not know, passed over: {several(unknown)}")
    for name, count in new.items():
        rows = f"{count:,} {'row' if count == 1 else 'rows'}"
        if columns[name].kind == "category":
            told.append(
                f"column {name!r}: {rows} with a value that training had not seen;"
                " none of its features is set"
            )
        else:
            told.append(
                f"column {name!r}: {rows} without a value, of which training had none;"
                f" the mean, {columns[name].mean:.6g}, stands in"
            )
    return told


def refuse_new(
    args: argparse.Namespace, model: TableModel, new: Mapping[str, int], unknown: Sequence[str]
) -> None:
    """With --strict, raise where a file has what training had not seen."""
    from softxent.learn.tables import TableError

    told = notices(model, new, unknown) if args.strict else []
    if told:
        raise TableError(f"{args.data}: {'; '.join(told)} (--strict)")


def tell(command: str, texts: Iterable[str]) -> None:
    """Print notices on stderr."""
    for text in texts:
        print(f"softxent {command}: note: {text}", file=sys.stderr)


def cannot(command: str, reason: object) -> int:
    """Print why nothing was done; the exit code."""
    print(f"softxent {command}: {reason}", file=sys.stderr)
    return 2


def number(
    what: str, *, low: float = -math.inf, high: float = math.inf, kind: type = float
) -> Callable[[str], Any]:
    """Return a type for argparse: a finite number in [low, high], described by `what`."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return parse


def memory(text: str) -> int:
    """A type for argparse: bytes, from text such as 1GB."""
    from softxent.kernels.budget import parse_memory

    try:
        return parse_memory("--memory", text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of bytes such as 512MiB or 1GB"
        ) from None


def layers(text: str) -> tuple[int, ...]:
    """A type for argparse: sizes of hidden layers, from text such as 64,64."""
    try:
        sizes = tuple(int(size) for size in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of layer sizes such as 64 or 64,64"
        )
    return sizes


def columns(given: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names of columns, with commas between; a name with a comma in it is found as a whole."""
    names: list[str] = []
    for text in given:
        names += [text] if text in known else [name for name in text.split(",") if name]
    return names
