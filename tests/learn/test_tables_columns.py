"""What is done with columns: beside scikit-learn's own transformers, and through plain data."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from scipy import sparse  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

from softxent.learn.tables import Columns, Learning, TableError, learning  # noqa: E402

KINDS = {"size": "number", "full": "number", "open": "boolean", "colour": "category"}


def rows(n=500, seed=0):
    random = np.random.default_rng(seed)
    size = 1e6 + random.normal(size=n)
    return pa.record_batch(
        {
            "size": pa.array(size, mask=random.random(n) < 0.2),
            "full": random.normal(size=n),
            "open": random.random(n) < 0.5,
            "colour": pa.array(random.choice(["red", "green", "blue"], n)),
        }
    )


def learned(batches, kinds=KINDS, **options):
    learning, before = Learning("a.csv", kinds, **options), 0
    for batch in batches:
        learning.see(batch, np.arange(before + 1, before + len(batch) + 1))
        before += len(batch)
    return learning.finish()


def test_the_features_are_those_of_scikit_learn():
    batch = rows()
    found = learned([batch])
    table = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in KINDS}
    frame = np.empty((len(batch), 4), object)
    for at, column in enumerate(table.values()):
        frame[:, at] = column
    scaled = make_pipeline(StandardScaler(), SimpleImputer(strategy="constant", fill_value=0.0))
    peer = ColumnTransformer(
        [("n", scaled, [0, 1, 2]), ("c", OneHotEncoder(sparse_output=False), [3])]
    )
    expected = peer.fit_transform(frame).astype(np.float64)
    got = found.transform("a.csv", batch)
    assert found.features == [
        "size", "size is missing", "full", "open", "colour=blue", "colour=green", "colour=red",
    ]  # fmt: skip
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.delete(got, 1, axis=1), expected, atol=2e-6)
    np.testing.assert_array_equal(got[:, 1], np.isnan(table["size"]))


def test_batches_do_not_matter():
    batch = rows()
    whole, parts = learned([batch]), learned([batch.slice(k, 50) for k in range(0, 500, 50)])
    for one, other in zip(whole.columns, parts.columns, strict=True):
        assert one.describe() == other.describe()
        assert one.scale == pytest.approx(other.scale, rel=1e-9)
    cut = np.concatenate([parts.transform("", batch.slice(k, 50)) for k in range(0, 500, 50)])
    np.testing.assert_allclose(cut, whole.transform("", batch), atol=1e-6)


def test_a_column_that_is_missing_in_whole_batches():
    """scikit-learn's StandardScaler (1.9) turns to NaN there, for good."""
    empty = pa.record_batch({"x": pa.array([None, None], pa.float64()), "z": [1.0, 2.0]})
    full = pa.record_batch({"x": [1.0, 5.0], "z": [3.0, 4.0]})
    found = learned([empty, full, empty], {"x": "number", "z": "number"})
    x, z = found.columns
    assert (x.mean, x.scale, x.missing) == (3.0, 2.0, 4)
    assert (z.mean, z.scale, z.missing) == (
        pytest.approx(13 / 6),
        pytest.approx(np.std([1, 2, 3, 4, 1, 2])),
        0,
    )


def test_only_chosen_rows_are_learned_from():
    batch = pa.record_batch({"x": [1.0, 3.0, 1e9], "c": ["a", "b", "test only"]})
    learning = Learning("", {"x": "number", "c": "category"})
    learning.see(batch, np.arange(3), np.array([True, True, False]))
    found = learning.finish()
    assert found.columns[0].mean == 2.0 and found.columns[1].categories == ("a", "b")


def test_plain_data_gives_the_same_columns():
    found = learned([rows()])
    again = Columns.from_dict(json.loads(json.dumps(found.as_dict())))
    assert again == found
    other = rows(seed=1)
    np.testing.assert_array_equal(again.transform("", other), found.transform("", other))


def test_what_training_had_not_seen_is_counted():
    batch = pa.record_batch({"c": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]})
    found = learned([batch], {"c": "category", "x": "number"})
    new = Counter()
    x = found.transform(
        "", pa.record_batch({"c": ["z", "a", None], "x": [1.0, None, 2.0]}), None, new
    )
    assert found.features == ["x", "c=a", "c=b"]
    np.testing.assert_array_equal(x[:, 1:], [[0, 0], [1, 0], [0, 0]])
    assert x[1, 0] == 0 and new == {"c": 2, "x": 1}


def test_the_most_frequent_categories_are_kept():
    texts = ["often"] * 5 + ["twice"] * 2 + ["once", "one"] + [None]
    found = learned([pa.record_batch({"c": texts})], {"c": "category"}, max_categories=2)
    assert found.features == ["c=often", "c=twice", "c=(other)", "c=(missing)"]
    assert found.columns[0].describe() == (
        "2 values: 'often', 'twice'; 2 rows of other values; 1 missing, a value of its own"
    )
    x = found.transform("", pa.record_batch({"c": ["new", "once", None, "twice"]}))
    np.testing.assert_array_equal(x, [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]])


def test_columns_that_say_nothing_are_left_out():
    table = {
        "constant": [0.1] * 4,
        "empty": pa.nulls(4, pa.float64()),
        "word": ["same"] * 4,
        "either": pa.array([2.0, None, 2.0, None]),
        "x": [1.0, 2.0, 3.0, 4.0],
    }
    kinds = dict.fromkeys(table, "number") | {"word": "category"}
    found = learned([pa.record_batch(table)], kinds)
    assert {c.name: c.describe() for c in found.columns if c.use == "left out"} == {
        "constant": "left out: always 0.1",
        "empty": "left out: every value is missing",
        "word": "left out: always 'same'",
    }
    assert found.features == ["either", "either is missing", "x"]
    with pytest.raises(TableError, match="at least one column whose values differ"):
        learned([pa.record_batch({"a": [1.0, 1.0]})], {"a": "number"})


def test_many_categories_are_sparse():
    texts = [f"word {k % 400}" for k in range(2000)]
    batch = pa.record_batch({"c": texts, "x": np.arange(2000.0)})
    found = learned([batch], {"c": "category", "x": "number"}, max_categories=1000)
    x = found.transform("", batch)
    assert sparse.issparse(x) and x.shape == (2000, 401) and x.dtype == np.float32
    np.testing.assert_array_equal(x[:, 1:].sum(axis=1), 1)
    assert x[3, found.features.index("c=word 3")] == 1


def test_a_million_different_texts(monkeypatch):
    monkeypatch.setattr(learning, "TRACKED", 3000)
    batches = [
        pa.record_batch(
            {
                "id": [f"row {k}" for k in range(start, start + 1000)],
                "few": [f"{k % 101}" for k in range(1000)],
                "ok": ["a", "b"] * 500,
            }
        )
        for start in range(0, 10_000, 1000)
    ]
    kinds = dict.fromkeys(("id", "few", "ok"), "category")
    with pytest.raises(TableError) as caught:
        learned(batches, kinds)
    assert str(caught.value) == (
        "a.csv: columns 'id', 'few' is text with more than 3,000, 101 different values in 10,000"
        " rows; expected at most 100. Leave out what is no category: --drop id,few; or keep the"
        " most frequent values: --max-categories 100. [table-categories]"
    )
    found = learned(batches, kinds, max_categories=5)
    id_column = found.columns[0]
    assert len(id_column.categories) == 5 and id_column.others > 9_000


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_by_column_and_row(value):
    batch = pa.record_batch({"a": [1.0, 2.0], "b": [1.0, value]})
    kinds = {"a": "number", "b": "number"}
    with pytest.raises(TableError, match=r"column 'b' in row 2 is -?inf; .*\[table-value\]"):
        learned([batch], kinds)
    found = learned([pa.record_batch({"a": [1.0, 2.0], "b": [1.0, 2.0]})], kinds)
    with pytest.raises(TableError, match="column 'b' in row 12"):
        found.transform("", batch, np.array([11, 12]))


def test_numbers_beyond_float32():
    found = learned([pa.record_batch({"a": [1.0, 2.0]})], {"a": "number"})
    with pytest.raises(TableError, match=r"column 'a' in row 1 is 1e\+200; expected a number near"):
        found.transform("", pa.record_batch({"a": [1e200]}))
