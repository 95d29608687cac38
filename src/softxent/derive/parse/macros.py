r"""Macros: what a text defines with `\newcommand` and `\def`, and what many define elsewhere.

Web pages set up `\R`, `\softmax` or `\pdv` in a file that is not at hand; what everybody means by
them is in `COMMON`, and a definition in the text comes first.
"""

from __future__ import annotations

import re

from softxent.derive.parse.characters import Characters
from softxent.derive.parse.names import FONTS, GREEK
from softxent.derive.parse.tokens import MAX_CHARACTERS, Pattern, TooLong

_MAX_MACRO_DEPTH = 12

_COMMAND = Pattern(r"\\(?:[A-Za-z]+|.)?")
_BLANK = Pattern(r"(?:\s|%[^\n]*(?:\n|$))+")
_PARAMETER = Pattern(r"#([1-9])")
_DEFINITION = Pattern(r"\s{0,50}\\([A-Za-z]+)\s{0,50}((?:#[1-9])*)\s{0,50}(?=\{)")
_NEW_COMMAND = Pattern(
    r"\*?\s{0,50}(?:\{\s{0,50}\\([A-Za-z]+)\s{0,50}\}|\\([A-Za-z]+))\s{0,50}(?:\[([1-9])\])?"
    r"\s{0,50}(?=\{)"
)
_NAMES = "softmax Softmax logsoftmax sigmoid relu ReLU softplus diag lse LSE tr trace sech KL CE"

COMMON = {name: (0, rf"\operatorname{{{name}}}") for name in _NAMES.split()} | {
    "R": (0, r"\mathbb{R}"),
    "RR": (0, r"\mathbb{R}"),
    "reals": (0, r"\mathbb{R}"),
    "E": (0, r"\mathbb{E}"),
    "EE": (0, r"\mathbb{E}"),
    "abs": (1, r"\left|#1\right|"),
    "norm": (1, r"\left\|#1\right\|"),
    "pdv": (2, r"\frac{\partial #1}{\partial #2}"),
    "dv": (2, r"\frac{d #1}{d #2}"),
    "pderiv": (2, r"\frac{\partial #1}{\partial #2}"),
    "deriv": (2, r"\frac{d #1}{d #2}"),
}


_BOLD = Pattern(r"(?:[vbV](?P<small>[a-z])|[mbM](?P<capital>[A-Z])|[vbmVM](?P<greek>[A-Za-z]{2,}))")
_CALLIGRAPHIC = Pattern(r"(?:c|cal|Cal)([A-Z])")


def common(name: str) -> tuple[int, str] | None:
    r"""Return what everybody means by a macro: `\vx`, `\bx` and `\mW` are bold letters."""
    if name in COMMON:
        return COMMON[name]
    if name in GREEK or name in FONTS:
        return None
    curly = _CALLIGRAPHIC().fullmatch(name)
    if curly:
        return 0, rf"\mathcal{{{curly[1]}}}"
    bold = _BOLD().fullmatch(name)
    letter = bold and (bold["small"] or bold["capital"])
    if letter:
        return 0, rf"\mathbf{{{letter}}}"
    if bold and bold["greek"] in GREEK:
        return 0, rf"\mathbf{{\{bold['greek']}}}"
    return None


class Macros(Characters):
    """Adds definitions and their use."""

    def argument(self, at: int) -> tuple[str, int, int] | None:
        """Return the text in the braces that follow, its offset and the offset behind them."""
        blank = _BLANK().match(self.tex, at)
        at = blank.end() if blank else at
        if self.braces is None:
            self.braces = _matching_braces(self.tex)
        end = self.braces.get(at)
        return None if end is None else (self.tex[at + 1 : end], at + 1, end + 1)

    def define(self, name: str, at: int, end: int) -> int:
        r"""`\def\x#1{..}`, `\newcommand{\x}[1]{..}`, `\DeclareMathOperator{\x}{..}`."""
        pattern = _DEFINITION if name == "def" else _NEW_COMMAND
        match = pattern().match(self.tex, end)
        body = self.argument(match.end()) if match else None
        if match is None or body is None:
            self.add("command", name, at, end)
            return end
        if name == "def":
            macro, count = match.group(1), len(match.group(2)) // 2
        else:
            macro, count = match.group(1) or match.group(2), int(match.group(3) or 0)
        text = body[0]
        if name == "DeclareMathOperator":
            text = rf"\operatorname{{{text}}}"
        self.macros[macro] = (count, text)
        return body[2]

    def expand(self, name: str, at: int, end: int) -> int:
        """Put the body of a macro in its place."""
        count, body = self.macros[name]
        given = []
        for _ in range(count):
            blank = _BLANK().match(self.tex, end)
            end = blank.end() if blank else end
            found = self.argument(end)
            if found is not None:
                given.append(found[0])
                end = found[2]
            else:
                match = _COMMAND().match(self.tex, end)
                behind = match.end() if match else end + 1
                given.append(self.tex[end:behind])
                end = min(behind, len(self.tex))
        if self.depth >= _MAX_MACRO_DEPTH:
            self.add("command", name, at, end)
            return end
        body = _PARAMETER().sub(lambda m: "".join(given[int(m[1]) - 1 : int(m[1])]), body)
        self.expanded += len(body) + 10
        if self.expanded > MAX_CHARACTERS:
            raise TooLong(f"macros of more than {MAX_CHARACTERS} characters")
        self.depth += 1
        self.read(body, self.place or (at, end))
        self.depth -= 1
        return end


def _matching_braces(tex: str) -> dict[int, int]:
    """Return where each brace that is closed is closed."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"\\.|[{}]", tex, re.DOTALL):
        if match.group() == "{":
            opened.append(match.start())
        elif match.group() == "}" and opened:
            found[opened.pop()] = match.start()
    return found
