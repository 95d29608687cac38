"""What fuzz runs have found, each as small as it gets."""

from __future__ import annotations

from math import nan

import ml_dtypes
import numpy as np
import pytest

import softxent
from softxent import reference, reference_linear
from softxent.kernels import plain_pairs as pairs

INF = np.inf


def test_no_targets_at_an_odd_address(implementation: str) -> None:
    """The native door refused it as misaligned; NumPy calls every empty array aligned."""
    target = np.ndarray((0,), np.int64, np.zeros(16, np.uint8), 1)
    logits = np.zeros((0, 3), np.float32)
    assert softxent.cross_entropy(logits, target, implementation=implementation) == 0


def test_z_loss_of_a_nan_row(implementation: str) -> None:
    """Plain NumPy said 0 where there is no z-loss: the floats of a NaN row are NaN."""
    logits = np.array([[nan, 0.0], [0.0, 0.0]])
    stats = softxent.cross_entropy_stats(logits, [0, 0], implementation=implementation)
    assert np.isnan(stats.z_loss).tolist() == [True, False]


@pytest.mark.parametrize("target", [[nan, 0.0], [1.0, -1.0]], ids=["NaN", "inf - inf"])
def test_row_weight_0_does_not_hide_nan(implementation: str, target: list[float]) -> None:
    """The native statistics said 0, the loss itself NaN; so did the reference, class by class."""
    logits = np.array([[-INF, -INF, 0.0]])
    arrays = (logits, np.array([[*target, 0.0]]))
    options = {"row_weight": [0.0], "reduction": "none"}
    chosen = {**options, "implementation": implementation}
    assert np.isnan(softxent.cross_entropy(*arrays, **chosen)).all()
    assert np.isnan(softxent.cross_entropy_stats(*arrays, **chosen).loss).all()
    assert np.isnan(reference.cross_entropy(*arrays, **options)).all()
    assert np.isnan(reference.cross_entropy_stats(*arrays, **options).loss).all()


def test_jvp_along_no_direction(implementation: str) -> None:
    """Native said NaN for a NaN row, plain NumPy 0: nothing moves."""
    logits, target = np.array([[nan, 0.0]]), [0]
    for reduction in ("mean", "none"):
        options = {"reduction": reduction, "implementation": implementation}
        assert not np.any(softxent.cross_entropy_jvp(logits, target, None, **options))


def test_exp_of_a_huge_pair() -> None:
    """Only the high part was cut off at -1100: e^-1e130 was 1e-257, through a low part of 1e113."""
    huge = pairs.over(pairs.single(np.array([-1e130])), 5.0)
    assert huge.low[0] != 0
    with np.errstate(all="ignore"):
        assert pairs.exp(huge) == (0.0, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softcap_far_from_its_bend(implementation: str, dtype: type) -> None:
    """tanh(z/c) of 2e-12 came as (1 - q)/(1 + q), 3e-5 off, where it is all there is."""
    logits = np.array([[1e30, 1e-10, 0.0]], dtype)
    diagonal = softxent.cross_entropy_hessian_diag(
        logits, [1], softcap=50.0, implementation=implementation
    )
    # (2/c) tanh(z/c) w_t with y_t = 0
    np.testing.assert_allclose(diagonal[0, 1], 2 / 50 * np.float64(logits[0, 1]) / 50, rtol=1e-6)


def test_empty_is_for_the_mean_only() -> None:
    """The reference gave NaN for the sum over no rows too."""
    assert reference.cross_entropy([[0.0]], [-100], reduction="sum", empty="nan") == 0
    assert np.isnan(reference.cross_entropy([[0.0]], [-100], empty="nan"))


def test_reference_takes_many_classes() -> None:
    """Its one-hot target was a row of a V x V identity: 34 GB here."""
    assert reference.one_hot([65_536], 65_537).sum() == 1


@pytest.mark.parametrize("road", ["", "native"])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_linear_layer_of_no_features(
    monkeypatch: pytest.MonkeyPatch, implementation: str, dtype: type, road: str
) -> None:
    """A weight of no bytes had tiles of no classes: range() arg 3 must not be zero."""
    monkeypatch.setenv("SOFTXENT_BLAS", road)
    bias = np.array([0.0, 1.0, 2.0], dtype)
    loss, grads = softxent.linear_cross_entropy_with_grad(
        np.zeros((2, 0), dtype), np.zeros((3, 0), dtype), [0, 1],
        linear_bias=bias, implementation=implementation,
    )  # fmt: skip
    expected = softxent.cross_entropy(np.tile(bias, (2, 1)), [0, 1])
    assert loss == expected
    assert grads.input is not None and grads.input.shape == (2, 0)
    parts = np.zeros((2, 0)), np.zeros((3, 0)), [0, 1]
    assert reference_linear.linear_cross_entropy_with_grad(*parts)[1].linear_weight.shape == (3, 0)


@pytest.mark.parametrize("road", ["", "native"])
def test_linear_gradient_of_one_strided_row(monkeypatch: pytest.MonkeyPatch, road: str) -> None:
    """Our own products write items side by side only; the walk asked whether a BLAS could."""
    monkeypatch.setenv("SOFTXENT_BLAS", road)
    x, w = np.ones(4, np.float32), np.eye(3, 4, dtype=np.float32)
    out = np.empty(8, np.float32)[::2]
    _, grads = softxent.linear_cross_entropy_with_grad(x, w, 1, out=(out, None, None))
    _, right = softxent.linear_cross_entropy_with_grad(x, w, 1)
    assert grads.input is out and right.input is not None
    np.testing.assert_allclose(out, right.input, rtol=1e-6)
