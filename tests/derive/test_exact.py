"""True steps of many fields are decided True, each single edit of them False with a witness."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
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
from derive.slow_evaluation import at_witness

from softxent.derive.exact import decide


@dataclass
class Case:
    """left = right is true, and each of `wrong` in the place of right is false."""

    id: str
    quantities: dict[str, Any]
    left: E
    right: Any
    wrong: tuple[Any, ...] = ()
    letters: dict[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    exact: bool = True


half = Fraction(1, 2)
C = el("C")
BY_I, IJ, IK = {"i": "K"}, {"i": "K", "j": "K"}, {"i": "K", "k": "K"}


def z(i: Any) -> E:
    return el("z", i)


def t(i: Any) -> E:
    return el("t", i)


def y(i: Any) -> E:
    return el("y", i)


def s(of: E) -> E:
    return fn("sigmoid", of)


sum_t = sigma("k", "K", t("k"))
sum_e = sigma("j", "K", exp(z("j")))
jacobian = d(y("k"), z("i"))

SOFT = [
    Case("softmax sums to 1", SOFTMAX, sigma("k", "K", y("k")), 1, (2, half, y(1))),
    Case(
        "Jacobian",
        SOFTMAX,
        jacobian,
        y("k") * (delta("k", "i") - y("i")),
        (
            y("k") * (delta("k", "i") - y("k")),
            y("k") * (delta("k", "i") + y("i")),
            delta("k", "i") - y("i"),
            y("k") * (1 - y("i")),
            -y("k") * (delta("k", "i") - y("i")),
        ),
        IK,
    ),
    Case(
        "Jacobian, k = i",
        SOFTMAX,
        jacobian,
        y("k") * (1 - y("k")),
        (y("k") * (1 + y("k")), y("k") - y("k") ** 3, -y("k") * y("i")),
        IK,
        ("k = i",),
    ),
    Case(
        "Jacobian, k ≠ i",
        SOFTMAX,
        jacobian,
        -y("k") * y("i"),
        (y("k") * y("i"), y("k") * (1 - y("i"))),
        IK,
        ("k != i",),
    ),
    Case(
        "quotient rule",
        SOFTMAX,
        jacobian,
        (exp(z("k")) * delta("k", "i") * sum_e - exp(z("k")) * exp(z("i"))) / sum_e**2,
        ((exp(z("k")) * delta("k", "i") * sum_e - exp(z("k")) * exp(z("i"))) / sum_e,),
        IK,
    ),
    Case(
        "cases of the Jacobian",
        SOFTMAX,
        jacobian,
        choose(("k = i", y("k") * (1 - y("k"))), ("", -y("k") * y("i"))),
        (choose(("k != i", y("k") * (1 - y("k"))), ("", -y("k") * y("i"))),),
        IK,
    ),
    Case(
        "gradient",
        SOFTMAX,
        d(C, z("i")),
        y("i") * sum_t - t("i"),
        (y("i") - t("i"), t("i") - y("i") * sum_t, sum_t - t("i"), y("i") * sum_t - t(1)),
        BY_I,
    ),
    Case(
        "gradient, Σt = 1",
        SOFTMAX,
        d(C, z("i")),
        y("i") - t("i"),
        (t("i") - y("i"), y("i") + t("i"), y("i"), y("i") - t("i") * size("K")),
        BY_I,
        assumed=("sum-to-one:t",),
    ),
    Case(
        "one-hot only: t² = t",
        SOFTMAX,
        t("i") * t("i") * d(C, z("i")),
        t("i") * (y("i") - 1),
        (t("i") * y("i"),),
        BY_I,
        assumed=("one-hot:t",),
    ),
    Case(
        "one-hot at a class c",
        SOFTMAX,
        C,
        -log(y("c")),
        (log(y("c")), -log(y(1)), -log(1 - y("c"))),
        {"c": "K"},
        assumed=("one-hot:t:c",),
    ),
    Case(
        "chain rule",
        SOFTMAX,
        d(C, z("i")),
        sigma("k", "K", d(C, y("k")) * d(y("k"), z("i"))),
        (
            d(C, y("i")) * d(y("i"), z("i")),
            sigma("k", "K", d(C, y("i")) * d(y("k"), z("i"))),
            sigma("k", "K", d(C, y("k"))),
        ),
        BY_I,
    ),
    Case(
        "a derivative by y takes y as it stands",
        SOFTMAX,
        d(C, y("k")),
        -t("k") / y("k"),
        (t("k") / y("k"), -t("k") * y("k"), -sigma("k", "K", t("k") / y("k"))),
        {"k": "K"},
    ),
    Case(
        "log-sum-exp form",
        SOFTMAX,
        C,
        sum_t * log(sum_e) - sigma("k", "K", t("k") * z("k")),
        (log(sum_e) - sigma("k", "K", t("k") * z("k")), sum_t * log(sum_e) - sum_t),
    ),
    Case(
        "log-sum-exp has softmax as gradient",
        SOFTMAX,
        d(log(sum_e), z("i")),
        y("i"),
        (1 / y("i"), log(y("i")), 1 - y("i")),
        BY_I,
    ),
    Case(
        "Hessian",
        SOFTMAX,
        d(d(C, z("i")), z("j")),
        sum_t * y("i") * (delta("i", "j") - y("j")),
        (y("i") * (delta("i", "j") - y("j")), sum_t * y("i") * (delta("i", "j") - y("i"))),
        IJ,
    ),
    Case(
        "second derivative by the same element",
        SOFTMAX,
        d(d(C, z("i")), z("i")),
        sum_t * y("i") * (1 - y("i")),
        (sum_t * y("i"), sum_t * y("i") * (1 - y("i")) * 2),
        BY_I,
    ),
    Case(
        "third derivative of log-sum-exp",
        SOFTMAX,
        d(d(d(log(sum_e), z("i")), z("i")), z("i")),
        y("i") * (1 - y("i")) * (1 - 2 * y("i")),
        (y("i") * (1 - y("i")) ** 2,),
        BY_I,
    ),
    Case(
        "the sum over o ≠ i is split off",
        SOFTMAX,
        sigma("o", "K", t("o") * y("i")),
        t("i") * y("i") + sigma("o", "K", t("o") * y("i"), "o != i"),
        (sigma("o", "K", t("o") * y("i"), "o != i"),),
        BY_I,
    ),
    Case(
        "shift invariance",
        {**SOFTMAX, "c": free("", "log")},
        exp(z("i") - el("c")) / sigma("j", "K", exp(z("j") - el("c"))),
        y("i"),
        (y("i") * exp(-el("c")),),
        BY_I,
    ),
    Case(
        "shift by the maximum",
        {**SOFTMAX, "m": defined("", "", total("max", "j", "K", z("j")))},
        el("m") + log(sigma("j", "K", exp(z("j") - el("m")))),
        log(sum_e),
        (log(sigma("j", "K", exp(z("j") - el("m")))),),
    ),
    Case(
        "temperature",
        {
            **SOFTMAX,
            "T": free("", "positive"),
            "p": defined("k", "K", exp(z("k") / el("T")) / sigma("j", "K", exp(z("j") / el("T")))),
        },
        d(el("p", "k"), z("i")),
        el("p", "k") * (delta("k", "i") - el("p", "i")) / el("T"),
        (
            el("p", "k") * (delta("k", "i") - el("p", "i")),
            el("p", "k") * (delta("k", "i") - el("p", "i")) * el("T"),
        ),
        IK,
    ),
    Case(
        "entropy",
        {**SOFTMAX, "H": defined("", "", -sigma("k", "K", y("k") * log(y("k"))))},
        d(el("H"), z("i")),
        -y("i") * (log(y("i")) + el("H")),
        (-y("i") * (log(y("i")) - el("H")), -y("i") * log(y("i"))),
        BY_I,
    ),
    Case(
        "focal term",
        SOFTMAX,
        d(-((1 - y("k")) ** 2) * log(y("k")), y("k")),
        2 * (1 - y("k")) * log(y("k")) - (1 - y("k")) ** 2 / y("k"),
        (2 * (1 - y("k")) * log(y("k")) + (1 - y("k")) ** 2 / y("k"),),
        {"k": "K"},
    ),
    Case(
        "size of the set",
        SOFTMAX,
        sigma("k", "K", 1),
        size("K"),
        (3, 4, size("K") - 1),
    ),
]

X = {"x": free("", "log")}
x = el("x")
ONE = [
    Case(
        "sigmoid",
        X,
        d(s(x), x),
        s(x) * (1 - s(x)),
        (s(x) * (1 + s(x)), s(x), s(x) * (s(x) - 1), s(x) ** 2),
    ),
    Case("sigmoid at -x", X, s(-x), 1 - s(x), (s(x), -s(x), s(x) - 1)),
    Case("sigmoid of a rational", {"x": free()}, d(s(x), x), s(x) * (1 - s(x)), (s(x) ** 2,)),
    Case("softplus", X, d(fn("softplus", x), x), s(x), (1 - s(x), s(-x))),
    Case("tanh", X, d(fn("tanh", x), x), 1 - fn("tanh", x) ** 2, (1 - fn("tanh", x),)),
    Case("tanh as sigmoid", X, fn("tanh", x), 2 * s(2 * x) - 1, (2 * s(x) - 1, s(2 * x) - 1)),
    Case("tanh and sech", X, d(fn("tanh", x), x), fn("sech", x) ** 2, (fn("sech", x),)),
    Case(
        "tanh of a rational",
        {"x": free()},
        d(fn("tanh", x), x),
        1 - fn("tanh", x) ** 2,
        (1 + fn("tanh", x) ** 2,),
    ),
    Case(
        "swish",
        X,
        d(x * s(x), x),
        s(x) + x * s(x) * (1 - s(x)),
        (s(x) + x * s(x), s(x) * (1 - s(x))),
    ),
    Case("cosh² - sinh²", X, fn("cosh", x) ** 2 - fn("sinh", x) ** 2, 1, (-1, fn("cosh", 2 * x))),
    Case("log of a product", X, log(3 * exp(x) ** 2), log(E(real(3))) + 2 * x, (2 * x + 3,)),
    Case("power rule", {"x": free()}, d(x**5, x), 5 * x**4, (x**4, 5 * x**5, 4 * x**5)),
    Case("e to a polynomial", {"x": free()}, d(exp(-(x**2)), x), -2 * x * exp(-(x**2)), (0,)),
    Case("x to the x", {"x": free("", "positive")}, d(x**x, x), x**x * (log(x) + 1), (x * x**x,)),
    Case("a to the x", {"x": free()}, d(2**x, x), 2**x * log(E(real(2))), (x * 2 ** (x - 1),)),
    Case(
        "log₂", {"x": free("", "positive")}, d(fn("log2", x), x), 1 / (x * log(real(2))), (1 / x,)
    ),
    Case(
        "square root", {"x": free("", "positive")}, d(fn("sqrt", x), x), half / fn("sqrt", x), (0,)
    ),
    Case("a product of roots", {"x": free("", "positive")}, x**half * x**half, x, (x**2,)),
    Case("log of a log", {"x": free()}, d(log(log(x)), x), 1 / (x * log(x)), (1 / log(x), 1 / x)),
    Case("1/log", {"x": free("", "positive")}, d(1 / log(x), x), -1 / (x * log(x) ** 2), (1 / x,)),
    Case("abs", {"x": free()}, d(fn("abs", x), x), fn("sign", x), (x,)),
    Case("abs as a root", {"x": free()}, fn("sqrt", x**2), fn("abs", x), (x**2,)),
    Case("relu", {"x": free()}, fn("relu", x), (x + fn("abs", x)) / 2, (x + fn("abs", x),)),
    Case("sine", {"x": free()}, d(fn("sin", x), x), fn("cos", x), (-fn("cos", x), fn("sin", x))),
    Case("second derivative of cos", {"x": free()}, d(d(fn("cos", x), x), x), -fn("cos", x), (0,)),
    Case("arctan", {"x": free()}, d(fn("arctan", x), x), 1 / (1 + x**2), (1 / (1 - x**2),)),
    Case("arcsin", {"x": free()}, d(fn("arcsin", x), x), 1 / fn("sqrt", 1 - x**2), (1 - x**2,)),
    Case("erf", {"x": free()}, d(fn("Phi", x), x), fn("Phi", x) * 0 + d(fn("Phi", x), x), (x,)),
    Case(
        "sin² + cos² is seen by its digits only",
        {"x": free()},
        fn("sin", x) ** 2 + fn("cos", x) ** 2,
        1,
        (2, fn("sin", 2 * x)),
        exact=False,
    ),
    Case(
        "tan",
        {"x": free()},
        d(fn("tan", x), x),
        1 + fn("tan", x) ** 2,
        (1 - fn("tan", x) ** 2,),
    ),
]

LOGISTIC = {
    "x": free("N D"),
    "w": free("D"),
    "b": free(),
    "t": free("N", "target"),
    "a": defined("n", "N", sigma("d", "D", el("w", "d") * el("x", "n", "d")) + el("b")),
    "p": defined("n", "N", s(el("a", "n"))),
    "L": defined(
        "",
        "",
        -sigma("n", "N", t("n") * log(el("p", "n")) + (1 - t("n")) * log(1 - el("p", "n"))),
    ),
}
SQUARE = {
    "x": free("N D"),
    "w": free("D"),
    "t": free("N", "target"),
    "L": defined(
        "",
        "",
        sigma("n", "N", (sigma("d", "D", el("w", "d") * el("x", "n", "d")) - t("n")) ** 2)
        / (2 * size("N")),
    ),
}
residual = sigma("e", "D", el("w", "e") * el("x", "n", "e")) - t("n")
BATCH = {
    "x": free("N"),
    "eps": free("", "positive"),
    "mu": defined("", "", sigma("n", "N", el("x", "n")) / size("N")),
    "v": defined("", "", sigma("n", "N", (el("x", "n") - el("mu")) ** 2) / size("N")),
    "h": defined("n", "N", (el("x", "n") - el("mu")) / fn("sqrt", el("v") + el("eps"))),
    "E": unknown("", "h"),
}
ATTENTION = {
    "q": free("N D"),
    "k": free("N D"),
    "v": free("N D"),
    "s": defined(
        "a b", "N N", sigma("d", "D", el("q", "a", "d") * el("k", "b", "d")) / fn("sqrt", size("D"))
    ),
    "A": defined("a b", "N N", exp(el("s", "a", "b")) / sigma("c", "N", exp(el("s", "a", "c")))),
    "o": defined("a d", "N D", sigma("b", "N", el("A", "a", "b") * el("v", "b", "d"))),
}
LAYERS = {
    "x": free("D"),
    "W": free("M D"),
    "V": free("K M"),
    "a": defined("m", "M", sigma("d", "D", el("W", "m", "d") * el("x", "d"))),
    "h": unknown("M", "a", elementwise=True),
    "o": defined("k", "K", sigma("m", "M", el("V", "k", "m") * el("h", "m"))),
    "E": unknown("", "o"),
}
DEEP = {
    "w": free("L"),
    "x": free(),
    "a": defined("l", "L", choose(("l = 1", el("w", 1) * x), ("", el("w", "l") * el("a", "l-1")))),
}

FIELDS = [
    Case(
        "logistic regression",
        LOGISTIC,
        d(el("L"), el("w", "d")),
        sigma("n", "N", (el("p", "n") - t("n")) * el("x", "n", "d")),
        (
            sigma("n", "N", (t("n") - el("p", "n")) * el("x", "n", "d")),
            sigma("n", "N", el("p", "n") - t("n")),
        ),
        {"d": "D"},
    ),
    Case(
        "logistic regression, by its score",
        LOGISTIC,
        d(el("L"), el("a", "n")),
        el("p", "n") - t("n"),
        (t("n") - el("p", "n"), el("p", "n") - t("n") ** 2),
        {"n": "N"},
    ),
    Case(
        "mean squared error",
        SQUARE,
        d(el("L"), el("w", "d")),
        sigma("n", "N", residual * el("x", "n", "d")) / size("N"),
        (
            sigma("n", "N", residual * el("x", "n", "d")),
            2 * sigma("n", "N", residual * el("x", "n", "d")) / size("N"),
            sigma("n", "N", residual) / size("N"),
        ),
        {"d": "D"},
    ),
    Case(
        "batch norm, the normalised by its input",
        BATCH,
        d(el("h", "m"), el("x", "n")),
        (delta("m", "n") - 1 / size("N") - el("h", "m") * el("h", "n") / size("N"))
        / fn("sqrt", el("v") + el("eps")),
        (
            (delta("m", "n") - 1 / size("N")) / fn("sqrt", el("v") + el("eps")),
            (delta("m", "n") - 1 / size("N") + el("h", "m") * el("h", "n") / size("N"))
            / fn("sqrt", el("v") + el("eps")),
        ),
        {"m": "N", "n": "N"},
    ),
    Case(
        "batch norm, mean 0",
        BATCH,
        sigma("n", "N", el("h", "n")),
        0,
        (1, el("h", 1)),
    ),
    Case(
        "attention's weights by its scores",
        ATTENTION,
        d(el("A", "a", "b"), el("s", "a", "c")),
        el("A", "a", "b") * (delta("b", "c") - el("A", "a", "c")),
        (el("A", "a", "b") * (delta("b", "c") - el("A", "a", "b")),),
        {"a": "N", "b": "N", "c": "N"},
    ),
    Case(
        "attention's output by a value",
        ATTENTION,
        d(el("o", "a", "d"), el("v", "b", "d")),
        el("A", "a", "b"),
        (el("A", "b", "a"), size("N")),
        {"a": "N", "b": "N", "d": "D"},
    ),
    Case(
        "mean",
        {"x": free("N")},
        total("mean", "n", "N", el("x", "n")),
        sigma("n", "N", el("x", "n")) / size("N"),
        (sigma("n", "N", el("x", "n")),),
    ),
    Case(
        "norm",
        {"x": free("D")},
        d(fn("sqrt", sigma("d", "D", el("x", "d") ** 2)), el("x", "i")),
        el("x", "i") / fn("sqrt", sigma("d", "D", el("x", "d") ** 2)),
        (el("x", "i"), 2 * el("x", "i") / fn("sqrt", sigma("d", "D", el("x", "d") ** 2))),
        {"i": "D"},
    ),
    Case(
        "product rule over a product",
        {"x": free("D")},
        d(total("product", "d", "D", el("x", "d")), el("x", "i")),
        total("product", "d", "D", el("x", "d"), "d != i"),
        (total("product", "d", "D", el("x", "d")),),
        {"i": "D"},
    ),
    Case(
        "binomial sum",
        {"x": free()},
        (1 - x) * sigma("k", "K", x ** at("k")),
        x - x ** (size("K") + 1),
        (x - x ** size("K"), 1 - x ** (size("K") + 1)),
    ),
    Case(
        "telescope under a bound",
        {"x": free("L")},
        sigma("l", "L", el("x", "l") - el("x", "l-1"), lower=2),
        el("x", "L") - el("x", 1),
        (el("x", "L"), el("x", 1) - el("x", "L")),
    ),
    Case(
        "sum up to k",
        {"x": free("L")},
        sigma("l", "L", el("x", "l"), upper="k"),
        sigma("l", "L", el("x", "l"), "l <= k"),
        (sigma("l", "L", el("x", "l"), "l < k"), sigma("l", "L", el("x", "l"))),
        {"k": "L"},
    ),
    Case(
        "layers by recursion",
        DEEP,
        d(el("a", "l"), el("a", "l-1")),
        el("w", "l"),
        (el("w", "l-1"), el("w", "l") * el("a", "l-1")),
        {"l": "L"},
        ("l > 1",),
    ),
]


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
