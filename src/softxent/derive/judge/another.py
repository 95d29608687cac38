"""Steps that say of a name what it is in another sense: one more loss, one more function."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from softxent.derive.judge.again import skeleton
from softxent.derive.trees import (
    Applied,
    Cases,
    Expr,
    Group,
    Negative,
    Number,
    Opaque,
    Product,
    Quotient,
    Sum,
    Symbol,
)
from softxent.derive.understand.book import Definition
from softxent.derive.understand.letters import bare
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import Reading

_CONCLUDES = re.compile(
    r"\b(?:since|because|then|hence|therefore|thus|so|we (?:can |may )?(?:have|get|see|find|write)|"
    r"follows|becomes?|equals?|equivalent\w*|that is|that means|i\.e\.?|in other words|namely|"
    r"gives?|yields?|giving|yielding|obtain\w*|get|rewrit\w*|re-writ\w*|rewrote|written|express\w*|"
    r"expand\w*|simplif\w*|substitut\w*|plug\w*|insert\w*|reduces?|recall\w*|remember\w*|again|"
    r"turns? (?:in|out)\w*|deriv\w*|using|same|also|still|"
    r"or|components?|element-?wise|coordinates?|(?:vector|matrix) (?:form|notation)|folgt|also|"
    r"somit|donc|alors|entonces|luego)\b|所以|因此|于是|從而|从而|可得|得到|即|则|則",
    re.I,
)
"""Behind these a formula goes on from what is known."""

_OR = re.compile(
    r"(?:[\s$,&]|\\[()\[\]]|\\q?quad|\\ |\\text|\\mbox|[{}])*"
    r"(?:or|oder|ou|或者?)(?:[\s$,&]|\\[()\[\]]|\\q?quad|\\ |[{}])*",
    re.I,
)
"""What stands between two alternatives."""

_STRICT = re.compile(r"\b(?:since|because|hence|therefore|thus|follows?|equals?|rewrit\w+)\b", re.I)
_AGAIN = re.compile(
    r"\W*(?:or (?:use|write|in|as|with)|i\.\s?e|that is|in other words|again)\b", re.I
)
_EQUAL = re.compile(r"\b(?:equivalent\w*|equal\w*|same|form)\b", re.I)
_AIM = re.compile(r"\b(?:minimi[sz]\w*|maximi[sz]\w*)\b", re.I)
_WORDS = re.compile(r"[^\W\d_]{3,}")
_FORMULA = re.compile(r"\$[^$]*\$|\\\(.*?\\\)")
_SENTENCE = re.compile(r"[.!?]\s")
_ALIKE = 0.5


def another(reading: Reading, statement: Statement, found: Definition) -> bool:
    """Whether a step that contradicts a definition of its own section is another one.

    It stands alone behind words that conclude nothing, and its body is made of other things, of
    the same level: what puts definitions in is a claim, however different it looks.
    """
    if len(statement.sides) != 2 or statement.reason or found.number > statement.number:
        return False
    body = bare(statement.sides[1].tree)
    if isinstance(body, Number | Symbol | Opaque) or not _general(statement.sides[0].tree):
        return False
    if len(_indices(reading, statement.sides[0].tree)) != len(found.letters):
        return False  # the elements of a vector
    if not _introduced(statement.cue) or _alike(found.body, body):
        return False
    names = [_names(reading, tree) for tree in (found.body, body)]
    cases = any(isinstance(node, Cases) for one in (found.body, body) for node in one.walk())
    if cases and names[0] == names[1]:
        return False
    return not (
        (names[1] - names[0]) & _reached(reading, names[0], statement.number)
        or (names[0] - names[1]) & _reached(reading, names[1], statement.number)
    )


def said_again(statement: Statement, found: Definition) -> bool:
    """Whether a step is a known definition in other words: "or use the form"."""
    alike = _alike(found.body, bare(statement.sides[1].tree))
    return concludes(statement.cue) and (alike or bool(_AGAIN.match(_said(statement.cue))))


def extended(found: Definition, statement: Statement) -> bool:
    """Whether a step is what its left side was, and further terms: a loss with a penalty."""
    if len(statement.sides) != 2 or found.number > statement.number:
        return False
    if _STRICT.search(_said(statement.cue)):
        return False
    terms = [Counter(_terms(one)) for one in (found.body, statement.sides[1].tree)]
    return terms[0] < terms[1]


def scaled(statement: Statement, found: Definition) -> bool:
    """Whether it names what is minimised, which is as known but for a factor: 1/n or none."""
    if len(statement.sides) != 2 or not _AIM.search(_said(statement.cue)):
        return False
    return _stripped(found.body) == _stripped(statement.sides[1].tree)


def _stripped(tree: Expr) -> tuple[bool, Expr]:
    """Return whether a formula has a minus in front, and it without numbers and sizes."""
    tree, negative = bare(tree), False
    while True:
        if isinstance(tree, Negative):
            tree, negative = bare(tree.of), not negative
        elif isinstance(tree, Quotient) and _plain(tree.below):
            tree = bare(tree.above)
        elif isinstance(tree, Product) and len(tree.factors) > 1 and _plain(tree.factors[0]):
            rest = tree.factors[1:]
            tree = bare(rest[0]) if len(rest) == 1 else replace(tree, factors=rest)
        else:
            return negative, tree


def _plain(tree: Expr) -> bool:
    """Whether a factor is made of numbers and letters without indices."""
    return all(
        isinstance(one, Number | Quotient | Product | Group)
        or (isinstance(one, Symbol) and not one.subs and not one.accents)
        for one in tree.walk()
    )


def _terms(tree: Expr) -> tuple[Expr, ...]:
    tree = bare(tree)
    return tuple(bare(one) for one in tree.terms) if isinstance(tree, Sum) else (tree,)


def alternative(reading: Reading, statement: Statement, found: Definition | None) -> bool:
    """Whether a statement is the second of two: "$b = 2$ or $b = 3$", "some define it as"."""
    if found is None or len(statement.sides) != 2 or found.number >= statement.number:
        return False
    if statement.alternative and not _EQUAL.search(_said(statement.cue)):
        return True
    if found.number != statement.number - 1:
        return False
    before = reading.outline.statements[found.number]
    if len(before.sides) != 2:
        return False
    between = reading.document.text[before.sides[-1].end : statement.sides[0].start]
    return bool(_OR.fullmatch(between))


def _general(head: Expr) -> bool:
    r"""Whether a left side is a name with letters: no y_1, no f(0), no f(x + y)."""
    head = bare(head)
    parts: tuple[Expr, ...] = ()
    if isinstance(head, Applied):
        parts, head = head.arguments, head.head
    if not isinstance(head, Symbol):
        return False
    letters = [bare(one) for one in (*parts, *head.subs)]
    return all(isinstance(one, Symbol) for one in letters)


def _indices(reading: Reading, head: Expr) -> tuple[Expr, ...]:
    head = bare(head)
    symbol = head.head if isinstance(head, Applied) else head
    return reading.book.letters.split(symbol)[1] if isinstance(symbol, Symbol) else ()


def _introduced(cue: str) -> bool:
    """Whether there are words before a formula, and none that conclude."""
    return bool(_WORDS.search(_said(cue))) and not concludes(cue)


def concludes(cue: str) -> bool:
    """Whether the words before a formula say that it follows from something."""
    sentence = _said(cue)
    return bool(_CONCLUDES.search(sentence)) and not _AIM.search(sentence)


def _said(cue: str) -> str:
    """Return the words of the sentence that ends with a formula, without formulas."""
    return _FORMULA.sub(" ", _SENTENCE.split(cue)[-1])


def _alike(one: Expr, other: Expr) -> bool:
    """Whether two formulas are made of the same things for the greater part."""
    parts = [Counter(skeleton(tree)) for tree in (one, other)]
    most = max(part.total() for part in parts)
    return (parts[0] & parts[1]).total() >= _ALIKE * most


def _names(reading: Reading, tree: Expr) -> set[str]:
    return {reading.book.letters.split(one)[0] for one in tree.walk() if isinstance(one, Symbol)}


def _reached(reading: Reading, names: set[str], number: int) -> set[str]:
    """Return the names that stand behind others by definition."""
    book, seen, waiting = reading.book, set(names), list(names)
    while waiting:
        name = waiting.pop()
        bodies = [one.body for one in book.functions.get(name, ()) if one.number < number]
        for (known, arity), _ in book.definitions.items():
            found = book.definition(name, arity, number) if known == name else None
            bodies += [found.body] if found is not None and found.number < number else []
        for body in bodies:
            inner = _names(reading, body)
            waiting += inner - seen
            seen |= inner
    return seen - names
