"""`softxent predict`: a label, or probabilities, for every row of a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softxent.cli import _learn_options as options
from softxent.cli import _learn_output as output
from softxent.cli._extras import require
from softxent.cli._learn_options import EXTRA, NEEDS, cannot
from softxent.cli._progress import RowBars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softxent.learn.tables import Source, TableModel

__all__ = ["DESCRIPTION", "EXTRA", "NEEDS", "add_arguments", "run"]

SCHEMA_VERSION = 1
MANY = 1000  # classes with a column of probabilities each
DESCRIPTION = """\
Predicts the label of every row of a table, with a model of `softxent fit`: one
line a row, in the order of the rows, under the header "prediction". The
columns are found by their names; the target may be among them or not."""

EPILOG = """\
examples
  softxent predict iris.softxent new.csv
  softxent predict churn.softxent new.parquet --proba -o scores.parquet

exit codes
  0  predicted
  2  the model, the table or the output cannot be used; a file named with
     --output is then not written, and one that was there is left as it was"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent predict`."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="what `softxent fit` wrote")
    parser.add_argument("data", type=Path, metavar="FILE", help="the table")
    parser.add_argument(
        "--proba", action="store_true", help='a column "p(LABEL)" for each class, too'
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write here: .csv, .parquet, .arrow or .feather (default: CSV to stdout)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="categories, gaps and columns that training had not seen are an error",
    )
    parser.add_argument(
        "--json", action="store_true", help="with --output, print what was done as one JSON object"
    )
    options.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Predict and write; see EPILOG for what is returned."""
    require("predict", EXTRA, NEEDS)
    from softxent.learn.tables import TableError, open_table

    reason = (
        output.suffix_fault(args.output)
        or options.delimiter_fault(args)
        or options.output_fault({"--output": args.output}, [args.model, args.data])
    )
    if args.json and args.output is None:
        reason = reason or "--json goes with --output: predictions alone go to stdout"
    if reason:
        return cannot("predict", reason)
    new: Counter[str] = Counter()
    try:
        with RowBars() as bars:
            model = options.open_model(args.model)
            if args.proba and len(model.classes) > MANY:
                return cannot(
                    "predict",
                    f"--proba: the model has {len(model.classes):,} classes, at most {MANY:,} get"
                    " a column each; leave --proba out, or use predict_proba in Python",
                )
            source = open_table(args.data, options.how(args, bars.watch, model))
            unknown = model.check(source, with_target=False)
            options.refuse_new(args, model, new, unknown)
            bars.stage("predicting")
            rows = _write(args, model, source, new, unknown)
    except TableError as fault:
        return cannot("predict", fault)
    except BrokenPipeError:
        raise
    except OSError as fault:  # a full disk, say: it was possible before
        return cannot("predict", f"{args.output}: {fault.strerror or fault}")
    told = options.notices(model, new, unknown)
    options.tell("predict", told)
    if args.json:
        done = {
            "schema_version": SCHEMA_VERSION,
            "model": str(args.model),
            "data": str(args.data),
            "output": str(args.output),
            "rows": rows,
            "notes": told,
        }
        print(json.dumps(done, indent=2, ensure_ascii=False))
    elif args.output is not None:
        print(f"{args.output}: {rows:,} {'row' if rows == 1 else 'rows'}", file=sys.stderr)
    return 0


def _write(
    args: argparse.Namespace,
    model: TableModel,
    source: Source,
    new: Counter[str],
    unknown: Sequence[str],
) -> int:
    """Write the predictions; return how many."""
    import pyarrow as pa

    names = ["prediction"]
    labels = pa.array(model.classes.tolist())
    types = [labels.type]
    if args.proba:
        names += [f"p({label})" for label in model.classes.tolist()]
        types += [pa.float32()] * len(model.classes)
    schema = pa.schema(list(zip(names, types, strict=True)))
    count = 0
    with output.opened(args.output, schema) as sink:
        for x, _, _ in model.rows(source, with_target=False, new=new):
            options.refuse_new(args, model, new, unknown)
            for columns in _predicted(model, x, labels, args.proba):
                batch = pa.RecordBatch.from_arrays(columns, schema=schema)
                sink.write(batch)
                count += len(batch)
    return count


def _predicted(model: TableModel, x: Any, labels: Any, proba: bool) -> Any:
    """Yield the columns of some rows after others."""
    import numpy as np
    import pyarrow as pa

    from softxent.learn.tables.model import batches_of

    estimator = model.model
    if not proba:
        order = np.argsort(model.classes)
        found = np.searchsorted(model.classes, estimator.predict(x), sorter=order)
        yield [labels.take(pa.array(order[found]))]
        return
    for part in batches_of(estimator, x):
        probabilities = np.asarray(estimator.predict_proba(x[part]), np.float32)
        best = probabilities.argmax(axis=1)
        yield [labels.take(pa.array(best)), *map(pa.array, probabilities.T)]
