"""Calls: named functions, functions that the text defines, and brackets that are products."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Const,
    Divide,
    Element,
    Index,
    Plus,
    Raise,
    Real,
    Times,
    Total,
)
from softxent.derive.trees import (
    Applied,
    Call,
    Derivative,
    Expr,
    Group,
    Number,
    Power,
    Prime,
    Product,
    Relation,
    Symbol,
    Tuple,
)
from softxent.derive.understand import special
from softxent.derive.understand.letters import bare, base_name, is_bold, is_word
from softxent.derive.understand.values import (
    ONE,
    ZERO,
    Mismatch,
    NotDefined,
    Unreadable,
    Value,
    elementwise,
    negative,
    scalar,
)

if TYPE_CHECKING:
    from softxent.derive.understand.book import Function
    from softxent.derive.understand.translate import Translator

_ONE_NUMBER = {
    "ln": "log",
    "log": "log",
    "exp": "exp",
    "tanh": "tanh",
    "sin": "sin",
    "cos": "cos",
    "sinh": "sinh",
    "cosh": "cosh",
    "arctan": "arctan",
    "sqrt": "sqrt",
    "sgn": "sign",
    "sign": "sign",
    "abs": "abs",
    "sigmoid": "sigmoid",
    "logistic": "sigmoid",
    "relu": "relu",
    "softplus": "softplus",
}
_RECIPROCAL = {"sech": ("cosh", None), "csch": ("sinh", None), "sec": ("cos", None)}
_RATIO = {"tan": ("sin", "cos"), "cot": ("cos", "sin"), "coth": ("cosh", "sinh")}
_JOINED = {*_ONE_NUMBER, "softmax", "logsoftmax", "diag"}
_VECTOR = {"softmax", "logsoftmax", "lse", "logsumexp", "diag", "tr", "sum", "mean", "max", "min"}


def call(t: Translator, tree: Call) -> Value:
    """Return a function that is one whatever the text says."""
    name = tree.name.lower()
    if name == "log" and tree.base is not None:
        if tree.base == Symbol("e"):
            name = "ln"
        elif isinstance(tree.base, Number) and tree.base.value in (2, 10):
            base = f"log{tree.base.value}"
            return elementwise([t.value(tree.of)], t.join, lambda reals: Apply(base, reals[0]))
        else:
            below = t.number_of(tree.base)
            return elementwise(
                [t.value(tree.of)],
                t.join,
                lambda reals: Divide(Apply("log", reals[0]), Apply("log", below)),
            )
    if name == "lg":
        return elementwise([t.value(tree.of)], t.join, lambda reals: Apply("log10", reals[0]))
    return named(t, name, t.value(tree.of), tree)


def named(t: Translator, name: str, value: Value, tree: Expr) -> Value:
    """Return a function known by its name, of a value."""
    if name in _ONE_NUMBER:
        function = _ONE_NUMBER[name]
        return elementwise([value], t.join, lambda reals: Apply(function, reals[0]))
    if name in _RECIPROCAL:
        below = _RECIPROCAL[name][0]
        return elementwise([value], t.join, lambda reals: Divide(ONE, Apply(below, reals[0])))
    if name in _RATIO:
        top, bottom = _RATIO[name]
        return elementwise([value], t.join, lambda r: Divide(Apply(top, r[0]), Apply(bottom, r[0])))
    if name in _VECTOR:
        return _of_vector(t, name, value, tree)
    raise Unreadable(name, "a function that we do not know", tree.span)


def _of_vector(t: Translator, name: str, value: Value, tree: Expr) -> Value:
    if value.rank == 0:
        raise Mismatch(f"{name} of a number: it takes a vector", "shape-mismatch", tree.span)
    if name == "tr":
        if value.rank != 2:
            raise Mismatch("the trace of what is no matrix", "shape-mismatch", tree.span)
        t.join(*value.sets)
        letter = t.fresh()
        of = value.at((Index(letter), Index(letter)))
        return scalar(Total("sum", letter, t.set_name(value.sets[0]), of))
    last = value.sets[-1]
    if name == "diag":
        if value.rank != 1:
            raise Unreadable("diag", "of what is no vector", tree.span)
        return Value(
            (last, last),
            lambda i: Choose((((Compare("eq", i[0], i[1]),), value.at(i[:1])), ((), ZERO))),
        )

    def total(kind: str, outer: tuple[Index, ...], exponential: bool) -> Real:
        letter = t.fresh()
        of = value.at((*outer, Index(letter)))
        if exponential:
            of = Apply("exp", of)
        return Total(kind, letter, t.set_name(last), of)  # type: ignore[arg-type]

    if name in ("sum", "mean", "max", "min"):
        if value.rank != 1:
            raise Unreadable(name, "of a matrix", tree.span)
        return scalar(total(name, (), False))
    if name in ("lse", "logsumexp"):
        sets = value.sets[:-1]
        return Value(sets, lambda i: Apply("log", total("sum", i, True)))
    if name == "softmax":
        return Value(
            value.sets, lambda i: Divide(Apply("exp", value.at(i)), total("sum", i[:-1], True))
        )
    return Value(
        value.sets,
        lambda i: Plus((value.at(i), negative(Apply("log", total("sum", i[:-1], True))))),
    )


def largest_of(t: Translator, kind: str, items: Tuple) -> Value:
    """Return max(a, b) of two numbers, by their difference."""
    if len(items.items) != 2:
        raise Unreadable(kind, "of a list", items.span)
    first, second = (t.value(item) for item in items.items)
    sign = Const(Fraction(1 if kind == "max" else -1))
    half = Const(Fraction(1, 2))

    def one(reals: list[Real]) -> Real:
        a, b = reals
        if a == ZERO and kind == "max":
            return Apply("relu", b)
        if b == ZERO and kind == "max":
            return Apply("relu", a)
        gap = Apply("abs", Plus((a, negative(b))))
        return Times((half, Plus((a, b, Times((sign, gap))))))

    return elementwise([first, second], t.join, one)


def square_sum(t: Translator, value: Value) -> Real:
    """Return the sum of the squares of all elements."""
    letters = tuple(t.fresh() for _ in value.sets)
    real: Real = Raise(value.at(tuple(Index(one) for one in letters)), Const(Fraction(2)))
    for letter, place in zip(reversed(letters), reversed(value.sets), strict=True):
        real = Total("sum", letter, t.set_name(place), real)
    return real


def factors(t: Translator, parts: tuple[Expr, ...]) -> list[Expr]:
    """Return the factors, with a function's name joined to what stands behind it."""
    out: list[Expr] = []
    for at, part in enumerate(parts[:-1]):
        if isinstance(part, Symbol) and len(part.subs) == 1 and base_name(part) in t.book.operators:
            variable = replace(t.book.operators[base_name(part)], subs=part.subs)
            rest = parts[at + 1 :]
            of = rest[0] if len(rest) == 1 else Product(rest)
            return [*parts[:at], Derivative(of, (variable,), span=part.span)]
    for part in parts:
        last = out[-1] if out else None
        if isinstance(last, Symbol) and is_word(last.name) and not last.subs:
            calls = last.name.lower() in _JOINED and not t.book.known(base_name(last))
            if calls:
                argument = part.of if isinstance(part, Group) else part
                out[-1] = Applied(last, (argument,), span=(last.span[0], part.span[1]))
                continue
        out.append(part)
    return out


def applied(t: Translator, tree: Applied) -> Value:
    """Return a symbol with a bracket behind it: a call, or a product."""
    if not tree.arguments:
        return t.value(tree.head)
    head, order = _unprimed(tree.head)
    name, indices = t.book.letters.split(head)
    name = name if indices else t.book.variant(name, len(tree.arguments))
    function = t.book.function(name, t.number)
    if function is not None and not indices:
        return _called(t, function, tree, order)
    family = t.book.family(name, t.number)
    if family is not None and not indices and not order:
        return _family(t, family.name, family.arguments, tree)
    if not order and t.book.functional(name, indices, t.number, tree.arguments):
        return _functional(t, name, indices, tree)
    word = tree.head.name.lower().replace("-", "").replace("_", "")
    if word in ("lse", "logsumexp", "mean") and name in t.book.letters.alone:
        inside = tree.arguments[0] if len(tree.arguments) == 1 else Tuple(tree.arguments)
        if t.value(inside).rank == 0:
            return t.value(Product((tree.head, Group(inside)), span=tree.span))
    if is_word(tree.head.name) and word in (*_ONE_NUMBER, *_VECTOR, *_RECIPROCAL, *_RATIO):
        inner = tree.arguments[0] if len(tree.arguments) == 1 else Tuple(tree.arguments)
        if word in ("max", "min") and isinstance(inner, Tuple):
            return largest_of(t, word, inner)
        return at_indices(t, named(t, word, t.value(inner), tree), indices)
    if name == "\\delta" and len(tree.arguments) == 2:
        return special.kronecker(t, *tree.arguments)
    if len(tree.arguments) == 1 and isinstance(tree.arguments[0], Relation):
        if tree.head.name in ("1", "I", "delta"):
            return special.iverson(t, tree.arguments[0])
    if not order and t.book.index_called(name):
        return t.element(name, indices + tree.arguments, tree.span)
    if not order and t.book.is_product(tree):
        inside = tree.arguments[0] if len(tree.arguments) == 1 else Tuple(tree.arguments)
        return t.value(Product((tree.head, Group(inside)), span=tree.span))
    role = t.book.role(name)
    if role and not indices and len(tree.arguments) == 1:
        value = t.value(tree.arguments[0])
        if role == "sigmoid" or value.rank:
            return _derived_function(t, role, value, order, tree)
        argument = bare(tree.arguments[0])
        if isinstance(argument, Symbol) and argument.subs and not order:
            whole = t.value(replace(argument, subs=argument.subs[:-1]))
            if whole.rank == 1:
                return at_indices(t, named(t, role, whole, tree), (argument.subs[-1],))
    if is_word(tree.head.name) and not t.book.known(name):
        raise NotDefined(tree.head.name, tree.span)
    if t.book.variable_of_derivative(name) and not order:
        return _functional(t, name, indices, tree)
    return _unknown(t, name, indices, tree, order)


def _derived_function(t: Translator, role: str, value: Value, order: int, tree: Applied) -> Value:
    if order == 0:
        return named(t, role, value, tree)
    if order > 1 or role != "sigmoid":
        raise Unreadable(tree.head.name + "'", "a derivative that we do not read", tree.span)

    def slope(reals: list[Real]) -> Real:
        once = Apply("sigmoid", reals[0])
        return Times((once, Plus((ONE, negative(once)))))

    return elementwise([value], t.join, slope)


def at_indices(t: Translator, value: Value, indices: tuple[Expr, ...]) -> Value:
    """Return an element of a vector: softmax(z)_k."""
    if not indices:
        return value
    if len(indices) > value.rank:
        raise Mismatch("more subscripts than it has indices")
    found = []
    for at, sub in enumerate(indices):
        index, place = t.index(sub)
        if place:
            t.join(place, value.sets[at])
        found.append(index)
    fixed = tuple(found)
    return Value(value.sets[len(fixed) :], lambda rest: value.at(fixed + rest))


def _unprimed(head: Symbol) -> tuple[Symbol, int]:
    order = head.accents.count("prime")
    if not order:
        return head, 0
    return replace(head, accents=tuple(a for a in head.accents if a != "prime")), order


def _called(t: Translator, function: Function, tree: Applied, order: int) -> Value:
    """Return a function of the text at an argument: its body, with the argument put in."""
    if len(tree.arguments) != len(function.parameters):
        raise Mismatch(
            f"{t.book.tex(tree.head)} takes {len(function.parameters)} arguments",
            "notation-call",
            tree.span,
        )
    values = []
    for argument in tree.arguments:
        _no_index(t, argument, tree)
        values.append(t.value(argument))
    if order == 0:
        return t.book.inlined(t, function, values)
    if order > 1 or len(values) != 1:
        raise Unreadable(tree.head.name + "'", "a derivative that we do not read", tree.span)
    return elementwise(values, t.join, lambda reals: t.book.slope(t, function, reals[0]))


def _no_index(t: Translator, argument: Expr, tree: Applied) -> None:
    """A function of numbers applied to an index letter: sigma(k) where sigma(z_k) is meant."""
    argument = bare(argument)
    if isinstance(argument, Symbol) and not argument.subs and not is_bold(argument):
        name = base_name(argument)
        indexes = name in t.bound or name in t.free or name in t.outside
        if indexes and not t.book.known(name):
            raise Mismatch(
                f"{t.book.tex(tree)}: {t.book.tex(tree.head)} takes a number, "
                f"and {name} is an index",
                "notation-call",
                tree.span,
            )


def _family(t: Translator, name: str, arguments: tuple[Symbol, ...], tree: Applied) -> Value:
    r"""Return an element of a family: \sigma(z_j) is the j-th of the softmax of z."""
    if len(tree.arguments) != 1:
        raise Mismatch(f"{t.book.tex(tree.head)} takes one argument", "notation-call", tree.span)
    argument = bare(tree.arguments[0])
    _no_index(t, argument, tree)
    if isinstance(argument, Symbol):
        given, indices = t.book.letters.split(argument)
        wanted, own = t.book.letters.split(arguments[0])
        if given == wanted:
            return t.element(name, indices, tree.span)
        if len(indices) <= len(own):
            return t.book.renamed_family(t, name, {wanted: given}, indices, tree.span)
    raise Mismatch(
        f"{t.book.tex(tree)}: {t.book.tex(tree.head)} is defined of {t.book.tex(arguments[0])}",
        "notation-call",
        tree.span,
    )


def _functional(t: Translator, name: str, indices: tuple[Expr, ...], tree: Applied) -> Value:
    """Return E(y, t), which is E: what stands in the bracket is only said again."""
    renames = t.book.functional_renames(name, len(indices), t.number, tree.arguments)
    if renames:
        return t.book.renamed_family(t, name, renames, indices, tree.span)
    return t.element(name, indices, tree.span)


def _unknown(
    t: Translator, name: str, indices: tuple[Expr, ...], tree: Applied, order: int
) -> Value:
    """Return a function of which nothing is known: a polynomial whose coefficients are free."""
    if indices:
        raise Unreadable(t.book.tex(tree), "a function with subscripts that is not defined")
    for argument in tree.arguments:
        _no_index(t, argument, tree)
    values = [t.value(argument) for argument in tree.arguments]
    if len(values) != 1 or order > 2:
        raise Unreadable(t.book.tex(tree), "a function that is not defined", tree.span)
    degree = 4
    names = [t.book.coefficient(name, n) for n in range(degree)]
    for one in names:
        t.quantities[one] = None

    def polynomial(reals: list[Real]) -> Real:
        terms: list[Real] = []
        for power in range(order, degree):
            factor = Fraction(1)
            for step in range(order):
                factor *= power - step
            parts: list[Real] = [Const(factor), Element(names[power])]
            if power - order:
                parts.append(Raise(reals[0], Const(Fraction(power - order))))
            terms.append(Times(tuple(parts)))
        return Plus(tuple(terms))

    return elementwise(values, t.join, polynomial)


def primed(t: Translator, tree: Prime) -> Value:
    r"""Return (f(x) g(x))': the derivative by the only variable in the bracket."""
    variables: dict[str, Symbol] = {}
    skipped: set[int] = set()
    for node in tree.of.walk():
        if isinstance(node, Applied):
            skipped.add(id(node.head))
        if isinstance(node, Power) and node.base == Symbol("e"):
            skipped.add(id(node.base))
        if isinstance(node, Symbol) and id(node) not in skipped and not node.subs:
            variables.setdefault(base_name(node), node)
    if len(variables) != 1:
        raise Unreadable("'", "by what it derives is not said", tree.span)
    variable = next(iter(variables.values()))
    value = t.value(tree.of)
    for _ in range(tree.order):
        value = t.derived(value, variable)
    return value
