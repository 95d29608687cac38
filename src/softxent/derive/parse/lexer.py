r"""TeX to tokens, each with its place. Macros defined in the text are expanded, comments are gone.

A token that prints nothing (`\,`, `\displaystyle`, `\label{..}`) is dropped here; what nobody
knows stays, as a token of the kind "command", and becomes Unsupported in the tree.
"""

from __future__ import annotations

import re

from softxent.derive.parse import names
from softxent.derive.parse.macros import Macros, common
from softxent.derive.parse.tokens import MAX_CHARACTERS, Pattern, Token, TooLong

_MAX_WORD = 80

_COMMAND = Pattern(r"\\(?:[A-Za-z]+|.)?")
_BLANK = Pattern(r"(?:\s|%[^\n]*(?:\n|$))+")
_ENVIRONMENT = Pattern(r"\s*\{\s*([A-Za-z]+)(\*?)\s*\}")
_OPTION = Pattern(r"\s*\[[^\[\]]{0,200}\]")
_SKIP = Pattern(r"\*?(?:\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|cm|mm|in|pc|bp|mu|\\[a-z]+)\s*\])?")
_LENGTH = Pattern(
    r"\s*(-?\d{0,9}\.?\d{0,9})\s*(pt|em|ex|cm|mm|in|pc|bp|px|mu)(?:\s*(?:plus|minus)\s*\S{1,20})?"
)
_POINTS = {"pt": 1, "em": 10, "ex": 4.3, "cm": 28.5, "mm": 2.85, "in": 72, "pc": 12, "bp": 1,
           "px": 0.75, "mu": 0.55}  # fmt: skip
_BARE = Pattern(r"\s{0,9}([A-Za-z])")
_IN_TEXT = Pattern(  # $x = 3$, and x = 3 without the dollars
    r"\$([^$]+)\$|(?<![A-Za-z\\])([A-Za-z](?:_\w)?\s{0,3}(?:={1,2}|!=|≠|\$\\neq?\$|\\neq?|\\not\s?=|<|>)\s{0,3}"
    r"\w(?:_\w)?)(?!\w)"
)


def tokenize(tex: str) -> list[Token]:
    """Split TeX into tokens; raises TooLong past the caps."""
    if len(tex) > MAX_CHARACTERS:
        raise TooLong(f"more than {MAX_CHARACTERS} characters")
    lexer = _Lexer()
    lexer.read(tex, None)
    return lexer.tokens


class _Lexer(Macros):
    """Adds the commands."""

    # ------------------------------------------------------------------ commands
    def command(self, name: str, at: int, end: int) -> int:
        """A backslash and what follows it."""
        if name in self.macros:
            return self.expand(name, at, end)
        if name == "vb" and self.tex[end : end + 1] == "{":
            name = "mathbf"  # of physics.sty; elsewhere it is a bold b
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
            self.glued, self.gap = False, True
            return self.skipped(end)
        elif name in names.ROMAN or name in names.TEXT or name in names.OLD_FONTS:
            return self.words(name, at, end)
        elif name in names.NOTHING or name == "hdotsfor":
            if name == "operatorname":
                return end
        elif name in names.DROPPED:
            self.glued = False
            if name == "hspace":
                found = self.argument(end + (self.tex[end : end + 1] == "*"))
                if found is not None:
                    self.skipped(found[1])
            return self.dropped(self.optional(end), names.DROPPED[name])
        elif name == "bbox":
            self.add("command", "boxed", at, end)
            return self.optional(end)
        elif name == "unicode":
            return self.unicode(at, end)
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
        elif name == "_" and self.glued and self.in_word(end):
            self.add("letter", "_", at, end)  # batch\_size
        elif name == "colon":
            self.add("sign", ":", at, end)
        elif (macro := common(name)) is not None:
            if macro[0] and self.tex[end : end + 1] == "[":
                self.add("command", name, at, end)  # \\pdv[2]{f}{x}
                return end
            self.macros[name] = macro
            return self.expand(name, at, end)
        else:
            self.add("command", name, at, end)
        return end

    def in_word(self, end: int) -> bool:
        """Whether letters stand on both sides of this place."""
        behind = self.tex[end : end + 1]
        before = bool(self.tokens) and self.tokens[-1].kind == "letter"
        return before and behind.isascii() and behind.isalpha()

    def skipped(self, at: int) -> int:
        r"""A length, of `\hskip 2em`; one as wide as \quad is a gap between statements."""
        length = _LENGTH().match(self.tex, at)
        if length is None:
            return at
        digits = length[1].lstrip("-")
        if any(digit.isdigit() for digit in digits) and not length[1].startswith("-"):
            self.gaps += 3 if float(digits) * _POINTS[length[2]] >= 9 else 0
        return length.end()

    def optional(self, end: int) -> int:
        """Leave out an argument in brackets."""
        option = _OPTION().match(self.tex, end)
        return option.end() if option else end

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
            if name == "textbf" and len(inner) == 1 and inner.isalpha():
                self.add("command", "mathbf", at, end)  # a vector, and no word
                return end
            if name in names.TEXT:
                self.text(inner, at, start, behind)
                return behind
            if name not in names.FONTS and self.upright(inner, at, behind):
                return behind
            if name == "mathop":  # its braces hold one operator: \mathop{\sum}_i
                while start < behind - 1:
                    start = self.one(start)
                return behind
        if name not in names.NOTHING and name not in names.TEXT:
            self.add("command", name, at, end)
        elif name in names.TEXT:
            bare = _BARE().match(self.tex, end)
            if bare is None:
                self.add("command", name, at, end)
            else:  # \text k
                self.add("letter", bare[1], at, bare.end())
                end = bare.end()
        return end

    def upright(self, inner: str, at: int, behind: int) -> bool:
        """A word or a letter in an upright font; False if it is something else."""
        if len(inner) >= _MAX_WORD:
            return False
        word = re.sub(r"\\(?=max|min|_)|\\[,;:! ]|\\rm\b|[~\s]", "", inner)
        lowered = "_" in word and "\\_" not in inner
        if lowered or not re.fullmatch(r"[A-Za-z](?:[\w-]*[A-Za-z0-9])?", word, re.ASCII):
            return False
        self.add("word" if len(word) > 1 else "letter", word, at, behind)
        return True

    def text(self, inner: str, at: int, start: int, behind: int) -> None:
        r"""The words of a `\text{..}`, and as tokens of their own the formulas in it."""
        while inner.startswith("{") and inner.endswith("}"):  # of str.format
            inner, start = inner[1:-1], start + 1
        if inner == "d" or inner in names.FUNCTIONS or inner in names.BIG:
            self.upright(inner, at, behind)
            return
        if len(inner) < _MAX_WORD and re.fullmatch(r"\s*[A-Za-z]+\s*\(\w(?:,\s*\w)*\)\s*", inner):
            for place in range(start, start + len(inner)):  # \text{softmax(x)}
                self.one(place)
            return
        if "\\_" in inner and "$" not in inner:
            self.add("text", inner.replace("\\_", "_"), at, behind)
            return
        place, outer = 0, len(self.tokens)
        for match in _IN_TEXT().finditer(inner):
            if match.start() > place:
                begin = at if place == 0 else start + place
                self.add("text", inner[place : match.start()], begin, start + match.start())
            group = 1 if match[1] else 2
            offset = start + match.start(group)
            while offset < start + match.end(group):
                offset = offset + 1 if self.tex[offset] == "$" else self.one(offset)
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

    def unicode(self, at: int, end: int) -> int:
        r"""The character that `\unicode{x1D7D9}` names."""
        found = self.argument(end)
        number = (
            re.fullmatch(r"\s*(?:x([0-9A-Fa-f]{1,5})|(\d{1,6}))\s*", found[0]) if found else None
        )
        if found is None or number is None:
            self.add("command", "unicode", at, end)
            return end
        self.inserted(chr(int(number[1], 16) if number[1] else int(number[2])), at, found[2])
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
            if kind in names.WITH_COLUMNS:
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
