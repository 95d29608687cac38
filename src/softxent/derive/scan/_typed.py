"""Mathematics typed without TeX: `∂C/∂z_i = Σ_k t_k (y_k − δ_ik)`, found in a line, made TeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from softxent.derive.scan._view import View

_GREEK = {
    chr(0x3B1 + number): name
    for number, name in enumerate(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho sigma "
        "sigma tau upsilon phi chi psi omega".split()
    )
} | {"Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Φ": "Phi", "Ψ": "Psi",
     "Ω": "Omega", "ϕ": "phi", "ϵ": "epsilon"}  # fmt: skip
_SIGNS = {
    "∂": "partial", "∇": "nabla", "∑": "sum", "∏": "prod", "√": "sqrt", "·": "cdot", "⋅": "cdot",
    "×": "times", "≠": "neq", "≤": "le", "≥": "ge", "∈": "in", "∉": "notin", "≈": "approx",
    "∞": "infty", "…": "dots", "⇒": "implies", "⟹": "implies", "→": "to", "←": "leftarrow",
    "≡": "equiv", "ᵀ": "top", "⊤": "top", "∝": "propto", "∀": "forall", "≔": "coloneqq",
}  # fmt: skip
_PLAIN = {"−": "-", "–": "-", "’": "'", "′": "'", "∗": "*"}
_SUBSCRIPTS = dict(
    zip("₀₁₂₃₄₅₆₇₈₉₊₋₌ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=aehijklmnoprstuvx", strict=True)
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u20d7": "vec"}
_FUNCTIONS = frozenset(
    "log ln exp tanh sinh cosh sin cos tan max min argmax argmin sqrt sum prod".split()
)
_NAMES = frozenset("softmax sigmoid relu softplus loss cost grad lse logsumexp".split())
_SHORT_WORDS = frozenset("is as so of to in or by we be at on it if an".split())

_LETTER = r"[^\W\d_]"
_SCRIPTS = "".join(_SUBSCRIPTS) + "".join(_SUPERSCRIPTS)
_TOKEN = re.compile(
    rf"(?P<word>{_LETTER}[\u0300-\u036f\u20d7]?(?:{_LETTER}|['’]{_LETTER})*['′]*)"
    rf"|(?P<script>[_^](?:\{{[^{{}}\n]{{0,80}}\}}|{_LETTER}*\d*))|(?P<number>\d+(?:\.\d+)?)"
    rf"|(?P<relation>:?=|[≠≤≥≈≡≔∝]|[<>]=?)|(?P<sign>[-+*/(){{}}\[\]|,.:∂∇∑∏√·⋅×−–∗∈∉∞…⇒⟹→←ᵀ⊤{_SCRIPTS}])"
)
_PIECES = re.compile(
    rf"(?P<partial>∂(?P<order>²?)(?P<above>{_LETTER}?[^\s/∂(){{}}]*(?:\{{[^{{}}\n]*\}})?)/(?P<below>(?:∂"
    rf"{_LETTER}(?:_\{{[^{{}}\n]*\}}|[_{_SCRIPTS}]?[\w']*)){{1,3}}))"
    rf"|(?P<total>\bd(?P<of>{_LETTER}?)/d(?P<by>{_LETTER}(?:_\w+|[{_SCRIPTS}]+)?)(?!\w))"
    rf"|(?P<sub>[{''.join(_SUBSCRIPTS)}]+)|(?P<sup>[{''.join(_SUPERSCRIPTS)}]+)"
    rf"|(?P<low>_(?!\{{)(?P<indices>\w+))|(?P<high>\^(?!\{{)(?P<power>[-−]?\w+))"
    rf"|(?P<round>[_^]\([^()\n]*\))"
    rf"|(?P<sigma>Σ)|(?P<word>(?<![A-Za-z\\])[A-Za-z]{{2,}}(?![A-Za-z]))|(?P<accented>{_LETTER}[\u0300-\u036f\u20d7]?)"
    rf"|(?P<root>√\([^()\n]*\))|(?P<indicator>\b1\{{[^{{}}\n]*\}})|(?P<other>[^\w\s])"
)  # fmt: skip


def typed_mathematics(line: str) -> Iterator[tuple[int, int]]:
    """Yield where in a line there are formulas with a relation, as start and end."""
    run: list[re.Match[str]] = []
    at = 0
    for token in _TOKEN.finditer(line[:2000]):
        gap = line[at : token.start()].strip()
        if gap or (token["word"] and _is_word(token["word"])):
            yield from _formula(run)
            run = []
        if not (token["word"] and _is_word(token["word"])):
            run.append(token)
        at = token.end()
    yield from _formula(run)


def typed_to_tex(view: View) -> View:
    """Return the TeX of a formula that was typed with Unicode."""
    return view.sub(_PIECES, _piece)


def _is_word(word: str) -> bool:
    """Whether it is a word of the sentence; letters, products of two and functions are not."""
    if word.lower() in _FUNCTIONS | _NAMES:
        return False
    if word.lower() in _SHORT_WORDS:
        return True
    return len(word) > 2 and word.isascii() and not word.isupper() and not word.startswith("d")


def _formula(run: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    # A sentence's article, comma or colon at the edge is none of it.
    while run and (run[0].group() in ",.:)]" or (run[0].group() in "aAI" and len(run) > 1
                                                 and run[1]["word"])):  # fmt: skip
        run = run[1:]
    while run and run[-1].group() in (",", ".", ":", "(", "[", "a", "A", "I"):
        if run[-1]["word"] and (len(run) < 2 or not run[-2]["word"]):
            break
        run = run[:-1]
    relations = [number for number, token in enumerate(run) if token["relation"]]
    if relations and relations[-1] < len(run) - 1 and len(run) > 2:
        yield run[0].start(), run[-1].end()


def _piece(found: re.Match[str]) -> str | None:
    text, kind = found.group(), found.lastgroup
    if found["partial"]:
        order = "^2" if found["order"] else ""
        below = "".join(rf"\partial {_tex(part)} " for part in found["below"].split("∂") if part)
        return rf"\frac{{\partial{order} {_tex(found['above'])}}}{{{below.strip()}}}"
    if found["total"]:
        return rf"\frac{{d{_tex(found['of'])}}}{{d{_tex(found['by'])}}}"
    if kind == "sub":
        return "_{" + "".join(_SUBSCRIPTS[c] for c in text) + "}"
    if kind == "sup":
        return "^{" + "".join(_SUPERSCRIPTS[c] for c in text) + "}"
    if found["low"]:
        return "_{" + _tex(found["indices"]) + "}"
    if found["high"]:
        return "^{" + _tex(found["power"]) + "}"
    if found["round"]:
        return text[0] + "{" + _tex(text[2:-1]) + "}"
    if found["sigma"]:
        return r"\sum "
    if found["root"]:
        return r"\sqrt{" + _tex(text[2:-1]) + "}"
    if found["indicator"]:
        return r"1\{" + _tex(text[2:-1]) + r"\}"
    if kind == "word":
        if text in _FUNCTIONS:
            return rf"\{text} "
        return rf"\operatorname{{{text}}}" if text in _NAMES or len(text) > 3 else None
    return _sign(text)


def _sign(text: str) -> str | None:
    if text in _SIGNS:
        return rf"\{_SIGNS[text]} "
    letters = list(unicodedata.normalize("NFD", text))
    base, marks = letters[0], letters[1:]
    known = _GREEK.get(base)
    tex = rf"\{known} " if known else _PLAIN.get(base, base)
    for mark in marks:
        if mark in _ACCENTS:
            tex = rf"\{_ACCENTS[mark]}{{{tex}}}"
    return tex if tex != text else None


def _tex(text: str) -> str:
    return typed_to_tex(View.of(text)).text
