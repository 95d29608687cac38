"""What `fit` and `evaluate` print: what was done with the columns, how good the model is."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from softxent.cli._terminal import WIDTH, Terminal, table, wrap

if TYPE_CHECKING:
    from softxent.learn.tables import Columns, Fitted, Scores, TableModel

COLUMNS = 24  # that are listed; the rest is counted
CLASSES = 30  # whose figures are listed; of more, those of least recall
CONFUSION = 12  # classes whose confusion fits on a page
PAIRS = 8  # of confused classes, where the table does not fit
MANY = 1000  # rows from which their number a second means something
LABEL = 24  # letters of a label


def columns(out: Terminal, model: TableModel) -> None:
    """Each column, and what was done with it."""
    out.title("Columns")
    out.print("  Numbers are scaled to mean 0, deviation 1; each category is a 0/1 feature.")
    out.print()
    listed = model.columns.columns
    kinds = {"number": "number", "boolean": "true/false", "category": "category"}
    pairs = [(short(c.name), f"{kinds[c.kind]}: {c.describe()}") for c in listed[:COLUMNS]]
    if len(listed) > COLUMNS:
        pairs.append(("...", f"{len(listed) - COLUMNS} more; --json lists them"))
    labels = ", ".join(short(label) for label in model.classes[:8].tolist())
    labels += ", ..." if len(model.classes) > 8 else ""
    pairs.append((short(model.target), f"target: {len(model.classes):,} classes: {labels}"))
    if model.ignored:
        names = ", ".join(map(short, model.ignored[:8]))
        more = f" and {len(model.ignored) - 8} more" if len(model.ignored) > 8 else ""
        pairs.append(("not used", names + more))
    out.pairs(pairs)


def training(out: Terminal, fitted: Fitted) -> None:
    """How it was trained."""
    estimator = fitted.model.model
    hidden = getattr(estimator, "hidden", ())
    name = type(estimator).__name__
    shape = [len(fitted.model.columns.features), *hidden, len(fitted.model.classes)]
    if fitted.streamed:
        how = f"{fitted.epochs} {plural('epoch', fitted.epochs)} over the file, in batches"
    else:
        unit, by = ("epoch", "Adam") if fitted.adam else ("iteration", "L-BFGS")
        how = f"{fitted.epochs} {plural(unit, fitted.epochs)} of {by} over rows in memory"
    rows = f"{fitted.rows:,}"
    if fitted.held_out:
        rows += f": {fitted.learned_from:,} to learn from, {fitted.scores.rows:,} held out"
    if fitted.skipped:
        rows += f"; {fitted.skipped:,} without a label left out"
    total = sum(fitted.seconds.values())
    speed, learning = fitted.rows / total, fitted.visited / fitted.seconds["training"]
    fast = f": {speed:,.0f} rows a second; in training {learning:,.0f}"
    out.title("Training")
    out.pairs(
        [
            ("rows", rows),
            ("model", f"{name}, {' > '.join(f'{n:,}' for n in shape)}, alpha {estimator.alpha:g}"),
            (
                "training",
                f"{how}; the loss fell from {estimator.loss_curve_[0]:.4f} to "
                f"{estimator.loss_curve_[-1]:.4f}",
            ),
            ("time", f"{total:.1f} s from file to scores{fast * (fitted.rows >= MANY)}"),
        ]
    )


def scores(out: Terminal, found: Scores, heading: str) -> None:
    """Accuracy, loss, per-class figures and confusion."""
    out.title(heading)
    out.pairs(
        [
            (
                "accuracy",
                f"{found.accuracy:.4f} of {found.rows:,} rows"
                f" ({found.most_frequent:.4f} for always naming the most frequent class)",
            ),
            (
                "loss",
                f"{found.loss:.4f} nats ({math.log(len(found.classes)):.4f} for knowing nothing)",
            ),
        ]
    )
    classes = found.of_classes()
    shown = classes
    if len(classes) > CLASSES:
        shown = sorted((c for c in classes if c.rows), key=lambda c: (c.recall, -c.rows))[:CLASSES]
        out.print()
        out.print(f"  Of {len(classes):,} classes the {len(shown)} of least recall:")
    out.print()
    rows: list[tuple[Any, ...]] = [("class", "rows", "predicted", "precision", "recall")]
    rows += [
        (short(c.label), f"{c.rows:,}", f"{c.predicted:,}", share(c.precision), share(c.recall))
        for c in shown
    ]
    head, *lines = table(rows, "<>>>>")
    out.print("  " + out.style(head, "dim"))
    for line in lines:
        out.print("  " + line)
    if found.confusion is not None:
        _confusion(out, found)


def notes(out: Terminal, texts: list[str]) -> None:
    """What a user should know."""
    for text in texts:
        first, *rest = wrap(text, WIDTH - 4)
        out.print()
        out.print("  " + out.style("•", "yellow") + f" {first}")
        for line in rest:
            out.print(f"    {line}")


def as_columns(model: TableModel) -> list[dict[str, Any]]:
    """The columns for --json: their data, and the sentence that is printed."""
    found: Columns = model.columns
    return [
        data | {"done": column.describe(), "features": column.features}
        for column, data in zip(found.columns, found.as_dict(), strict=True)
    ]


def short(label: object, most: int = LABEL) -> str:
    """A label or name as one short line."""
    # A name from a file may hold anything, escape codes too
    text = "".join(c if c.isprintable() else "?" for c in " ".join(str(label).split()))
    text = text or repr(label)
    return text if len(text) <= most else text[: most - 2] + ".."


def plural(word: str, count: int) -> str:
    """The word, as it is for so many."""
    return word + "s" * (count != 1)


def forgiving(stream: Any) -> None:
    """A letter that the stream lacks becomes a question mark, rather than an error at the end."""
    with suppress(AttributeError):  # streams of others
        stream.reconfigure(errors="replace")


def share(value: float) -> str:
    """A share, or a dash where there was nothing to divide by."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def _confusion(out: Terminal, found: Scores) -> None:
    counts, labels = found.confusion, found.classes
    if counts is None:
        return
    out.print()
    if len(labels) <= CONFUSION:
        names = [short(label, 8) for label in labels]
        rows: list[list[str]] = [["true \\ predicted", *names]]
        for label, line in zip(labels, counts.tolist(), strict=True):
            rows.append([short(label, 16), *(f"{n:,}" if n else "." for n in line)])
        lines = table(rows, "<" + ">" * len(names), gap="  ")
        out.print("  " + out.style(lines[0], "dim"))
        for text in lines[1:]:
            out.print("  " + text)
        return
    pairs = sorted(
        ((-int(counts[a, b]), a, b) for a, b in zip(*counts.nonzero(), strict=True) if a != b),
    )[:PAIRS]
    if pairs:
        out.print("  Most often confused:")
        for n, a, b in pairs:
            times = "once" if n == -1 else f"{-n:,} times"
            out.print(f"    {short(labels[a])} taken for {short(labels[b])}, {times}")
