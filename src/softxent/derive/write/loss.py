"""The loss of a row: its gradient by both roads, its Hessian, and what the Hessian does."""

from __future__ import annotations

from softxent.derive.core import Element, Partial, Total
from softxent.derive.write.algebra import cancel, collect, one_fraction, order
from softxent.derive.write.builder import Builder
from softxent.derive.write.calculus import (
    chain_rule,
    delta_of_variable,
    linearity,
    product_rule,
    through,
)
from softxent.derive.write.rules import fold, known, unfold
from softxent.derive.write.sums import constants_out, distribute, pick
from softxent.derive.write.terms import element, times


def gradient_by_cases(b: Builder, loss: Element, s: str) -> None:
    """∂C/∂s_i = Σ_k ∂C/∂y_k ∂y_k/∂s_i."""
    world = b.world
    b.section("Derivative of the loss by the outputs")
    b.chain(
        Partial(loss, element("y", "k")),
        unfold(world, loss.name),
        linearity(world),
        chain_rule("log"),
        delta_of_variable(),
        pick(),
        one_fraction(),
    )
    b.section("Gradient by the chain rule")
    b.chain(
        Partial(loss, element(s, "i")),
        through(world, "y"),
        known(world, "Both factors were found above.").named("insert-jacobian"),
        cancel().named("cancel-output"),
        constants_out(),
        distribute(),
        constants_out(),
        pick(),
        order(),
    )


def gradient_by_logarithm(b: Builder, loss: Element, s: str) -> None:
    """∂C/∂s_i from C = (Σt) log Σ e^s - Σ t s."""
    world = b.world
    b.section("The loss without the softmax")
    b.chain(
        loss,
        unfold(world, loss.name),
        known(world, "The logarithm of the softmax was found above."),
        distribute(),
        constants_out(),
        order(),
    )
    b.section("Gradient from that form")
    b.chain(
        Partial(loss, element(s, "i")),
        known(world, "The loss is written without the softmax.", derivatives=False),
        linearity(world),
        chain_rule("log"),
        linearity(world),
        chain_rule("exp"),
        delta_of_variable(),
        pick(),
        one_fraction(),
        fold(world, "y"),
        order(),
    )


def z_loss(b: Builder, s: str) -> None:
    """∂lse/∂s_i, ∂Z/∂s_i and their sum with the cross-entropy's gradient."""
    world, by = b.world, element(s, "i")
    b.section("Gradient of the z-loss")
    b.chain(
        Partial(element("lse"), by),
        unfold(world, "lse"),
        chain_rule("log"),
        linearity(world),
        chain_rule("exp"),
        delta_of_variable(),
        pick(),
        one_fraction(),
        fold(world, "y"),
    )
    b.chain(
        Partial(element("Z"), by),
        unfold(world, "Z"),
        linearity(world),
        chain_rule("power"),
        known(world),
    )
    b.section("Gradient of the loss")
    b.chain(Partial(element("C"), by), unfold(world, "C"), linearity(world), known(world))


def through_options(b: Builder, loss: Element) -> None:
    """∂C/∂z_i = J_i ∂C/∂a_i."""
    world = b.world
    b.section(f"Gradient of ${loss.name}$ by the logits")
    start = Partial(loss, element("z", "i"))
    slope = known(world, "How the options move with the logits was found above.", of="a")
    b.chain(start, through(world, "a"), slope, pick(), order(), form="slope")
    b.chain(start, known(world, form="slope"), known(world, "The gradient was found above."))


def target_gradient(b: Builder) -> None:
    """∂C/∂t_k."""
    world = b.world
    b.section("Gradient by the target")
    b.chain(
        Partial(element("C"), element("t", "k")),
        unfold(world, "C"),
        linearity(world),
        unfold(world, "E"),
        linearity(world),
        unfold(world, "t'", "\\tilde{w}"),
        linearity(world),
        delta_of_variable(),
        pick(),
        order(),
    )


def hessian(b: Builder, loss: Element, s: str) -> None:
    """∂²C/∂s_i∂s_j."""
    world = b.world
    b.section(f"Hessian of ${loss.name}$" + (" by $a$" if s == "a" else ""))
    b.chain(
        Partial(Partial(loss, element(s, "i")), element(s, "j")),
        known(world, "The gradient was found above."),
        linearity(world),
        product_rule(),
        known(world, "The derivatives of its parts were found above."),
        order(),
    )


def hessian_through_options(b: Builder, loss: Element) -> None:
    """∂²C/∂z_i∂z_j from that by a; with a soft cap the slope moves, too."""
    world = b.world
    b.section(f"Hessian of ${loss.name}$ by the logits")
    b.chain(
        Partial(Partial(loss, element("z", "i")), element("z", "j")),
        known(world, "The gradient is the slope of the options times that by $a$.", form="slope"),
        linearity(world),
        product_rule(),
        through(world, "a"),
        known(world, "How the options move with the logits was found above.", of="a"),
        known(world, "The derivative of the slope was found above.", of="J"),
        pick(),
        known(world, "The Hessian by $a$ was found above.", of=loss.name, order=2),
        order(),
    )


def hvp(b: Builder, loss: Element) -> None:
    """Σ_j ∂²C/∂z_i∂z_j v_j."""
    world = b.world
    second = Partial(Partial(loss, element("z", "i")), element("z", "j"))
    b.section(f"Hessian of ${loss.name}$ times a vector")
    b.chain(
        Total("sum", "j", "V", times(second, element("v", "j"))),
        known(world, "The Hessian was found above."),
        constants_out(),
        distribute(),
        constants_out(),
        pick(),
        collect(),
    )
