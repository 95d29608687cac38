"""One-hot vectors: the soft target that class indices stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softxent.contracts import Array, as_array, class_index_error, is_float_dtype
from softxent.errors import describe, error
from softxent.kernels.registry import pick

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def one_hot(
    target: object,
    num_classes: int,
    *,
    dtype: DTypeLike = np.float64,
    implementation: str | None = None,
) -> Array:
    r"""One-hot vectors of class indices: row n is 1 at its class and 0 elsewhere.

    .. math:: t_k = \delta_{k\tau}

    Arguments:
        target: (...) class indices of any integer dtype, in [0, num_classes).
        num_classes: V >= 1.
        dtype: of the result; one of the four that logits may have.
        implementation: as everywhere; the name is checked, but ones and zeros need no kernel.

    Returns:
        (..., V), ready to be a soft target.

    Raises:
        TypeError: a target or dtype of another kind. ValueError: num_classes < 1.
        IndexError: a class index out of range.

    Accuracy and memory: exact; the result takes V numbers per class index, so prefer class indices
    where they do.

    Source: `softxent.formula`, "one-hot".

    >>> from softxent import one_hot
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    where = "one_hot"
    pick(implementation)
    indices = as_array(where, "target", target)
    if indices.dtype.kind not in "iu":
        raise error(
            TypeError,
            "target-dtype",
            where,
            "target",
            describe(indices),
            "class indices of an integer dtype",
            "Convert it: target.astype(np.int64).",
        )
    n_classes = _num_classes(where, num_classes)
    result_dtype = np.dtype(dtype)
    if not is_float_dtype(result_dtype):
        raise error(
            TypeError,
            "logits-dtype",
            where,
            "dtype",
            result_dtype.name,
            "float32, float64, bfloat16 or float16",
            "Leave it out for float64.",
        )
    bad = (indices < 0) | (indices >= n_classes)
    if bad.any():
        row = int(bad.argmax())
        value = int(indices.reshape(-1)[row])
        raise class_index_error(where, indices.shape, row, value, n_classes, None)
    hot = np.zeros((indices.size, n_classes), result_dtype)
    hot[np.arange(indices.size), indices.reshape(-1)] = 1
    return hot.reshape(*indices.shape, n_classes)


def _num_classes(where: str, value: object) -> int:
    number = value if isinstance(value, (int, np.integer)) else None
    if number is None or isinstance(value, bool):
        kind: type[Exception] = TypeError
    elif number < 1:
        kind = ValueError
    else:
        return int(number)
    raise error(
        kind,
        "logits-shape",
        where,
        "num_classes",
        describe(value),
        "an integer >= 1",
        "It is V, the number of classes.",
    )
