"""What must hold for any input: symmetries, the same bits in any layout, options as other inputs.

Where two calls have the same exact result, each is within its bar of it, so they are within twice
the bar of each other; where the contract promises the same bits, bits are compared.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import oracle
import pytest
from contract.frontends import TARGET_GRAD, FrontEnd, dtype_of, loss_name
from contract.property_cases import (
    GRID,
    LAYOUTS,
    Problem,
    big_endian,
    every_other,
    fortran,
    misaligned,
    pick_rows,
    problems,
    read_only,
    reversed_axes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

few = settings(
    derandomize=True,  # the same examples on every machine
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def everything(front: FrontEnd, p: Problem, **keywords: Any) -> dict[str, np.ndarray]:
    """Every per-row output of the public functions."""
    options = {**p.options, **keywords}
    transform = {name: options[name] for name in ("temperature", "softcap") if name in options}
    axis = {"axis": keywords["axis"]} if "axis" in keywords else {}
    each = {**options, "reduction": "none"}
    loss, grad = front("cross_entropy_with_grad", p.logits, p.target, **each)
    stats = front("cross_entropy_stats", p.logits, p.target, **options)
    found = {
        "softmax": front("softmax", p.logits, **transform, **axis),
        "log_softmax": front("log_softmax", p.logits, **transform, **axis),
        "loss": loss,
        "grad": grad,
        "jvp": front("cross_entropy_jvp", p.logits, p.target, p.tangent, **each),
        "hvp": front("cross_entropy_hvp", p.logits, p.target, p.tangent, **each),
        **{f"stats.{name}": value for name, value in zip(stats._fields, stats, strict=True)},
    }
    if front.has("logsumexp"):
        found["logsumexp"] = front("logsumexp", p.logits, **transform, **axis)
    if front.has(function := "cross_entropy_hessian_diag"):
        found["hessian_diag"] = front(function, p.logits, p.target, **each)
    if p.target.dtype.kind != "i" or front.has(TARGET_GRAD):
        found["target_grad"] = front("cross_entropy_target_grad", p.logits, p.target, **each)
    return found


def assert_same_bits(got: dict[str, Any], right: dict[str, Any]) -> None:
    """Equal to the last bit; NaN equals NaN, and -0 differs from +0."""
    assert got.keys() == right.keys()
    for name, value in right.items():
        same = np.asarray(got[name]), np.asarray(value)
        assert same[0].dtype == same[1].dtype
        assert same[0].shape == same[1].shape
        assert same[0].tobytes() == same[1].tobytes(), f"{name} has other bits"


def assert_close(got: Any, right: Any, ulps: float, scale: Any = None) -> None:
    """Within so many ULP of the scale, the value itself by default."""
    dtype = np.asarray(right).dtype
    if scale is None:
        scale = np.abs(np.asarray(right).astype(np.float64))
    exact = np.asarray(right).astype(np.float64)
    errors = oracle.ulp_error(np.asarray(got).astype(np.float64), exact, dtype, scale)
    assert np.max(errors, initial=0.0) <= ulps


def grad_scale(p: Problem, **more: Any) -> np.ndarray:
    """The largest term of every entry of the gradient, in long double: the bars' unit."""
    options = {**p.options, **more, "reduction": "none"}
    return oracle.cross_entropy(p.logits, p.target, arithmetic=oracle.LONG, **options).grad_scale


# ------------------------------------------------------------------ symmetries


@few
@given(p=problems(soft=False, transformed=False, z_loss=False), shift=st.integers(-1000, 1000))
def test_shift(front: FrontEnd, p: Problem, shift: int) -> None:
    """Adding a constant to a row changes nothing but lse (no softcap, no z_loss)."""
    front.samples(everything=True)
    step, largest = GRID[str(p.logits.dtype)]
    shift = max(-largest, min(largest, shift))
    moved = (p.logits.astype(np.float64) + shift).astype(p.logits.dtype)
    assert (moved.astype(np.float64) - shift == p.logits.astype(np.float64)).all(), step
    shifted = Problem(moved, p.target, p.tangent, p.options)
    got, right = everything(front, shifted), everything(front, p)
    scale = grad_scale(p)
    assert_close(got["softmax"], right["softmax"], 12)
    assert_close(got["loss"], right["loss"], 8)
    assert_close(got["grad"], right["grad"], 12, scale)
    assert_close(got["stats.entropy"], right["stats.entropy"], 12)
    np.testing.assert_array_equal(got["stats.rank"], right["stats.rank"])


@few
@given(p=problems(), seed=st.integers(0, 2**32 - 1))
def test_permutation(front: FrontEnd, p: Problem, seed: int) -> None:
    """Renaming the classes renames the gradient, and the loss is what it was."""
    front.samples(everything=True)
    order = np.random.default_rng(seed).permutation(p.logits.shape[1])
    soft = p.target.ndim == 2
    target = p.target[:, order] if soft else np.argsort(order)[p.target]
    options = dict(p.options)
    if "weight" in options:
        options["weight"] = options["weight"][order]
    renamed = Problem(p.logits[:, order], target, p.tangent[:, order], options)
    got, right = everything(front, renamed), everything(front, p)
    assert_close(got["softmax"], right["softmax"][:, order], 12)
    assert_close(got["loss"], right["loss"], 8)
    scale = grad_scale(p)[:, order]
    assert_close(got["grad"], right["grad"][:, order], 12, scale)
    assert_close(got["stats.entropy"], right["stats.entropy"], 12)
    np.testing.assert_array_equal(got["stats.rank"], right["stats.rank"])


@few
@given(p=problems(smoothing=False), extra=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
def test_padding(front: FrontEnd, p: Problem, extra: int, seed: int) -> None:
    """Classes at -inf, wherever they are, change nothing and have derivatives 0 (no smoothing)."""
    front.samples(everything=True)
    rows, classes = p.logits.shape
    places = np.random.default_rng(seed).permutation(classes + extra)[:classes]
    places.sort()
    unused = np.delete(np.arange(classes + extra), places)

    def pad(x: np.ndarray, value: float) -> np.ndarray:
        wide = np.full((*x.shape[:-1], classes + extra), value).astype(x.dtype)
        wide[..., places] = x
        return wide

    soft = p.target.ndim == 2
    target = pad(p.target, 0.0) if soft else places[p.target]
    options = dict(p.options)
    if "weight" in options:
        options["weight"] = pad(options["weight"], 1.0)
    padded = Problem(pad(p.logits, -inf), target, pad(p.tangent, 1.0), options)
    got, right = everything(front, padded), everything(front, p)
    assert_close(got["softmax"][:, places], right["softmax"], 12)
    assert_close(got["loss"], right["loss"], 8)
    assert_close(got["grad"][:, places], right["grad"], 12, grad_scale(p))
    for name in {"softmax", "grad", "hvp", "hessian_diag"} & got.keys():
        assert not got[name][:, unused].astype(np.float64).any(), name
    assert got["grad"].shape == (rows, classes + extra)


# ------------------------------------------------------------------ the same bits


@few
@given(p=problems())
def test_a_row_alone_is_the_row_in_a_batch(front: FrontEnd, p: Problem) -> None:
    """The rows beside a row do not change its bits; neither does its place among them."""
    if not front.deterministic:
        pytest.skip(f"{front.name} does not promise bits")
    together = everything(front, p)
    for n in range(len(p.logits)):
        alone = everything(front, pick_rows(p, slice(n, n + 1)))
        assert_same_bits(alone, {name: value[n : n + 1] for name, value in together.items()})
    backwards = everything(front, pick_rows(p, np.arange(len(p.logits))[::-1]))
    assert_same_bits(backwards, {name: value[::-1] for name, value in together.items()})


@pytest.mark.parametrize("layout", LAYOUTS)
@few
@given(p=problems())
def test_layouts(front: FrontEnd, layout: Any, p: Problem) -> None:
    """Whatever the strides, order, alignment or byte order: the bits of a contiguous copy."""
    if not front.deterministic:
        pytest.skip(f"{front.name} does not promise bits")
    front.needs(layout.__name__)
    right = everything(front, p)
    options = {k: layout(v) if isinstance(v, np.ndarray) else v for k, v in p.options.items()}
    laid = Problem(layout(p.logits), layout(p.target), layout(p.tangent), options)
    assert_same_bits(everything(front, laid), right)
    assert laid.logits.astype(np.float64).tobytes() == p.logits.astype(np.float64).tobytes()
    assert np.array_equal(laid.target, p.target)


@few
@given(p=problems(), along=st.sampled_from(["rows", "classes", "both"]))
def test_broadcast_inputs(front: FrontEnd, p: Problem, along: str) -> None:
    """Stride 0 along rows, classes or both: the bits of a contiguous copy."""
    if not front.deterministic:
        pytest.skip(f"{front.name} does not promise bits")
    first = {
        "rows": (slice(0, 1), slice(None)),
        "classes": (slice(None), slice(0, 1)),
        "both": (slice(0, 1), slice(0, 1)),
    }[along]
    shape = p.logits.shape
    logits, tangent = (np.broadcast_to(x[first], shape) for x in (p.logits, p.tangent))
    target = p.target
    if target.ndim == 2:
        target = np.broadcast_to(target[first], shape)
    elif along != "classes":
        target = np.broadcast_to(target[:1], shape[:1])
    thin = Problem(logits, target, tangent, p.options)
    full = Problem(logits.copy(), target.copy(), tangent.copy(), p.options)
    assert_same_bits(everything(front, thin), everything(front, full))


@few
@given(p=problems(), blocks=st.integers(1, 3))
def test_class_axis_anywhere(front: FrontEnd, p: Problem, blocks: int) -> None:
    """The class axis first, or between two others: the bits of the class axis last."""
    if not front.deterministic:
        pytest.skip(f"{front.name} does not promise bits")
    right = everything(front, p)
    stack = {name: np.stack([value] * blocks) for name, value in right.items()}
    options = dict(p.options)
    if "row_weight" in options:
        options["row_weight"] = np.stack([options["row_weight"]] * blocks)

    def lift(x: np.ndarray) -> np.ndarray:  # (blocks, V, N)
        return np.ascontiguousarray(np.moveaxis(np.stack([x] * blocks), -1, 1))

    soft = p.target.ndim == 2
    target = lift(p.target) if soft else np.stack([p.target] * blocks)
    lifted = Problem(lift(p.logits), target, lift(p.tangent), options)
    got = everything(front, lifted, axis=1)
    for name, value in stack.items():
        matrix = value.ndim == 3
        expected = np.ascontiguousarray(np.moveaxis(value, -1, 1)) if matrix else value
        assert_same_bits({name: got[name]}, {name: expected})


@few
@given(p=problems(), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_new_array_out_and_in_place(front: FrontEnd, p: Problem, reduction: str) -> None:
    """A new array, `out=`, a strided `out=` and in place hold the same bits; so does the loss."""
    if not front.has_out:
        pytest.skip(f"{front.name} has no out=")
    options = {**p.options, "reduction": reduction}
    before = p.logits.copy()
    loss, grad = front("cross_entropy_with_grad", p.logits, p.target, **options)
    assert before.tobytes() == p.logits.tobytes(), "inputs are not modified"
    right = {"loss": loss, "grad": grad}
    strided = every_other(np.full_like(p.logits, 7.0))
    turned = np.full_like(p.logits, 7.0).T.copy().T
    for out in (np.full_like(p.logits, 7.0), strided, turned, p.logits.copy()):
        again, same = front("cross_entropy_with_grad", p.logits, p.target, **options, out=out)
        assert same is out
        assert_same_bits({"loss": again, "grad": out}, right)
    for logits in (p.logits.copy(), every_other(p.logits)):
        again, same = front("cross_entropy_with_grad", logits, p.target, **options, out=logits)
        assert same is logits
        assert_same_bits({"loss": again, "grad": logits}, right)
    for name in ("softmax", "log_softmax"):
        value = front(name, p.logits)
        inside = p.logits.copy()
        assert front(name, inside, out=inside) is inside
        assert_same_bits({name: inside}, {name: value})


@few
@given(p=problems(), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_loss_alone_is_loss_with_gradient(front: FrontEnd, p: Problem, reduction: str) -> None:
    """The same bits whether or not the gradient is asked for; `none` with sum's gradient too."""
    if not front.deterministic:
        pytest.skip(f"{front.name} does not promise bits")
    options = {**p.options, "reduction": reduction}
    alone = front("cross_entropy", p.logits, p.target, **options)
    loss, grad = front("cross_entropy_with_grad", p.logits, p.target, **options)
    assert_same_bits({"loss": alone}, {"loss": loss})
    if reduction != "mean":
        other = {**options, "reduction": {"sum": "none", "none": "sum"}[reduction]}
        _, same = front("cross_entropy_with_grad", p.logits, p.target, **other)
        assert_same_bits({"grad": same}, {"grad": grad})


# ------------------------------------------------------------------ options as other inputs


@few
@given(
    p=problems(soft=False, smoothing=False, widths=st.integers(1, 300)),
    eps=st.sampled_from([1e-3, 0.1, 0.5, 1.0]),
    reduction=st.sampled_from(["sum", "none"]),
)
def test_smoothing_is_a_dense_soft_target(
    front: FrontEnd, p: Problem, eps: float, reduction: str
) -> None:
    """label_smoothing = the soft target (1 - eps) t + eps / V, for sum and none."""
    front.samples(everything=True)
    rows, classes = p.logits.shape
    dense = np.full((rows, classes), eps / classes)
    dense[np.arange(rows), p.target] += 1.0 - eps
    options = {**p.options, "reduction": reduction}
    loss, grad = front(
        "cross_entropy_with_grad", p.logits, p.target, **options, label_smoothing=eps
    )
    soft_loss, soft_grad = front("cross_entropy_with_grad", p.logits, dense, **options)
    # 10 and 16: twice the bar, and the rounding of the dense target to float64.
    assert_close(soft_loss, loss, 10)
    assert_close(soft_grad, grad, 16, grad_scale(p, label_smoothing=eps))


@few
@given(
    p=problems(soft=False, smoothing=False, weights=False),
    seed=st.integers(0, 2**32 - 1),
    reduction=st.sampled_from(["sum", "mean"]),
)
def test_class_weights_are_repeated_rows(
    front: FrontEnd, p: Problem, seed: int, reduction: str
) -> None:
    """An integer class weight counts each row of the class that many times."""
    front.samples(everything=True)
    weight = np.random.default_rng(seed).integers(0, 4, p.logits.shape[1])
    weight[p.target[0]] = 2
    options = {**p.options, "z_loss": 0.0, "reduction": reduction}
    times = weight[p.target]
    check_repeated(front, p, times, {**options, "weight": weight.astype(float)}, options)


@few
@given(
    p=problems(weights=False),
    seed=st.integers(0, 2**32 - 1),
    reduction=st.sampled_from(["sum", "mean"]),
)
def test_row_weights_are_repeated_rows(
    front: FrontEnd, p: Problem, seed: int, reduction: str
) -> None:
    """An integer row weight counts the row that many times."""
    front.samples(everything=True)
    times = np.random.default_rng(seed).integers(0, 4, len(p.logits))
    times[0] = 3
    options = {**p.options, "reduction": reduction}
    if reduction == "mean":
        options["z_loss"] = 0.0  # averaged over the rows that count, whatever their weights
    check_repeated(front, p, times, {**options, "row_weight": times.astype(float)}, options)


def check_repeated(
    front: FrontEnd,
    p: Problem,
    times: np.ndarray,
    weighted: dict[str, Any],
    plain: dict[str, Any],
) -> None:
    """The weighted problem equals the problem with row n repeated times[n] times."""
    rows = np.repeat(np.arange(len(times)), times)
    loss, grad = front("cross_entropy_with_grad", p.logits, p.target, **weighted)
    again, repeated = front("cross_entropy_with_grad", p.logits[rows], p.target[rows], **plain)
    assert_close(again, loss, 8)
    count = len(rows) if plain["reduction"] == "mean" else 1
    unit = grad_scale(Problem(p.logits, p.target, p.tangent, plain))
    expected = np.zeros(p.logits.shape)
    np.add.at(expected, rows, repeated.astype(np.float64))
    # 6 for each side, and one rounding: in half precision each summand was rounded by itself.
    scale = np.asarray(unit, np.float64) * times[:, None] / count
    assert_close(expected.astype(grad.dtype), grad, 14, scale)


# ------------------------------------------------------------------ the state of the process


def test_floating_point_state_is_unchanged(front: FrontEnd) -> None:
    """Denormals and the rounding of float32 sums are as before, after calls of every dtype."""

    def state() -> tuple[float, ...]:
        tiny = np.float32(1e-38)
        small = tiny * np.float32(0.1), np.float64(1e-308) * 0.1
        denormal = np.float32(1e-40) * np.float32(8.0)  # read as 0 under denormals-are-zero
        sums = np.float32(1) + np.float32(2**-24 * 1.5), np.float32(-1) - np.float32(2**-24 * 1.5)
        return *map(float, small), float(denormal), *map(float, sums)

    before = state()
    assert all(before), "this process did not flush to zero to begin with"
    for dtype in front.dtypes:
        logits = np.random.default_rng(0).normal(size=(64, 3000)).astype(dtype_of(dtype))
        loss, _ = front("cross_entropy_with_grad", logits, np.zeros(64, np.int64))
        assert loss.dtype == np.dtype(loss_name(dtype))
        assert state() == before


# ------------------------------------------------------------------ these tests can fail


@few
@given(p=problems())
def test_problems_are_not_constant(p: Problem) -> None:
    """The generator's rows differ, within themselves and from each other."""
    rows, classes = p.logits.shape
    z = p.logits.astype(np.float64)
    assert classes < 8 or (z.std(axis=1) > 0.3).all()
    assert classes < 8 or len(np.unique(z, axis=0)) == rows
    assert classes < 8 or p.tangent.astype(np.float64).std() > 0.3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_what_they_are_called(layout: Any) -> None:
    """Each layout holds the values, and differs from a plain contiguous array as it says."""
    plain = np.arange(12.0).reshape(3, 4)
    laid = layout(plain)
    np.testing.assert_array_equal(laid, plain)
    assert {
        fortran: not laid.flags.c_contiguous and laid.flags.f_contiguous,
        every_other: laid.strides == (128, 16),
        reversed_axes: laid.strides == (-32, -8),
        read_only: not laid.flags.writeable,
        misaligned: not laid.flags.aligned,
        big_endian: not laid.dtype.isnative,
    }[layout]


def test_close_can_fail() -> None:
    """`assert_close` tells 13 ULP from 12."""
    one = np.ones(3, np.float32)
    assert_close(one + 12 * np.spacing(one), one, 12)
    with pytest.raises(AssertionError):
        assert_close(one + 13 * np.spacing(one), one, 12)
    with pytest.raises(AssertionError, match="other bits"):
        assert_same_bits({"x": np.zeros(1)}, {"x": -np.zeros(1)})
