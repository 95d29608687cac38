"""Equations of `formula.py` as expressions: their LaTeX, parsed and understood.

This is the only place that the mathematics of a derivation comes from.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from softxent import formula
from softxent.derive.core import Apply, Const, Divide, Element, Real, Size, Total
from softxent.derive.scan import scan
from softxent.derive.understand.reading import Reading
from softxent.derive.write.terms import inside, with_elements

# Which set a letter runs over, by the convention of formula.py.
SETS = dict.fromkeys("ijklopqrsuh", "V") | {"\\tau": "V"}
SETS |= dict.fromkeys("nm", "N") | dict.fromkeys("defg", "D")


@lru_cache
def equation(id: str, side: int = -1) -> tuple[Real, Real]:
    """Return the first side of an equation of `formula.py`, and another one."""
    # The class of row n is an index that is itself indexed; its weight is what a one-hot target
    # picks out.
    tex = formula.get(id).latex.replace(r"w_{\tau_n}", r"\sum_{k} w_k t_{nk}")
    texts = [one.latex for one in formula.premises(id)] + [tex]
    reading = Reading(scan("\n\n".join(f"$${one}$$" for one in texts), "markdown"))
    statement = reading.outline.statements[-1]
    numbers = range(len(statement.sides))
    sides = [reading.side(statement, at).value.at(()) for at in numbers]
    return _ours(sides[0]), _ours(sides[side])


def _ours(expr: Real) -> Real:
    """Return an expression in which sets are V, N and D, and letters are as written."""

    def letter(one: Element) -> Real:
        if one.name in ("V", "N") and not one.indices:
            return Size(one.name)
        return Element(one.name.partition("#")[0], one.indices)

    def renamed(at: Real) -> Real | None:
        match at:
            case Total(letter=bound):
                return replace(at, set=SETS[bound])
            case Divide(Const(value), Apply("cosh", of)) if value == 1:
                return Apply("sech", of)
            case Size() if at.set not in ("V", "N"):
                raise ValueError(f"the size of {at.set} is not known")
        return None

    return inside(with_elements(expr, letter), renamed)


def defined(id: str, side: int = -1) -> tuple[str, tuple[str, ...], Real]:
    """Return name, letters and body of an equation that defines its left side."""
    left, right = equation(id, side)
    if not isinstance(left, Element):
        raise TypeError(f"{id} defines no letter")
    return left.name, tuple(one.letter for one in left.indices), right
