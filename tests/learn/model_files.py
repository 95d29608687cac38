"""What the tests of model files share: models, and files taken apart and put together."""

import json

from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_iris

from softxent.learn import NeuralClassifier, SoftmaxRegression

X, Y = load_iris(return_X_y=True)


def softmax(**parameters):
    return SoftmaxRegression(**parameters).fit(X, Y)


def neural(**parameters):
    parameters = {"hidden": (5, 4), "random_state": 0, "tol": 1e-2} | parameters
    return NeuralClassifier(**parameters).fit(X, Y)


def parts(path):
    """Return the JSON and the arrays of a model file."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["softxent"]), load_file(path)


def put(path, record, tensors):
    text = record if isinstance(record, str) else json.dumps(record)
    save_file(tensors, path, {"softxent": text})
