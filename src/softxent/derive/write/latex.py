"""A derivation as LaTeX: an article that compiles with amsmath, or a fragment of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from softxent.derive.write.derivation import Chain, Define, Derivation, Text
from softxent.derive.write.questions import Question
from softxent.derive.write.tex import tex

_HEADINGS = {2: "section", 3: "subsection", 4: "subsubsection", 5: "paragraph"}
_PREAMBLE = r"""\documentclass{article}
\usepackage[a4paper, margin=2.5cm]{geometry}
\usepackage{amsmath}
\allowdisplaybreaks"""


def latex(derivation: Derivation, questions: bool = False, fragment: bool = False) -> str:
    """Return a whole document; fragment: only what stands in it."""
    body = "\n\n".join(_blocks(derivation, questions))
    if fragment:
        return body + "\n"
    title = rf"\title{{{derivation.title}}}" + "\n" + r"\date{}"
    begin = "\\begin{document}\n\\maketitle"
    return f"{_PREAMBLE}\n{title}\n\n{begin}\n\n{body}\n\n\\end{{document}}\n"


def _blocks(derivation: Derivation, questions: bool) -> Iterator[str]:
    for section in derivation.sections:
        yield rf"\{_HEADINGS[section.level]}{{{section.title}}}"
        for item in section.items:
            if isinstance(item, Text):
                yield item.text
            elif isinstance(item, Define):
                words = f"{item.meaning}\n" if item.meaning else ""
                yield f"{words}\\[\n{item.tex}\n\\]"
                yield from _notes(item.questions if questions else ())
            else:
                yield from _chain(item, questions)


def _chain(chain: Chain, questions: bool) -> Iterator[str]:
    lines = [tex(chain.start)]
    for n, step in enumerate(chain.steps, 1):
        end = r" \\" if n < len(chain.steps) else ""
        lines.append(rf"&= {tex(step.right)} && \text{{({n}) {step.name}}}{end}")
    yield "\n".join([r"\begin{align*}", *lines, r"\end{align*}"])
    items = (rf"\item \emph{{{step.name}}}: {step.why}" for step in chain.steps)
    yield "\n".join([r"\begin{enumerate}", *items, r"\end{enumerate}"])
    if questions:
        for step in chain.steps:
            yield from _notes(step.questions)


def _notes(questions: Sequence[Question]) -> Iterator[str]:
    for one in questions:
        note = f"\\textbf{{Question:}} {one.text}\n\n\\textbf{{Answer:}} {one.answer}"
        yield f"\\begin{{quote}}\n{note}\n\\end{{quote}}"
