"""Symbols: their names with accents, which are words, what brackets around them only group."""

from __future__ import annotations

from fractions import Fraction

from softxent.derive.trees import (
    Big,
    Expr,
    Group,
    Negative,
    Number,
    Opaque,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Tuple,
)

VECTOR_ACCENTS = frozenset(
    ("vec", "mathbf", "boldsymbol", "bm", "bf", "pmb", "overrightarrow", "underline", "symbf")
)
PLAIN_ACCENTS = frozenset(
    ("mathrm", "mathit", "text", "textbf", "textit", "operatorname", "rm", "it")
)
GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi
    pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi
    Omega ell hbar""".split()
)
FUNCTION_LETTERS = frozenset(
    "f g h F G H u v \\phi \\varphi \\psi \\Phi \\Psi \\sigma \\Sigma".split()
)
"""Letters that may be a function where a bracket stands behind them."""
_COUNTS = frozenset("N M K n m B D".split())
PARAMETERS = frozenset("theta vartheta phi varphi psi omega Theta Omega".split())


def is_word(name: str) -> bool:
    """Whether a name is a word, such as "CE" or "softmax", and no letter."""
    return len(name) > 1 and name not in GREEK and name[0] != "·"


def base_name(symbol: Symbol) -> str:
    r"""Return a symbol's name with the accents that tell quantities apart: `\hat{y}`."""
    name = symbol.name
    if name in GREEK:
        name = "\\" + name
    for accent in reversed(symbol.accents):
        if accent == "prime":
            name += "'"
        elif accent not in VECTOR_ACCENTS and accent not in PLAIN_ACCENTS | {"mathord"}:
            name = f"\\{accent}{{{name}}}"
    return name


def is_bold(symbol: Symbol) -> bool:
    """Whether it is written as a vector or matrix."""
    return any(accent in VECTOR_ACCENTS for accent in symbol.accents)


def is_capital(name: str) -> bool:
    """Whether a name is a capital with accents and labels, as matrices have it."""
    letter = name.split("_{")[0].split("^{(")[0].rstrip("'")
    while letter.startswith("\\") and letter.endswith("}"):
        letter = letter[letter.index("{") + 1 : -1]
    return letter.isupper() or letter in ("\\Delta", "\\Sigma", "\\Lambda")


def letters_of(tree: Expr) -> frozenset[str]:
    """Return every letter that could be an index in a subscript or a condition."""
    found = set()
    for node in tree.walk():
        if isinstance(node, Symbol) and not node.subs and not is_word(node.name):
            found.add(base_name(node))
    return frozenset(found)


def bare(tree: Expr) -> Expr:
    """Return what is inside brackets that only group."""
    while isinstance(tree, Group) and tree.kind in ("(", "[", "{", "\\{"):
        tree = tree.of
    return tree


def flat(parts: tuple[Expr, ...]) -> list[Expr]:
    r"""Return subscripts one by one: those of `w_{i,j}` and of `w_{j \to o}`."""
    out: list[Expr] = []
    for part in parts:
        inner = bare(part)
        if isinstance(inner, Tuple):
            out.extend(flat(inner.items))
        elif isinstance(inner, Relation) and inner.first is not None:
            if all(link.relation == "to" for link in inner.links):
                out.extend(flat((inner.first, *(link.right for link in inner.links))))
            else:
                out.append(inner)
        else:
            out.append(inner)
    return out


def text_of(tree: Expr) -> str:
    """Return a subscript as a part of a name."""
    if isinstance(tree, Symbol):
        return base_name(tree) + "".join("_" + text_of(sub) for sub in tree.subs)
    if isinstance(tree, Number):
        return str(tree.value)
    if isinstance(tree, Opaque):
        return tree.text
    if isinstance(tree, Big):
        return tree.name
    if isinstance(tree, Negative):
        return "-" + text_of(tree.of)
    if isinstance(tree, Sum):
        return "+".join(text_of(term) for term in tree.terms).replace("+-", "-")
    return "".join(text_of(part) for part in tree.parts()) or type(tree).__name__


def mean_size(one: Expr, other: Expr) -> Symbol | None:
    r"""Return the N of `\frac{1}{N} \sum_p`, a mean whose sum does not say where it ends."""
    if isinstance(one, Negative):
        one = one.of
    if not isinstance(one, Quotient) or one.above != Number(Fraction(1)):
        return None
    size = bare(one.below)
    if not isinstance(size, Symbol) or size != Symbol(size.name) or not isinstance(other, Big):
        return None
    if size.name not in _COUNTS:
        return None
    over = other.over
    plain = over.upper is None and over.lower is None and len(over.index) == 1
    return size if plain and other.name == "sum" and over.relation in ("", "=") else None
