"""Formulas and the trees they become, in a compact notation (see `shown`)."""

from pathlib import Path

import pytest

from softxent.derive.parse import parse, parse_expression, unparse
from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Cases,
    Derivative,
    Ellipsis,
    Entry,
    Expr,
    Gradient,
    Group,
    Indicator,
    Matrix,
    Negative,
    Number,
    Opaque,
    Over,
    Power,
    Prime,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)

_HEADS = {"(": "()", "[": "[]", "\\{": "{}", "|": "||", "\\lVert": "norm", "\\langle": "<>"}


def shown(e: Expr | None) -> str:
    """Print a tree: `(+ a b)`, `y_k`, `(d C z_i)`, `(call f x)`, `(sum[k=1..K] ..)`, `a = b`."""

    def all_of(head: str, *items: Expr) -> str:
        return f"({' '.join([head, *map(shown, items)])})"

    match e:
        case None:
            return "?"
        case Number(value):
            return str(value)
        case Symbol(name, accents, subs, sups):
            text = "".join(f"{accent}:" for accent in accents) + name
            text += "_" + ",".join(map(shown, subs)) if subs else ""
            return text + "".join(f"^{shown(one)}" for one in sups)
        case Sum(terms):
            return all_of("+", *terms)
        case Negative(of):
            return all_of("-", of)
        case Product(factors, _, elementwise):
            return all_of("odot" if elementwise else "*", *factors)
        case Quotient(above, below):
            return all_of("/", above, below)
        case Power(base, exponent):
            return all_of("^", base, exponent)
        case Group(of, kind):
            return all_of(_HEADS.get(kind, kind), of)
        case Entry(of, subs):
            return all_of("at", of, *subs)
        case Tuple(items):
            return all_of(",", *items)
        case Call(name, of, base):
            return all_of(name + (f":{shown(base)}" if base else ""), of)
        case Applied(head, arguments):
            return all_of("call", head, *arguments)
        case Over(index, relation, lower, upper):
            text = ",".join(map(shown, index)) + (f" {relation} {shown(lower)}" if relation else "")
            return text + (f" .. {shown(upper)}" if upper else "")
        case Big(name, over, of):
            return all_of(f"{name}[{shown(over)}]", of)
        case Derivative(of, by, total, operator):
            head = ("D" if total else "d") + (">" if operator else "")
            return f"({head} {shown(of)} {' '.join(map(shown, by))})"
        case Gradient(of, by):
            return f"(grad[{shown(by)}] {shown(of)})"
        case Prime(of, order):
            return all_of("'" * order, of)
        case Indicator(condition):
            return f"1[{shown(condition)}]"
        case Cases(rows):
            return "(cases" + "".join(f" ({shown(v)} if {shown(c)})" for v, c in rows) + ")"
        case Matrix(rows):
            return "(matrix" + "".join(f" ({' '.join(map(shown, row))})" for row in rows) + ")"
        case Transpose(of):
            return all_of("T", of)
        case Ellipsis():
            return "..."
        case Opaque(text):
            return f"`{text}`"
        case Unsupported(token):
            return f"!{token}!"
        case Relation(first, links):
            sides = [] if first is None else [shown(first)]
            for link in links:
                sides += [link.relation, shown(link.right)]
            return " ".join(sides)
    raise AssertionError(e)


def said(tex: str) -> list[str]:
    """Print all that the rows of a formula state."""
    return [shown(one) for row in parse(tex) for one in row.relations]


def remarks(tex: str) -> list[tuple[str, list[str]]]:
    return [
        (one.text, [shown(formula) for formula in one.formulas])
        for row in parse(tex)
        for one in row.remarks
    ]


EXPRESSIONS = [
    line.split("  ->  ")
    for line in (Path(__file__).parent / "test_parse_trees.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("tex, tree", EXPRESSIONS, ids=[tex for tex, _ in EXPRESSIONS])
def test_trees(tex: str, tree: str) -> None:
    assert "; ".join(said(tex)) == tree


@pytest.mark.parametrize("tex, tree", EXPRESSIONS, ids=[tex for tex, _ in EXPRESSIONS])
def test_written_again(tex: str, tree: str) -> None:
    for row in parse(tex):
        for one in row.relations:
            value: Expr = one if one.links or one.first is None else one.first
            if any(isinstance(node, Unsupported | Opaque) for node in value.walk()):
                continue
            assert parse_expression(unparse(value)) == value, unparse(value)


ROWS = {
    r"a &= b \\ &= c": ["a = b", "= c"],
    r"\begin{align*} a &= b + c \\ &\quad + d \\ &= e \end{align*}": ["a = (+ b c d)", "= e"],
    r"\begin{align} a &= b - \\ & c \end{align}": ["a = (+ b (- c))"],
    r"\begin{eqnarray} a & = & b \\ & = & c \end{eqnarray}": ["a = b", "= c"],
    r"\begin{array}{rcl} a & = & b \\ & = & c \end{array}": ["a = b", "= c"],
    r"\begin{aligned} a &= b & c &= d \\ e &= f \end{aligned}": ["a = b", "c = d", "e = f"],
    r"\begin{cases} x + y = 1 \\ x - y = 2 \end{cases}": ["(+ x y) = 1", "(+ x (- y)) = 2"],
    r"\begin{split} a &= \left( b \right. \\ & \left. + c \right) \end{split}": [
        "a = (() (+ b c))"
    ],
    r"a = \Big( b \\ + c \Big)": ["a = (() (+ b c))"],
    r"\begin{gather} a = b \\ -c = d \end{gather}": ["a = b", "(- c) = d"],
    r"\begin{multline} a = b \\ + c \\ - d \end{multline}": ["a = (+ b c (- d))"],
    r"L = \begin{aligned}[t] & a \\ & + b \end{aligned}": ["L = (+ a b)"],
    r"\begin{equation}\begin{split} a &= b \\[4pt] &= c \end{split}\tag{1}\end{equation}": [
        "a = b",
        "= c",
    ],
    r"\boxed{\begin{aligned} a &= b \\ &= c \end{aligned}}": ["a = b", "= c"],
    r"a = b, \quad c = d": ["a = b", "c = d"],
    r"a = b \;\;\; c = d": ["a = b", "c = d"],
    r"a = b \hspace{1in} c = d": ["a = b", "c = d"],
    r"a = b \text{ and } c = d": ["a = b", "c = d"],
    r"a = b; c = d.": ["a = b", "c = d"],
    r"i \ne j:\quad a_i = b_j": ["i neq j", "a_i = b_j"],
    r"\therefore a = b": ["a = b"],
    r"\Rightarrow a = b": ["a = b"],
    r"\implies c": ["implies c"],
    r"a = b \implies c = d": ["a = b implies c = d"],
    r"\leftarrow z = \sum_j e^{z_j}": ["to z = (sum[j] (^ e z_j))"],
    r"\sigma(z_j) = 1, j \in \{1, 2, \cdots, n\},": [
        "(call sigma z_j) = 1",
        "j in ({} (, 1 2 ... n))",
    ],
    r"i, j \in \{1, \dots, n\}": ["(, i j) in ({} (, 1 ... n))"],
    r"i = 1, 2, \ldots, n": ["i = (, 1 2 ... n)"],
    r"y_1, y_2, \cdots, y_n": ["(, y_1 y_2 ... y_n)"],
    r"y_k, k = 1, \dots, K": ["y_k", "k = (, 1 ... K)"],
    r"\text{CE} = x": ["CE = x"],
    r"\text{Cross Entropy Loss} = x": ["Cross Entropy Loss = x"],
    r"\text{Softmax } y_k = x": ["y_k = x"],
    r"f: \mathbb{R}^n \to \mathbb{R}": [r"`f: \mathbb{R}^n \to \mathbb{R}`"],
    "{y \\over 1 + y}": ["(/ y (+ 1 y))"],
    r"{e^{x_i}} \over {\sum_j e^{x_j}}": ["(/ (^ e x_i) (sum[j] (^ e x_j)))"],
    "=": ["`=`"],
    "": [],
    "  % nothing\n": [],
    r"\label{eq:1} \nonumber": [],
}


@pytest.mark.parametrize("tex", ROWS)
def test_rows(tex: str) -> None:
    assert said(tex) == ROWS[tex]


REMARKS: dict[str, tuple[list[str], list[tuple[str, list[str]]]]] = {
    r"a &= b && \cdots \text {since } j = k": (["a = b"], [("since j = k", ["j = k"])]),
    r"a &= b && \cdots \text{quotient rule}": (["a = b"], [("quotient rule", [])]),
    r"a &= b && \cdots e^{z_j} \text{ is constant when taking derivative of }z_k": (
        ["a = b"],
        [("e^{z_j} is constant when taking derivative of z_k", ["(^ e z_j)", "z_k"])],
    ),
    r"a &= b && \text{both }j = k \text{ and } j \neq k": (
        ["a = b"],
        [(r"both j = k and j \neq k", ["j = k", "j neq k"])],
    ),
    r"a &= b & \text{if } i=j": (["a = b"], [("if i=j", ["i = j"])]),
    r"a = b \quad \text{since } c = d, e = f": (
        ["a = b"],
        [("since c = d, e = f", ["c = d", "e = f"])],
    ),
    r"a = b \qquad (j \neq k)": (["a = b"], [(r"(j \neq k)", ["j neq k"])]),
    r"a = b (1 - c) (j \neq k)": (
        ["a = (call b (+ 1 (- c)))"],
        [(r"(j \neq k)", ["j neq k"])],
    ),
    r"a = b \qquad (3)": (["a = b"], [("(3)", [])]),
    r"a = -b [\text{diag}(s) - c]": (["a = (- (call b (+ (call diag s) (- c))))"], []),
    r"a = \frac{y}{s} \big[\text{pred} - c\big]": (["a = (* (/ y s) ([] (+ pred (- c))))"], []),
    r"a = b (\text{row count} + 1)": (["a = (call b (+ row count 1))"], []),
    r"a = b(\text{pred})": (["a = (call b pred)"], []),
    r"a = b (\text{chain rule})": (["a = b"], [("chain rule", [])]),
    r"a = b \quad (\text{where } i = j)": (["a = b"], [("where i = j", ["i = j"])]),
    r"\forall i \neq k, \quad a_i = b_k": (["a_i = b_k"], [(r"for all i \neq k", ["i neq k"])]),
    r"\forall i, k: a_i = b_k": (["a_i = b_k"], [("for all i, k", ["i", "k"])]),
    r"a = b \because c = d": (["a = b"], [("c = d", ["c = d"])]),
    r"a = b \tag{chain rule}": (["a = b"], [("chain rule", [])]),
    r"a = b \quad \forall j \in N": (["a = b"], [(r"for all j \in N", ["j in N"])]),
    r"\text{if } j = k \text{ then } a = b": (
        ["a = b"],
        [("if j = k", ["j = k"]), ("then", [])],
    ),
    r"\text{For } j = k, \quad a = b": (["a = b"], [("For j = k", ["j = k"])]),
    r"\text{Softmax } y_k = x": (["y_k = x"], [("Softmax", [])]),
    r"a = b \quad where \quad c = d": (["a = b"], [("where c = d", ["c = d"])]),
    r"a \text{, since $z = 3$}": (["a"], [("since z = 3", ["z = 3"])]),
    r"\underbrace{t}_{=1} y = \overset{(a)}{=} y": (["(* t y) = !=! = y"], [("= 1", ["= 1"])]),
}


@pytest.mark.parametrize("tex", REMARKS)
def test_remarks(tex: str) -> None:
    assert (said(tex), remarks(tex)) == REMARKS[tex]


def test_boxed() -> None:
    assert [row.boxed for row in parse(r"\boxed{a = b}.")] == [True]
    assert [row.boxed for row in parse(r"a = \boxed{b}")] == [False]


def test_a_lost_fraction_is_never_a_quotient() -> None:
    for tex in (r"\frac{\partial C}{z_i}", r"\frac{C}{\partial z_i}", r"\frac{2 \partial C}{x}"):
        assert any(isinstance(n, Unsupported) for n in parse_expression(tex).walk()), tex


def test_reasons_are_said() -> None:
    found = [n for n in parse_expression(r"a \pm \foo b").walk() if isinstance(n, Unsupported)]
    assert [(n.token, n.span) for n in found] == [("\\pm", (2, 5)), ("\\foo", (6, 10))]
    assert all(n.why for n in found)


def test_the_span_of_a_sign() -> None:
    (row,) = parse(r"a = b \neq c")
    assert [link.span for link in row.relations[0].links] == [(2, 3), (6, 10)]
