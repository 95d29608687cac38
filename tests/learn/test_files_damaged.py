"""Model files that are wrong: each is told as such, and none takes memory that it has not."""

import json
import os
import random
import tracemalloc

import numpy as np
import pytest
from learn.model_files import neural, parts, put, softmax
from safetensors.numpy import save_file
from sklearn.datasets import make_classification

from softxent.learn import SoftmaxRegression, files, load


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.softxent"


def refused(path, code="model-file"):
    with pytest.raises(ValueError, match=rf"^load: .*{path.name}.*\[{code}\]") as caught:
        load(path)
    return str(caught.value)


def test_no_file(path):
    with pytest.raises(FileNotFoundError):
        load(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"a,b,c\n1,2,3\n", b"\x80\x04\x95pickle", b"PK\x03\x04" + b"\0" * 100, b"\0" * 99],
)
def test_a_file_of_another_kind(path, content):
    path.write_bytes(content)
    refused(path)


def test_a_safetensors_file_of_another_program(path):
    save_file({"coef": np.zeros((3, 4))}, path)
    assert "of another program" in refused(path)
    save_file({"coef": np.zeros((3, 4))}, path, {"format": "pt"})
    assert "of another program" in refused(path)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file(path, share):
    softmax().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def test_a_file_with_something_behind(path):
    softmax().save(path)
    path.write_bytes(path.read_bytes() + b"\0")
    refused(path)


def test_a_newer_schema_says_who_wrote_it(path):
    softmax().save(path)
    record, tensors = parts(path)
    put(path, record | {"schema_version": 2, "softxent": "9.1"}, tensors)
    words = r"of schema 2, written by softxent 9.1; .*Upgrade softxent.*\[model-version\]"
    with pytest.raises(ValueError, match=words):
        load(path)


def test_a_file_over_the_cap_is_not_read(path):
    softmax().save(path)
    size = path.stat().st_size
    with pytest.raises(ValueError, match=rf"{size} bytes.*max_bytes={size}.*\[model-size\]"):
        load(path, max_bytes=size - 1)
    load(path, max_bytes=size)
    os.truncate(path, files.MAX_BYTES + 1)  # a hole: takes no room
    refused(path, "model-size")


def test_a_header_that_claims_more_than_there_is(path):
    for claimed in (200, 10**8, 2**40, 2**63, 2**64 - 1):
        path.write_bytes(claimed.to_bytes(8, "little") + b'{"a":' * 10)
        refused(path)


@pytest.mark.parametrize(
    "header",
    [
        {"coef": {"dtype": "F64", "shape": [2**40, 2**20], "data_offsets": [0, 2**63]}},
        {"coef": {"dtype": "F64", "shape": [2**32, 2**32], "data_offsets": [0, 0]}},
        {"coef": {"dtype": "F64", "shape": [4], "data_offsets": [0, 64]}},
        {"coef": {"dtype": "F64", "shape": [4], "data_offsets": [32, 0]}},
        {"coef": {"dtype": "F64", "shape": [-4], "data_offsets": [0, 32]}},
        {"coef": {"dtype": "F65", "shape": [4], "data_offsets": [0, 32]}},
        {"coef": {"dtype": "BF16", "shape": [16], "data_offsets": [0, 32]}},
        {"coef": {"dtype": "F8_E4M3", "shape": [32], "data_offsets": [0, 32]}},
        {"coef": {"dtype": "C64", "shape": [4], "data_offsets": [0, 32]}},
        {"coef": []},
        [],
    ],
)
def test_a_header_whose_arrays_cannot_be(path, header):
    record = json.dumps({"schema_version": 1})
    if isinstance(header, dict):
        header = {"__metadata__": {"softxent": record}} | header
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(32))
    tracemalloc.start()
    refused(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{", "[" * 100_000, '{"schema_version": NaN}', '{"schema_version": "1"}'],
)
def test_metadata_that_are_no_record(path, text):
    put(path, text, {})
    refused(path)


def changed(record, where, value):
    *folders, last = where.split(".")
    for folder in folders:
        record = record[folder]
    if value is KeyError:
        del record[last]
    else:
        record[last] = value


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("schema_version", KeyError, "without 'schema_version'"),
        ("schema_version", 0, "'schema_version' = 0"),
        ("schema_version", True, "of type bool"),
        ("estimator", "os.system", "of the estimator 'os.system'"),
        ("estimator", KeyError, "without 'estimator'"),
        ("parameters.alpha", -1, "alpha is -1"),
        ("parameters.alpha", 10**400, "parameters that cannot be"),
        ("parameters.alpha", [1], "alpha is a list"),
        ("parameters.beta", 1, "a parameter 'beta'"),
        ("parameters.dtype", "float99", "parameters that cannot be"),
        ("parameters.dtype", "int8", "parameters that cannot be"),
        ("parameters.max_memory", "-1", "parameters that cannot be"),
        ("parameters.class_weight", [1], "parameters that cannot be"),
        ("parameters.class_weight", [[[], 1]], "parameters that cannot be"),
        ("parameters", [], "'parameters' of type list"),
        ("classes.kind", "complex", "classes of kind"),
        ("classes.kind", "str", "classes of kind"),
        ("classes.dtype", "float64", "classes of kind"),
        ("classes.dtype", "i8,O", "classes of kind"),
        ("classes.dtype", "nothing", "classes of dtype"),
        ("classes.dtype", "int8", "classes beyond int8"),
        ("classes.values", [0, 1, 1], "2 different classes"),
        ("classes.values", [0], "1 different classes"),
        ("classes.values", [0, 1, "2"], "a class that is no int"),
        ("classes.values", [0, 1, True], "a class that is no int"),
        ("classes.values", [[], 1, 2], "a class that is no int"),
        ("classes.values", [0, 1, 2, 300], "expected (4, 4)"),
        ("n_features", 5, "coef of shape (3, 4)"),
        ("n_features", 0, "'n_features' = 0"),
        ("n_features", 1e3, "of type float"),
        ("feature_names", ["a"], "other feature names"),
        ("feature_names", [1, 2, 3, 4], "other feature names"),
        ("n_iter", -1, "'n_iter' = -1"),
        ("n_iter", 10**30, "'n_iter' = 1000"),
        ("steps", 3, "'centred' of type NoneType"),
        ("shapes.coef", [4, 3], "other names or shapes"),
        ("extra", KeyError, "without 'extra'"),
    ],
)
def test_a_record_that_cannot_be(path, where, value, words):
    softmax().save(path)
    record, tensors = parts(path)
    changed(record, where, value)
    if where == "classes.dtype" and value == "int8":
        record["classes"]["values"] = [0, 1, 300]
    put(path, record, tensors)
    assert words in refused(path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("coef", None, "without the array 'coef'"),
        ("coef", np.zeros((4, 3)), "coef of shape (4, 3)"),
        ("coef", np.zeros((3, 4), np.int64), "coef of dtype int64"),
        ("coef", np.full((3, 4), np.nan), "NaN or infinity in coef"),
        ("intercept", np.zeros(3, np.float32), "intercept of dtype float32"),
        ("intercept", np.array([0, np.inf, 0]), "NaN or infinity in intercept"),
        ("loss_curve", np.zeros(3, np.float32), "without the float64 vector 'loss_curve'"),
        ("more", np.zeros(3), "an array 'more'"),
    ],
)
def test_arrays_that_do_not_fit(path, name, value, words):
    softmax().save(path)
    record, tensors = parts(path)
    put(path, *with_array(record, tensors, name, value))
    assert words in refused(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coef.1", np.zeros((4, 5))),
        ("coef.1", np.zeros((5, 4), np.float32)),
        ("coef.1", np.zeros(5)),
        ("coef.1", None),
        ("coef.0", np.zeros((3, 5))),
        ("coef.2", np.zeros((4, 4))),
        ("intercept.1", np.zeros(5)),
        ("scaling.mean", np.zeros(5)),
        ("scaling.scale", np.full(4, np.inf)),
    ],
)
def test_networks_that_do_not_fit(path, name, value):
    neural().save(path)
    record, tensors = parts(path)
    put(path, *with_array(record, tensors, name, value))
    refused(path)


def with_array(record, tensors, name, value):
    if value is None:
        del tensors[name], record["shapes"][name]
    else:
        tensors[name], record["shapes"][name] = value, list(value.shape)
    return record, tensors


@pytest.mark.parametrize("layers", [0, 2, 4, 10**9, "3"])
def test_a_number_of_layers_that_is_not(path, layers):
    neural().save(path)
    record, tensors = parts(path)
    put(path, record | {"layers": layers}, tensors)
    refused(path)


def test_bytes_changed_at_random_never_crash(path):
    """Every flip is refused with our message, or changes a number of the model."""
    chance = random.Random(0)
    x, y = make_classification(60, 6, random_state=0)
    models = [softmax(), neural(), SoftmaxRegression().partial_fit(x, y, classes=[0, 1])]
    refusals = 0
    for model in models:
        files.write(path, model, extra={"a": [1, "b"]}, tensors={"c": np.eye(2, dtype=bool)})
        content = path.read_bytes()
        for _ in range(400):
            damaged = bytearray(content)
            for _ in range(chance.choice([1, 1, 2, 8])):
                at = chance.randrange(len(damaged))
                damaged[at] = chance.choice([chance.randrange(256), damaged[at] ^ 1, ord("9")])
            if chance.random() < 0.1:
                del damaged[chance.randrange(len(damaged)) :]
            path.write_bytes(damaged)
            tracemalloc.start()
            try:
                files.read(path).model.predict(np.zeros((1, model.n_features_in_)))
            except ValueError as exc:
                refusals += "[model-" in str(exc)
                assert "[model-" in str(exc) or "features" in str(exc), exc
            assert tracemalloc.get_traced_memory()[1] < 100 * len(content) + 2**20
            tracemalloc.stop()
    assert 200 < refusals < 1200
