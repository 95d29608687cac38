"""Every dialect gives the same formulas, each character at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from softxent.derive.document import Formula, Pin, Prose
from softxent.derive.scan import DIALECTS, scan

# A small derivation: inline, display, a second display, a list item with a case, an environment.
INLINE, FIRST, SECOND, CASE = (
    r"y_k",
    r"y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}",
    r"\frac{\partial y_k}{\partial z_i} = y_k (1\{k = i\} - y_i)",
    r"k \neq i",
)
ROWS = "a &= b \\\\\n  &= c"
ALL = [(INLINE, False), (FIRST, True), (SECOND, True), (CASE, False), (ROWS, True)]

# The same derivation in each: `dialect-name.txt`.
SOURCES = {
    path.stem: path.read_bytes().decode()
    for path in sorted((Path(__file__).parent / "dialects").glob("*.txt"))
}


def dialect_of(name):
    return name.partition("-")[0]


def squeezed(tex):
    return re.sub(r"\s+", " ", tex)


def formulas(document):
    return [piece for piece in document.pieces if isinstance(piece, Formula)]


@pytest.mark.parametrize("name", SOURCES)
def test_every_dialect_has_the_same_formulas(name):
    dialect, text = dialect_of(name), SOURCES[name]
    found = formulas(scan(text, dialect))
    assert [(squeezed(f.tex), f.display) for f in found] == [(squeezed(t), d) for t, d in ALL]


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith("notebook")])
def test_other_line_ends(name):
    found = formulas(scan(SOURCES[name].replace("\n", "\r\n"), dialect_of(name)))
    assert [(squeezed(f.tex), f.display) for f in found] == [(squeezed(t), d) for t, d in ALL]


@pytest.mark.parametrize("name", SOURCES)
def test_the_dialect_is_seen_without_a_path(name):
    dialect, text = dialect_of(name), SOURCES[name]
    if name != "python-comments":
        assert scan(text).dialect == dialect


@pytest.mark.parametrize("name", SOURCES)
def test_every_character_is_at_its_place(name):
    """A character stands where `places` says, unless something was undone there."""
    dialect, text = dialect_of(name), SOURCES[name]
    document = scan(text, dialect)
    for formula in formulas(document):
        assert len(formula.places) == len(formula.tex) + 1
        assert all(formula.start <= place <= formula.end for place in formula.places)
        for character, place in zip(formula.tex, formula.places, strict=False):
            if character in "=k&^":
                assert text[place] == character or text[place : place + 5] in ("&amp;", "\\pd{y")
        sign = formula.places[formula.tex.index("=" if "=" in formula.tex else "k")]
        line, column = document.line_column(sign)
        assert text.split("\n")[line - 1][column - 1] in "=k"


@pytest.mark.parametrize("name", SOURCES)
def test_the_case_is_an_item(name):
    dialect, text = dialect_of(name), SOURCES[name]
    pieces = scan(text, dialect).pieces
    where = next(i for i, p in enumerate(pieces) if isinstance(p, Formula) and p.tex == CASE)
    item = pieces[where - 1]
    assert isinstance(item, Prose) and (item.kind, item.level) == ("item", 1)
    assert item.text in ("", "If", "if")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("a.md", "markdown"), ("a.TEX", "latex"), ("a.html", "html"), ("a.ipynb", "notebook"),
     ("a/b.py", "python"), ("a.rst", "text"), ("a.Rmd", "markdown")],
)  # fmt: skip
def test_a_known_suffix_decides(path, dialect):
    assert scan("$a = b$", path=path).dialect == dialect


@pytest.mark.parametrize(
    ("text", "dialect"),
    [("", "text"), ("It costs $5.", "markdown"), ("$a$", "markdown"), ("dC/dz = y - t", "text"),
     ("\\section{A}", "latex"), ("import os\n", "python"), ("<html>", "html"),
     ('{"cells": [{"cell_type": "markdown"}]}', "notebook"), ("# Import\nimport a\n", "markdown"),
     ("{{< katex >}}a{{< /katex >}}", "markdown"), (":::{math}\na\n:::", "markdown"),
     ("{% katex %}a{% endkatex %}", "markdown"), ("![a](https://b)", "markdown")],
)  # fmt: skip
def test_a_text_decides_where_the_suffix_does_not(text, dialect):
    assert scan(text, path="a.txt").dialect == dialect


def test_an_unknown_dialect_is_refused():
    with pytest.raises(ValueError, match="dialect is 'word'; expected one of markdown, latex"):
        scan("", "word")


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $6.", "$5-$6", "US$ 5 and US$ 6", "\\$a = b\\$", "`$a = b$`",
     "``$a` = b$``", "$a\n\n= b$", "<!-- $a = b$ -->", "```\n$a = b$\n```", "```\n$a = b$",
     "~~~~\n```\n$a = b$\n~~~~", "$HOME and the $PATH", "<a href='$a=b$'>x</a>",
     "\\begin{verbatim}$a$\\end{verbatim}", "$$ $$", "$ $", "<style>$a$</style>",
     "{% highlight tex %}$a = b${% endhighlight %}", "\\(see the note of it\\)",
     "\\begin{align} a = b", "\\[ a = b", "$$ a = b", "\\\\( a", "a) \\) b"],
)  # fmt: skip
def test_what_is_no_formula(text):
    assert formulas(scan(text, "markdown")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$5 and $x = y$", ["x = y"]),
        ("It costs $5, $a$ it is", ["a"]),
        ("$ x = y $ and $ z $", ["x = y", "z"]),
        ("$a$$b$", ["a", "b"]),
        ("$$a$$$$b$$", ["a", "b"]),
        ("$$ a = b \\text{ if $c$ and the rest} $$", [r"a = b \text{ if $c$ and the rest}"]),
        ("$$ broken and the text is this\n\nso $a = b$ and $$ c $$", ["a = b", "c"]),
        ("\\[ never closed\n\n$a$ \\[ b \\]", ["a", "b"]),
        ("\\\\[ \\begin{aligned} a &= b \\\\ &= c \\end{aligned} \\\\]",
         ["\\begin{aligned} a &= b \\\\ &= c \\end{aligned}"]),
        ("\\\\( \\mathbf{1}\\\\{a\\\\} y\\_k \\\\)", [r"\mathbf{1}\{a\} y_k"]),
        ("$1\\\\{k = i\\\\}$", [r"1\{k = i\}"]),
        ("$y\\_k \\* z$", ["y_k * z"]),
        ("$a &lt; b$", ["a < b"]),
        ("$latex a = b$", ["a = b"]),
        ("$$\na = b % why\n= c\n$$", ["a = b \n= c"]),
        ("\\begin{equation}\n\\begin{split} a \\\\[2pt] b \\end{split}\n\\end{equation}",
         ["\\begin{split} a \\\\[2pt] b \\end{split}"]),
        ("\\begin{alignat}{2} a &= b \\end{alignat}", ["a &= b"]),
        ("\\begin{cases} a & b \\end{cases}", ["\\begin{cases} a & b \\end{cases}"]),
        ("`` ` `` $a$ ` $b$", ["a", "b"]),
        ("| $a$ | \\|$b$\\| |", ["a", "b"]),
        ("$\\newcommand{\\R}{\\mathbb R}$ $x \\in \\R^n$", [r"x \in \mathbb R^n"]),
        ("$\\def\\a{\\b}\\def\\b{\\a}$ $\\a$", [r"\a"]),
        ("$\\newcommand{\\f}[2][q]{#1(#2)} \\f{x} = \\f[p]y$", ["q(x) = p(y)"]),
        ("$\\def\\d#1{\\beta#1} \\d x$", [r"\beta x"]),
        ("$$softmax(x) = exp(x) / the_sum$$", ["softmax(x) = exp(x) / the_sum"]),
    ],
)  # fmt: skip
def test_what_is_a_formula(text, expected):
    assert [f.tex for f in formulas(scan(text, "markdown"))] == expected


SITES = {
    "nbsp": ("$a&nbsp;=&nbsp;b$ $c &#60; d &le; e$", ["a = b", "c < d ≤ e"]),
    "line break in HTML": ("$$ a = b <br/>\n= c $$", ["a = b  \n= c"]),
    "jekyll raw": ("{% raw %}\n$$\n\\frac{{a}}{b}\n$$\n{% endraw %}", ["\\frac{{a}}{b}"]),
    "raw inside": ("$${% raw %}{{a}}{% endraw %}$$", ["{{a}}"]),
    "jekyll katex": ("{% katex display %}\na = b\n{% endkatex %}", ["a = b"]),
    "hugo": ("{{< katex >}}\na = b\n{{< /katex >}}", ["a = b"]),
    "hugo percent": ("{{% math %}}\na = b\n{{% /math %}}", ["a = b"]),
    "hugo with delimiters": ("{{< math >}}\n$$a = b$$\n{{< /math >}}", ["a = b"]),
    "hugo argument": (
        '{{< tex "\\frac{a}{b} = c" >}} {{< math tex=`d` >}}',
        ["\\frac{a}{b} = c", "d"],
    ),
    "wordpress": ("$latex a = b&s=2$ [latex]c = d[/latex]", ["a = b", "c = d"]),
    "myst": (":::{math}\n:label: eq\na = b\n:::\nand {math}`c`", ["a = b", "c"]),
    "fence katex": ("```katex\na = b\n```", ["a = b"]),
    "fence latex": ("```latex\na = \\frac{b}{c}\n```", ["a = \\frac{b}{c}"]),
    "fence tex with delimiters": (
        "```tex\n\\[ a = b \\]\nwords $c$\n```\n$d$",
        ["a = b", "c", "d"],
    ),
    "fence of a document": ("```latex\n\\documentclass{a} x = y\n```", []),
    "callout": ("> [!note]\n> $$\n> a\n> = b\n> $$", ["a\n= b"]),
    "codecogs": (
        "![a](https://latex.codecogs.com/svg.latex?\\inline&space;a%20%3D%20b%28c%29) x",
        ["a = b(c)"],
    ),
    "codecogs, unescaped": ("(https://latex.codecogs.com/gif.latex?f(x)&plus;1)", ["f(x)+1"]),
    "github": ('<img src="https://render.githubusercontent.com/render/math?math=a%3Db">', ["a=b"]),
    "zhihu": (
        "![公式](https://www.zhihu.com/equation?tex=L%3D-%5Clog+p&consumer=ZHI)",
        ["L=-\\log p"],
    ),
    "MathJax settings": (
        '<script>window.MathJax = {tex: {macros: {RR: "{\\\\bf R}", pd: ["\\\\frac{#1}{#2}", 2]}}}'
        "</script>\n$\\pd{a}{b} \\in \\RR$",
        ["\\frac{a}{b} \\in {\\bf R}"],
    ),
    "KaTeX settings": ('macros: {"\\\\f": "#1(#2)"} $\\f{a}{b}$', ["a(b)"]),
    "words in scripts": (
        "$$W \\sim U({n}_{ in },{n}_{ out }), x_{ is }$$",
        ["W \\sim U({n}_{ in },{n}_{ out }), x_{ is }"],
    ),
    "blanks inside": (
        "$ i-1 $, $ 0.25 $, $ L(Y, f(x)) $, $ 5, $ 6 and $ n' $",
        ["i-1", "0.25", "L(Y, f(x))", "n'"],
    ),
    "prices": ("$ 5 and $ 6; $5-$6; US$ 5 (or $ 7)", []),
    "no blank between": ("损失$a=b$，价格$5。其中$c$", ["a=b", "c"]),
}


@pytest.mark.parametrize("name", SITES)
def test_what_sites_do(name):
    text, expected = SITES[name]
    found = formulas(scan(text, "markdown"))
    assert [f.tex for f in found] == expected
    for formula in found:
        assert all(formula.start <= place <= formula.end for place in formula.places)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>$y<em>i = z</em>i$ and re<b>a</b>d <em>it</em></p>", ["y_i = z_i"]),
        ('<img src="https://latex.codecogs.com/svg?a%3Db"> <img src="x" alt="$5">', ["a=b"]),
        ('<img alt="L" src="https://www.zhihu.com/equation?tex=L%3D-%5Clog+p">', ["L=-\\log p"]),
        ('<span class="ztext-math" data-tex="a &lt; b"><span>a</span>b</span> $c$', ["a < b", "c"]),
        ('<script>MathJax={tex:{macros:{RR:"\\\\mathbb{R}"}}}</script> $\\RR$', ["\\mathbb{R}"]),
        ("<p>$$a<br/>= b$$ \\(c&nbsp;\\le d\\)</p>", ["a\n= b", "c\u00a0\\le d"]),
    ],
)  # fmt: skip
def test_what_pages_do(text, expected):
    assert [f.tex for f in formulas(scan(text, "html"))] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('def f():\n    """Foo::\n\n        $a = b$\n\n    bar $c = d$\n    """', ["c = d"]),
        ('def f():\n    """.. math::\n\n        a = b\n\n    bar\n    """', ["a = b"]),
        ('"""$x \\\\cdot y$ $\\theta = \\nu$ \\\\(a\\\\)"""',
         ["x \\cdot y", "\\theta = \\nu", "a"]),
        ('cmd = """echo $HOME and $PATH = 3"""; x = "$a = b$"', []),
    ],
)  # fmt: skip
def test_what_docstrings_do(text, expected):
    assert [f.tex for f in formulas(scan(text, "python"))] == expected


def test_places_in_an_address():
    text = "![a](https://latex.codecogs.com/svg.latex?a%20%3D%20%CE%B1)"
    (formula,) = formulas(scan(text, "markdown"))
    assert formula.tex == "a = α"
    assert [text[place] for place in formula.places[:5]] == ["a", "%", "%", "%", "%"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".. math::\n   :label: a\n\n   a = b\n\n   c = d\n\ne", ["a = b", "c = d"]),
        (".. math::\n\n   \\begin{align}\n\n   a &= b\n\n   \\end{align}\n\ne",
         ["\\begin{align}\n\n   a &= b\n\n   \\end{align}"]),
        (".. math:: a = b\n\n:math:`c = d`", ["a = b", "c = d"]),
    ],
)  # fmt: skip
def test_restructured_text(text, expected):
    assert [f.tex for f in formulas(scan(text, "text"))] == expected


def test_an_environment_is_named_where_it_is_the_delimiter():
    text = "\\begin{align*} a &= b \\end{align*} $$\\begin{cases} c \\end{cases}$$"
    found = formulas(scan(text, "latex"))
    assert [f.environment for f in found] == ["align*", ""]


def test_a_character_of_a_macro_stands_at_its_use():
    text = "\\newcommand{\\pd}[2]{\\frac{\\partial #1}{\\partial #2}}\n\\[ \\pd{C}{z_i} = y \\]"
    (formula,) = formulas(scan(text, "latex"))
    assert formula.tex == r"\frac{\partial C}{\partial z_i} = y"
    assert text[formula.places[formula.tex.index("C")]] == "C"
    assert text[formula.places[formula.tex.index("_")]] == "_"
    assert formula.places[0] == text.index("\\pd{C}")


@pytest.mark.parametrize(
    ("dialect", "text"),
    [("markdown", "a\n<!-- softxent: y is target -->\nb"),
     ("html", "<p><!-- softxent: y is target -->"),
     ("latex", "a % softxent: y is target\nb"), ("python", "x = 1  # softxent: y is target\n"),
     ("markdown", "[//]: # (softxent: y is target)"), ("markdown", "<!--Softxent:y is target-->")],
)  # fmt: skip
def test_comments_for_the_checker_are_pins(dialect, text):
    (pin,) = [piece for piece in scan(text, dialect).pieces if isinstance(piece, Pin)]
    assert pin.text == "y is target"
    assert "oftxent" in text[pin.start : pin.end]


def test_prose_is_split_into_paragraphs_headings_and_items():
    text = (
        "# One\n\nfirst\nline\n\nTwo\n---\n- a\n  - b\n    more\n- c\n\n1. d\n\nend $x$ mid\n"
        "\n***\nlast\n## Case $i = j$ here\n• e"
    )
    pieces = [p for p in scan(text, "markdown").pieces if isinstance(p, Prose)]
    assert [(p.kind, p.level, p.text) for p in pieces] == [
        ("heading", 1, "One"), ("text", 0, "first\nline"), ("heading", 2, "Two"), ("item", 1, "a"),
        ("item", 2, "b\n    more"), ("item", 1, "c"), ("item", 1, "d"), ("text", 0, "end"),
        ("text", 0, "mid"), ("text", 0, "last"), ("heading", 2, "Case"), ("text", 0, "here"),
        ("item", 1, "e"),
    ]  # fmt: skip
    for piece in pieces:
        assert text[piece.start : piece.end] == piece.text


TYPED = [
    (
        "∂C/∂z_i = Σ_k t_k (y_k − δ_ik)",
        r"\frac{\partial C}{\partial z_{i}} = \sum _{k} t_{k} (y_{k} - \delta _{ik})",
    ),
    ("so dC/dz = y - t.", r"\frac{dC}{dz} = y - t"),
    ("ŷᵢ ≠ x² · √(a+b)", r"\hat{y}_{i} \neq x^{2} \cdot \sqrt{a+b}"),
    ("C = -sum_k t_k log y_k, the loss", r"C = -\sum _{k} t_{k} \log y_{k}"),
    ("e^z_i = e^(z_i)", "e^{z_{i}} = e^{z_{i}}"),
    ("f = 1{k = i}", r"f = 1\{k = i\}"),
    ("∂²C/∂z_i∂z_j = 0", r"\frac{\partial^2 C}{\partial z_{i} \partial z_{j}} = 0"),
    ("version = two", None),
    ("This is a = sign of the times", None),
    ("price: 5 dollars", None),
]


@pytest.mark.parametrize(("line", "tex"), TYPED)
def test_mathematics_typed_without_tex(line, tex):
    found = formulas(scan(f"Some words.\n\n    {line}\n", "text"))
    assert [squeezed(f.tex) for f in found] == ([tex] if tex else [])


def test_a_typed_line_of_its_own_is_a_display():
    first, second = formulas(scan("We say y = a + b here.\n    = c + d\n", "text"))
    assert (first.display, second.display) == (False, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_document(dialect):
    assert scan("", dialect).pieces == ()
