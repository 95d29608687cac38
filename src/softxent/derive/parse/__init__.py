r"""TeX to trees: `parse` reads the rows of a formula, `unparse` writes TeX again.

>>> from softxent.derive.parse import parse, unparse
>>> (row,) = parse(r"\frac{\partial C}{\partial z_i} = y_i - t_i")
>>> [link.relation for link in row.relations[0].links]
['=']
>>> unparse(row.relations[0].first)
'\\frac{\\partial C}{\\partial z_{i}}'
"""

from __future__ import annotations

from softxent.derive.parse.grammar import divided
from softxent.derive.parse.language import reader
from softxent.derive.parse.lexer import tokenize
from softxent.derive.parse.points import settled
from softxent.derive.parse.rows import lines
from softxent.derive.parse.statements import row
from softxent.derive.parse.tokens import TooLong
from softxent.derive.parse.write import unparse
from softxent.derive.trees import Expr, Relation, Row, Tuple, Unsupported

__all__ = ["parse", "parse_expression", "unparse"]


def parse(tex: str) -> tuple[Row, ...]:
    """Read a formula: its rows, with what each states and the remarks beside it.

    Never raises: what cannot be read is an Unsupported in the tree, at its place, with the reason.
    A row of words only has no relations; a formula without anything in it has no rows.
    """
    try:
        found = [row(tex, line) for line in lines(tokenize(tex))]
    except TooLong as error:
        return (_refused(tex, str(error)),)
    except RecursionError:  # called from deep in a stack: our own depth is bounded
        return (_refused(tex, "nested too deep"),)
    return tuple(one for one in found if one is not None)


def parse_expression(tex: str) -> Expr:
    """Read an expression, or a chain of relations, that is a single row without remarks."""
    try:
        tokens = settled(tokenize(tex))
        r = reader(tex, tokens)
        value = r.inside(0, len(tokens), divided)
    except TooLong as error:
        return Unsupported("", str(error), span=(0, len(tex)))
    except RecursionError:
        return Unsupported("", "nested too deep", span=(0, len(tex)))
    if value == Tuple(()):
        return Unsupported("", "there is nothing to read", span=(0, len(tex)))
    return value


def _refused(tex: str, why: str) -> Row:
    span = (0, len(tex))
    return Row((Relation(Unsupported("", why, span=span), (), span=span),), (), span)
