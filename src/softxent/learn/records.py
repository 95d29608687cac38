"""A fitted estimator as a JSON record and named arrays, and back; every field is checked.

The record of a softmax regression of three classes over four features:

    {"estimator": "SoftmaxRegression", "parameters": {"alpha": 0.0001, ...},
     "classes": {"kind": "str", "dtype": "str", "values": ["a", "b", "c"]},
     "n_features": 4, "feature_names": null, "n_iter": 12, "steps": null,
     "shapes": {"coef": [3, 4], "intercept": [3], "loss_curve": [13]}}

What `partial_fit` needs to go on is kept as far as it is small: of SoftmaxRegression the scales and
the number of steps, which is all there is; of NeuralClassifier the scaling of the features. Adam's
means, as large as two more networks, are not: it starts them anew, as after `fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from softxent.kernels.budget import parse_memory
from softxent.learn.labels import Damaged, NotStorable, labels_from, labels_record, plain, take
from softxent.learn.layer import Array
from softxent.learn.neural import NeuralClassifier
from softxent.learn.regression import SoftmaxRegression
from softxent.learn.scales import Scales
from softxent.learn.sgd import Descent

Model = SoftmaxRegression | NeuralClassifier
Tensors = dict[str, Array]
ESTIMATORS: dict[str, type[Model]] = {
    "NeuralClassifier": NeuralClassifier,
    "SoftmaxRegression": SoftmaxRegression,
}
SCALES = ("mean", "squares", "counts")  # of the rows that partial_fit has seen
LARGEST = 2**31 - 1  # a count of iterations or steps


def record_of(model: Any) -> tuple[dict[str, Any], Tensors]:
    """Return the record of a fitted estimator, and its arrays."""
    name = type(model).__name__
    if ESTIMATORS.get(name) is not type(model):
        raise NotStorable(f"a {name}", "one of " + ", ".join(ESTIMATORS))
    if not hasattr(model, "classes_"):
        raise NotStorable(f"a {name} that is not fitted", "one that is: call fit first")
    own, tensors = _neural_state(model) if name == "NeuralClassifier" else _softmax_state(model)
    tensors["loss_curve"] = np.asarray(model.loss_curve_, np.float64)
    names = getattr(model, "feature_names_in_", None)
    record = {
        "estimator": name,
        "parameters": {key: _stored(key, v) for key, v in model.get_params(deep=False).items()},
        "classes": labels_record(model.classes_),
        "n_features": int(model.n_features_in_),
        "feature_names": None if names is None else [str(one) for one in names],
        "shapes": {key: list(tensor.shape) for key, tensor in tensors.items()},
        **own,
    }
    for key, tensor in tensors.items():
        if not key.endswith("loss_curve") and not np.isfinite(tensor).all():
            raise NotStorable(f"a {name} whose {key} is not finite", "finite weights")
    return record, tensors


def model_from(record: Mapping[str, Any], tensors: Tensors) -> Model:
    """Return the estimator that the record tells of."""
    name = take(record, "estimator", str)
    if name not in ESTIMATORS:
        raise Damaged(f"a file of the estimator {name[:40]!r}", "one of " + ", ".join(ESTIMATORS))
    shapes = take(record, "shapes", dict)
    if shapes != {key: list(tensor.shape) for key, tensor in tensors.items()}:
        raise Damaged(
            "a file with arrays of other names or shapes than it lists", "those of `shapes`"
        )
    model = _with_parameters(ESTIMATORS[name], take(record, "parameters", dict))
    model.classes_ = labels_from(take(record, "classes", dict))
    n_features = take(record, "n_features", int, 1)
    model.n_features_in_ = n_features
    names = take(record, "feature_names", (list, type(None)))
    if names is not None:
        if len(names) != n_features or not all(isinstance(one, str) for one in names):
            raise Damaged("a file with other feature names", f"{n_features} texts")
        model.feature_names_in_ = np.array(names, object)
    model.loss_curve_ = _vector(tensors, "loss_curve", None).tolist()
    if isinstance(model, NeuralClassifier):
        _restore_neural(model, record, tensors)
    else:
        _restore_softmax(model, record, tensors)
    if tensors:
        raise Damaged(f"a file with an array {min(tensors)[:40]!r}", f"only those of a {name}")
    return model


def _softmax_state(model: SoftmaxRegression) -> tuple[dict[str, Any], Tensors]:
    tensors = {"coef": model.coef_, "intercept": model.intercept_}
    steps, centred = None, None
    if hasattr(model, "_descent"):
        scales = model._descent.scales
        steps, centred = int(model._descent.steps), bool(scales.centred)
        tensors |= {f"scales.{key}": getattr(scales, key) for key in SCALES}
    return {"n_iter": int(model.n_iter_[0]), "steps": steps, "centred": centred}, tensors


def _restore_softmax(model: SoftmaxRegression, record: Mapping[str, Any], tensors: Tensors) -> None:
    n_classes, n_features = len(model.classes_), model.n_features_in_
    rows = 1 if n_classes == 2 else n_classes
    model.coef_ = _array(tensors, "coef", (rows, n_features))
    model.intercept_ = _array(tensors, "intercept", (rows,), model.coef_.dtype)
    model.n_iter_ = np.array([take(record, "n_iter", int, 0, LARGEST)], np.int32)
    steps = take(record, "steps", (int, type(None)), 0, LARGEST)
    if steps is None:
        return
    scales = Scales(n_features, centred=take(record, "centred", bool))
    for key in SCALES:
        setattr(scales, key, _vector(tensors, f"scales.{key}", n_features))
    model._descent = Descent(
        model._layer(),
        model.fit_intercept,
        model.alpha,
        model.label_smoothing,
        model.batch_size,
        parse_memory("load", model.max_memory),
        scales,
        steps,
    )


def _neural_state(model: NeuralClassifier) -> tuple[dict[str, Any], Tensors]:
    tensors: Tensors = {}
    for at, (coef, intercept) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        tensors |= {f"coef.{at}": coef, f"intercept.{at}": intercept}
    tensors["scaling.mean"], tensors["scaling.scale"] = model._scaling
    held_out = getattr(model, "validation_loss_curve_", None)
    if held_out is not None:
        tensors["validation_loss_curve"] = np.asarray(held_out, np.float64)
    return {"n_iter": int(model.n_iter_), "layers": len(model.coefs_)}, tensors


def _restore_neural(model: NeuralClassifier, record: Mapping[str, Any], tensors: Tensors) -> None:
    layers = take(record, "layers", int, 1, len(tensors))
    model.coefs_ = [_array(tensors, f"coef.{at}", None) for at in range(layers)]
    sizes = [
        model.n_features_in_,
        *(coef.shape[-1] for coef in model.coefs_[:-1]),
        len(model.classes_),
    ]
    dtype = model.coefs_[0].dtype
    for coef, shape in zip(model.coefs_, pairwise(sizes), strict=True):
        if coef.shape != shape or coef.dtype != dtype:
            raise Damaged(
                f"a file with layers of shape {coef.shape} where {shape} fits", "a network"
            )
    model.intercepts_ = [
        _array(tensors, f"intercept.{at}", (size,), dtype) for at, size in enumerate(sizes[1:])
    ]
    model._scaling = (
        _vector(tensors, "scaling.mean", sizes[0]),
        _vector(tensors, "scaling.scale", sizes[0]),
    )
    model.n_iter_ = take(record, "n_iter", int, 0, LARGEST)
    if "validation_loss_curve" in tensors:
        held_out = _vector(tensors, "validation_loss_curve", None)
        model.validation_loss_curve_ = held_out.tolist()


def _array(
    tensors: Tensors,
    name: str,
    shape: tuple[int, ...] | None,
    dtype: np.dtype[Any] | None = None,
) -> Array:
    """Take an array of weights out of the dict: floats, finite, of this shape."""
    if name not in tensors:
        raise Damaged(f"a file without the array {name!r}", "all arrays of its estimator")
    array = tensors.pop(name)
    if array.dtype not in (np.float32, np.float64) or (dtype or array.dtype) != array.dtype:
        raise Damaged(
            f"a file with {name} of dtype {array.dtype}", str(dtype or "float32 or float64")
        )
    if (shape is not None and array.shape != shape) or (shape is None and array.ndim != 2):
        raise Damaged(
            f"a file with {name} of shape {array.shape}", str(shape) if shape else "a matrix"
        )
    if not np.isfinite(array).all():
        raise Damaged(f"a file with NaN or infinity in {name}", "finite weights")
    return array


def _vector(tensors: Tensors, name: str, size: int | None) -> Array:
    """Take a float64 vector out of the dict; losses (no `size`) may be infinite."""
    array = tensors.pop(name, None)
    if array is None or array.dtype != np.float64 or array.ndim != 1:
        raise Damaged(f"a file without the float64 vector {name!r}", "all arrays of its estimator")
    if size is not None and (len(array) != size or not np.isfinite(array).all()):
        raise Damaged(
            f"a file with {len(array)} entries in {name}, or some not finite", f"{size} finite"
        )
    return array


def _stored(name: str, value: Any) -> Any:
    """A parameter as JSON has it."""
    if name == "dtype" and value is not None:
        return str(np.dtype(value))
    if isinstance(value, Mapping):
        return [[plain(label), plain(weight)] for label, weight in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    try:
        return plain(value)
    except NotStorable:
        raise NotStorable(
            f"a model with {name}={value!r:.60}", f"a number, a text or None as {name}: set_params"
        ) from None


def _with_parameters(estimator: type[Model], stored: Mapping[str, Any]) -> Model:
    model = estimator()
    unknown = set(stored) - set(model.get_params(deep=False))
    if unknown:
        raise Damaged(
            f"a file with a parameter {min(unknown)[:40]!r}", f"those of {estimator.__name__}"
        )
    try:
        model.set_params(**{key: _parameter(key, value) for key, value in stored.items()})
        model._check("load")
        parse_memory("load", model.max_memory)
    except (TypeError, ValueError, ArithmeticError) as exc:
        raise Damaged(
            f"a file with parameters that cannot be: {exc}", "those of a fitted model"
        ) from None
    return model


def _parameter(name: str, value: Any) -> Any:
    if name == "hidden":
        return tuple(value)
    if name == "class_weight" and isinstance(value, list):
        return {label: weight for label, weight in value}
    if isinstance(value, (list, dict)):
        raise TypeError(f"{name} is a {type(value).__name__}")
    return value
