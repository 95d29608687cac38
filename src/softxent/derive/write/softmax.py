"""The derivative of the softmax, by both roads, and through what stands before it."""

from __future__ import annotations

from softxent.derive.core import Apply, Compare, Index, Partial, Total
from softxent.derive.write.algebra import (
    cancel,
    collect,
    expand,
    logarithm,
    one_fraction,
    order,
    split_fraction,
)
from softxent.derive.write.builder import Builder
from softxent.derive.write.calculus import (
    chain_rule,
    delta_of_variable,
    linearity,
    log_derivative,
    other_variable,
    own_exponential,
    quotient_rule,
    through,
)
from softxent.derive.write.rules import Rule, fold, known, unfold
from softxent.derive.write.sums import in_cases, join, pick, rename_under_delta
from softxent.derive.write.terms import element
from softxent.derive.write.world import World


def jacobian_by_cases(b: Builder, s: str) -> None:
    """∂y_k/∂s_i: quotient rule for k = i and for k ≠ i, joined by the delta."""
    world, by = b.world, element(s, "i")
    b.section("The sum in the denominator")
    denominator = Total("sum", "j", "V", Apply("exp", element(s, "j")))
    b.chain(Partial(denominator, by), *_exponentials(world))
    b.section("Derivative of the softmax")
    b.say("Output $k$ is differentiated by the variable of class $i$, in two cases.")
    equal = (Compare("eq", Index("k"), Index("i")),)
    b.section("Case $k = i$", 4, equal)
    one = b.chain(
        Partial(element("y", "i"), by),
        unfold(world, "y"),
        quotient_rule(),
        own_exponential(),
        known(world, "The derivative of the sum was found above."),
        split_fraction(),
        fold(world, "y"),
        collect(),
        learn=False,
    )
    different = (Compare("neq", Index("k"), Index("i")),)
    b.section(r"Case $k \neq i$", 4, different)
    other = b.chain(
        Partial(element("y", "k"), by),
        unfold(world, "y"),
        quotient_rule(),
        other_variable(world, "k", "i"),
        known(world, "The derivative of the sum was found above."),
        split_fraction(),
        fold(world, "y").named("fold-different"),
        learn=False,
    )
    b.section("Both cases together", 4)
    b.chain(
        Partial(element("y", "k"), by),
        in_cases("k", "i", one, other),
        join(),
        rename_under_delta(),
        expand(),
        collect(),
    )


def log_softmax(b: Builder, s: str) -> None:
    """log y_k = s_k - log Σ e^s."""
    b.section("The logarithm of the softmax")
    b.chain(Apply("log", element("y", "k")), unfold(b.world, "y"), logarithm())


def jacobian_by_logarithm(b: Builder, s: str) -> None:
    """∂y_k/∂s_i = y_k ∂(log y_k)/∂s_i."""
    world, by = b.world, element(s, "i")
    b.section("Derivative of the softmax")
    b.chain(
        Partial(Apply("log", element("y", "k")), by),
        known(world, "The logarithm of the softmax was found above."),
        linearity(world),
        chain_rule("log"),
        *_exponentials(world),
        one_fraction(),
        fold(world, "y"),
    )
    b.chain(Partial(element("y", "k"), by), log_derivative(), known(world))


def through_options(b: Builder) -> None:
    """∂y_k/∂z_i from ∂y_k/∂a_i."""
    world = b.world
    b.section("Derivative of the softmax by the logits")
    b.chain(
        Partial(element("y", "k"), element("z", "i")),
        through(world, "a"),
        known(world),
        pick(),
        order(),
    )


def slope(b: Builder, capped: bool) -> None:
    """∂a_k/∂z_i, and with a soft cap ∂J_i/∂z_j."""
    world = b.world
    b.section("What the options do to the logits")
    b.chain(
        Partial(element("a", "k"), element("z", "i")),
        unfold(world, "a"),
        linearity(world),
        chain_rule("tanh"),
        linearity(world),
        delta_of_variable(),
        cancel(),
        *((fold(world, "J"),) if capped else ()),
    )


def slope_derivative(b: Builder) -> None:
    """∂J_i/∂z_j, with a soft cap."""
    world = b.world
    b.section("Derivative of the slope")
    b.chain(
        Partial(element("J", "i"), element("z", "j")),
        unfold(world, "J"),
        linearity(world),
        chain_rule("power"),
        chain_rule("sech"),
        linearity(world),
        delta_of_variable(),
        cancel(),
        fold(world, "J"),
    )


def _exponentials(world: World) -> tuple[Rule, ...]:
    """∂/∂s_i Σ_j e^{s_j} → e^{s_i}."""
    return linearity(world), chain_rule("exp"), delta_of_variable(), pick()
