r"""Softplus and friends.

The softplus function is

.. math::

    \zeta(x) = \log(1 + e^x)

and its derivative is the logistic function :math:`\sigma(x) = \frac{1}{1 + e^{-x}}`:

.. math::

    \zeta'(x) = \frac{e^x}{1 + e^x} = \sigma(x)
"""

import math


def softplus(x: float) -> float:
    r"""Return the softplus of a number.

    It splits a number into two positive parts,

    .. math::

        \zeta(x) - \zeta(-x) = x

    and it is the negative logarithm of the logistic function:

    .. math::

        \zeta(x) = -\log \sigma(-x)
    """
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def slope(x: float) -> float:
    r"""Return the derivative of softplus.

    The second derivative is :math:`\sigma'(x) = \sigma(x) (1 - \sigma(x))`, and in terms of the
    exponential it is

    .. math::

        \sigma'(x) = \frac{e^{-x}}{(1 + e^{-x})^2} = \frac{e^x}{(1 + e^x)^2}
    """
    return 1.0 / (1.0 + math.exp(-x))
