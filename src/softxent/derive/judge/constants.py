r"""Steps that hold up to a constant: \log p(w) = C - \frac{\lambda}{2} w^2, with a C of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from softxent.derive.core import Const, Element, Free, Index, Partial
from softxent.derive.exact import decide
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Expr, Negative, Sum, Symbol
from softxent.derive.understand.letters import bare
from softxent.derive.understand.quantities import elements_of
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.verdicts import Verdict

_NAMES = frozenset(("c", "C", "const", "constant", "Const", "Constant", "cst", "K", "k", "Z"))
_ZERO = Const(Fraction(0))


def constant(
    reading: Reading, clock: Clock, trees: tuple[Expr, Expr], claim: Claim
) -> Outcome | None:
    """Look for a term that is a letter for a constant, apart from which a step is true.

    It is true for one variable at least: both sides have the same derivative by it, and not 0.
    """
    for tree, other in (trees, trees[::-1]):
        for name in _terms(reading, tree):
            core = reading.book.core(name, 0)
            if not isinstance(claim.given.quantities.get(core), Free) or name in _all(
                reading, other
            ):
                continue
            if any(_same(clock, moved, element) for moved, element in _variables(claim, core)):
                text = f"Read as true up to the constant {name}, which is not said."
                return Outcome(Verdict.OPAQUE, "undefined", text)
    return None


def _terms(reading: Reading, tree: Expr) -> Iterator[str]:
    """Yield the terms of a sum that are letters for constants."""
    tree = bare(tree)
    for term in tree.terms if isinstance(tree, Sum) else ():
        term = bare(term.of) if isinstance(term, Negative) else bare(term)
        if isinstance(term, Symbol) and term.name in _NAMES:
            name, indices = reading.book.letters.split(term)
            if not indices:
                yield name


def _all(reading: Reading, tree: Expr) -> set[str]:
    return {reading.book.letters.split(one)[0] for one in tree.walk() if isinstance(one, Symbol)}


def _variables(claim: Claim, constant: str) -> Iterator[tuple[Claim, Element]]:
    """Yield the free quantities on both sides, at an element of its own, and the claim with it."""
    both = set(elements_of(claim.left)) & set(elements_of(claim.right))
    for core in sorted(both - {constant}):
        quantity = claim.given.quantities.get(core)
        if isinstance(quantity, Free):
            letters = {f"·c{at}": place for at, place in enumerate(quantity.sets)}
            element = Element(core, tuple(Index(letter) for letter in letters))
            given = replace(claim.given, letters={**claim.given.letters, **letters})
            yield replace(claim, given=given), element


def _same(clock: Clock, claim: Claim, element: Element) -> bool:
    slopes = Partial(claim.left, element), Partial(claim.right, element)
    equal = decide(*slopes, claim.given, budget_seconds=clock.seconds(0.3), nice=False).equal
    if not equal:
        return False
    zero = decide(slopes[1], _ZERO, claim.given, budget_seconds=clock.seconds(0.3), nice=False)
    return zero.equal is False
