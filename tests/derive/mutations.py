"""Mutants of the corpus: every single slip in every true step, and whether the checker sees it.

    python tests/derive/mutations.py [-j 2] [--sample N] [FILE ...]

prints a table by kind of edit and by file. How it works: a true step's right side (of a chain's
first step the left side, too) is edited as a tree, written as TeX, put into its formula at its
place, and the whole document is read again. What is then said of that step is

- found: FALSE, ILL-TYPED, UNBOUND or REASON-FALSE: findings.
- strict: AMBIGUOUS, or TRUE-IF with an assumption that the text does not declare (the original
  needed none, or a declared one): findings with --strict.
- unread: UNSUPPORTED or OPAQUE. Not TRUE, so nobody is misled and it is counted in the coverage,
  but nothing is found; the second rate in the table counts these as lost.
- equivalent: TRUE, a definition said again, or TRUE-IF with a declared assumption, and the edited
  side is equal to the original at random points (`mutation_proof`: another evaluation, in the
  context of the original document, under the assumption that the verdict names). A lost subscript
  is never called equivalent: it could be only by a lenient reading, which the proof would share.
- new: the left side became a symbol that occurs nowhere else in the document: a definition, as far
  as anybody can tell.
- missed: all else. Also a step that is not seen as one any more, or is taken for a new definition
  of something that the document uses.

The rates are shares of the mutants that are neither equivalent nor new.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import Pool as Processes
from pathlib import Path
from time import perf_counter

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from derive.mutation_edits import mutants, pool, stripped
from derive.mutation_proof import same

from softxent.derive import Report, Step, Verdict
from softxent.derive.document import Document, Formula
from softxent.derive.judge import check_document, portions
from softxent.derive.judge.assume import weakest_first
from softxent.derive.parse import parse, unparse
from softxent.derive.scan import scan
from softxent.derive.trees import Applied, Number, Symbol
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import PROBLEMS, Reading

CORPUS = Path(__file__).parent / "corpus"
# As in test_seeds: not part of the repository; their true steps are mutated where they are there.
SEEDS = Path(os.environ.get("SOFTXENT_SEEDS", Path(__file__).parents[3] / "shared" / "seeds"))
KINDS = {
    "FALSE": "found",
    "ILL-TYPED": "found",
    "UNBOUND": "found",
    "REASON-FALSE": "found",
    "AMBIGUOUS": "strict",
    "UNSUPPORTED": "unread",
    "OPAQUE": "unread",
}
RESULTS = ("found", "strict", "unread", "equivalent", "new", "missed")


@dataclass(frozen=True)
class Mutant:
    """One edit: which side of which step (by its place in the chain) becomes what."""

    path: str
    statement: int
    at: int
    side: int
    kind: str
    tex: str


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    result: str
    verdict: str
    line: int
    was: str


def documents() -> list[Path]:
    """Return the documents of the corpus, those with slips in `wrong/` aside, and the seeds."""
    own = [path for path in CORPUS.iterdir() if path.is_file() and path.name != "expected.txt"]
    return [*sorted(own), *sorted(SEEDS.glob("00[1-9]*.txt"))]


# ---------------------------------------------------------------------- one document
class Original:
    """A document of the corpus, checked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = scan(path.read_text(encoding="utf-8"), None, path.name)
        self.report = check_document(self.document, path.name, 60.0)
        self.statements = [
            (reading, statement)
            for part, first in portions.separate(self.document)
            for reading in (Reading(part),)
            for statement in reading.outline.statements
            if statement.sides and statement.sides[0].start >= first
        ]
        self.by_place = {(step.line, step.column): step for step in self.report.steps}
        self.lasting = {
            sign.offset
            for _, statement in self.statements
            for at, sign in enumerate(statement.signs)
            if (step := self.step(statement, at)) and _lasts(step)
        }
        """The signs of the steps that change what others are judged by."""
        self.slow = any(step.verdict is Verdict.ILL_TYPED for step in self.report.steps)
        """Whether the repair of one step is needed to judge the next."""

    def step(self, statement: Statement, at: int) -> Step | None:
        """Return what the report says of a step."""
        sign = statement.signs[at]
        return self.by_place.get(self.document.line_column(sign.offset))

    def true_steps(self) -> Iterator[tuple[int, Statement, int]]:
        """Yield the steps that hold, as they are or by a declared assumption.

        Without what is assumed itself ("where the t sum to 1" as a formula): with a slip in it, it
        is another assumption.
        """
        for number, (_, statement) in enumerate(self.statements):
            for at in range(min(len(statement.signs), len(statement.sides) - 1)):
                step = self.step(statement, at)
                if step is None or not _holds(step) or step.verdict is Verdict.DEFINITION:
                    continue
                if step.display or step.declared_line != step.line:
                    yield number, statement, at

    def mutants(self) -> Iterator[Mutant]:
        """Yield every edit of every true step."""
        for number, statement, at in self.true_steps():
            sides = statement.sides
            given = pool(sides[at].tree, sides[at + 1].tree)
            for side in (at, at + 1) if at == 0 else (at + 1,):
                for kind, tree in mutants(sides[side].tree, given):
                    tex = unparse(tree)
                    if self._differs(statement, side, tex):
                        yield Mutant(self.path.name, number, at, side, kind, tex)

    def _differs(self, statement: Statement, side: int, tex: str) -> bool:
        """Whether what is written is an edit still, and a single expression."""
        rows = parse(tex)
        if len(rows) != 1 or len(rows[0].relations) != 1 or rows[0].relations[0].links:
            return False
        tree = rows[0].relations[0].first
        return tree is not None and stripped(tree) != stripped(statement.sides[side].tree)

    # ------------------------------------------------------------------ a mutant of it
    def mutated(self, mutant: Mutant) -> Document:
        """Return the document with the edit at its place."""
        side = self.statements[mutant.statement][1].sides[mutant.side]
        pieces = list(self.document.pieces)
        for number, piece in enumerate(pieces):
            if isinstance(piece, Formula) and piece.start <= side.start < piece.end:
                start, end = side.tree.span
                tex = f" {mutant.tex} "
                places = [piece.places[start]] * len(tex)
                pieces[number] = replace(
                    piece,
                    tex=piece.tex[:start] + tex + piece.tex[end:],
                    places=[*piece.places[:start], *places, *piece.places[end:]],
                )
        return replace(self.document, pieces=tuple(pieces), _starts=[])

    def run(self, mutant: Mutant) -> Result:
        """Read the document with the mutant in it and look what is said of its step."""
        reading, statement = self.statements[mutant.statement]
        offset = statement.signs[mutant.at].offset
        document = self.mutated(mutant)
        verdict, assumption, line = self._said(document, offset)
        if verdict in KINDS:
            result = KINDS[verdict]
        elif verdict == "TRUE-IF" and assumption is None:
            result = "strict"
        elif verdict == "DEFINITION" and self._new(mutant):
            result = "new"
        elif verdict and self._equivalent(reading, statement, mutant, assumption):
            result = "equivalent"
        else:
            result = "missed"
        was = statement.sides[mutant.side].tex
        return Result(mutant, result, verdict or "no step", line, was)

    def _said(self, document: Document, offset: int) -> tuple[str, str | None, int]:
        """Return verdict, declared assumption and line of the step with this sign.

        Quickly first, without a search for repairs; what would pass is checked in full.
        """
        place = document.line_column(offset)
        only = {offset} | self.lasting
        quick = check_document(document, self.path.name, 60.0, repairs=self.slow, only=only)
        step = _at(quick, place)
        if step is None or _holds(step):
            step = _at(check_document(document, self.path.name, 60.0), place)
        if step is None:
            return "", None, place[0]
        return step.verdict.value, step.assumption if step.declared_line else None, place[0]

    # ------------------------------------------------------------------ equivalents
    def _new(self, mutant: Mutant) -> bool:
        """Whether the left side became a symbol that occurs nowhere else."""
        edited = parse(mutant.tex)[0].relations[0].first
        head = edited.head if isinstance(edited, Applied) else edited
        if mutant.side or not isinstance(head, Symbol):
            return False
        known = {
            _name(node)
            for _, statement in self.statements
            for side in statement.sides
            for node in side.tree.walk()
            if isinstance(node, Symbol)
        }
        return _name(head) not in known

    def _equivalent(
        self, reading: Reading, statement: Statement, mutant: Mutant, assumption: str | None
    ) -> bool:
        """Whether the edited side is equal to the original one where that stands."""
        edited = parse(mutant.tex)[0].relations[0].first
        side = statement.sides[mutant.side].tree
        sign = statement.signs[mutant.at]
        if edited is None or mutant.kind == "lose a subscript":
            return False
        book = reading.book
        sets = book.sets.copy()
        try:
            _, _, claim = reading.step(
                statement, mutant.at, (side, edited), sign.conditions, first=mutant.side
            )
            if book.sets.merged(sets):
                return False
        except PROBLEMS:
            return False
        finally:
            book.restore(sets)
        step = self.step(statement, mutant.at)
        kinds = {assumption, step.assumption if step else None} - {None}
        assumed = claim.given.assumed
        for one in weakest_first(reading, claim.given):
            if one.kind in kinds:
                assumed |= one.assumed
        return same(claim.left, claim.right, replace(claim.given, assumed=assumed))


def _holds(step: Step) -> bool:
    declared = step.verdict is Verdict.TRUE_IF and step.declared_line is not None
    return declared or step.verdict in (Verdict.TRUE, Verdict.DEFINITION)


def _name(symbol: Symbol) -> tuple[object, ...]:
    numbers = tuple(sub for sub in symbol.subs if isinstance(sub, Number))
    return symbol.name, symbol.accents, len(symbol.subs), numbers, symbol.sups


def _at(report: Report, place: tuple[int, int]) -> Step | None:
    """Return the step whose sign stands there; a doubt about the prose is none."""
    for step in report.steps:
        if (step.line, step.column) == place and step.left_tree is not None:
            return step
    return None


def _lasts(step: Step) -> bool:
    """Whether later steps depend on what is said of this one: other than a first definition."""
    return (
        step.rule == "definition-new"
        or step.assumption == "N=1"
        or step.verdict is Verdict.ILL_TYPED
    )


@lru_cache(maxsize=100)
def original(name: str) -> Original:
    """Return a document of the corpus, or a seed, by its name."""
    return Original((CORPUS if (CORPUS / name).exists() else SEEDS) / name)


def all_mutants(path: Path) -> list[Mutant]:
    """Return every mutant of a document."""
    return list(original(path.name).mutants())


def run(mutant: Mutant) -> Result:
    """Run one mutant."""
    return original(mutant.path).run(mutant)


def sample(every: Sequence[Mutant], count: int, seed: int = 0) -> list[Mutant]:
    """Choose some mutants, as many of each kind as there are, always the same."""
    kinds: dict[str, list[Mutant]] = {}
    draw = random.Random(seed)
    for mutant in draw.sample(list(every), len(every)):
        kinds.setdefault(mutant.kind, []).append(mutant)
    chosen: list[Mutant] = []
    while len(chosen) < min(count, len(every)):
        for kind in sorted(kinds):
            if kinds[kind] and len(chosen) < count:
                chosen.append(kinds[kind].pop())
    return sorted(chosen, key=lambda one: (one.path, one.statement, one.at))


# ---------------------------------------------------------------------- the table
def rates(counts: Counter[str]) -> tuple[float, float]:
    """Return which share of the real mutants is not called TRUE, and which is reported."""
    real = sum(counts.values()) - counts["equivalent"] - counts["new"]
    if not real:
        return 1.0, 1.0
    return 1 - counts["missed"] / real, (counts["found"] + counts["strict"]) / real


def table(results: Sequence[Result], what: str) -> str:
    """Write the counts by "kind" or by "path"."""
    rows: dict[str, Counter[str]] = {}
    for one in results:
        rows.setdefault(getattr(one.mutant, what), Counter())[one.result] += 1
    rows = dict(sorted(rows.items())) | {"all": Counter(one.result for one in results)}
    width = max(len(name) for name in rows)
    head = "".join(f"{name:>11}" for name in RESULTS)
    lines = [f"{'':{width}}{head}{'not true':>10}{'reported':>10}"]
    for name, counts in rows.items():
        numbers = "".join(f"{counts[one]:11}" for one in RESULTS)
        caught, reported = rates(counts)
        lines.append(f"{name:{width}}{numbers}{caught:10.2%}{reported:10.1%}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants of some or all documents and print what became of them."""
    parser = argparse.ArgumentParser(description="Mutants of the corpus, caught or missed.")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("-j", type=int, default=2, help="processes")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", nargs="*", default=["missed"], choices=RESULTS)
    args = parser.parse_args(arguments)
    begin = perf_counter()
    paths = args.files or documents()
    with Processes(args.j) as processes:
        every = [one for many in processes.map(all_mutants, paths, 1) for one in many]
        chosen = sample(every, args.sample, args.seed) if args.sample else every
        results = list(processes.imap(run, chosen, 8))
    for one in results:
        if one.result in args.list:
            mutant = one.mutant
            print(f"{one.result}: {mutant.path}:{one.line} {mutant.kind} [{one.verdict}]")
            print(f"    {one.was}\n    {mutant.tex}")
    print(table(results, "path"), "\n\n", table(results, "kind"), sep="")
    print(f"\n{len(results)} of {len(every)} mutants, {perf_counter() - begin:.0f} s")
    return 0 if rates(Counter(one.result for one in results))[0] >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
