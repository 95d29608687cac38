"""A document in the portions that are read at once: what belongs together, as time allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import TypeAlias

from softxent.derive.document import Document, Formula, Pin, Prose
from softxent.derive.judge.clock import Clock
from softxent.derive.understand.reading import Reading

LONGEST = 20_000
"""Characters of a formula that is read: what is longer was written by a program."""
Piece: TypeAlias = "Formula | Prose | Pin"
_FIRST = 300
_MORE = 4


def separate(document: Document) -> Iterator[tuple[Document, int]]:
    """Yield what is read by itself, and where it begins; what stands before is only read.

    Each docstring of a Python source means what it means, whatever the others call y; the first
    one, of the module, introduces its notation to all.
    """
    if document.dialect != "python":
        yield document, 0
        return
    pieces = document.pieces
    # scan marks the beginning of a docstring by a heading that is written nowhere.
    begins = [
        at
        for at, piece in enumerate(pieces)
        if isinstance(piece, Prose) and piece.kind == "heading" and piece.start == piece.end
    ]
    ends = [*begins[1:], len(pieces)] if begins else []
    module: tuple[Piece, ...] = ()
    if begins and _named(pieces[begins[0]]) == "module":
        module = pieces[begins[0] : ends[0]]
    if not begins or begins[0]:
        yield replace(document, pieces=pieces[: begins[0] if begins else None]), 0
    for begin, end in zip(begins, ends, strict=True):
        before = () if module and begin == begins[0] else module
        part = replace(document, pieces=(*before, *pieces[begin:end]))
        yield part, pieces[begin].start


def _named(piece: Piece) -> str:
    return piece.text if isinstance(piece, Prose) else ""


def without_long(document: Document) -> tuple[Document, list[Formula]]:
    """Return the document without the formulas that are too long, and these."""
    long = [
        piece
        for piece in document.pieces
        if isinstance(piece, Formula) and len(piece.tex) > LONGEST
    ]
    if not long:
        return document, long
    kept = tuple(
        piece
        for piece in document.pieces
        if not (isinstance(piece, Formula) and len(piece.tex) > LONGEST)
    )
    return replace(document, pieces=kept), long


def growing(document: Document, clock: Clock) -> Iterator[tuple[Reading, int | None]]:
    """Read a document; a long one from its beginning, then more, while there is time.

    Yields what was read, to be judged, and where it ends if that is not the end: reading may take
    the square of a document's length, and what has been found by then is not to be lost.
    """
    size = _FIRST
    while True:
        begin = perf_counter()
        whole = size >= len(document.pieces)
        part = document if whole else replace(document, pieces=document.pieces[:size])
        reading = Reading(part)
        took = perf_counter() - begin
        yield reading, None if whole else document.pieces[size].start
        if whole or took * _MORE**1.5 > (clock.deadline - perf_counter()) * 0.7:
            return
        size *= _MORE
