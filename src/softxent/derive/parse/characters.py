r"""Characters to tokens: ASCII, and what beyond it stands for TeX (∂, Σ, ŷ, ₖ, ², ’, –)."""

from __future__ import annotations

import unicodedata

from softxent.derive.parse import beyond_ascii, names
from softxent.derive.parse.tokens import MAX_TOKENS, Pattern, Token, TooLong

_COMMAND = Pattern(r"\\(?:[A-Za-z]+|.)?")
_BLANK = Pattern(r"(?:\s|%[^\n]*(?:\n|$))+")
_PRIMED = frozenset(("letter", "word", "}", "close", "right", "prime", "command"))
_ROMAN = Pattern(r"\{\s*\\(?:rm|mathrm|textrm)\s+([A-Za-z]{1,40})\s*\}")
_THOUSANDS = Pattern(r"\{,\}\d")
_SIGN = Pattern(r"<=>|<->|::=|:=|=:|==|!=|<=|>=|->|<-|=>|>>|<<|=|<|>")
_DOTS = Pattern(r"\.\s?\.\s?\.(?:\.){0,9}|\.\.")

_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()", strict=True))
_SUBSCRIPTS |= dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", "0123456789+-=()", strict=True))
_SUPERSCRIPTS |= dict(zip("ⁿⁱᵀᵗʲᵏᵐˡˣʸ", "niTtjkmlxy", strict=True))


class Characters:
    """Reads a text character by character; `commands` adds what a backslash begins."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.macros: dict[str, tuple[int, str]] = {}
        self.depth = 0
        self.expanded = 0
        self.tex = ""
        self.place: tuple[int, int] | None = None
        self.braces: dict[int, int] | None = None
        self.glued = True
        self.gap = False
        self.gaps = 0

    # ------------------------------------------------------------------ the loop
    def read(self, tex: str, place: tuple[int, int] | None) -> None:
        """Append the tokens of a text; place: where all of it stands, for the body of a macro."""
        before = (self.tex, self.place, self.braces)
        self.tex, self.place, self.braces = tex, place, None
        at = 0
        while at < len(tex):
            at = self.one(at)
        self.tex, self.place, self.braces = before

    def one(self, at: int) -> int:
        """Read one token, return the offset behind it."""
        tex = self.tex
        letter = tex[at]
        blank = _BLANK().match(tex, at)
        if blank is not None:
            self.glued = False
            return blank.end()
        if letter == "\\":
            match = _COMMAND().match(tex, at)
            end = match.end() if match else at + 1
            return self.command(tex[at + 1 : end], at, end)
        if letter == "{":
            if tex.startswith("{\\_}", at):  # batch{\_}size
                return self.command("_", at, at + 4)
            roman = _ROMAN().match(tex, at)
            if roman is not None:  # {\rm d}
                self.add("word" if len(roman[1]) > 1 else "letter", roman[1], at, roman.end())
                return roman.end()
        if letter.isascii() and self.tex[at + 1 : at + 2] not in beyond_ascii.MARKS:
            return self.ascii(letter, at)
        return self.foreign(letter, at)

    def add(self, kind: str, text: str, start: int, end: int) -> None:
        """Append a token."""
        if len(self.tokens) >= MAX_TOKENS:
            raise TooLong(f"more than {MAX_TOKENS} tokens")
        if self.place is not None:
            start, end = self.place
        if self.gaps > 1:  # \;\;\; is as wide as \quad, \;\; half of it
            width = "quad" if self.gaps > 2 else "thick"
            self.tokens.append(Token("quad", width, start, start, False, True))
        self.gaps = 0
        self.tokens.append(Token(kind, text, start, end, self.glued, self.gap))
        self.glued, self.gap = True, False

    def ascii(self, letter: str, at: int) -> int:
        """A character of ASCII that begins no command."""
        if letter == "{" and _THOUSANDS().match(self.tex, at) and self.tex[at - 1 : at].isdigit():
            return at + 3
        if letter.isalpha():
            kind = "letter"
        elif letter.isdigit():
            kind = "digit"
        elif letter in "{}_^":
            kind = letter
        elif letter in "([":
            self.add("open", letter, at, at + 1)
            return at + 1
        elif letter in ")]":
            self.add("close", names.CLOSING[letter], at, at + 1)
            return at + 1
        elif letter == "|":
            kind = "bar"
        elif letter == "~":
            self.glued, self.gap = False, True
            self.gaps += 1
            return at + 1
        elif letter in "'`":
            kind = "prime"
        elif letter == '"' and self.glued and self.tokens and self.tokens[-1].kind in _PRIMED:
            self.add("prime", "'", at, at + 1)
            kind = "prime"
        else:
            dots = _DOTS().match(self.tex, at)
            if dots is not None:
                self.add("dots", letter, at, dots.end())
                return dots.end()
            sign = _SIGN().match(self.tex, at)
            if sign is not None:
                self.add("relation", names.SIGNS[sign.group()], at, sign.end())
                return sign.end()
            kind = "sign"
        self.add(kind, letter, at, at + 1)
        return at + 1

    # ------------------------------------------------------------------ letters beyond ASCII
    def foreign(self, letter: str, at: int) -> int:
        """A character beyond ASCII: as the TeX that prints it."""
        end = at + 1
        if letter in beyond_ascii.SPACING or letter.isspace():
            self.glued = False
            return end
        if letter in beyond_ascii.PRIMES:
            for _ in range(beyond_ascii.PRIMES[letter]):
                self.add("prime", "'", at, end)
            return end
        if letter in _SUBSCRIPTS:
            return self.script("_", _SUBSCRIPTS, at)
        if letter in _SUPERSCRIPTS:
            return self.script("^", _SUPERSCRIPTS, at)
        if letter in beyond_ascii.COMBINING:  # nothing to stand on
            self.add("command", letter, at, end)
            return end
        while end < len(self.tex) and self.tex[end] in beyond_ascii.COMBINING:
            end += 1
        tex = self.same_in_tex(letter, at)
        accents = [beyond_ascii.COMBINING[mark] for mark in self.tex[at + 1 : end]]
        plain = unicodedata.normalize("NFD", letter)
        if (
            not tex
            and plain[0].isascii()
            and all(mark in beyond_ascii.COMBINING for mark in plain[1:])
        ):
            tex = plain[0]
            accents = [beyond_ascii.COMBINING[mark] for mark in plain[1:]] + accents
        for accent in reversed(accents):
            self.add("command", accent, at, end)
        if tex:
            self.inserted(tex, at, end)
        else:
            while end < len(self.tex) and self.tex[end].isalpha() and not self.tex[end].isascii():
                end += 1
            word = self.tex[at:end]
            self.add("text" if word[0].isalpha() else "command", word, at, end)
        return end

    def same_in_tex(self, letter: str, at: int) -> str:
        """Return what prints a character, "" if nothing does."""
        if letter == "Σ" and self.is_sum(at):
            return r"\sum"
        tex = beyond_ascii.UNICODE.get(letter, "")
        if not tex:
            folded = unicodedata.normalize("NFKC", letter)
            if len(folded) == 1 and folded != letter:
                tex = folded if folded.isascii() else beyond_ascii.UNICODE.get(folded, "")
        return tex

    def is_sum(self, at: int) -> bool:
        """Whether a Σ in plain text adds: something to add stands behind it, or an index."""
        behind = self.tex[at + 1 : at + 40].lstrip()
        return bool(behind) and (
            behind[0] == "_" or behind[0] in _SUBSCRIPTS or behind[0].isalpha() or behind[0] == "("
        )

    def inserted(self, tex: str, start: int, end: int) -> None:
        """The tokens of a text that stands for the characters from start to end."""
        outer = self.place
        self.read(tex, outer or (start, end))

    def script(self, kind: str, table: dict[str, str], at: int) -> int:
        """A run of raised or lowered characters."""
        end = at
        while end < len(self.tex) and self.tex[end] in table:
            end += 1
        self.add(kind, kind, at, at)
        self.add("{", "{", at, at)
        for place in range(at, end):
            self.inserted(table[self.tex[place]], place, place + 1)
        self.add("}", "}", end, end)
        return end

    def command(self, name: str, at: int, end: int) -> int:
        """A backslash and what follows it."""
        raise NotImplementedError
