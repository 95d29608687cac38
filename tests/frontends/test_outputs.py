"""The `out=` argument: what may be written to, in place, and what is refused before a write."""

from typing import Any

import numpy as np
import pytest

import softxent
from softxent.contracts import Array
from softxent.frontends.steps import overlap, overlaps_itself

LOGITS = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
TARGET = np.array([0, 3, 2, 1, -100, 0])
WRITERS = ["softmax", "log_softmax", "cross_entropy_with_grad"]


def write(
    name: str, logits: Array, out: Array | None, implementation: str, axis: int = -1
) -> Array:
    use: Any = {"out": out, "implementation": implementation, "axis": axis}
    if name == "cross_entropy_with_grad":
        _, grad = softxent.cross_entropy_with_grad(logits, TARGET, reduction="sum", **use)
        return grad
    result: Array = getattr(softxent, name)(logits, **use)
    return result


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize(
    "out",
    [
        np.empty((6, 4), np.float32),
        np.empty((6, 4), np.float32, order="F"),
        np.empty((12, 8), np.float32)[::-2, ::2],
        np.empty(4 * 6 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(6, 4),
    ],
    ids=["contiguous", "fortran", "strided", "misaligned"],
)
def test_any_layout_gets_the_same_bits(
    name: str, axis: int, out: Array, implementation: str
) -> None:
    logits = LOGITS if axis == -1 else np.ascontiguousarray(LOGITS.T)
    out = out if axis == -1 else out.T
    before = logits.copy()
    expected = write(name, logits, None, implementation, axis)
    assert write(name, logits, out, implementation, axis) is out
    assert out.tobytes() == expected.tobytes()
    assert np.array_equal(logits, before)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("axis", [-1, 0])
def test_in_place(name: str, axis: int, implementation: str) -> None:
    logits = LOGITS if axis == -1 else np.ascontiguousarray(LOGITS.T)
    expected = write(name, logits, None, implementation, axis)
    for alias in (lambda x: x, lambda x: x[:]):  # the very array, and another view of all of it
        work = logits.copy()
        out = alias(work)
        assert write(name, work, out, implementation, axis) is out
        assert work.tobytes() == expected.tobytes()


def test_in_place_through_another_object(implementation: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(LOGITS.copy())
    write("softmax", tensor, tensor.numpy(), implementation)
    assert np.array_equal(tensor.numpy(), write("softmax", LOGITS, None, implementation))


def refused(out: Any, logits: Array = LOGITS, **options: Any) -> str:
    before = logits.copy()
    with pytest.raises((TypeError, ValueError)) as caught:
        softxent.cross_entropy_with_grad(logits, TARGET, out=out, **options)
    assert np.array_equal(logits, before)
    message = str(caught.value)
    assert message.startswith("cross_entropy_with_grad: out is ")
    kind = "out-type" if caught.type is TypeError else "out-(shape|memory)"
    caught.match(rf"\[{kind}\]$")
    return message.removeprefix("cross_entropy_with_grad: out is ")


@pytest.mark.parametrize(
    ("out", "came", "code"),
    [
        (np.empty((6, 4)), "float64[6, 4]", "[out-type]"),
        (np.empty((6, 4), ">f4"), "byte-swapped float32[6, 4]", "[out-type]"),
        ([0.0], "a list of length 1", "[out-type]"),
        (np.empty((4, 6), np.float32), "float32[4, 6]", "[out-shape]"),
        (np.empty(24, np.float32), "float32[24]", "[out-shape]"),
    ],
)
def test_another_type_or_shape(out: Any, came: str, code: str) -> None:
    assert refused(out) == (
        f"{came}; expected a NumPy array float32[6, 4]. "
        f"Make it with np.empty((6, 4), 'float32'), or leave it out. {code}"
    )


MEMORY = "expected writable memory of its own, or the logits themselves where that is offered."


def test_read_only() -> None:
    out = np.empty((6, 4), np.float32)
    out.flags.writeable = False
    assert refused(out) == f"read-only; {MEMORY} Pass a writable array. [out-memory]"


def test_entries_that_share_memory() -> None:
    out = np.lib.stride_tricks.as_strided(np.empty(9, np.float32), (6, 4), (4, 4))
    assert refused(out) == (
        f"an array of strides (4, 4), whose entries may overlap; {MEMORY} Pass a copy. [out-memory]"
    )


def test_part_of_the_logits() -> None:
    buffer = np.zeros((7, 4), np.float32)
    logits = buffer[:6]
    logits[...] = LOGITS
    for out in (buffer[1:], logits[::-1]):
        assert refused(out, logits) == (
            "an array that shares memory with an input, float32[6, 4]; "
            f"{MEMORY} Pass another array, or the very logits to work in place. [out-memory]"
        )


def test_the_target() -> None:
    soft = np.full((6, 4), 0.25, np.float32)
    with pytest.raises(ValueError, match=r"shares memory with an input, float32\[6, 4\]"):
        softxent.cross_entropy_with_grad(LOGITS, soft, out=soft)


def test_slices_of_one_buffer_that_do_not_meet(implementation: str) -> None:
    buffer = np.zeros((6, 8), np.float32)
    logits, out = buffer[:, ::2], buffer[:, 1::2]
    logits[...] = LOGITS
    expected = write("softmax", LOGITS, None, implementation)
    assert np.array_equal(write("softmax", logits, out, implementation), expected)
    assert np.array_equal(logits, LOGITS)


def test_nothing_is_written_before_a_bad_class_index(implementation: str) -> None:
    out = np.full((6, 4), 7.0, np.float32)
    with pytest.raises(IndexError):
        softxent.cross_entropy_with_grad(
            LOGITS, [0, 1, 2, 3, 0, 4], out=out, implementation=implementation
        )
    assert (out == 7.0).all()


@pytest.mark.parametrize(
    ("shape", "strides", "shares"),
    [
        ((3, 4), (16, 4), False),
        ((3, 4), (4, 12), False),
        ((3, 4), (-32, 8), False),
        ((1, 4), (0, 4), False),
        ((0, 4), (0, 0), False),
        ((3, 4), (0, 4), True),
        ((3, 4), (4, 4), True),
        ((3, 4), (12, 4), True),
        ((3, 4), (16, -2), True),
    ],
)
def test_overlaps_itself(shape: tuple[int, int], strides: tuple[int, int], shares: bool) -> None:
    middle = np.zeros(200, np.float32)[100:]
    view = np.lib.stride_tricks.as_strided(middle, shape, strides)
    assert overlaps_itself(view) is shares


def test_overlap_that_is_too_hard_to_tell_counts_as_sharing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_hard(*args: Any, **keywords: Any) -> bool:
        raise np.exceptions.TooHardError

    monkeypatch.setattr(np, "shares_memory", too_hard)
    buffer = np.zeros(8)
    assert overlap(buffer[::2], buffer[1::2])
    assert not overlap(buffer[:4], buffer[4:])
