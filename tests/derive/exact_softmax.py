"""True steps about softmax and cross-entropy, with single edits that make them false."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from derive.exact_builder import (
    SOFTMAX,
    E,
    choose,
    d,
    defined,
    delta,
    el,
    exp,
    fn,
    free,
    log,
    sigma,
    size,
    total,
)


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
