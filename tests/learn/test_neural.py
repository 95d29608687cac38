"""NeuralClassifier: backpropagation is the gradient, and what its parameters mean."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from softxent.learn import NeuralClassifier, SoftmaxRegression
from softxent.learn.adam import Adam
from softxent.learn.layer import Layer
from softxent.learn.network import ACTIVATIONS, Network, flatten, new_network, unflatten
from softxent.learn.training import Rows
from softxent.reference import cross_entropy

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
def test_backpropagation_is_the_gradient(activation, hidden, soft, stored):
    """Against central differences, with weights and smoothing; the loss is the reference's."""
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(20, 3)), rng.uniform(0, 2, 20)
    target = rng.dirichlet(np.ones(4), 20) if soft else rng.integers(0, 4, 20)
    network = new_network((3, *hidden, 4), activation, np.random.RandomState(0), np.dtype(float))
    for layer in network.layers:  # biases too are somewhere
        layer.bias[:] = rng.normal(size=len(layer.bias))
    flat = flatten(network.layers)

    def loss(at):
        layers = unflatten(at, network.layers)
        return Network(layers, activation).loss_and_gradients(stored(x), target, s, 0.1)[0]

    value, gradients = network.loss_and_gradients(stored(x), target, s, 0.1)
    z = x
    for layer in network.layers:
        h = z @ layer.weight.T + layer.bias
        z = np.tanh(h) if activation == "tanh" else np.maximum(h, 0)
    rows = cross_entropy(h, target, reduction="none", label_smoothing=0.1)
    assert value == pytest.approx(s @ rows, rel=1e-12)
    steps = 1e-6 * np.eye(len(flat))
    numeric = [(loss(flat + e) - loss(flat - e)) / 2e-6 for e in steps]
    np.testing.assert_allclose(flatten(gradients), numeric, rtol=1e-6, atol=1e-7)


def test_flatten_and_back():
    network = new_network((3, 4, 2), "relu", np.random.RandomState(0), np.dtype(np.float32))
    again = unflatten(flatten(network.layers), network.layers)
    for layer, one in zip(network.layers, again, strict=True):
        np.testing.assert_array_equal(layer.weight, one.weight)
        assert one.weight.dtype == np.float32
    assert np.abs(network.layers[0].weight).max() <= np.sqrt(6 / 3)


def test_adam_makes_the_papers_steps():
    layer = Layer(np.zeros((1, 1)), np.zeros(1))
    adam, m, v, p = Adam(0.1), 0.0, 0.0, 0.0
    for t, g in enumerate([1.0, -3.0, 0.5], start=1):
        adam.step([layer], [Layer(np.full((1, 1), g), np.zeros(1))])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        assert layer.weight[0, 0] == pytest.approx(p, rel=1e-5)  # its epsilon: section 2
    assert layer.bias[0] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_moons(seed, solver):
    x, y = make_moons(2000, noise=0.2, random_state=seed)
    train, test, y_train, y_test = train_test_split(x, y, random_state=seed, stratify=y)
    model = NeuralClassifier((32,), solver=solver, random_state=seed, max_iter=100)
    assert model.fit(train, y_train).score(test, y_test) >= 0.94


def test_digits():
    x, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        x, y, test_size=1 / 3, random_state=0, stratify=y
    )
    assert NeuralClassifier(random_state=0).fit(train, y_train).score(test, y_test) >= 0.96


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
def test_early_stopping_goes_back_to_the_best(solver, stored):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)), rng.integers(0, 3, 200)  # nothing to learn: it overfits
    model = NeuralClassifier(
        (30,), solver=solver, early_stopping=True, validation_fraction=0.3, random_state=0
    ).fit(stored(x), y)
    curve = model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == model.n_iter_
    assert np.argmin(curve) < len(curve) - 1
    held_out = train_test_split(
        np.arange(200), test_size=60, stratify=y, random_state=after_the_weights((10, 30, 3))
    )[1]
    log_y = model.predict_log_proba(stored(x))[held_out, y[held_out]]
    assert -log_y.mean() == pytest.approx(min(curve), rel=1e-9)
    again = model.set_params(early_stopping=False, max_iter=2).fit(stored(x), y)
    assert not hasattr(again, "validation_loss_curve_")


def after_the_weights(sizes):
    """The random state 0, once a network was made with it."""
    random = np.random.RandomState(0)
    new_network(sizes, "tanh", random, np.dtype(float))
    return random


def test_rows_of_weight_0_are_not_held_out():
    s = np.zeros(150)
    s[::3] = 1
    model = NeuralClassifier((4,), early_stopping=True, random_state=0).fit(X, Y, s)
    assert np.isfinite(model.validation_loss_curve_).all()
    alone = NeuralClassifier((4,), early_stopping=True, random_state=0).fit(X[::3], Y[::3])
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_random_state_fixes_all(solver):
    def fit(seed):
        model = NeuralClassifier(
            (8,), solver=solver, max_iter=15, early_stopping=True, random_state=seed
        )
        return model.fit(X, Y).predict_proba(X)

    np.testing.assert_array_equal(fit(3), fit(3))
    assert np.abs(fit(3) - fit(4)).max() > 1e-3
    np.testing.assert_array_equal(fit(np.random.RandomState(3)), fit(3))


@pytest.mark.parametrize("soft", [False, True])
def test_partial_fit_learns(soft):
    y = np.eye(3)[Y] if soft else Y
    model = NeuralClassifier((16,), learning_rate=0.01, batch_size=16, random_state=0)
    for epoch in range(30):
        for piece in np.array_split(np.random.default_rng(epoch).permutation(150), 3):
            model.partial_fit(X[piece], y[piece], classes=None if soft else [0, 1, 2])
    assert model.score(X, Y) > 0.96
    assert model.n_iter_ == len(model.loss_curve_) == 90
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 3


def test_partial_fit_goes_on_from_a_fit():
    model = NeuralClassifier((8,), random_state=0).fit(X, Y)
    before, n_iter = model.predict_proba(X), model.n_iter_
    model.set_params(learning_rate=1e-9).partial_fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X), before, atol=1e-6)
    assert model.n_iter_ == n_iter + 1


def test_rows_one_by_one():
    """A first row has no variance: its features are kept, unscaled."""
    model = NeuralClassifier((8,), learning_rate=0.01, random_state=0)
    for _ in range(4):
        for row in np.random.default_rng(0).permutation(150):
            model.partial_fit(X[[row]], Y[[row]], classes=[0, 1, 2])
    assert model.score(X, Y) > 0.9


def test_warm_start():
    model = NeuralClassifier((8,), warm_start=True, random_state=0, solver="lbfgs", tol=1e-6)
    model.fit(X, Y)
    last = model.loss_curve_[-1]
    model.set_params(max_iter=3).fit(X, Y)
    assert model.loss_curve_[0] <= last * 1.01 + 1e-6
    # other rows have other scales: what was learned is kept all the same
    model.set_params(max_iter=1, learning_rate=1e-12, solver="adam")
    before = model.predict_proba(X)
    model.fit(X[:120] * 1.0, np.r_[Y[:118], 2, 2])
    np.testing.assert_allclose(model.predict_proba(X), before, atol=1e-8)
    # other classes, features or layers: from the start
    labels = np.array(["a", "b", "c"])[Y]
    assert model.fit(X, labels).loss_curve_[0] > 0.5
    assert model.fit(X[:, :2], labels).coefs_[0].shape == (2, 8)
    assert model.set_params(hidden=(3, 3)).fit(X[:, :2], labels).coefs_[1].shape == (3, 3)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
def test_the_scaling_is_folded_in_exactly(stored):
    rng = np.random.default_rng(0)
    x = X * [1e3, 1e-3, 1, 1] + [5, 0, 1e4, -1]
    x = np.c_[x, np.zeros(150), np.full(150, 7.0)]  # constant features too
    model = NeuralClassifier((8,), max_iter=30, random_state=0).fit(stored(x), Y)
    mean, scale = model._scaling
    if stored is np.asarray:
        np.testing.assert_allclose(mean, x.mean(axis=0))
        np.testing.assert_allclose(scale[:4], 1 / x.std(axis=0)[:4])
        assert not scale[4:].any() and not model.coefs_[0][4:].any()
        other = x + rng.normal(size=(1, 6)) * [0, 0, 0, 0, 1, 1]
        np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(x))
    a = (x - mean) * scale
    unfolded = np.divide(
        model.coefs_[0], scale[:, None], where=scale[:, None] > 0, out=np.zeros((6, 8))
    )
    h = a @ unfolded + model.intercepts_[0] + mean @ model.coefs_[0]
    z = np.tanh(h) @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.decision_function(stored(x)), z, rtol=1e-8, atol=1e-8)


def test_the_penalty_is_on_weights_of_standardised_features():
    """So units of the features do not matter, and alpha does."""
    parameters = {"max_iter": 2000, "tol": 0, "n_iter_no_change": 50, "random_state": 0}
    plain = NeuralClassifier((4,), alpha=0.1, **parameters).fit(X, Y)
    scaled = NeuralClassifier((4,), alpha=0.1, **parameters).fit(X * [1e4, 1e-4, 7, 1] - 3, Y)
    assert scaled.loss_curve_[-1] == pytest.approx(plain.loss_curve_[-1], rel=1e-6)
    stronger = NeuralClassifier((4,), alpha=10.0, **parameters).fit(X, Y)
    assert np.abs(stronger.coefs_[1]).max() < 1e-3


@pytest.mark.parametrize("classes", [2, 3])
def test_no_hidden_layer_is_softmax_regression(classes):
    x, y = X[: 50 * classes], Y[: 50 * classes]
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    model = NeuralClassifier((), alpha=0.02, max_iter=3000, tol=0, n_iter_no_change=50).fit(x, y)
    # two classes: W has two rows there, ±w/2 at the optimum, so the penalty on w is half as strong
    alpha = 0.01 if classes == 2 else 0.02
    same = SoftmaxRegression(alpha, tol=1e-8).fit(standard, y)
    np.testing.assert_allclose(model.predict_proba(x), same.predict_proba(standard), atol=1e-3)


def test_weights_are_repetitions():
    s = np.random.default_rng(0).integers(0, 3, 150).astype(float)
    model = NeuralClassifier((6,), random_state=0, max_iter=20).fit(X, Y, s)
    again = np.repeat(np.arange(150), s.astype(int))
    same = NeuralClassifier((6,), random_state=0, max_iter=20).fit(X[again], Y[again])
    np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), atol=1e-6)


def test_soft_labels_and_smoothing():
    soft = 0.9 * np.eye(3)[Y] + 0.1 / 3
    parameters = {"max_iter": 40, "random_state": 0}
    model = NeuralClassifier((6,), **parameters).fit(X, soft)
    same = NeuralClassifier((6,), label_smoothing=0.1, **parameters).fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), atol=1e-6)


def test_two_classes():
    x, y = X[:100], Y[:100]
    model = NeuralClassifier((4,), random_state=0).fit(x, y)
    z = model.decision_function(x)
    assert z.shape == (100,)
    assert model.coefs_[-1].shape == (4, 2)
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(x), z > 0)


def test_float32():
    model = NeuralClassifier((8,), random_state=0).fit(X.astype(np.float32), Y)
    assert {part.dtype for part in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)}
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert model.score(X, Y) > 0.96


def test_the_loss_of_lbfgs_never_rises_and_is_the_objective():
    model = NeuralClassifier((6,), solver="lbfgs", alpha=0.01, max_iter=60, random_state=0)
    model.fit(X, Y)
    assert np.all(np.diff(model.loss_curve_) <= 0)
    rows = Rows(X, Y, np.ones(150), np.zeros(4), np.ones(4))
    layers = [Layer(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
    first = layers[0].weight / model._scaling[1]
    penalty = 0.005 * (np.sum(first**2) + np.sum(layers[1].weight ** 2))
    loss = rows.loss(Network(layers, "tanh"))
    assert loss + penalty == pytest.approx(model.loss_curve_[-1], rel=1e-8)


def test_predictions_in_pieces(monkeypatch):
    model = NeuralClassifier((8,), random_state=0, max_iter=20).fit(X, Y)
    whole, labels = model.predict_proba(X), model.predict(X)
    monkeypatch.setattr("softxent.learn.neural.AT_ONCE", 7)
    np.testing.assert_allclose(model.predict_proba(X), whole, rtol=1e-12)
    np.testing.assert_array_equal(model.set_params(max_memory=100).predict(X), labels)


def test_more_iterations_are_asked_for():
    model = NeuralClassifier((8,), max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=3 while.*Raise max_iter") as caught:
        model.fit(X, Y)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(max_iter=500).fit(X, Y)


def test_progress_is_shown_on_request(capsys):
    pytest.importorskip("tqdm")
    NeuralClassifier((4,), verbose=True, max_iter=5).fit(X, Y)
    assert "loss" in capsys.readouterr().err
