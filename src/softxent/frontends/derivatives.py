r"""The derivatives of softmax cross-entropy beyond its gradient: JVP, HVP, Hessian, by the target.

All are derivatives of the reduced loss; with reduction="none" of each row's own loss. The keywords
of every function are those of `softxent.Options`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from softxent.contracts import Array, OptionsDict, Rows, loss_dtype
from softxent.errors import describe, error
from softxent.frontends.steps import Loss, bind, direction, output, per_row, rounded
from softxent.kernels import memory

if TYPE_CHECKING:
    from typing_extensions import Unpack


def cross_entropy_jvp(
    logits: object,
    target: object,
    tangent: object,
    *,
    target_tangent: object = None,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Loss:
    r"""Directional derivative of the loss along a tangent of the logits, and of a soft target.

    .. math:: \dot C = \sum_{i} \frac{\partial C}{\partial z_i} v_i
              + \sum_{k} \frac{\partial C}{\partial t_k} \dot t_k

    of :math:`C = -\sum_{k} t_k \log y_k` and :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors: as `cross_entropy`, and
        tangent: v, of the logits' shape, in any of the four dtypes; None is zero.
        target_tangent: of the logits' shape, for a soft target only; None is zero.

    Returns:
        The derivative of the reduced loss, in the loss's dtype; with reduction="none" an array of
        the rows' shape. 0 where the mean is empty or both directions are None.

    Accuracy and memory: relative to the sum of the magnitudes of its terms, 1e-4 in float32 on
    rows that one class dominates; one row per thread.

    Source: `softxent.formula`, "jvp".

    >>> from softxent import cross_entropy_jvp
    >>> float(cross_entropy_jvp([[0.0, 0.0]], [0], [[1.0, 0.0]]))
    -0.5
    """
    where = "cross_entropy_jvp"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    v = None if tangent is None else direction(where, "tangent", tangent, rows.logits, axis)
    dt = None
    if target_tangent is not None:
        if rows.soft is None:
            raise error(
                ValueError,
                "option-conflict",
                where,
                "target_tangent",
                describe(target_tangent),
                "None, the target being class indices",
                "Class indices do not move; pass a soft target, for example from one_hot.",
            )
        dt = direction(where, "target_tangent", target_tangent, rows.logits, axis)
    by_row = per_row(rows)
    if scale.empty or (v is None and dt is None):  # nothing moves, NaN rows neither
        return rounded(rows, 0.0) if by_row is None else np.zeros(rows.lead, by_row.dtype)
    total = kernels.jvp(rows, v, dt, per_row=by_row, **scale.factors)
    return rounded(rows, total) if by_row is None else by_row.reshape(rows.lead)


def cross_entropy_hvp(
    logits: object,
    target: object,
    vector: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Array:
    r"""Hessian of the loss by the logits, times a vector, without the Hessian.

    .. math:: \sum_{j} \frac{\partial^2 C}{\partial z_i \partial z_j} v_j
              = \left(\sum_{k} t_k\right) y_i \left(v_i - \sum_{j} y_j v_j\right)

    of :math:`C = -\sum_{k} t_k \log y_k` and :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors: as `cross_entropy`, and
        vector: v, of the logits' shape, in any of the four dtypes.

    Returns:
        Hv, of the logits' shape and dtype; exactly 0 for ignored rows and where the mean is empty.

    Accuracy and memory: relative to the sum of the magnitudes of its terms, 1e-4 in float32 on
    rows that one class dominates; one row per thread beside the output.

    Source: `softxent.formula`, "hvp".

    >>> from softxent import cross_entropy_hvp
    >>> cross_entropy_hvp([[0.0, 0.0]], [0], [[1.0, 0.0]])
    array([[ 0.25, -0.25]])
    """
    where = "cross_entropy_hvp"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    v = direction(where, "vector", vector, rows.logits, axis)
    product, view = output(where, rows.logits, axis)
    if scale.empty:
        product.fill(0)
    else:
        kernels.hvp(rows, v, view, **scale.factors)
    return product


def cross_entropy_hessian(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Array:
    r"""Hessian of the loss by the logits, whole, for small V; one V by V block per row.

    .. math:: \frac{\partial^2 C}{\partial z_i \partial z_j}
              = \left(\sum_{k} t_k\right) y_i (\delta_{ij} - y_j)

    of :math:`C = -\sum_{k} t_k \log y_k` and :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors: as `cross_entropy`. Blocks between two rows are zero and not returned.

    Returns:
        (..., V, V) in the logits' dtype: the rows' shape, then the two class axes, wherever the
        logits have theirs. Exactly 0 for ignored rows and where the mean is empty.

    Accuracy and memory: as `cross_entropy_hvp`, of which it is V; the result takes V^2 numbers per
    row, and 2 V integers or floats per row beside it.

    Source: `softxent.formula`, "hessian".

    >>> from softxent import cross_entropy_hessian
    >>> cross_entropy_hessian([[0.0, 0.0]], [0])
    array([[[ 0.25, -0.25],
            [-0.25,  0.25]]])
    """
    where = "cross_entropy_hessian"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    n_classes = rows.n_classes
    hessian: Array = memory.empty((*rows.logits.shape, n_classes), rows.logits.dtype)
    if scale.empty:
        hessian.fill(0)
    else:
        # Row i of a block is the HVP with the unit vector e_i (the Hessian is symmetric).
        unit = np.broadcast_to(np.eye(n_classes, dtype=np.float32), hessian.shape)
        kernels.hvp(_each_row_repeated(rows, n_classes), unit, hessian, **scale.factors)
    return hessian


def cross_entropy_hessian_diag(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Array:
    r"""Diagonal of the Hessian of the loss by the logits: the entries j = i.

    .. math:: \frac{\partial^2 C}{\partial z_i \partial z_j}
              = \left(\sum_{k} t_k\right) y_i (\delta_{ij} - y_j)

    of :math:`C = -\sum_{k} t_k \log y_k` and :math:`y = \operatorname{softmax}(z)`.

    Arguments, errors: as `cross_entropy`.

    Returns:
        The diagonal, of the logits' shape and dtype; exactly 0 for ignored rows and where the mean
        is empty.

    Accuracy and memory: as `cross_entropy_hvp`.

    Source: `softxent.formula`, "hessian".

    >>> from softxent import cross_entropy_hessian_diag
    >>> cross_entropy_hessian_diag([[0.0, 0.0]], [0])
    array([[0.25, 0.25]])
    """
    where = "cross_entropy_hessian_diag"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    diagonal, view = output(where, rows.logits, axis)
    if scale.empty:
        diagonal.fill(0)
    else:
        kernels.hessian_diag(rows, view, **scale.factors)
    return diagonal


def cross_entropy_target_grad(
    logits: object,
    target: object,
    *,
    axis: int = -1,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Array:
    r"""Gradient of the loss by the target, soft or the one-hot rows that class indices stand for.

    .. math:: \frac{\partial C}{\partial t_k} = -\log y_k

    of :math:`C = -\sum_{k} t_k \log y_k`.

    Arguments, errors: as `cross_entropy`. The mean's denominator is held constant, also where
    class weights make it depend on the class indices.

    Returns:
        The gradient, of the logits' shape, in the dtype of a soft target, or for class indices in
        the loss's dtype. Exactly 0 for ignored rows and where the mean is empty; +inf at a logit
        of -inf.

    Accuracy and memory: at most 4 ULP; one row per thread beside the output.

    Source: `softxent.formula`, "target-gradient".

    >>> from softxent import cross_entropy_target_grad
    >>> cross_entropy_target_grad([[0.0, 0.0]], [[1.0, 0.0]]).round(4)
    array([[0.6931, 0.6931]])
    """
    where = "cross_entropy_target_grad"
    kernels, rows, scale = bind(where, logits, target, axis, implementation, options)
    dtype = loss_dtype(rows.logits.dtype) if rows.soft is None else rows.soft.dtype
    grad, view = output(where, rows.logits, axis, dtype=dtype)
    if scale.empty:
        grad.fill(0)
    else:
        kernels.target_grad(rows, view, ce_factor=scale.factors["ce_factor"])
    return grad


def _each_row_repeated(rows: Rows, times: int) -> Rows:
    """Return the problem with each row there `times` times; the logits are stride-0 views."""
    shape = (*rows.lead, times, rows.n_classes)
    options = rows.options
    if options.row_weight is not None:
        options = replace(options, row_weight=np.repeat(options.row_weight, times))
    return Rows(
        np.broadcast_to(rows.logits[..., None, :], shape),
        None if rows.target is None else np.repeat(rows.target, times),
        None if rows.soft is None else np.broadcast_to(rows.soft[..., None, :], shape),
        options,
    )
