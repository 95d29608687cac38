"""The rows of a table, as a plan wants them: looked at, held out, encoded, shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from softxent.learn.layer import Array
from softxent.learn.tables.columns import Columns
from softxent.learn.tables.faults import no_table
from softxent.learn.tables.kinds import Kind
from softxent.learn.tables.labels import Labels
from softxent.learn.tables.learning import Learning
from softxent.learn.tables.reader import Source
from softxent.learn.tables.split import Split

MEMORY = 512 << 20

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to learn from which columns, and how; the options of `softxent fit`."""

    target: str
    columns: Sequence[str] | None = None  # None: all but the target
    drop: Sequence[str] = ()
    categories: Sequence[str] = ()  # columns whose numbers are names; the source was opened so
    missing: Sequence[str] = ()  # spellings that the source was opened with
    hidden: Sequence[int] = ()
    alpha: float | None = None
    epochs: int | None = None
    test_size: float = 0.2
    seed: int = 0
    max_categories: int | None = None
    memory: int = MEMORY  # bytes of encoded rows that are held
    skip_unlabelled: bool = False
    sample: bool = False  # keep predictions for a report
    verbose: bool = False
    stage: Stage = field(default=lambda text: None)


@dataclass
class Seen:
    """What a look at all rows found."""

    labels: Labels
    classes: Array
    place: Array
    columns: Columns
    rows: int
    n_held: int
    skipped: int
    in_order: bool

    def notes(self, streamed: bool) -> list[str]:
        """What a user should know about the rows."""
        if streamed and self.in_order:
            return [
                "Rows stand in the order of their label. Rows that are read in batches are shuffled"
                " only within those: shuffle the file, or raise --memory."
            ]
        return []


def look(source: Source, plan: Plan, kinds: dict[str, Kind]) -> Seen:
    """Read all rows once: classes, which rows are held out, and, of the others, the columns."""
    where = str(source.path)
    labels = Labels(where, plan.target, kinds[plan.target])
    split = Split(plan.test_size, plan.seed)
    features = {name: kind for name, kind in kinds.items() if name != plan.target}
    learning = Learning(where, features, plan.max_categories)
    held_out = last = changes = 0
    for batch, rows in _labelled(source, plan, kinds):
        last = int(rows[-1])
        codes = labels.learn(batch.column(plan.target), rows)
        held = split.held_out(codes)
        held_out += int(held.sum())
        changes += int(np.count_nonzero(np.diff(codes)))
        learning.see(batch, rows, ~held)
    if labels.rows == 0:
        raise no_table(where, "without a labelled row", "Write labels into the target column.")
    classes, place = labels.finish()
    shares = np.array(list(labels.counts.values())) / labels.rows
    expected = labels.rows * (1 - float(shares @ shares))
    return Seen(
        labels,
        classes,
        place,
        learning.finish(source.doubts),
        labels.rows,
        held_out,
        last - labels.rows,
        changes < 0.1 * expected,
    )


def _labelled(source: Source, plan: Plan, kinds: dict[str, Kind]) -> Iterator[tuple[Any, Array]]:
    """Yield batches and which rows of the file they are; unlabelled ones left out, if so asked."""
    before = 0
    for batch in source.batches(kinds):
        rows = np.arange(before + 1, before + len(batch) + 1)
        before += len(batch)
        if plan.skip_unlabelled and batch.column(plan.target).null_count:
            there = batch.column(plan.target).is_valid()
            batch, rows = batch.filter(there), rows[there.to_numpy(zero_copy_only=False)]
        if len(batch):
            yield batch, rows


class Block(NamedTuple):
    """Encoded rows, class numbers, row numbers."""

    x: Any
    y: Array
    numbers: Array


@dataclass
class Rows:
    """Encoded rows of the file."""

    source: Source
    plan: Plan
    kinds: dict[str, Kind]
    seen: Seen

    @property
    def bytes(self) -> int:
        """Of all rows, encoded."""
        columns = self.seen.columns
        if columns.sparse:
            numbers = [c for c in columns.columns if c.use == "scaled"]
            filled = sum(len(c.features) for c in numbers) + len(columns.columns) - len(numbers)
            return self.seen.rows * (8 * filled + 16)
        return self.seen.rows * (4 * len(columns.features) + 8)

    def batches(self) -> Iterator[tuple[Any, Array, Array, Array]]:
        """Yield features, class numbers, row numbers, and which rows are held out."""
        split = Split(self.plan.test_size, self.plan.seed)
        where = str(self.source.path)
        for batch, rows in _labelled(self.source, self.plan, self.kinds):
            codes = self.seen.labels.look_up(batch.column(self.plan.target), rows)
            held = split.held_out(codes)
            yield (
                self.seen.columns.transform(where, batch, rows),
                self.seen.place[codes],
                rows,
                held,
            )

    def load(self) -> tuple[Block, Block]:
        """All rows: those to learn from, and those held out."""
        sizes = (self.seen.rows - self.seen.n_held, self.seen.n_held)
        width = len(self.seen.columns.features)
        dense = not self.seen.columns.sparse
        xs: list[Any] = [np.empty((size, width), np.float32) if dense else [] for size in sizes]
        ys, numbers = ([np.empty(size, np.int64) for size in sizes] for _ in "yn")
        at = [0, 0]
        for x, y, rows, held in self.batches():
            for k, which in enumerate((~held, held)):
                place = slice(at[k], at[k] + int(which.sum()))
                ys[k][place], numbers[k][place] = y[which], rows[which]
                if dense:
                    xs[k][place] = x[which]
                else:
                    xs[k].append(x[which])
                at[k] = place.stop
        if not dense:
            xs = [sparse.vstack(parts, "csr") for parts in xs]
        learn, test = map(Block, xs, ys, numbers)
        return learn, test

    def shuffled(self, random: np.random.Generator) -> Iterator[tuple[Any, Array]]:
        """Yield rows to learn from in blocks of a quarter of the memory, each in random order."""
        at_once = max(1, self.plan.memory // 4 * self.seen.rows // max(1, self.bytes))
        pieces: list[tuple[Any, Array]] = []
        held_rows = 0
        for x, y, _, held in self.batches():
            pieces.append((x[~held], y[~held]))
            held_rows += len(pieces[-1][1])
            if held_rows >= at_once:
                yield _mixed(pieces, random)
                pieces, held_rows = [], 0
        if held_rows:
            yield _mixed(pieces, random)


def _mixed(pieces: list[tuple[Any, Array]], random: np.random.Generator) -> tuple[Any, Array]:
    xs, ys = zip(*pieces, strict=True)
    y = np.concatenate(ys)
    order = random.permutation(len(y))
    x = sparse.vstack(xs, "csr") if sparse.issparse(xs[0]) else np.concatenate(xs)
    return x[order], y[order]
