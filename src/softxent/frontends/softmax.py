"""Softmax, log-softmax, log-sum-exp, and the derivatives of softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from softxent.contracts import (
    Array,
    bind_logits,
    checked_number,
    loss_dtype,
)
from softxent.frontends.steps import direction, output
from softxent.kernels import memory
from softxent.kernels.registry import pick


def softmax(
    logits: object,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    softcap: float | None = None,
    out: Array | None = None,
    implementation: str | None = None,
) -> Array:
    r"""Softmax along one axis: probabilities from logits.

    .. math:: y_k = \frac{e^{z_k}}{\sum_{j} e^{z_j}}

    Arguments:
        logits: (..., V) float32, float64, bfloat16 or float16, in nats; V >= 1. A logit of -inf is
            a mask: probability +0. A row that is all -inf or holds +inf or NaN becomes NaN.
        axis: the class axis.
        temperature: T > 0; the logits are divided by it.
        softcap: c > 0; the logits become c tanh(z / c) first. None leaves them.
        out: where to write, of the logits' shape and dtype; the logits themselves work in place.
            After an exception its content is undefined.
        implementation: "native", "numpy", or None for the best that runs here.

    Returns:
        Probabilities of the logits' shape and dtype; `out` if it was given.

    Raises:
        TypeError: logits or out of another dtype. ValueError: V = 0, an axis that is not there, a
            number outside its range, an out of another shape or that shares memory.

    Accuracy and memory: at most 6 ULP per entry; one row per thread beside the output.

    Source: `softxent.formula`, "softmax".

    >>> from softxent import softmax
    >>> softmax([2.0, 1.0, 0.1]).round(4)
    array([0.659 , 0.2424, 0.0986])
    """
    return _softmax("softmax", logits, axis, temperature, softcap, out, implementation)


def log_softmax(
    logits: object,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    softcap: float | None = None,
    out: Array | None = None,
    implementation: str | None = None,
) -> Array:
    r"""Logarithm of softmax along one axis, right where softmax itself underflows.

    .. math:: \log y_k = z_k - \log \sum_{j} e^{z_j}

    where :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors and memory: as `softmax`. A masked class has log-probability -inf.

    Returns:
        Log-probabilities, at most 0, of the logits' shape and dtype; `out` if it was given.

    Accuracy: at most 4 ULP per entry.

    Source: `softxent.formula`, "log-softmax".

    >>> from softxent import log_softmax
    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    return _softmax("log_softmax", logits, axis, temperature, softcap, out, implementation)


def logsumexp(
    logits: object,
    *,
    axis: int = -1,
    keepdims: bool = False,
    temperature: float = 1.0,
    softcap: float | None = None,
    implementation: str | None = None,
) -> np.floating[Any] | Array:
    r"""Log-sum-exp along one axis: the normalizer of softmax.

    .. math:: \mathrm{lse} = \log \sum_{j} e^{a_j} = m + \log(1 + s)

    where :math:`m = \max_{k} a_k`, :math:`s = \sum_{j} e^{a_j - m} - 1`, and the a_j are the logits
    after softcap and temperature, so z_j by default.

    Arguments, errors and memory: as `softmax`; `keepdims` keeps the class axis, of length 1.

    Returns:
        One number per row: float64 for float64 logits, float32 otherwise; a NumPy scalar for one
        row. NaN for a row that is all -inf or holds +inf or NaN.

    Accuracy: at most 4 ULP of max(abs(m), log1p(s)), m the largest logit and s the sum of the
    others' exponentials relative to it.

    Source: `softxent.formula`, "log-sum-exp".

    >>> from softxent import logsumexp
    >>> float(logsumexp([1000.0, 1000.0]))
    1000.6931471805599
    """
    where = "logsumexp"
    temperature = checked_number(where, "temperature", temperature)
    softcap = None if softcap is None else checked_number(where, "softcap", softcap)
    z = bind_logits(where, logits, axis)
    lse = np.empty(z.size // z.shape[-1], loss_dtype(z.dtype))
    pick(implementation).logsumexp(z, lse, temperature=temperature, softcap=softcap)
    lse = lse.reshape(z.shape[:-1])
    return np.expand_dims(lse, axis) if keepdims else lse[()]


def softmax_jacobian(logits: object, *, implementation: str | None = None) -> Array:
    r"""Jacobian of softmax, whole, for small V.

    .. math:: \frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} - y_i)

    where :math:`y = \operatorname{softmax}(z)`.

    Arguments:
        logits: (..., V), the class axis last; see `softmax` for dtypes and edges.
        implementation: see `softmax`.

    Returns:
        (..., V, V) in the logits' dtype; symmetric, its rows and columns sum to 0.

    Raises: as `softmax`.

    Accuracy and memory: as `softmax_jvp`, of which it is V; the result takes V^2 numbers per row.

    Source: `softxent.formula`, "softmax-jacobian".

    >>> from softxent import softmax_jacobian
    >>> softmax_jacobian([0.0, 0.0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    z = bind_logits("softmax_jacobian", logits, -1)
    n_classes = z.shape[-1]
    square = (*z.shape, n_classes)
    jacobian: Array = memory.empty(square, z.dtype)
    # Row k is the JVP along the unit vector e_k (the Jacobian is symmetric); nothing is repeated
    # in memory: both inputs are stride-0 views.
    unit = np.broadcast_to(np.eye(n_classes, dtype=np.float32), square)
    repeated = np.broadcast_to(z[..., None, :], square)
    pick(implementation).softmax_jvp(repeated, unit, jacobian)
    return jacobian


def softmax_jvp(
    logits: object, tangent: object, *, axis: int = -1, implementation: str | None = None
) -> Array:
    r"""Jacobian of softmax times a tangent: how the probabilities move with the logits.

    .. math:: \sum_{i} \frac{\partial y_k}{\partial z_i} v_i
              = y_k \left(v_k - \sum_{j} y_j v_j\right)

    where :math:`y = \operatorname{softmax}(z)`.

    Arguments:
        logits: (..., V); see `softmax` for dtypes and edges.
        tangent: v, of the logits' shape, in any of the four dtypes.
        axis, implementation: see `softmax`.

    Returns:
        The tangent of the probabilities, of the logits' shape and dtype.

    Raises: as `softmax`; ValueError for a tangent of another shape.

    Accuracy and memory: float32 1e-4 relative to the sum of the magnitudes of its terms, also
    where one class dominates; one row per thread beside the output.

    Source: `softxent.formula`, "softmax-jvp".

    >>> from softxent import softmax_jvp
    >>> softmax_jvp([0.0, 0.0], [1.0, 0.0])
    array([ 0.25, -0.25])
    """
    return _softmax_jvp("softmax_jvp", "tangent", logits, tangent, axis, implementation)


def softmax_vjp(
    logits: object, cotangent: object, *, axis: int = -1, implementation: str | None = None
) -> Array:
    r"""Cotangent times the Jacobian of softmax: the step backward through a softmax layer.

    .. math:: \sum_{k} v_k \frac{\partial y_k}{\partial z_i}
              = y_i \left(v_i - \sum_{j} y_j v_j\right)

    where :math:`y = \operatorname{softmax}(z)`.

    Arguments, returns, errors, accuracy and memory: as `softmax_jvp`, the Jacobian being symmetric.

    Source: `softxent.formula`, "softmax-vjp".

    >>> from softxent import softmax_vjp
    >>> softmax_vjp([0.0, 0.0], [0.0, 1.0])
    array([-0.25,  0.25])
    """
    return _softmax_jvp("softmax_vjp", "cotangent", logits, cotangent, axis, implementation)


def _softmax(
    where: str,
    logits: object,
    axis: int,
    temperature: float,
    softcap: float | None,
    out: Array | None,
    implementation: str | None,
) -> Array:
    temperature = checked_number(where, "temperature", temperature)
    softcap = None if softcap is None else checked_number(where, "softcap", softcap)
    z = bind_logits(where, logits, axis)
    y, rows = output(where, z, axis, out)
    pick(implementation).softmax(
        z, rows, log=where == "log_softmax", temperature=temperature, softcap=softcap
    )
    return y


def _softmax_jvp(
    where: str,
    argument: str,
    logits: object,
    vector: object,
    axis: int,
    implementation: str | None,
) -> Array:
    z = bind_logits(where, logits, axis)
    v = direction(where, argument, vector, z, axis)
    product, rows = output(where, z, axis)
    pick(implementation).softmax_jvp(z, v, rows)
    return product
