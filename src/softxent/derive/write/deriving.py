"""The strategies: which sections a result needs, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from softxent.derive.core import Partial, Real, Total
from softxent.derive.write import batch, loss, softmax
from softxent.derive.write.algebra import cancel, collect, expand
from softxent.derive.write.builder import Builder
from softxent.derive.write.derivation import Derivation, Section, Text
from softxent.derive.write.problem import TOUR, Problem
from softxent.derive.write.rules import Rule, known, unfold
from softxent.derive.write.source import defined
from softxent.derive.write.sums import constants_out, count, distribute, pick, sum_to_one
from softxent.derive.write.terms import element, times
from softxent.derive.write.world import Definition

_TITLES = {
    "jacobian": "The Jacobian of the softmax",
    "gradient": "The gradient of softmax cross-entropy",
    "target-gradient": "The derivative of cross-entropy by its target",
    "hessian": "The Hessian of softmax cross-entropy",
    "hvp": "The Hessian of softmax cross-entropy, times a vector",
}
_ALL_OPTIONS = "All options together"
_AGAIN = (
    "Now with a soft cap, a temperature, label smoothing, class weights and a z-loss at once. The"
    " letters $y_k$ and $C$ get a new meaning here; the steps are those of above, with $a_k$ for"
    " $z_k$ and another target, and two more: the slope of the options, and the z-loss."
)


def derivation(p: Problem) -> Derivation:
    """Write the derivation of one result."""
    return Derivation(_TITLES[p.result], p.options, tuple(sections((p,))))


def tour() -> Derivation:
    """Write all of it as one text: both roads, many rows, the linear layer, all options."""
    wanted = (
        Problem("gradient", target="probability", reduction="mean", linear=True),
        Problem("jacobian"),
        Problem("gradient"),
        Problem("gradient", road="log-sum-exp"),
        Problem("target-gradient"),
        Problem("hessian"),
        Problem("hvp"),
    )
    b = Builder()
    written = sections(wanted, b, reduced=("gradient",))
    written.append(Section(_ALL_OPTIONS, 2, (Text(_AGAIN),)))
    every = Problem(temperature=True, softcap=True, label_smoothing=True, weight=True, z_loss=True)
    again = Builder(asked=b.asked)
    written += (replace(one, level=one.level + 1) for one in sections((every,), again))
    return Derivation("Softmax cross-entropy, derived", {"result": TOUR}, tuple(written))


def sections(
    problems: Sequence[Problem], b: Builder | None = None, reduced: Sequence[str] | None = None
) -> list[Section]:
    """Write one problem, or several that differ in result and road only, as one text.

    reduced: which of the results are wanted of the reduced loss as well; None is all, to the end.
    """
    b, p = b or Builder(), problems[0]
    definitions = p.definitions()
    results = list(dict.fromkeys(one.result for one in problems))
    _letters(b, p, definitions)
    b.section("One row", 2)
    for one in problems:
        _row(b, one)
    if p.sums_to_one:
        _assume(b, p)
        for result in results:
            if result not in ("jacobian", "target-gradient"):
                _normalised(b, _start(result, ()))
    if p.reduction != "none":
        results = [one for one in results if reduced is None or one in reduced]
        batch.rows(b, p, definitions)
        for result in results:
            _reduced(b, p, result)
        if p.sums_to_one and p.target == "probability":
            _assume_rows(b, p)
            for result in results:
                if result not in ("jacobian", "target-gradient"):
                    _normalised(b, _start(result, ("n",)))
    if p.linear:
        batch.linear(b, end=reduced is None)
    b.end()
    return b.sections


def _letters(b: Builder, p: Problem, definitions: list[tuple[Definition, str, str]]) -> None:
    """Say what every letter means."""
    b.section("The letters", 2)
    b.say(
        "There are $V$ classes. The logits are $z_k$, one number for each class. Sums run over all"
        " classes; the steps leave their bounds out."
    )
    for definition, meaning, id in definitions:
        if definition.name in (p.q, p.main) and b.first("target"):
            b.say("The target is $t_k$: any numbers, one for each class; they need not sum to one.")
        b.define(definition, meaning, id)


# ---------------------------------------------------------------------- one row
def _row(b: Builder, p: Problem) -> None:
    if p.result == "target-gradient":
        loss.target_gradient(b)
    elif p.result == "jacobian":
        _jacobian(b, p)
        if p.s == "a":
            _slope(b, p)
            softmax.through_options(b)
    else:
        _gradient(b, p)
    if p.result in ("hessian", "hvp"):
        _hessian(b, p)
    if p.result == "hvp":
        for name in p.losses:
            loss.hvp(b, element(name))


def _jacobian(b: Builder, p: Problem) -> None:
    """Derive ∂y_k/∂s_i, if that is not done."""
    if not b.first("jacobian"):
        return
    if p.road == "cases":
        softmax.jacobian_by_cases(b, p.s)
    else:
        _log_softmax(b, p)
        softmax.jacobian_by_logarithm(b, p.s)


def _log_softmax(b: Builder, p: Problem) -> None:
    if b.first("log-softmax"):
        softmax.log_softmax(b, p.s)


def _slope(b: Builder, p: Problem) -> None:
    if b.first("slope"):
        softmax.slope(b, p.softcap)


def _gradient(b: Builder, p: Problem) -> None:
    """Derive ∂C/∂z_i by this road, if that is not done."""
    if not b.first(f"gradient-{p.road}"):
        return
    if p.road == "cases":
        _jacobian(b, p)
        loss.gradient_by_cases(b, element(p.main), p.s)
    else:
        _log_softmax(b, p)
        loss.gradient_by_logarithm(b, element(p.main), p.s)
    if not b.first("gradient"):
        return
    if p.z_loss:
        loss.z_loss(b, p.s)
    if p.s == "a":
        _slope(b, p)
        for name in p.losses:
            loss.through_options(b, element(name))


def _hessian(b: Builder, p: Problem) -> None:
    """Derive ∂²C/∂z_i∂z_j, if that is not done."""
    if not b.first("hessian"):
        return
    _jacobian(b, p)
    if p.softcap:
        softmax.slope_derivative(b)
    for name in p.losses:
        loss.hessian(b, element(name), p.s)
        if p.s == "a":
            loss.hessian_through_options(b, element(name))


# ---------------------------------------------------------------------- the target's sum
def _assume(b: Builder, p: Problem) -> None:
    """Say what the target is, and what its sum becomes."""
    if p.target == "index":
        b.section("A class index as target", 2)
        meaning = r"The target is the class $\tau$: its entry is 1, the others are 0."
        b.define(Definition(*defined("one-hot")), meaning, "one-hot")
    else:
        b.section("When the target sums to one", 2)
        b.say(
            "So far nothing was assumed of the target: for counts, or after class weights, the"
            " results above stay as they are."
        )
        b.say(r"Now let the target sum to one: $\sum_{k} t_k = 1$.")
        b.world.assumed.add("sum-to-one:t")
    if p.q == "t'" and p.result not in ("jacobian", "target-gradient"):
        b.chain(Total("sum", "k", "V", element("t'", "k")), *_sum_of_smoothed(b))


def _assume_rows(b: Builder, p: Problem) -> None:
    """The same of every row."""
    b.section("When the target of every row sums to one")
    b.say(r"Let the target of every row sum to one: $\sum_{k} t_{nk} = 1$.")
    if p.q == "t'":
        batch.each_row(b, Total("sum", "k", "V", element("t'", "k")))


def _sum_of_smoothed(b: Builder) -> tuple[Rule, ...]:
    """Σ_k t'_k → 1."""
    world = b.world
    return (
        unfold(world, "t'"),
        distribute(),
        constants_out(),
        unfold(world, "t"),
        pick(),
        sum_to_one(),
        count(),
        cancel(),
        expand(),
    )


def _normalised(b: Builder, start: Real) -> None:
    """Put the sum of the target into a result."""
    world = b.world
    b.chain(
        start,
        known(world, "What was found for any target."),
        known(world, "The sum of the smoothed target was found above."),
        unfold(world, "t"),
        pick(),
        sum_to_one(),
        collect(),
        learn=False,
    )


def _start(result: str, row: tuple[str, ...]) -> Real:
    """Return what a result is about, of one row or of row n."""
    lost = element("L" if row else "C")
    first = Partial(lost, element("z", *row, "i"))
    other = ("m",) if row else ()
    second = times(Partial(first, element("z", *other, "j")), element("v", *other, "j"))
    product: Real = Total("sum", "j", "V", second)
    return {
        "jacobian": Partial(element("y", *row, "k"), element("z", *row, "i")),
        "gradient": first,
        "target-gradient": Partial(lost, element("t", *row, "k")),
        "hessian": Partial(first, element("z", *other, "j")),
        "hvp": Total("sum", "m", "N", product) if row else product,
    }[result]


# ---------------------------------------------------------------------- many rows
def _reduced(b: Builder, p: Problem, result: str) -> None:
    """Derive a result of the reduced loss."""
    if result in ("gradient", "target-gradient"):
        by = element("z", "i") if result == "gradient" else element("t", "k")
        batch.first_derivative(b, p, by)
        return
    if b.first("rows"):
        batch.first_derivative(b, p, element("z", "i"))
    if b.first("second"):
        batch.second_derivative(b, p)
    if result == "hvp":
        batch.hvp(b, p)
