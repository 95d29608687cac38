"""The rows of the table of edges that raise: the exception's type, and what its text must name.

Each message says where (function and argument), what came, what was expected, and the fix.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from contract.frontends import DTYPES, FrontEnd, dtype_of

# Every public function that takes (logits, target) and options; the derivatives along a direction
# get the logits for one.
LOSSES = {
    "cross_entropy": 0,
    "cross_entropy_with_grad": 0,
    "cross_entropy_jvp": 1,
    "cross_entropy_hvp": 1,
    "cross_entropy_hessian": 0,
    "cross_entropy_hessian_diag": 0,
    "cross_entropy_target_grad": 0,
    "cross_entropy_stats": 0,
}
LOGITS = np.zeros((4, 3), np.float32)
TARGET = np.array([0, 1, 2, 0])
SOFT = np.full((4, 3), 0.25, np.float32)


def raises(
    front: FrontEnd,
    function: str,
    kind: type[Exception] | tuple[type[Exception], ...],
    parts: tuple[str, ...],
    logits: Any,
    target: Any,
    **options: Any,
) -> None:
    """The call raises, and the text names the function and every part."""
    with pytest.raises(kind) as caught:
        front(function, logits, target, *[logits] * LOSSES[function], **options)
    text = str(caught.value)
    for part in map(front.says, (function, *parts)):
        assert part in text, f"{part!r} is missing in: {text}"


OPTIONS = {  # name: (options, what the message names beside the function)
    "weight negative": ({"weight": [1.0, -0.5, 1.0]}, ("weight", "-0.5", ">= 0")),
    "weight NaN": ({"weight": [1.0, nan, 1.0]}, ("weight", "nan", "finite")),
    "weight infinite": ({"weight": [1.0, inf, 1.0]}, ("weight", "inf", "finite")),
    "weight short": ({"weight": [1.0, 1.0]}, ("weight", "float64[2]", "(3,)")),
    "weight long": ({"weight": np.ones(4, np.float32)}, ("weight", "[4]", "(3,)")),
    "weight scalar": ({"weight": 2.0}, ("weight", "2.0")),
    "weight of rows and classes": ({"weight": np.ones((4, 3))}, ("weight", "[4, 3]")),
    "smoothing below": ({"label_smoothing": -0.1}, ("label_smoothing", "-0.1", "[0, 1]")),
    "smoothing above": ({"label_smoothing": 1.5}, ("label_smoothing", "1.5", "[0, 1]")),
    "smoothing NaN": ({"label_smoothing": nan}, ("label_smoothing", "nan", "[0, 1]")),
    "smoothing infinite": ({"label_smoothing": inf}, ("label_smoothing", "inf", "[0, 1]")),
    "reduction": (
        {"reduction": "average"},
        ("reduction", "'average'", "'mean'", "'sum'", "'none'"),
    ),
    "reduction None": ({"reduction": None}, ("reduction", "None", "'mean'")),
    "temperature 0": ({"temperature": 0.0}, ("temperature", "0.0", "> 0")),
    "temperature negative": ({"temperature": -1.0}, ("temperature", "-1.0", "> 0")),
    "temperature NaN": ({"temperature": nan}, ("temperature", "nan", "> 0")),
    "temperature infinite": ({"temperature": inf}, ("temperature", "inf", "finite")),
    "softcap 0": ({"softcap": 0.0}, ("softcap", "0.0", "> 0")),
    "softcap negative": ({"softcap": -30.0}, ("softcap", "-30.0", "> 0")),
    "softcap NaN": ({"softcap": nan}, ("softcap", "nan", "> 0")),
    "softcap infinite": ({"softcap": inf}, ("softcap", "inf", "finite")),
    "z_loss negative": ({"z_loss": -1e-4}, ("z_loss", "-0.0001", ">= 0")),
    "z_loss NaN": ({"z_loss": nan}, ("z_loss", "nan", ">= 0")),
    "z_loss infinite": ({"z_loss": inf}, ("z_loss", "inf", "finite")),
    "row_weight negative": ({"row_weight": [1.0, 1.0, -2.0, 1.0]}, ("row_weight", "-2.0", ">= 0")),
    "row_weight NaN": ({"row_weight": [nan, 1.0, 1.0, 1.0]}, ("row_weight", "nan", "finite")),
    "row_weight infinite": ({"row_weight": [1.0, 1.0, 1.0, inf]}, ("row_weight", "inf", "finite")),
    "row_weight short": ({"row_weight": np.ones(3)}, ("row_weight", "float64[3]", "(4,)")),
    "row_weight of classes": ({"row_weight": np.ones((4, 3))}, ("row_weight", "float64[4, 3]")),
    "empty": ({"empty": "none"}, ("empty", "'none'", "'zero'", "'nan'", "'raise'")),
}


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("case", OPTIONS)
def test_option_out_of_range(front: FrontEnd, case: str, function: str) -> None:
    """ValueError naming argument, value and range, from every function and for both targets."""
    options, parts = OPTIONS[case]
    front.needs(function, *(f"{name} of {function}" for name in options))
    for target in (TARGET, SOFT):
        raises(front, function, ValueError, parts, LOGITS, target, **options)


@pytest.mark.parametrize("option", ["temperature", "softcap"])
@pytest.mark.parametrize("value", [0.0, -1.0, nan, inf])
@pytest.mark.parametrize("function", ["softmax", "log_softmax", "logsumexp"])
def test_softmax_option_out_of_range(
    front: FrontEnd, function: str, value: float, option: str
) -> None:
    """The two options that softmax has are checked there too."""
    front.needs(function)
    with pytest.raises(ValueError, match=option) as caught:
        front(function, LOGITS, **{option: value})
    assert str(value) in str(caught.value)
    assert function in str(caught.value)


@pytest.mark.parametrize("function", LOSSES)
def test_no_classes(front: FrontEnd, function: str) -> None:
    """V = 0 is a ValueError: there is no softmax over nothing."""
    front.needs(function)
    empty = np.zeros((4, 0), np.float32)
    raises(front, function, ValueError, ("logits", "float32[4, 0]"), empty, TARGET)
    raises(front, function, ValueError, ("logits", "float32[4, 0]"), empty, empty)


@pytest.mark.parametrize("function", ["softmax", "log_softmax", "logsumexp", "softmax_jacobian"])
def test_no_classes_softmax(front: FrontEnd, function: str) -> None:
    """So it is for the functions of the logits alone."""
    front.needs(function)
    with pytest.raises(ValueError, match=front.says("logits")):
        front(function, np.zeros((4, 0), np.float32))


OUTSIDE = {  # name: (targets, options, first bad row, its value)
    "V": ([0, 1, 3, 5], {}, 2, 3),
    "-1 does not wrap": ([0, -1, 2, 1], {}, 1, -1),
    "-V does not wrap": ([-3, 1, 2, 1], {}, 0, -3),
    "-99": ([0, 1, 2, -99], {}, 3, -99),
    "-100 is not ignored here": ([0, -100, -1, 1], {"ignore_index": -1}, 1, -100),
    "after an ignored row": ([-100, 7, 2, 1], {}, 1, 7),
    "2**31": ([0, 1, 2, 2**31], {}, 3, 2**31),
    "2**32 does not wrap to 0": ([0, 1, 2**32, 0], {}, 2, 2**32),
    "int64 max": ([2**63 - 1, 1, 2, 0], {}, 0, 2**63 - 1),
    "int64 min": ([0, -(2**63), 2, 0], {}, 1, -(2**63)),
}


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("case", OUTSIDE)
def test_target_outside(front: FrontEnd, case: str, function: str) -> None:
    """IndexError naming the first bad row, its value and the range."""
    front.needs(function)
    targets, options, row, value = OUTSIDE[case]
    parts = ("target", str(row), str(value), "[0, 3)")
    raises(front, function, IndexError, parts, LOGITS, np.array(targets), **options)


@pytest.mark.parametrize("width", [3, 64, 1000, 70_001])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("in_place", [False, True], ids=["out", "in place"])
def test_target_outside_writes_nothing(
    front: FrontEnd, in_place: bool, dtype: str, width: int
) -> None:
    """The last of many rows is bad, and `out` (or logits worked on in place) is as it was."""
    if not front.has_out:
        pytest.skip(f"{front.name} has no out=")
    logits = np.random.default_rng(0).normal(size=(33, width)).astype(dtype_of(front.needs(dtype)))
    out = logits if in_place else np.full_like(logits, 7.0)
    before = out.copy()
    target = np.zeros(33, np.int64)
    target[-1] = width
    with pytest.raises(IndexError, match=rf"32.*{width}"):
        front("cross_entropy_with_grad", logits, target, out=out)
    np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize("values", [[0, 2**64 - 1], [0, 2**63], [0, 2**64 - 100]])
def test_unsigned_target_does_not_wrap(front: FrontEnd, values: list[int]) -> None:
    """A uint64 past int64, even the one that would wrap to -100, is reported as itself."""
    raises(
        front, "cross_entropy", IndexError, ("target", "1", str(values[1]), "[0, 3)"),
        LOGITS[:2], np.array(values, np.uint64),
    )  # fmt: skip


def test_target_outside_of_two_axes(front: FrontEnd) -> None:
    """With rows of two axes the message still says which row it is."""
    target = np.zeros((2, 3), np.int64)
    target[1, 2] = 9
    with pytest.raises(IndexError, match=r"target.*(1, 2|5).*9.*\[0, 4\)"):
        front("cross_entropy", np.zeros((2, 3, 4), np.float32), target)


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize(
    "dtype", ["bool", "complex64", "complex128", "U1", "object", "datetime64[s]"]
)
def test_target_dtype(front: FrontEnd, dtype: str, function: str) -> None:
    """Bool or another dtype: TypeError naming it, with a hint."""
    front.needs(function, dtype)
    target = TARGET.astype(dtype)
    named = ("target", target.dtype.name, "integer", "astype" if dtype == "bool" else "")
    raises(front, function, TypeError, named, LOGITS, target)


SHAPES = {  # name: (target, the part of the message that says what came)
    "row short": (np.zeros(3, np.int64), "int64[3]"),
    "row long": (np.zeros(5, np.int32), "int32[5]"),
    "column": (np.zeros((4, 1), np.int64), "int64[4, 1]"),
    "one-hot integers": (np.zeros((4, 3), np.int64), "int64[4, 3]"),
    "scalar": (np.int64(0), "0"),
    "soft short": (np.zeros((3, 3), np.float32), "float32[3, 3]"),
    "soft narrow": (np.zeros((4, 2), np.float32), "float32[4, 2]"),
    "soft transposed": (np.zeros((3, 4), np.float32), "float32[3, 4]"),
}


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("case", SHAPES)
def test_target_shape(front: FrontEnd, case: str, function: str) -> None:
    """A wrong shape is a ValueError that says both shapes."""
    front.needs(function)
    target, came = SHAPES[case]
    raises(front, function, ValueError, ("target", came, "(4,"), LOGITS, target)


def test_float_target_of_the_rows_shape(front: FrontEnd) -> None:
    """Class indices as floats are neither class indices nor a soft target."""
    for function in filter(front.has, LOSSES):
        parts = ("target", "float32[4]", "integer")
        raises(front, function, (TypeError, ValueError), parts, LOGITS, TARGET.astype("float32"))


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("index", [0, -1, 2, 7])
def test_soft_target_with_ignore_index(front: FrontEnd, index: int, function: str) -> None:
    """A soft target has no class index to ignore; -100 and None are the default."""
    front.needs(function)
    parts = ("ignore_index", str(index), "-100")
    raises(front, function, ValueError, parts, LOGITS, SOFT, ignore_index=index)
    for fine in (-100, None):
        front(function, LOGITS, SOFT, *[LOGITS] * LOSSES[function], ignore_index=fine)


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "bool", "complex64", "longdouble", "object", "U1"]
)
def test_logits_dtype(front: FrontEnd, dtype: str, function: str) -> None:
    """Logits of another dtype: TypeError naming it and the four accepted."""
    front.needs(function, dtype)
    logits = LOGITS.astype(dtype)
    came = f"{logits.dtype.name}[4, 3]"
    raises(front, function, TypeError, ("logits", came, *DTYPES), logits, TARGET)


@pytest.mark.parametrize("function", ["softmax", "log_softmax", "logsumexp", "softmax_jacobian"])
def test_logits_dtype_softmax(front: FrontEnd, function: str) -> None:
    """So it is for the functions of the logits alone."""
    front.needs(function)
    with pytest.raises(TypeError) as caught:
        front(function, LOGITS.astype(np.int32))
    for part in map(front.says, (function, "logits", "int32[4, 3]", *DTYPES)):
        assert part in str(caught.value)


class Recording:
    """A weight of a framework that records gradients, as far as NumPy can see."""

    requires_grad = True

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise RuntimeError("call detach() first")


@pytest.mark.parametrize("function", LOSSES)
def test_weight_that_requires_grad(front: FrontEnd, function: str) -> None:
    """No function differentiates by the class weights, so it says so instead of returning None."""
    front.needs(function)
    raises(front, function, NotImplementedError, ("weight", "requires_grad"), LOGITS, TARGET,
           weight=Recording())  # fmt: skip


def test_weight_of_torch_that_requires_grad(front: FrontEnd) -> None:
    """The same with a real tensor."""
    torch = pytest.importorskip("torch")
    weight = torch.ones(3, requires_grad=True)
    parts = ("weight", "requires_grad")
    raises(front, "cross_entropy", NotImplementedError, parts, LOGITS, TARGET, weight=weight)


@pytest.mark.parametrize("function", LOSSES)
def test_unknown_option(front: FrontEnd, function: str) -> None:
    """A misspelt option is a TypeError, never silently the default."""
    front.needs(function)
    with pytest.raises(TypeError, match="temprature"):
        front(function, LOGITS, TARGET, *[LOGITS] * LOSSES[function], temprature=2.0)


OUTS = {  # name: (out, exception, parts)
    "shape": (np.zeros((4, 4), np.float32), ValueError, ("float32[4, 4]",)),
    "dtype": (np.zeros((4, 3), np.float64), (TypeError, ValueError), ("float64[4, 3]", "float32")),
    "a list": ([[0.0] * 3] * 4, TypeError, ()),
}


@pytest.mark.parametrize("case", OUTS)
def test_out_that_does_not_fit(front: FrontEnd, case: str) -> None:
    """An `out` that cannot hold the gradient is refused by name."""
    if not front.has_out:
        pytest.skip(f"{front.name} has no out=")
    out, kind, parts = OUTS[case]
    raises(front, "cross_entropy_with_grad", kind, ("out", *parts), LOGITS, TARGET, out=out)


def test_out_that_overlaps(front: FrontEnd) -> None:
    """An `out` that shares part of the logits' memory, or is read-only, is refused."""
    if not front.has_out:
        pytest.skip(f"{front.name} has no out=")
    memory = np.zeros(20, np.float32)
    logits, shifted = memory[:12].reshape(4, 3), memory[3:15].reshape(4, 3)
    flipped, repeated = logits[::-1], np.lib.stride_tricks.as_strided(memory, (4, 3), (0, 4))
    frozen = np.zeros((4, 3), np.float32)
    frozen.flags.writeable = False
    for out in (shifted, flipped, repeated, frozen):
        raises(front, "cross_entropy_with_grad", ValueError, ("out",), logits, TARGET, out=out)
    soft = np.full((4, 3), 0.25, np.float32)
    raises(front, "cross_entropy_with_grad", ValueError, ("out",), logits, soft, out=soft)
    raises(front, "cross_entropy_with_grad", ValueError, ("out",), LOGITS, TARGET, out=repeated)
