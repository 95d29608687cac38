"""Many rows: every letter of a row gets the row's index, and the reduced loss L joins them."""

from __future__ import annotations

from functools import partial

from softxent.derive.core import Divide, Element, Index, Partial, Real, Total
from softxent.derive.write.algebra import order
from softxent.derive.write.builder import Builder
from softxent.derive.write.calculus import delta_of_variable, linearity, through, through_rows
from softxent.derive.write.problem import Problem
from softxent.derive.write.rules import Rule, known, unfold
from softxent.derive.write.source import defined
from softxent.derive.write.sums import constants_out, count, pick
from softxent.derive.write.terms import (
    ONE,
    ZERO,
    divide,
    element,
    inside,
    parts,
    plus,
    times,
    with_elements,
)
from softxent.derive.write.world import Definition

ROW = frozenset(["z", "a", "y", "t", "t'", r"\tilde{w}", "C", "E", "Z", "lse", "J", "v"])


def of_row(expr: Real) -> Real:
    """Return an expression about one row as one about row n."""

    def changed(one: Element) -> Real:
        return Element(one.name, (Index("n"), *one.indices)) if one.name in ROW else one

    return with_elements(expr, changed)


def rows(b: Builder, p: Problem, definitions: list[tuple[Definition, str, str]]) -> None:
    """Define the letters of row n, and L."""
    b.section("Many rows", 2)
    b.say(
        "Now there are $N$ rows. Row $n$ has its own logits $z_{nk}$ and its own target $t_{nk}$,"
        " and all that was made of them gets the index $n$, too."
    )
    for definition, _, id in definitions:
        left = of_row(definition.left)
        if isinstance(left, Element) and left.name in ROW:
            letters = tuple(one.letter for one in left.indices)
            b.define(Definition(left.name, letters, of_row(definition.body)), "", id)
    for definition, meaning, id in reduced(p):
        b.define(definition, meaning, id)


def reduced(p: Problem) -> list[tuple[Definition, str, str]]:
    """Return what defines L, and what it divides by."""
    if p.reduction == "sum":
        terms = (Total("sum", "n", "N", element(name, "n")) for name in p.losses)
        return [(Definition("L", (), plus(*terms)), "The loss of all rows is their sum:", "")]
    id = "weighted-mean" if p.weighted_mean else "soft-mean"
    _, _, body = defined(id)

    def plain(one: Element) -> Real:
        # r = 1: without weights of rows. Where Z has the same denominator it is a part of C.
        if one.name == "r":
            return ONE
        if one.name == "Z" and "Z" not in p.losses:
            return ZERO
        return Element(p.losses[0], one.indices) if one.name == "C" else one

    body = count().rewrite(with_elements(body, plain))
    out = []
    if p.weighted_mean:
        weight = next(one.below for one in _fractions(body) if isinstance(one.below, Total))
        out.append((Definition("M", (), weight), "The weights of the rows' classes add up to", ""))

    def in_front(one: Real) -> Real | None:
        match one:
            case Divide(above, below):
                return times(
                    divide(ONE, element("M") if isinstance(below, Total) else below), above
                )
        return None

    meaning = "The loss is the mean over the rows:"
    return [*out, (Definition("L", (), inside(body, in_front)), meaning, id)]


def _fractions(expr: Real) -> list[Divide]:
    own = [expr] if isinstance(expr, Divide) else []
    return own + [one for part in parts(expr) for one in _fractions(part)]


def each_row(b: Builder, start: Real) -> None:
    """State for row n what was found for one row."""
    found = b.world.result(start, set())
    if found is None:
        raise LookupError("nothing was found for a row")
    right = of_row(found)
    why = "What was found for one row holds for every row."
    b.chain(of_row(start), Rule("each-row", "earlier-result", why, lambda _: right))


def first_derivative(b: Builder, p: Problem, by: Element) -> None:
    """∂L/∂z_ni, or ∂L/∂t_nk."""
    b.section("Gradient of the reduced loss" if by.name == "z" else "Gradient by the target")
    for name in p.losses:
        each_row(b, Partial(element(name), by))
    world, variable = b.world, of_row(by)
    if not isinstance(variable, Element):
        raise TypeError("not a variable")
    b.chain(
        Partial(element("L"), variable),
        unfold(world, "L").named(f"unfold-{p.reduction}"),
        linearity(world),
        through_rows(p.losses),
        pick(),
        form="rows",
    )
    b.chain(
        Partial(element("L"), variable),
        known(world, form="rows"),
        known(world, "The gradient of a row was found above."),
        order(),
    )


def second_derivative(b: Builder, p: Problem) -> None:
    """∂²L/∂z_ni∂z_mj."""
    world = b.world
    b.section("Hessian of the reduced loss")
    first, second = element("z", "i"), element("z", "j")
    for name in p.losses:
        each_row(b, Partial(Partial(element(name), first), second))
    b.chain(
        Partial(Partial(element("L"), element("z", "n", "i")), element("z", "m", "j")),
        known(world, "The gradient was found above.", of="L", order=1, form="rows"),
        linearity(world),
        through_rows(p.losses),
        order(),
        form="rows",
    )
    b.chain(
        Partial(Partial(element("L"), element("z", "n", "i")), element("z", "m", "j")),
        known(world, form="rows"),
        known(world, "The Hessian of a row was found above."),
        order(),
    )


def hvp(b: Builder, p: Problem) -> None:
    """Σ_m Σ_j ∂²L/∂z_ni∂z_mj v_mj."""
    world = b.world
    b.section("Hessian of the reduced loss times a vector")
    for name in p.losses:
        second = Partial(Partial(element(name), element("z", "i")), element("z", "j"))
        each_row(b, Total("sum", "j", "V", times(second, element("v", "j"))))
    second = Partial(Partial(element("L"), element("z", "n", "i")), element("z", "m", "j"))
    inner = Total("sum", "j", "V", times(second, element("v", "m", "j")))
    b.chain(
        Total("sum", "m", "N", inner),
        known(world, "The Hessian was found above: it is 0 between two rows.", form="rows"),
        constants_out(),
        pick(),
        known(world, "The product of a row was found above."),
        order(),
    )


def linear(b: Builder, end: bool = True) -> None:
    """∂L/∂W, ∂L/∂x and ∂L/∂b. end: also with the gradient by the logits put in."""
    world = b.world
    b.section("The linear layer", 2)
    meaning = "The logits come from a linear layer with input $x$, weight $W$ and bias $b$:"
    b.define(Definition(*defined("output-neuron")), meaning, "output-neuron")
    b.say("Let $F$ be any function of the logits $z_{no}$; the loss $L$ is one.")
    world.functions["F"] = element("z", "n", "o")
    variables = (
        ("weight", element("W", "o", "d"), element("z", "n", "k")),
        ("input", element("x", "n", "d"), element("z", "m", "k")),
        ("bias", element("b", "o"), element("z", "n", "k")),
    )
    for word, by, logit in variables:
        b.section(f"Gradient by the {word}")
        rules = (unfold(world, "z"), linearity(world), delta_of_variable(), pick())
        b.chain(Partial(logit, by), *rules)
        layer = known(world, "How the layer answers was found above.", of="z")
        found = b.chain(
            Partial(element("F"), by),
            through(world, "z"),
            layer,
            pick(),
            constants_out(),
            pick(),
        )
        if end:
            why = "The loss is such a function, and its gradient by the logits was found above."
            insert = known(world, why, of="L").after(partial(_of_loss, found))
            b.chain(Partial(element("L"), by), insert, learn=False)


def _of_loss(expr: Real, _: Real) -> Real:
    """Return what was found for F with L in its place."""
    return with_elements(expr, lambda one: element("L") if one.name == "F" else one)
