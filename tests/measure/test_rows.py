"""The rows that accuracy is measured on are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from softxent.measure import rows, truth

DTYPES = list(rows.DTYPES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("quick", [True, False])
def test_the_same_every_time_and_finite(dtype, quick):
    sizes = []
    for first, again in zip(
        rows.batches(dtype, quick=quick), rows.batches(dtype, quick=quick), strict=True
    ):
        for one, two in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, two)
        assert first.logits.dtype == first.vector.dtype == rows.DTYPES[dtype]
        assert np.isfinite(first.logits.astype(float)).all()
        assert first.vector.astype(float).std() > 0.5
        assert len({row.tobytes() for row in first.logits}) > 0.95 * len(first.logits)
        assert (first.target >= 0).all() and (first.target < first.logits.shape[1]).all()
        sizes.append(first.logits.shape[1])
    assert sizes == ([257] if quick else [2, 10, 257, 1000, 32_003])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [2, 10, 257])
def test_every_kind_is_what_it_is_called(dtype, classes):
    for kind in rows.kinds(dtype):
        name, number = kind.split()
        z, target = rows.row(kind, classes, np.random.default_rng(1))
        z = z.astype(rows.DTYPES[dtype]).astype(np.float64)
        assert np.ptp(z) > 0  # also in the dtype: no constant row
        ranked = np.sort(z)
        if name in ("ahead", "behind"):
            assert ranked[-1] - ranked[-2] == pytest.approx(float(number), rel=0.05)
            assert (z.argmax() == target) == (name == "ahead")
        elif name == "offset":
            assert abs(z.mean() / float(number) - 1) < 0.1
        elif name == "logprobs":
            assert abs(np.log(np.exp(z).sum())) < 0.05
        elif classes == 257:
            assert z.std() == pytest.approx(float(number), rel=0.15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_confident_rows_have_a_small_loss_that_is_not_zero(dtype):
    batch = rows.confident(dtype)
    assert batch.logits.shape == (1000, 10)
    some = slice(None, None, 25)
    exact = truth.Rows(batch.logits[some], batch.target[some])
    loss = exact.loss.astype(np.float64)
    assert ((loss > 0.999e-30) & (loss < 1.001e-3)).all()
    gradient = exact.gradient[np.arange(len(loss)), batch.target[some]].astype(np.float64)
    np.testing.assert_allclose(-gradient, loss, rtol=1e-3)
    # log-uniform: a tenth of the rows in every tenth of the 27 decades
    every = truth.Rows(batch.logits, batch.target, truth.FLOAT64).loss
    counts, _ = np.histogram(np.log10(every), bins=10, range=(-30, -3))
    assert counts.min() > 60
