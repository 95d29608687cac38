"""Scores that a step only passes on: z = W x + b as free numbers, whose exponentials are rational.

What holds for all z holds for those that a linear layer makes. The other way round it does too
where the layer makes all of them, by a bias for each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from softxent.derive.core import (
    Apply,
    Compare,
    Defined,
    Element,
    Free,
    Given,
    Index,
    IndexValue,
    Plus,
    Real,
    Total,
    Unknown,
    everything,
)


def freed(left: Real, right: Real, given: Given) -> tuple[Given, bool] | None:
    """Return the step with such scores free, and whether they take all values; None without any."""
    bodies = {name: one.body for name, one in given.quantities.items() if isinstance(one, Defined)}
    uses = {name: _names(body) for name, body in bodies.items()}
    for name, one in given.quantities.items():
        if isinstance(one, Unknown):
            uses[name] = set(one.of)
    own = _names(left, right)
    exponents = _names(*_exponents(left, right, *bodies.values()))
    told = {one.partition(":")[2].partition(":")[0] for one in given.assumed}
    quantities = dict(given.quantities)
    onto = True
    for name in sorted(bodies.keys() & exponents):
        quantity = given.quantities[name]
        if not isinstance(quantity, Defined) or name in told:
            continue
        inside = uses[name]
        plain = all(
            quantities.get(one) in (Free(sets), Free(sets, "positive"))
            for one in inside
            for sets in [given.quantities[one].sets if one in given.quantities else ()]
        )
        shared = own | set().union(*(held for other, held in uses.items() if other != name))
        if not inside or not plain or inside & shared or inside & told or not _closed(quantity):
            continue
        quantities[name] = Free(quantity.sets, "log")
        onto = onto and _has_bias(quantity)
    if quantities == dict(given.quantities):
        return None
    return replace(given, quantities=quantities), onto


def _names(*reals: Real) -> set[str]:
    return {one.name for one in everything(*reals) if isinstance(one, Element)}


def _exponents(*reals: Real) -> list[Real]:
    return [one.of for one in everything(*reals) if isinstance(one, Apply)]


def _closed(quantity: Defined) -> bool:
    """Whether a definition takes no letter from the step."""
    bound = {*quantity.letters, ""}
    letters = set()
    for one in everything(quantity.body):
        if isinstance(one, Total):
            bound.add(one.letter)
        elif isinstance(one, (IndexValue, Compare)):
            return False
        elif isinstance(one, Index):
            letters.add(one.letter)
    return letters <= bound


def _has_bias(quantity: Defined) -> bool:
    """Whether a number is added for each element, that stands nowhere else in the definition."""
    if not isinstance(quantity.body, Plus):
        return False
    counts = Counter(one.name for one in everything(quantity.body) if isinstance(one, Element))
    return any(
        isinstance(term, Element)
        and counts[term.name] == 1
        and sorted(index.letter for index in term.indices) == sorted(quantity.letters)
        and not any(index.shift for index in term.indices)
        for term in quantity.body.terms
    )
