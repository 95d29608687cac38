"""The rules of writing, one by one: expression in, equal expression out."""

from __future__ import annotations

import pytest

from softxent.derive.core import Apply, Divide, Index, Partial, Raise, Total
from softxent.derive.write import algebra, calculus, sums
from softxent.derive.write.source import defined, equation
from softxent.derive.write.terms import (
    ONE,
    TWO,
    apart,
    delta,
    divide,
    element,
    free_letters,
    negative,
    plus,
    put,
    same,
    times,
)
from softxent.derive.write.tex import tex
from softxent.derive.write.world import Definition, World

Y, Z = element("y", "k"), element("z", "i")
KI = delta(Index("k"), Index("i"))


def total(of, letter="k"):
    return Total("sum", letter, "V", of)


@pytest.fixture
def world():
    world = World()
    for id in ("softmax", "cross-entropy"):
        world.define(Definition(*defined(id)))
    return world


RULES = [
    (algebra.collect(), plus(Y, negative(times(Y, Y))), r"y_k \left(1 - y_k\right)"),
    (algebra.cancel(), times(divide(element("t", "k"), Y), Y), "t_k"),
    (algebra.expand(), times(Y, plus(ONE, negative(Y))), "y_k - y_k y_k"),
    (algebra.order(), plus(negative(Y), Z), "z_i - y_k"),
    (algebra.logarithm(), Apply("log", divide(Apply("exp", Z), Y)), r"z_i - \log y_k"),
    (algebra.one_fraction(), times(Y, divide(ONE, Z)), r"\frac{y_k}{z_i}"),
    (
        algebra.split_fraction(),
        Divide(plus(times(Y, Z), negative(times(Y, Y))), Raise(Z, TWO)),
        r"\frac{y_k}{z_i} - \frac{y_k}{z_i} \frac{y_k}{z_i}",
    ),
    (sums.pick(), total(times(Y, KI)), "y_i"),
    (sums.constants_out(), total(times(Z, Y)), r"z_i \sum_{k} y_k"),
    (sums.distribute(), total(plus(Y, Z)), r"\sum_{k} y_k + \sum_{k=1}^{V} z_i"),
    (sums.count(), total(Z), "V z_i"),
    (sums.sum_to_one(), times(Z, total(element("t", "k"))), "z_i"),
    (calculus.quotient_rule(), Partial(divide(Y, Z), Z), None),
    (calculus.delta_of_variable(), Partial(element("z", "k"), Z), r"\delta_{ki}"),
    (calculus.chain_rule("exp"), Partial(Apply("exp", Y), Z), None),
]


@pytest.mark.parametrize(
    ("rule", "before", "after"), RULES, ids=[f"{rule.id}" for rule, _, _ in RULES]
)
def test_a_rule_changes_what_it_is_for_and_nothing_else(rule, before, after):
    changed = rule.rewrite(before)
    assert changed != before
    if after is not None:
        assert tex(changed) == after
    assert rule.rewrite(element("x")) == element("x")


def test_a_bound_letter_makes_room(world):
    # y_j written out has a sum of its own, not over j.
    body = world.body(element("y", "j"), {"j"})
    assert free_letters(body) == {"j"}
    assert "sum_{j}" not in tex(body)
    assert same(
        put(total(times(Y, Z)), {"i": "k"}),
        Total("sum", "j", "V", times(element("y", "j"), element("z", "k"))),
    )
    assert apart(total(Y), {"k"}).letter != "k"


def test_a_result_is_found_under_other_letters(world):
    world.learn(Partial(Y, Z), times(Y, KI))
    found = world.result(Partial(element("y", "i"), element("z", "j")), set())
    assert tex(found) == r"y_i \delta_{ij}"
    assert world.result(Partial(element("t", "i"), Z), set()) is None


def test_dependence_goes_through_definitions(world):
    assert world.depends(element("C"), "z")
    assert world.depends(element("C"), "t")
    assert not world.depends(Y, "t")


def test_equations_are_read_as_they_are_written():
    left, right = equation("hessian")
    assert f"{tex(left)} = {tex(right)}" == (
        r"\frac{\partial^2 C}{\partial z_i \partial z_j} = \left(\sum_{k} t_k\right) y_i"
        r" \left(\delta_{ij} - y_j\right)"
    )
    with pytest.raises(TypeError):
        defined("gradient")
