r"""Functions, roots, accents, fonts, and commands that note something over or under a formula.

The argument of a bare function (`\log y_k z`) is the bracket right behind it, or one factor with
its scripts and, behind a symbol, its bracket; a number written together with what follows it
(`\sin 2x`) takes that along; a big operator or another function is taken whole. A power behind
the bracket, `\log(x)^2`, is one of the function's value.
"""

from __future__ import annotations

from dataclasses import replace

from softxent.derive.parse import names
from softxent.derive.parse.bigs import expectation
from softxent.derive.parse.grammar import argument, everything, factor
from softxent.derive.parse.matrices import bracketed
from softxent.derive.parse.reader import Reader, written
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Expr,
    Group,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Remark,
    Span,
    Sum,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)


def function(r: Reader, token: Token) -> Expr:
    r"""Read `\log`, `\tanh`... and its argument."""
    base: Expr | None = None
    power: Expr | None = None
    primes = 0
    value: Expr
    while (script := r.peek()) is not None and script.kind in ("_", "^", "prime"):
        r.take()
        if script.kind == "prime":
            primes += 1
            continue
        if (base if script.kind == "_" else power) is not None:
            return r.unsupported(script, "two scripts on a function")
        raised = r.tokens[r.at + 1 : r.close[r.at]] if r.sees("{") else []
        if script.kind == "^" and raised and all(one.kind == "prime" for one in raised):
            primes += len(raised)  # \tanh^{'}
            r.at = r.close[r.at] + 1
            continue
        value = argument(r)
        if value == Tuple(()):
            return r.unsupported(script, "nothing stands behind it")
        if script.kind == "_":
            base = value
        else:
            power = value
    of = _argument(r)
    span = (token.start, r.last())
    if of is None or primes:
        accents = ("prime",) * primes
        head = Symbol(token.text, accents, () if base is None else (base,), span=span)
        value = head
        if of is not None:
            items = of.items if isinstance(of, Tuple) else (of,)
            value = Applied(head, items, span=span)
    else:
        value = Call(token.text, of, base, span=span)
    if isinstance(power, Symbol) and power.name in ("T", "top", "intercal"):
        return Transpose(value, span=span)
    return value if power is None else Power(value, power, span=span)


def _argument(r: Reader) -> Expr | None:
    token = r.peek()
    if token is None or token.kind in ("relation", "}", "close", "right", "row", "_", "^"):
        return None
    if token.kind == "sign" and not token.text == ".":
        return None
    if token.kind == "bar" and token.text == r.bar:
        return None
    if token.kind == "command" and token.text in ("cdot", "times", "odot", "circ", "ast"):
        return None
    close = r.close[r.at]
    if token.kind in ("open", "left") and token.text in ("(", "[", "\\{"):
        if 0 <= close < r.end and "." not in r.tokens[close].text:
            span = (token.start, r.tokens[close].end)
            matrix = bracketed(r, r.at + 1, close, span)
            value = matrix or r.inside(r.at + 1, close, everything)
            r.at = close + 1
            return value
    number = token.kind == "digit"
    value = factor(r)
    parts = [value]
    while number and isinstance(value, Number) and _goes_on(r):
        parts.append(factor(r))
    if len(parts) == 1:
        return value
    return Product(tuple(parts), span=(value.span[0], parts[-1].span[1]))


def _goes_on(r: Reader) -> bool:
    r"""Whether a letter is written together with what stands before it: `2x`, `2\pi x`."""
    token = r.tokens[r.at] if r.at < r.end else None
    if token is None or (token.kind == "command" and token.text not in names.LETTERS):
        return False
    together = token.glued or (r.tokens[r.at - 1].kind == "command" and not token.gap)
    return together and token.kind in ("letter", "command")


def root(r: Reader, token: Token) -> Expr:
    r"""Read `\sqrt` behind its name; `[n]` becomes the base."""
    order: Expr | None = None
    close = r.close[r.at] if r.at < r.end else -1
    if r.sees("open", "[") and 0 <= close < r.end:
        order = r.inside(r.at + 1, close, everything)
        r.at = close + 1
    if r.peek() is None:
        return r.unsupported(token, "a root of nothing")
    bare = r.sees("open")
    of = argument(r)
    if bare and isinstance(of, Group) and of.kind == "(":  # √(x) in plain text
        of = of.of
    return Call("sqrt", of, order, span=(token.start, r.last()))


def binomial(r: Reader, token: Token) -> Expr:
    r"""Read `\binom{n}{k}`."""
    above, below = argument(r), argument(r)
    span = (token.start, r.last())
    return Call("binom", Tuple((above, below), span=(above.span[0], below.span[1])), span=span)


def accent(r: Reader, token: Token) -> Expr:
    r"""Read `\hat` and its letter."""
    if r.peek() is None:
        return r.unsupported(token, "stands over nothing")
    of = argument(r)
    span = (token.start, r.last())
    if isinstance(of, Symbol):
        return replace(of, accents=(names.ACCENTS[token.text], *of.accents), span=span)
    if isinstance(of, Number) and of.value.denominator == 1:
        return Symbol(str(of.value), (names.ACCENTS[token.text],), span=span)  # \vec{1}
    # \hat{x^2} is hat over x, with its power.
    if isinstance(of, Power) and isinstance(of.base, Symbol):
        base = replace(of.base, accents=(names.ACCENTS[token.text], *of.base.accents))
        return replace(of, base=base, span=span)
    if isinstance(of, Transpose) and isinstance(of.of, Symbol):
        base = replace(of.of, accents=(names.ACCENTS[token.text], *of.of.accents))
        return Transpose(base, span=span)
    return Unsupported(written(token), "over more than a letter", span=span)


def font(r: Reader, token: Token) -> Expr:
    r"""Read `\mathbf` and what it sets; `\mathbb{E}` may be an operator."""
    if r.peek() is None:
        return r.unsupported(token, "sets nothing")
    kept, r.font = r.font, (*r.font, names.FONTS[token.text])
    of = _differential(r) or argument(r)
    r.font = kept
    if isinstance(of, Symbol):
        of = of.at((token.start, r.last()))
        if isinstance(of, Symbol) and (of.name, of.accents) == ("E", ("mathbb",)) and not of.subs:
            return expectation(r, token, of)
    return of


def _differential(r: Reader) -> Expr | None:
    r"""Read the dx of `\mathbf{dx}` as one name: braces and a font hold it together."""
    inner = r.tokens[r.at + 1 : r.close[r.at]] if r.sees("{") else []
    if len(inner) != 2 or inner[0].text != "d" or any(one.kind != "letter" for one in inner):
        return None
    r.at = r.close[r.at] + 1
    return Symbol("d" + inner[1].text, r.font, span=(inner[0].start, inner[1].end))


def old_font(r: Reader, token: Token) -> Expr:
    r"""Read `{\bf x}`: a font to the end of the group."""
    r.font = (*r.font, names.OLD_FONTS[token.text])
    return Tuple((), span=(token.end, token.end))


def plain(r: Reader, token: Token) -> Expr:
    r"""Read `\boxed{..}`, `\mathstrut{..}`: what stands in it, in a bracket if that is needed."""
    if r.peek() is None:
        return r.unsupported(token, "holds nothing")
    of = argument(r)
    return _kept(of, (token.start, r.last()))


def noted(r: Reader, token: Token) -> Expr:
    r"""Read `\underbrace{..}_{note}`: what stands over the brace; the note becomes a remark."""
    if r.peek() is None:
        return r.unsupported(token, "stands under nothing")
    of = argument(r)
    end = r.last()
    while r.sees("_") or r.sees("^"):
        r.take()
        if r.peek() is None:
            break
        start, r.at = r.at, min(r.skip(r.at), r.end)
        remark(r, start, r.at)
    return _kept(of, (token.start, end))


def overset(r: Reader, token: Token) -> Expr:
    r"""Read `\overset{note}{x}` where it is no relation."""
    start = r.at
    r.at = min(r.skip(start), r.end)
    if not start < r.at < r.end:
        return r.unsupported(token, "lacks a part")
    remark(r, start, r.at)
    return _kept(argument(r), (token.start, r.last()))


def _kept(of: Expr, span: Span) -> Expr:
    """Put a bracket around what is seen as one thing and would fall apart without its box."""
    loose = isinstance(of, Sum | Negative | Product | Relation | Tuple | Big)
    return Group(of, "(", span=span) if loose else of.at(span)


def remark(r: Reader, start: int, end: int) -> None:
    """Keep a note for the row."""
    if start >= end:
        return
    if r.tokens[start].kind == "{":
        start, end = start + 1, end - 1
    if start >= end:
        return
    span = (r.tokens[start].start, r.tokens[end - 1].end)
    formulas: tuple[Relation, ...] = ()
    if any(r.tokens[place].kind == "relation" for place in range(start, end)):
        value = r.inside(start, end, everything)
        formulas = (value,) if isinstance(value, Relation) else ()
    parts = [t.text if t.kind == "text" else r.tex[t.start : t.end] for t in r.tokens[start:end]]
    if len(r.remarks) < 1000:
        r.remarks.append(Remark(" ".join(" ".join(parts).split()), span, formulas))
