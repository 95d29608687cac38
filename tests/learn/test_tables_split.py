"""Rows held out: the share of every class, the same whatever the batches, none remembered."""

from __future__ import annotations

import numpy as np
import pytest

from softxent.learn.tables.split import Split


def held_out(labels, share=0.2, seed=0, batch=None):
    split = Split(share, seed)
    batch = batch or len(labels)
    parts = [split.held_out(labels[k : k + batch]) for k in range(0, len(labels), batch)]
    return np.concatenate(parts)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.3, 1 / 3, 0.5])
def test_of_every_class_its_share(share):
    random = np.random.default_rng(1)
    labels = random.choice(5, 20_000, p=[0.5, 0.3, 0.15, 0.04, 0.01])
    held = held_out(labels, share)
    for label in range(5):
        n = np.sum(labels == label)
        # where stretches do not begin with a row, two of them may choose the same one
        assert 0.8 * share * n - 2 <= held[labels == label].sum() <= share * n + 2


def test_batches_do_not_matter_and_seeds_do():
    labels = np.random.default_rng(0).integers(0, 3, 1000)
    whole = held_out(labels)
    for batch in (1, 7, 999):
        np.testing.assert_array_equal(held_out(labels, batch=batch), whole)
    others = [held_out(labels, seed=seed) for seed in (1, 2, 2**32 - 1)]
    assert all(0.1 < np.mean(other & whole) / whole.mean() < 0.4 for other in others)


def test_the_first_row_of_a_class_is_learned_from():
    labels = np.arange(1000)
    for seed in range(20):
        assert not held_out(labels, seed=seed).any()
        assert not held_out(np.repeat([0, 1], 50), 0.5, seed)[[0, 50]].any()


def test_rows_are_chosen_evenly():
    """No place in a stretch is preferred: rows that come in a rhythm are held out fairly."""
    held = held_out(np.zeros(100_000, np.int64))
    by_place = [held[k::5].mean() for k in range(5)]
    assert min(by_place) > 0.19 and max(by_place) < 0.21


def test_none_and_nothing():
    assert not held_out(np.zeros(10, np.int64), share=0.0).any()
    assert Split(0.2, 0).held_out(np.zeros(0, np.int64)).shape == (0,)
