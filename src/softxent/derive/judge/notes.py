"""What is worth saying about a document besides its steps."""

from __future__ import annotations

import re

from softxent.derive.trees import Over, Symbol
from softxent.derive.understand.letters import base_name
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import Reading
from softxent.derive.verdicts import Note


def notes(reading: Reading) -> list[Note]:
    """Return the notes on names, sizes and letters of a document."""
    return [
        *_sizes(reading),
        *_two_meanings(reading),
        *_arguments(reading),
        *_sets_and_numbers(reading),
        *_counts(reading),
    ]


def _line(reading: Reading, statement: Statement) -> int:
    offset = statement.signs[0].offset if statement.signs else statement.sides[0].start
    return reading.document.line_column(offset)[0]


def _sizes(reading: Reading) -> list[Note]:
    """Two names for one size."""
    out = []
    for sizes in reading.book.sets.classes():
        if len(sizes) < 2:
            continue
        firsts = {size: _first_size(reading, size) for size in sizes}
        known = sorted((line, size) for size, line in firsts.items() if line)
        for line, size in known[1:]:
            out.append(
                Note(
                    line,
                    "size-two-names",
                    f"{size} and {known[0][1]} are two names for the size of one index set.",
                )
            )
    return out


def _first_size(reading: Reading, size: str) -> int:
    for statement in reading.outline.statements:
        for side in statement.sides:
            for node in side.tree.walk():
                if isinstance(node, Over):
                    for end in (node.upper, node.lower if node.relation == "in" else None):
                        if isinstance(end, Symbol) and base_name(end) == size:
                            return reading.document.line_column(side.start)[0]
    return 0


def _two_meanings(reading: Reading) -> list[Note]:
    """One letter for a number and for an indexed quantity, or defined anew."""
    out = []
    book = reading.book
    for (name, arity), several in book.definitions.items():
        arities = {a for a in book.letters.arities.get(name, ()) if a != arity}
        if arity == 0 and arities and several[0].kind == "quantity":
            statement = reading.outline.statements[several[0].number]
            out.append(
                Note(
                    _line(reading, statement),
                    "symbol-two-meanings",
                    f"{name} is a number here and a quantity with indices elsewhere.",
                )
            )
    for statement in reading.outline.statements:
        first = statement.sides[0].tree if statement.sides else None
        if isinstance(first, Symbol) and not first.subs:
            continue  # w = w - \eta g: an update, in time
        if book.roles.get(statement.number) == "update" and statement.signs[0].relation == "=":
            out.append(
                Note(
                    _line(reading, statement),
                    "symbol-two-meanings",
                    f"{statement.sides[0].tex} is defined by other elements of the same name; two "
                    "quantities share the letter.",
                )
            )
    return out


def _arguments(reading: Reading) -> list[Note]:
    """A definition that names fewer arguments than it depends on."""
    out = []
    book = reading.book
    for several in book.definitions.values():
        for found in several:
            if not found.arguments or found.renames:
                continue
            for symbol in found.arguments:
                name, indices = book.letters.split(symbol)
                others = {
                    node
                    for node in found.body.walk()
                    if isinstance(node, Symbol)
                    and node != symbol
                    and book.letters.split(node)[0] == name
                }
                if indices and others:
                    statement = reading.outline.statements[found.number]
                    text = book.tex(symbol)
                    out.append(
                        Note(
                            _line(reading, statement),
                            "definition-arguments",
                            f"written as a function of {text} alone, it depends on all of {name}.",
                        )
                    )
    return out


def _sets_and_numbers(reading: Reading) -> list[Note]:
    r"""A letter behind \in that is also a number: 1/N sum over n in N."""
    out = []
    for statement in reading.outline.statements:
        inside: set[str] = set()
        for side in statement.sides:
            for node in side.tree.walk():
                if isinstance(node, Over) and node.relation == "in":
                    if isinstance(node.lower, Symbol):
                        inside.add(base_name(node.lower))
        for name in sorted(inside):
            numbers = re.search(
                rf"\${re.escape(name)}\$\s+(?:is|denotes|=)\s+(?:the\s+)?(?:total\s+)?number",
                reading.outline.prose,
            )
            used = any(
                isinstance(node, Symbol) and base_name(node) == name
                for side in statement.sides
                for part in _outside(side.tree)
                for node in part.walk()
            )
            if numbers or used:
                out.append(
                    Note(
                        _line(reading, statement),
                        "size-and-set",
                        f"{name} is a set in the sum and a number in the text or beside it.",
                    )
                )
    return out


def _outside(tree: object) -> list[Symbol]:
    """Return the symbols of a tree that stand in no bounds of an operator."""
    from softxent.derive.trees import Node

    if isinstance(tree, Over) or not isinstance(tree, Node):
        return []
    if isinstance(tree, Symbol):
        return [tree]
    return [symbol for part in tree.parts() for symbol in _outside(part)]


def _counts(reading: Reading) -> list[Note]:
    """An index letter that the text also counts with: "the k outputs"."""
    out, seen = [], set()
    document = reading.document
    pattern = re.compile(
        r"(?:the|our|all|of)\s+(?:\$|\\\(|\\\\\()([a-z])(?:\$|\\\)|\\\\\))\s+"
        r"(?:different\s+|possible\s+|output\s+)?(?:\w+s)\b"
    )
    pieces = document.pieces
    begin, end = (pieces[0].start, pieces[-1].end) if pieces else (0, 0)
    for match in pattern.finditer(document.text, begin, end):
        letter = match[1]
        if letter in reading.book.letters.bound and letter not in seen:
            if letter in reading.book.letters.sizes:
                continue
            seen.add(letter)
            out.append(
                Note(
                    document.line_column(match.start(1))[0],
                    "index-and-count",
                    f"{letter} runs in a sum and counts things in the text.",
                )
            )
    return out
