r"""Trees to TeX again, for repairs and messages.

What `unparse` writes, `parse_expression` reads as the same tree. Brackets that the tree does not
have are added only where TeX would print something else: `\left(` around a sum that is a factor.
"""

from __future__ import annotations

import re

from softxent.derive.parse import names
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
    Link,
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

_COMMANDS = names.FUNCTIONS - frozenset("sech csch arcsinh arccosh arctanh sgn sign".split())
_SUFFIXES = {"prime": "'", "star": "^{*}", "dagger": r"^{\dagger}"}
_FONTS = frozenset(names.FONTS.values())
_ACCENTS = {name: command for command, name in reversed(names.ACCENTS.items())}
_MATHEMATICS = re.compile(r"[\\(=|\[{^_<>]|^[:*+-]$")


def unparse(expr: Expr) -> str:
    """Write an expression, or a chain of relations, as TeX."""
    match expr:
        case Relation():
            return _relation(expr)
        case Link():
            return f"{_sign(expr)} {unparse(expr.right)}".strip()
        case Tuple(items):
            inner = [f"{{{unparse(i)}}}" if _listed(i) else unparse(i) for i in items]
            return ", ".join(inner) + ("," if len(items) == 1 or inner[-1:] == [""] else "")
        case Sum(terms):
            text = _term(terms[0]) if terms else "0"
            for term in terms[1:]:
                if isinstance(term, Negative):
                    text += f" - {_term(term.of)}"
                else:
                    text += f" + {_term(term)}"
            return text
        case Over():
            return _bounds(expr)
        case _:
            return _term(expr)


# ---------------------------------------------------------------------- sums and products
def _term(expr: Expr) -> str:
    """Write what may stand between + and -."""
    match expr:
        case Sum() | Relation() | Tuple(items=(_, *_)):
            return _bracket(expr)
        case Tuple():
            return ""
        case Negative(of):
            gap = " " if isinstance(of, Negative) else ""
            return f"-{gap}{_term(of)}"
        case Product(factors, elementwise=True):
            last = len(factors) - 1
            parts = [_part(one, final=place == last) for place, one in enumerate(factors)]
            return r" \odot ".join(parts)
        case Product(factors):
            return _product(factors)
        case _:
            return _factor(expr)


def _part(expr: Expr, *, final: bool) -> str:
    r"""Write what stands between `\odot`."""
    if isinstance(expr, Product) and expr.elementwise:
        return _bracket(expr)
    return f"{{{_term(expr)}}}" if not final and _open_ended(expr) else _term(expr)


def _product(factors: tuple[Expr, ...]) -> str:
    text = ""
    for place, one in enumerate(factors):
        final = place == len(factors) - 1
        before = factors[place - 1] if place else None
        if isinstance(one, Negative):
            written = _signed(one) if place else f"{{{_term(one)}}}"
        elif not final and _open_ended(one):
            written = f"{{{_term(one)}}}"
        else:
            written = _factor(one)
        if before is not None:
            text += r" \cdot " if _needs_dot(before, one, written) else " "
        text += written
    return text


def _signed(expr: Expr) -> str:
    """Write a factor with its signs, as it may stand behind a dot."""
    signs = ""
    while isinstance(expr, Negative):
        signs, expr = signs + "-", expr.of
    return signs + (_braced(expr) if isinstance(expr, Product) else _factor(expr))


def _needs_dot(before: Expr, one: Expr, written: str) -> bool:
    """Whether two factors side by side would be read as one thing."""
    inner: Expr | None = before
    while isinstance(inner, Negative | Gradient) and inner.of is not None:
        before = inner = inner.of
    if isinstance(one, Negative) or written[:1].isdigit() or isinstance(before, Gradient):
        return True
    base = before.base if isinstance(before, Power) else before
    if isinstance(base, Symbol) and base.name in names.FUNCTIONS:
        return True  # a bare \log would take what follows
    called = isinstance(before, Symbol | Number)
    return called and written.startswith((r"\left(", r"\left[", r"\left\{", "(", "["))


def _open_ended(expr: Expr) -> bool:
    """Whether an expression takes in whatever is written behind it."""
    match expr:
        case Big() | Derivative(operator=True) | Gradient(of=Product()):
            return True
        case Gradient(of=Number() | Transpose() | Quotient()):
            return True
        case Gradient(of=Symbol(accents=accents)):
            return "mathbf" in accents
        case Product(factors):
            return _open_ended(factors[-1])
        case Negative(of) | Gradient(of=(Big() | Derivative()) as of):
            return _open_ended(of)
    return False


def _bracket(expr: Expr) -> str:
    return rf"\left({unparse(expr)}\right)"


def _braced(expr: Expr) -> str:
    return f"{{{unparse(expr)}}}"


def _listed(expr: Expr) -> bool:
    return isinstance(expr, Tuple) and bool(expr.items)


# ---------------------------------------------------------------------- factors
def _factor(expr: Expr) -> str:
    match expr:
        case Number(value):
            return _number(expr) if value >= 0 else _bracket(expr)
        case Symbol():
            return _symbol(expr)
        case Quotient(above, below):
            return _fraction(unparse(above), unparse(below))
        case Power(base, exponent):
            return f"{_base(base)}^{{{_exponent(base, exponent)}}}"
        case Transpose(of):
            return f"{_base(of)}^{{T}}"
        case Prime(of, order):
            return _base(of, scripts=True) + "'" * order
        case Entry(of, subs):
            return f"{_base(of, scripts=True)}_{{{_subs(subs)}}}"
        case Group(of, kind):
            left, right = names.BRACKET_TEX.get(kind, names.BRACKET_TEX["("])
            return f"{left}{unparse(of)}{right}"
        case Call():
            return _call(expr)
        case Applied(head, arguments):
            return rf"{_symbol(head)}\left({', '.join(_item(a) for a in arguments)}\right)"
        case Big():
            return _big(expr)
        case Derivative():
            return _derivative(expr)
        case Gradient(of, by):
            under = "" if by is None else f"_{{{unparse(by)}}}"
            whole = _term if isinstance(of, Product) else _factor
            return rf"\nabla{under}" + ("" if of is None else f" {whole(of)}")
        case Indicator(condition):
            return rf"1\left\{{{unparse(condition)}\right\}}"
        case Cases():
            return _cases(expr)
        case Matrix(rows):
            cells = r" \\ ".join(" & ".join(unparse(cell) for cell in row) for row in rows)
            return rf"\begin{{pmatrix}} {cells} \end{{pmatrix}}"
        case Ellipsis():
            return r"\dots"
        case Opaque(text):
            return text if _MATHEMATICS.search(text) else rf"\text{{{text}}}"
        case Unsupported(token):
            return token
        case _:
            return _bracket(expr)


def _item(expr: Expr) -> str:
    return _braced(expr) if _listed(expr) else unparse(expr)


def _number(number: Number) -> str:
    value = number.value
    if value.denominator == 1:
        return str(value.numerator)
    twos, fives, rest = 0, 0, value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    places = max(twos, fives)
    digits = str(value.numerator * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def _fraction(above: str, below: str) -> str:
    """Write a quotient; a letter d in front of both sides is kept from being a derivative's."""
    sign = r"d(?![A-Za-z_'])"
    if re.match(sign, above) and re.match(sign, below):
        above = "{d}" + above[1:]
    return rf"\frac{{{above}}}{{{below}}}"


def _base(expr: Expr, *, scripts: bool = False) -> str:
    """Write what scripts are put on; scripts: they follow each other without braces."""
    match expr:
        case Symbol(accents=accents, sups=sups):
            raised = sups or any(accent in ("star", "dagger") for accent in accents)
            return f"{{{_symbol(expr)}}}" if raised else _symbol(expr)
        case Power() | Transpose():
            return f"{{{_factor(expr)}}}"
        case Number() if expr.value >= 0 and not _number(expr).startswith("\\"):
            return _factor(expr)
        case Big() if _is_call(expr):
            return _factor(expr)
        case Derivative(operator=False) | Group() | Applied() | Call() | Matrix() | Indicator():
            return _factor(expr)
        case Gradient(of=None):
            return _factor(expr)
        case Quotient() | Ellipsis() | Opaque() | Unsupported() | Prime() | Entry() | Cases():
            return _factor(expr)
    return _bracket(expr)


def _is_call(big: Big) -> bool:
    """Whether an operator is written with its argument in a bracket, max(a, b)."""
    if big.name not in names.BRACKETED_BIG:
        return False
    if isinstance(big.of, Tuple):
        return bool(big.of.items)
    return isinstance(big.of, Group) and (big.over == Over() or big.name == "E")


def _exponent(base: Expr, exponent: Expr) -> str:
    text = unparse(exponent)
    label = isinstance(base, Symbol) and base.name != "e" and text.startswith(r"\left")
    return f"{{{text}}}" if label else text  # a bracket raised on a letter would be a label


# ---------------------------------------------------------------------- names
def _symbol(symbol: Symbol) -> str:
    text = _name(symbol.name)
    for accent in reversed(symbol.accents):
        if accent in _SUFFIXES:
            text += _SUFFIXES[accent]
        elif accent in _FONTS:
            text = rf"\{accent}{{{text}}}"
        else:
            text = rf"\{_ACCENTS.get(accent, accent)}{{{text}}}"
    if symbol.subs:
        text += f"_{{{_subs(symbol.subs)}}}"
    for label in symbol.sups:
        text += f"^{{{unparse(label)}}}"
    return text


def _name(name: str) -> str:
    if len(name) == 1 or name.isdigit():
        return name
    if name in names.NAMED or (name in names.LETTERS and name not in names.RENAMED):
        return "\\" + name
    if name.isalpha() and name not in names.FUNCTIONS and name not in names.BIG:
        return rf"\mathrm{{{name}}}"
    return rf"\text{{{name}}}"


def _subs(subs: tuple[Expr, ...]) -> str:
    return ", ".join(_item(sub) for sub in subs)


# ---------------------------------------------------------------------- functions, operators
def _call(call: Call) -> str:
    if call.name == "sqrt":
        order = "" if call.base is None else f"[{unparse(call.base)}]"
        return rf"\sqrt{order}{{{unparse(call.of)}}}"
    if call.name == "binom" and isinstance(call.of, Tuple) and len(call.of.items) == 2:
        above, below = call.of.items
        return rf"\binom{{{_item(above)}}}{{{_item(below)}}}"
    if call.name == "det" and isinstance(call.of, Matrix):
        return _factor(call.of).replace("pmatrix", "vmatrix")
    name = f"\\{call.name}" if call.name in _COMMANDS else rf"\operatorname{{{call.name}}}"
    base = "" if call.base is None else f"_{{{unparse(call.base)}}}"
    return rf"{name}{base}\left({unparse(call.of)}\right)"


def _big(big: Big) -> str:
    name = rf"\{big.name}"
    if big.name.startswith("arg"):
        name = rf"\operatorname{{{big.name}}}"
    elif big.name == "E":
        name = r"\mathbb{E}"
    name += _bounds(big.over)
    if isinstance(big.of, Tuple):
        inner = unparse(big.of)
        return rf"{name}\left({inner}\right)" if big.of.items else name
    text = _scope(big.of, whole=True)
    if big.name in names.BRACKETED_BIG and not _is_call(big) and text.startswith(r"\left"):
        text = f"{{{text}}}"
    elif isinstance(big.of, Group) and isinstance(big.of.of, Tuple) and _is_call(big):
        text = f"{{{text}}}"
    return f"{name} {text}"


def _scope(of: Expr, *, whole: bool = False) -> str:
    """Write what an operator acts on."""
    if isinstance(of, Sum) or (isinstance(of, Product) and of.elementwise and not whole):
        return _braced(of)
    return _term(of)


def _bounds(over: Over) -> str:
    letters = ", ".join(_symbol(letter) for letter in over.index)
    upper = "" if over.upper is None else f"^{{{unparse(over.upper)}}}"
    if over.relation == "with" and over.lower is not None:
        return f"_{{{letters}, {unparse(over.lower)}}}{upper}"
    if over.relation and over.lower is not None:
        sign = f" {names.RELATION_TEX.get(over.relation, '=')} " if letters else ""
        return f"_{{{letters}{sign}{unparse(over.lower)}}}{upper}"
    return (f"_{{{letters}}}" if letters else "") + upper


def _derivative(derivative: Derivative) -> str:
    sign = "d" if derivative.total else r"\partial"
    order = f"^{{{len(derivative.by)}}}" if len(derivative.by) > 1 else ""
    below = " ".join(f"{sign} {_factor(one)}" for one in derivative.by)
    of = derivative.of
    if of is not None and not derivative.operator:
        above = _bracket(of) if isinstance(of, Sum) else unparse(of)
        return rf"\frac{{{sign}{order} {above}}}{{{below}}}"
    text = rf"\frac{{{sign}{order}}}{{{below}}}"
    return text if of is None else f"{text} {_scope(of)}"


def _cases(cases: Cases) -> str:
    rows = []
    for value, condition in cases.rows:
        if condition is None:
            said = r"\text{otherwise}"
        elif isinstance(condition.first, Opaque) and not condition.links:
            said = rf"\text{{{condition.first.text}}}"
        elif not condition.links and condition.first is not None:
            said = _item(condition.first)
        else:
            said = r"\text{if } " + unparse(condition)
        rows.append(f"{_item(value)} & {said}")
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


def _relation(relation: Relation) -> str:
    parts = [] if relation.first is None else [_item(relation.first)]
    for link in relation.links:
        parts.append(_sign(link))
        parts.append(_item(link.right))
    return " ".join(part for part in parts if part)


def _sign(link: Link) -> str:
    if link.relation in ("and", "or"):
        return rf"\text{{ {link.relation} }}"
    return names.RELATION_TEX.get(link.relation, link.relation)
