r"""Writes derivations: it starts from `formula.py`, applies rules, and says each rule and why.

>>> from softxent.derive.write import derive
>>> derivation = derive("gradient", road="log-sum-exp", target="probability")
>>> print(derivation.steps[-1].tex)
y_i \sum_{k} t_k - t_i = y_i - t_i
>>> derivation.steps[-1].rule
'sum-to-one'
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from softxent.derive.write.derivation import Chain, Define, Derivation, Section, Step, Text
from softxent.derive.write.problem import Problem, problem_from
from softxent.derive.write.questions import Question

__all__ = [
    "Chain",
    "Define",
    "Derivation",
    "Problem",
    "Question",
    "Section",
    "Step",
    "Text",
    "derive",
]


class OptionsDict(TypedDict, total=False):
    """The keywords of `derive`; what they mean is said at `Problem`."""

    road: str
    target: str
    temperature: bool
    softcap: bool
    label_smoothing: bool
    weight: bool
    z_loss: bool
    reduction: str
    linear: bool


def derive(result: str = "gradient", **options: Unpack[OptionsDict]) -> Derivation:
    r"""Write the derivation of a result, step by step, each step with its rule and its reason.

    result: "jacobian" (of the softmax), "gradient", "target-gradient", "hessian", "hvp" (the
    Hessian times a vector), or "tour": all of them as one text, which takes no options.
    road: "cases" (k = i and k ≠ i by the quotient rule, joined by the delta, then the chain rule)
    or "log-sum-exp" (C = (Σ t) log Σ e^z - Σ t z, differentiated directly).
    target: "soft" (any numbers), "probability" (they sum to one) or "index" (a class index).
    temperature, softcap, label_smoothing, weight, z_loss: True to have this option; its value
    stays a letter. reduction: "none" (the loss of a row), "mean" or "sum" over N rows.
    linear: the logits are x Wᵀ + b; the gradient goes on to W, x and b.

    Returns a Derivation: `steps` with both sides as trees and as TeX, and `markdown()`, `latex()`
    and `json()`. Every step is an equality that `softxent.derive.check` can decide.

    Raises TypeError for a keyword that is no option or an option of the wrong type, ValueError for
    an unknown choice and for options that do not go together.

    >>> left, right = derive("hessian", temperature=True).result
    >>> from softxent.derive.write.tex import tex
    >>> print(tex(right))
    \frac{1}{T^2} \left(\sum_{k} t_k\right) y_i \left(\delta_{ij} - y_j\right)
    """
    from softxent.derive.write import deriving

    problem = problem_from(result, dict(options))
    return deriving.tour() if problem is None else deriving.derivation(problem)
