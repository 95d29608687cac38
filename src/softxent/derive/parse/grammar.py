r"""Expressions: relations, sums, products, scripts. What a command reads, `language` knows.

From the loosest to the tightest: `,` · relations · `+ -` · `\odot \circ` · side by side, `\cdot`,
`/` · signs · scripts. A big operator and a derivative operator take what stands behind them up to
the next + or - of their depth.
"""

from __future__ import annotations

from fractions import Fraction

from softxent.derive.parse import names
from softxent.derive.parse.leaves import number, text, word
from softxent.derive.parse.reader import MAX_DEPTH, Reader
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Ellipsis,
    Expr,
    Link,
    Negative,
    Number,
    Product,
    Quotient,
    Relation,
    Span,
    Sum,
    Symbol,
    Tuple,
    Unsupported,
)

_MAX_CHAIN = 50
"""Signs, or slashes, in a row."""
_TIMES = frozenset("cdot times ast bullet".split())
_ELEMENTWISE = frozenset("odot circ".split())


def everything(r: Reader) -> Expr:
    """Read all that is left: items with commas between are a Tuple."""
    start = r.here()
    items = [chain(r)]
    listed = False
    while r.at < r.end and r.peek() is not None:
        token = r.take()  # what ends a chain and is no comma is left to `juxtaposed`
        if token.is_sign(",;"):
            listed = True
            if r.peek() is None:
                break
        items.append(chain(r))
    if listed and all(item == Tuple(()) for item in items):
        return Unsupported(",", "nothing stands beside it", span=(start, r.last()))
    return Tuple(tuple(items), span=(start, r.last())) if listed else items[0]


def chain(r: Reader) -> Expr:
    """Read `a = b = c`; without a relation, the expression alone."""
    start = r.here()
    first = None if r.sees("relation") else addition(r)
    links: list[Link] = []
    if isinstance(first, Relation):  # in braces, which print nothing
        links.extend(first.links)
        first = first.first
    while r.sees("relation"):
        sign = r.take()
        place = (sign.start, sign.end)
        right = addition(r)
        if right == Tuple(()):
            right = r.unsupported(sign, "nothing stands behind it")
        more: tuple[Link, ...] = ()
        if isinstance(right, Relation):
            more = right.links
            right = right.first or r.unsupported(sign, "nothing stands behind it")
        if sign.text == "=" and isinstance(first, Symbol) and not first.subs:
            right = _range(right)
        links.extend([Link(sign.text, right, span=place), *more])
    if not links and first is not None:
        return first
    return Relation(first, tuple(links), span=(start, r.last()))


def _range(right: Expr) -> Expr:
    r"""Make the values of an index of `1 \cdots C`, which is printed like a product."""
    if isinstance(right, Product) and len(right.factors) == 3 and not right.dot:
        first, dots, _ = right.factors
        if isinstance(first, Number) and isinstance(dots, Ellipsis):
            return Tuple(right.factors, span=right.span)
    return right


def addition(r: Reader) -> Expr:
    """Read terms with + and - between; an empty Tuple where nothing stands."""
    start = r.here()
    terms: list[Expr] = []
    while True:
        signs = _signs(r)
        token = r.peek()
        if token is None or _ends(r, token):
            if signs:
                terms.append(r.unsupported(signs[-1], "nothing stands behind it"))
            break
        value = term(r)
        listed = r.braced and isinstance(value, Relation | Tuple)
        behind = r.peek()
        more = bool(terms or signs) or (behind is not None and behind.is_sign("+-"))
        minus = any(sign.text == "-" for sign in signs)
        if (listed and more) or (r.braced and isinstance(value, Sum) and minus):
            value = Unsupported("{", "braces, which print nothing", span=value.span)
        value = _signed(signs, value)
        if isinstance(value, Sum):
            terms.extend(value.terms)
        else:
            terms.append(value)
        token = r.peek()
        if token is None or not token.is_sign("+-"):
            break
    if not terms:
        return Tuple((), span=(start, start))
    if len(terms) == 1:
        return terms[0]
    r.braced = False
    return Sum(tuple(terms), span=_around(terms[0].span, terms[-1].span))


def term(r: Reader) -> Expr:
    r"""Read a product, with `\odot` the loosest sign in it."""
    parts = [juxtaposed(r)]
    braced = [r.braced]
    if parts[0] == Tuple(()) and (token := r.peek()) is not None and not _ends(r, token):
        parts[0] = r.unsupported(token, "nothing stands before it")
    while (token := r.peek()) is not None and _is_command(token, _ELEMENTWISE):
        r.take()
        signs = _signs(r)
        behind = r.peek()
        if behind is None or _ends(r, behind):
            parts.append(r.unsupported(signs[-1] if signs else token, "nothing stands behind it"))
            break
        parts.append(_signed(signs, juxtaposed(r)))
        braced.append(r.braced)
    if len(parts) == 1:
        return parts[0]
    for place, hidden in enumerate(braced):
        r.braced = hidden
        parts[place] = printed(r, parts[place])
    r.braced = False
    span = _around(parts[0].span, parts[-1].span)
    return Product(tuple(parts), elementwise=True, span=span)


def juxtaposed(r: Reader) -> Expr:
    r"""Read factors side by side, or with `\cdot`, `\times`, `*`, `/` between."""
    factors: list[Expr] = []
    braced: list[bool] = []
    dot, slashes = False, 0
    while (token := r.peek()) is not None and not _ends(r, token):
        if token.is_sign("+-") or _is_command(token, _ELEMENTWISE):
            break
        times = token.is_sign("*") or _is_command(token, _TIMES)
        slash = token.is_sign("/") or _is_command(token, {"div"})
        if not (times or slash):
            factors.append(factor(r))
            braced.append(r.braced)
            continue
        r.take()
        dot = dot or times
        behind = r.peek()
        if not factors or behind is None or _ends(r, behind):
            factors.append(r.unsupported(token, "a factor is missing beside it"))
            braced.append(False)
            continue
        signs = _signs(r)
        behind = r.peek()
        if behind is None or _ends(r, behind):
            right: Expr = r.unsupported(signs[-1] if signs else token, "nothing stands behind it")
        else:
            right = factor(r)
            right = _signed(signs, printed(r, right) if signs else right)
        slashes += slash
        if slashes > _MAX_CHAIN:
            right = Unsupported("/", f"more than {_MAX_CHAIN} in a row", span=right.span)
            slash = False
        if slash:
            above = factors.pop()
            braced.pop()
            if above == Tuple(()):
                above = Unsupported("/", "nothing stands above", span=above.span)
            right = Quotient(above, right, span=_around(above.span, right.span))
        factors.append(right)
        braced.append(r.braced and not slash and not signs)
    r.braced = len(factors) == 1 and braced[0]
    if len(factors) == 1:
        return factors[0]
    if not factors:
        return Tuple((), span=(r.here(), r.here()))
    flat: list[Expr] = []
    for one, hidden in zip(factors, braced, strict=True):
        if isinstance(one, Product) and not one.elementwise:
            flat.extend(one.factors)
        elif (
            hidden
            and one != Tuple(())
            and isinstance(one, Sum | Negative | Relation | Product | Tuple)
            and (one is not factors[0] or not isinstance(one, Negative))
        ):
            flat.append(Unsupported("{", "braces, which print nothing", span=one.span))
        elif one != Tuple(()):
            flat.append(one)
    if len(flat) < 2:
        return flat[0] if flat else factors[0]
    return Product(tuple(flat), dot=dot, span=_around(flat[0].span, flat[-1].span))


def factor(r: Reader) -> Expr:
    """Read one factor with all its scripts and the bracket behind a symbol."""
    start = r.at
    braces = r.sees("{") or ((token := r.peek()) is not None and token.text in names.FONTS)
    base = primary(r)
    written = r.at
    value = r.scripted(r, base, braces)
    r.braced = braces and r.at == written and start < r.at
    return value


def printed(r: Reader, value: Expr) -> Expr:
    """Refuse what was just read if TeX prints it otherwise than it is grouped: a sum in braces."""
    loose = isinstance(value, Sum | Negative | Relation | Tuple) and value != Tuple(())
    if r.braced and (loose or (isinstance(value, Product) and value.elementwise)):
        return Unsupported("{", "braces, which print nothing", span=value.span)
    return value


def primary(r: Reader) -> Expr:
    """Read one thing without its scripts."""
    token = r.peek()
    if token is None:
        return Tuple((), span=(r.here(), r.here()))
    if r.depth >= MAX_DEPTH:
        r.at = r.skip(r.at)
        return Unsupported(
            token.text, f"nested deeper than {MAX_DEPTH}", span=(token.start, r.last())
        )
    r.depth += 1
    try:
        return _primary(r, token)
    finally:
        r.depth -= 1


def _primary(r: Reader, token: Token) -> Expr:
    place = (token.start, token.end)
    match token.kind:
        case "letter":
            whole = word(r)
            if whole is not None:
                return whole
            derivative = r.inline(r) if token.text == "d" else None
            if derivative is not None:
                return derivative
            r.take()
            if token.text == "E" and _is_expectation(r):
                return r.commands[" expectation"](r, token)
            return Symbol(token.text, r.font, span=place)
        case "digit":
            return number(r)
        case "{":
            return braces(r)
        case "open" | "left" | "bar":
            return r.commands[" bracket"](r, token)
        case "dots":
            r.take()
            return Ellipsis(span=place)
        case "word":
            r.take()
            reads = r.commands.get(token.text)
            if reads is not None and token.text in names.FUNCTIONS | names.BIG.keys():
                return reads(r, token)
            return Symbol(token.text, r.font, span=place)
        case "text":
            r.take()
            return text(token, r.font)
        case "begin":
            return r.commands[" environment"](r, token)
        case "command":
            r.take()
            if token.text in r.commands:
                return r.commands[token.text](r, token)
            if token.text in names.LETTERS:
                name = names.RENAMED.get(token.text, token.text)
                return Symbol(name, r.font, span=place)
            return r.unsupported(token, "not a command that is known")
        case "sign" if token.text == "." and r.at + 1 < r.end:
            if r.tokens[r.at + 1].kind == "digit" and r.tokens[r.at + 1].glued:
                return number(r)
    r.take()
    return r.unsupported(token, "makes no sense here")


def _is_expectation(r: Reader) -> bool:
    r"""Whether square brackets stand behind an E: `E[x]`, `E_{x \sim p}[x]`."""
    place = r.at
    if place < r.end and r.tokens[place].kind == "_":
        place = r.skip(place + 1)
    if place >= r.end:
        return False
    token = r.tokens[place]
    return token.kind in ("open", "left") and token.text == "[" and r.close[place] < r.end


def argument(r: Reader) -> Expr:
    """Read the argument of a command as TeX does: a group in braces or a single token."""
    if r.sees("digit"):
        token = r.take()
        if r.font:
            return Symbol(token.text, r.font, span=(token.start, token.end))
        return Number(Fraction(int(token.text)), span=(token.start, token.end))
    if r.sees("letter"):
        token = r.take()
        return Symbol(token.text, r.font, span=(token.start, token.end))
    return primary(r)


def braces(r: Reader) -> Expr:
    r"""Read `{...}`: nothing of it is printed, so it is what stands in it. `\over` divides it."""
    opening, close = r.at, r.close[r.at]
    if close < 0 or close > r.end:
        token = r.take()
        return r.unsupported(token, "is never closed")
    r.at = close + 1
    value = r.inside(opening + 1, close, divided)
    return value.at((r.tokens[opening].start, r.last()))


def divided(r: Reader) -> Expr:
    r"""Read a whole group, in which `\over` may stand."""
    place = r.at
    while place < r.end:
        token = r.tokens[place]
        if token.kind == "command" and token.text in ("over", "choose", "atop"):
            return r.commands[" over"](r, token)
        place = r.skip(place)
    return everything(r)


def _signs(r: Reader) -> list[Token]:
    found = []
    while (token := r.peek()) is not None and token.is_sign("+-"):
        found.append(r.take())
    return found


def _signed(signs: list[Token], value: Expr) -> Expr:
    end = value.span[1]
    for count, sign in enumerate(s for s in reversed(signs) if s.text == "-"):
        if count >= _MAX_CHAIN:
            return Unsupported("-", f"more than {_MAX_CHAIN} in a row", span=value.span)
        value = Negative(value, span=(sign.start, end))
    return value


def _ends(r: Reader, token: Token) -> bool:
    """Whether a token ends an expression; stray ones do not, they become Unsupported."""
    if token.kind == "relation" or token.is_sign(",;"):
        return True
    return token.kind == "bar" and r.bar == token.text


def _is_command(token: Token, which: frozenset[str] | set[str]) -> bool:
    return token.kind == "command" and token.text in which


def _around(first: Span, last: Span) -> Span:
    return (first[0], last[1])
