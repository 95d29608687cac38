r"""TeX to tokens, each with its place. Macros defined in the text are expanded, comments are gone.

A token that prints nothing (`\,`, `\displaystyle`, `\label{..}`) is dropped here; what nobody
knows stays, as a token of the kind "command", and becomes Unsupported in the tree.
"""

from __future__ import annotations

import re

from softxent.derive.parse import names
from softxent.derive.parse.characters import Characters
from softxent.derive.parse.tokens import MAX_CHARACTERS, Pattern, Token, TooLong

_MAX_MACRO_DEPTH = 12
_MAX_WORD = 80

_COMMAND = Pattern(r"\\(?:[A-Za-z]+|.)?")
_BLANK = Pattern(r"(?:\s|%[^\n]*(?:\n|$))+")
_ENVIRONMENT = Pattern(r"\s*\{\s*([A-Za-z]+)(\*?)\s*\}")
_OPTION = Pattern(r"\s*\[[^\[\]]{0,200}\]")
_SKIP = Pattern(r"\*?(?:\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|cm|mm|in|pc|bp|mu|\\[a-z]+)\s*\])?")
_LENGTH = Pattern(r"\s*-?[\d.]+\s*(?:pt|em|ex|cm|mm|in|pc|bp|mu)(?:\s*(?:plus|minus)\s*\S+)?")
_WIDE = Pattern(r"\s*(?:[1-9]\d*(?:\.\d+)?\s*(?:in|cm|em)|[1-9]\d+\s*(?:pt|mm|ex))")
_DOLLARS = Pattern(r"\$([^$]+)\$")
_PARAMETER = Pattern(r"#([1-9])")
_DEFINITION = Pattern(r"\s*\\([A-Za-z]+)\s*((?:#[1-9])*)\s*(?=\{)")
_NEW_COMMAND = Pattern(
    r"\*?\s*(?:\{\s*\\([A-Za-z]+)\s*\}|\\([A-Za-z]+))\s*(?:\[([1-9])\])?\s*(?=\{)"
)


def tokenize(tex: str) -> list[Token]:
    """Split TeX into tokens; raises TooLong past the caps."""
    if len(tex) > MAX_CHARACTERS:
        raise TooLong(f"more than {MAX_CHARACTERS} characters")
    lexer = _Lexer()
    lexer.read(tex, None)
    return lexer.tokens


class _Lexer(Characters):
    """Adds the commands."""

    # ------------------------------------------------------------------ commands
    def command(self, name: str, at: int, end: int) -> int:
        """A backslash and what follows it."""
        if name in self.macros:
            return self.expand(name, at, end)
        whole = "\\" + name
        if name in ("", "\\", "cr", "newline", "tabularnewline"):
            skip = _SKIP().match(self.tex, end)
            end = skip.end() if skip and name == "\\" else end
            self.add(*(("row", whole) if name else ("command", whole)), at, end)
        elif name in names.SPACES:
            self.glued, self.gap = False, True
            self.gaps += name not in "!>/"
        elif name in ("quad", "qquad"):
            self.add("quad", name, at, end)
            self.gap = True
        elif name in ("hskip", "kern", "mkern", "mskip", "vskip"):
            length = _LENGTH().match(self.tex, end)
            self.glued, self.gap = False, True
            return length.end() if length else end
        elif name in names.ROMAN or name in names.TEXT or name in names.OLD_FONTS:
            return self.words(name, at, end)
        elif name in names.NOTHING or name == "hdotsfor":
            if name == "operatorname":
                return end
        elif name in names.DROPPED:
            self.glued = False
            if name == "hspace":
                found = self.argument(end + (self.tex[end : end + 1] == "*"))
                self.gaps += 3 if found is not None and _WIDE().match(found[0]) else 0
            return self.dropped(end, names.DROPPED[name])
        elif name == "tag":
            return self.tag(at, end)
        elif name in ("left", "right"):
            return self.sized(name, at, end)
        elif name in ("begin", "end"):
            return self.environment(name, at, end)
        elif name == "not":
            return self.negated(at, end)
        elif name in ("def", "newcommand", "renewcommand", "providecommand"):
            return self.define(name, at, end)
        elif name == "DeclareMathOperator":
            return self.define(name, at, end)
        elif whole in names.OPENING:
            self.add("open", names.OPENING[whole], at, end)
        elif whole in names.CLOSING:
            self.add("close", names.CLOSING[whole], at, end)
        elif whole in names.BARS:
            self.add("bar", names.BARS[whole], at, end)
        elif name in names.RELATIONS:
            self.add("relation", names.RELATIONS[name], at, end)
        elif name in names.DOTS:
            self.add("dots", name, at, end)
        elif name == "prime":
            self.add("prime", name, at, end)
        elif name == "colon":
            self.add("sign", ":", at, end)
        else:
            self.add("command", name, at, end)
        return end

    def argument(self, at: int) -> tuple[str, int, int] | None:
        """Return the text in the braces that follow, its offset and the offset behind them."""
        blank = _BLANK().match(self.tex, at)
        at = blank.end() if blank else at
        if self.braces is None:
            self.braces = _matching_braces(self.tex)
        end = self.braces.get(at)
        return None if end is None else (self.tex[at + 1 : end], at + 1, end + 1)

    def dropped(self, end: int, count: int) -> int:
        """Leave out arguments."""
        if self.tex[end : end + 1] == "*":
            end += 1
        for _ in range(count):
            found = self.argument(end)
            end = found[2] if found else end
        return end

    def words(self, name: str, at: int, end: int) -> int:
        r"""`\text{..}` whole; an upright word of letters only; otherwise a font as it stands."""
        if self.tex[end : end + 1] == "*":
            end += 1
        found = None if name in names.OLD_FONTS else self.argument(end)
        if found is not None:
            inner, start, behind = found
            if name in names.TEXT:
                self.text(inner, at, start, behind)
                return behind
            word = re.sub(r"\\[,;:! ]|[~\s]", "", inner) if len(inner) < _MAX_WORD else ""
            if re.fullmatch(r"[A-Za-z][A-Za-z-]*[A-Za-z]", word) and name not in names.FONTS:
                self.add("word", word, at, behind)
                return behind
            if re.fullmatch(r"[A-Za-z]", word) and name not in names.FONTS:
                self.add("letter", word, at, behind)
                return behind
        if name not in names.NOTHING and name not in names.TEXT:
            self.add("command", name, at, end)
        elif name in names.TEXT:
            self.add("command", name, at, end)
        return end

    def text(self, inner: str, at: int, start: int, behind: int) -> None:
        r"""The words of a `\text{..}`, and as tokens of their own the formulas in it."""
        place, outer = 0, len(self.tokens)
        for match in _DOLLARS().finditer(inner):
            if match.start() > place:
                begin = at if place == 0 else start + place
                self.add("text", inner[place : match.start()], begin, start + match.start())
            offset = start + match.start(1)
            while offset < start + match.end(1):
                offset = self.one(offset)
            place = match.end()
        if place < len(inner) or len(self.tokens) == outer:
            self.add("text", inner[place:], at if place == 0 else start + place, behind)

    def tag(self, at: int, end: int) -> int:
        """A number of an equation is dropped, words in its place are a remark."""
        end += self.tex[end : end + 1] == "*"
        found = self.argument(end)
        if found is None:
            return end
        if any(letter.isalpha() for letter in found[0]) and len(found[0]) > 3:
            self.add("quad", "quad", at, at)
            self.add("text", found[0], at, found[2])
        return found[2]

    def sized(self, name: str, at: int, end: int) -> int:
        r"""`\left` and `\right` with their bracket."""
        blank = _BLANK().match(self.tex, end)
        start = blank.end() if blank else end
        match = _COMMAND().match(self.tex, start)
        end = match.end() if match else start + 1
        sign = self.tex[start:end]
        if sign == ".":
            kind = "."
        elif sign in names.BARS:
            kind = names.BARS[sign]
        else:
            kind = names.OPENING.get(sign) or names.CLOSING.get(sign) or ""
        if sign == "<" or sign == ">":
            kind = "\\langle"
        if not kind:
            self.add("command", name, at, start)
            return start
        self.add(name, kind, at, end)
        return end

    def environment(self, name: str, at: int, end: int) -> int:
        r"""`\begin{..}` with its options and column widths, `\end{..}`."""
        match = _ENVIRONMENT().match(self.tex, end)
        if match is None:
            self.add("command", name, at, end)
            return end
        kind, end = match.group(1), match.end()
        if name == "begin":
            option = _OPTION().match(self.tex, end) if kind != "cases" else None
            if option and re.fullmatch(r"\s*\[[tbclr]\]", option.group()):
                end = option.end()
            if kind in ("array", "alignat", "alignedat", "tabular"):
                end = self.dropped(end, 1)
        self.add(name, kind, at, end)
        return end

    def negated(self, at: int, end: int) -> int:
        r"""`\not=`, `\not\in`."""
        count = len(self.tokens)
        while end < len(self.tex) and len(self.tokens) == count:
            end = self.one(end)
        if len(self.tokens) > count:
            token = self.tokens[count]
            if token.kind == "relation" and token.text in names.NEGATED:
                token.text = names.NEGATED[token.text]
                token.start = token.start if self.place else at
                return end
            del self.tokens[count:]
        self.add("command", "not", at, end)
        return end

    # ------------------------------------------------------------------ macros
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
