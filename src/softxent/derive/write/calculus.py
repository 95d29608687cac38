"""Rules of differentiation, each a rewriting of the derivatives in an expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from softxent.derive.core import (
    Apply,
    Const,
    Divide,
    Element,
    Index,
    Partial,
    Plus,
    Raise,
    Real,
    Times,
    Total,
)
from softxent.derive.write.rules import Rule, written
from softxent.derive.write.source import SETS
from softxent.derive.write.terms import (
    MINUS,
    ONE,
    TWO,
    ZERO,
    apart,
    delta,
    divide,
    everywhere,
    letters,
    negative,
    parts,
    plus,
    rebuilt,
    spare,
    times,
)
from softxent.derive.write.world import World


def linearity(world: World) -> Rule:
    """(Σ c f)' → Σ c f'; what does not depend on the variable is constant."""

    def push(of: Real, by: Element) -> Real:
        if not world.depends(of, by.name):
            return ZERO
        match of:
            case Plus(terms):
                return plus(*(push(term, by) for term in terms))
            case Times(factors):
                moving = [one for one in factors if world.depends(one, by.name)]
                fixed = [one for one in factors if not world.depends(one, by.name)]
                inner = push(moving[0], by) if len(moving) == 1 else Partial(times(*moving), by)
                return times(*fixed, inner)
            case Divide(above, below) if not world.depends(below, by.name):
                if isinstance(above, Element):
                    return times(divide(ONE, below), push(above, by))
                return divide(push(above, by), below)
            case Total("sum"):
                total = apart(of, letters(by))
                return rebuilt(total, lambda inner: push(inner, by))
        return Partial(of, by)

    why = "The derivative of a sum is the sum of the derivatives, and constant factors stay."
    return Rule("linearity", "linearity", why, _of_partials(push))


def quotient_rule() -> Rule:
    """(f / g)' → (f' g - f g') / g²."""

    def rewrite(of: Real, by: Element) -> Real | None:
        if not isinstance(of, Divide):
            return None
        f, g = of.above, of.below
        above = plus(times(Partial(f, by), g), negative(times(f, Partial(g, by))))
        return divide(above, Raise(g, TWO))

    why = "Both the numerator and the denominator depend on the variable."
    return Rule("quotient-rule", "quotient-rule", why, _of_partials(rewrite))


def product_rule() -> Rule:
    """(f g)' → f' g + f g'."""

    def rewrite(of: Real, by: Element) -> Real | None:
        if not isinstance(of, Times):
            return None
        terms = []
        for at, factor in enumerate(of.factors):
            rest = of.factors[:at] + of.factors[at + 1 :]
            terms.append(times(*rest, Partial(factor, by)))
        return plus(*terms)

    why = "Each factor in turn is differentiated while the others stay."
    return Rule("product-rule", "product-rule", why, _of_partials(rewrite))


def chain_rule(function: str) -> Rule:
    """f(g)' → f'(g) g', for log, exp, tanh, sech and powers."""
    outer = _OUTER[function]

    def rewrite(of: Real, by: Element) -> Real | None:
        match of:
            case Apply(name, inner) if name == function:
                return times(outer(inner), Partial(inner, by))
            case Raise(base, Const(power)) if function == "power" and power > 1:
                lower = base if power == 2 else Raise(base, Const(power - 1))
                return times(Const(power), lower, Partial(base, by))
        return None

    return Rule(f"chain-{function}", "chain-rule", _WHY[function], _of_partials(rewrite))


def own_exponential() -> Rule:
    """∂e^{z_i}/∂z_i → e^{z_i}."""

    def rewrite(of: Real, by: Element) -> Real | None:
        return of if of == Apply("exp", by) else None

    why = "The exponential is its own derivative."
    return Rule("own-exponential", "chain-rule", why, _of_partials(rewrite))


def delta_of_variable() -> Rule:
    """∂z_k/∂z_i → δ_ki: a variable moves itself and none of the others."""

    def rewrite(of: Real, by: Element) -> Real | None:
        if not isinstance(of, Element) or of.name != by.name:
            return None
        return times(*(delta(one, two) for one, two in zip(of.indices, by.indices, strict=True)))

    why = "The derivative of a variable is 1 by itself and 0 by every other one."
    return Rule("variable-delta", "delta", why, _of_partials(rewrite))


def other_variable(world: World, one: str, two: str) -> Rule:
    """In the case one ≠ two: what holds only the variable of index `one` is constant for `two`."""

    def only(expr: Real, by: Element) -> bool:
        if isinstance(expr, Element):
            if expr.name == by.name:
                pair = {expr.indices[-1].letter, by.indices[-1].letter}
                return pair == {one, two}
            return not world.depends(expr, by.name)
        return not isinstance(expr, Total) and all(only(part, by) for part in parts(expr))

    def rewrite(of: Real, by: Element) -> Real | None:
        return ZERO if only(of, by) else None

    why = "The numerator is another variable's exponential: it does not move, its derivative is 0."
    return Rule("other-variable", "case-split", why, _of_partials(rewrite))


def through(world: World, name: str) -> Rule:
    """∂C/∂z_i → Σ_k ∂C/∂y_k ∂y_k/∂z_i."""

    def rewrite(whole: Real) -> Real:
        taken = letters(whole)

        def at(expr: Real) -> Real | None:
            if not isinstance(expr, Partial) or expr.by.name == name:
                return None
            if not world.depends(expr.of, name):
                return None
            arity = next(n for (one, n) in world.definitions if one == name)
            middle = _middle(world, name, arity, taken)
            product = times(Partial(expr.of, middle), Partial(middle, expr.by))
            for index in reversed(middle.indices):
                product = Total("sum", index.letter, SETS[index.letter], product)
            return product

        return everywhere(whole, at)

    why = f"The variable acts through every ${written(name)}$, and what each passes on adds up."
    return Rule(f"through-{name}", "chain-rule", why, rewrite)


def through_rows(losses: Sequence[str]) -> Rule:
    """∂C_m/∂z_{ni} → δ_mn ∂C_n/∂z_{ni}: a row's loss depends on its own row only."""

    def rewrite(of: Real, by: Element) -> Real | None:
        match of:
            case Element(name, (row,)) if name in losses and row != by.indices[0]:
                own = by.indices[0]
                return times(delta(row, own), Partial(Element(name, (own,)), by))
            case Partial(inner, first) if first.indices[0] != by.indices[0]:
                own = first.indices[0]
                moved = Element(by.name, (own, *by.indices[1:]))
                return times(delta(own, by.indices[0]), Partial(Partial(inner, first), moved))
        return None

    why = "The loss of one row does not depend on the logits of another."
    return Rule("rows", "rows", why, _of_partials(rewrite))


def log_derivative() -> Rule:
    """f' → f (log f)', for a positive f."""

    def rewrite(of: Real, by: Element) -> Real | None:
        return times(of, Partial(Apply("log", of), by)) if isinstance(of, Element) else None

    why = "The chain rule of the logarithm, read backwards: the derivative of log f is f'/f."
    return Rule("log-derivative", "chain-rule", why, _of_partials(rewrite))


_OUTER: dict[str, Callable[[Real], Real]] = {
    "log": lambda g: divide(ONE, g),
    "exp": lambda g: Apply("exp", g),
    "tanh": lambda g: Raise(Apply("sech", g), TWO),
    "sech": lambda g: times(MINUS, Apply("sech", g), Apply("tanh", g)),
    "power": lambda g: g,
}
_WHY = {
    "log": "The derivative of a natural logarithm is one over what it is of, times its inside.",
    "exp": "The exponential is its own derivative, times the derivative of the exponent.",
    "tanh": "The derivative of tanh is the square of sech, times the derivative of the inside.",
    "sech": "The derivative of sech is -sech tanh, times the derivative of the inside.",
    "power": "The derivative of a square is twice its base, times the derivative of the base.",
}


def _of_partials(rewrite: Callable[[Real, Element], Real | None]) -> Callable[[Real], Real]:
    """Make a rewriting of derivatives one of expressions."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Partial):
            return None
        found = rewrite(expr.of, expr.by)
        return None if found == expr else found

    return lambda whole: everywhere(whole, at)


def _middle(world: World, name: str, arity: int, taken: set[str]) -> Element:
    """Return the quantity in the middle, at letters of its own."""
    used, indices = set(taken), []
    definition = world.definitions[name, arity]
    for letter in definition.letters:
        fresh = spare(SETS[letter], used)
        used.add(fresh)
        indices.append(Index(fresh))
    return Element(name, tuple(indices))
