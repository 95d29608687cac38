"""Looks for the single edit that makes a false step true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from time import perf_counter

from softxent.derive.judge.edits import Pool, edits
from softxent.derive.judge.hand import Hand
from softxent.derive.trees import Applied, Expr, Negative, Node, Symbol
from softxent.derive.understand.letters import base_name
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import PROBLEMS, Reading

Test = Callable[[Expr, int], bool]
"""Whether the step is true with another tree on one side: 0 left, 1 right."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The edited side, which one it is, and the edit in TeX."""

    side: int
    tree: Expr
    text: str


def find(
    reading: Reading,
    statement: Statement,
    at: int,
    sides: tuple[Expr, Expr],
    unbound: tuple[str, ...],
    test: Test,
    seconds: float,
    left_first: bool = False,
) -> Repair | None:
    """Return the first edit, likely ones first, that makes the step true.

    left_first: the right side goes on well, so it is the left one that is likely to be wrong.
    """
    deadline = perf_counter() + seconds
    pool = _pool(reading, statement, sides, unbound)
    for part, side in enumerate((0, 1) if left_first else (1, 0)):
        until = perf_counter() + (deadline - perf_counter()) * (1.0 if part else 0.65)
        for tree in edits(sides[side], pool):
            if perf_counter() > until:
                break
            try:
                good = test(tree, side)
            except PROBLEMS:
                continue
            except RecursionError:
                continue
            if good:
                written = statement.sides[at + side] if at + side < len(statement.sides) else None
                tex = written.tex if written is not None and written.tree is sides[side] else ""
                return Repair(side, tree, describe(sides[side], tree, tex))
    return None


def describe(old: Expr, new: Expr, tex: str) -> str:
    """Return the edit in TeX: the smallest part that changes, before and after.

    tex: how the author has written the old tree.
    """
    before, after = _difference(old, new)
    hand = Hand(old, tex)
    return f"{hand.write(before)} → {hand.write(after)}"


def _difference(old: Expr, new: Expr) -> tuple[Expr, Expr]:
    if type(old) is not type(new) or isinstance(old, Symbol):
        return old, new
    if isinstance(old, Applied) and isinstance(new, Applied):
        # Of \sigma(k) the whole call is shown, of y(1 - y) what is in the bracket.
        plain = any(isinstance(one, Symbol) for one in (*old.arguments, *new.arguments))
        if plain or old.head != new.head:
            return old, new
    changed: list[tuple[Expr, Expr]] = []
    for part in fields(old):
        one, other = getattr(old, part.name), getattr(new, part.name)
        if part.name == "span" or one == other:
            continue
        if isinstance(one, Node) and isinstance(other, Node):
            changed.append((one, other))  # type: ignore[arg-type]
        elif isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
            for a, b in zip(one, other, strict=True):
                if a != b:
                    if not (isinstance(a, Node) and isinstance(b, Node)):
                        return old, new
                    changed.append((a, b))  # type: ignore[arg-type]
        else:
            return old, new
    if len(changed) != 1:
        return old, new
    if isinstance(changed[0][0], Negative) != isinstance(changed[0][1], Negative):
        return old, new
    return _difference(*changed[0])


def _pool(
    reading: Reading, statement: Statement, sides: tuple[Expr, Expr], unbound: tuple[str, ...]
) -> Pool:
    book = reading.book
    letters: dict[str, None] = {}
    elements: dict[Expr, None] = {}
    logits: dict[str, Symbol] = {}
    trees = [*sides, *(side.tree for side in statement.sides)]
    for tree in trees:
        for node in tree.walk():
            if not isinstance(node, Symbol) or not node.subs:
                continue
            name, indices = book.letters.split(node)
            plain = [sub for sub in indices if isinstance(sub, Symbol) and not sub.subs]
            for sub in plain:
                letters.setdefault(base_name(sub))
            if len(plain) == len(indices) and plain:
                elements.setdefault(node)
                if name in book.letters.exponents:
                    logits.setdefault(name, node)
    family = next(
        (
            found.arguments[0]
            for several in book.definitions.values()
            for found in several
            if found.kind == "family"
        ),
        None,
    )
    arguments = (family,) if family is not None else tuple(logits.values())
    for sign in statement.signs:
        for condition in sign.conditions:
            for letter in condition.letters():
                letters.setdefault(letter)
    return Pool(
        tuple(letters), tuple(list(elements)[:6]), unbound, arguments, _scalars(reading, statement)
    )


def _scalars(reading: Reading, statement: Statement) -> tuple[Symbol, ...]:
    """Return the numbers and sizes that definitions of the text hold and the step may lack."""
    book = reading.book
    found: dict[str, Symbol] = {}
    for several in book.definitions.values():
        for definition in several:
            for node in definition.body.walk():
                if not isinstance(node, Symbol) or node.subs or node.sups or node.accents:
                    continue
                name = base_name(node)
                free = not book.definitions.get((name, 0)) and name not in book.letters.bound
                if free and name not in ("e", "\\pi", "\\delta") and name not in book.functions:
                    found.setdefault(name, node)
    return tuple(found.values())[:4]
