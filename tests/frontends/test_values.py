"""Every public function against the reference: values, shapes, dtypes, any class axis, any option.

Accuracy and edges are the business of tests/contract; here a wrong axis, factor or argument shows.
"""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import softxent
from softxent import reference
from softxent.contracts import Array

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(3, 4, 5))  # class axis last, V = 5
INDICES = np.array([[0, 4, -100, 2], [1, 1, 3, 0], [-100, 2, 2, 4]])
SOFT = RNG.uniform(size=(3, 4, 5))
TANGENT = RNG.normal(size=(3, 4, 5))
TARGET_TANGENT = RNG.normal(size=(3, 4, 5))

EVERY_OPTION = {
    "weight": np.arange(1.0, 6.0),
    "label_smoothing": 0.1,
    "temperature": 1.5,
    "softcap": 3.0,
    "z_loss": 0.01,
    "row_weight": RNG.uniform(size=(3, 4)),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "every": EVERY_OPTION,
    "every-none": {**EVERY_OPTION, "reduction": "none"},
    "z-loss": {"z_loss": 0.1},
}
# name -> what it takes after logits and target
LOSSES: dict[str, tuple[Array, ...]] = {
    "cross_entropy": (),
    "cross_entropy_with_grad": (),
    "cross_entropy_jvp": (TANGENT,),
    "cross_entropy_hvp": (TANGENT,),
    "cross_entropy_hessian": (),
    "cross_entropy_hessian_diag": (),
    "cross_entropy_target_grad": (),
    "cross_entropy_stats": (),
}
# Results of the rows' shape, or with the class axes last whatever `axis` is: not to be moved back.
BY_ROW = {"cross_entropy", "cross_entropy_jvp", "cross_entropy_stats", "cross_entropy_hessian"}

CLOSE = {"rtol": 1e-11, "atol": 1e-13}


def moved(array: Array, axis: int) -> Array:
    return np.moveaxis(array, -1, axis)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("target", [INDICES, SOFT], ids=["indices", "soft"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_derivatives(
    name: str, axis: int, target: Array, options: dict[str, Any], implementation: str
) -> None:
    extra = LOSSES[name]
    expected = getattr(reference, name)(LOGITS, target, *extra, **options)
    result = getattr(softxent, name)(
        moved(LOGITS, axis),
        target if target is INDICES else moved(target, axis),
        *(moved(x, axis) for x in extra),
        axis=axis,
        implementation=implementation,
        **options,
    )
    if name == "cross_entropy_with_grad":
        np.testing.assert_allclose(result[0], expected[0], **CLOSE)
        result, expected = result[1], expected[1]
    if name == "cross_entropy_stats":
        assert result._fields == expected._fields
        for ours, theirs in zip(result, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, **CLOSE)
    elif name in BY_ROW:
        assert np.shape(result) == np.shape(expected)
        np.testing.assert_allclose(result, expected, **CLOSE)
    else:
        assert result.shape == moved(LOGITS, axis).shape
        np.testing.assert_allclose(result, moved(expected, axis), **CLOSE)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("tangent", [TANGENT, None])
def test_jvp_along_the_target(
    tangent: Array | None, options: dict[str, Any], implementation: str
) -> None:
    expected = reference.cross_entropy_jvp(
        LOGITS, SOFT, tangent, target_tangent=TARGET_TANGENT, **options
    )
    rate = softxent.cross_entropy_jvp(
        moved(LOGITS, 0),
        moved(SOFT, 0),
        None if tangent is None else moved(tangent, 0),
        target_tangent=moved(TARGET_TANGENT, 0),
        axis=0,
        implementation=implementation,
        **options,
    )
    np.testing.assert_allclose(rate, expected, **CLOSE)


def test_jvp_along_nothing_is_zero(implementation: str) -> None:
    rate = softxent.cross_entropy_jvp(LOGITS, INDICES, None, implementation=implementation)
    assert rate == 0.0


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"softcap": 2.0}])
def test_softmax_family(
    name: str, axis: int, options: dict[str, float], implementation: str
) -> None:
    expected = getattr(reference, name)(LOGITS, **options)
    result = getattr(softxent, name)(
        moved(LOGITS, axis), axis=axis, implementation=implementation, **options
    )
    np.testing.assert_allclose(
        result, expected if name == "logsumexp" else moved(expected, axis), **CLOSE
    )


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_logsumexp_keeps_its_axis(axis: int, implementation: str) -> None:
    z = moved(LOGITS, axis)
    lse = softxent.logsumexp(z, axis=axis, keepdims=True, implementation=implementation)
    assert lse.shape == tuple(1 if n == 5 else n for n in z.shape)
    log_y = softxent.log_softmax(z, axis=axis, implementation=implementation)
    np.testing.assert_allclose(z - lse, log_y, **CLOSE)


def test_softmax_derivatives(implementation: str) -> None:
    use = {"implementation": implementation}
    jacobian = softxent.softmax_jacobian(LOGITS, **use)
    np.testing.assert_allclose(jacobian, reference.softmax_jacobian(LOGITS), **CLOSE)
    for name in ("softmax_jvp", "softmax_vjp"):
        expected = getattr(reference, name)(LOGITS, TANGENT)
        np.testing.assert_allclose(
            getattr(softxent, name)(LOGITS, TANGENT, **use), expected, **CLOSE
        )
        result = getattr(softxent, name)(moved(LOGITS, 0), moved(TANGENT, 0), axis=0, **use)
        np.testing.assert_allclose(result, moved(expected, 0), **CLOSE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.float16])
def test_dtypes_of_results(dtype: Any, implementation: str) -> None:
    use: Any = {"implementation": implementation}
    z = LOGITS.astype(dtype)
    wide = np.dtype(np.float64 if dtype is np.float64 else np.float32)
    for name, extra in LOSSES.items():
        result = getattr(softxent, name)(z, INDICES, *extra, **use)
        if name == "cross_entropy_with_grad":
            loss, result = result
            assert loss.dtype == wide
        if name == "cross_entropy_stats":
            assert [x.dtype for x in result] == 5 * [wide] + 2 * [np.int64]
        elif name in ("cross_entropy", "cross_entropy_jvp", "cross_entropy_target_grad"):
            assert result.dtype == wide
        else:
            assert result.dtype == dtype
    for name in ("softmax", "log_softmax", "softmax_jacobian"):
        assert getattr(softxent, name)(z, **use).dtype == dtype
    assert softxent.logsumexp(z, **use).dtype == wide
    for other in (np.float32, np.float64, ml_dtypes.bfloat16, np.float16):
        soft = SOFT.astype(other)
        assert softxent.cross_entropy_target_grad(z, soft, **use).dtype == other
        assert softxent.cross_entropy(z, soft, **use).dtype == wide
        assert softxent.softmax_jvp(z, TANGENT.astype(other), **use).dtype == dtype


def test_reduced_losses_are_numpy_scalars(implementation: str) -> None:
    use: Any = {"implementation": implementation}
    for z in (LOGITS, LOGITS.astype(np.float32)):
        loss = softxent.cross_entropy(z, INDICES, **use)
        assert type(loss) is z.dtype.type
        assert type(softxent.cross_entropy_jvp(z, INDICES, z, **use)) is z.dtype.type
        assert type(softxent.logsumexp(z[0, 0], **use)) is z.dtype.type
        by_row = softxent.cross_entropy(z, INDICES, reduction="none", **use)
        assert type(by_row) is np.ndarray and by_row.shape == INDICES.shape


def test_one_row(implementation: str) -> None:
    use: Any = {"implementation": implementation}
    z = LOGITS[0, 0]
    loss, grad = softxent.cross_entropy_with_grad(z, 3, **use)
    np.testing.assert_allclose(loss, reference.cross_entropy(z, 3), **CLOSE)
    assert grad.shape == (5,)
    by_row = softxent.cross_entropy(z, 3, reduction="none", **use)
    assert isinstance(by_row, np.ndarray) and by_row.shape == ()
    assert softxent.cross_entropy_stats(z, 3, **use).loss.shape == ()
    assert softxent.cross_entropy_hessian(z, 3, **use).shape == (5, 5)


@pytest.mark.parametrize("shape", [(0, 5), (2, 0, 5)])
def test_no_rows(shape: tuple[int, ...], implementation: str) -> None:
    use: Any = {"implementation": implementation}
    z, target = np.zeros(shape, np.float32), np.zeros(shape[:-1], np.int64)
    assert softxent.cross_entropy(z, target, reduction="sum", **use) == 0.0
    assert np.shape(softxent.cross_entropy(z, target, reduction="none", **use)) == shape[:-1]
    for name in ("softmax", "log_softmax"):
        assert getattr(softxent, name)(z, **use).shape == shape
    assert softxent.logsumexp(z, **use).shape == shape[:-1]
    assert softxent.cross_entropy_stats(z, target, **use).rank.shape == shape[:-1]
    assert softxent.cross_entropy_hessian(z, target, **use).shape == (*shape, 5)


@pytest.mark.parametrize("options", [{}, {"softcap": 2.0, "z_loss": 0.1, "temperature": 0.7}])
@pytest.mark.parametrize("target", [INDICES, SOFT], ids=["indices", "soft"])
def test_ladder_fits_together(target: Array, options: dict[str, Any], implementation: str) -> None:
    """Gradient, JVP, HVP, Hessian and diagonal are one another's products."""
    use: Any = {"implementation": implementation, **options}
    _, grad = softxent.cross_entropy_with_grad(LOGITS, target, **use)
    rate = softxent.cross_entropy_jvp(LOGITS, target, TANGENT, **use)
    np.testing.assert_allclose(rate, np.sum(grad * TANGENT), **CLOSE)
    hessian = softxent.cross_entropy_hessian(LOGITS, target, **use)
    product = softxent.cross_entropy_hvp(LOGITS, target, TANGENT, **use)
    np.testing.assert_allclose(product, np.einsum("abij,abj->abi", hessian, TANGENT), **CLOSE)
    diagonal = softxent.cross_entropy_hessian_diag(LOGITS, target, **use)
    np.testing.assert_allclose(diagonal, np.einsum("abii->abi", hessian), **CLOSE)


def test_losses_too_large_for_float32_are_infinite_without_a_warning(implementation: str) -> None:
    z = np.array([[3e38, -3e38]] * 2, np.float32)
    with np.errstate(all="raise"):
        assert softxent.cross_entropy(z, [1, 1], implementation=implementation) == np.inf
        largest = np.float32(3.4028235e38)
        z = np.array([[largest, 0.0]], np.float32)
        assert softxent.cross_entropy(z, [1], implementation=implementation) == largest


@pytest.mark.parametrize("options", [{}, {"weight": [0.5, 0.9]}, {"row_weight": [0.9, 0.9, 0.9]}])
def test_mean_of_losses_whose_sum_overflows(options: dict[str, Any], implementation: str) -> None:
    use: Any = {"implementation": implementation, **options}
    z = np.array([[1.2e308, 0.0], [1.0e308, 0.0], [0.8e308, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        assert softxent.cross_entropy(z, [1, 1, 1], reduction="sum", **use) == np.inf
        loss = softxent.cross_entropy(z, [1, 1, 1], **use)
        np.testing.assert_allclose(loss, 1e308, rtol=1e-15)
        loss, _ = softxent.cross_entropy_with_grad(z, [1, 1, 1], **use)
        np.testing.assert_allclose(loss, 1e308, rtol=1e-15)


class TestEmptyMean:
    """Nothing to take the mean of: no rows, only ignored ones, or weights that sum to 0."""

    CASES = (
        pytest.param(np.zeros((0, 5)), np.zeros(0, int), {}, id="no rows"),
        pytest.param(np.zeros((0, 5)), np.zeros((0, 5)), {}, id="no rows, soft"),
        pytest.param(np.full((2, 5), np.nan), np.array([-100, -100]), {}, id="all ignored"),
        pytest.param(np.zeros((2, 5)), np.array([1, 1]), {"weight": [1, 0, 1, 1, 1]}, id="weight"),
        pytest.param(np.zeros((2, 5)), np.array([1, 2]), {"row_weight": [0, 0]}, id="row weight"),
        pytest.param(np.zeros((2, 5)), np.ones((2, 5)), {"row_weight": [0, 0]}, id="rows, soft"),
    )

    @pytest.mark.parametrize(("z", "target", "options"), CASES)
    def test_is_what_empty_says(
        self, z: Array, target: Array, options: dict[str, Any], implementation: str
    ) -> None:
        use: Any = {"implementation": implementation, "z_loss": 0.1, **options}
        for empty, value in {"zero": 0.0, "nan": np.nan}.items():
            loss = softxent.cross_entropy(z, target, empty=empty, **use)
            np.testing.assert_array_equal(loss, value)
            assert type(loss) is np.float64
            out = np.full_like(z, 7.0)
            loss, grad = softxent.cross_entropy_with_grad(z, target, empty=empty, out=out, **use)
            np.testing.assert_array_equal(loss, value)
            assert grad is out and not grad.any()
            assert softxent.cross_entropy_jvp(z, target, z, empty=empty, **use) == 0.0
            for name in ("hessian", "hessian_diag", "target_grad"):
                result = getattr(softxent, f"cross_entropy_{name}")(z, target, empty=empty, **use)
                assert not result.any()
            assert not softxent.cross_entropy_hvp(z, target, z, empty=empty, **use).any()

    @pytest.mark.parametrize(("z", "target", "options"), CASES)
    def test_raises_before_anything_is_written(
        self, z: Array, target: Array, options: dict[str, Any], implementation: str
    ) -> None:
        use: Any = {"implementation": implementation, "empty": "raise", **options}
        out = np.full_like(z, 7.0)
        with pytest.raises(ValueError, match=r'as empty="raise" demands'):
            softxent.cross_entropy_with_grad(z, target, out=out, **use)
        assert (out == 7.0).all()
        assert softxent.cross_entropy(z, target, reduction="sum", **use) >= 0.0 or np.isnan(z).any()
        softxent.cross_entropy_stats(z, target, **use)

    def test_soft_targets_that_sum_to_zero_are_not_empty(self, implementation: str) -> None:
        use: Any = {"implementation": implementation, "empty": "raise"}
        assert softxent.cross_entropy(np.zeros((2, 5)), np.zeros((2, 5)), **use) == 0.0


class TestOneHot:
    def test_is_the_soft_target_of_class_indices(self) -> None:
        target = np.where(INDICES < 0, 0, INDICES)
        hot = softxent.one_hot(target, 5)
        np.testing.assert_array_equal(hot, reference.one_hot(target, 5))
        soft, hard = (softxent.cross_entropy(LOGITS, t) for t in (hot, target))
        np.testing.assert_allclose(soft, hard, rtol=1e-14)

    @pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, "float16"])
    def test_dtype(self, dtype: Any) -> None:
        hot = softxent.one_hot(np.uint64(2), np.int8(3), dtype=dtype)
        assert hot.dtype == np.dtype(dtype)
        assert hot.tolist() == [0.0, 0.0, 1.0]
