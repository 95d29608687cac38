"""Equalities that are no claims by the words around them: suppositions, values of an example."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.trees import (
    Applied,
    Big,
    Derivative,
    Ellipsis,
    Expr,
    Group,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Sum,
    Symbol,
    Transpose,
    Tuple,
)
from softxent.derive.understand.symbols import bare, base_name

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book

_SENTENCE = re.compile(r"(?<=[.!?。])\s+(?=[A-Z$\\(])|(?<=[。！？])|\n\s*\n")
_IF = re.compile(
    r"\b(?:if|when|whenever|at|near|around|unless|until|assuming|suppose|supposing|provided|"
    r"either|such that|for which|subject to|in (?:the|this) case(?: of| that| where)?|until|"
    r"only if|whether|wenn|falls|lorsque|quand|cuando)\s*(?:that|we have|there is)?\s*[,:]?\s*$",
    re.I,
)
_SET = re.compile(
    r"\b(?:set|setting|solv\w+|equat\w+|decision boundary|boundary|hyperplane|minimi\w+|minimum|"
    r"maximi\w+|maximum|minimal|maximal|optim\w+|critical|stationary|constrain\w*|condition|"
    r"satisf\w+|vanish\w*|root|zero of|equilibrium|fixed point|lagrang\w+|kkt)\b",
    re.I,
)
_ROUGH = re.compile(
    r"\b(?:approximat\w*|roughly|taylor|(?:first|second)[- ]order(?!\s+(?:partial\s+)?derivative)|"
    r"in the limit|asymptot\w*|neglect\w*|ignoring|small enough|large enough|linearis\w+|"
    r"lineariz\w+|expansion|for (?:very )?(?:large|small))\b",
    re.I,
)
_TENDS = re.compile(r"\b(?:tends? to|approach(?:es|ing)?|converg\w+|saturat\w+)\b", re.I)
"""What a sentence says of its own formulas, and not of a display behind it."""
_BINARY = re.compile(
    r"\b(?:2|two)[- ]class(?:es)?\b|\bbinary (?:case|problem|classification)", re.I
)
_SIZE = re.compile(r"\b(?:sizes?|shapes?|dimensions?) (?:of|is|are|in)\b[^.]{0,40}$", re.I)
_KIND = re.compile(
    r"\b(?:if|when|where|for)\s+(?:the\s+)?[^.,]{0,40}\b(?:is|are|being)\s+(?:the\s+|an?\s+)?"
    r"(?:identity|linear)\b[^.]{0,20}$",
    re.I,
)
_SUBJECT = re.compile(r"\b(?:s\.\s?t\.|subject to|such that|constraint)\s*:?\s*$", re.I)
_DENIED = re.compile(
    r"\b(?:not true that|not the case that|"
    r"(?:is|are|does|do|and) not(?: equal(?: to)?| the same as| simply| just)?\s*$|"
    r"(?:is|are)n[’']t\s*$|doesn[’']t\s*$|rather than\s*$|instead of\s*$|"
    r"mistake\w*|incorrect\w*|wrong\w*|erroneous\w*|fals(?:e|ely)|"
    r"one might (?:think|expect|write)|tempting|naive\w*)[^.$]{0,40}$",
    re.I,
)
_VALUE = re.compile(
    r"\b(?:if|when|whenever|at|as|for|let|with|suppose|assume|say|take|taking|set|setting|"
    r"choose|choosing|where|given|put|putting|plug\w*|wenn|für|si|pour|cuando|para)\b[^$]{0,40}$",
    re.I,
)
_EINSTEIN = re.compile(
    r"\beinstein\b|\bsummation\s+(?:convention|symbols?|signs?)[^.]{0,60}"
    r"(?:dropped|omitted|implied|implicit|left out)|\bimpli(?:ed|cit) sum",
    re.I,
)
FUNCTIONALS = frozenset("E P Pr Var Cov Std KL D I H p q Q".split())


def supposed(before: str, relation: Relation, display: bool) -> str:
    """Return why an equality is no general claim, by the words before it; "" where it is one.

    before: the prose of its paragraph, with the formulas between dollars.
    """
    sentence = _SENTENCE.split(before)[-1]
    if not display and _IF.search(sentence):
        return "it is a condition of the sentence, not a claim"
    power = relation.first
    if isinstance(power, Power) and power.exponent == Number(Fraction(0)):
        if any(link.right == power.exponent for link in relation.links):
            return "it is the first of a sequence, and no power"
    if not display and any(link.relation == "approx" for link in relation.links):
        return "it is said to hold nearly"
    if _SIZE.search(sentence) and all(
        any(isinstance(node, Product) and node.dot for node in side.walk())
        for side in (relation.first, *(link.right for link in relation.links))
        if side is not None
    ):
        return "it says the size of something"
    if _KIND.search(sentence):
        return "it is said for one kind of function"
    if not display and _BINARY.search(sentence):
        return "it is said for two classes"
    if _DENIED.search(sentence):
        return "the sentence denies it"
    if _SUBJECT.search(before):
        return "it sets a condition"
    if any(link.relation == "iff" for link in relation.links):
        return "it is an equation that is turned into another"
    if relation.first is not None and relation.links:
        if any(_worked(relation.first, bare(link.right)) for link in relation.links):
            return "it is said for the values of an example"
        if _renewed(relation.first, bare(relation.links[0].right)):
            return "it gives its left side a new value"
    if _example(sentence):
        return "it is said for the values that the sentence gives"
    if _ROUGH.search(sentence) or (not display and _TENDS.search(sentence)):
        return "it is said to hold nearly, or in a limit"
    if len(relation.links) == 1 and _constant(relation.links[0].right) and _SET.search(sentence):
        return "it sets a condition"
    return ""


def _worked(left: Expr, right: Expr) -> bool:
    """Whether symbols are said to be a sum of numbers: r_1 + r_2 + r_3 = 1 + 3 + 5."""
    numbers = sum(isinstance(node, Number) for node in right.walk())
    plain = all(
        isinstance(node, Number | Sum | Product | Group | Negative) for node in right.walk()
    )
    return plain and numbers > 1 and any(isinstance(node, Symbol) for node in left.walk())


def _renewed(left: Expr, right: Expr) -> bool:
    """Whether a product of letters has itself, times a coefficient, as a term on the right."""
    if not isinstance(left, Product) or not isinstance(right, Sum):
        return False
    if not all(isinstance(one, Symbol) for one in left.factors):
        return False
    count = len(left.factors)
    return any(
        isinstance(term, Product)
        and len(term.factors) > count
        and term.factors[-count:] == left.factors
        for term in right.terms
    )


def implied_sums(prose: str) -> str:
    """Return why no step can be told false, where a text leaves out its summation signs."""
    return "the text leaves out summation signs" if _EINSTEIN.search(prose) else ""


def _example(sentence: str) -> bool:
    """Whether a sentence has given a value: when $x = 0$, as $x \\to \\infty$."""
    parts = sentence.split("$")
    for at in range(1, len(parts) - 1, 2):
        given = parts[at].strip()
        if _VALUE.search(parts[at - 1]) and _GIVEN.match(given) and not _TARGET.match(given):
            return True
    return False


_TARGET = re.compile(r"\\?[A-Za-z]+_\{?[a-z]\}?\s*=\s*[01]$")
"""t_c = 1 is said of a target, not of an example."""
_GIVEN = re.compile(
    r"\\?[A-Za-z]+(?:_\{?\w+\}?)?\s*"
    r"(?:=\s*-?[0-9.]+|(?:\\to|\\rightarrow|→|\\longrightarrow)\s*\S+|"
    r"(?:\\gg|\\ll|≫|≪|\\approx|≈)\s*\S+|=\s*-?\s*(?:\\infty|∞)|=\s*[\[(][-0-9., \\]+[\])])\s*$"
)


def _constant(tree: Expr) -> bool:
    return not any(isinstance(node, Symbol) and node.name != "infty" for node in tree.walk())


_SHAPES = re.compile(r"\(.*\\times.*\)\s*\\times\s*\(.*\\times.*\)", re.S)


_WHOLE_FORM = re.compile(
    r"\b(?:matrix|matrices|vector(?:i[sz]ed)?)[ -](?:form|notation|version|way)\b|\bvectori[sz]\w+",
    re.I,
)
_SHAPE_OF = re.compile(r"\b(?:shapes?|dimensions?|dimensionality|sizes?)(?: of)?:?\s*$", re.I)


def is_dimension(relation: Relation, tex: str, before: str = "") -> bool:
    r"""Whether it only tells shapes: (1 \times n) \times (n \times 1) = 1 \times 1."""
    start, end = relation.span
    sides = re.split(r"=|\\in\b|\\to\b|\\rightarrow\b", tex[start:end])
    said = bool(_SHAPE_OF.search(before)) and len(sides) > 1
    listed = len(sides) > 2 and any(_SHAPES.search(side) for side in sides[1:])
    if (listed or said) and isinstance(relation.first, Symbol):
        sides = sides[1:]  # the shape of $y = (n \times m) \times (m \times 1) = n \times 1$
    plain = re.compile(
        r"(?:\\times|×|\\cdot|\\mathbb\s*\{?\s*R\s*\}?|\\R\b|\\left|\\right|[\^{}()\[\]\s0-9A-Za-z+-])+"
    )
    if len(sides) < 2 - said or not all(plain.fullmatch(side) for side in sides):
        return False
    if (
        not said
        and re.search(r"[+-]", tex[start:end])
        and not any(_SHAPES.search(side) for side in sides)
    ):
        return False
    return all(re.search(r"\\times|×|\\mathbb|\\R\b", side) for side in sides)


def is_values(relation: Relation) -> bool:
    r"""Whether it lists what a letter runs through: c = 1 \cdots C."""
    if not isinstance(relation.first, Symbol) or len(relation.links) != 1:
        return False
    right = bare(relation.links[0].right)
    parts: tuple[Expr, ...] = ()
    if isinstance(right, Product):
        parts = right.factors
    elif isinstance(right, Tuple):
        parts = right.items
    dots = any(isinstance(one, Ellipsis) for one in parts)
    return dots and isinstance(parts[0], Number) and len(relation.first.subs) == 0


_CLASS_NEAR = re.compile(
    r"(?<![A-Za-z])one[\s-]?hot\b|\b(?:true|correct|target|right|actual|gold|ground[\s-]truth) "
    r"(?:class|label|category|word|index)",
    re.I,
)


def declared_sum(relation: Relation) -> str:
    r"""Return what `\sum_k t_k = 1`, `\mathbf{1}^T t = 1` declares to sum to one, else ""."""
    if relation.first is None or len(relation.links) != 1 or relation.links[0].relation != "=":
        return ""
    if relation.links[0].right != Number(Fraction(1)):
        return ""
    left = bare(relation.first)
    if isinstance(left, Big) and left.name == "sum" and isinstance(bare(left.of), Symbol):
        return base_name(bare(left.of))  # type: ignore[arg-type]
    if isinstance(left, Product) and len(left.factors) == 2:
        ones, of = left.factors
        if isinstance(ones, Transpose) and isinstance(of, Symbol):
            if isinstance(ones.of, Symbol | Number) and base_of_ones(ones.of):
                return base_name(of)
    return ""


def base_of_ones(tree: Expr) -> bool:
    """Whether it is the vector of ones."""
    return tree == Number(Fraction(1)) or (isinstance(tree, Symbol) and tree.name in ("1", "one"))


def declared_class(relation: Relation, before: str, after: str) -> tuple[str, str] | None:
    """Return target and letter of "t is one-hot with t_c = 1"."""
    if relation.first is None or len(relation.links) != 1 or relation.links[0].relation != "=":
        return None
    head = bare(relation.first)
    if relation.links[0].right != Number(Fraction(1)) or not isinstance(head, Symbol):
        return None
    sub = bare(head.subs[-1]) if head.subs else None
    if not isinstance(sub, Symbol) or sub.subs:
        return None
    near = _SENTENCE.split(before)[-1] + " " + after.split(".")[0]
    return (base_name(head), base_name(sub)) if _CLASS_NEAR.search(near) else None


def whole_form(before: str) -> bool:
    """Whether a formula is said to be the one before with vectors and matrices."""
    return bool(_WHOLE_FORM.search(before))


def intercept(tree: Expr) -> bool:
    r"""Whether a sum with dots begins with a lone \theta_0: x_0 = 1 is left out."""
    zero = (Number(Fraction(0)),)
    return any(
        isinstance(node, Sum)
        and any(isinstance(term, Ellipsis) for term in node.terms)
        and any(isinstance(term, Symbol) and term.subs == zero for term in node.terms)
        for node in tree.walk()
    )


_ONE_SAMPLE = re.compile(
    r"\b(?:single|one|each) (?:training )?(?:samples?|examples?|data ?points?|observations?)\b",
    re.I,
)


def one_sample(prose: str) -> bool:
    """Whether a text speaks of a single sample."""
    return bool(_ONE_SAMPLE.search(prose))


def of_terms(book: Book, tree: Expr, letters: set[str]) -> bool:
    """Whether a derivative is of a sum over one of these letters: that of one term may be meant."""
    for node in tree.walk():
        of = bare(node.of) if isinstance(node, Derivative) and node.of is not None else None
        if not isinstance(of, Symbol) or of.subs:
            continue
        bodies = [
            one.body
            for (name, _), several in book.definitions.items()
            if name == base_name(of)
            for one in several
        ]
        bodies += [one.body for one in book.functions.get(base_name(of), ())]
        runs = {
            base_name(letter)
            for body in bodies
            for part in body.walk()
            if isinstance(part, Big)
            for letter in part.over.index
        }
        if runs & letters:
            return True
    return False


def called_alike(trees: tuple[Expr, Expr]) -> str:
    r"""Return the z of \sigma(z_i) on one side where the other has \sigma(w^T x_i)."""
    for one, other in (trees, trees[::-1]):
        longer = {
            node.head
            for node in other.walk()
            if isinstance(node, Applied) and isinstance(bare(node.arguments[0]), Product | Sum)
        }
        for node in one.walk():
            if isinstance(node, Applied) and node.head in longer and len(node.arguments) == 1:
                inner = bare(node.arguments[0])
                if isinstance(inner, Symbol):
                    return base_name(inner)
    return ""


def of_batch(book: Book, tree: Expr) -> str:
    r"""Return the H of H(Y, S), rows of a batch, where the text has defined H(y, s)."""
    for node in tree.walk():
        if not isinstance(node, Applied) or node.head.subs:
            continue
        known = book.definitions.get((book.variant(base_name(node.head), len(node.arguments)), 0))
        if not known or len(known[0].arguments) != len(node.arguments):
            continue
        for given, defined in zip(map(bare, node.arguments), known[0].arguments, strict=True):
            if isinstance(given, Symbol) and given.name != defined.name == given.name.lower():
                return base_name(node.head)
    return ""


_MANY = 5


def numeric(tree: Expr) -> bool:
    """Whether an expression is made of decimal numbers, as in an example: 0.5, (0.1, 0.9).

    So many numbers, and nothing else, are an example, too: 1/2 log_2(2) + 1/4 log_2(4).
    """
    tree = bare(tree)
    if isinstance(tree, Tuple):
        return any(numeric(one) for one in tree.items)
    nodes = list(tree.walk())
    known = ("e", "pi", "log", "ln", "exp")  # log_2(4) without a backslash, too
    if any(isinstance(node, Symbol) and node.name not in known for node in nodes):
        return False
    numbers = [node for node in nodes if isinstance(node, Number)]
    return len(numbers) >= _MANY or any(node.value.denominator > 1 for node in numbers)


def functional(tree: Expr) -> str:
    """Return the first expectation, variance or probability in an expression."""
    for node in tree.walk():
        if isinstance(node, Applied) and node.head.name in FUNCTIONALS:
            return node.head.name
        if isinstance(node, Big) and node.name == "E":
            return "E"
    return ""
