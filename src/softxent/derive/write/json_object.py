"""A derivation as one JSON object, its schema numbered."""

from __future__ import annotations

from collections.abc import Sequence

from softxent.derive.write.derivation import SCHEMA_VERSION, Chain, Define, Derivation, Step, Text
from softxent.derive.write.questions import Question
from softxent.derive.write.tex import condition, tex, with_bounds

Json = dict[str, object]


def json_object(derivation: Derivation) -> Json:
    """Return the derivation as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": derivation.title,
        "options": derivation.options,
        "sections": [
            {
                "title": section.title,
                "level": section.level,
                "conditions": [condition(one) for one in section.conditions],
                "items": [_item(one) for one in section.items],
            }
            for section in derivation.sections
        ],
    }


def _item(item: Text | Define | Chain) -> Json:
    match item:
        case Text(text):
            return {"kind": "text", "text": text}
        case Define():
            return {
                "kind": "definition",
                "left": tex(item.left),
                "right": tex(with_bounds(item.right)),
                "meaning": item.meaning,
                "formula": item.id or None,
                "questions": _questions(item.questions),
            }
        case Chain(steps):
            return {"kind": "chain", "steps": [_step(one) for one in steps]}


def _step(step: Step) -> Json:
    return {
        "left": tex(step.left),
        "right": tex(step.right),
        "rule": step.rule,
        "name": step.name,
        "why": step.why,
        "questions": _questions(step.questions),
    }


def _questions(questions: Sequence[Question]) -> list[Json]:
    return [{"question": one.text, "answer": one.answer} for one in questions]
