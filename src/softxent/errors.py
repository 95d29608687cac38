"""How every error reads: where, what came, what was expected, the fix, and a code to look up.

    cross_entropy: logits is int64[8, 10]; expected float32, float64, bfloat16 or float16. Convert
    it, for example logits.astype(np.float32). [logits-dtype]

The sentence is put together in one place, so that no message can forget one of its parts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

E = TypeVar("E", bound=Exception)

# Every code that a message can end with, and what it is about. Each is raised in some test.
CODES = {
    "option-name": "a keyword that is no option",
    "option-type": "an option of the wrong type",
    "option-range": "an option that is NaN, infinite, outside its range or no known choice",
    "option-shape": "weight or row_weight whose shape does not fit the problem",
    "option-conflict": "options that do not go with this kind of target",
    "array-type": "something that is not an array on the CPU, or hides part of its data",
    "requires-grad": "a tensor that records gradients where they cannot be followed",
    "tensor-type": "something that is no torch.Tensor where one is needed",
    "device": "tensors of one problem on different devices",
    "transform": "a transform of torch.func or torch.compile that an operation does not support",
    "inplace": "work in place on a tensor that cannot give its memory away",
    "logits-dtype": "logits (or a direction of their shape) of another dtype",
    "logits-shape": "logits without a class axis, or with no class on it",
    "axis": "a class axis that the logits do not have",
    "target-dtype": "a target that is neither integer nor floating point",
    "target-shape": "a target whose shape does not belong to the logits",
    "target-range": "a class index outside [0, V)",
    "direction-shape": "a tangent or vector that is not shaped as what it moves",
    "out-type": "an out= that is no array, or of another dtype",
    "out-shape": "an out= of another shape",
    "out-memory": "an out= that is read-only or shares memory it must not share",
    "linear-shape": "parts of a linear layer whose shapes do not fit together",
    "linear-dtype": "parts of a linear layer, or directions, of different dtypes",
    "grads": "a part of a linear layer asked for that does not exist",
    "max-memory": "a memory budget that is no size, or too small for one row",
    "empty": "a mean over no rows, asked to raise",
    "threads": "a number of threads outside its range",
    "parameter": "a parameter of an estimator of the wrong type or outside its range",
    "classes": "labels of fewer than two classes, or of classes that were never named",
    "probabilities": "soft labels that are no probabilities",
    "table-file": "a file that is no table or no model of one, is empty, damaged or not readable",
    "table-row": "a row of a table with too many or too few fields",
    "table-columns": "columns of a table that are missing, there twice, or of another type",
    "feature-range": "features so large that sums of their squares overflow",
    "table-value": "a value that its column must not have: infinite, missing, text among numbers",
    "table-categories": "a text column with more different values than can be learned",
    "table-expansion": "a compressed table that expands past a stated cap",
    "sample-weight": "sample weights that are negative or all 0",
    "model-file": "a model file that is truncated, damaged or of another kind",
    "model-path": "a path where no model file can be written",
    "model-save": "a model that a file cannot hold",
    "model-size": "a model file larger than allowed",
    "model-version": "a model file of a newer schema",
    "derive-conflict": "parts of a derivation that do not go together",
    "implementation": "an implementation that is unknown or cannot run here",
}


def error(
    kind: type[E], code: str, where: str, argument: str, came: str, expected: str, fix: str
) -> E:
    """Build (not raise) the exception for one argument of one function.

    >>> raise error(ValueError, "option-range", "cross_entropy", "temperature", "0.0",
    ...             "a finite number > 0", "Use 1.0 to leave the logits as they are.")
    Traceback (most recent call last):
    ValueError: cross_entropy: temperature is 0.0; expected a finite number > 0. \
Use 1.0 to leave the logits as they are. [option-range]
    """
    if code not in CODES:
        raise KeyError(f"unknown error code {code!r}; add it to softxent.errors.CODES")
    return kind(f"{where}: {argument} is {came}; expected {expected}. {fix} [{code}]")


def describe(value: object) -> str:
    """Say in a few characters what a value is: `float32[32, 10]` for anything with a dtype.

    >>> import numpy as np
    >>> describe(np.zeros((32, 10), np.float32)), describe(0.5), describe([1, 2])
    ('float32[32, 10]', '0.5', 'a list of length 2')
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and isinstance(shape, tuple):
        if not shape:  # a scalar: its value says more than its shape
            return f"{_dtype_name(dtype)}({value})"
        return f"{_dtype_name(dtype)}[{', '.join(str(n) for n in shape)}]"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of length {len(value)}"
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'mean'?`` for the known name closest to `name`, else all of them.

    >>> nearest("average", ["mean", "sum"]), nearest("temprature", ["temperature"])
    ("Choose from 'mean', 'sum'.", "Did you mean 'temperature'?")
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Choose from {', '.join(repr(n) for n in names)}."


def _dtype_name(dtype: object) -> str:
    # np.dtype has a name; torch's says "torch.float32".
    return str(getattr(dtype, "name", None) or str(dtype).rpartition(".")[2])
