"""What looks false and is no false claim: letters of no meaning, a value that was rounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from softxent.derive.core import (
    Choose,
    Compare,
    Const,
    Element,
    Free,
    Given,
    Index,
    IndexValue,
    Partial,
    Size,
    Unknown,
    everything,
)
from softxent.derive.exact import At, decide, evaluate
from softxent.derive.exact.numbers import Poly, approximate
from softxent.derive.exact.stops import Stop
from softxent.derive.judge.mending import tied
from softxent.derive.trees import (
    Applied,
    Expr,
    Group,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
)
from softxent.derive.understand.letters import bare
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.quantities import elements_of, reached
from softxent.derive.understand.reading import Claim

_FRACTIONS = frozenset(("\\alpha", "\\lambda", "\\epsilon", "\\varepsilon", "\\gamma", "\\beta"))
_ARITHMETIC = (Group, Negative, Number, Power, Product, Quotient, Sum)
_DECIMAL = re.compile(r"\d*\.(\d+)")


def each_alone(claim: Claim) -> tuple[str, Given] | None:
    """Return that elements of unknown functions depend on their own index only: a row's loss."""
    quantities = dict(claim.given.quantities)
    changed = []
    for name, quantity in claim.given.quantities.items():
        if not isinstance(quantity, Unknown) or quantity.elementwise or not quantity.sets:
            continue
        if all(quantities[one].sets == quantity.sets for one in quantity.of if one in quantities):
            quantities[name] = replace(quantity, elementwise=True)
            changed.append(name.split("#")[0])
    if not changed:
        return None
    words = f"each element of {' and of '.join(changed)} depends on its own index only"
    return words, replace(claim.given, quantities=quantities)


def groundless(at: int, trees: tuple[Expr, Expr], claim: Claim) -> bool:
    """Whether a step speaks of letters only that nothing defines, and is no identity of theirs.

    V^T V = I or P A = L U say what the letters are; (a + b)^2 = a^2 + b^2 is a claim about all of
    them: it has the same letters on both sides. What goes on a chain is a claim, too.
    """
    quantities = claim.given.quantities
    if at or not quantities or any(not isinstance(one, Free) for one in quantities.values()):
        return False
    if any(isinstance(real, Partial) for real in everything(claim.left, claim.right)):
        return False
    if any(isinstance(bare(tree), (Symbol, Number)) for tree in trees):
        return True
    left, right = (set(elements_of(real)) for real in (claim.left, claim.right))
    return len(left ^ right) > 1 or not left & right


def put_in(trees: tuple[Expr, Expr], claim: Claim) -> bool:
    """Whether a name is set equal to what is computed from numbers only: v(s_1) = 0.5 (1 + 2)."""
    name, value = bare(trees[0]), bare(trees[1])
    if not isinstance(name, (Symbol, Applied)) or not claim.given.quantities:
        return False
    nodes = list(value.walk())
    numbers = sum(isinstance(node, Number) for node in nodes)
    return numbers > 2 and all(isinstance(node, _ARITHMETIC) for node in nodes)


def unlinked(claim: Claim) -> tuple[str, str] | None:
    """Return (what, by what) where a derivative is 0 only because nothing links the two."""
    quantities = claim.given.quantities
    for partial in everything(claim.left, claim.right):
        if not isinstance(partial, Partial):
            continue
        inner = elements_of(partial.of)
        if inner and partial.by.name not in reached(inner, quantities):
            return inner[0].split("#")[0], partial.by.name.split("#")[0]
    return None


def pairs(claim: Claim) -> Iterator[tuple[str, Compare]]:
    """Yield what may have been meant of two letters of one set, and how it is said.

    Texts write the two cases of a derivative one behind the other and do not say which is which.
    Where a step compares the letters itself, by a delta, it is meant for all of them.
    """
    letters = [name for name in claim.given.letters if name not in claim.one_sided]
    spoken = tied(claim) | {
        index.letter
        for one in everything(claim.left, claim.right)
        if isinstance(one, Compare)
        for index in (one.left, one.right)
    }
    letters = [name for name in letters if name not in spoken]
    for at, one in enumerate(letters):
        for other in letters[at + 1 :]:
            if claim.given.letters[one] != claim.given.letters[other]:
                continue
            yield f"{one} ≠ {other}", Compare("neq", Index(one), Index(other))
            # At i = k much is true that nobody claims: p_i / p_k = 1 whatever p is.
            if isinstance(claim.left, Partial) or isinstance(claim.right, Partial):
                yield f"{one} = {other}", Compare("eq", Index(one), Index(other))


def empty(trees: tuple[Expr, Expr], claim: Claim) -> bool:
    """Whether both sides are 0 only because what they derive does not depend on the variable."""
    if any(isinstance(bare(tree), Number) for tree in trees) or unlinked(claim) is None:
        return False
    zero = Const(Fraction(0))
    return bool(decide(claim.left, zero, claim.given, budget_seconds=0.2, nice=False).equal)


def fractions(claim: Claim) -> tuple[str, Given] | None:
    """Return that slopes and weights lie between 0 and 1, as their letters do elsewhere."""
    quantities = dict(claim.given.quantities)
    changed = []
    for name, quantity in claim.given.quantities.items():
        if name.split("#")[0] in _FRACTIONS and quantity == Free((), "rational"):
            quantities[name] = Free((), "probability")
            changed.append(name.split("#")[0])
    if not changed:
        return None
    words = ", ".join(f"0 < {name} < 1" for name in changed)
    return words, replace(claim.given, quantities=quantities)


def rounded(statement: Statement, at: int, claim: Claim) -> bool:
    """Whether a step says a number to the digits that it writes: e^1 = 2.718."""
    digits = [_DECIMAL.findall(side.tex) for side in statement.sides[at : at + 2]]
    if not digits[0] + digits[1] or not _closed(claim):
        return False
    try:
        values = [_decimal(real, claim.given) for real in (claim.left, claim.right)]
    except Stop:
        return False
    # Half a unit of the last digit, or a whole one where what goes in is rounded or digits are cut.
    last = min(len(one) for one in digits[1] or digits[0])
    unit = Decimal(10) ** -last
    said, exact = values[::-1] if digits[1] else values
    cut = all(digits) or abs(said) <= abs(exact)  # 5/3 = 1.666: cut off, not rounded
    return abs(said - exact) <= (unit if cut else unit / 2)


def _closed(claim: Claim) -> bool:
    return not any(
        isinstance(value, (Element, IndexValue, Size, Choose))
        for value in everything(claim.left, claim.right)
    )


def _decimal(real: object, given: Given) -> Decimal:
    value = evaluate(real, given, At({}), budget_seconds=0.2)  # type: ignore[arg-type]
    if isinstance(value, (Fraction, Poly)):
        return approximate(value, 30)[0]
    return value.value
