"""Slips of the prose itself: a condition on the wrong letter, a reason that reuses one."""

from __future__ import annotations

import re

from softxent.derive.document import Formula
from softxent.derive.trees import Expr, Relation, Row, Symbol
from softxent.derive.understand import cues
from softxent.derive.understand.letters import base_name
from softxent.derive.understand.outline import Condition, Doubt, Statement
from softxent.derive.understand.reach import letters_free


def class_letter(text: str, start: int, display: Statement) -> Doubt | None:
    """Look whether a reason behind a display gives the correct class a letter that it uses."""
    taken = cues.correct_class(text)
    if taken is None or not cues.begins_reason(text):
        return None
    letter = taken[1]
    if letter not in letters_free(display.sides[0].tree, _split):
        return None
    return Doubt(
        "REASON-FALSE",
        "reason-letter-taken",
        f"{letter} already stands for any class, as the index of what is derived; to call the "
        f"correct class {letter} too would prove the line for that one class only. What such a "
        "step needs is that the targets sum to 1.",
        start,
        start + len(text.strip()),
        text.strip().replace("$", ""),
        "",
    )


def stray_condition(
    formula: Formula, condition: Condition, before: str, earlier: Formula, rows: tuple[Row, ...]
) -> Doubt | None:
    r"""Look at `y_j = 0 where i \neq o`: a condition on a letter that the statement lacks."""
    relations = [relation for row in rows for relation in row.relations]
    if not relations or not relations[0].links or relations[0].first is None:
        return None
    here = frozenset().union(*(letters_free(relation, _split) for relation in relations))
    here = frozenset(one for one in here if one in _subscripts(relations))
    both = condition.letters()
    around = _inline_letters(before.rsplit(".", 1)[-1]) & both
    strange, missing = both - here - around, here - both
    if len(strange) != 1 or len(missing) != 1 or len(both) != 2:
        return None
    (letter,), (wanted,) = strange, missing
    return Doubt(
        "UNBOUND",
        "condition-letter",
        f"the condition {formula.tex} speaks of {letter}, which the statement {earlier.tex} does "
        f"not contain; its own letter {wanted} is left free",
        earlier.start,
        formula.end,
        earlier.tex,
        formula.tex,
        re.sub(rf"(?<![A-Za-z\\]){re.escape(letter)}(?![A-Za-z])", wanted, formula.tex),
    )


def _split(symbol: Symbol) -> tuple[str, tuple[Expr, ...]]:
    return symbol.name, symbol.subs


def _subscripts(relations: list[Relation]) -> set[str]:
    out: set[str] = set()
    for relation in relations:
        for node in relation.walk():
            if isinstance(node, Symbol):
                for sub in node.subs:
                    out |= {base_name(n) for n in sub.walk() if isinstance(n, Symbol)}
    return out


def _inline_letters(text: str) -> set[str]:
    """Return the letters in the formulas of a sentence."""
    return {
        letter
        for formula in re.findall(r"\$([^$]*)\$", text)
        for letter in re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", formula)
    }
