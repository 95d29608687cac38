"""From what a caller passed to a problem a kernel can trust.

`bind_rows` is the door: behind it the class axis is last, the dtypes are native and known, the
target has one of two forms and every option is a checked float64. What cannot be known without
reading the target (is every class index in range?) is left to the kernel's `tally`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from softxent.contracts.arrays import Array, as_array, bind_logits, float_array, is_float_dtype
from softxent.contracts.options import IGNORE, Options
from softxent.errors import describe, error

_INT64 = np.dtype(np.int64)


def bind_rows(where: str, logits: object, target: object, axis: int, options: Options) -> Rows:
    """Check logits, target and options against each other; `where` names the caller in errors."""
    logits = bind_logits(where, logits, axis)
    lead, n_classes = logits.shape[:-1], logits.shape[-1]
    indices = soft = None
    if (  # the road of small calls: with arrays that are ready, binding takes 1.1 us in all
        type(target) is np.ndarray
        and target.dtype == _INT64
        and target.shape == lead
        and target.flags.c_contiguous
        and target.flags.aligned
    ):
        indices = target
    else:
        target = _as_target(where, target, lead)
        whole = np.moveaxis(logits, -1, axis).shape
        if target.dtype.kind in "iu":
            indices = _class_indices(where, target, lead, whole, n_classes, options)
        else:
            soft = _soft_target(where, target, lead, whole, options)
            if axis != -1:
                soft = np.moveaxis(soft, axis, -1)
    if indices is not None and len(lead) != 1:
        indices = indices.reshape(-1)
    if options.weight is not None and len(options.weight) != n_classes:
        raise error(
            ValueError,
            "option-shape",
            where,
            "weight",
            describe(options.weight),
            f"one weight per class, shape ({n_classes},)",
            f"The logits are {describe(logits)}.",
        )
    if options.row_weight is not None:
        options = _row_weight_of(where, options, lead)
    return Rows(logits, indices, soft, options)


@dataclass(frozen=True, slots=True)
class Rows:
    """A problem, resolved and checked: N rows of V classes, and all that a kernel needs of them."""

    logits: Array
    """lead + (V,): float32, float64, bfloat16 or float16, native, of any strides (0, negative),
    any alignment, perhaps read-only."""
    target: Array | None
    """(N,) class indices, int64 and C-contiguous, in C order over lead; or None."""
    soft: Array | None
    """lead + (V,) soft target, one of the four dtypes (its own), any strides; or None."""
    options: Options
    """Checked; `weight` is (V,) and `row_weight` is (N,), both float64 and C-contiguous."""

    @property
    def lead(self) -> tuple[int, ...]:
        """The rows' shape: that of the logits without the class axis."""
        shape: tuple[int, ...] = self.logits.shape
        return shape[:-1]

    @property
    def n_rows(self) -> int:
        """N."""
        return prod(self.logits.shape[:-1])

    @property
    def n_classes(self) -> int:
        """V."""
        return int(self.logits.shape[-1])


def class_index_error(
    where: str,
    lead: tuple[int, ...],
    row: int,
    value: int,
    n_classes: int,
    ignore_index: int | None,
) -> IndexError:
    """Build the error of a class index outside [0, V): its row, its value, the range."""
    argument = "target"
    if lead:
        argument += f"[{', '.join(str(i) for i in np.unravel_index(row, lead))}]"
    if len(lead) > 1:
        argument += f" (row {row})"
    ignored = "" if ignore_index is None else f" or ignore_index, {ignore_index}"
    return error(
        IndexError,
        "target-range",
        where,
        argument,
        str(value),
        f"a class index in [0, {n_classes}){ignored}",
        "Negative class indices do not wrap."
        if value < 0
        else f"There are {n_classes} classes, counted from 0.",
    )


def _row_weight_of(where: str, options: Options, lead: tuple[int, ...]) -> Options:
    """Check the shape of row_weight against the rows, and flatten it to (N,)."""
    weights = options.row_weight
    if weights is None or weights.shape != lead:
        raise error(
            ValueError,
            "option-shape",
            where,
            "row_weight",
            describe(weights),
            f"one weight per row, shape {lead}",
            "It has the shape of the logits without the class axis.",
        )
    return options if len(lead) == 1 else replace(options, row_weight=weights.reshape(-1))


def _as_target(where: str, target: object, lead: tuple[int, ...]) -> Array:
    array = as_array(where, "target", target)
    if array.size == 0 and isinstance(target, (list, tuple)) and array.shape == lead:
        return array.astype(np.int64)  # [] has no dtype of its own; NumPy calls it float64
    kind = array.dtype.kind
    if kind not in "iuf" and not is_float_dtype(array.dtype):
        raise error(
            TypeError,
            "target-dtype",
            where,
            "target",
            describe(array),
            "integers (class indices) or floats of the logits' shape (a soft target)",
            "A mask is no class index; target.astype(np.int64) says that you mean 0 and 1."
            if kind == "b"
            else "Convert it, for example target.astype(np.int64).",
        )
    return array


def _class_indices(
    where: str,
    target: Array,
    lead: tuple[int, ...],
    whole: tuple[int, ...],
    n_classes: int,
    options: Options,
) -> Array:
    if target.shape != lead:
        if target.shape == whole:
            fix = "If it is one-hot, pass it as floats; class indices have no class axis."
        elif target.shape == (*lead, 1):
            fix = "Drop its last axis: target[..., 0]."
        else:
            fix = "It has the shape of the logits without the class axis."
        raise error(
            ValueError,
            "target-shape",
            where,
            "target",
            describe(target),
            f"class indices of shape {lead}",
            fix,
        )
    if target.dtype == np.uint64 and target.size and int(target.max()) > np.iinfo(np.int64).max:
        # Casting would wrap these to negative numbers, perhaps to ignore_index: say so here.
        bad = target.reshape(-1) >= n_classes
        if options.ignore_index >= 0:
            bad &= target.reshape(-1) != np.uint64(options.ignore_index)
        row = int(bad.argmax())
        value = int(target.reshape(-1)[row])
        raise class_index_error(where, lead, row, value, n_classes, options.ignore_index)
    return np.require(target, np.int64, ["C", "A"])


def _soft_target(
    where: str, target: Array, lead: tuple[int, ...], whole: tuple[int, ...], options: Options
) -> Array:
    if target.shape == lead and target.shape != whole:
        raise error(
            TypeError,
            "target-dtype",
            where,
            "target",
            describe(target),
            "class indices of an integer dtype",
            "Convert it: target.astype(np.int64).",
        )
    if target.shape != whole:
        raise error(
            ValueError,
            "target-shape",
            where,
            "target",
            describe(target),
            f"class indices of shape {lead} or a soft target of shape {whole}",
            "A soft target has a value for every logit.",
        )
    soft = float_array(where, "target", target)
    if options.ignore_index != IGNORE:
        raise error(
            ValueError,
            "option-conflict",
            where,
            "ignore_index",
            str(options.ignore_index),
            "None or -100 with a soft target",
            "Leave rows of a soft target out with row_weight.",
        )
    return soft
