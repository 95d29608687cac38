r"""What hangs on a factor: subscripts, powers, labels, primes, `^T`, and the bracket behind it.

A raised bracket on a letter is a label (`x^{(n)}`, `W^{[1]}`), on e and on all else a power; `^T`,
`^\top` is a Transpose; `^*` an accent; a raised word a label. A lowered run of letters and digits
is an index each (`w_{ij}`), unless it is a word that is known (`E_{total}`).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from softxent.derive.parse import names
from softxent.derive.parse.brackets import applied, has_relation
from softxent.derive.parse.grammar import everything
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.subscripts import is_one, is_word, lowered, name_of, script, subscripts
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Big,
    Call,
    Derivative,
    Expr,
    Gradient,
    Group,
    Indicator,
    Negative,
    Number,
    Opaque,
    Power,
    Prime,
    Product,
    Relation,
    Sum,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)

_TRANSPOSED = frozenset("top intercal transpose".split())
_RAISED = {"*": "star", "ast": "star", "star": "star", "dagger": "dagger", "dag": "dagger"}


def scripted(r: Reader, base: Expr, braces: bool) -> Expr:
    """Read the scripts behind a factor, and the bracket behind a symbol."""
    value, start = base, base.span[0]
    power: Expr | None = None
    turned = False
    while (token := r.peek()) is not None:
        if token.kind not in ("_", "^", "prime"):
            more = _bracket(r, value, token) if power is None and not turned else None
            if more is None:
                break
            value = more
            continue
        r.take()
        if braces and _hidden(base):
            value = Unsupported(token.text, "on braces, which print nothing", span=base.span)
            braces = False
        if token.kind == "_":
            value = lowered(r, value, subscripts(r, token, value))
        elif token.kind == "prime":
            value = _primed(value, token.end)
        else:
            what, found = _raised(r, value, token)
            if what == "base":
                value = found
            elif what == "labelled" and power is None and not turned:
                value, turned = found, True
            elif power is not None or turned:
                power = r.unsupported(token, "two raised things on one")
            else:
                turned = what != "power"
                power = found if what != "turned" else None
    span = (start, max(r.last(), value.span[1]))
    if power is not None:
        value = Power(value, power, span=span)
    return Transpose(value, span=span) if turned else value


def _hidden(base: Expr) -> bool:
    """Whether a script behind braces would be read as standing on a part of what is in them."""
    if isinstance(base, Derivative | Gradient):
        return isinstance(base, Gradient) or base.operator
    return isinstance(base, Sum | Negative | Product | Relation | Tuple | Big | Call)


# ---------------------------------------------------------------------- brackets
def _bracket(r: Reader, value: Expr, token: Token) -> Expr | None:
    """Read the bracket behind a symbol: `f(x)`; behind a 1, with a relation in it, `1{k = i}`."""
    if token.kind not in ("open", "left") or r.close[r.at] < 0 or r.close[r.at] >= r.end:
        return None
    related = has_relation(r, r.at + 1, r.close[r.at])
    one = isinstance(value, Number) and value.value == 1 and value.span[1] - value.span[0] == 1
    if related and (one or is_one(value)) and token.text in ("(", "[", "\\{"):
        return _indicator(r, value.span[0], r.at + 1, r.close[r.at])
    if not isinstance(value, Symbol) or token.text not in ("(", "["):
        return None
    if related and token.text == "[":
        return None
    return applied(r, value)


def _indicator(r: Reader, start: int, first: int, end: int) -> Expr:
    """Read the condition between two places; several with commas are a product."""
    condition = r.inside(first, end, everything)
    r.at = max(r.at, end + 1)
    span = (start, r.last())
    return indicators(condition, span, r.source(first, end))


def indicators(condition: Expr, span: tuple[int, int], source: str) -> Expr:
    """Make an Indicator, or a product of several; Opaque where the condition is none."""
    while isinstance(condition, Group):
        condition = condition.of
    if isinstance(condition, Relation) and condition.first is not None:
        return Indicator(condition, span=span)
    if isinstance(condition, Tuple) and condition.items:
        parts = [indicators(item, item.span, source) for item in condition.items]
        if all(isinstance(part, Indicator) for part in parts):
            return Product(tuple(parts), span=span)
    return Opaque(f"1[{source}]", span=span)


# ---------------------------------------------------------------------- raised
def _raised(r: Reader, base: Expr, sign: Token) -> tuple[str, Expr]:
    """Read what is raised.

    Returns ("base", the base with a label, a prime or an accent), ("power", what is raised),
    ("turned", the base) for a transpose, ("labelled", the base with its label) for `W^{(1)T}`, or
    ("both", -1) for a transposed inverse.
    """
    start, end = script(r)
    span = (sign.start, r.last())
    if start == end:
        if r.at > start:
            return "base", base  # x^{}
        return "power", r.unsupported(sign, "nothing is raised")
    tokens = [
        t
        for t in r.tokens[start:end]
        if not (t.kind in "{}" or (t.kind == "command" and _is_font(t.text)))
    ]
    signs = [t.text for t in tokens]
    kinds = {t.kind for t in tokens}
    if kinds == {"prime"}:
        for _ in tokens:
            base = _primed(base, span[1])
        return "base", base
    if len(tokens) == 1 and (signs[0] == "T" or signs[0] in _TRANSPOSED):
        return "turned", base
    if signs == ["-", "T"]:
        one = Number(Fraction(1), span=(tokens[0].start, tokens[0].end))
        return "both", Negative(one, span=one.span)
    if isinstance(base, Symbol):
        last = r.close[start] + 1
        turned = last == end - 1 and (signs[-1] == "T" or signs[-1] in _TRANSPOSED)
        label = _label(r, base, start, last if turned and last > start else end, tokens)
        if label is not None:
            label = replace(label, span=(base.span[0], span[1]))
            return ("labelled" if turned and last > start else "base"), label
        if last > start and all(t.kind == "prime" for t in r.tokens[last:end]):
            label = _label(r, base, start, last, tokens)  # g^{[1]'}
            if label is not None:
                for _ in range(last, end):
                    label = replace(label, accents=("prime", *label.accents))
                return "base", replace(label, span=(base.span[0], span[1]))
    if signs == ["circ"]:
        return "power", r.unsupported(tokens[0], "degrees")
    if len(tokens) == 1 and kinds == {"sign"}:
        return "power", r.unsupported(sign, "a sign alone is raised")
    return "power", r.inside(start, end, everything)


def _label(r: Reader, base: Symbol, start: int, end: int, tokens: list[Token]) -> Symbol | None:
    first = r.tokens[start]
    one = tokens[0] if len(tokens) == 1 else None
    if one is not None and one.text in _RAISED and one.kind in ("sign", "command"):
        return replace(base, accents=(_RAISED[one.text], *base.accents))
    if one is not None and one.kind in ("word", "text"):
        return replace(base, sups=(*base.sups, name_of(one)))
    if one is not None and one.is_sign("+-"):
        behind = r.tokens[r.at] if r.at < r.end else None
        if r.tokens[end - 1] is one and start == r.at - 1 and behind and behind.kind == "digit":
            return None  # x^-1 without braces: TeX raises the minus only
        return replace(base, sups=(*base.sups, Opaque(one.text, span=(one.start, one.end))))
    if base.name == "e" and not base.accents:
        return None
    name = "".join(token.text for token in tokens)
    together = all(token.kind == "letter" and token.glued for token in tokens[1:])
    if name and together and tokens[0].kind == "letter" and _raised_word(r, base, name):
        span = (tokens[0].start, tokens[-1].end)
        return replace(base, sups=(*base.sups, Symbol(name, span=span)))
    angles = first.kind == "relation" and first.text == "lt" and r.tokens[end - 1].text == "gt"
    if angles and end - start > 2:
        inner = r.inside(start + 1, end - 1, everything)
        group = Group(inner, "\\langle", span=(first.start, r.tokens[end - 1].end))
        return replace(base, sups=(*base.sups, group))
    if first.kind in ("open", "left") and r.close[start] == end - 1:
        if first.text in ("(", "[", "\\langle", "\\{"):
            inner = r.inside(start + 1, end - 1, everything)
            group = Group(inner, first.text, span=(first.start, r.tokens[end - 1].end))
            return replace(base, sups=(*base.sups, group))
    return None


def _raised_word(r: Reader, base: Symbol, name: str) -> bool:
    """Whether raised letters are a word: `w^{new}`; `k^{in}_i` where an index stands below."""
    if name == "in":
        return bool(base.subs) or (r.at < r.end and r.tokens[r.at].kind == "_")
    return len(name) > 2 and is_word(name)


def _is_font(name: str) -> bool:
    return name in names.FONTS or name in names.OLD_FONTS


# ---------------------------------------------------------------------- primes
def _primed(value: Expr, end: int) -> Expr:
    span = (value.span[0], max(end, value.span[1]))
    if isinstance(value, Symbol):
        return replace(value, accents=("prime", *value.accents), span=span)
    if isinstance(value, Prime):
        return Prime(value.of, value.order + 1, span=span)
    return Prime(value, span=span)
