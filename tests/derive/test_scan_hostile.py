"""The scanner on text that nobody meant for it: it never fails, and is never slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softxent.derive.document import Formula
from softxent.derive.scan import DIALECTS, scan

PARTS = [
    "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\\\(", "\\\\)", "\\\\[", "\\\\]", "\\", "\\\\", "{",
    "}", "`", "```", "```math\n", "\n", "\n\n", " ", "\t", "> ", "- ", "1. ", "# ", "---\n",
    "===\n", "a", "=", "y_k", "\\frac{1}{2}", "\\begin{align}", "\\end{align}", "\\begin{cases}",
    "\\end{cases}", "&", "&amp;", "&#0;", "&#x110000;", "%", "% softxent: x", "<!--", "-->",
    "<script>", "</script>", '<script type="math/tex">', "<pre>", "</pre>", "<math>",
    "<annotation x-tex>", "</annotation>", "</math>", "<", ">", "<li>", "<h2>", "{% katex %}",
    "{% endkatex %}", "%%", ".. math::\n", "   ", ":math:`", "::\n\n", ">>> ", "'''", '"""', "'",
    '"', "r'''", "#", "def f", "\\u", "\\ud835", '{"cells":[',
    '{"cell_type":"markdown","source":["', '"]}', "]", "[", ",", ":",
    "\\newcommand{\\a}[1]{\\a #1}", "\\def\\b{\\b\\b}", "\\a", "\\b", "#1", "\\item",
    "\\section{", "Σ", "∂C/∂z", "ŷ", "²", "ᵢ", "\ufeff", "\x00", "\ud800", "\r", "\u2028", "5",
    "the and of", "\\verb|", "\\let\\c\\d", "\\DeclareMathOperator{\\e}{e}", '{{< tex "a',
    "{{% ",
    "[latex]", "[/latex]", ":::{math}\n", ":::\n", "{math}`", "```latex\n", "&nbsp;", "<br>",
    "https://latex.codecogs.com/svg?", "%41", "macros: {", 'a: "b",', "_{ in }", "\u5f53", "$5",
]  # fmt: skip
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=40).map("".join), st.text(max_size=60))


@settings(max_examples=1500, deadline=None)
@given(TEXTS, st.sampled_from([None, *DIALECTS]))
def test_nothing_makes_it_fail(text, dialect):
    document = scan(text, dialect)
    starts = [piece.start for piece in document.pieces]
    assert starts == sorted(starts)
    for piece in document.pieces:
        assert 0 <= piece.start <= piece.end <= len(text)
        if isinstance(piece, Formula):
            assert piece.tex and piece.tex == piece.tex.strip()
            assert len(piece.places) == len(piece.tex) + 1
            assert all(0 <= place <= len(text) for place in piece.places)
            assert 1 <= document.line_column(piece.places[0])[0] <= text.count("\n") + 1


@pytest.mark.parametrize("part", PARTS, ids=ascii)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_time_grows_with_the_size(part, dialect):
    """Twelve times the text takes twelve times as long; what is quadratic takes 144 times."""
    size = 10_000
    short, long = (part * (length // len(part)) for length in (size, 12 * size))
    fast = min(seconds(short, dialect) for _ in range(2))
    assert seconds(long, dialect) < 60 * fast + 0.2


def seconds(text, dialect):
    begin = time.process_time()
    scan(text, dialect)
    return time.process_time() - begin


# A beginning, what is repeated behind it, and an end that spoils it: where a pattern goes back.
LONG = [
    ("\\def", " ", "x"), ("$\\newcommand\\a", " ", "x$"), ("$ ", "a", " $"), ("{% ", "a", ""),
    ("{{< tex ", " ", "x"), ('{{< tex "', "a", ""), ("macros: {", " ", "x"),
    ('macros: {a: "', "\\\\", ""), ("https://latex.codecogs.com/svg.latex?", "(", ""),
    ("<math><annotation x-tex>\\displaystyle", " ", "x</annotation></math>"),
    ("$latex x &s=2", " ", "y$"), (".. math::\n\n", "   \\begin{a}\n\n", ""), ("$5. ", "a ", "$"),
    ("$", "_{", "$"), ("[//]:", " ", "x"), ("```latex\n", "$a$\n```latex\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(("first", "part", "last"), LONG, ids=ascii)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_patterns_do_not_go_back(first, part, last, dialect):
    text = first + part * (60_000 // len(part)) + last
    text = f'r"""{text}"""' if dialect == "python" else text
    assert seconds(text, dialect) < 2


@pytest.mark.slow
def test_ten_megabytes_in_seconds():
    post = "Some words about it, and $y_k = e^{z_k}$ too.\n\n" * 5 + "words " * 400 + "\n\n"
    text = (post * (10_000_000 // len(post) + 1))[:10_000_000]
    assert seconds(text, "markdown") < 10


def test_macros_do_not_grow_without_end():
    bomb = "".join(f"\\def\\{chr(97 + n)}{{\\{chr(98 + n)}\\{chr(98 + n)}}}" for n in range(20))
    document = scan(f"${bomb}$ $\\a$ $x$", "markdown")
    tex = [piece.tex for piece in document.pieces if isinstance(piece, Formula)]
    assert tex[-1] == "x" and all(len(one) < 100_000 for one in tex)


def test_a_formula_of_any_length_is_handed_on():
    """The parser says that it is too long: that counts, and being dropped would not."""
    text = "$$x = " + "(" * 300_000 + "$$"
    (formula,) = scan(text, "markdown").pieces
    assert isinstance(formula, Formula) and len(formula.tex) == len(text) - 4
