"""What `decide` does at its edges: indices out of range, no value, too large, too long, unknown."""

from __future__ import annotations

from typing import Any

import pytest
from derive.exact_builder import (
    SOFTMAX,
    E,
    at,
    choose,
    d,
    defined,
    delta,
    el,
    exp,
    fn,
    free,
    given,
    log,
    real,
    sigma,
    size,
    total,
    unknown,
)

from softxent.derive.core import Given
from softxent.derive.exact import decide

x, y, z = el("x"), el("y"), el("z", "i")
X = {"x": free()}
ROW = {"x": free("L")}


def says(left: Any, right: Any, context: Given | None = None, **options: Any) -> bool | None:
    return decide(real(left), real(right), context or given(X), **options).equal


def why(left: Any, right: Any, context: Given | None = None, **options: Any) -> str:
    decision = decide(real(left), real(right), context or given(X), **options)
    assert decision.equal is None, decision
    assert decision.witness is None
    return decision.why


# ------------------------------------------------------------------ witnesses


def test_the_witness_is_the_one_a_reader_redoes() -> None:
    left, right = d(el("C"), z), -(el("y", "i") - el("t", "i"))
    decision = decide(left.real, right.real, given(SOFTMAX, {"i": "K"}))
    assert decision.witness is not None
    assert decision.witness.k == 3
    assert decision.witness.values == {"e^z": "(1, 2, 3)", "t": "(0, 1, 0)", "i": "1"}
    assert (decision.witness.left, decision.witness.right) == ("1/6", "-1/6")


def test_one_hot_targets_stand_in_a_witness_only_where_they_separate() -> None:
    t = el("t", "i")
    decision = decide((t * t).real, t.real, given(SOFTMAX, {"i": "K"}))
    assert decision.equal is False
    assert decision.witness is not None
    assert decision.witness.values["t"] == "(1, 2, 3)"
    assert decision.witness.values["i"] == "2"


def test_logarithms_are_written_by_primes() -> None:
    decision = decide(el("C").real, real(0), given(SOFTMAX, assumed=("one-hot:t",)))
    assert decision.witness is not None
    assert decision.witness.left == "log 3"


def test_numbers_of_other_sets_are_said() -> None:
    context = given({"x": free("N D")}, {"d": "D"})
    decision = decide(sigma("n", "N", el("x", "n", "d")).real, real(0), context)
    assert decision.witness is not None
    assert decision.witness.k == len(decision.witness.values["x"].split("), ")[0].split(", "))
    assert set(decision.witness.values) == {"x", "d", "N"}


# ------------------------------------------------------------------ small sets


@pytest.mark.parametrize("k", [1, 2])
def test_coincidences_of_small_sets(k: int) -> None:
    halves = defined("", "", sigma("i", "K", el("x", "i")) / size("K"))
    context = given({"x": free("K"), "m": halves})
    left, right = sigma("i", "K", el("x", "i")), el("m") * k
    assert says(left, right, context) is False
    assert says(left, right, context, sizes={"K": k}) is True


def test_size_one_makes_the_mean_a_sum() -> None:
    left, right = sigma("n", "N", el("x", "n")) / size("N"), el("x", 1)
    context = {"x": free("N")}
    assert says(left, right, given(context)) is False
    assert says(left, right, given(context, assumed=("size-one:N",))) is True


def test_no_size_is_taken_for_a_number() -> None:
    for n in range(1, 8):
        assert says(sigma("n", "N", el("x", "n")) / size("N"), sigma("n", "N", el("x", "n")) / n,
                    given({"x": free("N")})) is False  # fmt: skip


def test_sets_have_different_sizes() -> None:
    context = given({"x": free("N D")})
    assert says(size("N"), size("D"), context) is False


def test_a_set_is_as_large_as_the_indices_written() -> None:
    left = sigma("k", "K", el("x", "k"))
    right = el("x", 1) + el("x", 2) + el("x", 3)
    context = given({"x": free("K")})
    assert says(left, right, context) is False
    assert says(left, right, context, sizes={"K": 3}) is True


# ------------------------------------------------------------------ assumptions

SUM = sigma("k", "K", el("t", "k"))


@pytest.mark.parametrize(
    ("left", "assumed", "equal"),
    [
        (SUM, (), False),
        (SUM, ("sum-to-one:t",), True),
        (SUM, ("one-hot:t",), True),
        (sigma("k", "K", el("t", "k") ** 2), ("sum-to-one:t",), False),
        (sigma("k", "K", el("t", "k") ** 2), ("one-hot:t",), True),
        (SUM, ("binary:t",), False),
        (el("t", 1) ** 2 - el("t", 1) + 1, ("binary:t",), True),
        (SUM, ("sum-to-one:t", "positive:t"), True),
        (fn("sign", el("t", 1)), ("positive:t",), True),
    ],
)
def test_assumptions(left: E, assumed: tuple[str, ...], equal: bool) -> None:
    assert says(left, 1, given(SOFTMAX, assumed=assumed)) is equal


def test_a_row_is_over_the_last_index() -> None:
    context = given({"t": free("N K", "target")}, {"n": "N", "k": "K"}, assumed=("one-hot:t",))
    assert says(sigma("k", "K", el("t", "n", "k")), 1, context) is True
    assert says(sigma("n", "N", el("t", "n", "k")), 1, context) is False


def test_a_target_without_index_is_0_or_1_when_binary() -> None:
    t = el("t")
    for assumed in ("binary:t", "one-hot:t"):
        context = given({"t": free("", "target"), **X}, assumed=(assumed,))
        assert says(t * t, t, context) is True
        assert says(t, 1, context) is False
        assert says(t, 0, context) is False
        assert says(t * x, x * t**3, context) is True


def test_binary_numbers_take_all_pairs_of_values() -> None:
    quantities = {"a": free("", "target"), "b": free("", "target")}
    context = given(quantities, assumed=("binary:a", "binary:b"))
    a, b = el("a"), el("b")
    for product in (a * b, (1 - a) * b, a * (1 - b), (1 - a) * (1 - b)):
        assert says(product, 0, context) is False
    assert says((a - b) ** 2, a + b - 2 * a * b, context) is True


def test_a_one_hot_row_has_its_1_anywhere() -> None:
    context = given({"t": free("K", "target")}, assumed=("one-hot:t",))
    for k in (1, 2, 3):
        assert says(el("t", k), 0, context) is False
        assert says(el("t", k), 1, context) is False


def test_an_assumption_about_a_defined_quantity_is_asked_for() -> None:
    assert says(sigma("k", "K", el("y", "k")), 1, given(SOFTMAX, assumed=("sum-to-one:y",))) is True
    halves = {**SOFTMAX, "y": defined("k", "K", exp(el("z", "k")))}
    reason = why(sigma("k", "K", el("y", "k")), 1, given(halves, assumed=("sum-to-one:y",)))
    assert reason == "an assumption about a defined quantity does not hold"


def test_an_unknown_assumption_is_not_passed_over() -> None:
    assert why(SUM, 1, given(SOFTMAX, assumed=("even:t",))) == (
        "unsupported: the assumption even:t"
    )


def test_probabilities_are_positive_and_sum_to_1() -> None:
    context = given({"p": free("K", "probability")}, {"k": "K"})
    assert says(sigma("k", "K", el("p", "k")), 1, context) is True
    assert says(fn("abs", el("p", "k")), el("p", "k"), context) is True


def test_zero_times_log_zero_is_zero() -> None:
    left = sigma("k", "K", el("t", "k") * log(el("t", "k")))
    assert says(left, 0, given(SOFTMAX, assumed=("one-hot:t",))) is True


# ------------------------------------------------------------------ derivatives


def test_a_derivative_does_not_look_into_its_own_quantity() -> None:
    quantities = {**SOFTMAX, "E": defined("", "", sigma("k", "K", el("y", "k") * el("z", "k")))}
    letters = {"i": "K"}
    assert says(d(el("E"), el("y", "i")), el("z", "i"), given(quantities, letters)) is True
    through = sigma("k", "K", d(el("E"), el("y", "k")) * d(el("y", "k"), z))
    # z stands in E beside y: the chain rule through y alone misses it.
    assert says(d(el("E"), z), through, given(quantities, letters)) is False
    assert says(d(el("E"), z), through + el("y", "i"), given(quantities, letters)) is True


def test_mixed_derivative_across_levels() -> None:
    """∂/∂z_i of ∂C/∂y_k: the inner takes y as it stands, the outer goes through it."""
    t, y_k = el("t", "k"), el("y", "k")
    left = d(d(el("C"), y_k), z)
    right = t / y_k**2 * d(y_k, z)
    context = given(SOFTMAX, {"i": "K", "k": "K"})
    assert says(left, right, context) is True
    assert says(left, -right, context) is False
    assert says(left, 0, context) is False


def test_elements_without_a_part_have_derivative_0() -> None:
    assert says(d(el("C"), el("x")), 0, given({**SOFTMAX, **X})) is True
    assert says(d(el("t", "k"), z), 0, given(SOFTMAX, {"i": "K", "k": "K"})) is True


def test_derivative_of_an_element_by_an_element() -> None:
    context = given(SOFTMAX, {"i": "K", "j": "K"})
    assert says(d(z, el("z", "j")), delta("i", "j"), context) is True
    assert says(d(z, el("z", "j")), 1, context) is False


def test_schwarz_for_an_unknown_function() -> None:
    context = given({"x": free("K"), "E": unknown("", "x")}, {"i": "K", "j": "K"})
    first, second = el("x", "i"), el("x", "j")
    assert says(d(d(el("E"), first), second), d(d(el("E"), second), first), context) is True
    assert says(d(d(el("E"), first), second), 0, context) is False
    assert says(d(d(el("E"), first), second), d(d(el("E"), first), first), context) is False


def test_an_elementwise_function_sees_its_own_element_only() -> None:
    by = d(el("f", "i"), el("x", "j"))
    quantities = {"x": free("K"), "f": unknown("K", "x", elementwise=True)}
    context = given(quantities, {"i": "K", "j": "K"})
    assert says(by, delta("i", "j") * d(el("f", "i"), el("x", "i")), context) is True
    assert says(by, delta("i", "j"), context) is False
    quantities["f"] = unknown("K", "x")
    assert says(by, delta("i", "j") * by, given(quantities, {"i": "K", "j": "K"})) is False


def test_an_elementwise_loss_takes_the_row() -> None:
    quantities = {"y": free("N K"), "l": unknown("N", "y", elementwise=True)}
    context = given(quantities, {"n": "N", "m": "N", "k": "K"}, ("n != m",))
    assert says(d(el("l", "n"), el("y", "m", "k")), 0, context) is True
    assert says(d(el("l", "n"), el("y", "n", "k")), 0, context) is False


def test_a_maximum_has_the_gradient_of_its_argument() -> None:
    m = total("max", "j", "K", el("x", "j"))
    context = given({"x": free("K")}, {"i": "K"})
    assert says(sigma("i", "K", d(m, el("x", "i"))), 1, given({"x": free("K")})) is True
    assert says(d(m, el("x", "i")), 1, context) is False
    assert says(d(m, el("x", "i")) * (m - el("x", "i")), 0, context) is True


# ------------------------------------------------------------------ indices


def test_an_index_shifted_out_skips_the_point() -> None:
    context = given(ROW, {"l": "L"})
    assert says(el("x", "l-1") + 0, el("x", "l-1"), context) is True
    assert says(el("x", "l-1"), el("x", "l"), context) is False


def test_a_bounded_sum_drops_what_lies_outside() -> None:
    left = sigma("l", "L", el("x", "l-1"), "l > 0")
    assert says(left, sigma("l", "L", el("x", "l")) - el("x", "L"), given(ROW)) is True


def test_a_whole_sum_does_not() -> None:
    reason = why(sigma("l", "L", el("x", "l-1")), 0, given(ROW))
    assert reason == "no value: an index of x is outside L"


def test_sums_of_nothing() -> None:
    context = given(ROW)
    nothing = ("l < 1",)
    assert says(sigma("l", "L", el("x", "l"), *nothing), 0, context) is True
    assert says(total("product", "l", "L", el("x", "l"), *nothing), 1, context) is True
    reason = why(total("max", "l", "L", el("x", "l"), *nothing), 0, context)
    assert reason == "no value: the max of nothing"


def test_sets_that_begin_at_0() -> None:
    context = given(ROW)
    assert says(sigma("l", "L", at("l"), lower=0), size("L") * (size("L") - 1) / 2, context) is True
    left = el("x", 0) + sigma("l", "L", el("x", "l"), lower=1)
    assert says(left, sigma("l", "L", el("x", "l"), lower=0), context) is True


def test_a_letter_that_is_free_and_bound() -> None:
    """The inner i of Σ_i x_i is not the step's i."""
    context = given(ROW, {"i": "L"})
    left = el("x", "i") + sigma("i", "L", el("x", "i"))
    assert says(left, sigma("l", "L", el("x", "l")) + el("x", "i"), context) is True


def test_a_definition_does_not_see_the_letters_around_it() -> None:
    quantities = {**ROW, "m": defined("", "", sigma("i", "L", el("x", "i")))}
    left = sigma("i", "L", el("m") * el("x", "i"))
    assert says(left, el("m") ** 2, given(quantities)) is True


def test_conditions_of_the_case() -> None:
    context = given(ROW, {"i": "L", "j": "L"}, ("i < j",))
    assert says(delta("i", "j"), 0, context) is True
    assert says(choose(("i < j", x), ("", 2 * x)), x, given({**ROW, **X}, *[{"i": "L", "j": "L"}]))\
        is False  # fmt: skip
    assert why(x, x, given(X, {"i": "L"}, ("i < i",))) == (
        "no value of the letters meets the conditions"
    )


def test_no_case_that_applies() -> None:
    context = given(ROW, {"i": "L"})
    assert why(choose(("i < 1", x)), x, given({**ROW, **X}, {"i": "L"})).endswith("no case applies")
    assert says(choose(("i > 1", el("x", "i"))), el("x", "i"), context) is True
