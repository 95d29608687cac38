"""What may come in as an array: the four dtypes, the array protocol and DLPack, the class axis."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from softxent.errors import describe, error

Array = np.ndarray[Any, np.dtype[Any]]


def bind_logits(where: str, logits: object, axis: int) -> Array:
    """Return the logits with the class axis last, as a view unless they are big-endian."""
    if type(logits) is np.ndarray and logits.dtype in _FLOATS:
        array = logits
    else:
        array = float_array(where, "logits", logits)
    if axis != -1 or not array.ndim:
        array = class_axis_last(where, array, axis)
    if array.shape[-1] == 0:
        raise error(
            ValueError,
            "logits-shape",
            where,
            "logits",
            describe(array),
            "at least one class on the class axis",
            "A softmax over no classes has no value.",
        )
    return array


def loss_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of losses for logits of `dtype`: float64 for float64, float32 otherwise."""
    return _FLOAT64 if dtype == _FLOAT64 else _FLOAT32


def is_float_dtype(dtype: np.dtype[Any]) -> bool:
    """Say whether `dtype` is float32, float64, bfloat16 or float16 in native byte order."""
    if dtype in _FLOATS:
        return True
    # ml_dtypes.bfloat16, known by what it is so that ml_dtypes need not be imported.
    if dtype.kind == "V" and dtype.name == "bfloat16" and dtype.itemsize == 2:
        _FLOATS.add(dtype)
        return True
    return False


def float_array(where: str, argument: str, value: object) -> Array:
    """Return `value` as an array of one of the four dtypes, without a copy unless big-endian."""
    array = as_array(where, argument, value)
    if is_float_dtype(array.dtype):
        return array
    if not array.dtype.isnative and is_float_dtype(native := array.dtype.newbyteorder("=")):
        return array.astype(native)
    raise error(
        TypeError,
        "logits-dtype",
        where,
        argument,
        describe(array),
        "float32, float64, bfloat16 or float16",
        f"Convert it, for example {argument}.astype(np.float32).",
    )


def as_array(where: str, argument: str, value: object) -> Array:
    """Return a view of anything with the array protocol or DLPack on the CPU."""
    if type(value) is np.ndarray:
        return value
    if getattr(value, "requires_grad", False) is True:
        raise error(
            NotImplementedError,
            "requires-grad",
            where,
            argument,
            f"a tensor {describe(value)} with requires_grad=True",
            "an array that records no gradient",
            f"Pass {argument}.detach(); this function returns gradients, it does not record them.",
        )
    if isinstance(value, np.ma.MaskedArray):
        raise error(
            TypeError,
            "array-type",
            where,
            argument,
            f"a masked array {describe(value)}",
            "an array without a mask",
            "Leave rows out with ignore_index or row_weight, a class with a logit of -inf.",
        )
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as reason:
        raise error(
            TypeError,
            "array-type",
            where,
            argument,
            f"{describe(value)}, which NumPy cannot view ({reason})",
            "an array on the CPU",
            "Copy it to the CPU; NumPy sees torch.bfloat16 only as "
            "x.view(torch.uint16).numpy().view(ml_dtypes.bfloat16).",
        ) from reason


def class_axis_last(where: str, logits: Array, axis: int) -> Array:
    """Return a view of `logits` with the class axis moved to the end."""
    if logits.ndim == 0:
        raise error(
            ValueError,
            "logits-shape",
            where,
            "logits",
            describe(logits),
            "at least one axis, that of the classes",
            "Pass an array of shape (V,) or (..., V).",
        )
    try:
        last = operator.index(axis)
    except TypeError:
        last = logits.ndim  # no axis at all: reported as such below
    if not -logits.ndim <= last < logits.ndim or isinstance(axis, bool):
        raise error(
            ValueError if isinstance(axis, int) and not isinstance(axis, bool) else TypeError,
            "axis",
            where,
            "axis",
            describe(axis),
            f"an integer in [{-logits.ndim}, {logits.ndim})",
            f"The logits are {describe(logits)}.",
        )
    return np.moveaxis(logits, last, -1)


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

# What logits may be; bfloat16 joins when it is first met.
_FLOATS = {_FLOAT32, _FLOAT64, np.dtype(np.float16)}
