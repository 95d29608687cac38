"""Losses of one output and their slopes, with the formulas they are taken from."""

import math


def logistic(score: float, label: float) -> tuple[float, float]:
    r"""Return the logistic loss and its slope.

    With $\sigma(s) = \frac{1}{1 + e^{-s}}$ the loss of a label $y$ is

    $$\ell(s) = \log(1 + e^s) - y s$$

    and its slope is

    $$\ell'(s) = \frac{e^s}{1 + e^s} - y = \sigma(s) - y$$

    The curvature does not know the label: $\ell''(s) = \sigma(s) (1 - \sigma(s))$.
    """
    return math.log1p(math.exp(score)) - label * score, 1 / (1 + math.exp(-score)) - label


def squared(score: float, label: float) -> tuple[float, float]:
    r"""Return half the squared error and its slope.

    $$q(s) = \frac{1}{2} (s - y)^2, \quad q'(s) = s - y$$
    """
    return 0.5 * (score - label) ** 2, score - label
