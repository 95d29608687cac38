"""Calls: functions that the text defines or only names, and brackets that are products."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from typing import TYPE_CHECKING

from softxent.derive.core import Apply, Const, Element, Partial, Plus, Raise, Real, Times
from softxent.derive.trees import (
    Applied,
    Call,
    Derivative,
    Expr,
    Group,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Tuple,
)
from softxent.derive.understand import functions, special, whole
from softxent.derive.understand.symbols import bare, base_name, flat, is_bold, is_word
from softxent.derive.understand.values import (
    ONE,
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


def factors(t: Translator, parts: tuple[Expr, ...]) -> list[Expr]:
    """Return the factors, with a function's name joined to what stands behind it."""
    out: list[Expr] = []
    for at, part in enumerate(parts[:-1]):
        if isinstance(part, Symbol) and t.book.operators.letter(part):
            raise Unreadable(t.book.tex(part), "an operator, by what it derives is not said")
        variable = t.book.operators.variable(part) if isinstance(part, Symbol) else None
        if variable is not None:
            rest = parts[at + 1 :]
            of = rest[0] if len(rest) == 1 else Product(rest)
            return [*parts[:at], Derivative(of, (variable,), span=part.span)]
    for part in parts:
        last = out[-1] if out else None
        if isinstance(last, Symbol) and is_word(last.name) and not last.subs:
            calls = last.name.lower() in functions.JOINED and not t.book.known(base_name(last))
            if calls:
                argument = part.of if isinstance(part, Group) else part
                out[-1] = Applied(last, (argument,), span=(last.span[0], part.span[1]))
                continue
        if (
            isinstance(last, Call)
            and _open_log(last)
            and isinstance(part, Call)
            and part.name == "exp"
        ):
            of = Product((last.of, part), span=(last.of.span[0], part.span[1]))
            out[-1] = replace(last, of=of)
            continue
        power = _power_of_call(t, last, part) if isinstance(last, Power) else None
        if power is not None:
            out[-1] = power
            continue
        out.append(part)
    return out


def _power_of_call(t: Translator, power: Power, argument: Expr) -> Expr | None:
    r"""Return `s^2(x)` as the square of s(x), where s is a function."""
    head, exponent = power.base, power.exponent
    if not isinstance(head, Symbol) or not isinstance(exponent, Number) or exponent.value <= 0:
        return None
    if not isinstance(argument, Group) or argument.kind != "(":
        return None
    inside = argument.of
    arguments = inside.items if isinstance(inside, Tuple) else (inside,)
    call = Applied(head, arguments, span=(power.span[0], argument.span[1]))
    return replace(power, base=call, span=call.span) if product_of(t, call) is None else None


def _open_log(tree: Call) -> bool:
    r"""Whether it is a log without brackets, that of a product: \log \frac{1}{a} \exp(b)."""
    bare_fraction = isinstance(tree.of, Quotient) and tree.span[1] == tree.of.span[1]
    return tree.name in ("log", "ln") and bare_fraction


def split(t: Translator, symbol: Symbol) -> tuple[str, tuple[Expr, ...]]:
    r"""Return name and indices; a doubt for \sigma_i where there is \sigma(z)_i and \sigma(a)_i."""
    name, indices = t.book.letters.split(symbol)
    called = t.book.letters.called.get(name, ())
    of = {base_name(one) for one in called if isinstance(one, Symbol) and not one.subs}
    if indices and len(of) > 1:
        found = t.book.definition(name, len(indices), t.number)
        if found is not None and (found.arguments or found.kind == "family"):
            t.doubts.append(f"of what {name} is taken here is not said")
    if indices and t.number > t.book.composed.get(name, t.number):
        t.doubts.append(f"of what {name} is taken here is not said")
    return name, indices


def no_operation(t: Translator, tree: Product) -> None:
    r"""Refuse `\sigma^{-1}(t)`, the inverse function, and `(f * g)(x)`, which are no products."""
    for one, other in pairwise(tree.factors):
        if not isinstance(other, Group) or other.kind != "(":
            continue
        if isinstance(one, Power) and one.exponent == Negative(Number(Fraction(1))):
            base = one.base
            if isinstance(base, Symbol) and not base.subs and _function(t, base):
                raise Unreadable(t.book.tex(one), "an inverse function", one.span)
        inside = one.of if isinstance(one, Group) and one.kind == "(" else None
        if isinstance(inside, Product) and (inside.dot or inside.elementwise):
            if all(isinstance(part, Symbol) and _function(t, part) for part in inside.factors):
                raise Unreadable(t.book.tex(one), "an operation on functions", one.span)


def _function(t: Translator, symbol: Symbol) -> bool:
    name = base_name(symbol)
    called = name in t.book.functions or bool(t.book.letters.called.get(name))
    return called or name in ("f", "g", "h", "\\sigma")


def product_of(t: Translator, tree: Applied) -> Product | None:
    """Return a symbol with a bracket behind it as a product, None where it is a call."""
    if not tree.arguments:
        return None
    name, indices = t.book.letters.split(tree.head)
    if "prime" in tree.head.accents and not (indices and t.book.known(name)):
        return None
    inside = tree.arguments[0] if len(tree.arguments) == 1 else Tuple(tree.arguments)
    split = Product((tree.head, Group(inside, span=inside.span)), span=tree.span)
    if not indices:
        name = t.book.variant(name, len(tree.arguments))
        if t.book.function(name, t.number, len(tree.arguments)) or t.book.family(name, t.number):
            return None
    if t.book.functional(name, indices, t.number, tree.arguments):
        return None
    word = _word(tree.head)
    if word in ("lse", "logsumexp", "mean") and name in t.book.letters.alone:
        return split if t.value(inside).rank == 0 else None
    if (is_word(tree.head.name) and word in functions.KNOWN) or _delta(tree, name):
        return None
    if t.book.index_called(name) or not t.book.is_product(tree):
        return None
    return split


def _word(head: Symbol) -> str:
    return head.name.lower().replace("-", "").replace("_", "")


def _delta(tree: Applied, name: str) -> bool:
    """Whether it is a Kronecker delta or an indicator."""
    if name == "\\delta" and len(tree.arguments) == 2:
        return True
    condition = len(tree.arguments) == 1 and isinstance(tree.arguments[0], Relation)
    return condition and tree.head.name in ("1", "I", "delta")


def applied(t: Translator, tree: Applied) -> Value:
    """Return a symbol with a bracket behind it: a call, or a product."""
    if not tree.arguments:
        return t.value(tree.head)
    head = tree.head
    if head.name == "J" and is_bold(head) and len(head.subs) == len(tree.arguments) == 1:
        t.doubts.append("how a Jacobian matrix is laid out is not said")
        return t.value(Derivative(tree.arguments[0], (head.subs[0],), span=tree.span))
    tree = whole.at_index(t, tree) or tree
    vector = whole.of_vector(t, tree) or whole.of_another(t, tree)
    if vector is not None:
        return vector
    split = product_of(t, tree)
    if split is not None:
        return t.value(split)
    head, order = _unprimed(tree.head)
    name, indices = t.book.letters.split(head)
    name = name if indices else t.book.variant(name, len(tree.arguments))
    function = t.book.function(name, t.number, len(tree.arguments))
    if function is not None and not indices:
        return _called(t, function, tree, order)
    family = t.book.family(name, t.number)
    if family is not None and not indices and not order:
        return _family(t, family.name, family.arguments, tree)
    if not order and t.book.functional(name, indices, t.number, tree.arguments):
        return _functional(t, name, indices, tree)
    word = _word(tree.head)
    if order and word in functions.KNOWN and is_word(tree.head.name) and not indices:
        return _known_slope(t, word, tree, order)
    if is_word(tree.head.name) and word in functions.KNOWN:
        inner = tree.arguments[0] if len(tree.arguments) == 1 else Tuple(tree.arguments)
        if word in ("max", "min") and isinstance(inner, Tuple):
            return functions.largest_of(t, word, inner)
        if word in ("softmax", "logsoftmax") and not indices:
            of_element = _of_element(t, word, bare(inner), tree)
            if of_element is not None:
                return of_element
        return at_indices(t, functions.named(t, word, t.value(inner), tree), indices)
    if _delta(tree, name):
        condition = tree.arguments[0]
        if isinstance(condition, Relation):
            return special.iverson(t, condition)
        return special.kronecker(t, *tree.arguments)
    if not order and t.book.index_called(name):
        return t.element(name, indices + tree.arguments, tree.span)
    role = t.book.role(name)
    if role and not indices and len(tree.arguments) == 1:
        value = t.value(tree.arguments[0])
        if role == "sigmoid" or value.rank:
            return _derived_function(t, role, value, order, tree)
        of_element = _of_element(t, role, bare(tree.arguments[0]), tree) if not order else None
        if of_element is not None:
            return of_element
    if is_word(tree.head.name) and not t.book.known(name):
        raise NotDefined(tree.head.name, tree.span)
    generic = name in t.book.letters.generic and not t.book.known(name)
    if t.book.variable_of_derivative(name) and not order and not generic:
        return _functional(t, name, indices, tree)
    return _unknown(t, name, indices, tree, order)


def _of_element(t: Translator, name: str, argument: Expr, tree: Applied) -> Value | None:
    """Return softmax(z_j), by which softmax(z)_j is meant."""
    if not isinstance(argument, Symbol) or not argument.subs or t.value(argument).rank:
        return None
    whole = t.value(replace(argument, subs=argument.subs[:-1]))
    if whole.rank != 1:
        return None
    return at_indices(t, functions.named(t, name, whole, tree), (argument.subs[-1],))


def _known_slope(t: Translator, name: str, tree: Applied, order: int) -> Value:
    r"""Return \text{ReLU}'(z): the derivative of a function that has its name."""
    if len(tree.arguments) != 1:
        raise Unreadable(tree.head.name + "'", "a derivative that we do not read", tree.span)

    def slope(reals: list[Real]) -> Real:
        element = t.book.variable(t, reals[0])
        real = functions.named(t, name, scalar(element), tree).number()
        for _ in range(order):
            real = Partial(real, element)
        return real

    return elementwise([t.value(tree.arguments[0])], t.join, slope)


def _derived_function(t: Translator, role: str, value: Value, order: int, tree: Applied) -> Value:
    if order == 0:
        return functions.named(t, role, value, tree)
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
    values = []
    for argument in tree.arguments:
        _no_index(t, argument, tree)
        values.append(t.value(argument))
    if order == 0:
        return t.book.inlined(t, function, values)
    if len(values) != 1:
        raise Unreadable(tree.head.name + "'", "a derivative that we do not read", tree.span)
    return elementwise(values, t.join, lambda reals: t.book.slope(t, function, reals[0], order))


def _no_index(t: Translator, argument: Expr, tree: Applied, element: bool = False) -> None:
    """A function of numbers applied to an index letter: sigma(k) where sigma(z_k) is meant.

    element: it is sure to take elements; else only where the text has sigma(z_k) too.
    """
    argument = bare(argument)
    if isinstance(argument, Symbol) and not argument.subs and not is_bold(argument):
        name = base_name(argument)
        indexes = name in t.bound or name in t.free or name in t.outside
        called = t.book.letters.called.get(base_name(tree.head), ())
        element = element or any(
            isinstance(one, Symbol) and argument in flat(one.subs) for one in called
        )
        if indexes and element and not t.book.known(name):
            raise Mismatch(
                f"{t.book.tex(tree)}: {t.book.tex(tree.head)} takes a number, "
                f"and {name} is an index",
                "notation-call",
                tree.span,
            )


def _family(t: Translator, name: str, arguments: tuple[Symbol, ...], tree: Applied) -> Value:
    r"""Return an element of a family: \sigma(z_j) is the j-th of the softmax of z."""
    if len(tree.arguments) != 1:
        raise Unreadable(t.book.tex(tree), "is defined of one argument", tree.span)
    argument = bare(tree.arguments[0])
    _no_index(t, argument, tree, True)
    if isinstance(argument, Symbol):
        given, indices = t.book.letters.split(argument)
        wanted, own = t.book.letters.split(arguments[0])
        if given == wanted:
            return t.element(name, indices, tree.span)
        if len(indices) <= len(own):
            return t.book.renamed_family(t, name, {wanted: given}, indices, tree.span)
    wanted = t.book.tex(arguments[0])
    raise Unreadable(t.book.tex(tree), f"it is defined of {wanted} only", tree.span)


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
    if any(isinstance(bare(one), Sum) for one in tree.arguments):
        t.doubts.append(f"{name} is any function, and this may be meant to hold nearly")
    if len(values) > 1 and not order and not any(value.sets for value in values):
        return _of_several(t, name, [value.at(()) for value in values])
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


def _of_several(t: Translator, name: str, reals: list[Real]) -> Value:
    """Return a function of several numbers of which nothing is known: a polynomial as well."""
    degree = 3 if len(reals) < 4 else 2
    terms: list[Real] = []
    for powers in product(range(degree + 1), repeat=len(reals)):
        if sum(powers) > degree:
            continue
        core = t.book.coefficient(name, ",".join(map(str, powers)))
        t.quantities[core] = None
        factors: list[Real] = [Element(core)]
        for real, power in zip(reals, powers, strict=True):
            if power:
                factors.append(Raise(real, Const(Fraction(power))))
        terms.append(Times(tuple(factors)))
    return scalar(Plus(tuple(terms)))
