"""The edges: every row of the contract's table of edges, driven through every front end.

The special rows are in edge_cases.py, the rows that raise in test_errors.py. The harness spreads
the three classes of a case over a row of any width, the rest -inf, so that each road a kernel takes
through a row meets each edge; the ordinary rows beside it must keep their bits.
"""

from __future__ import annotations

from math import inf, isnan, log, nan
from typing import Any

import numpy as np
import pytest
from contract.edge_cases import EDGES, TANGENT, Edge, Row, spread
from contract.frontends import DTYPES, FrontEnd, dtype_of, loss_name

WIDTHS = (3, 40, 1000, 70_001)
TOLERANCE = {"float32": 1e-6, "float64": 1e-14, "bfloat16": 2.0**-8, "float16": 2.0**-10}

WHERE = [
    pytest.param(edge, width, id=f"{edge.name}-{width}")
    for edge in EDGES
    for width in (WIDTHS[:1] if edge.fixed_width else WIDTHS)
]


def check_value(got: Any, expected: float | None, dtype: str) -> None:
    """Equal within the dtype; infinities, NaN and zeros exactly; None stands for finite."""
    if expected is None:
        assert np.isfinite(float(got))
    elif not np.isfinite(expected) or expected == 0.0:
        np.testing.assert_array_equal(np.float64(got), expected)
    else:
        np.testing.assert_allclose(float(got), expected, rtol=TOLERANCE[dtype], atol=0)


def check_row(got: np.ndarray, expected: Row | float, places: tuple[int, ...], dtype: str) -> None:
    """The three classes hold what the edge says, and the padding holds 0 (NaN in a NaN row)."""
    got = got.astype(np.float64)
    if isinstance(expected, float) and isnan(expected):
        assert np.isnan(got).all(), "one bad logit makes the whole row NaN"
        return
    padding = got.copy()
    for place, value in zip(places, as_row(expected), strict=True):
        check_value(got[place], value, dtype)
        padding[place] = 0.0
    assert not padding.any(), "a class at -inf has derivative 0"


def as_row(expected: Row | float) -> Row:
    return (expected,) * 3 if isinstance(expected, float) else expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("edge", "width"), WHERE)
def test_edge(front: FrontEnd, edge: Edge, width: int, dtype: str) -> None:
    """Loss, gradient, HVP and JVP of the special row are what the contract says."""
    front.samples(width != 3 and (width, dtype) != (1000, "float32"))
    p = spread(edge, front.needs(dtype), width)
    options = {**p.options, "reduction": "none"}
    loss, grad = front("cross_entropy_with_grad", p.logits, p.target, **options)
    alone = front("cross_entropy", p.logits, p.target, **options)
    hvp = front("cross_entropy_hvp", p.logits, p.target, p.tangent, **options)
    jvp = front("cross_entropy_jvp", p.logits, p.target, p.tangent, **options)
    np.testing.assert_array_equal(alone, loss)
    assert loss.dtype == jvp.dtype == np.dtype(loss_name(dtype))
    assert grad.dtype == hvp.dtype == p.logits.dtype
    check_value(loss[1], edge.loss, loss_name(dtype))
    check_value(jvp[1], edge.jvp, loss_name(dtype))
    check_row(grad[1], edge.grad, p.places, dtype)
    check_row(hvp[1], edge.hvp, p.places, dtype)
    if edge.loss == 0.0:
        assert not np.signbit(loss[1]), "a loss is never -0"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("edge", "width"), WHERE)
def test_other_rows_keep_their_bits(front: FrontEnd, edge: Edge, width: int, dtype: str) -> None:
    """The rows beside the special one are the rows they are without it."""
    front.samples((width, dtype) not in ((3, "bfloat16"), (1000, "float32")))
    p = spread(edge, front.needs(dtype), width)
    options = {**p.options, "reduction": "none"}
    others = [0, 2]
    rows, target, vector = p.logits[others], p.target[others], p.tangent[others]
    whole = [
        *front("cross_entropy_with_grad", p.logits, p.target, **options),
        front("cross_entropy_hvp", p.logits, p.target, p.tangent, **options),
    ]
    part = [
        *front("cross_entropy_with_grad", rows, target, **options),
        front("cross_entropy_hvp", rows, target, vector, **options),
    ]
    for beside, alone in zip(whole, part, strict=True):
        assert np.isfinite(alone.astype(np.float64)).all(), "the neighbours are ordinary rows"
        if front.deterministic:
            np.testing.assert_array_equal(beside[others], alone)
        else:
            np.testing.assert_allclose(beside[others], alone, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_edge_reduced(front: FrontEnd, edge: Edge, reduction: str) -> None:
    """A reduced loss is NaN or infinite when the row is; the gradient is the rows', scaled."""
    p = spread(edge, front.needs("float64"), 3)
    rows, plain = front(
        "cross_entropy_with_grad", p.logits, p.target, **p.options, reduction="none"
    )
    options = {**p.options, "reduction": reduction}
    total, grad = front("cross_entropy_with_grad", p.logits, p.target, **options)
    jvp = front("cross_entropy_jvp", p.logits, p.target, p.tangent, **options)
    assert np.ndim(total) == np.ndim(jvp) == 0
    assert np.isnan(grad).tolist() == np.isnan(plain).tolist()
    assert (grad == 0).tolist() == (plain == 0).tolist()
    if np.isfinite(edge.loss):
        scale = np.abs(plain * p.tangent)[np.isfinite(p.logits)].sum()
        expected = np.nansum(grad * p.tangent)
        np.testing.assert_allclose(jvp, expected, rtol=1e-13, atol=1e-13 * scale)
    else:
        np.testing.assert_array_equal(total, edge.loss)
    if reduction == "sum":
        np.testing.assert_allclose(total, rows.sum(), rtol=1e-15)
        np.testing.assert_array_equal(grad, plain)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_edge_hessian(front: FrontEnd, edge: Edge, dtype: str) -> None:
    """The dense Hessian times the tangent is the HVP, its diagonal the Hessian diagonal."""
    front.samples(dtype not in ("float64", "bfloat16"))
    p = spread(edge, front.needs(dtype), 3)
    options = {**p.options, "reduction": "none"}
    dense = front("cross_entropy_hessian", p.logits, p.target, **options)
    assert dense.dtype == p.logits.dtype
    assert dense.shape == (3, 3, 3)
    matrix = dense[1].astype(np.float64)
    if front.has("cross_entropy_hessian_diag"):
        diagonal = front("cross_entropy_hessian_diag", p.logits, p.target, **options)
        assert diagonal.dtype == p.logits.dtype
        right = np.diagonal(matrix)
        np.testing.assert_allclose(diagonal[1].astype(float), right, rtol=2 * TOLERANCE[dtype])
    if isinstance(edge.hvp, float) and isnan(edge.hvp):
        assert np.isnan(matrix).all()
        return
    expected = np.array(as_row(edge.hvp), np.float64)
    scale = np.abs(matrix) @ np.abs(TANGENT)
    assert (np.abs(matrix @ TANGENT - expected) <= 4 * TOLERANCE[dtype] * scale).all()
    np.testing.assert_allclose(matrix, matrix.T, rtol=2 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_softmax_edges(front: FrontEnd, dtype: str, width: int) -> None:
    """-inf has probability +0 and log-probability -inf; a bad row is NaN, others are not."""
    front.samples(width != 3 and (width, dtype) != (1000, "float32"))
    logits = np.full((5, width), -inf)
    ends = [0, width - 1]
    logits[0, ends] = 0.0
    logits[1, ends] = (0.0, nan)
    logits[2, ends] = (inf, 0.0)
    logits[4, ends] = 5.0  # row 3 is all -inf
    logits = logits.astype(dtype_of(front.needs(dtype)))
    for softcap in (None, 8.0):
        y = front("softmax", logits, softcap=softcap).astype(np.float64)
        log_y = front("log_softmax", logits, softcap=softcap).astype(np.float64)
        assert np.isnan(y[1:4]).all()
        assert np.isnan(log_y[1:4]).all()
        for row in (0, 4):
            np.testing.assert_array_equal(y[row, ends], 0.5)
            np.testing.assert_array_equal(np.delete(y[row], ends), 0.0)
            assert not np.signbit(y[row]).any(), "a probability is never -0"
            np.testing.assert_allclose(log_y[row, ends], -log(2.0), rtol=TOLERANCE[dtype])
            np.testing.assert_array_equal(np.delete(log_y[row], ends), -inf)
    if not front.has("logsumexp"):
        return
    lse = front("logsumexp", logits)
    assert lse.dtype == np.dtype(loss_name(dtype))
    np.testing.assert_allclose(lse[[0, 4]], [log(2.0), 5 + log(2.0)], rtol=1e-6)
    assert np.isnan(lse[1])


@pytest.mark.parametrize("function", ["softmax_jvp", "softmax_vjp"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_products_at_edges(front: FrontEnd, dtype: str, function: str) -> None:
    """y * (v - <y, v>) is 0 at a -inf logit and NaN in a bad row."""
    rows = [(0.0, -inf, 0.0), (0.0, nan, 0.0), (0.0, inf, 0.0), (-inf, -inf, -inf)]
    kind = dtype_of(front.needs(dtype))
    vector = np.tile(np.array(TANGENT), (4, 1)).astype(kind)
    got = front(function, np.array(rows).astype(kind), vector).astype(np.float64)
    np.testing.assert_array_equal(got[0], (-0.75, 0.0, 0.75))
    assert np.isnan(got[1:]).all()


EMPTY = {  # name: (logits shape, target, options); with mean each is empty
    "N = 0": ((0, 5), np.zeros(0, np.int64), {}),
    "N = 0, two axes": ((3, 0, 5), np.zeros((3, 0), np.int64), {}),
    "N = 0, soft": ((0, 5), np.zeros((0, 5)), {}),
    "all ignored": ((4, 5), np.full(4, -100), {}),
    "all ignored, z_loss": ((4, 5), np.full(4, -100), {"z_loss": 0.5}),
    "weights 0": ((4, 5), np.arange(4), {"weight": np.zeros(5)}),
    "weights of the targets 0": ((4, 5), np.zeros(4, int), {"weight": np.eye(5)[1]}),
    "weights 0, z_loss": ((4, 5), np.arange(4), {"weight": np.zeros(5), "z_loss": 0.5}),
    "row weights 0": ((4, 5), np.arange(4), {"row_weight": np.zeros(4)}),
    "row weights 0, soft": ((4, 5), np.ones((4, 5)), {"row_weight": np.zeros(4)}),
    "ignored or weight 0": ((2, 5), np.array([-100, 3]), {"row_weight": np.array([1.0, 0.0])}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EMPTY)
def test_empty_mean(front: FrontEnd, case: str, dtype: str) -> None:
    """An empty mean is 0, NaN or an error, as asked; its derivatives are 0; sums are just 0."""
    shape, target, options = EMPTY[case]
    logits = np.ones(shape).astype(dtype_of(front.needs(dtype)))
    if target.dtype == np.float64:
        target = target.astype(logits.dtype)
    zeros = np.zeros(shape)
    for empty, expected in (("zero", 0.0), ("nan", nan)):
        loss, grad = front("cross_entropy_with_grad", logits, target, **options, empty=empty)
        alone = front("cross_entropy", logits, target, **options, empty=empty)
        hvp = front("cross_entropy_hvp", logits, target, logits, **options, empty=empty)
        for value in (loss, alone):
            np.testing.assert_array_equal(value, expected)
            assert not np.signbit(value) or isnan(expected)
            assert value.dtype == np.dtype(loss_name(dtype))
        derivatives = [grad, hvp]
        if front.has(function := "cross_entropy_hessian_diag"):
            derivatives.append(front(function, logits, target, **options, empty=empty))
        for derivative in derivatives:
            np.testing.assert_array_equal(derivative.astype(np.float64), zeros)
        jvp = front("cross_entropy_jvp", logits, target, logits, **options, empty=empty)
        np.testing.assert_array_equal(jvp, 0.0)
    for function in ("cross_entropy", "cross_entropy_with_grad"):
        with pytest.raises(ValueError, match="empty"):
            front(function, logits, target, **options, empty="raise")
    for reduction in ("sum", "none"):
        keep = {**options, "z_loss": 0.0, "reduction": reduction, "empty": "raise"}
        loss, grad = front("cross_entropy_with_grad", logits, target, **keep)
        np.testing.assert_array_equal(loss, np.zeros(shape[:-1] if reduction == "none" else ()))
        np.testing.assert_array_equal(grad.astype(np.float64), zeros)


def test_empty_is_the_default_zero(front: FrontEnd) -> None:
    """Without asking, an all-ignored mean is 0 even where its logits are NaN."""
    logits = np.full((3, 4), nan, np.float32)
    loss, grad = front("cross_entropy_with_grad", logits, np.full(3, -100))
    assert loss == 0.0
    np.testing.assert_array_equal(grad, 0.0)


def test_soft_targets_are_empty_only_without_rows(front: FrontEnd) -> None:
    """Soft targets divide by N whatever their sums and weights: nothing is empty with rows."""
    logits, target = np.ones((2, 3)), np.ones((2, 3))
    for options, soft in (({"weight": np.zeros(3)}, target), ({}, np.zeros((2, 3)))):
        loss, grad = front("cross_entropy_with_grad", logits, soft, **options, empty="raise")
        assert loss == 0.0
        np.testing.assert_array_equal(grad, 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.5}, {"weight": np.array([3.0])},
                                     {"temperature": 0.5, "softcap": 4.0}])  # fmt: skip
def test_one_class(front: FrontEnd, dtype: str, options: dict[str, Any]) -> None:
    """V = 1: the one probability is 1, the loss +0 and every derivative 0."""
    logits = np.array([[3.0], [-60000.0], [0.0]]).astype(dtype_of(front.needs(dtype)))
    for target in (np.zeros(3, np.int64), np.array([[1.0], [0.25], [0.0]]).astype(logits.dtype)):
        for reduction in ("none", "mean"):
            chosen = {**options, "reduction": reduction}
            loss, grad = front("cross_entropy_with_grad", logits, target, **chosen)
            np.testing.assert_array_equal(loss, 0.0)
            assert not np.signbit(loss).any()
            np.testing.assert_array_equal(grad.astype(np.float64), 0.0)
            hvp = front("cross_entropy_hvp", logits, target, logits, **chosen)
            np.testing.assert_array_equal(hvp.astype(np.float64), 0.0)
            jvp = front("cross_entropy_jvp", logits, target, logits, **chosen)
            np.testing.assert_array_equal(jvp, 0.0)
    np.testing.assert_array_equal(front("softmax", logits).astype(np.float64), 1.0)
    np.testing.assert_array_equal(front("log_softmax", logits).astype(np.float64), 0.0)
    if front.has("logsumexp"):
        np.testing.assert_array_equal(front("logsumexp", logits), logits[:, 0].astype(np.float64))


HUGE = {  # name: (dtype, logits, target, options, exact loss, exact gradient)
    "3e38 right": ("float32", (3e38, -3e38), 0, {}, 0.0, (0.0, 0.0)),
    "3e38 wrong": ("float32", (3e38, -3e38), 1, {}, inf, (1.0, -1.0)),
    "1e38 apart": ("float32", (3e38, 2e38), 1, {}, None, (1.0, -1.0)),
    "3e38 wrong, temperature": ("float32", (3e38, -3e38), 1, {"temperature": 2.0}, None,
                                (0.5, -0.5)),
    "3e38 wrong, weight": ("float32", (3e38, -3e38), 1, {"weight": (1.0, 0.5)}, None, (0.5, -0.5)),
    "3e38 equal": ("float32", (3e38, 3e38), 1, {}, log(2.0), (0.5, -0.5)),
    "-3e38 equal": ("float32", (-3e38, -3e38), 1, {}, log(2.0), (0.5, -0.5)),
    "3e38 softcap": ("float32", (3e38, -3e38), 1, {"softcap": 4.0}, 8.00033540637289566, (0, 0)),
    "3e38 bfloat16": ("bfloat16", (3e38, -3e38), 1, {}, inf, (1.0, -1.0)),
    "1e38 apart, bfloat16": ("bfloat16", (3e38, 2e38), 1, {}, None, (1.0, -1.0)),
    "65504": ("float16", (65504.0, -65504.0), 1, {}, 131008.0, (1.0, -1.0)),
    "1.7e308 right": ("float64", (1.7e308, -1.7e308), 0, {}, 0.0, (0.0, 0.0)),
    "1.7e308 wrong": ("float64", (1.7e308, -1.7e308), 1, {}, inf, (1.0, -1.0)),
    "1e308 apart": ("float64", (1.7e308, 0.7e308), 1, {}, None, (1.0, -1.0)),
    "1.7e308 wrong, temperature": ("float64", (1.7e308, -1.7e308), 1, {"temperature": 4.0}, None,
                                   (0.25, -0.25)),
    "1.7e308 wrong, weight": ("float64", (1.7e308, -1.7e308), 1, {"weight": (1.0, 0.25)}, None,
                              (0.25, -0.25)),
    "1.7e308 wrong, row weight": ("float64", (1.7e308, -1.7e308), 1, {"row_weight": 0.25}, None,
                                  (0.25, -0.25)),
    "1.7e308 wrong, soft": ("float64", (1.7e308, -1.7e308), (0.75, 0.25), {}, None,
                            (0.25, -0.25)),
    "1.7e308 softcap": ("float64", (1.7e308, -1.7e308), 1, {"softcap": 4.0}, 8.00033540637289566,
                        (0.0, 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("case", HUGE)
def test_huge_logits(front: FrontEnd, case: str) -> None:
    """Differences are taken without overflow: inf only where the true loss exceeds the type."""
    dtype, row, target, options, expected, gradient = HUGE[case]
    logits = np.array([row]).astype(dtype_of(front.needs(dtype)))
    if expected is None:  # the true loss: the gap between the logits, by T, by the weights
        half_gap = float(logits[0, 0]) / 2 - float(logits[0, 1]) / 2  # the gap itself may overflow
        factor = 1.0 / options.get("temperature", 1.0) * options.get("weight", (1.0, 1.0))[1]
        factor *= options.get("row_weight", 1.0)
        factor *= target[1] if isinstance(target, tuple) else 1.0
        expected = half_gap * (2 * factor)
    if "row_weight" in options:
        if front.name == "torch-reference":
            pytest.skip(f"{front.name} weights a row after its loss, which is infinite here")
        options = {"row_weight": np.array([options["row_weight"]])}
    where = np.array([target])
    if isinstance(target, tuple):
        where = where.astype(logits.dtype)
    for reduction in ("none", "sum"):
        chosen = {**options, "reduction": reduction}
        loss, grad = front("cross_entropy_with_grad", logits, where, **chosen)
        check_value(np.ravel(loss)[0], expected, loss_name(dtype))
        np.testing.assert_array_equal(grad.astype(np.float64), [gradient])


def test_huge_logits_mean(front: FrontEnd) -> None:
    """The mean of two losses is within the type although their sum is not."""
    front.needs("float64")
    logits = np.array([[1.7e308, 0.0], [1.7e308, 0.0]])
    loss = front("cross_entropy", logits, np.array([1, 1]))
    np.testing.assert_allclose(loss, 1.7e308, rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_stats_edges(front: FrontEnd, dtype: str) -> None:
    """Ignored rows: floats 0, integers -1. NaN rows: NaN and -1. The first arg-max wins."""
    rows = [
        (1.0, 3.0, 3.0, 0.0),
        (nan, nan, nan, nan),
        (1.0, nan, 0.0, 0.0),
        (1.0, inf, 0.0, 0.0),
        (-inf, -inf, -inf, -inf),
        (0.0, -inf, 0.0, -inf),
        (0.0, -inf, 0.0, -inf),
    ]
    target = np.array([0, -100, 0, 0, 0, 2, 1])
    logits = np.array(rows).astype(dtype_of(front.needs(dtype)))
    stats = front("cross_entropy_stats", logits, target, z_loss=0.5)
    floats = [stats.loss, stats.z_loss, stats.logprob, stats.entropy, stats.lse]
    for values in floats:
        assert values.dtype == np.dtype(loss_name(dtype))
        assert values[1] == 0.0, "ignored"
        assert np.isnan(values[2:5]).all()
        assert np.isfinite(values[[0, 5]]).all()
    assert stats.prediction.dtype == stats.rank.dtype == np.int64
    np.testing.assert_array_equal(stats.prediction, [1, -1, -1, -1, -1, 0, 0])
    np.testing.assert_array_equal(stats.rank, [2, -1, -1, -1, -1, 0, 2])
    tolerance = TOLERANCE[loss_name(dtype)]
    ln2 = log(2.0)
    np.testing.assert_allclose([v[5] for v in floats], [ln2, ln2**2 / 2, -ln2, ln2, ln2], tolerance)
    np.testing.assert_array_equal(stats.loss[6], inf)
    np.testing.assert_array_equal(stats.logprob[6], -inf)
    np.testing.assert_allclose(stats.entropy[6], ln2, tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_stats_of_soft_targets(front: FrontEnd, dtype: str) -> None:
    """Soft targets have no rank; a zero at a -inf class adds nothing to logprob."""
    kind = dtype_of(front.needs(dtype))
    logits = np.array([(0.0, -inf, 0.0), (0.0, nan, 0.0)]).astype(kind)
    target = np.array([(0.25, 0.0, 0.75), (0.25, 0.0, 0.75)]).astype(kind)
    stats = front("cross_entropy_stats", logits, target)
    np.testing.assert_array_equal(stats.rank, [-1, -1])
    np.testing.assert_array_equal(stats.prediction, [0, -1])
    np.testing.assert_allclose(stats.logprob, [-log(2.0), nan], TOLERANCE[loss_name(dtype)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_target_grad_edges(front: FrontEnd, dtype: str) -> None:
    """-log y is +inf at a -inf class, 0 where the weight is 0; NaN rows are NaN."""
    kind = dtype_of(front.needs(dtype))
    logits = np.array([(0.0, -inf, 0.0), (0.0, nan, 0.0)]).astype(kind)
    target = np.full((2, 3), 0.25).astype(kind)
    grad = front("cross_entropy_target_grad", logits, target, reduction="none")
    assert grad.dtype == kind
    ln2 = log(2.0)
    np.testing.assert_allclose(grad[0].astype(np.float64), [ln2, inf, ln2], TOLERANCE[dtype])
    assert np.isnan(grad[1].astype(np.float64)).all()
    weight = np.array([2.0, 0.0, 1.0])
    grad = front("cross_entropy_target_grad", logits, target, reduction="none", weight=weight)
    np.testing.assert_allclose(grad[0].astype(np.float64), [2 * ln2, 0.0, ln2], TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_jvp_target_tangent_edges(front: FrontEnd, dtype: str) -> None:
    """A target tangent of 0 at a -inf class adds 0, class by class; NaN is not hidden."""
    kind = dtype_of(front.needs(dtype))
    logits = np.array([(0.0, -inf, 0.0), (0.0, nan, 0.0)]).astype(kind)
    target = np.array([(0.25, 0.0, 0.75)] * 2).astype(kind)
    zero, move = np.zeros((2, 3), kind), np.array([(1.0, 0.0, 1.0)] * 2).astype(kind)
    got = front("cross_entropy_jvp", logits, target, zero, target_tangent=move, reduction="none")
    np.testing.assert_allclose(got, [2 * log(2.0), nan], TOLERANCE[loss_name(dtype)])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
                                   "uint64", ">i4", ">i8"])  # fmt: skip
def test_any_integer_target(front: FrontEnd, dtype: str) -> None:
    """Class indices come in any integer dtype."""
    if dtype.startswith(">"):
        front.needs("big_endian")
    logits = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    target = np.array([0, 4, 2, 2, 1, 3])
    expected = front("cross_entropy_with_grad", logits, target)
    for got, right in zip(
        front("cross_entropy_with_grad", logits, target.astype(dtype)), expected, strict=True
    ):
        np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize("target_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_target_keeps_its_own_dtype(front: FrontEnd, dtype: str, target_dtype: str) -> None:
    """A soft target is used as it is, and its gradient has its dtype, not the logits'."""
    front.needs(target_dtype)
    logits = np.array([[0.0, 1.0, 3.0]]).astype(dtype_of(front.needs(dtype)))
    target = np.array([[0.1, 0.2, 0.7]]).astype(dtype_of(target_dtype))
    y = np.exp([0.0, 1.0, 3.0])
    y /= y.sum()
    exact = -(target.astype(np.float64) * np.log(y)).sum()  # 0.1 in bfloat16 is 0.4 % off
    loss, grad = front("cross_entropy_with_grad", logits, target)
    np.testing.assert_allclose(loss, exact, TOLERANCE[loss_name(dtype)])
    assert grad.dtype == logits.dtype
    by_target = front("cross_entropy_target_grad", logits, target)
    assert by_target.dtype == target.dtype
    # A float64 target does not make float32 logits more exact.
    tolerance = max(TOLERANCE[target_dtype], TOLERANCE[loss_name(dtype)])
    np.testing.assert_allclose(by_target[0].astype(float), -np.log(y), tolerance)
