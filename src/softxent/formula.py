"""Every equation of the package as data: docstrings print it, the reference computes it.

Letters: z logits · t target · y softmax · C the loss of a row · L the reduced loss · V classes ·
N rows · x, W, b input, weight and bias of the last layer · v a direction · δ Kronecker's delta ·
a dot marks a directional derivative. Options: T temperature · c softcap · ε label smoothing ·
w class weights · λ z-loss · r row weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType


@dataclass(frozen=True)
class Formula:
    """One equation: `latex` is an equality (or a chain of them) that holds on `domain`."""

    id: str
    title: str
    latex: str
    domain: str
    source: str
    uses: tuple[str, ...] = ()
    """Ids of the formulas that define its letters; where any y will do, that of y is not one."""


def get(id: str) -> Formula:
    """Return the formula with this id; KeyError names the nearest ids where there is none.

    >>> get("gradient").latex
    '\\\\frac{\\\\partial C}{\\\\partial z_i} = y_i \\\\sum_{k} t_k - t_i'
    """
    try:
        return FORMULAS[id]
    except KeyError:
        near = get_close_matches(id, FORMULAS, n=3, cutoff=0.4) or sorted(FORMULAS)
        raise KeyError(
            f"softxent.formula.get: no formula has the id {id!r}; did you mean {', '.join(near)}?"
        ) from None


def premises(id: str) -> tuple[Formula, ...]:
    """Return what has to be read before this formula: all that it uses, and what those use.

    >>> [formula.id for formula in premises("gradient")]
    ['softmax', 'cross-entropy']
    """
    found: dict[str, Formula] = {}
    for used in get(id).uses:
        found.update((formula.id, formula) for formula in premises(used))
        found[used] = get(used)
    return tuple(found.values())


_REAL = "z real, V ≥ 1"
_TARGET = "z and t real; t need not sum to 1"
_OPTIONS = "all options together; y = softmax(a), w̃ as in weighted-target"
_CAPPED = "c > 0, T = 1; y = softmax(a), a as in softcap"
_LINEAR = "x (N, D), W (V, D), b (V,); L the reduced loss of z"
_QUOTIENT = "quotient rule on softmax, the cases k = i and k ≠ i joined by δ"
_CHAIN = "chain rule through softmax-jacobian"

_SOFTMAX = ("softmax",)
_ROW = ("softmax", "cross-entropy")
_WITH_TEMPERATURE = ("temperature", "transformed-softmax", "cross-entropy")
_WITH_SOFTCAP = ("softcap", "transformed-softmax", "cross-entropy", "softcap-slope")
_WITH_Z_LOSS = ("transformed-softmax", "z-loss")

_ALL = (
    # ------------------------------------------------------------------ softmax
    Formula(
        "softmax",
        "Softmax",
        r"y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}",
        _REAL,
        "definition (Bridle 1990)",
    ),
    Formula(
        "log-softmax",
        "Logarithm of the softmax",
        r"\log y_k = z_k - \log \sum_{j} e^{z_j}",
        _REAL,
        "logarithm of softmax",
        _SOFTMAX,
    ),
    Formula(
        "largest-logit",
        "Largest logit",
        r"m = \max_{k} a_k",
        "a real, or −inf as a mask",
        "definition",
    ),
    Formula(
        "shifted-sum",
        "What the other logits add to the largest",
        r"s = \sum_{j} e^{a_j - m} - 1",
        "a real; computed over the others, where the largest is not its own term",
        "definition",
        ("largest-logit",),
    ),
    Formula(
        "log-sum-exp",
        "Log-sum-exp, shifted by the largest logit",
        r"\mathrm{lse} = \log \sum_{j} e^{a_j} = m + \log(1 + s)",
        "a real; m the largest a, s the sum of e^{a_j − m} over the others",
        "e^m taken out of the sum",
        ("largest-logit", "shifted-sum"),
    ),
    Formula(
        "softmax-jacobian",
        "Jacobian of the softmax",
        r"\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} - y_i)",
        _REAL,
        _QUOTIENT,
        _SOFTMAX,
    ),
    Formula(
        "softmax-jvp",
        "Jacobian of the softmax times a tangent",
        r"\sum_{i} \frac{\partial y_k}{\partial z_i} v_i = y_k \left(v_k - \sum_{j} y_j v_j\right)",
        _REAL,
        "softmax-jacobian, summed",
        _SOFTMAX,
    ),
    Formula(
        "softmax-vjp",
        "Cotangent times the Jacobian of the softmax",
        r"\sum_{k} v_k \frac{\partial y_k}{\partial z_i} = y_i \left(v_i - \sum_{j} y_j v_j\right)",
        _REAL,
        "softmax-jacobian is symmetric",
        _SOFTMAX,
    ),
    # ------------------------------------------------------------------ cross-entropy
    Formula(
        "one-hot",
        "Class index as a target",
        r"t_k = \delta_{k\tau}",
        "τ the class index, 0 ≤ τ < V",
        "definition",
    ),
    Formula(
        "cross-entropy",
        "Cross-entropy",
        r"C = -\sum_{k} t_k \log y_k",
        _TARGET,
        "definition",
    ),
    Formula(
        "log-sum-exp-form",
        "Cross-entropy without the softmax",
        r"C = \left(\sum_{k} t_k\right) \log \sum_{j} e^{z_j} - \sum_{k} t_k z_k",
        _TARGET,
        "log-softmax put into cross-entropy",
        _ROW,
    ),
    Formula(
        "gradient",
        "Gradient of the cross-entropy",
        r"\frac{\partial C}{\partial z_i} = y_i \sum_{k} t_k - t_i",
        _TARGET,
        _CHAIN + ", or log-sum-exp-form differentiated",
        _ROW,
    ),
    Formula(
        "gradient-normalised",
        "Gradient of the cross-entropy, probabilities as target",
        r"\frac{\partial C}{\partial z_i} = y_i - t_i",
        "z real; Σ t = 1, so every class index",
        "gradient with Σ t = 1",
        _ROW,
    ),
    Formula(
        "target-gradient",
        "Gradient with respect to the target",
        r"\frac{\partial C}{\partial t_k} = -\log y_k",
        _TARGET,
        "cross-entropy is linear in t",
        _ROW,
    ),
    Formula(
        "jvp",
        "Directional derivative of the cross-entropy",
        r"\dot C = \sum_{i} \frac{\partial C}{\partial z_i} v_i"
        r" + \sum_{k} \frac{\partial C}{\partial t_k} \dot t_k",
        _TARGET,
        "total differential; v the tangent of z",
        _ROW,
    ),
    Formula(
        "hessian",
        "Hessian of the cross-entropy",
        r"\frac{\partial^2 C}{\partial z_i \partial z_j}"
        r" = \left(\sum_{k} t_k\right) y_i (\delta_{ij} - y_j)",
        _TARGET,
        "gradient differentiated: the Jacobian again",
        _ROW,
    ),
    Formula(
        "hvp",
        "Hessian of the cross-entropy times a vector",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j"
        r" = \left(\sum_{k} t_k\right) y_i \left(v_i - \sum_{j} y_j v_j\right)",
        _TARGET,
        "hessian, summed",
        _ROW,
    ),
    # ------------------------------------------------------------------ rows and the last layer
    Formula(
        "batch-softmax",
        "Softmax, row by row",
        r"y_{nk} = \frac{e^{z_{nk}}}{\sum_{j} e^{z_{nj}}}",
        "z real, V ≥ 1",
        "softmax of each row",
    ),
    Formula(
        "batch-mean",
        "Mean over rows",
        r"L = -\frac{1}{N} \sum_{n} \sum_{k} t_{nk} \log y_{nk}",
        "N ≥ 1, unit weights",
        "definition",
        ("batch-softmax",),
    ),
    Formula(
        "batch-mean-gradient",
        "Gradient of the mean over rows",
        r"\frac{\partial L}{\partial z_{ni}} = \frac{1}{N} (y_{ni} - t_{ni})",
        "N ≥ 1, unit weights, Σ_k t_nk = 1",
        "gradient-normalised, row by row",
        ("batch-mean",),
    ),
    Formula(
        "weighted-mean",
        "Mean over rows, class indices",
        r"L = \frac{\sum_{n} r_n C_n}{\sum_{n} r_n w_{\tau_n}} + \frac{\sum_{n} r_n Z_n}{N}",
        "sums over the N rows that count (class index τ_n not ignored); Z as in z-loss",
        "definition, PyTorch's denominator",
    ),
    Formula(
        "soft-mean",
        "Mean over rows, soft targets",
        r"L = \frac{\sum_{n} r_n C_n}{\sum_{n} r_n} + \frac{\sum_{n} r_n Z_n}{N}",
        "N ≥ 1; the denominator is N without row weights, whatever Σ t; Z as in z-loss",
        "definition, PyTorch's denominator",
    ),
    Formula(
        "output-neuron",
        "The last layer",
        r"z_{no} = \sum_{d} x_{nd} W_{od} + b_o",
        _LINEAR,
        "definition",
    ),
    Formula(
        "linear-weight-gradient",
        "Gradient with respect to the last layer's weight",
        r"\frac{\partial L}{\partial W_{od}} = \sum_{n} \frac{\partial L}{\partial z_{no}} x_{nd}",
        _LINEAR,
        "chain rule through output-neuron",
        ("output-neuron",),
    ),
    Formula(
        "linear-input-gradient",
        "Gradient with respect to the last layer's input",
        r"\frac{\partial L}{\partial x_{nd}} = \sum_{o} \frac{\partial L}{\partial z_{no}} W_{od}",
        _LINEAR,
        "chain rule through output-neuron",
        ("output-neuron",),
    ),
    Formula(
        "linear-bias-gradient",
        "Gradient with respect to the last layer's bias",
        r"\frac{\partial L}{\partial b_o} = \sum_{n} \frac{\partial L}{\partial z_{no}}",
        _LINEAR,
        "chain rule through output-neuron",
        ("output-neuron",),
    ),
    Formula(
        "linear-tangent",
        "Tangent of the logits",
        r"\dot z_{no} = \sum_{d} \left(\dot x_{nd} W_{od} + x_{nd} \dot W_{od}\right) + \dot b_o",
        _LINEAR,
        "product rule on output-neuron",
        ("output-neuron",),
    ),
    Formula(
        "linear-weight-hvp",
        "Hessian-vector product, weight part",
        r"\dot G_{od} = \sum_{n} \left(\dot g_{no} x_{nd} + g_{no} \dot x_{nd}\right)",
        _LINEAR + "; g = ∂L/∂z, ġ its HVP with linear-tangent, G = ∂L/∂W",
        "product rule on linear-weight-gradient",
    ),
    Formula(
        "linear-input-hvp",
        "Hessian-vector product, input part",
        r"\dot h_{nd} = \sum_{o} \left(\dot g_{no} W_{od} + g_{no} \dot W_{od}\right)",
        _LINEAR + "; g = ∂L/∂z, ġ its HVP with linear-tangent, h = ∂L/∂x",
        "product rule on linear-input-gradient",
    ),
    Formula(
        "linear-bias-hvp",
        "Hessian-vector product, bias part",
        r"\dot q_o = \sum_{n} \dot g_{no}",
        _LINEAR + "; ġ the HVP of ∂L/∂z with linear-tangent, q = ∂L/∂b",
        "linear-bias-gradient differentiated",
    ),
    # ------------------------------------------------------------------ each option alone
    Formula(
        "transformed-softmax",
        "Softmax of what an option makes of the logits",
        r"y_k = \frac{e^{a_k}}{\sum_{j} e^{a_j}}",
        "a as in temperature, softcap or transform",
        "softmax of a",
    ),
    Formula(
        "temperature",
        "Temperature",
        r"a_k = \frac{z_k}{T}",
        "T > 0",
        "definition (Hinton et al. 2015)",
    ),
    Formula(
        "temperature-gradient",
        "Gradient with temperature",
        r"\frac{\partial C}{\partial z_i} = \frac{1}{T} \left(y_i \sum_{k} t_k - t_i\right)",
        "T > 0; y = softmax(z/T)",
        "chain rule through temperature",
        _WITH_TEMPERATURE,
    ),
    Formula(
        "temperature-hvp",
        "Hessian-vector product with temperature",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j = \frac{1}{T^2}"
        r" \left(\sum_{k} t_k\right) y_i \left(v_i - \sum_{j} y_j v_j\right)",
        "T > 0; y = softmax(z/T)",
        "chain rule through temperature, twice",
        _WITH_TEMPERATURE,
    ),
    Formula(
        "softcap",
        "Soft cap",
        r"a_k = c \tanh\left(\frac{z_k}{c}\right)",
        "c > 0, T = 1; −inf stays a mask",
        "definition (Gemma 2, 2024)",
    ),
    Formula(
        "softcap-slope",
        "Derivative of the soft cap",
        r"J_i = \frac{\partial a_i}{\partial z_i}"
        r" = \operatorname{sech}^2\left(\frac{z_i}{c}\right)",
        "c > 0, T = 1",
        "tanh' = sech²",
        ("softcap",),
    ),
    Formula(
        "softcap-gradient",
        "Gradient with soft cap",
        r"\frac{\partial C}{\partial z_i} = \operatorname{sech}^2\left(\frac{z_i}{c}\right)"
        r" \left(y_i \sum_{k} t_k - t_i\right)",
        _CAPPED,
        "chain rule, tanh' = sech²",
        _WITH_SOFTCAP,
    ),
    Formula(
        "softcap-hvp",
        "Hessian-vector product with soft cap",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j"
        r" = J_i \left(\sum_{k} t_k\right) y_i \left(J_i v_i - \sum_{j} y_j J_j v_j\right)"
        r" - \frac{2}{c} \tanh\left(\frac{z_i}{c}\right) J_i"
        r" \left(y_i \sum_{k} t_k - t_i\right) v_i",
        _CAPPED + "; J_i = sech²(z_i/c)",
        "product rule on softcap-gradient, (sech²)' = −2 tanh sech²",
        _WITH_SOFTCAP,
    ),
    Formula(
        "label-smoothing",
        "Label smoothing",
        r"t'_k = (1 - \varepsilon) t_k + \frac{\varepsilon}{V}",
        "0 ≤ ε ≤ 1",
        "definition (Szegedy et al. 2016)",
    ),
    Formula(
        "label-smoothing-loss",
        "Cross-entropy with label smoothing",
        r"C = -\sum_{k} t'_k \log y_k",
        "0 ≤ ε ≤ 1; t' as in label-smoothing",
        "cross-entropy with t' for t",
        ("label-smoothing",),
    ),
    Formula(
        "label-smoothing-gradient",
        "Gradient with label smoothing",
        r"\frac{\partial C}{\partial z_i} = y_i \sum_{k} t'_k - t'_i",
        "0 ≤ ε ≤ 1; t' as in label-smoothing",
        "gradient with t' for t",
        ("softmax", "label-smoothing-loss"),
    ),
    Formula(
        "label-smoothing-hvp",
        "Hessian-vector product with label smoothing",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j"
        r" = \left(\sum_{k} t'_k\right) y_i \left(v_i - \sum_{j} y_j v_j\right)",
        "0 ≤ ε ≤ 1; t' as in label-smoothing",
        "hvp with t' for t",
        ("softmax", "label-smoothing-loss"),
    ),
    Formula(
        "class-weights",
        "Class weights",
        r"C = -\sum_{k} w_k t_k \log y_k",
        "w ≥ 0",
        "definition, as in PyTorch",
    ),
    Formula(
        "class-weights-gradient",
        "Gradient with class weights",
        r"\frac{\partial C}{\partial z_i} = y_i \sum_{k} w_k t_k - w_i t_i",
        "w ≥ 0",
        "gradient with w_k t_k for t_k",
        ("softmax", "class-weights"),
    ),
    Formula(
        "class-weights-hvp",
        "Hessian-vector product with class weights",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j"
        r" = \left(\sum_{k} w_k t_k\right) y_i \left(v_i - \sum_{j} y_j v_j\right)",
        "w ≥ 0",
        "hvp with w_k t_k for t_k",
        ("softmax", "class-weights"),
    ),
    Formula(
        "z-loss",
        "z-loss",
        r"Z = \lambda \mathrm{lse}^2",
        "λ ≥ 0; lse as in log-sum-exp; not class-weighted, not smoothed",
        "definition (Chowdhery et al. 2022)",
        ("log-sum-exp",),
    ),
    Formula(
        "z-loss-gradient",
        "Gradient of the z-loss",
        r"\frac{\partial Z}{\partial a_i} = 2 \lambda \mathrm{lse} y_i",
        "λ ≥ 0; y = softmax(a)",
        "chain rule, ∂lse/∂a_i = y_i",
        _WITH_Z_LOSS,
    ),
    Formula(
        "z-loss-hvp",
        "Hessian-vector product of the z-loss",
        r"\sum_{j} \frac{\partial^2 Z}{\partial a_i \partial a_j} v_j = 2 \lambda y_i"
        r" \left(\mathrm{lse} \left(v_i - \sum_{j} y_j v_j\right) + \sum_{j} y_j v_j\right)",
        "λ ≥ 0; y = softmax(a)",
        "product rule on z-loss-gradient",
        _WITH_Z_LOSS,
    ),
    # ------------------------------------------------------------------ all options together
    Formula(
        "transform",
        "From logits to what the softmax sees",
        r"a_k = \frac{c}{T} \tanh\left(\frac{z_k}{c}\right)",
        "c, T > 0; without a soft cap a = z/T",
        "softcap, then temperature",
    ),
    Formula(
        "transform-slope",
        "Derivative of the transform",
        r"J_i = \frac{\partial a_i}{\partial z_i}"
        r" = \frac{1}{T} \operatorname{sech}^2\left(\frac{z_i}{c}\right)",
        "c, T > 0; without a soft cap J = 1/T",
        "tanh' = sech²",
        ("transform",),
    ),
    Formula(
        "weighted-target",
        "Target with smoothing and class weights",
        r"\tilde w_k = w_k \left((1 - \varepsilon) t_k + \frac{\varepsilon}{V}\right)",
        "0 ≤ ε ≤ 1, w ≥ 0",
        "label-smoothing, then class-weights",
    ),
    Formula(
        "weight-sum",
        "Sum of the weighted target",
        r"S = \sum_{k} \tilde w_k",
        "w̃ as in weighted-target",
        "definition",
        ("weighted-target",),
    ),
    Formula(
        "curvature",
        "Factor of the softmax's Jacobian in the Hessian",
        r"u = S + 2 \lambda \mathrm{lse}",
        "S as in weight-sum, lse as in log-sum-exp",
        "definition",
        ("weight-sum", "log-sum-exp"),
    ),
    Formula(
        "loss",
        "Loss of a row",
        r"C = -\sum_{k} \tilde w_k \log y_k + \lambda \mathrm{lse}^2"
        r" = S \log(1 + s) + \sum_{k} \tilde w_k (m - a_k) + \lambda \mathrm{lse}^2",
        _OPTIONS + ", S = Σ w̃; m, s as in log-sum-exp",
        "log-sum-exp-form, shifted; no term is negative where t ≥ 0",
        ("transform", "transformed-softmax", "weighted-target", "weight-sum", "log-sum-exp"),
    ),
    Formula(
        "loss-gradient",
        "Gradient with respect to a",
        r"\frac{\partial C}{\partial a_i} = y_i \sum_{j \neq i} \tilde w_j"
        r" - \tilde w_i \sum_{j \neq i} y_j + 2 \lambda \mathrm{lse} y_i",
        _OPTIONS,
        "gradient with w̃ for t, the entry's own product taken out of both terms; z-loss-gradient",
        ("loss",),
    ),
    Formula(
        "logit-gradient",
        "Gradient with respect to the logits",
        r"\frac{\partial C}{\partial z_i} = J_i \frac{\partial C}{\partial a_i}",
        _OPTIONS,
        "chain rule through transform",
        ("transform-slope", "loss"),
    ),
    Formula(
        "loss-target-gradient",
        "Gradient with respect to the target, with options",
        r"\frac{\partial C}{\partial t_k} = -(1 - \varepsilon) w_k \log y_k",
        _OPTIONS,
        "C is linear in t",
        ("loss",),
    ),
    Formula(
        "loss-hvp",
        "Hessian-vector product with options",
        r"\sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j = J_i \left("
        r"u y_i \left(J_i v_i - \sum_{j} y_j J_j v_j\right)"
        r" + 2 \lambda y_i \sum_{j} y_j J_j v_j\right)"
        r" - \frac{2}{c T} \tanh\left(\frac{z_i}{c}\right)"
        r" \operatorname{sech}^2\left(\frac{z_i}{c}\right) \frac{\partial C}{\partial a_i} v_i",
        _OPTIONS + "; u = S + 2λ lse; the last term vanishes without a soft cap",
        "product rule on logit-gradient",
        ("transform-slope", "loss", "curvature"),
    ),
    Formula(
        "loss-hessian",
        "Hessian with options",
        r"\frac{\partial^2 C}{\partial z_i \partial z_j} = J_i J_j \left("
        r"u y_i (\delta_{ij} - y_j) + 2 \lambda y_i y_j\right) - \delta_{ij} \frac{2}{c}"
        r" \tanh\left(\frac{z_i}{c}\right) J_i \frac{\partial C}{\partial a_i}",
        _OPTIONS + "; u = S + 2λ lse; its diagonal is i = j",
        "loss-hvp with the unit vectors",
        ("transform-slope", "loss", "curvature"),
    ),
    # ------------------------------------------------------------------ statistics
    Formula(
        "logprob",
        "Log-probability of the target",
        r"\ell = \sum_{k} t_k \log y_k",
        "without class weights and smoothing; log y_τ for a class index τ",
        "definition",
    ),
    Formula(
        "entropy",
        "Entropy of the prediction",
        r"H = -\sum_{k} y_k \log y_k",
        "0 log 0 = 0",
        "definition (Shannon 1948)",
    ),
)

FORMULAS: Mapping[str, Formula] = MappingProxyType({formula.id: formula for formula in _ALL})
