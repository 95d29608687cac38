"""`softxent evaluate`: how good a model is on the rows of a table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from softxent.cli import _learn_options as options
from softxent.cli import _learn_report as report
from softxent.cli import _learn_text as text
from softxent.cli._extras import require
from softxent.cli._learn_options import EXTRA, NEEDS, cannot
from softxent.cli._progress import RowBars
from softxent.cli._terminal import Terminal

__all__ = ["DESCRIPTION", "EXTRA", "NEEDS", "add_arguments", "run"]

SCHEMA_VERSION = 1
DESCRIPTION = """\
Predicts every row of a table with a model of `softxent fit` and compares with
the labels in it: accuracy, loss, precision and recall of each class, and what
is taken for what."""

EPILOG = """\
examples
  softxent evaluate iris.softxent test.csv
  softxent evaluate churn.softxent may.parquet --target left --report may.html

exit codes
  0  evaluated
  2  the model, the table or the report cannot be used"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="what `softxent fit` wrote")
    parser.add_argument("data", type=Path, metavar="FILE", help="the table, with labels")
    parser.add_argument(
        "--target", metavar="COLUMN", help="the labels (default: the column of training)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report here")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="categories, gaps and columns that training had not seen are an error",
    )
    options.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; see EPILOG for what is returned."""
    require("evaluate", EXTRA, NEEDS)
    if args.report:
        report.needs("evaluate")
    from softxent.learn.tables import Sample, Scores, TableError, open_table
    from softxent.learn.tables.fitting import score

    reason = options.delimiter_fault(args) or options.output_fault(
        {"--report": args.report}, [args.model, args.data]
    )
    if reason:
        return cannot("evaluate", reason)
    new: Counter[str] = Counter()
    begin = time.perf_counter()
    try:
        with RowBars() as bars:
            model = options.open_model(args.model)
            source = open_table(args.data, options.how(args, bars.watch, model))
            if args.target is not None:
                ignored = (*model.ignored, model.target)
                model = replace(model, target=args.target, ignored=ignored)
            unknown = model.check(source, with_target=True)
            scores = Scores(model.classes.tolist())
            sample = Sample() if args.report else None
            bars.stage("evaluating")
            for x, truth, numbers in model.rows(source, with_target=True, new=new):
                options.refuse_new(args, model, new, unknown)
                score(model.model, x, truth, numbers, scores, sample)
    except TableError as fault:
        return cannot("evaluate", fault)
    seconds = time.perf_counter() - begin
    told = options.notices(model, new, unknown)
    if sample is not None:
        title = f"{args.model.name} on {args.data.name}"
        try:
            report.write(args.report, title, model, scores, sample, notes=told)
        except OSError as fault:
            return cannot("evaluate", f"{args.report}: {fault.strerror or fault}")
    text.forgiving(sys.stdout)
    if args.json:
        import softxent

        done = {
            "schema_version": SCHEMA_VERSION,
            "softxent": softxent.__version__,
            "model": str(args.model),
            "data": str(args.data),
            "target": model.target,
            "scores": scores.as_dict(),
            "seconds": seconds,
            "rows_per_second": scores.rows / seconds,
            "notes": told,
            "report": None if args.report is None else str(args.report),
        }
        print(json.dumps(done, indent=2, ensure_ascii=False))
        return 0
    out = Terminal(sys.stdout)
    out.print(out.style("softxent evaluate", "bold") + f" · {args.model} on {args.data}")
    text.scores(out, scores, "Scores")
    text.notes(out, told)
    if args.report is not None:
        out.print()
        out.print(f"  {out.style('report', 'dim')}  {args.report}")
    return 0
