"""The weakest assumption under which a step is true, and where the text makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from softxent.derive.core import Element, Free, Given, everything
from softxent.derive.judge.outcome import Outcome
from softxent.derive.understand.outline import Fact, Statement
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Assumption:
    """kind: what the report calls it; assumed: what `core` is given; names: of the targets."""

    kind: str
    assumed: frozenset[str]
    names: frozenset[str]


def weakest_first(reading: Reading, given: Given) -> Iterator[Assumption]:
    """Yield the assumptions worth trying for a step, weakest first."""
    targets = target_names(reading, given)
    single = _single_sets(reading, given)
    names = frozenset(targets.values())
    for core in targets:
        only = frozenset((targets[core],))
        yield Assumption("sum-to-one", frozenset((f"sum-to-one:{core}",)), only)
    if len(targets) > 1:
        yield Assumption("sum-to-one", frozenset(f"sum-to-one:{one}" for one in targets), names)
    if targets:
        yield Assumption("one-hot", frozenset(f"one-hot:{one}" for one in targets), names)
    if single:
        sizes = frozenset(f"size-one:{one}" for one in single)
        yield Assumption("N=1", sizes, frozenset(single))
        # The row of a target with a single element would be 1, and much is true of it.
        own = {given.quantities[one].sets[-1] for one in targets}
        if targets and not own & set(single):
            sums = frozenset(f"sum-to-one:{one}" for one in targets)
            yield Assumption("sum-to-one", sizes | sums, names)


def two_classes(claim: Claim) -> Iterator[tuple[Assumption, Claim]]:
    """Yield that a set has as many elements as the step names by number: z_1 and z_2, no dots."""
    highest: dict[str, int] = {}
    for real in everything(claim.left, claim.right):
        if isinstance(real, Element) and real.name in claim.given.quantities:
            for set, index in zip(
                claim.given.quantities[real.name].sets, real.indices, strict=False
            ):
                if not index.letter:
                    highest[set] = max(highest.get(set, 0), index.shift)
    for set, size in highest.items():
        word = {2: "two", 3: "three"}.get(size)
        if word is not None and f"size-{word}:{set}" not in claim.given.assumed:
            assumed = claim.given.assumed | {f"size-{word}:{set}"}
            given = replace(claim.given, assumed=assumed)
            one = Assumption(f"K={size}", frozenset(), frozenset((set,)))
            yield one, replace(claim, given=given)


def target_names(reading: Reading, given: Given) -> dict[str, str]:
    """Return the targets that a step depends on: name in core -> name in the text."""
    book = reading.book
    out: dict[str, str] = {}
    for core, quantity in given.quantities.items():
        name = core.split("#")[0]
        if isinstance(quantity, Free) and quantity.sets and name in book.targets:
            out[core] = name
    return out


def _single_sets(reading: Reading, given: Given) -> list[str]:
    """Return the sets that the text takes to have one element."""
    sizes: set[str] = set()
    for fact in reading.outline.facts:
        if fact.kind == "size-one":
            sizes |= fact.names or {"N", "M", "m", "B"}
    used = set(given.letters.values())
    for quantity in given.quantities.values():
        used |= set(quantity.sets)
    return sorted(used & sizes)


def declared(
    reading: Reading, statement: Statement, kind: str, names: frozenset[str]
) -> Fact | None:
    """Return where the text makes an assumption: the last place before, else the first behind."""
    book = reading.book
    wanted = {"sum-to-one": ("sum-to-one", "one-hot"), "N=1": ("size-one",)}.get(kind, (kind,))
    if kind in ("K=2", "K=3"):
        wanted = ("size-two",) if kind == "K=2" else ("size-three",)
    if "≠" in kind or " = " in kind:
        wanted = (kind, " ".join(kind.split()[::-1]))
    found = []
    for fact in reading.outline.facts:
        if fact.kind not in wanted:
            continue
        about = fact.names & book.targets
        if kind in ("sum-to-one", "one-hot") and fact.names and not about & names:
            if about or not _general(reading, fact):
                continue
        found.append(fact)
    exact = [fact for fact in found if fact.kind == wanted[0]]
    for facts in (exact, found):
        before = [fact for fact in facts if fact.number <= statement.number or fact.after]
        before = [fact for fact in before if fact.number <= statement.number + 1]
        if before:
            return before[-1]
    return found[0] if found else None


def supposed(
    reading: Reading, statement: Statement, one: Assumption, numeric: bool = False
) -> Outcome:
    """Return the verdict TRUE-IF, with the line at which the text says so."""
    fact = declared(reading, statement, one.kind, one.names)
    line = reading.document.line_column(fact.offset)[0] if fact else None
    names = ", ".join(sorted(one.names))
    what = {"sum-to-one": f"{names} sums to 1", "one-hot": f"{names} is one-hot"}.get(
        one.kind, f"{names} = 1" if one.kind == "N=1" else names
    )
    if one.kind in ("K=2", "K=3"):
        what = f"there are {one.kind[2:]} of them only"
    where = f"as line {line} says" if line else "which the text does not say"
    return Outcome(
        Verdict.TRUE_IF,
        "assumption-declared" if line else "assumption-undeclared",
        f"True if {what}, {where}.",
        one.kind,
        line,
        numeric=numeric,
    )


def _general(reading: Reading, fact: Fact) -> bool:
    """Whether a fact names no quantity of the text, so that it can be about any target."""
    return not any(reading.book.known(name) for name in fact.names)
