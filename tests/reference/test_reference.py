"""reference.py against the exact oracle, for every combination of options, and on the edges."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import oracle
import pytest

from softxent import reference

N, V = 5, 6
RNG = np.random.default_rng(11)
LOGITS = RNG.normal(size=(N, V)) * 3
INDEX = np.array([0, 5, -100, 2, 2])
SOFT = RNG.normal(size=(N, V))  # any sum, any sign
VECTOR, TARGET_VECTOR = RNG.normal(size=(2, N, V))
SWITCHES: dict[str, Any] = {
    "weight": RNG.random(V),
    "label_smoothing": 0.1,
    "temperature": 0.7,
    "softcap": 5.0,
    "z_loss": 0.3,
    "row_weight": np.array([1.0, 0.0, 3.0, 0.5, 2.0]),
}
COMBINATIONS = [
    dict(itertools.compress(SWITCHES.items(), bits))
    for bits in itertools.product((0, 1), repeat=len(SWITCHES))
]
REDUCTIONS = ("mean", "sum", "none")


def close(got: Any, exact: Any) -> bool:
    want = np.asarray(np.frompyfunc(float, 1, 1)(exact), np.float64)
    return np.shape(got) == want.shape and np.allclose(got, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("target", [INDEX, SOFT], ids=["index", "soft"])
def test_every_combination_of_options(target: np.ndarray, reduction: str) -> None:
    for switches in COMBINATIONS:
        options = {**switches, "reduction": reduction}
        exact = oracle.cross_entropy(LOGITS, target, arithmetic=oracle.LONG, **options)
        loss, grad = reference.cross_entropy_with_grad(LOGITS, target, **options)
        assert close(loss, exact.loss) and close(grad, exact.grad), options
        assert loss.tolist() == reference.cross_entropy(LOGITS, target, **options).tolist()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("target", [INDEX, SOFT], ids=["index", "soft"])
def test_further_derivatives_of_every_combination(target: np.ndarray, reduction: str) -> None:
    zero = np.zeros(V)
    for switches in COMBINATIONS:
        options = {**switches, "reduction": reduction}
        rows = oracle.cross_entropy(LOGITS, target, arithmetic=oracle.LONG, **options).rows

        hvp = [zero if row is None else row.hvp(VECTOR[n])[0] for n, row in enumerate(rows)]
        assert close(reference.cross_entropy_hvp(LOGITS, target, VECTOR, **options), hvp), options

        diagonal = [zero if row is None else row.hessian_diag[0] for row in rows]
        hessian = reference.cross_entropy_hessian(LOGITS, target, **options)
        got = reference.cross_entropy_hessian_diag(LOGITS, target, **options)
        assert close(got, diagonal), options
        assert close(np.diagonal(hessian, axis1=1, axis2=2), diagonal), options
        assert close(np.einsum("nij,nj->ni", hessian, VECTOR), hvp), options

        slopes = [zero if row is None else row.target_grad for row in rows]
        got = reference.cross_entropy_target_grad(LOGITS, target, **options)
        assert close(got, slopes), options

        rates = [
            np.longdouble(0) if row is None else row.jvp(VECTOR[n], TARGET_VECTOR[n])[0]
            for n, row in enumerate(rows)
        ]
        got = reference.cross_entropy_jvp(
            LOGITS, target, VECTOR, target_tangent=TARGET_VECTOR, **options
        )
        assert close(got, rates if reduction == "none" else sum(rates)), options


def test_a_missing_tangent_is_a_zero_one() -> None:
    zeros = np.zeros((N, V))
    both = reference.cross_entropy_jvp(LOGITS, SOFT, zeros, target_tangent=TARGET_VECTOR)
    assert both == reference.cross_entropy_jvp(LOGITS, SOFT, None, target_tangent=TARGET_VECTOR)
    assert reference.cross_entropy_jvp(LOGITS, SOFT, None) == 0


@pytest.mark.parametrize("target", [INDEX, SOFT], ids=["index", "soft"])
def test_statistics(target: np.ndarray) -> None:
    options = {"weight": SWITCHES["weight"], "label_smoothing": 0.1, "z_loss": 0.3, "softcap": 5.0}
    r = SWITCHES["row_weight"]
    rows = oracle.cross_entropy(LOGITS, target, reduction="none", row_weight=r, **options).rows
    stats = reference.cross_entropy_stats(LOGITS, target, row_weight=r, **options)
    for n, row in enumerate(rows):
        got = [field[n] for field in stats]
        if row is None:
            assert got == [0, 0, 0, 0, 0, -1, -1]
        else:
            want = (row.ce_loss, row.z_loss, row.logprob, row.entropy, row.lse)
            assert close(got[:5], want)
            assert got[5:] == [row.prediction, row.rank]
    assert stats.prediction.dtype == stats.rank.dtype == np.int64


def test_softmax_and_its_relatives() -> None:
    for options in ({}, {"temperature": 0.7}, {"softcap": 5.0, "temperature": 1.3}):
        rows = [oracle.Row(z, arithmetic=oracle.LONG, **options) for z in LOGITS]
        assert close(reference.softmax(LOGITS, **options), [row.softmax for row in rows])
        assert close(reference.log_softmax(LOGITS, **options), [row.log_softmax for row in rows])
        assert close(reference.logsumexp(LOGITS, **options), [row.lse for row in rows])
    jacobian = reference.softmax_jacobian(LOGITS)
    jvp, vjp = reference.softmax_jvp(LOGITS, VECTOR), reference.softmax_vjp(LOGITS, VECTOR)
    assert np.allclose(np.einsum("nki,ni->nk", jacobian, VECTOR), jvp, atol=1e-15)
    assert np.allclose(np.einsum("nk,nki->ni", VECTOR, jacobian), vjp, atol=1e-15)


def test_one_hot() -> None:
    assert reference.one_hot([[0], [2]], 3).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    for bad in (3, -1):
        with pytest.raises(IndexError, match=rf"target {bad} is outside \[0, 3\)"):
            reference.one_hot([0, bad], 3)


def test_any_number_of_leading_axes() -> None:
    options = {"weight": SWITCHES["weight"], "reduction": "none"}
    z, t = LOGITS[:4].reshape(2, 2, V), INDEX[:4].reshape(2, 2)
    flat, flat_grad = reference.cross_entropy_with_grad(LOGITS[:4], INDEX[:4], **options)
    loss, grad = reference.cross_entropy_with_grad(z, t, **options)
    assert np.array_equal(loss, flat.reshape(2, 2))
    assert np.array_equal(grad, flat_grad.reshape(2, 2, V))
    for n in range(4):
        alone, grad = reference.cross_entropy_with_grad(LOGITS[n], INDEX[n], **options)
        assert np.ndim(alone) == 0 and alone == flat[n]
        assert np.array_equal(grad, flat_grad[n])


# ------------------------------------------------------------------ edges

INF, NAN = np.inf, np.nan
EVERYTHING = {"softcap": 5.0, "z_loss": 0.3, "temperature": 0.7}


@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "capped"])
def test_masked_class_that_is_not_the_target(options: dict[str, Any]) -> None:
    z = np.array([1.0, -INF, 2.0])
    without = reference.cross_entropy(z[[0, 2]], 1, **options)
    loss, grad = reference.cross_entropy_with_grad(z, 2, **options)
    assert loss == pytest.approx(without, rel=1e-15)
    assert grad[1] == 0 and np.isfinite(grad).all()
    hvp = reference.cross_entropy_hvp(z, 2, [1.0, 2.0, 3.0], **options)
    assert hvp[1] == 0 and np.isfinite(hvp).all()
    assert reference.softmax(z)[1] == 0
    stats = reference.cross_entropy_stats(z, 2, **options)
    assert all(np.isfinite(field) for field in stats)


def test_masked_target() -> None:
    z = np.array([1.0, -INF, 2.0])
    loss, grad = reference.cross_entropy_with_grad(z, 1)
    assert loss == INF
    assert np.allclose(grad, reference.softmax(z) - [0, 1, 0])
    assert reference.cross_entropy_target_grad(z, 0).tolist()[1] == INF
    # multiplied by a row weight of 0 it is 0, not NaN
    r = {"row_weight": np.array([0.0, 1.0]), "reduction": "none"}
    assert reference.cross_entropy([z, z], [1, 0], **r)[0] == 0


def test_zero_times_log_zero_is_zero_class_by_class() -> None:
    z, t = np.array([1.0, -INF, 2.0]), np.array([0.25, 0.0, 0.75])
    assert reference.cross_entropy(z, t) == pytest.approx(
        reference.cross_entropy(z[[0, 2]], t[[0, 2]]), rel=1e-15
    )
    w = np.array([1.0, 0.0, 1.0])
    loss = reference.cross_entropy(z, [0.2, 0.3, 0.5], weight=w)
    assert np.isfinite(loss)
    assert reference.cross_entropy_target_grad(z, t, weight=w)[1] == 0
    rate = reference.cross_entropy_jvp(z, t, [1.0, 1.0, 1.0], target_tangent=[1.0, 0.0, 1.0])
    assert np.isfinite(rate)


def test_smoothing_over_a_masked_class_is_infinite() -> None:
    assert reference.cross_entropy([1.0, -INF, 2.0], 0, label_smoothing=0.1) == INF


@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "capped"])
@pytest.mark.parametrize("row", [[-INF] * 3, [1.0, INF, 0.0], [1.0, NAN, 0.0], [-INF, NAN, 1.0]])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_poisoned_row_is_nan_and_stays_alone(
    row: list[float], target: int, options: dict[str, Any]
) -> None:
    z, t = np.array([[0.0, 1.0, 2.0], row]), np.array([1, target])
    options = {**options, "reduction": "none", "weight": np.array([1.0, 1.0, 0.0])}
    loss, grad = reference.cross_entropy_with_grad(z, t, **options)
    assert np.isnan(loss).tolist() == [False, True]
    assert np.isnan(grad).tolist() == [[False] * 3, [True] * 3]
    hvp = reference.cross_entropy_hvp(z, t, np.ones((2, 3)), **options)
    assert np.isnan(hvp).all(axis=1).tolist() == [False, True]
    assert np.isnan(reference.cross_entropy_jvp(z, t, np.ones((2, 3)), **options)[1])
    assert np.isnan(reference.cross_entropy_hessian_diag(z, t, **options)[1]).all()
    stats = reference.cross_entropy_stats(z, t, **options)
    assert all(np.isnan(field[1]) for field in stats[:5])
    assert (stats.prediction[1], stats.rank[1]) == (-1, -1)
    assert stats.prediction[0] == 2


def test_ignored_rows_are_not_read() -> None:
    z = np.array([[NAN, INF, -INF], [0.0, 1.0, 2.0]])
    alone, alone_grad = reference.cross_entropy_with_grad(z[1:], [1])
    for ignore in (-100, 7, 0):
        loss, grad = reference.cross_entropy_with_grad(z, [ignore, 1], ignore_index=ignore)
        assert loss == alone
        assert grad.tolist() == [[0, 0, 0], alone_grad[0].tolist()]
    assert reference.cross_entropy(z, [-100, 1], ignore_index=None) == alone


@pytest.mark.parametrize(
    ("z", "t", "options"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), {}),
        (np.zeros((0, 3)), np.zeros((0, 3)), {}),
        (np.full((2, 3), NAN), [-100, -100], {"z_loss": 0.3}),
        (np.ones((2, 3)), [1, 1], {"weight": np.array([1.0, 0.0, 1.0]), "z_loss": 0.3}),
        (np.ones((2, 3)), [1, 1], {"row_weight": np.zeros(2)}),
        (np.ones((2, 3)), np.ones((2, 3)), {"row_weight": np.zeros(2)}),
    ],
    ids=["no rows", "no soft rows", "all ignored", "class weight 0", "row weight 0", "soft, 0"],
)
def test_a_mean_over_nothing(z: np.ndarray, t: Any, options: dict[str, Any]) -> None:
    loss, grad = reference.cross_entropy_with_grad(z, t, **options)
    assert loss == 0 and grad.shape == z.shape and (grad == 0).all()
    loss, grad = reference.cross_entropy_with_grad(z, t, empty="nan", **options)
    assert np.isnan(loss) and (grad == 0).all()
    with pytest.raises(ValueError, match="mean is over no rows"):
        reference.cross_entropy(z, t, empty="raise", **options)
    assert np.isfinite(reference.cross_entropy(z, t, empty="raise", reduction="sum", **options))


def test_one_class_and_no_class() -> None:
    loss, grad = reference.cross_entropy_with_grad([[5.0], [-3.0]], [0, 0], reduction="none")
    assert loss.tolist() == [0, 0] and not np.signbit(loss).any() and (grad == 0).all()
    with pytest.raises(ValueError, match="at least one class"):
        reference.cross_entropy(np.zeros((2, 0)), [0, 0])


@pytest.mark.parametrize("bad", [3, -1, -99])
def test_a_target_out_of_range_never_wraps(bad: int) -> None:
    with pytest.raises(IndexError, match="outside"):
        reference.cross_entropy(np.zeros((2, 3)), [0, bad])


def test_targets_of_any_integer_and_float_type() -> None:
    z = LOGITS[:2]
    want = reference.cross_entropy(z, np.array([1, 2]))
    for dtype in ("int8", "uint8", "int32", "uint64"):
        assert reference.cross_entropy(z, np.array([1, 2], dtype)) == want
    for dtype in oracle.DTYPES.values():
        dense = np.eye(V)[[1, 2]].astype(dtype)
        assert reference.cross_entropy(z.astype(dtype), dense) == pytest.approx(want, abs=0.05)


def test_huge_logits_do_not_overflow() -> None:
    loss, grad = reference.cross_entropy_with_grad([3e38, -3e38, 0.0], 1)
    assert loss == 6e38 and grad.tolist() == [1, -1, 0]
