"""Binding logits, target and options into rows: what comes in without a copy, what is refused."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from softxent.contracts import (
    DEFAULTS,
    Array,
    Options,
    Rows,
    as_array,
    bind_logits,
    bind_rows,
    float_array,
    is_float_dtype,
    loss_dtype,
)

DTYPES = [np.float32, np.float64, ml_dtypes.bfloat16, np.float16]
LOGITS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)  # rows of shape (2, 3), V = 4


def bind(logits: Any, target: Any, axis: int = -1, **options: Any) -> Rows:
    return bind_rows("f", logits, target, axis, Options(**options))


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


# ------------------------------------------------------------------ logits


@pytest.mark.parametrize("dtype", DTYPES)
def test_four_dtypes_come_in_as_they_are(dtype: Any) -> None:
    logits = np.zeros((2, 3), dtype)
    rows = bind(logits, [0, 1])
    assert rows.logits is logits
    assert loss_dtype(logits.dtype) == (np.float64 if dtype is np.float64 else np.float32)


@pytest.mark.parametrize(
    "dtype", [np.int64, np.bool_, np.complex64, np.longdouble, object, "U1", "V2", "M8[s]"]
)
def test_logits_of_another_dtype(dtype: Any) -> None:
    with pytest.raises(TypeError) as caught:
        bind(np.zeros((2, 3), dtype), [0, 1])
    assert str(caught.value) == (
        f"f: logits is {np.dtype(dtype).name}[2, 3]; expected float32, float64, bfloat16 or "
        "float16. Convert it, for example logits.astype(np.float32). [logits-dtype]"
    )


def test_two_bytes_of_something_else_are_no_bfloat16() -> None:
    assert is_float_dtype(np.dtype(ml_dtypes.bfloat16))
    assert not is_float_dtype(np.dtype("V2"))
    assert not is_float_dtype(np.dtype([("bfloat16", np.uint16)]))
    assert not is_float_dtype(np.dtype(ml_dtypes.float8_e4m3fn))


def test_lists_are_float64_unless_they_hold_integers() -> None:
    assert bind([[1.0, 2.0]], [0]).logits.dtype == np.float64
    with pytest.raises(TypeError, match=r"logits is int64\[1, 2\]"):
        bind([[1, 2]], [0])


@pytest.mark.parametrize(
    "view",
    [
        LOGITS[:, ::2],
        LOGITS[::-1, :, ::-1],
        LOGITS.transpose(1, 0, 2),
        np.asfortranarray(LOGITS),
        np.broadcast_to(LOGITS[0, 0], (5, 4)),
        np.frombuffer(b"\0" + LOGITS.tobytes(), np.uint8)[1:].view(np.float32).reshape(-1, 4),
    ],
    ids=["strided", "negative", "transposed", "fortran", "broadcast", "misaligned"],
)
def test_any_layout_comes_in_without_a_copy(view: Array) -> None:
    rows = bind(view, np.zeros(view.shape[:-1], np.int64))
    assert address(rows.logits) == address(view)
    assert rows.logits.strides == view.strides


def test_big_endian_is_the_one_copy() -> None:
    swapped = LOGITS.astype(">f4")
    rows = bind(swapped, np.zeros((2, 3), ">i4"))
    assert rows.logits.dtype == np.float32 and rows.logits.dtype.isnative
    assert np.array_equal(rows.logits, LOGITS)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3, np.int64(1)])
def test_class_axis_moves_last_as_a_view(axis: int) -> None:
    moved = np.moveaxis(LOGITS, axis, -1)
    rows = bind(LOGITS, np.zeros(moved.shape[:-1], np.int64), axis)
    assert np.array_equal(rows.logits, moved)
    assert np.shares_memory(rows.logits, LOGITS)
    soft = bind(LOGITS, LOGITS, axis).soft
    assert soft is not None and np.array_equal(soft, moved)


def test_sizes() -> None:
    rows = bind(LOGITS, np.zeros((2, 3), np.int64))
    assert (rows.lead, rows.n_rows, rows.n_classes) == ((2, 3), 6, 4)
    one = bind(LOGITS[0, 0], 1)
    assert (one.lead, one.n_rows, one.n_classes) == ((), 1, 4)
    assert one.target is not None and one.target.tolist() == [1]


@pytest.mark.parametrize("axis", [3, -4, 2**70])
def test_axis_that_is_not_there(axis: int) -> None:
    with pytest.raises(ValueError) as caught:
        bind(LOGITS, np.zeros((2, 3), np.int64), axis)
    assert str(caught.value) == (
        f"f: axis is {axis}; expected an integer in [-3, 3). "
        "The logits are float32[2, 3, 4]. [axis]"
    )


@pytest.mark.parametrize("axis", [True, 1.0, None, (0, 1)])
def test_axis_that_is_no_integer(axis: Any) -> None:
    with pytest.raises(TypeError, match=r"f: axis is .*; expected an integer in \[-3, 3\)"):
        bind(LOGITS, np.zeros((2, 3), np.int64), axis)


def test_no_classes_and_no_axis() -> None:
    with pytest.raises(ValueError) as caught:
        bind(np.zeros((2, 0), np.float32), [0, 0])
    assert str(caught.value) == (
        "f: logits is float32[2, 0]; expected at least one class on the class axis. "
        "A softmax over no classes has no value. [logits-shape]"
    )
    with pytest.raises(ValueError) as caught:
        bind(1.0, 0)
    assert str(caught.value) == (
        "f: logits is float64(1.0); expected at least one axis, that of the classes. "
        "Pass an array of shape (V,) or (..., V). [logits-shape]"
    )


# ------------------------------------------------------------------ what counts as an array


class OnlyArray:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.array


class OnlyInterface:
    def __init__(self, array: Array) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


class OnlyDLPack:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [OnlyArray, OnlyInterface, OnlyDLPack, memoryview])
def test_protocols_come_in_without_a_copy(wrap: Any) -> None:
    source = np.arange(4, dtype=np.float32)
    assert np.shares_memory(float_array("f", "logits", wrap(source)), source)


def test_torch_tensors_come_in_without_a_copy() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    rows = bind(tensor, torch.tensor([0, 1]))
    assert address(rows.logits) == tensor.data_ptr()
    with pytest.raises(NotImplementedError) as caught:
        bind(tensor.requires_grad_(), [0, 1])
    assert str(caught.value).startswith("f: logits is a tensor float32[2, 3] with requires_grad")
    with pytest.raises(TypeError, match=r"bfloat16\[2, 3\], which NumPy cannot view .*uint16"):
        bind(tensor.detach().bfloat16(), [0, 1])


def test_array_that_is_not_on_the_cpu() -> None:
    class Elsewhere:
        dtype, shape = np.dtype(np.float32), (2, 3)

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(TypeError) as caught:
        as_array("f", "logits", Elsewhere())
    assert str(caught.value) == (
        "f: logits is float32[2, 3], which NumPy cannot view (can't convert cuda:0 device type "
        "tensor to numpy); expected an array on the CPU. Copy it to the CPU; NumPy sees "
        "torch.bfloat16 only as x.view(torch.uint16).numpy().view(ml_dtypes.bfloat16). [array-type]"
    )


def test_masked_arrays_are_refused_rather_than_unmasked() -> None:
    masked = np.ma.masked_array(np.zeros((2, 3)), mask=np.eye(2, 3))
    with pytest.raises(TypeError) as caught:
        bind(masked, [0, 1])
    assert str(caught.value) == (
        "f: logits is a masked array float64[2, 3]; expected an array without a mask. Leave rows "
        "out with ignore_index or row_weight, a class with a logit of -inf. [array-type]"
    )


def test_ragged_lists() -> None:
    with pytest.raises(TypeError, match=r"f: logits is a list of length 2, which NumPy cannot"):
        bind([[1.0], [1.0, 2.0]], [0, 0])


# ------------------------------------------------------------------ targets


@pytest.mark.parametrize("dtype", "bBhHiIlLqQ")
def test_any_integer_dtype(dtype: str) -> None:
    rows = bind(np.zeros((3, 4)), np.array([0, 3, 2], dtype))
    assert rows.soft is None and rows.target is not None
    assert rows.target.dtype == np.int64
    assert rows.target.tolist() == [0, 3, 2]


@pytest.mark.parametrize(
    "target",
    [
        np.arange(12).reshape(4, 3).T[:, :4],
        np.arange(24).reshape(3, 8)[:, ::2],
        np.frombuffer(b"\0" + np.arange(12).tobytes(), np.uint8)[1:].view(np.int64).reshape(3, 4),
    ],
    ids=["fortran", "strided", "misaligned"],
)
def test_class_indices_become_contiguous(target: Array) -> None:
    bound = bind(np.zeros((3, 4, 50)), target).target
    assert bound is not None
    assert bound.flags.c_contiguous and bound.flags.aligned
    assert np.array_equal(bound, target.reshape(-1))


def test_ready_class_indices_are_not_copied() -> None:
    target = np.zeros((2, 3), np.int64)
    bound = bind(LOGITS, target).target
    assert bound is not None and np.shares_memory(bound, target)


def test_empty_lists_are_no_rows() -> None:
    rows = bind(np.zeros((0, 4)), [])
    assert rows.target is not None and rows.target.shape == (0,)
    assert rows.n_rows == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target_dtype", DTYPES)
def test_soft_target_keeps_its_dtype(dtype: Any, target_dtype: Any) -> None:
    target = np.ones((2, 3), target_dtype)
    rows = bind(np.zeros((2, 3), dtype), target)
    assert rows.target is None
    assert rows.soft is target


TARGET_ERRORS = [
    (
        np.zeros(3, bool),
        TypeError,
        "f: target is bool[3]; expected integers (class indices) or floats of the logits' shape (a "
        "soft target). A mask is no class index; target.astype(np.int64) says that you mean 0 and "
        "1. [target-dtype]",
    ),
    (
        np.zeros(3, complex),
        TypeError,
        "f: target is complex128[3]; expected integers (class indices) or floats of the logits' "
        "shape (a soft target). Convert it, for example target.astype(np.int64). [target-dtype]",
    ),
    (
        np.zeros(3, np.float32),
        TypeError,
        "f: target is float32[3]; expected class indices of an integer dtype. "
        "Convert it: target.astype(np.int64). [target-dtype]",
    ),
    (
        np.zeros((3, 4), np.longdouble),
        TypeError,
        f"f: target is {np.dtype(np.longdouble).name}[3, 4]; expected float32, float64, bfloat16 "
        "or float16. Convert it, for example target.astype(np.float32). [logits-dtype]",
    ),
    (
        np.zeros((4, 3), np.float32),
        ValueError,
        "f: target is float32[4, 3]; expected class indices of shape (3,) or a soft target of "
        "shape (3, 4). A soft target has a value for every logit. [target-shape]",
    ),
    (
        np.zeros(4, int),
        ValueError,
        "f: target is int64[4]; expected class indices of shape (3,). "
        "It has the shape of the logits without the class axis. [target-shape]",
    ),
    (
        np.zeros((3, 4), int),
        ValueError,
        "f: target is int64[3, 4]; expected class indices of shape (3,). "
        "If it is one-hot, pass it as floats; class indices have no class axis. [target-shape]",
    ),
    (
        np.zeros((3, 1), int),
        ValueError,
        "f: target is int64[3, 1]; expected class indices of shape (3,). "
        "Drop its last axis: target[..., 0]. [target-shape]",
    ),
]


@pytest.mark.parametrize(("target", "kind", "message"), TARGET_ERRORS)
def test_target_that_does_not_fit(target: Array, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        bind(np.zeros((3, 4), np.float32), target)
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_expected_shapes_are_in_the_callers_layout() -> None:
    with pytest.raises(ValueError, match=r"indices of shape \(2, 4\) or a soft .* \(2, 3, 4\)"):
        bind(LOGITS, np.zeros((2, 4, 3)), axis=1)


def test_soft_target_has_no_ignored_class() -> None:
    assert bind(np.zeros((3, 4)), np.ones((3, 4)), ignore_index=None).soft is not None
    with pytest.raises(ValueError) as caught:
        bind(np.zeros((3, 4)), np.ones((3, 4)), ignore_index=0)
    assert str(caught.value) == (
        "f: ignore_index is 0; expected None or -100 with a soft target. "
        "Leave rows of a soft target out with row_weight. [option-conflict]"
    )


def test_uint64_beyond_int64_never_wraps() -> None:
    # 2**64 - 100 is -100, the ignored class, when it wraps.
    target = np.array([[0, 1], [2**64 - 100, 9]], np.uint64)
    with pytest.raises(IndexError) as caught:
        bind(np.zeros((2, 2, 4)), target)
    assert str(caught.value) == (
        "f: target[1, 0] (row 2) is 18446744073709551516; expected a class index in [0, 4) or "
        "ignore_index, -100. There are 4 classes, counted from 0. [target-range]"
    )


def test_uint64_beyond_int64_names_the_first_bad_row() -> None:
    target = np.array([0, 7, 5, 2**63], np.uint64)
    with pytest.raises(IndexError, match=r"f: target\[2\] is 5; .* ignore_index, 7\."):
        bind(np.zeros((4, 4)), target, ignore_index=7)


# ------------------------------------------------------------------ weights against the rows


def test_class_weights_fit_the_classes() -> None:
    with pytest.raises(ValueError) as caught:
        bind(np.zeros((3, 4)), [0, 1, 2], weight=np.ones(3))
    assert str(caught.value) == (
        "f: weight is float64[3]; expected one weight per class, shape (4,). "
        "The logits are float64[3, 4]. [option-shape]"
    )


@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_row_weights_fit_the_rows(shape: tuple[int, int]) -> None:
    weights = np.arange(6.0).reshape(shape)
    target = np.zeros((2, 3), np.int64)
    if shape == (2, 3):
        bound = bind(LOGITS, target, row_weight=weights.T.copy().T).options.row_weight
        assert bound is not None and bound.flags.c_contiguous
        assert np.array_equal(bound, np.arange(6.0))
        return
    with pytest.raises(ValueError) as caught:
        bind(LOGITS, target, row_weight=weights)
    assert str(caught.value) == (
        "f: row_weight is float64[3, 2]; expected one weight per row, shape (2, 3). "
        "It has the shape of the logits without the class axis. [option-shape]"
    )


def test_row_weight_of_one_row() -> None:
    bound = bind(np.zeros(4), 1, row_weight=2.0).options.row_weight
    assert bound is not None and bound.tolist() == [2.0]


def test_binding_reads_no_values() -> None:
    # A class index out of range is the kernel's to find: binding costs the same for any N.
    assert bind(np.zeros((2, 3)), [0, 99]).target is not None
    assert bind_logits("f", np.full((2, 3), np.nan), -1).shape == (2, 3)
    assert DEFAULTS.weight is None
