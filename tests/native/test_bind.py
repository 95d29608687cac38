"""The native door alone: what the front end never sends is refused, whatever it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

native = pytest.importorskip("softxent._native", exc_type=ImportError)

Arguments = dict[str, Any]
N, V = 6, 30


def valid(op: str) -> Arguments:
    """Every array that the operation can take, right in all respects."""
    rng = np.random.default_rng(0)
    arrays: Arguments = {
        "logits": rng.normal(size=(2, 3, V)).astype(np.float32),
        "target": rng.integers(V, size=N),
        "weight": rng.uniform(size=V),
        "row_weight": rng.uniform(size=N),
        "upstream": rng.uniform(size=N),
        "vector": rng.normal(size=(2, 3, V)).astype(np.float16),
        "target_tangent": rng.normal(size=(2, 3, V)),
        "saved": np.ones((N, 2)),
        "out": np.full((2, 3, V), 7, np.float32),
        "per_row": np.full(N, 7, np.float32),
        "floats": np.full((5, N), 7, np.float32),
        "ints": np.full((2, N), 7),
    }
    if op == "target_grad":
        arrays["out"] = np.full((2, 3, V), 7.0)
    return arrays


def run(op: str, arrays: Arguments) -> Any:
    others = {name: array for name, array in arrays.items() if name != "logits"}
    return native.run(native.OPS[op], arrays["logits"], **others)


OUTPUTS = ("out", "per_row", "floats", "ints", "saved")


def refused(op: str, arrays: Arguments, message: str, error: type[Exception] = ValueError) -> None:
    """The call fails with that message, writes nothing and holds on to nothing."""
    before = {name: bytes(arrays[name]) for name in OUTPUTS if hasattr(arrays[name], "dtype")}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    references = {name: sys.getrefcount(array) for name, array in arrays.items()}
    for _ in range(3):
        with pytest.raises(error, match=message):
            run(op, arrays)
    assert {name: bytes(arrays[name]) for name in before} == before
    for name in arrays:  # a buffer that was not given back would keep its array for ever
        assert sys.getrefcount(arrays[name]) <= references[name], name


@pytest.mark.parametrize("op", native.OPS)
def test_every_operation_takes_the_valid_arguments(op: str) -> None:
    assert np.isfinite(run(op, valid(op))).all()


NEEDED = {
    "softmax": "out", "log_softmax": "out", "logsumexp": "per_row", "softmax_jvp": "vector out",
    "loss": "target", "gradient": "target saved out", "jvp": "target", "hvp": "target vector out",
    "hessian_diag": "target out", "target_grad": "out", "stats": "target floats ints",
}  # fmt: skip


def test_what_each_operation_needs_is_listed() -> None:
    assert NEEDED.keys() == native.OPS.keys()


@pytest.mark.parametrize(
    ("op", "name"), [(op, name) for op, names in NEEDED.items() for name in names.split()]
)
def test_missing_argument(op: str, name: str) -> None:
    message = "come without a target" if name == "target" else f"{name}.* missing"
    refused(op, {**valid(op), name: None}, message)


def test_missing_logits() -> None:
    with pytest.raises(ValueError, match="logits are missing"):
        native.run(native.OPS["loss"], None, target=np.zeros(3, np.int64))


@pytest.mark.parametrize("op", [-1, len(native.OPS)])
def test_unknown_operation(op: int) -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        native.run(op, np.zeros((2, 3), np.float32), target=np.zeros(2, np.int64))


def misaligned(array: Any) -> Any:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def read_only(array: Any) -> Any:
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def foreign(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder())


def fields(array: Any) -> Any:
    """Right size, but each item is a structure."""
    return np.zeros(array.shape, [("a", "f4"), ("b", f"V{array.itemsize - 4}")])


VECTORS = ("target", "weight", "row_weight", "upstream", "saved", "per_row", "floats", "ints")
WRONG_VECTORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "one too many": (lambda a: np.concatenate([a.ravel(), a.ravel()[:1]]), "wrong size or layout"),
    "one too few": (lambda a: a.ravel()[:-1].copy(), "wrong size or layout"),
    "empty": (lambda a: a.ravel()[:0], "wrong size or layout"),
    "strided": (lambda a: np.repeat(a.ravel(), 2)[::2], "wrong size or layout"),
    "backwards": (lambda a: a.ravel()[::-1], "wrong size or layout"),
    "half a byte more": (lambda a: np.zeros(a.nbytes + 1, np.uint8), "wrong type"),
    "another type": (lambda a: a.astype(np.int16), "wrong type"),
    "complex": (lambda a: a.astype(np.complex64), "wrong type"),
    "byte order": (foreign, "wrong type"),
    "misaligned": (misaligned, "misaligned"),
}


@pytest.mark.parametrize("fault", WRONG_VECTORS)
@pytest.mark.parametrize("name", VECTORS)
def test_wrong_vector(name: str, fault: str) -> None:
    change, message = WRONG_VECTORS[fault]
    arrays = valid("stats")
    refused("stats", {**arrays, name: change(arrays[name])}, f"{name} .*{message}")


MATRICES = ("logits", "soft", "vector", "target_tangent", "out")
WRONG_MATRICES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "fewer classes": (lambda a: a[..., :-1], "another shape"),
    "fewer rows": (lambda a: a[:1], "another shape"),
    "flat": (lambda a: a.ravel(), "another shape"),
    "one axis more": (lambda a: a[None], "another shape"),
    "integers": (lambda a: a.astype(np.int32), "wrong type"),
    "complex": (lambda a: a.astype(np.complex64), "wrong type"),
    "bool": (lambda a: a > 0, "wrong type"),
    "long double": (lambda a: a.astype(np.longdouble), "wrong type"),
    "byte order": (foreign, "wrong type"),
    "fields": (lambda a: fields(a.astype(np.float64)), "wrong type"),
    "scalar": (lambda a: np.array(1.0, a.dtype), "no class axis|another shape"),
    "no classes": (lambda a: a[..., :0], "no classes|another shape"),
}


@pytest.mark.parametrize("fault", WRONG_MATRICES)
@pytest.mark.parametrize("name", MATRICES)
def test_wrong_matrix(name: str, fault: str) -> None:
    change, message = WRONG_MATRICES[fault]
    arrays = valid("gradient")
    if name == "soft":
        arrays["soft"] = arrays["logits"] ** 2
    # where the logits differ from all others, one of these is named instead
    named = rf"\w+ .*({message}|wrong size)" if name == "logits" else f"{name} .*({message})"
    refused("gradient", {**arrays, name: change(arrays[name])}, named)


def test_out_of_another_type_than_the_logits() -> None:
    arrays = valid("gradient")
    refused("gradient", {**arrays, "out": arrays["out"].astype(np.float64)}, "out has another type")


@pytest.mark.parametrize("name", OUTPUTS)
def test_read_only_output(name: str) -> None:
    arrays = valid("loss")
    refused("loss", {**arrays, name: read_only(arrays[name])}, "read-only")


@pytest.mark.parametrize("name", VECTORS + MATRICES)
def test_not_a_buffer(name: str) -> None:
    refused("loss", {**valid("loss"), name: [1.0, 2.0]}, "bytes-like|buffer", TypeError)


def test_bfloat16_comes_as_uint16() -> None:
    """ml_dtypes's own arrays have no buffer format: cpu.py views them first."""
    arrays = valid("loss")
    arrays["vector"] = arrays["vector"].astype(ml_dtypes.bfloat16)
    with pytest.raises((ValueError, TypeError, BufferError)):
        run("jvp", arrays)
    arrays["vector"] = arrays["vector"].view(np.uint16)
    assert np.isfinite(run("jvp", arrays)).all()


# ------------------------------------------------------------------ sizes


def test_any_number_of_axes_that_join() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    out, expected = np.empty((2, 24)), np.empty((2, 24))
    native.run(native.OPS["logsumexp"], logits, per_row=out[0])
    native.run(native.OPS["logsumexp"], logits.reshape((2, *[1] * 57, 3, 4, 5)), per_row=out[1])
    native.run(native.OPS["logsumexp"], logits.reshape(24, 5), per_row=expected[0])
    assert (out == expected[0]).all()


def test_more_axes_than_fit() -> None:
    """Axes of stride 0 and not 0 by turns never join; nothing stays held."""
    few = np.zeros(64, np.float32)
    logits = np.lib.stride_tricks.as_strided(few, (2,) * 40, (0, 4) * 20)
    before = sys.getrefcount(logits)
    with pytest.raises(ValueError, match="too many axes"):
        native.run(native.OPS["logsumexp"], logits, per_row=np.empty(1, np.float32))
    assert sys.getrefcount(logits) == before


@pytest.mark.parametrize("shape", [(2**57,), (2**61, 1), (2**30, 2**30)])
def test_more_elements_than_sizes_can_hold(shape: tuple[int, ...]) -> None:
    """Views of stride 0 that nobody can walk: no size wraps around on the way."""
    logits, none = np.broadcast_to(np.float16(0), shape), np.empty(0, np.float32)
    counts = np.empty(0, np.int64)
    with pytest.raises(ValueError, match="too many elements"):
        native.run(native.OPS["logsumexp"], logits, per_row=none)
    with pytest.raises(ValueError, match="too many elements"):
        native.run(native.OPS["stats"], logits, target=counts, floats=none, ints=counts)


def test_more_scratch_than_there_is() -> None:
    logits = np.broadcast_to(np.float16(0), (2**50,))
    with pytest.raises(MemoryError):
        native.run(native.OPS["logsumexp"], logits, per_row=np.empty(1, np.float32))


# ------------------------------------------------------------------ targets


@pytest.mark.parametrize("classes", [0, -1, -(2**63)])
def test_tally_of_no_classes(classes: int) -> None:
    with pytest.raises(ValueError, match="classes"):
        native.tally(np.zeros(3, np.int64), classes, -100, None, None)


@pytest.mark.parametrize("classes", [4, 2**61, 2**63 - 1])
def test_tally_with_weights_of_another_size(classes: int) -> None:
    with pytest.raises(ValueError, match="weight has the wrong size"):
        native.tally(np.array([1, 2]), classes, -100, np.empty(0), None)
    with pytest.raises(ValueError, match="row_weight has the wrong size"):
        native.tally(np.array([1, 2]), classes, -100, None, np.empty(3))


@pytest.mark.parametrize("change", [lambda t: t[::2], lambda t: t.astype(np.int32), misaligned])
def test_tally_of_a_wrong_target(change: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="target"):
        native.tally(change(np.zeros(8, np.int64)), 3, -100, None, None)


OPTIONS: dict[str, dict[str, float]] = {
    "plain": {},
    "tempered": {"temperature": 0.7},
    "smoothed": {"smoothing": 0.1},
    "capped": {"softcap": 20.0},
    "z-loss": {"z_loss": 0.1},
}
EVIL = (-1, 10**5, 2**40, -(2**62), 2**63 - 1)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("classes", [3, 30, 9000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "float16"])
def test_target_changed_after_the_check(
    dtype: str, classes: int, options: str, weights: bool
) -> None:
    """Its row becomes NaN; nothing outside is read, and the other rows keep their bits."""
    rng = np.random.default_rng(0)
    rows = 11
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    logits[::2, 0] = -np.inf  # a loss of infinity at class 0, which stands in for the bad one
    kind = np.dtype(dtype)
    lower, not_a_number = (np.uint32, 0x7FC0) if dtype == "uint16" else (None, np.nan)
    z = (logits.view(lower) >> 16).astype(kind) if lower else logits.astype(kind)
    keep = dict(OPTIONS[options])
    if weights:
        keep |= {"weight": rng.uniform(1, 2, classes), "row_weight": rng.uniform(1, 2, rows)}
    loss_type = np.float64 if dtype == "float64" else np.float32
    ones = np.full_like(z, 0x3F80 if lower else 1)

    def every_output(target: Any) -> dict[str, Any]:
        found = {name: np.empty_like(z) for name in ("grad", "again", "hvp", "diagonal")}
        found |= {name: np.empty(rows, loss_type) for name in ("loss", "jvp")}
        saved, ops = np.empty((rows, 2)), native.OPS
        floats, ints = np.empty((5, rows), loss_type), np.empty((2, rows), np.int64)
        same = {"target": target, **keep}
        native.run(ops["loss"], z, out=found["grad"], per_row=found["loss"], saved=saved, **same)
        native.run(ops["gradient"], z, out=found["again"], saved=saved, **same)
        native.run(ops["jvp"], z, vector=ones, per_row=found["jvp"], **same)
        native.run(ops["hvp"], z, vector=ones, out=found["hvp"], **same)
        native.run(ops["hessian_diag"], z, out=found["diagonal"], **same)
        native.run(ops["stats"], z, floats=floats, ints=ints, **same)
        found |= {f"stats {k}": row for k, row in enumerate([*floats, *ints])}
        return found

    target = rng.integers(1, classes, size=rows)
    right = every_output(target)
    assert native.tally(target, classes, -100, None, None)[0] == -1
    bad = np.arange(1, rows, 2)[: len(EVIL)]
    bad[-2:] += 1  # rows with −inf at class 0 too
    target[bad] = EVIL
    assert native.tally(target, classes, -100, None, None)[0] == bad[0]
    found = every_output(target)
    others = np.setdiff1d(np.arange(rows), bad)
    for name in ("loss", "grad", "again", "jvp", "hvp", "diagonal", "stats 0"):
        value = found[name]
        poisoned = value & 0x7FC0 == not_a_number if value.dtype == np.uint16 else np.isnan(value)
        assert poisoned[bad].all(), name
    for name, value in found.items():
        assert value[others].tobytes() == right[name][others].tobytes(), name
