r"""Docstrings of any project: wherever a false formula stands, it is found at its own line.

Each source holds `\sum_{k} y_k = 2` for a softmax y (it is 1), and AT marks the 2.
"""

from __future__ import annotations

import textwrap

import pytest

from softxent.derive import Verdict, check

SOURCES = {
    "a function, raw": r'''
        def softmax(z):
            r"""The softmax, :math:`y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}`.

            .. math:: \sum_{k} y_k = AT
            """
        ''',
    "a class, cooked": r'''
        class Softmax:
            """The softmax, :math:`y_k = \\frac{e^{z_k}}{\\sum_{j} e^{z_j}}`.

            .. math::

                \\sum_{k} y_k = AT
            """
        ''',
    "a method, in single quotes": r"""
        class Softmax:
            def __call__(self, z):
                r'''The softmax, :math:`y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}`,
                of which :math:`\sum_{k} y_k = AT`.
                '''
        """,
    "a module, with a label": r'''
        r"""The softmax.

        .. math::
            :label: softmax

            y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}

        .. math::
            :nowrap:

            \begin{equation}
            \sum_{k} y_k = AT
            \end{equation}
        """
        import math
        ''',
    "NumPy's sections": r'''
        def softmax(z, axis=-1):
            r"""Softmax of an array.

            Parameters
            ----------
            z : ndarray, shape (..., V)
                The logits.

            Returns
            -------
            ndarray
                :math:`y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}`

            Notes
            -----
            Summed over an axis, :math:`\sum_{k} y_k = AT`.
            """
        ''',
    "Markdown in a docstring": r'''
        def softmax(z):
            r"""The softmax.

            $$y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}$$

            The sum is $\sum_{k} y_k = AT$.
            """
        ''',
    "a backslash that Python takes for a form feed": r'''
        def softmax(z):
            """The softmax, :math:`y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}`:
            :math:`\sum_{k} y_k = AT`.
            """
        ''',
    "comments": r"""
        # The softmax, $y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}$:
        #
        #     $$\sum_{k} y_k = AT$$
        y = exp(z) / exp(z).sum()
        """,
    "a docstring of an attribute": r'''
        class Result:
            y: float
            r"""The softmax, :math:`y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}`;
            :math:`\sum_{k} y_k = AT`."""
        ''',
}


def without_mark(source: str) -> tuple[str, int]:
    text = textwrap.dedent(source).lstrip("\n")
    return text.replace("AT", "2"), text[: text.index("AT")].count("\n") + 1


@pytest.mark.parametrize("name", SOURCES)
def test_found_at_its_line(name: str) -> None:
    text, line = without_mark(SOURCES[name])
    found = [(step.verdict, step.line) for step in check(text, "any.py").steps]
    assert (Verdict.FALSE, line) in found
    assert [verdict for verdict, _ in found].count(Verdict.DEFINITION) == 1
    assert len(found) == 2


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_found_once_it_is_mended(name: str) -> None:
    text, line = without_mark(SOURCES[name])
    report = check(text.replace("y_k = 2", "y_k = 1"), "any.py")
    assert (Verdict.TRUE, line) in [(step.verdict, step.line) for step in report.steps]
    assert {step.verdict for step in report.steps} == {Verdict.TRUE, Verdict.DEFINITION}


def test_code_and_examples_are_not_mathematics() -> None:
    text = r'''
def f(x):
    """Doubles.

    >>> y = f(r"$$\sum_{k} y_k = 2$$")
    """
    pattern = "$a = 1$, $b = 2$"
    return x == 2 or f"""{x:$^3} = \sum_k 1 = 2"""
'''
    assert check(text, "any.py").steps == ()
