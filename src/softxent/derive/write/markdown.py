"""A derivation as Markdown: displays in ```math blocks, which GitHub shows, and a list of whys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from softxent.derive.write.derivation import Chain, Define, Derivation, Text
from softxent.derive.write.questions import Question
from softxent.derive.write.tex import tex


def markdown(derivation: Derivation, questions: bool = False) -> str:
    """Return the derivation as Markdown."""
    blocks = [f"# {derivation.title}"]
    for section in derivation.sections:
        blocks.append(f"{'#' * section.level} {section.title}")
        for item in section.items:
            if isinstance(item, Text):
                blocks.append(item.text)
            elif isinstance(item, Define):
                blocks += [item.meaning] if item.meaning else []
                blocks.append(_display(item.tex))
                blocks += _notes(item.questions if questions else ())
            else:
                blocks += _chain(item, questions)
    return "\n\n".join(blocks) + "\n"


def _chain(chain: Chain, questions: bool) -> Iterator[str]:
    yield _display(rows(chain))
    reasons = (f"{n}. *{step.name}*: {step.why}" for n, step in enumerate(chain.steps, 1))
    yield "\n".join(reasons)
    if questions:
        for step in chain.steps:
            yield from _notes(step.questions)


def rows(chain: Chain) -> str:
    """Return the chain as rows of an `aligned`, the number and name of its rule beside each."""
    lines = [tex(chain.start)]
    for n, step in enumerate(chain.steps, 1):
        end = r" \\" if n < len(chain.steps) else ""
        lines.append(rf"&= {tex(step.right)} && \text{{({n}) {step.name}}}{end}")
    return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])


def _display(body: str) -> str:
    return f"```math\n{body}\n```"


def _notes(questions: Sequence[Question]) -> Iterator[str]:
    for one in questions:
        yield f"> **Question:** {one.text}\n>\n> **Answer:** {one.answer}"
