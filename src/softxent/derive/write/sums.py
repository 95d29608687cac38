"""Rules for sums, deltas and cases."""

from __future__ import annotations

from dataclasses import replace

from softxent.derive.core import (
    Choose,
    Compare,
    Const,
    Element,
    Index,
    Plus,
    Real,
    Size,
    Times,
    Total,
)
from softxent.derive.write.rules import Rule
from softxent.derive.write.terms import (
    ONE,
    as_delta,
    delta,
    everywhere,
    factors_of,
    free_letters,
    inside,
    negative,
    plus,
    put,
    times,
)


def pick() -> Rule:
    """Σ_k f_k δ_ki → f_i."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Total) or expr.kind != "sum" or expr.conditions:
            return None
        factors = factors_of(expr.of)
        for place, factor in enumerate(factors):
            pair = as_delta(factor)
            if pair is None or expr.letter not in (pair[0].letter, pair[1].letter):
                continue
            other = pair[1] if pair[0].letter == expr.letter else pair[0]
            rest = times(*factors[:place], *factors[place + 1 :])
            return put(rest, {expr.letter: other.letter})
        return None

    why = "Of the sum only the term remains in which the delta is 1."
    return Rule("pick", "pick", why, lambda whole: inside(whole, at))


def constants_out() -> Rule:
    """Σ_k c f_k → c Σ_k f_k."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Total) or expr.kind != "sum":
            return None
        factors = factors_of(expr.of)
        fixed = [one for one in factors if expr.letter not in free_letters(one)]
        moving = [one for one in factors if expr.letter in free_letters(one)]
        if not fixed or (not moving and times(*fixed) == ONE):
            return None
        return times(*fixed, replace(expr, of=times(*moving)))

    why = "What does not depend on the letter of a sum stands in front of it."
    return Rule("constants-out", "linearity", why, lambda whole: inside(whole, at))


def distribute() -> Rule:
    """Σ_k c_k (f_k + g_k) → Σ_k c_k f_k + Σ_k c_k g_k, and -(f + g) → -f - g."""

    def at(expr: Real) -> Real | None:
        if isinstance(expr, Times) and any(_has_sum_of(one) for one in expr.factors):
            opened = times(*(everywhere(one, at) for one in expr.factors))
            return expanded(opened) if isinstance(opened, Times) else opened
        if not isinstance(expr, Total) or expr.kind != "sum":
            return None
        body = expanded(everywhere(expr.of, at))
        if not isinstance(body, Plus):
            return None
        return plus(*(_signed(replace(expr, of=term)) for term in body.terms))

    why = "The bracket is opened, and the sum is taken of each term."
    return Rule("distribute", "distribute", why, lambda whole: everywhere(whole, at))


def _has_sum_of(expr: Real) -> bool:
    """Whether this is a sum whose terms will come apart."""
    return isinstance(expr, Total) and expr.kind == "sum" and isinstance(expanded(expr.of), Plus)


def _signed(total: Total) -> Real:
    """Return a sum with its sign in front."""
    factors = factors_of(total.of)
    if isinstance(factors[0], Const) and factors[0].value < 0:
        return negative(replace(total, of=negative(total.of)))
    return total


def expanded(expr: Real) -> Real:
    """Return a product of sums as a sum of products; one level, from the left."""
    if not isinstance(expr, Times):
        return expr
    for at, factor in enumerate(expr.factors):
        if isinstance(factor, Plus):
            before, after = expr.factors[:at], expr.factors[at + 1 :]
            return plus(*(expanded(times(*before, term, *after)) for term in factor.terms))
    return expr


def count() -> Rule:
    """Σ_k c → V c."""

    def at(expr: Real) -> Real | None:
        if isinstance(expr, Total) and expr.kind == "sum" and not expr.conditions:
            if expr.letter not in free_letters(expr.of):
                return times(Size(expr.set), expr.of)
        return None

    why = "A constant is added once for every value of the letter."
    return Rule("count", "linearity", why, lambda whole: inside(whole, at))


def sum_to_one() -> Rule:
    """Σ_k t_k → 1, where that is assumed."""

    def at(expr: Real) -> Real | None:
        match expr:
            case Total("sum", letter, _, Element("t", indices), ()) if indices[-1].letter == letter:
                return ONE
        return None

    why = "This step, and none before it, uses that the target sums to one."
    return Rule("sum-to-one", "sum-to-one", why, lambda whole: everywhere(whole, at))


# ---------------------------------------------------------------------- two cases
def in_cases(one: str, two: str, equal: Real, different: Real) -> Rule:
    """An expression → its values where two letters are equal and where they are not."""
    first, second = Index(one), Index(two)
    rows = (
        ((Compare("eq", first, second),), equal),
        ((Compare("neq", first, second),), different),
    )
    why = "Two letters are equal or they are not; there is no third case."
    return Rule("in-cases", "case-split", why, lambda _: Choose(rows))


def join() -> Rule:
    """(f if k = i, else g) → δ_ki f + (1 - δ_ki) g."""

    def at(expr: Real) -> Real | None:
        match expr:
            case Choose(rows=(((Compare("eq", one, other),), f), ((Compare("neq"),), g))):
                sign = delta(one, other)
                return plus(times(sign, f), times(plus(ONE, negative(sign)), g))
        return None

    why = "The delta is 1 in the first case and 0 in the second, so it switches one of them on."
    return Rule("join-cases", "join-cases", why, lambda whole: everywhere(whole, at))


def rename_under_delta() -> Rule:
    """δ_ki f_i → δ_ki f_k, for the first factor behind the delta."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Times):
            return None
        for place, factor in enumerate(expr.factors[:-1]):
            pair, following = as_delta(factor), expr.factors[place + 1]
            if pair and pair[1].letter in free_letters(following):
                moved = put(following, {pair[1].letter: pair[0].letter})
                return times(*expr.factors[: place + 1], moved, *expr.factors[place + 2 :])
        return None

    why = "Beside a delta its two letters may be exchanged: where it is not 0 they are equal."
    return Rule("rename-under-delta", "delta", why, lambda whole: everywhere(whole, at))
