"""What fit and partial_fit refuse, each with a message that says where, what and how to mend it."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

from softxent.learn import NeuralClassifier, SoftmaxRegression
from softxent.learn.targets import balanced, known_targets, read_targets, row_weights

X, Y = load_iris(return_X_y=True)
BOTH = pytest.mark.parametrize("kind", [SoftmaxRegression, NeuralClassifier])


def message(call, kind=ValueError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("alpha", -1.0, "alpha is -1.0; expected a number >= 0."),
        ("alpha", np.nan, "alpha is nan; expected a number >= 0."),
        ("alpha", np.inf, "alpha is inf; expected a number >= 0."),
        ("label_smoothing", 1.5, "label_smoothing is 1.5; expected a number >= 0 and <= 1."),
        ("tol", -1e-3, "tol is -0.001; expected a number >= 0."),
        ("solver", "lbgfs", "solver is 'lbgfs'; expected one of 'auto', "),
        ("dtype", "float16", "dtype is 'float16'; expected one of 'float32', 'float64'."),
        ("dtype", "single-ish", "dtype is 'single-ish'; expected one of 'float32', 'float64'."),
        ("batch_size", 0, "batch_size is 0; expected an integer >= 1."),
        ("max_iter", -1, "max_iter is -1; expected an integer >= "),
        ("n_threads", 0, "n_threads is 0; expected an integer >= 1."),
        ("class_weight", "even", "class_weight is 'even'; expected None, 'balanced' or a dict"),
        ("class_weight", {9: 1.0}, "class_weight is for a label 9; expected labels among the 3"),
        ("class_weight", {1: -2.0}, "class_weight[1] is -2.0; expected a number >= 0."),
    ],
)
def test_parameters_out_of_range(kind, name, value, said):
    text = message(lambda: kind(**{name: value}).fit(X, Y))
    assert text.startswith(f"{kind.__name__}.fit: {said}")
    assert text.endswith("[parameter]")


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("alpha", "1", "alpha is '1'; expected a number >= 0."),
        ("alpha", None, "alpha is None; expected a number >= 0."),
        ("alpha", True, "alpha is True; expected a number >= 0."),
        ("max_iter", 10.0, "max_iter is 10.0; expected an integer."),
        ("batch_size", "all", "batch_size is 'all'; expected an integer."),
        ("n_threads", 1.5, "n_threads is 1.5; expected an integer."),
    ],
)
def test_parameters_of_another_type(kind, name, value, said):
    text = message(lambda: kind(**{name: value}).fit(X, Y), TypeError)
    assert text.startswith(f"{kind.__name__}.fit: {said}")
    assert text.endswith("[parameter]")


@pytest.mark.parametrize(
    ("name", "value", "raises", "said"),
    [
        (
            "hidden",
            64,
            TypeError,
            "hidden is 64; expected a tuple of integers, one a hidden layer.",
        ),
        ("hidden", (64, 0), ValueError, "hidden is 0; expected an integer >= 1."),
        ("hidden", (6.5,), TypeError, "hidden is 6.5; expected an integer."),
        ("activation", "sigmoid", ValueError, "activation is 'sigmoid'; expected one of 'tanh', "),
        ("learning_rate", 0.0, ValueError, "learning_rate is 0.0; expected a number > 0."),
        ("validation_fraction", 1.0, ValueError, "validation_fraction is 1.0; expected a number >"),
        ("n_iter_no_change", 0, ValueError, "n_iter_no_change is 0; expected an integer >= 1."),
        ("max_iter", 0, ValueError, "max_iter is 0; expected an integer >= 1."),
    ],
)
def test_parameters_of_the_network(name, value, raises, said):
    text = message(lambda: NeuralClassifier(**{name: value}).fit(X, Y), raises)
    assert text.startswith(f"NeuralClassifier.fit: {said}")
    assert text.endswith("[parameter]")


@BOTH
def test_max_memory(kind):
    assert message(lambda: kind(max_memory="much").fit(X, Y)).endswith("[max-memory]")
    assert message(lambda: kind(max_memory=1.5).fit(X, Y), TypeError).endswith("[max-memory]")
    if kind is SoftmaxRegression:  # dense rows: the budget must hold at least one
        assert message(lambda: kind(max_memory=8).fit(X, Y)).endswith("[max-memory]")


@BOTH
@pytest.mark.parametrize("label", ["only", 7, 1.0, True])
def test_one_class_only(kind, label):
    text = message(lambda: kind().fit(X, np.full(150, label)))
    assert text == (
        f"{kind.__name__}.fit: y is of one class, {label!r}; expected at least two classes. "
        "A classifier has nothing to tell apart here. [classes]"
    )


@BOTH
@pytest.mark.parametrize(
    ("y", "classes", "said"),
    [
        (Y, None, "classes is None; expected all labels that will ever come, at the first call."),
        (Y, [1], "classes is 1 label; expected at least two."),
        (Y, [0, 1], "y is 2 in row 100; expected one of the 2 classes known."),
        (Y, ["a", "b"], "y is 0 in row 0; expected one of the 2 classes known."),
        (Y.astype(str), [0, 1, 2], "y is '0' in row 0; expected one of the 3 classes known."),
        (Y * 1.5, [0, 1, 2], "y is 1.5 in row 50; expected one of the 3 classes known."),
        (np.eye(3)[Y], [0, 1], "y is float64[150, 3]; expected one column for each of the 2"),
    ],
)
def test_classes_of_rows_in_pieces(kind, y, classes, said):
    model = kind()
    text = message(lambda: model.partial_fit(X, y, classes=classes))
    assert text.startswith(f"{kind.__name__}.partial_fit: {said}")
    assert text.endswith("[classes]")
    assert not hasattr(model, "classes_")


@BOTH
def test_other_classes_later(kind):
    model = kind().partial_fit(X, Y, classes=[0, 1, 2])
    model.partial_fit(X, Y, classes=[2, 1, 0])  # the same ones
    text = message(lambda: model.partial_fit(X, Y, classes=[0, 1, 2, 3]))
    assert "classes is a list of length 4; expected those of the first call, or None." in text
    assert text.endswith("[classes]")
    assert message(lambda: model.partial_fit(X, Y + 1)).endswith("[classes]")
    assert "has 3 features" in message(lambda: model.partial_fit(X[:, :3], Y))


@BOTH
def test_balanced_needs_all_rows(kind):
    model = kind(class_weight="balanced").fit(X, Y)
    text = message(lambda: model.partial_fit(X, Y))
    assert text == (
        f"{kind.__name__}.partial_fit: class_weight is 'balanced'; expected None or a dict from "
        "label to weight. Count all labels first: weight N / (V N_k) for each class k. [parameter]"
    )


@BOTH
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([0.5, 0.2, 0.2], r"y is [0.5 0.2 0.2] (sum 0.9) in row 7; expected probabilities: none"),
        ([1.1, -0.1, 0.0], "y is [ 1.1 -0.1  0. ] (sum 1) in row 7; expected probabilities: none"),
        ([1.0, 1.0, 0.0], "y is [1. 1. 0.] (sum 2) in row 7; expected probabilities: none"),
    ],
)
def test_rows_that_are_no_probabilities(kind, row, said):
    soft = np.eye(3)[Y]
    soft[7] = row
    for call in (kind().fit, kind().partial_fit):
        text = message(lambda call=call: call(X, soft))
        assert said in text
        assert text.endswith("[probabilities]")


@BOTH
def test_weights_that_count_nothing(kind):
    s = np.ones(150)
    s[3] = -1
    for name in ("fit", "partial_fit"):
        text = message(lambda name=name: getattr(kind(), name)(X, np.eye(3)[Y], sample_weight=s))
        assert text.startswith(f"{kind.__name__}.{name}: sample_weight is -1 in some row; expected")
        assert text.endswith("[sample-weight]")
    # scikit-learn 1.8 and newer are first to say so
    text = message(lambda: kind().fit(X, Y, np.zeros(150)))
    assert "0 in every row" in text or "at least one non-zero" in text
    nothing = kind(class_weight={0: 0, 1: 0, 2: 0})
    text = message(lambda: nothing.fit(X, Y))
    assert "sample_weight times class_weight is 0 in every row" in text


@BOTH
def test_what_scikit_learn_refuses(kind):
    bad = X.copy()
    for value in (np.nan, np.inf):
        bad[5, 2] = value
        assert "contains" in message(lambda: kind().fit(bad, Y)).replace("infinity", "contains")
        assert message(lambda: kind().fit(X, Y).predict(bad))
    assert "inconsistent" in message(lambda: kind().fit(X, Y[:-1]))
    assert "continuous" in message(lambda: kind().fit(X, Y + 0.5))
    assert "NaN" in message(lambda: kind().fit(X, Y, np.full(150, np.nan)))
    assert "0 sample" in message(lambda: kind().fit(X[:0], Y[:0]))


@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("large", [1e141, -1e300])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_features_whose_squares_overflow(kind, method, large, stored):
    x = X.copy()
    x[7, 1] = large
    learn = getattr(kind(), method)
    arguments = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"entry of X is 1e\+\d+; expected .*\[feature-range\]"):
        learn(stored(x), Y, **arguments)
    x[7, 1] = np.sign(large) * 1e139  # at the border it goes through, without a warning
    assert np.isfinite(learn(stored(x), Y, **arguments).loss_curve_).all()


@BOTH
def test_sparse_soft_labels_are_told_apart(kind):
    text = message(lambda: kind().fit(X, sparse.csr_matrix(np.eye(3)[Y])), TypeError)
    assert "y is a sparse matrix; expected a dense one. y.toarray()" in text
    assert text.endswith("[probabilities]")


def test_targets_of_all_kinds():
    labels = np.array(["b", "a", "c", "a"])
    targets = read_targets("f", labels, np.dtype(float))
    assert targets.classes.tolist() == ["a", "b", "c"]
    assert targets.target.tolist() == targets.indices.tolist() == [1, 0, 2, 0]
    known = known_targets("f", np.array(["c", "a"]), np.array(["c", "b", "a"]), np.dtype(float))
    assert known.target.tolist() == [0, 2]  # in the order of classes, sorted or not
    soft = read_targets("f", np.array([[0.2, 0.8], [1, 0]]), np.dtype(np.float32))
    assert soft.classes.tolist() == [0, 1] and soft.target.dtype == np.float32
    assert soft.indices.tolist() == [1, 0]
    column = known_targets("f", np.array([1, 0]), np.array([0, 1]), np.dtype(float))
    assert column.target.dtype == np.int64


def test_weights_of_rows():
    hard = read_targets("f", np.array([0, 0, 0, 1]), np.dtype(float))
    x = np.zeros((4, 1))
    assert row_weights(x, hard, None, None) is None
    np.testing.assert_allclose(row_weights(x, hard, None, "balanced"), [2 / 3, 2 / 3, 2 / 3, 2])
    # repeated rows and weights are the same, so the counts are weighted
    np.testing.assert_allclose(row_weights(x, hard, [1, 1, 0, 2], "balanced"), [1, 1, 0, 2])
    np.testing.assert_allclose(row_weights(x, hard, None, {1: 5}), [1, 1, 1, 5])
    soft = read_targets("f", np.array([[0.5, 0.5], [1, 0], [1, 0], [1, 0]]), np.dtype(float))
    np.testing.assert_allclose(row_weights(x, soft, None, {1: 5}), [3, 1, 1, 1])
    np.testing.assert_allclose(balanced(np.array([0.0, 2.0, 2.0])), [0, 2 / 3, 2 / 3])
