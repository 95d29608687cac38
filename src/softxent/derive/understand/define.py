"""Which equalities define something: an unseen symbol on the left."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from softxent.derive.trees import (
    Applied,
    Call,
    Derivative,
    Expr,
    Number,
    Opaque,
    Power,
    Product,
    Symbol,
)
from softxent.derive.understand import circles, layers
from softxent.derive.understand.bodies import (
    is_delta,
    mentions,
)
from softxent.derive.understand.book import Book
from softxent.derive.understand.constants import FOR_VALUES
from softxent.derive.understand.functions import KNOWN
from softxent.derive.understand.heads import (
    applied,
    operator,
    quantity,
    restated,
    reversed_side,
    unwrapped,
)
from softxent.derive.understand.letters import GREEK, Letters, bare, base_name
from softxent.derive.understand.operators import Operators
from softxent.derive.understand.outline import Outline, Statement
from softxent.derive.understand.pins import pinned
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.symbols import is_word


def read(outline: Outline, plain: bool = False) -> Book:
    """Return the book of a document: letters, definitions, targets."""
    trees: list[Expr] = [side.tree for one in outline.statements for side in one.sides]
    compared: set[str] = set()
    for statement in outline.statements:
        for sign in statement.signs:
            for condition in sign.conditions:
                compared |= condition.letters()
    for relation in outline.asides:
        if len(relation.links) == 1 and relation.links[0].relation in ("=", "neq"):
            sides = (relation.first, relation.links[0].right)
            for side, other in (sides, sides[::-1]):
                if isinstance(side, Symbol) and not side.subs:
                    if side.name in GREEK and isinstance(other, Number):
                        continue  # beta = 0.5
                    if not isinstance(other, Number) or other.value.denominator == 1:
                        compared.add(base_name(side))
    compared = {one for one in compared if len(one) == 1 or one.startswith("\\")}
    small = {one for one in compared if not one.isupper()}
    letters = Letters([*trees, *outline.asides], small, Operators(outline))
    book = Book(outline, letters, plain)
    for statement in outline.statements:
        book.roles[statement.number] = define(book, statement)
    layers.carry(book)
    book.before = circles.opened(book)
    book.find_targets()
    _counted(book)
    for fact in outline.facts:
        if fact.kind in ("sum-to-one", "one-hot") and len(fact.names) == 1:
            (name,) = fact.names
            if not any(known == name for known, _ in book.definitions) and book.rank(name, 0):
                book.targets.add(name)
    pinned(book)
    return book


_CLASSES = re.compile(
    r"\$\s*(?P<one>[A-Z])\s*\$\s+(?:\w+\s+)?(?:classes|categories|outputs|words|tokens)\b|"
    r"\b(?:number|count) of (?:\w+ )?(?:classes|categories|outputs|words|tokens)\s*"
    r"(?:is|,|\()?\s*\$\s*(?P<two>[A-Z])\s*\$|"
    r"\$\s*(?P<three>[A-Z])\s*\$,?\s*(?:is|are|being|denotes?|=)?\s*(?:the )?(?:total )?"
    r"number of (?:\w+ )?(?:classes|categories|outputs|words|tokens)\b",
    re.I,
)


def _counted(book: Book) -> None:
    """Let "there are V classes" give the classes of the targets their size."""
    for found in _CLASSES.finditer(book.outline.prose):
        size = found["one"] or found["two"] or found["three"]
        if not size.isupper() or book.letters.arities.get(size) or book.defined(size, 0):
            continue
        for name in book.targets:
            rank = book.rank(name, 1)
            book.letters.sizes.add(size)
            book.sets.join(size_place(size), f"{book.core(name, rank)}.{rank - 1}")


def define(book: Book, statement: Statement, again: bool = False) -> str:
    """Enter what a statement defines; returns what it is: "definition", ..., or "".

    again: also where the symbol has a definition already.
    """
    if len(statement.sides) < 2 or not statement.signs:
        return ""
    relation = statement.signs[0].relation
    if relation not in ("=", "define", "to"):
        return ""
    if statement.doubt == FOR_VALUES and len(statement.sides) == 2:
        return ""  # L = log p, "where y = 1"
    head = unwrapped(statement.sides[0].tree)
    body = statement.sides[1].tree
    if _is_opaque(body):  # E = -ln p(T | W) = -sum_n ...
        equal = zip(statement.sides[2:], statement.signs[1:], strict=False)
        later = [side.tree for side, sign in equal if sign.relation == "="]
        readable = [tree for tree in later if not _is_opaque(tree)]
        if not readable:
            return ""
        body = readable[0]
    if _unseen(book, statement, 1) or _same_name(head, bare(body), len(statement.sides)):
        body = _aliases(book, statement)  # l(x, y) = L = {l_1, ..., l_N}, S(x_i) = S_i = ...
    again = again or relation != "=" or announced(statement)
    _arguments(book, statement)
    role = _of_head(book, statement, head, body, again)
    if role == "definition":
        _aliases(book, statement)
    return role


def _is_opaque(tree: Expr) -> bool:
    """Whether there is something in it, subscripts aside, that is no analysis."""
    if isinstance(tree, Symbol):
        return False  # eta^-
    return isinstance(tree, Opaque) or any(_is_opaque(part) for part in tree.parts())


def _arguments(book: Book, statement: Statement) -> None:
    r"""Enter what \sigma(w^T x + b) = \sigma(z) says of an unseen z."""
    trees = [bare(side.tree) for side in statement.sides]
    for one, other in pairwise(trees):
        if not isinstance(one, Applied) or not isinstance(other, Applied):
            continue
        if one.head != other.head or len(one.arguments) != 1 or len(other.arguments) != 1:
            continue
        body, symbol = bare(one.arguments[0]), bare(other.arguments[0])
        if not isinstance(symbol, Symbol) or isinstance(body, Symbol | Number):
            continue
        name, indices = book.letters.split(symbol)
        earlier = [
            side for before in book.outline.statements[: statement.number] for side in before.sides
        ]
        seen = any(mentions(book, side.tree, name, len(indices)) for side in earlier)
        if not seen and not any(known == name for known, _ in book.definitions):
            quantity(book, statement, symbol, (), body, False)


_LET = re.compile(r"(?:\b(?:let|define|denote|call)|[令设設记記]|定义|定義)\s*[:：]?\s*$", re.I)


def announced(statement: Statement) -> bool:
    """Whether the word right before it says that it defines something: "let $x_3 = e^{x_4}$"."""
    return bool(_LET.search(statement.cue))


def _of_head(book: Book, statement: Statement, head: Expr, body: Expr, again: bool) -> str:
    if isinstance(head, Power) and isinstance(head.base, Symbol):
        if head.exponent == Number(Fraction(2)):  # sigma^2 = ... defines sigma
            head, body = head.base, Call("sqrt", body, span=body.span)
    if isinstance(head, Call) and head.name in ("log", "ln") and isinstance(bare(head.of), Symbol):
        name, indices = book.letters.split(bare(head.of))  # type: ignore[arg-type]
        if mentions(book, body, name, len(indices)):
            return ""
        head, body = bare(head.of), Call("exp", body, span=body.span)  # log y = ... defines y
    if isinstance(head, Call) and head.name == "exp" and isinstance(bare(head.of), Symbol):
        name, indices = book.letters.split(bare(head.of))  # type: ignore[arg-type]
        if not any(known == name for known, _ in book.definitions):
            if restated(book, name, book.rank(name, len(indices)), body):
                return ""
            if mentions(book, body, name, book.rank(name, len(indices))):
                book.partly.add(name)  # e^{s^j} = e^{s^{j-1}} + e^{a_j}
                return "update"
    if isinstance(head, Symbol):
        return quantity(book, statement, head, (), body, again)
    if isinstance(head, Applied):
        return applied(book, statement, head, body, again)
    if isinstance(head, Product) and isinstance(body, Derivative):
        return operator(book, head, body)
    return reversed_side(book, statement)


def _unseen(book: Book, statement: Statement, at: int) -> bool:
    """Whether a side further on in a chain is a bare symbol that the text has not used before."""
    if len(statement.sides) < 3:
        return False
    tree = bare(statement.sides[at].tree)
    called = tree if isinstance(tree, Applied) else None
    if isinstance(tree, Applied):
        if not all(isinstance(bare(one), Symbol) for one in tree.arguments) or not tree.arguments:
            return False
        tree = tree.head
    if not isinstance(tree, Symbol) or is_delta(tree):
        return False
    name, indices = book.letters.split(tree)
    if called is not None:
        single = len(called.arguments) == 1
        known = tree.name.lower() in KNOWN or (single and book.letters.bare_uses.get(name, 0))
        defined = book.called(name) and not announced(statement)
        if known or defined or "prime" in tree.accents:
            return False
        return all(isinstance(bare(sub), Symbol) for sub in indices)
    letters = [bare(sub) for sub in indices]
    if name in book.letters.bound or name in book.letters.sizes or is_word(tree.name):
        return False
    if not all(isinstance(one, Symbol) for one in letters) or len(set(letters)) != len(letters):
        return False
    if any(known == name for known, _ in book.definitions):
        return False
    here = statement.sides[:at] + statement.sides[at + 1 :]
    before = [one for other in book.outline.statements[: statement.number] for one in other.sides]
    return not any(mentions(book, one.tree, name, len(indices)) for one in (*before, *here))


def _aliases(book: Book, statement: Statement) -> Expr:
    """Enter the bare symbols further on in a chain: y_i = e^{z_i} / S = p_i; returns the body."""
    equal = next(
        (at for at, sign in enumerate(statement.signs) if sign.relation not in ("=", "define")),
        len(statement.signs),
    )
    sides = range(1, equal + 1)
    found = [at for at in sides if _unseen(book, statement, at)]
    head = unwrapped(statement.sides[0].tree)
    skipped = [at for at in sides if _same_name(head, bare(statement.sides[at].tree), 3)]
    plain = [at for at in sides if at not in found and at not in skipped]
    if not plain:
        return statement.sides[1].tree
    body = statement.sides[plain[0]].tree
    for at in found:
        symbol = bare(statement.sides[at].tree)
        if isinstance(symbol, Symbol):
            quantity(book, statement, symbol, (), body, False)
        elif isinstance(symbol, Applied):
            applied(book, statement, symbol, body, announced(statement))
    return body


def _same_name(head: Expr, body: Expr, count: int) -> bool:
    """Whether a chain only gives a second way to write its head: S(x_i) = S_i = ..."""
    if count < 3 or not isinstance(head, Applied) or not isinstance(body, Symbol):
        return False
    return base_name(head.head) == base_name(body)
