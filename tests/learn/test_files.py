"""Model files: what was saved is what is loaded; files that are wrong: test_files_damaged.py."""

import os
import subprocess
import sys

import numpy as np
import pytest
from learn.model_files import X, Y, neural, parts, put, softmax
from safetensors.numpy import load_file
from sklearn.ensemble import RandomForestClassifier

from softxent.learn import NeuralClassifier, SoftmaxRegression, files, load

NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.softxent"


def same(a, b):
    """The same parameters, and the same answers bit for bit."""
    assert type(a) is type(b)
    parameters = a.get_params()
    if parameters["dtype"] is not None:
        parameters["dtype"] = np.dtype(parameters["dtype"]).name
    assert parameters == b.get_params()
    assert a.classes_.tolist() == b.classes_.tolist()
    assert a.classes_.dtype == b.classes_.dtype
    for x in (X, X.astype(np.float32)):
        np.testing.assert_array_equal(a.predict(x), b.predict(x))
        for method in ("decision_function", "predict_proba", "predict_log_proba"):
            np.testing.assert_array_equal(getattr(a, method)(x), getattr(b, method)(x))
    assert a.loss_curve_ == b.loss_curve_
    assert np.array_equal(a.n_iter_, b.n_iter_)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"alpha": np.float64(0.01), "dtype": np.float32, "n_threads": 1, "max_memory": 10**6},
        {"class_weight": {0: 1.0, np.int64(1): np.float32(2.5), 2: 3}, "random_state": 7},
        {"class_weight": "balanced", "fit_intercept": False, "label_smoothing": 0.1},
    ],
)
def test_softmax_regression_comes_back(path, parameters):
    model = softmax(**parameters)
    model.save(path)
    same(model, load(path))
    assert load(path).coef_.dtype == model.coef_.dtype


@pytest.mark.parametrize(
    "parameters",
    [{}, {"hidden": []}, {"dtype": "float32", "activation": "relu"}, {"early_stopping": True}],
)
def test_neural_classifier_comes_back(path, parameters):
    model = neural(**parameters)
    model.save(path)
    again = load(path)
    model.hidden = tuple(model.hidden)
    same(model, again)
    held_out = getattr(model, "validation_loss_curve_", None)
    assert getattr(again, "validation_loss_curve_", None) == held_out


@pytest.mark.parametrize(
    "labels",
    [
        np.array([False, True]),
        np.array([-3, 2**40]),
        np.array([1, 255], np.uint8),
        np.array([0.5, 0.1], np.float32),
        np.array([0.1, 1e300]),
        np.array(["a", "Ω, \N{PILE OF POO} \"'\n"]),
        np.array(["", "object"], object),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_classes_keep_their_kind(path, labels):
    y = labels[Y % 2]
    model = SoftmaxRegression().fit(X, y) if y.dtype.kind != "f" else softmax()
    model.classes_ = np.sort(labels)
    model.coef_, model.intercept_ = model.coef_[:1], model.intercept_[:1]
    model.save(path)
    same(model, load(path))


def test_many_labels_of_which_one_is_long_take_no_room(path):
    model = softmax()
    model.classes_ = np.array([*map(str, range(99)), "c" * 100_000], object)
    model.coef_, model.intercept_ = np.ones((100, 4)), np.zeros(100)
    model.save(path)
    assert load(path).classes_.tolist() == model.classes_.tolist()
    record, tensors = parts(path)
    record["classes"]["dtype"] = "str"  # as one array of NumPy: 40 MB
    put(path, record, tensors)
    assert load(path).classes_.dtype == object


def test_feature_names_come_back(path):
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    model = SoftmaxRegression().fit(frame, Y)
    model.save(path)
    again = load(path)
    assert again.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_feature_names_without_pandas(path):
    model = softmax()
    model.feature_names_in_ = np.array(list("abcd"), object)
    model.save(path)
    assert load(path).feature_names_in_.tolist() == list("abcd")
    assert load(path).feature_names_in_.dtype == object


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_partial_fit_goes_on_as_if_it_had_not_stopped(path, classes, dtype):
    y = np.minimum(Y, classes - 1)
    model = SoftmaxRegression(dtype=dtype)
    model.partial_fit(X[::2], y[::2], classes=range(classes))
    model.save(path)
    again = load(path)
    for one in (model, again):
        one.partial_fit(X[1::2], y[1::2])
    np.testing.assert_array_equal(again.coef_, model.coef_)
    np.testing.assert_array_equal(again.intercept_, model.intercept_)
    same(model, again)


def test_partial_fit_of_a_network_goes_on_from_its_weights(path):
    model = neural(hidden=(8,), max_iter=500)
    model.save(path)
    again = load(path)
    before = again.score(X, Y)
    for _ in range(3):
        again.partial_fit(X, Y)
    assert again.score(X, Y) >= before - 0.02
    assert again.n_iter_ == model.n_iter_ + 3
    # and as the one that stayed, whose Adam starts anew after fit, too
    model.random_state = again.random_state
    model.partial_fit(X, Y)
    once = load(path).partial_fit(X, Y)
    np.testing.assert_array_equal(once.coefs_[0], model.coefs_[0])


def test_a_network_trained_in_pieces_comes_back(path):
    model = NeuralClassifier(hidden=(5,), random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    model.save(path)
    same(model, load(path))
    load(path).partial_fit(X, Y)


def test_warm_start_goes_on(path):
    model = softmax(warm_start=True, tol=1e-3)
    model.save(path)
    assert load(path).fit(X, Y).n_iter_[0] <= 1


def test_extra_comes_back(path):
    extra = {"columns": [{"name": "größe", "mean": 0.1 + 0.2}], "none": None, "yes": True}
    tensors = {
        "a/b": np.arange(6, dtype=np.int8).reshape(2, 3),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "swapped": np.arange(3, dtype=">f4"),
        "single": np.float16(0.5),
        "truth": np.array([True, False]),
        "none": np.zeros((0, 3)),
        "coef": np.array([np.nan, np.inf]),  # the caller's own
    }
    files.write(path, softmax(), extra=extra, tensors=tensors)
    saved = files.read(path)
    assert saved.extra == extra
    assert set(saved.tensors) == set(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(saved.tensors[name], tensor)
        assert saved.tensors[name].shape == np.shape(tensor)
        assert saved.tensors[name].dtype == np.asarray(tensor).dtype.newbyteorder("=")


def test_any_program_for_safetensors_reads_it(path):
    model = softmax()
    model.save(path)
    np.testing.assert_array_equal(load_file(path)["coef"], model.coef_)
    record, _ = parts(path)
    assert record["schema_version"] == 1
    assert record["classes"] == {"kind": "int", "dtype": "int64", "values": [0, 1, 2]}
    assert record["shapes"] == {"coef": [3, 4], "intercept": [3], "loss_curve": [33]} | {
        "loss_curve": [len(model.loss_curve_)]
    }


def test_the_same_model_makes_the_same_file(path, tmp_path):
    softmax().save(path)
    softmax().save(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_another_process_answers_the_same(path):
    model = neural()
    model.save(path)
    code = (
        "import sys, numpy as np; from softxent.learn import load;"
        "from sklearn.datasets import load_iris;"
        "sys.stdout.buffer.write(load(sys.argv[1]).predict_proba(load_iris().data).tobytes())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, check=True, env=os.environ
    )
    assert run.stdout == model.predict_proba(X).tobytes()


# What cannot be saved


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (RandomForestClassifier(), "a RandomForestClassifier; expected one of NeuralCl"),
        (SoftmaxRegression(), "a SoftmaxRegression that is not fitted"),
        (softmax(random_state=np.random.RandomState(0)), "a model with random_state="),
        (softmax().set_params(class_weight={0: 1, 1: np.inf}), "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_models_that_no_file_can_hold(tmp_path, model, words):
    with pytest.raises(ValueError, match=r"\[model-save\]") as caught:
        files.write(tmp_path / "a", model)
    assert words in str(caught.value)
    assert os.listdir(tmp_path) == []


def broken(change):
    model = softmax()
    change(model)
    return model


@pytest.mark.parametrize(
    "model",
    [
        broken(lambda m: np.put(m.coef_, 3, np.nan)),
        broken(lambda m: np.put(m.intercept_, 0, np.inf)),
        broken(lambda m: setattr(m, "classes_", np.array([b"a", b"b", b"c"]))),
        broken(lambda m: setattr(m, "classes_", np.array([1, "b", None], object))),
        broken(lambda m: setattr(m, "classes_", np.arange(3, dtype=np.longdouble))),
    ],
)
def test_weights_and_classes_that_no_file_can_hold(tmp_path, model):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ValueError, match=r"\[model-save\]"):
        model.save(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize(
    "kept",
    [
        {"extra": {"a": np.nan}},
        {"extra": {"a": {1, 2}}},
        {"tensors": {"a": np.array(["text"])}},
        {"tensors": {"a": np.array([None])}},
        {"tensors": {"a": np.array([1j])}},
    ],
)
def test_extra_that_no_file_can_hold(tmp_path, kept):
    with pytest.raises(ValueError, match=r"\[model-save\]"):
        files.write(tmp_path / "a", softmax(), **kept)
    assert os.listdir(tmp_path) == []


def test_a_header_over_the_limit_of_the_format(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_HEADER", 1000)
    with pytest.raises(ValueError, match=r"bytes of metadata.*\[model-save\]"):
        files.write(tmp_path / "a", softmax(), extra={"a": "b" * 1000})
    assert os.listdir(tmp_path) == []


def test_paths_that_cannot_be_written(tmp_path):
    model = softmax()
    with pytest.raises(FileNotFoundError, match=r"No such file.*\[model-path\]"):
        model.save(tmp_path / "none" / "a")
    with pytest.raises(OSError, match=r"expected a file.*\[model-path\]"):
        model.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_failure_while_writing_leaves_what_was_there(path, monkeypatch):
    model = softmax()
    model.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        neural().save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_links_stay_links_and_permissions_are_those_of_any_new_file(path, tmp_path):
    model = softmax()
    model.save(path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
