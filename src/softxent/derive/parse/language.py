r"""Which command is read by what, and the reader that knows them all."""

from __future__ import annotations

from collections.abc import Callable

from softxent.derive.parse import names
from softxent.derive.parse.bigs import arg, big, underset, with_bounds
from softxent.derive.parse.brackets import bracket
from softxent.derive.parse.derivatives import fraction, inline, over, partial
from softxent.derive.parse.functions import (
    accent,
    binomial,
    font,
    function,
    noted,
    old_font,
    overset,
    plain,
    root,
)
from softxent.derive.parse.gradients import nabla
from softxent.derive.parse.matrices import environment
from softxent.derive.parse.reader import Reader, pairs
from softxent.derive.parse.scripts import scripted
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import Expr, Symbol


def reader(tex: str, tokens: list[Token]) -> Reader:
    """Make a reader of tokens, all of them before it."""
    return Reader(tex, tokens, pairs(tokens), COMMANDS, scripted, inline, end=len(tokens))


def _named(r: Reader, token: Token) -> Expr:
    return Symbol(token.text, span=(token.start, token.end))


COMMANDS: dict[str, Callable[[Reader, Token], Expr]] = {
    # No command has a blank in its name: these are asked for by what the tokens are.
    " bracket": bracket,
    " environment": environment,
    " over": over,
    " expectation": lambda r, token: with_bounds(r, token, "E", None),
    "arg": arg,
    "underset": underset,
    "partial": partial,
    "nabla": nabla,
    "sqrt": root,
    "binom": binomial,
    "dbinom": binomial,
    "tbinom": binomial,
    "boxed": plain,
    "fbox": plain,
    "bbox": plain,
    "underbrace": noted,
    "overbrace": noted,
    "underbracket": noted,
    "overset": overset,
    "cancelto": overset,
    "stackrel": overset,
}
COMMANDS |= dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), fraction)
COMMANDS |= dict.fromkeys(names.FUNCTIONS, function)
COMMANDS |= dict.fromkeys(names.BIG, big)
COMMANDS |= dict.fromkeys(names.ACCENTS, accent)
COMMANDS |= dict.fromkeys(names.FONTS, font)
COMMANDS |= dict.fromkeys(names.OLD_FONTS, old_font)
COMMANDS |= dict.fromkeys(names.NAMED, _named)
