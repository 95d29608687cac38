"""True steps of many fields are decided True, each single edit of them False with a witness."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from derive.exact_builder import (
    E,
    d,
    defined,
    el,
    exp,
    fn,
    free,
    given,
    log,
    real,
    sigma,
)
from derive.exact_fields import FIELDS, LAYERS, ONE
from derive.exact_softmax import SOFT, C, Case, t, y, z
from derive.slow_evaluation import at_witness

from softxent.derive.exact import decide, elementary, jets


@pytest.mark.parametrize("case", SOFT + ONE + FIELDS, ids=lambda case: case.id)
def test_true_step(case: Case) -> None:
    context = given(case.quantities, case.letters, case.conditions, case.assumed)
    decision = decide(case.left.real, real(case.right), context)
    assert decision.equal is True, decision
    assert decision.exact is case.exact
    assert decision.error <= 1e-4
    assert decide(real(case.right), case.left.real, context, seed=7).equal is True


@pytest.mark.parametrize(
    ("case", "right"),
    [
        pytest.param(case, wrong, id=f"{case.id} {n}")
        for case in SOFT + ONE + FIELDS
        for n, wrong in enumerate(case.wrong)
    ],
)
def test_edited_step(case: Case, right: Any) -> None:
    context = given(case.quantities, case.letters, case.conditions, case.assumed)
    decision = decide(case.left.real, real(right), context)
    assert decision.equal is False, decision
    assert decision.witness is not None
    if any(one in decision.witness.values for one in ("E", "h")) or "one-hot:t:c" in case.assumed:
        return
    left, other = at_witness(case.left.real, real(right), context, decision.witness)
    assert abs(left - other) > 1e-9


CHAINS = [
    (
        "E",
        "W",
        sigma("k", "K", d(el("E"), el("o", "k")) * d(el("o", "k"), el("W", "m", "d"))),
        True,
    ),
    ("E", "W", d(el("E"), el("a", "m")) * el("x", "d"), True),
    ("E", "W", d(el("E"), el("a", "m")) * el("x", 1), False),
    (
        "E",
        "W",
        sigma("k", "K", d(el("E"), el("o", "k")) * el("V", "k", "m"))
        * d(el("h", "m"), el("a", "m"))
        * el("x", "d"),
        True,
    ),
    (
        "E",
        "W",
        sigma("k", "K", d(el("E"), el("o", "k")) * el("V", "k", "m")) * el("x", "d"),
        False,
    ),
    ("E", "W", d(el("E"), el("h", "m")) * el("x", "d"), False),
]


@pytest.mark.parametrize(("of", "by", "right", "equal"), CHAINS)
def test_chain_rule_with_unknown_functions(of: str, by: str, right: E, equal: bool) -> None:
    left = d(el(of), el(by, "m", "d"))
    decision = decide(left.real, right.real, given(LAYERS, {"m": "M", "d": "D"}))
    assert decision.equal is equal
    if not equal:
        assert decision.witness is not None
        assert decision.witness.values["E"].startswith("u + u v + u v w, u = ")


CAPPED = {
    "z": free("V"),
    "t": free("V", "target"),
    "w": free("V"),
    "c": free("", "positive"),
    "T": free("", "positive"),
    "lam": free("", "positive"),
    "a": defined("k", "V", el("c") / el("T") * fn("tanh", z("k") / el("c"))),
    "y": defined("k", "V", exp(el("a", "k")) / sigma("j", "V", exp(el("a", "j")))),
    "lse": defined("", "", log(sigma("j", "V", exp(el("a", "j"))))),
    "J": defined("i", "V", 1 / el("T") * fn("sech", z("i") / el("c")) ** 2),
    "C": defined(
        "",
        "",
        -sigma("k", "V", el("w", "k") * t("k") * log(y("k"))) + el("lam") * el("lse") ** 2,
    ),
}


def test_a_long_exact_form_is_decided_by_digits() -> None:
    """Softcap, weights and z-loss at once: the exact quotients grow past their cap."""
    weights = sigma("k", "V", el("w", "k") * t("k"))
    slope = y("i") * weights - el("w", "i") * t("i") + 2 * el("lam") * el("lse") * y("i")
    context = given(CAPPED, {"i": "V"})
    left = d(C, z("i")).real
    decision = decide(left, (el("J", "i") * slope).real, context)
    assert (decision.equal, decision.exact) == (True, False)
    for wrong in (slope, el("J", "i") * slope * 2, el("J", 1) * slope, -el("J", "i") * slope):
        decision = decide(left, wrong.real, context)
        assert decision.equal is False
        assert decision.witness is not None
        a, b = at_witness(left, wrong.real, context, decision.witness)
        assert abs(a - b) > 1e-9


def test_a_linear_form_is_the_sum_of_its_terms() -> None:
    third, fifth = Fraction(1, 3), Fraction(1, 5)
    slope = jets.seeded(third, 1)
    reals: list[jets.Real] = [fifth, slope, Fraction(0), elementary.log(Fraction(2))]
    factors = [2, -3, 7, 4]
    plain: jets.Real = Fraction(5)
    for factor, value in zip(factors, reals, strict=True):
        plain = plain + value * Fraction(factor)
    found = jets.linear(5, factors, reals)
    assert jets.value_of(found) == jets.value_of(plain)
    assert jets.along(found, 1) == jets.along(plain, 1) == -3
