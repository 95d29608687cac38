"""A rule of rewriting: an expression in, an equal expression out; what it is called, and why.

The rules themselves: `calculus` (derivatives), `sums` (sums, deltas, cases), `algebra` (the rest).
A rule that finds nothing to do returns what it was given, and leaves no step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from softxent.derive.core import Element, Partial, Real
from softxent.derive.write import tex
from softxent.derive.write.terms import (
    everywhere,
    factors_of,
    free_letters,
    letters,
    put,
    same,
    times,
)
from softxent.derive.write.world import World

NAMES = {
    "definition": "definition",
    "earlier-result": "earlier result",
    "linearity": "linearity",
    "chain-rule": "chain rule",
    "product-rule": "product rule",
    "quotient-rule": "quotient rule",
    "logarithm": "rules of the logarithm",
    "case-split": "two cases",
    "delta": "Kronecker's delta",
    "pick": "the delta picks a term",
    "join-cases": "cases joined",
    "split-fraction": "fraction taken apart",
    "distribute": "brackets opened",
    "collect": "common factors collected",
    "cancel": "cancelled",
    "order": "order of terms",
    "sum-to-one": "the target sums to one",
    "rows": "rows are independent",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of step. id: what questions hang on; code: what kind of rule it is, in NAMES."""

    id: str
    code: str
    why: str
    rewrite: Callable[[Real], Real]

    def after(self, rewrite: Callable[[Real], Real]) -> Rule:
        """Return the same rule behind another rewriting."""
        second = self.rewrite
        return replace(self, rewrite=lambda expr: second(rewrite(expr)))

    def named(self, id: str) -> Rule:
        """Return the same rule under another id, for the questions that belong to its use."""
        return replace(self, id=id)


# ---------------------------------------------------------------------- definitions, results
def unfold(world: World, *names: str) -> Rule:
    """name → what it is defined as."""

    def rewrite(whole: Real) -> Real:
        taken = letters(whole)

        def at(expr: Real) -> Real | None:
            if isinstance(expr, Element) and expr.name in names:
                return world.body(expr, taken)
            return None

        return everywhere(whole, at)

    words = " and ".join(f"${written(name)}$" for name in names)
    return Rule(f"unfold-{names[0]}", "definition", f"{words} is written out.", rewrite)


def fold(world: World, name: str) -> Rule:
    """What a name is defined as → the name."""

    def rewrite(whole: Real) -> Real:
        def at(expr: Real) -> Real | None:
            for definition in list(world.definitions.values()):
                if definition.name != name or len(definition.letters) > 1:
                    continue
                if (found := _folded(expr, definition.body, definition.left)) is not None:
                    return found
            return None

        return everywhere(whole, at)

    why = f"What defines ${written(name)}$ is written as ${written(name)}$ again."
    return Rule(f"fold-{name}", "definition", why, rewrite)


def _folded(expr: Real, body: Real, left: Element) -> Real | None:
    """Return the name, if an expression or some of its factors are what defines it."""
    own = left.indices[0].letter if left.indices else ""
    wanted = factors_of(body)
    have = list(factors_of(expr))
    for letter in sorted(free_letters(expr)) if own else [""]:
        rest = list(have)
        for factor in (put(one, {own: letter}) for one in wanted):
            place = next((n for n, one in enumerate(rest) if same(one, factor)), None)
            if place is None:
                break
            del rest[place]
        else:
            name = put(left, {own: letter}) if own else left
            remaining = times(*rest)
            return times(_folded(remaining, body, left) or remaining, name) if rest else name
    return None


def known(
    world: World,
    why: str = "",
    *,
    of: str = "",
    form: str = "",
    order: int = 0,
    derivatives: bool = True,
) -> Rule:
    """An expression → what was derived for it before.

    of: only derivatives of this quantity; order: of this order; derivatives=False: none of them.
    form: only results in this form.
    """

    def rewrite(whole: Real) -> Real:
        taken = letters(whole)

        def at(expr: Real) -> Real | None:
            if of and not (isinstance(expr, Partial) and _differentiated(expr)[0] == of):
                return None
            if isinstance(expr, Partial) and not derivatives:
                return None
            if order and _differentiated(expr)[1] != order:
                return None
            return world.result(expr, taken, form)

        return everywhere(whole, at)

    return Rule("known", "earlier-result", why or "What was found above is put in.", rewrite)


def _differentiated(expr: Real) -> tuple[str, int]:
    """Return the name of what is differentiated, and how many times it is."""
    order = 0
    while isinstance(expr, Partial):
        expr, order = expr.of, order + 1
    return expr.name if isinstance(expr, Element) else "", order


def written(name: str) -> str:
    """Write a letter as TeX."""
    return tex.letter(name)
