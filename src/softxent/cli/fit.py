"""`softxent fit`: train a classifier on a table and score it on rows held out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softxent.cli import _learn_options as options
from softxent.cli import _learn_report as report
from softxent.cli import _learn_text as text
from softxent.cli._extras import require
from softxent.cli._learn_options import EXTRA, NEEDS, cannot
from softxent.cli._progress import RowBars
from softxent.cli._terminal import Terminal, is_terminal

if TYPE_CHECKING:
    from softxent.learn.tables import Fitted

__all__ = ["DESCRIPTION", "EXTRA", "NEEDS", "add_arguments", "run"]

SCHEMA_VERSION = 1
MEMORY = "512MiB"
DESCRIPTION = """\
Trains a classifier on a table: softmax regression, or with --hidden a neural
network. CSV (also .csv.gz), Parquet or Arrow, with a header. Numbers are
scaled, categories become features of their own, missing values are filled and
marked; what was done is printed and kept in the model, so that `softxent
predict` and `softxent evaluate` do the same.

Some rows of every class are held out, and the model is scored on those. A
table larger than --memory is read again in every epoch, batch by batch."""

EPILOG = """\
examples
  softxent fit iris.csv --target species
  softxent fit sales.parquet --target churn --drop id,name --hidden 64,64
  softxent fit big.csv.gz --target label --epochs 3 --model big.softxent --json

exit codes
  0  trained, written
  2  the table, an option or an output file cannot be used; nothing is written

The model holds names of columns, categories, labels, means and deviations:
think of that before it is given away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent fit`."""
    parser.epilog = EPILOG
    parser.add_argument("data", type=Path, metavar="FILE", help="the table")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the labels")
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="write the model here (default: the name of the table, .softxent, in this folder)",
    )
    model.add_argument("--no-model", action="store_true", help="write no model")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report here")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    _add_columns(parser.add_argument_group("columns"))
    _add_training(parser.add_argument_group("training"))
    options.add_reading(parser)


def _add_columns(group: Any) -> None:
    for name, what in (
        ("columns", "learn from these only, with commas between"),
        ("drop", "learn from all but these"),
        ("as-category", "take the numbers in these for names of something"),
    ):
        group.add_argument(f"--{name}", action="append", default=[], metavar="NAMES", help=what)
    group.add_argument(
        "--max-categories",
        type=options.number("a whole number >= 1", low=1, kind=int),
        metavar="N",
        help="keep the N most frequent values of a text column, the others become one"
        " (default: more than 100 are an error)",
    )
    group.add_argument(
        "--skip-unlabelled", action="store_true", help="leave rows without a label out"
    )


def _add_training(group: Any) -> None:
    group.add_argument(
        "--hidden",
        type=options.layers,
        default=(),
        metavar="SIZES",
        help="neurons of the hidden layers, such as 64 or 64,64 (default: none)",
    )
    group.add_argument(
        "--alpha",
        type=options.number("a finite number >= 0", low=0),
        metavar="A",
        help="strength of the L2 penalty (default: 1e-4)",
    )
    group.add_argument(
        "--epochs",
        type=options.number("a whole number >= 1", low=1, kind=int),
        metavar="N",
        help="at most so many passes over the rows, or iterations of L-BFGS"
        " (default: until nothing is gained; 5 for a table larger than --memory)",
    )
    group.add_argument(
        "--test-size",
        type=options.number("a number from 0 to 0.5", low=0, high=0.5),
        default=0.2,
        metavar="SHARE",
        help="of the rows of every class, held out and scored (default: 0.2)",
    )
    group.add_argument(
        "--seed",
        type=options.number("a whole number from 0 to 4294967295", low=0, high=2**32 - 1, kind=int),
        default=0,
        metavar="N",
        help="fixes the rows held out, the order, the first weights (default: 0)",
    )
    group.add_argument(
        "--memory",
        type=options.memory,
        default=MEMORY,
        metavar="SIZE",
        help=f"rows that take more than this are not held, but read again (default: {MEMORY})",
    )


def run(args: argparse.Namespace) -> int:
    """Train, write, print; see EPILOG for what is returned."""
    require("fit", EXTRA, NEEDS)
    if args.report:
        report.needs("fit")
    from softxent.learn.tables import Plan, TableError, fit_table, open_table
    from softxent.learn.tables.model import name_of

    model_path = None if args.no_model else args.model or name_of(args.data)
    outputs = {"--model": model_path, "--report": args.report}
    reason = options.delimiter_fault(args) or options.output_fault(outputs, [args.data])
    if reason:
        return cannot("fit", reason)
    try:
        with RowBars() as bars:
            source = open_table(args.data, options.how(args, bars.watch))
            categories = options.columns(args.as_category, source.names)
            if categories:
                how = options.how(args, bars.watch, categories=frozenset(categories))
                source = open_table(args.data, how)
            plan = Plan(
                target=args.target,
                columns=options.columns(args.columns, source.names) or None,
                drop=options.columns(args.drop, source.names),
                categories=categories,
                missing=args.missing,
                hidden=args.hidden,
                alpha=args.alpha,
                epochs=args.epochs,
                test_size=args.test_size,
                seed=args.seed,
                max_categories=args.max_categories,
                memory=args.memory,
                skip_unlabelled=args.skip_unlabelled,
                sample=args.report is not None,
                verbose=is_terminal(sys.stderr),
                stage=bars.stage,
            )
            fitted = fit_table(source, plan)
    except TableError as fault:
        return cannot("fit", fault)
    try:
        if fitted.sample is not None:
            _report(args, fitted)
        if model_path is not None:
            fitted.model.save(model_path)
    except (OSError, ValueError) as fault:  # a full disk, say: it was possible before
        return cannot("fit", fault)
    text.forgiving(sys.stdout)
    if args.json:
        print(json.dumps(_as_dict(args, fitted, model_path), indent=2, ensure_ascii=False))
    else:
        _show(args, fitted, model_path)
    return 0


def _report(args: argparse.Namespace, fitted: Fitted) -> None:
    if fitted.sample is None:
        return
    held = "held out" if fitted.held_out else "learned from"
    step = "pass over the file" if fitted.streamed else "epoch" if fitted.adam else "iteration"
    report.write(
        args.report,
        f"{args.target} in {args.data.name}",
        fitted.model,
        fitted.scores,
        fitted.sample,
        loss_step=step,
        summary=[
            ("rows learned from", f"{fitted.learned_from:,}"),
            (f"rows {held}, scored", f"{fitted.scores.rows:,}"),
            ("model", type(fitted.model.model).__name__),
            ("seconds", f"{sum(fitted.seconds.values()):.1f}"),
        ],
        notes=fitted.notes,
    )


def _show(args: argparse.Namespace, fitted: Fitted, model_path: Path | None) -> None:
    out = Terminal(sys.stdout)
    out.print(out.style("softxent fit", "bold") + f" · {args.data}")
    text.columns(out, fitted.model)
    text.training(out, fitted)
    heading = "On rows held out" if fitted.held_out else "On the rows learned from"
    text.scores(out, fitted.scores, heading)
    text.notes(out, fitted.notes)
    out.print()
    for what, path in (("model", model_path), ("report", args.report)):
        if path is not None:
            out.print(f"  {out.style(what, 'dim')}  {path}")


def _as_dict(args: argparse.Namespace, fitted: Fitted, model_path: Path | None) -> dict[str, Any]:
    import softxent

    estimator, total = fitted.model.model, sum(fitted.seconds.values())
    return {
        "schema_version": SCHEMA_VERSION,
        "softxent": softxent.__version__,
        "data": str(args.data),
        "target": args.target,
        "classes": fitted.model.classes.tolist(),
        "columns": text.as_columns(fitted.model),
        "not_used": list(fitted.model.ignored),
        "rows": {
            "all": fitted.rows,
            "learned_from": fitted.learned_from,
            "held_out": fitted.rows - fitted.learned_from,
            "without_label": fitted.skipped,
        },
        "training": {
            "estimator": type(estimator).__name__,
            "hidden": list(args.hidden),
            "alpha": estimator.alpha,
            "streamed": fitted.streamed,
            "epochs": fitted.epochs,
            "seed": args.seed,
            "loss_curve": [float(loss) for loss in estimator.loss_curve_],
        },
        "seconds": fitted.seconds,
        "rows_per_second": fitted.rows / total,
        "training_rows_per_second": fitted.visited / fitted.seconds["training"],
        "scored_on": "held-out rows" if fitted.held_out else "rows learned from",
        "scores": fitted.scores.as_dict(),
        "notes": fitted.notes,
        "model": None if model_path is None else str(model_path),
        "report": None if args.report is None else str(args.report),
    }
