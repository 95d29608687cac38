"""True steps of other fields of analysis, with single edits that make them false."""

from __future__ import annotations

from derive.exact_builder import (
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
    log,
    real,
    sigma,
    size,
    total,
    unknown,
)
from derive.exact_softmax import Case, half, s, t

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
