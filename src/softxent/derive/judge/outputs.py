r"""Outputs of functions that the text only names: y = \sigma(z) as a free number.

y (1 - y) = y - y^2 is about y, whatever \sigma is. As a polynomial, which stands for any function,
\sigma may have values that have no logarithm, and the step would not be decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from softxent.derive.core import (
    Defined,
    Free,
    Index,
    Partial,
    Quantity,
    Real,
    Total,
    Unknown,
    everything,
)
from softxent.derive.understand.quantities import elements_of
from softxent.derive.understand.reading import Claim


def freed(claim: Claim) -> Claim | None:
    """Return the claim with such outputs free, where both sides are made of the same letters.

    None where there are none, or where the step looks behind them: what goes in, or a derivative
    by it.
    """
    quantities = dict(claim.given.quantities)
    outputs = [name for name, one in quantities.items() if _is_output(one, quantities)]
    if not outputs:
        return None
    behind: set[str] = set()
    for name in outputs:
        behind |= _reached([name], quantities) - {name}
        quantities[name] = Free(quantities[name].sets)
    sides = [_reached(elements_of(real), quantities) for real in (claim.left, claim.right)]
    leaves = [{one for one in side if isinstance(quantities.get(one), Free)} for side in sides]
    if leaves[0] != leaves[1] or any(_unknown(one, quantities) for one in sides[0] | sides[1]):
        return None
    bodies: list[Real] = [claim.left, claim.right]
    for name in sides[0] | sides[1]:
        found = quantities.get(name)
        if isinstance(found, Defined):
            bodies.append(found.body)
    if any(isinstance(one, Partial) and one.by.name in behind for one in everything(*bodies)):
        return None
    kept = {name: one for name, one in quantities.items() if name in sides[0] | sides[1]}
    return replace(claim, given=replace(claim.given, quantities=kept))


def _is_output(quantity: Quantity, quantities: Mapping[str, Quantity]) -> bool:
    """Whether a definition calls what nothing defines, of letters of its own only."""
    if not isinstance(quantity, Defined):
        return False
    if not any(_unknown(name, quantities) for name in elements_of(quantity.body)):
        return False
    inside = list(everything(quantity.body))
    bound = {"", *quantity.letters, *(one.letter for one in inside if isinstance(one, Total))}
    return all(one.letter in bound for one in inside if isinstance(one, Index))


def _unknown(name: str, quantities: Mapping[str, Quantity]) -> bool:
    return isinstance(quantities.get(name), Unknown) or "·" in name[1:]


def _reached(names: list[str], quantities: Mapping[str, Quantity]) -> set[str]:
    reached, waiting = set(names), list(names)
    while waiting:
        found = quantities.get(waiting.pop())
        inner: list[str] = []
        if isinstance(found, Unknown):
            inner = list(found.of)
        elif isinstance(found, Defined):
            inner = elements_of(found.body)
        waiting += [name for name in inner if name not in reached]
        reached |= set(inner)
    return reached
